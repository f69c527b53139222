#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A ring output read by mirrordump: every frame byte for byte, each queue by itself or all at once,
# several readers; and what no one read is counted when the daemon ends.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin mirrordump
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 6
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"

start() {
    cat >"$LAB_TMP/$1.yaml" <<EOF
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-dump)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: ids, type: ring, when_absent: keep}
sessions:
  list:
    - {vni: 4321, name: web}
http: {control_socket: $LAB_TMP/$1.sock}
EOF
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
    wait_for "[ \$(lab_ledger $1 .accepted) -eq 600 ]" 20 "600 accepted"
}

queue_frames() {
    lab_ctl "$1" queues --json | jq ".queues[$2].packets"
}

dump() {
    local name=$1

    shift
    timeout 60 "$LAB_BUILD/mirrordump" --socket "$LAB_TMP/$name.sock" -o ids "$@"
}

# All queues at once.
start whole
check "$(lab_ledger whole .outputs.ids.in_flight)" -eq 600 "in flight before a reader comes"
dump whole -c 600 -w "$LAB_TMP/whole.pcap"
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP/whole.pcap"
check "$(lab_ledger whole .outputs.ids.delivered)" -eq 600 "delivered to the reader"
lab_daemon_stop whole

# Each queue by its own reader; one of them leaves half of its frames.
start split
zero=$(queue_frames split 0)
one=$(queue_frames split 1)
check "$zero" -gt 0 "frames in queue 0"
check "$one" -gt 0 "frames in queue 1"
dump split -q 0 -c "$zero" -w "$LAB_TMP/zero.pcap" &
reader=$!
dump split -q 1 -c $((one / 2)) -w "$LAB_TMP/one.pcap"
wait "$reader"
check "$(lab_ledger split .outputs.ids.in_flight)" -eq $((one - one / 2)) "left in queue 1"
lab_daemon_stop split
check "$(jq .outputs.ids.drops.stopped "$LAB_TMP/split.ledger")" -eq $((one - one / 2)) \
    "not taken before the end"
check "$(jq .outputs.ids.delivered "$LAB_TMP/split.ledger")" -eq $((zero + one / 2)) "delivered"

# What a reader is told, and in words when it cannot be.
start told
line=$(dump told -c 1)
[[ $line =~ \ vni\ ?4321 || $line == *" 4321 "* ]] || lab_die "no VNI in: $line"
line=$(dump told -v -c 1 2>/dev/null)
[[ $line == *" vni 4321 session web source "* ]] || lab_die "no session in: $line"
! dump told -q 9 2>"$LAB_TMP/told.txt" || lab_die "a queue that is not there was read"
! timeout 20 "$LAB_BUILD/mirrordump" --socket "$LAB_TMP/told.sock" -o nope 2>"$LAB_TMP/nope.txt" \
    || lab_die "an output that is not there was read"
grep -q ids "$LAB_TMP/nope.txt" || lab_die "no remedy in: $(cat "$LAB_TMP/nope.txt")"
! timeout 20 "$LAB_BUILD/mirrordump" --socket "$LAB_TMP/none.sock" -o ids 2>"$LAB_TMP/none.txt" \
    || lab_die "no daemon, but no error"
grep -q "not running" "$LAB_TMP/none.txt" || lab_die "no remedy in: $(cat "$LAB_TMP/none.txt")"
lab_daemon_stop told
