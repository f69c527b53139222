#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# /healthz: green, and red with its reason for a drain, an output, a stuck worker and the time after
# SIGTERM; http.probe_listen opens and refuses TCP connections with it; systemd's watchdog starves with a stuck worker; answers within 100 ms under full load.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin health
lab_hugepages_up 256
lab_target_only
PREFIX=mt-health

"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 1024 --each 1
cat >"$LAB_TMP/d.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal $PREFIX)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
outputs:
  - {name: tools, type: tap, interface: mirror0, required: true}
  - {name: ids, type: ring}
http:
  listen: ["127.0.0.1:8080"]
  probe_listen: ["0.0.0.0:4789", "127.0.0.1:4788"]
  control_socket: $LAB_TMP/d.sock
health: {stall_seconds: 2, drain_seconds: 3}
EOT

# health PORT: status and document of /healthz, as "200 {...}".
health() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 -w '%{http_code} ' -o "$LAB_TMP/health.json" \
        "http://127.0.0.1:$1/healthz" || return 1
    cat "$LAB_TMP/health.json"
}

# probe PORT: what a TCP probe comes to: open, refused, or something else.
probe() {
    ip netns exec "$LAB_TARGET" "$LAB_PYTHON" - "$1" <<'EOT'
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError as error:
    print(error)
EOT
}

# probes WORD SECONDS
probes() {
    local port

    for port in 4789 4788; do
        wait_for "[ \"\$(probe $port)\" = $1 ]" "$2" "a TCP probe finds port $port $1"
    done
}

# take PORT: what another program comes to that wants the port of a probe, and would share it.
take() {
    ip netns exec "$LAB_TARGET" "$LAB_PYTHON" - "$1" <<'EOT'
import os, socket, sys
with socket.socket() as taker:
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taker.bind(("127.0.0.1", int(sys.argv[1])))
        print("taken")
    except OSError as error:
        print(os.strerror(error.errno))
EOT
}

# red REASON SECONDS: health turns red for this reason and no other, and TCP probes with it.
red() {
    local reason=$1
    wait_for "health 8080 | grep -q '^503 '" "$2" "health is red: $reason"
    check "$(jq '.reasons | length' "$LAB_TMP/health.json")" -eq 1 "reasons"
    jq -e --arg reason "$reason" '.healthy == false and (.reasons[0] | contains($reason))' \
        "$LAB_TMP/health.json" >/dev/null || lab_die "no '$reason': $(cat "$LAB_TMP/health.json")"
    probes refused 1
}

green() {
    wait_for "health 8080 | grep -q '^200 '" "$1" "health is green"
    probes open 1
}

lab_spawn "$LAB_TARGET" "$LAB_TMP/notify.log" \
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/notify.py" "$LAB_TMP/notify"
wait_for '[ -S "$LAB_TMP/notify" ]' 5 "a stand-in for systemd"
lab_daemon_start d "$LAB_TMP/d.yaml" NOTIFY_SOCKET="$LAB_TMP/notify" WATCHDOG_USEC=1000000
DAEMON=$LAB_PID
green 3
[ "$(health 4789)" = "$(health 8080)" ] || lab_die "the listeners disagree"
jq -e '.status == "ok" and .reasons == []' "$LAB_TMP/health.json" >/dev/null \
    || lab_die "not as documented: $(cat "$LAB_TMP/health.json")"

# --- 200 probes under full load ---
probe_200() {
    local n

    for ((n = 0; n < 200; n++)); do
        ip netns exec "$LAB_TARGET" curl -s -m 5 -o /dev/null -w '%{time_total}\n' \
            http://127.0.0.1:8080/healthz
    done | sort -n | tail -n 1
}
# Other work on the machine may hold one probe up: the best of three rounds counts.
for ((round = 0; round < 3; round++)); do
    slowest=$(probe_200)
    echo "slowest of 200 probes: $slowest s"
    [ "$(jq -n "$slowest < 0.1")" != true ] || break
done
check "$(jq -n "$slowest < 0.1")" = true "slowest probe: $slowest s, under 0.1 s"

# --- HTTP manners ---
[ "$(ip netns exec "$LAB_TARGET" curl -sI http://127.0.0.1:8080/healthz | head -c 12)" \
    = "HTTP/1.1 200" ] || lab_die "HEAD /healthz"
for path in drain undrain reload; do
    check "$(ip netns exec "$LAB_TARGET" curl -s -o /dev/null -w '%{http_code}' -X POST \
        "http://127.0.0.1:8080/api/v1/$path")" -eq 403 "POST $path on a TCP address"
