#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many reloads under full load: sessions, filters and outputs come and go. The ledger balances after
# each, nothing grows (heap, hugepages, buffers, descriptors, threads), and no reload makes a worker
# wait. A thousand, compared with as long a time without, on a machine with nothing else to do whose
# kernel leaves a real-time worker alone meanwhile (given back at the end):
#
#     RELOADS=1000 QUIET_SECONDS=50 UNTHROTTLED=yes tests/smoke/reload_load.sh
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin reload-load
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/policy_frames.py
PREFIX=mt-reload-load
RELOADS=${RELOADS:-50}            # of each of the two loads
QUIET_SECONDS=${QUIET_SECONDS:-5} # of load without reloads
STALLED_SHARE=10 # percent of the reloads that may meet a slow loop: the machine's own doing

# AddressSanitizer keeps what is freed for a while, and finds what is lost by itself.
HEAP_MAY_GROW=1024 # kilobytes
! grep -q __asan_init "$LAB_BUILD/mirrortapd" || HEAP_MAY_GROW=262144

"$FRAMES" make "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.json"

# The configurations that take turns, each with other sessions, filters and outputs. `none` has no
# policy at all, so that frames begin and cease to say which outputs they go to.
sessions() { # sessions COUNT KEYS: COUNT sessions, and the three that have traffic
    local vni

    for vni in 100 101 102; do
        printf '    - {vni: %d, name: s%d%s}\n' "$vni" "$vni" "$2"
    done
    for ((vni = 1000; vni < 1000 + $1; vni++)); do
        printf '    - {vni: %d, name: s%d, filter: rules}\n' "$vni" "$vni"
    done
}

rules() { # rules COUNT
    local number

    printf 'filters:\n  - name: rules\n    rules:\n'
    for ((number = 1; number <= $1; number++)); do
        printf '      - {number: %d, action: reject, protocol: tcp, destination_ports: "%d"}\n' \
            "$number" $((number + 100))
    done
    printf '      - {number: 30000, action: accept, bpf: "not port 53"}\n'
}

write() { # write FILE DATAPLANE OUTPUTS: the rest comes from standard input
    {
        printf 'dataplane: {%s, eal: %s}\n' "$2" "$(lab_eal $PREFIX)"
        printf 'ports:\n  - {name: mirror, device: "net_pcap0,rx_pcap=%s,infinite_rx=1"}\n' \
            "$LAB_TMP/mirrored.pcap"
        printf 'outputs:\n  - {name: all, type: port, device: net_null0}\n%s\n' "$3"
        printf 'http: {control_socket: %s}\n%s\n' "$LAB_TMP/d.sock" "$ALWAYS"
        cat
    } >"$LAB_TMP/$1"
}

write_all() { # write_all DATAPLANE
    local null='  - {name: second, type: port, device: "net_null1"}'

    write none.yaml "$1" "" </dev/null
    { printf 'sessions:\n  list:\n'; sessions 50 ', filter: rules'; rules 20; } \
        | write filtered.yaml "$1" "$null"
    { printf 'sessions:\n  unknown: drop\n  list:\n'; sessions 10 ', outputs: [all, ids]'; rules 2; } \
        | write chosen.yaml "$1" "  - {name: ids, type: ring, length: 128}"
    { printf 'sessions:\n  list:\n'; sessions 20 ', outputs: [second], truncate: 200'; rules 5; } \
        | write changed.yaml "$1" "$null
  - {name: ids, type: ring, length: 64, mode: copy, snap: 128}"
}
CONFIGS=(none chosen filtered changed chosen none filtered)

# What may not grow: kilobytes of heap and hugepages, buffers in use, descriptors, threads.
sizes() {
    local status=/proc/$DAEMON/status

    jq -nc --argjson anon "$(awk '/^RssAnon/ { print $2 }' "$status")" \
        --argjson huge "$(awk '/^HugetlbPages/ { print $2 }' "$status")" \
        --argjson threads "$(awk '/^Threads/ { print $2 }' "$status")" \
        --argjson fds "$(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l)" \
        --argjson buffers "$(lab_ctl d ports --json | jq '.ports[0].pool.in_use')" \
        '{anon: $anon, huge: $huge, threads: $threads, fds: $fds, buffers: $buffers}'
}

# The least of some samples: the heap breathes.
least() {
    local n

    for n in 1 2 3 4 5; do
        turns 1
        sizes
    done | jq -sc 'reduce .[] as $s (.[0]; with_entries(.value = ([.value, $s[.key]] | min)))'
}

