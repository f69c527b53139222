#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Turns a plain Debian 12 into a Mirrortap appliance: packages, the programs, units, the kernel
# driver for the data interfaces. Idempotent: what is as it should be is left alone. Used for the
# local disk image (build-local.sh) and for the AMI (mirrortap.pkr.hcl) alike; works in a chroot too.
set -eu

usage() {
    cat <<'END'
Usage: sudo config/image/provision.sh [--source FOLDER] [--seal]

    --source FOLDER  Mirrortap's source tree (default: the one that this script is in)
    --seal           afterwards remove what belongs to one machine only: SSH host keys, machine id,
                     cloud-init's state, logs, package lists. For images; not for a machine that you
                     want to log in to again without cloud-init.
END
}

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STATE=/var/lib/mirrortap-provision
UNITS=(mirrortapd mirrortap-hugepages mirrortap-firstboot mirrortap-unhealthy mirrortap-firewall
    mirrortap-fleet)
# The drivers: ENA for AWS, the others for virtual machines (docs/vm.md). Nothing of DPDK comes
# with the package dpdk alone. dkms builds igb_uio for each kernel that is installed later, which is
# why headers and a compiler stay.
RUNTIME=(
    linux-headers-cloud-amd64 dpdk-kmods-dkms kmod
    dpdk librte-bus-pci23 librte-bus-vdev23 librte-mempool-ring23
    librte-net-ena23 librte-net-virtio23 librte-net-vmxnet3-23 librte-net-e1000-23
    librte-net-ixgbe23 librte-net-iavf23 librte-net-mlx5-23
    librte-net-tap23 librte-net-memif23 librte-net-vhost23 librte-net-af-packet23
    python3 python3-yaml iproute2 ethtool tcpdump nftables curl openssh-server
    unattended-upgrades ca-certificates
)
BUILD=(
    gcc meson ninja-build pkg-config libdpdk-dev libcyaml-dev libyaml-dev libmicrohttpd-dev
    libjansson-dev libcurl4-openssl-dev libpcap-dev libsystemd-dev libnuma-dev
)
PROGRAMS=(mirrortapd mirrortap mirrordump)

seal=
while [ $# -gt 0 ]; do
    case $1 in
        --source)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            SOURCE=$(cd "$2" && pwd) || exit 1
            shift
            ;;
        --seal) seal=1 ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

log() {
    printf 'provision: %s\n' "$*"
}

die() {
    printf 'provision: %s\n' "$*" >&2
    exit 1
}

# --- packages ------------------------------------------------------------------------------------

missing() {
    local package

    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] \
            || echo "$package"
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# install_packages PACKAGE...: prints those that were not there, and installs them.
install_packages() {
    local wanted

    mapfile -t wanted < <(missing "$@")
    [ "${#wanted[@]}" -gt 0 ] || return 0
    { apt update && apt install --no-install-recommends "${wanted[@]}"; } >&2 \
        || die "apt-get failed; it must reach a Debian 12 mirror to install: ${wanted[*]}"
    printf '%s\n' "${wanted[@]}"
}

runtime_packages() {
    local installed

    installed=$(install_packages "${RUNTIME[@]}")
    if [ -n "$installed" ]; then
        # shellcheck disable=SC2086 # words are wanted
        log "installed" $installed
    else
        log "packages: all are there"
    fi
}

# --- the programs --------------------------------------------------------------------------------