done
check "$(stat -c %a "$LAB_TMP/d.sock")" -eq 660 "mode of the control socket"

# --- drain ---
received=$(lab_ledger d .received)
lab_spawn "$LAB_TARGET" "$LAB_TMP/open.log" bash -c 'exec 3<>/dev/tcp/127.0.0.1/4789 && sleep 60'
wait_for 'ip netns exec "$LAB_TARGET" ss -Htn state established "( sport = :4789 )" | grep -q .' 5 \
    "a connection to port 4789"
[ "$(lab_ctl d drain)" = draining ] || lab_die "mirrortap drain does not say so"
red draining 1
wait_for '[ -z "$(ip netns exec "$LAB_TARGET" ss -Htn state established "( sport = :4789 )")" ]' 1 \
    "a connection of a probe is closed while health is red"
[ "$(lab_ctl d status --json | jq -r .state)" = draining ] || lab_die "status does not say so"
for port in 4789 4788; do
    check "$(take "$port")" = "Address already in use" "another program that wants port $port"
done
delivered=$(lab_ledger d .outputs.tools.delivered)
wait_for '[ "$(lab_ledger d .outputs.tools.delivered)" -gt "$delivered" ]' 3 "delivery goes on"
check "$(lab_ledger d .received)" -gt "$received" "received while draining"
[ "$(lab_ctl d undrain)" = running ] || lab_die "mirrortap undrain does not say so"
green 1

# --- the ring has no reader: it is not required, so that is no reason. The required one is. ---
ip -n "$LAB_TARGET" link set mirror0 down
wait_for "health 8080 | grep -q '^503 .*output tools'" 3 "health is red: output tools"
green 5 # mended

# --- a stuck worker ---
feeds() {
    grep -c ' WATCHDOG=1' "$LAB_TMP/notify.log" || :
}
wait_for '[ "$(feeds)" -gt 2 ]' 5 "the watchdog is fed"
grep -q ' READY=1' "$LAB_TMP/notify.log" || lab_die "systemd was not told that it is ready"
grep -q ' STATUS=healthy' "$LAB_TMP/notify.log" || lab_die "systemd has no status"
lab_spawn "$LAB_TARGET" "$LAB_TMP/stall.log" \
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/stall.py" "$DAEMON" 1 6
wait_for 'grep -q stalled "$LAB_TMP/stall.log"' 5 "a worker is stopped"
red "worker on lcore 1: no heartbeat for 2 s, last stage" 4
fed=$(feeds)
sleep 1.5 # that nothing happens has no condition to wait for
check "$(feeds)" -eq "$fed" "feeds of the watchdog while a worker is stuck"
green 8
check "$(grep -c 'worker on lcore 1 is stuck' "$LAB_TMP/d.err")" -eq 1 "lines about the stuck worker"
wait_for "grep -q 'worker on lcore 1 goes on' '$LAB_TMP/d.err'" 5 "the log says that it goes on"
wait_for '[ "$(feeds)" -gt "$fed" ]' 3 "the watchdog is fed again"

# --- SIGTERM: red, delivering, then the end ---
kill -TERM "$DAEMON"
red draining 1
received=$(lab_ledger d .received)
sleep 1
lab_running "$DAEMON" || lab_die "ended before drain_seconds had gone by"
check "$(lab_ledger d .received)" -gt "$received" "received after SIGTERM"
! lab_ctl d undrain >/dev/null 2>&1 || lab_die "a stop was taken back"
wait_for "! lab_running $DAEMON" 6 "the end after drain_seconds"
status=0
wait "$DAEMON" || status=$?
check "$status" -eq 0 "exit code"
tail -n 1 "$LAB_TMP/d.out" >"$LAB_TMP/d.ledger"
lab_check_ledger "$LAB_TMP/d.ledger"
grep -q ' STOPPING=1' "$LAB_TMP/notify.log" || lab_die "systemd was not told of the end"

# --- a second signal stops at once; what is left of old connections is not in the way of a start ---
ip netns exec "$LAB_TARGET" ss -Htn state time-wait state fin-wait-2 "( sport = :4789 )" | grep -q . \
    || lab_die "no old connection to port 4789 is left: the next start shows nothing"
sed 's/drain_seconds: 3/drain_seconds: 60/' "$LAB_TMP/d.yaml" >"$LAB_TMP/long.yaml"
lab_daemon_start d "$LAB_TMP/long.yaml"
kill -TERM "$LAB_PID"
red draining 1
lab_daemon_stop d TERM
echo "drained, stuck, stopped: as documented"
