#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch on DPDK beside ours: both take packets out of VXLAN on the same virtual device and
capture, one polling thread each.

The switch has a bridge with the mirror address and the device, and a second one with a VXLAN port
and one flow, which drops what comes out of the tunnel; ours has a ring output. The rate is packets
per CPU-second of the polling thread. The processes of a switch run in the lab's namespace, its files
are in the bench's folder.
"""
import os
import re
import shutil
import signal
import subprocess

from harness import HERE, Bench, Mirrortapd, Process, Subject, cpu_seconds_now

RING = "outputs:\n  - {name: ids, type: ring}\n"
SERVER = "/usr/sbin/ovsdb-server"
SWITCHES = ("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "/usr/sbin/ovs-vswitchd")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
ADDRESS, MAC = "172.31.2.2/24", "02:00:0a:4d:02:02"  # the captures' destination


def switch():
    """The one that is built with DPDK, if it is installed."""
    for path in SWITCHES:
        if os.path.exists(path) and "dpdk" in subprocess.run(
                ["ldd", path], capture_output=True, text=True, check=False).stdout + path:
            return path
    return None


class Ovs(Subject):
    name = "OVS-DPDK"

    def __init__(self, bench, capture, namespace):
        self.bench = bench
        self.capture = capture
        self.inside = ["ip", "netns", "exec", namespace]
        self.folder = f"{bench.options.work}/ovs"
        self.database = f"unix:{self.folder}/db.sock"
        self.control = f"{self.folder}/switch.ctl"
        self.environment = ["env", f"OVS_RUNDIR={self.folder}", f"OVS_LOGDIR={self.folder}",
                            f"OVS_DBDIR={self.folder}"]

    def call(self, *command):
        return subprocess.run([*self.inside, *self.environment, *command], check=True,
                              capture_output=True, text=True, timeout=60).stdout

    def vsctl(self, *arguments):
        self.call("ovs-vsctl", "--timeout=30", f"--db={self.database}", *arguments)

    def configure(self):
        device = f"net_pcap0,rx_pcap={self.capture},infinite_rx=1"
        self.vsctl("add-br", "br-mirror", "--", "set", "bridge", "br-mirror",
                   "datapath_type=netdev", f'other-config:hwaddr="{MAC}"')
        self.vsctl("add-br", "br-inner", "--", "set", "bridge", "br-inner", "datapath_type=netdev")
        self.vsctl("add-port", "br-inner", "tunnel", "--", "set", "interface", "tunnel",
                   "type=vxlan", "options:remote_ip=flow", "options:key=flow")
        self.call("ovs-ofctl", "del-flows", "br-inner")
        self.call("ovs-ofctl", "add-flow", "br-inner", "in_port=tunnel,actions=drop")
        self.call("ip", "address", "replace", ADDRESS, "dev", "br-mirror")
        self.call("ip", "link", "set", "br-mirror", "up")
        self.vsctl("add-port", "br-mirror", "device", "--", "set", "interface", "device",
                   "type=dpdk", f"options:dpdk-devargs={device}")

    def packets(self):
        """Received, and sent round a second time, which those out of the tunnel are."""
        said = self.call("ovs-appctl", f"--target={self.control}", "dpif-netdev/pmd-stats-show")
        return [sum(map(int, re.findall(rf"{kind}: (\d+)", said)))
                for kind in ("packets received", "packet recirculations")]

    def measure(self, seconds):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        subprocess.run(["ovsdb-tool", "create", f"{self.folder}/conf.db", SCHEMA], check=True)
        with Process(self.bench, [*self.inside, *self.environment, SERVER,
                                  f"{self.folder}/conf.db", f"--remote=p{self.database}",
                                  "--no-chdir"], name="ovsdb") as server:
            server.wait_for(lambda: os.path.exists(f"{self.folder}/db.sock"), "ovsdb-server")
            self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                       "other_config:dpdk-init=true", "other_config:pmd-cpu-mask=0x2",
                       "other_config:dpdk-lcore-mask=0x1",
                       'other_config:dpdk-extra="--no-pci --file-prefix=mt-bench-ovs'
                       ' -m 512 --log-level=error"')
            with Process(self.bench, [*self.inside, *self.environment, switch(), self.database,
                                      "--no-chdir", f"--unixctl={self.control}"],
                         name="ovs") as process:
                process.wait_for(lambda: os.path.exists(self.control), self.name)
                self.configure()
                process.wait_for(lambda: self.packets()[1] > 1000000, self.name)
                rate = self.rate(process, seconds)
                process.end(signal.SIGTERM)
            server.end(signal.SIGTERM)
        return rate

    def rate(self, process, seconds):
        threads = [tid for tid in os.listdir(f"/proc/{process.pid}/task") if open(
            f"/proc/{process.pid}/task/{tid}/comm", encoding="utf-8").read().startswith("pmd-")]

        def look():
            cpu = sum(cpu_seconds_now(process.pid, threads))
            return self.packets()[0], cpu

        received, again = self.packets()
        assert again > 0.99 * received - 1000000, (received, again)
        return self.windows(seconds, look)


def main():
    bench = Bench("ovs", __doc__)
    if switch() is None:
        bench.skip("ovs", "no Open vSwitch with DPDK: apt-get install openvswitch-switch-dpdk")
    else:
        capture = bench.capture()
        bench.compare({"inner_bytes": 64}, [
            Ovs(bench, capture, os.environ["MT_BENCH_TARGET"]),
            Mirrortapd(bench, capture, "mirrortapd ring", outputs=RING),
        ], [Ovs.name])
    bench.finish()


main()
