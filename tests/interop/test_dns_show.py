#!/usr/bin/env python3
"""`posthorn dns show` (SD-8, SD-21, SD-22, SD-76): what it prints is taken by real name servers, and then it finds it there."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
import unittest

from posthorn_test import dnssec, world
from posthorn_test.daemon import Daemon, loopback_address

ADDRESS = "192.0.2.1"
REVERSE = "2.0.192.in-addr.arpa"
HEAD = "$TTL 3600\n@ IN SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 300\n@ IN NS ns.example.test.\nns IN A 127.0.0.1\n"
# What the zone has before anybody thought of mail; the MX is for mail that comes in.
BARE = '@ MX 10 mx\nmx A 198.51.100.7\n@ TXT "site-verification=1"\n'


class DnsShow(unittest.TestCase):
    """One DNS; the tests run in the order of their names, and each says what its zones hold."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.dns = cls.stack.enter_context(dnssec.World({"example.test": BARE, REVERSE: ""}, insecure=["example.test", REVERSE], ttl=600))
        cls.daemon = Daemon(keys=("rsa", "ed25519"), changes={"dns": {"servers": [f"{cls.dns.address}:{cls.dns.port}"], "authority_private": True,
                                                                        "authority_port": cls.dns.authority_port}})
        cls.addClassCleanup(cls.daemon.discard)

    def show(self, *arguments, code, domain="example.test"):
        run = self.daemon.command("dns", "show", domain, *arguments, check=False, timeout=60)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        self.remarks = run.stderr
        return run.stdout

    def records(self, *arguments, code):
        """By kind; of several of one kind a list."""
        told, = json.loads(self.show("--json", *arguments, code=code))["domains"]
        kinds = {}
        for record in told["records"]:
            kinds.setdefault(record["kind"], []).append(record)
        return kinds

    def check_zone(self, text):
        """nsd and BIND both take it as a zone's file."""
        with tempfile.NamedTemporaryFile("w", suffix=".zone") as file:
            file.write(HEAD + text)
            file.flush()
            for command in (["nsd-checkzone", "example.test", file.name], ["named-checkzone", "example.test", file.name]):
                run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": dnssec._SBIN})
                self.assertEqual(run.returncode, 0, run.stdout + text)

    def test_1_nothing_is_there(self):
        shown = self.show("--ip", ADDRESS, code=1)
        first = shown.split("\n")[0]
        self.assertRegex(first, r"^name of 192\.0\.2\.1 \(reverse DNS\).*: MISSING$")   # SD-82
        self.assertIn("  host part   rsa._domainkey\n", shown)
        self.assertIn("  whole name  rsa._domainkey.example.test\n", shown)
        self.assertIn("  value       " + self.daemon.records["rsa._domainkey.example.test"] + "\n", shown)
        self.assertIn("hoster's control panel", shown)
        self.assertIn("p=none first", shown)
        kinds = self.records("--ip", ADDRESS, code=1)
        self.assertEqual({kind: [one["state"] for one in all] for kind, all in kinds.items()},
                         {"ptr": ["missing"], "address": ["missing"], "spf": ["missing"], "dkim": ["missing"] * 2, "dmarc": ["missing"],
                          "spf-helo": ["missing"], "tlsrpt": ["missing"], "mta-sts": ["missing"]})
        self.assertEqual(kinds["spf"][0]["record"]["value"], f"v=spf1 ip4:{ADDRESS} ~all")
        self.assertEqual(kinds["dmarc"][0]["record"]["value"], "v=DMARC1; p=none; rua=mailto:postmaster@example.test")

    def test_2_what_is_printed_is_what_servers_take(self):
        """SD-8: nsd serves the lines as they were printed, and everything is found there; the resolver still has what was before."""
        zone = self.show("--ip", ADDRESS, "--format", "zone", code=1)
        self.check_zone(BARE + zone)
        self.assertIn('rsa._domainkey.example.test. IN TXT ( "', zone)
        self.assertIn("PTR", self.remarks)   # not of this zone: told, and a comment in it
        reverse, = [line.lstrip(";") for line in zone.splitlines() if line.startswith(";") and " IN PTR " in line]
        self.dns.update(REVERSE, reverse)
        self.records("--ip", ADDRESS, code=1)   # the resolver knows that there is none
        self.dns.update("example.test", BARE + zone, forget=False)
        kinds = self.records("--ip", ADDRESS, code=0)
        for kind in ("spf", "dkim", "dmarc"):
            for one in kinds[kind]:
                self.assertEqual((one["state"], one["at_resolver"]), ("present", "missing"), one)
                self.assertRegex(one["words"], r"the resolver, and so others, may go on with what was there for \d+ s")   # SD-7
        self.dns.update("example.test", BARE + zone)
        # The address is found by the host name now.
        kinds = self.records(code=0)
        self.assertEqual({one["at_resolver"] for all in kinds.values() for one in all if one["need"] != "hint"}, {"present"})
        shown = self.show("--missing", code=0)
        self.assertNotIn("v=spf1", shown)
        self.assertIn("_mta-sts.example.test", shown)   # a hint is no fault

    def test_3_spf_is_merged_and_neighbours_stay(self):
        """SD-76; Route 53 puts a set in place of all that is there, so the other TXT records are in it, too."""
        old = '@ TXT "v=spf1 include:_spf.example.test -all"\n_spf TXT "v=spf1 ip4:198.51.100.0/24 ~all"\n'
        self.dns.update("example.test", BARE + old + f"mail A {ADDRESS}\n")
        kinds = self.records(code=1)
        spf, = kinds["spf"]
        self.assertEqual(spf["state"], "differs")
        self.assertEqual(spf["found"], "v=spf1 include:_spf.example.test -all")
        self.assertEqual(spf["record"]["value"], f"v=spf1 ip4:{ADDRESS} include:_spf.example.test -all")
        self.assertIn("DNS look-ups: 1 of 10", spf["words"])
        batch = json.loads(self.show("--format", "route53", code=1))
        sets = {(one["ResourceRecordSet"]["Name"], one["ResourceRecordSet"]["Type"]): one["ResourceRecordSet"] for one in batch["Changes"]}
        self.assertEqual(len(sets), len(batch["Changes"]), "a set twice, which Route 53 refuses")
        self.assertEqual({one["Action"] for one in batch["Changes"]}, {"UPSERT"})
        self.assertEqual([one["Value"] for one in sets["example.test.", "TXT"]["ResourceRecords"]],
                         [f'"v=spf1 ip4:{ADDRESS} include:_spf.example.test -all"', '"site-verification=1"'])
        key, = sets["rsa._domainkey.example.test.", "TXT"]["ResourceRecords"]
        strings = key["Value"].split('"')[1::2]
        self.assertGreater(len(strings), 1)
        self.assertTrue(all(len(one) <= 255 for one in strings))
        self.assertEqual("".join(strings), self.daemon.records["rsa._domainkey.example.test"])
        self.assertNotIn("in-addr", json.dumps(batch))
        # For web panels: a record a line.
        lines = [line.split("\t") for line in self.show("--format", "line", code=1).splitlines()]
        self.assertIn(["example.test", "@", "TXT", f"v=spf1 ip4:{ADDRESS} include:_spf.example.test -all"], lines)
        self.assertTrue(all(len(line) == 4 for line in lines))

    def test_4_two_spf_records(self):
        self.dns.update("example.test", BARE + f'@ TXT "v=spf1 mx -all"\n@ TXT "v=spf1 a -all"\nmail A {ADDRESS}\n')
        spf, = self.records(code=1)["spf"]
        self.assertEqual(spf["record"]["value"], f"v=spf1 ip4:{ADDRESS} mx a -all")
        self.assertIn("2 SPF records", spf["words"])
        self.assertEqual(len(spf["found"].split("\n")), 2)

    def test_5_nobody_is_asked(self):
        asked = Daemon(changes={"dns": {"servers": ["127.0.0.1:1"]}})   # who is asked there answers nothing
        self.addCleanup(asked.discard)
        run = asked.command("dns", "show", "--offline", "--ip", ADDRESS, "--format", "zone", check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.check_zone(run.stdout)
        self.assertIn(f'example.test. IN TXT "v=spf1 ip4:{ADDRESS} ~all"', run.stdout)
        self.assertIn("(not looked up)", run.stdout)
        asked_once = asked.command("dns", "show", "--ip", ADDRESS, "--json", check=False, timeout=100)
        self.assertEqual(asked_once.returncode, 75, asked_once.stdout)
        states = {one["state"] for one in json.loads(asked_once.stdout)["domains"][0]["records"]}
        self.assertEqual(states, {"unknown"})   # never "missing"

    def test_6_keys_in_stages(self):
        """A key that Posthorn made and that does not sign yet must be published, too (SD-32)."""
        managed = Daemon()
        self.addCleanup(managed.discard)
        (managed.directory / "keys").mkdir(mode=0o700)
        managed.tables["domain"][0]["key_directory"] = str(managed.directory / "keys")
        managed.write_config()
        managed.command("dkim", "rotate", "example.test")
        told, = json.loads(managed.command("dns", "show", "--offline", "--ip", ADDRESS, "--json").stdout)["domains"]
        keys = [one["record"] for one in told["records"] if one["kind"] == "dkim"]
        self.assertEqual([one["host"].split(".")[0] for one in keys][0], "rsa")
        self.assertEqual(len(keys), 2)
        self.assertIn("(pending)", keys[1]["purpose"])

    def test_7_what_cannot_be(self):
        for arguments, code in ((["a b"], 65), (["example.test", "--ip", "192.0.2"], 65), (["example.test", "--format", "bind"], 64)):
            run = self.daemon.command("dns", "show", *arguments, check=False)
            self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        run = self.daemon.command("dns", "show", "other.test", "--offline", "--ip", ADDRESS)
        self.assertIn("no [[domain]] section", run.stderr)
        self.assertNotIn("_domainkey", run.stdout)

    def test_8_a_resolver_that_says_nothing(self):
        """Who waits for an answer is told soon that there is none: 75, and every record as unknown."""
        address = loopback_address()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, socket.socket() as by_tcp:
            silent.bind((address, 0))
            by_tcp.bind((address, silent.getsockname()[1]))
            by_tcp.listen()
            daemon = Daemon(changes={"dns": {"servers": [f"{address}:{silent.getsockname()[1]}"]}})
            self.addCleanup(daemon.discard)
            begun = time.monotonic()
            run = daemon.command("dns", "show", "example.test", "--json", check=False, timeout=60)
            self.assertEqual(run.returncode, 75, run.stdout + run.stderr)
            self.assertLess(time.monotonic() - begun, 25)
            told, = json.loads(run.stdout)["domains"]
            self.assertEqual({record["state"] for record in told["records"] if record["need"] == "required"}, {"unknown"})


if __name__ == "__main__":
    world.main()
