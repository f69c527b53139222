# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2016 # conditions for wait_for are code in single quotes
# A lab on one machine: three network namespaces in which packets are mirrored as AWS does it.
#
#     mt-client                mt-web                              mt-target
#     c0 172.31.1.1 ── veth ── w0 172.31.1.2
#                              │ tc mirred, both directions
#                             mir (kernel VXLAN, VNI 4321)
#                              └ u0 172.31.2.1 ── veth (underlay) ── t0 172.31.2.2, polled by DPDK
#
# To be sourced, by bash with `set -eu`. In this order:
#     lab_begin [SUFFIX]     lock, temporary folder $LAB_TMP, clean-up on exit, Ctrl-C and SIGTERM
#     lab_hugepages_up MIB   hugepages, given back on exit
#     lab_up                 the lab above
#     lab_spawn NAMESPACE LOG COMMAND...   a process of the lab; its id is in $LAB_PID
#     lab_daemon_start NAME CONFIG         mirrortapd in the target, ready when this returns
#     lab_mirror_up
# Everything that is made here is named after the suffix, so two labs with different suffixes do
# not meet. Only processes that this lab started are ended, each by its id.

[ -n "${BASH_VERSION-}" ] || { echo "lab.sh: needs bash" >&2; exit 2; }

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${LAB_BUILD:-$LAB_ROOT/build}
LAB_PYTHON=/usr/bin/python3 # Debian's: another one on PATH does not see Debian's modules
LAB_STATE_ROOT=/run/mt-lab
LAB_VNI=4321
LAB_CLIENT_IP=172.31.1.1
LAB_WEB_IP=172.31.1.2
LAB_SOURCE_IP=172.31.2.1
LAB_TARGET_IP=172.31.2.2
LAB_TARGET_MAC=02:00:0a:4d:02:02
LAB_UNDERLAY_MTU=9500 # a mirrored jumbo frame and 50 bytes of tunnel, never fragmented

# shellcheck source=tests/lib/hugepages.sh
. "$LAB_ROOT/tests/lib/hugepages.sh"

lab_log() {
    printf '%s\n' "$*" >&2
}

# Ends the script as failed. The message comes once more at the end of what lab_show_logs shows.
lab_die() {
    LAB_DEATH="${0##*/}: $*"
    lab_log "$LAB_DEATH"
    exit 1
}

# Says why a test cannot be made here, and ends it as skipped (tests/run.sh reads both).
lab_skip() {
    printf 'SKIP: %s\n' "$*"
    exit 77
}

# wait_for CONDITION SECONDS [WHAT]: runs CONDITION (shell code) until it is true. Dies otherwise.
wait_for() {
    local condition=$1 limit=$2 what=${3:-$1}
    local end=$((${EPOCHREALTIME/[.,]/} + limit * 1000000))

    until eval "$condition" >/dev/null 2>&1; do
        if [ "${EPOCHREALTIME/[.,]/}" -gt "$end" ]; then
            lab_die "not within $limit s: $what"
        fi
        sleep 0.05
    done
}

# --- beginning and end ---------------------------------------------------------------------------

# lab_begin [SUFFIX]: takes the lab's names. Dies if a lab with this suffix is running; removes
# what a killed one left behind.
lab_begin() {
    [ "$(id -u)" = 0 ] || lab_die "must run as root: it makes network namespaces"
    LAB_SUFFIX=${1:+-$1}
    LAB_CLIENT=mt-client$LAB_SUFFIX
    LAB_WEB=mt-web$LAB_SUFFIX
    LAB_TARGET=mt-target$LAB_SUFFIX
    LAB_STATE=$LAB_STATE_ROOT/lab$LAB_SUFFIX
    LAB_NAMESPACES=()
    LAB_PIDS=()
    LAB_EXIT_HOOKS=()
    LAB_TMP=

    mkdir -p "$LAB_STATE"
    exec {LAB_LOCK}>"$LAB_STATE/lock"
    flock -n "$LAB_LOCK" || lab_die "this lab (mt-*$LAB_SUFFIX) is running already; end it first"
    trap lab_end EXIT
    trap 'exit 130' INT
    # Who ended it may have waited for too long: for what?
    trap 'lab_log "${0##*/}: ended at line ${BASH_LINENO[*]}, in: $BASH_COMMAND"; exit 143' TERM HUP
    lab_sweep
    LAB_TMP=$(mktemp -u "/tmp/mt-lab$LAB_SUFFIX.XXXXXX")
    echo "$LAB_TMP" >"$LAB_STATE/tmp"
    mkdir -m 700 "$LAB_TMP"
}

