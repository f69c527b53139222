#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What one worker hands to a DPDK receiver by memif, beside dpdk-testpmd io-forwarding from the same
capture into the same memif.

A rate is of frames that the memif took, per CPU-second of the one thread that sends; the receiver,
dpdk-testpmd rxonly, has the other CPU. testpmd forwards the mirrored frame, Mirrortap decapsulates
it first.
"""
import json
import signal
import socket

from harness import Bench, Mirrortapd, Process, Testpmd, cpu_seconds_now, threads_of

SIZES = (64, 1400)
GOAL = "testpmd io"


def memif(bench, role):
    return (f"net_memif0,role={role},socket={bench.options.work}/bench.memif,socket-abstract=no,"
            "bsize=2048,rsize=12")


def receiver(bench):
    return Process(bench, [
        "dpdk-testpmd", "--lcores=0@0,1@0", "--no-pci", "--in-memory", "--log-level=error",
        "--file-prefix=mt-bench-receiver", f"--vdev={memif(bench, 'client')}", "--",
        "--forward-mode=rxonly", "--total-num-mbufs=16384", "--auto-start", "--nb-cores=1",
        "--no-flush-rx", "--burst=64", "--stats-period=3600"], name="receiver")


class Daemon(Mirrortapd):
    def __init__(self, bench, capture):
        super().__init__(bench, capture, "mirrortapd", outputs=(
            f'outputs:\n  - {{name: peer, type: port, device: "{memif(bench, "server")}"}}\n'))

    def delivered(self):
        return self.ledger()["outputs"]["peer"]["delivered"]

    def rate(self, process, seconds):
        threads = threads_of(process.pid, self.workers)

        def look():
            cpu = sum(cpu_seconds_now(process.pid, threads))
            return self.delivered(), cpu

        with receiver(self.bench) as peer:
            peer.wait_for(lambda: self.delivered() > 0, "the receiver")
            before = self.ledger()["outputs"]["peer"]
            rate = self.windows(seconds, look)
            after = self.ledger()["outputs"]["peer"]
        offered = after["offered"] - before["offered"]
        taken = after["delivered"] - before["delivered"]
        self.bench.full[self.name] = 1 - taken / offered
        return rate


class Forwarder(Testpmd):
    def __init__(self, bench, capture, burst=None):
        super().__init__(bench, capture, "io", burst=burst)
        at = self.command.index("--")
        self.command.insert(at, f"--vdev={memif(bench, 'server')}")

    def counts(self):
        """Frames received by the capture's port, and taken by the memif."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as telemetry:
            telemetry.connect("/var/run/dpdk/mt-bench-testpmd/dpdk_telemetry.v2")
            telemetry.recv(4096)  # its greeting
            ports = {}
            for port in (0, 1):
                telemetry.send(f"/ethdev/stats,{port}".encode())
                ports[port] = json.loads(telemetry.recv(65536))["/ethdev/stats"]
        return (max(port["ipackets"] for port in ports.values()),
                max(port["opackets"] for port in ports.values()))

    def measure(self, seconds):
        with Process(self.bench, self.command) as process:
            process.wait_for(lambda: self.counts()[0] > 0, self.name)
            threads = threads_of(process.pid, [1])

            def look():
                cpu = sum(cpu_seconds_now(process.pid, threads))
                return self.counts()[1], cpu

            with receiver(self.bench) as peer:
                peer.wait_for(lambda: self.counts()[1] > 0, "the receiver")
                before = self.counts()
                rate = self.windows(seconds, look)
                after = self.counts()
            process.end(signal.SIGINT)
        self.bench.full[self.name] = 1 - (after[1] - before[1]) / (after[0] - before[0])
        return rate


def main():
    bench = Bench("memif", __doc__)
    for size in SIZES:
        bench.full = {}
        capture = bench.capture(inner=size)
        bench.compare({"inner_bytes": size}, [
            Forwarder(bench, capture), Forwarder(bench, capture, burst=64), Daemon(bench, capture),
        ], [GOAL, f"{GOAL} burst 64"])
        for name, share in bench.full.items():
            if share > 0.01:
                bench.remark(f"{name}, {size} bytes, last round: the memif had no room for "
                             f"{share:.0%} of the frames")
    bench.finish()


main()
