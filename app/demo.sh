#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Mirrortap's main job on this machine: mirrored traffic in, original frames out.
#
# The mirror traffic is polled with net_af_packet. Both candidates were measured on a veth, as
# tests/lib/lab.sh makes it, of a 2-core Debian 12 machine (AMD EPYC, Linux 6.18, DPDK 22.11.11);
# packets a second that arrived, the median of three runs of 9 s, and how many were lost in each:
#
#     frames of 128 bytes    net_af_packet 302,000, lost 0 0 0  net_af_xdp 379,000, lost 0 11655 370
#     frames of 1,400 bytes  net_af_packet 283,000, lost 0 0 0  net_af_xdp 394,000, lost 0 0 0
#
#     target: dpdk-testpmd --lcores 0@0,1@1 --file-prefix=mtrx --no-pci -m 256 --vdev DEVICE -- \
#         --forward-mode=rxonly --total-num-mbufs=32768 --auto-start --no-lsc-interrupt \
#         --stats-period 1
#     DEVICE: net_af_packet0,iface=t0,blocksz=65536,framesz=2048,framecnt=4096,qdisc_bypass=1
#         or: net_af_xdp0,iface=t0,start_queue=0,queue_count=1
#     web: the same with --lcores 0@0,1@0 --file-prefix=mttx, net_af_packet0 on u0 and
#         --forward-mode=txonly --txonly-multi-flow --txpkts=128 --eth-peer=0,MAC_OF_T0
#
# In both the sender's core does the kernel's work and is the limit; XDP saves it some. It is
# net_af_packet all the same: 280,000 packets a second are a hundred times what this lab makes, and
# net_af_xdp 22.11 loses packets as soon as the poller has to wait for its core (its ring is small),
# takes no frame above 3.4 kB, takes the frames away from the tcpdump that shows them here, and
# leaves its program on the interface when it is killed.
#
# One receive queue (qpairs=1): the two directions of a conversation have different outer ports, so
# with two they are polled by different workers, which share a core here, and an answer may be seen
# before its question. (net_af_xdp 22.11 refuses two on a veth: "Specified queue count 2 is larger
# than combined queue count 1".) mirror0 has two queues all the same.
set -eu
. "$(dirname "$0")/../tests/lib/lab.sh"
. "$LAB_ROOT/tests/lib/deps.sh"

HUGEPAGES_MIB=512
SHOWN_LINES=40

usage() {
    cat <<EOF
Usage: sudo app/demo.sh [--keep | --pcap FILE]

Mirrors a web server's traffic, as AWS Traffic Mirroring does, to mirrortapd, which hands the
original frames to every tool that can read a network interface. All of it in network namespaces
on this machine. Installs what is missing from Debian and builds into build/; gives everything else
back when it ends. Exits with 0 only if every mirrored frame was delivered and the ledger balances.

    --keep       stay until Ctrl-C, and say what to try meanwhile
    --pcap FILE  replay a capture of mirror traffic instead of making some
    --help       this text
EOF
}

keep=
capture=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=1 ;;
        --pcap)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            capture=$2
            shift
            ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -z "$capture" ] || [ -z "$keep" ] || { usage >&2; exit 2; }

# --- showing -------------------------------------------------------------------------------------

bold=
plain=
columns=${COLUMNS:-160}
if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
    columns=$(tput cols 2>/dev/null || echo 160)
fi
[ "$columns" -ge 100 ] || columns=100

say() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# Two texts as two columns.
side_by_side() {
    local left_title=$1 left_file=$2 right_title=$3 right_file=$4
    local width=$(((columns - 3) / 2)) i left right rule

    mapfile -t left < <(fold -s -w "$width" "$left_file")
    mapfile -t right < <(fold -s -w "$width" "$right_file")
    printf -v rule '%*s' "$width" ''
    rule=${rule// /-}
    printf '%s%-*.*s%s | %s%s%s\n' "$bold" "$width" "$width" "$left_title" "$plain" \
        "$bold" "$right_title" "$plain"
    printf '%s-+-%s\n' "$rule" "$rule"
    for ((i = 0; i < SHOWN_LINES; i++)); do
        [ "$i" -lt "${#left[@]}" ] || [ "$i" -lt "${#right[@]}" ] || break
        printf '%-*s | %s\n' "$width" "${left[i]-}" "${right[i]-}"
    done
    [ "${#left[@]}" -le "$SHOWN_LINES" ] && [ "${#right[@]}" -le "$SHOWN_LINES" ] \
        || echo "... and so on"
}

# What tcpdump -A prints, without TCP's options and the binary headers in front of the text.
readable() {
    LC_ALL=C awk '
        function flush() {
            if (head != "") print head
            if (match(text, /GET |HTTP\/1|<h1>/)) printf "%s", substr(text, RSTART)
            text = ""
        }
        /^IP6? / {
            flush()
            gsub(/, (win [0-9]+|options \[[^\]]*\]|cksum [^,]*)/, "")
            head = $0
            next
        }
        NF > 0 { text = text $0 "\n" }
        END { flush() }' "$1"
}

