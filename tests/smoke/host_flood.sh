#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A flood of other traffic, one packet for each mirrored one, does not slow decapsulation by more than
# the look that each packet costs: without a wait, in interleaved runs, beside mirror traffic alone
# and beside the same flood without a host interface. The kernel gets what `host_rate` allows, the
# rest is counted as `host_full`, and the ledger balances all the time.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin flood
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/frames.py
HOST=mt-eth1
RATE=20000
ROUNDS=3
LEAST=75 # per cent; a worker that shared anything with the kernel's side would be far below

"$FRAMES" conversations "$LAB_TMP/alone.pcap" --count 2048 --each 1 --length 300
# Every second frame goes to another UDP port and so is no mirror traffic. As long as before.
PYTHONPATH=$LAB_ROOT/tests/lib "$LAB_PYTHON" - "$LAB_TMP/alone.pcap" "$LAB_TMP/mixed.pcap" <<'EOT'
import sys
import frames
found = list(frames.read_pcap(sys.argv[1]))
for number in range(0, len(found), 2):
    found[number] = found[number][:36] + b"\x00\x35" + found[number][38:]
frames.write_pcap(sys.argv[2], found)
EOT

# start NAME PCAP [HOST_INTERFACE_KEYS]
start() {
    cat >"$LAB_TMP/$1.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-flood)}
ports:
  - {name: eth1, device: "net_pcap0,rx_pcap=$LAB_TMP/$2.pcap,infinite_rx=1"${3-}}
outputs:
  - {name: nowhere, type: port, device: net_null0}
http: {control_socket: $LAB_TMP/$1.sock}
EOT
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
    worker=$(grep -l worker /proc/"$LAB_PID"/task/*/comm)
    worker=${worker%/comm}
    wait_for "[ \"\$(lab_ledger $1 .received)\" -gt 500000 ]" 10 "frames arrive"
}

# look NAME FILE: the ledger, the worker's time on a CPU (not the time that others took from it), the
# clock, and what the kernel has got.
look() {
    local rx=/sys/class/net/$HOST/statistics/rx_packets

    lab_ctl "$1" ledger --json >"$LAB_TMP/ledger.json"
    lab_check_ledger "$LAB_TMP/ledger.json"
    jq -c --argjson cpu "$(cut -d' ' -f1 "$worker/schedstat")" \
        --argjson clock "${EPOCHREALTIME/[.,]/}" \
        --argjson kernel "$(ip netns exec "$LAB_TARGET" cat "$rx" 2>/dev/null || echo 0)" \
        '. + {$cpu, $clock, $kernel}' "$LAB_TMP/ledger.json" >"$2"
}

# run NAME: a second of it. One line of figures goes to NAME.runs.
run() {
    look "$1" "$LAB_TMP/first"
    wait_for "[ \"\${EPOCHREALTIME/[.,]/}\" -gt $((${EPOCHREALTIME/[.,]/} + 1000000)) ]" 5
    look "$1" "$LAB_TMP/last"
    jq -sc '(.[1].cpu - .[0].cpu) as $cpu | (.[1].clock - .[0].clock) as $clock
        | {received: ((.[1].received - .[0].received) * 1e9 / $cpu | round),
           accepted: ((.[1].accepted - .[0].accepted) * 1e9 / $cpu | round),
           host: ((.[1].host - .[0].host) * 1e6 / $clock | round),
           kernel: ((.[1].kernel - .[0].kernel) * 1e6 / $clock | round),
           host_full: (.[1].drops.host_full - .[0].drops.host_full),
           ns_per_packet: ($cpu / (.[1].received - .[0].received) * 10 | round / 10)}' \
        "$LAB_TMP/first" "$LAB_TMP/last" >>"$LAB_TMP/$1.runs"
    echo "$1: $(tail -n 1 "$LAB_TMP/$1.runs")"
}

KEYS=", host_interface: $HOST, host_interface_backend: tap, host_rate: $RATE"
for ((round = 0; round < ROUNDS; round++)); do
    start alone alone "$KEYS"
    run alone
    lab_daemon_stop alone
    start unhosted mixed
    run unhosted
    lab_daemon_stop unhosted
    start flood mixed "$KEYS"
    run flood
    lab_daemon_stop flood
    check "$(jq '.drops.host_full' "$LAB_TMP/flood.ledger")" -gt 0 "dropped as host_full"
    check "$(jq '[.drops | to_entries[] | select(.key != "host_full") | .value] | add' \
        "$LAB_TMP/flood.ledger")" -eq 0 "dropped as anything else"
    # Each second frame, but for where the daemon stopped in the pcap's turn.
    check "$(jq '.accepted - .host - .drops.host_full | fabs' "$LAB_TMP/flood.ledger")" -le 1024 \
        "mirror frames less others"
done

median() { # NAME FIELD
    jq -s "map(.$2) | sort | .[length / 2 | floor]" "$LAB_TMP/$1.runs"
}
alone=$(median alone accepted)
unhosted=$(median unhosted accepted)
flood=$(median flood accepted)
echo "decapsulated in a second of the worker's CPU, median of $ROUNDS:" \
    "alone $alone, flood without host interface $unhosted, with it $flood"
echo "nanoseconds a packet: alone $(median alone ns_per_packet), flood without" \
    "$(median unhosted ns_per_packet), with $(median flood ns_per_packet)"
echo "to the kernel: $(median flood kernel) frames/s, host_rate $RATE"
# Half of the frames are the flood's: half of the rate is the cost of looking at them.
check $((flood * 200 / alone)) -ge "$LEAST" "per cent of a fair half, beside mirror traffic alone"
check $((flood * 100 / unhosted)) -ge "$LEAST" "per cent of the rate without a host interface"
for kernel in $(jq .kernel "$LAB_TMP/flood.runs"); do
    check "$kernel" -le $((RATE * 110 / 100)) "frames/s to the kernel"
    check "$kernel" -ge $((RATE / 2)) "frames/s to the kernel, so that the limit was reached"
done
