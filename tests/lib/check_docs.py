# SPDX-License-Identifier: BSD-3-Clause
"""Holds the documents against the tree: the table of verdicts, relative links and paths,
configuration keys, packages to install.

    check_docs.py ROOT TABLE [--write]      TABLE: the table of verdicts as it should be; --write puts
                                            it into docs/verdicts.md
"""

import os
import re
import sys
from typing import Iterator, List

BEGIN = "<!-- table: made from lib/packet/verdict.h by tests/docs.sh --write -->\n"
END = "<!-- end of table -->\n"


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def check_verdicts(root: str, table: str, write: bool) -> Iterator[str]:
    path = os.path.join(root, "docs/verdicts.md")
    text = read(path)
    before, begin, rest = text.partition(BEGIN)
    found, end, after = rest.partition(END)
    if not begin or not end:
        yield f"docs/verdicts.md: no table between '{BEGIN.strip()}' and '{END.strip()}'"
    elif found != table and write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + BEGIN + table + END + after)
    elif found != table:
        for line in sorted(set(found.splitlines()) ^ set(table.splitlines())):
            where = "only in docs/verdicts.md" if line in found else "not in docs/verdicts.md"
            yield f"{where}: {line}"
        yield "docs/verdicts.md differs from lib/packet/verdict.h: run tests/docs.sh --write"


def documents(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build"))]
        yield from (os.path.join(folder, f) for f in files if f.endswith(".md"))


def anchors(text: str) -> List[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:    |\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def check_links(root: str) -> Iterator[str]:
    for path in documents(root):
        text = read(path)
        prose = without_code(text)
        targets = re.findall(r"\]\(\s*<?([^)\s>]+)", prose)
        targets += re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, re.MULTILINE)
        for target in targets:
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, anchor = target.partition("#")
            other = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            shown = os.path.relpath(path, root)
            if not os.path.exists(other):
                yield f"{shown}: link to {target}: no such file"
            elif anchor and other.endswith(".md") and anchor not in anchors(read(other)):
                yield f"{shown}: link to {target}: no such heading"


def check_keys(root: str) -> Iterator[str]:
    keys = set()
    for name in ("config_schema.c", "config.c"):
        path = os.path.join(root, "lib/control", name)
        if os.path.exists(path):
            source = read(path)
            keys.update(re.findall(r'\b(?:TEXT|CHOICE|CYAML_FIELD_\w+)\(\s*"(\w+)"', source))
            keys.update(re.findall(r'\.key = "(\w+)"', source))
    path = os.path.join(root, "docs/configuration.md")
    if not keys or not os.path.exists(path):
        yield f"no keys in lib/control/config_schema.c ({len(keys)}), or no docs/configuration.md"
        return
    text = read(path)
    words = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    mentioned = set(re.findall(r"\w+", " ".join(words)))
    for key in sorted(keys - mentioned):
        yield f"docs/configuration.md does not mention the key {key}"


def check_packages(root: str) -> Iterator[str]:
    """The README must name what a build needs: one who types it has nothing else."""
    needed = re.search(r"^DEPS_BUILD=\(([^)]*)\)", read(os.path.join(root, "tests/lib/deps.sh")),
                       re.MULTILINE)
    named = re.search(r"^ +apt-get install ((?:.*\\\n)*.*)$", read(os.path.join(root, "README.md")),
                      re.MULTILINE)
    if not needed or not named:
        yield "no DEPS_BUILD in tests/lib/deps.sh, or no `apt-get install` in README.md"
        return
    packages = set(named.group(1).replace("\\", " ").split())
    for package in sorted(packages ^ set(needed.group(1).split())):
        where = "only in README.md" if package in packages else "not in README.md"
        yield f"package {package}: {where}; DEPS_BUILD of tests/lib/deps.sh is the list"


def check_paths(root: str) -> Iterator[str]:
    """Commands and sentences name files of the tree: each must be there."""
    path_pattern = r"(?<![\w/.~-])((?:app|config|docs|lib|tests)/[\w./-]*\w)(?![\w/]*[*{<])"
    for path in documents(root):
        for number, line in enumerate(read(path).splitlines(), 1):
            for name in re.findall(path_pattern, line):
                if not os.path.exists(os.path.join(root, name)):
                    yield f"{os.path.relpath(path, root)}:{number}: {name}: no such file"


def main() -> int:
    root, table = sys.argv[1:3]
    problems = list(check_verdicts(root, read(table), "--write" in sys.argv[3:]))
    problems += check_links(root)
    problems += check_keys(root)
    problems += check_packages(root)
    problems += check_paths(root)
    print("\n".join(problems) if problems else "documents agree with the tree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
