#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds a bootable disk image of the appliance from Debian packages, and nothing else. It needs
# neither loop devices nor a partition table that the kernel understands: the file system is filled
# by mke2fs and GRUB is put where it belongs by dd. Its mounts are in a namespace of its own, so
# they go with it, however it ends.
set -eu

usage() {
    cat <<'END'
Usage: sudo config/image/build-local.sh [--size GIB] [--mirror URL] [--twice] OUT.raw

    OUT.raw        the image: raw, BIOS boot, one ext4 partition that grows with the disk
    --size GIB     of the file system (default 4; the file is sparse)
    --mirror URL   of Debian (default: http://deb.debian.org/debian)
    --twice        provision a second time, and fail if that changed any file

Works below /var/tmp (TMPDIR changes that), some 3 GB for a few minutes. docs/vm.md tells how to
run the image.
END
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
LABEL=mirrortap-root
SECTOR=512
FIRST=2048 # sector at which the partition begins; GRUB's core lies before it
# What Debian's own cloud images are made of, as far as an appliance has a use for it.
BASE=(
    systemd-sysv dbus udev kmod systemd-resolved libnss-resolve netbase
    cloud-init cloud-guest-utils isc-dhcp-client e2fsprogs
    linux-image-cloud-amd64 initramfs-tools zstd openssh-server sudo ca-certificates
    iproute2 iputils-ping less vim-tiny procps python3
)
TOOLS=(mmdebstrap e2fsprogs fdisk grub-common grub-pc-bin)

size=4
mirror=http://deb.debian.org/debian
twice=
out=
while [ $# -gt 0 ]; do
    case $1 in
        --size | --mirror)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            [ "$1" = --mirror ] || size=$2
            [ "$1" = --size ] || mirror=$2
            shift
            ;;
        --twice) twice=1 ;;
        --help | -h) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *)
            [ -z "$out" ] || { usage >&2; exit 2; }
            out=$1
            ;;
    esac
    shift
done

die() {
    printf 'build-local: %s\n' "$*" >&2
    exit 1
}

log() {
    printf 'build-local: %3d s: %s\n' "$SECONDS" "$*"
}

[ -n "$out" ] || { usage >&2; exit 2; }
[[ $size =~ ^[1-9][0-9]*$ ]] || die "--size $size: a number of GiB, such as 4"
[ "$(id -u)" = 0 ] || die "must run as root: it makes a root file system"
[ -d "$(dirname "$out")" ] || die "$(dirname "$out"): no such folder"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")

# shellcheck source=tests/lib/deps.sh
. "$ROOT/tests/lib/deps.sh"
if [ -z "${MIRRORTAP_IMAGE_NAMESPACE-}" ]; then
    deps_install "${TOOLS[@]}"
    options=(--size "$size" --mirror "$mirror")
    [ -z "$twice" ] || options+=(--twice)
    MIRRORTAP_IMAGE_NAMESPACE=1 exec unshare --mount --propagation private \
        "$HERE/build-local.sh" "${options[@]}" "$out"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/mirrortap-image.XXXXXX")
tree=$work/tree
step= # the one that runs: its process group
clean_up() {
    local status=$? child

    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "$step" ]; then
        kill -KILL -- "-$step" 2>/dev/null || :
        wait "$step" 2>/dev/null || :
    fi
    grep -o " $work/[^ ]*" /proc/self/mounts | sort -r | while read -r child; do
        umount -l "$child" || :
    done
    # Never through a mount that did not go: what is behind it is the machine's own.
    if grep -q " $work/" /proc/self/mounts; then
        echo "build-local: $work is still mounted; not removed" >&2
    else
        rm -rf "$work"
    fi
    [ "$status" = 0 ] || rm -f "$out.part"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# quietly WHAT COMMAND...: its output only where it fails.
quietly() {
    local what=$1 status=0

    shift
    # In the background, so that `set -e` holds within COMMAND, and a signal ends it at once; as a
    # group of its own, so that all of it ends.
    set -m
    "$@" >"$work/step.log" 2>&1 </dev/null &
    set +m
    step=$!
    wait "$step" || status=$?
    step=
    if [ "$status" != 0 ]; then
        tail -n 40 "$work/step.log" >&2
        die "$what failed"
    fi
    log "$what"
}

# --- the tree ------------------------------------------------------------------------------------

base() {
    local IFS=,

    mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="${BASE[*]}" \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        bookworm "$tree" \
        "deb $mirror bookworm main" \
        "deb $mirror bookworm-updates main" \
        "deb ${mirror%/debian}/debian-security bookworm-security main"
}

