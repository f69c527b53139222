# SPDX-License-Identifier: BSD-3-Clause
"""Holds the frames that the daemon delivered of a capture against the lists beside it.

    expect_inner.py CAPTURE OUT [--any-order]     where CAPTURE is FOLDER/NAME.pcap

Frames that the capture itself cut short are delivered too, and not listed: they are left out of
the comparison by number, as `mirrortap decap` would take them.
"""

import sys

import pcap
from expect_decap import MADE_UP, read_lists


def is_bare(data: bytes) -> bool:
    return data[:12] == bytes.fromhex("020000000002020000000001")


def main() -> int:
    capture, out = sys.argv[1:3]
    any_order = "--any-order" in sys.argv
    expected = read_lists(capture)
    records = list(pcap.read(capture))
    cut = sum(len(r.data) < r.original_length for n, r in enumerate(records, 1) if n not in expected)
    wanted = [(expected[n].length, expected[n].md5) for n in sorted(expected)]
    found = []
    for record in pcap.read(out):
        data = record.data[MADE_UP:] if is_bare(record.data) else record.data
        found.append((len(record.data), pcap.md5(data)))
    assert len(wanted) <= len(found) <= len(wanted) + cut, (
        f"{len(found)} frames, {len(wanted)} listed, {cut} cut by the capture"
    )
    if any_order:
        wanted.sort()
        found.sort()
    left = iter(found)
    missing = [frame for frame in wanted if frame not in left]
    assert not missing, f"not delivered, or not in order: {missing[:3]}"
    print(f"{len(found)} frames delivered, {len(wanted)} listed: all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
