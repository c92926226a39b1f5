#!/usr/bin/env python3
"""Keys: every fault of testkey by the real program, others' signatures verified, and rotation through all stages by a daemon that is killed."""

import base64
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

import dkim

from posthorn_test import certs, verify, world
from posthorn_test.daemon import Daemon, free_port, loopback_address, simple_message
from posthorn_test.dns_server import DnsServer
from posthorn_test.sink import Sink

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "dkim"))
import opendkim_library  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DOMAIN = "example.test"
FORMS = ("simple", "relaxed")


class Zone:
    """A resolver and the two servers of example.test, each with a table of its own, so that they may differ."""

    def __init__(self):
        addresses = [loopback_address() for _ in range(2)]
        port = free_port(addresses[0])
        self.servers = {f"ns{i + 1}": DnsServer(address, port, ttl=1) for i, address in enumerate(addresses)}
        self.resolver = DnsServer(ttl=1)
        self.places = {**self.servers, "resolver": self.resolver}
        for place in self.places.values():
            place.set(DOMAIN, "NS", *(f"{name}.{DOMAIN}." for name in self.servers))
            for name, server in self.servers.items():
                place.set(f"{name}.{DOMAIN}", "A", server.address)
        self.settings = {"servers": [f"{self.resolver.address}:{self.resolver.port}"], "authority_private": True, "authority_port": port,
                         "timeout": "1s", "authority_timeout": "1s"}

    def publish(self, name, *texts, at=("ns1", "ns2", "resolver")):
        for place in at:
            self.places[place].set(name, "TXT", *texts)

    def remove(self, name, at=("ns1", "ns2", "resolver")):
        for place in at:
            self.places[place].remove(name)

    def stop(self):
        for place in self.places.values():
            place.stop()


class WithZone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.zone = Zone()
        cls.stack.callback(cls.zone.stop)
        cls.daemon = Daemon(changes={"dns": cls.zone.settings})   # its configuration and keys; it does not run
        cls.stack.callback(cls.daemon.discard)
        cls.name, cls.record = next(iter(cls.daemon.records.items()))


