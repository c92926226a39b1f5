"""Webhooks: every event arrives at least once, in order, signed, whatever receivers and the daemon go through."""

import hashlib
import hmac
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from posthorn_test import certs, sink, world
from posthorn_test.daemon import free_port, loopback_address
from posthorn_test.https_server import HttpsServer

SECRET = "0123456789abcdef0123456789abcdef"
PATH = "/events"
GONE = {"raw": b""}   # reads the request and closes the connection


def signatures(secret, request):
    """By Python's own hmac: (time, whether some v1 fits)."""
    parts = [part.split("=", 1) for part in request["headers"]["posthorn-signature"].split(",")]
    moment = dict(parts)["t"]
    ours = hmac.new(secret.encode(), moment.encode() + b"." + request["body"], hashlib.sha256).hexdigest()
    return int(moment), any(name == "v1" and hmac.compare_digest(value, ours) for name, value in parts)


class Hooks(world.WorldTest):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.authority = certs.Authority(self.directory)
        self.receiver = HttpsServer(self.authority.issue(["hooks.test"]), address=loopback_address())
        self.addCleanup(self.receiver.stop)
        self.receiver.answer(PATH, status="204 No Content")

    def hook(self, **changes):
        return {"name": "shop", "url": f"https://hooks.test:{self.receiver.port}{PATH}", "secret": SECRET, "batch": 10,
                "batch_wait": "20ms", "timeout": "3s", "retry_first": "30ms", "retry_max": "200ms", "ca_file": str(self.authority.file)} | changes

    def begin(self, *hooks, **changes):
        self.w = self.world(starttls=False, changes={"webhook": list(hooks), "retry": {"first": "1h"},
                                                     "sandbox": {"read_paths": [str(self.directory)]}} | changes)   # for what a reload names
        self.w.dns.set("hooks.test", "A", self.receiver.address)
        self.d = self.w.daemon

    def taken(self, receiver=None):
        """The events of all requests that were well signed, in order of arrival."""
        events = []
        for request in list((receiver or self.receiver).requests):
            moment, fits = signatures(SECRET, request)
            self.assertTrue(fits, request)
            self.assertLess(abs(moment - time.time()), 300)
            batch = json.loads(request["body"])
            self.assertEqual(batch["server"], "mail.example.test")
            events += batch["events"]
        return events

    def wait_for_event(self, found, timeout=60.0):
        deadline = time.monotonic() + timeout
        while True:
            for event in self.taken():
                if found(event):
                    return event
            self.assertLess(time.monotonic(), deadline, self.taken())
            time.sleep(0.02)

    def test_what_becomes_of_mail_is_told(self):
        self.begin(self.hook(), suppression={"mail": "all"})
        self.w.sink.rule("rcpt", "550 5.1.1 No such user", recipient="gone@dest.test")
        self.w.sink.rule("rcpt", "451 4.7.1 Later", recipient="later@dest.test")
        self.d.send(["well@dest.test", "gone@dest.test", "later@dest.test"])
        told = {name: self.wait_for_event(lambda event: event["to"] == f"{name}@dest.test") for name in ("well", "gone", "later")}
        self.assertEqual(told["well"]["event"], "delivered")
        self.assertEqual(told["gone"]["event"], "failed")
        self.assertEqual(told["gone"]["class"], "rcpt-perm")
        self.assertEqual(told["later"]["event"], "deferred")
        self.assertIn("451 4.7.1 Later", told["later"]["reply"])
        self.assertIn("next_attempt", told["later"])
        for event in told.values():
            self.assertEqual(event["from"], "alice@example.test")
            self.assertEqual(event["domain"], "dest.test")
            self.assertEqual(event["provider"], "mx.dest.test")
            self.assertGreaterEqual(event["attempts"], 1)
        # Who was refused for good is not tried again, and that is told, too.
        self.d.wait_for_output("gone@dest.test", "suppression", "list")
        self.d.send("gone@dest.test")
        stopped = self.wait_for_event(lambda event: event["event"] == "suppressed")
        self.assertEqual((stopped["to"], stopped["class"]), ("gone@dest.test", "suppressed"))
        self.assertIn("suppression list", stopped["reply"])
        request = self.receiver.requests[0]
        self.assertEqual(request["method"], "POST")
        self.assertEqual(request["headers"]["content-type"], "application/json")
        self.assertEqual(request["sni"], "hooks.test")

    def test_a_webhook_hears_what_it_wants(self):
        self.begin(self.hook(events=["failed"]), self.hook(name="all"), self.hook(name="others", senders=["*.other.test"]))
        self.w.sink.rule("rcpt", "550 5.1.1 No such user", recipient="gone@dest.test")
        self.d.send(["well@dest.test", "gone@dest.test"])
        self.wait_for_event(lambda event: event["event"] == "failed")
        deadline = time.monotonic() + 30
        while True:
            batches = [json.loads(request["body"]) for request in self.receiver.requests]
            by_hook = {name: [e["event"] for b in batches if b["webhook"] == name for e in b["events"]] for name in ("shop", "all", "others")}
            if sorted(by_hook["all"]) >= ["delivered", "failed"] and by_hook["shop"]:
                break
            self.assertLess(time.monotonic(), deadline, by_hook)
            time.sleep(0.02)
        self.assertEqual(set(by_hook["shop"]), {"failed"})
        self.assertEqual(by_hook["others"], [])

    def test_nothing_is_lost_by_bad_receivers_and_kill_9(self):
        self.begin(self.hook(batch=3, timeout="1s"))
        bad = ({"status": "500 Oops"}, GONE, {"status": "429 Slow down", "fields": ["Retry-After: 1"]}, {"status": "503 Busy"},
               {"text": "x" * 100, "slow": 0.1}, {"status": "408 Timeout"})
        wanted = []
        for round_number in range(3):
            for how in bad:
                self.receiver.answer_once(PATH, **how)
            for number in range(8):
                to = f"r{round_number}-{number}@dest.test"
                self.d.send(to)
                wanted.append(to)
            if round_number < 2:
                before = len(self.receiver.requests)
                self.receiver.wait_for_requests(before + 1)   # in the middle of telling
                os.kill(self.d.pid, signal.SIGKILL)
                self.d.process.wait()
                self.d.start()
        for to in wanted:
            self.wait_for_event(lambda event: event["to"] == to and event["event"] == "delivered")
        # The order of the first telling is the journal's, without a hole.
        first = []
        for event in self.taken():
            if event["id"] not in first:
                first.append(event["id"])
        self.assertEqual(first, list(range(1, len(first) + 1)))

    def test_retry_after_is_honoured(self):
        self.begin(self.hook())
        self.receiver.answer_once(PATH, status="429 Slow down", fields=["Retry-After: 2"])
        self.d.send("well@dest.test")
        self.receiver.wait_for_requests(1)
        began = time.monotonic()
        self.receiver.wait_for_requests(2)
        self.assertGreater(time.monotonic() - began, 1.8)

    def test_what_is_refused_for_good_is_put_aside_and_can_be_replayed(self):
        self.begin(self.hook())
        self.receiver.answer(PATH, status="302 Found", fields=[f"Location: https://hooks.test:{self.receiver.port}/elsewhere"])
        self.d.send("one@dest.test")
        self.d.wait_for_log(r"webhook_refused.*name=shop")
        self.assertEqual(len(self.receiver.requests), 6)
        self.assertEqual({request["path"] for request in self.receiver.requests}, {PATH}, "redirects are not followed")
        listed = self.d.command("webhooks").stdout
        self.assertIn("put aside: 1 to 1 (answered 302", listed)
        alarms = json.loads(self.d.command("alarms", "--json").stdout)["alarms"]
        self.assertIn(("webhook", "shop 1-1"), [(alarm["alarm"], alarm["subject"]) for alarm in alarms])
        self.receiver.answer(PATH, status="204 No Content")
        self.receiver.requests.clear()
        self.d.send("two@dest.test")
        self.wait_for_event(lambda event: event["to"] == "two@dest.test")
        self.assertEqual([event["to"] for event in self.taken()], ["two@dest.test"])
        self.d.command("webhooks", "replay", "shop", "1")
        self.wait_for_event(lambda event: event["to"] == "one@dest.test")
        self.assertNotIn("put aside", self.d.command("webhooks").stdout)
        wrong = self.d.command("webhooks", "replay", "shop", "x", check=False)
        self.assertEqual(wrong.returncode, 64)
        self.assertIn('"x" is no event\'s number; FROM is the "id" of the first event to tell again', wrong.stderr)
        self.assertIn('there is no [[webhook]] named "nobody"', self.d.command("webhooks", "replay", "nobody", "1", check=False).stderr)

    def test_a_webhook_that_hangs_holds_up_nobody(self):
        silent = HttpsServer(self.authority.issue(["silent.test"]), address=loopback_address())
        self.addCleanup(silent.stop)
        silent.silent = True
        self.begin(self.hook(name="silent", url=f"https://silent.test:{silent.port}/", timeout="60s"), self.hook())
        self.w.dns.set("silent.test", "A", silent.address)
        self.d.send("first@dest.test")
        silent.wait_for_connections(1)
        self.d.send("second@dest.test")
        self.w.sink.wait_for_message("second@dest.test")
        self.wait_for_event(lambda event: event["to"] == "second@dest.test")

    def test_a_certificate_that_nobody_vouches_for_is_told_nothing(self):
        self.begin(self.hook(ca_file=""))
        self.d.send("well@dest.test")
        self.d.wait_for_log(r"webhook.*certificate is not valid")
        self.assertEqual(self.receiver.requests, [])
        self.d.tables["webhook"] = [self.hook()]
        self.d.write_config()
        self.d.reload()
        self.wait_for_event(lambda event: event["to"] == "well@dest.test")

    def test_both_secrets_sign_while_one_is_changed(self):
        old, new = self.directory / "old.secret", self.directory / "new.secret"
        old.write_text(SECRET + "\n")
        new.write_text("another-secret-of-ours-0123456789\n")
        for file in (old, new):
            file.chmod(0o600)
        hook = self.hook(secret_file=str(new), old_secret_file=str(old))
        del hook["secret"]
        self.begin(hook)
        self.d.send("well@dest.test")
        request = self.receiver.wait_for_requests(1)[0]
        self.assertTrue(signatures(SECRET, request)[1])
        self.assertTrue(signatures("another-secret-of-ours-0123456789", request)[1])
        self.assertFalse(signatures("somebody else's", request)[1])

    def test_what_the_journal_gave_up_is_told_as_a_gap(self):
        self.begin(self.hook(), journal={"max_rows": 20})
        self.receiver.answer(PATH, status="503 Down")
        self.d.send("first@dest.test")
        self.receiver.wait_for_requests(1)
        self.d.send([f"r{i}@dest.test" for i in range(90)])
        self.d.wait_for_empty_queue()
        self.d.send([f"s{i}@dest.test" for i in range(90)])
        self.d.wait_for_empty_queue()
        self.receiver.answer(PATH, status="204 No Content")
        gap = self.wait_for_event(lambda event: event["event"] == "gap")
        self.assertEqual(gap["first"], 1)
        self.assertGreater(gap["last"], 10)
        self.wait_for_event(lambda event: event["id"] == 181)
        self.d.wait_for_log(r"webhook_gap.*name=shop")

    def test_the_examples_of_the_manual_receive(self):
        root = pathlib.Path(__file__).resolve().parents[2]
        secret = self.directory / "webhook.secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        examples = {"python": lambda port: ["/usr/bin/python3", str(root / "etc/examples/webhook_receiver.py"), "127.0.0.1", str(port)],
                    "php": lambda port: ["php", "-S", f"127.0.0.1:{port}", str(root / "etc/examples/webhook_receiver.php")]}
        hooks, files = [], {}
        for name, command in examples.items():
            port = free_port("127.0.0.1")
            files[name] = self.directory / f"{name}.jsonl"
            process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=os.environ | {"WEBHOOK_SECRET_FILE": str(secret), "EVENTS_FILE": str(files[name])})
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            hook = self.hook(name=name, url=f"http://127.0.0.1:{port}/", secret_file=str(secret))
            del hook["secret"]
            hooks.append(hook)
        wrong = self.hook(name="wrong", url=hooks[0]["url"], secret="not the secret of the receiver")
        self.begin(*hooks, wrong)
        self.d.send("well@dest.test")
        for name, file in files.items():
            deadline = time.monotonic() + 30
            while not (file.exists() and "well@dest.test" in file.read_text()):
                self.assertLess(time.monotonic(), deadline, name)
                time.sleep(0.02)
        self.d.wait_for_log(r"webhook.*name=wrong.*answered 401")
        for name in files:   # told again, kept once
            self.d.command("webhooks", "replay", name, "1")
        self.d.send("last@dest.test")
        for name, file in files.items():
            deadline = time.monotonic() + 30
            while "last@dest.test" not in file.read_text():
                self.assertLess(time.monotonic(), deadline, name)
                time.sleep(0.02)
            self.assertEqual(file.read_text().count("well@dest.test"), 1)


if __name__ == "__main__":
    world.main()
