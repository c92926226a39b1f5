"""Holds docs/REQUIREMENTS.md to the tree: no id missing, no file that is not there, each id cited in the tests named for it."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "REQUIREMENTS.md"
OWED = {"SUB": range(1, 21), "SMTP": [1, 2, 5, 6, 9, 11, *range(13, 28), 35, 36, 37], "EXT": [*range(4, 12), 13, 14],
        "AUTH": range(1, 10), "DSN": [1, 2, *range(5, 11)], "TLS": range(1, 10), "LU": [19], "DO": [1, 2],
        "DA": [1, 2, *range(4, 13)], "STS": [5, 6, 7], "RT": [1, 2]}


def cites(text, name):
    """AUTH-4, in names of tests also AUTH_4 and Auth4; AUTH-40 is another one."""
    letters, number = name.split("-")
    return re.search(rf"(?:{letters}[-_]|{letters.capitalize()}){number}(?![0-9])", text) is not None


def faults():
    listed = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "id":
            continue
        if len(cells) != 4:
            yield f"not four cells: {line}"
            continue
        name, _, sources, tests = cells
        if name in listed:
            yield f"{name} stands twice"
        listed[name] = tests
        for source in sources.split(", "):
            if not (ROOT / "src" / source).is_file():
                yield f"{name}: there is no src/{source}"
        for test in tests.split(", "):
            path = ROOT / "tests" / test
            if not path.is_file():
                yield f"{name}: there is no tests/{test}"
            elif not cites(path.read_text(errors="replace"), name):
                yield f"{name}: tests/{test} does not cite it"
    for letters, numbers in OWED.items():
        for number in numbers:
            if f"{letters}-{number}" not in listed:
                yield f"{letters}-{number} is not listed"


found = list(faults())
for fault in found:
    print(f"{PAGE.name}: {fault}")
sys.exit(1 if found else 0)
