#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What Debian's tcpdump -w /dev/null gets of the same frames: from a TAP, and from a ring output by
`mirrortap exec`. One worker on CPU 0 receives and decapsulates as fast as it can, tcpdump has CPU 1.

Rates are frames that tcpdump says it captured, per second of CPU of whichever of the two had more
of it: on a quiet machine the worker polls all the time, and that is a second of the clock. A TAP's
rate is what it gets, whatever it lost. A ring's worker is faster than tcpdump: so of eight sessions
as many are accepted as tcpdump keeps up with, losing nothing for a whole window; where other
programs take a CPU away for milliseconds frames are lost at any rate, so each number has some tries.
Beside that what tcpdump takes when all of it is offered, per second of its own CPU, with a filter
and without; and what TAPs take by themselves from one and from two workers.
"""
import os
import re
import signal
import statistics
import sys
import time

from harness import VNI, Bench, Mirrortapd, Process, cpu_seconds_now, read, spread, threads_of

TARGET = os.environ["MT_BENCH_TARGET"]
INTERFACE = "mtbench0"
RING_LENGTH = 131072  # some milliseconds: other programs may have the CPU that long
SESSIONS = 8
TRIES = 3  # of a number of sessions
CONFIG = """\
dataplane: {{lcores: "{lcores}", queues: {queues}, eal: ["--file-prefix=mt-bench", "--no-pci"]}}
ports:
  - {{name: mirror, device: "net_pcap0{captures},infinite_rx=1"}}
{sessions}outputs:
  - {{name: out, {output}}}
http: {{control_socket: {socket}}}
"""


class Daemon(Mirrortapd):
    """mirrortapd in a namespace of its own, with one output."""

    def __init__(self, bench, capture, output, workers=1, sessions=()):
        super().__init__(bench, capture)
        lcores = ",".join(f"{worker + 1}@{worker}" for worker in range(workers))
        self.workers = [worker + 1 for worker in range(workers)]
        self.config = CONFIG.format(
            lcores=f"0@0,{lcores}", queues=workers, captures=f",rx_pcap={capture}" * workers,
            output=output, socket=self.socket, sessions="" if not sessions else (
                "sessions:\n  unknown: drop\n  list:\n" + "".join(
                    f"    - {{vni: {vni}, name: s{vni}}}\n" for vni in sessions)))
        self.process = None

    def __enter__(self):
        path = f"{self.bench.options.work}/pcap.yaml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(self.config)
        self.process = Process(
            self.bench, ["ip", "netns", "exec", TARGET,
                         f"{self.bench.options.build}/mirrortapd", "-c", path], name="daemon")
        try:
            self.process.wait_for(lambda: self.ledger()["received"] > 0, "mirrortapd")
        except BaseException:
            self.process.__exit__()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.process.end(signal.SIGTERM)
        finally:
            self.process.__exit__()

    def output(self):
        return self.ledger()["outputs"]["out"]

    def worker_cpu(self):
        """Of all workers, in the mean."""
        threads = threads_of(self.process.pid, self.workers)
        return statistics.mean(cpu_seconds_now(self.process.pid, threads))


class Tcpdump:
    """On CPU 1. look(): what it captured until now, its CPU-seconds, and the worker's."""

    def __init__(self, daemon, device, expression=()):
        bench = daemon.bench
        self.daemon = daemon
        self.command = [
            "ip", "netns", "exec", TARGET, f"{bench.options.build}/mirrortap", "--socket",
            daemon.socket, "exec", "--", "taskset", "-c", "1", "tcpdump", "-ni", device, "-s", "0",
            "-B", "65536", "-w", "/dev/null", *expression]
        self.process = Process(bench, self.command, name="tcpdump")

    def __enter__(self):
        try:
            self.process.wait_for(lambda: "listening on" in read(self.process.log), "tcpdump")
        except BaseException:
            self.process.__exit__()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.process.end(signal.SIGINT)
        finally:
            self.process.__exit__()

    def captured(self):
        """It tells at the next frame after SIGUSR1."""
        lines = re.compile(r"^tcpdump: (\d+) packets? captured", re.MULTILINE)
        before = len(lines.findall(read(self.process.log)))
        self.process.process.send_signal(signal.SIGUSR1)
        return int(self.process.wait_for(
            lambda: lines.findall(read(self.process.log))[before:], "tcpdump's count")[0])

    def look(self):
        own = cpu_seconds_now(self.process.pid, [self.process.pid])[0]
        return self.captured(), own, self.daemon.worker_cpu()