row() {
    printf '    %-46s %12s  %s\n' "$1" "$2" "${3-}"
}

# --- the two ways to feed it ---------------------------------------------------------------------

write_config() {
    local second=0

    [ "$(nproc)" -eq 1 ] || second=1 # both workers share it; one core is left to the others
    cat >"$LAB_TMP/demo.yaml" <<EOF
dataplane: {lcores: "0@0,1@$second,2@$second", queues: 2, eal: $(lab_eal mtdemo)}
ports:
  - {name: eth1, device: "$1"}
tunnels: {vxlan_ports: [4789], geneve_ports: [6081]}
sessions: {unknown: accept}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/demo.sock}
EOF
}

start_daemon() {
    lab_daemon_start demo "$LAB_TMP/demo.yaml"
}

delivered() {
    lab_ledger demo .outputs.tools.delivered
}

# tcpdump whose lines go to $LAB_TMP/NAME.txt, listening when this returns.
watch_interface() {
    local name=$1 interface=$2 listening=$LAB_TMP/$1.err

    shift 2
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.txt:$listening" \
        tcpdump -i "$interface" -l -nn -t --immediate-mode "$@"
    wait_for 'grep -q "listening on" "$listening"' 10 "tcpdump on $interface"
}

client_loop() {
    lab_spawn "$LAB_CLIENT" "$LAB_TMP/client.log" bash -c \
        "while :; do curl -sS -o /dev/null http://$LAB_WEB_IP/page; sleep $1; done"
}

show_live_table() {
    say "Live: mirrortap top (the client asks for a page of 40 kB again and again)"
    if [ -t 1 ]; then
        lab_ctl demo top --count 4 # refreshes in place, and leaves nothing on the screen
        lab_ctl demo top --once | cat
    else
        lab_ctl demo top --count 3
    fi
}

run_lab() {
    local left right client

    say "A lab: mt-client asks mt-web, all of mt-web's packets are mirrored to mt-target"
    lab_up
    mkdir "$LAB_TMP/www"
    head -c 30000 /dev/urandom | base64 >"$LAB_TMP/www/page"
    lab_web_up
    write_config "$(lab_af_packet t0 1)"
    start_daemon
    lab_mirror_up
    cat <<EOF
    client $LAB_CLIENT_IP -> web $LAB_WEB_IP, mirrored with tc into VXLAN $LAB_VNI
    from $LAB_SOURCE_IP to $LAB_TARGET_IP, where mirrortapd polls it and writes to mirror0
EOF

    watch_interface arrives t0
    left=$LAB_PID
    watch_interface delivered mirror0 -A tcp port 80
    right=$LAB_PID
    lab_get >/dev/null
    wait_for 'lab_all_delivered' 10 "the first exchange is delivered"
    wait_for 'grep -q Hello "$LAB_TMP/delivered.txt"' 10 "tcpdump shows the answer"
    lab_stop "$left"
    lab_stop "$right"
    readable "$LAB_TMP/arrives.txt" >"$LAB_TMP/left.txt"
    readable "$LAB_TMP/delivered.txt" >"$LAB_TMP/right.txt"
    say "One request: what arrives, and what any tool sees"
    side_by_side "tcpdump -i t0" "$LAB_TMP/left.txt" \
        "tcpdump -A -i mirror0 tcp port 80" "$LAB_TMP/right.txt"

    client_loop 0.01
    client=$LAB_PID
    show_live_table
    lab_stop "$client"
    mirrored=-1
    wait_for 'lab_quiet && lab_all_delivered' 15 "every mirrored packet is delivered"
}

# No packet more since the last look.
lab_quiet() {
    local before=$mirrored

    sleep 0.2
    mirrored=$(lab_mirrored)
    [ "$mirrored" = "$before" ]
}

lab_all_delivered() {
    local out in

    out=$(delivered)
    in=$(lab_mirrored)
    [ "$out" -ge "$in" ]
}

