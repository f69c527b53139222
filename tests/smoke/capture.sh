#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Live capture: what `mirrortap capture` gets is what `mirrortap decap` finds in the same traffic; by
# filter, session, VNI, count and length; several at once; ended, killed and stopped clients; errors;
# and Wireshark's tools, by a pipe and by extcap.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin capture
lab_hugepages_up 256
lab_up
FRAMES_PY=$LAB_ROOT/tests/lib/frames.py
PCAP="$LAB_PYTHON $LAB_ROOT/tests/lib/pcap.py"
STATISTICS="$LAB_PYTHON $LAB_ROOT/tests/lib/pcapng_statistics.py"

cat >"$LAB_TMP/d.yaml" <<EOF2
dataplane: {lcores: "0@0,1@0,2@1", queues: 2, eal: $(lab_eal mt-capture)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 2)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
sessions:
  list:
    - {vni: 2, name: shop, description: two}
    - {vni: 3, name: web}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/d.sock}
EOF2

# capture NAME ARGUMENTS...: begun when this returns; NAME.pcapng and NAME.log. Sets LAB_PID.
capture() {
    local name=$1

    shift
    rm -f "$LAB_TMP/$name.pcapng" "$LAB_TMP/$name.log"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.log" "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" \
        capture -w "$LAB_TMP/$name.pcapng" "$@"
    wait_for "grep -q 'capturing to' '$LAB_TMP/$name.log'" 10 "capture $name begins"
}

# ended NAME PID FRAMES: by Ctrl-C, with so many frames and none lost.
ended() {
    kill -INT "$2"
    wait_for "! lab_running $2" 10 "capture $1 ends"
    wait "$2" || lab_die "capture $1: $(cat "$LAB_TMP/$1.log")"
    grep -q "mirrortap capture: $3 frames, 0 lost" "$LAB_TMP/$1.log" \
        || lab_die "capture $1, expected $3: $(cat "$LAB_TMP/$1.log")"
}

# What is in a file, a line for each frame: lengths, md5, interface, direction.
content() {
    $PCAP list "$1" | cut -f 2- | sort
}

same() {
    diff "$1" "$2" >"$LAB_TMP/diff" || lab_die "$3: $(head "$LAB_TMP/diff")"
}

captures() {
    lab_ctl d status --json | jq '.captures | length'
}

# send FILE ACCEPTED [PPS]: until so many more frames have been delivered.
send() {
    local before

    before=$(lab_ledger d .accepted)
    ip netns exec "$LAB_WEB" "$FRAMES_PY" send u0 "$1" --pps "${3:-5000}" >"$LAB_TMP/sent"
    wait_for "[ \$(lab_ledger d .accepted) -ge $((before + $2)) ]" 20 "$2 more accepted"
    wait_for "[ \$(lab_ledger d .in_flight) -eq 0 ]" 10 "nothing in flight"
}

# quietly COMMAND...: it exits with 0 and has nothing to complain of.
quietly() {
    "$@" >"$LAB_TMP/tool.out" 2>"$LAB_TMP/tool.err" || lab_die "$*: $(cat "$LAB_TMP/tool.err")"
    grep -v '^Running as user' "$LAB_TMP/tool.err" >"$LAB_TMP/complaint" \
        && lab_die "$*: $(cat "$LAB_TMP/complaint")"
    return 0
}

"$LAB_BUILD/mirrorgen" -q -w "$LAB_TMP/mirrored.pcap" -c 4000 --sessions 8 --size 64-1400 \
    --copies 10 --malformed all=3 >"$LAB_TMP/gen.log" 2>&1
"$LAB_BUILD/mirrortap" decap "$LAB_TMP/mirrored.pcap" -w "$LAB_TMP/decap.pcapng" 2>/dev/null
content "$LAB_TMP/decap.pcapng" \
    | sed 's/\tvni 2\t/\tshop\t/; s/\tvni 3\t/\tweb\t/' | sort >"$LAB_TMP/expected"
ACCEPTED=$(wc -l <"$LAB_TMP/expected")
check "$ACCEPTED" -gt 3800 "frames that are accepted"
lab_daemon_start d "$LAB_TMP/d.yaml"
check "$(captures)" -eq 0 "captures before there are any"

