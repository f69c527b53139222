#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device asks to be reset, is unplugged and comes back, its link changes: the workers leave it and
# return, the other port goes on, the ledger balances. Events are raised on demand, in the build
# with -Dtest_events=true, which tests/run.sh makes with sanitizers.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
LAB_BUILD=${LAB_BUILD_EVENTS:-$LAB_ROOT/build-asan}
[ -x "$LAB_BUILD/mirrortapd" ] || lab_skip "no $LAB_BUILD: built by tests/run.sh without --no-asan"
lab_begin events
lab_hugepages_up 256
lab_target_only

"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 6
cat >"$LAB_TMP/daemon.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-events)}
ports:
  - {name: first, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
  - {name: second, device: "net_null1,size=64"}
http: {control_socket: $LAB_TMP/daemon.sock}
EOF
lab_daemon_start daemon "$LAB_TMP/daemon.yaml" MIRRORTAP_TEST_EVENTS="$LAB_TMP/events" \
    ASAN_OPTIONS=detect_leaks=0
grep -q test_events "$LAB_BUILD/meson-info/intro-buildoptions.json"

port() { # PLACE FIELD
    lab_ctl daemon ports --json | jq ".ports[$1].$2"
}

log_count() {
    grep -c -- "$1" "$LAB_TMP/daemon.err" || :
}

# event WORD PLACE LINE: raises it and waits for what the log says when all is well again; then both
# ports receive, and the ledger balances.
event() {
    local word=$1 place=$2 line=$3 before other=$((1 - $2)) seen a b

    seen=$(log_count "$line")
    before=$(port "$other" packets)
    echo "$word $place" >"$LAB_TMP/events.new"
    mv "$LAB_TMP/events.new" "$LAB_TMP/events"
    wait_for "[ \$(log_count '$line') -gt $seen ]" 15 "$word of port $place: $line"
    a=$(port 0 packets)
    b=$(port 1 packets)
    check "$([ "$other" = 0 ] && echo "$a" || echo "$b")" -gt "$before" "the other port went on"
    wait_for "[ \$(port 0 packets) -gt $a ] && [ \$(port 1 packets) -gt $b ]" 10 \
        "both ports receive after $word"
    lab_ctl daemon ledger --json >"$LAB_TMP/live.ledger"
    lab_check_ledger "$LAB_TMP/live.ledger"
}

wait_for '[ "$(port 0 packets)" -gt 0 ] && [ "$(port 1 packets)" -gt 0 ]' 10 "both ports receive"
event reset 1 'port second: was reset and is back'
event reset 0 'port first: .*is back' # net_pcap loses its file with a reset: found again
event remove 1 'port second: .*is back'
event remove 0 'port first: .*is back'
event link 0 'port first: link is up'
lab_daemon_stop daemon
check "$(jq .in_flight "$LAB_TMP/daemon.ledger")" -eq 0 "in flight at the end"