class Testkey(WithZone):
    """SD-46: an exit code and words for each fault."""

    def judged(self, code, *arguments):
        run = self.daemon.command("dkim", "testkey", "--domain", DOMAIN, "--selector", "rsa", *arguments, check=False)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout

    def test_key_ok(self):
        self.zone.publish(self.name, self.record)
        shown = self.judged(0, "--verbose")
        self.assertTrue(shown.startswith(f"{self.name}: key OK\n"), shown)
        self.assertRegex(shown, r"DNSSEC: insecure")
        self.assertEqual(shown.count("key OK"), 4, shown)   # itself, two servers, the resolver
        told = json.loads(self.judged(0, "--json"))["keys"][0]
        self.assertEqual((told["fault"], told["code"], len(told["places"])), ("ok", 0, 3))
        # As opendkim-testkey is called, without a configuration of ours.
        self.assertIn("key OK", self.judged(0, "--key", str(self.daemon.directory / f"{DOMAIN}.rsa.pem")))

    def test_dnssec_is_told(self):   # SD-44
        self.zone.publish(self.name, self.record)
        self.zone.resolver.authentic = True
        self.daemon.tables["dns"]["trust_ad"] = True
        self.daemon.write_config()
        try:
            self.assertIn("DNSSEC: secure\n", self.judged(0))
        finally:
            self.zone.resolver.authentic = False
            self.daemon.tables["dns"]["trust_ad"] = False
            self.daemon.write_config()
        self.assertIn("DNSSEC: insecure", self.judged(0))

    def test_every_fault(self):
        p = self.record.split("p=")[1]
        with tempfile.TemporaryDirectory() as folder:
            other = certs.dkim_key(pathlib.Path(folder, "other.pem"))
            short = certs.dkim_key(pathlib.Path(folder, "short.pem"), bits=768)
        slip = p[:60] + ("A" if p[60] != "A" else "B") + p[61:]
        for code, words, texts in [(3, "2 TXT records", [self.record, other]), (4, "revoked", ["v=DKIM1; k=rsa; p="]),
                                   (5, "quotes or backslashes", [f'"{self.record}"']), (5, "no p= tag", ["v=DKIM1; k=rsa"]),
                                   (6, "k=ed25519", [f"v=DKIM1; k=ed25519; p={p}"]), (7, "another one", [other]),
                                   (7, "one character in all: a slip of the hand", [f"v=DKIM1; k=rsa; p={slip}"]),
                                   (8, "cut short", [self.record[:255]]), (9, "768 bits", [short]), (10, "sha256", [f"v=DKIM1; h=sha1; p={p}"]),
                                   (11, "e-mail", [f"v=DKIM1; s=other; p={p}"]), (12, "t=y", [f"v=DKIM1; t=y; p={p}"]),
                                   (13, "t=s", [f"v=DKIM1; t=s; p={p}"])]:
            with self.subTest(code=code, words=words):
                self.zone.publish(self.name, *texts)
                shown = self.judged(code)
                self.assertIn(words, shown)
                self.assertNotIn("key OK", shown)

    def test_no_record_and_no_name(self):
        self.zone.remove(self.name)
        self.zone.publish(f"below.{self.name}", "x")
        self.assertIn("has no TXT record", self.judged(1))
        self.zone.remove(f"below.{self.name}")
        shown = self.judged(2)
        self.assertIn("NXDOMAIN", shown)
        self.assertIn(f"{self.name}. IN TXT (", shown)

    def test_servers_that_differ(self):   # SD-6
        self.zone.remove(self.name)
        self.zone.publish(self.name, self.record, at=["ns1", "ns2"])
        self.assertIn("the resolver still has an older answer", self.judged(14))
        self.zone.publish(self.name, self.record, at=["resolver"])
        self.zone.remove(self.name, at=["ns2"])
        shown = self.judged(14)
        self.assertIn("the zone's servers do not say the same", shown)
        self.assertRegex(shown, r"ns1.example.test \([0-9.:]+\): key OK")
        self.assertRegex(shown, r"ns2.example.test \([0-9.:]+\): there is no name")

    def test_an_exposed_file_and_silence(self):
        self.zone.publish(self.name, self.record)
        path = self.daemon.directory / f"{DOMAIN}.rsa.pem"
        path.chmod(0o644)
        try:
            self.assertIn(f"chmod 0640 {path}", self.judged(15))
        finally:
            path.chmod(0o600)
        for place in self.zone.places.values():
            place.fail(self.name, "servfail")
        try:
            self.assertIn("did not answer", self.judged(75))
        finally:
            for place in self.zone.places.values():
                place.fail(self.name, "servfail", times=0)

    def test_words_of_the_command_line(self):
        run = self.daemon.command("dkim", "testkey", "--domain", "other.test", check=False)
        self.assertEqual(run.returncode, 66, run.stderr)
        self.assertIn("no key for other.test", run.stderr)
        run = self.daemon.command("dkim", "testkey", "--key", "x.pem", check=False)
        self.assertEqual(run.returncode, 64, run.stderr)


