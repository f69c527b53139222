#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Consumers of ring outputs that come, crash and go, under load: whatever one of them does, another
# output loses nothing, the ledger balances, and every buffer comes back. Who may attach, and what
# one is told that may not.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin consumer
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
ABUSE=$LAB_ROOT/tests/lib/ring_abuse.py
PREFIX=mt-consumer
SOCKETS=/run/mirrortap
PPS=10000
ATTACHES=${ATTACHES:-1000} # that come and go
for program in c99 cplusplus; do
    [ ! -x "$LAB_BUILD/tests/consumer/$program" ] || "$LAB_BUILD/tests/consumer/$program" >/dev/null \
        || lab_die "$program"
done
# The example of the documents is a program, and a short one.
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$LAB_ROOT/docs/consumers.md" \
    >"$LAB_TMP/example.c"
check "$(wc -l <"$LAB_TMP/example.c")" -lt 40 "lines of the example"
cc -std=c99 -Wall -Wextra -Werror -pedantic "$LAB_TMP/example.c" -o "$LAB_TMP/example" \
    -I"$LAB_ROOT/lib/consumer" -L"$LAB_BUILD/lib/consumer" -lmirrortap-consumer
getent group games >/dev/null || lab_die "no group to test with"

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 500 --each 6
cat >"$LAB_TMP/d.yaml" <<YAML
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: victim, type: ring, length: 1024}
  - {name: copied, type: ring, length: 256, mode: copy, snap: 128, group: games}
  - {name: fresh, type: ring, length: 64, when_full: drop_old}
  - {name: other, type: port, device: "net_null0,copy=1"}
http: {control_socket: $LAB_TMP/d.sock}
YAML
lab_daemon_start d "$LAB_TMP/d.yaml"
DAEMON=$LAB_PID

consume() {
    "$LAB_BUILD/tests/consumer/consume" -p $PREFIX "$@"
}

# ring OUTPUT EXPRESSION: something of an output in `mirrortap outputs --json`.
ring() {
    lab_ctl d outputs --json | jq -r ".outputs[] | select(.name == \"$1\") | $2"
}

drops() {
    lab_ledger d ".outputs.$1.drops.$2"
}

in_use() {
    lab_ctl d ports --json | jq '.ports[0].pool.in_use'
}

# All is well with everyone but the victim: asked for after each fault.
others_are_well() {
    lab_running "$DAEMON" || lab_die "the daemon has ended: $1"
    lab_ctl d ledger --json >"$LAB_TMP/look.json"
    lab_check_ledger "$LAB_TMP/look.json"
    check "$(jq '[.outputs.other.drops[]] | add' "$LAB_TMP/look.json")" -eq 0 "dropped by other, $1"
    check "$(jq '[.drops[]] | add' "$LAB_TMP/look.json")" -eq 0 "dropped before the outputs, $1"
    check "$(lab_ctl d ports --json | jq '.ports[0] | .imissed + .rx_nombuf')" -eq 0 "missed, $1"
}

# What OUTPUT's consumers held is back.
all_back() {
    wait_for "[ \"\$(ring $1 '[.queues[] | .in_flight + .consumer.borrowed] | add')\" -eq 0 ]" 5 \
        "what consumers of $1 held comes back"
    wait_for "[ \"\$(ring $1 '[.queues[].consumer | select(.attached)] | length')\" -eq 0 ]" 5 \
        "no consumer of $1"
}

# spawn LOG ARGUMENTS...: a consumer in the background, attached when this returns.
spawn() {
    local log=$1

    shift
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$log.log:$LAB_TMP/$log.err" \
        "$LAB_BUILD/tests/consumer/consume" -p $PREFIX "$@"
    wait_for "grep -q attached '$LAB_TMP/$log.log'" 20 "$log attaches"
}

# killed PID: SIGKILL, and waited for.
killed() {
    kill -KILL "$1"
    wait "$1" 2>/dev/null || :
}

