#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`mirrortap ledger` against a stand-in for the daemon, since the daemon's own ledger always balances:
whichever equation does not hold, by the numbers or by the daemon's word, it says so and exits with 1."""

import copy
import http.server
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("LAB_BUILD", os.path.join(ROOT, "build")), "mirrortap")
GOOD = {
    "received": 100, "host": 3, "accepted": 90, "in_flight": 2,
    "drops": {"vxlan_no_vni": 4, "queue_full": 1},
    "outputs": {
        "tools": {"offered": 90, "delivered": 80, "in_flight": 1, "drops": {"full": 9}},
        "ids": {"offered": 90, "delivered": 90, "in_flight": 0, "drops": {}},
    },
    "balanced": True,
}
answer = ""


class Daemon(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = answer.encode()
        self.send_response(200 if self.path == "/api/v1/ledger" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):  # a Unix socket has none
        return "-"

    def log_message(self, *_):
        pass


def ledger(socket, *options):
    return subprocess.run([PROGRAM, "--socket", socket, "ledger", *options],
                          capture_output=True, text=True, timeout=30)


def expect(what, socket, document, status, words, *options):
    global answer
    answer = document
    ran = ledger(socket, *options)
    shown = ran.stdout + ran.stderr
    if ran.returncode != status or words not in shown:
        sys.exit(f"{what}: exit {ran.returncode}, expected {status} and '{words}' in:\n{shown}")
    print(f"{what}: exit {ran.returncode}")


def changed(change):
    document = copy.deepcopy(GOOD)
    change(document)
    return json.dumps(document)


def main():
    if not os.access(PROGRAM, os.X_OK):
        print(f"SKIP: {PROGRAM} is not built")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "control.sock")
        with socketserver.ThreadingUnixStreamServer(socket, Daemon) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                cases(socket)
            finally:
                server.shutdown()


def cases(socket):
    good = json.dumps(GOOD)
    expect("balanced", socket, good, 0,
           "received 100 = host 3 + accepted 90 + drops 5 + in flight 2   balanced")
    expect("balanced", socket, good, 0, '"balanced":true', "--json")

    lost = changed(lambda d: d.update(received=107))
    expect("packets lost", socket, lost, 1, "NOT BALANCED: 7 missing on the right")
    expect("packets lost", socket, lost, 1, '"received":107', "--json")
    made = changed(lambda d: d["drops"].update(stopped=2))
    expect("packets too many", socket, made, 1, "NOT BALANCED: 2 too many on the right")
    output = changed(lambda d: d["outputs"]["tools"].update(delivered=79))
    expect("an output's frame lost", socket, output, 1,
           "output tools: offered 90 = delivered 79 + drops 9 + in flight 1"
           "   NOT BALANCED: 1 missing on the right")
    expect("an output's frame lost", socket, output, 1, '"delivered":79', "--json")

    says = changed(lambda d: d.update(balanced=False))
    expect("by the daemon's word", socket, says, 1, "NOT BALANCED, says the daemon")
    expect("by the daemon's word", socket, says, 1, '"balanced":false', "--json")
    silent = changed(lambda d: d.pop("balanced"))
    expect("without its word", socket, silent, 1, "NOT BALANCED, says the daemon")
    expect("no JSON", socket, "ledger", 1, "is no JSON")


main()
