#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames to 9,216 bytes, as chains of small mbufs (net_pcap splits them as ENA does), go through
# every stage to each type of output, a copying ring too, byte for byte.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin jumbo
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" jumbo "$LAB_TMP/mirrored.pcap" --count 100
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"
count=$(tcpdump -r "$LAB_TMP/expected.pcap" --count 2>/dev/null | cut -d' ' -f1)

# The interface is there before the daemon is, so that the capture misses none. The daemon takes it
# over: two kernel queues, like the daemon's own.
ip -n "$LAB_TARGET" tuntap add mirror0 mode tap multi_queue
ip -n "$LAB_TARGET" link set mirror0 up
lab_capture "$LAB_TARGET" mirror0 "$LAB_TMP/tap.pcap"
capture=$LAB_PID

cat >"$LAB_TMP/jumbo.yaml" <<EOF
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-jumbo)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: tools, type: tap, interface: mirror0, mtu: 9216}
  - {name: copy, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/0.pcap,tx_pcap=$LAB_TMP/1.pcap"}
  - {name: lent, type: ring, when_absent: keep}
  - {name: given, type: ring, mode: copy, when_absent: keep}
  - {name: archive, type: pcapng, directory: $LAB_TMP/archive}
http: {control_socket: $LAB_TMP/jumbo.sock}
EOF
lab_daemon_start jumbo "$LAB_TMP/jumbo.yaml"
for ring in lent given; do
    ip netns exec "$LAB_TARGET" timeout 30 "$LAB_BUILD/mirrordump" --socket "$LAB_TMP/jumbo.sock" \
        -o "$ring" -c "$count" -w "$LAB_TMP/$ring.pcap" || lab_die "mirrordump -o $ring"
done
wait_for "[ \$(lab_ledger jumbo '[.outputs[].delivered] | min') -ge $count ]" 10 "all delivered"
check "$(ip -n "$LAB_TARGET" -j link show mirror0 | jq '.[0].mtu')" -eq 9216 "MTU of mirror0"
lab_capture_end "$capture" "$LAB_TMP/tap.pcap"
lab_daemon_stop jumbo
check "$(jq '[.drops[], .outputs[].drops[]] | add // 0' "$LAB_TMP/jumbo.ledger")" -eq 0 drops
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP/tap.pcap"
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP"/[01].pcap
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP/lent.pcap"
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP/given.pcap"
tcpdump -r "$LAB_TMP"/archive/*.pcapng -w "$LAB_TMP/archive.pcap" 2>/dev/null
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP/archive.pcap"
