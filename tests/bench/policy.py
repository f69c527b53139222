#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a packet costs with sessions, filters, de-duplication, reordering and live captures.

One worker, from receive to a ring output that nobody reads; in each table the first row has nothing
configured. --before DIR adds another build's mirrortapd, with nothing configured, in turn with ours.
"""
import signal
import subprocess

from harness import VNI, Bench, Mirrortapd, Process, ask

RING = "outputs:\n  - {name: tools, type: ring}\n"
MANY = 10000
MBUFS = 32767
# Packets that a de-duplication has not seen yet, but in a round before: more than it remembers.
NEW_FRAMES = 200000
NEW_MBUFS = 262143
NEW_MBUF_BYTES = 256
REMEMBERED = 131072


def sessions(count, keys=""):
    listed = "".join(f"    - {{vni: {VNI + n}, name: s{n}{keys}}}\n" for n in range(count))
    return f"sessions:\n  list:\n{listed}"


def rules(count, extra=""):
    """As an operator has them, and one at the end for all the rest: nothing is found early."""
    made = "".join(
        f"      - {{number: {n}, action: reject, protocol: {('tcp', 'udp')[n % 2]},"
        f" destination_ports: {1000 + n * 8}-{1000 + n * 8 + n % 8},"
        f" destination_cidr: 192.{n >> 8}.{n & 255}.0/24}}\n" for n in range(1, count))
    return (f"filters:\n  - name: rules\n    rules:\n{made}"
            f"      - {{number: 30000, action: accept{extra}}}\n")


class Captured(Mirrortapd):
    """While `mirrortap capture` takes what it can, on the other CPU."""

    def __init__(self, bench, capture, name, *arguments):
        super().__init__(bench, capture, name, outputs=RING)
        self.arguments = arguments

    def rate(self, process, seconds):
        command = [f"{self.bench.options.build}/mirrortap", "--socket", self.socket, "capture",
                   "-w", "/dev/null", *self.arguments]
        with Process(self.bench, command, subprocess.DEVNULL, "capture") as client:
            client.wait_for(lambda: '"captures":[{' in ask(self.socket, "/api/v1/status").replace(
                " ", ""), "mirrortap capture")
            rate = super().rate(process, seconds)
            client.end(signal.SIGINT)
        return rate


def nothing(bench, capture, **arguments):
    return Mirrortapd(bench, capture, "nothing", outputs=RING, **arguments)


def compare(bench, name, frames, subjects):
    bench.compare({"set": name, "frames": frames}, subjects, ["nothing"])


def of_one_session(bench):
    capture = bench.capture()

    def subject(name, policy):
        return Mirrortapd(bench, capture, name, outputs=RING + policy)

    subjects = [nothing(bench, capture)]
    if bench.options.before:
        subjects.append(Mirrortapd(bench, capture, "nothing, before", outputs=RING,
                                   build=bench.options.before))
    compare(bench, "1 VNI", 2048, subjects + [
        subject("1 session", sessions(1)),
        subject("10 rules", sessions(1, ", filter: rules") + rules(10)),
        subject("1,000 rules", sessions(1, ", filter: rules") + rules(1000)),
        subject("10 rules, one with bpf",
                sessions(1, ", filter: rules") + rules(10, ', bpf: "not udp port 53"')),
        subject("reorder", "reorder: {window_us: 300}\n"),
        Captured(bench, capture, "capture of all"),
        Captured(bench, capture, "capture of none, by a filter", "-f", "udp port 53"),
    ])


def of_many_sessions(bench):
    for vnis in (10, MANY):
        capture = bench.capture(vnis=vnis, flows=MANY, frames=2 * MANY)
        port = f", buffers: {MBUFS}"
        subjects = [nothing(bench, capture, port=port)] + [
            Mirrortapd(bench, capture, f"{count:,} sessions", port=port,
                       outputs=RING + sessions(count))
            for count in (10, MANY) if count >= vnis]
        compare(bench, f"{vnis:,} VNIs", 2 * MANY, subjects)


def of_a_deduplication(bench):
    capture = bench.capture(flows=NEW_FRAMES // 2, frames=NEW_FRAMES)
    port = f", buffers: {NEW_MBUFS}, buffer_bytes: {NEW_MBUF_BYTES}"
    compare(bench, "all new", NEW_FRAMES, [
        nothing(bench, capture, port=port),
        Mirrortapd(bench, capture, "dedup", port=port,
                   outputs=f"{RING}dedup: {{window_ms: 50, entries: {REMEMBERED}}}\n")])


def main():
    bench = Bench("policy", __doc__, {"--before": None})
    of_one_session(bench)
    of_many_sessions(bench)
    of_a_deduplication(bench)
    bench.finish()


main()
