#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# More arrives than a TAP can take. Where receiving and delivering are different workers, packets
# are dropped as `queue_full` and nowhere else; where one worker does both, it receives no more than
# it delivers and drops nothing. The ledger balances all the time, and so do the sessions.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin overload
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1024 --each 1

# overload NAME DATAPLANE: runs until a million packets have arrived; looks 20 times at least.
overload() {
    local name=$1 dataplane=$2 looks received=0 drops

    cat >"$LAB_TMP/$name.yaml" <<EOF
dataplane: {$dataplane, eal: $(lab_eal mt-overload)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/$name.sock}
EOF
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for '[ "$(lab_ledger $name .received)" -gt 0 ]' 10 "packets arrive"
    lab_ctl "$name" ledger --json >"$LAB_TMP/look.json"
    for ((looks = 0; looks < 20 || received < 1000000; looks++)); do
        [ "$looks" -lt 500 ] || lab_die "only $received packets received"
        mv "$LAB_TMP/look.json" "$LAB_TMP/before.json"
        lab_ctl "$name" sessions --json >"$LAB_TMP/sessions.json"
        lab_ctl "$name" ledger --json >"$LAB_TMP/look.json"
        lab_check_ledger "$LAB_TMP/look.json"
        # Read between two ledgers, its one session must be between them too. A burst is counted
        # for the session before it goes on, and what a queue had no room for when that was seen.
        jq -ne --slurpfile s "$LAB_TMP/sessions.json" --slurpfile a "$LAB_TMP/before.json" \
            --slurpfile b "$LAB_TMP/look.json" '$s[0].sessions[0] as $s | $a[0] as $a | $b[0] as $b
            | $s.packets >= $a.accepted + $a.drops.queue_full
            and $s.packets <= $b.accepted + $b.in_flight + $b.drops.queue_full
            and $s.drops >= $a.drops.queue_full - 64 and $s.drops <= $b.drops.queue_full' \
            >/dev/null || lab_die "session $(cat "$LAB_TMP"/{sessions,before,look}.json)"
        # No more than the queue's ring holds, and the bursts that two workers have in hand.
        check "$(jq .in_flight "$LAB_TMP/look.json")" -le $((4096 + 1024)) "in flight"
        received=$(jq .received "$LAB_TMP/look.json")
    done
    lab_ctl "$name" ports --json >"$LAB_TMP/ports.json"
    check "$(jq '.ports[0] | .imissed + .rx_nombuf + .ierrors' "$LAB_TMP/ports.json")" -eq 0 \
        "lost by the port, $name"
    lab_daemon_stop "$name"
    drops=$(jq -c '[.drops, (.outputs[].drops)] | map(with_entries(select(.value > 0)))' \
        "$LAB_TMP/$name.ledger")
    echo "$name: $(jq -c '{received, accepted, delivered: .outputs.tools.delivered}' \
        "$LAB_TMP/$name.ledger") drops $drops"
}

overload apart 'lcores: "0@0,1@0,2@1", receive_lcores: "1", queue_lcores: "2", queues: 1'
check "$(jq .drops.queue_full "$LAB_TMP/apart.ledger")" -gt 0 "dropped as queue_full"
check "$(jq '[.drops | to_entries[] | select(.key != "queue_full") | .value] | add // 0' \
    "$LAB_TMP/apart.ledger")" -eq 0 "other drops"
check "$(jq '[.outputs.tools.drops[]] | add // 0' "$LAB_TMP/apart.ledger")" -eq 0 "dropped by TAP"
check "$(jq .in_flight "$LAB_TMP/apart.ledger")" -eq 0 "in flight at the end"

overload alone 'lcores: "0@0,1@1", queues: 1'
check "$(jq '[.drops[], .outputs.tools.drops[]] | add // 0' "$LAB_TMP/alone.ledger")" -eq 0 \
    "drops where one worker does all"
check "$(jq .outputs.tools.delivered "$LAB_TMP/alone.ledger")" -eq \
    "$(jq .received "$LAB_TMP/alone.ledger")" "delivered where one worker does all"

# At rest, sessions sum up to the ledger to the packet.
"$FRAMES" conversations "$LAB_TMP/finite.pcap" --count 1024 --each 64 --vnis 3
cat >"$LAB_TMP/rest.yaml" <<EOF
dataplane: {lcores: "0@0,1@0,2@1", receive_lcores: "1", queue_lcores: "2", queues: 1, queue_length: 64,
  eal: $(lab_eal mt-overload)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/finite.pcap"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/rest.sock}
EOF
lab_daemon_start rest "$LAB_TMP/rest.yaml"
wait_for '[ "$(lab_ledger rest .received)" -eq 65536 ]' 20 "all packets arrive"
wait_for '[ "$(lab_ledger rest .in_flight)" -eq 0 ]' 20 "nothing is in flight"
lab_ctl rest ledger --json >"$LAB_TMP/rest.json"
lab_ctl rest sessions --json >"$LAB_TMP/sessions.json"
check "$(jq .drops.queue_full "$LAB_TMP/rest.json")" -gt 0 "dropped as queue_full"
check "$(jq '.sessions | length' "$LAB_TMP/sessions.json")" -eq 3 sessions
check "$(jq '[(.sessions[], .other).packets] | add' "$LAB_TMP/sessions.json")" -eq \
    "$(jq '.accepted + .in_flight + .drops.queue_full + .drops.duplicate + .drops.stopped' \
        "$LAB_TMP/rest.json")" "packets of all sessions"
check "$(jq '[(.sessions[], .other).drops] | add' "$LAB_TMP/sessions.json")" -eq \
    "$(jq .drops.queue_full "$LAB_TMP/rest.json")" "drops of all sessions"
lab_daemon_stop rest
