#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An output of type port with memif, read by dpdk-testpmd and mirrorgen: two queues whole and in
# order, frames to 9,216 bytes byte for byte, longer ones than bsize counted and dropped, a peer that
# comes, is killed in mid-burst, or has too few queues, and a daemon that connects as the client.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v dpdk-testpmd >/dev/null || lab_skip "dpdk-testpmd is absent: apt-get install dpdk-dev"
lab_begin memif
lab_hugepages_up 768
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
LONGEST=9216
BSIZE=9216
# Room for most of a second of frames, as the peer's rings have: the machine may be busy.
INPUT=net_af_packet0,iface=t0,qpairs=1,blocksz=65536,framesz=16384,framecnt=2048

# start NAME ROLE BSIZE QUEUES [DEVICE]: the daemon, which reads t0 or DEVICE; its output is `peer`.
start() {
    cat >"$LAB_TMP/$1.yaml" <<EOF
dataplane: {lcores: "0@0,1@1,2@1", queues: 2, idle: sleep, eal: $(lab_eal mt-memif)}
ports:
  - {name: mirror, device: "${5-$INPUT}", buffer_bytes: 16384}
outputs:
  - {name: peer, type: port, tx_queues: $4, device: "$(memif 0 "$2" "$3")"}
http: {control_socket: $LAB_TMP/$1.sock}
EOF
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
}

# Rings long enough for a reader that does not always have a CPU.
memif() { # ID ROLE BSIZE: a device
    echo "net_memif$1,role=$2,socket=$LAB_TMP/peer.memif,socket-abstract=no,bsize=$3,rsize=12"
}

# peer NAME ROLE BSIZE QUEUES: dpdk-testpmd, which writes what it receives into a file per queue,
# NAME.0.pcap and so on. Sets LAB_PID.
peer() {
    local name=$1 files='' queue

    for ((queue = 0; queue < $4; queue++)); do
        files+=",rx_pcap=$LAB_TMP/empty.pcap,tx_pcap=$LAB_TMP/$name.$queue.pcap"
    done
    # What it receives on port 0 goes out of port 1, until SIGTERM: its standard input stays open.
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name.log" bash -c 'exec "$@" < <(exec sleep infinity)' peer \
        stdbuf -o0 dpdk-testpmd --lcores "0@0,1@1" --in-memory --no-pci --file-prefix "mt-$name" \
        --vdev "$(memif 0 "$2" "$3")" --vdev "net_pcap0$files" -- \
        --rxq="$4" --txq="$4" --forward-mode=io --total-num-mbufs=16384 --no-flush-rx
}

state() { # NAME
    lab_ctl "$1" outputs --json | jq -r '.outputs[0].state'
}

# Its ring has no room before it polls that for the first time.
connected() { # NAME [PEER]
    wait_for "[ \"\$(state $1)\" = up ]" 20 "the peer is connected"
    [ -z "${2-}" ] || wait_for "grep -q 'Press enter' $LAB_TMP/$2.log" 20 "dpdk-testpmd forwards"
}

gone() { # NAME
    wait_for "[ \"\$(state $1)\" = error ]" 20 "the peer is gone"
}

count() { # NAME EXPRESSION, of the output's part of the ledger
    lab_ledger "$1" ".outputs.peer$2"
}

