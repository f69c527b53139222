#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device asks to be reset, is unplugged and comes back, its link changes, that of a port and that of
# an output: the workers leave it and return, other ports and outputs go on, the ledger balances, the
# host interface works. Events are raised on demand, in the build with -Dtest_events=true, which
# tests/run.sh makes with sanitizers.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
LAB_BUILD=${LAB_BUILD_EVENTS:-$LAB_ROOT/build-asan}
OPTIONS=$LAB_BUILD/meson-info/intro-buildoptions.json
[ -x "$LAB_BUILD/mirrortapd" ] || lab_skip "no $LAB_BUILD: built by tests/run.sh without --no-asan"
jq -e 'any(.[]; .name == "test_events" and .value == true)' "$OPTIONS" >/dev/null \
    || lab_die "$LAB_BUILD was set up without -Dtest_events=true, perhaps before there was that option:" \
        "meson setup --reconfigure -Dtest_events=true $LAB_BUILD && ninja -C $LAB_BUILD"
lab_begin events
lab_hugepages_up 256
lab_namespace "$LAB_WEB"
lab_target_only
lab_veth "$LAB_WEB" u0 02:00:0a:4d:02:01 "$LAB_TARGET" t0 "$LAB_TARGET_MAC" 1500
ip -n "$LAB_WEB" address add "$LAB_SOURCE_IP/24" dev u0

# Two queues share the transmit queue of each output: one worker sends, the other sets aside for it.
"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 6
cat >"$LAB_TMP/daemon.yaml" <<EOT
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-events)}
ports:
  - {name: first, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
  - {name: second, device: "net_null1,size=64"}
  - name: third
    device: "net_af_packet2,iface=t0,qpairs=1,blocksz=65536,framesz=2048,framecnt=1024"
    host_interface: mt-third
    host_interface_backend: tap
outputs:
  - {name: tools, type: port, device: "net_tap0,iface=tools0", tx_queues: 1}
  - {name: archive, type: port, device: net_null2, tx_queues: 1}
http: {control_socket: $LAB_TMP/daemon.sock}
EOT
lab_daemon_start daemon "$LAB_TMP/daemon.yaml" MIRRORTAP_TEST_EVENTS="$LAB_TMP/events" \
    ASAN_OPTIONS=detect_leaks=0
ip -n "$LAB_TARGET" address add "$LAB_TARGET_IP/24" dev mt-third

port() { # PLACE FIELD
    lab_ctl daemon ports --json | jq ".ports[$1].$2"
}

output() { # PLACE FIELD
    lab_ctl daemon outputs --json | jq ".outputs[$1].$2"
}

passed() { # port|output PLACE: packets so far
    if [ "$1" = port ]; then
        port "$2" packets
    else
        output "$2" delivered
    fi
}

log_count() {
    grep -c -- "$1" "$LAB_TMP/daemon.err" || :
}

in_kernel() { # frames that the kernel was given by the output tools
    ip -n "$LAB_TARGET" -s -j link show tools0 | jq '.[0].stats64.rx.packets'
}

answers() { # the mirror address, through the port named third
    ip netns exec "$LAB_WEB" ping -q -n -c 1 -W 1 "$LAB_TARGET_IP"
}

# all_pass: every port and output passes packets that has them all the time.
all_pass() {
    local kind place before

    for kind in port output; do
        for place in 0 1; do
            before=$(passed "$kind" "$place")
            wait_for "[ \$(passed $kind $place) -gt $before ]" 10 "$kind $place passes packets"
        done
    done
    before=$(in_kernel)
    wait_for "[ \$(in_kernel) -gt $before ]" 10 "the kernel gets frames of the output tools"
}

# event WORD KIND PLACE LINE: raises it and waits until the device is back, which the log must have
# said (once a minute at most, so at least once up to now); the other ports and outputs went on
# meanwhile. Then all pass packets, and the ledger balances.
event() {
    local word=$1 kind=$2 place=$3 line=$4 seen other
    local -A before=()

    seen=$("$kind" "$place" resets)
    [ "$word" != link ] || seen=$((seen - 1)) # changes nothing but the log
    for other in "port 0" "port 1" "output 0" "output 1"; do
        # shellcheck disable=SC2086 # two words
        [ "$other" = "$kind $place" ] || before[$other]=$(passed $other)
    done
    echo "$word $kind $place" >"$LAB_TMP/events.new"
    mv "$LAB_TMP/events.new" "$LAB_TMP/events"
    wait_for "[ \$($kind $place resets) -gt $seen ]" 15 "the device is back after $word of $kind $place"
    wait_for "[ \$(log_count '$line') -gt 0 ]" 5 "$word of $kind $place: $line"
    for other in "${!before[@]}"; do
        # shellcheck disable=SC2086 # two words
        check "$(passed $other)" -gt "${before[$other]}" "$other went on"
    done
    all_pass
    lab_ctl daemon ledger --json >"$LAB_TMP/live.ledger"
    lab_check_ledger "$LAB_TMP/live.ledger"
}

lost() { # PLACE: frames that the output dropped because of an error
    output "$1" drops.error
}

all_pass
wait_for answers 10 "the mirror address answers"

event reset port 1 'port second: was reset and is back'
event reset port 0 'port first: .*is back' # net_pcap loses its file with a reset: found again
event remove port 1 'port second: .*is back'
event remove port 0 'port first: .*is back'
event link port 0 'port first: link is up'
check "$(port 0 resets)" -eq 2 "resets of the port first"

# The port of a host interface: its transmit queue is the kernel's way out.
event remove port 2 'port third: .*is back'
wait_for answers 10 "the mirror address answers after its port came back"

check "$(lost 0)" -eq 0 "frames lost by the output tools to begin with"
event reset output 0 'output tools: its device asked to be reset'
event reset output 1 'output archive: its device asked to be reset'
before=$(lost 0)
event remove output 0 'output tools: is up again'
check "$(lost 0)" -gt "$before" "frames lost while the device of the output was gone"
before=$(lost 1)
event remove output 1 'output archive: is up again'
check "$(lost 1)" -gt "$before" "frames lost while the device of the output was gone"
grep -q 'output tools: net_tap0.* was unplugged' "$LAB_TMP/daemon.err" \
    || lab_die "the log does not say that the device was unplugged"
check "$(output 0 resets)" -eq 2 "resets of the output tools"
check "$(output 1 resets)" -eq 2 "resets of the output archive"

lab_daemon_stop daemon
check "$(jq .in_flight "$LAB_TMP/daemon.ledger")" -eq 0 "in flight at the end"
check "$(jq '[.outputs[].in_flight] | add' "$LAB_TMP/daemon.ledger")" -eq 0 \
    "in flight in the outputs at the end"
