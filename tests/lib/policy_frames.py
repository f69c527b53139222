#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Mirror traffic for tests/smoke/policy.sh, and what its sessions and filters must make of it.

    policy_frames.py make OUT.pcap EXPECTED.json     frames, and counts by session and kind
    policy_frames.py kinds IN.pcap...                counts by kind of frames that were delivered

Which frames are which is decided here, by how they were made, and not by reading rules.
"""
import collections
import json
import random
import struct
import sys

import frames

WEB, LOCKED, SAMPLED, UNKNOWN = 100, 101, 102, 999
SOURCE = bytes((172, 31, 2, 1))  # as frames.mirrored() has it outside
EACH = 400


def tcp(source_port, target_port, text, flags=0x18):
    return struct.pack(">HHIIBBHHH", source_port, target_port, 1, 0, 0x50, flags, 1000, 0, 0) + text


def udp(source_port, target_port, text):
    return struct.pack(">HHHH", source_port, target_port, 8 + len(text), 0) + text


def make_inner(kind, rng):
    """An inner frame of a kind; its text says which."""
    text = frames.MARK + kind.encode().ljust(12) + rng.randbytes(rng.randrange(4, 900))
    client = bytes((10, 1, rng.randrange(256), rng.randrange(1, 255)))
    port = rng.randrange(1024, 65536)
    macs, ethertype = frames.mac(1) + frames.mac(2), b"\x08\x00"
    if kind == "http-in":
        packet = frames.ipv4(client, SOURCE, 6, tcp(port, 80, text))
    elif kind == "http-out":
        packet = frames.ipv4(SOURCE, client, 6, tcp(80, port, text))
    elif kind == "http-away":  # the source as a client: no rule for HTTP takes it
        packet = frames.ipv4(SOURCE, client, 6, tcp(port, 80, text))
    elif kind == "dns":
        packet = frames.ipv4(SOURCE, client, 17, udp(port, 53, text))
    elif kind == "backup":
        packet = frames.ipv4(SOURCE, client, 6, tcp(port, 873, text))
    elif kind == "syn":
        packet = frames.ipv4(client, SOURCE, 6, tcp(port, 22, text, 0x02))
    elif kind == "v6":
        ethertype = b"\x86\xdd"
        packet = frames.ipv6(rng.randbytes(16), rng.randbytes(16), 17, udp(port, 443, text))
    elif kind == "arp":
        ethertype, packet = b"\x08\x06", b"\0\1\x08\0\6\4\0\1" + text
    return macs + ethertype + packet


KINDS = ("http-in", "http-out", "http-away", "dns", "backup", "syn", "v6", "arp")


def make(out, expected):
    rng = random.Random(7)
    plan = [(vni, kind) for vni in (WEB, LOCKED, SAMPLED, UNKNOWN) for kind in KINDS] * EACH
    rng.shuffle(plan)
    frames.write_pcap(out, (frames.mirrored(make_inner(kind, rng), rng.randrange(0xFF80, 0x10000),
                                            vni) for vni, kind in plan))
    with open(expected, "w", encoding="utf-8") as file:
        json.dump({"each": EACH, "total": len(plan)}, file)


def kinds(paths):
    counts = collections.Counter()
    longest = 0
    for path in paths:
        for frame in frames.read_pcap(path):
            at = frame.index(frames.MARK) + len(frames.MARK)
            counts[frame[at:at + 12].decode().strip()] += 1
            longest = max(longest, len(frame))
    print(json.dumps({"kinds": counts, "longest": longest, "total": sum(counts.values())}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(*sys.argv[2:])
    else:
        kinds(sys.argv[2:])
