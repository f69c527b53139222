#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# De-duplication in the daemon: what mirrorgen sends once more from a second mirror point is dropped
# as `duplicate`, and nothing else; the ledger, the queues and the sessions say the same.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin dedup
lab_hugepages_up 384
lab_target_only
GEN=$LAB_BUILD/mirrorgen

# generate NAME ARGUMENTS...: NAME.pcap, and what is in it in NAME.sent.
generate() {
    local name=$1

    shift
    "$GEN" -w "$LAB_TMP/$name.pcap" -c 20000 --flows 500 --distribution zipf --sessions 3 --vni 100 \
        --json -q "$@" >"$LAB_TMP/$name.sent"
}

# replay NAME CAPTURE DEDUP [MORE]: through two workers with two queues, into NAME.[01].pcap.
replay() {
    local name=$1 capture=$2 sent=$LAB_TMP/$2.sent

    cat >"$LAB_TMP/$name.yaml" <<YAML
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, queue_length: 65536, eal: $(lab_eal mt-dedup)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/$capture.pcap"}
dedup: {$3}
outputs:
  - {name: out, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/$name.0.pcap,tx_pcap=$LAB_TMP/$name.1.pcap"}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/$name.sock}
${4-}
YAML
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name .received) -ge $(jq .frames "$sent") ]" 20 "all received"
    wait_for "[ \$(lab_ledger $name '[.in_flight, .outputs[].in_flight] | add') -eq 0 ]" 20 "all done"
    lab_ctl "$name" queues --json >"$LAB_TMP/$name.queues"
    lab_ctl "$name" sessions --json >"$LAB_TMP/$name.sessions"
    ip netns exec "$LAB_TARGET" curl -s -m 5 http://127.0.0.1:8080/metrics >"$LAB_TMP/$name.metrics"
    lab_daemon_stop "$name"
    check "$(jq .received "$LAB_TMP/$name.ledger")" -eq "$(jq .frames "$sent")" "received, $name"
}

# expect NAME CAPTURE DUPLICATES [EVICTED]: in all places where they are counted, and fewer than
# EVICTED were forgotten.
expect() {
    local name=$1 sent=$LAB_TMP/$2.sent duplicates=$3
    local ledger=$LAB_TMP/$name.ledger

    check "$(jq .drops.duplicate "$ledger")" -eq "$duplicates" "duplicates, $name"
    check "$(jq .accepted "$ledger")" -eq $(($(jq .verdicts.accepted "$sent") - duplicates)) \
        "accepted, $name"
    check "$(jq .outputs.out.delivered "$ledger")" -eq "$(jq .accepted "$ledger")" "delivered, $name"
    check "$(jq '[.queues[].duplicates] | add' "$LAB_TMP/$name.queues")" -eq "$duplicates" \
        "duplicates of the queues, $name"
    check "$(jq '[.sessions[].duplicates] | add' "$LAB_TMP/$name.sessions")" -eq "$duplicates" \
        "duplicates of the sessions, $name"
    check "$(jq '[.sessions[] | .packets - .duplicates] | add' "$LAB_TMP/$name.sessions")" -eq \
        "$(jq .accepted "$ledger")" "packets of the sessions, $name"
    for family in queue_duplicate_packets session_duplicate_packets; do
        check "$(awk -v f="mirrortap_${family}_total" 'index($1, f "{") == 1 { n += $2 }
            END { print n + 0 }' "$LAB_TMP/$name.metrics")" -eq "$duplicates" "$family, $name"
    done
    check "$(awk '/^mirrortap_dedup_evicted_total/ { n += $2 } END { print n + 0 }' \
        "$LAB_TMP/$name.metrics")" -lt "${4-20}" "evicted from tables with room, $name"
}

# --- all kinds of frames ---
generate mixed --size 200-1200 --ipv6 20 --fragments 5 --copies 30 --malformed all=5 \
    --tunnel vxlan:6,geneve:2,gwlb:2
copies=$(jq .copies "$LAB_TMP/mixed.sent")
check "$copies" -gt 3000 "copies that were sent"
replay mixed mixed "window_ms: 10000"
expect mixed mixed "$copies"
mergecap -F pcap -w "$LAB_TMP/mixed.out.pcap" "$LAB_TMP"/mixed.[01].pcap
"$GEN" --receive -f "$LAB_TMP/mixed.out.pcap" --expect "$(jq .accepted "$LAB_TMP/mixed.ledger")" \
    --json -q >"$LAB_TMP/mixed.json" || lab_die "marks are missing: $(cat "$LAB_TMP/mixed.json")"
check "$(jq .lost "$LAB_TMP/mixed.json")" -eq 0 "lost"
check "$(jq .duplicated "$LAB_TMP/mixed.json")" -eq 0 "still there twice"

# --- a second mirror point that truncates, by a session of ours ---
replay cut mixed "window_ms: 10000" \
    'sessions: {list: [{vni: 103, name: a, truncate: 128}, {vni: 104, name: b, truncate: 300}]}'
expect cut mixed "$copies"

# --- small frames, without a mark in them: those of a flow are the same in every byte, and only their
# mirror point tells which are copies ---
generate small --size 60 --copies 20 2>/dev/null
replay small small "window_ms: 10000, ignore_dscp: true, payload_bytes: 64, entries: 65536"
expect small small "$(jq .copies "$LAB_TMP/small.sent")" 20000

# --- copies have a session of their own: not across sessions there are none ---
replay apart mixed "window_ms: 10000, across_sessions: false"
expect apart mixed 0

# --- a table that is too small: copies get through, counted ---
generate many --size 200 --copies 50
"$LAB_PYTHON" - "$LAB_ROOT/tests/lib" "$LAB_TMP" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
import frames

# All copies behind all others: VNIs 103 to 105.
every = list(frames.read_pcap(f"{sys.argv[2]}/many.pcap"))
late = [f for f in every if int.from_bytes(f[46:49], "big") >= 103]
frames.write_pcap(f"{sys.argv[2]}/many.pcap", [f for f in every if f not in set(late)] + late)
PYTHON
replay full many "window_ms: 10000, entries: 1024"
evicted=$(awk '/^mirrortap_dedup_evicted_total/ { n += $2 } END { print n + 0 }' "$LAB_TMP/full.metrics")
check "$evicted" -gt 5000 "evicted from full tables"
check "$(jq .drops.duplicate "$LAB_TMP/full.ledger")" -lt "$(jq .copies "$LAB_TMP/many.sent")" \
    "duplicates found in full tables"

# --- what it costs in memory is in the plan ---
"$LAB_BUILD/mirrortapd" -c "$LAB_TMP/full.yaml" --check >"$LAB_TMP/plan"
grep -q '^de-duplication: within 10000 ms, across sessions, 1024 entries for each queue$' "$LAB_TMP/plan" \
    || lab_die "the plan does not say so: $(cat "$LAB_TMP/plan")"
grep -qE '^  de-duplication +0\.1 MiB  \(2 tables\)$' "$LAB_TMP/plan" \
    || lab_die "no memory in the plan: $(cat "$LAB_TMP/plan")"
