#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The daemon's beginnings and ends: --check, bad configurations, SIGTERM and SIGINT, a second
# instance, 256 MiB of hugepages, no hugepages at all; and it leaves nothing behind.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin lifecycle
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py
PREFIX=mt-lifecycle

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 4

# config NAME [EAL]: a good configuration, $LAB_TMP/NAME.yaml.
config() {
    cat >"$LAB_TMP/$1.yaml" <<EOF
dataplane:
  lcores: "0@0,1@1"
  queues: 2
  eal: ${2:-$(lab_eal $PREFIX)}
ports:
  - name: mirror
    device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"
outputs:
  - name: tools
    type: tap
    interface: mirror0
http:
  control_socket: $LAB_TMP/$1.sock
EOF
}

nothing_left() {
    local name=$1

    [ ! -e "$LAB_TMP/$name.sock" ] || lab_die "$name: control socket left behind"
    [ ! -e "/run/dpdk/$PREFIX" ] || lab_die "$name: /run/dpdk/$PREFIX left behind"
    # shellcheck disable=SC2144 # one file at most is looked for
    ! compgen -G "/dev/hugepages/$PREFIX*" >/dev/null || lab_die "$name: hugepages left behind"
    ! ip -n "$LAB_TARGET" link show mirror0 >/dev/null 2>&1 || lab_die "$name: mirror0 left behind"
}

# --- --check ---
config good
ip netns exec "$LAB_TARGET" "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/good.yaml" --check \
    >"$LAB_TMP/plan.log" 2>&1 || lab_die "--check refuses a good configuration"
for word in core queue memory; do
    grep -qi "$word" "$LAB_TMP/plan.log" || lab_die "--check's plan does not show: $word"
done
nothing_left check

# bad LINE WORD SED: a change to the good configuration must be refused, at that line, saying so.
bad() {
    local line=$1 word=$2 mode status

    sed "$3" "$LAB_TMP/good.yaml" >"$LAB_TMP/bad.yaml"
    for mode in --check ""; do
        status=0
        # shellcheck disable=SC2086 # no argument where mode is empty
        ip netns exec "$LAB_TARGET" timeout 10 "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/bad.yaml" $mode \
            >"$LAB_TMP/bad.log" 2>&1 || status=$?
        check "$status" -eq 1 "exit code for $3 $mode"
        grep -qF "$LAB_TMP/bad.yaml:$line: " "$LAB_TMP/bad.log" \
            || lab_die "no 'FILE:$line: ' for $3 $mode: $(cat "$LAB_TMP/bad.log")"
        grep -F "$LAB_TMP/bad.yaml:$line: " "$LAB_TMP/bad.log" | grep -qi -- "$word" \
            || lab_die "'$word' is not named for $3 $mode: $(cat "$LAB_TMP/bad.log")"
        nothing_left "bad configuration"
    done
}

bad 3 64 's/queues: 2/queues: 65/'
bad 3 queues 's/queues: 2/queues: none/'
bad 3 quues 's/queues:/quues:/'
bad 2 lcore 's/"0@0,1@1"/"0@0,1@99"/'
bad 10 tapp 's/type: tap/type: tapp/'
bad 11 'pcapng' 's/type: tap/type: pcapng/'
bad 8 outputs 's/^outputs:/outptus:/'
bad 14 16777215 '$a sessions: {list: [{vni: 16777216, name: one}]}'
bad 14 'allowed' '$a filters: [{name: one, rules: [{number: 10, action: maybe}]}]'
bad 14 65535 '$a tunnels: {vxlan_ports: [4789, 70000]}'

status=0
"$LAB_BUILD/mirrortapd" -c "$LAB_TMP/absent.yaml" --check >"$LAB_TMP/absent.log" 2>&1 || status=$?
check "$status" -eq 1 "exit code for an absent file"
grep -qF "$LAB_TMP/absent.yaml" "$LAB_TMP/absent.log" || lab_die "absent file is not named"

status=0
"$LAB_BUILD/mirrortapd" --no-such-option >"$LAB_TMP/usage.log" 2>&1 || status=$?
check "$status" -eq 2 "exit code for wrong usage"

# --- SIGTERM and SIGINT ---
for signal in TERM INT; do
    lab_daemon_start good "$LAB_TMP/good.yaml"
    wait_for '[ "$(lab_ledger good .outputs.tools.delivered)" -ge 400 ]' 10 "400 delivered"
    lab_ctl good ledger >/dev/null || lab_die "mirrortap ledger says that it does not balance"
    lab_daemon_stop good "$signal"
    check "$(jq .received "$LAB_TMP/good.ledger")" -eq 400 "received, SIG$signal"
    check "$(jq .in_flight "$LAB_TMP/good.ledger")" -eq 0 "in flight at the end, SIG$signal"
    nothing_left "SIG$signal"
