#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mirrorgen into a file, without root: `mirrortap decap` finds exactly the verdicts, VNIs and tunnels
# that were asked for, both directions of a flow have one flow hash, and --receive accounts for all.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${LAB_BUILD:-$root/build}
for program in mirrorgen mirrortap; do
	if [ ! -x "$build/$program" ]; then
		echo "SKIP: $build/$program is not built"
		exit 77
	fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
python3 "$root/tests/lib/mirrorgen_files.py" "$build" "$work"
