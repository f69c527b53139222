#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Tools that separate by interface or by VLAN: a TAP output with an interface for each named session
# gets each session's frames on its own, and vlan_from_vni writes tags, on a TAP and on a port.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin sessiontap
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py

# VNIs 4321 to 4324 in turn; 100 conversations of 4 frames each.
"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 400 --each 4 --vnis 4
cat >"$LAB_TMP/taps.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 2, idle: sleep, eal: $(lab_eal mt-taps)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
sessions:
  list:
    - {vni: 4321, name: web}
    - {vni: 4322, name: a-much-longer-name}
    - {vni: 4323, name: elsewhere, outputs: [tagged]}
outputs:
  - {name: each, type: tap, per: session, interface: mir-}
  - {name: tagged, type: tap, interface: tagged0, vlan_from_vni: {4321: 10, 4323: 4094}}
  - {name: copy, type: port, vlan_from_vni: {4322: 20}, device: "net_pcap1,tx_pcap=$LAB_TMP/0.pcap,tx_pcap=$LAB_TMP/1.pcap"}
http: {control_socket: $LAB_TMP/taps.sock}
EOF
lab_daemon_start taps "$LAB_TMP/taps.yaml"
interfaces=$(ip -n "$LAB_TARGET" -j link show | jq -r '[.[].ifname | select(startswith("mir-"))] | sort | join(" ")')
[ "$interfaces" = "mir-4322 mir-web" ] || lab_die "interfaces of sessions: $interfaces"
declare -A captures
for interface in mir-web mir-4322 tagged0; do
    lab_capture "$LAB_TARGET" "$interface" "$LAB_TMP/$interface.pcap"
    captures[$interface]=$LAB_PID
done

ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 3000
wait_for '[ "$(lab_ledger taps .outputs.copy.delivered)" -ge 1200 ]' 10 "all delivered"
for interface in "${!captures[@]}"; do
    lab_capture_end "${captures[$interface]}" "$LAB_TMP/$interface.pcap"
done

frames() { # FILE [FILTER]
    tcpdump -r "$LAB_TMP/$1.pcap" --count "${2-}" 2>/dev/null | cut -d' ' -f1
}

# Of the tagged TAP all frames, two sessions of them in a VLAN; what is below the tag is as it was.
check "$(frames mir-web)" -eq 400 "frames of session web"
check "$(frames mir-4322)" -eq 400 "frames of session a-much-longer-name"
check "$(lab_ledger taps .outputs.each.drops.no_session)" -eq 400 "frames of VNI 4324"
check "$(frames tagged0)" -eq 1600 "frames on tagged0"
check "$(frames tagged0 'ether[12:2] = 0x8100 and ether[14:2] = 4094')" -eq 400 "frames in VLAN 4094"
"$LAB_PYTHON" - "$LAB_ROOT/tests/lib" "$LAB_TMP" <<'EOF'
import collections
import sys

sys.path.insert(0, sys.argv[1])
import frames

VLAN = {4321: {"tap": 10}, 4323: {"tap": 4094}, 4322: {"port": 20}}


def expected(where, vnis):
    wanted = collections.Counter()
    for frame in frames.read_pcap(sys.argv[2] + "/mirrored.pcap"):
        vni, inner = int.from_bytes(frame[46:49], "big"), frame[frames.OUTER:]
        vlan = VLAN.get(vni, {}).get(where)
        if vlan is not None:
            inner = inner[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + inner[12:]
        if vni in vnis:
            wanted[inner] += 1
    return wanted


for where, vnis, files in (("tap", (4321, 4322, 4323, 4324), ("tagged0",)),
                           ("port", (4321, 4322, 4324), "01"),
                           ("each", (4321,), ("mir-web",)), ("each", (4322,), ("mir-4322",))):
    got = collections.Counter()
    for name in files:
        got.update(frames.read_pcap(f"{sys.argv[2]}/{name}.pcap"))
    if got != expected(where, vnis):
        sys.exit(f"{where}, {files}: {sum(got.values())} frames, not those that were mirrored")
EOF

# One interface is deleted: the others go on, and it comes back.
ip -n "$LAB_TARGET" link del mir-web
wait_for '[ "$(lab_ctl taps outputs --json | jq -r ".outputs[0].state")" = error ]' 10 "it is missed"
wait_for 'ip -n "$LAB_TARGET" link show mir-web' 10 "it is made again"
wait_for '[ "$(lab_ctl taps outputs --json | jq -r ".outputs[0].state")" = up ]' 10 "the output is up"
before=$(lab_ledger taps .outputs.each.delivered)
ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 3000
wait_for "[ \$(lab_ledger taps .outputs.each.delivered) -ge $((before + 800)) ]" 10 "all again"
lab_daemon_stop taps
