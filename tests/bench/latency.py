#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How late a packet is, from its sender through memif, one worker and a ring output to a reader; at
a lone packet each millisecond, and at 50 % and 90 % of the highest rate that this way takes without
loss, which a short search finds. And what each `dataplane.idle` costs in latency, and gives back of
the worker's CPU.

The worker has CPU 1 by itself, sender and receiver share CPU 0: three that poll on two CPUs. What
the receiver of mirrorgen says has the turns of these two in it; the daemon's own histogram (receive
to delivery, upper bounds of its buckets) has not.
"""
import json
import re
import signal
import sys
import time

from harness import Bench, Process, ask, cpu_seconds_now, read, spread, threads_of

SIZE = 300  # bytes inside: room for a mark
LONE_KPPS = 1
LOADS = (50, 90)  # % of the highest rate
MODES = ("poll", "pause", "sleep")
TRIALS = 6
TRIAL_SECONDS = 1
KEPT = 0.97  # of a rate that was asked for: less, and it is the sender's limit
START_SECONDS = 30  # the longest for one program to begin
END_SECONDS = 30    # and to end, when its time is over
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}


class Way:
    """One daemon, and packets through it."""

    def __init__(self, bench, mode):
        self.bench = bench
        self.work = bench.options.work
        self.socket = f"{self.work}/latency.sock"
        self.memif = f"socket={self.work}/latency.memif,socket-abstract=no,bsize=2048"
        self.config = f"{self.work}/latency.yaml"
        self.process = None
        self.seed = 0
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(
                f'dataplane: {{lcores: "0@0,1@1", queues: 1, idle: {mode},'
                ' eal: ["--file-prefix=mt-bench", "--no-pci"]}\n'
                "ports:\n"
                f'  - {{name: mirror, device: "net_memif0,role=server,{self.memif}",'
                " buffers: 32767}\n"
                "outputs:\n"
                "  - {name: ids, type: ring, length: 16384}\n"
                f"http: {{control_socket: {self.socket}}}\n")

    def __enter__(self):
        self.process = Process(
            self.bench, [f"{self.bench.options.build}/mirrortapd", "-c", self.config], name="daemon")
        try:
            self.process.wait_for(lambda: ask(self.socket, "/api/v1/ledger"), "mirrortapd",
                                  START_SECONDS)
        except BaseException:
            self.process.__exit__()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                final = json.loads(self.process.end(signal.SIGTERM, END_SECONDS))
                assert final["balanced"], final
        finally:
            self.process.__exit__()

    def worker_cpu(self):
        """The worker's CPU-seconds, and when that was."""
        cpu = sum(cpu_seconds_now(self.process.pid, threads_of(self.process.pid, [1])))
        return cpu, time.monotonic()

    def share(self, seconds):
        """Of a CPU that the worker uses while nothing arrives, in percent."""
        cpu, begin = self.worker_cpu()
        time.sleep(seconds)  # silence is a length of time
        now, end = self.worker_cpu()
        return 100 * (now - cpu) / (end - begin)

    def histogram(self):
        """Packets by upper bound in microseconds."""
        found = re.findall(r'^mirrortap_latency_seconds_bucket\{([^}]*)\} (\S+)',
                           ask(self.socket, "/metrics"), re.MULTILINE)
        return {float(re.search(r'le="([^"]+)"', labels)[1]) * 1e6: float(count)
                for labels, count in found}

    def send(self, rate, seconds):
        """What the sender, the receiver and the daemon's histogram say of packets at this rate;
        None: as fast as it can."""
        mirrorgen = f"{self.bench.options.build}/mirrorgen"
        before = self.histogram()
        self.seed += 1
        # The receiver is first: a ring without a reader may not be filled.
        with Process(self.bench, [
                "taskset", "-c", "0", mirrorgen, "--receive", "-o", "ids", "--socket", self.socket,
                "--json", "--idle", "1", "-s", str(START_SECONDS + seconds)],
                name="receiver") as receiver:
            receiver.wait_for(lambda: "reading" in read(receiver.log), "the receiver", START_SECONDS)
            with Process(self.bench, [
                    mirrorgen, "-d", f"net_memif0,role=client,{self.memif}", "--cpu", "0", "-q",
                    "--json", "-s", str(seconds), "--size", str(SIZE), "--seed", str(self.seed),
                    *(("--rate", f"{rate / 1e3}kpps") if rate else ())], name="sender") as sender:
                sent = json.loads(sender.output(START_SECONDS + seconds, "the sender"))
            received = json.loads(receiver.output(END_SECONDS + seconds, "the receiver"))
        after = self.histogram()
        return sent, received, {le: after[le] - before.get(le, 0) for le in after}


