# SPDX-License-Identifier: BSD-3-Clause
"""Reads and writes capture files for tests: pcap and pcapng, either byte order, without scapy.

read(path) gives Record after Record; write_pcap(path, records) writes one. As a program:
    pcap.py list FILE       one line per record: frame, captured and original length, MD5, interface
                            name, direction (- where there is none)
"""

import hashlib
import struct
import sys
from typing import BinaryIO, Iterator, List, NamedTuple, Optional


class Record(NamedTuple):
    data: bytes
    original_length: int
    time_ns: int = 0
    interface: str = "-"
    direction: str = "-"


class CaptureError(Exception):
    pass


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise CaptureError(f"cut: {len(data)} bytes instead of {count}")
    return data


_PCAP = {  # magic as it stands in the file: byte order, nanoseconds per unit of the fraction
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


def _read_pcap(file: BinaryIO, magic: bytes) -> Iterator[Record]:
    order, unit = _PCAP[magic]
    _exactly(file, 20)
    while True:
        header = file.read(16)
        if not header:
            return
        if len(header) != 16:
            raise CaptureError("cut in a record's header")
        seconds, fraction, captured, original = struct.unpack(order + "4I", header)
        yield Record(_exactly(file, captured), original, seconds * 10**9 + fraction * unit)


def _options(data: bytes, order: str) -> dict:
    options = {}
    while len(data) >= 4:
        code, length = struct.unpack_from(order + "2H", data)
        if code == 0:
            break
        options[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return options


def _tick(options: dict) -> "tuple[int, int]":
    """Nanoseconds per unit of a time stamp, as a fraction."""
    resolution = options.get(9, b"\x06")[0]
    if resolution & 0x80:
        return 10**9, 2 ** (resolution & 0x7F)
    return 10**9, 10**resolution


def _packet(body: bytes, order: str, interfaces: list) -> Record:
    number, high, low, captured, original = struct.unpack_from(order + "5I", body)
    padded = (captured + 3) // 4 * 4
    if 20 + padded > len(body) or number >= len(interfaces):
        raise CaptureError("an enhanced packet block contradicts itself")
    flags = _options(body[20 + padded :], order).get(2, b"\0\0\0\0")
    direction = struct.unpack(order + "I", flags)[0] & 3
    name, (up, down) = interfaces[number]
    return Record(
        body[20 : 20 + captured],
        original,
        ((high << 32) | low) * up // down,
        name,
        {1: "in", 2: "out"}.get(direction, "-"),
    )


def _read_pcapng(file: BinaryIO, kind: bytes) -> Iterator[Record]:
    order = "<"
    interfaces: list = []
    while kind:
        length_bytes = _exactly(file, 4)
        if kind == b"\x0a\x0d\x0d\x0a":
            magic = _exactly(file, 4)
            order = "<" if magic == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        else:
            magic = b""
        (length,) = struct.unpack(order + "I", length_bytes)
        body = magic + _exactly(file, length - 12 - len(magic))
        if _exactly(file, 4) != length_bytes:
            raise CaptureError("a block's two lengths differ")
        (block,) = struct.unpack(order + "I", kind)
        if block == 1:
            options = _options(body[8:], order)
            interfaces.append((options.get(2, b"-").decode(), _tick(options)))
        elif block == 6:
            yield _packet(body, order, interfaces)
        kind = file.read(4)


def read(path: str) -> Iterator[Record]:
    with open(path, "rb") as file:
        magic = _exactly(file, 4)
        if magic in _PCAP:
            yield from _read_pcap(file, magic)
        elif magic == b"\x0a\x0d\x0d\x0a":
            yield from _read_pcapng(file, magic)
        else:
            raise CaptureError(f"{path}: neither pcap nor pcapng")


def write_pcap(
    path: str,
    records: List[Record],
    linktype: int = 1,
    cut: Optional[int] = None,
    snap: int = 262144,
):
    """Nanosecond pcap; `cut`: leave so many bytes off at the end of the file."""
    data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snap, linktype)
    for record in records:
        data += struct.pack(
            "<4I",
            record.time_ns // 10**9,
            record.time_ns % 10**9,
            len(record.data),
            record.original_length,
        )
        data += record.data
    with open(path, "wb") as file:
        file.write(data[:-cut] if cut else data)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] != "list":
        print(__doc__, file=sys.stderr)
        return 2
    for frame, record in enumerate(read(sys.argv[2]), 1):
        print(
            frame,
            len(record.data),
            record.original_length,
            md5(record.data),
            record.interface,
            record.direction,
            sep="\t",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
