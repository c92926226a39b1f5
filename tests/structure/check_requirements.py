"""Holds docs/REQUIREMENTS.md to the tree: no id missing, no file that is not there, each id cited in the tests named for it, none made up."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "REQUIREMENTS.md"
OWED = {"SUB": range(1, 21), "SMTP": range(1, 38), "EXT": range(1, 15), "AUTH": range(1, 11),
        "DSN": range(1, 16), "TLS": range(1, 10), "DA": [1, 2, *range(4, 14)], "STS": range(1, 11), "RPT": range(1, 7),
        "RT": [1, 2], "LU": [19], "DO": range(1, 22), "SM": range(1, 52),
        "SD": range(1, 87),
        "PR": [1, 2, 3, *range(5, 15), *range(16, 23), 25, 26, 28, 29, *range(31, 56)]}
# Of these families a test may cite only what is listed: a citation of a rule that does not exist shows nothing.
CITED = re.compile(r"(?<![A-Za-z0-9])(SUB|SMTP|EXT|AUTH|DSN|TLS|DA|STS|RPT|RT|SM|SD|PR|DO)[-_](\d+)(?![\d.])")
SCRIPTS = {".cpp", ".hpp", ".py", ".smtp", ".toml"}


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
        names, _, sources, tests = cells
        pages = []   # where an equivalent stands, or why there is none: they cite the rule themselves
        for source in sources.split(", "):
            path = ROOT / ("" if source.startswith(("etc/", "docs/", "docker/")) else "src") / source
            if not path.is_file():
                yield f"{names}: there is no {path.relative_to(ROOT)}"
            elif source.startswith("docs/"):
                pages.append(path.read_text())
        for name in names.split(", "):   # a row may be about several
            if name in listed:
                yield f"{name} stands twice"
            listed[name] = tests
            if tests == "-" and pages:
                if not any(cites(page, name) for page in pages):
                    yield f"{name}: {sources} does not cite it"
                continue
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
    for path in sorted((ROOT / "tests").rglob("*")):
        if path.suffix not in SCRIPTS or path.parent.name == "structure":
            continue
        for name in sorted({f"{m[1]}-{m[2]}" for m in CITED.finditer(path.read_text(errors="replace"))} - set(listed)):
            yield f"tests/{path.relative_to(ROOT / 'tests')} cites {name}, which is not listed"


found = list(faults())
for fault in found:
    print(f"{PAGE.name}: {fault}")
sys.exit(1 if found else 0)