class Verify(WithZone):
    """Others sign, ours verifies; and says what was changed."""

    MESSAGE = (b"From: Alice <alice@example.test>\r\nTo: bob@dest.test,\r\n\tcarol@dest.test\r\nSubject: Dinner  tonight \r\n"
               b"Date: Sun, 22 Nov 2026 13:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nHello  Bob, \r\n\r\n.dot\r\nBye\r\n\r\n\r\n")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        for algorithm in ("rsa", "ed25519"):
            path = cls.daemon.directory / f"{algorithm}.sign.pem"
            cls.zone.publish(f"{algorithm}._domainkey.{DOMAIN}", certs.dkim_key(path, algorithm))
            cls.keys[algorithm] = path
        cls.rsa = cls.keys["rsa"]

    def verify(self, message, code=0):
        path = self.daemon.directory / "message.eml"
        path.write_bytes(message)
        run = self.daemon.command("dkim", "verify", str(path), "--json", check=False)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return json.loads(run.stdout)["signatures"]

    def by_dkimpy(self, algorithm, header, body):
        name = "rsa-sha256" if algorithm == "rsa" else "ed25519-sha256"
        secret = self.rsa.read_bytes()
        if algorithm == "ed25519":   # dkimpy wants the seed alone
            der = subprocess.run(["openssl", "pkey", "-in", str(self.keys[algorithm]), "-outform", "DER"], stdout=subprocess.PIPE, check=True).stdout
            secret = base64.b64encode(der[-32:])
        return dkim.sign(self.MESSAGE, algorithm.encode(), DOMAIN.encode(), secret, canonicalize=(header.encode(), body.encode()),
                         signature_algorithm=name.encode(), include_headers=[b"from", b"to", b"subject", b"date"]) + self.MESSAGE

    def by_mail_dkim(self, _, header, body):
        pkcs1 = self.daemon.directory / "pkcs1.pem"   # Mail::DKIM reads no other form
        subprocess.run(["openssl", "rsa", "-traditional", "-in", str(self.rsa), "-out", str(pkcs1)], stderr=subprocess.DEVNULL, check=True)
        return subprocess.run(["perl", str(HERE.parent / "support" / "sign_mail_dkim.pl"), DOMAIN, "rsa", str(pkcs1), f"{header}/{body}"],
                              input=self.MESSAGE, stdout=subprocess.PIPE, check=True, timeout=30).stdout

    def by_opendkim(self, _, header, body):
        keys = self.daemon.directory / "keys"
        keys.write_text("")
        return opendkim_library.OpenDkim(keys).sign(self.MESSAGE, DOMAIN, "rsa", self.rsa.read_bytes(), header, body)

    def test_signatures_of_others_hold(self):
        for signer, algorithms in ((self.by_dkimpy, ("rsa", "ed25519")), (self.by_mail_dkim, ("rsa",)), (self.by_opendkim, ("rsa",))):
            for algorithm in algorithms:
                for header in FORMS:
                    for body in FORMS:
                        with self.subTest(signer=signer.__name__, algorithm=algorithm, forms=f"{header}/{body}"):
                            message = signer(algorithm, header, body)
                            (report,) = self.verify(message)
                            self.assertEqual((report["result"], report["canonicalisation"]), ("pass", f"{header}/{body}"), report)
                            (report,) = self.verify(message.replace(b"Dinner", b"Lunch"), 1)
                            self.assertEqual(report["result"], "fail", report)
                            (report,) = self.verify(message.replace(b"Bye", b"By"), 1)
                            self.assertIn("the body was changed", report["words"])

    def test_what_was_changed_is_named(self):
        message = self.by_opendkim("rsa", "relaxed", "relaxed")
        for changed, words in ((message + b"-- \r\nlist footer\r\n", "something was appended"),
                               (message.replace(b"Subject: ", b"Subject: [list] "), '"[list]" was put into the field Subject'),
                               (message.replace(b".dot", b"..dot"), "dots of SMTP")):
            (report,) = self.verify(changed, 1)
            self.assertIn(words, report["words"])
        shown = self.daemon.command("dkim", "verify", "-", check=False, stdin="From: a@example.test\r\n\r\nhi\r\n")
        self.assertEqual((shown.returncode, shown.stdout), (1, "The message bears no DKIM-Signature.\n"))
        shown = self.daemon.command("dkim", "verify", "-", stdin=message.decode())
        self.assertRegex(shown.stdout, r"^pass      d=example.test s=rsa a=rsa-sha256 c=relaxed/relaxed, a key of 2048 bits\n$")
        self.assertEqual(self.daemon.command("dkim", "verify", "/nonexistent", check=False).returncode, 66)


