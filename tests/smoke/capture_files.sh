#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Output of type pcapng: the files hold exactly the frames that `mirrortap decap` finds, with their
# sessions, lengths and directions, open without complaint in other tools, are rotated and kept as
# configured.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin files
lab_hugepages_up 256
lab_target_only
FILES=$LAB_TMP/files
PCAP="$LAB_PYTHON $LAB_ROOT/tests/lib/pcap.py"

# daemon NAME KEYS [DATAPLANE]: replays mirrored.pcap into an output of type pcapng, and stops.
daemon() {
    local name=$1 keys=$2 dataplane=${3-'lcores: "0@0,1@1", queues: 1'}

    cat >"$LAB_TMP/$name.yaml" <<EOF2
dataplane: {$dataplane, eal: $(lab_eal mt-files)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: archive, type: pcapng, directory: $FILES, length: 16384, $keys}
http: {control_socket: $LAB_TMP/$name.sock}
EOF2
    lab_daemon_start "$name" "$LAB_TMP/$name.yaml"
    wait_for "[ \$(lab_ledger $name .received) -ge $FRAMES ]" 20 "$FRAMES received"
    lab_daemon_stop "$name"
    check "$(jq .outputs.archive.delivered "$LAB_TMP/$name.ledger")" -eq "$ACCEPTED" \
        "delivered, $name: $(cat "$LAB_TMP/$name.ledger")"
}

# What is in the files, a line for each frame: lengths, md5, interface, direction.
content() {
    local file

    for file in "$@"; do
        $PCAP list "$file" | cut -f 2-
    done | sort
}

FRAMES=12000
"$LAB_BUILD/mirrorgen" -q -w "$LAB_TMP/mirrored.pcap" -c $FRAMES --sessions 8 --size 64-1400 \
    --copies 10 --malformed all=3 >"$LAB_TMP/gen.log" 2>&1
FRAMES=$($PCAP list "$LAB_TMP/mirrored.pcap" | wc -l)
"$LAB_BUILD/mirrortap" decap "$LAB_TMP/mirrored.pcap" -w "$LAB_TMP/decap.pcapng" --json 2>/dev/null \
    >"$LAB_TMP/decap.json" || lab_die "decap"
content "$LAB_TMP/decap.pcapng" >"$LAB_TMP/expected"
ACCEPTED=$(wc -l <"$LAB_TMP/expected")
check "$ACCEPTED" -gt 11000 "frames that are accepted"

# --- the same frames, in files of a mebibyte ---
daemon one 'rotate_bytes: 1MiB, rotate_seconds: 60'
files=("$FILES"/archive-*.pcapng)
check "${#files[@]}" -ge 5 "files"
[ "$(find "$FILES" -type f | wc -l)" -eq "${#files[@]}" ] || lab_die "more in it: $(ls "$FILES")"
content "${files[@]}" | diff "$LAB_TMP/expected" - >"$LAB_TMP/diff" \
    || lab_die "decap (<) and files (>) differ: $(head "$LAB_TMP/diff")"
for file in "${files[@]}"; do
    check "$(stat -c %s "$file")" -le $((1 << 20)) "bytes of $file"
done
daemon two 'rotate_bytes: 1GiB' 'lcores: "0@0,1@0,2@1", queues: 2'
[ "$(find "$FILES" -name '*.pcapng' | wc -l)" -eq $((${#files[@]} + 1)) ] || lab_die "$(ls "$FILES")"
content "$(find "$FILES" -name '*.pcapng' | sort | tail -n 1)" | diff "$LAB_TMP/expected" - \
    >"$LAB_TMP/diff" || lab_die "two queues: $(head "$LAB_TMP/diff")"
