# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: subjects that poll a port, rates, rounds, tables and JSON.

A rate is packets per CPU-second of the polling threads: packets counted between two looks, divided
by the time that these threads were on a CPU between the same looks (the kernel's own account,
/proc/PID/task/TID/schedstat). A polling thread is on its CPU all the time, so on a quiet machine
that is packets per second; where other programs take the CPU away, it still is what a packet costs.

Subjects run in turn, once in each round. A round's rate is the median of three windows; the tables
give median, least and most of the rounds, and ratios of rates of one round.
"""
import argparse
import datetime
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MBUFS = 16384
VNI = 4321  # the first one of a capture
SHAPES = {  # of a capture: what mirrorgen is asked for
    "vxlan-ipv4": (), "vxlan-ipv6": ("--ipv6", "100"), "geneve": ("--tunnel", "geneve"),
    "geneve-vxlan": ("--tunnel", "gwlb")}
WINDOWS = 3
TICK_SECONDS = 0.02  # the longest that the kernel lets its account of a running thread be old


# --- the machine ---------------------------------------------------------------------------------


def tsc_hz():
    kernel = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"tsc: (?:Detected|Refined TSC clocksource calibration:) ([0-9.]+) MHz", kernel)
    if not found:  # the log has been overwritten, or is not for us
        found = re.search(r"cpu MHz\s*: ([0-9.]+)", read("/proc/cpuinfo"))
    return float(found[1]) * 1e6


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def machine():
    model = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    return {
        "cpu": model[1] if model else platform.processor(),
        "cpus": os.cpu_count(),
        "tsc_hz": tsc_hz(),
        "linux": platform.release(),
        "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
        "compiler": output_of("cc", "--version").split("\n")[0],
        "commit": output_of("git", "-C", HERE, "describe", "--always", "--dirty"),
    }


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# --- threads and processes -----------------------------------------------------------------------


def threads_of(pid, lcores):
    """Ids of EAL's threads of these lcores: rte-worker-1, or lcore-worker-1 before DPDK 22.11."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            comm = read(f"/proc/{pid}/task/{tid}/comm")
        except FileNotFoundError:  # one that answered a question, and ended
            continue
        name = re.fullmatch(r"(?:rte|lcore)-worker-(\d+)\n", comm)
        if name:
            found[int(name[1])] = tid
    return [found[lcore] for lcore in lcores]


def cpu_seconds(pid, tid):
    return int(read(f"/proc/{pid}/task/{tid}/schedstat").split()[0]) / 1e9


def cpu_seconds_now(pid, tids):
    """The account of a running thread is brought up to date at the clock's tick: waits for it."""
    before = cpu_seconds(pid, tids[0])
    limit = time.monotonic() + TICK_SECONDS
    while cpu_seconds(pid, tids[0]) == before and time.monotonic() < limit:
        pass
    return [cpu_seconds(pid, tid) for tid in tids]


def ask(path, resource):
    """A document of the daemon's control socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(f"GET {resource} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                return answer.split(b"\r\n\r\n", 1)[1].decode()
            answer += part


class Process:
    """A program that ends with this one, whatever becomes of it."""

    def __init__(self, bench, command, stdout=subprocess.PIPE, name="subject"):
        self.log = f"{bench.options.work}/{name}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                stdin=subprocess.PIPE, stdout=stdout, stderr=log, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def wait_for(self, condition, what, seconds=60):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                sys.exit(f"{what}: ended with {self.process.returncode}: {read(self.log)[-2000:]}")
            try:
                value = condition()
            except (OSError, IndexError, KeyError):  # not listening yet, no threads yet
                value = None
            if value:
                return value
            time.sleep(0.02)
        return sys.exit(f"{what}: not within {seconds} s: {read(self.log)[-2000:]}")

    def end(self, how, seconds=60):
        """Returns what it wrote to standard output."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=seconds)[0]

    def output(self, seconds, what):
        """The same of one that ends by itself, and well."""
        try:
            out = self.process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            return sys.exit(f"{what}: has not ended in {seconds} s: {read(self.log)[-2000:]}")
        if self.process.returncode != 0:
            sys.exit(f"{what}: ended with {self.process.returncode}: {read(self.log)[-2000:]}")
        return out


# --- subjects ------------------------------------------------------------------------------------


