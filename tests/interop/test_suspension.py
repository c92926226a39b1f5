#!/usr/bin/env python3
"""Suspended pairs of sender and provider: held, seen, repaired, probed once, released; operators' orders; the report at the end."""

import json
import time

from posthorn_test import providers, world
from posthorn_test.daemon import loopback_address, simple_message
from posthorn_test.providers import InternetTest
from posthorn_test.sink import Sink

KEY = "rsa._domainkey.example.test"
# A poll each 20, 40, 100, 200 and then each 300 ms; nothing that a test does not wait for comes by itself.
QUICK = {"retry": {"auth_poll": "300ms", "auth_settle": "150ms", "auth_first": "1h", "first": "100ms", "max": "200ms", "jitter": 0.0}}
HELD = "google refuses mail of example.test until its SPF or DKIM is repaired"


class Suspension(InternetTest):
    def broken(self, changes=None, **how):
        """DNS has neither our key nor our address, and Google says so to whatever is sent."""
        retry = QUICK["retry"] | (changes or {}).pop("retry", {})
        net = self.internet(providers=("google", "yahoo"), changes={"retry": retry} | (changes or {}), **how)
        self.key = net.daemon.records[KEY]
        net.dns.remove(KEY, "TXT")
        net.dns.set("example.test", "TXT", "v=spf1 -all")
        self.refusal = net.google.sink.rule("dot", providers.FIELD_REPORT)
        return net

    def repair(self, net):
        net.google.sink.forget(self.refusal)
        net.dns.set(KEY, "TXT", self.key)

    def suspended(self, net):
        """The first message is refused, and the diagnosis explains it."""
        net.daemon.send("first@gmail.com")
        net.daemon.wait_for_log(r' suspended .*pair="example.test at google"')
        net.daemon.wait_for_queue(1)

    def queue(self, net):
        return net.daemon.command("queue", "list").stdout

    def test_held_until_dns_is_repaired_then_one_probe_and_release(self):
        """PR-45, PR-46, PR-47: nothing goes to Google for the domain, all else goes on; after the repair one probe, then the rest."""
        net = self.broken(ours=("example.test", "other.test"))
        self.suspended(net)
        sessions = len(net.google.sink.sessions)
        for number in range(4):
            net.daemon.send(f"held{number}@gmail.com")
        net.daemon.send("fine@yahoo.com")
        net.yahoo.sink.wait_for_message("fine@yahoo.com")
        net.daemon.wait_for_output(HELD, "queue", "list")
        self.assertEqual(len(net.google.sink.sessions), sessions)

        # Another domain of ours is not concerned.
        net.google.sink.forget(self.refusal)
        net.daemon.send("other@gmail.com", sender="bob@other.test", message=simple_message("other@gmail.com", sender="bob@other.test"))
        net.google.sink.wait_for_message("other@gmail.com")
        self.assertEqual(len(net.google.sink.messages), 1)

        net.google.sink.clear()
        self.repair(net)
        net.google.sink.wait_for_messages(5)
        net.daemon.wait_for_empty_queue()
        self.assertEqual(len(net.daemon.wait_for_log(r' released .*pair="example.test at google"')), 1)
        self.assertEqual(len(net.daemon.log(r' probe .*pair="example.test at google"')), 1)   # said before
        first = net.google.sink.messages[0]
        self.assertEqual(first.recipients, ["first@gmail.com"])   # the oldest, and its one recipient
        self.assertIn(KEY.split(".")[0], first.fields("DKIM-Signature")[0])

    def test_the_suspension_survives_kill(self):
        """PR-50: kill -9 while pairs are suspended; nothing is sent to them afterwards, and the repair is seen."""
        net = self.broken()
        self.suspended(net)
        sessions = len(net.google.sink.sessions)
        net.daemon.kill()
        net.daemon.start()
        net.daemon.send("second@gmail.com")
        net.daemon.wait_for_output(HELD, "queue", "list")
        net.daemon.send("fine@yahoo.com")
        net.yahoo.sink.wait_for_message("fine@yahoo.com")
        self.assertEqual(len(net.google.sink.sessions), sessions)
        self.repair(net)
        net.google.sink.wait_for_messages(2)
        net.daemon.wait_for_empty_queue()
        self.assertEqual([m.recipients for m in net.google.sink.messages], [["first@gmail.com"], ["second@gmail.com"]])

    def test_at_the_end_of_its_time_the_sender_gets_reply_diagnosis_and_records(self):
        """PR-48: one report for each message, also for what was never sent: status 5.7.26, the reply, and what to publish."""
        net = self.broken(changes={"retry": {"auth_lifetime": "2s"}})
        self.suspended(net)
        net.daemon.send(["behind@gmail.com", "too@gmail.com"])
        self.assertTrue(net.home.wait(lambda s: len(s.messages) >= 2))
        net.daemon.wait_for_empty_queue()
        self.assertEqual(len(net.home.messages), 2)
        for report in net.home.messages:
            text = report.data.decode().replace("=\r\n", "")
            for words in ("Status: 5.7.26", "Action: failed", "sender is unauthenticated", "auto-replied"):
                self.assertIn(words, text)
            self.assertIn(KEY, text)            # the record to publish
            self.assertIn("v=DKIM1", text)
        behind = next(m for m in net.home.messages if b"behind@gmail.com" in m.data)
        self.assertIn(b"too@gmail.com", behind.data)
        self.assertIn(b"not sent at all", behind.data)
        self.assertEqual(len(net.google.sink.messages), 0)
        # PR-40: what DNS showed is in the journal, so that it is known when the mail has left.
        gone = net.daemon.command("why", "behind@gmail.com").stdout
        self.assertRegex(gone, r"Nothing for behind@gmail\.com waits; the last message failed")
        message = json.loads(net.daemon.command("why", "behind@gmail.com", "--json").stdout)["lately"][0]["message"]
        known = json.loads(net.daemon.command("why", message, "--json").stdout)["recipients"][0]["last"]["diagnosis"]
        self.assertIn(KEY, known)
        self.assertIn("v=DKIM1", known)
        self.assertRegex(net.daemon.command("why", message).stdout, r"(?m)^  diagnosis +\S")

    def test_a_message_may_be_worth_less_time(self):
        """2.7: a password reset is worthless after an hour, whatever retry.auth_lifetime says."""
        net = self.broken()
        self.suspended(net)
        net.daemon.send("reset@gmail.com", extra="X-Posthorn-Expire: 1s\r\n")
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"reset@gmail.com", report.data)
        self.assertIn(b"5.7.26", report.data)
        self.assertNotIn(b"X-Posthorn", report.data)
        net.daemon.wait_for_queue(1)

    def test_the_operator_suspends_and_resumes(self):
        """By domain (any below counts as its organisation's) and provider, a host of it, or a recipient domain."""
        net = self.internet(providers=("google", "yahoo"), changes=QUICK)
        for provider in ("google", "gmail-smtp-in.l.google.com", "gmail.com"):
            with self.subTest(provider):
                net.google.sink.clear()
                out = net.daemon.command("suspend", "news.example.test", provider, "--reason", "moving").stdout
                self.assertIn("example.test at google: suspended", out)
                net.daemon.send("bob@gmail.com")
                net.daemon.wait_for_output(r"held: mail of example.test to google was suspended by the operator \(moving\)", "queue", "list")
                net.daemon.send("fine@yahoo.com")
                net.yahoo.sink.wait_for_message("fine@yahoo.com")
                self.assertEqual(net.google.sink.messages, [])
                self.assertIn("example.test at google: goes on", net.daemon.command("resume", "example.test", provider).stdout)
                net.google.sink.wait_for_message("bob@gmail.com")
                net.daemon.wait_for_empty_queue()
                net.daemon.command("resume", "example.test", "google")   # at full speed: the slow start is another test's
                net.yahoo.sink.clear()
        self.assertIn("Nothing was suspended or slowed down there", net.daemon.command("resume", "example.test", "google").stdout)
        self.assertNotEqual(net.daemon.command("suspend", "example.test", check=False).returncode, 0)
        self.assertNotEqual(net.daemon.command("suspend", "no domain", "google", check=False).returncode, 0)
        stranger = net.daemon.command("suspend", "exmaple.test", "google", check=False)
        self.assertEqual(stranger.returncode, 64)
        self.assertIn('"exmaple.test" is none of our domains, so no mail of it is sent; ours are example.test', stranger.stderr)
        self.assertNotEqual(net.daemon.command("suspend", "example.test", "nobody.invalid", check=False).returncode, 0)

    def test_a_suspension_for_a_time_ends_by_itself(self):
        net = self.internet(providers=("google",), changes=QUICK)
        net.daemon.command("suspend", "example.test", "google", "--for", "2s")
        began = time.monotonic()
        net.daemon.send("bob@gmail.com")
        net.google.sink.wait_for_message("bob@gmail.com")
        self.assertGreater(time.monotonic() - began, 1)

    def test_retry_passes_once_and_bounce_ends_what_is_held(self):
        net = self.internet(providers=("google",), changes=QUICK)
        net.daemon.command("suspend", "ip", "google")
        self.assertIn("Posthorn works, and this machine's mail is held somewhere: ", net.daemon.command("status").stdout)
        self.assertIn("; this machine's mail is held; ", net.daemon.command("why", "google").stdout)
        for name in ("one", "two", "three"):
            net.daemon.send(f"{name}@gmail.com")
        net.daemon.wait_for_queue(3)
        one, two, three = net.daemon.queue_ids()
        self.assertIn("recipient tried now", net.daemon.command("queue", "retry", two).stdout)
        net.google.sink.wait_for_messages(1)
        net.daemon.wait_for_queue(2)
        self.assertEqual(net.google.sink.messages[0].recipients, ["two@gmail.com"])
        net.daemon.command("queue", "bounce", one)
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"one@gmail.com", report.data)
        net.daemon.wait_for_queue(1)
        self.assertEqual(net.daemon.queue_ids(), [three])
        self.assertEqual(len(net.google.sink.messages), 1)

    def test_with_a_fallback_relay_mail_goes_by_it_until_the_probe(self):
        """The pair is suspended, diagnosed and probed as any other, but nothing waits: the next message after the repair is the probe."""
        isp = Sink(loopback_address(), name="isp.test")
        self.addCleanup(isp.stop)
        net = self.broken(changes={"relay": [{"name": "isp", "host": f"isp.test:{isp.port}", "tls": "opportunistic"}],
                                   "route": [{"to": "direct", "fallback": "isp"}]})
        net.dns.set("isp.test", "A", isp.address)
        for name in ("first", "second"):
            net.daemon.send(f"{name}@gmail.com")
            isp.wait_for_message(f"{name}@gmail.com")
        net.daemon.wait_for_empty_queue()
        self.assertEqual(len(net.google.commands("MAIL")), 1)
        self.repair(net)
        net.daemon.wait_for_log(" probe .*the next message is the probe")
        net.daemon.send("third@gmail.com")
        net.google.sink.wait_for_message("third@gmail.com")
        net.daemon.wait_for_log(r' released .*pair="example.test at google"')
        self.assertEqual(len(isp.messages), 2)

    def test_strict_5xx_at_a_reload_gives_the_suspension_up(self):
        """PR-52"""
        net = self.broken()
        self.suspended(net)
        net.daemon.tables["retry"]["strict_5xx"] = True
        net.daemon.write_config()
        net.daemon.reload()
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"5.7.26", report.data)
        net.daemon.wait_for_empty_queue()


if __name__ == "__main__":
    world.main()
