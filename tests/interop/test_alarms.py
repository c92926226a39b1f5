"""Alarms: told once by command and webhook, remembered over kill -9, and told when they are over (PR-50)."""

import json
import os
import pathlib
import signal
import tempfile
import time

from posthorn_test import certs, world
from posthorn_test.daemon import loopback_address
from posthorn_test.https_server import HttpsServer
from test_webhooks import signatures

SECRET = "0123456789abcdef0123456789abcdef"
HUGE = "1000000GiB"   # a bound that every disk is below

# One line of JSON for each alarm: the environment and what came on standard input.
RECORDER = """#!/usr/bin/python3
import json, os, sys
record = {"environment": dict(os.environ), "input": json.load(sys.stdin), "arguments": sys.argv[1:]}
with open(%r, "a") as out:
    out.write(json.dumps(record) + "\\n")
"""


class Alarms(world.WorldTest):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.records = self.directory / "records.jsonl"
        self.command = self.script("recorder", RECORDER % str(self.records))

    def script(self, name, text):
        file = self.directory / name
        file.write_text(text)
        file.chmod(0o755)
        return str(file)

    def begin(self, **alarm):
        self.w = self.world(starttls=False, changes={"alarm": {"command": [self.command, "one", "a b;c"], "interval": "200ms"} | alarm,
                                                     "sandbox": {"write_paths": [str(self.directory)]}})
        self.d = self.w.daemon

    def change(self, **alarm):
        self.d.tables["alarm"] |= alarm
        self.d.write_config()
        before = len(self.d.log(r"\breloaded\b"))
        self.d.reload()
        deadline = time.monotonic() + 30
        while len(self.d.log(r"\breloaded\b")) == before:
            self.assertLess(time.monotonic(), deadline, self.d.log()[-5:])
            time.sleep(0.01)

    def told(self):
        return [json.loads(line) for line in self.records.read_text().splitlines()] if self.records.exists() else []

    def states(self, kind):
        return [record["input"]["state"] for record in self.told() if record["input"]["alarm"] == kind]

    def wait_for_states(self, kind, states, timeout=30.0):
        deadline = time.monotonic() + timeout
        while self.states(kind) != states:
            self.assertLess(time.monotonic(), deadline, self.told())
            time.sleep(0.02)

    def test_once_over_restarts_and_when_it_is_over(self):
        self.begin(disk_free=HUGE)
        self.wait_for_states("disk-nearly-full", ["raised"])
        record = self.told()[0]
        self.assertEqual(record["arguments"], ["one", "a b;c"], "no shell is between")
        environment, text = record["environment"], record["input"]
        self.assertEqual(environment["POSTHORN_ALARM_KIND"], "disk-nearly-full")
        self.assertEqual(environment["POSTHORN_ALARM_STATE"], "raised")
        self.assertEqual(environment["POSTHORN_ALARM_TEXT"], text["text"])
        self.assertEqual(text["server"], "mail.example.test")
        self.assertEqual(text["subject"], self.d.tables["queue"]["directory"])
        self.assertIn("MiB are free", self.d.command("alarms").stdout)
        self.assertRegex(self.d.command("metrics").stdout, r'(?m)^posthorn_alarms\{kind="disk-nearly-full"\} 1$')
        # That it was told is on disk a second later at the latest; then the process may die as it likes.
        self.d.wait_for_log(r"alarm_command.*disk-nearly-full")
        self.assertTrue(self.wait_until_remembered(), "the alarm's state is in delivery.sqlite")
        os.kill(self.d.pid, signal.SIGKILL)
        self.d.process.wait()
        self.d.start()
        self.assertIn("disk-nearly-full", self.d.command("alarms").stdout)
        # Another alarm of a later round: by then this one has been looked at again.
        self.change(certificate="3650d")
        self.wait_for_states("certificate-expiring", ["raised"])
        self.assertEqual(self.states("disk-nearly-full"), ["raised"])
        self.change(disk_free=0)
        self.wait_for_states("disk-nearly-full", ["raised", "cleared"])
        self.assertNotIn("disk-nearly-full", self.d.command("alarms").stdout)

    def wait_until_remembered(self, timeout=30.0):
        import sqlite3
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with sqlite3.connect(f"file:{self.d.tables['queue']['directory']}/delivery.sqlite?mode=ro", uri=True) as database:
                table, = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%value%' LIMIT 1").fetchone()
                values = [row[0] for row in database.execute(f"SELECT value FROM {table} WHERE kind = 'alarm'")]
            values = [value.decode() if isinstance(value, bytes) else value for value in values]
            if any(json.loads(value)["told"] > 0 for value in values):
                return True
            time.sleep(0.05)
        return False

    def test_mail_that_does_not_leave(self):
        """By the daemon's own figures: the oldest message, none delivered though one waits, and what a provider took of the last hour."""
        self.begin(oldest="500ms", nothing_leaves="500ms", success=0.9, success_least=1)
        self.w.sink.rule("rcpt", "450 4.3.0 not now", times=1)
        self.d.send("bob@dest.test")
        for kind in ("oldest-mail", "nothing-leaves", "success-falls"):
            self.wait_for_states(kind, ["raised"])
        listed = self.d.command("alarms").stdout
        for kind in ("oldest-mail", "nothing-leaves", "success-falls"):
            self.assertIn(kind, listed)
        self.d.command("queue", "retry", self.d.queue_ids()[0])
        self.w.sink.wait_for_message("bob@dest.test")
        for kind in ("oldest-mail", "nothing-leaves"):
            self.wait_for_states(kind, ["raised", "cleared"])

    def test_a_suspended_pair_is_told_once_and_not_by_mail(self):
        """2.7, PR-50: with reply and diagnosis, by the command; no mail of ours goes out for it; over when it is resumed."""
        self.begin()
        rule = self.w.sink.rule("dot", "550 5.7.26 This mail has been blocked because the sender is unauthenticated")
        for name in ("bob", "carol"):
            self.d.send(f"{name}@dest.test")
        self.wait_for_states("suspended", ["raised"])
        alarm = next(record["input"] for record in self.told() if record["input"]["alarm"] == "suspended")
        self.assertEqual(alarm["subject"], "example.test at mx.dest.test")
        self.assertIn("550 5.7.26 This mail has been blocked", alarm["text"])
        self.assertIn("`posthorn resume` makes it go on now", alarm["advice"])
        self.assertEqual(self.w.sink.messages, [])
        self.w.sink.forget(rule)
        self.d.command("resume", "example.test", "mx.dest.test")
        self.w.sink.wait_for_messages(2)
        self.wait_for_states("suspended", ["raised", "cleared"])

    def test_a_message_that_is_badly_made_is_told_of(self):
        """Class RFC (providers.md 2.5): for whoever wrote the program that made it, once; the sender gets his report."""
        self.begin()
        self.w.sink.rule("dot", "554 5.6.0 Message is malformed")
        for name in ("bob", "carol"):
            self.d.send(f"{name}@dest.test")
        self.d.wait_for_log(r"\bfailed\b.*class=rfc", count=2)
        self.wait_for_states("message-form", ["raised"])
        alarm = next(record["input"] for record in self.told() if record["input"]["alarm"] == "message-form")
        self.assertIn("Message is malformed", alarm["text"])
        self.assertIn("at mx.dest.test", alarm["subject"])

    def test_a_key_that_dns_has_not(self):
        self.begin()
        self.assertEqual(self.states("key-unpublished"), [])
        name = "rsa._domainkey.example.test"
        self.w.dns.set(name, "TXT", "v=DKIM1; k=rsa; p=")
        self.d.kill()
        self.d.start()
        self.wait_for_states("key-unpublished", ["raised"])
        alarm = self.told()[-1]["input"]
        self.assertEqual(alarm["subject"], name)
        self.assertIn("v=DKIM1", alarm["advice"])

    def test_the_webhook_is_signed_and_tried_until_it_takes_it(self):
        authority = certs.Authority(self.directory)
        receiver = HttpsServer(authority.issue(["hooks.test"]), address=loopback_address())
        self.addCleanup(receiver.stop)
        receiver.answer_once("/alarm", status="503 Busy")
        receiver.answer("/alarm", status="200 OK")
        secret = self.directory / "alarm.secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        self.w = self.world(starttls=False, changes={
            "alarm": {"webhook": f"https://hooks.test:{receiver.port}/alarm", "webhook_secret_file": str(secret), "interval": "200ms"},
            "delivery": {"tls_ca_file": str(authority.file)}})
        self.w.dns.set("hooks.test", "A", receiver.address)
        self.d = self.w.daemon
        self.change(disk_free=HUGE)
        requests = receiver.wait_for_requests(2)
        for request in requests:
            self.assertTrue(signatures(SECRET, request)[1])
            self.assertEqual(json.loads(request["body"])["alarm"], "disk-nearly-full")
        test = self.d.command("alarms", "test")
        self.assertIn("webhook: answered 200", test.stdout)
        self.assertIn("command: none", test.stdout)
        receiver.answer("/alarm", status="404 Not Found")
        test = self.d.command("alarms", "test", check=False)
        self.assertNotEqual(test.returncode, 0)
        self.assertIn("webhook: answered 404", test.stdout)

    def test_a_command_that_fails_and_one_that_hangs(self):
        self.begin(command=[self.script("fails", "#!/bin/sh\necho it does not work >&2\nexit 3\n")], command_timeout="1s")
        test = self.d.command("alarms", "test", check=False)
        self.assertNotEqual(test.returncode, 0)
        self.assertIn("command: exit status 3, it said: it does not work", test.stdout)
        self.change(command=[self.script("hangs", "#!/bin/sh\nsleep 600 & sleep 600\n")])
        test = self.d.command("alarms", "test", check=False)
        self.assertIn("did not end in time", test.stdout)
        self.change(command=["/nowhere/alarm"])
        test = self.d.command("alarms", "test", check=False)
        self.assertIn("/nowhere/alarm: No such file or directory", test.stdout)

    def test_no_passwords_of_ours_are_in_its_environment(self):
        self.w = self.world(starttls=False, environment={"POSTHORN_LOG_LEVEL": "debug"},
                            changes={"alarm": {"command": [self.command], "interval": "200ms", "disk_free": HUGE},
                                     "sandbox": {"write_paths": [str(self.directory)]}})
        self.d = self.w.daemon
        self.wait_for_states("disk-nearly-full", ["raised"])
        self.assertNotIn("POSTHORN_LOG_LEVEL", self.told()[0]["environment"])


if __name__ == "__main__":
    world.main()
