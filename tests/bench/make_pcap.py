#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a capture of mirror traffic in AWS's shape, for replay by net_pcap.

Outer UDP source port of 128 values (0xff80..0xffff), checksum 0, TTL 255; inner TCP frames of one
size, both directions of each flow in turn.

    make_pcap.py OUT.pcap --flows 1024 --inner 64 --frames 2048 --vnis 1 --shape geneve-vxlan
"""
import argparse
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


def ipv6(source, destination, protocol, payload_length):
    return struct.pack("!IHBB", 0x60000000, payload_length, protocol, 64) + b"".join(
        bytes.fromhex("20010db8") + bytes(8) + address for address in (source, destination))


def inner_frame(flow, backwards, length, version):
    client = struct.pack("!BBH", 10, 1, flow % 65536)
    server = struct.pack("!BBBB", 10, 2, flow >> 16 & 255, flow & 15)
    ports = (1024 + flow % 60000, 443)
    if backwards:
        client, server, ports = server, client, ports[::-1]
    tcp = struct.pack("!HHIIBBHHH", *ports, flow, 0, 0x50, 0x10, 65535, 0, 0)
    tcp += bytes(length - 14 - (40 if version == 6 else 20) - 20)
    macs = bytes.fromhex("06000000000206000000000a")
    if version == 6:
        return macs + b"\x86\xdd" + ipv6(client, server, 6, len(tcp)) + tcp
    return macs + b"\x08\x00" + ipv4(client, server, 6, len(tcp), 64) + tcp


def udp(port, destination, payload):
    return struct.pack("!HHHH", port, destination, 8 + len(payload), 0) + payload


def geneve(protocol, options, payload):
    return struct.pack("!BBHI", len(options) // 4, 0, protocol, 0) + options + payload


# What a Gateway Load Balancer adds: endpoint, attachment, flow cookie.
GWLB = b"".join(struct.pack("!HBB", 0x0108, kind, size // 4) + bytes(size)
                for kind, size in ((1, 8), (2, 8), (3, 4)))


def mirrored(flow, backwards, length, vni, shape):
    frame = inner_frame(flow, backwards, length, 6 if shape == "vxlan-ipv6" else 4)
    source, target = socket.inet_aton("172.31.0.10"), socket.inet_aton("172.31.0.20")
    port = 0xFF80 + (flow * 7 + backwards * 61) % 128
    payload = udp(port, 4789, struct.pack("!II", 0x08000000, vni << 8) + frame)
    if shape == "geneve":
        payload = udp(port, 6081, geneve(0x6558, b"", frame))
    elif shape == "geneve-vxlan":
        payload = ipv4(source, target, 17, len(payload), 255) + payload
        payload = udp(port, 6081, geneve(0x0800, GWLB, payload))
    outer = ipv4(source, target, 17, len(payload), 255)
    return bytes.fromhex("0600000000ff060000000010") + b"\x08\x00" + outer + payload


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--flows", type=int, default=1024)
    parser.add_argument("--inner", type=int, default=64)
    parser.add_argument("--frames", type=int, default=2048)
    parser.add_argument("--vnis", type=int, default=1)
    parser.add_argument("--shape", default="vxlan-ipv4",
                        choices=("vxlan-ipv4", "vxlan-ipv6", "geneve", "geneve-vxlan"))
    options = parser.parse_args()
    with open(options.out, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for n in range(options.frames):
            frame = mirrored(n // 2 % options.flows, n % 2, options.inner,
                             4321 + n // 2 % options.vnis, options.shape)
            out.write(struct.pack("<IIII", n // 1000000, n % 1000000, len(frame), len(frame)))
            out.write(frame)


main()
