#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Benchmarks: run.sh [NAME] [--rounds N] [--seconds N] [--vnis N] [--json FILE]. NAME is a file beside this
# one (default: hotpath). Never part of pass or fail: machines differ, and so do their moods.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
NAME=hotpath
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
    NAME=$1
    shift
fi
SCRIPT=$LAB_ROOT/tests/bench/$NAME.py
[ -e "$SCRIPT" ] || lab_die "no benchmark $NAME; there are:" \
    "$(cd "$LAB_ROOT/tests/bench" && ls ./*.py | sed 's,^./,,; s,\.py$,,' | tr '\n' ' ')"
command -v dpdk-testpmd >/dev/null || lab_skip "dpdk-testpmd is absent: apt-get install dpdk-dev"
[ -x "$LAB_BUILD/mirrortapd" ] || lab_die "build first: meson setup build && ninja -C build"
lab_begin bench
lab_hugepages_up 512
"$LAB_PYTHON" "$SCRIPT" --build "$LAB_BUILD" --work "$LAB_TMP" "$@"
