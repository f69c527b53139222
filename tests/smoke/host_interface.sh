#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The mirror address is a good neighbour: a prober that knows nothing but the address finds it by ARP
# and IPv6 neighbour discovery, leases it out by DHCP, pings it (fragments, VLAN, jumbo), and gets
# HTTP and TCP 4789 from it, all through the DPDK port, while mirror traffic runs as fast as the lab
# sends it; and no mirror frame is lost to that.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
. "$(dirname "$0")/../lib/deps.sh"
deps_install dnsmasq-base busybox-static iputils-ping >&2 \
    || lab_skip "needs dnsmasq-base, busybox-static and iputils-ping, and apt-get cannot get them"
lab_begin host
lab_hugepages_up 512
SEQUENCE=$LAB_ROOT/tests/lib/sequence.py
FRAMES=$LAB_ROOT/tests/lib/frames.py
PROBER=$LAB_CLIENT
PROBER_IP=172.31.2.9
PROBER_MAC=02:00:0a:4d:09:01
HOST=mt-eth1
FRAME=12288 # bytes of a slot of the port's ring, and of a block: the driver wants no gaps
SLOTS=8192
MTU=9216
STRANGERS="ether src 02:00:0a:4d:00:01 or ether src 02:00:0a:4d:00:02"
BROKEN=25

# --- the lab: prober ── bridge in the web namespace ── target; the sender sends past the bridge ----
for namespace in "$PROBER" "$LAB_WEB" "$LAB_TARGET"; do
    lab_namespace "$namespace"
done
lab_veth "$LAB_WEB" u0 02:00:0a:4d:02:01 "$LAB_TARGET" t0 "$LAB_TARGET_MAC" "$LAB_UNDERLAY_MTU"
lab_veth "$LAB_WEB" w1 02:00:0a:4d:09:02 "$PROBER" p0 "$PROBER_MAC" "$LAB_UNDERLAY_MTU"
ip -n "$LAB_WEB" link add br0 mtu "$LAB_UNDERLAY_MTU" type bridge ageing_time 0 # a hub
ip -n "$LAB_WEB" link set u0 master br0
ip -n "$LAB_WEB" link set w1 master br0
ip -n "$LAB_WEB" link set br0 up
# The kernel in the target sees nothing of t0, as with a NIC that a poll-mode driver has taken; the
# port's packet sockets are asked before nftables is.
ip netns exec "$LAB_TARGET" nft 'table netdev blind {
    chain ingress { type filter hook ingress device t0 priority 0; policy drop; }
}'
prober() {
    ip netns exec "$PROBER" "$@"
}
target() {
    ip netns exec "$LAB_TARGET" "$@"
}
prober ip address add "$PROBER_IP/24" dev p0

cat >"$LAB_TMP/host.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-host)}
ports:
  - name: eth1
    device: "net_af_packet0,iface=t0,qpairs=1,blocksz=$FRAME,framesz=$FRAME,framecnt=$SLOTS"
    host_interface: $HOST
    host_interface_backend: tap
outputs:
  - {name: nowhere, type: port, device: net_null0}
http:
  listen: ["0.0.0.0:8080", "0.0.0.0:4789"]
  control_socket: $LAB_TMP/host.sock
EOT
lab_daemon_start host "$LAB_TMP/host.yaml"
lab_on_exit 'lab_ctl host ports --json >"$LAB_TMP/ports.log" 2>&1' # shown if the test fails
pid=$LAB_PID
# The worker's CPU is everyone's here. Let it be the worker's first, as a core of its own is: it among
# its session, and its session (lab_spawn made one) among others, while frames are counted.
worker=$(grep -l worker /proc/"$pid"/task/*/comm)
worker=${worker%/comm}
renice -n -19 -p "${worker##*/}" >/dev/null
session_nice() {
    [ ! -e "/proc/$pid/autogroup" ] || echo "$1" >"/proc/$pid/autogroup"
}

# Milliseconds that the worker has waited for its CPU, or the machine for a real one.
waited_ms() {
    echo $(($(cut -d' ' -f2 "$worker/schedstat") / 1000000 + $(awk '/^cpu1 / {print $9}' /proc/stat) * 10))
}

check "$(target cat "/sys/class/net/$HOST/address" | tr -d :)" = "${LAB_TARGET_MAC//:/}" \
    "MAC of $HOST"
