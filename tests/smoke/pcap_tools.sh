#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's own programs on ring outputs, by `mirrortap exec`: each has the same result as from a file
# with the same frames, with filters and without; jumbo frames, which lie in pieces, among them.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
for program in tcpdump tshark dumpcap ndpiReader ngrep tcpflow; do
    command -v $program >/dev/null \
        || lab_skip "$program is absent: apt-get install tcpdump tshark libndpi-bin ngrep tcpflow"
done
lab_begin pcap-tools
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py
"$LAB_PYTHON" "$LAB_ROOT/tests/lib/web_frames.py" "$LAB_TMP/mirrored.pcap"
"$LAB_BUILD/mirrortap" decap "$LAB_TMP/mirrored.pcap" -w "$LAB_TMP/inner.pcapng" >/dev/null
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/inner.pcap"
COUNT=$(tcpdump -nr "$LAB_TMP/inner.pcap" 2>/dev/null | wc -l)
HTTP=$(tcpdump -nr "$LAB_TMP/inner.pcap" 'tcp port 80 and len > 60' 2>/dev/null | wc -l)
check "$HTTP" -gt 0 "frames for the filter"
check "$HTTP" -lt "$COUNT" "frames for the filter"
# start RING...: a daemon with rings, one for each run of a program, and all frames in each of them.
start() {
    local ring

    {
        cat <<YAML
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-pcap-tools)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
http: {control_socket: $LAB_TMP/d.sock}
outputs:
  - {name: copied, type: ring, length: 1024, when_absent: keep, mode: copy}
  - {name: cut, type: ring, length: 1024, when_absent: keep, snap: 96}
YAML
        for ring in "$@"; do
            echo "  - {name: $ring, type: ring, length: 1024, when_absent: keep}"
        done
    } >"$LAB_TMP/d.yaml"
    lab_daemon_start d "$LAB_TMP/d.yaml"
    wait_for "[ \$(lab_ledger d .accepted) -eq $COUNT ]" 20 "all accepted"
}

# run COMMAND...: with rings for it to see.
run() {
    timeout 60 "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- "$@"
}

# empty RING: someone has read it all.
empty() {
    [ "$(lab_ledger d ".outputs.$1.in_flight")" -eq 0 ]
}

# same NAME: the lines that it got from the ring are those that it got from the file. Rings have two
# queues: no order between conversations.
same() {
    sort "$LAB_TMP/$1.file" >"$LAB_TMP/$1.file.sorted"
    sort "$LAB_TMP/$1.ring" >"$LAB_TMP/$1.ring.sorted"
    check "$(wc -l <"$LAB_TMP/$1.file")" -gt 0 "lines of $1 from the file"
    diff "$LAB_TMP/$1.file.sorted" "$LAB_TMP/$1.ring.sorted" >"$LAB_TMP/$1.diff.log" \
        || lab_die "$1: another result than from the file"
}

# long_but_cut FILE SNAPLEN: its frames are 96 bytes of more than 8,000 each.
long_but_cut() {
    "$LAB_PYTHON" - "$@" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "rb") as file:
    assert struct.unpack("<IHHiIII", file.read(24))[5] == int(sys.argv[2]), "snapshot length of the file"
    records = 0
    while header := file.read(16):
        _, _, captured, length = struct.unpack("<IIII", header)
        assert captured == 96 and length > 8000, (captured, length)
        file.read(captured)
        records += 1
assert records > 0
PYTHON
}

