#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Live capture: what `mirrortap capture` gets is what `mirrortap decap` finds in the same traffic; by
# filter, session, VNI, count and length; several at once; ended, killed and stopped clients; errors;
# and Wireshark's tools, by a pipe and by extcap.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin capture
lab_hugepages_up 256
lab_up
FRAMES_PY=$LAB_ROOT/tests/lib/frames.py
PCAP="$LAB_PYTHON $LAB_ROOT/tests/lib/pcap.py"
STATISTICS="$LAB_PYTHON $LAB_ROOT/tests/lib/pcapng_statistics.py"

cat >"$LAB_TMP/d.yaml" <<EOF2
dataplane: {lcores: "0@0,1@0,2@1", queues: 2, eal: $(lab_eal mt-capture)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 2)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
sessions:
  list:
    - {vni: 2, name: shop, description: two}
    - {vni: 3, name: web}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/d.sock}
EOF2

# capture NAME ARGUMENTS...: begun when this returns; NAME.pcapng and NAME.log. Sets LAB_PID.
capture() {
    local name=$1

    shift
    rm -f "$LAB_TMP/$name.pcapng" "$LAB_TMP/$name.log"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.log" "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" \
        capture -w "$LAB_TMP/$name.pcapng" "$@"
    wait_for "grep -q 'capturing to' '$LAB_TMP/$name.log'" 10 "capture $name begins"
}

# ended NAME PID FRAMES: by Ctrl-C, with so many frames and none lost.
ended() {
    kill -INT "$2"
    wait_for "! lab_running $2" 10 "capture $1 ends"
    wait "$2" || lab_die "capture $1: $(cat "$LAB_TMP/$1.log")"
    grep -q "mirrortap capture: $3 frames, 0 lost" "$LAB_TMP/$1.log" \
        || lab_die "capture $1, expected $3: $(cat "$LAB_TMP/$1.log")"
}

# What is in a file, a line for each frame: lengths, md5, interface, direction.
content() {
    $PCAP list "$1" | cut -f 2- | sort
}

same() {
    diff "$1" "$2" >"$LAB_TMP/diff" || lab_die "$3: $(head "$LAB_TMP/diff")"
}

captures() {
    lab_ctl d status --json | jq '.captures | length'
}

# send FILE ACCEPTED [PPS]: until so many more frames have been delivered.
send() {
    local before

    before=$(lab_ledger d .accepted)
    ip netns exec "$LAB_WEB" "$FRAMES_PY" send u0 "$1" --pps "${3:-5000}" >"$LAB_TMP/sent"
    wait_for "[ \$(lab_ledger d .accepted) -ge $((before + $2)) ]" 20 "$2 more accepted"
    wait_for "[ \$(lab_ledger d .in_flight) -eq 0 ]" 10 "nothing in flight"
}

# quietly COMMAND...: it exits with 0 and has nothing to complain of.
quietly() {
    "$@" >"$LAB_TMP/tool.out" 2>"$LAB_TMP/tool.err" || lab_die "$*: $(cat "$LAB_TMP/tool.err")"
    grep -v '^Running as user' "$LAB_TMP/tool.err" >"$LAB_TMP/complaint" \
        && lab_die "$*: $(cat "$LAB_TMP/complaint")"
    return 0
}

"$LAB_BUILD/mirrorgen" -q -w "$LAB_TMP/mirrored.pcap" -c 4000 --sessions 8 --size 64-1400 \
    --copies 10 --malformed all=3 >"$LAB_TMP/gen.log" 2>&1
"$LAB_BUILD/mirrortap" decap "$LAB_TMP/mirrored.pcap" -w "$LAB_TMP/decap.pcapng" 2>/dev/null
content "$LAB_TMP/decap.pcapng" \
    | sed 's/\tvni 2\t/\tshop\t/; s/\tvni 3\t/\tweb\t/' | sort >"$LAB_TMP/expected"
ACCEPTED=$(wc -l <"$LAB_TMP/expected")
check "$ACCEPTED" -gt 3800 "frames that are accepted"
lab_daemon_start d "$LAB_TMP/d.yaml"
check "$(captures)" -eq 0 "captures before there are any"

