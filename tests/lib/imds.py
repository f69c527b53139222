#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stands in for EC2's instance metadata service, version 2 only: without a token one gets 401.

    imds.py --listen ADDRESS:PORT [--interface NUMBER,MAC,ENI,ADDRESS]... [--user-data FILE]
            [--tag KEY=VALUE]... [--public-key FILE] [--fail N] [--role NAME] [--lifecycle FILE]

Every version in a path is the same one. The files are read at each question, so they may change.
--fail N: the first N questions get 503. --role: credentials, as of an instance profile.
--lifecycle: what autoscaling/target-lifecycle-state says. Each question is a line on standard output.

A POST is one of AWS's other services, which takes all that is signed with these credentials; where
the file "refuse" lies in the working directory, it is refused with the error code in it.
"""
import argparse
import http.server
import json
import os
import secrets
import urllib.parse

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
CREDENTIALS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "a secret", "Token": "a token"}


def tree(options):
    """Folders are dicts, files are texts."""
    macs = {}
    for number, text in enumerate(options.interface):
        index, mac, eni, address = text.split(",")
        macs[mac] = {"device-number": index, "interface-id": eni, "local-ipv4s": address,
                     "mac": mac, "local-hostname": f"ip-{number}", "subnet-id": "subnet-0f00",
                     "subnet-ipv4-cidr-block": address.rsplit(".", 1)[0] + ".0/24"}
    primary = options.interface[0].split(",") if options.interface else ["0", "", "", ""]
    meta = {"instance-id": "i-0123456789abcdef0", "instance-type": "c6i.large",
            "ami-id": "ami-0f00", "hostname": "ip-172-31-7-2", "local-hostname": "ip-172-31-7-2",
            "local-ipv4": primary[3], "mac": primary[1],
            "placement": {"availability-zone": "eu-central-1a", "region": "eu-central-1"},
            "network": {"interfaces": {"macs": macs}}}
    if options.tag:
        meta["tags"] = {"instance": dict(tag.split("=", 1) for tag in options.tag)}
    if options.public_key:
        meta["public-keys"] = {"0": {"openssh-key": read(options.public_key).decode()}}
    if options.role:
        meta["iam"] = {"security-credentials": {options.role: json.dumps(CREDENTIALS)}}
    if options.lifecycle:
        meta["autoscaling"] = {"target-lifecycle-state": read(options.lifecycle).decode().strip()}
    identity = {"instanceId": meta["instance-id"], "region": "eu-central-1"}
    top = {"meta-data": meta, "dynamic": {"instance-identity": {"document": json.dumps(identity)}}}
    if options.user_data and os.path.exists(options.user_data):
        top["user-data"] = read(options.user_data)
    return top


def read(path):
    with open(path, "rb") as file:
        return file.read()


def listing(path, folder):
    if path[-1:] == ["public-keys"]:
        return "\n".join(f"{number}=key" for number in folder)
    return "\n".join(name + ("/" if isinstance(below, dict) else "")
                     for name, below in folder.items())


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10

    def reply(self, code, body=b""):
        print(self.command, self.path, code, flush=True)
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if self.command == "PUT":
            self.send_header(TTL, self.headers.get(TTL, "0"))
        self.end_headers()
        self.wfile.write(body)

    def failing(self):
        self.server.failures -= 1
        if self.server.failures < 0:
            return False
        self.reply(503)
        return True

    def do_PUT(self):
        if self.failing():
            return
        if self.path != "/latest/api/token" or not self.headers.get(TTL, "").isdigit():
            self.reply(400)
            return
        token = secrets.token_urlsafe(40)
        self.server.tokens.add(token)
        self.reply(200, token.encode())

    def do_GET(self):
        if self.failing():
            return
        if self.headers.get(TOKEN) not in self.server.tokens:
            self.reply(401)
            return
        found, path = tree(self.server.options), []
        for name in self.path.strip("/").split("/")[1:]:
            if not isinstance(found, dict) or name not in found:
                self.reply(404)
                return
            found = found[name]
            path.append(name)
        if isinstance(found, dict):
            found = listing(path, found)
        self.reply(200, found if isinstance(found, bytes) else found.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        signed = self.headers.get("Authorization", "")
        if not signed.startswith(f"AWS4-HMAC-SHA256 Credential={CREDENTIALS['AccessKeyId']}/") \
                or self.headers.get("X-Amz-Security-Token") != CREDENTIALS["Token"]:
            self.reply(403, b"<Code>IncompleteSignature</Code>")
            return
        arguments = dict(urllib.parse.parse_qsl(body))
        print("AWS", json.dumps({"host": self.headers["Host"], **arguments}), flush=True)
        if os.path.exists("refuse"):
            error = read("refuse").decode().strip()
            self.reply(400, f"<Code>ValidationError</Code><Message>{error}</Message>".encode())
            return
        self.reply(200, b"<Response/>")

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--interface", action="append", default=[])
    parser.add_argument("--user-data")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--public-key")
    parser.add_argument("--role")
    parser.add_argument("--lifecycle")
    parser.add_argument("--fail", type=int, default=0)
    options = parser.parse_args()
    address, port = options.listen.rsplit(":", 1)
    with http.server.ThreadingHTTPServer((address, int(port)), Handler) as server:
        server.options, server.tokens, server.failures = options, set(), options.fail
        print("listening", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