def watch(daemon, device, seconds, expression=()):
    """Frames per CPU-second of the busier one, and of tcpdump, and the share that was lost."""
    with Tcpdump(daemon, device, expression) as tcpdump:
        time.sleep(0.3)  # a warm-up is a length of time
        first = tcpdump.look()
        before = daemon.output()
        time.sleep(seconds)
        last = tcpdump.look()
        now = daemon.output()
    captured, own, worker = (b - a for a, b in zip(first, last))
    offered, full = now["offered"] - before["offered"], now["drops"]["full"] - before["drops"]["full"]
    return captured / max(own, worker), captured / own, full / max(offered, 1)


def on_tap(bench, capture, seconds):
    with Daemon(bench, capture, f"type: tap, interface: {INTERFACE}") as daemon:
        return watch(daemon, INTERFACE, seconds)[0]


RING = f"type: ring, length: {RING_LENGTH}"


class Lossless:
    """As many sessions as can be had without loss; from round to round no more."""

    def __init__(self, bench):
        self.bench = bench
        self.capture = bench.capture(vnis=SESSIONS)
        self.sessions = SESSIONS

    def attempt(self, seconds):
        accepted = range(VNI, VNI + self.sessions)
        with Daemon(self.bench, self.capture, RING, sessions=accepted) as daemon:
            rate, _, lost = watch(daemon, "mirrortap:out", seconds)
        if lost == 0:
            return rate
        print(f"  {self.sessions} of {SESSIONS} sessions: {rate / 1e6:.2f} Mpps, {lost:.2%} lost",
              file=sys.stderr, flush=True)
        return None

    def measure(self, seconds):
        while self.sessions > 0:
            for _ in range(TRIES):
                rate = self.attempt(seconds)
                if rate is not None:
                    return rate
            self.sessions -= 1
        return sys.exit("tcpdump loses frames of a ring at every rate: too little CPU is left")


def offered_all(bench, capture, seconds, expression=()):
    with Daemon(bench, capture, RING) as daemon:
        return watch(daemon, "mirrortap:out", seconds, expression)[1]


def tap_alone(bench, capture, seconds, workers):
    """What is written to a TAP that no one reads, by all workers together, in a second of theirs."""
    with Daemon(bench, capture, f"type: tap, interface: {INTERFACE}", workers) as daemon:
        return daemon.windows(
            seconds, lambda: (daemon.output()["delivered"], daemon.worker_cpu()))


def main():
    bench = Bench("pcap", __doc__)
    if bench.machine["cpus"] < 2:
        bench.skip("pcap", "needs two CPUs: one for the worker, one for tcpdump")
        bench.finish()
        return
    capture = bench.capture()
    lossless = Lossless(bench)
    subjects = {
        "TAP": lambda seconds: on_tap(bench, capture, seconds),
        "ring without loss": lossless.measure,
        "ring, all offered": lambda seconds: offered_all(bench, capture, seconds),
        "ring, all offered, filter": lambda seconds: offered_all(
            bench, capture, seconds, ("tcp", "and", "not", "port", "22")),
        "TAP alone, 1 worker": lambda seconds: tap_alone(bench, capture, seconds, 1),
        "TAP alone, 2 workers": lambda seconds: tap_alone(bench, capture, seconds, 2),
    }
    per = {"TAP": "CPU second of the busier one", "ring without loss": "CPU second of the busier one", "ring, all offered": "CPU second of tcpdump",
           "ring, all offered, filter": "CPU second of tcpdump", "TAP alone, 1 worker": "CPU second of a worker",
           "TAP alone, 2 workers": "CPU second of a worker"}
    references = {"ring without loss": "TAP", "TAP alone, 2 workers": "TAP alone, 1 worker"}
    rates = {name: [] for name in subjects}
    for _ in range(bench.options.rounds):
        for name, measure in subjects.items():
            rates[name].append(measure(bench.options.seconds))
            bench.progress({"inner_bytes": 64}, name, rates[name][-1])
    for name, values in rates.items():
        other = references.get(name)
        ratios = [a / b for a, b in zip(values, rates[other])] if other else []
        bench.rows.append({
            "inner_bytes": 64, "subject": name, "per": per[name],
            "mpps": spread([value / 1e6 for value in values]),
            "times": f"{statistics.median(ratios):.2f} of {other}" if other else "-",
            "against": [], "ratios": {other: spread(ratios)} if other else {},
        })
    bench.remark(f"ring without loss: {lossless.sessions} of {SESSIONS} sessions in the last round")
    bench.finish()


main()
