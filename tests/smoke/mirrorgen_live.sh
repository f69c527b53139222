#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mirrorgen through a real mirrortapd: by capture file, by a kernel link and by memif; received from
# a ring output, a TAP and a memif port. What --receive finds is what the sender and the ledger say.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin gen
lab_hugepages_up 384
lab_up
GEN=$LAB_BUILD/mirrorgen
TRAFFIC=(--flows 500 --distribution zipf --size 200-1200 --ipv6 20 --fragments 5 --sessions 3
    --to "$LAB_TARGET_IP" --to-mac "$LAB_TARGET_MAC" --json -q)

# start NAME DEVICE [OUTPUT]: a daemon with a ring output `ids`, and perhaps one more.
start() {
    cat >"$LAB_TMP/$1.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal mt-gen)}
ports:
  - {name: mirror, device: "$2"}
outputs:
  - {name: ids, type: ring, length: 16384, when_absent: keep}
${3-}
http: {control_socket: $LAB_TMP/$1.sock}
EOT
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
}

# receive NAME ARGUMENTS...: in the background, and ready when this returns. Its result is in
# NAME.json; received NAME waits for it.
receive() {
    local name=$1 log=$LAB_TMP/$1-receive.log

    shift
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.json:$log" "$GEN" --receive --json "$@"
    printf -v "RECEIVER_$name" %s "$LAB_PID"
    wait_for "grep -q 'reading\|listening' $log || ! lab_running $LAB_PID" 20 "mirrorgen receives"
    lab_running "$LAB_PID" || lab_die "mirrorgen --receive did not start: $(tail -n 1 "$log")"
}

received() {
    local variable=RECEIVER_$1 status=0

    wait_for "! lab_running ${!variable}" 60 "the receiver has all"
    wait "${!variable}" || status=$?
    check "$status" -eq 0 "exit status of mirrorgen --receive: $(cat "$LAB_TMP/$1.json")"
}

# result FILE KEY: one number of a result.
result() {
    jq ".$2" "$LAB_TMP/$1.json"
}

# compare SENT RECEIVED [COPIES]: nothing is lost, doubled or out of order.
compare() {
    check "$(result "$2" unique)" -eq "$(result "$1" marked)" "unique"
    check "$(result "$2" lost)" -eq 0 "lost"
    check "$(result "$2" duplicated)" -eq "${3:-0}" "duplicated"
    check "$(result "$2" 'latency_ns.p50')" -le "$(result "$2" 'latency_ns.p99_9')" "latencies"
}

# A capture file, replayed, with copies and malformed frames in it.
"$GEN" -w "$LAB_TMP/mirrored.pcap" -c 20000 "${TRAFFIC[@]}" --copies 5 --malformed all=5 \
    >"$LAB_TMP/file.json"
start replay "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"
receive ring -o ids --socket "$LAB_TMP/replay.sock" --expect "$(result file marked)" --idle 1
received ring
compare file ring "$(result file copies)"
check "$(result ring reordered)" -eq 0 "reordered"
lab_daemon_stop replay
check "$(jq .accepted "$LAB_TMP/replay.ledger")" -eq "$(result file verdicts.accepted)" "accepted"
check "$(jq .outputs.ids.delivered "$LAB_TMP/replay.ledger")" -eq "$(result ring marked)" delivered
jq -e --slurpfile sent "$LAB_TMP/file.json" '(.drops | map_values(select(. > 0)))
    == ($sent[0].verdicts | del(.accepted, .host)) and .host == $sent[0].verdicts.host' \
    "$LAB_TMP/replay.ledger" >/dev/null || lab_die "verdicts differ: $(cat "$LAB_TMP/replay.ledger")"

# The daemon ends first: what had come is told, and that it was cut off.
start ended "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"
receive early -o ids --socket "$LAB_TMP/ended.sock"
wait_for '[ "$(lab_ledger ended .outputs.ids.in_flight)" -eq 0 ]' 10 "the ring is empty"
lab_daemon_stop ended
wait_for "! lab_running $RECEIVER_early" 10 "mirrorgen --receive ends with the daemon"
! wait "$RECEIVER_early" || lab_die "the daemon had ended, but the exit status is 0"
grep -q "mirrortapd has ended" "$LAB_TMP/early-receive.log" || lab_die "the end was not told"
compare file early "$(result file copies)"

# A kernel link, and beside the ring a TAP. The sender needs no hugepages.
start link "$(lab_af_packet t0 1)" "  - {name: tools, type: tap, interface: mirror0}"
receive ids -o ids --socket "$LAB_TMP/link.sock" --idle 3
receive tap -i mirror0 --idle 3
ip netns exec "$LAB_WEB" "$GEN" -d net_af_packet0,iface=u0 -c 20000 --rate 10kpps "${TRAFFIC[@]}" \
    -- --no-huge -m 128 >"$LAB_TMP/linked.json"
