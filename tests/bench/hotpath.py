#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Cycles per packet of receive, decapsulate, parse, hash, queue and release on one worker, beside
dpdk-testpmd on the same virtual device and capture.

net_pcap with infinite_rx=1 preloads the capture and copies its frames like a NIC's DMA; 1,024 flows
and 16,383 mbufs, so that the benchmark does not live in the cache. Every subject runs once a round,
in turn; the table gives medians over the rounds, and ratios of the same round.

Cycles are those of the time-stamp counter: its rate divided by packets per second.
"""
import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

MBUFS = 16384
FLOWS = 1024
FRAMES = 2048
SIZES = (64, 1400)


def tsc_hz():
    with open("/proc/cpuinfo", encoding="ascii") as info:
        text = info.read()
    for line in subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout.split("\n"):
        found = re.search(r"tsc: (?:Detected|Refined TSC clocksource calibration:) ([0-9.]+) MHz", line)
        if found:
            return float(found[1]) * 1e6
    return float(re.search(r"cpu MHz\s*: ([0-9.]+)", text)[1]) * 1e6


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii") as info:
        return re.search(r"model name\s*: (.*)", info.read())[1]


class Mirrortapd:
    """The daemon without outputs: frames are released where an output would take them."""

    name = "mirrortapd"

    def __init__(self, options):
        self.options = options

    def rate(self, capture, seconds):
        socket = f"{self.options.work}/bench.sock"
        config = f"{self.options.work}/bench.yaml"
        with open(config, "w", encoding="ascii") as out:
            out.write(
                'dataplane: {lcores: "0@0,1@1", queues: 1,'
                ' eal: ["--file-prefix=mt-bench", "--no-pci"]}\n'
                "ports:\n"
                f'  - {{name: mirror, device: "net_pcap0,rx_pcap={capture},infinite_rx=1"}}\n'
                f"http: {{control_socket: {socket}}}\n"
            )
        with open(f"{self.options.work}/bench.err", "w", encoding="ascii") as err:
            process = subprocess.Popen(
                [f"{self.options.build}/mirrortapd", "-c", config],
                stdout=subprocess.PIPE, stderr=err, text=True)
        try:
            self.ledger(socket, process)
            time.sleep(0.5)  # a warm-up is a length of time
            first, start = self.ledger(socket, process)
            time.sleep(seconds)
            last, end = self.ledger(socket, process)
        finally:
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
        final = json.loads(out)
        assert final["balanced"] and final["accepted"] == final["received"], out
        return (last["received"] - first["received"]) / (end - start)

    def ledger(self, socket, process):
        for _ in range(200):
            answer = subprocess.run(
                [f"{self.options.build}/mirrortap", "--socket", socket, "ledger", "--json"],
                capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                return json.loads(answer.stdout), time.monotonic()
            if process.poll() is not None:
                sys.exit("mirrortapd ended: " + open(f"{self.options.work}/bench.err").read())
            time.sleep(0.05)
        sys.exit("mirrortapd does not answer")


class Testpmd:
    def __init__(self, options, mode):
        self.options = options
        self.mode = mode
        self.name = f"testpmd {mode}"

    def rate(self, capture, seconds):
        command = [
            "dpdk-testpmd", "--lcores=0@0,1@1", "--no-pci", "--file-prefix=mt-bench-testpmd",
            "--log-level=error", f"--vdev=net_pcap0,rx_pcap={capture},infinite_rx=1", "--",
            f"--forward-mode={self.mode}", f"--total-num-mbufs={MBUFS}", "--stats-period=1",
            "--auto-start", "--nb-cores=1",
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        rates = []
        # The first figures are of the start.
        for line in process.stdout:
            found = re.search(r"Rx-pps:\s+(\d+)", line)
            if found:
                rates.append(int(found[1]))
            if len(rates) >= seconds + 2:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.wait(timeout=20)
        if len(rates) < 3:
            sys.exit("testpmd gave no rates")
        return statistics.mean(rates[2:])


def measure(options):
    subjects = [Testpmd(options, "rxonly"), Testpmd(options, "macswap"), Mirrortapd(options)]
    rates = {}
    for size in SIZES:
        capture = f"{options.work}/inner-{size}.pcap"
        # Each flow in turn, once in each direction, TCP only.
        subprocess.run([f"{options.build}/mirrorgen", "-w", capture, "--flows", str(FLOWS),
                        "--distribution", "cycle", "--udp", "0", "--size", str(size),
                        "--sessions", str(options.vnis), "--count", str(FRAMES)], check=True, capture_output=True)
        for _ in range(options.rounds):
            for subject in subjects:
                rate = subject.rate(capture, options.seconds)
                rates.setdefault((size, subject.name), []).append(rate)
                print(f"  {size:5} bytes  {subject.name:16} {rate / 1e6:8.2f} Mpps",
                      file=sys.stderr, flush=True)
    return rates


def summarise(rates, hz):
    rows = []
    for (size, name), values in rates.items():
        macswap = rates[size, "testpmd macswap"]
        ratios = [value / other for value, other in zip(values, macswap)]
        rows.append({
            "inner_bytes": size, "subject": name,
            "mpps": {"median": statistics.median(values) / 1e6, "min": min(values) / 1e6,
                     "max": max(values) / 1e6},
            "tsc_cycles_per_packet": hz / statistics.median(values),
            "ratio_to_macswap": statistics.median(ratios),
        })
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--vnis", type=int, default=1, help="sessions; 1,024 at most (default: 1)")
    parser.add_argument("--json")
    options = parser.parse_args()
    hz = tsc_hz()
    rows = summarise(measure(options), hz)
    print(f"{cpu_model()}, {os.cpu_count()} CPUs, TSC {hz / 1e6:.0f} MHz, "
          f"Linux {platform.release()}; {FLOWS} flows, {options.vnis} VNIs, {MBUFS} mbufs, {options.rounds} rounds")
    print("| inner bytes | subject | Mpps (median) | min | max | TSC cycles/packet | of macswap |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for row in rows:
        mpps = row["mpps"]
        print(f"| {row['inner_bytes']} | {row['subject']} | {mpps['median']:.1f} | "
              f"{mpps['min']:.1f} | {mpps['max']:.1f} | {row['tsc_cycles_per_packet']:.1f} | "
              f"{row['ratio_to_macswap']:.2f} |")
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump({"machine": cpu_model(), "tsc_hz": hz, "rows": rows}, out, indent=1)


main()
