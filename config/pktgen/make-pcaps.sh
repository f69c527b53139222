#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Captures of mirror traffic for Pktgen: make-pcaps.sh FOLDER [PROFILE...]. A profile is SIZE-FLOWS:
# bytes of inner frames (or imix), and conversations, each of which has a packet in each direction.
# Default: all sizes with 1,024 flows. Pktgen holds a capture in hugepages: 8900-100000 is 1.8 GB.
#
#   MIRRORGEN          the program; default: the one on PATH
#   MIRRORGEN_OPTIONS  more of its options: --to, --to-mac, --source, --vni, --sessions, ...
set -eu
DEFAULT=(64-1024 imix-1024 1400-1024 8900-1024)
LEAST_FRAMES=2048 # so that a mixture of sizes is one

if [ $# -lt 1 ] || [[ $1 == -* ]]; then
    echo "Usage: ${0##*/} FOLDER [SIZE-FLOWS...]    for example 64-1 imix-1024 1400-100000" >&2
    exit 2
fi
folder=$1
shift
[ $# -gt 0 ] || set -- "${DEFAULT[@]}"
mkdir -p "$folder"
for profile in "$@"; do
    [[ $profile =~ ^([0-9]+|imix)-([0-9]+)$ ]] || {
        echo "${0##*/}: $profile: not SIZE-FLOWS, as 64-1024 or imix-1" >&2
        exit 2
    }
    flows=${BASH_REMATCH[2]}
    frames=$((flows * 2 > LEAST_FRAMES ? flows * 2 : LEAST_FRAMES))
    # tcpdump because Pktgen reads no capture with nanoseconds. One seed: the same bytes each time.
    # shellcheck disable=SC2086 # words are wanted
    "${MIRRORGEN:-mirrorgen}" -w - -q --flows "$flows" --distribution cycle \
        --size "${BASH_REMATCH[1]}" --count "$frames" ${MIRRORGEN_OPTIONS-} 2>/dev/null \
        | tcpdump -r - -w - 2>/dev/null >"$folder/$profile.pcap"
    echo "$folder/$profile.pcap"
done