check "$(target cat "/sys/class/net/$HOST/mtu")" -eq \
    "$(lab_ctl host ports --json | jq '.ports[0].mtu')" "MTU of $HOST, and the port's"
target ip link set "$HOST" mtu "$MTU" # a virtual port says 1500, however long its frames may be
lab_capture "$LAB_TARGET" "$HOST" "$LAB_TMP/host.pcap"
capture=$LAB_PID

frames_in() { # FILE FILTER
    tcpdump -r "$1" --count "$2" 2>/dev/null | cut -d' ' -f1
}

"$FRAMES" jumbo "$LAB_TMP/jumbo.pcap" --count 60
"$FRAMES" inner "$LAB_TMP/jumbo.pcap" "$LAB_TMP/inner.pcap"
tcpdump -r "$LAB_TMP/inner.pcap" -w "$LAB_TMP/strangers.pcap" 'not ether proto 0x88a8' 2>/dev/null
strangers=$(frames_in "$LAB_TMP/strangers.pcap" "")
check "$(frames_in "$LAB_TMP/strangers.pcap" 'vlan and greater 9000')" -gt 5 "long tagged frames"

# --- what the prober does -------------------------------------------------------------------------
lease() { # the address itself comes by DHCP, through the port
    lab_spawn "$PROBER" "$LAB_TMP/dnsmasq.log" dnsmasq --keep-in-foreground --conf-file=/dev/null \
        --port=0 --interface=p0 --bind-interfaces --dhcp-authoritative --leasefile-ro \
        --dhcp-range="$LAB_TARGET_IP,$LAB_TARGET_IP,255.255.255.0,1h" --no-ping --user=root \
        --pid-file= --log-facility=-
    dnsmasq=$LAB_PID
    wait_for 'prober ss -Hlun "sport = :67" | grep -q .' 10 "dnsmasq"
    cat >"$LAB_TMP/leased" <<'EOT'
#!/bin/sh
[ "$1" != bound ] || ip address add "$ip/24" dev "$interface"
EOT
    chmod +x "$LAB_TMP/leased"
    target busybox udhcpc -i "$HOST" -n -q -f -t 8 -T 1 -s "$LAB_TMP/leased" \
        >"$LAB_TMP/udhcpc.log" 2>&1 || lab_die "no lease: $(tail -n 3 "$LAB_TMP/udhcpc.log")"
    target ip -4 address show dev "$HOST" | grep -q "inet $LAB_TARGET_IP/24" \
        || lab_die "the lease was not $LAB_TARGET_IP"
    lab_stop "$dnsmasq"
}

# no_loss COUNT PING_ARGUMENTS...: as many answers as questions. One question at a time: after the
# last one ping waits for two round trips only, unless it has seen no answer at all.
no_loss() {
    local count=$1 n

    shift
    for ((n = 1; n <= count; n++)); do
        prober ping -q -n -c 1 -W 5 "$@" >"$LAB_TMP/ping.log" 2>&1 \
            || lab_die "ping $*, number $n of $count: $(grep loss "$LAB_TMP/ping.log")"
    done
}

neighbour() { # FAMILY ADDRESS: as the prober has found it
    local found

    found=$(prober ip "$1" -j neigh show dev p0 | jq -r ".[] | select(.dst == \"$2\") | .lladdr")
    check "$found" = "$LAB_TARGET_MAC" "neighbour $2 of the prober"
}

set_ipv6() { # COMMAND INTERFACE ADDRESS
    "$1" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$2/disable_ipv6"
    "$1" ip address replace "$3/64" dev "$2" nodad
}

# Strangers' frames of 64 to 9,166 bytes, tagged and not, arrive byte for byte. (Twice tagged ones
# do too, but net_af_packet gives each tag the type 0x8100.)
tagged() { # FROM INTERFACE TO INTERFACE
    local got=$LAB_TMP/whole-$4.pcap

    rm -f "$got"* # its log too: lab_capture waits for a line in it
    lab_capture "$3" "$4" "$got" -Q in "$STRANGERS"
    whole=$LAB_PID
    ip netns exec "$1" "$FRAMES" send "$2" "$LAB_TMP/strangers.pcap" --pps 2000 >/dev/null
    wait_for "[ \"\$(frames_in $got '')\" -ge $strangers ]" 10 "$strangers frames from $2 to $4"
    lab_capture_end "$whole" "$got"
    "$FRAMES" same "$LAB_TMP/strangers.pcap" "$got"
}

