#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""telemetry.py PREFIX COMMAND...: asks a DPDK process, prints each answer as a line of JSON."""
import socket
import sys

client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.settimeout(10)
client.connect(f"/run/dpdk/{sys.argv[1]}/dpdk_telemetry.v2")
client.recv(65536)
for command in sys.argv[2:]:
    client.send(command.encode())
    print(client.recv(65536).decode())
