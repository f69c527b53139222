#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A TAP output whose interface is deleted or set down while traffic flows: that output says so,
# counts its drops and mends itself; another output loses nothing.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin faults
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py

"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1000 --each 6
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"
cat >"$LAB_TMP/faults.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal mt-faults)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
  - {name: other, type: port, device: "net_pcap0,tx_pcap=$LAB_TMP/0.pcap,tx_pcap=$LAB_TMP/1.pcap"}
http: {control_socket: $LAB_TMP/faults.sock}
EOF
lab_daemon_start faults "$LAB_TMP/faults.yaml"

# tool EXPRESSION: something of the faulty output in `mirrortap outputs --json`.
tool() {
    lab_ctl faults outputs --json | jq -r ".outputs[] | select(.name == \"tools\") | $1"
}

tool_drops() {
    lab_ledger faults '[.outputs.tools.drops[]] | add // 0'
}

delivered() {
    lab_ledger faults .outputs.tools.delivered
}

flows() {
    local before

    before=$(delivered)
    wait_for "[ \$(delivered) -gt $before ]" 5 "frames are delivered to mirror0 $1"
}

mended() {
    wait_for '[ "$(tool .state)" = up ]' 10 "state is up again after mirror0 was $1"
    wait_for 'ip -n "$LAB_TARGET" link show mirror0 up | grep -q mirror0' 5 "mirror0 is up again"
    flows "after it was $1"
}

# Deleted. The name is taken at once by another interface, so that the error stays to be seen.
deleted() {
    local drops tries

    drops=$(tool_drops)
    ip -n "$LAB_TARGET" link add spare type veth peer name obstacle
    for ((tries = 0; tries < 20; tries++)); do
        printf 'link delete mirror0\nlink set spare name mirror0\n' \
            | ip -n "$LAB_TARGET" -batch - 2>/dev/null && break
        # The daemon was quicker, and has made it again.
        wait_for 'ip -n "$LAB_TARGET" link show mirror0' 5 "mirror0 is back"
    done
    check "$tries" -lt 20 "tries to take the name of mirror0"
    wait_for '[ "$(tool .state)" = error ]' 5 "state is error after mirror0 was deleted"
    wait_for '[[ $(tool .error) == *mirror0* ]]' 5 "the error names mirror0"
    wait_for "[ \$(tool_drops) -gt $((drops + 100)) ]" 5 "drops are counted without mirror0"
    check "$(tool .errors)" -ge 1 "errors counted"
    ip -n "$LAB_TARGET" link delete mirror0
    mended deleted
}

# Set down: mended so fast that only the counters are sure to tell.
set_down() {
    local drops errors

    drops=$(tool_drops)
    errors=$(tool .errors)
    ip -n "$LAB_TARGET" link set mirror0 down
    wait_for "[ \$(tool .errors) -gt $errors ]" 5 "an error is counted when mirror0 is set down"
    wait_for "[ \$(tool_drops) -gt $drops ]" 5 "drops are counted when mirror0 is set down"
    mended "set down"
}

# 24,000 frames in 12 seconds.
lab_spawn "$LAB_WEB" "$LAB_TMP/send.log" \
    "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 2000 --times 4
sender=$LAB_PID
flows "before any fault"
deleted
set_down
lab_running "$sender" || lab_die "the sender ended before the faults were over"
wait_for "! lab_running $sender" 20 "the sender ends"
wait_for '[ "$(lab_ledger faults .outputs.other.delivered)" -ge 24000 ]' 10 "24,000 on the other"
lab_daemon_stop faults

ledger=$LAB_TMP/faults.ledger
check "$(jq .accepted "$ledger")" -eq 24000 accepted
check "$(jq .outputs.other.delivered "$ledger")" -eq 24000 "delivered by the other output"
check "$(jq .outputs.tools.offered "$ledger")" -eq 24000 "offered to the faulty output"
check "$(jq .outputs.tools.drops.error "$ledger")" -gt 0 "drops for the error"
check "$(jq '[.outputs.tools.drops | to_entries[] | select(.key != "error") | .value] | add // 0' \
    "$ledger")" -eq 0 "other drops of the faulty output"

# Byte for byte, not only by count. The capture was sent four times.
"$FRAMES" same "$LAB_TMP/expected.pcap" "$LAB_TMP"/[01].pcap --times 4
