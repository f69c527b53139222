#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Mirror traffic that is out of order in a known way, and what became of it.

    disorder.py make OUT.pcap [--double]     prints JSON: frames, late, copies, gaps, behind_gaps
    disorder.py judge IN.pcap OUT.pcap...    IN: with tunnels; OUT: inner frames. Fails unless OUT has
                                             the frames of IN; prints JSON: late

TCP flows, each segment with its place in its flow, and UDP between them. Some frames come up to 600
places later than they should. Ten flows lack a segment in the middle: 50 are behind that gap. With
--double a second mirror point, in another session, sends each frame once more.
"""
import argparse
import collections
import json
import random
import struct
import sys

from frames import OUTER, ipv4, mac, mirrored, read_pcap, write_pcap

FLOWS, EACH, LENGTH = 100, 101, 80
LOST_OF, LOST = 10, 50  # flows that lack a segment, and which


def tcp(flow, index):
    head = struct.pack(">HHIIBBHHH", 10000 + flow, 80, (flow * 0x10000000 + index * LENGTH) % 2**32,
                       1, 0x50, 0x10, 1000, 0, 0)
    return ipv4(bytes((10, 0, 0, 1)), bytes((10, 0, 1, flow)), 6,
                head + struct.pack(">II", flow, index) + bytes(LENGTH - 8))


def udp(number):
    return ipv4(bytes((10, 0, 0, 1)), bytes((10, 0, 2, 1)), 17,
                struct.pack(">HHHH", 53, 1024 + number % 50, 12, 0) + struct.pack(">I", number))


def inner(packet):
    return mac(1) + mac(2) + b"\x08\x00" + packet


def late(frames):
    """How many segments come after one of their flow with a higher number."""
    last, count = collections.defaultdict(int), 0
    for frame in frames:
        if frame[23] != 6:
            continue
        flow, index = struct.unpack(">II", frame[54:62])
        count += index < last[flow]
        last[flow] = max(last[flow], index)
    return count


def make(options):
    rng = random.Random(1)
    turns = [flow for flow in range(FLOWS) for _ in range(EACH)]
    rng.shuffle(turns)
    sent = collections.Counter()
    frames = []
    for number, flow in enumerate(turns):
        if flow >= LOST_OF or sent[flow] != LOST:
            frames.append((tcp(flow, sent[flow]), sent[flow] == 0))
        sent[flow] += 1
        if number % 10 == 0:
            frames.append((udp(number), True))
    # The first one of a flow is there before the others: from it on the flow is known.
    keyed = [(place + (0.5 + rng.randrange(1, 601) if not first and rng.random() < 0.05 else 0), packet)
             for place, (packet, first) in enumerate(frames)]
    packets = [inner(packet) for _, packet in sorted(keyed, key=lambda entry: entry[0])]
    out = []
    for packet in packets:
        out.append(mirrored(packet, 0xFF80 + packet[33] % 128))
        if options.double:
            # A hop further, as another session's.
            away = mac(3) + mac(4) + packet[12:22] + bytes((packet[22] - 1,)) + packet[23:]
            out.append(mirrored(away, 0xFF80 + packet[33] % 128, 9999))
    write_pcap(options.out, out)
    print(json.dumps({"frames": len(out), "late": late(packets), "copies": len(out) - len(packets),
                      "gaps": LOST_OF, "behind_gaps": LOST_OF * (EACH - LOST - 1)}))


def judge(options):
    wanted = [frame[OUTER:] for frame in read_pcap(options.given)
              if int.from_bytes(frame[46:49], "big") != 9999]
    got = [frame for path in options.out for frame in read_pcap(path)]
    lost = collections.Counter(wanted) - collections.Counter(got)
    more = collections.Counter(got) - collections.Counter(wanted)
    if lost or more:
        sys.exit(f"{sum(lost.values())} frames are missing, {sum(more.values())} are too many")
    print(json.dumps({"late": late(got)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("make")
    verb.add_argument("out")
    verb.add_argument("--double", action="store_true")
    verb.set_defaults(run=make)
    verb = verbs.add_parser("judge")
    verb.add_argument("given")
    verb.add_argument("out", nargs="+")
    verb.set_defaults(run=judge)
    options = parser.parse_args()
    options.run(options)


main()