# mirror NAME FILE: mirrors the frames of a capture, some at a time: none is lost before the output,
# however busy the machine is.
mirror() {
    local part frames accepted

    rm -f "$LAB_TMP"/part*
    editcap -F pcap -c 500 "$2" "$LAB_TMP/part.pcap"
    for part in "$LAB_TMP"/part*; do
        accepted=$(lab_ledger "$1" .accepted)
        frames=$(ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$part")
        wait_for "[ \$(lab_ledger $1 .accepted) -ge $((accepted + frames)) ]" 20 "$frames frames"
    done
}

# deliver NAME FILE: all of them must be delivered.
deliver() {
    local drops

    drops=$(count "$1" ".drops | add")
    mirror "$1" "$2"
    wait_for "[ \$(count $1 .in_flight) -eq 0 ]" 20 "none in flight"
    check "$(count "$1" ".drops | add")" -eq "$drops" "drops: $(lab_ctl "$1" outputs)"
}

"$FRAMES" conversations "$LAB_TMP/empty.pcap" --count 0
"$FRAMES" conversations "$LAB_TMP/conversations.pcap" --count 1000 --each 6
"$FRAMES" jumbo "$LAB_TMP/jumbo.pcap" --count 100 --longest "$LONGEST"
"$FRAMES" inner "$LAB_TMP/conversations.pcap" "$LAB_TMP/conversations.inner.pcap"
"$FRAMES" inner "$LAB_TMP/jumbo.pcap" "$LAB_TMP/jumbo.inner.pcap"

# No peer yet: frames are dropped and counted, and nothing waits. Then two queues, whole and in order.
start server server "$BSIZE" 2
mirror server "$LAB_TMP/jumbo.pcap"
wait_for '[ "$(count server .drops.error)" -eq 500 ]' 10 "frames without a peer are dropped"
peer whole client "$BSIZE" 2
connected server whole
deliver server "$LAB_TMP/conversations.pcap"
lab_stop "$LAB_PID"
"$FRAMES" same "$LAB_TMP/conversations.inner.pcap" "$LAB_TMP"/whole.[01].pcap
"$FRAMES" whole "$LAB_TMP"/whole.[01].pcap --count 1000 --each 6 --spread 0.2

# The peer comes back, for frames to 9,216 bytes, with smaller ones in between.
gone server
peer jumbo client "$BSIZE" 2
connected server jumbo
deliver server "$LAB_TMP/jumbo.pcap"
deliver server "$LAB_TMP/jumbo.pcap"
lab_stop "$LAB_PID"
"$FRAMES" same "$LAB_TMP/jumbo.inner.pcap" "$LAB_TMP"/jumbo.[01].pcap --times 2

# One with too few queues: said in words; what is for the queue that it has comes.
gone server
peer few client "$BSIZE" 1
connected server few
before=$(count server .delivered)
for ((i = 0; i < 3; i++)); do
    mirror server "$LAB_TMP/conversations.pcap"
done
gone server
lab_ctl server outputs | grep -q 'its peer does not read transmit queue 2 of 2' \
    || lab_die "the missing queue is not told: $(lab_ctl server outputs)"
delivered=$(($(count server .delivered) - before))
lab_stop "$LAB_PID"
few=$(tcpdump -r "$LAB_TMP/few.0.pcap" --count 2>/dev/null | cut -d' ' -f1)
check "$few" -eq "$delivered" "frames that the peer with one queue got"

# And one with enough of them again.
wait_for 'lab_ctl server outputs | grep -q "is down"' 10 "the peer is gone"
peer again client "$BSIZE" 2
connected server again
deliver server "$LAB_TMP/conversations.pcap"
lab_stop "$LAB_PID"
"$FRAMES" whole "$LAB_TMP"/again.[01].pcap --count 1000 --each 6 --spread 0.2
lab_daemon_stop server

# Frames longer than bsize are dropped and counted: the driver would spread them over buffers, and
# spoil what comes after them.
start short server 2048 2
peer cut client 2048 2
connected short cut
for ((i = 0; i < 5; i++)); do
    mirror short "$LAB_TMP/jumbo.pcap"
done
lab_stop "$LAB_PID"
lab_daemon_stop short
check "$(jq .outputs.peer.drops.too_long "$LAB_TMP/short.ledger")" -eq 1500 "too long"
check "$(jq .outputs.peer.delivered "$LAB_TMP/short.ledger")" -eq 1000 "delivered"
check "$(tcpdump -r "$LAB_TMP/cut.0.pcap" 'greater 2049' --count 2>/dev/null | cut -d' ' -f1)" -eq 0 \
    "frames glued together"

# All of its threads are on the first CPU: EAL would put the one that greets onto the other one, where
# two workers leave it next to nothing. One that is starved all the same gives up waiting for its
# link: another one is started.
victim() {
    until [ "$(state kill)" = up ]; do
        [ "$round" = 0 ] || [ "$SECONDS" -lt "$KILL_UNTIL" ] || return 1
        lab_spawn "$LAB_TARGET" "$LAB_TMP/victim.json:$LAB_TMP/victim.log" taskset -c 0 \
            "$LAB_BUILD/mirrorgen" --receive --json -d "$(memif 0 client "$BSIZE")" --mbufs 4096 -- \
            --no-huge -m 128 --lcores 0@0
        wait_for "[ \"\$(state kill)\" = up ] || ! lab_running $LAB_PID" 60 "the peer is connected"
    done
}

# A peer killed in mid-burst, again and again, under all the load that there can be: as often as it
# finds its way there in half a minute, at least once.
start kill server "$BSIZE" 1 "net_pcap0,rx_pcap=$LAB_TMP/jumbo.pcap,infinite_rx=1"
KILL_UNTIL=$((SECONDS + 30))
for ((round = 0; round < 8; round++)); do
    victim || break
    before=$(count kill .delivered)
    wait_for "[ \$(count kill .delivered) -gt $before ]" 60 "frames are delivered"
    kill -KILL -- "-$LAB_PID"
    { wait "$LAB_PID" || :; } 2>/dev/null
    gone kill
done
check "$round" -ge 1 "peers killed in mid-burst"
lab_log "$round peers were killed in mid-burst"

# Peers that are gone before they are greeted.
"$LAB_PYTHON" - "$LAB_TMP/peer.memif" <<'EOF'
import socket
import sys

for _ in range(3000):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.connect(sys.argv[1])
EOF
wait_for "[ \$(ls /proc/$LAB_DAEMON_kill/fd | wc -l) -lt 200 ]" 10 "the daemon forgets them"
[ "$(state kill)" = error ] || lab_die "a peer that said nothing is said to be there"
lab_daemon_stop kill

# As the client: the server comes later, goes, and comes back.
start client client "$BSIZE" 2
gone client
for name in first second; do
    peer "$name" server "$BSIZE" 2
    connected client "$name"
    deliver client "$LAB_TMP/conversations.pcap"
    kill -KILL -- "-$LAB_PID"
    { wait "$LAB_PID" || :; } 2>/dev/null
    gone client
    rm -f "$LAB_TMP/peer.memif"
done
lab_daemon_stop client
