#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Suricata reads rings by its libpcap mode: the same flows, requests, names and alerts as from a file
# with the same frames, from one thread and from one for each queue; and it goes on when the daemon
# comes back.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v suricata >/dev/null \
    || lab_skip "suricata is absent; Debian 12 has it in bookworm-backports: apt-get install -t bookworm-backports suricata"
command -v editcap >/dev/null || lab_skip "editcap is absent: apt-get install tshark"
lab_begin pcap-suricata
lab_hugepages_up 256
lab_target_only

"$LAB_PYTHON" "$LAB_ROOT/tests/lib/web_frames.py" "$LAB_TMP/mirrored.pcap"
"$LAB_BUILD/mirrortap" decap "$LAB_TMP/mirrored.pcap" -w "$LAB_TMP/inner.pcapng" >/dev/null
COUNT=$(tcpdump -nr "$LAB_TMP/inner.pcapng" 2>/dev/null | wc -l)
cat >"$LAB_TMP/test.rules" <<'RULES'
alert http any any -> any any (msg:"a page"; http.uri; content:"/page-"; sid:1;)
alert http any any -> any any (msg:"an answer"; http.stat_code; content:"200"; sid:2;)
alert dns any any -> any any (msg:"a name"; dns.query; content:"host-"; sid:3;)
RULES
# The frames' times: a file's are the clock for Suricata, so flows of both end at its end.
cat >"$LAB_TMP/suricata.yaml" <<'YAML'
%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert, http, dns, flow]}
logging: {default-log-level: notice, outputs: [{console: {enabled: yes}}]}
app-layer: {protocols: {http: {enabled: yes}, dns: {udp: {enabled: yes}, tcp: {enabled: yes}}}}
pcap:
  - {interface: "mirrortap:two@any", threads: 2}
  - {interface: default}
stream: {checksum-validation: yes}
YAML
start() {
    local ring

    {
        cat <<YAML
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, eal: $(lab_eal mt-pcap-suricata)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
http: {control_socket: $LAB_TMP/d.sock}
outputs:
YAML
        for ring in one two filtered; do
            echo "  - {name: $ring, type: ring, length: 1024, when_absent: keep}"
        done
        echo "  - {name: games, type: ring, length: 1024, when_absent: keep, group: games}"
    } >"$LAB_TMP/d.yaml"
    lab_daemon_start d "$LAB_TMP/d.yaml"
    wait_for "[ \$(lab_ledger d .accepted) -eq $COUNT ]" 20 "all accepted"
}

# events FOLDER: what was seen, without what differs in each run.
events() {
    jq -cS 'select(.event_type != "stats")
        | {event_type, src_ip, src_port, dest_ip, dest_port, proto,
            uri: .http.url, code: .http.status, length: .http.length,
            name: .dns.rrname, answers: .dns.answers, signature: .alert.signature,
            app: .app_proto, to_server: .flow.bytes_toserver, to_client: .flow.bytes_toclient,
            state: .flow.state}
        | if .event_type == "alert" or .event_type == "http" or .event_type == "dns"
          then del(.to_server, .to_client, .state) else . end' "$1/eve.json" | sort
}

# suricata_on RING RUNMODE DEVICE [FILTER]: from its start to SIGINT when all is read.
suricata_on() {
    local ring=$1 mode=$2 device=$3

    shift 3
    mkdir -p "$LAB_TMP/$ring"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$ring.log" \
        "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" exec -- \
        suricata -c "$LAB_TMP/suricata.yaml" -S "$LAB_TMP/test.rules" -l "$LAB_TMP/$ring" \
        --runmode "$mode" "--pcap=$device" "$@"
    SURICATA=$LAB_PID
    wait_for "[ \"\$(lab_ledger d .outputs.$ring.in_flight)\" -eq 0 ]" 40 "Suricata reads all of $ring"
}

suricata_end() {
    kill -INT "$SURICATA"
    wait_for '! lab_running $SURICATA' 40 "Suricata ends"
    wait "$SURICATA" || lab_die "Suricata: $(tail -n 1 "$LAB_TMP/$1.log")"
}

# same FILE RING
same() {
    events "$LAB_TMP/$1" >"$LAB_TMP/$1.events"
    events "$LAB_TMP/$2" >"$LAB_TMP/$2.events"
    diff "$LAB_TMP/$1.events" "$LAB_TMP/$2.events" >"$LAB_TMP/$2.diff.log" \
        || lab_die "$2: Suricata saw something else than in the file"
}

mkdir "$LAB_TMP/file" "$LAB_TMP/file80"
suricata -c "$LAB_TMP/suricata.yaml" -S "$LAB_TMP/test.rules" -l "$LAB_TMP/file" \
    -r "$LAB_TMP/inner.pcapng" >"$LAB_TMP/file.log" 2>&1
suricata -c "$LAB_TMP/suricata.yaml" -S "$LAB_TMP/test.rules" -l "$LAB_TMP/file80" \
    -r "$LAB_TMP/inner.pcapng" tcp port 80 >"$LAB_TMP/file80.log" 2>&1
for kind in http dns flow alert; do
    check "$(jq -s "[.[] | select(.event_type == \"$kind\")] | length" "$LAB_TMP/file/eve.json")" -ge 20 \
        "$kind in the file"
done

start
suricata_on one single mirrortap:one
suricata_end one
same file one
suricata_on two workers mirrortap:two@any
check "$(lab_ctl d outputs --json \
    | jq '[.outputs[] | select(.name == "two").queues[].consumer | select(.attached)] | length')" -eq 2 \
    "queues that Suricata's two threads read"
suricata_end two
same file two
# It opens the ring when it is no longer root: its group may.
mkdir -m 777 "$LAB_TMP/games"
chmod o+x "$LAB_TMP"
suricata_on games single mirrortap:games --user=nobody --group=games
suricata_end games
same file games
! find "$LAB_TMP/games" -name eve.json -user root | grep -q . || lab_die "Suricata wrote as root"
suricata_on filtered single mirrortap:filtered tcp port 80
lab_daemon_stop d
start # Suricata looks for it each half second
wait_for '[ "$(lab_ledger d .outputs.filtered.delivered)" -eq '"$COUNT"' ]' 20 "it goes on with the new daemon"
suricata_end filtered
lab_daemon_stop d
# The same conversations once more: requests and alerts twice, but for those whose flows were still known.
events "$LAB_TMP/file80" | grep -v '"event_type":"flow"' | sort -u >"$LAB_TMP/file80.events"
events "$LAB_TMP/filtered" | grep -v '"event_type":"flow"' | sort -u >"$LAB_TMP/filtered.events"
diff "$LAB_TMP/file80.events" "$LAB_TMP/filtered.events" >"$LAB_TMP/filtered.diff.log" \
    || lab_die "with a filter Suricata saw something else than in the file"