# Field 22 of /proc/PID/stat: with it a process id means one process and no later one.
lab_start_time() {
    local stat

    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086 # words are wanted
    set -- $stat
    [ "$1" != Z ] || return 1
    echo "${20}"
}

lab_alive() {
    local now

    now=$(lab_start_time "$1") && [ "$now" = "$2" ]
}

# Ends what a lab that was killed (SIGKILL) left behind.
lab_sweep() {
    local pid start namespace left

    if [ -f "$LAB_STATE/pids" ]; then
        while read -r pid start; do
            lab_alive "$pid" "$start" && kill -KILL -- "-$pid" && lab_log "ended stale process $pid"
        done <"$LAB_STATE/pids" || :
        rm -f "$LAB_STATE/pids"
    fi
    for namespace in "$LAB_CLIENT" "$LAB_WEB" "$LAB_TARGET"; do
        [ -e "/run/netns/$namespace" ] || continue
        lab_log "removing namespace $namespace, left by a run that was killed"
        ip netns del "$namespace"
    done
    if read -r left 2>/dev/null <"$LAB_STATE/tmp" && [[ $left == /tmp/mt-lab* ]]; then
        rm -rf "$left"
    fi
    lab_dpdk_sweep
}

# lab_on_exit COMMAND: shell code to run before the namespaces go, last one first.
lab_on_exit() {
    LAB_EXIT_HOOKS+=("$1")
}

