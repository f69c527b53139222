#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""http_abuse.py HOST PORT REQUESTS SLOW: REQUESTS broken requests while SLOW connections drip bytes
or are silent. Prints "slow open" when those are open, at the end what became of all."""
import collections
import random
import socket
import sys
import threading
import time

HOST, PORT, REQUESTS, SLOW = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
GOOD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def broken(rng):
    """One request that is wrong in some way; always the same ones for a seed."""
    kind = rng.randrange(14)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 4096))
    if kind == 1:
        return GOOD[: rng.randrange(len(GOOD))]
    if kind == 2:
        return b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n\r\n"
    if kind == 3:
        return b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n"
    if kind == 4:
        return b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: 1\r\n" % i for i in range(5000)) + b"\r\n"
    if kind == 5:
        return b"POST /api/v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"
    if kind == 6:
        return (b"POST /api/v1/drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"ffffffffffffffff\r\nxx")
    if kind == 7:
        return (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
                + b"z" * 200000)
    if kind == 8:
        return bytes(b if rng.random() > 0.1 else rng.randrange(256) for b in GOOD)
    if kind == 9:
        return b"GET /../../etc/passwd%00 HTTP/1.1\r\nHost: x\r\n\r\n"
    if kind == 10:
        return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200)  # TLS
    if kind == 11:
        return b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50  # and no one reads the answers
    if kind == 12:
        return b"DELETE /api/v1/ledger HTTP/9.9\r\nHost: x\r\nRange: bytes=9-1\r\n\r\n"
    return b"\r\n" * 2000


def send_broken(count, seed, results):
    rng = random.Random(seed)
    for _ in range(count):
        try:
            with socket.create_connection((HOST, PORT), timeout=5) as client:
                client.settimeout(0.05)
                client.sendall(broken(rng))
                if rng.random() < 0.3:
                    results[client.recv(4096)[:12]] += 1
                else:
                    results["not read"] += 1
        except TimeoutError:
            results["silence"] += 1
        except OSError:
            results["closed"] += 1


def slow_one(stop, opened, gate):
    silent = opened % 2 == 0
    client = None
    while not stop.is_set():
        try:
            if client is None:
                client = socket.create_connection((HOST, PORT), timeout=10)
                client.sendall(b"GET /metrics HTTP/1.1\r\n")
                gate.release()
            time.sleep(0.5)
            client.sendall(b"" if silent else b"X")
            client.settimeout(0.01)
            if client.recv(1) == b"":
                raise OSError
        except TimeoutError:
            pass
        except OSError:
            client = None  # closed: come back
            time.sleep(0.5)


def main():
    stop, gate, results = threading.Event(), threading.Semaphore(0), collections.Counter()
    slow = [threading.Thread(target=slow_one, args=(stop, n, gate), daemon=True)
            for n in range(SLOW)]
    for thread in slow:
        thread.start()
    for _ in slow:
        gate.acquire(timeout=30)
    print("slow open", flush=True)
    senders = [threading.Thread(target=send_broken, args=(REQUESTS // 8, n, results))
               for n in range(8)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    stop.set()
    print(f"{sum(results.values())} broken requests:",
          ", ".join(f"{k} {v}" for k, v in results.most_common(8)), flush=True)


main()