class Genkey(WithZone):
    def test_several_domains_default_selector_and_no_overwriting(self):
        run = self.daemon.command("dkim", "genkey", "-d", "one.test", "-d", "two.test")
        selector = time.strftime("mta-%Y%m", time.gmtime())   # SD-32
        for domain in ("one.test", "two.test"):
            path = self.daemon.directory / "keys" / domain / f"{selector}.pem"
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)   # SD-30
            self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)
            self.assertIn(f"{selector}._domainkey.{domain}. IN TXT (", run.stdout)
            before = path.read_bytes()
            again = self.daemon.command("dkim", "genkey", "-d", "three.test", "-d", domain, "-s", selector, check=False)
            self.assertEqual(again.returncode, 73)
            self.assertIn("is not overwritten", again.stderr)
            self.assertEqual(path.read_bytes(), before)
        self.assertFalse((self.daemon.directory / "keys" / "three.test").exists(), "all or none")
        self.assertIn(f"{selector}-2._domainkey.one.test", self.daemon.command("dkim", "genkey", "-d", "one.test").stdout)
        self.assertEqual(self.daemon.command("dkim", "genkey", "-d", "one.test", "--bits", "1024", check=False).returncode, 64)   # SD-28
        for selector, kind, words, size in (("ed", "--type=ed25519", "k=ed25519", "ED25519"), ("usual", "--type=rsa", "k=rsa", "(2048 bit"),
                                            ("more", "--bits=3072", "k=rsa", "(3072 bit"), ("most", "--bits=4096", "k=rsa", "(4096 bit")):
            self.assertIn(words, self.daemon.command("dkim", "genkey", "-d", "four.test", "-s", selector, kind).stdout)
            key = self.daemon.directory / "keys" / "four.test" / f"{selector}.pem"
            shown = subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
            self.assertIn(size, shown)

    def test_a_key_that_waits_is_enough(self):
        """Where a key waits for its record, another would only be one more record to publish."""
        before = list(self.daemon.tables["domain"])
        self.daemon.tables["domain"] = [*before, {"name": "kept.test", "key_directory": "kept"}]
        self.daemon.write_config()
        try:
            self.daemon.command("dkim", "genkey", "-d", "kept.test")
            selector = time.strftime("mta-%Y%m", time.gmtime())
            refused = self.daemon.command("dkim", "genkey", "-d", "kept.test", check=False)
            self.assertEqual(refused.returncode, 73, refused.stdout + refused.stderr)
            wanted = f"dkim record --domain kept.test --selector {selector}"
            self.assertIn(f"posthorn {wanted} --config ", refused.stderr)
            self.assertEqual([path.stem for path in (self.daemon.directory / "kept").glob("*.pem")], [selector])
            self.assertIn(f"{selector}._domainkey.kept.test", self.daemon.command(*wanted.split()).stdout)
            # Of another type beside it, or by name: wanted.
            self.assertIn("k=ed25519", self.daemon.command("dkim", "genkey", "-d", "kept.test", "--type", "ed25519").stdout)
            self.assertIn("m9._domainkey.kept.test", self.daemon.command("dkim", "genkey", "-d", "kept.test", "-s", "m9").stdout)
        finally:
            self.daemon.tables["domain"] = before
            self.daemon.write_config()


