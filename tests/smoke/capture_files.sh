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

# daemon NAME KEYS [DATAPLANE [SESSIONS]]: replays mirrored.pcap into an output of type pcapng, and
# stops.
daemon() {
    local name=$1 keys=$2 dataplane=${3:-'lcores: "0@0,1@1", queues: 1'} sessions=${4-}

    cat >"$LAB_TMP/$name.yaml" <<EOF2
dataplane: {$dataplane, eal: $(lab_eal mt-files)}
ports:
  - {name: mirror, device: "net_pcap0,rx_pcap=$LAB_TMP/mirrored.pcap"}
outputs:
  - {name: archive, type: pcapng, directory: $FILES, length: 16384, $keys}
sessions: {$sessions}
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
daemon two 'rotate_bytes: 1GiB' 'lcores: "0@0,1@0,2@1", queues: 2, queue_length: 16384'
[ "$(find "$FILES" -name '*.pcapng' | wc -l)" -eq $((${#files[@]} + 1)) ] || lab_die "$(ls "$FILES")"
content "$(find "$FILES" -name '*.pcapng' | sort | tail -n 1)" | diff "$LAB_TMP/expected" - \
    >"$LAB_TMP/diff" || lab_die "two queues: $(head "$LAB_TMP/diff")"

# --- as other tools see them ---
# quietly COMMAND...: it exits with 0 and has nothing to complain of.
quietly() {
    "$@" >"$LAB_TMP/tool.out" 2>"$LAB_TMP/tool.err" || lab_die "$*: $(cat "$LAB_TMP/tool.err")"
    grep -v '^Running as user' "$LAB_TMP/tool.err" >"$LAB_TMP/complaint" \
        && lab_die "$*: $(cat "$LAB_TMP/complaint")"
    return 0
}
if command -v tshark >/dev/null && command -v capinfos >/dev/null; then
    for file in "${files[@]}"; do
        quietly capinfos -M "$file"
        grep -q '^File encapsulation: *ether' "$LAB_TMP/tool.out" || lab_die "$file: encapsulation"
        grep -q 'Time precision = nanoseconds (9)' "$LAB_TMP/tool.out" \
            || lab_die "$file: $(cat "$LAB_TMP/tool.out")"
        check "$(grep -c 'Number of stat entries = 1' "$LAB_TMP/tool.out")" -eq \
            "$(sed -n 's/^Number of interfaces in file: *//p' "$LAB_TMP/tool.out")" "statistics, $file"
        quietly tshark -r "$file" -T fields -e frame.interface_name -e frame.packet_flags_direction
        cat "$LAB_TMP/tool.out" >>"$LAB_TMP/tshark"
    done
    cut -f 4,5 "$LAB_TMP/expected" | sort | uniq -c >"$LAB_TMP/expected.sessions"
    sed 's/\t0x0*\(.\)$/\t\1/; s/\t1$/\tin/; s/\t2$/\tout/; s/\t0$/\t-/' "$LAB_TMP/tshark" | sort \
        | uniq -c | diff "$LAB_TMP/expected.sessions" - >"$LAB_TMP/diff" \
        || lab_die "sessions and directions, expected (<) and by tshark (>): $(cat "$LAB_TMP/diff")"
    quietly mergecap -w "$LAB_TMP/merged.pcapng" "${files[@]}"
    content "$LAB_TMP/merged.pcapng" | diff "$LAB_TMP/expected" - >"$LAB_TMP/diff" \
        || lab_die "merged: $(head "$LAB_TMP/diff")"
fi
check "$("$LAB_PYTHON" "$LAB_ROOT/tests/lib/pcapng_statistics.py" "${files[@]}" \
    | jq 'map(.delivered) | add')" -eq "$ACCEPTED" "delivered, by the files' statistics"

# --- what is kept ---
daemon three 'rotate_bytes: 1MiB, keep_files: 3'
[ "$(find "$FILES" -type f | wc -l)" -eq 3 ] || lab_die "keep_files: $(ls -l "$FILES")"
content "$FILES"/*.pcapng | uniq | comm -13 <(uniq "$LAB_TMP/expected") - >"$LAB_TMP/strange"
[ ! -s "$LAB_TMP/strange" ] || lab_die "frames of no one: $(head -n 3 "$LAB_TMP/strange")"
touch "$FILES/archive-notes.pcapng" "$FILES/other-20260101T000000.000000Z.pcapng"
daemon four 'rotate_bytes: 1MiB, keep_bytes: 4MiB'
rm "$FILES/archive-notes.pcapng" "$FILES/other-20260101T000000.000000Z.pcapng" \
    || lab_die "files of others are gone"
bytes=$(find "$FILES" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
check "$bytes" -le $((4 << 20)) "bytes that are kept"
check "$bytes" -ge $((2 << 20)) "bytes that are kept"

# --- cut at snap ---
daemon five 'snap: 200'
last=$(find "$FILES" -name '*.pcapng' | sort | tail -n 1)
$PCAP list "$last" | awk '$2 > 200 { exit 1 } $2 == 200 && $3 > 200 { cut++ }
    END { exit cut < 5000 }' || lab_die "snap: $($PCAP list "$last" | head -n 5)"
[ "$(cut -f 2 "$LAB_TMP/expected" | sort | md5sum)" = "$($PCAP list "$last" | cut -f 3 | sort | md5sum)" ] \
    || lab_die "original lengths of cut frames"

# --- sessions that have a name ---
daemon six 'rotate_bytes: 1GiB' '' 'list: [{vni: 3, name: web, description: shop}]'
last=$(find "$FILES" -name '*.pcapng' | sort | tail -n 1)
sed 's/\tvni 3\t/\tweb\t/' "$LAB_TMP/expected" | sort >"$LAB_TMP/named"
grep -q -P '\tweb\t' "$LAB_TMP/named" || lab_die "no frame of VNI 3"
content "$last" | diff "$LAB_TMP/named" - >"$LAB_TMP/diff" || lab_die "names: $(head "$LAB_TMP/diff")"
grep -q -a 'vni 3: shop' "$last" || lab_die "no description in $last"
echo "$ACCEPTED frames in ${#files[@]} files"
