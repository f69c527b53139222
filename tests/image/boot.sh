#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016 # conditions for wait_for are code in single quotes
# The appliance's image, built here, booted in QEMU: it makes itself a mirror target, with a
# poll-mode driver on an (emulated) PCI NIC. No accelerator is needed, and none is used.
#
#     mt-image (namespace)                                   QEMU, started in the namespace
#     172.31.7.1  tapm  ── management ──────────────────────  virtio, the kernel's, 172.31.7.2: SSH
#     172.31.2.1  tapd  ── mirror traffic ──────────────────  virtio or vmxnet3, igb_uio's;
#     169.254.169.254 lo: imds.py                              mt-eth1 is 172.31.2.2
#
# 1. A machine that looks like EC2's, with IMDSv2 and user data that are wrong: SSH works,
#    /healthz is red and says why, the console says what to do; corrected, it is green. Mirror
#    traffic comes out as it was; the ledger balances; SIGKILL and a reboot come back by themselves.
# 2. A machine of one's own (NoCloud seed, no metadata service), vmxnet3, never touched: green.
set -eu
. "$(dirname "$0")/../lib/lab.sh"
. "$(dirname "$0")/../lib/deps.sh"

usage() {
    cat <<END
Usage: sudo tests/image/boot.sh [--image FILE.raw] [--keep FILE.raw]

    --image FILE.raw  boot this image instead of building one (config/image/build-local.sh)
    --keep FILE.raw   build it into this file and leave it there
END
}

image=
keep=
while [ $# -gt 0 ]; do
    case $1 in
        --image | --keep)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            [ "$1" = --keep ] || image=$(readlink -f "$2")
            [ "$1" = --image ] || keep=$(readlink -m "$2")
            shift
            ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

[ "$(uname -m)" = x86_64 ] || lab_skip "QEMU would have to emulate another architecture"
deps_install qemu-system-x86 qemu-utils openssh-client dnsmasq-base genisoimage jq curl tcpdump \
    || lab_skip "needs qemu-system-x86, qemu-utils, openssh-client, dnsmasq-base and genisoimage, \
and apt-get cannot get them"
lab_begin image

NS=mt-image
MANAGEMENT_IP=172.31.7.2
MANAGEMENT_MAC=02:00:0a:4d:07:02
DATA_IP=$LAB_TARGET_IP # where frames.py sends, as the MAC
DATA_MAC=$LAB_TARGET_MAC
FRAMES=$LAB_ROOT/tests/lib/frames.py
COUNT=500        # conversations
EACH=4
PPS=400          # an emulated CPU copies them to mirror0 and into tcpdump, which must get them all
BOOT_SECONDS=600 # emulated, on a busy machine
MACHINE=

note() {
    lab_log "$(printf 'boot: %4d s: %s' "$SECONDS" "$*")"
}

# --- the surroundings ----------------------------------------------------------------------------

surroundings() {
    local tap

    ip netns del "$NS" 2>/dev/null || : # of a run that was killed
    lab_namespace "$NS"
    for tap in tapm tapd; do
        ip netns exec "$NS" ip tuntap add dev "$tap" mode tap
        ip -n "$NS" link set "$tap" up
    done
    ip -n "$NS" address add 172.31.7.1/24 dev tapm
    ip -n "$NS" address add 172.31.2.1/24 dev tapd
    ip -n "$NS" address add 169.254.169.254/32 dev lo
    lab_spawn "$NS" "$LAB_TMP/dhcp.log" dnsmasq --keep-in-foreground --port=0 \
        --conf-file=/dev/null --bind-interfaces --except-interface=lo --log-dhcp --log-facility=- \
        --dhcp-leasefile="$LAB_TMP/leases" \
        --dhcp-range=172.31.7.2,172.31.7.2,255.255.255.0,1h \
        --dhcp-range=172.31.2.2,172.31.2.2,255.255.255.0,1h \
        --dhcp-host="$MANAGEMENT_MAC,$MANAGEMENT_IP" --dhcp-host="$DATA_MAC,$DATA_IP"
    ssh-keygen -q -t ed25519 -N '' -f "$LAB_TMP/key"
}

