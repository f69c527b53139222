#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stands in for a Network Load Balancer: an nftables hash, and a checker that feeds it.

    nlb_checker.py --address VIP [--check http|tcp] [--port N] NAME=ADDRESS...

UDP to VIP:4789 goes to the healthy members by a hash of source address and source port; the source
address stays. (An NLB's flow hash has five parts; the other three are constant here.) Each member is
checked each interval: HTTP 200 to 399 is healthy, or a TCP connection. So many results in a row
change its state. If no member is healthy, all get traffic: it fails open. A line of JSON for each
change, with the reason.
"""
import argparse
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

RULES = """
table ip mirrortap_nlb
flush table ip mirrortap_nlb
table ip mirrortap_nlb {{
    chain prerouting {{
        type filter hook prerouting priority raw
        ip daddr {address} udp dport 4789 notrack ip daddr set {target}
    }}
}}
"""


class Balancer:
    def __init__(self, options):
        self.options = options
        self.members = dict(member.split("=") for member in options.member)
        self.healthy = {name: False for name in self.members}
        self.lock = threading.Lock()
        self.begin = time.monotonic()

    def apply(self):
        names = [name for name, good in self.healthy.items() if good] or list(self.members)
        target = self.members[names[0]]
        if len(names) > 1:
            places = ", ".join(f"{i} : {self.members[name]}" for i, name in enumerate(names))
            target = f"jhash ip saddr . udp sport mod {len(names)} map {{ {places} }}"
        rules = RULES.format(address=self.options.address, target=target)
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def set(self, name, good, reason):
        with self.lock:
            self.healthy[name] = good
            self.apply()
            print(json.dumps({"at": round(time.monotonic() - self.begin, 2), "member": name,
                              "healthy": good, "reason": reason}), flush=True)

    def check(self, address):
        """Returns (healthy, reason)."""
        options = self.options
        try:
            if options.check == "tcp":
                socket.create_connection((address, options.port), options.timeout).close()
                return True, "connected"
            url = f"http://{address}:{options.port}{options.path}"
            with urllib.request.urlopen(url, timeout=options.timeout) as answer:
                return 200 <= answer.status < 400, str(answer.status)
        except urllib.error.HTTPError as error:
            return False, f"{error.code} {error.read(200).decode(errors='replace')}"
        except OSError as error:
            return False, str(error)

    def watch(self, name):
        """One member, for ever."""
        in_a_row = 0
        due = time.monotonic()
        while True:
            good, reason = self.check(self.members[name])
            in_a_row = in_a_row + 1 if good != self.healthy[name] else 0
            if in_a_row >= self.options.threshold:
                self.set(name, good, reason)
                in_a_row = 0
            due = max(due + self.options.interval, time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("member", nargs="+")
    parser.add_argument("--address", required=True)
    parser.add_argument("--check", choices=("http", "tcp"), default="http")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--path", default="/healthz")
    parser.add_argument("--interval", type=float, default=1)
    parser.add_argument("--timeout", type=float, default=1)
    parser.add_argument("--threshold", type=int, default=2)
    balancer = Balancer(parser.parse_args())
    balancer.apply()
    threads = [threading.Thread(target=balancer.watch, args=(name,), daemon=True)
               for name in balancer.members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
