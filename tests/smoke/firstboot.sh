#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mirrortap-tune, mirrortap-firstboot and mirrortap-unhealthy against a made-up machine
# (tests/lib/fake_machine.sh) and a made-up metadata service (tests/lib/imds.py).
# shellcheck disable=SC2016 # conditions for wait_for are code in single quotes
set -eu
. "$(dirname "$0")/../lib/lab.sh"
. "$(dirname "$0")/../lib/deps.sh"
deps_install python3-yaml >&2 || lab_skip "needs python3-yaml, and apt-get cannot get it"
lab_begin first
. "$LAB_ROOT/tests/lib/fake_machine.sh"
TUNE=$LAB_ROOT/config/bin/mirrortap-tune
FIRSTBOOT=$LAB_ROOT/config/bin/mirrortap-firstboot
UNHEALTHY=$LAB_ROOT/config/bin/mirrortap-unhealthy
CPU=$FAKE/devices/system/cpu
KNOB=$FAKE/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
ETC=$LAB_TMP/etc
RUN=$LAB_TMP/run
NETWORK=$LAB_TMP/network
CLOUD=$LAB_TMP/cloud
YAML=$ETC/mirrortap/mirrortap.yaml
export MIRRORTAP_ETC=$ETC MIRRORTAP_RUN=$RUN MIRRORTAP_NETWORK=$NETWORK MIRRORTAP_CLOUD=$CLOUD

mkdir -p "$CPU" "${KNOB%/*}" "$FAKE/fs/cgroup/system.slice" "$FAKE/class/dmi/id" "$PROC/sys/vm" \
    "$PROC/irq/24" "$PROC/irq/25" "$ETC/default" "$CLOUD"
echo 0 >"$KNOB"
echo 0-1 | tee "$PROC/irq/24/smp_affinity_list" >"$PROC/irq/25/smp_affinity_list"
echo 3 >"$PROC/irq/default_smp_affinity"
cp "$LAB_ROOT/config/default/mirrortap" "$ETC/default/mirrortap"
for tool in systemctl networkctl; do
    printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\n' "$tool" "$LAB_TMP" >"$TOOLS/$tool"
done
ln -s "$LAB_BUILD/mirrortapd" "$TOOLS/mirrortapd"
# Debian's python has Debian's modules, whichever other one is on PATH.
ln -s "$LAB_PYTHON" "$TOOLS/python3"
chmod +x "$TOOLS/systemctl" "$TOOLS/networkctl"

# --- mirrortap-tune: the plan --------------------------------------------------------------------

