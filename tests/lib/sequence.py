#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered mirror frames: sent at a rate, or as fast as it goes, and counted where they came out.

Standard library only. Each frame carries its number, so that what is missing is seen one by one.

    sequence.py send INTERFACE --mac TARGET_MAC --to ADDRESS [--pps N] [--seconds S]
        From several sources with 128 outer ports each, as AWS sends (facts: 0xff80 to 0xffff), until
        it is ended by SIGTERM or the seconds are over. Prints {"sent", "seconds", "pps"}.
    sequence.py broken INTERFACE --mac TARGET_MAC --to ADDRESS [--count N]
        N each of: VXLAN without the I bit; VXLAN cut after 4 bytes; UDP length below 8.
    sequence.py count PCAP...
        Prints {"frames", "unique", "repeated", "other"} of all files together. A file whose end is
        missing, because its writer was killed, counts as far as it goes.
"""
import argparse
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time

import frames

BATCH = 64
MARK = b"mirrortap-sequence"
NUMBER = struct.Struct(">Q")
PORTS = range(0xFF80, 0x10000)
PACKET_QDISC_BYPASS = 20


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
                ("iov", ctypes.POINTER(Iovec)), ("iov_length", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("header", Msghdr), ("length", ctypes.c_uint)]


def parse_mac(text):
    return bytes.fromhex(text.replace(":", ""))


def outer(options, source, port, payload, udp_length=None):
    """An Ethernet frame to the target with `payload` in UDP to port 4789, without checksum."""
    length = 8 + len(payload) if udp_length is None else udp_length
    udp = struct.pack(">HHHH", port, 4789, length, 0) + payload
    packet = frames.ipv4(source, socket.inet_aton(options.to), 17, udp, 255)
    return options.mac + frames.mac(0x0201) + b"\x08\x00" + packet


def numbered(options, source, port):
    """A mirrored frame of a conversation of its own, and where its number goes."""
    text = (MARK + bytes(NUMBER.size)).ljust(options.length - 14 - 20 - 8, b"\0")
    udp = struct.pack(">HHHH", port, 53, 8 + len(text), 0) + text
    inner = frames.mac(2) + frames.mac(1) + b"\x08\x00"
    inner += frames.ipv4(source, b"\x0a\x00\x00\x01", 17, udp)
    frame = outer(options, source, port, struct.pack(">II", 0x08000000, frames.VNI << 8) + inner)
    return frame, frame.index(MARK) + len(MARK)


class Sender:
    """Frames in memory that sendmmsg() reads in place."""

    def __init__(self, options):
        first = struct.unpack(">I", socket.inet_aton(options.source))[0]
        made = [numbered(options, struct.pack(">I", first + s), port)
                for port in PORTS for s in range(options.sources)]
        self.buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame, _ in made]
        self.offset = made[0][1]
        self.iovecs = [Iovec(ctypes.addressof(b), len(b)) for b in self.buffers]
        self.messages = (Mmsghdr * len(made))()
        for message, iovec in zip(self.messages, self.iovecs):
            message.header.iov = ctypes.pointer(iovec)
            message.header.iov_length = 1
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out.setsockopt(frames.SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self.out.bind((options.interface, 0))
        self.sent = 0

    def batch(self, at, count):
        """Sends messages[at:at + count]; a frame that the kernel refuses is tried again."""
        for i in range(count):
            NUMBER.pack_into(self.buffers[at + i], self.offset, self.sent + i)
        done = 0
        while done < count:
            address = ctypes.byref(self.messages, (at + done) * ctypes.sizeof(Mmsghdr))
            taken = self.libc.sendmmsg(self.out.fileno(), address, count - done, 0)
            if taken < 0:
                time.sleep(0.0005)
                continue
            done += taken
        self.sent += count


def send(options):
    sender = Sender(options)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    batch = BATCH if not options.pps else max(1, min(BATCH, int(options.pps / 500)))
    print("sending", file=sys.stderr, flush=True)
    begin = now = time.monotonic()
    at = 0
    while not ended and (not options.seconds or now - begin < options.seconds):
        count = min(batch, len(sender.buffers) - at)
        sender.batch(at, count)
        at = (at + count) % len(sender.buffers)
        now = time.monotonic()
        if options.pps:
            early = begin + sender.sent / options.pps - now
            if early > 0:
                time.sleep(early)
            elif early < -0.05:
                # Held up: go on at the rate, and do not catch up in one burst.
                begin -= early
    seconds = now - begin
    print(json.dumps({"sent": sender.sent, "seconds": round(seconds, 2),
                      "pps": round(sender.sent / seconds) if seconds else 0}))


def broken(options):
    source = socket.inet_aton(options.source)
    vxlan = struct.pack(">II", 0, frames.VNI << 8) + frames.mac(2) + frames.mac(1) + b"\x08\x00"
    kinds = [outer(options, source, PORTS[0], vxlan + bytes(50)),
             outer(options, source, PORTS[0], struct.pack(">I", 0x08000000)),
             outer(options, source, PORTS[0], b"", 4)]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((options.interface, 0))
        for _ in range(options.count):
            for frame in kinds:
                out.send(frame)


def read_pcap(path):
    """Yields the whole frames of a capture, to its end or to where its writer was killed."""
    with open(path, "rb") as source:
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
                 b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(source.read(24)[:4])
        while order is not None:
            record = source.read(16)
            if len(record) < 16:
                return
            length = struct.unpack(order + "IIII", record)[2]
            frame = source.read(length)
            if len(frame) < length:
                return
            yield frame


def count(options):
    seen = set()
    total = other = 0
    for path in options.files:
        for frame in read_pcap(path) if os.path.exists(path) else ():
            at = frame.find(MARK)
            if at < 0:
                other += 1
                continue
            total += 1
            seen.add(NUMBER.unpack_from(frame, at + len(MARK))[0])
    print(json.dumps({"frames": total, "unique": len(seen), "repeated": total - len(seen),
                      "other": other}))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function in (send, broken):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        command.add_argument("interface")
        command.add_argument("--mac", type=parse_mac, required=True)
        command.add_argument("--to", required=True)
        command.add_argument("--source", default="172.31.2.1", help="the first one")
        if function is send:
            command.add_argument("--sources", type=int, default=4)
            command.add_argument("--length", type=int, default=300, help="of the inner frame")
            command.add_argument("--pps", type=float, default=0)
            command.add_argument("--seconds", type=float, default=0)
        else:
            command.add_argument("--count", type=int, default=10)
    command = commands.add_parser("count")
    command.set_defaults(function=count)
    command.add_argument("files", nargs="+")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
