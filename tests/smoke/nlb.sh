#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two members behind a load balancer of the lab: mirror traffic is spread over them by the layer-4
# flow hash, source addresses stay, and health checks arrive from the balancer's own addresses. A
# member that drains, is stopped (SIGSTOP) or killed is taken out, and the other goes on. Draining
# loses nothing; what a dead member loses ends with the checker's notice.
#
#     mt-client-nlb         mt-web-nlb: nlb_checker.py       mt-target-nlb: member a
#     s0 (sources) ── r0    VIP 172.31.9.9 ── ra ── veth ── t0 172.31.5.2 on mt-eth1
#                                             rb ── veth ── t0 172.31.6.2 on mt-eth1
#                                                            mt-member-nlb: member b
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v nft >/dev/null || lab_skip "needs nft (Debian's nftables)"
lab_begin nlb
lab_hugepages_up 512
SEQUENCE=$LAB_ROOT/tests/lib/sequence.py
CHECKER=$LAB_ROOT/tests/lib/nlb_checker.py
HOST=mt-eth1
VIP=172.31.9.9
ROUTER_MAC=02:00:0a:4d:04:02
PPS=4000
INTERVAL=1
TIMEOUT=1
THRESHOLD=2
SLACK=2 # seconds, for a busy machine
declare -A NAMESPACE=([a]=$LAB_TARGET [b]=mt-member-nlb) ADDRESS=([a]=172.31.5.2 [b]=172.31.6.2)
declare -A MAC=([a]=02:00:0a:4d:05:02 [b]=02:00:0a:4d:06:02) LIVES=([a]=0 [b]=0) NAME=() DAEMON=()

# --- the lab --------------------------------------------------------------------------------------
ip netns del "${NAMESPACE[b]}" 2>/dev/null || : # of a run that was killed
for namespace in "$LAB_CLIENT" "$LAB_WEB" "${NAMESPACE[@]}"; do
    lab_namespace "$namespace"
done
lab_veth "$LAB_CLIENT" s0 02:00:0a:4d:04:01 "$LAB_WEB" r0 "$ROUTER_MAC" 1500
ip -n "$LAB_WEB" address add 172.31.4.254/24 dev r0
for member in a b; do
    lab_veth "$LAB_WEB" r$member "02:00:0a:4d:0$((10#${ADDRESS[$member]:7:1})):01" \
        "${NAMESPACE[$member]}" t0 "${MAC[$member]}" 1500
    ip -n "$LAB_WEB" address add "${ADDRESS[$member]%.2}.1/24" dev r$member
    # As where a poll-mode driver has the NIC: the kernel sees nothing of it.
    ip netns exec "${NAMESPACE[$member]}" nft 'table netdev blind {
        chain ingress { type filter hook ingress device t0 priority 0; policy drop; }
    }'
done
ip netns exec "$LAB_WEB" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'

# start MEMBER: a new life of it, with an output file of its own.
start() {
    local member=$1 name

    LIVES[$member]=$((LIVES[$member] + 1))
    name=$member${LIVES[$member]}
    NAME[$member]=$name
    cat >"$LAB_TMP/$name.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal "mt-nlb-$member")}
ports:
  - name: eth1
    device: "net_af_packet0,iface=t0,qpairs=1,blocksz=65536,framesz=2048,framecnt=16384"
    host_interface: $HOST
    host_interface_backend: tap
outputs:
  - {name: tools, type: port, device: "net_pcap0,tx_pcap=$LAB_TMP/$name.pcap"}
http:
  listen: ["0.0.0.0:8080"]
  probe_listen: ["0.0.0.0:4789"]
  control_socket: $LAB_TMP/$name.sock
EOT
    LAB_TARGET=${NAMESPACE[$member]} lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    DAEMON[$member]=$LAB_PID
    ip -n "${NAMESPACE[$member]}" address add "${ADDRESS[$member]}/24" dev "$HOST"
    ip -n "${NAMESPACE[$member]}" route add default via "${ADDRESS[$member]%.2}.1"
}

