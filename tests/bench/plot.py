#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and tables for docs/performance.md, from what tests/bench/run.sh all --json DIR wrote.

    tests/bench/plot.py DIR

Writes docs/performance-*.svg, and puts the tables between the marks of docs/performance.md. Takes
what DIR has; a benchmark that is not there leaves its picture and table as they are, and its goals
are not reached. Needs python3-matplotlib.
"""
import json
import os
import re
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("plot.py: needs matplotlib: apt-get install python3-matplotlib")
matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "mirrortap", "font.size": 9, "svg.fonttype": "none"})
from matplotlib import pyplot  # noqa: E402

import goals  # noqa: E402
from harness import tables  # noqa: E402

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")
COLOURS = {"mirrortapd": "#1f77b4", "testpmd": "#999999", "kernel": "#d62728"}


def colour(name):
    return next((c for start, c in COLOURS.items() if name.startswith(start)), "#1f77b4")


def save(figure, name):
    path = os.path.join(DOCS, f"performance-{name}.svg")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    print(os.path.relpath(path))


def bars(axes, rows, title, label=lambda row: row["subject"]):
    """Cycles per packet, lying, with a line from the least to the most."""
    middle = [row["cycles"]["median"] for row in rows]
    error = [[row["cycles"]["median"] - row["cycles"]["min"] for row in rows],
             [row["cycles"]["max"] - row["cycles"]["median"] for row in rows]]
    places = range(len(rows))
    axes.barh(places, middle, xerr=error, color=[colour(label(row)) for row in rows],
              error_kw={"ecolor": "#333333", "elinewidth": 1})
    axes.set_yticks(places, [label(row) for row in rows])
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("TSC cycles per packet")
    for place, value in zip(places, middle):
        axes.text(0, place, f" {value:.1f}", va="center", color="white")


def hotpath(rows):
    groups = {}
    for row in rows:
        groups.setdefault((row["shape"], row["inner_bytes"]), []).append(row)
    figure, all_axes = pyplot.subplots(
        len(groups), 1, figsize=(7, sum(0.6 + 0.25 * len(g) for g in groups.values())),
        gridspec_kw={"height_ratios": [1 + len(g) for g in groups.values()]})
    for axes, ((shape, size), members) in zip(all_axes, groups.items()):
        bars(axes, members, f"{shape}, {size} bytes inside")
    figure.tight_layout()
    save(figure, "hotpath")


def micro(rows):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 4.5))
    bars(left, [row for row in rows if row["stage"] == "decapsulate"], "decapsulate",
         lambda row: f"{row['shape']}, {row['variant']}")
    bars(right, [row for row in rows if row["stage"] != "decapsulate"], "behind it",
         lambda row: f"{row['stage']}\n({row['variant']})")
    figure.tight_layout()
    save(figure, "micro")


def sets(rows):
    """Each set as a line over its size, in cycles of its own first point."""
    groups = {}
    for row in rows:
        size = re.match(r"(\d+) ", row["subject"])
        if size:
            groups.setdefault(row["set"], []).append((int(size[1]), row["cycles"]))
    figure, all_axes = pyplot.subplots(1, len(groups), figsize=(2.6 * len(groups), 2.6))
    for axes, (name, points) in zip(all_axes, groups.items()):
        sizes = [size for size, _ in points]
        middle = [cycles["median"] for _, cycles in points]
        axes.fill_between(sizes, [cycles["min"] for _, cycles in points],
                          [cycles["max"] for _, cycles in points], alpha=0.2)
        axes.plot(sizes, middle, marker="o")
        axes.set_xscale("log", base=2 if name.startswith("queues") else 10)
        axes.set_ylim(bottom=0)
        axes.set_title(name, fontsize=9)
    all_axes[0].set_ylabel("TSC cycles per packet")
    figure.tight_layout()
    save(figure, "sets")


def cores(rows):
    figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.3 * len(rows)))
    bars(axes, rows, "all workers together, 64 bytes inside")
    save(figure, "cores")


def kernel(rows):
    figure, axes = pyplot.subplots(figsize=(7, 1.2))
    bars(axes, rows, "per core, 64 bytes inside")
    axes.set_xscale("log")
    save(figure, "kernel")


def pktgen_table(rows):
    lines = ["| profile | inner bytes | Mpps without loss | Gbit/s inside | trials |",
             "|---|---:|---:|---:|---:|"]
    for row in rows:
        lines.append(f"| {row['profile']} | {row['inner_bytes']:.0f} | {row['pps'] / 1e6:.2f} | "
                     f"{row['pps'] * row['inner_bytes'] * 8 / 1e9:.2f} | {row['trials']} |")
    return "\n".join(lines)


def text(bench):
    """What docs/performance.md says of a run: where, when, tables, notes."""
    m = bench["machine"]
    about = [m["cpu"]]
    if "cpus" in m:
        about += [f"{m['cpus']} CPUs", f"TSC {m['tsc_hz'] / 1e6:.0f} MHz", f"Linux {m['linux']}",
                  f"DPDK {m['dpdk']}", m["compiler"], f"commit {m['commit']}"]
    parts = [f"    sudo {bench['command']}", f"{', '.join(about)}; {bench['date'][:10]}."]
    if "instructions_by" in m:
        parts.append(f"Instructions are counted by {m['instructions_by']}.")
    parts += [pktgen_table(bench["rows"])] if bench["bench"] == "pktgen" else tables(bench["rows"])
    parts += [f"- {note}" for note in dict.fromkeys(bench.get("remarks", ()))]
    parts += [f"- Left out: {skip['what']}: {skip['reason']}." for skip in bench.get("skipped", ())]
    return "\n\n".join(parts)


def put(name, made):
    """Into docs/performance.md, between the marks of this benchmark."""
    path = os.path.join(DOCS, "performance.md")
    with open(path, encoding="utf-8") as file:
        document = file.read()
    begin, end = f"<!-- {name}: made by tests/bench/plot.py -->\n", f"<!-- end of {name} -->"
    if begin not in document or end not in document:
        sys.exit(f"plot.py: docs/performance.md has no marks for {name}")
    before, rest = document.split(begin, 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n{made}\n\n{end}{rest.split(end, 1)[1]}")


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit("usage: tests/bench/plot.py DIR    (of tests/bench/run.sh all --json DIR)")
    plots = {"hotpath": hotpath, "micro": micro, "sets": sets, "cores": cores, "kernel": kernel,
             "policy": None, "consumer": None, "ovs": None, "pcap": None, "latency": None,
             "memif": None, "capture_files": None, "pktgen": None}
    results = {}
    for name, plot in plots.items():
        path = os.path.join(sys.argv[1], f"{name}.json")
        if not os.path.exists(path):
            print(f"no {path}: left as it is", file=sys.stderr)
            continue
        with open(path, encoding="utf-8") as file:
            bench = json.load(file)
        if bench["rows"] and plot:
            plot(bench["rows"])
        results[name] = bench
        if name == "latency":  # has two sections
            idle = [row for row in bench["rows"] if "idle" in row]
            put("idle", text({**bench, "rows": idle, "remarks": [], "skipped": []}))
            bench = {**bench, "rows": [row for row in bench["rows"] if row not in idle]}
        put(name, text(bench))
    if not results:
        sys.exit(f"plot.py: {sys.argv[1]} has no results")
    put("goals", goals.table(results))


main()