# imds: EC2's metadata service, with $LAB_TMP/user-data.
imds() {
    lab_spawn "$NS" "$LAB_TMP/imds.log" "$LAB_PYTHON" "$LAB_ROOT/tests/lib/imds.py" \
        --listen 169.254.169.254:80 --user-data "$LAB_TMP/user-data" \
        --public-key "$LAB_TMP/key.pub" \
        --interface "0,$MANAGEMENT_MAC,eni-0aaa,$MANAGEMENT_IP" \
        --interface "1,$DATA_MAC,eni-0bbb,$DATA_IP"
    wait_for 'grep -q listening "$LAB_TMP/imds.log"' 10 "the metadata service"
}

# machine_start NAME NIC OPTION...: a fresh machine of the image; its console: NAME.console.log.
machine_start() {
    local name=$1 nic=$2

    shift 2
    qemu-img create -q -f qcow2 -b "$image" -F raw "$LAB_TMP/$name.qcow2"
    lab_spawn "$NS" "$LAB_TMP/$name.qemu.log" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu max -machine q35 -smp 2 -m 2048 -display none -monitor none \
        -serial "file:$LAB_TMP/$name.console.log" \
        -drive "file=$LAB_TMP/$name.qcow2,if=none,id=disk,cache=unsafe,discard=unmap" \
        -device nvme,drive=disk,serial=vol0123,bootindex=0 \
        -netdev tap,id=m,ifname=tapm,script=no,downscript=no \
        -device "virtio-net-pci,netdev=m,mac=$MANAGEMENT_MAC,disable-legacy=on" \
        -netdev tap,id=d,ifname=tapd,script=no,downscript=no \
        -device "$nic,netdev=d,mac=$DATA_MAC" "$@"
    MACHINE=$LAB_PID
    note "$name: started, with $nic"
}

machine_runs() {
    lab_running "$MACHINE" || lab_die "QEMU ended: $(tail -n 3 "$LAB_TMP"/*.qemu.log)"
}

machine_off() {
    guest sudo systemctl poweroff || : # the connection may go first
    guest_forget
    wait_for '! lab_running "$MACHINE"' 120 "the machine switches itself off"
}

# guest COMMAND...: by SSH over the management network. One connection for all of them: to make one
# takes an emulated CPU seconds.
guest() {
    local status=0

    ip netns exec "$NS" ssh -q -i "$LAB_TMP/key" -o StrictHostKeyChecking=no -o BatchMode=yes \
        -o UserKnownHostsFile=/dev/null -o ConnectTimeout=30 -o ServerAliveInterval=5 \
        -o ControlMaster=auto -o ControlPath="$LAB_TMP/ssh" -o ControlPersist=yes \
        "debian@$MANAGEMENT_IP" "$@" || status=$?
    [ "$status" != 255 ] || note "no SSH for: $*"
    return "$status"
}

guest_forget() {
    ip netns exec "$NS" ssh -q -o ControlPath="$LAB_TMP/ssh" -O exit "debian@$MANAGEMENT_IP" || :
}

# get PATH [ADDRESS]: status on the last line, the body before it.
get() {
    ip netns exec "$NS" curl -sS --max-time 5 -w '\n%{http_code}\n' \
        "http://${2:-$MANAGEMENT_IP}:8080$1"
}

health_is() {
    get /healthz "${2-}" >"$LAB_TMP/health" && [ "$(tail -n 1 "$LAB_TMP/health")" = "$1" ]
}

wait_healthy() {
    wait_for 'machine_runs; health_is 200' "$BOOT_SECONDS" "/healthz is green"
    note "/healthz is green"
}

# --- what is asked of it -------------------------------------------------------------------------

ledger() {
    get /api/v1/ledger | sed '$d' >"$LAB_TMP/ledger"
    lab_check_ledger "$LAB_TMP/ledger"
    jq "$1" "$LAB_TMP/ledger"
}

