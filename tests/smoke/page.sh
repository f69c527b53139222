#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The live page in headless Chromium (tests/page/page.js): it renders and goes on, shows drops that
# are caused here, draining, the loss of the daemon and its return; on a desktop and a phone, dark
# and light. MT_PAGE_SHOTS=FOLDER keeps the pictures.
set -eu
. "$(dirname "$0")/../lib/lab.sh"

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
[ -x "$CHROMIUM" ] || lab_skip "no $CHROMIUM (Debian's package chromium)"
command -v node npm >/dev/null || lab_skip "no node and npm"

lab_begin page
lab_hugepages_up 256

# playwright-core, of the version that package.json pins, once for each build folder.
modules=$LAB_BUILD/page-test
if ! cmp -s "$LAB_ROOT/tests/page/package-lock.json" "$modules/installed.json"; then
    mkdir -p "$modules"
    cp "$LAB_ROOT"/tests/page/package*.json "$modules/"
    (cd "$modules" && npm ci --no-audit --no-fund --ignore-scripts) >"$LAB_TMP/npm.log" 2>&1 \
        || lab_skip "npm gives no playwright-core: $(grep -m 1 'error' "$LAB_TMP/npm.log")"
    cp "$modules/package-lock.json" "$modules/installed.json"
fi

lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 200 --each 10 --vnis 60
# 100 of them without the I bit: the first byte behind 14 of Ethernet, 20 of IPv4, 8 of UDP.
"$LAB_PYTHON" - "$LAB_ROOT/tests/lib" "$LAB_TMP" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
import pcap

records = list(pcap.read(sys.argv[2] + "/mirrored.pcap"))[:100]
cleared = [r._replace(data=r.data[:42] + bytes([r.data[42] & 0xF7]) + r.data[43:]) for r in records]
pcap.write_pcap(sys.argv[2] + "/malformed.pcap", cleared)
PYTHON

# start NAME [OUTPUT]: a daemon with one more output.
start() {
    cat >"$LAB_TMP/$1.yaml" <<YAML
dataplane: {lcores: "0@0,1@0,2@1", queues: 2, eal: $(lab_eal mtpage)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: tools, type: tap, interface: mirror0}
${2:+  - $2}
http: {listen: ["127.0.0.1:18080"], control_socket: $LAB_TMP/$1.sock}
YAML
    lab_daemon_start "$1" "$LAB_TMP/$1.yaml"
}

# step NAME: waits until the browser wants it. The caller then does it, and calls done_with.
step() {
    wait_for "! lab_running $browser || grep -qx 'want $1' $LAB_TMP/browser.log" 120 "want $1"
    lab_running "$browser" || lab_die "$(grep '^failed' "$LAB_TMP/browser.log" || echo browser ended)"
}

done_with() {
    touch "$LAB_TMP/$1.done"
}

start first
lab_spawn "$LAB_WEB" "$LAB_TMP/send.log" \
    "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 500 --times 1000
lab_spawn "$LAB_TARGET" "$LAB_TMP/browser.log" env HOME="$LAB_TMP" CHROMIUM="$CHROMIUM" \
    NODE_PATH="$modules/node_modules" MT_PAGE_SHOTS="${MT_PAGE_SHOTS-}" \
    node "$LAB_ROOT/tests/page/page.js" http://127.0.0.1:18080/ "$LAB_TMP"
browser=$LAB_PID

step drop
ip netns exec "$LAB_WEB" "$FRAMES" send u0 "$LAB_TMP/malformed.pcap" --pps 500
done_with drop
step drain
lab_ctl first drain
done_with drain
step undrain
lab_ctl first undrain
done_with undrain
step stop
lab_daemon_stop first
check "$(jq .drops.vxlan_no_vni "$LAB_TMP/first.ledger")" -eq 100 "dropped as vxlan_no_vni"
done_with stop
step start
start second '{name: ids, type: ring, length: 64, when_absent: keep}'
done_with start

wait_for "! lab_running $browser" 120 "the browser ends"
wait "$browser" || lab_die "$(grep '^failed' "$LAB_TMP/browser.log" || echo the browser crashed)"
lab_daemon_stop second
grep '^ok' "$LAB_TMP/browser.log"
