# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A machine with six NICs: a made-up /sys and /proc, a made-up `ip` and `modprobe`, and shell loops
# that do what the kernel does when a driver is bound or unbound. To be sourced after lab_begin.
#
#     eth0  0000:00:05.0  ena         default route, 10.0.0.5
#     eth1  0000:00:06.0  ena         a worse default route, 10.0.1.6
#     eth2  0000:00:07.0  ena         IPv6 default route
#     eth3  0000:00:08.0  ena         10.0.3.8
#     eth4  0000:00:09.0  virtio-pci  below the bridge br0
#     eth5  0000:00:0a.0  none
# MAC addresses end with the slot, as 02:00:00:00:00:05.

FAKE=$LAB_TMP/sys
DEVICES=$FAKE/bus/pci/devices
DRIVERS=$FAKE/bus/pci/drivers
MODULES=$LAB_TMP/modules # drivers that modprobe can load
PROC=$LAB_TMP/proc
TOOLS=$LAB_TMP/bin
export MIRRORTAP_SYSFS=$FAKE MIRRORTAP_PROC=$PROC MIRRORTAP_STATE=$LAB_TMP/state
unset SSH_CONNECTION

# What the kernel does on a write to a driver's "unbind".
kernel_unbind() {
    rm -f "$DEVICES/$1/driver"
    rm -rf "$DEVICES/$1/net" "$DEVICES/$1"/virtio*
}

# take ADDRESS DRIVER: a driver takes a device; the kernel's own make an interface of it.
take() {
    local i net=$DEVICES/$1/net

    for ((i = 0; i < 200; i++)); do # our loops are not in step: let the unbind be done first
        [ -e "$DEVICES/$1/driver" ] || break
        sleep 0.01
    done
    ln -s "../../drivers/$2" "$DEVICES/$1/driver"
    [ "$2" = ena ] || return 0
    net+=/$(cat "$DEVICES/$1/fake-name")
    mkdir -p "$net"
    cp "$DEVICES/$1/fake-mac" "$net/address"
}

take_by() { # DRIVER ADDRESS
    take "$2" "$1"
}

kernel_probe() {
    local driver

    driver=$(cat "$DEVICES/$1/driver_override")
    take "$1" "${driver:-ena}"
}

# serve FIFO COMMAND...: COMMAND with each PCI address that is written there, with a newline or
# without. The FIFO is open for writing too: with an end of file in between, an address that is
# written just then would be lost, or its writer wait for ever.
SERVERS=()
serve() {
    local fifo=$1 address byte fd

    shift
    mkfifo "$fifo"
    (
        trap - EXIT
        exec {fd}<>"$fifo"
        address=
        while IFS= read -r -N 1 byte <&"$fd"; do
            [ "$byte" = $'\n' ] || address+=$byte
            [ "${#address}" -eq 12 ] || continue # 0000:00:06.0
            "$@" "$address" {fd}<&-
            address=
        done
    ) {LAB_LOCK}>&- &
    SERVERS+=($!)
}

# shellcheck disable=SC2317 # called at the end
end_servers() {
    kill "${SERVERS[@]}" 2>/dev/null
    wait "${SERVERS[@]}" 2>/dev/null
}
lab_on_exit end_servers

nic() { # ADDRESS NAME MAC
    mkdir -p "$DEVICES/$1"
    echo 0x020000 >"$DEVICES/$1/class"
    echo >"$DEVICES/$1/driver_override"
    echo "$2" >"$DEVICES/$1/fake-name"
    echo "$3" >"$DEVICES/$1/fake-mac"
}

mkdir -p "$DRIVERS/ena" "$DRIVERS/virtio-pci" "$MODULES"/{igb_uio,uio_pci_generic,vfio-pci} \
    "$TOOLS" "$PROC/net" "$FAKE/class/net/br0"
serve "$FAKE/bus/pci/drivers_probe" kernel_probe
serve "$DRIVERS/ena/unbind" kernel_unbind
for driver in igb_uio uio_pci_generic vfio-pci; do
    serve "$MODULES/$driver/unbind" kernel_unbind
    serve "$MODULES/$driver/bind" take_by "$driver"
done
mkdir -p "$DEVICES/0000:00:04.0"
echo 0x010802 >"$DEVICES/0000:00:04.0/class" # NVMe: no NIC
for n in 5 6 7 8; do
    nic "0000:00:0$n.0" "eth$((n - 5))" "02:00:00:00:00:0$n"
    take "0000:00:0$n.0" ena
done
nic 0000:00:09.0 eth4 02:00:00:00:00:09
ln -s ../../drivers/virtio-pci "$DEVICES/0000:00:09.0/driver"
mkdir -p "$DEVICES/0000:00:09.0/virtio3/net/eth4"
echo 02:00:00:00:00:09 >"$DEVICES/0000:00:09.0/virtio3/net/eth4/address"
ln -s ../eth4 "$FAKE/class/net/br0/lower_eth4"
nic 0000:00:0a.0 eth5 02:00:00:00:00:0a

cat >"$TOOLS/modprobe" <<EOF
#!/bin/sh
name=\$(echo "\$1" | sed s/vfio_pci/vfio-pci/)
[ "\$1" != --dry-run ] || { [ "\$3" = igb_uio ]; exit; }
echo "\$*" >>"$LAB_TMP/modprobe.out"
[ -d "$MODULES/\$name" ] || { echo "modprobe: FATAL: Module \$1 not found" >&2; exit 1; }
ln -s "$MODULES/\$name" "$DRIVERS/\$name"
EOF
cat >"$TOOLS/ip" <<EOF
#!/bin/sh
[ "\$*" = "-json address show" ] || exec $(command -v ip) "\$@"
cat <<END
[{"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
 {"ifname": "eth0", "addr_info": [{"local": "10.0.0.5"}]},
 {"ifname": "eth1", "addr_info": [{"local": "10.0.1.6"}]},
 {"ifname": "eth2", "addr_info": [{"local": "fd00::7"}]},
 {"ifname": "eth3", "addr_info": [{"local": "10.0.3.8"}, {"local": "fd00::8"}]},
 {"ifname": "br0", "addr_info": [{"local": "10.0.4.9"}]}, {}]
END
EOF
chmod +x "$TOOLS/modprobe" "$TOOLS/ip"
# shellcheck disable=SC2034 # for the tests: without the made-up tools
REAL_PATH=$PATH
PATH=$TOOLS:$PATH

# eth0 has the default route; eth1 one that is worse, as of a second interface with DHCP.
cat >"$PROC/net/route" <<'EOF'
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0100000A 0003 0 0 100 00000000 0 0 0
eth1 00000000 0101000A 0003 0 0 200 00000000 0 0 0
eth1 0001000A 00000000 0001 0 0 200 00FFFFFF 0 0 0
EOF
zero=00000000000000000000000000000000
cat >"$PROC/net/ipv6_route" <<EOF
$zero 00 $zero 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth2
$zero 00 $zero 00 $zero ffffffff 00000001 00000000 00200200 lo
EOF
echo "  sl  local_address rem_address   st" | tee "$PROC/net/tcp" >"$PROC/net/tcp6"

driver_of() {
    local link

    link=$(readlink "$DEVICES/$1/driver") || link=none
    echo "${link##*/}"
}
