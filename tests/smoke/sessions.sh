#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Counters per session: API, command line, metrics and telemetry say of each VNI what was sent of
# it, with two workers and few VNIs as with more than are listed, and summed up it is what the
# ledger accepted.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin sessions
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
PREFIX=mt-sessions

"$FRAMES" conversations "$LAB_TMP/few.pcap" --count 400 --each 4 --vnis 8
"$FRAMES" conversations "$LAB_TMP/many.pcap" --count 1500 --each 2 --vnis 1500
# few.pcap and, of VNI 70000, frames that were cut at the source and some that were cut too short; of
# VNI 70001 only such. expected.json: what is to be counted.
"$LAB_PYTHON" - "$LAB_ROOT/tests/lib" "$LAB_TMP" <<'PYTHON'
import collections
import json
import sys

sys.path.insert(0, sys.argv[1])
import frames

folder = sys.argv[2]
few = list(frames.read_pcap(f"{folder}/few.pcap"))
long = [f[frames.OUTER:] for f in few if len(f) > 300 + frames.OUTER][:40]
cut = [frames.mirrored(inner[:100], 0xFF80, 70000) for inner in long]
short = [frames.mirrored(inner[:10], 0xFF80, vni)
         for vni, count in ((70000, 10), (70001, 5)) for inner in long[:count]]
sessions = collections.defaultdict(lambda: {"packets": 0, "bytes": 0, "truncated": 0, "drops": 0})
for group, truncated in ((few, 0), (cut, 1), (short, 0)):
    for frame in group:
        session = sessions[int.from_bytes(frame[46:49], "big")]
        if len(frame) < frames.OUTER + 14:
            session["drops"] += 1
            continue
        session["packets"] += 1
        session["bytes"] += len(frame) - frames.OUTER
        session["truncated"] += truncated
frames.write_pcap(f"{folder}/few.pcap", few + cut + short)
with open(f"{folder}/expected.json", "w", encoding="ascii") as out:
    json.dump([{"vni": vni, **counts} for vni, counts in sorted(sessions.items())], out)
PYTHON

cat >"$LAB_TMP/d.yaml" <<EOF
dataplane: {lcores: "0@0,1@0,2@1", queues: 2, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 2)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/d.sock}
EOF
lab_daemon_start d "$LAB_TMP/d.yaml"
metrics() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 http://127.0.0.1:8080/metrics >"$LAB_TMP/metrics"
}
# series NAME [LABEL]: the sum over them.
series() {
    awk -v name="mirrortap_$1" -v label="${2-}" '
        $1 ~ "^" name "({|$)" && index($1, label) { sum += $NF } END { printf "%.0f\n", sum }' \
        "$LAB_TMP/metrics"
}
tell() {
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/telemetry.py" $PREFIX "$@"
}
sums='[.sessions[], .other] | map(.packets) | add'

# --- before anything arrives ---
lab_ctl d sessions --json >"$LAB_TMP/none.json"
[ "$(jq -c '[.sessions, .other.packets, .other.first_seen]' "$LAB_TMP/none.json")" = '[[],0,null]' ] \
    || lab_die "sessions without traffic: $(cat "$LAB_TMP/none.json")"
[ "$(lab_ctl d sessions | wc -l)" -eq 1 ] || lab_die "a table without traffic is more than headings"

# --- few ---
begin=$(date +%s)
ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/few.pcap" --pps 5000
wait_for '[ "$(lab_ledger d .received)" -ge 1655 ]' 10 "1,655 received"
wait_for '[ "$(lab_ledger d .in_flight)" -eq 0 ]' 10 "nothing in flight"
finish=$(date +%s)
lab_ctl d ledger --json >"$LAB_TMP/ledger.json"
lab_check_ledger "$LAB_TMP/ledger.json"
lab_ctl d sessions --json >"$LAB_TMP/few.json"
ip netns exec "$LAB_TARGET" curl -s -m 5 http://127.0.0.1:8080/api/v1/sessions \
    | jq -S . | diff - <(jq -S . "$LAB_TMP/few.json") >&2 || lab_die "HTTP and command line differ"
jq -S '[.sessions[] | {vni, packets, bytes, truncated, drops}] | sort_by(.vni)' "$LAB_TMP/few.json" \
    | diff - <(jq -S . "$LAB_TMP/expected.json") >&2 || lab_die "sent (>) and counted (<) differ"
check "$(jq "$sums" "$LAB_TMP/few.json")" -eq "$(jq .accepted "$LAB_TMP/ledger.json")" "all sessions"
check "$(jq '[.sessions[].drops] | add' "$LAB_TMP/few.json")" -eq \
    "$(jq .drops.inner_too_short "$LAB_TMP/ledger.json")" "drops of sessions"
jq -e --argjson begin "$begin" --argjson finish "$finish" '.sessions | length == 10 and all(
    .name == null and .first_seen >= $begin - 1 and .first_seen <= .last_seen
    and .last_seen <= $finish + 1) and (map(.packets) | . == (sort | reverse))' "$LAB_TMP/few.json" \
    >/dev/null || lab_die "$(cat "$LAB_TMP/few.json")"

