#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How fast an output of type pcapng writes: one worker on CPU 1 that receives as fast as it can, one
writer on CPU 0.

Beside it `dd` into the same folder: what the system call costs there by itself. By the clock, which
needs a quiet machine, and by the writer's own CPU time, which compares in any case. A tmpfs is
memory: a file is unlinked as soon as it is complete.
"""
import os
import resource
import signal
import subprocess
import time

from harness import Bench, Mirrortapd, Process, cpu_seconds_now, read, spread

SIZE = 1400
DD_BYTES = 1 << 30
PCAPNG = ("outputs:\n  - {{name: archive, type: pcapng, directory: {folder},"
          " rotate_bytes: 256MiB, keep_files: 2}}\n")


def writer_of(pid):
    for tid in os.listdir(f"/proc/{pid}/task"):
        if read(f"/proc/{pid}/task/{tid}/comm").strip() == "mt-archive":
            return tid
    raise FileNotFoundError("the writer's thread")


class Writer(Mirrortapd):
    """Gigabytes of frames: a second of the clock, and a second of the writer's CPU."""

    def run(self, seconds):
        config = f"{self.bench.options.work}/files.yaml"
        with open(config, "w", encoding="utf-8") as out:
            out.write(self.config)
        command = [f"{self.bench.options.build}/mirrortapd", "-c", config]
        with Process(self.bench, command) as process:
            process.wait_for(lambda: self.written() > 0, "mirrortapd")
            writer = [writer_of(process.pid)]
            before = time.monotonic(), self.written(), sum(cpu_seconds_now(process.pid, writer))
            time.sleep(seconds)
            now = time.monotonic(), self.written(), sum(cpu_seconds_now(process.pid, writer))
            assert process.end(signal.SIGTERM)
        clock, frames, cpu = (b - a for a, b in zip(before, now))
        return frames * SIZE / 1e9 / clock, frames * SIZE / 1e9 / cpu

    def written(self):
        return self.ledger()["outputs"]["archive"]["delivered"]


def dd(folder):
    def cpu():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), used.ru_stime + used.ru_utime

    path = f"{folder}/dd"
    before = cpu()
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={DD_BYTES >> 20}"],
                   stderr=subprocess.DEVNULL, check=True)
    clock, used = (b - a for a, b in zip(before, cpu()))
    os.unlink(path)
    return DD_BYTES / 1e9 / clock, DD_BYTES / 1e9 / used


def main():
    bench = Bench("capture_files", __doc__, {"--directory": "/dev/shm"})
    folder = f"{bench.options.directory}/mt-bench-{os.getpid()}"
    subject = Writer(bench, bench.capture(inner=SIZE), outputs=PCAPNG.format(folder=folder))
    rates = {"mirrortapd, pcapng": [], "dd bs=1M": []}
    os.mkdir(folder)
    try:
        for _ in range(bench.options.rounds):
            rates["mirrortapd, pcapng"].append(subject.run(bench.options.seconds))
            for file in os.listdir(folder):
                os.unlink(f"{folder}/{file}")
            rates["dd bs=1M"].append(dd(folder))
    finally:
        for file in os.listdir(folder):
            os.unlink(f"{folder}/{file}")
        os.rmdir(folder)
    for name, values in rates.items():
        clock, cpu = zip(*values)
        bench.rows.append({"inner_bytes": SIZE, "folder": bench.options.directory, "subject": name,
                           "gbytes": spread(clock), "gbytes_cpu": spread(cpu), "ratios": {}})
    bench.finish()


main()
