#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The benchmarks still run, from captures to JSON, table and pictures. How fast is not looked at.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v dpdk-testpmd >/dev/null || lab_skip "dpdk-testpmd is absent: apt-get install dpdk-dev"
/usr/bin/python3 -c 'import matplotlib' 2>/dev/null \
    || lab_skip "matplotlib is absent: apt-get install python3-matplotlib"
lab_begin bench-smoke

"$LAB_ROOT/tests/bench/run.sh" hotpath --rounds 1 --seconds 0.2 --json "$LAB_TMP/json" \
    >"$LAB_TMP/table.md" 2>"$LAB_TMP/bench.log"
rows=$(jq '.rows | length' "$LAB_TMP/json/hotpath.json")
check "$rows" -ge 15 "rows"
check "$(jq '[.rows[] | select(.mpps.median > 0 and .mpps.min <= .mpps.max and .cycles.median > 0)]
    | length' "$LAB_TMP/json/hotpath.json")" -eq "$rows" "rows with rates"
check "$(jq '[.rows[] | select(.subject == "mirrortapd") | .ratios["testpmd macswap"].median > 0]
    | all' "$LAB_TMP/json/hotpath.json")" = true "ratios"
check "$(grep -c '^| vxlan-ipv4 |' "$LAB_TMP/table.md")" -ge 10 "lines of the table"

# Into documents of its own.
mkdir -p "$LAB_TMP/tree/tests" "$LAB_TMP/tree/docs"
cp -r "$LAB_ROOT/tests/bench" "$LAB_TMP/tree/tests/"
cp "$LAB_ROOT/docs/performance.md" "$LAB_TMP/tree/docs/"
"$LAB_PYTHON" "$LAB_TMP/tree/tests/bench/plot.py" "$LAB_TMP/json" >"$LAB_TMP/plot.log" 2>&1
grep -q '<svg' "$LAB_TMP/tree/docs/performance-hotpath.svg" || lab_die "no picture"
grep -q -- "--seconds 0.2" "$LAB_TMP/tree/docs/performance.md" || lab_die "no table in the document"
