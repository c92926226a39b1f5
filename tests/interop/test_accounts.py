"""What users may do: their addresses, their limits, and what happens when one is hacked: suspended, held, resumed (AUTH-9)."""

import json
import random

import smtplib
import ssl
import subprocess
import time

from posthorn_test import sink, world
from posthorn_test.daemon import program, quick_hash

PASSWORD = "correct horse"
QUICK = {"retry": {"first": "1s", "max": "2s", "grey": "1s"}}


def by(daemon, user, listener="submissions"):
    """A session of that user."""
    client = daemon.client(listener)
    client.login(user, PASSWORD)
    return client


def message(to, sender="alice@example.test"):
    return f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: accounts\r\n\r\nHello.\r\n".encode()


def recipients(daemon):
    """address -> its recipient's JSON, of all that is in the queue."""
    queue = json.loads(daemon.command("queue", "list", "--json").stdout)
    return {r["address"]: r for m in queue["messages"] for r in m["recipients"]}


class Hacked(world.WorldTest):
    def setUp(self):
        self.w = self.world(users={"alice": PASSWORD, "bob": PASSWORD}, changes=QUICK)
        self.d = self.w.daemon

    def fill(self, count=3, user="alice"):
        """Mail of that user that waits in the queue."""
        with by(self.d, user) as client:
            for number in range(count):
                to = f"{user}{number}@dest.test"
                self.assertEqual(client.deliver(f"{user}@example.test", [to], message(to, f"{user}@example.test")).code, 250)
            client.quit()

    def held_by(self):
        return {address: r.get("held_by") for address, r in recipients(self.d).items()}

    def all_deferred(self, count):
        """Waits until the queue has recorded that each has had its first attempt."""
        self.d.wait_for_output(rf"(?s)(Greylisting.*){{{count}}}", "queue", "list", "--json")

    def test_suspended_held_resumed(self):
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.fill()
        self.fill(1, "bob")
        self.all_deferred(4)
        first, *_ = self.d.queue_ids()
        self.d.command("queue", "hold", first)

        said = self.d.command("user", "suspend", "alice", "--reason", "password stolen").stdout
        self.assertIn("alice is suspended", said)
        self.assertIn("2 recipients are held", said)
        self.assertEqual(self.held_by(), {"alice0@dest.test": "operator", "alice1@dest.test": "suspension",
                                          "alice2@dest.test": "suspension", "bob0@dest.test": None})
        self.assertIn("its user is suspended: password stolen", self.d.command("queue", "list").stdout)
        second = self.d.queue_ids()[1]
        shown = self.d.command("queue", "show", second).stdout
        self.assertRegex(shown, r"suspended +alice is, since \S+ \(password stolen\); `posthorn user resume alice`")
        self.assertRegex(self.d.command("user", "list").stdout, r"(?m)^alice  suspended since \S+: password stolen$\nbob$")
        users = json.loads(self.d.command("user", "list", "--json").stdout)["users"]
        self.assertEqual({u["user"]: u["state"] for u in users}, {"alice": "suspended", "bob": "active"})

        # Nothing of hers leaves, whatever is done to one message of it; everybody else's goes on.
        for one in (second, self.d.queue_ids()[2]):
            self.assertIn("nothing to change; its user is suspended", self.d.command("queue", "retry", one).stdout)
            self.assertIn("nothing to change", self.d.command("queue", "release", one).stdout)
        self.w.sink.forget()
        self.w.sink.wait_for_message("bob0@dest.test")
        self.assertEqual([m.recipients for m in self.w.sink.messages], [["bob0@dest.test"]])

        said = self.d.command("user", "resume", "alice").stdout
        self.assertIn("2 recipients of his queued mail go on", said)
        self.w.sink.wait_for_message("alice1@dest.test")
        self.w.sink.wait_for_message("alice2@dest.test")
        self.d.wait_for_queue(1)
        self.assertEqual(self.held_by(), {"alice0@dest.test": "operator"})
        by(self.d, "alice").quit()
        self.assertIn("was not suspended", self.d.command("user", "resume", "alice").stdout)

    def test_open_sessions_end(self):
        idle, in_data, other = by(self.d, "alice"), by(self.d, "alice"), by(self.d, "bob")
        in_data.expect(250, "MAIL FROM:<alice@example.test>")
        in_data.expect(250, "RCPT TO:<carol@dest.test>")
        in_data.expect(354, "DATA")
        in_data.send(message("carol@dest.test"))
        self.d.command("user", "suspend", "alice")
        idle.send(b"MAIL FROM:<alice@example.test>\r\n")
        self.assertIn("5.7.13", idle.expect(550).text)
        idle.expect(421)
        self.assertIsNone(idle.line())
        in_data.send(b".\r\n")
        self.assertIn("5.7.13", in_data.expect(550).text)
        self.assertEqual(other.deliver("bob@example.test", ["dave@dest.test"], message("dave@dest.test", "bob@example.test")).code, 250)
        self.w.sink.wait_for_message("dave@dest.test")
        self.assertEqual(self.w.sink.accepted, 1)
        with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
            self.smtplib_login("alice")
        self.assertEqual(refused.exception.smtp_code, 525)

    def smtplib_login(self, user):
        client = smtplib.SMTP_SSL(self.d.address, self.d.ports["submissions"], context=ssl._create_unverified_context())
        try:
            client.login(user, PASSWORD)
        finally:
            client.close()

    def test_kill_right_after_the_answer(self):
        """What the command has answered is on disk."""
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.fill()
        self.d.command("user", "suspend", "alice", "--reason", "x")
        self.d.kill()
        self.d.start()
        self.assertEqual(set(self.held_by().values()), {"suspension"})
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.smtplib_login("alice")
        self.d.command("user", "resume", "alice")
        self.d.kill()
        self.d.start()
        self.w.sink.forget()
        for number in range(3):
            self.w.sink.wait_for_message(f"alice{number}@dest.test")

    def test_while_the_daemon_is_down(self):
        """The list is written without the daemon; the next start makes the queue agree with it, in both directions."""
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.fill()
        self.all_deferred(3)
        self.d.kill()
        self.assertIn("No daemon answers", self.d.command("user", "suspend", "alice").stdout)
        self.assertIn("alice  suspended", self.d.command("user", "list").stdout)
        before = len(self.d.log())
        self.d.start()
        self.d.wait_for_log(r"\bsuspended_mail\b.*\bresult=done\b", count=1)
        self.assertEqual(set(self.held_by().values()), {"suspension"})
        self.d.kill()
        self.assertIn("resumed", self.d.command("user", "resume", "alice").stdout)
        self.w.sink.forget()
        self.d.start()
        for number in range(3):
            self.w.sink.wait_for_message(f"alice{number}@dest.test")
        self.assertGreaterEqual(len(self.d.log()), before)

    def test_killed_in_the_middle(self):
        """kill -9 while the command runs: afterwards list and queue agree, and a suspension that was answered is there."""
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.fill(40)
        seed = random.getrandbits(32)
        chance = random.Random(seed)
        for round_number in range(4):
            want = "suspend" if round_number % 2 == 0 else "resume"
            command = subprocess.Popen([program(), "user", want, "alice", "--config", str(self.d.config_file)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.08))   # of the kill, not of a wait
            self.d.kill()
            answered = command.wait(30) == 0
            self.d.start()
            suspended = "alice  suspended" in self.d.command("user", "list").stdout
            if answered:
                self.assertEqual(suspended, want == "suspend", f"seed {seed}")
            self.d.command("user", "suspend" if suspended else "resume", "alice")   # waits until the queue agrees
            states = set(self.held_by().values())
            self.assertEqual(states, {"suspension"} if suspended else {None}, f"seed {seed}")

    def test_somebody_unknown(self):
        run = self.d.command("user", "suspend", "carol")
        self.assertIn("has no user carol", run.stderr)
        self.assertRegex(self.d.command("user", "list").stdout, r"(?m)^carol  suspended")
        run = self.d.command("user", "suspend", "a\tb", check=False)
        self.assertEqual(run.returncode, 64)

    def test_locked_users_are_shown(self):
        with open(self.d.directory / "users", "a", encoding="utf-8") as users:
            users.write("erin:!" + quick_hash(PASSWORD) + "\n")
        self.assertRegex(self.d.command("user", "list").stdout, r"(?m)^erin  locked")

    def test_a_list_that_cannot_be_read(self):
        """Not taken for an empty one: a reload keeps the old list, a start is refused with the line."""
        self.d.command("user", "suspend", "alice")
        (self.d.directory / "suspended-users").write_text("nonsense\n")
        self.d.reload()
        self.assertIn("suspended-users:1", self.d.wait_for_log(r"\breload_failed\b")[0])
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.smtplib_login("alice")
        self.d.stop()
        run = self.d.command("serve", check=False)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("suspended-users:1", run.stderr)


