"""Providers that want less mail: PR-13's pause and slow start, the scope of it, restarts, and warm-up plans, against fake providers."""

import contextlib
import json
import pathlib
import re
import sqlite3
import tempfile
import time

from posthorn_test import providers, world
from posthorn_test.daemon import simple_message

QUICK = {"retry": {"first": "200ms", "max": "400ms", "jitter": 0.0}}
RULES = tempfile.TemporaryDirectory(prefix="posthorn-rules-")   # gone with this process


def rules(pause):
    """Google's own rule for 4.7.28 with a pause that a test can wait for."""
    file = pathlib.Path(RULES.name) / f"{pause}.toml"
    file.write_text(f"""
[[rule]]
name = "test-rate"
provider = "google"
code = "4xx"
enhanced = "4.7.28"
text = 'unusual rate.*your ip'
class = "throttle"
whose = "source-ip"
pause = "{pause}"
connections = 1
meaning = "Google has had more mail from this address than it is used to."
example = "421-4.7.28 Gmail has detected an unusual rate of email originating from your IP\\n421 4.7.28 address. - gsmtp"
""")
    return str(file)


def with_rules(pause, **more):
    return {**QUICK, "delivery": {"provider_rules": rules(pause)}, **more}


def remembered(net, kind):
    """What the daemon has on disk of this kind: key -> value."""
    file = pathlib.Path(net.daemon.directory) / "queue" / "delivery.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as base:
        return dict(base.execute("SELECT key, value FROM remembered WHERE kind = ?", (kind,)).fetchall())


def wait_until(condition, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.02)


def sessions_with_mail(sink):
    return [session for session in sink.sessions if any(line.startswith("MAIL") for line in session["commands"])]


class Throttling(providers.InternetTest):

    def status(self, net):
        return json.loads(net.daemon.command("status", "--json").stdout)["daemon"]["shaping"]

    def test_nothing_during_the_pause_then_one_connection(self):
        """PR-13: 421 4.7.28 stops all mail of the address to Google for the pause; mail elsewhere goes on; then it is one connection."""
        net = self.internet(providers=("google", "yahoo"), changes=with_rules("3s"))
        google = net.google.sink
        google.rule("mail", providers.RATE_BY_IP, times=1)
        net.daemon.send("first@gmail.com")
        line = net.daemon.wait_for_log(r"^\S+ throttle .*state=paused")[0]
        began = time.monotonic()
        self.assertIn("mail from this machine to google", line)
        self.assertIn("rule=google/test-rate", line)
        names = [f"r{i}@gmail.com" for i in range(5)]
        for name in names:
            net.daemon.send(name)
        net.daemon.send("bob@yahoo.com")
        net.yahoo.sink.wait_for_message("bob@yahoo.com")
        metrics = net.daemon.command("metrics").stdout
        self.assertIn('posthorn_throttled{group="google",scope="ip"} 1', metrics)
        slowed = self.status(net)["slowed"]
        self.assertEqual([one["state"] for one in slowed], ["paused"])
        self.assertEqual(len(google.messages), 0)
        self.assertEqual(len(google.sessions), 1, "the refused one")
        for name in names + ["first@gmail.com"]:
            google.wait_for_message(name)
        self.assertGreaterEqual(time.monotonic() - began, 2.5, "the pause was kept")
        net.daemon.wait_for_empty_queue()
        net.daemon.wait_for_log(r"^\S+ throttle .*state=slow")
        states = [re.search(r"state=(\S+)", found)[1] for found in net.daemon.log(r"^\S+ throttle ")]
        self.assertEqual(states, ["paused", "trial", "slow"])
        self.assertEqual(len(sessions_with_mail(google)), 2, "the refused one, and after the pause one connection for all that waited")

    def test_a_trial_that_fails_is_another_pause_and_uses_no_attempt_up(self):
        """PR-13: refused again after the pause, the same pause again. THROTTLE: the message's own attempts stay as they were."""
        net = self.internet(providers=("google",), changes=with_rules("1s"))
        google = net.google.sink
        refusal = google.rule("mail", providers.RATE_BY_IP, times=3)
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ throttle .*state=paused.*pauses=2")
        waiting = json.loads(net.daemon.command("queue", "show", net.daemon.queue_ids()[0], "--json").stdout)
        self.assertEqual([row["attempts"] for row in waiting["recipients"]], [0])
        self.assertEqual([row["class"] for row in waiting["recipients"]], ["throttle"])
        net.daemon.wait_for_log(r"^\S+ throttle .*state=paused.*pauses=3")
        google.wait_for_message("bob@gmail.com")
        self.assertEqual(refusal.used, 3)
        net.daemon.wait_for_empty_queue()

    def test_only_what_the_text_names_is_slowed(self):
        """PR-13: the DKIM domain's quota is that domain's: mail signed by another goes on at once. The built-in rule."""
        net = self.internet(providers=("google",), ours=("example.test", "other.test"), changes=QUICK)
        net.google.sink.rule("mail", "421-4.7.28 Gmail has detected an unusual rate of email originating from your DKIM\n"
                             "421-4.7.28 domain [example.test   36]. To protect our users from spam, mail sent from your domain has been\n"
                             "421 4.7.28 temporarily rate limited. - gsmtp", sender="@example.test")
        net.daemon.send("bob@gmail.com")
        line = net.daemon.wait_for_log(r"^\S+ throttle .*state=paused")[0]
        self.assertIn("mail signed by example.test to google", line)
        net.daemon.send("held@gmail.com")
        net.daemon.send("carol@gmail.com", sender="alice@other.test", message=simple_message("carol@gmail.com", sender="alice@other.test"))
        net.google.sink.wait_for_message("carol@gmail.com")
        self.assertEqual(len([c for c in net.google.commands("MAIL") if "@example.test" in c]), 1, "nothing more of the domain")

    def test_too_much_mail_or_no_authentication(self):
        """2.5, [TSS04]: Yahoo says it to senders without SPF, DKIM and DMARC, too. DNS is asked, once, and what is missing is told."""
        net = self.internet(providers=("yahoo",), changes=QUICK)
        net.dns.remove("rsa._domainkey.example.test", "TXT")
        net.yahoo.sink.rule("mail", "421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to unexpected volume or user complaints - "
                            "4.16.55.1; see https://postmaster.yahooinc.com/error-codes")
        for name in ("bob", "carol"):
            net.daemon.send(f"{name}@yahoo.com")
        net.daemon.wait_for_log(r'^\S+ diagnosis .*pair="example.test at yahoo" standing=.*DKIM')
        net.daemon.wait_for_log(r"^\S+ alarm .*alarm=refusal .*subject=.*example.test at yahoo")
        alarms = net.daemon.command("alarms").stdout
        self.assertIn("TSS04", alarms)
        self.assertIn("rsa._domainkey.example.test. IN TXT", alarms)
        self.assertEqual(len(net.daemon.log(r"^\S+ diagnosis .*yahoo")), 1)
        self.assertEqual([one["state"] for one in self.status(net)["slowed"]], ["paused"])

    def test_the_operator_ends_a_pause(self):
        """posthorn resume: of the domain that the reply named, not of others, and not of the machine's."""
        net = self.internet(providers=("google",), changes=QUICK)
        google = net.google.sink
        google.rule("mail", "421-4.7.28 Gmail has detected an unusual rate of email originating from your DKIM\n"
                    "421-4.7.28 domain [example.test   36]. To protect our users from spam, mail sent from your domain has been\n"
                    "421 4.7.28 temporarily rate limited. - gsmtp", times=1)
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ throttle .*state=paused")
        for whose in ("ip", "other.test"):
            self.assertIn("Nothing was suspended or slowed down there", net.daemon.command("resume", whose, "google").stdout)
        self.assertEqual(len(google.messages), 0, "it is paused for ten minutes")
        self.assertIn("mail signed by example.test to google: goes on", net.daemon.command("resume", "example.test", "google").stdout)
        google.wait_for_message("bob@gmail.com")

    def test_a_kill_in_the_middle_of_the_pause_does_not_end_it(self):
        """PR-50: after kill -9 and a new start nothing goes to Google before the pause is over."""
        net = self.internet(providers=("google",), changes=with_rules("6s"))
        google = net.google.sink
        google.rule("mail", providers.RATE_BY_IP, times=1)
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ throttle .*state=paused")
        began = time.monotonic()
        net.daemon.wait_for_log(r"^\S+ deferred .*class=throttle")
        wait_until(lambda: remembered(net, "throttle"))
        net.daemon.kill()
        net.daemon.start()
        self.assertEqual([one["state"] for one in self.status(net)["slowed"]], ["paused"])
        google.wait_for_message("bob@gmail.com")
        self.assertGreaterEqual(time.monotonic() - began, 5.0)
        self.assertEqual(len(sessions_with_mail(google)), 2)
        net.daemon.wait_for_empty_queue()

    def test_a_closed_connection_is_no_throttle(self):
        """PR-19: "Max message per connection reached" slows nothing down; the rest goes over a new connection at once."""
        net = self.internet(providers=("yahoo",), changes=QUICK)
        yahoo = net.yahoo.sink
        yahoo.rule("mail", providers.YAHOO_ENOUGH, carried=2)
        names = [f"r{i}@yahoo.com" for i in range(6)]
        for name in names:
            net.daemon.send(name)
        for name in names:
            yahoo.wait_for_message(name)
        net.daemon.wait_for_empty_queue()
        self.assertEqual(net.daemon.log(r"^\S+ throttle "), [])
        self.assertEqual(self.status(net)["slowed"], [])


