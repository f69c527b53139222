#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Suricata behind Mirrortap, on real HTTP and DNS that is mirrored in the lab: in DPDK mode over memif,
# and in AF_PACKET mode (cluster_qm) on a TAP output. Each flow is in eve.json with packets of both
# directions, rules that want both of them alert, and so many as there were requests.
# (docs/integrations.md has these configurations.)
set -eu
. "$(dirname "$0")/../lib/lab.sh"
. "$LAB_ROOT/tests/lib/deps.sh"
[ "$(id -u)" = 0 ] || lab_die "must run as root"
command -v suricata >/dev/null || deps_install_backports suricata \
    || lab_skip "suricata can't be had from bookworm-backports"
lab_begin suricata
lab_hugepages_up 768
lab_up
REQUESTS=20
QUERIES=20
export REQUESTS QUERIES

cat >"$LAB_TMP/lab.rules" <<'EOF'
alert http any any -> any 80 (msg:"request for the index"; flow:established,to_server; http.uri; content:"/index.html"; sid:1000001; rev:1;)
alert http any any -> any any (msg:"answer of the web server"; flow:established,to_client; http.stat_code; content:"200"; file_data; content:"Hello from the web server"; sid:1000002; rev:1;)
alert dns any any -> any 53 (msg:"question for mirror.test"; dns.query; content:"mirror.test"; sid:1000003; rev:1;)
EOF

# configuration NAME: of Suricata. How it captures is on standard input; the rest is always the same.
configuration() {
    mkdir -p "$LAB_TMP/$1"
    {
        printf '%%YAML 1.1\n---\n'
        cat
        cat <<EOF
default-rule-path: $LAB_TMP
rule-files: [lab.rules]
classification-file: /etc/suricata/classification.config
reference-config-file: /etc/suricata/reference.config
default-log-dir: $LAB_TMP/$1
vars:
  address-groups: {HOME_NET: "[172.31.0.0/16]", EXTERNAL_NET: "any"}
  port-groups: {HTTP_PORTS: "80"}
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [alert, http: {extended: yes}, dns: {version: 2}, flow, stats: {totals: yes}]
app-layer:
  protocols:
    http: {enabled: yes}
    dns: {udp: {enabled: yes, detection-ports: {dp: 53}}, tcp: {enabled: yes}}
stream: {checksum-validation: no, midstream: false}
unix-command: {enabled: no}
run-as: {user: root, group: root}
EOF
    } >"$LAB_TMP/$1.yaml"
}

# daemon NAME OUTPUT: Mirrortap, one queue for each of Suricata's threads.
daemon() {
    cat >"$LAB_TMP/$1-mirrortap.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, idle: sleep, eal: $(lab_eal "mt-$1")}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: ids, $2}
http: {control_socket: $LAB_TMP/$1.sock}
EOF
    lab_daemon_start "$1" "$LAB_TMP/$1-mirrortap.yaml"
}

# listen NAME ARGUMENTS: Suricata, ready when this returns. Sets LAB_PID.
listen() {
    local name=$1

    shift
    lab_spawn "$LAB_TARGET" "$LAB_TMP/$name-suricata.log" suricata -c "$LAB_TMP/$name.yaml" \
        --pidfile "$LAB_TMP/$name.pid" -k none "$@"
    wait_for "grep -qs 'Engine started' $LAB_TMP/$name-suricata.log || ! lab_running $LAB_PID" 60 \
        "Suricata starts"
    lab_running "$LAB_PID" || lab_die "Suricata ended: $(tail -n 3 "$LAB_TMP/$name-suricata.log")"
}

# Real traffic of the client with the web server, which also answers names.
traffic() {
    local i

    for ((i = 0; i < REQUESTS; i++)); do
        lab_get index.html >/dev/null
    done
    for ((i = 0; i < QUERIES; i++)); do
        ip netns exec "$LAB_CLIENT" "$LAB_PYTHON" - "$LAB_WEB_IP" "$i" <<'EOF'
import socket
import struct
import sys

name = b"".join(bytes((len(p),)) + p for p in (b"mirror", b"test")) + b"\0"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(5)
    client.sendto(struct.pack(">HHHHHH", int(sys.argv[2]) + 1, 0x100, 1, 0, 0, 0) + name
                  + struct.pack(">HH", 1, 1), (sys.argv[1], 53))
    assert client.recv(512)[-4:] == socket.inet_aton("192.0.2.7")
EOF
    done
}

# events NAME EXPRESSION: how many records of eve.json are so.
events() {
    jq -c "select($2)" "$LAB_TMP/$1/eve.json" | wc -l
}

