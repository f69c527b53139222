#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# 1,000 mirrored conversations, whose two directions have different outer source ports: each
# arrives whole, in order and on one queue, and four queues share the load within 20 %.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin conversations
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1000 --each 6
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"

# replay NAME LCORES: the capture through a port; queue N of the output is $LAB_TMP/NAME-N.pcap.
replay() {
    local name=$1 lcores=$2 q device=net_pcap1

    for q in 0 1 2 3; do
        device+=,tx_pcap=$LAB_TMP/$name-$q.pcap
    done
    cat >"$LAB_TMP/$name.yaml" <<EOF
dataplane: {lcores: "$lcores", queues: 4, eal: $(lab_eal mt-conversations)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: split, type: port, device: "$device"}
http: {control_socket: $LAB_TMP/$name.sock}
EOF
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name .outputs.split.delivered) -ge 6000 ]" 20 "6,000 delivered"
    lab_daemon_stop "$name"
    check "$(jq .received "$LAB_TMP/$name.ledger")" -eq 6000 "received, $name"
    check "$(jq .outputs.split.delivered "$LAB_TMP/$name.ledger")" -eq 6000 "delivered, $name"
    "$FRAMES" whole "$LAB_TMP/$name"-[0-3].pcap --count 1000 --each 6 --spread 0.2
}

replay one "0@0,1@1"
replay two "0@0,1@1,2@1"

# How many workers there are changes nothing about which conversation is in which queue.
for q in 0 1 2 3; do
    "$FRAMES" same "$LAB_TMP/one-$q.pcap" "$LAB_TMP/two-$q.pcap"
done
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP"/one-[0-3].pcap
