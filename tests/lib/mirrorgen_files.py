#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mirrorgen's files against `mirrortap decap` and against what AWS's mirror traffic looks like.

    mirrorgen_files.py BUILD WORK
"""

import json
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from typing import List, NamedTuple, Optional

import pcap

BUILD, WORK = sys.argv[1:3]
MAGIC = b"MTGN\x01"
VERDICTS = (
    "host outer_malformed outer_fragment udp_bad_length vxlan_too_short vxlan_no_vni "
    "geneve_too_short geneve_bad_version geneve_bad_options geneve_critical_option "
    "geneve_control geneve_unknown_protocol inner_too_short"
).split()


def run(program: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [f"{BUILD}/{program}", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{program} {arguments}: {done.returncode}: {done.stderr}"
    return done


class Line(NamedTuple):
    """One of decap --verdicts."""

    verdict: str
    vni: str
    inner: str
    original: str
    tunnel: str
    flow_hash: str


class Made(NamedTuple):
    sent: dict
    lines: List[Line]
    records: List[pcap.Record]
    path: str


def make(name: str, *arguments: str) -> Made:
    path = f"{WORK}/{name}.pcap"
    sent = json.loads(run("mirrorgen", "-q", "--json", "-w", path, *arguments).stdout)
    run("mirrortap", "decap", path, "--verdicts", f"{WORK}/{name}.tsv")
    with open(f"{WORK}/{name}.tsv", encoding="ascii") as table:
        lines = [Line(*row.rstrip("\n").split("\t")[1:]) for row in table][1:]
    records = list(pcap.read(path))
    assert sent["frames"] == len(lines) == len(records)
    assert sent["bytes"] == sum(len(r.data) for r in records)
    counts = Counter(line.verdict for line in lines)
    assert counts == sent["verdicts"], (counts, sent["verdicts"])
    tunnels = Counter(line.tunnel for line in lines if line.verdict == "accepted")
    assert tunnels == sent["tunnels"], (tunnels, sent["tunnels"])
    return Made(sent, lines, records, path)


def receive(path: str, *arguments: str, status: int = 0) -> dict:
    done = run("mirrorgen", "--receive", "-q", "--json", "-f", path, *arguments, status=status)
    return json.loads(done.stdout)


class Mark(NamedTuple):
    flow: int
    ingress: int
    flow_sequence: int
    sequence: int


def mark_of(record: pcap.Record) -> Optional[Mark]:
    at = record.data.find(MAGIC)
    if at < 0:
        return None
    _, flags, _, _, flow, flow_sequence, sequence, _ = struct.unpack_from(
        ">5sBHIIQQQ", record.data, at
    )
    return Mark(flow, flags & 1, flow_sequence, sequence)


def ipv4_sum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_aws_shape():
    made = make("aws", "-c", "20000", "--sources", "3", "--sessions", "5", "--vni", "4321")
    assert {line.vni for line in made.lines} == {str(4321 + n) for n in range(5)}
    ports, sources = Counter(), set()
    by_flow = defaultdict(lambda: defaultdict(set))
    for record, line in zip(made.records, made.lines):
        data = record.data
        total, ident, fragment = struct.unpack(">HHH", data[16:22])
        assert data[12:15] == b"\x08\x00\x45" and total == len(data) - 14
        assert (ident, fragment, data[22], data[23]) == (0, 0, 255, 17), "as AWS sends it"
        assert ipv4_sum(data[14:34]) == 0xFFFF and ipv4_sum(data[64:84]) == 0xFFFF
        port, to, length, checksum = struct.unpack(">4H", data[34:42])
        assert (to, length, checksum) == (4789, len(data) - 34, 0)
        assert data[42:46] == b"\x08\0\0\0" and data[49] == 0
        ports[port] += 1
        source = data[26:30]
        sources.add(source)
        mark = mark_of(record)
        # The mirrored interface is one end of each of its conversations.
        assert (data[80:84] if mark.ingress else data[76:80]) == source
        by_flow[mark.flow]["hash"].add(line.flow_hash)
        by_flow[mark.flow][mark.ingress].add(port)
    assert len(sources) == 3
    assert min(ports) == 0xFF80 and max(ports) == 0xFFFF and len(ports) == 128
    assert len(by_flow) == 1024
    for flow in by_flow.values():
        assert len(flow["hash"]) == len(flow[0]) == len(flow[1]) == 1, flow
        assert flow[0] != flow[1], "one outer port for both directions"
    assert len({next(iter(flow["hash"])) for flow in by_flow.values()}) > 1000


def test_everything_at_once():
    shares = ",".join(f"{verdict}=1" for verdict in VERDICTS)
    made = make(
        "all", "-c", "60000", "--ipv6", "30", "--outer-ipv6", "30", "--fragments", "10",
        "--udp", "40", "--copies", "10", "--malformed", shares, "--size", "200-1500",
        "--tunnel", "vxlan:2,geneve,gwlb", "--sessions", "4", "--vni", "1000",
        "--distribution", "zipf:0.9", "--flows", "5000",
    )  # fmt: skip
    sent = made.sent
    for verdict in VERDICTS:
        assert 400 < sent["verdicts"][verdict] < 800, (verdict, sent["verdicts"])
    assert len(sent["tunnels"]) == 3 and sent["unmarked"] == 0
    # Copies have sessions of their own.
    first = sum(line.vni in {"1000", "1001", "1002", "1003"} for line in made.lines)
    second = sum(line.vni in {"1004", "1005", "1006", "1007"} for line in made.lines)
    assert (first, second) == (sent["marked"], sent["copies"])
    assert first + second == sent["verdicts"]["accepted"]
    hashes = defaultdict(set)
    for record, line in zip(made.records, made.lines):
        mark = mark_of(record)
        assert (mark is not None) == (line.verdict == "accepted")
        if mark is not None:
            hashes[mark.flow].add(line.flow_hash)
            assert line.inner == line.original, "nothing is truncated"
    assert all(len(one) == 1 for one in hashes.values())
    got = receive(made.path, "--expect", str(sent["marked"]), "--idle", "1")
    assert got["unique"] == sent["marked"] and got["duplicated"] == sent["copies"]
    assert got["lost"] == got["reordered"] == got["stale"] == 0
    assert got["unmarked"] == sent["frames"] - sent["verdicts"]["accepted"]
    # And out of their tunnels.
    run("mirrortap", "decap", made.path, "-w", f"{WORK}/inner.pcapng")
    got = receive(f"{WORK}/inner.pcapng")
    assert got["unique"] == sent["marked"] and got["lost"] == got["reordered"] == 0


def test_truncation():
    made = make("cut", "-c", "1000", "--size", "1400", "--truncate", "150")
    assert {(line.inner, line.original) for line in made.lines} == {("150", "1400")}
    assert made.sent["truncated"] == made.sent["marked"] == 1000
    made = make("jumbo", "-c", "100", "--size", "8947")
    assert {len(record.data) for record in made.records} == {8997}


def test_sizes():
    made = make("imix", "-c", "24000", "--size", "imix", "--udp", "0")
    sizes = Counter(line.inner for line in made.lines)
    assert set(sizes) == {"60", "590", "1514"}
    assert abs(sizes["60"] - 14000) < 500 and abs(sizes["590"] - 8000) < 500, sizes
    assert made.sent["unmarked"] == sizes["60"], "too small for a mark"
    got = receive(made.path)
    assert got["unique"] == made.sent["marked"] and got["lost"] == 0


def test_same_seed():
    options = ["-c", "5000", "--size", "imix", "--copies", "5", "--malformed", "all=5"]
    one, two = make("one", *options), make("two", *options)
    other = make("other", *options, "--seed", "2")
    contents = []
    for made in (one, two, other):
        with open(made.path, "rb") as file:
            contents.append(file.read())
    assert contents[0] == contents[1] != contents[2]


def test_rate_and_seconds():
    made = make("rate", "-s", "0.5", "--rate", "10kpps")
    assert made.sent["frames"] == 5000
    assert made.records[-1].time_ns - made.records[0].time_ns == 4999 * 100000
    made = make("bits", "-s", "0.5", "--rate", "8Mbps")
    assert abs(made.sent["bytes"] - 500000) < 2000


def test_capture():
    made = make("source", "-c", "400", "--flows", "20", "--size", "200-300")
    again = make("again", "-c", "800", "--pcap", made.path, "--vni", "77", "--sessions", "3")
    assert {line.vni for line in again.lines} == {"77", "78", "79"}
    for n, record in enumerate(again.records):
        before = made.records[n % 400].data
        assert record.data[50:] == before[50:], "an inner frame of the capture, whole"
        assert again.lines[n].flow_hash == made.lines[n % 400].flow_hash
    # A conversation has one session, and a port for each direction.
    seen = defaultdict(set)
    for record, line in zip(again.records, again.lines):
        seen[line.flow_hash].add((line.vni, record.data[34:36]))
    for pairs in seen.values():
        assert len(pairs) == 2 and len({vni for vni, _ in pairs}) == 1, pairs
    # What is no inner frame is left out, and told.
    short = made.records[0]._replace(data=b"short")
    path = write_changed(f"{WORK}/short.pcap", [short, *made.records[1:10], short])
    done = run("mirrorgen", "-q", "--json", "-w", f"{WORK}/x.pcap", "-c", "9", "--pcap", path)
    assert "2 frames are left out" in done.stderr, done.stderr
    assert json.loads(done.stdout)["frames"] == 9


def write_changed(path: str, records: List[pcap.Record]) -> str:
    pcap.write_pcap(path, records)
    return path


def test_receiver_accounts():
    made = make("books", "-c", "1000", "--flows", "10", "--distribution", "cycle")
    records = made.records
    # Flow 3: two lost. Number 100 twice. Numbers 500 and 510, of one flow, exchanged: these are in
    # different directions. 600 and 620: in one direction.
    changed = list(records)
    changed[500], changed[510] = changed[510], changed[500]
    changed[600], changed[620] = changed[620], changed[600]
    changed.insert(101, records[100])
    del changed[24], changed[13]
    path = write_changed(f"{WORK}/changed.pcap", changed)
    got = receive(path, "--per-flow", "10")
    assert (got["unique"], got["lost"], got["duplicated"]) == (998, 2, 1), got
    # 600 and 610 come after 620.
    assert (got["reordered"], got["reordered_one_way"]) == (3, 1), got
    flows = {flow["flow"]: flow for flow in got["per_flow"]}
    assert [flows[f]["lost"] for f in (2, 3, 4)] == [0, 1, 1], flows
    assert flows[0]["duplicated"] == 1 and flows[0]["reordered"] == 3
    receive(path, "--expect", "1000", status=1)
    # The end of a run is missed only where it is known how long it was.
    path = write_changed(f"{WORK}/end.pcap", records[:900])
    assert receive(path)["lost"] == 0
    assert receive(path, "--expect", "1000", status=1)["lost"] == 100
    # Latency: received 1 ms later, a tenth of them 10 ms.
    late = [r._replace(time_ns=r.time_ns + (10 if n % 10 == 0 else 1) * 10**6)
            for n, r in enumerate(records)]  # fmt: skip
    latency = receive(write_changed(f"{WORK}/late.pcap", late))["latency_ns"]
    assert latency["min"] == 10**6 and latency["max"] == 10**7
    assert 10**6 <= latency["p50"] <= 1.01e6 and 10**6 <= latency["p90"] <= 1.01e6
    assert 0.99e7 <= latency["p99"] <= 10**7


def test_errors():
    for arguments, words in (
        (["-w", f"{WORK}/x"], "-c or -s"),
        ([], "where?"),
        (["-w", "x", "-d", "net_null0", "-c", "1"], "more than one place"),
        (["-w", "x", "-c", "0"], "-c 0"),
        (["-w", "x", "-c", "1", "--size", "13"], "--size 13"),
        (["-w", "x", "-c", "1", "--size", "64:0"], "--size 64:0"),
        (["-w", "x", "-c", "1", "--rate", "5"], "--rate 5"),
        (["-w", "x", "-c", "1", "--ipv6", "101"], "--ipv6 101"),
        (["-w", "x", "-c", "1", "--malformed", "queue_full=1"], "vxlan_no_vni"),
        (["-w", "x", "-c", "1", "--malformed", "host=60,vxlan_no_vni=50"], "less than 100"),
        (["-w", "x", "-c", "1", "--tunnel", "gre"], "--tunnel gre"),
        (["-w", "x", "-c", "1", "--distribution", "normal"], "--distribution normal"),
        (["-w", "x", "-c", "1", "--vni", "16777215", "--sessions", "2"], "--vni 16777215"),
        (["-w", "x", "-c", "1", "--pcap", "y", "--flows", "3"], "--flows"),
        (["-w", "x", "-c", "1", "--idle", "3"], "--idle"),
        (["-w", "x", "-c", "1", "y"], "y"),
        (["--receive", "-f", "x", "--flows", "3"], "--flows"),
    ):
        error = run("mirrorgen", *arguments, status=2).stderr
        assert words in error and "--help" in error, (arguments, error)
    for arguments, words in (
        (["-w", f"{WORK}/no/folder", "-c", "1"], "no/folder"),
        (["-w", "x", "-c", "1", "--pcap", f"{WORK}/none"], "none"),
        (["--receive", "-f", f"{WORK}/none"], "none"),
        (["--receive", "-i", "mt-none0"], "mt-none0"),
        (["--receive", "-o", "ids", "--socket", f"{WORK}/none.sock"], "not running"),
    ):
        error = run("mirrorgen", *arguments, status=1).stderr
        assert words in error, (arguments, error)
    help_text = run("mirrorgen", "--help").stdout
    assert "--malformed" in help_text and "Exit:" in help_text


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)


main()
