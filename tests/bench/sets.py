#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a packet costs as the working set grows: buffers, flows, sessions, queues.

Buffers go through the pool only where they are taken on one core and given back on another, so
that row has one worker that receives and one that owns the queue: cycles of both, busy ones. All
else is one worker. dpdk-testpmd rxonly on the same capture shows what of it is the device's.
Nobody wants the frames but in the last set, where each queue's are sent to a device that frees
them.
"""
from harness import Bench, Mirrortapd, Split, Testpmd

BUFFERS = (16383, 65535, 262143)
FLOWS = (1, 1024, 1000000)
FLOW_FRAMES = 1000000
FLOW_MBUFS = 1048575  # the frames, preloaded, and what is in hand
FLOW_MBUF_BYTES = 256
VNIS = (1, 1000, 10000)
VNI_FRAMES = 10000
VNI_MBUFS = 32767
QUEUES = (1, 2, 4, 8, 16, 32, 64)
SINK = 'outputs: [{name: sink, type: port, device: "net_null0"}]\n'


def buffers(bench):
    if bench.machine["cpus"] < 2:
        bench.skip("buffers", "needs two CPUs")
        return
    capture = bench.capture()
    bench.compare({"set": "buffers", "frames": 2048}, [
        Split(bench, capture, f"{count} buffers", port=f", buffers: {count}")
        for count in BUFFERS], [f"{BUFFERS[0]} buffers"])


def flows(bench):
    reference = None
    subjects = []
    for count in FLOWS:
        capture = bench.capture(flows=count, frames=FLOW_FRAMES)
        reference = reference or Testpmd(
            bench, capture, "rxonly", mbufs=FLOW_MBUFS, mbuf_bytes=FLOW_MBUF_BYTES + 128)
        subjects.append(Mirrortapd(
            bench, capture, f"{count} flow{'s' * (count > 1)}",
            port=f", buffers: {FLOW_MBUFS}, buffer_bytes: {FLOW_MBUF_BYTES}"))
    bench.compare({"set": "flows", "frames": FLOW_FRAMES}, [reference, *subjects], ["1 flow"])


def vnis(bench):
    subjects = []
    for count in VNIS:
        capture = bench.capture(vnis=count, flows=VNI_FRAMES // 2, frames=2 * VNI_FRAMES)
        subjects.append(Mirrortapd(bench, capture, f"{count} VNI{'s' * (count > 1)}",
                                   port=f", buffers: {VNI_MBUFS}"))
    bench.compare({"set": "VNIs", "frames": 2 * VNI_FRAMES}, subjects, ["1 VNI"])


def queues(bench):
    capture = bench.capture()
    bench.compare({"set": "queues", "frames": 2048}, [
        Mirrortapd(bench, capture, f"{count} queue{'s' * (count > 1)}",
                   dataplane=f"queues: {count}")
        for count in QUEUES], ["1 queue"])
    bench.compare({"set": "queues into net_null", "frames": 2048}, [
        Mirrortapd(bench, capture, f"{count} queue{'s' * (count > 1)}",
                   dataplane=f"queues: {count}", outputs=SINK)
        for count in QUEUES], ["1 queue"])


def main():
    bench = Bench("sets", __doc__)
    buffers(bench)
    flows(bench)
    vnis(bench)
    queues(bench)
    bench.finish()


main()
