#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mirrortap-bind against a made-up machine (tests/lib/fake_machine.sh).
set -eu
. "$(dirname "$0")/../lib/lab.sh"
lab_begin bind
BIND=$LAB_ROOT/config/bin/mirrortap-bind
. "$LAB_ROOT/tests/lib/fake_machine.sh"

# --- assertions ----------------------------------------------------------------------------------

everything() {
    find "$FAKE" "$PROC" -printf '%p %l %s\n' | sort
}

# refused WORDS ARGUMENTS...: exit 1 with one line that says WORDS, nothing changed.
refused() {
    local words=$1 status=0 before

    shift
    before=$(everything)
    "$BIND" "$@" >"$LAB_TMP/bind.out" 2>"$LAB_TMP/bind.err" || status=$?
    check "$status" -eq 1 "exit code of $*"
    check "$(wc -l <"$LAB_TMP/bind.err")" -eq 1 "lines of $*"
    grep -qF -- "$words" "$LAB_TMP/bind.err" \
        || lab_die "$*: \"$words\" is not in: $(cat "$LAB_TMP/bind.err")"
    [ "$before" = "$(everything)" ] || lab_die "$*: refused, and yet changed something"
}

# works ADDRESS DRIVER ARGUMENTS...: and then the device has this driver.
works() {
    local address=$1 driver=$2

    shift 2
    timeout 20 "$BIND" "$@" >"$LAB_TMP/bind.out" 2>"$LAB_TMP/bind.err" \
        || lab_die "$*: $(cat "$LAB_TMP/bind.err")"
    [ "$(driver_of "$address")" = "$driver" ] || lab_die "$*: driver is $(driver_of "$address")"
}

says() { # EXTENDED_REGEX: in what the last one printed
    grep -qE -- "$1" "$LAB_TMP/bind.out" || lab_die "not said: $1: $(cat "$LAB_TMP/bind.out")"
}

status_has() {
    "$BIND" --status >"$LAB_TMP/bind.out" 2>&1 || lab_die "--status: $(cat "$LAB_TMP/bind.out")"
    says "$1"
}

# --- what is there -------------------------------------------------------------------------------

status_has '^0 +0000:00:05.0 +02:00:00:00:00:05 +eth0 +ena +kernel: .* default route \(IPv4\)$'
status_has '^1 +0000:00:06.0 +02:00:00:00:00:06 +eth1 +ena +kernel: may be bound$'
status_has '^2 .* eth2 .*default route \(IPv6\)$'
status_has '^4 .* eth4 +virtio-pci '
status_has '^5 +0000:00:0a.0 +- +- +- +no driver$'
cp "$LAB_TMP/bind.out" "$LAB_TMP/first.out"
check "$(wc -l <"$LAB_TMP/first.out")" -eq 7 "lines of --status: six NICs and a heading"
"$BIND" | cmp -s - "$LAB_TMP/first.out" || lab_die "--status is not the default"

# --- what is refused -----------------------------------------------------------------------------

for selection in 0000:00:05.0 00:05.0 02:00:00:00:00:05 eth0 0; do
    refused 'default route (IPv4)' "$selection"
    refused 'default route (IPv4)' "$selection" --dry-run
done
refused 'default route (IPv6)' eth2
refused 'no PCI network device is eth9' eth9
refused 'no PCI network device is 0000:00:04.0' 0000:00:04.0 # NVMe
refused '--status lists' 6
refused 'no PCI network device is 02:00:00:00:00:FF' 02:00:00:00:00:FF
refused 'use --driver igb_uio' eth1 --driver vfio-pci
SSH_CONNECTION='10.9.9.9 50000 10.0.3.8 22' refused '10.0.3.8 carries an SSH session' eth3
SSH_CONNECTION='fd00::1 50000 fd00::8 2222' refused 'fd00::8 carries an SSH session' eth3
SSH_CONNECTION='10.9.9.9 50000 10.0.4.9 22' refused 'carries an SSH session' eth4 # below a bridge

# Under sudo the environment does not tell; the connections do: 10.0.3.8:22, established.
echo '   0: 0803000A:0016 0909090A:C350 01 00000000:00000000' >>"$PROC/net/tcp"
refused '10.0.3.8 carries an SSH session' eth3
sed -i 2d "$PROC/net/tcp"
# The same of a socket that speaks both, ::ffff:10.0.3.8.
echo '   0: 0000000000000000FFFF00000803000A:0016 0000000000000000FFFF00000909090A:C350 01' \
    >>"$PROC/net/tcp6"
refused '10.0.3.8 carries an SSH session' eth3
sed -i 2d "$PROC/net/tcp6"
# And so does the environment of a parent process.
mkdir "$PROC/77"
printf 'HOME=/\0SSH_CONNECTION=10.9.9.9 1 10.0.3.8 2200\0' >"$PROC/77/environ"
status=0
# shellcheck disable=SC2016 # code for the shell inside
sh -euc 'mkdir "$0/$$" && echo "PPid: 77" >"$0/$$/status" && exec "$@"' "$PROC" \
    "$BIND" eth3 >"$LAB_TMP/bind.out" 2>"$LAB_TMP/bind.err" || status=$?
check "$status" -eq 1 "exit code where a parent has SSH_CONNECTION"
grep -qF '10.0.3.8 carries an SSH session' "$LAB_TMP/bind.err" \
    || lab_die "a parent's SSH_CONNECTION: $(cat "$LAB_TMP/bind.err")"

# The default route of a bridge belongs to the interface below it.
cp "$PROC/net/route" "$LAB_TMP/routes"
sed -i 's/^eth0/br0/' "$PROC/net/route"
refused 'default route (IPv4)' eth4
cp "$LAB_TMP/routes" "$PROC/net/route"