lab_spawn "$LAB_WEB" "$LAB_TMP/send.log" \
    "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps $PPS --times 1000000
SENDER=$LAB_PID

# --- no consumer: the ring is not filled ---
wait_for '[ "$(drops victim consumer_absent)" -gt 1000 ]' 10 "drops as consumer_absent"
check "$(lab_ledger d .outputs.victim.in_flight)" -eq 0 "in flight without a consumer"
check "$(drops victim full)" -eq 0 "dropped as full without a consumer"
base=$(in_use)
others_are_well "no consumer"

# --- each way of waiting; nothing is lost while one reads ---
for way in busy nap fd; do
    consume -o victim -w $way -c 5000 >"$LAB_TMP/$way.log"
    tail -n 1 "$LAB_TMP/$way.log" >"$LAB_TMP/$way.json"
    check "$(jq .frames "$LAB_TMP/$way.json")" -eq 5000 "frames, waiting by $way"
    check "$(jq .backwards "$LAB_TMP/$way.json")" -eq 0 "frames out of order, waiting by $way"
done
check "$(drops victim full)" -eq 0 "dropped as full while someone reads"
all_back victim

# --- stopped by SIGSTOP while it holds frames: its own loss, and it goes on where it was ---
spawn stopped -o victim -H 100
wait_for '[ "$(ring victim "[.queues[].consumer.borrowed] | add")" -ge 200 ]' 5 "it holds frames"
kill -STOP "$LAB_PID"
wait_for '[ "$(drops victim full)" -gt 2000 ]' 10 "its ring is full"
wait_for '[ "$(ring victim "[.queues[].consumer | select(.state == \"stalled\")] | length")" -eq 2 ]' \
    5 "it is shown as stalled"
[[ $(lab_ctl d outputs) == *stalled* ]] || lab_die "mirrortap outputs does not say stalled"
check "$(in_use)" -le $((base + 2 * 1024 + 512)) "buffers in use: no more than its ring holds"
others_are_well "SIGSTOP"
kill -CONT "$LAB_PID"
full=$(drops victim full)
wait_for '[ "$(lab_ledger d .outputs.victim.in_flight)" -lt 200 ]' 5 "it catches up"
kill -STOP "$LAB_PID"
killed "$LAB_PID" # while it is stopped
all_back victim
others_are_well "SIGCONT"

# --- killed in the middle of a burst, which it holds ---
for ((i = 0; i < 20; i++)); do
    status=0
    consume -o victim -k -H 64 >"$LAB_TMP/killed.log" 2>&1 || status=$?
    check "$status" -eq 137 "killed in the middle of a burst"
done
all_back victim
others_are_well "SIGKILL"
check "$(ring victim '.queues[0].consumer.attaches')" -ge 24 "consumers that there were"

# --- killed at any moment, while it attaches above all ---
for ((i = 0; i < 40; i++)); do
    lab_spawn "$LAB_TARGET" "$LAB_TMP/moment.log" \
        "$LAB_BUILD/tests/consumer/consume" -p $PREFIX -o victim
    sleep "0.$((RANDOM % 20 + 10))" # the moment is what is tried, not awaited
    killed "$LAB_PID"
done
all_back victim
others_are_well "SIGKILL at any moment"

# --- attached and gone, without releasing anything ---
consume -o victim -a "$ATTACHES"
all_back victim
check "$(ring victim '.queues[0].consumer.attaches')" -ge "$ATTACHES" "attached and gone"
others_are_well "attached and gone"
for ((i = 0; i < 100; i++)); do # a process each
    consume -o copied -c 1 >/dev/null
done
all_back copied