# --- all frames, and parts of them, at the same time ---
capture all
all=$LAB_PID
capture udp -f 'udp'
udp=$LAB_PID
capture web --session web
# shellcheck disable=SC2034 # used by its name
web=$LAB_PID
capture shop --session shop
# shellcheck disable=SC2034 # likewise
shop=$LAB_PID
capture vni --vni 7
vni=$LAB_PID
capture cut -s 100
cut=$LAB_PID
capture ten -c 10
ten=$LAB_PID
check "$(captures)" -eq 7 "captures"
lab_ctl d status --json | jq -e '.captures | (.[1].filter == "udp") and (.[2].session == "web")
    and (.[4].vni == 7) and (.[5].snaplen == 100) and (.[6].count == 10) and all(.pid > 0)' \
    >/dev/null || lab_die "status: $(lab_ctl d status --json)"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait_for "! lab_running $ten" 10 "-c 10 ends"
wait "$ten" || lab_die "-c 10: $(cat "$LAB_TMP/ten.log")"
ended all "$all" "$ACCEPTED"
content "$LAB_TMP/all.pcapng" >"$LAB_TMP/all"
same "$LAB_TMP/expected" "$LAB_TMP/all" "decap (<) and capture (>) differ"
check "$(content "$LAB_TMP/ten.pcapng" | wc -l)" -eq 10 "frames of -c 10"
content "$LAB_TMP/ten.pcapng" | comm -13 "$LAB_TMP/all" - >"$LAB_TMP/strange"
[ ! -s "$LAB_TMP/strange" ] || lab_die "frames of no one: $(cat "$LAB_TMP/strange")"
for part in web shop; do # their processes are in variables of the same names
    grep -P "\t$part\t" "$LAB_TMP/expected" >"$LAB_TMP/part" || lab_die "no frame of $part"
    ended $part "${!part}" "$(wc -l <"$LAB_TMP/part")"
    content "$LAB_TMP/$part.pcapng" >"$LAB_TMP/got"
    same "$LAB_TMP/part" "$LAB_TMP/got" "session $part"
done
grep -P "\tvni 7\t" "$LAB_TMP/expected" >"$LAB_TMP/part" || lab_die "no frame of VNI 7"
ended vni "$vni" "$(wc -l <"$LAB_TMP/part")"
content "$LAB_TMP/vni.pcapng" >"$LAB_TMP/got"
same "$LAB_TMP/part" "$LAB_TMP/got" "VNI 7"
tcpdump -r "$LAB_TMP/all.pcapng" -w "$LAB_TMP/udp.pcap" udp 2>/dev/null
$PCAP list "$LAB_TMP/udp.pcap" | cut -f 4 | sort >"$LAB_TMP/part"
[ -s "$LAB_TMP/part" ] || lab_die "no UDP in the traffic"
ended udp "$udp" "$(wc -l <"$LAB_TMP/part")"
$PCAP list "$LAB_TMP/udp.pcapng" | cut -f 4 | sort >"$LAB_TMP/got"
same "$LAB_TMP/part" "$LAB_TMP/got" "tcpdump's filter (<) and ours (>)"
ended cut "$cut" "$ACCEPTED"
$PCAP list "$LAB_TMP/cut.pcapng" | awk '$2 > 100 { exit 1 } $2 == 100 && $3 > 100 { cut++ }
    END { exit cut < 1000 }' || lab_die "-s 100: $($PCAP list "$LAB_TMP/cut.pcapng" | head -n 5)"
[ "$($PCAP list "$LAB_TMP/cut.pcapng" | cut -f 3 | sort | md5sum)" \
    = "$(cut -f 2 "$LAB_TMP/expected" | sort | md5sum)" ] || lab_die "original lengths of cut frames"
wait_for '[ "$(captures)" -eq 0 ]' 5 "no capture is left"
check "$($STATISTICS "$LAB_TMP/all.pcapng" | jq 'map(.delivered) | add')" -eq "$ACCEPTED" "statistics"

# --- as Wireshark's tools see it ---
for tool in capinfos tshark; do
    command -v $tool >/dev/null || lab_die "no $tool (Debian's packages wireshark-common, tshark)"
done
quietly capinfos -M "$LAB_TMP/all.pcapng"
grep -q 'Time precision = nanoseconds (9)' "$LAB_TMP/tool.out" || lab_die "$(cat "$LAB_TMP/tool.out")"
quietly tshark -r "$LAB_TMP/all.pcapng" -T fields -e frame.interface_name \
    -e frame.packet_flags_direction -e frame.interface_description
