#!/usr/bin/env python3
"""Worlds of tests/worlds by real name servers: nsd has the zones, unbound validates them, and `posthorn doctor` and `dkim testkey` must say the same
as the pure rules do (tests/unit/doctor/worlds_test.cpp, tests/unit/auth/testkey_worlds_test.cpp)."""

import concurrent.futures
import json
import shutil
import unittest

from posthorn_test import dnssec, world, worlds
from posthorn_test.daemon import Daemon

DOCTOR = [
    "all is right", "no reverse DNS at all", "the name does not lead back", "reverse DNS by a CNAME", "EHLO name has an old address",
    "null MX of the sender's domain", "IDN", "wildcard texts", "no SPF record", "two SPF records", "eleven look-ups", "macros", "quotes in SPF",
    "one character of the key is wrong", "the key by a CNAME", "ADSP", "DMARC with backslashes", "reports to somebody who did not agree",
    "at the organisational domain", "split horizon", "DNSSEC is broken",
]
TESTKEY = ["key OK", "a key of 4096 bits", "1024 bits", "nothing at all", "two keys under one selector", "revoked", "one character is wrong", "testing",
           "only the first string", "published a minute ago", "a CNAME to nothing"]
# The doctor's checks of DNS; what it says of this machine has tests of its own.
OF_DNS = {"ptr", "ptr-name", "helo", "ipv6", "spf", "spf-helo", "spf-from", "spf-tree", "spf-record", "dkim", "dkim-key", "dmarc", "dmarc-record", "dmarc-reports",
          "alignment", "identities", "sender-domain", "zone", "mx-hosts", "escapes", "adsp", "dnssec", "dnsbl"}
TESTKEY_CODES = {"ok": 0, "no_record": 1, "no_name": 2, "several": 3, "revoked": 4, "malformed": 5, "other_type": 6, "other_key": 7, "cut_short": 8, "too_short": 9,
                 "no_sha256": 10, "no_email": 11, "testing": 12, "strict": 13, "servers_differ": 14, "temporary": 75}


class Worlds(unittest.TestCase):
    def sender_in(self, one, dns):
        """A Posthorn (not started) that is the world's sender, in that DNS."""
        daemon = Daemon(keys=(), changes={"hostname": one.sender["hostname"], "dns": {**dns.settings, "authority_private": True, "authority_port": dns.authority_port},
                                          "delivery": {"family": "auto"}})
        self.addCleanup(daemon.discard)
        domains = {one.sender["domain"]: []}
        for key in one.sender["keys"]:
            name, file = key.split()
            selector, domain = name.split(".", 1)
            path = daemon.directory / f"{file}.pem"
            shutil.copy(worlds.FOLDER / "keys" / f"{file}.pem", path)
            path.chmod(0o600)
            domains.setdefault(domain, []).append({"selector": selector, "key_file": str(path)})
        daemon.tables["domain"] = [{"name": name, "dkim": keys} for name, keys in domains.items() if keys]
        daemon.write_config()
        return daemon

    def served(self, one):
        zones, strangers = one.zones()
        bogus = [one.sender["domain"]] if one.name == "DNSSEC is broken" else []
        return dnssec.World(zones, insecure=strangers, bogus=bogus, ttl=300, resolver_lines=one.resolver_lines())

    def in_worlds(self, kind, names, act):
        """[(world, what act gave there)]; a few of them at once, for most of the time is spent waiting for servers to start."""
        known = worlds.read(kind)

        def visit(name):
            one = known[name]
            self.assertFalse(one.only_pure, name)
            with self.served(one) as dns:
                return one, act(one, self.sender_in(one, dns))

        with concurrent.futures.ThreadPoolExecutor(4) as visitors:
            return list(visitors.map(visit, names))

    def test_doctor(self):
        """SD-5, SD-6, SD-76 to SD-83: each expected verdict with its words, and nothing but passes besides."""
        def examine(one, daemon):
            addresses = [word for ip in one.sender["ips"] for word in ("--ip", ip)]
            return daemon.command("doctor", "--domain", one.sender["domain"], "--json", "--only", ",".join(sorted(OF_DNS)), *addresses, check=False, timeout=90)

        for one, run in self.in_worlds("doctor", DOCTOR, examine):
            with self.subTest(one.name):
                self.judge(one, [f for f in json.loads(run.stdout)["findings"] if f["check"] in OF_DNS])
                self.assertIn(run.returncode, (0, 1, 75), run.stderr)
                if any(expected["verdict"] == "FAIL" for expected in one.expect):
                    self.assertEqual(run.returncode, 1, run.stdout + run.stderr)

    def judge(self, one, findings):
        expected = set()
        for wanted in one.expect:
            fitting = [i for i, f in enumerate(findings) if f["check"] == wanted["check"] and f["verdict"] == wanted["verdict"] and
                       wanted.get("subject", f["subject"]) == f["subject"]]
            self.assertTrue(fitting, f"no {wanted['verdict']} of {wanted['check']}, but: {[f for f in findings if f['check'] == wanted['check']]}")
            for i in fitting:
                said = "\n".join([findings[i]["title"], findings[i]["detail"], findings[i]["repair"], *findings[i]["records"], *findings[i]["commands"],
                                  *findings[i]["meaning"].values(), findings[i]["seen"]["at_authority"], findings[i]["seen"]["at_resolver"]])
                for word in wanted.get("words", []):
                    self.assertIn(word, said)
            expected.update(fitting)
        others = [f for i, f in enumerate(findings) if i not in expected and f["verdict"] not in ("PASS", "SKIP")]
        self.assertEqual(others, [], "not expected")
        self.assertGreater(len(findings), 15)

    def test_testkey(self):
        """SD-46: each fault has its exit code, and "key OK" is exact."""
        for one, run in self.in_worlds("testkey", TESTKEY, lambda _, daemon: daemon.command("dkim", "testkey", check=False, timeout=60)):
            with self.subTest(one.name):
                wanted = one.expect[0]
                self.assertEqual(run.returncode, TESTKEY_CODES[wanted["verdict"]], run.stdout + run.stderr)
                if wanted["verdict"] == "ok":
                    self.assertIn("key OK", run.stdout)


if __name__ == "__main__":
    world.main()