class WithRotation(unittest.TestCase):
    """A running daemon with a key directory, and what DNS has of it."""

    # every: long enough for the first key to have its time; keep: long enough to be seen retiring.
    dkim_settings = {"rotate_every": "2s", "settle": "1s", "keep_record": "2s", "look_every": "1s"}
    alarm_interval = "200ms"

    def setUp(self):
        self.zone = Zone()
        self.addCleanup(self.zone.stop)
        self.sink = Sink(loopback_address(), name="mx.dest.test")
        self.addCleanup(self.sink.stop)
        self.zone.resolver.mx("dest.test", ("mx.dest.test", self.sink.address))
        self.daemon = Daemon(delivery_port=self.sink.port, changes={"dns": self.zone.settings, "dkim": self.dkim_settings,
                                                                     "retry": {"first": "1s"}, "alarm": {"interval": self.alarm_interval}})
        self.directory = self.daemon.directory / "keys"
        self.daemon.tables["domain"] = [{"name": DOMAIN, "key_directory": "keys"}]
        self.prepare()
        self.daemon.write_config()
        self.daemon.__enter__()
        self.addCleanup(lambda: self.daemon.__exit__(None))

    def prepare(self):
        """What else is there before the first start."""

    def stages(self):
        path = self.directory / "stages.json"
        return {key["selector"]: key["stage"] for key in json.loads(path.read_text())["keys"]} if path.exists() else {}

    def wait(self, condition, what, timeout=30):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"{what}: {self.stages()}\n" + "\n".join(self.daemon.log()[-20:]))
            time.sleep(0.05)

    def wait_for_stage(self, selector, *stages):
        self.wait(lambda: self.stages().get(selector) in stages, f"{selector} is not {stages}")

    def crash(self):
        self.daemon.kill()
        self.daemon.start()

    def publish(self, selector, at=("ns1", "ns2", "resolver")):
        record = certs.dkim_record(self.directory / f"{selector}.pem")
        self.zone.publish(f"{selector}._domainkey.{DOMAIN}", record, at=at)

    def send(self, number):
        """A message, and the selector it arrives signed by; the signature holds."""
        self.daemon.send([f"r{number}@dest.test"], message=simple_message(f"r{number}@dest.test"))
        return self.selector_of(number)

    def selector_of(self, number):
        message = self.sink.wait_for_message(f"r{number}@dest.test").data
        problem = verify.all_pass(message, self.zone.resolver)
        self.assertIsNone(problem)
        return verify.signatures(message)[0][1]


