#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Benchmarks. Never part of pass or fail: machines differ, and so do their moods.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
BENCHES=(hotpath micro sets policy cores consumer kernel ovs pcap latency memif capture_files pktgen)

usage() {
    cat <<EOF
Usage: sudo tests/bench/run.sh [NAME|all] [--rounds N] [--seconds S] [--json DIR]
    NAME is one of: ${BENCHES[*]} (default: hotpath)
    --json DIR  writes DIR/NAME.json too; tests/bench/plot.py DIR makes the pictures of docs/ of it
EOF
}

# A veth from g0 to g1, and the kernel's way to take mirror traffic behind it, on CPU 1. Addresses
# are those of the captures.
kernel_lab() {
    lab_namespace "$LAB_WEB"
    lab_namespace "$LAB_TARGET"
    lab_veth "$LAB_WEB" g0 02:00:0a:4d:03:01 "$LAB_TARGET" g1 "$LAB_TARGET_MAC" 9500
    ip -n "$LAB_TARGET" address add "$LAB_TARGET_IP/24" dev g1
    ip -n "$LAB_TARGET" link add vxlan0 type vxlan id "$LAB_VNI" dev g1 dstport 4789
    ip -n "$LAB_TARGET" link set vxlan0 up
    ip netns exec "$LAB_TARGET" sh -c 'echo 2 >/sys/class/net/g1/queues/rx-0/rps_cpus'
    export MT_BENCH_SENDER=$LAB_WEB MT_BENCH_TARGET=$LAB_TARGET
}

names=(hotpath)
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
    names=("$1")
    shift
fi
[ "${names[0]}" != all ] || names=("${BENCHES[@]}")
for argument in "$@"; do
    [[ $argument != -h && $argument != --help ]] || { usage; exit 0; }
done
for name in "${names[@]}"; do
    [[ " ${BENCHES[*]} " == *" $name "* ]] || { usage >&2; exit 2; }
done
command -v dpdk-testpmd >/dev/null || lab_skip "dpdk-testpmd is absent: apt-get install dpdk-dev"
[ -x "$LAB_BUILD/mirrortapd" ] || lab_die "build first: meson setup build && ninja -C build"
hugepages=512
[[ " ${names[*]} " != *" pcap "* ]] || hugepages=768 # a long ring
[[ " ${names[*]} " != *" policy "* ]] || hugepages=1536 # 200,000 frames, preloaded
[[ " ${names[*]} " != *" sets "* ]] || hugepages=3072 # a million frames, preloaded
lab_begin bench
lab_hugepages_up "$hugepages"
[[ " ${names[*]} " != *" kernel "* ]] || kernel_lab
if [[ " ${names[*]} " == *" ovs "* ]]; then
    [ -e "/run/netns/$LAB_TARGET" ] || lab_namespace "$LAB_TARGET"
    export MT_BENCH_TARGET=$LAB_TARGET
fi
if [[ " ${names[*]} " == *" pcap "* ]]; then
    command -v tcpdump >/dev/null || lab_skip "tcpdump is absent: apt-get install tcpdump"
    [ -e "/run/netns/$LAB_TARGET" ] || lab_target_only
    export MT_BENCH_TARGET=$LAB_TARGET
fi
for name in "${names[@]}"; do
    if [ "$name" = pktgen ]; then
        "$LAB_ROOT/tests/bench/pktgen.sh" "$@" || [ $? = 77 ] # it says why it is skipped
    else
        "$LAB_PYTHON" "$LAB_ROOT/tests/bench/$name.py" --build "$LAB_BUILD" --work "$LAB_TMP" "$@"
    fi
done
