#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# libpcap's interface on ring outputs: a small program asks for what it promises
# (tests/consumer/pcap_api.c); what is said where there is nothing to open; and other devices, which
# go to libpcap as ever.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin pcap-api
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
API=$LAB_BUILD/tests/consumer/pcap_api
PREFIX=mt-pcap-api
"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 6

# run COMMAND...: with rings for it to see, in the target's namespace.
run() {
    ip netns exec "$LAB_TARGET" timeout 60 \
        "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- "$@"
}

# refused DEVICE PATTERN: it can't be opened, and the reason is said.
refused() {
    run "$API" refused "$1" >"$LAB_TMP/refused.txt"
    grep -Eq -- "$2" "$LAB_TMP/refused.txt" || lab_die "$1: $(cat "$LAB_TMP/refused.txt")"
}

# --- no daemon ---
refused mirrortap:ids 'ids.ring is not there: mirrortapd is not running.*there are: none'
refused mirrortap: 'names no output.*mirrortap:OUTPUT@QUEUE'
refused mirrortap:ids@x 'is no queue; allowed are 0 to 63, or any'
refused mirrortap:ids@64 'is no queue'
refused mirrortap:../ids 'names no output'
run "$API" list mirrortap:ids no
run "$API" others lo "$LAB_TMP/mirrored.pcap"

# --- options of mirrortap exec ---
status=0
"$LAB_BUILD/mirrortap" exec >/dev/null 2>&1 || status=$?
check "$status" -eq 2 "without a command"
status=0
"$LAB_BUILD/mirrortap" exec -- mt-no-such-program 2>"$LAB_TMP/none.txt" || status=$?
check "$status" -eq 1 "a program that is not there"
grep -q 'mt-no-such-program: No such file' "$LAB_TMP/none.txt" || lab_die "$(cat "$LAB_TMP/none.txt")"
status=0
"$LAB_BUILD/mirrortap" exec sh -c 'exit 7' || status=$?
check "$status" -eq 7 "the command's own exit status"
check "$(LD_PRELOAD=libc.so.6 "$LAB_BUILD/mirrortap" exec -- sh -c 'echo "$LD_PRELOAD"')" \
    = "$LAB_BUILD/lib/pcap/libmirrortap-pcap.so:libc.so.6" "what is preloaded"
check "$("$LAB_BUILD/mirrortap" exec --file-prefix mt-x -- sh -c 'echo "$MIRRORTAP_FILE_PREFIX"')" \
    = mt-x "the file prefix"

# --- a daemon: every ring keeps what comes ---
start() {
    cat >"$LAB_TMP/d.yaml" <<YAML
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: settings, type: ring, when_absent: keep}
  - {name: reading, type: ring, when_absent: keep}
  - {name: breaking, type: ring, when_absent: keep, mode: copy}
  - {name: polling, type: ring, when_absent: keep}
  - {name: queues, type: ring, when_absent: keep}
  - {name: restart, type: ring}
  - {name: slow, type: ring, length: 64}
  - {name: tap, type: tap, interface: pcapapi0}
http: {control_socket: $LAB_TMP/d.sock}
YAML
    lab_daemon_start d "$LAB_TMP/d.yaml"
}

# send: 600 frames more.
send() {
    local before

    before=$(lab_ledger d .accepted)
    ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 10000 --times 1 >/dev/null
    wait_for "[ \$(lab_ledger d .accepted) -eq $((before + 600)) ]" 10 "600 more accepted"
}

start
send
run "$API" list mirrortap:reading yes
# What a daemon that was killed leaves behind is no device.
"$LAB_PYTHON" -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(sys.argv[1])' \
    /run/mirrortap/$PREFIX.stale.ring