# The trap on EXIT. Nothing in it may stop the rest of it.
lab_end() {
    local status=$? i entry namespace command=$BASH_COMMAND

    trap '' INT TERM HUP
    trap - EXIT
    set +e
    if [ "$status" != 0 ] && [ "$status" -lt 77 ]; then
        lab_explain "$command"
    fi
    for ((i = ${#LAB_EXIT_HOOKS[@]} - 1; i >= 0; i--)); do
        eval "${LAB_EXIT_HOOKS[i]}"
    done
    for ((i = ${#LAB_PIDS[@]} - 1; i >= 0; i--)); do
        entry=${LAB_PIDS[i]}
        lab_stop_process "${entry%:*}" "${entry#*:}"
    done
    for namespace in "${LAB_NAMESPACES[@]}"; do
        ip netns del "$namespace" 2>/dev/null
    done
    lab_dpdk_sweep # before hugepages are given back, which these files hold
    lab_hugepages_restore
    if [ -n "$LAB_TMP" ]; then
        [ "$status" = 0 ] || [ "$status" -ge 77 ] || lab_show_logs
        rm -rf "$LAB_TMP"
    fi
    rm -rf "$LAB_STATE"
    rmdir "$LAB_STATE_ROOT" 2>/dev/null
    exit "$status"
}

# lab_explain COMMAND: why this lab failed: by lab_die, or by COMMAND under `set -e` (an exit or
# return has told by itself); and a daemon that nobody ended, which may be the cause.
lab_explain() {
    local variable name

    [[ -n ${LAB_DEATH-} || $1 == exit* || $1 == return* ]] || LAB_DEATH="${0##*/}: failed in: $1"
    for variable in "${!LAB_DAEMON_@}"; do
        name=${variable#LAB_DAEMON_}
        lab_running "${!variable}" || [ -s "$LAB_TMP/$name.ledger" ] \
            || LAB_DEATH="${LAB_DEATH-${0##*/}: failed}; mirrortapd ($name.yaml) had ended by itself"
    done
}

# What the processes of a failed lab had to say.
lab_show_logs() {
    local log

    for log in "$LAB_TMP"/*.log "$LAB_TMP"/*.err; do
        [ -s "$log" ] || continue
        printf -- '--- %s\n' "${log##*/}"
        tail -n 15 "$log"
    done >&2
    [ -z "${LAB_DEATH-}" ] || lab_log "--- $LAB_DEATH"
}

# --- processes -----------------------------------------------------------------------------------

# lab_spawn NAMESPACE LOG COMMAND...: starts COMMAND in the background, in a session of its own so
# that a Ctrl-C reaches only this shell, which then ends it. It dies with this shell even where
# that is killed. Sets LAB_PID. Not to be called from a subshell. LOG gets both streams; where it
# is "A:B", A gets standard output and B standard error.
lab_spawn() {
    local namespace=$1 log=$2
    local out=${log%%:*} err=${log##*:}

    shift 2
    # shellcheck disable=SC2094 # one file for both where there is one name
    setsid env --default-signal=INT,QUIT setpriv --pdeathsig TERM ip netns exec "$namespace" "$@" \
        </dev/null >>"$out" 2>>"$err" {LAB_LOCK}>&- &
    LAB_PID=$!
    lab_adopt "$LAB_PID"
}

# lab_adopt PID: this process leads a group of its own, which ends with the lab.
lab_adopt() {
    local start

    start=$(lab_start_time "$1") || start=gone
    LAB_PIDS+=("$1:$start")
    echo "$1 $start" >>"$LAB_STATE/pids"
}

# lab_stop_process PID START: SIGTERM to it and its children, and SIGKILL where that was not heard
# in 15 seconds.
lab_stop_process() {
    local i

    lab_alive "$1" "$2" || return 0
    kill -TERM -- "-$1" 2>/dev/null
    for ((i = 0; i < 300; i++)); do
        lab_alive "$1" "$2" || break
        sleep 0.05
    done
    if lab_alive "$1" "$2"; then
        lab_log "process $1 did not end on SIGTERM; killed"
        kill -KILL -- "-$1" 2>/dev/null
    fi
    wait "$1" 2>/dev/null || :
}

# lab_stop PID: ends a process of this lab.
lab_stop() {
    local entry

    for entry in "${LAB_PIDS[@]}"; do
        [ "${entry%:*}" != "$1" ] || lab_stop_process "$1" "${entry#*:}"
    done
}

lab_running() {
    local entry

    for entry in "${LAB_PIDS[@]}"; do
        [ "${entry%:*}" != "$1" ] || { lab_alive "$1" "${entry#*:}" && return 0; }
    done
    return 1
}

# --- namespaces and links ------------------------------------------------------------------------

# lab_namespace NAME: a quiet namespace: no IPv6, so that the kernel sends nothing on its own.
lab_namespace() {
    LAB_NAMESPACES+=("$1") # first, so that a signal in between leaves nothing behind
    ip netns add "$1"
    # Not there in a kernel without IPv6.
    ip netns exec "$1" sh -c 'cd /proc/sys/net/ipv6/conf && echo 1 >all/disable_ipv6 \
        && echo 1 >default/disable_ipv6' 2>/dev/null || :
    ip -n "$1" link set lo up
}

# lab_veth NAMESPACE IF MAC  NAMESPACE IF MAC  MTU: two interfaces joined by a wire. Nothing is
# offloaded: every packet is on the wire as it would be on a real one.
lab_veth() {
    ip link add "$2" netns "$1" mtu "$7" address "$3" numrxqueues 1 numtxqueues 1 \
        type veth peer name "$5" netns "$4" mtu "$7" address "$6" numrxqueues 1 numtxqueues 1
    lab_offloads_off "$1" "$2"
    lab_offloads_off "$4" "$5"
    ip -n "$1" link set "$2" up
    ip -n "$4" link set "$5" up
}

lab_offloads_off() {
    ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
}

# lab_up [MTU]: the lab as drawn above; MTU is of the client's and the web server's link.
lab_up() {
    local mtu=${1:-1500} namespace

    for namespace in "$LAB_CLIENT" "$LAB_WEB" "$LAB_TARGET"; do
        lab_namespace "$namespace"
    done
    lab_veth "$LAB_CLIENT" c0 02:00:0a:4d:01:01 "$LAB_WEB" w0 02:00:0a:4d:01:02 "$mtu"
    lab_veth "$LAB_WEB" u0 02:00:0a:4d:02:01 "$LAB_TARGET" t0 "$LAB_TARGET_MAC" "$LAB_UNDERLAY_MTU"
    ip -n "$LAB_CLIENT" address add "$LAB_CLIENT_IP/24" dev c0
    ip -n "$LAB_WEB" address add "$LAB_WEB_IP/24" dev w0
    ip -n "$LAB_WEB" address add "$LAB_SOURCE_IP/24" dev u0
    # The target's port answers no ARP, and the link to the client shall carry no ARP either.
    ip -n "$LAB_CLIENT" neigh add "$LAB_WEB_IP" lladdr 02:00:0a:4d:01:02 dev c0 nud permanent
    ip -n "$LAB_WEB" neigh add "$LAB_CLIENT_IP" lladdr 02:00:0a:4d:01:01 dev w0 nud permanent
    ip -n "$LAB_WEB" neigh add "$LAB_TARGET_IP" lladdr "$LAB_TARGET_MAC" dev u0 nud permanent
    # As AWS sends it: UDP checksum 0, source port from a hash of the inner packet.
    ip -n "$LAB_WEB" link add mir type vxlan id "$LAB_VNI" local "$LAB_SOURCE_IP" \
        remote "$LAB_TARGET_IP" dstport 4789 dev u0 nolearning noudpcsum
    ip -n "$LAB_WEB" link set mir mtu $((LAB_UNDERLAY_MTU - 50)) up
    ip netns exec "$LAB_WEB" tc qdisc add dev w0 clsact
}

# lab_target_only: only the target's namespace, for captures that are replayed into a port.
lab_target_only() {
    lab_namespace "$LAB_TARGET"
}

# From now on every packet of w0, both directions, is mirrored.
lab_mirror_up() {
    local direction

    for direction in ingress egress; do
        ip netns exec "$LAB_WEB" tc filter add dev w0 "$direction" protocol all \
            u32 match u32 0 0 action mirred egress mirror dev mir
    done
}

# Packets that the mirred actions took, by the kernel's own count. Either direction's list shows the
# filters of both (u32 keeps one table for a clsact), hence by the index of the action.
lab_mirrored() {
    local direction

    for direction in ingress egress; do
        ip netns exec "$LAB_WEB" tc -s -j filter show dev w0 "$direction"
    done | jq -s '[.[][].options.actions[]?] | unique_by(.index) | map(.stats.packets) | add // 0'
}

# Packets that left for the target, where nothing but mirror traffic goes. (The counter of mir
# itself misses packets that are mirrored on ingress: seen with Linux 6.18.)
lab_sent() {
    ip -n "$LAB_WEB" -s -j link show u0 | jq '.[0].stats64.tx.packets'
}

# Lets the web server answer with $LAB_TMP/www, and waits until it does.
lab_web_up() {
    mkdir -p "$LAB_TMP/www"
    [ -e "$LAB_TMP/www/index.html" ] || echo '<h1>Hello from the web server</h1>' \
        >"$LAB_TMP/www/index.html"
    lab_spawn "$LAB_WEB" "$LAB_TMP/web.log" \
        "$LAB_PYTHON" -u -m http.server 80 --bind "$LAB_WEB_IP" --directory "$LAB_TMP/www"
    wait_for 'ip netns exec "$LAB_WEB" ss -Hltn "sport = :80" | grep -q .' 10 "the web server"
}

# lab_get [PATH]: one HTTP request from the client.
lab_get() {
    ip netns exec "$LAB_CLIENT" curl -sS --max-time 10 "http://$LAB_WEB_IP/${1-}"
}

# lab_capture NAMESPACE INTERFACE FILE [FILTER...]: tcpdump into a file, listening when this
# returns. Sets LAB_PID; lab_capture_end PID FILE ends it and dies if the kernel dropped any.
lab_capture() {
    local namespace=$1 interface=$2 file=$3

    shift 3
    lab_spawn "$namespace" "$file.log" tcpdump -i "$interface" -U -s 0 -B 65536 -w "$file" \
        --immediate-mode "$@"
    local log=$file.log
    wait_for 'grep -q "listening on" "$log"' 10 "tcpdump on $interface"
}

lab_capture_end() {
    lab_stop "$1"
    grep -q '^0 packets dropped by kernel' "$2.log" \
        || lab_die "the kernel dropped packets of a capture: $(grep 'dropped by kernel' "$2.log")"
}

# --- the daemon ----------------------------------------------------------------------------------

# lab_daemon_start NAME CONFIG [ENV=VALUE...]: mirrortapd in the target's namespace with CONFIG,
# whose control socket must be $LAB_TMP/NAME.sock. Sets LAB_PID. NAME.out and NAME.err in $LAB_TMP
# get its streams.
lab_daemon_start() {
    local name=$1 config=$2 pid

    shift 2
    rm -f "$LAB_TMP/$name.out"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.out:$LAB_TMP/$name.err" \
        env "$@" "$LAB_BUILD/mirrortapd" -c "$config"
    pid=$LAB_PID
    printf -v "LAB_DAEMON_$name" %s "$pid"
    wait_for "! lab_running $pid || lab_ctl $name status" 20 "mirrortapd answers on its socket"
    lab_running "$pid" || lab_die "mirrortapd did not start: $(tail -n 3 "$LAB_TMP/$name.err")"
}

# lab_ctl NAME ARGUMENTS...: the command line to a daemon.
lab_ctl() {
    local name=$1

    shift
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/$name.sock" "$@"
}

# lab_daemon_stop NAME [SIGNAL]: ends the daemon in the proper way and checks that it exits with 0
# and a balanced final ledger, which is then in $LAB_TMP/NAME.ledger.
lab_daemon_stop() {
    local name=$1 signal=${2:-TERM} status=0
    local variable=LAB_DAEMON_$name
    local pid=${!variable}

    kill "-$signal" "$pid" || lab_die "mirrortapd had ended before it was asked to"
    wait_for "! lab_running $pid" 15 "mirrortapd ends on SIG$signal"
    wait "$pid" || status=$?
    [ "$status" = 0 ] || lab_die "mirrortapd exited with $status on SIG$signal"
    tail -n 1 "$LAB_TMP/$name.out" >"$LAB_TMP/$name.ledger"
    lab_check_ledger "$LAB_TMP/$name.ledger"
}

# The two equations of the ledger, computed from its numbers and not only believed.
# shellcheck disable=SC2016 # jq's variables
LAB_LEDGER_BALANCED='
    def sum: [.[]] | add // 0;
    .balanced == true
    and .received == .host + .accepted + .in_flight + (.drops | sum)
    and all(.outputs[]; .offered == .delivered + .in_flight + (.drops | sum))'

# lab_check_ledger FILE: dies where a ledger is no JSON or does not balance.
lab_check_ledger() {
    jq -e "$LAB_LEDGER_BALANCED" "$1" >/dev/null \
        || lab_die "ledger does not balance: $(cat "$1")"
}

# lab_ledger NAME EXPRESSION: one number of the live ledger, by a jq expression.
lab_ledger() {
    lab_ctl "$1" ledger --json | jq "$2"
}

# check ACTUAL RELATION EXPECTED WHAT: an assertion on numbers, e.g. check "$n" -eq 5 "frames".
check() {
    test "$1" "$2" "$3" || lab_die "$4: $1, expected $2 $3"
}

# --- DPDK ----------------------------------------------------------------------------------------

# lab_eal PREFIX: EAL arguments for a configuration: nothing shared with other DPDK programs. The
# prefix is the lab's own from then on: what a daemon that was killed leaves under it goes with it.
lab_eal() {
    echo "$1" >>"$LAB_STATE/eal"
    printf '["--file-prefix=%s", "--no-pci"]' "$1"
}

# Removes the runtime folders and hugepage files of killed DPDK programs of this lab.
lab_dpdk_sweep() {
    local prefix folder type

    [ -f "$LAB_STATE/eal" ] || return 0
    while read -r prefix; do
        rm -rf "/run/dpdk/${prefix:?}"
        while read -r _ folder type _; do
            [ "$type" != hugetlbfs ] || rm -f "$folder/$prefix"map_*
        done </proc/mounts
    done <"$LAB_STATE/eal"
    rm -f "$LAB_STATE/eal"
}

# lab_af_packet INTERFACE QUEUES [FRAME_BYTES]: device string of a port that polls a kernel
# interface. A frame longer than FRAME_BYTES (a multiple of 16, less 66 of headers) would arrive
# cut. Each queue's ring takes 8 MiB of kernel memory: 4,096 frames of the default size.
lab_af_packet() {
    local frame=${3:-2048} block=65536 blocks=128

    printf 'net_af_packet0,iface=%s,qpairs=%s,blocksz=%s,framesz=%s,framecnt=%s' \
        "$1" "$2" "$block" "$frame" $((blocks * (block / frame)))
}
