#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A consumer of a ring output that does not keep to the rules; speaks the socket's messages itself.

ring_abuse.py SOCKET refused      every wrong greeting: old version, garbage, wrong queue, out of turn
ring_abuse.py SOCKET scribble S   claims all queues and fills what a consumer may write with random
                                  numbers for S seconds; also tries to make the memory smaller
"""

import array
import errno
import mmap
import os
import random
import socket
import struct
import sys
import time

MAGIC = 0x676E69725F74696D
ABI = 1
CLAIM, START = 1, 2
HELLO = struct.Struct("<QIIi32s4x")  # padded to 8 as in C
WELCOME_HEAD = struct.Struct("<QIi240s")
TAKEN, RELEASED = 192, 256  # offsets in struct mt_ring_area


def hello(abi=ABI, request=CLAIM, queue=-1, magic=MAGIC, name=b"abuse"):
    return HELLO.pack(magic, abi, request, queue, name)


def connect(path):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.connect(path)  # waits while the daemon has a crowd to welcome
    peer.settimeout(10)
    return peer


def answer(peer):
    """Status and reason; None where the daemon hung up. Also the descriptors."""
    data, control, _, _ = peer.recvmsg(4096, socket.CMSG_SPACE(128 * 4))
    descriptors = array.array("i")
    for level, kind, payload in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(payload[:len(payload) // 4 * 4])
    if not data:
        return None, "", list(descriptors)
    _, _, status, reason = WELCOME_HEAD.unpack_from(data)
    return status, reason.split(b"\0")[0].decode(), list(descriptors)


def expect(what, path, message, status, words):
    peer = connect(path)
    peer.send(message)
    got, reason, _ = answer(peer)
    if got != status or words not in reason:
        sys.exit(f"{what}: answered {got} ({reason!r}), expected {status} ({words!r})")
    print(f"{what}: {reason or 'hung up'}")
    peer.close()


def refused(path):
    expect("older library", path, hello(abi=0), -errno.EPROTO, "version 0")
    expect("newer library", path, hello(abi=2) + b"more", -errno.EPROTO, "version 2")
    expect("shorter message", path, hello()[:20], -errno.EPROTO, "version")
    expect("no such queue", path, hello(queue=64), -errno.ENOENT, "no queue 64")
    expect("no such queue", path, hello(queue=-3), -errno.ENOENT, "no queue -3")
    expect("start without a claim", path, hello(request=START), -errno.EINVAL, "out of turn")
    expect("unknown request", path, hello(request=77), -errno.EINVAL, "77")
    expect("wrong magic", path, hello(magic=1), None, "")
    expect("one byte", path, b"x", None, "")
    for _ in range(200):  # come and go without a word
        connect(path).close()
    crowd = []
    for _ in range(100):  # more than there is room for: the surplus is hung up on
        crowd.append(connect(path))
    ends = 0
    for peer in crowd:
        peer.settimeout(0.05)
        try:
            ends += peer.recv(1) == b""
        except OSError:
            pass
    print(f"crowd of 100: {ends} hung up on")
    if ends == 0:
        sys.exit("a crowd was let in")


def scribble(path, seconds):
    peer = connect(path)
    peer.send(hello())
    status, reason, descriptors = answer(peer)
    if status != 0:
        sys.exit(f"claim: {reason}")
    areas = []
    for fd in descriptors[::2]:
        size = os.fstat(fd).st_size
        for wanted in (0, size // 2, size * 2):
            try:
                os.ftruncate(fd, wanted)
                sys.exit("the memory's size could be changed")
            except PermissionError:
                pass
        areas.append(mmap.mmap(fd, size))
    peer.send(hello(request=START))
    status, reason, _ = answer(peer)
    if status != 0:
        sys.exit(f"start: {reason}")
    print("attached", flush=True)
    end = time.monotonic() + float(seconds)
    rng = random.Random(7)
    while time.monotonic() < end:
        for area in areas:
            kind = rng.randrange(4)
            for at in (TAKEN, RELEASED):
                old, = struct.unpack_from("<Q", area, at)
                struct.pack_into("<Q", area, at, (
                    rng.getrandbits(64), (old + rng.randrange(-70, 70)) % 2**64, 2**64 - 1,
                    0)[kind])
            # And everything else: the daemon reads none of it again.
            at = rng.choice((0, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 128, 320)) // 8 * 8
            struct.pack_into("<Q", area, at, rng.getrandbits(64))
            struct.pack_into("<Q", area, 384 + 8 * rng.randrange(64), rng.getrandbits(64))
    print("done")


if __name__ == "__main__":
    {"refused": refused, "scribble": scribble}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
