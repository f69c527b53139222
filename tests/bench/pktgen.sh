#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Pktgen-DPDK into mirrortapd on one machine: net_virtio_user into a net_vhost port, CPU 0 into
# CPU 1. Searches the highest rate without loss of each profile of config/pktgen. Where Pktgen is
# absent this is skipped; docs/sizing.md tells how to build it.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
PROFILES=(64-1 64-1024 64-100000 imix-1024 1400-1024 8900-1024 range)
TABLE='| profile | Mpps | Gbit/s inside | trials |\n|---|---:|---:|---:|\n'

usage() {
    cat <<EOF
Usage: sudo tests/bench/pktgen.sh [--seconds S] [--json DIR] [PROFILE...]
    PROFILE     SIZE-FLOWS, or range; default: ${PROFILES[*]}
    --seconds S of one trial (default: 5)
    --json DIR  writes DIR/pktgen.json too
    PKTGEN      in the environment: the program, if it is not on PATH
EOF
}

seconds=5
json=
while [ $# -gt 0 ] && [[ $1 == -* ]]; do
    case $1 in
        --seconds) seconds=${2:?seconds} ;;
        --json) json=${2:?folder} ;;
        --rounds) ;; # of the other benchmarks: a search has as many trials as it takes
        *) usage >&2; exit 2 ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- "${PROFILES[@]}"
pktgen=${PKTGEN:-$(command -v pktgen || :)}
[ -x "$pktgen" ] || lab_skip "Pktgen-DPDK is absent: build it as docs/sizing.md tells, PKTGEN=its path"
[ "$(nproc)" -ge 2 ] || lab_skip "needs two CPUs: one to send, one to receive"
lab_begin pktgen
lab_hugepages_up 2048
lab_target_only

cat >"$LAB_TMP/d.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-bench-pktgen)}
ports:
  - {name: mirror, device: "net_vhost0,iface=$LAB_TMP/vhost.sock"}
tunnels: {vxlan_ports: [4789, 8472]}
http: {control_socket: $LAB_TMP/d.sock}
EOF

# inner_bytes PCAP: the mean of the frames behind 50 bytes of tunnel; the file has a header of 24
# bytes, and 16 with each frame.
inner_bytes() {
    local frames

    frames=$(tcpdump -r "$1" --count 2>/dev/null | grep -o '^[0-9]*')
    echo $(((($(stat -c %s "$1") - 24) / frames) - 16 - 50))
}

# run PROFILE: its results in $LAB_TMP/PROFILE.jsonl.
run() {
    local profile=$1 script=$1 arguments=()

    if [[ $profile == *-* ]]; then
        script=pcap
        MIRRORGEN=$LAB_BUILD/mirrorgen MIRRORGEN_OPTIONS="--vni $LAB_VNI --udp 0" \
            "$LAB_ROOT/config/pktgen/make-pcaps.sh" "$LAB_TMP" "$profile" >/dev/null
        arguments=(-s "0:$LAB_TMP/$profile.pcap")
    fi
    lab_daemon_start d "$LAB_TMP/d.yaml"
    # A pty, because Pktgen wants a terminal. One file for all memory, because vhost-user takes no
    # more than a few regions.
    lab_spawn "$LAB_TARGET" "$LAB_TMP/pktgen.screen" env \
        MT_LEDGER="$LAB_BUILD/mirrortap --socket $LAB_TMP/d.sock ledger --json" \
        MT_RESULT="$LAB_TMP/$profile.jsonl" MT_PROFILE="$profile" MT_SECONDS="$seconds" \
        MT_SOURCE="$LAB_SOURCE_IP" MT_TARGET="$LAB_TARGET_IP" MT_TARGET_MAC="$LAB_TARGET_MAC" \
        MT_VNI="$LAB_VNI" TERM=xterm \
        script -qefc "$pktgen --lcores=0@0,1@0 --no-pci --file-prefix=mt-bench-sender \
            --single-file-segments --socket-mem=1024 --log-level=error \
            --vdev=net_virtio_user0,path=$LAB_TMP/vhost.sock,queue_size=1024,speed=100000 \
            -- -m 1.0 -P -j ${arguments[*]} -f $LAB_ROOT/config/pktgen/$script.lua" /dev/null
    wait_for "grep -qE '\"kind\": \"(result|error)\"' '$LAB_TMP/$profile.jsonl' \
        || grep -q ^lua-shell: '$LAB_TMP/pktgen.screen' || ! lab_running $LAB_PID" $((60 + 20 * (seconds + 8))) "Pktgen's result for $profile"
    lab_stop "$LAB_PID"
    jq -e 'select(.kind == "result")' "$LAB_TMP/$profile.jsonl" >/dev/null || {
        grep -ahE '"kind"|^lua-shell:|!ERROR!|PANIC' "$LAB_TMP/$profile.jsonl" \
            "$LAB_TMP/pktgen.screen" >&2 || :
        lab_die "Pktgen found no rate without loss for $profile"
    }
    check "$(lab_ledger d '.received - .accepted')" -eq 0 "packets that are no mirror traffic"
    lab_daemon_stop d
}

for profile in "$@"; do
    run "$profile"
    inner=64
    [[ $profile != *-* ]] || inner=$(inner_bytes "$LAB_TMP/$profile.pcap")
    jq -s --argjson inner "$inner" '(map(select(.kind == "result"))[0])
        + {trials: map(select(.kind == "trial")) | length, inner_bytes: $inner}
        | del(.kind)' "$LAB_TMP/$profile.jsonl" | tee -a "$LAB_TMP/rows.json" \
        | jq -r '"  \(.profile): \(.pps / 1e6) Mpps"' >&2
    rm -f "$LAB_TMP/$profile.pcap"
done
{
    printf '%b' "$TABLE"
    jq -r '"| \(.profile) | \(.pps / 1e4 | round / 100) "
        + "| \(.pps * .inner_bytes * 8 / 1e7 | round / 100) | \(.trials) |"' "$LAB_TMP/rows.json"
} | tee "$LAB_TMP/table.md"
if [ -n "$json" ]; then
    mkdir -p "$json"
    jq -s --arg date "$(date -u +%FT%T+00:00)" --arg seconds "$seconds" \
        --arg cpu "$(sed -n 's/^model name\t: //p' /proc/cpuinfo | head -n 1)" \
        '{bench: "pktgen", $date, command: "tests/bench/pktgen.sh --seconds \($seconds)",
          machine: {$cpu}, rows: .}' "$LAB_TMP/rows.json" >"$json/pktgen.json"
fi
