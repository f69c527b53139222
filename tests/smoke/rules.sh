#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The alert rules and the Grafana dashboard in config/: promtool takes the rules and every expression
# of the dashboard, all metrics in them stand in docs/metrics.md, and each alert says what to do.
set -eu
. "$(dirname "$0")/../lib/lab.sh"

RULES=$LAB_ROOT/config/prometheus/mirrortap-rules.yaml
DASHBOARD=$LAB_ROOT/config/grafana/mirrortap.json
METRICS=$LAB_ROOT/docs/metrics.md

command -v promtool >/dev/null || lab_skip "no promtool (Debian's package prometheus)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

promtool check rules "$RULES" >"$work/promtool" 2>&1 || { cat "$work/promtool"; exit 1; }

# The dashboard as rules, with Grafana's variables filled in: promtool knows the syntax.
jq -e '.templating.list | any(.type == "datasource")' "$DASHBOARD" >/dev/null \
    || lab_die "the dashboard has no variable for its data source"
jq -e '[.panels[] | select(.type != "row")] | length >= 10
    and all(.[]; .title != "" and (.description // "") != "" and (.targets | length) > 0
        and all(.targets[]; .datasource.uid == "${datasource}"))' "$DASHBOARD" >/dev/null \
    || lab_die "a panel of the dashboard lacks a title, a description, or the data source variable"
check "$(jq '[.panels[].id] | length - (unique | length)' "$DASHBOARD")" -eq 0 "panel ids used twice"
jq -r '.panels[].targets[]?.expr' "$DASHBOARD" >"$work/expressions"
jq -R -s '{groups: [{name: "dashboard", rules: [split("\n")[] | select(. != "")
    | gsub("\\$__rate_interval"; "1m") | gsub("\\$instance"; ".*")] | to_entries
    | map({record: "panel:\(.key)", expr: .value})}]}' \
    "$work/expressions" >"$work/dashboard.yaml"
promtool check rules "$work/dashboard.yaml" >"$work/promtool" 2>&1 \
    || { cat "$work/promtool"; exit 1; }

# Parts of a histogram stand in the table under the family's name.
grep -o '^| `mirrortap_[a-z0-9_]*`' "$METRICS" | tr -d '|` ' | sort -u >"$work/known"
{ sed 's/^ *#.*//' "$RULES"; cat "$work/expressions"; } | grep -o 'mirrortap_[a-z0-9_]*' \
    | sed 's/_seconds_\(bucket\|sum\|count\)$/_seconds/' | sort -u >"$work/used"
check "$(wc -l <"$work/used")" -ge 20 "metrics in use"
unknown=$(comm -23 "$work/used" "$work/known")
[ -z "$unknown" ] || lab_die "not in docs/metrics.md: ${unknown//$'\n'/ }"

alerts=$(grep -c '^ *- alert:' "$RULES")
for key in summary remedy; do
    check "$(grep -c "^ *$key: \"" "$RULES")" -eq "$alerts" "alerts with a $key"
done

# The rules do what they say: some series in, these alerts out.
promtool test rules "$LAB_ROOT/tests/lib/rules_test.yaml" >"$work/promtool" 2>&1 \
    || { cat "$work/promtool"; exit 1; }
echo "$alerts alerts, $(wc -l <"$work/expressions") expressions, $(wc -l <"$work/used") metrics"
