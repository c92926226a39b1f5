"""Holds the bounds to their promise (DESIGN 12): each has a place in src/ where it is counted, and a row in docs/metrics.md."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def faults():
    header = (ROOT / "src" / "base" / "bound.hpp").read_text()
    names = re.findall(r"^    (\w+),$", header[header.index("enum class Bound"):header.index("kBounds")], re.M)
    if len(names) < 20:
        yield f"only {len(names)} bounds found in base/bound.hpp"
    counted = {}
    for path in (ROOT / "src").rglob("*.[ch]pp"):
        for name in re.findall(r"note_reached\(Bound::(\w+)\)", path.read_text()):
            counted.setdefault(name, set()).add(path.relative_to(ROOT))
    words = dict(re.findall(r'\{Bound::(\w+), "\w+",\s*"([^"]*)"\}', (ROOT / "src" / "base" / "bound.cpp").read_text()))
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|$", (ROOT / "docs" / "metrics.md").read_text()))
    options = (ROOT / "docs" / "CONFIGURATION.md").read_text()
    for name in names:
        if name not in counted:
            yield f"{name}: no note_reached(Bound::{name}) in src/"
        if rows.get(name) != words.get(name):
            yield f"{name}: docs/metrics.md does not say what base/bound.cpp says: {words.get(name)}"
        for setting in re.findall(r"\(((?:\w+\.)+\w+)\)", words.get(name, "")):
            if f"### `{setting.split('.')[-1]}`" not in options:
                yield f"{name}: there is no setting {setting}"
    for name in rows.keys() - set(names):
        yield f"{name}: docs/metrics.md names a bound that is not there"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) or "every bound is counted and documented")
    sys.exit(1 if found else 0)