class Limits(world.WorldTest):
    def test_over_the_limit(self):
        """450 with the time to come back for the user, one line for the operator; the count outlives a reload."""
        w = self.world(changes={"user": [{"name": "alice", "messages_per_hour": 2}], "alarm": {"interval": "200ms"}})
        client = by(w.daemon, "alice")
        for number in range(2):
            to = f"r{number}@dest.test"
            self.assertEqual(client.deliver("alice@example.test", [to], message(to)).code, 250)
        for _ in range(3):
            text = client.expect(450, "MAIL FROM:<alice@example.test>").text
            self.assertRegex(text, r"2 messages an hour; try again in \d+ minutes")
        line, = w.daemon.wait_for_log(r"\buser_over_limit\b")
        self.assertIn("posthorn user suspend alice", line)
        w.daemon.wait_for_log(r"^\S+ alarm .*alarm=account-throttled subject=alice state=raised")
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        by(w.daemon, "alice").expect(450, "MAIL FROM:<alice@example.test>")
        self.assertEqual(len(w.daemon.log(r"\buser_over_limit\b")), 1)
        # Raised by a reload: more at once.
        w.daemon.tables["user"] = [{"name": "alice", "messages_per_hour": 0}]
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b", count=2)
        by(w.daemon, "alice").expect(250, "MAIL FROM:<alice@example.test>")

    def test_swaks_as_somebody_else(self):
        w = self.world(changes={"user": [{"name": "alice", "senders": ["alice@example.test"]}]})
        host, port = w.daemon.endpoint("submission")

        def swaks(sender, author):
            return subprocess.run(["swaks", "--server", host, "--port", str(port), "--tls", "--auth", "PLAIN", "--auth-user", "alice",
                                   "--auth-password", PASSWORD, "--from", sender, "--to", "bob@dest.test", "--h-From", author],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False).stdout
        self.assertRegex(swaks("boss@example.test", "alice@example.test"), r"550 5\.7\.1 This account may not send from that address")
        self.assertRegex(swaks("alice@example.test", "boss@example.test"), r"550 5\.7\.1 This account may not send with that address")
        self.assertRegex(swaks("alice+x@example.test", "Alice <Alice@Example.TEST>"), r"250 2\.0\.0")
        w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(w.sink.accepted, 1)
        self.assertIn("\nposthorn_smtp_senders_refused_total 2\n", w.daemon.command("metrics").stdout)

    def test_all_mail_of_a_user_is_a_stream(self):
        w = self.world(changes={"user": [{"name": "alice", "stream": "news"}],
                                "stream": [{"name": "news", "unsubscribe_url": "https://example.test/u/{token}"}]})
        client = by(w.daemon, "alice")
        self.assertEqual(client.deliver("alice@example.test", ["bob@dest.test"], message("bob@dest.test")).code, 250)
        self.assertTrue(w.sink.wait_for_message("bob@dest.test").fields("List-Unsubscribe"))


if __name__ == "__main__":
    world.main()
