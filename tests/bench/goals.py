# SPDX-License-Identifier: BSD-3-Clause
"""The goals of the hot path, and what a run reached of them."""


def find(results, bench, **labels):
    """The row of a benchmark with these labels; None if it was not measured."""
    rows = results.get(bench, {}).get("rows", ())
    return next((row for row in rows if all(row.get(k) == v for k, v in labels.items())), None)


def of_macswap(results, size):
    row = find(results, "hotpath", shape="vxlan-ipv4", inner_bytes=size, subject="mirrortapd ring")
    return row and row["ratios"]["testpmd macswap"]["median"]


def over_rxonly(results):
    ours, rxonly = (find(results, "hotpath", shape="vxlan-ipv4", inner_bytes=64, subject=subject)
                    for subject in ("mirrortapd ring", "testpmd rxonly"))
    return ours and rxonly and ours["cycles"]["median"] - rxonly["cycles"]["median"]


def stages(results, shape):
    """Decapsulate in its fastest way, and what is behind it, for one queue."""
    behind = find(results, "micro", stage="spread, deliver, release", variant="1 own queue")
    ways = [row["cycles"]["median"] for row in results.get("micro", {}).get("rows", ())
            if row["stage"] == "decapsulate" and row["shape"] == shape]
    return min(ways) + behind["cycles"]["median"] if ways and behind else None


def stages_ratio(results, shape):
    ours, common = stages(results, shape), stages(results, "vxlan-ipv4")
    return ours and common and ours / common


def hand_over(results):
    row = find(results, "micro", stage="both sides", variant="1 producer")
    return row and row["cycles"]["median"]


def of_kernel(results):
    row = find(results, "kernel", subject="mirrortapd ring")
    return row and row["ratios"]["kernel vxlan0, tcpdump"]["median"]


def of_forwarding(results):
    row = find(results, "memif", inner_bytes=64, subject="mirrortapd")
    return row and row["ratios"]["testpmd io"]["median"]


def taken(results):
    row = find(results, "consumer", subject="taken by mirrorflows")
    return row and row["mpps"]["median"]


def written(results):
    row = find(results, "capture_files", subject="mirrortapd, pcapng")
    return row and row["gbytes"]["median"]


def of_tap(results):
    row = find(results, "pcap", subject="ring without loss")
    return row and row["ratios"]["TAP"]["median"]


def worst(results, name, first, others):
    """How many times the first one's cycles the dearest of the others takes."""
    base = find(results, "sets", set=name, subject=first)
    rows = [find(results, "sets", set=name, subject=other) for other in others]
    if base is None or None in rows:
        return None
    return max(row["cycles"]["median"] for row in rows) / base["cycles"]["median"]


def cycles_between(results, dear, cheap):
    """How many cycles more one subject of the policy benchmark takes than another."""
    dear, cheap = find(results, "policy", **dear), find(results, "policy", **cheap)
    return dear and cheap and dear["cycles"]["median"] - cheap["cycles"]["median"]


def of_before(results):
    row = find(results, "policy", subject="nothing, before")
    return row and row["ratios"]["nothing"]["median"]


def of_latency(results, figure):
    row = find(results, "latency", load="50 %")
    return row and row[figure]["median"]


# What, how it is found, relation, limit, form.
GOALS = (
    ("of `testpmd macswap`, ring output, 64 bytes inside", lambda r: of_macswap(r, 64),
     ">=", 0.95, "{:.2f}"),
    ("the same, 1,400 bytes", lambda r: of_macswap(r, 1400), ">=", 0.97, "{:.2f}"),
    ("cycles over `testpmd rxonly`, ring output, 64 bytes", over_rxonly, "<=", 20, "{:.1f}"),
    ("stages with IPv6 inside, of those with IPv4", lambda r: stages_ratio(r, "vxlan-ipv6"),
     "<=", 1.3, "{:.2f}"),
    ("stages with GENEVE, of those with VXLAN", lambda r: stages_ratio(r, "geneve"),
     "<=", 1.6, "{:.2f}"),
    ("cycles of a hand-over to another core, both sides", hand_over, "<=", 30, "{:.1f}"),
    ("of the kernel's `vxlan0`, per core", of_kernel, ">=", 50, "{:.0f}"),
    ("Mpps from a ring to a process on another core, for 30 s", taken, ">=", 20, "{:.1f}"),
    ("GB/s of 1,400-byte frames into capture files in tmpfs, by the clock", written, ">=", 2,
     "{:.2f}"),
    ("of `testpmd io` into the same memif, 64 bytes", of_forwarding, ">=", 0.8, "{:.2f}"),
    ("tcpdump's rate from a ring without loss, of that from a TAP", of_tap, ">=", 12, "{:.0f}"),
    ("cycles at 1,000 VNIs, of those at 1", lambda r: worst(r, "VNIs", "1 VNI", ["1000 VNIs"]),
     "<=", 1.1, "{:.2f}"),
    ("cycles at 2 to 64 queues at most, of those at 1", lambda r: worst(
        r, "queues", "1 queue", [f"{2 ** n} queues" for n in range(1, 7)]), "<=", 1.1, "{:.2f}"),
    ("cycles with 1,000 rules over 10", lambda r: cycles_between(
        r, {"subject": "1,000 rules"}, {"subject": "10 rules"}), "<=", 15, "{:.1f}"),
    ("rate of the program before sessions, of ours with nothing configured", of_before,
     "<=", 1, "{:.2f}"),
    ("p99 at 50 % load in microseconds, sender to reader", lambda r: of_latency(r, "p99_us"),
     "<=", 20, "{:.0f}"),
    ("the same, receive to delivery, at most", lambda r: of_latency(r, "daemon_p99_us"),
     "<=", 20, "{:.1f}"),
)


def table(results):
    """Markdown. A goal that was not measured is not reached either."""
    lines = ["| what | goal | here | |", "|---|---:|---:|---|"]
    for what, measure, relation, limit, form in GOALS:
        value = measure(results)
        if value is None:
            reached, shown = "not measured", "-"
        else:
            met = value >= limit if relation == ">=" else value <= limit
            reached, shown = "reached" if met else "**missed**", form.format(value)
        lines.append(f"| {what} | {relation} {limit:g} | {shown} | {reached} |")
    return "\n".join(lines)