class Subject:
    """Something that receives a capture. measure() gives packets per CPU-second, once a round."""

    name = ""

    def measure(self, seconds):
        raise NotImplementedError

    @staticmethod
    def windows(seconds, look, rate=lambda before, now: (now[0] - before[0]) / (now[1] - before[1])):
        """look() returns (packets, CPU-seconds, ...), ever growing; rate() is of two such looks.
        A window is longer where the threads are kept off their CPUs."""
        rates = []
        time.sleep(0.3)  # a warm-up is a length of time
        before = look()
        limit = time.monotonic() + 60 + seconds
        while len(rates) < WINDOWS:
            time.sleep(seconds / WINDOWS)
            now = look()
            if now[1] - before[1] >= seconds / WINDOWS / 4:
                rates.append(rate(before, now))
                before = now
            elif time.monotonic() > limit:
                sys.exit("other programs leave no CPU to the threads that shall be measured")
        return statistics.median(rates)


class Mirrortapd(Subject):
    """The daemon on net_pcap. By default one worker and no output: frames are released where an
    output would take them."""

    def __init__(self, bench, capture, name="mirrortapd", *, lcores="0@0,1@1", workers=(1,),
                 dataplane="queues: 1", port="", outputs="", receive_queues=1, build=None):
        self.bench = bench
        self.build = build or bench.options.build
        self.name = name
        self.workers = workers
        self.socket = f"{bench.options.work}/bench.sock"
        arguments = f",rx_pcap={capture}" * receive_queues
        self.config = (
            f'dataplane: {{lcores: "{lcores}", {dataplane},'
            ' eal: ["--file-prefix=mt-bench", "--no-pci"]}\n'
            "ports:\n"
            f'  - {{name: mirror, device: "net_pcap0{arguments},infinite_rx=1"{port}}}\n'
            f"{outputs}"
            f"http: {{control_socket: {self.socket}}}\n")

    def ledger(self):
        return json.loads(ask(self.socket, "/api/v1/ledger"))

    def measure(self, seconds):
        config = f"{self.bench.options.work}/bench.yaml"
        with open(config, "w", encoding="utf-8") as out:
            out.write(self.config)
        with Process(self.bench, [f"{self.build}/mirrortapd", "-c", config]) as process:
            process.wait_for(lambda: self.ledger()["received"] > 0, "mirrortapd")
            rate = self.rate(process, seconds)
            final = json.loads(process.end(signal.SIGTERM))
        assert final["balanced"], final
        lost = final["drops"].get("queue_full", 0) / final["received"]
        if lost > 0.01:
            self.bench.remark(f"{self.name}: {lost:.0%} were dropped as queue_full")
        return rate

    def rate(self, process, seconds):
        threads = threads_of(process.pid, self.workers)

        def look():
            cpu = sum(cpu_seconds_now(process.pid, threads))
            return self.ledger()["received"], cpu

        return self.windows(seconds, look)


class Mirrortapds(Mirrortapd):
    """The daemon with several workers that all receive and all own a queue."""

    def __init__(self, bench, capture, name, *, workers, **arguments):
        # The first CPU has the lcore that controls as well, which mostly sleeps.
        lcores = ",".join(f"{lcore}@{lcore - 1}" for lcore in workers)
        super().__init__(bench, capture, name, lcores=f"0@0,{lcores}", workers=workers, **arguments)


class Split(Mirrortapds):
    """One worker receives, the other one owns the queue: the rate is one over what a packet costs
    both. The owner has time left: only its loops that had packets count. Where others take its CPU
    away, these seem longer than they are, and packets find the queue full: this one needs a quiet
    machine."""

    def __init__(self, bench, capture, name, **arguments):
        super().__init__(bench, capture, name, workers=(1, 2), **arguments,
                         dataplane='queues: 1, receive_lcores: "1", queue_lcores: "2"')

    def owner_cycles(self):
        metrics = ask(self.socket, "/metrics")
        return [float(re.search(
            rf'^mirrortap_worker_{kind}_cycles_total{{lcore="2"}} (\S+)', metrics, re.MULTILINE)[1])
            for kind in ("busy", "idle")]

    def rate(self, process, seconds):
        threads = threads_of(process.pid, self.workers)

        def look():
            cpu = cpu_seconds_now(process.pid, threads)
            ledger = self.ledger()
            return ledger["received"], cpu[0], cpu[1], ledger["accepted"], *self.owner_cycles()

        def rate(before, now):
            received, receiver, owner, accepted, busy, idle = (
                b - a for a, b in zip(before, now))
            return 1 / (receiver / received + owner * busy / (busy + idle) / max(accepted, 1))

        return self.windows(seconds, look, rate)


