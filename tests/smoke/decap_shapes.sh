#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `mirrortap decap` on made-up capture files: long and cut records, cut files, other link types, many
# VNIs, options, summaries, failures. Needs neither root nor the real captures.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
program=${MIRRORTAP:-$root/build/mirrortap}
if [ ! -x "$program" ]; then
	echo "SKIP: $program is not built"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
python3 "$root/tests/lib/decap_shapes.py" "$program" "$work"
python3 "$root/tests/lib/decap_files.py" "$program" "$work"
