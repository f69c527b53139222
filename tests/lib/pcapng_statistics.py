# SPDX-License-Identifier: BSD-3-Clause
"""The last interface statistics of pcapng files, as JSON, without the code that wrote them.

    pcapng_statistics.py FILE...    [{"file", "interface", "received", "dropped", "delivered"}, ...]
"""

import json
import struct
import sys
from typing import Dict


def options(data: bytes) -> Dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack("<HH", data[:4])
        if code == 0:
            break
        found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def statistics(path: str) -> Dict[str, dict]:
    with open(path, "rb") as file:
        data = file.read()
    names, last, at = [], {}, 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        (again,) = struct.unpack_from("<I", data, at + length - 4)
        assert again == length, f"{path}: block at {at}"
        body = data[at + 8 : at + length - 4]
        if kind == 1:
            names.append(options(body[8:])[2].decode())
        elif kind == 5:
            (interface,) = struct.unpack_from("<I", body)
            found = options(body[12:])
            received, dropped, delivered = (
                struct.unpack("<Q", found[code])[0] for code in (4, 5, 8)
            )
            last[names[interface]] = {
                "file": path,
                "interface": names[interface],
                "received": received,
                "dropped": dropped,
                "delivered": delivered,
            }
        at += length
    return last


print(json.dumps([line for path in sys.argv[1:] for line in statistics(path).values()]))