run_capture() {
    local right

    [ -r "$capture" ] || lab_die "cannot read $capture"
    capture=$(realpath "$capture")
    # Before anything is set up: what comes out, by the same packet code, offline.
    "$LAB_BUILD/mirrortap" decap "$capture" --verdicts "$LAB_TMP/verdicts.tsv" \
        2>"$LAB_TMP/decap.txt" || lab_die "$(tail -n 1 "$LAB_TMP/decap.txt")"
    mirrored=$(tail -n +2 "$LAB_TMP/verdicts.tsv" | wc -l)
    expected=$(cut -f2 "$LAB_TMP/verdicts.tsv" | grep -cx accepted || :)

    say "Replaying $capture: $mirrored frames"
    lab_target_only
    # Here before the daemon, which takes it over, so that tcpdump misses nothing.
    ip -n "$LAB_TARGET" tuntap add mirror0 mode tap multi_queue
    ip -n "$LAB_TARGET" link set mirror0 up
    watch_interface delivered mirror0
    right=$LAB_PID
    write_config "net_pcap0,rx_pcap=$capture"
    start_daemon
    wait_for '[ "$(lab_ledger demo .received)" -ge "$mirrored" ]' 60 "the capture is replayed"
    wait_for '[ "$(delivered)" -ge "$expected" ]' 10 "all is delivered"
    lab_stop "$right"
    tcpdump -nn -t -r "$capture" >"$LAB_TMP/arrives.txt" 2>/dev/null
    side_by_side "tcpdump -r ${capture##*/}" "$LAB_TMP/arrives.txt" \
        "tcpdump -i mirror0" "$LAB_TMP/delivered.txt"
    say "Ledger: mirrortap ledger"
    lab_ctl demo ledger
}

# --- the end -------------------------------------------------------------------------------------

# summary LEDGER: the numbers, and the verdict on them as exit code.
summary() {
    local ledger=$1 name count good=1
    local received accepted delivered

    received=$(jq .received "$ledger")
    accepted=$(jq .accepted "$ledger")
    delivered=$(jq .outputs.tools.delivered "$ledger")
    say "Summary"
    if [ -z "$capture" ]; then
        row "mirrored (tc mirred, both directions)" "$mirrored"
        row "sent to the target in VXLAN" "$(lab_sent)"
    else
        row "frames in the capture" "$mirrored"
    fi
    row "received by mirrortapd" "$received"
    row "decapsulated (accepted)" "$accepted" \
        "${capture:+offline, by mirrortap decap: $expected}"
    row "not mirror traffic (host)" "$(jq .host "$ledger")"
    row "delivered to mirror0" "$delivered"
    while read -r name count; do
        row "dropped: $name" "$count"
    done < <(jq -r '(.drops, .outputs[].drops) | to_entries[] | select(.value > 0)
        | "\(.key) \(.value)"' "$ledger")
    jq -e '[.drops[], .outputs[].drops[]] | add // 0 == 0' "$ledger" >/dev/null \
        && row "dropped" 0
    if jq -e "$LAB_LEDGER_BALANCED" "$ledger" >/dev/null; then
        row "ledger" balanced "received = host + accepted + in flight + drops"
    else
        row "ledger" "NOT BALANCED"
        good=
    fi
    [ "$received" = "$mirrored" ] && [ "$accepted" = "${expected:-$mirrored}" ] \
        && [ "$delivered" = "$accepted" ] || good=
    if [ -n "$good" ]; then
        say "Every mirrored frame was delivered."
    else
        say "FAILED: the numbers above must agree."
        return 1
    fi
}

stay() {
    local in_target="sudo ip netns exec $LAB_TARGET"
    local ctl="sudo $LAB_BUILD/mirrortap --socket $LAB_TMP/demo.sock"

    client_loop 0.5
    trap 'exit 0' INT # before anyone is told of it
    cat <<EOF

It stays until Ctrl-C, and the client goes on asking. In another terminal, try:
    $in_target tcpdump -nn -A -i mirror0 tcp port 80
    $in_target tcpdump -nn -i t0                       # the same packets as they arrive
    $ctl top
    $ctl ledger
    $ctl queues
    sudo ip netns exec $LAB_CLIENT curl http://$LAB_WEB_IP/
    $in_target ip link del mirror0                     # and look at: mirrortap outputs
The configuration is $LAB_TMP/demo.yaml. Ctrl-C here ends everything and cleans up.
EOF
    # shellcheck disable=SC2154 # set by lab_daemon_start
    while lab_running "$LAB_DAEMON_demo"; do
        sleep 0.5
    done
    lab_die "mirrortapd has ended: $(tail -n 3 "$LAB_TMP/demo.err")"
}

# --- the beginning -------------------------------------------------------------------------------

lab_begin
say "Packages and build"
deps_install "${DEPS_BUILD[@]}" "${DEPS_DEMO[@]}"
build "$LAB_BUILD"
echo "    $LAB_BUILD is up to date"
lab_hugepages_up "$HUGEPAGES_MIB"

expected=
if [ -n "$capture" ]; then run_capture; else run_lab; fi

if [ -n "$keep" ]; then
    lab_ctl demo ledger --json >"$LAB_TMP/now.json"
    summary "$LAB_TMP/now.json"
    stay
fi
lab_daemon_stop demo
summary "$LAB_TMP/demo.ledger"
