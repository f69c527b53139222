#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The Linux way beside ours, both per core: the kernel's vxlan0 with tcpdump on it (libpcap reads
by TPACKET_V3), and mirrortapd with a ring output.

dpdk-testpmd sends a capture into a veth from CPU 0. CPU 1 has all the rest: the kernel's receive
path (RPS sends it there) and tcpdump, which writes to /dev/null. Its rate is packets that tcpdump
got, per second of CPU 1 in softirqs and in tcpdump. The lab of tests/bench/run.sh has the veth.
"""
import os
import re
import signal
import subprocess
import time

from harness import Bench, Mirrortapd, Process, Subject, read

RING = "outputs:\n  - {name: ids, type: ring}\n"
CPU = 1  # that receives
TICKS = os.sysconf("SC_CLK_TCK")


def softirq_seconds():
    fields = re.search(rf"^cpu{CPU} (.*)", read("/proc/stat"), re.MULTILINE)[1].split()
    return int(fields[6]) / TICKS


def own_seconds(pid):
    """User and system time by the clock's tick: without the softirqs that ran on top of it."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Kernel(Subject):
    name = "kernel vxlan0, tcpdump"

    def __init__(self, bench, capture, sender, target):
        self.bench = bench
        self.sender = [
            "ip", "netns", "exec", sender, "dpdk-testpmd", "--lcores=0@0,1@0", "--no-pci",
            "--file-prefix=mt-bench-sender", "--log-level=error",
            f"--vdev=net_pcap0,rx_pcap={capture},infinite_rx=1", "--vdev=net_af_packet0,iface=g0",
            "--", "--forward-mode=io", "--auto-start", "--nb-cores=1", "--total-num-mbufs=16384",
            "--stats-period=3600"]
        self.target = ["ip", "netns", "exec", target]
        self.reader = [*self.target, "taskset", "-c", str(CPU), "tcpdump", "-i", "vxlan0", "-s", "0",
                       "-B", "65536", "-w", "/dev/null"]

    def measure(self, seconds):
        with Process(self.bench, self.sender, subprocess.DEVNULL) as sender:
            received = [*self.target, "cat", "/sys/class/net/vxlan0/statistics/rx_packets"]
            sender.wait_for(lambda: int(subprocess.check_output(received)) > 0, "the sender")
            with Process(self.bench, self.reader) as reader:
                reader.wait_for(lambda: "listening on" in read(reader.log), "tcpdump")
                before = softirq_seconds()
                time.sleep(seconds)
                cpu = own_seconds(reader.pid) + softirq_seconds() - before
                reader.end(signal.SIGINT)
                captured, dropped = (
                    int(re.search(rf"(\d+) packets {fate}", read(reader.log))[1])
                    for fate in ("captured", "dropped by kernel"))
            sender.process.send_signal(signal.SIGINT)
            sender.process.wait(timeout=60)
        if dropped:
            self.bench.remark(f"{self.name}: {dropped / (captured + dropped):.0%} of what came to"
                              " the interface did not fit tcpdump's buffer")
        return captured / cpu


def main():
    bench = Bench("kernel", __doc__)
    if bench.machine["cpus"] < 2:
        bench.skip("kernel", "needs two CPUs: one to send, one to receive")
    else:
        capture = bench.capture()
        bench.compare({"inner_bytes": 64}, [
            Kernel(bench, capture, os.environ["MT_BENCH_SENDER"], os.environ["MT_BENCH_TARGET"]),
            Mirrortapd(bench, capture, "mirrortapd ring", outputs=RING),
        ], [Kernel.name])
    bench.finish()


main()
