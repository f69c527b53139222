#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Mirror traffic of a web and a name server, whole and correct, for tools that look inside.

    web_frames.py OUT.pcap [--conversations N]

Of each kind so many: HTTP over TCP from handshake to FIN, a request and an answer of up to 8,000
bytes in one frame (as between instances with jumbo frames), and DNS over UDP. Mirrored at the
server, both directions, VNI 4321.
"""
import argparse

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import PcapWriter

CLIENT_MAC, SERVER_MAC = "02:00:0a:4d:01:01", "02:00:0a:4d:01:02"
SERVER = "172.31.2.1"  # it is mirrored, so the tunnel begins there, too
TARGET = "172.31.2.2"


class Conversation:
    def __init__(self, number):
        self.client = f"10.9.{number // 200}.{number % 200 + 1}"
        self.port = 40000 + number

    def to_server(self, payload):
        return Ether(src=CLIENT_MAC, dst=SERVER_MAC) / IP(src=self.client, dst=SERVER) / payload

    def to_client(self, payload):
        return Ether(src=SERVER_MAC, dst=CLIENT_MAC) / IP(src=SERVER, dst=self.client) / payload


def http(number):
    conversation = Conversation(number)
    request = (f"GET /page-{number} HTTP/1.1\r\nHost: web.example\r\n"
               "User-Agent: mirrortap-test\r\nConnection: close\r\n\r\n").encode()
    body = b"x" * (8000 if number % 5 == 0 else 100 + number)
    answer = (f"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\n"
              f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body
    ours, theirs = 1000, 900000
    up = {"sport": conversation.port, "dport": 80}
    down = {"sport": 80, "dport": conversation.port}
    yield conversation.to_server(TCP(**up, flags="S", seq=ours))
    yield conversation.to_client(TCP(**down, flags="SA", seq=theirs, ack=ours + 1))
    ours, theirs = ours + 1, theirs + 1
    yield conversation.to_server(TCP(**up, flags="A", seq=ours, ack=theirs))
    yield conversation.to_server(TCP(**up, flags="PA", seq=ours, ack=theirs) / request)
    ours += len(request)
    yield conversation.to_client(TCP(**down, flags="PA", seq=theirs, ack=ours) / answer)
    theirs += len(answer)
    yield conversation.to_server(TCP(**up, flags="A", seq=ours, ack=theirs))
    yield conversation.to_client(TCP(**down, flags="FA", seq=theirs, ack=ours))
    yield conversation.to_server(TCP(**up, flags="FA", seq=ours, ack=theirs + 1))
    yield conversation.to_client(TCP(**down, flags="A", seq=theirs + 1, ack=ours + 1))


def dns(number):
    conversation = Conversation(number)
    question = DNSQR(qname=f"host-{number}.example")
    up = {"sport": conversation.port, "dport": 53}
    down = {"sport": 53, "dport": conversation.port}
    yield conversation.to_server(UDP(**up) / DNS(id=number, rd=1, qd=question))
    yield conversation.to_client(UDP(**down) / DNS(
        id=number, qr=1, rd=1, ra=1, qd=question,
        an=DNSRR(rrname=question.qname, ttl=60, rdata=f"192.0.2.{number % 250 + 1}")))


def mirrored(frame, number):
    return (Ether(src="02:00:0a:4d:02:01", dst="02:00:0a:4d:02:02")
            / IP(src=SERVER, dst=TARGET, id=0)
            / UDP(sport=65408 + number % 118, dport=4789, chksum=0)
            / VXLAN(flags=8, vni=4321) / frame)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--conversations", type=int, default=20)
    options = parser.parse_args()
    clock = 1700000000.0
    with PcapWriter(options.out) as out:
        for number in range(options.conversations):
            for frame in [*http(number), *dns(1000 + number)]:
                packet = mirrored(frame, number)
                packet.time = clock
                clock += 0.0001
                out.write(packet)


main()
