#!/usr/bin/env python3
"""Relays and rules: whose mail goes where, logins, what a relay's refusal does to the queue, fallbacks, `posthorn route test`."""

import json
import os
import tempfile
import unittest

from posthorn_test import certs, world
from posthorn_test.daemon import Daemon, loopback_address
from posthorn_test.dovecot import Dovecot
from posthorn_test.receivers import Postfix
from posthorn_test.sink import Sink
from posthorn_test.world import WorldTest

AUTH = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 36700160", "AUTH PLAIN LOGIN")
PASSWORD = "hush-hush 12"
BLOCKED = "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org"


class Relays(WorldTest):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="relays-")
        self.addCleanup(scratch.cleanup)
        self.authority = certs.Authority(scratch.name)
        self.relays = {}

    def relay_sink(self, name, extensions=AUTH, certificate_for=None, **how):
        sink = Sink(loopback_address(), extensions=extensions,
                    certificate=self.authority.issue([certificate_for or f"{name}.test"]), name=f"{name}.test", **how)
        self.addCleanup(sink.stop)
        self.relays[name] = sink
        return sink

    def table(self, name, user="me", **more):
        out = {"name": name, "host": f"{name}.test:{self.relays[name].port}"}
        if user:
            out |= {"user": user, "password": PASSWORD}
        return out | more

    def relay_world(self, relays, routes, changes=None, **how):
        settings = {"relay": relays, "route": routes,
                    "delivery": {"tls_ca_file": str(self.authority.file)} | (changes or {}).pop("delivery", {})} | (changes or {})
        w = self.world(changes=settings, **how)
        for name, sink in self.relays.items():
            w.dns.set(f"{name}.test", "A", sink.address)
        return w

    def login_of(self, sink, message):
        return sink.sessions[message.connection - 1].get("login")

    # --- logins ---------------------------------------------------------------------------------------------------------

    def test_all_mail_goes_by_a_relay_after_a_login_under_verified_tls(self):  # SD-71
        isp = self.relay_sink("isp")
        w = self.relay_world([self.table("isp")], [{"to": "isp"}])
        for mechanism, allowed in (("PLAIN", []), ("LOGIN", ["login"])):
            with self.subTest(mechanism):
                w.daemon.tables["relay"][0]["mechanisms"] = allowed
                w.daemon.write_config()
                w.daemon.reload()
                w.daemon.wait_for_log(r"\breloaded\b", count=1 + (mechanism == "LOGIN"))
                w.daemon.send(f"{mechanism}@nowhere.test")   # DNS has no such domain, and is not asked
                message = isp.wait_for_message(f"{mechanism}@nowhere.test")
                self.assertTrue(message.tls)
                self.assertEqual(self.login_of(isp, message), [mechanism, "me", PASSWORD])
        w.daemon.wait_for_empty_queue()
        self.assertEqual(w.sink.accepted, 0)

    def test_scram_with_a_posthorn_as_the_relay(self):
        """AUTH-10, RFC 7677, RFC 9266: the strongest that both know, bound to the TLS connection; the relay proves that it knows us."""
        w = self.relay_world([], [])
        certificate, key = self.authority.issue(["hub.test"])
        with Daemon(dns=w.dns, delivery_port=w.sink.port, users={"spoke": PASSWORD},
                    changes={"hostname": "hub.example.test",
                             "tls": {"certificate_file": str(certificate), "key_file": str(key)}}) as hub:
            w.dns.set("hub.test", "A", hub.address)
            for number, (listener, mechanisms, used) in enumerate((("submission", [], "SCRAM-SHA-256-PLUS"),
                                                                   ("submissions", ["SCRAM-SHA-256"], "SCRAM-SHA-256"),
                                                                   ("submission", ["PLAIN"], "PLAIN"))):
                relay = {"name": "hub", "host": f"hub.test:{hub.ports[listener]}", "user": "spoke", "password": PASSWORD,
                         "tls": "implicit" if listener == "submissions" else "verified", "mechanisms": mechanisms}
                w.daemon.tables |= {"relay": [relay], "route": [{"to": "hub"}]}
                w.daemon.write_config()
                w.daemon.reload()
                w.daemon.wait_for_log(r"\breloaded\b", count=number + 1)
                w.daemon.send(f"{number}@dest.test")
                message = w.sink.wait_for_message(f"{number}@dest.test")
                self.assertRegex(message.header, r"by hub\.example\.test")
                hub.wait_for_log(rf"\bauth\b.*user=spoke.*mechanism={used}( |$)")
            w.daemon.wait_for_empty_queue()

    def test_a_password_from_the_environment_and_from_a_file(self):
        isp = self.relay_sink("isp")
        secret = tempfile.NamedTemporaryFile("w", suffix=".password")
        self.addCleanup(secret.close)
        secret.write(PASSWORD + "\n")
        secret.flush()
        w = self.relay_world([self.table("isp") | {"password": "another"}], [{"to": "isp"}],
                             environment={"POSTHORN_RELAY_ISP_PASSWORD_FILE": secret.name})
        w.daemon.send("bob@nowhere.test")
        self.assertEqual(self.login_of(isp, isp.wait_for_message("bob@nowhere.test")), ["PLAIN", "me", PASSWORD])
        shown = w.daemon.command("check-config", "--show").stdout
        self.assertIn('user = "me"', shown)
        self.assertNotIn("another", shown)
        w.daemon.wait_for_empty_queue()
        self.assertEqual(w.daemon.log("hush"), [])

    def test_the_password_is_not_said_to_a_server_that_does_not_prove_itself(self):
        isp = self.relay_sink("isp", certificate_for="somebody-else.test")
        w = self.relay_world([self.table("isp")], [{"to": "isp"}])
        w.daemon.send("bob@nowhere.test")
        self.assertIn("fault=identity", w.daemon.wait_for_log(r"relay-trouble\b.*level=error")[0])
        w.daemon.wait_for_log(r"\bdeferred\b.*class=local")
        self.assertTrue(isp.sessions)
        self.assertFalse([s for s in isp.sessions if "login" in s or any(c.startswith("AUTH") for c in s["commands"])])
        self.assertEqual(len(w.daemon.queue_ids()), 1)

    # --- rules ----------------------------------------------------------------------------------------------------------

    def test_rules_by_recipient_sender_and_provider(self):
        one, two, three = (self.relay_sink(name) for name in ("one", "two", "three"))
        w = self.relay_world(
            [self.table("one"), self.table("two", user=""), self.table("three")],
            [{"recipients": ["exception.special.test"], "to": "direct"},
             {"recipients": ["special.test", "*.special.test", "b\u00fccher.test"], "to": "one"},
             {"senders": ["shop.test"], "to": "two"},
             {"providers": ["bigmail"], "to": "three"}],
            changes={"provider": [{"name": "bigmail", "mx": ["*.bigmail.test"]}], "dkim": {"unknown_domain": "send-unsigned"}},
            domains=("dest.test", "exception.special.test"))
        w.dns.mx("customer.test", ("mx1.bigmail.test", "127.0.0.9"))
        expected = {"a@special.test": one, "b@x.y.special.test": one, "c@xn--bcher-kva.test": one, "d@dest.test": w.sink,
                    "e@customer.test": three, "f@exception.special.test": w.sink}
        for recipient in expected:
            w.daemon.send(recipient)
        w.daemon.send("g@dest.test", sender="till@shop.test")
        for recipient, sink in (expected | {"g@dest.test": two}).items():
            with self.subTest(recipient):
                sink.wait_for_message(recipient)
        w.daemon.wait_for_empty_queue()
        self.assertEqual([s.accepted for s in (one, two, three, w.sink)], [3, 1, 1, 2])

    def test_a_relays_mx_records(self):
        """mx = true: the machines are those that the MX records of the relay's domain name."""
        up = self.relay_sink("up", certificate_for="relay-domain.test")
        w = self.relay_world([self.table("up") | {"host": f"relay-domain.test:{up.port}", "mx": True}], [{"to": "up"}])
        w.dns.set("relay-domain.test", "MX", "20 up.test")
        w.daemon.send("bob@nowhere.test")
        up.wait_for_message("bob@nowhere.test")
        w.daemon.wait_for_empty_queue()

    def test_a_fixed_source_address_of_a_sender_domain(self):
        """Greylisting counts the address: the retry comes from the same one, which is the sender domain's."""
        w = self.world(changes={"retry": {"first": "1s", "jitter": 0.0}, "dkim": {"unknown_domain": "send-unsigned"}})
        own, general = loopback_address(), loopback_address()
        w.daemon.tables["domain"].append({"name": "shop.test", "unsigned_policy": "send-unsigned", "source_v4": own})
        w.daemon.tables["delivery"]["source_v4"] = general
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.sink.rule("rcpt", "451 4.7.1 Greylisting in action, please come back in 1 seconds", times=1, recipient="grey@")
        w.daemon.send("grey@dest.test", sender="till@x.shop.test")
        w.daemon.wait_for_log(r"\bdeferred\b.*grey@dest\.test")
        w.daemon.command("queue", "retry", *w.daemon.wait_for_queue(1))
        first = w.sink.wait_for_message("grey@dest.test")
        w.daemon.send("bob@dest.test")
        other = w.sink.wait_for_message("bob@dest.test")
        peers = {s["number"]: s["peer"] for s in w.sink.sessions}
        self.assertEqual(peers[first.connection], own)
        self.assertEqual({p for n, p in peers.items() if n != other.connection}, {own})
        self.assertEqual(peers[other.connection], general)
        w.daemon.wait_for_empty_queue()

    # --- whose fault ----------------------------------------------------------------------------------------------------

    def test_a_wrong_password_keeps_the_queue_until_it_is_repaired(self):
        isp = self.relay_sink("isp")
        wrong = isp.rule("auth", "535 5.7.8 Error: authentication failed")
        w = self.relay_world([self.table("isp")], [{"to": "isp"}])
        for name in ("one", "two", "three"):
            w.daemon.send(f"{name}@nowhere.test")
        w.daemon.wait_for_log(r"relay-trouble\b.*level=error relay=isp fault=login.*535 5\.7\.8")
        w.daemon.wait_for_log(r"\bdeferred\b.*class=local")
        self.assertIn("535 5.7.8", w.daemon.wait_for_output(r"isp does not work for us \(login\)", "status"))
        self.assertRegex(w.daemon.command("metrics").stdout, r'posthorn_relay_trouble\{relay="isp",fault="login"\} 1')
        self.assertEqual(len(w.daemon.wait_for_queue(3)), 3)
        self.assertEqual(isp.accepted, 0)
        self.assertEqual(len(w.daemon.log("relay-trouble")), 1)   # once, however much mail there is
        w.daemon.wait_for_output(r"posthorn_queue_oldest_seconds [1-9]", "metrics")
        self.assertEqual(w.daemon.log(r"\bfailed\b.*to="), [])
        isp.forget(wrong)
        w.daemon.reload()
        isp.wait_for_messages(3)
        w.daemon.wait_for_empty_queue()
        w.daemon.wait_for_log("relay-trouble.*is over")
        self.assertNotIn("does not work for us", w.daemon.wait_for_output("Posthorn is well", "status"))

    def test_relaying_denied_keeps_the_mail_and_a_recipients_refusal_does_not(self):
        isp = self.relay_sink("isp")
        denied = isp.rule("rcpt", "554 5.7.1 <{recipient}>: Relay access denied", recipient="denied@")
        isp.rule("rcpt", "550 5.1.1 <{recipient}>: User unknown", recipient="gone@")
        w = self.relay_world([self.table("isp")], [{"to": "isp"}])
        w.daemon.send("denied@nowhere.test")
        w.daemon.send("gone@nowhere.test")
        w.daemon.wait_for_log(r"relay-trouble\b.*fault=relaying")
        w.daemon.wait_for_log(r"\bdeferred\b.*denied@.*class=local")
        w.daemon.wait_for_log(r"\bfailed\b.*gone@.*class=rcpt-perm")
        isp.wait_for_message("alice@example.test")   # the report about gone@
        w.daemon.wait_for_queue(1)
        isp.forget(denied)
        w.daemon.reload()
        isp.wait_for_message("denied@nowhere.test")
        w.daemon.wait_for_empty_queue()

    # --- fallback -------------------------------------------------------------------------------------------------------

    def test_the_fallback_takes_over_where_a_site_refuses_us(self):
        isp = self.relay_sink("isp")
        w = self.relay_world([self.table("isp")], [{"to": "direct", "fallback": "isp"}])
        w.daemon.send("before@dest.test")
        w.sink.wait_for_message("before@dest.test")
        w.sink.rule("rcpt", "550 5.1.1 User unknown", recipient="gone@")
        w.sink.rule("mail", BLOCKED)
        w.daemon.send("bob@dest.test")
        isp.wait_for_message("bob@dest.test")        # not failed, and not an hour later
        self.assertIn("zen.spamhaus.org", w.daemon.wait_for_log(r"fallback\b.*relay=isp")[0])
        w.daemon.wait_for_empty_queue()
        before = len(w.sink.sessions)
        w.daemon.send("carol@dest.test")
        isp.wait_for_message("carol@dest.test")      # at once, without asking the site
        w.daemon.wait_for_empty_queue()
        self.assertEqual(len(w.sink.sessions), before)
        self.assertIn("by the relay isp", w.daemon.command("route", "test", "bob@dest.test").stdout)

    def test_no_fallback_for_recipients_and_contents(self):
        isp = self.relay_sink("isp")
        w = self.relay_world([self.table("isp")], [{"to": "direct", "fallback": "isp"}])
        w.sink.rule("rcpt", "550 5.1.1 User unknown", recipient="gone@")
        w.sink.rule("dot", "554 5.6.0 Message contains a virus", recipient="virus@")
        for name in ("gone", "virus"):
            w.daemon.send(f"{name}@dest.test")
            w.daemon.wait_for_log(rf"\bfailed\b.*{name}@dest\.test")
        self.assertFalse([m for m in isp.messages if m.sender])

    def test_the_fallback_takes_over_where_nobody_answers(self):
        isp = self.relay_sink("isp")
        w = self.relay_world([self.table("isp")], [{"to": "direct", "fallback": "isp", "fallback_after": "0s"}])
        w.dns.mx("silent.test", ("mx.silent.test", loopback_address()))   # nothing listens there
        w.daemon.send("bob@silent.test")
        isp.wait_for_message("bob@silent.test")
        w.daemon.wait_for_log(r"fallback\b.*no connection to it has been possible")
        w.daemon.wait_for_empty_queue()

    # --- route test -----------------------------------------------------------------------------------------------------

    def test_route_test(self):
        isp = self.relay_sink("isp")
        w = self.relay_world([self.table("isp")], [{"senders": ["shop.test"], "to": "isp"}])
        w.dns.mx("two.test", ("mx1.two.test", w.sink.address))

        def asked(*arguments, code=0):
            run = w.daemon.command("route", "test", *arguments, check=False)
            self.assertEqual(run.returncode, code, run.stdout + run.stderr)
            return run.stdout

        for stage in ("with the daemon", "without it"):
            with self.subTest(stage):
                direct = asked("bob@dest.test")
                self.assertIn("directly", direct)
                self.assertIn(f"mx.dest.test:{w.sink.port}", direct)
                self.assertIn(w.sink.address, direct)
                self.assertIn("opportunistic", direct)
                self.assertIn("the running daemon" if stage == "with the daemon" else "no daemon answers", direct)
                route = json.loads(asked("bob@dest.test", "--from", "till@shop.test", "--json"))
                self.assertEqual((route["way"], route["relay"], route["login"]), ("relay", "isp", "me"))
                self.assertIn("[[route]] 1 (senders shop.test)", route["why"])
                self.assertEqual(route["hosts"][0]["addresses"][0]["address"], isp.address)
                self.assertEqual(route["hosts"][0]["security"], "relay")
                self.assertIn("isp.test", route["hosts"][0]["why"])
                self.assertNotIn(PASSWORD, json.dumps(route))
                self.assertIn("does not exist", asked("bob@nowhere.test", code=68))
                asked("no address", code=65)
            if stage == "with the daemon":
                self.assertEqual(w.daemon.stop(), 0)
        self.assertEqual(w.sink.sessions + isp.sessions, [])   # nobody was connected to
        w.daemon.start()

    def test_route_test_without_an_answer_of_dns(self):
        w = self.world()
        w.dns.stop()
        w.daemon.tables["dns"] |= {"timeout": "100ms", "tries": 1}
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        run = w.daemon.command("route", "test", "bob@unheard-of.test", check=False)
        self.assertEqual(run.returncode, 75, run.stdout + run.stderr)
        self.assertIn("DNS gave no answer", run.stdout)