# mirror_traffic: what the host sends comes out of mirror0, frame by frame, and is in the books.
mirror_traffic() {
    local frames=$((COUNT * EACH)) before

    before=$(ledger .accepted)
    rm -f "$LAB_TMP/got.pcap"
    lab_spawn "$NS" "$LAB_TMP/got.pcap:$LAB_TMP/tcpdump.err" ssh -q -o ControlPath="$LAB_TMP/ssh" \
        "debian@$MANAGEMENT_IP" \
        sudo tcpdump -i mirror0 -U -s 0 -B 65536 -c "$frames" -w - --immediate-mode
    local reader=$LAB_PID
    wait_for 'grep -q "listening on" "$LAB_TMP/tcpdump.err"' 30 "tcpdump in the machine"
    ip netns exec "$NS" "$LAB_PYTHON" "$FRAMES" send tapd "$LAB_TMP/sent.pcap" --pps "$PPS" \
        >/dev/null
    wait_for "! lab_running $reader" 90 "$frames frames on mirror0; accepted: $(ledger .accepted)"
    "$LAB_PYTHON" "$FRAMES" same "$LAB_TMP/wanted.pcap" "$LAB_TMP/got.pcap" \
        >/dev/null || lab_die "what came out of mirror0 is not what was sent"
    : >"$LAB_TMP/tcpdump.err"
    check "$(ledger .accepted)" -eq $((before + frames)) "frames accepted"
    check "$(ledger .outputs.tools.delivered)" -eq "$(ledger .accepted)" "frames delivered"
    check "$(ledger '[.drops[], .outputs.tools.drops[]] | add // 0')" -eq 0 "drops"
    get /metrics >"$LAB_TMP/metrics"
    grep -qx "mirrortap_accepted_packets_total $((before + frames))" "$LAB_TMP/metrics" \
        || lab_die "/metrics: $(grep accepted "$LAB_TMP/metrics")"
    note "$frames frames came out of mirror0 as they were"
}

# polled NAME: the data NIC is DPDK's, by this driver of it.
polled() {
    guest sudo mirrortap-bind --status >"$LAB_TMP/status"
    grep -qE "$DATA_MAC .* igb_uio +for DPDK, in use by" "$LAB_TMP/status" \
        || lab_die "the data NIC is not polled: $(cat "$LAB_TMP/status")"
    guest sudo mirrortap ports --json >"$LAB_TMP/ports"
    grep -q "$1" "$LAB_TMP/ports" || lab_die "no $1: $(cat "$LAB_TMP/ports")"
}

# The mirror address: it got its address by DHCP through the poll-mode driver, a load balancer's
# probes are answered there, and SSH is not.
mirror_address() {
    wait_for 'health_is 200 "$DATA_IP"' 60 "/healthz on the mirror address $DATA_IP"
    ip netns exec "$NS" bash -c "exec 3<>/dev/tcp/$DATA_IP/4789" || lab_die "no TCP 4789"
    ! ip netns exec "$NS" timeout 3 bash -c "exec 3<>/dev/tcp/$DATA_IP/22" 2>/dev/null \
        || lab_die "SSH answers on the mirror address"
}

# Nothing has failed, and every unit of ours is as it should be.
units_well() {
    local failed

    failed=$(guest systemctl --failed --plain --no-legend)
    [ -z "$failed" ] || lab_die "failed units: $failed
$(guest sudo journalctl -b --no-pager -o cat -n 20 -u "${failed%% *}")"
    guest 'systemctl is-active mirrortapd mirrortap-firstboot mirrortap-firewall ssh' >/dev/null \
        || lab_die "a unit is not active"
    ! guest 'systemctl is-active mirrortap-unhealthy' >/dev/null \
        || lab_die "mirrortap-unhealthy runs"
}

# --- the image -----------------------------------------------------------------------------------

# in_image COMMAND: by debugfs, without a mount.
in_image() {
    debugfs -R "$1" "$image?offset=1048576" 2>/dev/null
}

# No secret is in it, and nothing that two machines must not share: each makes its own.
sealed() {
    local open

    in_image 'cat /etc/shadow' >"$LAB_TMP/shadow"
    check "$(wc -l <"$LAB_TMP/shadow")" -gt 10 "lines of the image's /etc/shadow"
    open=$(awk -F: '$2 !~ /^[!*]/' "$LAB_TMP/shadow")
    [ -z "$open" ] || lab_die "the image has a password: $open"
    in_image 'ls /etc/ssh' >"$LAB_TMP/listing"
    grep -q sshd_config "$LAB_TMP/listing" || lab_die "the image has no SSH"
    ! grep -q ssh_host_ "$LAB_TMP/listing" || lab_die "the image has SSH host keys"
    in_image 'stat /etc/machine-id' | grep -q 'Size: 0$' || lab_die "the image has a machine id"
    [ -z "$(in_image 'stat /var/lib/systemd/random-seed')" ] || lab_die "it has a random seed"
    [ -z "$(in_image 'stat /root/.ssh/authorized_keys')" ] || lab_die "the image has somebody's key"
}

