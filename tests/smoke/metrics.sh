#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# /metrics: promtool and OpenMetrics' own parser accept it, docs/metrics.md lists each family and no
# other, the sums equal the ledger, and DPDK's telemetry says the same.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v promtool >/dev/null || lab_skip "promtool is not installed (package prometheus)"
lab_begin metrics
lab_hugepages_up 256
lab_target_only
PREFIX=mt-metrics

"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 100 --each 4
cat >"$LAB_TMP/d.yaml" <<EOT
dataplane: {lcores: "0@0,1@0,2@1", receive_lcores: "1", queue_lcores: "2", queues: 2, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
  - {name: ids-1, type: ring, length: 64, when_absent: keep}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/d.sock}
EOT
lab_daemon_start d "$LAB_TMP/d.yaml"
wait_for '[ "$(lab_ledger d .outputs.tools.delivered)" -ge 400 ]' 10 "400 delivered"
sleep 1.2 # what is sampled each second

get() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 "$@" http://127.0.0.1:8080/metrics
}

get -D "$LAB_TMP/plain.head" >"$LAB_TMP/plain"
get -H 'Accept: application/openmetrics-text; version=1.0.0' -D "$LAB_TMP/open.head" \
    >"$LAB_TMP/open"
grep -qi '^content-type: text/plain; version=0.0.4' "$LAB_TMP/plain.head" \
    || lab_die "content type of the plain text"
grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' \
    "$LAB_TMP/open.head" || lab_die "content type of OpenMetrics"
promtool check metrics <"$LAB_TMP/plain" || lab_die "promtool does not accept it"
for text in plain open; do
    [ "$(tail -n 1 "$LAB_TMP/$text")" = '# EOF' ] || lab_die "$text does not end in # EOF"
done
[ "$(grep -vc '^#' "$LAB_TMP/plain")" = "$(grep -vc '^#' "$LAB_TMP/open")" ] \
    || lab_die "the two formats differ in samples"
if "$LAB_PYTHON" -c 'import prometheus_client' 2>/dev/null; then
    "$LAB_PYTHON" - "$LAB_TMP/open" <<'EOT' || lab_die "OpenMetrics' parser does not accept it"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
print(len(families), "families")
EOT
fi

# --- the documents ---
sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$LAB_TMP/plain" | sort >"$LAB_TMP/families"
sed -n 's/^| `\(mirrortap_[a-z_]*\)` .*/\1/p' "$LAB_ROOT/docs/metrics.md" | sort >"$LAB_TMP/listed"
diff "$LAB_TMP/families" "$LAB_TMP/listed" >&2 \
    || lab_die "docs/metrics.md (>) and the daemon's answer (<) differ"

# --- the ledger ---
# sum NAME [LABEL]: over the series.
sum() {
    awk -v name="$1" -v label="${2-}" '
        $1 ~ "^" name "({|$)" && index($1, label) { sum += $NF } END { print sum + 0 }' "$LAB_TMP/plain"
}
lab_ctl d ledger --json >"$LAB_TMP/ledger"
lab_check_ledger "$LAB_TMP/ledger"
equal() {
    check "$(sum "mirrortap_$1" "${3-}")" -eq "$(jq "$2" "$LAB_TMP/ledger")" "mirrortap_$1"
}
equal received_packets_total .received
equal accepted_packets_total .accepted
equal host_packets_total .host
equal dropped_packets_total '[.drops[]] | add'
equal output_offered_packets_total '[.outputs[].offered] | add'
equal output_delivered_packets_total .outputs.tools.delivered 'output="tools"'
equal output_dropped_packets_total '.outputs["ids-1"].drops.full' 'output="ids-1",reason="full"'
check "$(sum mirrortap_output_dropped_packets_total 'reason="full"')" -gt 0 "dropped by a full ring"
check "$(sum mirrortap_ledger_balanced)" -eq 1 "mirrortap_ledger_balanced"
check "$(sum mirrortap_latency_seconds_count)" -eq 400 "frames in the latency histogram"
check "$(sum mirrortap_latency_seconds_bucket 'le="+Inf"')" -eq 400 "frames in its last bucket"
check "$(sum mirrortap_queue_packets_total)" -eq 400 "frames of the queues"
check "$(sum mirrortap_port_queue_xstats_total 'name="packets"')" -eq 400 "the driver's own count"
check "$(sum mirrortap_worker_packets_total)" -eq 800 "received, and taken from the queues"

# --- telemetry ---
tell() {
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/telemetry.py" $PREFIX "$@"
}
[ "$(tell /mirrortap/ledger | jq -c '.["/mirrortap/ledger"] | [.received, .accepted, .balanced,
    .outputs.tools.delivered, .outputs.ids_1.drops.full]')" \
    = "$(jq -c '[.received, .accepted, 1, .outputs.tools.delivered, .outputs["ids-1"].drops.full]' \
        "$LAB_TMP/ledger")" ] || lab_die "telemetry: $(tell /mirrortap/ledger)"
check "$(tell /mirrortap/queues | jq '[.[][].packets] | add')" -eq 400 "packets by /mirrortap/queues"
check "$(tell /mirrortap/queues,1 | jq '.[] | length')" -eq 1 "queues by /mirrortap/queues,1"
for command in status health workers outputs ports; do
    tell "/mirrortap/$command" | jq -e '.[] | length > 0' >/dev/null || lab_die "/mirrortap/$command"
done
printf '/mirrortap/ledger\n' | dpdk-telemetry.py -f $PREFIX | grep -q '"received": 400' \
    || lab_die "dpdk-telemetry.py does not show the ledger"
lab_daemon_stop d
echo "$(wc -l <"$LAB_TMP/families") families, $(grep -vc '^#' "$LAB_TMP/plain") samples"