received ids
received tap
compare linked ids
compare linked tap
check "$(result ids reordered)" -eq 0 "reordered"
check "$(result linked not_sent)" -eq 0 "not sent"
lab_daemon_stop link
check "$(jq .accepted "$LAB_TMP/link.ledger")" -eq 20000 "accepted"
check "$(jq '[.outputs[].delivered] | add' "$LAB_TMP/link.ledger")" -eq 40000 "delivered"

# Shared memory to the daemon and from it again; at its own speed, so that frames may be dropped
# where an output is full: the ledger knows each of them.
start memif "net_memif0,role=server,id=0,socket=$LAB_TMP/in.memif,socket-abstract=no,bsize=2048" \
    "  - {name: again, type: port, device: \"net_memif1,role=server,id=1,socket=$LAB_TMP/out.memif,socket-abstract=no,bsize=2048\"}"
lab_spawn "$LAB_TARGET" "$LAB_TMP/again.json:$LAB_TMP/again.log" "$GEN" --receive --json -s 60 \
    --idle 3 -d "net_memif0,role=client,id=1,socket=$LAB_TMP/out.memif,socket-abstract=no,bsize=2048"
RECEIVER_again=$LAB_PID
wait_for '[ "$(lab_ctl memif outputs --json | jq -r ".outputs[] | select(.name == \"again\").state")" = up ]' \
    20 "the receiver's memif is connected"
"$GEN" -d "net_memif0,role=client,id=0,socket=$LAB_TMP/in.memif,socket-abstract=no,bsize=2048" \
    -c 50000 --rate 20kpps "${TRAFFIC[@]}" >"$LAB_TMP/shared.json"
received again
lab_daemon_stop memif
check "$(jq .received "$LAB_TMP/memif.ledger")" -eq 50000 "received by the daemon"
check "$(result again unique)" -eq "$(jq .outputs.again.delivered "$LAB_TMP/memif.ledger")" "unique"
check "$(($(result again unique) + $(jq '[.outputs.again.drops[]] | add' "$LAB_TMP/memif.ledger")))" \
    -eq 50000 "received and dropped"

# A port that is full at the end: what it did not take is in none of the counts, and the results add
# up. Nor is a run folder of EAL left behind, also after a start that failed.
no_run_folder() {
    [ ! -e "/run/dpdk/mirrorgen-$1" ] || lab_die "mirrorgen left /run/dpdk/mirrorgen-$1 behind"
}
lab_spawn "$LAB_WEB" "$LAB_TMP/full.json:$LAB_TMP/full.log" "$GEN" -d net_ring0 -s 0.2 --copies 20 \
    --malformed all=5 --ipv6 20 --json -q -- --no-huge -m 128
full=$LAB_PID
wait_for "! lab_running $full" 30 "mirrorgen ends though its port is full"
wait "$full" || lab_die "mirrorgen exited with $? at a full port"
no_run_folder "$full"
check "$(result full not_sent)" -gt 0 "not sent"
check "$(result full marked)" -gt 0 "marked, of what was sent"
check "$(result full 'verdicts | add')" -eq "$(result full frames)" "sum of the verdicts"
check "$(result full 'marked + .unmarked + .copies')" -eq "$(result full verdicts.accepted)" \
    "marked, unmarked and copies"
lab_spawn "$LAB_WEB" "$LAB_TMP/failed.log" "$GEN" -d net_ring0 -q -- --no-huge -m 128 \
    --vdev=net_nonsense0
failed=$LAB_PID
wait_for "! lab_running $failed" 10 "mirrorgen ends where DPDK does not start"
! wait "$failed" || lab_die "DPDK did not start, but the exit status is 0"
no_run_folder "$failed"

# Ctrl-C gives the result of what was sent so far.
lab_spawn "$LAB_WEB" "$LAB_TMP/stopped.json:$LAB_TMP/stopped.log" "$GEN" -d net_null0 \
    --rate 1kpps --json -- --no-huge -m 128
sender=$LAB_PID
wait_for 'grep -q "frames sent" "$LAB_TMP/stopped.log"' 10 "a line of progress"
kill -INT "$sender"
wait_for "! lab_running $sender" 10 "mirrorgen ends on SIGINT"
wait "$sender" || lab_die "mirrorgen exited with $? on SIGINT"
check "$(result stopped frames)" -gt 0 "frames sent before Ctrl-C"
