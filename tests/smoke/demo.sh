#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# app/demo.sh does its job, twice in a row, and with a capture; and however it ends, nothing stays
# behind: no process, namespace, interface, file or hugepage setting.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin demotest
unset MT_HUGEPAGES_HELD # the demo shall care for hugepages itself, also under tests/run.sh
DEMO=$LAB_ROOT/app/demo.sh

# What a demo could leave behind, a line each.
machine() {
    {
        ip netns list | grep -E '^mt-(client|web|target)( |$)'
        ip -br link | cut -d' ' -f1 | sed 's/@.*/ (interface)/'
        echo "hugepages: $(lab_nr_hugepages)"
        grep hugetlbfs /proc/mounts
        compgen -G '/run/dpdk/mtdemo*'
        compgen -G '/run/mt-lab/lab'
        compgen -G '/dev/hugepages/mtdemo*'
        compgen -G '/tmp/mt-lab.*'
    } | sort
}

# Process ids of the demo that runs, this shell and its children aside.
demo_processes() {
    local environ pid

    for environ in /proc/[0-9]*/environ; do
        pid=${environ#/proc/}
        pid=${pid%/environ}
        tr '\0' '\n' 2>/dev/null <"$environ" | grep -qx "MT_DEMO_RUN=$1" && echo "$pid" || :
    done
}

before=$(machine)

nothing_left() {
    local new

    wait_for "[ -z \"\$(demo_processes $1)\" ]" 5 "no process is left behind by: $2"
    new=$(comm -13 <(echo "$before") <(machine))
    [ -z "$new" ] || lab_die "left behind by: $2: $new"
}

# start NAME ARGUMENTS...: the demo in a session of its own, as a terminal gives it. Sets `group`;
# the output is in $LAB_TMP/NAME.log.
start() {
    local name=$1

    shift
    MT_DEMO_RUN=$name setsid env --default-signal=INT "$DEMO" "$@" \
        >"$LAB_TMP/$name.log" 2>&1 </dev/null {LAB_LOCK}>&- &
    group=$!
    lab_adopt "$group"
}

# demo NAME ARGUMENTS...: must succeed.
demo() {
    local name=$1 status=0

    shift
    start "$name" "$@"
    wait "$group" || status=$?
    check "$status" -eq 0 "exit code of app/demo.sh $*"
    nothing_left "$name" "app/demo.sh $*"
}

demo first
for sight in 'VXLAN, flags [I] (0x08), vni 4321' 'GET / HTTP/1.1' 'HTTP/1.0 200 OK' \
    'Every mirrored frame was delivered' balanced; do
    grep -qF "$sight" "$LAB_TMP/first.log" || lab_die "the demo does not show: $sight"
done
# Side by side means on one line.
grep -q '| .*GET / HTTP/1.1' "$LAB_TMP/first.log" || lab_die "the request is not in a right column"
demo second
"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 200 --each 4
demo capture --pcap "$LAB_TMP/mirrored.pcap"

# interrupted NAME MARK SIGNAL ARGUMENTS...: SIGNAL to the process group, as Ctrl-C gives it, when
# MARK has been printed.
interrupted() {
    local name=$1 mark=$2 signal=$3 status=0

    shift 3
    start "$name" "$@"
    wait_for "grep -qF '$mark' '$LAB_TMP/$name.log' || ! kill -0 $group" 90 "the demo prints: $mark"
    kill "-$signal" -- "-$group" || lab_die "the demo had ended before it printed: $mark"
    wait "$group" || status=$?
    nothing_left "$name" "app/demo.sh $*, SIG$signal after '$mark'"
    # 130 or 143, but bash 5.2 may end with 2 when a trap meets a $(...).
    check "$status" "$EXPECTED" 0 "exit code of app/demo.sh $* after SIG$signal"
}

EXPECTED=-ne interrupted building 'Packages and build' INT
EXPECTED=-ne interrupted lab 'A lab:' INT
EXPECTED=-ne interrupted table 'Live:' INT
EXPECTED=-ne interrupted ended 'One request' TERM
EXPECTED=-eq interrupted keep 'It stays until Ctrl-C' INT --keep

# An error in the middle leaves nothing either.
status=0
start error --pcap "$LAB_ROOT/LICENSE"
wait "$group" || status=$?
check "$status" -eq 1 "exit code for a capture that is none"
nothing_left error "app/demo.sh --pcap LICENSE"

# Nor does a daemon that is killed, which can't clean up itself; and the last line says what it was.
daemon() {
    local pid

    for pid in $(demo_processes crash); do
        [ "$(cat "/proc/$pid/comm")" != mirrortapd ] || echo "$pid"
    done
}
status=0
start crash
wait_for "grep -qF Live: '$LAB_TMP/crash.log'" 90 "the demo shows its live table"
pid=$(daemon)
[ -n "$pid" ] || lab_die "the demo runs no mirrortapd"
kill -KILL "$pid"
wait "$group" || status=$?
check "$status" -eq 1 "exit code where mirrortapd was killed"
tail -n 1 "$LAB_TMP/crash.log" | grep -q 'mirrortapd (demo.yaml) had ended by itself' \
    || lab_die "the reason is not the last line: $(tail -n 1 "$LAB_TMP/crash.log")"
nothing_left crash "app/demo.sh whose mirrortapd was killed"
