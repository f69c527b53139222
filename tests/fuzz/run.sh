#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes the packet room, and what rules read of a frame: run.sh [RUNS] (10,000,000). Builds with clang, libFuzzer, ASan and UBSan
# into a temporary folder; the corpus in the tree is read, not changed. A finding is left in
# $FUZZ_ARTIFACTS (default: the current folder) and ends the run with a failure.
# FUZZ_KEEP=FOLDER also collects new inputs there.
set -eu

runs=${1:-10000000}
case $runs in
'' | *[!0-9]*)
	echo "usage: run.sh [RUNS]" >&2
	exit 2
	;;
esac
for tool in clang pkg-config; do
	if ! command -v $tool >/dev/null; then
		echo "SKIP: $tool is not installed"
		exit 77
	fi
done

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
artifacts=$(cd "${FUZZ_ARTIFACTS:-.}" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
trap 'exit 130' INT TERM
found=${FUZZ_KEEP:-$build/found}
mkdir -p "$found"

# shellcheck disable=SC2046 # pkg-config's words are words
clang -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-I"$root/lib" -I"$root/tests/unit" $(pkg-config --cflags libdpdk) \
	-o "$build/fuzz_packet" "$here/fuzz_packet.c" "$root/tests/unit/build_packet.c" \
	"$root"/lib/packet/*.c "$root/lib/policy/key.c" -lrte_mbuf -lrte_mempool -lrte_eal

"$build/fuzz_packet" -runs="$runs" -seed=20190611 -max_len=400 -rss_limit_mb=2048 \
	-artifact_prefix="$artifacts/" -print_final_stats=1 "$found" "$here/corpus"
echo "$runs runs without a finding"
