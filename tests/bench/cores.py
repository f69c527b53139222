#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a packet costs on several cores: workers that each receive and own a queue, so that all but
one of their number in packets change the core, and one that receives for one that owns the queue.

Rates are per CPU-second of all workers together: half as many mean twice the cycles. `micro` measures the hand-over by itself.
"""
from harness import Bench, Mirrortapd, Mirrortapds, Split

WORKERS = (2, 4, 8)


def main():
    bench = Bench("cores", __doc__)
    capture = bench.capture()
    cpus = bench.machine["cpus"]
    subjects = [Mirrortapd(bench, capture, "1 worker")]
    for count in WORKERS:
        if count > cpus:
            bench.skip(f"{count} workers", f"this machine has {cpus} CPUs")
            continue
        subjects.append(Mirrortapds(
            bench, capture, f"{count} workers", workers=tuple(range(1, count + 1)),
            receive_queues=count, dataplane=f"queues: {count}"))
    if cpus > 1:
        subjects.append(Split(bench, capture, "1 receives, 1 owns"))
    bench.compare({"inner_bytes": 64}, subjects, ["1 worker"])
    bench.finish()


main()
