#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dataplane.idle: in every mode the frames that come after a silence are delivered, all of them; and
# a worker that may sleep takes less of its CPU than one that polls.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin idle
lab_hugepages_up 256
lab_namespace "$LAB_WEB"
lab_namespace "$LAB_TARGET"
lab_veth "$LAB_WEB" u0 02:00:0a:4d:02:01 "$LAB_TARGET" t0 "$LAB_TARGET_MAC" "$LAB_UNDERLAY_MTU"
FRAMES=2000

# Nanoseconds of CPU that the daemon's worker has used.
worker_cpu() {
    local comm

    for comm in /proc/"$LAB_DAEMON_idle"/task/*/comm; do
        [[ $(cat "$comm") == rte-worker* ]] || continue
        cut -d' ' -f1 "${comm%comm}schedstat"
        return
    done
}

# share MODE: the daemon in this mode, silence, then frames. Sets `percent` of a CPU in the silence.
share() {
    local mode=$1 begin end cpu

    cat >"$LAB_TMP/idle.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 1, idle: $mode, eal: $(lab_eal mt-idle)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/idle.sock}
EOF
    lab_daemon_start idle "$LAB_TMP/idle.yaml"
    cpu=$(worker_cpu)
    begin=${EPOCHREALTIME/[.,]/}
    sleep 1 # the silence is a length of time
    cpu=$((($(worker_cpu) - cpu) / 1000))
    end=${EPOCHREALTIME/[.,]/}
    percent=$((100 * cpu / (end - begin)))
    ip netns exec "$LAB_WEB" "$LAB_BUILD/mirrorgen" -d net_af_packet0,iface=u0 -c "$FRAMES" \
        --rate 20kpps --to-mac "$LAB_TARGET_MAC" -- --no-huge -m 128 --no-pci \
        --file-prefix=mt-idle-gen >"$LAB_TMP/gen.log" 2>&1 || lab_die "mirrorgen failed"
    wait_for '[ "$(lab_ledger idle .outputs.tools.delivered)" -eq "$FRAMES" ]' 10 \
        "all frames are delivered with idle: $mode"
    lab_daemon_stop idle
    echo "idle: $mode: $percent % of a CPU with nothing to do, $FRAMES of $FRAMES frames delivered"
}

share poll
polling=$percent
share pause
share sleep
check "$percent" -lt $((polling / 2)) "share of a CPU asleep, in percent"
