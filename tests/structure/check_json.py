"""Holds the commands to one way of printing JSON: print_json() escapes what could deceive a terminal, print() does not."""

import pathlib
import re
import sys

APP = pathlib.Path(__file__).resolve().parents[2] / "src" / "app"
# serialize() within the call that prints, or behind a conditional of it.
RAW = re.compile(r"\bprint\((?:[^;]*?)\bserialize\(")


def faults():
    calls = 0
    for path in sorted(APP.glob("*.cpp")):
        text = path.read_text()
        calls += text.count("print_json(")
        for found in RAW.finditer(text):
            yield f"{path.relative_to(APP.parents[1])}:{text.count(chr(10), 0, found.start()) + 1}: JSON is printed by print_json()"
    if calls < 20:
        yield f"only {calls} calls of print_json(): this check looks at the wrong place"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) or "all JSON is printed by print_json()")
    sys.exit(1 if found else 0)
