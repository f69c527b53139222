#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""notify.py SOCKET: stands in for systemd: prints what sd_notify(3) sends, with the time."""
import os
import socket
import sys
import time

if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
while True:
    for line in receiver.recv(65536).decode().splitlines():
        print(f"{time.monotonic():.3f} {line}", flush=True)
