#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Hooks: a program is run for each session that is seen or idle, with VNI, name and interface, at a
# bounded rate; one that fails is told once, one that hangs holds nobody up.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin hooks
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py

cat >"$LAB_TMP/seen" <<EOF
#!/bin/sh
# Descriptors of the daemon's must not be here: only the shell's own.
echo "seen \$* fds=\$(ls /proc/self/fd | wc -l) \$(date +%s)" >>"$LAB_TMP/told"
EOF
cat >"$LAB_TMP/idle" <<EOF
#!/bin/sh
echo "idle \$*" >>"$LAB_TMP/told"
exit 3
EOF
chmod +x "$LAB_TMP/seen" "$LAB_TMP/idle"
touch "$LAB_TMP/told"

# start NAME SEEN IDLE
start() {
    cat >"$LAB_TMP/$1.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, idle: sleep, eal: $(lab_eal mt-hooks)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
sessions:
  on_session_seen: $2
  on_session_idle: $3
  idle_seconds: 1
  list:
    - {vni: 4321, name: web}
    - {vni: 4322, name: "db.1", outputs: [all]}
outputs:
  - {name: each, type: tap, per: session, interface: mir-}
  - {name: all, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/$1.sock}
EOF
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
}

send() { # FILE
    ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$1" >/dev/null
}

told() { # REGULAR EXPRESSION: lines of it
    grep -cE "$1" "$LAB_TMP/told" || :
}

"$FRAMES" conversations "$LAB_TMP/few.pcap" --count 3 --each 2 --vnis 3
"$FRAMES" conversations "$LAB_TMP/many.pcap" --count 60 --each 2 --vnis 60
start hooks "$LAB_TMP/seen" "$LAB_TMP/idle"
send "$LAB_TMP/few.pcap"
wait_for '[ "$(told "^seen")" -eq 3 ]' 10 "three sessions are seen"
check "$(told '^seen 4321 web mir-web ')" -eq 1 "session web"
check "$(told '^seen 4322 db.1 mirror0 ')" -eq 1 "session db.1"
check "$(told '^seen 4323 - mirror0 ')" -eq 1 "a VNI that no session has"
check "$(told 'fds=4 ')" -eq 3 "programs without the daemon's descriptors: $(cat "$LAB_TMP/told")"
wait_for '[ "$(told "^idle")" -eq 3 ]' 10 "three sessions are idle"
check "$(told '^idle 4321 web mir-web$')" -eq 1 "session web, idle"
wait_for "grep -q 'on_session_idle: .* exited with 3' '$LAB_TMP/hooks.err'" 5 "a failure is told"

# They come back, with others: each is told, ten a second at most.
send "$LAB_TMP/many.pcap"
send "$LAB_TMP/many.pcap"
wait_for '[ "$(told "^seen 4321")" -eq 2 ]' 10 "a session that comes back is seen again"
wait_for '
    ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/many.pcap"
    [ "$(told "^seen")" -ge 63 ]' 30 "all sessions are seen"
most=$(sed -n 's/^seen.* //p' "$LAB_TMP/told" | sort | uniq -c | sort -rn | awk 'NR == 1 {print $1}')
check "$most" -le 20 "programs within a second, which may be parts of two of the daemon's"
check "$(grep -c 'on_session_idle' "$LAB_TMP/hooks.err")" -eq 1 "lines about failures"
lab_ctl hooks ledger --json >"$LAB_TMP/live.ledger"
lab_check_ledger "$LAB_TMP/live.ledger"
lab_daemon_stop hooks
check "$(jq '[.drops[]] | add // 0' "$LAB_TMP/hooks.ledger")" -eq 0 "drops"

# A program that is not there, and one that never ends.
cat >"$LAB_TMP/hang" <<EOF
#!/bin/sh
echo "hang \$\$" >>"$LAB_TMP/told"
exec sleep 1000
EOF
chmod +x "$LAB_TMP/hang"
start hang "$LAB_TMP/hang" "$LAB_TMP/nothing"
lab_on_exit 'sed -n "s/^hang //p" "$LAB_TMP/told" | xargs -r kill'
send "$LAB_TMP/few.pcap"
wait_for '[ "$(told "^hang")" -eq 3 ]' 10 "programs that hang are run"
wait_for "grep -q 'on_session_idle: .*nothing cannot be run' '$LAB_TMP/hang.err'" 10 "it is told"
before=$(lab_ledger hang .accepted)
send "$LAB_TMP/many.pcap"
wait_for "[ \$(lab_ledger hang .accepted) -eq $((before + 120)) ]" 10 "frames go on"
wait_for '[ "$(told "^hang")" -eq 8 ]' 10 "eight at a time"
lab_daemon_stop hang
check "$(told '^hang')" -eq 8 "programs at a time"