if [ -z "$image" ]; then
    image=${keep:-$LAB_TMP/image.raw}
    setsid setpriv --pdeathsig TERM "$LAB_ROOT/config/image/build-local.sh" --twice "$image" \
        >"$LAB_TMP/build.log" 2>&1 </dev/null {LAB_LOCK}>&- &
    lab_adopt $!
    wait $! || lab_die "build-local.sh failed"
    note "$(tail -n 1 "$LAB_TMP/build.log")"
fi
[ -f "$image" ] || lab_die "$image: no such image"
sealed
surroundings
"$LAB_PYTHON" "$FRAMES" conversations "$LAB_TMP/sent.pcap" --count "$COUNT" --each "$EACH"
"$LAB_PYTHON" "$FRAMES" inner "$LAB_TMP/sent.pcap" "$LAB_TMP/wanted.pcap"

# --- 1. as on EC2, first with user data that are wrong -------------------------------------------

cat >"$LAB_TMP/user-data" <<'END'
#cloud-config
mirrortap:
  configuration:
    tunnels: {vxlan_ports: [70000]}
END
imds
uuid=ec2a0b1c-0000-4000-8000-000000000001
machine_start ec2 virtio-net-pci,disable-legacy=on \
    -smbios "type=1,manufacturer=Amazon EC2,uuid=$uuid,serial=$uuid"
wait_for 'machine_runs; health_is 503 && grep -q "first boot failed" "$LAB_TMP/health"' \
    "$BOOT_SECONDS" "/healthz is red, as the user data is wrong"
note "/healthz is red: $(head -n 1 "$LAB_TMP/health")"
grep -q '70000 is larger than 65535' "$LAB_TMP/health" || lab_die "/healthz does not say why"
get /metrics | grep -qx 'mirrortap_healthy 0' || lab_die "/metrics does not say unhealthy"
wait_for 'guest true' 60 "SSH, in spite of wrong user data"
! guest systemctl is-active mirrortapd >/dev/null || lab_die "mirrortapd runs with wrong user data"
wait_for 'grep -q "systemctl restart mirrortap-firstboot" "$LAB_TMP/ec2.console.log"' 10 \
    "the console says what to do"

# Corrected as it says there.
cat >"$LAB_TMP/user-data" <<'END'
#cloud-config
mirrortap:
  data_interfaces: [eni-0bbb]
  configuration:
    outputs:
      - {name: tools, type: tap, interface: mirror0}
      - {name: ids, type: ring, length: 1024}
END
guest sudo systemctl restart mirrortap-firstboot mirrortapd
wait_healthy
polled net_virtio
units_well
mirror_address
mirror_traffic

before=$(guest pidof mirrortapd)
guest sudo kill -KILL "$before"
wait_for '! health_is 200' 10 "/healthz notices"
wait_healthy
[ "$(guest pidof mirrortapd)" != "$before" ] || lab_die "SIGKILL did not end mirrortapd"
mirror_traffic

guest sudo systemctl stop mirrortapd
wait_for 'health_is 503 && grep -q "was stopped" "$LAB_TMP/health"' 30 "a stopped daemon is red"
guest sudo systemctl start mirrortapd
wait_healthy

before=$(guest cat /proc/sys/kernel/random/boot_id)
guest sudo systemctl reboot || :
guest_forget
wait_for '! health_is 200' 90 "the machine goes down"
wait_healthy
[ "$(guest cat /proc/sys/kernel/random/boot_id)" != "$before" ] || lab_die "it was not booted again"
polled net_virtio
units_well
mirror_address
mirror_traffic
machine_off
note "first machine: done"

# --- 2. a machine of one's own -------------------------------------------------------------------

mkdir "$LAB_TMP/seed"
echo 'instance-id: own-1' >"$LAB_TMP/seed/meta-data"
cat >"$LAB_TMP/seed/user-data" <<END
#cloud-config
ssh_authorized_keys: ["$(cat "$LAB_TMP/key.pub")"]
mirrortap:
  workers: 1
END
genisoimage -quiet -output "$LAB_TMP/seed.iso" -volid cidata -joliet -rock "$LAB_TMP/seed"
machine_start own vmxnet3 -drive "file=$LAB_TMP/seed.iso,if=virtio,format=raw,readonly=on"
wait_healthy
polled net_vmxnet3
units_well
mirror_address
mirror_traffic
machine_off
note "second machine: done"