@unittest.skipUnless(os.geteuid() == 0, "Postfix runs under users of its own: only root can start it")
class ByPostfix(WorldTest):
    """The relay that most have: Debian's Postfix, whose users are Dovecot's."""

    def use(self, w, **relay):
        self.reloads = getattr(self, "reloads", 0) + 1
        w.daemon.tables |= {"relay": [self.relay | relay], "route": [{"to": "hub"}]}
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b", count=self.reloads)

    def test_logins_and_a_wrong_password(self):   # AUTH-10, RFC 4954 s6
        w = self.world(changes={"sandbox": {"read_paths": [tempfile.gettempdir()]}})   # where Postfix's certificate will lie
        dovecot = Dovecot({"me": "{PLAIN}hush-hush-12"}, mechanisms="plain login scram-sha-256")
        self.enterContext(dovecot)
        hub = Postfix(w.sink.port, domain="hub.test", users_socket=dovecot.socket)
        self.enterContext(hub)
        w.dns.set("mx.hub.test", "A", hub.address)
        w.daemon.tables["delivery"]["tls_ca_file"] = str(hub.certificate)
        self.relay = {"name": "hub", "host": f"mx.hub.test:{hub.port}", "user": "me", "password": "hush-hush-12"}
        for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.use(w, mechanisms=[mechanism])
                w.daemon.send("bob@hub.test", subject=mechanism)
                hub.wait_for("bob", mechanism)
                self.assertIn(f"sasl_method={mechanism}, sasl_username=me", hub.output())
        w.daemon.wait_for_empty_queue()
        self.use(w, password="another")
        w.daemon.send("carol@hub.test", subject="kept")
        w.daemon.wait_for_log(r"\bdeferred\b.*to=carol@hub\.test.*class=local.*stage=auth")
        self.assertIn("fault=login", w.daemon.wait_for_log(r"relay-trouble\b.*level=error")[-1])
        self.use(w)                            # the reload alone: no back-off of the relay outlives its repair
        hub.wait_for("carol", "kept", timeout=40)   # (a back-off would be 60 s)
        w.daemon.wait_for_empty_queue()

    def test_without_a_login_it_does_not_relay(self):   # RFC 5321 s3.6.1: about us, so the mail waits
        w = self.world()
        hub = Postfix(w.sink.port, domain="hub.test")
        self.enterContext(hub)
        w.dns.set("mx.hub.test", "A", hub.address)
        self.relay = {"name": "hub", "host": f"mx.hub.test:{hub.port}", "tls": "required"}
        self.use(w)
        w.daemon.send("bob@elsewhere.test")
        w.daemon.wait_for_log(r"\bdeferred\b.*to=bob@elsewhere\.test.*class=local.*Relay access denied")
        self.assertIn("fault=relaying", w.daemon.wait_for_log(r"relay-trouble\b.*level=error")[0])


if __name__ == "__main__":
    world.main()
