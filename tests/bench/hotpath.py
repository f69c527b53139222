#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What one worker spends on a packet from receive to release, beside dpdk-testpmd on the same
virtual device and capture.

net_pcap with infinite_rx=1 preloads the capture and copies its frames like a NIC's DMA; 1,024 flows
in both directions and 16,383 mbufs.
"""
from harness import Bench, Mirrortapd, Testpmd

RING = "outputs:\n  - {name: ids, type: ring}\n"
SIZES = (64, 1400)
OTHER_SHAPES = ("vxlan-ipv6", "geneve", "geneve-vxlan")


def main():
    bench = Bench("hotpath", __doc__)
    for size in SIZES:
        capture = bench.capture(inner=size)
        bench.compare({"shape": "vxlan-ipv4", "inner_bytes": size}, [
            Testpmd(bench, capture, "rxonly"),
            Testpmd(bench, capture, "io"),
            Testpmd(bench, capture, "macswap"),
            Testpmd(bench, capture, "macswap", burst=64),
            Mirrortapd(bench, capture),
            Mirrortapd(bench, capture, "mirrortapd ring", outputs=RING),
        ], ["testpmd rxonly", "testpmd macswap"])
    for shape in OTHER_SHAPES:
        size = 74 if shape == "vxlan-ipv6" else 64  # the least that holds TCP
        capture = bench.capture(inner=size, shape=shape)
        bench.compare({"shape": shape, "inner_bytes": size}, [
            Testpmd(bench, capture, "rxonly"),
            Testpmd(bench, capture, "macswap"),
            Mirrortapd(bench, capture),
        ], ["testpmd rxonly", "testpmd macswap"])
    bench.finish()


main()