class Rotation(WithRotation):
    """SD-32, SD-45: killed in every stage; what it needs of DNS appears step by step."""

    def test_through_all_stages(self):
        first = time.strftime("mta-%Y%m", time.gmtime())
        self.wait_for_stage(first, "pending")   # SD-45: made by the daemon
        self.assertEqual((self.directory / f"{first}.pem").stat().st_mode & 0o777, 0o600)
        # Mail waits, and says why.
        self.daemon.send(["r0@dest.test"], message=simple_message("r0@dest.test"))
        queue_id = self.daemon.wait_for_queue(1)[0]
        self.daemon.wait_for_output("is not in use before its record is at all servers", "why", queue_id)
        # The operator hears of it: by the alarm, and by the log with the record to publish.
        self.daemon.wait_for_output(rf"key-unpublished.*{first}._domainkey.{DOMAIN}", "alarms")
        record = certs.dkim_record(self.directory / f"{first}.pem")
        self.daemon.wait_for_log(re.escape(record.replace("; ", ";")).replace(";", "; ?"))
        self.crash()
        self.publish(first, at=["ns1", "resolver"])
        shown = self.daemon.wait_for_output(r"ns2\.example\.test \([0-9.:]+\): there is no name", "dkim", "rotate", DOMAIN, "--status").strip()
        self.assertRegex(shown, rf"^pending   {first} \(rsa, 2048 bits\)")
        self.assertIn(f"{first}._domainkey.{DOMAIN}. IN TXT (", shown)
        # By hand it does not go on either.
        run = self.daemon.command("dkim", "rotate", DOMAIN, "--activate", first, check=False)
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("receivers cannot find the key", run.stderr)
        self.publish(first)
        self.wait_for_stage(first, "published", "active")
        self.crash()
        self.wait_for_stage(first, "active")
        self.assertEqual(self.selector_of(0), first)

        # The next one: made by time, and the first signs until it is at all servers.
        second = f"{first}-2"
        self.wait_for_stage(second, "pending")
        self.crash()
        self.publish(second, at=["ns2", "resolver"])
        self.assertEqual(self.send(1), first)
        self.assertEqual(self.stages()[second], "pending")
        self.publish(second)
        self.wait_for_stage(second, "active")
        self.crash()
        self.assertIn(self.stages()[first], ("retiring", "gone"))
        self.assertEqual(self.send(2), second)
        self.wait_for_stage(first, "gone")
        self.wait(lambda: not (self.directory / f"{first}.pem").exists(), "the old private key is still there")
        stages = self.stages()
        for selector, stage in stages.items():
            self.assertEqual((self.directory / f"{selector}.pem").exists(), stage != "gone", stages)
        # No private key in the log (SD-49).
        self.assertFalse(self.daemon.log("PRIVATE KEY"))

    def test_by_hand(self):
        self.daemon.tables["dkim"] = {"autogenerate": False, "settle": "0s", "look_every": "1h"}
        self.daemon.write_config()
        first = time.strftime("mta-%Y%m", time.gmtime())
        self.wait_for_stage(first, "pending")
        self.daemon.reload()
        rotate = lambda *arguments, code=0: self.assertEqual(   # noqa: E731
            self.daemon.command("dkim", "rotate", DOMAIN, *arguments, check=False).returncode, code)
        rotate("--abort", first)
        self.assertEqual(self.stages(), {})
        # A key that was in use with OpenDKIM is taken along.
        record = certs.dkim_key(self.directory / "old.pem")
        self.zone.publish(f"old._domainkey.{DOMAIN}", record)
        rotate("--adopt", "old")
        self.assertEqual(self.send(1), "old")
        rotate("--selector", "new", "--bits", "3072")
        rotate(code=1)   # one at a time
        rotate("--publish", code=1)
        self.publish("new")
        rotate("--publish")
        self.wait_for_stage("new", "published", "active")
        # The daemon may do it first, also between a look at the stages and the command, which then says that there is nothing to do.
        ended = self.daemon.command("dkim", "rotate", DOMAIN, "--activate", "new", check=False)
        self.assertIn(ended.returncode, (0, 1), ended.stderr)
        self.assertEqual(self.stages(), {"old": "retiring", "new": "active"})
        self.assertEqual(self.send(2), "new")
        rotate("--activate", "old")   # back
        self.assertEqual(self.send(3), "old")
        told = json.loads(self.daemon.command("dkim", "rotate", DOMAIN, "--status", "--json").stdout)
        self.assertEqual({key["selector"]: (key["stage"], key["at_all_servers"]) for key in told["keys"]},
                         {"old": ("active", True), "new": ("retiring", True)})
        rotate("--retire", "old", code=1)   # nothing would sign

    def test_a_domain_that_is_taken_out_during_a_look_raises_no_alarm(self):
        first = time.strftime("mta-%Y%m", time.gmtime())
        name = f"{first}._domainkey.{DOMAIN}"
        alarm = rf"key-unpublished.*{name}"
        self.daemon.wait_for_output(alarm, "alarms")
        for server in self.zone.servers.values():
            server.fail(name, "silent")
        asked = self.zone.servers["ns1"].asked(name, "TXT")
        self.wait(lambda: self.zone.servers["ns1"].asked(name, "TXT") > asked, "no look began")
        at_resolver = self.zone.resolver.asked(name, "TXT")
        self.daemon.tables["domain"] = []
        self.daemon.write_config()
        self.daemon.reload()
        # The look ends with the resolver, as ever.
        self.wait(lambda: self.zone.resolver.asked(name, "TXT") > at_resolver, "the look did not end")
        self.daemon.command("dkim", "testkey", "--domain", DOMAIN, check=False)   # time for the answer
        self.wait(lambda: not re.search(alarm, self.daemon.command("alarms").stdout), "the alarm stays")


