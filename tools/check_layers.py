#!/usr/bin/env python3
"""Holds the #includes of src/ to the layers: a folder may include only lower ones, a pure folder only pure ones and no I/O."""

import pathlib
import re
import sys

# Lowest first; folders of one row do not include each other. "pure": no Asio, no sockets, no threads, no clock.
LAYERS = [
    {"base": "pure"},
    {"toml": "pure"},
    {"mail": "pure"},
    {"auth": "pure"},
    {"smtp/protocol": "pure"},
    {"queue": "pure"},
    {"queue/sqlite": ""},
    {"sandbox": "", "backup": ""},
    {"net": ""},
    {"dns": ""},
    {"intake": "pure"},
    {"smtp/server": "", "smtp/client": ""},
    {"delivery": ""},
    {"events": ""},
    {"config": "pure"},
    {"setup": "pure"},
    {"migration": "pure"},
    {"doctor": ""},
    {"admin": ""},
    {"app": ""},
]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
PURE = {name for row in LAYERS for name, kind in row.items() if kind == "pure"}
IMPURE = re.compile(r"#include\s*<(boost/asio|boost/beast|sys/socket|netinet/|poll|sys/epoll|thread|sqlite3|ares)\b")
CLOCK = re.compile(r"\b(system_clock|steady_clock|SteadyClock|Clock)::now\s*\(|\b(time|gettimeofday|clock_gettime)\s*\((nullptr|NULL|0|CLOCK)")
# base/ holds the log, which stamps its lines and writes them, and the names of the clocks; the store in memory, which stands in for
# one on disk in tests, holds callers to their deadlines as that does.
ALLOWED = {"base/log.cpp", "base/clock.hpp", "queue/memory_store.cpp"}


def layer_of(path):
    """The layer of "queue/sqlite/store.hpp" is queue/sqlite; of "auth/dkim/key.hpp" it is auth."""
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in RANK:
        parts.pop()
    return "/".join(parts) or None


def faults(source):
    for path in sorted(source.rglob("*.[ch]pp")):
        name = path.relative_to(source).as_posix()
        layer = layer_of(name)
        if layer is None:
            yield f"src/{name}: in no layer; add its folder to tools/check_layers.py and ARCHITECTURE.md"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"src/{name}:{number}"
            if layer in PURE and name not in ALLOWED and IMPURE.match(line):
                yield f"{where}: {layer}/ is pure: {line.strip()}"
            if layer in PURE and name not in ALLOWED and CLOCK.search(line.split("//")[0]):
                yield f"{where}: {layer}/ takes time as an argument: {line.strip()}"
            match = re.match(r'#include\s*"([^"]+)"', line)
            if not match:
                continue
            included = match.group(1)
            other = layer_of(included)
            if not (source / included).exists():
                yield f"{where}: {included} is not a path from src/"
            elif layer == "config" and included.endswith("/options.hpp"):
                pass
            elif other != layer and RANK[other] >= RANK[layer]:
                yield f"{where}: {layer}/ may not include {other}/, which is not below it"
            elif layer in PURE and other not in PURE:
                yield f"{where}: {layer}/ is pure, {other}/ is not"
            elif layer == "config" and other not in ("config", "base", "toml"):
                yield f"{where}: config/ includes only base/, toml/ and the options.hpp of others"


def main():
    source = pathlib.Path(__file__).resolve().parent.parent / "src"
    found = list(faults(source))
    print("\n".join(found) if found else "the layers hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
