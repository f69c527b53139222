#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's tcpdump, tshark and ndpiReader on a TAP output, all at once: each finds the HTTP requests
# that were mirrored, with their answers. (docs/integrations.md has these commands.)
set -eu
. "$(dirname "$0")/../lib/lab.sh"
command -v ndpiReader >/dev/null || lab_skip "ndpiReader is absent: apt-get install libndpi-bin"
lab_begin tools
lab_hugepages_up 256
lab_up
REQUESTS=10

cat >"$LAB_TMP/tools.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, idle: sleep, eal: $(lab_eal mt-tools)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
http: {control_socket: $LAB_TMP/tools.sock}
EOF
lab_daemon_start tools "$LAB_TMP/tools.yaml"
lab_web_up
lab_mirror_up

lab_capture "$LAB_TARGET" mirror0 "$LAB_TMP/tcpdump.pcap" tcp port 80
tcpdump=$LAB_PID
lab_spawn "$LAB_TARGET" "$LAB_TMP/tshark.txt:$LAB_TMP/tshark.log" tshark -l -n -i mirror0 \
    -Y http.response -T fields -e http.response.code -e http.response_for.uri
tshark=$LAB_PID
wait_for 'grep -q "Capture started\|Capturing on" "$LAB_TMP/tshark.log"' 20 "tshark"
lab_spawn "$LAB_TARGET" "$LAB_TMP/ndpi.log" ndpiReader -i mirror0
ndpi=$LAB_PID
sockets() { # open on mirror0: one each
    ip netns exec "$LAB_TARGET" cat /proc/net/packet | grep -c " $(ip -n "$LAB_TARGET" -j link show \
        mirror0 | jq '.[0].ifindex') *1 "
}
wait_for '[ "$(sockets)" -ge 3 ]' 20 "all tools listen"

for ((i = 0; i < REQUESTS; i++)); do
    lab_get index.html >/dev/null
done
wait_for '[ "$(wc -l <"$LAB_TMP/tshark.txt")" -ge "$REQUESTS" ]' 20 "tshark sees all answers"
wait_for '[ "$(lab_mirrored)" -le "$(lab_ledger tools .outputs.tools.delivered)" ]' 10 "all delivered"
kill -INT -- "-$ndpi" # then it tells what it saw
wait_for "! lab_running $ndpi" 20 "ndpiReader ends"
lab_stop "$tshark"
lab_capture_end "$tcpdump" "$LAB_TMP/tcpdump.pcap"

check "$(sort "$LAB_TMP/tshark.txt" | uniq -c | grep -c "$REQUESTS 200")" -eq 1 \
    "tshark's answers: $(cat "$LAB_TMP/tshark.txt")"
check "$(tcpdump -r "$LAB_TMP/tcpdump.pcap" -A 2>/dev/null | grep -c 'HTTP: GET /index.html')" -eq \
    "$REQUESTS" "requests in tcpdump's file"
check "$(tcpdump -r "$LAB_TMP/tcpdump.pcap" -A 2>/dev/null | grep -c 'HTTP: HTTP.* 200 OK')" -eq \
    "$REQUESTS" "answers in tcpdump's file"
grep -Eq "HTTP +packets: [0-9]+ +bytes: [0-9]+ +flows: $REQUESTS" "$LAB_TMP/ndpi.log" \
    || lab_die "ndpiReader does not find $REQUESTS HTTP flows"
lab_daemon_stop tools
