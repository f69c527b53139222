# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Debian packages that the project needs, and its build. To be sourced; works without lab.sh.

DEPS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

DEPS_BUILD=(
    build-essential meson ninja-build pkg-config
    libdpdk-dev dpdk dpdk-dev
    libcyaml-dev libyaml-dev libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev
    libpcap-dev libsystemd-dev libnuma-dev libcmocka-dev
)
DEPS_DEMO=(iproute2 tcpdump ethtool curl python3 jq)
DEPS_TESTS=(
    tshark libndpi-bin ngrep tcpflow python3-scapy iputils-ping nftables dnsmasq-base busybox-static
    prometheus python3-prometheus-client chromium
    clang libclang-rt-14-dev clang-format python3-matplotlib
)

deps_missing() {
    local package

    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] \
            || echo "$package"
    done
}

# deps_install PACKAGE...: installs those that are missing; asks the mirror for nothing otherwise.
deps_install() {
    local missing log

    if ! command -v dpkg-query >/dev/null; then
        echo "This machine is not Debian; needed here are what Debian 12 calls: $*" >&2
        return 1
    fi
    mapfile -t missing < <(deps_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "Missing packages; as root: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Installing from Debian: ${missing[*]}" >&2
    log=$(mktemp)
    if ! { DEBIAN_FRONTEND=noninteractive apt-get -q update \
        && DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0 \
            install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        echo "apt-get failed; it must reach a Debian 12 mirror to install: ${missing[*]}" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# build FOLDER [MESON_OPTION...]: configures and compiles; shows output only where that fails.
build() {
    local folder=$1 log status=0
    local setup=(meson setup "$folder" "$DEPS_ROOT")

    shift
    [ ! -e "$folder/build.ninja" ] || setup=(meson setup --reconfigure "$folder" "$DEPS_ROOT")
    log=$(mktemp)
    { "${setup[@]}" "$@" && ninja -C "$folder"; } >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" != 0 ]; then
        grep -E -A 12 'FAILED|error:|ERROR' "$log" >&2 || tail -n 40 "$log" >&2
        echo "Building $folder failed." >&2
    fi
    rm -f "$log"
    return "$status"
}
