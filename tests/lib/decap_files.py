# SPDX-License-Identifier: BSD-3-Clause
"""Made-up capture files through `mirrortap decap`: what pcapng and pcap files can be like.

decap_files.py PROGRAM WORKFOLDER
"""

import struct
import sys

import pcap
from decap_shapes import Shapes, tcp, vxlan

T0 = 1_700_000_000 * 10**9 + 123_456_789
FRAMES = [vxlan(tcp(50 + n), 7) for n in range(4)]


class Section:
    """Blocks of one byte order, as bytes."""

    def __init__(self, order: str = "<"):
        self.order = order
        self.bytes = b""
        self.add(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def add(self, kind: int, body: bytes) -> "Section":
        length = struct.pack(self.order + "I", 12 + len(body))
        self.bytes += struct.pack(self.order + "I", kind) + length + body + length
        return self

    def interface(self, link: int = 1, snap: int = 0, **options: bytes) -> "Section":
        codes = {"resolution": 9, "offset": 14}
        body = struct.pack(self.order + "HHI", link, 0, snap)
        for name, value in options.items():
            body += struct.pack(self.order + "HH", codes[name], len(value))
            body += value + bytes(-len(value) % 4)
        return self.add(1, body)

    def packet(self, number: int, ticks: int, data: bytes, length: int = -1) -> "Section":
        length = len(data) if length < 0 else length
        head = (number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length)
        return self.add(
            6, struct.pack(self.order + "5I", *head) + data + bytes(-len(data) % 4)
        )

    def simple(self, data: bytes, length: int) -> "Section":
        return self.add(3, struct.pack(self.order + "I", length) + data + bytes(-len(data) % 4))


class Files(Shapes):
    def read(self, content: bytes, status: int = 0):
        """Returns lengths and times of the frames that came out, and standard error."""
        with open(self.input, "wb") as file:
            file.write(content)
        lines, records, errors = self.decap(status=status)
        assert all(line[1] == "accepted" for line in lines), lines
        return [(len(record.data), record.time_ns) for record in records], errors

    def interfaces(self):
        """Interfaces of a file may differ in all that describes them."""
        lengths = [len(frame) - 50 for frame in FRAMES]
        for order in "<>":
            two = (
                Section(order)
                .interface(snap=65535)
                .interface(snap=262144, resolution=b"\x09")
                .packet(0, T0 // 1000, FRAMES[0])
                .packet(1, T0, FRAMES[1])
                .add(0x0BAD, b"")
                .interface(snap=96, resolution=b"\x8a", offset=struct.pack(order + "q", -5))
                .packet(2, 5 << 10 | 512, FRAMES[2][:96], len(FRAMES[2]))
                .interface(link=113)
                .packet(1, T0, FRAMES[3])
            )
            expected = [
                (lengths[0], T0 // 1000 * 1000),
                (lengths[1], T0),
                (46, 500_000_000),
                (lengths[3], T0),
            ]
            assert self.read(two.bytes)[0] == expected, order
        assert self.read(Section().bytes)[0] == []

    def snap_lengths(self):
        """They do not cut what is there; but a simple packet block has its length from there."""
        one = Section().interface(snap=96).packet(0, 0, FRAMES[0])
        assert self.read(one.bytes)[0] == [(len(FRAMES[0]) - 50, 0)]
        one = Section().interface(snap=97).simple(FRAMES[0][:97], len(FRAMES[0]))
        assert self.read(one.bytes)[0] == [(47, 0)]
        self.write(FRAMES, snap=64)
        lines, records, _ = self.decap()
        assert [record.data for record in records] == [frame[50:] for frame in FRAMES], lines

    def sections(self):
        both = b"".join(
            Section(order).interface().packet(0, 1, frame).bytes
            for order, frame in zip("<><>", FRAMES)
        )
        assert self.read(both)[0] == [(len(frame) - 50, 1000) for frame in FRAMES]

    def errors(self):
        good = Section().interface().packet(0, 0, FRAMES[0])

        def after(section: Section, word: str):
            frames, errors = self.read(section.bytes, status=1)
            assert len(frames) == 1 and "record 2: " in errors and word in errors, errors
            assert self.input in errors, errors

        def begun() -> Section:
            return Section().interface().packet(0, 0, FRAMES[0])

        after(begun().interface(link=113).packet(1, 0, FRAMES[1]), "LINUX_SLL (113), only Ethernet")
        after(begun().packet(1, 0, FRAMES[1]), "interface 1")
        after(begun().interface(resolution=b"\x14").packet(1, 0, b""), "10^-20")
        after(begun().add(6, bytes(12)), "12 bytes")
        after(begun().add(6, struct.pack("<5I", 0, 0, 0, 100, 100)), "room for 0")
        after(begun().simple(b"", 100), "room for 0")
        after(begun().simple(b"", 0xFFFFFFFF), "more than the 262144")
        after(begun().add(1, b"1234"), "interface 1")
        for length in (0, 11, 13, 0x7FFFFFFC, 0xFFFFFFFF):
            broken = begun()
            broken.bytes += struct.pack("<II", 5, length) + bytes(40)
            after(broken, f"{length} bytes")
        for length in (0, 16, 0xFFFFFFFC):
            broken = begun()
            broken.bytes += struct.pack("<III", 0x0A0D0D0A, length, 0x1A2B3C4D) + bytes(40)
            after(broken, f"{length} bytes")
        for cut in range(1, 60):
            broken = begun().packet(0, 0, FRAMES[1])
            broken.bytes = broken.bytes[:-cut]
            after(broken, "truncated")
        for content in (b"", b"\n\r\r\n", good.bytes[:20], b"\n\r\r\n" + bytes(40), b"text" * 9):
            with open(self.input, "wb") as file:
                file.write(content)
            assert self.input in self.run(self.input, status=1).stderr, content


def main() -> int:
    files = Files(*sys.argv[1:])
    for check in (files.interfaces, files.snap_lengths, files.sections, files.errors):
        check()
        print(f"ok: {check.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
