#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A reader with two sockets in one AF_PACKET fanout group by queue (PACKET_FANOUT_QM) on a TAP
# output gets each conversation whole and in order on one socket, and both sockets get some.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin fanout
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1000 --each 6
cat >"$LAB_TMP/fanout.yaml" <<EOF
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-fanout)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/fanout.sock}
EOF
lab_daemon_start fanout "$LAB_TMP/fanout.yaml"
check "$(ip netns exec "$LAB_TARGET" sh -c 'ls -d /sys/class/net/mirror0/queues/rx-*' | wc -l)" \
    -eq 2 "kernel queues of mirror0"
lab_spawn "$LAB_TARGET" "$LAB_TMP/reader.log" \
    "$FRAMES" fanout mirror0 "$LAB_TMP/a.pcap" "$LAB_TMP/b.pcap"
reader=$LAB_PID
wait_for 'grep -q reading "$LAB_TMP/reader.log"' 10 "the reader"

ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 5000
wait_for '[ "$(lab_ledger fanout .outputs.tools.delivered)" -ge 6000 ]' 10 "6,000 delivered"
lab_stop "$reader"
lab_daemon_stop fanout
check "$(jq '[.drops[], .outputs.tools.drops[]] | add' "$LAB_TMP/fanout.ledger")" -eq 0 drops
"$FRAMES" whole "$LAB_TMP/a.pcap" "$LAB_TMP/b.pcap" --count 1000 --each 6 --spread 0.2
