#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The configuration changes while traffic goes on: sessions, filters and outputs (with a consumer
# attached) come into force, what is wrong or can't change is refused as a whole and said with file
# and line, counters go on, and the ledger balances all the time.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin reload
lab_hugepages_up 256
lab_target_only
FRAMES=$LAB_ROOT/tests/lib/policy_frames.py
PREFIX=mt-reload

"$FRAMES" make "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.json"

# config SESSIONS OUTPUTS [HEALTH]: writes the file. Each is a line of YAML or nothing.
config() {
    cat >"$LAB_TMP/d.yaml" <<YAML
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, queue_length: 1024, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
${1:-}
outputs:
${2:-}
http: {control_socket: $LAB_TMP/d.sock}
${3:-}
YAML
}
ALL='  - {name: all, type: port, device: "net_null0"}'
IDS='  - {name: ids, type: ring, length: 256}'

# reload [WORDS...]: of the running daemon, and what it says.
reload() {
    lab_ctl d reload "$@" >"$LAB_TMP/said" 2>&1 || lab_die "reload $*: $(cat "$LAB_TMP/said")"
    lab_ctl d ledger --json >"$LAB_TMP/look.json"
    lab_check_ledger "$LAB_TMP/look.json"
}

said() {
    grep -qF -- "$1" "$LAB_TMP/said" || lab_die "\"$1\" is not in: $(cat "$LAB_TMP/said")"
}

generation() {
    lab_ctl d status --json | jq .reload.generation
}

# refused TEXT [WORDS...]: says TEXT, exits with 1, and changes nothing.
refused() {
    local text=$1 status=0 before

    shift
    before=$(generation)
    lab_ctl d reload "$@" >"$LAB_TMP/said" 2>&1 || status=$?
    check "$status" -eq 1 "exit status of a reload that must be refused: $(cat "$LAB_TMP/said")"
    said "$text"
    check "$(generation)" -eq "$before" "generation after a reload that was refused"
}

# rises EXPRESSION: something in the ledger.
rises() {
    RISES_FROM=$(lab_ledger d "$1")
    wait_for "[ \$(lab_ledger d '$1') -gt $RISES_FROM ]" 10 "$1 rises"
}

# What is decided from now on is decided by the new file; this much was on its way.
stands() {
    local before

    before=$(lab_ledger d "$1")
    rises .received
    check "$(lab_ledger d "$1")" -eq "$before" "$1 does not change any more"
}

session() {
    lab_ctl d sessions --json | jq -r ".sessions[] | select(.vni == $1) | $2"
}

# --- nothing but an output, and then sessions and filters ---
config "" "$ALL"
lab_daemon_start d "$LAB_TMP/d.yaml"
DAEMON=$LAB_PID
rises .outputs.all.delivered
check "$(generation)" -eq 1 "generation"
lab_ctl d status | grep -q '^generation   1, in force since ' || lab_die "no generation in status"
check "$(session 100 .name)" = null "the name of a session that nobody has named"

config 'sessions: {unknown: drop, list: [{vni: 100, name: web}, {vni: 101, name: other}]}' "$ALL"
reload --check
said "valid: 2 sessions, 0 filters, 1 output"
check "$(generation)" -eq 1 "generation after a check"
check "$(lab_ledger d .drops.session_unknown)" -eq 0 "a check changes nothing"
packets=$(session 100 .packets)
reload
said "reloaded: 2 sessions, 0 filters, 1 output"
check "$(generation)" -eq 2 generation
rises .drops.session_unknown
check "$(session 100 .name)" = web "name of the session"
check "$(session 100 .packets)" -ge "$packets" "packets of VNI 100 go on"

# A new name, by signal.
config 'sessions: {unknown: drop, list: [{vni: 100, name: shop}, {vni: 101, name: other}]}' "$ALL"
kill -HUP "$DAEMON"
wait_for '[ "$(session 100 .name)" = shop ]' 5 "SIGHUP gives the session another name"
check "$(session 100 .packets)" -ge "$packets" "packets of VNI 100 go on"
grep -q "reload: configuration 3 is in force: 2 sessions, 0 filters, 1 output" "$LAB_TMP/d.err" \
    || lab_die "the log does not tell of the reload"

