#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Outputs of type pcapng on a folder that can't be written, on a disk that is full, and in a daemon
# that is killed: each drops and counts its own frames and is back by itself, another output loses
# nothing, and what was written can be read.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin cfaults
lab_hugepages_up 256
lab_up
FRAMES=$LAB_ROOT/tests/lib/frames.py
list() {
    "$LAB_PYTHON" "$LAB_ROOT/tests/lib/pcap.py" list "$1"
}

# Before the daemon: a mount that is made later is not seen in its namespace.
for disk in locked small; do
    mkdir "$LAB_TMP/$disk"
    mount -t tmpfs -o size=12m tmpfs "$LAB_TMP/$disk"
    lab_on_exit "umount -l '$LAB_TMP/$disk'"
done
mount -o remount,ro "$LAB_TMP/locked"
"$FRAMES" conversations "$LAB_TMP/mirrored.pcap" --count 1000 --each 6
"$FRAMES" inner "$LAB_TMP/mirrored.pcap" "$LAB_TMP/expected.pcap"

# configuration SECONDS: of the output without faults, until it begins a new file.
configuration() {
    cat >"$LAB_TMP/f.yaml" <<EOF
dataplane: {lcores: "0@0,1@1", queues: 1, eal: $(lab_eal mt-cfaults)}
ports:
  - {name: mirror, device: "$(lab_af_packet t0 1)"}
outputs:
  - {name: locked, type: pcapng, directory: $LAB_TMP/locked, keep_files: 1, rotate_bytes: 1MiB,
     required: true}
  - {name: small, type: pcapng, directory: $LAB_TMP/small}
  - {name: fine, type: pcapng, directory: $LAB_TMP/fine, rotate_seconds: $1}
http: {listen: ["127.0.0.1:8080"], control_socket: $LAB_TMP/f.sock}
EOF
}
# output NAME EXPRESSION: something of it in `mirrortap outputs --json`.
output() {
    lab_ctl f outputs --json | jq -r ".outputs[] | select(.name == \"$1\") | $2"
}
health() {
    ip netns exec "$LAB_TARGET" curl -s -m 5 -w '%{http_code}' http://127.0.0.1:8080/healthz
}
balanced() {
    lab_ctl f ledger --json >"$LAB_TMP/look.json"
    lab_check_ledger "$LAB_TMP/look.json"
}
send() {
    lab_spawn "$LAB_WEB" "$LAB_TMP/send.log" \
        "$FRAMES" send u0 "$LAB_TMP/mirrored.pcap" --pps 4000 --times 10
    sender=$LAB_PID
}

# --- read-only from the start ---
configuration 1
lab_daemon_start f "$LAB_TMP/f.yaml"
[ "$(output locked .state)" = error ] || lab_die "locked is $(output locked .state)"
[[ $(output locked .error) == *Read-only*"mount it for writing"* ]] || lab_die "$(output locked .error)"
[[ $(health) == *"output locked can't take frames"*503 ]] || lab_die "health: $(health)"

# More than the small disk takes.
send
wait_for '[ "$(output locked .drops.error)" -gt 100 ]' 10 "frames for the locked folder are dropped"
check "$(output locked .delivered)" -eq 0 "delivered to the locked folder"
balanced
# In the daemon's own namespace of mounts, which `ip netns exec` made.
nsenter -t "$LAB_DAEMON_f" -m mount -o remount,rw "$LAB_TMP/locked"
wait_for '[ "$(output locked .state)" = up ]' 10 "the folder is written"
wait_for '[ "$(output locked .delivered)" -gt 100 ]' 10 "frames are written to the folder"
wait_for '[[ $(health) == *200 ]]' 5 "health is green again" # it looks back a second