# What held the workers up so far: loops over a millisecond, times that another program took the
# CPU, times that a worker gave it up itself (it waited), pages that it had to be given.
held_up() {
    local task sum_taken=0 sum_waited=0 sum_pages=0 taken waited pages

    for task in "/proc/$DAEMON/task"/*; do
        grep -qE '^(rte|lcore|dpdk)-worker' "$task/comm" || continue
        waited=$(awk '/^voluntary/ { print $2 }' "$task/status")
        taken=$(awk '/^nonvoluntary/ { print $2 }' "$task/status")
        pages=$(sed 's/.*) //' "$task/stat" | cut -d ' ' -f 8)
        sum_taken=$((sum_taken + taken))
        sum_waited=$((sum_waited + waited))
        sum_pages=$((sum_pages + pages))
    done
    lab_ctl d status --json | jq -c --argjson taken $sum_taken --argjson waited $sum_waited \
        --argjson pages $sum_pages '{slow: [.workers[].slow_loops] | add, taken: $taken,
        waited: $waited, pages: $pages}'
}

# since BEFORE AFTER
since() {
    jq -nc --argjson a "$1" --argjson b "$2" '$b | with_entries(.value -= $a[.key])'
}

# Reloads `count` times, and looks at the ledger each time.
turns() {
    local count=$1 i

    for ((i = 0; i < count; i++)); do
        cp "$LAB_TMP/${CONFIGS[i % ${#CONFIGS[@]}]}.yaml" "$LAB_TMP/d.yaml"
        lab_ctl d reload >"$LAB_TMP/said" 2>&1 || lab_die "reload $i: $(cat "$LAB_TMP/said")"
        lab_ctl d ledger --json >"$LAB_TMP/look.json"
        lab_check_ledger "$LAB_TMP/look.json"
    done
    cp "$LAB_TMP/none.yaml" "$LAB_TMP/d.yaml"
    lab_ctl d reload >/dev/null
}

# Other programs shall not take a lone worker's CPU for milliseconds. The kernel gives them a
# twentieth of it all the same (sched_rt_runtime_us), but where it is asked not to.
THROTTLE=/proc/sys/kernel/sched_rt_runtime_us
undisturbed() {
    local task

    [ "$(lab_ctl d status --json | jq '.workers | length')" -eq 1 ] || return 0
    for task in "/proc/$DAEMON/task"/*; do
        grep -qE '^(rte|lcore|dpdk)-worker' "$task/comm" || continue
        chrt -f -p 1 "${task##*/}" || echo "the worker has no real-time priority" >&2
    done
    if [ "${UNTHROTTLED:-no}" = yes ]; then
        lab_on_exit "echo $(cat $THROTTLE) >$THROTTLE"
        echo -1 >$THROTTLE
    fi
}

# load NAME DATAPLANE: all that can be seen from outside.
load() {
    local name=$1 before after begin idle_s busy_s longest

    write_all "$2"
    cp "$LAB_TMP/none.yaml" "$LAB_TMP/d.yaml"
    # What malloc() keeps for later would hide what is lost, or look like it.
    lab_daemon_start d "$LAB_TMP/d.yaml" MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=65536 \
        MALLOC_ARENA_MAX=1
    DAEMON=$LAB_PID
    taskset -pc 0 $$ >/dev/null # what follows leaves the workers' CPU alone
    wait_for '[ "$(lab_ledger d .outputs.all.delivered)" -gt 100000 ]' 20 "full load"
    undisturbed
    turns $((2 * ${#CONFIGS[@]})) # all has been there twice
    before=$(least)

    IDLE=$(held_up)
    begin=$EPOCHREALTIME
    sleep "$QUIET_SECONDS" # of load without reloads, to compare with
    idle_s=$(jq -n "$EPOCHREALTIME - $begin")
    IDLE=$(since "$IDLE" "$(held_up)")

    BUSY=$(held_up)
    begin=$EPOCHREALTIME
    turns "$RELOADS"
    busy_s=$(jq -n "$EPOCHREALTIME - $begin")
    BUSY=$(since "$BUSY" "$(held_up)")
    after=$(least)
    longest=$(lab_ctl d status --json | jq -c '[.workers[].longest_loop_seconds]')
    lab_daemon_stop d
    taskset -pc 0-$(($(nproc) - 1)) $$ >/dev/null

    echo "$name: held up in $idle_s s without reloads $IDLE, in $busy_s s with $RELOADS $BUSY;" \
        "longest loop since the start $longest s"
    echo "$name: sizes before $before, after $after"
    jq -ne --argjson a "$before" --argjson b "$after" --argjson heap "$HEAP_MAY_GROW" \
        '$b.anon <= $a.anon + $heap
        and $b.huge <= $a.huge + 2048 and $b.fds <= $a.fds and $b.threads <= $a.threads
        and $b.buffers <= $a.buffers + 512' >/dev/null || lab_die "$name grows: $before, $after"
    # More slow loops than before, for which no one took the CPU away; the machine may be shared.
    STALLS=$(jq -n --argjson i "$IDLE" --argjson b "$BUSY" --argjson t "$(jq -n "$busy_s / $idle_s")" \
        '$b.slow - $b.taken - ([$i.slow - $i.taken, 0] | max) * $t')
    check "$(jq .waited <<<"$BUSY")" -eq 0 "times that a worker waited, $name"
}

# One worker that does it all, alone on its CPU: what it waits for is not a turn of its neighbour.
ALWAYS=
load alone 'lcores: "0@0,1@1", queues: 1'
[ "$(jq -n "$STALLS <= $RELOADS * $STALLED_SHARE / 100")" = true ] \
    || lab_die "$STALLS of $RELOADS reloads made a loop of more than 1 ms"
# Two workers with queues of each other: frames are between them, and held back, when the
# configuration changes.
ALWAYS='reorder: {window_us: 5000}'
load shared 'lcores: "0@0,1@1,2@1", queues: 2, queue_length: 512'
