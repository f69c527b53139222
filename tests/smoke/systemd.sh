#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The units: systemd's own checks of them, and whether the daemon can live with the capabilities
# and system calls that they leave it. It is not run under systemd: a lab has none as process 1.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v systemd-analyze >/dev/null || lab_skip "no systemd-analyze; apt-get install systemd"
lab_begin sysd
UNITS=$LAB_ROOT/config/systemd
IMAGE_UNITS=$LAB_ROOT/config/image/root/etc/systemd/system
PREFIX=mtsysd
# Of 10, by systemd's reckoning; docs/operations.md and docs/vm.md tell what is behind it.
MOST_EXPOSED=3.5
MOST_EXPOSED_ONCE=3.8 # of mirrortap-firstboot, which runs once per boot

# --- what systemd says ---------------------------------------------------------------------------

# verify also looks whether the programs are there: take those that were built.
mkdir "$LAB_TMP/units"
for unit in "$UNITS"/*.service "$IMAGE_UNITS"/*.service; do
    sed "s|/usr/sbin/mirrortapd|$LAB_BUILD/mirrortapd|; s|/usr/sbin/mirrortap|$LAB_ROOT/config/bin/mirrortap|
        s|/usr/bin/mirrortap |$LAB_BUILD/mirrortap |" \
        "$unit" >"$LAB_TMP/units/${unit##*/}"
done
systemd-analyze verify "$LAB_TMP"/units/*.service >"$LAB_TMP/verify.out" 2>&1 \
    || lab_die "systemd-analyze verify: $(cat "$LAB_TMP/verify.out")"
[ ! -s "$LAB_TMP/verify.out" ] || lab_die "systemd-analyze verify: $(cat "$LAB_TMP/verify.out")"

for unit in "$LAB_TMP"/units/*.service; do
    most=$MOST_EXPOSED
    [[ $unit != */mirrortap-firstboot.service ]] || most=$MOST_EXPOSED_ONCE
    systemd-analyze security --offline=true --threshold="${most/./}" "$unit" \
        >"$LAB_TMP/security.out" 2>&1 || lab_die "${unit##*/}: $(tail -n 1 "$LAB_TMP/security.out")"
    tail -n 1 "$LAB_TMP/security.out"
done

# setting UNIT KEY: the last value that it has in a unit.
setting() {
    sed -n "s/^$2=//p" "$UNITS/$1.service" | tail -n 1
}

drain=$(setting mirrortapd ExecStart)
[[ $drain == *"--drain-seconds "* ]] || lab_die "the unit does not drain on stop"
drain=${drain##*--drain-seconds }
check "$(setting mirrortapd TimeoutStopSec)" -gt $((${drain%% *} + 5)) "TimeoutStopSec"
check "$(setting mirrortapd WatchdogSec)" -gt 10 "WatchdogSec, with 5 s of health.stall_seconds"

# --- capabilities --------------------------------------------------------------------------------

lab_hugepages_up 256
lab_up
cat >"$LAB_TMP/unit.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)", host_interface: mt-mirror}
outputs:
  - {name: tools, type: tap, interface: mirror0}
  - {name: ids, type: ring}
http: {listen: ["127.0.0.1:8095"], control_socket: $LAB_TMP/unit.sock}
EOF

# What a unit's CapabilityBoundingSet leaves to a process, for setpriv.
bounds=-all
for capability in $(setting mirrortapd CapabilityBoundingSet); do
    capability=${capability#CAP_}
    bounds+=,+${capability,,}
done

# as_unit LOG COMMAND...: ready when this returns.
as_unit() {
    local log=$1 pid

    shift
    rm -f "$LAB_TMP/unit.out"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/unit.out:$LAB_TMP/$log" \
        setpriv --bounding-set "$bounds" --inh-caps "$bounds" --no-new-privs "$@" "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/unit.yaml"
    pid=$LAB_PID
    # shellcheck disable=SC2034 # lab_daemon_stop reads it
    LAB_DAEMON_unit=$pid
    wait_for "! lab_running $pid || lab_ctl unit status" 30 "mirrortapd answers on its socket"
    lab_running "$pid" || lab_die "did not start: $(tail -n 3 "$LAB_TMP/$log")"
}

as_unit unit.err
grep -qE '^CapBnd:\s0*[1-9a-f]' "/proc/$LAB_PID/status" || lab_die "no bounding set"
lab_mirror_up
lab_web_up
lab_get >/dev/null
wait_for '[ "$(lab_ledger unit .outputs.tools.delivered)" -gt 0 ]' 10 "frames are delivered"
ip -n "$LAB_TARGET" link show mt-mirror >/dev/null || lab_die "no host interface"
# The TAP output's interface is silent: /proc/sys/net/ipv6 could be written.
silent=/proc/sys/net/ipv6/conf/mirror0/disable_ipv6
if ip netns exec "$LAB_TARGET" test -e "$silent"; then
    check "$(ip netns exec "$LAB_TARGET" cat "$silent")" -eq 1 "disable_ipv6 of mirror0"
fi
lab_daemon_stop unit
! grep -iE 'permitted|permission' "$LAB_TMP/unit.err" || lab_die "something was not permitted"

# --- system calls --------------------------------------------------------------------------------

command -v strace >/dev/null || { echo "no strace: system calls not compared"; exit 0; }

# allowed_calls GROUP...: the system calls of a filter.
allowed_calls() {
    local word

    systemd-analyze syscall-filter "$@" | sed -n 's/^ \+\([@a-z_0-9-]\+\).*/\1/p' \
        | while read -r word; do
            case $word in
                @*) allowed_calls "$word" ;;
                *) echo "$word" ;;
            esac
        done
}

# shellcheck disable=SC2046 # words are wanted
allowed_calls $(setting mirrortapd SystemCallFilter) | sort -u >"$LAB_TMP/allowed"
check "$(wc -l <"$LAB_TMP/allowed")" -gt 200 "system calls that the unit allows"
as_unit traced.err strace -f -qq -e 'trace=!read,write,writev,poll' -o "$LAB_TMP/calls"
lab_get >/dev/null
lab_ctl unit ledger >/dev/null
kill -TERM -- "-$LAB_PID"
wait_for "! lab_running $LAB_PID" 30 "mirrortapd ends under strace"
# What came before the daemon (its exec) is strace's own doing.
sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' "$LAB_TMP/calls" | sort -u >"$LAB_TMP/used"
check "$(wc -l <"$LAB_TMP/used")" -gt 40 "system calls seen"
# iopl: DPDK's virtio driver asks when it is loaded, and goes without it where that is refused.
refused=$(comm -23 "$LAB_TMP/used" "$LAB_TMP/allowed" | grep -vx iopl | tr '\n' ' ') || :
[ -z "$refused" ] || lab_die "the unit's SystemCallFilter refuses: $refused"
