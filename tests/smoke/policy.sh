#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sessions and filters in the daemon: AWS's own example (HTTP to one tool, the rest to another),
# sources, unknown VNIs, sampling, truncation, an output's own filter. Every frame is accounted for,
# and `mirrortap filter test` says the same of the same capture.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin policy
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/policy_frames.py

"$FRAMES" make "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.json"
total=$(jq .total "$LAB_TMP/expected.json")
each=$(jq .each "$LAB_TMP/expected.json")

cat >"$LAB_TMP/policy.yaml" <<YAML
dataplane: {lcores: "0@0,1@1,2@1", queues: 4, eal: $(lab_eal mt-policy)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
sessions:
  unknown: drop
  list:
    - {vni: 100, name: web, sources: [172.31.0.0/16], filter: http-apart, outputs: [rest]}
    - {vni: 101, name: locked, sources: [10.9.0.0/16, "fd00::/8"]}
    - {vni: 102, name: sampled, sample: 4, truncate: 100, outputs: [rest]}
filters:
  - name: http-apart
    rules:
      - {number: 10, action: reject, protocol: tcp, destination_ports: "873"}
      - {number: 20, action: accept, direction: ingress, protocol: tcp, destination_ports: "80", outputs: [http, udp]}
      - {number: 30, action: accept, direction: egress, protocol: tcp, source_ports: "80", outputs: [http, udp]}
      - {number: 40, action: reject, protocol: tcp, tcp_flags: "syn,!ack"}
      - {number: 50, action: accept, bpf: "udp port 53", outputs: [rest, udp]}
      - {number: 100, action: accept}
  - name: udp-only
    rules:
      - {number: 1, action: accept, protocol: udp}
outputs:
  - {name: http, type: port, device: "net_pcap1,tx_pcap=$LAB_TMP/http.pcap"}
  - {name: rest, type: port, device: "net_pcap2,tx_pcap=$LAB_TMP/rest.pcap"}
  - {name: udp, type: port, device: "net_pcap3,tx_pcap=$LAB_TMP/udp.pcap", filter: udp-only}
  - {name: half, type: port, device: "net_pcap4,tx_pcap=$LAB_TMP/half.pcap", sample: 2, sample_by: packets}
http: {control_socket: $LAB_TMP/policy.sock}
YAML

lab_daemon_start policy "$LAB_TMP/policy.yaml"
wait_for "[ \$(lab_ledger policy '.accepted + ([.drops[]] | add)') -ge $total ]" 20 "all are decided on"
wait_for "[ \$(lab_ledger policy '[.in_flight, .outputs[].in_flight] | add') -eq 0 ]" 20 "all are delivered"
lab_ctl policy sessions --json >"$LAB_TMP/sessions.json"
lab_daemon_stop policy
ledger=$LAB_TMP/policy.ledger

# --- verdicts ---
check "$(jq .received "$ledger")" -eq "$total" received
check "$(jq .drops.session_unknown "$ledger")" -eq $((8 * each)) "of an unknown VNI"
check "$(jq .drops.source_not_allowed "$ledger")" -eq $((8 * each)) "from sources not allowed"
check "$(jq .drops.filter_rejected "$ledger")" -eq $((2 * each)) "rejected: backups and SYN"
sampled=$(jq .drops.sampled_out "$ledger")
# 3 of 4 flows go. ARP is one flow, so it is all or nothing.
check "$sampled" -gt $((8 * each * 3 / 5)) "sampled out"
check "$sampled" -lt $((8 * each * 9 / 10)) "sampled out"

# --- outputs ---
"$FRAMES" kinds "$LAB_TMP/http.pcap" >"$LAB_TMP/http.json"
"$FRAMES" kinds "$LAB_TMP/rest.pcap" >"$LAB_TMP/rest.json"
"$FRAMES" kinds "$LAB_TMP/udp.pcap" >"$LAB_TMP/udp.json"
jq -e --argjson n "$each" '.kinds == {"http-in": $n, "http-out": $n}' "$LAB_TMP/http.json" >/dev/null \
    || lab_die "http got $(cat "$LAB_TMP/http.json")"
jq -e --argjson n "$each" '.kinds == {"dns": $n}' "$LAB_TMP/udp.json" >/dev/null \
    || lab_die "udp got $(cat "$LAB_TMP/udp.json")"
check "$(jq .outputs.udp.drops.filtered "$ledger")" -eq $((2 * each)) "HTTP that udp's filter keeps back"
check "$(jq .outputs.udp.offered "$ledger")" -eq $((3 * each)) "offered to udp"
# Of web: http-away, dns, v6, arp; of sampled: what was kept, each of 100 bytes at most.
kept=$((8 * each - sampled))
check "$(jq .total "$LAB_TMP/rest.json")" -eq $((4 * each + kept)) "frames at rest"
check "$(jq '.kinds["http-in"]' "$LAB_TMP/rest.json")" -lt "$each" "HTTP at rest is of the sampled session"
check "$(jq .outputs.half.offered "$ledger")" -eq 0 "offered to an output that nobody chose"

# --- sessions by name ---
jq -e '[.sessions[] | {(.vni | tostring): .name}] | add
    | .["100"] == "web" and .["101"] == "locked" and .["102"] == "sampled" and .["999"] == null' \
    "$LAB_TMP/sessions.json" >/dev/null || lab_die "sessions: $(cat "$LAB_TMP/sessions.json")"

jq -e --argjson each "$each" --argjson kept "$kept" '[.sessions[] | {(.vni | tostring): .}] | add
    | .["100"].packets == 6 * $each and .["100"].drops == 2 * $each
    and .["101"].packets == 0 and .["101"].drops == 8 * $each
    and .["102"].packets == $kept and .["102"].bytes <= 100 * $kept and .["102"].truncated > 0
    and .["999"].drops == 8 * $each' "$LAB_TMP/sessions.json" >/dev/null \
    || lab_die "counters of sessions: $(cat "$LAB_TMP/sessions.json")"

# --- the same code offline ---
"$LAB_BUILD/mirrortap" filter test -c "$LAB_TMP/policy.yaml" --pcap "$LAB_TMP/mirrored.pcap" \
    >"$LAB_TMP/offline.tsv"
column() {
    awk -F'\t' -v verdict="$1" 'NR > 1 && $7 == verdict' "$LAB_TMP/offline.tsv" | wc -l
}
check "$(column accepted)" -eq "$(jq .accepted "$ledger")" "accepted offline"
for verdict in session_unknown source_not_allowed filter_rejected sampled_out; do
    check "$(column $verdict)" -eq "$(jq ".drops.$verdict" "$ledger")" "$verdict offline"
done
awk -F'\t' '$3 == "web" { n[$6]++ } END { for (r in n) print r, n[r] }' "$LAB_TMP/offline.tsv" \
    | sort -n >"$LAB_TMP/rules"
printf '%s\n' "10 $each" "20 $each" "30 $each" "40 $each" "50 $each" "100 $((3 * each))" \
    | diff - "$LAB_TMP/rules" || lab_die "rules take other frames offline"
check "$("$LAB_BUILD/mirrortap" filter test -c "$LAB_TMP/policy.yaml" --vni 100 --json \
    --pcap "$LAB_TMP/mirrored.pcap" | jq '.frames | length')" -eq $((8 * each)) "frames of one VNI"

# expect_failure STATUS TEXT ARGUMENTS...: of mirrortap filter.
expect_failure() {
    local wanted=$1 text=$2 status=0

    shift 2
    "$LAB_BUILD/mirrortap" filter "$@" >/dev/null 2>"$LAB_TMP/said" || status=$?
    check "$status" -eq "$wanted" "exit status of mirrortap filter $*"
    grep -qF -- "$text" "$LAB_TMP/said" || lab_die "mirrortap filter $* said: $(cat "$LAB_TMP/said")"
}
expect_failure 2 "what to do is missing: test" --pcap x
expect_failure 2 "not known: check; test is all there is" check --pcap x
expect_failure 2 "--pcap IN is missing" test
expect_failure 2 "--vni 16777216: not a VNI; 0 to 16777215 are allowed" test --vni 16777216 --pcap x
expect_failure 1 "$LAB_TMP/absent.pcap: No such file or directory" \
    test -c "$LAB_TMP/policy.yaml" --pcap "$LAB_TMP/absent.pcap"
expect_failure 1 "$LAB_TMP/absent.yaml: No such file or directory" \
    test -c "$LAB_TMP/absent.yaml" --pcap "$LAB_TMP/mirrored.pcap"

# --- an output that samples, and nothing else: no session, no filter ---
cat >"$LAB_TMP/half.yaml" <<YAML
dataplane: {lcores: "0@0,1@1", queues: 2, eal: $(lab_eal mt-policy)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: half, type: port, device: "net_pcap4,tx_pcap=$LAB_TMP/half.pcap", sample: 2, sample_by: packets}
  - {name: whole, type: port, device: "net_pcap5,tx_pcap=$LAB_TMP/whole.pcap"}
http: {control_socket: $LAB_TMP/half.sock}
YAML
lab_daemon_start half "$LAB_TMP/half.yaml"
wait_for "[ \$(lab_ledger half '.outputs.whole.delivered') -ge $total ]" 20 "all are delivered"
lab_daemon_stop half
ledger=$LAB_TMP/half.ledger
check "$(jq .accepted "$ledger")" -eq "$total" "accepted without sessions"
check "$(jq .outputs.half.offered "$ledger")" -eq "$total" "offered to half"
check "$(jq .outputs.half.delivered "$ledger")" -gt $((total * 45 / 100)) "delivered to half"
check "$(jq .outputs.half.delivered "$ledger")" -lt $((total * 55 / 100)) "delivered to half"
check "$("$FRAMES" kinds "$LAB_TMP/half.pcap" | jq .total)" -eq \
    "$(jq .outputs.half.delivered "$ledger")" "frames in half's file"