# --- the samples ---
"$LAB_BUILD/mirrorflows" -p $PREFIX -o victim -i 1 -r 1 -n 3 >"$LAB_TMP/flows.txt"
check "$(wc -l <"$LAB_TMP/flows.txt")" -eq 6 "lines of mirrorflows: two of heading, three, an empty one"
grep -Eq ' 4321  (tcp|udp) [0-9a-f.:]+ [0-9]+ - ' "$LAB_TMP/flows.txt" || lab_die "$(cat "$LAB_TMP/flows.txt")"
timeout 30 "$LAB_BUILD/mirrordump" --socket "$LAB_TMP/d.sock" -o victim -c 100 >"$LAB_TMP/dump.txt"
check "$(wc -l <"$LAB_TMP/dump.txt")" -eq 100 "lines of mirrordump"

# --- one queue each; a taken one is refused in words; any other is had ---
spawn first -o victim -q 0
first=$LAB_PID
! consume -o victim -q 0 2>"$LAB_TMP/taken.txt" || lab_die "a queue was given twice"
grep -q "taken by process $first (consume)" "$LAB_TMP/taken.txt" || lab_die "$(cat "$LAB_TMP/taken.txt")"
! consume -o victim 2>"$LAB_TMP/taken.txt" || lab_die "all queues were given though one is taken"
spawn second -o victim -q -2
[ "$(ring victim '.queues[1].consumer.attached')" = true ] || lab_die "the other queue is not had"
! consume -o victim -q -2 2>"$LAB_TMP/taken.txt" || lab_die "a third queue of two"
grep -q "all 2 queues of output victim are taken" "$LAB_TMP/taken.txt" \
    || lab_die "$(cat "$LAB_TMP/taken.txt")"
! consume -o victim -q 7 2>"$LAB_TMP/none.txt" || lab_die "a queue that is not there"
grep -q "no queue 7" "$LAB_TMP/none.txt" || lab_die "$(cat "$LAB_TMP/none.txt")"
! consume -o nope 2>"$LAB_TMP/none.txt" || lab_die "an output that is not there"
grep -q "nope.ring is not there" "$LAB_TMP/none.txt" || lab_die "$(cat "$LAB_TMP/none.txt")"
lab_stop "$first"
lab_stop "$LAB_PID"
all_back victim

# --- who may: root; of the copied ring its group too; no one else ---
check "$(stat -c %a "$SOCKETS/$PREFIX.victim.ring")" -eq 600 "mode of the socket"
check "$(stat -c %a "$SOCKETS/$PREFIX.copied.ring")" -eq 660 "mode of the socket with a group"
[ "$(stat -c %G "$SOCKETS/$PREFIX.copied.ring")" = games ] || lab_die "its group"
as() { # USER-ID GROUP-ID ARGUMENTS...: from a copy, since the build may lie where others can't go
    local user=$1 group=$2

    shift 2
    (cd / && LD_LIBRARY_PATH=$open setpriv --reuid "$user" --regid "$group" --clear-groups \
        "$open/consume" -p $PREFIX "$@")
}
open=$(mktemp -d /tmp/mt-open.XXXXXX)
lab_on_exit 'rm -rf "$open"'
cp "$LAB_BUILD/tests/consumer/consume" "$LAB_BUILD"/lib/consumer/libmirrortap-consumer.so.0 "$open"
chmod -R a+rX "$open"
games=$(getent group games | cut -d: -f3)
for output in victim copied; do
    ! as 65534 65534 -o $output -c 1 2>"$LAB_TMP/may.txt" || lab_die "nobody may read $output"
    grep -q "no permission for .*run as root" "$LAB_TMP/may.txt" || lab_die "$(cat "$LAB_TMP/may.txt")"
done
as 65534 "$games" -o copied -c 500 >"$LAB_TMP/group.log" || lab_die "its group may not read copied"
check "$(tail -n 1 "$LAB_TMP/group.log" | jq .frames)" -eq 500 "frames read by the group"
check "$(tail -n 1 "$LAB_TMP/group.log" | jq '.bytes / .frames <= 128')" = true "bytes with snap 128"
! as 65534 "$games" -o victim -c 1 2>/dev/null || lab_die "that group may read another output"