# machine ONLINE MIB SIBLINGS...: CPUs, memory, and the lists of threads of each core.
machine() {
    local list cpu online=$1

    rm -rf "$CPU"
    mkdir -p "$CPU"
    echo "$online" >"$CPU/online"
    echo "MemTotal:    $(($2 * 1024)) kB" >"$PROC/meminfo"
    shift 2
    for list in "$@"; do
        for cpu in ${list//,/ }; do
            mkdir -p "$CPU/cpu$cpu/topology"
            echo "$list" >"$CPU/cpu$cpu/topology/thread_siblings_list"
        done
    done
}

# planned LCORES QUEUES SYSTEM_CPUS ARGUMENTS...
planned() {
    local lcores=$1 queues=$2 system=$3 got

    shift 3
    got=$("$TUNE" --json "$@" | jq -r '"\(.lcores) \(.queues) \(.system_cpus)"')
    [ "$got" = "$lcores $queues $system" ] \
        || lab_die "mirrortap-tune $*: $got, expected $lcores $queues $system"
}

many() { # FIRST LAST STEP: pairs of threads, as a large machine has them
    local cpu

    for ((cpu = $1; cpu <= $2; cpu++)); do
        echo "$cpu,$((cpu + $3))"
    done
}

machine 0 4096 0
planned 0@0,1@0 1 0
machine 0-1 4096 0,1 # two threads of one core: the smallest instance
planned 0@0,1@1 1 0
machine 0-1 4096 0 1
planned 0@0,1@1 1 0
machine 0-3 8192 0,2 1,3
planned 0@0,1@1 1 0,2-3
machine 0-7 16384 0,4 1,5 2,6 3,7
planned 0@0,1@1,2@2,3@3 3 0,4-7
planned 0@0,1@1,2@2 2 0,3-7 --workers 2
machine 0-7 16384 0 1 2 3 4 5 6 7 # no second threads: AWS's own processors
planned 0@0,1@1,2@2,3@3,4@4,5@5,6@6,7@7 7 0
machine 0,2-3 8192 0 2 3 # CPU 1 is offline
planned 0@0,1@2,2@3 2 0
# shellcheck disable=SC2046 # words are wanted
machine 0-95 196608 $(many 0 47 48)
planned 0@0,1@1,2@2,3@3,4@4,5@5,6@6,7@7,8@8 8 0,9-95
check "$("$TUNE" --json --workers 64 | jq .queues)" -eq 47 "workers of 48 cores"
machine 0-191 196608
check "$("$TUNE" --json --workers 64 | jq .queues)" -eq 64 "workers of 192 CPUs"

machine 0-1 700 0 1 # MiB
status=0
"$TUNE" --json >"$LAB_TMP/tune.out" 2>&1 || status=$?
check "$status" -eq 1 "exit code where memory is short"
grep -q 'take a larger machine' "$LAB_TMP/tune.out" || lab_die "memory: $(cat "$LAB_TMP/tune.out")"
for arguments in "--workers 0" "--workers 65" "--workers x" --nonsense; do
    status=0
    # shellcheck disable=SC2086 # words are wanted
    "$TUNE" $arguments >"$LAB_TMP/tune.out" 2>&1 || status=$?
    check "$status" -eq 2 "exit code of mirrortap-tune $arguments"
done

# --- mirrortap-tune: applied ---------------------------------------------------------------------

machine 0-1 4096 0 1
everything() {
    find "$FAKE" "$PROC" "$ETC" -type f -exec sha256sum {} + | sort
}
before=$(everything)
"$TUNE" --dry-run >"$LAB_TMP/tune.out"
[ "$before" = "$(everything)" ] || lab_die "--dry-run changes something"
[ ! -e "$LAB_TMP/calls" ] || lab_die "--dry-run runs something"
grep -q 'would run systemctl set-property --runtime system.slice AllowedCPUs=0$' \
    "$LAB_TMP/tune.out" || lab_die "--dry-run: $(cat "$LAB_TMP/tune.out")"
"$TUNE" >"$LAB_TMP/tune.out"
check "$(cat "$KNOB")" -eq 128 "hugepages"
grep -qx MIRRORTAP_HUGEPAGES=128 "$ETC/default/mirrortap" || lab_die "not noted for the next boot"
check "$(grep -c MIRRORTAP_HUGEPAGES= "$ETC/default/mirrortap")" -eq 1 "lines of it"
check "$(cat "$PROC/irq/24/smp_affinity_list")" -eq 0 "CPU of an interrupt"
check "$(cat "$PROC/irq/default_smp_affinity")" -eq 1 "CPUs of new interrupts"
for slice in system.slice user.slice init.scope; do
    grep -qx "systemctl set-property --runtime $slice AllowedCPUs=0" "$LAB_TMP/calls" \
        || lab_die "CPUs of $slice: $(cat "$LAB_TMP/calls")"
done
# By a configuration: a longer ring wants more.
cat >"$LAB_TMP/long.yaml" <<END
dataplane: {lcores: "0@0,1@1"}
ports: [{name: eth1, device: "0000:00:06.0"}]
outputs: [{name: ids, type: ring, length: 131072}]
END
check "$("$TUNE" --json --config "$LAB_TMP/long.yaml" | jq .hugepages)" -gt 300 "hugepages"
echo 'ports: 1' >"$LAB_TMP/bad.yaml"
! "$TUNE" --json --config "$LAB_TMP/bad.yaml" >"$LAB_TMP/tune.out" 2>&1 \
    || lab_die "a bad file is taken"
grep -q 'bad.yaml:1: ' "$LAB_TMP/tune.out" || lab_die "a bad file: $(cat "$LAB_TMP/tune.out")"

# --- mirrortap-firstboot -------------------------------------------------------------------------

rm -r "$DEVICES/0000:00:09.0" # nobody serves virtio-pci's unbind here
DATA=$LAB_TMP/user-data
lab_target_only

# imds OPTION...: a metadata service that knows the first four interfaces.
IMDS_PID=
imds() {
    [ -z "$IMDS_PID" ] || lab_stop "$IMDS_PID"
    : >"$LAB_TMP/imds.log"
    lab_spawn "$LAB_TARGET" "$LAB_TMP/imds.log" "$LAB_PYTHON" \
        "$LAB_ROOT/tests/lib/imds.py" --listen 127.0.0.1:0 --user-data "$DATA" \
        --interface 0,02:00:00:00:00:05,eni-0a,10.0.0.5 \
        --interface 1,02:00:00:00:00:06,eni-0b,10.0.1.6 \
        --interface 2,02:00:00:00:00:07,eni-0c,10.0.2.7 \
        --interface 3,02:00:00:00:00:08,eni-0d,10.0.3.8 \
        "$@"
    IMDS_PID=$LAB_PID
    wait_for 'grep -q ^listening "$LAB_TMP/imds.log"' 10 "the metadata service"
    MIRRORTAP_IMDS=http://127.0.0.1:$(sed -n 's/^listening //p' "$LAB_TMP/imds.log")
    export MIRRORTAP_IMDS
}

# As after a boot: the kernel has the devices, and /run is empty.
boot_anew() {
    local n

    for n in 6 7 8; do
        if [ "$(driver_of "0000:00:0$n.0")" != ena ]; then
            "$LAB_ROOT/config/bin/mirrortap-bind" --unbind "0000:00:0$n.0" >/dev/null
        fi
    done
    rm -rf "$RUN" "$NETWORK" "$MIRRORTAP_STATE" "$LAB_TMP/calls"
}

firstboot() {
    timeout 60 ip netns exec "$LAB_TARGET" "$FIRSTBOOT" >"$LAB_TMP/first.out" 2>&1
}

# works NAMES: it is done, and DPDK has just these interfaces.
works() {
    local got='' n

    boot_anew
    firstboot || lab_die "$(tail -n 5 "$LAB_TMP/first.out")"
    [ "$(jq -r .state "$RUN/state.json")" = "done" ] || lab_die "state: $(cat "$RUN/state.json")"
    for n in 5 6 7 8; do
        [ "$(driver_of "0000:00:0$n.0")" != igb_uio ] || got+="eth$((n - 5)) "
    done
    [ "$got" = "$1 " ] || lab_die "bound: $got, expected $1: $(cat "$LAB_TMP/first.out")"
    mirrortapd -c "$YAML" --check >/dev/null || lab_die "it wrote a configuration that is wrong"
}

# refused WORDS: it fails with these words for the console and for /healthz, and has bound nothing.
refused() {
    local status=0 n before

    boot_anew
    before=$(find "$ETC" -type f -exec sha256sum {} +)
    firstboot || status=$?
    check "$status" -eq 1 "exit code where $1"
    [ "$(jq -r .state "$RUN/state.json")" = failed ] || lab_die "state: $(cat "$RUN/state.json")"
    jq -r .reason "$RUN/state.json" | grep -qF -- "$1" || lab_die "reason: $(cat "$RUN/state.json")"
    grep -qF -- "$1" "$LAB_TMP/first.out" || lab_die "not for the console: $1"
    grep -q 'systemctl restart mirrortap-firstboot' "$LAB_TMP/first.out" \
        || lab_die "no way out is told"
    for n in 5 6 7 8; do
        [ "$(driver_of "0000:00:0$n.0")" = ena ] || lab_die "0000:00:0$n.0 is bound where $1"
    done
    [ "$before" = "$(find "$ETC" -type f -exec sha256sum {} +)" ] || lab_die "/etc changed where $1"
}

# The service is not ready at first; no user data: all but eth0 and eth2, which have default routes.
imds --fail 2
works "eth1 eth3"
! grep -q ' 401$' "$LAB_TMP/imds.log" || lab_die "a question without a token"
check "$(jq -n "$("$LAB_PYTHON" -c 'import json, sys, yaml
print(json.dumps(yaml.safe_load(open(sys.argv[1]))))' "$YAML")" | tee "$LAB_TMP/made.json" \
    | jq '.ports | length')" -eq 2 "ports"
jq -e '.ports == [{name: "eth1", device: "0000:00:06.0", host_interface: "mt-eth1"},
        {name: "eth3", device: "0000:00:08.0", host_interface: "mt-eth3"}]
    and .dataplane == {lcores: "0@0,1@1", queues: 1}
    and .http.listen == ["0.0.0.0:8080", "0.0.0.0:4789"]' "$LAB_TMP/made.json" >/dev/null \
    || lab_die "configuration: $(cat "$YAML")"
for line in Name=mt-eth3 RouteTable=103 From=10.0.3.8/32 Table=103; do
    grep -qx "$line" "$NETWORK/04-mirrortap-mt-eth3.network" \
        || lab_die "no $line: $(cat "$NETWORK/04-mirrortap-mt-eth3.network")"
done
grep -qx 'networkctl reload' "$LAB_TMP/calls" || lab_die "networkd does not know of it"

# Once more without a boot in between, and again after one: nothing else comes of it.
sum=$(sha256sum "$YAML" "$ETC/default/mirrortap")
firstboot || lab_die "a second time: $(tail -n 3 "$LAB_TMP/first.out")"
grep -q 'is bound to igb_uio already' "$LAB_TMP/first.out" || lab_die "$(cat "$LAB_TMP/first.out")"
works "eth1 eth3"
grep -q 'mirrortap.yaml is as it was' "$LAB_TMP/first.out" || lab_die "written again"
[ "$sum" = "$(sha256sum "$YAML" "$ETC/default/mirrortap")" ] || lab_die "a second time: changes"

# The instance's tag, and user data, which goes before it.
imds --tag mirrortap:data-interfaces=3
works eth3
user_data() {
    printf '#cloud-config\npackages: []\nmirrortap:\n' >"$DATA"
    sed 's/^/  /' >>"$DATA"
}
user_data <<<'data_interfaces: [eni-0b]'
works eth1
user_data <<<'data_interfaces: ["02:00:00:00:00:08", eth1]'
works "eth1 eth3"
gzip -c "$DATA" >"$DATA.gz"
mv "$DATA.gz" "$DATA"
works "eth1 eth3"
cat >"$DATA" <<'END'
Content-Type: multipart/mixed; boundary="=="
MIME-Version: 1.0

--==
Content-Type: text/x-shellscript

#!/bin/sh
echo mirrortap: is not for us here
--==
Content-Type: text/cloud-config

mirrortap: {data_interfaces: [1]}
--==--
END
works eth1

# A configuration in user data lies over ours.
user_data <<'END'
data_interfaces: [1]
driver: uio_pci_generic
configuration:
  dataplane: {queue_length: 8192}
  outputs: [{name: ids, type: ring}]
END
boot_anew
firstboot || lab_die "$(tail -n 3 "$LAB_TMP/first.out")"
[ "$(driver_of 0000:00:06.0)" = uio_pci_generic ] || lab_die "driver: $(driver_of 0000:00:06.0)"
for line in 'queue_length: 8192' 'lcores: 0@0,1@1' 'type: ring' control_path_poll_interval=500; do
    grep -q "$line" "$YAML" || lab_die "no $line: $(cat "$YAML")"
done
! grep -q mirror0 "$YAML" || lab_die "our outputs beside those of the user data: $(cat "$YAML")"

# Its fleet: handed on, with the addresses; and no more once the user data have none.
user_data <<'END'
data_interfaces: [1, 3]
fleet: {target_group: "arn:aws:elasticloadbalancing:x", auto_scaling_group: g, terminate_hook: t}
END
works "eth1 eth3"
jq -e '.addresses == ["10.0.1.6", "10.0.3.8"] and .drain_seconds == 60 and .terminate_hook == "t"' \
    "$RUN/fleet.json" >/dev/null || lab_die "fleet: $(cat "$RUN/fleet.json")"
user_data <<<'data_interfaces: [1]'
works eth1
[ ! -e "$RUN/fleet.json" ] || lab_die "a fleet that the user data do not name"

# What is wrong, and is said.
user_data <<<'fleet: {target_group: mine, auto_scaling_group: g}'
refused 'an ARN is wanted'
user_data <<<'fleet: {target_group: "arn:x"}'
refused 'mirrortap.fleet.auto_scaling_group is missing'
user_data <<<'fleet: {target_group: "arn:x", auto_scaling_group: g, hook: h}'
refused 'mirrortap.fleet.hook: unknown key'
user_data <<<'configuration: {tunnels: {vxlan_ports: [70000]}}'
refused '70000 is larger than 65535'
user_data <<<'configuration: {output: []}'
refused 'output: unknown key'
user_data <<<'configuration: [1]'
refused 'mirrortap.configuration: must be as mirrortap.yaml'
user_data <<<'configuration: "a: [1"'
refused 'mirrortap.configuration: line'
user_data <<<'data_interface: [1]'
refused 'mirrortap.data_interface: unknown key; allowed: data_interfaces'
user_data <<<'data_interfaces: 1'
refused 'a list is wanted'
user_data <<<'data_interfaces: [1.5]'
refused '1.5 is neither text nor a number'
user_data <<<'data_interfaces: [9]'
refused 'interface 9 is not attached to this instance'
user_data <<<'data_interfaces: [eni-0f]'
refused 'interface eni-0f is not attached'
user_data <<<'data_interfaces: [0]'
refused 'default route (IPv4)'
user_data <<<'data_interfaces: [eni-0c]'
refused 'default route (IPv6)'
user_data <<<'data_interfaces: [eth9]'
refused 'no PCI network device is eth9'
user_data <<<'workers: many'
refused 'no number from 1 to 64'
user_data <<<'driver: e1000'
refused "mirrortap.driver: 'e1000'"
printf 'mirrortap:\n  data_interfaces: [1\n' >"$DATA"
refused 'user data: line'
printf 'mirrortap: yes\n' >"$DATA"
refused 'mirrortap: is not a list of keys'
printf '\037\213 no gzip' >"$DATA"
refused 'gzip'
rm "$DATA"
imds # without a tag

# The primary interface stays, even where the default route is elsewhere.
cp "$PROC/net/route" "$LAB_TMP/routes"
sed -i 's/^eth0/eth3/' "$PROC/net/route"
works eth1
grep -q 'primary interface' "$LAB_TMP/first.out" || lab_die "$(cat "$LAB_TMP/first.out")"
cp "$LAB_TMP/routes" "$PROC/net/route"

# Somebody's own configuration is left alone, and yet checked.
sed -i 's/mirror0/mine0/' "$YAML"
sum=$(sha256sum "$YAML")
works "eth1 eth3"
[ "$sum" = "$(sha256sum "$YAML")" ] || lab_die "somebody's own configuration is overwritten"
echo 'port: []' >>"$YAML"
refused 'port: unknown key'
rm "$YAML"

# A service that does not answer, and one that has no IMDSv2.
MIRRORTAP_IMDS_SECONDS=1 MIRRORTAP_IMDS=http://127.0.0.1:9 refused 'Connection refused'
imds --fail 1000
MIRRORTAP_IMDS_SECONDS=1 refused 'HTTP 503'

# Not EC2: nobody is asked; user data come from cloud-init, and interfaces count as in --status.
unset MIRRORTAP_IMDS
lab_stop "$IMDS_PID"
echo QEMU >"$FAKE/class/dmi/id/sys_vendor"
works "eth1 eth3"
grep -q 'not on EC2' "$LAB_TMP/first.out" || lab_die "$(cat "$LAB_TMP/first.out")"
grep -qx UseGateway=no "$NETWORK/04-mirrortap-mt-eth1.network" || lab_die "a second default route"
printf '#cloud-config\nmirrortap: {data_interfaces: [3]}\n' >"$CLOUD/user-data.txt"
works eth3
rm "$CLOUD/user-data.txt"
head -n 1 "$LAB_TMP/routes" >"$PROC/net/route"
cp "$PROC/net/ipv6_route" "$LAB_TMP/routes6"
: >"$PROC/net/ipv6_route"
refused 'there is no default route'
cp "$LAB_TMP/routes" "$PROC/net/route"
cp "$LAB_TMP/routes6" "$PROC/net/ipv6_route"

# --- mirrortap-unhealthy -------------------------------------------------------------------------

HEALTH=127.0.0.1:18093
boot_anew
mkdir -p "$RUN"
lab_spawn "$LAB_TARGET" "$LAB_TMP/unhealthy.log" env MIRRORTAP_HEALTH_LISTEN=$HEALTH "$UNHEALTHY"
get() {
    ip netns exec "$LAB_TARGET" curl -sS --max-time 10 -w '\n%{http_code}\n' "$@"
}
wait_for 'get http://$HEALTH/healthz' 10 "mirrortap-unhealthy answers"

says() { # WORDS
    get "http://$HEALTH/healthz" >"$LAB_TMP/health"
    [ "$(tail -n 1 "$LAB_TMP/health")" = 503 ] || lab_die "/healthz: $(cat "$LAB_TMP/health")"
    head -n 1 "$LAB_TMP/health" | jq -e --arg words "$1" \
        '.healthy == false and (.reasons[0] | contains($words))' >/dev/null \
        || lab_die "not said: $1: $(cat "$LAB_TMP/health")"
}
says 'it has not begun'
echo '{"state": "running", "step": "bind"}' >"$RUN/state.json"
says 'not done yet: bind'
echo '{"state": "failed", "step": "bind", "reason": "bind: \"why\""}' >"$RUN/state.json"
says 'first boot failed: bind: "why"'
echo '{"state": "done"}' >"$RUN/state.json"
says 'has not started yet'
echo 'signal killed KILL' >"$RUN/ended"
says 'was ended (signal killed KILL)'
echo 'success exited 0' >"$RUN/ended"
says 'was stopped'
for broken in '' '[]' '{' '7'; do
    echo "$broken" >"$RUN/state.json"
    says 'it has not begun'
done
get "http://$HEALTH/metrics" | grep -qx 'mirrortap_healthy 0' || lab_die "/metrics"
check "$(get -I "http://$HEALTH/healthz" | tail -n 1)" -eq 503 "status of HEAD"