class Testpmd(Subject):
    """dpdk-testpmd on the same virtual device, asked through its telemetry socket."""

    def __init__(self, bench, capture, mode, *, mbufs=MBUFS, mbuf_bytes=None, burst=None):
        self.bench = bench
        self.name = f"testpmd {mode}" + (f" burst {burst}" if burst else "")
        self.command = [
            "dpdk-testpmd", "--lcores=0@0,1@1", "--no-pci", "--file-prefix=mt-bench-testpmd",
            "--log-level=error", f"--vdev=net_pcap0,rx_pcap={capture},infinite_rx=1", "--",
            f"--forward-mode={mode}", f"--total-num-mbufs={mbufs}", "--auto-start", "--nb-cores=1",
            "--stats-period=3600"]  # else it ends with its standard input
        if burst:
            self.command.append(f"--burst={burst}")
        if mbuf_bytes:
            self.command.append(f"--mbuf-size={mbuf_bytes}")

    def received(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as telemetry:
            telemetry.connect("/var/run/dpdk/mt-bench-testpmd/dpdk_telemetry.v2")
            telemetry.recv(4096)  # its greeting
            telemetry.send(b"/ethdev/stats,0")
            return json.loads(telemetry.recv(65536))["/ethdev/stats"]["ipackets"]

    def measure(self, seconds):
        with Process(self.bench, self.command, subprocess.DEVNULL) as process:
            process.wait_for(lambda: self.received() > 0, self.name)
            threads = threads_of(process.pid, [1])

            def look():
                cpu = sum(cpu_seconds_now(process.pid, threads))
                return self.received(), cpu

            rate = self.windows(seconds, look)
            process.end(signal.SIGINT)
        return rate


# --- a benchmark ---------------------------------------------------------------------------------


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Bench:
    """One benchmark: its options, its rows, and what it had to leave out."""

    def __init__(self, name, description, more=None):
        """`more` are options of this benchmark alone, with their defaults."""
        parser = argparse.ArgumentParser(prog=f"tests/bench/run.sh {name}", description=description)
        parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
        parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--seconds", type=float, default=1.5, help="of one subject in one round")
        parser.add_argument("--json", metavar="DIR", help="write DIR/NAME.json too")
        for option, default in (more or {}).items():
            parser.add_argument(option, default=default)
        self.name = name
        self.options = parser.parse_args()
        self.more = more or {}
        self.machine = machine()
        self.rows = []
        self.skipped = []
        self.remarks = []
        self.captures = {}

    def capture(self, *, inner=64, flows=1024, frames=2048, vnis=1, shape="vxlan-ipv4"):
        """A capture of mirror traffic for net_pcap: the one place that makes them."""
        key = (inner, flows, frames, vnis, shape)
        if key not in self.captures:
            path = f"{self.options.work}/{'-'.join(map(str, key))}.pcap"
            # Each flow in turn, once in each direction; TCP only.
            made = subprocess.run(
                [f"{self.options.build}/mirrorgen", "-w", path, "-q", "--flows", str(flows),
                 "--distribution", "cycle", "--udp", "0", "--size", str(inner), "--count",
                 str(frames), "--sessions", str(vnis), "--vni", str(VNI), *SHAPES[shape]],
                check=False, capture_output=True, text=True)
            if made.returncode != 0:
                sys.exit(f"mirrorgen: {made.stderr}")
            self.captures[key] = path
        return self.captures[key]

    def skip(self, what, reason):
        self.skipped.append({"what": what, "reason": reason})
        print(f"SKIP: {what}: {reason}", file=sys.stderr, flush=True)

    def remark(self, text):
        """Something that a reader of the figures should know."""
        self.remarks.append(text)
        print(f"  NOTE: {text}", file=sys.stderr, flush=True)

    def cycles(self, rate):
        return self.machine["tsc_hz"] / rate

    def compare(self, labels, subjects, references=()):
        """Runs the subjects in turn and adds a row for each; `references` are names of subjects
        that the others are held against."""
        rates = {subject.name: [] for subject in subjects}
        for _ in range(self.options.rounds):
            for subject in subjects:
                rate = subject.measure(self.options.seconds)
                rates[subject.name].append(rate)
                self.progress(labels, subject.name, rate)
        for name, values in rates.items():
            self.rows.append({
                **labels, "subject": name,
                "mpps": spread([value / 1e6 for value in values]),
                "cycles": spread([self.cycles(value) for value in values]),
                "against": list(references),
                "ratios": {other: spread([a / b for a, b in zip(values, rates[other])])
                           for other in references if other != name},
            })

    def progress(self, labels, name, rate):
        said = " ".join(str(value) for value in labels.values())
        print(f"  {said:32} {name:28} {rate / 1e6:8.2f} Mpps {self.cycles(rate):7.1f} cycles",
              file=sys.stderr, flush=True)

    def finish(self):
        self.print_table()
        if self.options.json:
            self.write_json()

    def print_table(self):
        m = self.machine
        print(f"\n{self.name}: {m['cpu']}, {m['cpus']} CPUs, TSC {m['tsc_hz'] / 1e6:.0f} MHz, Linux "
              f"{m['linux']}, DPDK {m['dpdk']}; {self.options.rounds} rounds; commit {m['commit']}")
        for table in tables(self.rows):
            print(f"\n{table}")
        for remark in self.remarks:
            print(f"\nnote: {remark}")
        for skip in self.skipped:
            print(f"\nskipped: {skip['what']}: {skip['reason']}")

    def more_given(self):
        """Options of this benchmark alone, as they were given."""
        values = {option: getattr(self.options, option.strip("-").replace("-", "_"))
                  for option in self.more}
        return "".join(f" {option} {value}" for option, value in values.items()
                       if value != self.more[option])

    def write_json(self):
        os.makedirs(self.options.json, exist_ok=True)
        with open(f"{self.options.json}/{self.name}.json", "w", encoding="utf-8") as out:
            json.dump({
                "bench": self.name,
                "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "command": f"tests/bench/run.sh {self.name} --rounds {self.options.rounds}"
                           f" --seconds {self.options.seconds:g}" + self.more_given(),
                "machine": self.machine, "rows": self.rows, "skipped": self.skipped,
                "remarks": self.remarks,
            }, out, indent=1)
            out.write("\n")


# --- tables --------------------------------------------------------------------------------------

# What a column shows, in this order; each is there if a row has it.
FIGURES = {"mpps": ("Mpps", "{:.2f}"), "cycles": ("TSC cycles", "{:.1f}"),
           "gbytes": ("GB/s by the clock", "{:.2f}"),
           "gbytes_cpu": ("GB per CPU-second of the writer", "{:.2f}"),
           "instructions": ("instructions", "{:.1f}"),
           "cache_misses": ("cache misses", "{:.2f}"), "cpu_percent": ("% of a CPU in silence", "{:.1f}"),
           "p50_us": ("median, µs", "{:.1f}"), "p99_us": ("p99, µs", "{:.1f}"),
           "p99_9_us": ("p99.9, µs", "{:.1f}"),
           "daemon_p50_us": ("in the daemon: median up to, µs", "{:.1f}"),
           "daemon_p99_us": ("p99 up to, µs", "{:.1f}"),
           "daemon_p99_9_us": ("p99.9 up to, µs", "{:.1f}")}


def cells(row, columns):
    for column in columns:
        if column in FIGURES:
            figure = row.get(column)
            form = FIGURES[column][1]
            yield "-" if figure is None else form.format(figure["median"]) + (
                "" if figure["min"] == figure["max"]
                else f" ({form.format(figure['min'])} to {form.format(figure['max'])})")
        elif column.startswith("of "):
            ratio = row["ratios"].get(column[3:])
            yield "1" if ratio is None else f"{ratio['median']:.2f}"
        else:
            value = row[column]
            yield f"{value:,}" if isinstance(value, int) else str(value)


def columns_of(row):
    labels = [key for key in row if key not in FIGURES and key not in ("ratios", "against")]
    return (*labels, *(key for key in FIGURES if key in row),
            *(f"of {other}" for other in row.get("against", ())))


def tables(rows):
    """Markdown; rows with the same columns share a table."""
    groups = {}
    for row in rows:
        groups.setdefault(columns_of(row), []).append(row)
    for columns, members in groups.items():
        heads = [FIGURES[c][0] if c in FIGURES else c.replace("_", " ") for c in columns]
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(cells(row, columns)) + " |" for row in members]
        yield "\n".join(lines)
