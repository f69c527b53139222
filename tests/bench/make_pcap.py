#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a capture of mirror traffic in AWS's shape, for replay by net_pcap.

Outer UDP source port of 128 values (0xff80..0xffff), checksum 0, TTL 255; inner TCP frames of one
size, both directions of each flow in turn. With more than one VNI, flows change in random order.

    make_pcap.py OUT.pcap --flows 1024 --inner 64 --frames 2048 [--vnis 1000]
"""
import argparse
import random
import socket
import struct


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload_length, ttl):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + payload_length, 0, 0, ttl, protocol, 0,
                         source, destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def inner_frame(flow, backwards, length):
    client = struct.pack("!BBH", 10, 1, flow % 65536)
    server = struct.pack("!BBBB", 10, 2, flow >> 16 & 255, flow & 15)
    ports = (1024 + flow % 60000, 443)
    if backwards:
        client, server, ports = server, client, ports[::-1]
    tcp = struct.pack("!HHIIBBHHH", *ports, flow, 0, 0x50, 0x10, 65535, 0, 0)
    payload = bytes(length - 14 - 20 - 20)
    macs = bytes.fromhex("06000000000206000000000a")
    return (macs + b"\x08\x00" + ipv4(client, server, 6, len(tcp) + len(payload), 64)
            + tcp + payload)


def mirrored(flow, backwards, length, vni):
    frame = inner_frame(flow, backwards, length)
    vxlan = struct.pack("!II", 0x08000000, vni << 8)
    port = 0xFF80 + (flow * 7 + backwards * 61) % 128
    udp = struct.pack("!HHHH", port, 4789, 8 + len(vxlan) + len(frame), 0)
    outer = ipv4(socket.inet_aton("172.31.0.10"), socket.inet_aton("172.31.0.20"), 17,
                 len(udp) + len(vxlan) + len(frame), 255)
    return (bytes.fromhex("0600000000ff060000000010") + b"\x08\x00" + outer + udp + vxlan + frame)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--flows", type=int, default=1024)
    parser.add_argument("--inner", type=int, default=64)
    parser.add_argument("--frames", type=int, default=2048)
    parser.add_argument("--vnis", type=int, default=1)
    options = parser.parse_args()
    with open(options.out, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        numbers = list(range(options.frames))
        if options.vnis > 1:
            random.Random(1).shuffle(numbers)
        for n in numbers:
            flow = n // 2 % options.flows
            frame = mirrored(flow, n % 2, options.inner, 4321 + flow % options.vnis)
            out.write(struct.pack("<IIII", n // 1000000, n % 1000000, len(frame), len(frame)))
            out.write(frame)


main()
