# SPDX-License-Identifier: BSD-3-Clause
"""Made-up capture files through `mirrortap decap`: what files can be, and what the options do.

decap_shapes.py PROGRAM WORKFOLDER
"""

import json
import os
import struct
import subprocess
import sys

import pcap

ETHERNET = bytes.fromhex("02000000000202000000000108 00".replace(" ", ""))


def ipv4(payload: bytes, protocol: int, source: str = "10.0.0.1", destination: str = "10.0.0.2"):
    packed = [bytes(int(part) for part in address.split(".")) for address in (source, destination)]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 255, protocol, 0)
    return header + packed[0] + packed[1] + payload


def udp(payload: bytes, port: int) -> bytes:
    return struct.pack(">4H", 65408, port, 8 + len(payload), 0) + payload


def vxlan(inner: bytes, vni: int, port: int = 4789) -> bytes:
    return ETHERNET + ipv4(udp(struct.pack(">II", 0x08000000, vni << 8) + inner, port), 17)


def geneve(inner: bytes, protocol: int, vni: int) -> bytes:
    return ETHERNET + ipv4(udp(struct.pack(">HHI", 0, protocol, vni << 8) + inner, 6081), 17)


def tcp(length, source="10.0.0.1", destination="192.0.2.7", ports=(40000, 80)) -> bytes:
    segment = struct.pack(">HHIIHHHH", *ports, 1, 2, 0x5018, 512, 0, 0) + bytes(length)
    return ETHERNET + ipv4(segment, 6, source, destination)