grep -q $'^shop\t.*\tvni 2: two$' "$LAB_TMP/tool.out" || lab_die "no description"
cut -f 1,2 "$LAB_TMP/tool.out" | sed 's/\t0x0*\(.\)$/\t\1/; s/\t1$/\tin/; s/\t2$/\tout/; s/\t0$/\t-/' \
    | sort | uniq -c >"$LAB_TMP/got"
cut -f 4,5 "$LAB_TMP/expected" | sort | uniq -c >"$LAB_TMP/part"
same "$LAB_TMP/part" "$LAB_TMP/got" "sessions and directions, expected (<) and by tshark (>)"
# Of two queues, and yet in the order of time.
tshark -r "$LAB_TMP/all.pcapng" -T fields -e frame.time_epoch 2>/dev/null >"$LAB_TMP/times"
late=$(awk '$1 < last { late++ } { last = $1 } END { print late + 0 }' "$LAB_TMP/times")
check "$late" -le $((ACCEPTED / 2)) "frames behind a later one"

# A pipe: ends by its reader, by the count, without a file.
(lab_ctl d capture -f udp -c 40 2>"$LAB_TMP/pipe.log" | tshark -r - -T fields -e udp.length \
    >"$LAB_TMP/pipe" 2>"$LAB_TMP/pipe.tshark") &
pipe=$!
wait_for 'grep -q "capturing to standard output" "$LAB_TMP/pipe.log"' 10 "the pipe begins"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait $pipe || lab_die "pipe: $(cat "$LAB_TMP/pipe.log" "$LAB_TMP/pipe.tshark")"
check "$(wc -l <"$LAB_TMP/pipe")" -eq 40 "frames through a pipe"
(lab_ctl d capture 2>"$LAB_TMP/pipe.log" | head -c 24 >"$LAB_TMP/pipe") || :
wait_for '[ "$(captures)" -eq 0 ]' 5 "a capture ends when nobody reads its pipe"

# --- extcap ---
export XDG_CONFIG_HOME=$LAB_TMP/config
mkdir -p "$XDG_CONFIG_HOME/wireshark/extcap"
cp "$LAB_ROOT/config/wireshark/mirrortap-extcap" "$XDG_CONFIG_HOME/wireshark/extcap/"
export MIRRORTAP=$LAB_BUILD/mirrortap MIRRORTAP_SOCKET=$LAB_TMP/d.sock
tshark -D 2>/dev/null | grep -q ' mirrortap (Mirrortap: ' || lab_die "tshark -D: $(tshark -D 2>&1)"
tshark -i mirrortap -L 2>/dev/null | grep -q 'EN10MB (Ethernet)' || lab_die "no link type"
# tshark_live NAME ARGUMENTS...: into NAME.pcapng, begun when this returns.
tshark_live() {
    local name=$1

    shift
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.log" tshark -i mirrortap -w "$LAB_TMP/$name.pcapng" "$@"
    wait_for '[ "$(captures)" -eq 1 ]' 15 "tshark's capture"
}
tshark_live extcap -f udp -c 100
lab_ctl d status --json | jq -e '.captures[0].filter == "udp"' >/dev/null || lab_die "filter of extcap"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait_for "! lab_running $LAB_PID" 15 "tshark -c 100 ends"
wait "$LAB_PID" || lab_die "tshark: $(cat "$LAB_TMP/extcap.log")"
check "$($PCAP list "$LAB_TMP/extcap.pcapng" | wc -l)" -eq 100 "frames by extcap"
$PCAP list "$LAB_TMP/extcap.pcapng" | cut -f 4 | sort | comm -13 <(
    $PCAP list "$LAB_TMP/udp.pcapng" | cut -f 4 | sort) - >"$LAB_TMP/strange"
[ ! -s "$LAB_TMP/strange" ] || lab_die "extcap: frames of no one: $(head -n 3 "$LAB_TMP/strange")"
wait_for '[ "$(captures)" -eq 0 ]' 10 "extcap's capture is gone"
tshark_live extcap -o extcap.mirrortap.session:web -o extcap.mirrortap.snaplen:90
lab_ctl d status --json | jq -e '.captures[0] | .session == "web" and .snaplen == 90' >/dev/null \
    || lab_die "options of extcap: $(lab_ctl d status --json)"
kill -INT "$LAB_PID"
wait_for "! lab_running $LAB_PID" 15 "tshark ends on SIGINT"
wait_for '[ "$(captures)" -eq 0 ]' 10 "extcap's capture is gone"
"$LAB_ROOT/config/wireshark/mirrortap-extcap" --extcap-interface=mirrortap \
    --extcap-capture-filter='tcp prt 80' | grep -q 'syntax error' || lab_die "extcap takes any filter"
