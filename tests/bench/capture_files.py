# SPDX-License-Identifier: BSD-3-Clause
"""How fast an output of type pcapng writes: one worker that receives as fast as it can, one writer.

    run.sh capture_files [--directory DIR] [--seconds S] [--size BYTES] [--rounds N]

Each round says what was written in a second of the clock, and in a second of the writer's own CPU
time: where CPUs are shared with others, the latter is what compares. Beside it `dd` into the same
folder: what the write system call costs there by itself.
"""

import argparse
import glob
import json
import os
import resource
import subprocess
import time

CONFIG = """\
dataplane: {{lcores: "0@0,1@1", queues: 1, eal: ["--file-prefix=mt-bench-files", "--no-pci"]}}
ports: [{{name: mirror, device: "net_pcap0,rx_pcap={work}/m.pcap,infinite_rx=1"}}]
outputs: [{{name: archive, type: pcapng, directory: {folder}, rotate_bytes: 256MiB}}]
http: {{control_socket: {work}/d.sock}}
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--directory", default="/dev/shm")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--size", default="1400")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def control(options, *words: str) -> dict:
    done = subprocess.run(
        [f"{options.build}/mirrortap", "--socket", f"{options.work}/d.sock", *words, "--json"],
        capture_output=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def writer_cpu(pid: int) -> float:
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with open(f"{task}/comm", encoding="ascii") as comm:
            if comm.read().strip() != "mt-archive":
                continue
        with open(f"{task}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9
    raise SystemExit("the writer has no thread")


def sample(options, pid: int):
    output = control(options, "outputs")["outputs"][0]
    return time.monotonic(), output["delivered"], output["offered"], writer_cpu(pid)


def measure(options, folder: str) -> None:
    with open(f"{options.work}/d.yaml", "w", encoding="ascii") as file:
        file.write(CONFIG.format(work=options.work, folder=folder))
    with subprocess.Popen(
            [f"{options.build}/mirrortapd", "-c", f"{options.work}/d.yaml"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        while daemon.poll() is None and not control(options, "status"):
            time.sleep(0.05)
        if daemon.poll() is not None:
            raise SystemExit("mirrortapd did not start")
        before = sample(options, daemon.pid)
        time.sleep(options.seconds)
        after = sample(options, daemon.pid)
        daemon.terminate()
        ledger = json.loads(daemon.communicate()[0].splitlines()[-1])
    assert ledger["balanced"], ledger
    seconds, frames, offered, cpu = (b - a for a, b in zip(before, after))
    gigabytes = frames * int(options.size) / 1e9
    print(f"mirrortapd: offered {offered / seconds / 1e6:.2f} Mpps, written "
          f"{gigabytes / seconds:.2f} GB/s; {cpu / seconds:.0%} of a CPU, "
          f"{gigabytes / cpu:.2f} GB per CPU second, {cpu / frames * 1e9:.0f} ns a frame")


def dd(folder: str) -> None:
    path = f"{folder}/dd"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=1024"],
                   stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_stime + after.ru_utime - before.ru_stime - before.ru_utime
    os.unlink(path)
    print(f"dd bs=1M:   {1.073741824 / cpu:.2f} GB per CPU second")


def main() -> None:
    options = arguments()
    folder = f"{options.directory}/mt-bench-{os.getpid()}"
    subprocess.run(
        [f"{options.build}/mirrorgen", "-q", "-w", f"{options.work}/m.pcap", "-c", "4096",
         "--size", options.size, "--flows", "1024"], stdout=subprocess.DEVNULL, check=True)
    os.mkdir(folder)
    try:
        for _ in range(options.rounds):
            measure(options, folder)
            for file in glob.glob(f"{folder}/archive-*"):
                os.unlink(file)
            dd(folder)
    finally:
        for file in glob.glob(f"{folder}/*"):
            os.unlink(file)
        os.rmdir(folder)


main()
