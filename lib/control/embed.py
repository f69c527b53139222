#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes a C array of a file: embed.py INPUT OUTPUT NAME. No zero at its end; sizeof tells the length."""

import sys


def main() -> int:
    source, target, name = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    with open(target, "w", encoding="ascii") as file:
        file.write(f"/* Made from {source.rsplit('/', 1)[-1]} by embed.py. */\n")
        file.write(f"static const char {name}[] = {{\n")
        for start in range(0, len(data), 20):
            # Signed, as char is where this runs.
            numbers = (byte - 256 if byte > 127 else byte for byte in data[start : start + 20])
            file.write("\t" + ", ".join(map(str, numbers)) + ",\n")
        file.write("};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