[ -z "$("$LAB_ROOT/config/wireshark/mirrortap-extcap" --extcap-interface=mirrortap \
    --extcap-capture-filter='tcp port 80')" ] || lab_die "extcap complains of a good filter"

# --- errors ---
# refused STATUS PATTERN ARGUMENTS...
refused() {
    local status=$1 pattern=$2 got=0

    shift 2
    lab_ctl d capture "$@" >"$LAB_TMP/refused.out" 2>"$LAB_TMP/refused.err" </dev/null || got=$?
    check "$got" -eq "$status" "exit of capture $*: $(cat "$LAB_TMP/refused.err")"
    grep -q -- "$pattern" "$LAB_TMP/refused.err" \
        || lab_die "capture $*: expected $pattern: $(cat "$LAB_TMP/refused.err")"
    [ ! -s "$LAB_TMP/refused.out" ] || lab_die "capture $*: wrote to standard output"
    [ ! -e "$LAB_TMP/refused.pcapng" ] || lab_die "capture $*: left a file"
}
OUT="-w $LAB_TMP/refused.pcapng"
# shellcheck disable=SC2086 # two words
{
    refused 1 'filter "tcp prt 80": .*syntax error' $OUT -f 'tcp prt 80'
    refused 1 'no session is called "nobody"' $OUT --session nobody
    refused 2 '--vni 16777216: 0 to 16777215 are allowed' $OUT --vni 16777216
    refused 2 '-c 0: 1 to ' $OUT -c 0
    refused 2 '-s 262145: 0 to 262144' $OUT -s 262145
    refused 2 'only one of them' $OUT --vni 1 --session web
    refused 2 "a filter is given by -f 'tcp'" $OUT tcp
}
refused 1 "/no/such/folder: No such file" -w /no/such/folder
refused 1 "/dev/full: could not be written: No space left" -w /dev/full
"$LAB_PYTHON" -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' \
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" capture >"$LAB_TMP/terminal" 2>&1 </dev/null \
    && lab_die "a terminal gets pcapng"
grep -q 'standard output is a terminal: give -w FILE' "$LAB_TMP/terminal" \
    || lab_die "on a terminal: $(cat "$LAB_TMP/terminal")"
http() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 -o "$LAB_TMP/http" -w '%{http_code}' "$@"
}
check "$(http -X POST http://127.0.0.1:8080/api/v1/capture)" -eq 403 "POST by TCP"
check "$(http -X POST --unix-socket "$LAB_TMP/d.sock" http://d/api/v1/capture)" -eq 426 "no upgrade"
# As documented: by other programs than ours.
(http -N -X POST -H 'Connection: Upgrade' -H 'Upgrade: pcapng' --unix-socket "$LAB_TMP/d.sock" \
    "http://d/api/v1/capture?count=20" >"$LAB_TMP/code") &
pipe=$!
wait_for '[ "$(captures)" -eq 1 ]' 5 "curl's capture"
lab_ctl d status | grep -qE "^ +[0-9]+ +[0-9]+ +20[0-9-]+ [0-9:]+ +0 +0 +- +-" \
    || lab_die "status: $(lab_ctl d status)"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait $pipe || :
check "$($PCAP list "$LAB_TMP/http" | wc -l)" -eq 20 "frames by curl"
check "$(http -X POST -H 'Connection: Upgrade' -H 'Upgrade: pcapng' --unix-socket "$LAB_TMP/d.sock" \
    'http://d/api/v1/capture?size=20')" -eq 400 "unknown parameter"
grep -q 'filter, vni, session, count, snap are allowed' "$LAB_TMP/http" || lab_die "$(cat "$LAB_TMP/http")"

# --- as many as there may be ---
wait_for '[ "$(captures)" -eq 0 ]' 5 "no capture is left"
for n in 1 2 3 4 5 6 7 8; do
    capture "n$n"
    pids[n]=$LAB_PID
done
refused 1 '8 captures run already' -w "$LAB_TMP/refused.pcapng"
check "$(captures)" -eq 8 "captures"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
# Killed, with no traffic that would find out; the place is free again.
kill -KILL "${pids[8]}"
wait_for '[ "$(captures)" -eq 7 ]' 5 "a killed client's capture is gone"
capture n8
pids[8]=$LAB_PID
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
ended n8 "${pids[8]}" "$ACCEPTED"
for n in 1 2 3 4 5 6 7; do
    ended "n$n" "${pids[n]}" $((2 * ACCEPTED))