# --- full ---
wait_for '[ "$(output small .state)" = error ]' 20 "the small disk is full"
[[ $(output small .error) == *"No space left"*keep_bytes* ]] || lab_die "$(output small .error)"
wait_for '[ "$(output small .drops.no_space)" -gt 100 ]' 10 "frames for the full disk are dropped"
balanced
full=$(output small .delivered)
lab_running "$sender" || lab_die "the sender ended before the faults were over"
# Whole, though the disk took no more, and with a name.
file=$(echo "$LAB_TMP"/small/small-*Z.pcapng)
check "$(list "$file" | wc -l)" -eq "$full" "frames in the file on the full disk"
mv "$file" "$LAB_TMP/first.pcapng"
wait_for '[ "$(output small .state)" = up ]' 10 "the disk is no longer full"
wait_for "[ \$(output small .delivered) -gt $((full + 100)) ]" 10 "frames are written again"
wait_for "! lab_running $sender" 30 "the sender ends"
wait_for '[ "$(output fine .delivered)" -eq 60000 ]' 20 "60,000 by the output without faults"
lab_daemon_stop f
ledger=$LAB_TMP/f.ledger
check "$(jq .accepted "$ledger")" -eq 60000 accepted
check "$(jq '[.outputs.fine.drops[]] | add // 0' "$ledger")" -eq 0 "drops without faults"
for file in "$LAB_TMP"/fine/*.pcapng; do
    list "$file"
done | cut -f 2,4 | sort | md5sum >"$LAB_TMP/fine.md5"
for _ in {1..10}; do
    list "$LAB_TMP/expected.pcap"
done | cut -f 2,4 | sort | md5sum | cmp - "$LAB_TMP/fine.md5" || lab_die "other frames than were sent"
check "$(find "$LAB_TMP/fine" -name '*.pcapng' | wc -l)" -ge 8 "files, one each second"
check "$(find "$LAB_TMP/locked" -type f | wc -l)" -eq 1 "files that are kept"
# What was dropped before is told in the next file, by session.
dropped=$("$LAB_PYTHON" "$LAB_ROOT/tests/lib/pcapng_statistics.py" \
    "$LAB_TMP/first.pcapng" "$LAB_TMP"/small/*.pcapng | jq 'map(.dropped) | add')
check "$dropped" -le "$(jq '[.outputs.small.drops[]] | add' "$ledger")" "drops that the files tell"
check "$dropped" -gt 0 "drops that the files tell"
if command -v capinfos >/dev/null; then
    capinfos -M "$LAB_TMP"/small/*.pcapng >"$LAB_TMP/capinfos" 2>&1 || lab_die "$(cat "$LAB_TMP/capinfos")"
fi

# --- killed ---
mount -o remount,rw "$LAB_TMP/locked"
rm -rf "$LAB_TMP/fine" "$LAB_TMP"/small/* "$LAB_TMP"/locked/*
configuration 600
lab_daemon_start f "$LAB_TMP/f.yaml"
daemon=$LAB_PID
send
wait_for '[ "$(output fine .delivered)" -gt 5000 ]' 10 "frames are written"
written=$(output fine .delivered)
kill -KILL "$daemon"
wait_for "! lab_running $daemon" 5 "mirrortapd is dead"
lab_stop "$sender"
part=$(echo "$LAB_TMP"/fine/*.pcapng.part)
[ -f "$part" ] || lab_die "no part file: $(ls "$LAB_TMP/fine")"
if command -v tshark >/dev/null; then
    # It may be cut, but what is whole is read.
    tshark -r "$part" -T fields -e frame.number >"$LAB_TMP/read" 2>/dev/null || :
    check "$(wc -l <"$LAB_TMP/read")" -ge "$written" "frames of the part that tshark reads"
fi
# Cut within a block, as by a machine that lost its power.
truncate -s -7 "$part"
lab_daemon_start f "$LAB_TMP/f.yaml"
[ ! -e "$part" ] || lab_die "$part is still there"
count=$(for file in "$LAB_TMP"/fine/*.pcapng; do list "$file"; done | wc -l)
check "$count" -ge $((written - 1)) "frames of the files that the killed daemon left"
if command -v capinfos >/dev/null; then
    capinfos -c "$LAB_TMP"/fine/*.pcapng >"$LAB_TMP/capinfos" 2>&1 || lab_die "$(cat "$LAB_TMP/capinfos")"
fi
lab_daemon_stop f
[ -z "$(find "$LAB_TMP/fine" -name '*.part')" ] || lab_die "$(ls "$LAB_TMP/fine")"
echo "full disk: $full frames and then more; SIGKILL: $count frames, $written known as delivered"
