#!/usr/bin/env python3
"""`posthorn doctor` by the real program: a world where all is right, and one mistake after another in it (SD-5, SD-16, SD-79 to SD-83)."""

import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import time
import unittest

from posthorn_test import certs, world
from posthorn_test.daemon import Daemon, loopback_address, program, toml
from posthorn_test.dns_server import DnsServer
from posthorn_test.https_server import HttpsServer
from posthorn_test.sink import Sink

ADDRESS = "192.0.2.1"
REVERSE = "1.2.0.192.in-addr.arpa"
PROVIDERS = ("gmail.com", "yahoo.com", "outlook.com", "icloud.com")


class Doctor(unittest.TestCase):
    """One machine; each test begins with a DNS where all is right, and the configuration that the daemon was started with."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.dns = DnsServer(ttl=300)
        cls.stack.callback(cls.dns.stop)
        cls.sink = Sink(loopback_address(), starttls=False, name="mx.provider.test")
        cls.stack.callback(cls.sink.stop)
        cls.daemon = Daemon(dns=cls.dns, delivery_port=cls.sink.port)
        cls.authority = certs.Authority(cls.daemon.directory)
        chain, key = cls.authority.issue(["mail.example.test"], chain=True)
        key.chmod(0o600)
        cls.daemon.tables["tls"] = {"certificate_file": str(chain), "key_file": str(key)}
        cls.daemon.tables["delivery"]["tls_ca_file"] = str(cls.authority.file)
        # What is asked of the zones' own servers has a test of its own.
        cls.daemon.tables["dns"]["authority_servers"] = 0
        cls.daemon.tables["local"].update({"spool": "", "users_to": ["root@example.test"]})   # what check-config warns of else
        cls.tables = json.dumps(cls.daemon.tables)
        cls.daemon.write_config()
        cls.stack.enter_context(cls.daemon)
        cls.name, cls.key = next(iter(cls.daemon.records.items()))

    def setUp(self):
        with self.dns._lock:
            self.dns._table.clear()
            self.dns._failures.clear()
        self.all_is_right(self.dns)

    def all_is_right(self, dns):
        dns.set("example.test", "SOA", "ns.example.test. hostmaster.example.test. 1 3600 600 86400 300")
        dns.set("example.test", "NS", "ns.example.test.")
        dns.set("example.test", "MX", "10 mail.example.test.")
        dns.set("example.test", "TXT", "v=spf1 mx -all")
        dns.set("mail.example.test", "A", ADDRESS)
        dns.set("mail.example.test", "TXT", "v=spf1 a -all")
        dns.set("_dmarc.example.test", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@example.test")
        dns.set(self.name, "TXT", self.key)
        dns.set(REVERSE, "PTR", "mail.example.test.")
        dns.set("", "NS", "a.root.test.")
        for domain in PROVIDERS:
            dns.set(domain, "MX", "5 mx.provider.test.")
        dns.set("mx.provider.test", "A", self.sink.address)

    def configure(self, **changes):
        """A configuration of its own beside the daemon's: --config takes the last one named."""
        tables = json.loads(self.tables)
        for table, settings in changes.items():
            if isinstance(settings, dict):
                tables.setdefault(table, {}).update(settings)
            else:
                tables[table] = settings
        path = self.daemon.directory / "other.toml"
        path.write_text(toml(tables))
        return path

    def run_doctor(self, *arguments, code, config=None):
        # Whether this machine's own clock is kept right is nothing that a test can demand.
        patience = () if "--timeout" in arguments else ("--timeout", "20")
        command = [program(), "doctor", "--ip", ADDRESS, "--skip", "clock", *patience, *arguments]
        run = subprocess.run([*command, "--config", str(config or self.daemon.config_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout

    def findings(self, *arguments, code, config=None):
        told = json.loads(self.run_doctor("--json", *arguments, code=code, config=config))
        self.assertEqual(sum(told["counts"].values()), len(told["findings"]))
        return told["findings"]

    def the_only(self, check, verdict, *arguments, code=None, config=None, also=()):
        """The finding of this check, after a look that nothing else is wrong but what is in `also`."""
        code = {"FAIL": 1, "WARN": 0, "UNKNOWN": 75}[verdict] if code is None else code
        findings = self.findings(*arguments, code=code, config=config)
        wrong = {one["check"] for one in findings if one["verdict"] not in ("PASS", "SKIP")}
        self.assertEqual(wrong, {check, *also}, [one for one in findings if one["check"] in wrong])
        found = next(one for one in findings if one["check"] == check and one["verdict"] == verdict)
        if verdict == "FAIL" and check not in also:
            self.assertTrue(found["repair"] or found["records"], found)
        return found

    def test_all_is_right(self):
        shown = self.run_doctor("--strict", code=0)
        lines = shown.splitlines()
        self.assertEqual((lines[0], lines[-1]), ("all is in order",) * 2)
        self.assertNotIn("\x1b", shown)
        self.assertEqual([line for line in lines if len(line) > 80], [])
        for check in ("ptr", "helo", "spf", "dkim", "dmarc", "alignment", "port25", "resolver", "certificate", "keys", "users", "config", "disk", "queue", "daemon",
                      "zone", "mx-hosts", "spf-tree", "identities", "dmarc-reports", "adsp", "escapes"):
            self.assertRegex(shown, rf"(?m)^PASS  .*\[{check}\]$")
        # SD-3: at which names mail is judged, and that they agree.
        self.assertIn("SPF    at example.test (MAIL FROM): aligned", shown)
        self.assertIn("d=example.test): aligned", shown)
        # SD-77: the tree with what it costs.
        self.assertIn("1 of 10 look-ups", shown)
        self.assertRegex(shown, r"mx  \[1 look-up\]  <- matches")
        self.assertIn("4 of 4 mail servers greet", shown)
        for provider in ("Gmail", "Yahoo", "Outlook"):
            self.assertRegex(shown, rf"(?m)^{provider} +nothing is missing$")

    def test_reverse_dns_comes_first(self):
        """SD-82."""
        self.dns.remove(REVERSE)
        self.dns.remove("_dmarc.example.test")
        shown = self.run_doctor(code=1)
        self.assertTrue(shown.startswith(f"2 checks fail, first of all: Reverse DNS of {ADDRESS}"), shown[:200])
        self.assertIn(f"\n{REVERSE}. IN PTR mail.example.test.\n", shown)
        self.assertRegex(shown, r"(?m)^      Gmail    refuses")
        only = self.run_doctor("--provider", "yahoo", code=1)
        self.assertNotRegex(only, r"(?m)^      Gmail ")
        self.assertRegex(only, r"(?m)^      Yahoo ")

    def test_another_key_than_published(self):
        """SD-22: character by character."""
        wrong = self.key[:120] + ("A" if self.key[120] != "A" else "B") + self.key[121:]
        self.dns.set(self.name, "TXT", wrong)
        found = self.the_only("dkim", "FAIL")
        self.assertRegex(found["detail"], r"differs from character \d+ on")
        above, below, mark = found["detail"].splitlines()[-3:]
        self.assertNotEqual(above[mark.index("^")], below[mark.index("^")], found["detail"])
        self.assertIn("posthorn dkim testkey", found["commands"][0])

    def test_two_spf_records(self):
        self.dns.set("example.test", "TXT", "v=spf1 mx -all", "v=spf1 ip4:198.51.100.1 ~all")
        found = self.the_only("spf-record", "FAIL", also=("spf",))
        self.assertIn(f"ip4:{ADDRESS}", found["records"][0])

    def test_eleven_lookups(self):
        """SD-77."""
        names = [f"s{i}.example.test" for i in range(11)]
        for name in names:
            self.dns.set(name, "TXT", "v=spf1 ip4:198.51.100.1 -all")
        self.dns.set("example.test", "TXT", "v=spf1 " + " ".join(f"include:{name}" for name in names) + f" ip4:{ADDRESS} -all")
        found = self.the_only("spf-tree", "FAIL", also=("spf",))
        self.assertIn("11 of 10 look-ups", found["detail"])

    def test_zone_file_escapes(self):
        """SD-79."""
        self.dns.set("_dmarc.example.test", "TXT", "v=DMARC1\\; p=none\\; rua=mailto:dmarc@example.test")
        found = self.the_only("escapes", "FAIL", also=("dmarc",))
        self.assertIn('"v=DMARC1; p=none; rua=mailto:dmarc@example.test"', found["records"][0])

    def test_reports_to_somebody_who_has_not_agreed(self):
        """SD-80."""
        self.dns.set("_dmarc.example.test", "TXT", "v=DMARC1; p=reject; rua=mailto:d@reports.test")
        self.dns.set("reports.test", "MX", "10 mx.provider.test.")
        found = self.the_only("dmarc-reports", "WARN")
        self.assertIn('example.test._report._dmarc.reports.test. IN TXT "v=DMARC1"', found["records"][0])
        self.run_doctor("--strict", code=1)
        self.dns.set("example.test._report._dmarc.reports.test", "TXT", "v=DMARC1")
        self.run_doctor("--strict", code=0)

    def test_adsp_and_a_key_for_tests(self):
        """SD-47, SD-46."""
        self.dns.set("_adsp._domainkey.example.test", "TXT", "dkim=unknown")
        self.the_only("adsp", "WARN")
        self.dns.remove("_adsp._domainkey.example.test")
        self.dns.set(self.name, "TXT", self.key.replace("v=DKIM1;", "v=DKIM1; t=y;"))
        self.the_only("dkim-key", "WARN")

    def test_a_domain_that_nobody_can_answer(self):
        """SD-83."""
        self.dns.set("example.test", "MX", "0 .")
        self.dns.set("example.test", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
        self.the_only("sender-domain", "FAIL", also=("dmarc-reports",))

    def test_a_hosters_name_and_another_ehlo_name(self):
        self.dns.set(REVERSE, "PTR", "192-0-2-1.hoster.test.")
        self.dns.set("192-0-2-1.hoster.test", "A", ADDRESS)
        self.assertIn("hoster", self.the_only("ptr-name", "WARN")["detail"])
        self.dns.set("mail.example.test", "A", "198.51.100.7")
        self.dns.set("example.test", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
        self.dns.set("mail.example.test", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
        self.the_only("helo", "FAIL", also=("ptr-name",))

    def test_block_lists(self):
        """Opt-in; a list that refuses a public resolver has not listed us."""
        listed, refused = "bl.test", "refusing.test"
        self.dns.set("1.2.0.192." + listed, "A", "127.0.0.2")
        self.dns.set("1.2.0.192." + listed, "TXT", "see https://bl.test/192.0.2.1")
        self.dns.set("1.2.0.192." + refused, "A", "127.255.255.254")
        self.assertIn("see https://bl.test", self.the_only("dnsbl", "FAIL", "--dnsbl", listed, "--dnsbl", "clean.test")["detail"])
        self.assertIn("refuses to answer this resolver", self.the_only("dnsbl", "UNKNOWN", "--dnsbl", refused)["detail"])
        self.assertEqual(self.dns.asked("1.2.0.192." + listed, "A"), 1, "nobody is asked unless he is named")

    def test_a_resolver_that_makes_answers_up(self):
        for zone in ("com", "net", "invalid"):
            self.dns.set("*." + zone, "A", "203.0.113.99")
        found = self.the_only("resolver", "FAIL")
        self.assertIn(".invalid has an address", found["detail"])

    def test_a_resolver_that_does_not_answer(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            config = self.configure(dns={"servers": [f"127.0.0.1:{silent.getsockname()[1]}"], "timeout": "250ms", "tries": 1})
            begun = time.monotonic()
            findings = self.findings("--timeout", "6", code=1, config=config)
            self.assertLess(time.monotonic() - begun, 30)
        verdicts = {one["check"]: one["verdict"] for one in findings}
        self.assertEqual((verdicts["resolver"], verdicts["ptr"], verdicts["spf"], verdicts["dkim"]), ("FAIL", "UNKNOWN", "UNKNOWN", "UNKNOWN"), verdicts)

    def test_port_25_refused_silent_and_let_be(self):
        """SD-16."""
        with socket.socket() as nobody:
            nobody.bind((self.sink.address, 0))   # bound, and nobody listens
            refused = self.configure(delivery={"port": nobody.getsockname()[1]})
            found = self.the_only("port25", "FAIL", config=refused)
            self.assertIn("is refused on the way", found["detail"])
            self.assertIn("[[relay]]", found["repair"])
            self.run_doctor("--no-port25", "--strict", code=0, config=refused)
            nobody.listen(16)   # takes connections and says nothing
            found = self.the_only("port25", "FAIL", "--timeout", "5", config=refused)
            self.assertIn("blocked on the way", found["detail"])

    def test_certificates(self):
        """SD-60."""
        expired = self.authority.issue(["mail.example.test"], days=-1, chain=True)
        other = self.authority.issue(["www.example.test"], chain=True)
        exposed = self.authority.issue(["mail.example.test"], chain=True)
        for _, key in (expired, other):
            key.chmod(0o600)
        exposed[1].chmod(0o644)

        def with_certificate(pair):
            return self.configure(tls={"certificate_file": str(pair[0]), "key_file": str(pair[1])})

        def certificate(pair, code):
            findings = self.findings("--only", "certificate", code=code, config=with_certificate(pair))
            self.assertEqual([one["check"] for one in findings], ["certificate"])
            return findings[0]
        self.assertIn("expired", certificate(expired, 1)["detail"])
        self.assertIn("www.example.test, not for mail.example.test", certificate(other, 0)["detail"])
        self.assertIn("may be read by everybody", certificate(exposed, 0)["detail"])
        stranger = self.configure(delivery={"tls_ca_file": str(expired[0])}, tls={"certificate_file": str(certs.self_signed(self.daemon.directory, "s.test")[0]),
                                                                                 "key_file": str(self.daemon.directory / "s.test.key")}, hostname="s.test")
        found = self.findings("--only", "certificate", code=0, config=stranger)[0]
        self.assertEqual(found["verdict"], "WARN", found)
        self.assertIn("do not trust it: self", found["detail"])
        mixed = (other[0], expired[1])
        self.assertIn("does not belong to the certificate", certificate(mixed, 1)["detail"])

    def test_a_clock_that_is_behind(self):
        config = self.configure()
        soon = time.time() + 7200
        os.utime(config, (soon, soon))
        run = subprocess.run([program(), "doctor", "--only", "clock", "--no-port25", "--json", "--config", str(config)], stdout=subprocess.PIPE, text=True,
                             timeout=60, stdin=subprocess.DEVNULL)
        found = json.loads(run.stdout)["findings"]
        self.assertEqual((run.returncode, found[0]["verdict"]), (1, "FAIL"), found)
        self.assertIn("other.toml bears a later time", found[0]["detail"])

    def test_keys_that_others_may_read(self):
        """SD-30."""
        key = self.daemon.directory / "example.test.rsa.pem"
        key.chmod(0o644)
        try:
            findings = self.findings("--only", "keys", code=1)
            self.assertIn(f"chmod 600 {key}", findings[0]["commands"])
        finally:
            key.chmod(0o600)
        missing = self.configure(domain=[{"name": "example.test", "dkim": [{"selector": "rsa", "key_file": "/nowhere/key.pem"}]}])
        self.assertIn("No such file", self.findings("--only", "keys", code=1, config=missing)[0]["detail"])

    def test_without_a_daemon(self):
        config = self.configure(admin={"socket": str(self.daemon.directory / "nobody.sock")})
        findings = {one["check"]: one for one in self.findings("--strict", code=0, config=config)}
        self.assertEqual((findings["daemon"]["verdict"], findings["queue"]["verdict"]), ("SKIP", "SKIP"))
        unmade = self.configure(admin={"socket": str(self.daemon.directory / "nobody.sock")}, queue={"directory": str(self.daemon.directory / "not" / "yet")})
        disk = {one["check"]: one for one in self.findings("--strict", code=0, config=unmade)}["disk"]
        self.assertIn("made at the first start", disk["detail"])
        self.assertFalse((self.daemon.directory / "not").exists(), "the doctor changes nothing")

    def test_a_sender_that_is_held_at_a_provider(self):
        """SD-1: by the daemon's own word."""
        self.daemon.command("suspend", "example.test", "google", "--reason", "a test")
        try:
            found = self.the_only("queue", "FAIL")
            self.assertIn("held: ", found["detail"])
            self.assertIn("example.test", found["detail"])
            self.assertIn("posthorn status", found["commands"])
        finally:
            self.daemon.command("resume", "example.test", "google")
        self.run_doctor("--strict", code=0)

    def test_one_click_addresses(self):
        """RFC 8058: a look alone acts on nothing; --urls makes the POST."""
        with contextlib.ExitStack() as stack:
            server = HttpsServer(self.authority.issue(["lists.example.test"], chain=True), address=loopback_address())
            stack.callback(server.stop)
            self.dns.set("lists.example.test", "A", server.address)
            config = self.configure(stream=[{"name": "news", "from": ["news@example.test"],
                                             "unsubscribe_url": f"https://lists.example.test:{server.port}/u?t={{token}}"}])
            self.the_only("urls", "FAIL", "--urls", config=config)   # 404
            taken = len(server.requests)
            self.assertEqual(taken, 1)
            self.assertEqual((server.requests[0]["method"], server.requests[0]["body"]), ("POST", b"List-Unsubscribe=One-Click"))
            self.run_doctor("--strict", code=0, config=config)
            self.assertEqual(len(server.requests), taken, "nothing was asked without --urls")
            path = server.requests[0]["path"]
            server.answer(path.split("?")[0], "gone", status="302 Found")
            server.answer(path, "gone", status="302 Found")
            self.assertIn("redirect", self.the_only("urls", "FAIL", "--urls", config=config)["detail"])
            server.answer(path, "done")
            server.answer(path.split("?")[0], "done")
            self.run_doctor("--urls", "--strict", code=0, config=config)

    def test_the_zones_servers_are_ahead_of_the_resolver(self):
        """SD-6, SD-7: both are shown, with the time the resolver may still use what it has."""
        with contextlib.ExitStack() as stack:
            authority = DnsServer(loopback_address(), ttl=300)
            stack.callback(authority.stop)
            self.all_is_right(authority)
            self.dns.set("ns.example.test", "A", authority.address)
            self.dns.set("2.0.192.in-addr.arpa", "NS", "ns.example.test.")
            self.dns.set(self.name, "TXT", "v=DKIM1; k=rsa; p=")
            config = self.configure(dns={"authority_servers": 4, "authority_private": True, "authority_port": authority.port, "authority_timeout": "1s"})
            findings = {one["check"]: one for one in self.findings(code=0, config=config)}
            dkim = findings["dkim"]
            self.assertEqual((dkim["verdict"], dkim["seen"]["differs"]), ("PASS", True), dkim)
            self.assertIn("revoked", dkim["seen"]["at_resolver"])
            self.assertEqual(dkim["seen"]["ttl"], 300)
            self.assertIn("may have the old answer for 300 s more", dkim["detail"])
            shown = self.run_doctor(code=0, config=config)
            self.assertIn("the resolver, for 300 s more: ", shown)

    def test_on_a_terminal(self):
        """Colour and progress on a terminal alone, and no colour where NO_COLOR asks for none."""
        for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            shown = on_terminal([program(), "doctor", "--ip", ADDRESS, "--skip", "clock", "--config", str(self.daemon.config_file)], {"TERM": "xterm", **extra})
            self.assertEqual("\x1b[32mPASS" in shown, coloured, shown[:400])
            self.assertIn("looking: ", shown)
            self.assertIn("all is in order", shown)

    def test_mistakes_of_the_command_line_and_the_file(self):
        self.run_doctor("--domain", "a b", code=65)
        self.run_doctor("--ip", "192.0.2", code=65)
        self.run_doctor("--only", "nothing-of-the-kind", code=64)
        broken = self.daemon.directory / "broken.toml"
        broken.write_text("hostname = \n")
        self.run_doctor(code=78, config=broken)


def on_terminal(command, environment):
    """What the program writes on a terminal, standard output and error together."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env={**os.environ, **environment})
    os.close(follower)
    text = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([leader], [], [], 0.5)[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
    os.close(leader)
    process.wait(timeout=30)
    return re.sub("\r\n", "\n", text.decode("utf-8", "replace"))


if __name__ == "__main__":
    world.main()
