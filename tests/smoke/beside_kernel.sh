#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Beside the kernel: the same live mirrored traffic goes to mirrortapd and to a kernel vxlan0 in a
# namespace of its own. The two sets of frames are identical, byte for byte.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin kernel
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
KERNEL=mt-kernel-kernel

# A second wire out of the web server: a copy of all that u0 sends, to the same addresses.
lab_namespace "$KERNEL"
lab_veth "$LAB_WEB" k0 02:00:0a:4d:03:01 "$KERNEL" k1 "$LAB_TARGET_MAC" "$LAB_UNDERLAY_MTU"
ip -n "$KERNEL" address add "$LAB_TARGET_IP/24" dev k1
ip -n "$KERNEL" link add vxlan0 type vxlan id "$LAB_VNI" local "$LAB_TARGET_IP" dstport 4789 \
    dev k1 nolearning
ip netns exec "$KERNEL" ethtool -K vxlan0 gro off >/dev/null
ip -n "$KERNEL" link set vxlan0 mtu 9450 up
ip netns exec "$LAB_WEB" tc qdisc add dev u0 clsact
ip netns exec "$LAB_WEB" tc filter add dev u0 egress protocol all u32 match u32 0 0 \
    action mirred egress mirror dev k0

cat >"$LAB_TMP/beside.yaml" <<EOF
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-kernel)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 2)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/beside.sock}
EOF
lab_daemon_start beside "$LAB_TMP/beside.yaml"
head -c 300000 /dev/urandom | base64 >"$LAB_TMP/large"
mkdir -p "$LAB_TMP/www"
cp "$LAB_TMP/large" "$LAB_TMP/www/large"
lab_web_up
lab_capture "$LAB_TARGET" mirror0 "$LAB_TMP/ours.pcap"
ours=$LAB_PID
lab_capture "$KERNEL" vxlan0 "$LAB_TMP/theirs.pcap"
theirs=$LAB_PID
lab_mirror_up

# Conversations of strangers passing by: IPv6, VLAN, QinQ.
"$FRAMES" conversations "$LAB_TMP/passing.pcap" --count 300 --each 4
"$FRAMES" inner "$LAB_TMP/passing.pcap" "$LAB_TMP/passing-inner.pcap"
ip netns exec "$LAB_CLIENT" "$FRAMES" send c0 "$LAB_TMP/passing-inner.pcap" --pps 5000 >/dev/null

# HTTP both ways, ICMP small and large, UDP to a closed port (answered by ICMP), TCP refused.
for _ in 1 2 3 4 5; do
    lab_get >/dev/null
    lab_get large | cmp - "$LAB_TMP/large"
done
ip netns exec "$LAB_CLIENT" curl -sS -o /dev/null --data-binary "@$LAB_TMP/large" \
    "http://$LAB_WEB_IP/" || : # the web server takes no POST; its refusal is traffic too
ip netns exec "$LAB_CLIENT" ping -q -c 50 -i 0.01 "$LAB_WEB_IP" >/dev/null
ip netns exec "$LAB_CLIENT" ping -q -c 20 -i 0.01 -s 4000 "$LAB_WEB_IP" >/dev/null # in fragments
ip netns exec "$LAB_CLIENT" bash -c "
    for n in {1..200}; do echo \"datagram \$n\" >/dev/udp/$LAB_WEB_IP/9; done 2>/dev/null
    ! exec 3<>/dev/tcp/$LAB_WEB_IP/81" 2>/dev/null

mirrored=0
settled() { # no packet more since the last look
    local before=$mirrored

    sleep 0.2
    mirrored=$(lab_mirrored)
    [ "$mirrored" = "$before" ]
}
wait_for settled 20 "traffic ends"
wait_for '[ "$(lab_ledger beside .outputs.tools.delivered)" -ge "$mirrored" ]' 10 "all delivered"
lab_capture_end "$ours" "$LAB_TMP/ours.pcap"
lab_capture_end "$theirs" "$LAB_TMP/theirs.pcap"
lab_daemon_stop beside

check "$mirrored" -gt 1000 "mirrored packets"
check "$(jq .accepted "$LAB_TMP/beside.ledger")" -eq "$mirrored" accepted
check "$(jq .outputs.tools.delivered "$LAB_TMP/beside.ledger")" -eq "$mirrored" delivered
check "$(tcpdump -r "$LAB_TMP/ours.pcap" --count 2>/dev/null | cut -d' ' -f1)" -eq "$mirrored" \
    "frames on mirror0"
"$FRAMES" same "$LAB_TMP/theirs.pcap" "$LAB_TMP/ours.pcap"

# All that was meant to be there was there.
for kind in 'tcp port 80' icmp 'ip[6:2] & 0x3fff != 0' 'udp port 9' 'tcp[tcpflags] & tcp-rst != 0' \
    vlan 'ether proto 0x88a8' ip6 'greater 1514'; do
    found=$(tcpdump -r "$LAB_TMP/theirs.pcap" --count "$kind" 2>/dev/null | cut -d' ' -f1)
    check "$found" -gt 0 "frames of: $kind"
done
