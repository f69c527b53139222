#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Frames for smoke tests: make mirror traffic, send it, read it, and judge what came out.

Standard library only, and independent of Mirrortap's own packet code. Frames of conversations carry
their conversation's number and their own number within it, so that a reader can tell which ones it
got, where, and in which order.

    frames.py conversations OUT.pcap     mirrored conversations, both directions in turn
    frames.py jumbo OUT.pcap             mirrored frames up to 9,166 bytes (outer 9,216), or --longest
    frames.py inner IN.pcap OUT.pcap     what is inside the VXLAN of plain IPv4 mirror traffic
    frames.py send INTERFACE IN.pcap     send the frames of a capture
    frames.py fanout INTERFACE OUT...    one socket per OUT in one fanout group by queue
    frames.py same WANTED.pcap GOT...    the same frames, as multisets, byte for byte?
    frames.py whole IN.pcap...           is every conversation in one file only, and in order?
"""
import argparse
import collections
import random
import selectors
import signal
import socket
import struct
import sys
import time

MARK = b"mirrortap-test"
TAG = struct.Struct(">II")  # conversation, number within it
VNI = 4321
VLAN = b"\x81\x00\x00\x0a"
QINQ = b"\x88\xa8\x00\x14" + VLAN
OUTER = 14 + 20 + 8 + 8
SOL_PACKET, PACKET_FANOUT, PACKET_FANOUT_QM = 263, 18, 5
ETH_P_ALL, SO_RCVBUFFORCE = 3, 33


# --- captures -------------------------------------------------------------------------------------

def write_pcap(path, frames):
    """Writes frames (bytes) a microsecond apart. A link type of 1 is Ethernet."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number, frame in enumerate(frames):
            out.write(struct.pack("<IIII", 1700000000 + number // 10**6, number % 10**6,
                                  len(frame), len(frame)))
            out.write(frame)


def read_pcap(path):
    """Yields the frames of a capture. Frames that the capture cut short are an error here."""
    with open(path, "rb") as source:
        header = source.read(24)
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
                 b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(header[:4])
        if order is None:
            sys.exit(f"{path}: not a pcap file")
        while True:
            record = source.read(16)
            if len(record) < 16:
                return
            _, _, captured, length = struct.unpack(order + "IIII", record)
            if captured != length:
                sys.exit(f"{path}: frame of {length} bytes was cut to {captured}")
            yield source.read(captured)


# --- making frames --------------------------------------------------------------------------------

def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(number):
    return b"\x02\x00\x0a\x4d" + struct.pack(">H", number)


def ipv4(source, target, protocol, payload, ttl=64):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0,
                       source, target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload):
    return struct.pack(">IHBB16s16s", 6 << 28, len(payload), protocol, 64, source, target) + payload


def mirrored(inner, port, vni=VNI):
    """Wraps a frame as AWS does: UDP checksum 0, IP ID 0, TTL 255."""
    vxlan = struct.pack(">II", 0x08000000, vni << 8)
    udp = struct.pack(">HHHH", port, 4789, 8 + len(vxlan) + len(inner), 0)
    packet = ipv4(bytes((172, 31, 2, 1)), bytes((172, 31, 2, 2)), 17, udp + vxlan + inner, 255)
    return mac(0x0202) + mac(0x0201) + b"\x08\x00" + packet


class Conversation:
    """Two endpoints; frame() alternates between them."""

    def __init__(self, number, rng, vni=VNI):
        self.number, self.sent, self.vni = number, 0, vni
        self.tcp, self.v6 = rng.random() < 0.6, rng.random() < 0.25
        self.tags = rng.choices((b"", VLAN, QINQ), (87, 10, 3))[0]
        width = 16 if self.v6 else 4
        self.ends = [(rng.randbytes(width), rng.randrange(1024, 65536)),
                     (rng.randbytes(width), rng.choice((80, 443, 53, 5432, 8080)))]
        # The two directions have hashes of their own at the source: facts.md, "What arrives".
        self.outer_ports = rng.sample(range(0xFF80, 0x10000), 2)

    def frame(self, length):
        direction = self.sent % 2
        (source, sport), (target, dport) = self.ends if direction == 0 else self.ends[::-1]
        headers = 14 + len(self.tags) + (40 if self.v6 else 20) + (20 if self.tcp else 8)
        text = (MARK + TAG.pack(self.number, self.sent)).ljust(length - headers, b"\0")
        self.sent += 1
        if self.tcp:
            head = struct.pack(">HHIIBBHHH", sport, dport, self.sent, 0, 0x50, 0x18, 1000, 0, 0)
        else:
            head = struct.pack(">HHHH", sport, dport, 8 + len(text), 0)
        make, ethertype = (ipv6, b"\x86\xdd") if self.v6 else (ipv4, b"\x08\x00")
        packet = make(source, target, 6 if self.tcp else 17, head + text)
        macs = mac(1) + mac(2) if direction == 0 else mac(2) + mac(1)
        return mirrored(macs + self.tags + ethertype + packet, self.outer_ports[direction],
                        self.vni)