# --- tcpdump ---
start all filtered queue0 queue1 short in out nano number user
run tcpdump -ni mirrortap:all -c "$COUNT" -w "$LAB_TMP/all.pcap" 2>"$LAB_TMP/all.err"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/all.pcap"
grep -q "^$COUNT packets captured" "$LAB_TMP/all.err" || lab_die "$(cat "$LAB_TMP/all.err")"
grep -q "^$COUNT packets received by filter" "$LAB_TMP/all.err" || lab_die "$(cat "$LAB_TMP/all.err")"
grep -q "^0 packets dropped by kernel" "$LAB_TMP/all.err" || lab_die "$(cat "$LAB_TMP/all.err")"
run tcpdump -ni mirrortap:copied -c "$COUNT" -w "$LAB_TMP/copied.pcap" 2>"$LAB_TMP/copied.err"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/copied.pcap"
tcpdump -tvenr "$LAB_TMP/inner.pcapng" 'tcp port 80 and len > 60' >"$LAB_TMP/filtered.file" 2>/dev/null
run tcpdump -tveni mirrortap:filtered -c "$HTTP" 'tcp port 80 and len > 60' \
    >"$LAB_TMP/filtered.ring" 2>"$LAB_TMP/filtered.err"
same filtered
# Each queue by itself; how many frames are in one, the daemon knows.
for queue in 0 1; do
    frames=$(lab_ctl d queues --json | jq ".queues[$queue].packets")
    check "$frames" -gt 0 "frames of queue $queue"
    run tcpdump -ni "mirrortap:queue$queue@$queue" -c "$frames" -w "$LAB_TMP/queue$queue.pcap" \
        2>"$LAB_TMP/queue.err"
done
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/queue0.pcap" "$LAB_TMP/queue1.pcap"
# A snapshot length cuts; the filter still sees all of the frame, and the length is known.
tcpdump -tnr "$LAB_TMP/inner.pcapng" 'len > 8000' >"$LAB_TMP/long.file" 2>/dev/null
run tcpdump -ni mirrortap:short -s 96 -c "$(wc -l <"$LAB_TMP/long.file")" -w "$LAB_TMP/short.pcap" \
    'len > 8000 and ether[7999] = 120' 2>"$LAB_TMP/short.err"
long_but_cut "$LAB_TMP/short.pcap" 96
# So does the output itself.
run tcpdump -ni mirrortap:cut -c "$COUNT" -w "$LAB_TMP/cut.pcap" 2>"$LAB_TMP/cut.err"
tcpdump -r "$LAB_TMP/cut.pcap" -w "$LAB_TMP/cut-long.pcap" 'len > 8000' 2>/dev/null
long_but_cut "$LAB_TMP/cut-long.pcap" 262144
# Nanoseconds.
run tcpdump -ni mirrortap:nano --time-stamp-precision=nano -c "$COUNT" -w "$LAB_TMP/nano.pcap" \
    2>"$LAB_TMP/nano.err"
check "$(od -An -tx4 -N4 "$LAB_TMP/nano.pcap" | tr -d ' ')" = a1b23c4d "magic of a file with nanoseconds"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/nano.pcap"
[ -n "$(tcpdump --nano -tttt -nr "$LAB_TMP/nano.pcap" 2>/dev/null \
    | awk '$2 !~ /000$/')" ] || lab_die "no nanosecond in any time"
# By its number in the list of devices.
number=$(run tcpdump -D | sed -n 's/^\([0-9]*\)\.mirrortap:number .*/\1/p')
run tcpdump -ni "$number" -c "$COUNT" -w "$LAB_TMP/number.pcap" 2>"$LAB_TMP/number.err"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/number.pcap"
# Under another user, to which tcpdump changes when the ring is open; root's file is no one else's.
if getent passwd tcpdump >/dev/null; then
    mkdir -m 1777 "$LAB_TMP/open"
    chmod o+x "$LAB_TMP"
    run tcpdump -Z tcpdump -ni mirrortap:user -c "$COUNT" -w "$LAB_TMP/open/user.pcap" \
        2>"$LAB_TMP/user.err"
    "$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/open/user.pcap"
    check "$(stat -c %U "$LAB_TMP/open/user.pcap")" = tcpdump "who wrote the file"
    chmod o-x "$LAB_TMP"
