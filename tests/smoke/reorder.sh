#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Reordering in the daemon: known disorder comes out in order, what waits behind a gap comes out in
# time although nothing more arrives, and at the end; every frame is accounted for all the while.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin reorder
lab_hugepages_up 384
lab_target_only
DISORDER=$LAB_ROOT/tests/lib/disorder.py

"$DISORDER" make "$LAB_TMP/plain.pcap" >"$LAB_TMP/plain.sent"
"$DISORDER" make "$LAB_TMP/double.pcap" --double >"$LAB_TMP/double.sent"
check "$(jq .late "$LAB_TMP/plain.sent")" -gt 100 "segments that are out of order"

# start NAME CAPTURE DATAPLANE MORE: each queue's frames go to NAME.N.pcap.
start() {
    local name=$1

    cat >"$LAB_TMP/$name.yaml" <<YAML
dataplane: {$3, queue_length: 65536, eal: $(lab_eal mt-reorder)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/$2.pcap"}
outputs:
  - {name: out, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/$name.0.pcap,tx_pcap=$LAB_TMP/$name.1.pcap"}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/$name.sock}
$4
YAML
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name .received) -ge $(jq .frames "$LAB_TMP/$2.sent") ]" 20 "all received"
}

# finish NAME CAPTURE: all that came was delivered, but for copies.
finish() {
    local name=$1 sent=$LAB_TMP/$2.sent

    lab_daemon_stop "$name"
    check "$(jq .accepted "$LAB_TMP/$name.ledger")" -eq \
        $(($(jq .frames "$sent") - $(jq '.drops.duplicate // 0' "$LAB_TMP/$name.ledger"))) "accepted, $name"
    check "$(jq .outputs.out.delivered "$LAB_TMP/$name.ledger")" -eq \
        "$(jq .accepted "$LAB_TMP/$name.ledger")" "delivered, $name"
    "$DISORDER" judge "$LAB_TMP/$2.pcap" "$LAB_TMP/$name".[01].pcap >"$LAB_TMP/$name.got" \
        || lab_die "$name: not the frames that were sent"
}

# released NAME REASON: by the metrics.
released() {
    awk -v reason="reason=\"$2\"" 'index($1, "mirrortap_reorder_released_packets_total{") == 1 \
        && index($1, reason) { n += $2 } END { print n + 0 }' "$LAB_TMP/$1.metrics"
}

metrics() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 http://127.0.0.1:8080/metrics >"$LAB_TMP/$1.metrics"
}

# --- without it, they come as they came ---
start off plain 'lcores: "0@0,1@1", queues: 1' ''
finish off plain
check "$(jq .late "$LAB_TMP/off.got")" -eq "$(jq .late "$LAB_TMP/plain.sent")" "late without reordering"

# --- with it: in order; and what is behind gaps comes by itself ---
start one plain 'lcores: "0@0,1@1", queues: 1' 'reorder: {window_us: 1000000, packets: 8192}'
wait_for '[ "$(lab_ledger one .in_flight)" -eq 0 ]' 10 "nothing is held back any more"
metrics one
finish one plain
check "$(jq .late "$LAB_TMP/one.got")" -eq 0 "late, one queue"
check "$(released one expired)" -ge "$(jq .gaps "$LAB_TMP/plain.sent")" "let go in time, a segment for a gap"
check $(($(released one closed) + $(released one expired))) -ge \
    "$(jq .behind_gaps "$LAB_TMP/plain.sent")" "held back"
check "$(released one full)" -eq 0 "let go because there was no room"
check "$(awk '/^mirrortap_reorder_held_packets{/ { print $2 }' "$LAB_TMP/one.metrics")" -eq 0 "held"

# --- two workers, both ends mirrored: one of each, in order ---
start two double 'lcores: "0@0,1@1,2@1", queues: 2' \
    'dedup: {window_ms: 10000}
reorder: {window_us: 1000000, packets: 8192}'
wait_for '[ "$(lab_ledger two .in_flight)" -eq 0 ]' 10 "nothing is held back any more"
finish two double
check "$(jq .drops.duplicate "$LAB_TMP/two.ledger")" -eq "$(jq .copies "$LAB_TMP/double.sent")" copies
check "$(jq .late "$LAB_TMP/two.got")" -eq 0 "late, two queues"

# --- with hardly any room, some of it; and an end while segments are held back ---
start small plain 'lcores: "0@0,1@1", queues: 1, idle: sleep' 'reorder: {window_us: 1000000, packets: 16}'
metrics small
finish small plain
check "$(released small full)" -gt 0 "let go because there was no room"
check "$(jq .drops.stopped "$LAB_TMP/small.ledger")" -eq 0 "stopped"
check "$(jq .late "$LAB_TMP/small.got")" -lt "$(jq .late "$LAB_TMP/plain.sent")" "late with little room"