# What makes a plain Debian bootable in a machine of QEMU, VMware or EC2. Nothing of Mirrortap.
base_settings() {
    cat >"$tree/etc/fstab" <<END
LABEL=$LABEL / ext4 errors=remount-ro,noatime 0 1
END
    echo mirrortap >"$tree/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 mirrortap\n::1 localhost\n' >"$tree/etc/hosts"
    mkdir -p "$tree/boot/grub" "$tree/etc/cloud/cloud.cfg.d"
    # Debian keeps these two links on the newest kernel; so no update-grub is needed after updates.
    cat >"$tree/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=1
menuentry "Mirrortap" {
    linux /vmlinuz root=LABEL=$LABEL ro console=tty0 console=ttyS0,115200 net.ifnames=1
    initrd /initrd.img
}
menuentry "Mirrortap, kernel before the last update" {
    linux /vmlinuz.old root=LABEL=$LABEL ro console=tty0 console=ttyS0,115200 net.ifnames=1
    initrd /initrd.img.old
}
END
    # A seed (docs/vm.md), EC2, or nothing at all, and then DHCP on the first interface. Never
    # does it wait for a metadata service on a machine that is not EC2's.
    cat >"$tree/etc/cloud/cloud.cfg.d/90-mirrortap-image.cfg" <<'END'
datasource_list: [NoCloud, Ec2, None]
datasource: {Ec2: {strict_id: true, timeout: 10, max_wait: 30}}
system_info: {network: {renderers: [networkd]}}
ssh_genkeytypes: [ed25519, ecdsa]
locale: false
END
    echo 'policy: search,found=first,maybe=none,notfound=enabled' >"$tree/etc/cloud/ds-identify.cfg"
    echo LANG=C.UTF-8 >"$tree/etc/default/locale"
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
    ln -sf /usr/share/zoneinfo/Etc/UTC "$tree/etc/localtime"
    chroot "$tree" systemctl enable --quiet systemd-networkd systemd-resolved
}

# inside COMMAND...: in the tree, with the source at /mnt/source, /proc and what packages want. The
# machine's own name server, for the tree's is started by systemd only.
inside() {
    chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb "$@"
}

mounts_up() {
    mount -t proc proc "$tree/proc"
    mount -t sysfs -o ro sysfs "$tree/sys"
    mount -t tmpfs -o mode=755 tmpfs "$tree/run"
    mount --bind /dev "$tree/dev"
    mkdir -p "$tree/mnt/source" "$tree/run/systemd/resolve"
    mount -o ro,bind "$ROOT" "$tree/mnt/source"
    cp /etc/resolv.conf "$tree/run/systemd/resolve/stub-resolv.conf"
    # Packages must not start services in here.
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
    chmod 755 "$tree/usr/sbin/policy-rc.d"
}

mounts_down() {
    rm -f "$tree/usr/sbin/policy-rc.d"
    umount "$tree/mnt/source" "$tree/dev" "$tree/run" "$tree/sys" "$tree/proc"
    rmdir "$tree/mnt/source"
}

# Every file's kind, mode, owner, size, time and contents.
inventory() {
    (cd "$tree" && find . -xdev -printf '%P %y %m %U %G %s %T@ %l\n' | sort
        find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum)
}

PROVISION=/mnt/source/config/image/provision.sh

provision_again() {
    inventory >"$work/before"
    inside "$PROVISION"
    inventory >"$work/after"
    diff "$work/before" "$work/after"
}

# --- the disk ------------------------------------------------------------------------------------

# number_at FILE OFFSET VALUE: a little-endian number of 64 bits.
number_at() {
    local i byte value=$3

    for ((i = 0; i < 8; i++)); do
        printf -v byte '\\x%02x' $((value >> (8 * i) & 255))
        printf '%b' "$byte"
    done | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}

# GRUB for a BIOS, without a device that the kernel would have to show: its first sector goes
# beside the partition table, the rest between that and the partition.
boot_loader() {
    local modules=(biosdisk part_msdos ext2 normal linux search search_label configfile serial
        terminal echo test minicmd ls)

    # shellcheck disable=SC2016 # GRUB's variable
    printf 'search --no-floppy --label %s --set=root\nset prefix=($root)/boot/grub\n' "$LABEL" \
        >"$work/early.cfg"
    grub-mkimage -O i386-pc -o "$work/core.img" -p /boot/grub -c "$work/early.cfg" "${modules[@]}"
    cp /usr/lib/grub/i386-pc/boot.img "$work/boot.img"
    number_at "$work/boot.img" 0x5c 1  # where the core begins
    number_at "$work/core.img" 0x1f4 2 # and where its first sector finds the rest
    [ "$(stat -c %s "$work/core.img")" -le $(((FIRST - 1) * SECTOR)) ] \
        || die "GRUB's core is too large"
    dd if="$work/boot.img" of="$out.part" bs=440 count=1 conv=notrunc status=none
    dd if="$work/core.img" of="$out.part" bs=$SECTOR seek=1 conv=notrunc status=none
}

disk() {
    rm -f "$out.part"
    truncate -s $((FIRST * SECTOR + size * 1024 * 1024 * 1024)) "$out.part"
    printf 'label: dos\nstart=%d, type=83, bootable\n' "$FIRST" \
        | sfdisk --quiet --no-reread --no-tell-kernel "$out.part"
    mke2fs -q -t ext4 -L "$LABEL" -m 1 -d "$tree" -E "offset=$((FIRST * SECTOR))" \
        "$out.part" "${size}G"
    boot_loader
}

quietly "Debian from $mirror" base
quietly "settings of the base system" base_settings
mounts_up
quietly "provision.sh" inside "$PROVISION"
if [ -n "$twice" ]; then
    # On a machine that has just been provisioned, and not sealed: as an administrator would.
    quietly "provision.sh once more changes nothing" provision_again
fi
quietly "provision.sh --seal" inside "$PROVISION" --seal
mounts_down
quietly "disk image" disk
mv "$out.part" "$out"
log "$out: $(du -BM --apparent-size "$out" | cut -f1) apparent, $(du -BM "$out" | cut -f1) on disk"
