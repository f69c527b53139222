# SPDX-License-Identifier: BSD-3-Clause
"""Holds what `mirrortap decap` made of a capture against the lists of expected frames beside it.

    expect_decap.py CAPTURE VERDICTS OUT      where CAPTURE is FOLDER/NAME.pcap
"""

import os
import sys
from typing import Dict, List, NamedTuple

import pcap

MADE_UP = 14  # bytes of Ethernet header in front of a bare IP packet out of GENEVE


class Expected(NamedTuple):
    vni: int
    length: int  # as delivered
    md5: str  # without the made-up header
    bare: bool
    tunnel: str


def read_lists(capture: str) -> Dict[int, Expected]:
    expected = {}
    stem = os.path.splitext(capture)[0]
    for tunnel in ("vxlan", "geneve"):
        path = f"{stem}.{tunnel}.tsv"
        if not os.path.exists(path):
            continue
        for line in open(path, encoding="ascii"):
            fields = line.rstrip("\n").split("\t")
            frame, vni, length, digest = fields[:4]
            bare = tunnel == "geneve" and fields[5] in ("0800", "86dd")
            expected[int(frame)] = Expected(
                int(vni), int(length) + (MADE_UP if bare else 0), digest, bare, tunnel
            )
    return expected


def read_verdicts(path: str) -> List[List[str]]:
    with open(path, encoding="ascii") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    assert lines[0] == [
        "frame",
        "verdict",
        "vni",
        "inner_length",
        "original_length",
        "tunnel",
        "flow_hash",
    ], f"header line: {lines[0]}"
    for number, line in enumerate(lines[1:], 1):
        assert len(line) == 7 and int(line[0]) == number, f"line {number}: {line}"
        if line[1] != "accepted":
            assert line[2:] == ["-"] * 5, f"line {number}: {line}"
    return lines[1:]


def check_frame(line: List[str], expected: Expected, delivered: pcap.Record) -> None:
    where = f"frame {line[0]}"
    assert line[1] == "accepted", f"{where}: {line[1]}"
    assert int(line[2]) == expected.vni, f"{where}: VNI {line[2]}, not {expected.vni}"
    assert int(line[3]) == expected.length, f"{where}: length {line[3]}, not {expected.length}"
    assert line[5] == expected.tunnel, f"{where}: tunnel {line[5]}, not {expected.tunnel}"
    data = delivered.data
    if expected.bare:
        assert data[:12] == bytes.fromhex("020000000002020000000001"), f"{where}: made-up header"
        ethertype = {4: b"\x08\x00", 6: b"\x86\xdd"}[data[MADE_UP] >> 4]
        assert data[12:14] == ethertype, f"{where}: ethertype"
        data = data[MADE_UP:]
    assert pcap.md5(data) == expected.md5, f"{where}: other bytes"


def main() -> int:
    capture, verdicts_path, out_path = sys.argv[1:]
    expected = read_lists(capture)
    records = list(pcap.read(capture))
    verdicts = read_verdicts(verdicts_path)
    delivered = list(pcap.read(out_path))
    assert len(verdicts) == len(records), f"{len(verdicts)} verdicts for {len(records)} frames"
    accepted = [line for line in verdicts if line[1] == "accepted"]
    assert len(delivered) == len(accepted), f"{len(delivered)} frames, {len(accepted)} accepted"

    seen = 0
    outputs = iter(delivered)
    for record, line in zip(records, verdicts):
        frame = int(line[0])
        out = next(outputs) if line[1] == "accepted" else None
        if frame in expected:
            check_frame(line, expected[frame], out or pcap.Record(b"", 0))
            seen += 1
        elif out is not None:
            cut = len(record.data) < record.original_length
            assert cut, f"frame {frame} came out but is not listed"
            assert int(line[4]) > int(line[3]), f"frame {frame}: cut, not marked as truncated"
        if out is not None:
            assert out.time_ns == record.time_ns, f"frame {frame}: other time"
            assert out.interface == f"vni {line[2]}", f"frame {frame}: on {out.interface}"
            assert [len(out.data), out.original_length] == [int(line[3]), int(line[4])], (
                f"frame {frame}: lengths"
            )
    assert seen == len(expected), f"{seen} of {len(expected)} expected frames"
    print(f"{os.path.basename(capture)}: {len(records)} frames, {len(accepted)} inner, "
          f"{len(expected)} listed: all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
