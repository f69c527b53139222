#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Benchmarks. Never part of pass or fail: machines differ, and so do their moods.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
BENCHES=(hotpath micro)

usage() {
    cat <<EOF
Usage: sudo tests/bench/run.sh [NAME|all] [--rounds N] [--seconds S] [--json DIR]
    NAME is one of: ${BENCHES[*]} (default: hotpath)
    --json DIR  writes DIR/NAME.json too; tests/bench/plot.py DIR makes the pictures of docs/ of it
EOF
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
[[ " ${names[*]} " != *" sets "* ]] || hugepages=3072 # a million frames, preloaded
lab_begin bench
lab_hugepages_up "$hugepages"
for name in "${names[@]}"; do
    "$LAB_PYTHON" "$LAB_ROOT/tests/bench/$name.py" --build "$LAB_BUILD" --work "$LAB_TMP" "$@"
done