done
ip netns exec "$LAB_TARGET" curl -s -m 5 http://127.0.0.1:8080/metrics >"$LAB_TMP/metrics"
check "$(awk '$1 == "mirrortap_captures_refused_total" { print $2 }' "$LAB_TMP/metrics")" -eq 1 "refused"
check "$(awk '$1 == "mirrortap_captures" { print $2 }' "$LAB_TMP/metrics")" -eq 0 "captures, by metrics"

# --- a slow client loses its own frames, and nobody else any ---
"$LAB_BUILD/mirrorgen" -q -w "$LAB_TMP/large.pcap" -c 16000 --sessions 4 --size 1400 \
    >"$LAB_TMP/gen.log" 2>&1
capture slow
slow=$LAB_PID
capture fast
fast=$LAB_PID
kill -STOP "$slow"
send "$LAB_TMP/large.pcap" 16000 10000
lost=$(lab_ctl d status --json | jq '.captures[0].lost')
check "$lost" -gt 1000 "frames that the slow client has lost"
check "$(lab_ctl d status --json | jq '.captures[1].lost')" -eq 0 "and the fast one"
ended fast "$fast" 16000
kill -CONT "$slow"
kill -INT "$slow"
wait_for "! lab_running $slow" 10 "the slow one ends"
grep -q "$((16000 - lost)) frames, $lost lost: what" "$LAB_TMP/slow.log" \
    || lab_die "lost $lost: $(cat "$LAB_TMP/slow.log")"
quietly tshark -r "$LAB_TMP/slow.pcapng" -T fields -e frame.len
check "$(wc -l <"$LAB_TMP/tool.out")" -eq $((16000 - lost)) "frames of the slow one"
check "$($STATISTICS "$LAB_TMP/slow.pcapng" | jq 'map(.dropped) | add')" -eq "$lost" "by statistics"
check "$($STATISTICS "$LAB_TMP/slow.pcapng" | jq 'map(.received) | add')" -eq 16000 "received"
# Stopped for good: killed, it is gone.
capture slow
kill -STOP "$LAB_PID"
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
kill -KILL "$LAB_PID"
wait_for '[ "$(captures)" -eq 0 ]' 5 "a stopped and killed client's capture is gone"

# --- they come and go, and leave nothing ---
descriptors() {
    find "/proc/$LAB_DAEMON_d/fd" | wc -l
}
before=$(descriptors)
for n in {1..40}; do
    "$LAB_BUILD/mirrortap" --socket "$LAB_TMP/d.sock" capture -q -w /dev/null &
    wait_for '[ "$(captures)" -eq 1 ]' 5 "capture $n"
    if [ $((n % 2)) = 0 ]; then kill -KILL $!; else kill -TERM $!; fi
    wait $! 2>/dev/null || :
    wait_for '[ "$(captures)" -eq 0 ]' 5 "capture $n is gone"
done
check "$(descriptors)" -le $((before + 1)) "descriptors"

# Clients that ask and are gone before they are answered.
"$LAB_PYTHON" - "$LAB_TMP/d.sock" <<'PYTHON'
import socket
import sys

for _ in range(60):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[1])
        client.sendall(b"POST /api/v1/capture HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
                       b"Upgrade: pcapng\r\nContent-Length: 0\r\n\r\n")
PYTHON
wait_for '[ "$(captures)" -eq 0 ]' 10 "captures of clients that did not wait are gone"
wait_for '[ "$(descriptors)" -le $((before + 1)) ]' 10 "their descriptors are closed"
# A capture is no old connection that makes room for new ones.
capture kept
kept=$LAB_PID
"$LAB_PYTHON" - "$LAB_TMP/d.sock" <<'PYTHON'
import socket
import sys

clients = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for client in clients:
    client.connect(sys.argv[1])
# The last one is answered, though nobody made room.
clients[-1].sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: d\r\n\r\n")
clients[-1].settimeout(10)
assert clients[-1].recv(12) == b"HTTP/1.1 200"
PYTHON
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
ended kept "$kept" "$ACCEPTED"

