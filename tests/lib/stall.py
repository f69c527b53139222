#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""stall.py PID LCORE SECONDS: stops one worker thread of a DPDK process and lets it go again.

A signal would stop the whole process; ptrace stops one thread."""
import ctypes
import glob
import os
import re
import sys
import time

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # __WALL: threads too


def thread_of(pid, lcore):
    for comm in glob.glob(f"/proc/{pid}/task/*/comm"):
        with open(comm) as file:
            if re.fullmatch(rf"(rte|lcore|dpdk)-worker-?{lcore}", file.read().strip()):
                return int(comm.split("/")[4])
    sys.exit(f"process {pid} has no worker thread on lcore {lcore}")


def main():
    pid, lcore, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    thread = thread_of(pid, lcore)
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        if libc.ptrace(request, thread, None, None) != 0:
            sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, WALL)
    print("stalled", flush=True)
    time.sleep(seconds)
    libc.ptrace(PTRACE_DETACH, thread, None, None)


main()
