#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Without hugepages (--no-huge): it starts with a warning, also where the pool of buffers is large,
# delivers all, and leaves nothing behind.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin nohuge
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1000 --each 6
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"

# run NAME BUFFERS
run() {
    local name=$1

    cat >"$LAB_TMP/$name.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, eal: ["--no-huge", "--no-pci", "--file-prefix=mt-nohuge"]}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap", buffers: $2}
outputs:
  - {name: copy, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/0.pcap,tx_pcap=$LAB_TMP/1.pcap"}
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/$name.sock}
EOF
    "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/$name.yaml" --check >"$LAB_TMP/plan.txt"
    grep -q 'of ordinary memory' "$LAB_TMP/plan.txt" || lab_die "--check speaks of hugepages"
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name '[.outputs[].delivered] | min') -ge 6000 ]" 20 "all delivered"
    lab_daemon_stop "$name"
    grep -q 'running without hugepages' "$LAB_TMP/$name.err" || lab_die "no warning of --no-huge"
    "$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP"/[01].pcap
    ! compgen -G '/dev/hugepages/mt-nohuge*' >/dev/null || lab_die "hugepages were taken"
    [ ! -e /run/dpdk/mt-nohuge ] || lab_die "/run/dpdk/mt-nohuge left behind"
}

run usual 16383
run large 262143