# Unknown VNIs are let in again, and a filter keeps HTTP out.
config 'sessions: {list: [{vni: 100, name: shop, filter: no-http}]}
filters: [{name: no-http, rules: [{number: 1, action: reject, protocol: tcp, destination_ports: "80"}, {number: 2, action: accept}]}]' "$ALL"
check "$(lab_ledger d .drops.filter_rejected)" -eq 0 "no filter yet"
reload
said "1 session, 1 filter"
rises .drops.filter_rejected
stands .drops.session_unknown
config 'sessions: {list: [{vni: 100, name: shop}]}' "$ALL"
reload
stands .drops.filter_rejected

# No policy at all again, as at the start: it goes from frames with choices to frames without.
config 'sessions: {list: [{vni: 100, name: shop, outputs: [all]}, {vni: 101, name: other, outputs: [all]}]}' "$ALL"
reload
config "" "$ALL"
reload
rises .outputs.all.delivered
check "$(session 100 .name)" = null "no session has a name any more"

# --- outputs ---
config 'sessions: {list: [{vni: 100, name: web, outputs: [ids]}]}' "$ALL
$IDS"
reload
said "2 outputs (ids added)"
lab_spawn "$LAB_TARGET" "$LAB_TMP/consumer.log" \
    "$LAB_BUILD/tests/consumer/consume" -p $PREFIX -o ids
CONSUMER=$LAB_PID
rises .outputs.ids.delivered
delivered=$(lab_ledger d .outputs.ids.delivered)
# One that stays is not touched: its consumer goes on reading.
config 'sessions: {list: [{vni: 100, name: web}]}' "$ALL
$IDS
  - {name: tools, type: tap, interface: mirror0, filter: udp}" \
    "filters: [{name: udp, rules: [{number: 1, action: accept, protocol: udp}]}]"
reload
said "3 outputs (tools added)"
rises .outputs.tools.delivered
rises .outputs.tools.drops.filtered
rises .outputs.ids.delivered
lab_running "$CONSUMER" || lab_die "the consumer of an output that stays has ended"

# A ring of another length is another ring: its consumer ends, the counters go on.
config "" "$ALL
  - {name: ids, type: ring, length: 512}
  - {name: tools, type: tap, interface: mirror0}"
before=$(lab_ledger d .outputs.ids.delivered)
reload
said "3 outputs (ids changed)"
wait_for "! lab_running $CONSUMER" 5 "the consumer of the ring before has ended"
check "$(lab_ledger d .outputs.ids.delivered)" -ge "$before" "delivered by ids goes on"
check "$before" -ge "$delivered" "delivered by ids goes on"
rises .outputs.ids.drops.consumer_absent
lab_spawn "$LAB_TARGET" "$LAB_TMP/consumer.log" \
    "$LAB_BUILD/tests/consumer/consume" -p $PREFIX -o ids
CONSUMER=$LAB_PID
rises .outputs.ids.delivered

# Devices and interfaces change hands; the interface is made anew with another MTU.
mtu() {
    ip -n "$LAB_TARGET" -j link show dev "$1" | jq '.[0].mtu'
}
config "" '  - {name: every, type: port, device: "net_null0,size=64"}'"
  - {name: tools, type: tap, interface: mirror0, mtu: 1500}"
reload
said "2 outputs (every added, tools changed, all removed, ids removed)"
wait_for "! lab_running $CONSUMER" 5 "the consumer of the ring that was removed has ended"
grep -q "output ids: removed; of [0-9]* frames offered to it [0-9]* were delivered" "$LAB_TMP/d.err" \
    || lab_die "the log does not tell of the output that was removed"
check "$(lab_ledger d '.outputs | keys | join(" ")')" = '"every tools"' "outputs in the ledger"
check "$(mtu mirror0)" -eq 1500 "MTU of the interface that was made anew"
rises .outputs.every.delivered
rises .outputs.tools.delivered
[ ! -e "/run/mirrortap/$PREFIX.ids.ring" ] && ! compgen -G "/run/mirrortap/*ids*" >/dev/null \
    || lab_die "the socket of a ring that was removed is left"

# A capture file of an output that is removed is complete, and tells the session's name.
mkdir "$LAB_TMP/files"
config 'sessions: {list: [{vni: 100, name: web}]}' "$ALL
  - {name: archive, type: pcapng, directory: $LAB_TMP/files, rotate_bytes: 1MiB, keep_files: 2, length: 512}"