# Of all that decides about what is installed; compiled files are not part of it.
source_digest() {
    (cd "$SOURCE" && find meson.build meson_options.txt app lib config tests/unit/meson.build \
        -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
}

installed_digest() {
    local program

    for program in "${PROGRAMS[@]}"; do
        command -v "$program" >/dev/null || return 0
    done
    cat "$STATE/source" 2>/dev/null || :
}

# The packages of the shared libraries that a program wants stay, whatever else goes.
keep_libraries() {
    local library packages

    packages=$(ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u \
        | while read -r library; do
            dpkg-query -S "*/${library##*/}" 2>/dev/null | sed -n '1s/[:,].*//p'
        done | sort -u)
    # shellcheck disable=SC2086 # words are wanted
    apt-mark manual $packages >/dev/null
}

build_and_install() {
    meson setup "$1" "$SOURCE" --prefix=/usr --buildtype=release -Dtests=disabled --werror \
        && ninja -C "$1" && meson install -C "$1" --no-rebuild
}

programs() {
    local wanted build brought package

    wanted=$(source_digest)
    if [ "$(installed_digest)" = "$wanted" ]; then
        log "programs: of this source already"
        return
    fi
    brought=$(install_packages "${BUILD[@]}")
    build=$(mktemp -d /var/tmp/mirrortap-build.XXXXXX)
    # shellcheck disable=SC2064 # now
    trap "rm -rf '$build'" EXIT
    if ! build_and_install "$build" >"$build.log" 2>&1; then
        tail -n 40 "$build.log" >&2
        die "the build failed; the rest of its log is $build.log"
    fi
    rm -rf "$build" "$build.log"
    trap - EXIT
    log "built and installed $(mirrortapd --version)"

    keep_libraries /usr/sbin/mirrortapd /usr/bin/mirrortap /usr/bin/mirrordump
    # What came only for the build goes again, but for what something else depends on (dkms: gcc).
    if [ -n "$brought" ]; then
        # shellcheck disable=SC2086 # words are wanted
        apt-mark auto $brought >/dev/null
        apt autoremove --purge -o APT::AutoRemove::RecommendsImportant=false \
            -o APT::AutoRemove::SuggestsImportant=false >&2
        # shellcheck disable=SC2086 # words are wanted
        log "removed what only the build needed:" $brought
    fi
    for package in "${PROGRAMS[@]}"; do
        "$package" --version >/dev/null || die "$package does not start after the clean-up"
    done
    install -d "$STATE"
    printf '%s\n' "$wanted" >"$STATE/source"
}

# --- settings ------------------------------------------------------------------------------------

# put FROM TO: a file with mode 644, unless it is the same already.
put() {
    if cmp -s "$1" "$2" && [ "$(stat -c %a "$2")" = 644 ]; then
        return 0
    fi
    install -D -m 644 "$1" "$2"
    log "wrote $2"
}

settings() {
    local root=$SOURCE/config/image/root file

    while read -r file; do
        put "$root/$file" "/$file"
    done < <(cd "$root" && find . -type f -printf '%P\n' | sort)
    # The administrator's, and mirrortap-firstboot's: made once, never written over.
    [ -e /etc/default/mirrortap ] || put "$SOURCE/config/default/mirrortap" /etc/default/mirrortap
    # Members may use the control socket.
    if ! getent group mirrortap >/dev/null; then
        systemd-sysusers
        log "made the group mirrortap"
    fi
}

units() {
    local unit changed=

    for unit in "${UNITS[@]}"; do
        if ! systemctl is-enabled --quiet "$unit.service" 2>/dev/null; then
            systemctl enable --quiet "$unit.service"
            log "enabled $unit.service"
            changed=1
        fi
    done
    # The package's own way to bind interfaces; mirrortap-firstboot's is the only one here.
    if systemctl is-enabled --quiet dpdk.service 2>/dev/null; then
        systemctl disable --quiet dpdk.service
        log "disabled dpdk.service"
        changed=1
    fi
    if [ -n "$changed" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
}

# --- the kernel driver ---------------------------------------------------------------------------

# igb_uio for every kernel that may be booted: a stock Debian kernel lacks VFIO's no-IOMMU mode. The
# newest one must have it; of an older one Debian may have no headers any more.
kernels() {
    find /lib/modules -mindepth 2 -maxdepth 2 -name kernel -printf '%h\n' | sed 's|.*/||' | sort -V
}

kernel_driver() {
    local kernel newest

    newest=$(kernels | tail -n 1)
    [ -n "$newest" ] || die "no kernel in /lib/modules; install linux-image-cloud-amd64"
    while read -r kernel; do
        modinfo -k "$kernel" igb_uio >/dev/null 2>&1 && continue
        if [ ! -e "/lib/modules/$kernel/build" ]; then
            apt install --no-install-recommends "linux-headers-$kernel" >&2 || :
        fi
        if dkms autoinstall -k "$kernel" >&2 && modinfo -k "$kernel" igb_uio >/dev/null 2>&1; then
            log "built igb_uio for $kernel"
        elif [ "$kernel" = "$newest" ]; then
            die "dkms can't build igb_uio for $kernel; install linux-headers-$kernel"
        else
            log "no igb_uio for $kernel, which is not the newest kernel: reboot into $newest"
        fi
    done < <(kernels)
}

# --- sealing -------------------------------------------------------------------------------------

seal_image() {
    local path

    apt clean
    find /var/lib/apt/lists -mindepth 1 -maxdepth 1 ! -name lock ! -name partial -exec rm -rf {} +
    if command -v cloud-init >/dev/null; then
        cloud-init clean --logs >/dev/null 2>&1 || :
    fi
    rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id \
        /etc/mirrortap/mirrortap.yaml /root/.bash_history /etc/systemd/network/04-mirrortap-*
    [ ! -s /etc/machine-id ] || : >/etc/machine-id
    [ -e /etc/machine-id ] || : >/etc/machine-id
    for path in /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys; do
        rm -f "$path" # Packer's own key
    done
    find /var/log -type f ! -path '/var/log/journal/*' -exec truncate -s 0 {} +
    rm -rf /var/log/journal/* /var/tmp/mirrortap-build.* /var/log/apt/*.xz
    log "sealed: no host keys, machine id, users' keys, logs or package lists"
}

[ "$(id -u)" = 0 ] || die "must run as root: it installs packages and units"
# shellcheck source=/dev/null
. /etc/os-release
[ "${ID-} ${VERSION_ID-}" = "debian 12" ] \
    || die "this is ${PRETTY_NAME-unknown}; an appliance is made of Debian 12"
[ -f "$SOURCE/meson.build" ] || die "$SOURCE is not Mirrortap's source tree; see --source"
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONDONTWRITEBYTECODE=1
runtime_packages
programs
settings
units
kernel_driver
[ -z "$seal" ] || seal_image
log "done"
