#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A ring output to one process on the other core, for half a minute without a pause: mirrortapd's
worker on CPU 1 receives and decapsulates as fast as it can, mirrorflows on CPU 0 takes every frame
by the consumer library, without a copy, and counts it for its conversation.

Rates are frames per second of the clock, so this one needs a quiet machine: all that were received,
and those that the consumer took; the others found the ring full and were counted so.
"""
import signal
import time

from harness import Bench, Mirrortapd, Process, spread

SECONDS = 30
RING = "outputs:\n  - {{name: ids, type: ring, length: {length}}}\n"
LENGTH = 16384


class Consumed(Mirrortapd):
    def counts(self):
        ledger = self.ledger()
        return time.monotonic(), ledger["received"], ledger["outputs"]["ids"]["delivered"]

    def run(self):
        """Frames a second: received, taken."""
        config = f"{self.bench.options.work}/consumer.yaml"
        with open(config, "w", encoding="utf-8") as out:
            out.write(self.config)
        build = self.bench.options.build
        with Process(self.bench, [f"{build}/mirrortapd", "-c", config], name="daemon") as daemon:
            daemon.wait_for(lambda: self.ledger()["received"] > 0, "mirrortapd")
            with Process(self.bench, ["taskset", "-c", "0", f"{build}/mirrorflows", "-o", "ids", "-p",
                                      "mt-bench", "-i", "5"], name="consumer") as consumer:
                consumer.wait_for(lambda: self.counts()[2] > 1000000, "mirrorflows")
                before = self.counts()
                time.sleep(SECONDS)
                now = self.counts()
                consumer.end(signal.SIGTERM)
            assert daemon.end(signal.SIGTERM)
        seconds = now[0] - before[0]
        return [(b - a) / seconds for a, b in zip(before[1:], now[1:])]


def main():
    bench = Bench("consumer", __doc__)
    if bench.machine["cpus"] < 2:
        bench.skip("consumer", "needs two CPUs: one for the worker, one for the consumer")
    else:
        subject = Consumed(bench, bench.capture(), outputs=RING.format(length=LENGTH))
        rounds = [subject.run() for _ in range(min(bench.options.rounds, 2))]
        for name, rates in zip(("received", "taken by mirrorflows"), zip(*rounds)):
            bench.rows.append({"inner_bytes": 64, "seconds": SECONDS, "subject": name,
                               "mpps": spread([rate / 1e6 for rate in rates]), "ratios": {}})
    bench.finish()


main()