# --- one that keeps to no rule ---
refused=$(ring copied .refused)
"$ABUSE" "$SOCKETS/$PREFIX.copied.ring" refused
check "$(ring copied .refused)" -ge $((refused + 7)) "refused"
for output in copied fresh; do
    lab_spawn "$LAB_TARGET" "$LAB_TMP/scribble-$output.log" \
        "$ABUSE" "$SOCKETS/$PREFIX.$output.ring" scribble 2
    wait_for "grep -q done '$LAB_TMP/scribble-$output.log'" 10 "nonsense is written"
    check "$(ring $output '[.queues[].consumer.misbehaved] | add')" -gt 0 "times that it was seen"
    all_back $output
    consume -o $output -c 1000 >/dev/null || lab_die "after the nonsense $output can't be read"
    others_are_well "nonsense in $output"
done

# --- drop_old: one that stood still gets what is newest ---
spawn fresh -o fresh -q 0 -w busy
kill -STOP "$LAB_PID"
before=$(drops fresh full)
wait_for '[ "$(drops fresh full)" -gt $((before + 1000)) ]' 10 "the oldest are dropped"
kill -CONT "$LAB_PID"
wait_for '[ "$(ring fresh ".queues[0].in_flight")" -lt 64 ]' 5 "it goes on"
lab_stop "$LAB_PID"
check "$(tail -n 1 "$LAB_TMP/fresh.log" | jq .backwards)" -eq 0 "frames out of order with drop_old"
all_back fresh
others_are_well drop_old

# --- the buffers are all back, and the end finds consumers attached, one of them stopped ---
spawn last -o victim -q 0
spawn halted -o victim -q 1
kill -STOP "$LAB_PID"
lab_stop "$SENDER"
wait_for '[ "$(in_use)" -le $((base + 1100)) ]' 10 "buffers in use as at the start"
begin=$SECONDS
lab_daemon_stop d
echo "ended with a stopped consumer in $((SECONDS - begin)) s"
wait_for 'tail -n 1 "$LAB_TMP/last.log" | jq -e .daemon_ended' 10 "its consumer is told of the end"
killed "$LAB_PID"
[ ! -e "$SOCKETS/$PREFIX.victim.ring" ] || lab_die "the socket is left"
jq -c '{received, accepted, outputs: (.outputs | map_values(.delivered))}' "$LAB_TMP/d.ledger"

# --- the same at full speed, with every core busy: frames that were received in one loop for ever ---
cat >"$LAB_TMP/d.yaml" <<YAML
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
outputs:
  - {name: victim, type: ring, length: 1024}
  - {name: fresh, type: ring, length: 1024, when_full: drop_old}
  - {name: copied, type: ring, length: 256, mode: copy, when_full: drop_old}
  - {name: other, type: port, device: "net_null0,copy=1"}
http: {control_socket: $LAB_TMP/d.sock}
YAML
lab_daemon_start d "$LAB_TMP/d.yaml"
DAEMON=$LAB_PID
base=$(in_use)
for output in victim fresh copied; do
    for ((i = 0; i < 5; i++)); do
        status=0
        consume -o $output -w busy -k -H $((i * 60)) >"$LAB_TMP/killed.log" 2>&1 || status=$?
        check "$status" -eq 137 "killed at full speed"
    done
    all_back $output
    spawn "halted-$output" -o $output -w busy
    kill -STOP "$LAB_PID"
    before=$(drops $output full)
    wait_for '[ "$(drops $output full)" -gt "$before" ]' 10 "its ring is full"
    kill -CONT "$LAB_PID"
    lab_stop "$LAB_PID"
    check "$(tail -n 1 "$LAB_TMP/halted-$output.log" | jq .backwards)" -eq 0 "frames out of order"
    consume -o $output -a 100
    all_back $output
    others_are_well "$output at full speed"
    check "$(in_use)" -le $((base + 512)) "buffers in use after $output"
done
lab_daemon_stop d
jq -c '{received, outputs: (.outputs | map_values(.delivered))}' "$LAB_TMP/d.ledger"