done
status=0
lab_ctl good status >"$LAB_TMP/gone.log" 2>&1 || status=$?
check "$status" -eq 1 "exit code of mirrortap status without a daemon"

# SIGTERM in the middle of a flood: drained, balanced, nothing in flight.
sed 's/mirrored.pcap/&,infinite_rx=1/' "$LAB_TMP/good.yaml" >"$LAB_TMP/flood.yaml"
lab_daemon_start good "$LAB_TMP/flood.yaml"
wait_for '[ "$(lab_ledger good .received)" -ge 100000 ]' 10 "100,000 received"
lab_daemon_stop good
check "$(jq .in_flight "$LAB_TMP/good.ledger")" -eq 0 "in flight after a flood"
check "$(jq .accepted "$LAB_TMP/good.ledger")" -eq "$(jq .outputs.tools.offered \
    "$LAB_TMP/good.ledger")" "offered to the output after a flood"
nothing_left flood

# --- two instances ---

# refused WORD SED: a second daemon, whose configuration differs from the first one's by SED, ends
# with an error that says WORD, and the first one does not notice.
refused() {
    # shellcheck disable=SC2154 # set by lab_daemon_start
    local word=$1 status=0 first=$LAB_DAEMON_good

    sed "$2" "$LAB_TMP/good.yaml" >"$LAB_TMP/second.yaml"
    ip netns exec "$LAB_TARGET" timeout 20 "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/second.yaml" \
        >"$LAB_TMP/second.log" 2>&1 || status=$?
    check "$status" -eq 1 "exit code of the second instance ($2)"
    grep -qF -- "$word" "$LAB_TMP/second.log" \
        || lab_die "the second instance does not name $word: $(cat "$LAB_TMP/second.log")"
    lab_running "$first" || lab_die "the second instance has ended the first one ($2)"
    lab_ctl good ledger >/dev/null || lab_die "the first one is not in order ($2)"
    [ -e "/run/dpdk/$PREFIX" ] || lab_die "the second instance has removed the first one's files"
}

lab_daemon_start good "$LAB_TMP/good.yaml"
refused good.sock 's/mirror0/mirror1/; s/file-prefix=mt-lifecycle/&2/'
refused "$PREFIX" 's/mirror0/mirror1/; s/good.sock/second.sock/'
lab_daemon_stop good
nothing_left "second instance"

# --- a start that fails half way ---
ip -n "$LAB_TARGET" link add mirror0 type veth peer name obstacle
status=0
ip netns exec "$LAB_TARGET" timeout 20 "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/good.yaml" \
    >"$LAB_TMP/taken.log" 2>&1 || status=$?
check "$status" -eq 1 "exit code where the interface's name is taken"
grep -q 'mirror0' "$LAB_TMP/taken.log" || lab_die "the interface that is taken is not named"
ip -n "$LAB_TARGET" link delete mirror0
nothing_left "failed start"

# --- one that was killed is no hindrance to the next ---
lab_daemon_start good "$LAB_TMP/good.yaml"
kill -KILL "$LAB_DAEMON_good"
wait "$LAB_DAEMON_good" 2>/dev/null || :
[ -e "$LAB_TMP/good.sock" ] || lab_die "no stale socket to test with"
lab_daemon_start good "$LAB_TMP/good.yaml"
lab_daemon_stop good
nothing_left "killed daemon"

# --- memory ---
lab_hugepages_exactly 256
config small
lab_daemon_start small "$LAB_TMP/small.yaml"
wait_for '[ "$(lab_ledger small .outputs.tools.delivered)" -ge 400 ]' 10 "400 delivered"
lab_daemon_stop small
nothing_left "256 MiB"

config nohuge "[\"--no-huge\", \"--no-pci\", \"--file-prefix=$PREFIX\"]"
lab_daemon_start nohuge "$LAB_TMP/nohuge.yaml"
wait_for '[ "$(lab_ledger nohuge .outputs.tools.delivered)" -ge 400 ]' 10 "400 delivered"
lab_daemon_stop nohuge
grep -qi 'no-huge\|without hugepages' "$LAB_TMP/nohuge.err" || lab_die "--no-huge without a warning"
nothing_left "--no-huge"
