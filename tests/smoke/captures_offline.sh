#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every capture of MIRRORTAP_CAPTURES (default ../shared/captures beside the repository) through
# `mirrortap decap`: exactly the expected frames, without root.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
captures=${MIRRORTAP_CAPTURES:-$root/../shared/captures}
program=${MIRRORTAP:-$root/build/mirrortap}

skip() {
	echo "SKIP: $*"
	exit 77
}

ls "$captures"/*.pcap >/dev/null 2>&1 || skip "no captures in $captures (MIRRORTAP_CAPTURES)"
[ -x "$program" ] || skip "$program is not built"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# As nobody: neither root nor a way to the program's folder may be needed, so it gets a copy.
cp "$program" "$work/mirrortap"
chmod 755 "$work" "$work/mirrortap"
mkdir "$work/out"
chmod 777 "$work/out"

plainly() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$@"
	else
		"$@"
	fi
}

decap() {
	plainly "$work/mirrortap" decap "$@"
}

failed=0
fail() {
	echo "FAIL: $*" >&2
	failed=1
}

# capture, a name for messages, arguments: decapsulates to $work/out and compares.
expect() {
	capture=$1
	shift
	rm -f "$work/out/verdicts" "$work/out/inner.pcapng"
	if ! decap "$@" -w "$work/out/inner.pcapng" --verdicts "$work/out/verdicts" \
		2>"$work/summary"; then
		fail "$capture: $(cat "$work/summary")"
		return
	fi
	python3 "$root/tests/lib/expect_decap.py" "$capture" "$work/out/verdicts" \
		"$work/out/inner.pcapng" || fail "$capture"
}

for capture in "$captures"/*.pcap; do
	name=$(basename "$capture" .pcap)
	# Whatever the rights of the folder are.
	cp "$capture" "$work/in.pcap"
	chmod 644 "$work/in.pcap"

	expect "$capture" "$work/in.pcap"
	mv "$work/out/inner.pcapng" "$work/$name.pcapng"
	mv "$work/out/verdicts" "$work/$name.verdicts"

	# Standard input and output; the same again.
	decap - --verdicts - <"$work/in.pcap" 2>/dev/null >"$work/stdout"
	cmp -s "$work/stdout" "$work/$name.verdicts" || fail "$name: - is not the same"
	decap -w - "$work/in.pcap" 2>/dev/null >"$work/stdout"
	cmp -s "$work/stdout" "$work/$name.pcapng" || fail "$name: -w - is not the same"
	# Without either, a summary on standard output.
	decap "$work/in.pcap" 2>/dev/null | grep -q "^frames read  *$(grep -c '^[0-9]' \
		"$work/$name.verdicts")$" || fail "$name: summary"

	# pcapng in, as other tools write it; what was written reads in other tools.
	if command -v editcap >/dev/null; then
		editcap -F pcapng "$work/in.pcap" "$work/in.pcapng" 2>/dev/null
		chmod 644 "$work/in.pcapng"
		expect "$capture" "$work/in.pcapng"
	fi
	accepted=$(grep -c '	accepted	' "$work/$name.verdicts" || true)
	if command -v capinfos >/dev/null; then
		capinfos -Mc "$work/$name.pcapng" 2>"$work/errors" | grep -q "packets: *$accepted\$" ||
			fail "$name: capinfos does not count $accepted: $(cat "$work/errors")"
	fi
	if command -v tshark >/dev/null; then
		[ "$(tshark -r "$work/$name.pcapng" -T fields -e frame.number 2>"$work/errors" |
			wc -l)" = "$accepted" ] || fail "$name: tshark: $(cat "$work/errors")"
	fi
done

[ $failed = 0 ] && echo "all captures as expected"
exit $failed