def lossless(sent, received, rate):
    return received["unique"] == sent["marked"] and sent["pps"] >= KEPT * rate


def highest(bench):
    """Packets a second without loss, by halving; None if there is none."""
    with Way(bench, "poll") as way:
        most = way.send(None, TRIAL_SECONDS)[0]["pps"]
        least = 0
        for _ in range(TRIALS):
            rate = (least + most) / 2
            sent, received, _ = way.send(rate, TRIAL_SECONDS)
            good = lossless(sent, received, rate)
            print(f"  search: {rate / 1e3:8.1f} kpps: {'no loss' if good else 'too fast'}",
                  file=sys.stderr, flush=True)
            least, most = (rate, most) if good else (least, rate)
    return least


def bound(histogram, share):
    """The upper bound of the bucket in which this share of all is reached, in microseconds. The
    buckets are cumulative."""
    return next((le for le, count in sorted(histogram.items())
                 if count > 0 and count >= share * max(histogram.values())), 0.0)


class Subject:
    """A mode of resting and a load: figures of each round."""

    def __init__(self, bench, labels, mode, rate, silent):
        self.bench = bench
        self.labels = labels
        self.mode = mode
        self.rate = rate
        self.silent = silent  # whether the worker's CPU in silence is asked for
        self.figures = {}

    def measure(self):
        seconds = self.bench.options.seconds
        figures = {}
        with Way(self.bench, self.mode) as way:
            if self.silent:
                figures["cpu_percent"] = way.share(seconds)
            sent, received, histogram = way.send(self.rate, seconds)
        lost = sent["marked"] - received["unique"]
        if lost or sent["pps"] < KEPT * self.rate:
            self.bench.remark(
                f"{' '.join(self.labels.values())}: {lost} of {sent['marked']} packets were lost in"
                f" a round, and the sender reached {sent['pps'] / self.rate:.0%} of its rate")
        for name, share in PERCENTILES.items():
            figures[f"{name}_us"] = received["latency_ns"][name] / 1e3
            figures[f"daemon_{name}_us"] = bound(histogram, share)
        for key, value in figures.items():
            self.figures.setdefault(key, []).append(value)
        print(f"  {' '.join(self.labels.values()):32} p50 {figures['p50_us']:.1f} p99"
              f" {figures['p99_us']:.1f} us; in the daemon up to {figures['daemon_p99_us']:.1f} us",
              file=sys.stderr, flush=True)

    def row(self):
        return {**self.labels, **{key: spread(values) for key, values in self.figures.items()}}


def main():
    bench = Bench("latency", __doc__)
    if bench.machine["cpus"] < 2:
        bench.skip("latency", "needs two CPUs: one for the worker, one to send and to receive")
        bench.finish()
        return
    most = highest(bench)
    subjects = [Subject(bench, {"load": "a lone packet", "kpps": f"{LONE_KPPS}"}, "poll",
                        LONE_KPPS * 1e3, False)]
    if most:
        bench.remark(f"the highest rate without loss was {most / 1e3:.0f} kpps")
        subjects += [Subject(bench, {"load": f"{load} %", "kpps": f"{most * load / 1e5:.0f}"},
                             "poll", most * load / 100, False) for load in LOADS]
    else:
        bench.skip("loads", "no rate was found without loss: the CPUs are taken by others")
    subjects += [Subject(bench, {"idle": mode}, mode, LONE_KPPS * 1e3, True) for mode in MODES]
    for _ in range(bench.options.rounds):
        for subject in subjects:
            subject.measure()
    bench.rows = [subject.row() for subject in subjects]
    bench.finish()


main()