class Shapes:
    def __init__(self, program: str, folder: str):
        self.program = program
        self.folder = folder
        self.input = os.path.join(folder, "in.pcap")
        self.output = os.path.join(folder, "out.pcapng")
        self.verdicts = os.path.join(folder, "verdicts")

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [self.program, "decap", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == status, (arguments, done)
        return done

    def decap(self, *arguments: str, status: int = 0):
        """Runs on the input; returns the lines of FILE, the records of OUT, standard error."""
        done = self.run(
            self.input, *arguments, "-w", self.output, "--verdicts", self.verdicts, status=status
        )
        with open(self.verdicts, encoding="ascii") as file:
            lines = [line.split() for line in file][1:]
        return lines, list(pcap.read(self.output)), done.stderr

    def write(self, frames, **options):
        records = [
            frame if isinstance(frame, pcap.Record) else pcap.Record(frame, len(frame), 1)
            for frame in frames
        ]
        pcap.write_pcap(self.input, records, **options)

    def long_records(self):
        """More than one mbuf segment can state (65,535), up to libpcap's bound."""
        inner = tcp(65000)
        self.write([vxlan(inner, 7) + bytes(n) for n in (0, 135000, 262144 - len(inner) - 50)])
        lines, records, _ = self.decap()
        assert [line[1:5] for line in lines] == [["accepted", "7", "65054", "65054"]] * 3, lines
        assert all(record.data == inner for record in records)

    def cut_file(self):
        """All output up to the cut is kept."""
        frame = vxlan(tcp(50), 7)
        for cut in (1, len(frame), len(frame) + 1, len(frame) + 15):
            self.write([frame] * 3, cut=cut)
            lines, records, errors = self.decap(status=1)
            assert len(lines) == 2 and len(records) == 2, (cut, lines)
            assert "record 3" in errors and "truncated" in errors, errors
            done = self.run(self.input, status=1)
            assert "frames read" in done.stdout, done
        self.write([], cut=4)
        self.run(self.input, status=1)

    def cut_records(self):
        """caplen < len: decapsulated from what is there, the original length kept."""
        frame = vxlan(tcp(500), 7)
        arp = vxlan(ETHERNET[:12] + b"\x08\x06" + bytes(28), 7)
        self.write(
            [pcap.Record(frame[:n], len(frame)) for n in range(64, len(frame))]
            + [pcap.Record(arp[:80], len(arp)), pcap.Record(frame, len(frame) + 4)]
        )
        lines, records, _ = self.decap()
        for line, n in zip(lines, range(64, len(frame))):
            assert line[1:5] == ["accepted", "7", str(n - 50), "554"], (n, line)
        assert lines[-2][3:5] == ["30", "42"], lines[-2]
        assert [len(records[0].data), records[0].original_length] == [14, 554]
        self.write([pcap.Record(frame[:n], len(frame)) for n in range(0, 64)])
        lines, _, _ = self.decap()
        expected = ["outer_malformed"] * 42 + ["vxlan_too_short"] * 8 + ["inner_too_short"] * 14
        assert [line[1] for line in lines] == expected, lines

    def other_link_types(self):
        for linktype, name in ((113, "LINUX_SLL"), (101, "RAW"), (147, "147")):
            self.write([vxlan(tcp(5), 7)], linktype=linktype)
            errors = self.run(self.input, "-w", self.output, status=1).stderr
            for word in (self.input, name, "Ethernet", "tcpdump -i"):
                assert word in errors, errors

    def many_vnis(self):
        """One interface per VNI up to 1,024, the last of them shared."""
        vnis = [n * 4099 % (1 << 24) for n in range(1100)]
        self.write([vxlan(tcp(5), vni) for vni in vnis * 2])
        lines, records, _ = self.decap()
        own = [f"vni {vni}" for vni in vnis[:1023]] + ["other"] * 77
        assert [record.interface for record in records] == own * 2
        assert [int(line[2]) for line in lines] == vnis * 2

    def directions(self):
        self.write(
            [
                vxlan(tcp(5), 7),
                vxlan(tcp(5, "192.0.2.7", "10.0.0.1", (80, 40000)), 7),
                vxlan(tcp(5, "192.0.2.7", "192.0.2.8"), 7),
            ]
        )
        lines, records, _ = self.decap()
        assert [record.direction for record in records] == ["out", "in", "-"]
        assert lines[0][6] == lines[1][6] and lines[0][6] != lines[2][6]

    def tunnels(self):
        packet = tcp(5)[14:]
        self.write(
            [
                geneve(tcp(5), 0x6558, 3),
                geneve(packet, 0x0800, 4),
                geneve(vxlan(tcp(5), 5)[14:], 0x0800, 0),
                geneve(packet, 0x8847, 4),
            ]
        )
        lines, records, _ = self.decap()
        assert [line[1:4] + line[5:6] for line in lines[:3]] == [
            ["accepted", "3", "59", "geneve"],
            ["accepted", "4", "59", "geneve"],
            ["accepted", "5", "59", "geneve+vxlan"],
        ], lines
        assert lines[3] == ["4", "geneve_unknown_protocol", *"-----"]
        assert records[1].data == bytes.fromhex("0200000000020200000000010800") + packet

    def options(self):
        self.write([vxlan(tcp(5), 7), vxlan(tcp(5), 8, 8472), vxlan(tcp(5), 9)])
        for arguments, verdicts in (
            ([], ["accepted", "host", "accepted"]),
            (["--vxlan-port", "8472"], ["host", "accepted", "host"]),
            (["--vxlan-port=8472", "--vxlan-port=4789"], ["accepted"] * 3),
            (["--vxlan-port", "1", "--geneve-port", "8472"], ["host", "geneve", "host"]),
        ):
            lines, _, _ = self.decap(*arguments)
            # A VXLAN header read as GENEVE is bad in one way or another.
            found = ["geneve" if line[1].startswith("geneve") else line[1] for line in lines]
            assert found == verdicts, (arguments, lines)
        hashes = {}
        for name in ("5-tuple", "2-tuple", "vni"):
            lines, _, _ = self.decap("--hash", name)
            hashes[name] = (lines[0][6], lines[2][6])
        assert hashes["5-tuple"][0] == hashes["5-tuple"][1]
        assert hashes["vni"][0] != hashes["vni"][1]
        assert hashes["2-tuple"][0] != hashes["5-tuple"][0]
        lines, _, _ = self.decap("--include-vni")
        assert lines[0][6] != lines[2][6]

    def summaries(self):
        fragment = bytearray(vxlan(tcp(5), 7))
        fragment[20] = 0x20
        frame = vxlan(tcp(50), 7)
        cut = pcap.Record(frame[:90], len(frame))
        self.write([frame, bytes(fragment), bytes(60), cut])
        done = self.run(self.input)
        assert done.stdout.split() == (
            "frames read 4 accepted 2 of them truncated 1 host 1 dropped 1 outer_fragment 1"
        ).split(), done
        summary = json.loads(self.run("--json", self.input).stdout)
        drops = {"outer_fragment": 1}
        assert summary == {
            "received": 4,
            "host": 1,
            "accepted": 2,
            "truncated": 1,
            "drops": drops,
        }, summary
        done = self.run("--verdicts", "-", self.input)
        assert done.stdout.startswith("frame\tverdict\t") and "frames read" in done.stderr

    def usage(self):
        self.write([vxlan(tcp(5), 7)])
        for arguments in (
            [],
            ["a", "b"],
            ["--nonsense", "a"],
            ["a", "--vxlan-port", "0"],
            ["a", "--vxlan-port", "65536"],
            ["a", "--geneve-port", "-1"],
            ["a", "--geneve-port", "1x"],
            ["a", *["--vxlan-port=1"] * 9],
            ["a", "--hash", "3-tuple"],
            ["a", "-w"],
            ["a", "-w", "-", "--verdicts", "-"],
        ):
            done = self.run(*arguments, status=2)
            assert "mirrortap decap --help" in done.stderr and not done.stdout, done
        assert "usage: mirrortap decap IN" in self.run("--help").stdout

    def failures(self):
        missing = os.path.join(self.folder, "missing")
        assert missing in self.run(missing, status=1).stderr
        open(missing, "wb").close()
        self.run(missing, status=1)
        self.write([vxlan(tcp(5), 7)] * 1000)
        before = open(self.input, "rb").read()
        assert "input itself" in self.run(self.input, "-w", self.input, status=1).stderr
        assert open(self.input, "rb").read() == before
        for option in ("-w", "--verdicts"):
            errors = self.run(self.input, option, "/dev/full", status=1).stderr
            assert "/dev/full" in errors and "No space" in errors, errors
            errors = self.run(self.input, option, "/nowhere/x", status=1).stderr
            assert "/nowhere/x" in errors, errors


def main() -> int:
    shapes = Shapes(*sys.argv[1:])
    names = [name for name, value in vars(Shapes).items() if callable(value)]
    for name in names[names.index("long_records") :]:
        getattr(shapes, name)()
        print(f"ok: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
