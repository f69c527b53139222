#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# app/demo.sh does its job, twice in a row, and with a capture; and however it ends, nothing stays
# behind: no process, namespace, interface, file or hugepage setting.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin demotest
unset MT_HUGEPAGES_HELD # the demo shall care for hugepages itself, also under tests/run.sh
DEMO=$LAB_ROOT/app/demo.sh

# What a demo could leave behind, as text.
machine() {
    ip netns list | grep -E '^mt-(client|web|target)( |$)' || :
    ip -br link | cut -d' ' -f1 | sed 's/@.*//' | grep -vE '^(lo|eth|ifb)' || :
    lab_nr_hugepages
    grep -c hugetlbfs /proc/mounts || :
    compgen -G '/run/dpdk/mtdemo*' || :
    compgen -G '/run/mt-lab/lab' || :
    compgen -G '/dev/hugepages/mtdemo*' || :
    compgen -G '/tmp/mt-lab.*' || :
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
    local after

    wait_for "[ -z \"\$(demo_processes $1)\" ]" 5 "no process is left behind by: $2"
    after=$(machine)
    [ "$before" = "$after" ] || lab_die "left behind by: $2
$(diff <(echo "$before") <(echo "$after"))"
}

# demo NAME ARGUMENTS...: must succeed; its output is in $LAB_TMP/NAME.log.
demo() {
    local name=$1

    shift
    MT_DEMO_RUN=$name timeout 120 "$DEMO" "$@" >"$LAB_TMP/$name.log" 2>&1 </dev/null \
        || lab_die "app/demo.sh $* exited with $?"
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
    local name=$1 mark=$2 signal=$3 group status=0

    shift 3
    MT_DEMO_RUN=$name setsid env --default-signal=INT "$DEMO" "$@" \
        >"$LAB_TMP/$name.log" 2>&1 </dev/null &
    group=$!
    wait_for "grep -qF '$mark' '$LAB_TMP/$name.log' || ! kill -0 $group" 90 "the demo prints: $mark"
    kill "-$signal" -- "-$group" || lab_die "the demo had ended before it printed: $mark"
    wait "$group" || status=$?
    nothing_left "$name" "app/demo.sh $*, SIG$signal after '$mark'"
    check "$status" -eq "$EXPECTED" "exit code of app/demo.sh $* after SIG$signal"
}

EXPECTED=130 interrupted building 'Packages and build' INT
EXPECTED=130 interrupted lab 'A lab:' INT
EXPECTED=130 interrupted table 'Live:' INT
EXPECTED=143 interrupted ended 'One request' TERM
EXPECTED=0 interrupted keep 'It stays until Ctrl-C' INT --keep

# An error in the middle leaves nothing either.
status=0
MT_DEMO_RUN=error "$DEMO" --pcap "$LAB_ROOT/LICENSE" >"$LAB_TMP/error.log" 2>&1 || status=$?
check "$status" -ne 0 "exit code for a capture that is none"
nothing_left error "app/demo.sh --pcap LICENSE"