reload
rises .outputs.archive.delivered
config 'sessions: {list: [{vni: 100, name: shop}]}' "$ALL"
reload
! compgen -G "$LAB_TMP/files/*.part" >/dev/null || lab_die "a file is not complete: $(ls "$LAB_TMP/files")"
for file in "$LAB_TMP/files"/*.pcapng; do
    ! command -v tshark >/dev/null || tshark -r "$file" >/dev/null 2>"$LAB_TMP/tshark" \
        || lab_die "$file: $(cat "$LAB_TMP/tshark")"
    grep -qa "web" "$file" || lab_die "$file does not tell the name of the session"
done

# --- what is refused ---
line() {
    grep -n -- "$1" "$LAB_TMP/d.yaml" | head -n 1 | cut -d : -f 1
}
GOOD="$ALL
$IDS"
config "" "$GOOD"
reload
config 'sessions: {unknown: maybe}' "$GOOD"
refused "d.yaml:$(line maybe): sessions.unknown: \"maybe\""
refused "d.yaml:$(line maybe): sessions.unknown: \"maybe\"" --check
config 'filters: [{name: f, rules: [{number: 1, action: accept, bpf: "no such thing"}]}]
sessions: {list: [{vni: 1, name: a, filter: f}]}' "$GOOD"
refused 'd.yaml:4: filters[0].rules[0].bpf: "no such thing" is no capture filter'
# A name is cut by bytes, within a character: status tells of it all the same.
config "sessions: {list: [{vni: 1, name: a, filter: a$(printf '網%.0s' {1..30})}]}" "$GOOD"
refused "d.yaml:4: sessions.list[0].filter: no filter is named \"a網"
check "$(lab_ctl d status --json | jq -r .reload.last.text | grep -c '網?')" -eq 1 \
    "the last reload's text, cut within a character"
config "" "$GOOD"
sed -i 's/queues: 2/queues: 4/; s/name: mirror,/name: mirror, descriptors: 2048,/' "$LAB_TMP/d.yaml"
refused "d.yaml:$(line queues:): dataplane.queues can't change while the daemon runs"
said "; the same of $LAB_TMP/d.yaml:$(line descriptors): ports[0].descriptors"
config "" "$GOOD"
sed -i 's/^http: {/http: {listen: ["127.0.0.1:8099"], /' "$LAB_TMP/d.yaml"
refused "d.yaml:$(line 8099): http.listen can't change"
config "" "$ALL
  - {name: ids, type: ring, length: 1048576}"
refused "ports[0].buffers and restart"
# A device that is not there: the running outputs stay, and one that made room is there again.
config "" "$ALL
$IDS
  - {name: no, type: port, device: net_nosuch0}"
refused 'output no: device "net_nosuch0"'
rises .outputs.all.delivered
config "" '  - {name: all, type: port, device: "net_null0,nosuch=1"}
'"$IDS"
before=$(lab_ledger d .outputs.all.delivered)
refused 'output all: device "net_null0,nosuch=1"'
said "(the running configuration stays)"
check "$(lab_ledger d .outputs.all.delivered)" -ge "$before" "delivered by all goes on"
rises .outputs.all.delivered
rm "$LAB_TMP/d.yaml"
refused "d.yaml: No such file or directory"
kill -HUP "$DAEMON"
wait_for 'lab_ctl d status | grep -q "^last reload  refused at .*: $LAB_TMP/d.yaml: No such file"' 5 \
    "status tells of the last reload"
check "$(lab_ctl d status --json | jq -r .reload.last.result)" = refused "result of the last one"
grep -q "reload refused: $LAB_TMP/d.yaml: No such file or directory" "$LAB_TMP/d.err" \
    || lab_die "the log does not tell why a reload was refused"
check "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$LAB_TMP/d.sock" -X POST \
    http://d/api/v1/reload)" -eq 409 "HTTP status of a reload that was refused"
curl -s --unix-socket "$LAB_TMP/d.sock" http://d/metrics >"$LAB_TMP/metrics"
check "$(awk '/^mirrortap_reloads_total.*applied/ { print $2 }' "$LAB_TMP/metrics")" -eq \
    "$(lab_ctl d status --json | jq .reload.applied)" "reloads in the metrics"
check "$(awk '/^mirrortap_last_reload_successful/ { print $2 }' "$LAB_TMP/metrics")" -eq 0 \
    "last reload in the metrics"
config "" "$GOOD"
reload
rises .outputs.all.delivered
lab_daemon_stop d