# An interface that is in another network namespace: what it carries can't be seen.
mv "$DEVICES/0000:00:08.0/net" "$LAB_TMP/net-away"
refused 'network namespace' 0000:00:08.0
mv "$LAB_TMP/net-away" "$DEVICES/0000:00:08.0/net"

# Without a working `ip` nothing is bound.
mkdir "$LAB_TMP/broken"
printf '#!/bin/sh\nexit 1\n' >"$LAB_TMP/broken/ip"
chmod +x "$LAB_TMP/broken/ip"
PATH=$LAB_TMP/broken:$PATH refused 'install iproute2' eth1

for arguments in --unbind --dry-run "--driver e1000 eth1"; do
    status=0
    # shellcheck disable=SC2086 # words are wanted
    "$BIND" $arguments >"$LAB_TMP/bind.out" 2>&1 || status=$?
    check "$status" -eq 2 "exit code of wrong usage: $arguments"
done

# --- binding and unbinding -----------------------------------------------------------------------

before=$(everything)
works 0000:00:06.0 ena eth1 --dry-run
says 'would run modprobe igb_uio wc_activate=1'
says "would write '0000:00:06.0' to .*/drivers/igb_uio/bind"
[ "$before" = "$(everything)" ] || lab_die "--dry-run changes something"
[ ! -e "$LAB_TMP/modprobe.out" ] || lab_die "--dry-run loads a module"

works 0000:00:06.0 igb_uio 02:00:00:00:00:06
grep -qx 'igb_uio wc_activate=1' "$LAB_TMP/modprobe.out" || lab_die "igb_uio without wc_activate=1"
[ "$(cat "$DEVICES/0000:00:06.0/driver_override")" = igb_uio ] || lab_die "driver_override"
status_has '^1 +0000:00:06.0 +02:00:00:00:00:06 +\(eth1\) +igb_uio +for DPDK$'
works 0000:00:06.0 igb_uio eth1 # by the name that it had
says already
works 0000:00:06.0 uio_pci_generic 1 --driver uio_pci_generic
says control_path_poll_interval

# In use: neither another driver nor the kernel may have it.
mkdir -p "$DEVICES/0000:00:06.0/uio/uio0" "$PROC/4711/fd"
ln -s /dev/uio0 "$PROC/4711/fd/9"
refused 'in use by process 4711' eth1 --unbind
refused 'in use by process 4711' eth1 --driver igb_uio
status_has 'for DPDK, in use by 4711$'
rm -r "$PROC/4711" "$DEVICES/0000:00:06.0/uio"

works 0000:00:06.0 ena 02:00:00:00:00:06 --unbind
[ ! -e "$LAB_TMP/state/0000:00:06.0" ] || lab_die "a note is left after --unbind"
works 0000:00:06.0 ena eth1 --unbind
says already
"$BIND" --status | cmp -s - "$LAB_TMP/first.out" || lab_die "not as before: $("$BIND" --status)"

# vfio-pci where there is an IOMMU; a device without any driver.
ln -s ../../../../kernel/iommu_groups/7 "$DEVICES/0000:00:0a.0/iommu_group"
mkdir -p "$FAKE/kernel/iommu_groups/7"
works 0000:00:0a.0 vfio-pci 0000:00:0a.0 --driver vfio-pci
works 0000:00:0a.0 ena 0000:00:0a.0 --unbind

# A driver that does not take the device: the kernel has it back.
rm "$MODULES/igb_uio/bind"
: >"$MODULES/igb_uio/bind"
status=0
"$BIND" eth1 >"$LAB_TMP/bind.out" 2>"$LAB_TMP/bind.err" || status=$?
check "$status" -eq 1 "exit code where the driver does not take it"
grep -q 'igb_uio did not take 0000:00:06.0' "$LAB_TMP/bind.err" \
    || lab_die "a driver that refuses: $(cat "$LAB_TMP/bind.err")"
wait_for '[ "$(driver_of 0000:00:06.0)" = ena ]' 5 "the kernel has it back"

# A module that is not there.
rm "$DRIVERS/igb_uio"
mv "$MODULES/igb_uio" "$LAB_TMP/igb_uio.away"
refused 'dpdk-kmods-dkms' eth1 --driver igb_uio

# --- hugepages -----------------------------------------------------------------------------------

HUGEPAGES=$LAB_ROOT/config/bin/mirrortap-hugepages
knob=$FAKE/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
mkdir -p "${knob%/*}" "$PROC/sys/vm"
PATH=$REAL_PATH
for case in '0 128 128' '500 128 500' '100 101 101'; do # there, wanted, after it
    read -r there wanted after <<<"$case"
    echo "$there" >"$knob"
    "$HUGEPAGES" "$wanted" >"$LAB_TMP/bind.out" || lab_die "mirrortap-hugepages $wanted"
    check "$(cat "$knob")" -eq "$after" "hugepages where $there are there and $wanted wanted"
done
for wanted in -1 many "" 1x; do
    status=0
    "$HUGEPAGES" "$wanted" >"$LAB_TMP/bind.out" 2>&1 || status=$?
    check "$status" -eq 2 "exit code of mirrortap-hugepages '$wanted'"
done
rm "$knob"
ln -s /dev/null "$knob" # a kernel that gives none
status=0
"$HUGEPAGES" 128 >"$LAB_TMP/bind.out" 2>&1 || status=$?
check "$status" -eq 1 "exit code where the kernel gives too few"
says 'free memory, or reserve them at boot'
