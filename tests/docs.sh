#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Do the documents agree with the tree? The table of verdicts with lib/packet/verdict.h, links and
# paths, configuration keys, packages. docs.sh --write puts the table into docs/verdicts.md.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

${CC:-cc} -std=gnu11 -I"$root/lib" -o "$work/print_verdicts" \
	"$root/tests/unit/print_verdicts.c" "$root/lib/packet/verdict.c"
"$work/print_verdicts" >"$work/table"
python3 "$root/tests/lib/check_docs.py" "$root" "$work/table" "$@"