route_mtu() { # MTU of the path between prober and target, both ways
    prober ip route replace 172.31.2.0/24 dev p0 src "$PROBER_IP" mtu lock "$1"
    target ip route replace 172.31.2.0/24 dev "$HOST" src "$LAB_TARGET_IP" mtu lock "$1"
}

probe_all() {
    target ip address flush dev "$HOST"
    prober ip neigh flush dev p0
    lease
    no_loss 20 "$LAB_TARGET_IP"
    neighbour -4 "$LAB_TARGET_IP"
    no_loss 10 -s 8900 -M "do" "$LAB_TARGET_IP"
    route_mtu 1500
    no_loss 10 -s 3000 "$LAB_TARGET_IP"
    route_mtu "$MTU"
    tagged "$PROBER" p0 "$LAB_TARGET" "$HOST"
    tagged "$LAB_TARGET" "$HOST" "$PROBER" p0
    set_ipv6 prober p0 fd00:31::9
    set_ipv6 target "$HOST" fd00:31::2
    no_loss 10 -6 fd00:31::2
    no_loss 10 -6 -s 8000 fd00:31::2
    neighbour -6 fd00:31::2
    for _ in {1..10}; do
        prober curl -fsS --max-time 5 "http://$LAB_TARGET_IP:8080/healthz" >"$LAB_TMP/healthz.json" \
            || lab_die "/healthz: $(cat "$LAB_TMP/healthz.json")"
        prober timeout 5 bash -c "exec 3<>/dev/tcp/$LAB_TARGET_IP/4789" \
            || lab_die "TCP 4789 does not open"
    done
}

# --- mirror traffic -------------------------------------------------------------------------------
accepted() {
    lab_ledger host .accepted
}

send() { # PPS (0: as fast as it goes) SECONDS (0: until finish): starts the sender
    before=$(accepted)
    session_nice -10
    rm -f "$LAB_TMP/sender.out" "$LAB_TMP/sender.err"
    lab_spawn "$LAB_WEB" "$LAB_TMP/sender.out:$LAB_TMP/sender.err" taskset -c 0 "$SEQUENCE" send u0 \
        --mac "$LAB_TARGET_MAC" --to "$LAB_TARGET_IP" --pps "$1" --seconds "$2"
    sender=$LAB_PID
    wait_for '[ "$(accepted)" -gt "$before" ]' 10 "mirror traffic arrives"
}

# Drops of the packet sockets of the port: its ring was full.
port_lost() {
    target ss -0mH | grep -o ',d[0-9]*)' | tr -dc '0-9\n' | awk '{n += $1} END {print n + 0}'
}

same_twice() { # nothing more has come since the last look
    local last=$now

    now=$(accepted)
    [ "$now" -eq "$last" ]
}

# Ends the sender where it has no end of its own. Sets sent, pps, lost.
finish() {
    [ -z "${1-}" ] || lab_stop "$sender"
    wait_for "! lab_running $sender" 30 "the sender ends"
    sent=$(jq .sent "$LAB_TMP/sender.out")
    pps=$(jq .pps "$LAB_TMP/sender.out")
    now=-1
    wait_for "[ \$(accepted) -eq $((before + sent)) ] || same_twice" 10 "all has arrived"
    session_nice 0
    lost=$((before + sent - now))
    [ "$now" -ge 0 ] || lost=0
}

# The highest rate that the lab takes without host traffic: as fast as it goes, else slower.
rate=0
for _ in {1..5}; do
    send "$rate" 2
    finish
    echo "mirror traffic alone: $pps frames/s, $sent sent, $lost lost (packet sockets: $(port_lost))"
    [ "$lost" -ne 0 ] || break
    rate=$((pps * 2 / 3))
done
check "$lost" -eq 0 "lost without host traffic even at $pps frames/s"

# A worker that the machine holds up for longer than the ring lasts loses frames with or without host
# traffic; then, and only then, once more.
for _ in {1..3}; do
    send "$rate" 0
    begin=${EPOCHREALTIME/[.,]/}
    waited=$(waited_ms)
    host_before=$(lab_ledger host .host)
    probe_all
    echo "host traffic: $(($(lab_ledger host .host) - host_before)) frames in" \
        "$(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
    finish now
    waited=$(($(waited_ms) - waited))
    echo "with host traffic: $pps frames/s, $sent sent, $lost lost (packet sockets:" \
        "$(port_lost)); the worker waited $waited ms for its CPU"
    if [ "$lost" -eq 0 ] || [ "$waited" -lt $((SLOTS * 1000 / pps)) ]; then
        break
    fi