lab_on_exit "rm -f /run/mirrortap/$PREFIX.stale.ring"
run "$API" list mirrortap:stale no
run "$API" list mirrortap:tap no
run "$API" settings mirrortap:settings
run "$API" reading mirrortap:reading 600
run "$API" breaking mirrortap:breaking 600
run "$API" queues mirrortap:queues 600
refused mirrortap:nope 'nope.ring is not there.*there are: mirrortap:breaking, mirrortap:polling, '
refused mirrortap:reading@7 'queues 0 to 1, no queue 7'
run "$API" others lo "$LAB_TMP/mirrored.pcap"

lab_spawn "$LAB_TARGET" "$LAB_TMP/polling.log" \
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- "$API" polling mirrortap:polling 600
POLLING=$LAB_PID
wait_for 'grep -q "^polled 600" "$LAB_TMP/polling.log"' 10 "all that waits is polled"
wait_for '[ "$(lab_ctl d outputs --json | jq "[.outputs[] | select(.name == \"polling\").queues[].consumer.state] | all(. == \"asleep\")")" = true ]' \
    10 "it sleeps"
send
wait_for '! lab_running $POLLING' 20 "it wakes, and polls all"
wait "$POLLING" || lab_die "polling: $(tail -n 1 "$LAB_TMP/polling.log")"

# --- one that can't keep up: what the ring dropped, its statistics say ---
lab_spawn "$LAB_TARGET" "$LAB_TMP/slow.log" \
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- tcpdump -ni mirrortap:slow -w /dev/null
SLOW=$LAB_PID
wait_for 'grep -q "listening on" "$LAB_TMP/slow.log"' 10 "it listens"
kill -STOP "$SLOW"
send
kill -CONT "$SLOW"
wait_for '[ "$(lab_ledger d .outputs.slow.in_flight)" -eq 0 ]' 10 "it goes on"
dropped=$(lab_ledger d .outputs.slow.drops.full)
check "$dropped" -gt 0 "dropped by a full ring"
# Counters in the ring are up to 0.1 s old; nothing else says when they are new.
sleep 0.3
lab_stop "$SLOW"
grep -q "^$dropped packets dropped by kernel" "$LAB_TMP/slow.log" || lab_die "$dropped, but: $(cat "$LAB_TMP/slow.log")"
grep -q "^600 packets received by filter" "$LAB_TMP/slow.log" || lab_die "$(cat "$LAB_TMP/slow.log")"

# --- who may not ---
status=0
setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null || status=$?
if [ "$status" = 0 ]; then
    open=$(mktemp -d /tmp/mt-open.XXXXXX)
    lab_on_exit 'rm -rf "$open"'
    cp "$API" "$LAB_BUILD/lib/pcap/libmirrortap-pcap.so" "$open"
    chmod -R a+rX "$open"
    LD_PRELOAD=$open/libmirrortap-pcap.so MIRRORTAP_FILE_PREFIX=$PREFIX \
        setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$open/pcap_api" refused mirrortap:reading >"$LAB_TMP/refused.txt"
    grep -q 'no permission for .*outputs\[\].group' "$LAB_TMP/refused.txt" || lab_die "$(cat "$LAB_TMP/refused.txt")"
fi

# --- the daemon ends, and comes back ---
mkfifo "$LAB_TMP/go"
exec {GO}<>"$LAB_TMP/go"
ip netns exec "$LAB_TARGET" "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- \
    "$API" restart mirrortap:restart <"$LAB_TMP/go" >"$LAB_TMP/restart.log" 2>&1 &
RESTART=$!
wait_for 'grep -q reading "$LAB_TMP/restart.log"' 10 "it reads"
send
lab_daemon_stop d
wait_for 'grep -q ended "$LAB_TMP/restart.log"' 10 "it is told of the end"
run "$API" list mirrortap:restart no
start
echo go >&"$GO"
wait_for '[ "$(lab_ctl d outputs --json | jq "[.outputs[] | select(.name == \"restart\").queues[].consumer.attached] | all")" = true ]' \
    10 "it is attached again"
send
wait "$RESTART" || lab_die "restart: $(tail -n 1 "$LAB_TMP/restart.log")"
lab_daemon_stop d
