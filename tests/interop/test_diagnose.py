#!/usr/bin/env python3
"""`posthorn diagnose` with nsd as the zones' server and unbound as a resolver that remembers: what fails, what to publish, and when it is repaired."""

import contextlib
import json
import unittest

from posthorn_test import dnssec, world
from posthorn_test.daemon import Daemon

ADDRESS = "192.0.2.1"
REVERSE = "2.0.192.in-addr.arpa"
BASE = f'''@ MX 10 mail
mail A {ADDRESS}
@ TXT "v=spf1 mx -all"
_dmarc TXT "v=DMARC1; p=none"
'''


def txt(name, value):
    pieces = " ".join(f'"{value[i:i + 255]}"' for i in range(0, len(value), 255))
    return f"{name} TXT ( {pieces} )\n"


class Diagnose(unittest.TestCase):
    """One DNS and one daemon; the tests run in the order of their names, and each says what its zone holds."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.dns = cls.stack.enter_context(dnssec.World({"example.test": BASE, REVERSE: "1 PTR mail.example.test."}, insecure=["example.test", REVERSE], ttl=600))
        cls.daemon = Daemon(changes={"dns": {"servers": [f"{cls.dns.address}:{cls.dns.port}"], "authority_private": True,
                                             "authority_port": cls.dns.authority_port}})
        cls.stack.enter_context(cls.daemon)
        cls.name, cls.key = next(iter(cls.daemon.records.items()))
        cls.selector = cls.name.removesuffix(".example.test")

    def diagnose(self, *arguments, code):
        run = self.daemon.command("diagnose", "example.test", *arguments, check=False, timeout=60)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout

    def fact(self, kind, code):
        told = json.loads(self.diagnose("--json", code=code))
        return next(fact for fact in told["facts"] if fact["kind"] == kind), told

    def test_1_a_key_that_is_not_published_until_it_is(self):
        """PR-46: from fail to pass at the zone, while the resolver still says that there is none; then there, too."""
        shown = self.diagnose(code=1)
        self.assertIn(f"FAILS    DKIM ({self.name}): there is no such record", shown)
        self.assertIn("To do: publish this TXT record", shown)
        self.assertIn(f"{self.name}. IN TXT (", shown)
        self.assertIn(f"ok       SPF (example.test from {ADDRESS}): SPF passes by \"mx\"", shown)
        self.assertIn(f"ok       reverse DNS ({ADDRESS}): {ADDRESS} is mail.example.test, and that name is {ADDRESS}", shown)
        self.assertRegex(shown, r"google +enough for few messages; for many are missing: DKIM")   # PR-1, PR-8
        self.assertRegex(shown, r"asked +the running daemon")
        # Word for word what stands in the zone file afterwards.
        record = shown.split("publish this TXT record\n", 1)[1].split(")", 1)[0]
        self.assertEqual("".join(record.split('"')[1::2]), self.key)

        self.dns.update("example.test", BASE + txt(self.selector, self.key), forget=False)
        dkim, told = self.fact("dkim", 0)
        self.assertEqual((dkim["result"], dkim["at_authority"], dkim["at_resolver"]), ("pass", True, False), dkim)
        self.assertIn("may have the old answer for", dkim["detail"])
        self.assertGreater(dkim["ttl"], 500)
        self.assertEqual([p["words"] for p in told["providers"]], ["nothing is missing"] * 5)

        self.dns.update("example.test", BASE + txt(self.selector, self.key))
        dkim, told = self.fact("dkim", 0)
        self.assertTrue(dkim["at_resolver"], dkim)
        self.assertIn("all pass", told["summary"])

    def test_2_spf_without_our_address(self):
        self.dns.update("example.test", BASE.replace("v=spf1 mx -all", "v=spf1 include:_spf.example.test -all") + '_spf TXT "v=spf1 ip4:198.51.100.0/24 ~all"\n'
                        + txt(self.selector, self.key))
        shown = self.diagnose(code=1)
        self.assertIn("SPF gives fail by \"-all\" of example.test", shown)
        self.assertIn(f'example.test. IN TXT "v=spf1 ip4:{ADDRESS} include:_spf.example.test -all"', shown)
        self.diagnose("--provider", "microsoft", code=1)   # PR-26: SPF must pass
        self.diagnose("--ip", "198.51.100.9", "--provider", "docomo", code=0)

    def test_3_another_address_has_no_name(self):
        self.dns.update("example.test", BASE + txt(self.selector, self.key))
        shown = self.diagnose("--ip", "192.0.2.9", code=1)
        self.assertIn("FAILS    reverse DNS (192.0.2.9): 192.0.2.9 has no name in DNS (no PTR record)", shown)
        self.assertIn("9.2.0.192.in-addr.arpa. IN PTR mail.example.test.", shown)
        self.assertIn("hoster", shown)

    def test_4_a_null_mx(self):
        self.dns.update("example.test", BASE.replace("@ MX 10 mail", "@ MX 0 .") + txt(self.selector, self.key))
        self.assertIn("takes no mail", self.fact("sender-domain", 1)[0]["detail"])

    def test_5_without_the_daemon(self):
        self.dns.update("example.test", BASE + txt(self.selector, self.key))
        self.assertEqual(self.daemon.stop(), 0)
        try:
            shown = self.diagnose(code=0)
            self.assertRegex(shown, r"asked +the configuration and DNS, for no daemon answers: .*admin\.sock")
            self.assertIn("ok       DKIM", shown)
        finally:
            self.daemon.start()

    def test_6_what_is_no_domain(self):
        for arguments in (["a b"], ["example.test", "--ip", "192.0.2"], ["example.test", "--from", "a..b"]):
            run = self.daemon.command("diagnose", *arguments, check=False)
            self.assertEqual(run.returncode, 65, run.stdout + run.stderr)


if __name__ == "__main__":
    world.main()