lab_ctl d sessions >"$LAB_TMP/few.txt"
[ "$(wc -l <"$LAB_TMP/few.txt")" -eq 11 ] || lab_die "table: $(cat "$LAB_TMP/few.txt")"
grep -qE "^ *70000 +- +40 +4,000 +40 +10 +$(date +%Y)-" "$LAB_TMP/few.txt" \
    || lab_die "VNI 70000 in the table: $(cat "$LAB_TMP/few.txt")"
lab_ctl d top --once >"$LAB_TMP/top.txt"
grep -qE '^ *4321 ' "$LAB_TMP/top.txt" || lab_die "top shows no session: $(cat "$LAB_TMP/top.txt")"
lab_ctl d top --once --json | jq -e '.sessions | length == 10' >/dev/null || lab_die "top --json"

metrics
[ "$(jq -r '.[] | "\(.vni) \(.packets) \(.bytes) \(.truncated) \(.drops)"' "$LAB_TMP/expected.json")" = "$(
    jq -r '.[].vni' "$LAB_TMP/expected.json" | while read -r vni; do
        echo "$vni" "$(series session_packets_total "vni=\"$vni\"")" \
            "$(series session_bytes_total "vni=\"$vni\"")" \
            "$(series session_truncated_packets_total "vni=\"$vni\"")" \
            "$(series session_dropped_packets_total "vni=\"$vni\"")"
    done)" ] || lab_die "metrics: $(grep ^mirrortap_session "$LAB_TMP/metrics")"
check "$(series sessions)" -eq 10 "mirrortap_sessions"
check "$(series session_packets_total 'vni="other"')" -eq 0 "packets of other sessions"
check "$(series session_last_seen_timestamp_seconds 'vni="70001"')" -ge $((begin - 1)) "last seen"
check "$(series session_packets_total)" -eq "$(series accepted_packets_total)" "metrics' sessions"

[ "$(tell /mirrortap/sessions | jq -c '.[] | [(keys | length), ."70000".truncated, .other.packets]')" \
    = '[11,40,0]' ] || lab_die "telemetry: $(tell /mirrortap/sessions)"
[ "$(tell /mirrortap/sessions,70001 | jq -c '.[] | map_values([.packets, .drops])')" \
    = '{"70001":[0,5]}' ] || lab_die "telemetry: $(tell /mirrortap/sessions,70001)"

# --- more than are listed ---
ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/many.pcap" --pps 10000
wait_for '[ "$(lab_ledger d .received)" -ge 4655 ]' 10 "4,655 received"
wait_for '[ "$(lab_ledger d .in_flight)" -eq 0 ]' 10 "nothing in flight"
lab_ctl d ledger --json >"$LAB_TMP/ledger.json"
lab_ctl d sessions --json >"$LAB_TMP/many.json"
check "$(jq '.sessions | length' "$LAB_TMP/many.json")" -eq 1024 "sessions that are listed"
check "$(jq .other.sessions "$LAB_TMP/many.json")" -eq $((1502 - 1024)) "other sessions"
check "$(jq .other.table_full "$LAB_TMP/many.json")" -eq 0 "packets that found the table full"
check "$(jq "$sums" "$LAB_TMP/many.json")" -eq "$(jq .accepted "$LAB_TMP/ledger.json")" "many sessions"
# The busiest are listed: those of before.
jq -ne --slurpfile few "$LAB_TMP/few.json" --slurpfile many "$LAB_TMP/many.json" \
    '[$few[0].sessions[] | select(.packets > 2) | .vni] - [$many[0].sessions[:9][].vni] == []' \
    >/dev/null || lab_die "$(jq -c '.sessions[:12]' "$LAB_TMP/many.json")"
lab_ctl d sessions | tail -n 1 | grep -qE '^ *other +478 more ' || lab_die "the last row is not other"
metrics
check "$(grep -c '^mirrortap_session_packets_total{' "$LAB_TMP/metrics")" -eq 1025 "series"
check "$(series sessions)" -eq 1502 "mirrortap_sessions"
check "$(series session_packets_total)" -eq "$(series accepted_packets_total)" "metrics' many sessions"
# Of the metrics, those that were seen first stay.
check "$(series session_dropped_packets_total 'vni="70001"')" -eq 5 "drops of an old session"
if command -v promtool >/dev/null; then
    promtool check metrics <"$LAB_TMP/metrics" || lab_die "promtool does not accept it"
fi
check "$(tell /mirrortap/sessions | jq '.[] | length')" -eq 65 "sessions in telemetry's answer"
check "$(tell /mirrortap/sessions | jq '.[].other.sessions')" -eq 478 "others in telemetry's answer"
lab_ctl d top --once | grep -q '^the busiest 10 of 1024 or more' || lab_die "top does not say of how many"
lab_daemon_stop d
check "$(jq .accepted "$LAB_TMP/d.ledger")" -eq "$(jq "$sums" "$LAB_TMP/many.json")" "final ledger"
echo "$(wc -c <"$LAB_TMP/many.json") bytes of sessions, $(wc -c <"$LAB_TMP/metrics") of metrics"