class Reload(WithRotation):
    """The operator publishes the record, and reloads instead of waiting."""

    dkim_settings = {"settle": "0s", "look_every": "1h"}
    alarm_interval = "1h"

    def test_status_begins_with_the_held_mail(self):
        self.daemon.wait_for_log(r"\bdkim_keys\b.*action=")
        shown = self.daemon.command("status").stdout
        self.assertTrue(shown.startswith(f"Posthorn works, and the mail of {DOMAIN} is held here: it has no DKIM key in use"), shown)
        self.assertRegex(shown, rf"(?m)^held +mail of {DOMAIN}: .* is not in use before its record")

    def test_a_start_does_not_take_the_alarm_back(self):
        self.daemon.wait_for_output("key-unpublished", "alarms")
        self.daemon.stop()
        self.daemon.start()
        self.daemon.wait_for_log(r"\bdkim_keys\b.*action=", count=2)   # it looked again, and misses the record still
        self.daemon.wait_for_output("key-unpublished", "alarms")
        self.daemon.stop()
        told = [line for line in self.daemon.log() if "alarm=key-unpublished" in line]
        self.assertEqual(len(told), 1, "\n".join(told))

    def test_no_alarm_of_a_record_that_the_reload_finds(self):
        first = time.strftime("mta-%Y%m", time.gmtime())
        self.daemon.wait_for_log(r"\bdkim_keys\b.*action=")   # it looked, and misses the record
        self.publish(first)
        self.daemon.reload()
        self.wait_for_stage(first, "active")
        self.wait(lambda: "key-unpublished" not in self.daemon.command("alarms").stdout, "the alarm stays")
        self.daemon.stop()
        log = self.daemon.log()
        at = max(i for i, line in enumerate(log) if re.search(r"\breloaded\b", line))
        self.assertFalse([line for line in log[at:] if re.search(r"alarm=key-unpublished.*state=raised", line)], "\n".join(log[at:]))


class Overtaken(WithRotation):
    """A reload comes while the alarms' look waits for DNS: what it found was so before."""

    dkim_settings = {"settle": "0s", "look_every": "1h"}
    alarm_interval = "1h"
    other = "rsa._domainkey.other.test"

    def prepare(self):
        self.daemon.tables["dns"].update(timeout="30s", authority_timeout="30s")
        key = {"selector": "rsa", "key_file": str(self.daemon.directory / f"{DOMAIN}.rsa.pem")}
        self.daemon.tables["domain"].append({"name": "other.test", "dkim": [key]})
        self.zone.resolver.set(self.other, "TXT", self.daemon.records[f"rsa._domainkey.{DOMAIN}"])
        self.zone.resolver.fail(self.other, "held")

    def test_it_raises_no_alarm(self):
        first = time.strftime("mta-%Y%m", time.gmtime())
        name = f"{first}._domainkey.{DOMAIN}"
        resolver, authority = self.zone.resolver, self.zone.servers["ns1"]
        self.wait(lambda: resolver.asked(self.other, "TXT"), "the alarms do not look")   # and know that the record is missing
        self.publish(first)
        asked = authority.asked(name, "TXT")
        authority.fail(name, "held")
        self.daemon.reload()
        self.wait(lambda: authority.asked(name, "TXT") > asked, "the keys are not looked for")
        resolver.fail(self.other, None)
        self.assertNotIn("key-unpublished", self.daemon.command("alarms").stdout)
        authority.fail(name, None)
        self.wait_for_stage(first, "active")
        self.assertNotIn("key-unpublished", self.daemon.command("alarms").stdout)
        self.daemon.stop()
        self.assertFalse(self.daemon.log("alarm=key-unpublished"))


if __name__ == "__main__":
    world.main()