# --- what is known --------------------------------------------------------------------------------
state() { # MEMBER: true, false, or nothing, as the checker last said
    jq -rs "map(select(.member == \"$1\")) | last.healthy" "$LAB_TMP/checker.out"
}

checked() { # MEMBER true|false LIMIT: waits for the checker; says how long it took
    local begin=${EPOCHREALTIME/[.,]/}

    wait_for "[ \"\$(state $1)\" = $2 ]" "$3" "the checker finds healthy=$2 of member $1"
    took_ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    echo "  member $1: $(jq -cs "map(select(.member == \"$1\")) | last" "$LAB_TMP/checker.out")" \
        "after $took_ms ms"
}

accepted() { # MEMBER
    lab_ledger "${NAME[$1]}" .accepted
}

rises() { # MEMBER: more is accepted, and not only a last few frames
    local now

    now=$(accepted "$1")
    wait_for "[ \"\$(accepted $1)\" -gt $((now + PPS / 4)) ]" 10 "member $1 gets traffic"
}

quiet() { # nothing more comes to MEMBER
    local now

    now=$(accepted "$1")
    rises "$2" # meanwhile
    check "$(accepted "$1")" -eq "$now" "accepted by member $1, which is out"
}

send() {
    rm -f "$LAB_TMP/sender.out"
    lab_spawn "$LAB_CLIENT" "$LAB_TMP/sender.out:$LAB_TMP/sender.err" "$SEQUENCE" send s0 \
        --mac "$ROUTER_MAC" --to "$VIP" --source 172.31.4.1 --sources 4 --length 200 --pps "$PPS"
    sender=$LAB_PID
}

end_sending() {
    lab_stop "$sender"
    sent=$(jq .sent "$LAB_TMP/sender.out")
    check "$sent" -gt "$PPS" "frames sent"
}

same_twice() {
    local last=$now

    now=$(($(accepted a) + $(accepted b)))
    [ "$now" -eq "$last" ]
}

settle() { # all that was sent has arrived
    now=-1
    wait_for same_twice 10 "traffic ends"
}

# Frames of this phase that came out of the outputs named, each number once. Sets out, repeated.
came_out() {
    "$SEQUENCE" count "$@" >"$LAB_TMP/count.json"
    out=$(jq .unique "$LAB_TMP/count.json")
    repeated=$(jq .repeated "$LAB_TMP/count.json")
}

stop() { # MEMBER, the proper way; its file is then complete
    lab_daemon_stop "${NAME[$1]}"
}

ledger_sum() { # EXPRESSION NAME...: of final ledgers
    local expression=$1

    shift
    (cd "$LAB_TMP" && jq -s "map($expression) | add" "${@/%/.ledger}")
}

DROPS='(.drops | add) + (.outputs.tools.drops | add)'
# What a dead member may lose: its share, for as long as the checker may take.
BOUND=$((PPS * (INTERVAL * THRESHOLD + TIMEOUT + SLACK) * 6 / 10))

# both_start CHECKER_ARGUMENTS...: a phase begins with new members, a new checker and frame number 0.
both_start() {
    start a
    start b
    rm -f "$LAB_TMP/checker.out"
    lab_spawn "$LAB_WEB" "$LAB_TMP/checker.out:$LAB_TMP/checker.err" "$CHECKER" --address "$VIP" \
        --interval "$INTERVAL" --timeout "$TIMEOUT" --threshold "$THRESHOLD" "$@" \
        "a=${ADDRESS[a]}" "b=${ADDRESS[b]}"
    checker=$LAB_PID
    checked a true 10
    checked b true 10
}

# It ends with both stopped, so that all files of the phase hold its frames and no others.
both_stop() {
    lab_stop "$checker"
    settle
    stop a
    stop b
}

# --- drain: not a frame is lost -------------------------------------------------------------------
echo "drain, checked by HTTP /healthz"
both_start --check http --port 8080 --path /healthz
send
rises a
rises b
lab_ctl "${NAME[a]}" drain >/dev/null
rises a # it delivers as before until the balancer has understood
checked a false $((INTERVAL * THRESHOLD + TIMEOUT + SLACK + 5))
quiet a b
lab_ctl "${NAME[a]}" undrain >/dev/null
checked a true 10
rises a
lab_ctl "${NAME[a]}" drain >/dev/null
checked a false 10
quiet a b
stop a # while traffic goes on
first=${NAME[a]}
start a
checked a true 15
rises a
rises b
end_sending
both_stop
received=$(ledger_sum .accepted "$first" "${NAME[a]}" "${NAME[b]}")
delivered=$(ledger_sum .outputs.tools.delivered "$first" "${NAME[a]}" "${NAME[b]}")
drops=$(ledger_sum "$DROPS" "$first" "${NAME[a]}" "${NAME[b]}")
came_out "$LAB_TMP/$first.pcap" "$LAB_TMP/${NAME[a]}.pcap" "$LAB_TMP/${NAME[b]}.pcap"
echo "  sent $sent, accepted $received, delivered $delivered, dropped $drops, came out $out"
check $((delivered + drops)) -eq "$sent" "delivered frames and counted drops"
check "$drops" -eq 0 "drops"
check "$out" -eq "$sent" "different frames in the outputs' files"
check "$repeated" -eq 0 "frames in the outputs' files that were there before"

# --- the same by an NLB's default, which only opens a connection -----------------------------------
echo "drain, checked by TCP 4789, which is an NLB's default"
both_start --check tcp --port 4789
send
rises a
rises b
lab_ctl "${NAME[a]}" drain >/dev/null
checked a false $((INTERVAL * THRESHOLD + TIMEOUT + SLACK + 5))
jq -rs 'map(select(.member == "a")) | last.reason' "$LAB_TMP/checker.out" | grep -q refused \
    || lab_die "a member that drains does not refuse TCP probes"
quiet a b
lab_ctl "${NAME[a]}" undrain >/dev/null
checked a true 10
rises a
end_sending
both_stop
came_out "$LAB_TMP/${NAME[a]}.pcap" "$LAB_TMP/${NAME[b]}.pcap"
echo "  sent $sent, came out $out"
check "$out" -eq "$sent" "different frames in the outputs' files"

# --- stopped by SIGSTOP: the other goes on, and it comes back ---------------------------------------
echo "SIGSTOP, checked by TCP 4789"
both_start --check tcp --port 4789
send
rises a
rises b
kill -STOP "${DAEMON[a]}"
checked a false $((INTERVAL * THRESHOLD + TIMEOUT + SLACK + 5))
check "$took_ms" -le $(((INTERVAL * THRESHOLD + TIMEOUT + SLACK) * 1000)) "ms until it is out"
rises b
kill -CONT "${DAEMON[a]}"
checked a true 15
rises a
end_sending
both_stop
came_out "$LAB_TMP/${NAME[a]}.pcap" "$LAB_TMP/${NAME[b]}.pcap"
echo "  sent $sent, came out $out, lost $((sent - out)) (bound $BOUND; what waited in the ring of the" \
    "port of the stopped member was delivered late)"
check $((sent - out)) -le "$BOUND" "frames lost by a stopped member"

# --- killed: the loss is bounded by the checks, and a new one comes in ------------------------------
echo "SIGKILL, checked by HTTP /healthz"
both_start --check http --port 8080 --path /healthz
send
rises a
rises b
kill -KILL "${DAEMON[a]}"
wait "${DAEMON[a]}" 2>/dev/null || :
checked a false $((INTERVAL * THRESHOLD + TIMEOUT + SLACK + 5))
check "$took_ms" -le $(((INTERVAL * THRESHOLD + TIMEOUT + SLACK) * 1000)) "ms until it is out"
rises b
first=${NAME[a]}
start a
checked a true 15
rises a
rises b
end_sending
both_stop
came_out "$LAB_TMP/$first.pcap" "$LAB_TMP/${NAME[a]}.pcap" "$LAB_TMP/${NAME[b]}.pcap"
echo "  sent $sent, came out $out, lost $((sent - out)) (bound $BOUND)"
check $((sent - out)) -le "$BOUND" "frames lost by a killed member"
check $((sent - out)) -gt 0 "frames lost by a killed member, or the test does not see it"