class WarmUp(providers.InternetTest):

    def plans(self, net):
        return json.loads(net.daemon.command("status", "--json").stdout)["daemon"]["shaping"]["warm_up"]

    def test_a_days_number_holds_per_provider_and_over_a_restart(self):
        """PR-14, [warmup]: so many a day to each provider named, what is over waits; a restart counts on, a reload without a plan lets it go."""
        net = self.internet(providers=("google", "yahoo"), changes={**QUICK, "warmup": {"start": 4, "until": 100, "providers": ["google"]}})
        google, yahoo = net.google.sink, net.yahoo.sink
        for i in range(8):
            net.daemon.send(f"r{i}@gmail.com")
            net.daemon.send(f"r{i}@yahoo.com")
        yahoo.wait_for_messages(8)
        google.wait_for_messages(4)
        net.daemon.wait_for_log(r"^\S+ warm-up .*state=\"?used up")
        net.daemon.wait_for_queue(4)
        self.assertEqual(len(google.messages), 4)
        plan = self.plans(net)
        self.assertEqual([(one["sent_today"], one["allowed_today"]) for one in plan], [(4, 4)])
        wait_until(lambda: [json.loads(value)["sent"] for value in remembered(net, "warm-up").values()] == [4])
        net.daemon.kill()
        net.daemon.start()
        self.assertEqual([one["sent_today"] for one in self.plans(net)], [4])
        net.daemon.send("late@yahoo.com")
        yahoo.wait_for_message("late@yahoo.com")
        self.assertEqual(len(google.messages), 4, "no fifth")
        net.daemon.tables["warmup"]["start"] = 0
        net.daemon.write_config()
        net.daemon.reload()
        google.wait_for_messages(8)
        net.daemon.wait_for_empty_queue()


if __name__ == "__main__":
    world.main()
