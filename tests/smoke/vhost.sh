#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An output of type port with vhost-user, read by dpdk-testpmd with virtio-user, as a virtual machine
# would: byte for byte; a peer that is away, is killed, and comes back.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v dpdk-testpmd >/dev/null || lab_skip "dpdk-testpmd is absent: apt-get install dpdk-dev"
lab_begin vhost
lab_hugepages_up 768
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/empty.pcap" --count 0
"$FRAMES" conversations "$LAB_TMP/conversations.pcap" --count 100 --each 4
"$FRAMES" inner "$LAB_TMP/conversations.pcap" "$LAB_TMP/inner.pcap"
cat >"$LAB_TMP/vhost.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, idle: sleep, eal: $(lab_eal mt-vhost)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: guest, type: port, tx_queues: 1, device: "net_vhost0,iface=$LAB_TMP/guest.sock,queues=1"}
http: {control_socket: $LAB_TMP/vhost.sock}
EOF
lab_daemon_start vhost "$LAB_TMP/vhost.yaml"

state() {
    lab_ctl vhost outputs --json | jq -r '.outputs[0].state'
}

peer() { # NAME: dpdk-testpmd, which writes what it receives into NAME.pcap. Sets LAB_PID.
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$1.log" bash -c 'exec "$@" < <(exec sleep infinity)' peer \
        stdbuf -o0 dpdk-testpmd --lcores "0@0,1@1" --single-file-segments --no-pci \
        --file-prefix "mt-$1" \
        --vdev "net_virtio_user0,path=$LAB_TMP/guest.sock,queues=1,queue_size=1024" \
        --vdev "net_pcap0,rx_pcap=$LAB_TMP/empty.pcap,tx_pcap=$LAB_TMP/$1.pcap" -- \
        --forward-mode=io --total-num-mbufs=8192 --no-flush-rx
    wait_for "grep -q 'Press enter' $LAB_TMP/$1.log || ! lab_running $LAB_PID" 20 "dpdk-testpmd forwards"
    wait_for '[ "$(state)" = up ]' 20 "the peer is connected"
}

deliver() { # sends all of the capture; none must be dropped
    local before drops

    before=$(lab_ledger vhost .outputs.guest.delivered)
    drops=$(lab_ledger vhost '.outputs.guest.drops | add // 0')
    ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/conversations.pcap" --pps 500 >/dev/null
    wait_for "[ \$(lab_ledger vhost .outputs.guest.delivered) -ge $((before + 400)) ]" 20 "delivered"
    check "$(lab_ledger vhost '.outputs.guest.drops | add // 0')" -eq "$drops" "drops"
}

# Nobody there: counted, and nothing waits.
ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/conversations.pcap" --pps 2000 >/dev/null
wait_for '[ "$(lab_ledger vhost .outputs.guest.drops.error)" -eq 400 ]' 10 "dropped without a peer"
peer first
deliver
lab_stop "$LAB_PID"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/first.pcap"
wait_for '[ "$(state)" = error ]' 10 "the peer is gone"

# Killed, and back.
peer victim
deliver
kill -KILL -- "-$LAB_PID"
{ wait "$LAB_PID" || :; } 2>/dev/null
wait_for '[ "$(state)" = error ]' 10 "the peer was killed"
peer second
deliver
lab_stop "$LAB_PID"
"$FRAMES" same "$LAB_TMP/inner.pcap" "$LAB_TMP/second.pcap"
lab_daemon_stop vhost
