#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every capture of MIRRORTAP_CAPTURES (default ../shared/captures beside the repository) through the
# running daemon: replayed into a port, read back from an output. Exactly the expected frames; in
# their order with one queue, and all of them with two workers that share the output's one
# transmit queue.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
CAPTURES=${MIRRORTAP_CAPTURES:-$LAB_ROOT/../shared/captures}
ls "$CAPTURES"/*.pcap >/dev/null 2>&1 || lab_skip "no captures in $CAPTURES (MIRRORTAP_CAPTURES)"
lab_begin captures
lab_hugepages_up 256
lab_target_only

# replay CAPTURE NAME DATAPLANE: delivers to $LAB_TMP/NAME.pcap.
replay() {
    local capture=$1 name=$2 dataplane=$3 frames

    cat >"$LAB_TMP/$name.yaml" <<EOF
dataplane: {$dataplane, eal: $(lab_eal mt-captures)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$capture"}
outputs:
  - {name: out, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/$name.pcap"}
http: {control_socket: $LAB_TMP/$name.sock}
EOF
    frames=$("$LAB_PYTHON" "$LAB_ROOT/tests/lib/pcap.py" list "$capture" | wc -l)
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name .received) -ge $frames ]" 20 "$frames received"
    lab_daemon_stop "$name"
    check "$(jq .received "$LAB_TMP/$name.ledger")" -eq "$frames" "received, $name"
}

for capture in "$CAPTURES"/*.pcap; do
    name=$(basename "$capture" .pcap)
    name=${name//-/_}
    replay "$capture" "${name}_one" 'lcores: "0@0,1@1", queues: 1'
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/expect_inner.py" "$capture" "$LAB_TMP/${name}_one.pcap" \
        || lab_die "$name through one queue"
    replay "$capture" "${name}_two" 'lcores: "0@0,1@1,2@1", queues: 2'
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/expect_inner.py" "$capture" "$LAB_TMP/${name}_two.pcap" \
        --any-order || lab_die "$name through two workers"
done