# --- all frames, and parts of them, at the same time ---
capture all
all=$LAB_PID
capture udp -f 'udp'
udp=$LAB_PID
capture web --session web
web=$LAB_PID
capture shop --session shop
shop=$LAB_PID
capture vni --vni 7
vni=$LAB_PID
capture cut -s 100
cut=$LAB_PID
capture ten -c 10
ten=$LAB_PID
check "$(captures)" -eq 7 "captures"
lab_ctl d status --json | jq -e '.captures | (.[1].filter == "udp") and (.[2].session == "web")
    and (.[4].vni == 7) and (.[5].snaplen == 100) and (.[6].count == 10) and all(.pid > 0)' \
    >/dev/null || lab_die "status: $(lab_ctl d status --json)"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait_for "! lab_running $ten" 10 "-c 10 ends"
wait "$ten" || lab_die "-c 10: $(cat "$LAB_TMP/ten.log")"
ended all "$all" "$ACCEPTED"
content "$LAB_TMP/all.pcapng" >"$LAB_TMP/all"
same "$LAB_TMP/expected" "$LAB_TMP/all" "decap (<) and capture (>) differ"
check "$(content "$LAB_TMP/ten.pcapng" | wc -l)" -eq 10 "frames of -c 10"
content "$LAB_TMP/ten.pcapng" | comm -13 "$LAB_TMP/all" - >"$LAB_TMP/strange"
[ ! -s "$LAB_TMP/strange" ] || lab_die "frames of no one: $(cat "$LAB_TMP/strange")"
for part in web shop; do
    grep -P "\t$part\t" "$LAB_TMP/expected" >"$LAB_TMP/part" || lab_die "no frame of $part"
    ended $part "${!part}" "$(wc -l <"$LAB_TMP/part")"
    content "$LAB_TMP/$part.pcapng" >"$LAB_TMP/got"
    same "$LAB_TMP/part" "$LAB_TMP/got" "session $part"
done
grep -P "\tvni 7\t" "$LAB_TMP/expected" >"$LAB_TMP/part" || lab_die "no frame of VNI 7"
ended vni "$vni" "$(wc -l <"$LAB_TMP/part")"
content "$LAB_TMP/vni.pcapng" >"$LAB_TMP/got"
same "$LAB_TMP/part" "$LAB_TMP/got" "VNI 7"
tcpdump -r "$LAB_TMP/all.pcapng" -w "$LAB_TMP/udp.pcap" udp 2>/dev/null
$PCAP list "$LAB_TMP/udp.pcap" | cut -f 4 | sort >"$LAB_TMP/part"
[ -s "$LAB_TMP/part" ] || lab_die "no UDP in the traffic"
ended udp "$udp" "$(wc -l <"$LAB_TMP/part")"
$PCAP list "$LAB_TMP/udp.pcapng" | cut -f 4 | sort >"$LAB_TMP/got"
same "$LAB_TMP/part" "$LAB_TMP/got" "tcpdump's filter (<) and ours (>)"
ended cut "$cut" "$ACCEPTED"
$PCAP list "$LAB_TMP/cut.pcapng" | awk '$2 > 100 { exit 1 } $2 == 100 && $3 > 100 { cut++ }
    END { exit cut < 1000 }' || lab_die "-s 100: $($PCAP list "$LAB_TMP/cut.pcapng" | head -n 5)"
[ "$($PCAP list "$LAB_TMP/cut.pcapng" | cut -f 3 | sort | md5sum)" \
    = "$(cut -f 2 "$LAB_TMP/expected" | sort | md5sum)" ] || lab_die "original lengths of cut frames"
wait_for '[ "$(captures)" -eq 0 ]' 5 "no capture is left"
check "$($STATISTICS "$LAB_TMP/all.pcapng" | jq 'map(.delivered) | add')" -eq "$ACCEPTED" "statistics"
lab_ctl d ledger --json >"$LAB_TMP/ledger.json"
lab_check_ledger "$LAB_TMP/ledger.json"
lab_daemon_stop d
