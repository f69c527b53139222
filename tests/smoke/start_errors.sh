#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What can be wrong when the daemon starts, as a table: each gives one line of ours with the
# remedy, exit code 1, nothing on standard output, and leaves nothing behind.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin sys
lab_hugepages_up 256
lab_target_only
PREFIX=mtsys
SYSFS=$LAB_TMP/pci
HTTP_PORT=8091

"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 10 --each 2
chmod 711 "$LAB_TMP" # so that one who is not root gets as far as that
cat >"$LAB_TMP/good.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", eal: ["--file-prefix=$PREFIX"]}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {listen: ["127.0.0.1:$HTTP_PORT"], control_socket: $LAB_TMP/good.sock}
EOF

# --- where it is started: each runs COMMAND... in the target's namespace -------------------------

plain() {
    ip netns exec "$LAB_TARGET" "$@"
}

not_root() {
    plain setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# in_mounts CODE COMMAND...: after shell code that changes mounts. No one else sees that, so no one
# else's hugepages are touched.
in_mounts() {
    local code=$1

    shift
    plain unshare -m sh -euc "$code"'; exec "$@"' sh "$@"
}

without_hugepages() {
    mkdir -p "$LAB_TMP/huge/hugepages-2048kB"
    echo 0 >"$LAB_TMP/huge/hugepages-2048kB/free_hugepages"
    in_mounts "mount --bind '$LAB_TMP/huge' /sys/kernel/mm/hugepages" "$@"
}

without_hugetlbfs() {
    # shellcheck disable=SC2016 # code for the shell inside
    in_mounts 'while read -r _ folder type _; do
        [ "$type" != hugetlbfs ] || umount -l "$folder"
    done </proc/mounts' "$@"
}

# A PCI bus with one NIC that the kernel has and one that nobody has.
with_pci() {
    if [ ! -e "$SYSFS" ]; then
        mkdir -p "$SYSFS"/devices/0000:00:0{5,6}.0 "$SYSFS/drivers/ena"
        ln -s ../../drivers/ena "$SYSFS/devices/0000:00:05.0/driver"
    fi
    in_mounts "mount --bind '$SYSFS' /sys/bus/pci" "$@"
}

# taken INTERFACE COMMAND...
taken() {
    local interface=$1 status=0

    shift
    ip -n "$LAB_TARGET" link add "$interface" type veth peer name obstacle
    plain "$@" || status=$?
    ip -n "$LAB_TARGET" link delete obstacle
    return "$status"
}

tap_taken() {
    taken mirror0 "$@"
}

host_taken() {
    taken mt-mirror "$@"
}

port_taken() {
    local status=0

    lab_spawn "$LAB_TARGET" "$LAB_TMP/server.log" "$LAB_PYTHON" -m http.server "$HTTP_PORT" \
        --bind 127.0.0.1 --directory "$SYSFS"
    wait_for 'plain ss -Hltn "sport = :$HTTP_PORT" | grep -q .' 10 "a server on port $HTTP_PORT"
    plain "$@" || status=$?
    lab_stop "$LAB_PID"
    return "$status"
}

# --- how it is judged ----------------------------------------------------------------------------

# start PLACE SED: a daemon whose configuration differs from the good one by SED; without one where
# SED leaves nothing.
start() {
    sed "$2" "$LAB_TMP/good.yaml" >"$LAB_TMP/bad.yaml"
    [ -z "$2" ] || ! cmp -s "$LAB_TMP/good.yaml" "$LAB_TMP/bad.yaml" || lab_die "no change: $2"
    [ -s "$LAB_TMP/bad.yaml" ] || rm "$LAB_TMP/bad.yaml"
    "$1" timeout 30 "$LAB_BUILD/mirrortapd" -c "$LAB_TMP/bad.yaml" \
        >"$LAB_TMP/start.out" 2>"$LAB_TMP/start.err"
}

# wrong NAME PLACE SED WORDS REMEDY: the start must fail. Both regular expressions must be in the
# one line of ours, which is the last one.
wrong() {
    local name=$1 status=0 line

    start "$2" "$3" || status=$?
    [ "$status" = 1 ] || lab_die "$name: exit code $status: $(tail -n 3 "$LAB_TMP/start.err")"
    [ ! -s "$LAB_TMP/start.out" ] \
        || lab_die "$name: on standard output: $(head -n 3 "$LAB_TMP/start.out")"
    line=$(grep -E '^[0-9T:.-]+Z error: |^/.*\.yaml' "$LAB_TMP/start.err") \
        || lab_die "$name: no line of ours: $(tail -n 3 "$LAB_TMP/start.err")"
    check "$(wc -l <<<"$line")" -eq 1 "$name: lines of ours: $line"
    [ "$line" = "$(tail -n 1 "$LAB_TMP/start.err")" ] \
        || lab_die "$name: something comes after it: $(tail -n 3 "$LAB_TMP/start.err")"
    grep -qE -- "$4" <<<"$line" || lab_die "$name: \"$4\" is not in: $line"
    grep -qE -- "$5" <<<"$line" || lab_die "$name: no remedy \"$5\" in: $line"
    printf '%-20s %s\n' "$name" "$line"
}

# nothing_left NAME PREFIX
nothing_left() {
    [ ! -e "/run/dpdk/$2" ] || lab_die "$1: /run/dpdk/$2 left behind"
    ! compgen -G "/dev/hugepages/$2map_*" >/dev/null || lab_die "$1: hugepages left behind"
}

# --- the table -----------------------------------------------------------------------------------

ran=0
while IFS='|' read -r name place change words remedy; do
    case $change in
        device:*) change='s|device: "[^"]*"|device: "'${change#device:}'"|' ;;
        host) change='s/pcap"}/pcap", host_interface: mt-mirror, host_interface_backend: tap}/' ;;
    esac
    wrong "$name" "$place" "$change" "$words" "$remedy"
    nothing_left "$name" "$PREFIX"
    [ ! -e "$LAB_TMP/good.sock" ] || lab_die "$name: control socket left behind"
    ! ip -n "$LAB_TARGET" -o link | grep -qE ': (mirror0|mt-mirror)[:@]' \
        || lab_die "$name: interface left behind"
    ran=$((ran + 1))
