#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# 10,000 broken requests while 500 slow connections are open: the daemon stays, /healthz answers, its
# memory is bounded, packets are taken at the same rate, and the ledger balances.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin abuse
lab_hugepages_up 256
lab_target_only

"$LAB_ROOT/tests/lib/frames.py" conversations "$LAB_TMP/mirrored.pcap" --count 1024 --each 1
cat >"$LAB_TMP/d.yaml" <<EOT
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-abuse)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap,infinite_rx=1"}
outputs:
  - {name: away, type: port, device: net_null0}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/d.sock}
EOT
lab_daemon_start d "$LAB_TMP/d.yaml"
DAEMON=$LAB_PID

# rate FILE: packets per second, one line for half a second.
rate() {
    local now before=0 received last=0

    received=$(lab_ledger d .received)
    now=${EPOCHREALTIME/[.,]/}
    before=$now last=$received
    sleep 0.5
    received=$(lab_ledger d .received)
    now=${EPOCHREALTIME/[.,]/}
    echo $(((received - last) * 1000000 / (now - before))) >>"$1"
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

memory_kib() {
    awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON/status"
}

probe() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 -o /dev/null -w '%{http_code} %{time_total}\n' \
        http://127.0.0.1:8080/healthz || :
}

abuse() {
    local kib grown before during after n

    rm -f "$LAB_TMP"/{before,during,after,probes,connections,abuse.log}
    for ((n = 0; n < 8; n++)); do rate "$LAB_TMP/before"; done
    kib=$(memory_kib)
    # Beside control and HTTP, not beside the worker: that would measure the CPU's sharing.
    lab_spawn "$LAB_TARGET" "$LAB_TMP/abuse.log" taskset -c 0 \
        "$LAB_PYTHON" "$LAB_ROOT/tests/lib/http_abuse.py" 127.0.0.1 8080 10000 500
    ABUSE=$LAB_PID
    wait_for 'grep -q "slow open" "$LAB_TMP/abuse.log"' 60 "500 slow connections"
    while lab_running "$ABUSE"; do
        rate "$LAB_TMP/during"
        probe >>"$LAB_TMP/probes"
        ip netns exec "$LAB_TARGET" ss -Htn state established 'sport = :8080' | wc -l \
            >>"$LAB_TMP/connections"
    done
    for ((n = 0; n < 8; n++)); do rate "$LAB_TMP/after"; done
    grep 'broken requests' "$LAB_TMP/abuse.log" || lab_die "the abuse did not go to its end"
    lab_running "$DAEMON" || lab_die "the daemon ended"
    check "$(grep -c '^200 ' "$LAB_TMP/probes")" -eq "$(wc -l <"$LAB_TMP/probes")" \
        "good answers of /healthz"
    grown=$(($(memory_kib) - kib))
    check "$grown" -lt $((64 << 10)) "KiB by which the daemon grew"
    before=$(median "$LAB_TMP/before")
    during=$(median "$LAB_TMP/during")
    after=$(median "$LAB_TMP/after")
    echo "median rate before $before, during $during, after $after packets/s;" \
        "$(wc -l <"$LAB_TMP/probes") probes," \
        "slowest $(cut -d' ' -f2 "$LAB_TMP/probes" | sort -n | tail -n 1) s;" \
        "grown by $grown KiB; connections at most $(sort -n "$LAB_TMP/connections" | tail -n 1)"
    [ "$during" -ge $(((before < after ? before : after) * 85 / 100)) ]
}

sleep 1
# Again where it was slower: on a shared machine a neighbour may have come meanwhile.
abuse || abuse || abuse || lab_die "the rate fell during the abuse, three times"
lab_ctl d ledger >/dev/null || lab_die "the ledger does not balance"
wait_for 'probe | grep -q "^200 0.0"' 20 "/healthz answers quickly again"
lab_daemon_stop d