# judge NAME: what eve.json says, against the traffic.
judge() {
    local name=$1

    check "$(events "$name" '.event_type == "alert" and .alert.signature_id == 1000001')" -eq \
        "$REQUESTS" "alerts on requests"
    check "$(events "$name" '.event_type == "alert" and .alert.signature_id == 1000002')" -eq \
        "$REQUESTS" "alerts on answers"
    check "$(events "$name" '.event_type == "alert" and .alert.signature_id == 1000003')" -eq \
        "$QUERIES" "alerts on questions"
    check "$(events "$name" '.event_type == "http" and .http.status == 200')" -eq "$REQUESTS" \
        "requests with their answers"
    check "$(events "$name" '.event_type == "dns" and .dns.type == "answer"')" -eq "$QUERIES" answers
    # Each conversation whole, in one flow: both directions, opened and closed.
    check "$(events "$name" '.event_type == "flow" and .app_proto == "http"
        and .flow.pkts_toserver > 4 and .flow.pkts_toclient > 3 and .tcp.state == "closed"')" -eq \
        "$REQUESTS" "HTTP flows with both directions, closed"
    check "$(events "$name" '.event_type == "flow" and .app_proto == "dns"
        and .flow.pkts_toserver == 1 and .flow.pkts_toclient == 1')" -eq "$QUERIES" \
        "DNS flows with both directions"
    check "$(events "$name" '.event_type == "flow" and .proto != "ARP"')" -eq \
        "$((REQUESTS + QUERIES))" "flows"
}

# watch NAME: the traffic, all of it delivered; then Suricata writes its flows and ends.
watch() {
    local name=$1 suricata=$LAB_PID before sent

    before=$(lab_sent)
    traffic
    sent=$(($(lab_sent) - before))
    wait_for "[ \$(lab_ledger $name .outputs.ids.delivered) -ge $sent ]" 10 "$sent frames delivered"
    wait_for "[ \$(events $name '.event_type == \"http\"') -ge $REQUESTS ]" 30 "Suricata reads all"
    wait_for "[ \$(events $name '.event_type == \"dns\" and .dns.type == \"answer\"') -ge $QUERIES ]" \
        30 "Suricata reads all answers"
    lab_stop "$suricata"
    judge "$name"
    lab_daemon_stop "$name"
    check "$(jq '[.drops[], .outputs.ids.drops[]] | add // 0' "$LAB_TMP/$name.ledger")" -eq \
        "${2:-0}" "drops"
}

lab_web_up
lab_spawn "$LAB_WEB" "$LAB_TMP/dns.log" dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null \
    --address=/mirror.test/192.0.2.7 --listen-address="$LAB_WEB_IP" --bind-interfaces --user=root
wait_for 'ip netns exec "$LAB_WEB" ss -Hlun "sport = :53" | grep -q .' 10 "the name server"
lab_mirror_up

# --- AF_PACKET on a TAP -----------------------------------------------------------------------------

daemon tap "type: tap, interface: mirror0"
configuration tap <<EOF
af-packet:
  - interface: mirror0
    threads: 2
    cluster-id: 99
    cluster-type: cluster_qm
    defrag: no
    use-mmap: yes
    tpacket-v3: yes
    checksum-checks: no
EOF
listen tap --af-packet=mirror0 --runmode workers
watch tap

# --- DPDK over memif ----------------------------------------------------------------------------------

if ! suricata --build-info | grep -q 'DPDK support: *yes'; then
    lab_skip "this Suricata has no DPDK support; AF_PACKET mode passed"
fi
MEMIF=socket=$LAB_TMP/ids.memif,socket-abstract=no,bsize=9216,rsize=11
# Management has a CPU of its own, each thread one more: two of them where there are three.
THREADS=$(($(nproc) > 2 ? 2 : 1))
daemon memif "type: port, tx_queues: $THREADS, device: \"net_memif0,role=server,$MEMIF\""
configuration memif <<EOF
dpdk:
  eal-params:
    proc-type: primary
    file-prefix: mt-suricata
    in-memory: true
    no-pci: true
    single-file-segments: true
    vdev: "net_memif0,role=client,$MEMIF"
  interfaces:
    - interface: net_memif0
      threads: $THREADS
      promisc: true
      multicast: false
      checksum-checks: false
      checksum-checks-offload: false
      mtu: 1500
      mempool-size: 16383
      mempool-cache-size: 128
      rx-descriptors: 1024
      tx-descriptors: 1024
      copy-mode: none
      copy-iface: none
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    - management-cpu-set:
        cpu: [ 0 ]
    - worker-cpu-set:
        cpu: [ "1-$THREADS" ]
        mode: exclusive
EOF
listen memif --dpdk
wait_for '[ "$(lab_ctl memif outputs --json | jq -r ".outputs[0].state")" = up ]' 20 "the memif is up"
watch memif