def conversations(options):
    rng = random.Random(options.seed)
    all_of_them = [Conversation(n, rng, VNI + n % options.vnis) for n in range(options.count)]
    frames = []
    for done in range(0, options.each, 2):
        rng.shuffle(all_of_them)
        # Question and answer next to each other, so that a swap within a burst is seen.
        frames += [c.frame(options.length or rng.choice((64, 90, 300, 1400)))
                   for c in all_of_them for _ in range(min(2, options.each - done))]
    write_pcap(options.out, frames)


def jumbo(options):
    rng = random.Random(options.seed)
    frames = []
    for number in range(options.count):
        conversation = Conversation(number, rng)
        frames += [conversation.frame(length) for length in (64, 2000, 8947, 9150, options.longest)]
    write_pcap(options.out, frames)


def inner(options):
    write_pcap(options.out, (frame[OUTER:] for frame in read_pcap(options.source)))


# --- sending and reading --------------------------------------------------------------------------

def send(options):
    frames = list(read_pcap(options.source))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((options.interface, 0))
        begin = time.monotonic()
        for number in range(len(frames) * options.times):
            if number % 32 == 0:
                time.sleep(max(0, begin + number / options.pps - time.monotonic()))
            out.send(frames[number % len(frames)])
    print(len(frames) * options.times)


def fanout(options):
    """Reads until it is ended by SIGTERM; then writes one capture per socket."""
    selector = selectors.DefaultSelector()
    frames = []
    for index, _ in enumerate(options.out):
        reader = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        reader.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        reader.bind((options.interface, ETH_P_ALL))
        reader.setsockopt(SOL_PACKET, PACKET_FANOUT, 77 | PACKET_FANOUT_QM << 16)
        reader.setblocking(False)
        selector.register(reader, selectors.EVENT_READ, index)
        frames.append([])
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("reading", flush=True)
    while not ended:
        for key, _ in selector.select(0.1):
            frame, address = key.fileobj.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING:
                frames[key.data].append(frame)
    for path, taken in zip(options.out, frames):
        write_pcap(path, taken)


# --- judging --------------------------------------------------------------------------------------

def same(options):
    """All of GOT together against WANTED, each of whose frames is expected --times times."""
    wanted = collections.Counter(read_pcap(options.wanted))
    wanted = collections.Counter({frame: n * options.times for frame, n in wanted.items()})
    got = collections.Counter()
    for path in options.got:
        got.update(read_pcap(path))
    if wanted == got:
        print(f"{sum(got.values())} frames, just as wanted")
        return
    for what, frames in (("missing", wanted - got), ("not wanted", got - wanted)):
        print(f"{what}: {sum(frames.values())} frames", file=sys.stderr)
        for frame in list(frames)[:5]:
            print(f"    {frames[frame]} x {len(frame)} bytes: {frame[:64].hex()}", file=sys.stderr)
    sys.exit(1)


def whole(options):
    """Every frame of every conversation exactly once, in one file only, in order."""
    seen = collections.defaultdict(list)  # conversation: [(file, number), ...]
    loads = [0] * len(options.files)
    for index, path in enumerate(options.files):
        for frame in read_pcap(path):
            at = frame.find(MARK)
            if at < 0:
                sys.exit(f"{path}: a frame of no conversation: {frame[:64].hex()}")
            conversation, number = TAG.unpack_from(frame, at + len(MARK))
            seen[conversation].append((index, number))
            loads[index] += 1
    wrong = [f"conversation {c}: frames {got}" for c, got in sorted(seen.items())
             if got != [(got[0][0], n) for n in range(options.each)]]
    if len(seen) != options.count:
        wrong.insert(0, f"{len(seen)} conversations, expected {options.count}")
    mean = sum(loads) / len(loads)
    print(f"{len(seen)} conversations, {sum(loads)} frames; frames per file: {loads}")
    if max(abs(load - mean) for load in loads) > mean * options.spread:
        wrong.insert(0, f"a load is not within {options.spread:.0%} of the mean, {mean:.0f}")
    if wrong:
        sys.exit(f"{len(wrong)} wrong:\n" + "\n".join(wrong[:10]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")

    def command(function, *positional, **settings):
        sub = commands.add_parser(function.__name__)
        sub.set_defaults(function=function)
        for name in positional:
            many = name.endswith("...")
            sub.add_argument(name.rstrip("."), **({"nargs": "+"} if many else {}))
        for name, default in settings.items():
            sub.add_argument(f"--{name}", type=type(default), default=default)

    command(conversations, "out", count=1000, each=6, length=0, vnis=1, seed=2)
    command(jumbo, "out", count=20, seed=2, longest=9216 - OUTER)
    command(inner, "source", "out")
    command(send, "interface", "source", pps=20000, times=1)
    command(fanout, "interface", "out...")
    command(same, "wanted", "got...", times=1)
    command(whole, "files...", count=1000, each=6, spread=0.2)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