# --- a reload: what runs goes on under the old names, what begins has the new ones ---
capture before --session web
old=$LAB_PID
sed -i 's/name: web/name: site/' "$LAB_TMP/d.yaml"
lab_ctl d reload >"$LAB_TMP/reload" 2>&1 || lab_die "reload: $(cat "$LAB_TMP/reload")"
capture after --session site
new=$LAB_PID
refused 1 'no session is called "web"' -w "$LAB_TMP/refused.pcapng" --session web
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
grep -P "\tweb\t" "$LAB_TMP/expected" >"$LAB_TMP/part"
ended before "$old" "$(wc -l <"$LAB_TMP/part")"
content "$LAB_TMP/before.pcapng" >"$LAB_TMP/got"
same "$LAB_TMP/part" "$LAB_TMP/got" "a capture from before a reload"
sed 's/\tweb\t/\tsite\t/' "$LAB_TMP/part" | sort >"$LAB_TMP/named"
ended after "$new" "$(wc -l <"$LAB_TMP/part")"
content "$LAB_TMP/after.pcapng" >"$LAB_TMP/got"
same "$LAB_TMP/named" "$LAB_TMP/got" "a capture from after a reload"

# --- live traffic, and a daemon that ends ---
lab_web_up
lab_mirror_up
capture web -f 'tcp port 80'
web=$LAB_PID
capture rest
rest=$LAB_PID
before=$(lab_ledger d .accepted)
lab_get >/dev/null
wait_for '[ "$(lab_ledger d .accepted)" -ge $((before + $(lab_mirrored))) ]' 5 "all that was mirrored"
wait_for '[ "$(lab_ctl d status --json | jq ".captures | .[0].packets == .[1].packets")" = true ]' 5 \
    "both captures have all of it"
check "$(lab_ctl d status --json | jq '.captures[0].packets')" -ge 10 "packets of a conversation"
ended web "$web" "$(lab_ctl d status --json | jq '.captures[0].packets')"
# (Of two receive queues, so the answer may come before the question: tshark's HTTP wants an order.)
for bytes in 'GET / HTTP/1.1' '<h1>Hello from the web server'; do
    quietly tshark -r "$LAB_TMP/web.pcapng" -Y "frame contains \"$bytes\"" -T fields -e frame.number
    check "$(wc -l <"$LAB_TMP/tool.out")" -eq 1 "frames with $bytes"
done
quietly tshark -r "$LAB_TMP/web.pcapng" -Y 'tcp.port == 80' -T fields -e frame.number
check "$(wc -l <"$LAB_TMP/tool.out")" -eq "$($PCAP list "$LAB_TMP/web.pcapng" | wc -l)" "frames of port 80"
lab_daemon_stop d
wait_for "! lab_running $rest" 10 "a capture ends with the daemon"
wait "$rest" || lab_die "at the daemon's end: $(cat "$LAB_TMP/rest.log")"
grep -q 'the daemon ended it' "$LAB_TMP/rest.log" || lab_die "$(cat "$LAB_TMP/rest.log")"
quietly capinfos -c "$LAB_TMP/rest.pcapng"
check "$(jq '[.outputs[].drops[]] | add' "$LAB_TMP/d.ledger")" -eq 0 "drops of the output"
accepted=$(jq .accepted "$LAB_TMP/d.ledger")
refused 1 'mirrortapd is not running' -w "$LAB_TMP/refused.pcapng"
# One that is killed: what came until then is there, and can be read.
lab_daemon_start d "$LAB_TMP/d.yaml"
capture cut
cut=$LAB_PID
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait_for '[ "$(lab_ctl d status --json | jq ".captures[0].packets")" -eq "$ACCEPTED" ]' 10 "all frames"
wait_for '[ "$($PCAP list "$LAB_TMP/cut.pcapng" | wc -l)" -eq "$ACCEPTED" ]' 10 "all are in the file"
kill -KILL "$LAB_DAEMON_d"
wait_for "! lab_running $cut" 10 "the capture ends when the daemon is killed"
! wait "$cut" || lab_die "a daemon that was killed is taken for an end"
grep -q 'went away before the capture was complete' "$LAB_TMP/cut.log" || lab_die "$(cat "$LAB_TMP/cut.log")"
quietly capinfos -c "$LAB_TMP/cut.pcapng"
# The next one clears up behind it, and captures again.
lab_daemon_start d "$LAB_TMP/d.yaml"
capture all -c 5
send "$LAB_TMP/mirrored.pcap" "$ACCEPTED"
wait_for "! lab_running $LAB_PID" 10 "the next daemon's capture"
wait "$LAB_PID" || lab_die "after a kill: $(cat "$LAB_TMP/all.log")"
lab_daemon_stop d
echo "$accepted frames accepted, $late of $ACCEPTED behind a later one"