fi
# Direction, as the source saw it, which is the server here.
for direction in "in dst" "out src"; do
    tcpdump -tnr "$LAB_TMP/inner.pcapng" "${direction#* } host 172.31.2.1" >"$LAB_TMP/${direction% *}.file" \
        2>/dev/null
    run tcpdump -tni "mirrortap:${direction% *}" -Q "${direction% *}" \
        -c "$(wc -l <"$LAB_TMP/${direction% *}.file")" >"$LAB_TMP/${direction% *}.ring" 2>"$LAB_TMP/direction.err"
    same "${direction% *}"
done
lab_daemon_stop d

# --- tshark and dumpcap ---
start tshark dumpcap ngrep ndpi tcpflow
fields=(-T fields -e ip.src -e ip.dst -e http.request.uri -e http.response.code -e dns.qry.name
    -e dns.a -e frame.len)
tshark -nr "$LAB_TMP/inner.pcapng" "${fields[@]}" >"$LAB_TMP/tshark.file" 2>/dev/null
run tshark -ni mirrortap:tshark -c "$COUNT" "${fields[@]}" >"$LAB_TMP/tshark.ring" 2>"$LAB_TMP/tshark.err"
same tshark
run dumpcap -q -i mirrortap:dumpcap -f 'tcp port 80 and len > 60' -c "$HTTP" -P -w "$LAB_TMP/dumpcap.pcap" \
    >"$LAB_TMP/dumpcap.err" 2>&1
tcpdump -nr "$LAB_TMP/inner.pcap" -w "$LAB_TMP/http.pcap" 'tcp port 80 and len > 60' 2>/dev/null
"$FRAMES" same "$LAB_TMP/http.pcap" "$LAB_TMP/dumpcap.pcap"
run tshark -D | grep -q "mirrortap:tcpflow" || lab_die "tshark -D does not list rings"

# --- ngrep ---
ngrep -q -W byline -I "$LAB_TMP/inner.pcap" 'GET /page-' 'tcp port 80' | grep '^GET' >"$LAB_TMP/ngrep.file"
run ngrep -q -W byline -d mirrortap:ngrep -n "$(wc -l <"$LAB_TMP/ngrep.file")" 'GET /page-' 'tcp port 80' \
    2>"$LAB_TMP/ngrep.err" | grep '^GET' >"$LAB_TMP/ngrep.ring"
same ngrep

# --- ndpiReader ---
# It asks a device for 1,536 bytes of a frame, and a file for all.
editcap -F pcap -s 1536 "$LAB_TMP/inner.pcapng" "$LAB_TMP/cut.pcap"
ndpiReader -i "$LAB_TMP/cut.pcap" -w "$LAB_TMP/ndpi.file" -q >/dev/null
run ndpiReader -i mirrortap:ndpi -s 2 -w "$LAB_TMP/ndpi.ring" -q >"$LAB_TMP/ndpi.log" 2>&1
empty ndpi || lab_die "ndpiReader did not read all"
grep -q '^HTTP' "$LAB_TMP/ndpi.ring" || lab_die "ndpiReader saw no HTTP"
same ndpi

# --- tcpflow ---
mkdir "$LAB_TMP/flows.file" "$LAB_TMP/flows.ring"
tcpflow -q -r "$LAB_TMP/inner.pcap" -o "$LAB_TMP/flows.file" >/dev/null 2>&1
lab_spawn "$LAB_TARGET" "$LAB_TMP/tcpflow.log" \
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- tcpflow -i mirrortap:tcpflow -o "$LAB_TMP/flows.ring"
wait_for 'empty tcpflow' 20 "tcpflow reads all"
lab_stop "$LAB_PID"
rm -f "$LAB_TMP"/flows.*/report.xml
check "$(find "$LAB_TMP/flows.file" -type f | wc -l)" -ge 40 "flows of tcpflow from the file"
diff -r "$LAB_TMP/flows.file" "$LAB_TMP/flows.ring" >"$LAB_TMP/flows.diff.log" \
    || lab_die "tcpflow: another result than from the file"

lab_daemon_stop d
