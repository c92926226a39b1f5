#!/usr/bin/env python3
"""Our SPF evaluator by the test-suite for RFC 7208 of openspf.org, and beside python3-spf on records made up at random."""

import gzip
import json
import pathlib
import random
import socket
import subprocess
import sys
import unittest

import spf
import yaml

SUITE = pathlib.Path("/usr/share/doc/python3-spf/rfc7208-tests.yml.gz")
VERDICTS = None      # our program


def ours(scenarios):
    """[(zone, checks)] -> [[verdict]]"""
    lines = "".join(json.dumps({"zone": zone, "checks": checks}) + "\n" for zone, checks in scenarios)
    told = subprocess.run([VERDICTS], input=lines, capture_output=True, text=True, check=True, timeout=100).stdout
    return [json.loads(line) for line in told.splitlines()]


def records_of(entries):
    """The suite's form of one name's records. SPF records (type 99) stand for TXT records where there is none of those."""
    records, generated, has_txt = [], [], False
    for entry in entries:
        if entry == "TIMEOUT":
            records.append(["TIMEOUT"])
            continue
        for kind, value in entry.items():
            text = "".join(value) if kind in ("TXT", "SPF") and isinstance(value, list) else value
            if kind == "SPF":
                generated.append(["TXT", text])
                continue
            has_txt = has_txt or kind == "TXT"
            if value != "NONE":
                records.append([kind] + value if kind == "MX" and isinstance(value, list) else [kind, text])
    return records if has_txt else generated + records


class Suite(unittest.TestCase):
    def test_every_case_of_openspf(self):
        with gzip.open(SUITE) as file:
            scenarios = list(yaml.safe_load_all(file))
        sets, names, wanted = [], [], []
        for scenario in scenarios:
            zone = {name: records_of(entries) for name, entries in scenario["zonedata"].items()}
            tests = scenario["tests"]
            sets.append((zone, [{"ip": t["host"], "helo": t["helo"], "mail_from": t["mailfrom"]} for t in tests.values()]))
            names.append(list(tests))
            wanted.append([t["result"] if isinstance(t["result"], list) else [t["result"]] for t in tests.values()])
        count = 0
        for scenario_names, scenario_wanted, got in zip(names, wanted, ours(sets), strict=True):
            for name, results, verdict in zip(scenario_names, scenario_wanted, got, strict=True):
                with self.subTest(name):
                    self.assertIn(verdict, results)
                    count += 1
        self.assertGreater(count, 190, "the suite is not what it was")


class SecondOpinion(unittest.TestCase):
    """Some hundred zones of a few names, whose records are made of mechanisms by chance: both evaluators must say the same."""

    def test_random_zones(self):
        chance = random.Random(7208)
        names = [f"d{i}.example.org" for i in range(6)]
        ips = [f"192.0.2.{i}" for i in range(4)] + ["2001:db8::1"]

        def domain():
            return chance.choice(names + ["%{d}", "%{i}._spf.%{d2}", "no.such.example.org"])

        # To include or redirect to oneself is a syntax error for python3-spf, a loop like others for us.
        def other(name):
            return chance.choice([n for n in names if n != name])

        def term(name):
            kind = chance.randrange(9)
            word = [lambda: "ip4:" + chance.choice(ips[:4]) + chance.choice(["", "/31", "/24", "/0"]), lambda: "ip6:2001:db8::/" + str(chance.choice([32, 127])),
                    lambda: "a" + chance.choice(["", ":" + domain(), "/30", "//126", ":" + domain() + "/31//64"]), lambda: "mx" + chance.choice(["", ":" + domain()]),
                    lambda: "include:" + other(name), lambda: "exists:" + domain(), lambda: "ptr" + chance.choice(["", ":example.org"]),
                    lambda: "all", lambda: "ip4:300.1.2.3" if chance.random() < 0.2 else "a"][kind]()
            return chance.choice(["", "", "", "-", "~", "?"]) + word

        sets = []
        for _ in range(300):
            zone = {}
            for name in names:
                records = []
                for _ in range(chance.choice([0, 1, 1, 1, 1, 1, 1, 2]) if name != names[0] else 1):
                    tail = chance.choice(["", " -all", " ~all", " redirect=" + other(name)])
                    records.append(["TXT", "v=spf1 " + " ".join(term(name) for _ in range(chance.randrange(4))) + tail])
                # Each has both, as python3-spf counts void answers of single questions, and we those of terms (RFC 7208 s4.6.4).
                records += [["A", chance.choice(ips[:4])], ["AAAA", chance.choice([ips[4], "2001:db8:1::1"])]]
                records += [["MX", chance.randrange(20), chance.choice(names)] for _ in range(chance.randrange(3))]
                zone[name] = records
            for i in range(4):
                zone[f"{i}.2.0.192.in-addr.arpa"] = [["PTR", chance.choice(names)]] if chance.random() < 0.6 else []
            sets.append((zone, [{"ip": ip, "helo": "mail.example.org", "mail_from": "info@" + names[0]} for ip in ips]))

        current = {}

        def lookup(name, kind, *_arguments, **_options):
            for record in current.get(name.lower().rstrip("."), []):
                if record[0] == kind:
                    value = {"TXT": lambda r: (r[1].encode(),), "MX": lambda r: (r[1], r[2]), "AAAA": lambda r: socket.inet_pton(socket.AF_INET6, r[1])}
                    yield (name, kind), value.get(kind, lambda r: r[1])(record)

        spf.DNSLookup = lookup
        seen = set()
        for (zone, checks), verdicts in zip(sets, ours(sets), strict=True):
            current = zone
            for check, verdict in zip(checks, verdicts, strict=True):
                theirs = spf.query(i=check["ip"], s=check["mail_from"], h=check["helo"], strict=True).check()[0]
                self.assertEqual(verdict, theirs, f"{check['ip']}: {json.dumps(zone, indent=1)}")
                seen.add(verdict)
        self.assertGreaterEqual(seen, {"pass", "fail", "softfail", "neutral", "permerror"})


if __name__ == "__main__":
    VERDICTS = sys.argv.pop(1)
    unittest.main()