done <<'EOF'
config file|plain|d|bad.yaml: No such file|-c
not root|not_root||not root|sudo
no hugepages|without_hugepages||no free hugepages|nr_hugepages
no hugetlbfs|without_hugetlbfs||hugetlbfs is not mounted|mount -t hugetlbfs
no PCI device|with_pci|device:0000:00:0a.0|port mirror: no PCI device 0000:00:0a.0|mirrortap-bind --status
kernel's device|with_pci|device:0000:00:05.0|port mirror: .* its driver is ena|mirrortap-bind 0000:00:05.0
no driver|with_pci|device:0000:00:06.0|port mirror: .* has no driver|mirrortap-bind 0000:00:06.0
no vdev driver|plain|device:net_nosuch0|port mirror: .*net_nosuch0|whose arguments are right
no interface|plain|device:net_af_packet0,iface=nosuch0|port mirror: .*"nosuch0"|ip link
no capture|plain|device:net_pcap0,rx_pcap=/nosuch.pcap|port mirror: .*/nosuch.pcap|name one
vdev argument|plain|device:net_null0,nosuch=1|port mirror: .*nosuch=1|whose arguments are right
vdev without any|plain|device:net_af_packet0|port mirror: .*net_af_packet0|whose arguments are right
unknown EAL argument|plain|s/"--file/"--no-such-argument", &/|--no-such-argument|correct dataplane.eal
EAL argument's value|plain|s/"--file/"--iova-mode=none", &/|--iova-mode=none|correct dataplane.eal
address in use|port_taken||127.0.0.1:8091|port taken
probe's address in use|port_taken|s/listen:/probe_listen:/|http.probe_listen: 127.0.0.1:8091|port taken
no such address|plain|s/127.0.0.1:8091/192.0.2.1:8091/|192.0.2.1:8091|not of this machine
TAP's name taken|tap_taken||mirror0|name taken by another
host's name taken|host_taken|host|mt-mirror|name taken by another
socket's folder|plain|s/good.sock/mirrored.pcap\/good.sock/|good.sock|folder that can be written
EOF
check "$ran" -eq 20 "lines of the table"

# --- a second instance ---------------------------------------------------------------------------

# second NAME SED WORDS REMEDY: beside one that runs, which does not notice.
second() {
    wrong "$1" plain "$2" "$3" "$4"
    nothing_left "$1" "${PREFIX}2"
    lab_ctl good ledger >/dev/null || lab_die "$1: the first one is not in order"
    [ -e "/run/dpdk/$PREFIX" ] || lab_die "$1: the first one's files were removed"
    compgen -G "/dev/hugepages/${PREFIX}map_*" >/dev/null \
        || lab_die "$1: the first one's hugepages were removed"
}

lab_daemon_start good "$LAB_TMP/good.yaml"
# shellcheck disable=SC2154 # set by lab_daemon_start
second "same file prefix" 's/mirror0/mirror1/; s/good.sock/second.sock/' \
    "process $LAB_DAEMON_good runs with --file-prefix=$PREFIX" 'another prefix: dataplane.eal'
second "same control socket" "s/mirror0/mirror1/; s/=$PREFIX/&2/; s/:8091/:8092/" \
    "another mirrortapd answers on $LAB_TMP/good.sock" 'another path'
second "same TAP interface" "s/=$PREFIX/&2/; s/:8091/:8092/; s/good.sock/second.sock/" \
    mirror0 'name taken by another'
second "same address" "s/mirror0/mirror1/; s/=$PREFIX/&2/; s/good.sock/second.sock/" \
    127.0.0.1:8091 'port taken'
lab_daemon_stop good
nothing_left "second instance" "$PREFIX"
