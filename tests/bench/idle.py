#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How much of a CPU a worker takes while nothing arrives, for each way of dataplane.idle."""
import time

from harness import Bench, Mirrortapd, cpu_seconds_now, spread, threads_of

WAYS = ("poll", "pause", "sleep")


class Idle(Mirrortapd):
    """Its capture is received once and has an end. measure() gives the share of a CPU."""

    def __init__(self, bench, capture, way):
        super().__init__(bench, capture, way, dataplane=f"queues: 1, idle: {way}")
        self.config = self.config.replace(",infinite_rx=1", "")

    def rate(self, process, seconds):
        threads = threads_of(process.pid, self.workers)
        time.sleep(0.3)  # a warm-up is a length of time
        cpu, begin = cpu_seconds_now(process.pid, threads)[0], time.monotonic()
        time.sleep(seconds)
        used = cpu_seconds_now(process.pid, threads)[0] - cpu
        return used / (time.monotonic() - begin)


def main():
    bench = Bench("idle", __doc__)
    capture = bench.capture()
    shares = {way: [] for way in WAYS}
    for _ in range(bench.options.rounds):
        for way in WAYS:
            shares[way].append(Idle(bench, capture, way).measure(bench.options.seconds) * 100)
    bench.rows = [{"idle": way, "cpu_percent": spread(values)} for way, values in shares.items()]
    bench.finish()


main()