done
check "$lost" -eq 0 "mirror frames lost while the prober was served"
lab_ctl host ledger --json >"$LAB_TMP/now.json"
lab_check_ledger "$LAB_TMP/now.json"
check "$(jq '[.drops[]] | add' "$LAB_TMP/now.json")" -eq 0 "drops"

# --- broken mirror packets are drops and do not reach the kernel -----------------------------------
host_before=$(lab_ledger host .host)
ip netns exec "$LAB_WEB" "$SEQUENCE" broken u0 --mac "$LAB_TARGET_MAC" --to "$LAB_TARGET_IP" \
    --count "$BROKEN"
wait_for '[ "$(lab_ledger host "[.drops[]] | add")" -ge $((3 * BROKEN)) ]' 10 "they are counted"
for verdict in vxlan_no_vni vxlan_too_short udp_bad_length; do
    check "$(lab_ledger host ".drops.$verdict")" -eq "$BROKEN" "dropped as $verdict"
done
no_loss 3 "$LAB_TARGET_IP" # what was on its way is there by now
lab_capture_end "$capture" "$LAB_TMP/host.pcap"
check "$(frames_in "$LAB_TMP/host.pcap" 'udp port 4789')" -eq 0 "mirror packets on $HOST"
for kind in arp 'udp port 67' icmp 'tcp port 8080' 'tcp port 4789' icmp6 \
    'greater 8900'; do
    check "$(frames_in "$LAB_TMP/host.pcap" "ether src $PROBER_MAC and ($kind)")" -gt 0 "from the prober, $kind"
done

# The kernel puts fragments together for net_af_packet (its fanout does), but ours go out as they are.
check "$(frames_in "$LAB_TMP/host.pcap" "ether src $LAB_TARGET_MAC and ip[6:2] & 0x3fff != 0")" \
    -ge 30 "fragments from the target"

# --- a deleted host interface comes back ----------------------------------------------------------
index=$(target cat "/sys/class/net/$HOST/ifindex") # of the old one
target ip link del "$HOST"
wait_for "[ \"\$(target cat /sys/class/net/$HOST/ifindex)\" -ne $index ]" 10 "$HOST is made again"
wait_for 'target ip link show "$HOST" | grep -q LOWER_UP' 10 "$HOST is up again"
check "$(target cat "/sys/class/net/$HOST/address" | tr -d :)" = "${LAB_TARGET_MAC//:/}" \
    "MAC of $HOST, made again"
target ip link set "$HOST" mtu "$MTU"
target ip address add "$LAB_TARGET_IP/24" dev "$HOST"
wait_for 'prober ping -q -c 1 -W 1 "$LAB_TARGET_IP"' 10 "it answers again"
no_loss 10 -s 8900 -M "do" "$LAB_TARGET_IP"
send 5000 1
finish
check "$lost" -eq 0 "mirror frames lost after the host interface was made again"

lab_daemon_stop host
check "$(jq .in_flight "$LAB_TMP/host.ledger")" -eq 0 "in flight at the end"
! target ip link show "$HOST" 2>/dev/null || lab_die "$HOST is left behind"

# --- fragments, one by one: net_af_xdp takes frames as they come ------------------------------------
ip -n "$LAB_TARGET" link set t0 mtu 1500
ip -n "$LAB_WEB" link set u0 mtu 1500
prober ip link set p0 mtu 1500
cat >"$LAB_TMP/xdp.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-host)}
ports:
  - {name: eth1, device: "net_af_xdp0,iface=t0", host_interface: $HOST}
http: {control_socket: $LAB_TMP/xdp.sock}
EOT
lab_daemon_start xdp "$LAB_TMP/xdp.yaml"
target ip address add "$LAB_TARGET_IP/24" dev "$HOST"
lab_capture "$LAB_TARGET" "$HOST" "$LAB_TMP/fragments.pcap" -Q in 'ip[6:2] & 0x3fff != 0'
capture=$LAB_PID
no_loss 10 -s 3000 "$LAB_TARGET_IP"
neighbour -4 "$LAB_TARGET_IP"
lab_capture_end "$capture" "$LAB_TMP/fragments.pcap"
check "$(frames_in "$LAB_TMP/fragments.pcap" '')" -eq 30 "fragments of ten pings"
lab_daemon_stop xdp
