"""The guard of the door, seen by those who knock: delays, bans, pace, and what the operator sees of it (AUTH-7)."""

import base64
import json
import resource
import signal
import time

from posthorn_test import world
from posthorn_test.daemon import Daemon
from posthorn_test.smtp import Client

# Loopback is exempt by default; here it plays the Internet.
STRICT = {"exempt_local": False, "exempt_trusted": True, "delay_first": "0s", "delay_max": "0s", "ban_after": 3,
          "ban_first": "1h", "connections_per_minute": 0}


def plain(user, password):
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class GuardTest(world.WorldTest):
    def daemon(self, limits=None, **guard):
        d = Daemon(changes={"submission.guard": STRICT | guard, "submission.limits": limits or {}})
        d.__enter__()
        self.addCleanup(d.__exit__, None, None, None)
        return d

    def connect(self, d, source, listener="open"):
        client = Client(d.endpoint(listener), source=source)
        self.addCleanup(client.close)
        return client

    def client(self, d, source):
        """After STARTTLS and EHLO, where AUTH is offered."""
        client = self.connect(d, source)
        client.expect(220)
        client.hello()
        client.starttls()
        client.hello()
        return client

    def ban(self, d, source):
        """Three users, three wrong passwords: the third answer is the end."""
        for number, user in enumerate(("alice", "bob", "carol")):
            client = self.client(d, source)
            self.assertEqual(client.command(plain(user, "wrong")).code, 535 if number < 2 else 421)
        self.assertIsNone(client.line())
        d.wait_for_log(rf"\bbanned\b.*address={source}")


class WhileAnAnswerIsHeldBack(GuardTest):
    """What one address asks meanwhile is not looked at: neither time nor answers tell anything, and hashes cost it, not us."""

    def held_back(self, d, *commands):
        client = self.client(d, "127.9.0.8")
        for command in commands[:-1]:
            self.assertEqual(client.command(command).code, 334)
        client.send(commands[-1] + "\r\n")
        d.wait_for_log(r"\bauth\b.*result=failed")
        return client

    def test_no_hash_and_an_end(self):
        """Many connections at the same user (AUTH-5): 454 whatever the password, then 421."""
        d = self.daemon(delay_first="60s", delay_max="60s")
        self.held_back(d, plain("alice", "wrong"))
        client = self.client(d, "127.9.0.8")
        self.assertEqual([client.command(plain("alice", p)).code for p in ("a", "b")], [454, 454])
        self.assertEqual(client.command(plain("alice", "c")).code, 454)
        self.assertEqual(client.reply().code, 421)
        self.assertIsNone(client.line())
        d.wait_for_log(r"\bauth\b.*user=alice.*the password was not looked at", 3)

    def test_tells_nobody_from_somebody(self):
        """A name in another form (SASLprep) holds back the same for users and for nobody (AUTH-5)."""
        for name in ("alice", "mallory"):
            d = self.daemon(delay_first="60s", delay_max="60s")
            wide = chr(ord(name[0]) + 0xFEE0) + name[1:]  # FULLWIDTH LATIN SMALL LETTER
            client = self.client(d, "127.9.0.8")
            b64 = lambda text: base64.b64encode(text.encode()).decode()
            challenge = client.command("AUTH SCRAM-SHA-256 " + b64(f"n,,n={wide},r=abc"))
            self.assertEqual(challenge.code, 334)
            nonce = base64.b64decode(challenge.text).decode().split(",")[0]
            client.send(b64(f"c=biws,{nonce},p=" + base64.b64encode(bytes(32)).decode()) + "\r\n")
            d.wait_for_log(r"\bauth\b.*result=failed")
            self.assertEqual(self.client(d, "127.9.0.8").command(plain(name, "x")).code, 454, name)


class Log(GuardTest):
    def test_a_long_name_makes_no_long_line(self):
        """AUTH lines have 12 KiB (RFC 4954 s4.3); what strangers say fills no log."""
        d = self.daemon()
        self.assertEqual(self.client(d, "127.9.0.7").command(plain("u" * 8000, "x")).code, 535)
        self.assertLess(len(d.wait_for_log(r"\bauth\b.*result=failed")[-1]), 600)


class Bans(GuardTest):
    def test_shut_out_and_forgiven(self):
        """421 4.7.0 in place of the greeting, never 521 (SUB-5); others are served; list, forgive; the log says how to lift it."""
        d = self.daemon()
        self.ban(d, "127.9.0.1")
        client = self.connect(d, "127.9.0.1")
        reply = client.reply()
        self.assertEqual((reply.code, reply.text[:6]), (421, "4.7.0 "))
        self.assertIsNone(client.line())
        with self.client(d, "127.9.0.2") as other:
            other.login("alice", "correct horse")
        self.assertIn("posthorn guard forgive 127.9.0.1", d.wait_for_log(r"\bbanned\b")[0])
        listed = d.command("guard", "list").stdout
        self.assertRegex(listed, r"127\.9\.0\.1 +banned for 1 h 0 min|127\.9\.0\.1 +banned for 60 min")
        known = json.loads(d.command("guard", "list", "--json").stdout)["addresses"]
        self.assertEqual([(k["address"], k["banned"], k["turned_away"]) for k in known], [("127.9.0.1", True, 1)])
        self.assertIn("forgiven", d.command("guard", "forgive", "127.9.0.1").stdout)
        with self.client(d, "127.9.0.1") as again:
            again.login("alice", "correct horse")
        self.assertIn("Nothing", d.command("guard", "list").stdout)
        metrics = d.command("metrics").stdout
        self.assertRegex(metrics, r"(?m)^posthorn_smtp_bans_total 1$")
        self.assertRegex(metrics, r'(?m)^posthorn_smtp_connections_refused_total\{reason="banned"\} 1$')

    def test_forgive_mistakes(self):
        d = self.daemon()
        self.assertNotEqual(d.command("guard", "forgive", "example.com", check=False).returncode, 0)
        self.assertNotEqual(d.command("guard", "forgive", check=False).returncode, 0)
        self.assertIn("nothing is held", d.command("guard", "forgive", "192.0.2.1").stdout)
        self.ban(d, "127.9.0.1")
        d.command("guard", "forgive", "--all")
        self.connect(d, "127.9.0.1").expect(220)

    def test_a_ban_survives_a_reload(self):
        d = self.daemon()
        self.ban(d, "127.9.0.1")
        d.reload()
        d.wait_for_log(r"\breloaded\b")
        self.connect(d, "127.9.0.1").expect(421)

    def test_implicit_tls_hears_nothing(self):
        d = self.daemon()
        self.ban(d, "127.9.0.1")
        client = self.connect(d, "127.9.0.1", "submissions")
        self.assertIsNone(client.line())

    def test_an_old_password_bans_nobody(self):
        """The same user's same wrong password counts once: a phone must not shut out the office behind its NAT."""
        d = self.daemon()
        for _ in range(10):
            with self.client(d, "127.9.0.1") as phone:
                self.assertEqual(phone.command(plain("alice", "last year's")).code, 535)
        with self.client(d, "127.9.0.1") as colleague:
            colleague.login("alice", "correct horse")
        self.assertIn("Nothing", d.command("guard", "list").stdout)

    def test_one_password_by_two_mechanisms_is_one(self):
        """Programs that are refused AUTH PLAIN try the same password by LOGIN: still one failure."""
        d = self.daemon()
        with self.client(d, "127.9.0.1") as program:
            self.assertEqual(program.command(plain("alice", "last year's")).code, 535)
            self.assertEqual(program.command("AUTH LOGIN " + base64.b64encode(b"alice").decode()).code, 334)
            self.assertEqual(program.command(base64.b64encode(b"last year's").decode()).code, 535)
        listed = d.command("guard", "list").stdout
        self.assertRegex(listed, r"127\.9\.0\.1 +1 failure, 0 bans before")
        self.assertRegex(d.command("status").stdout, r"(?m)^  guard\n    banned +0\n    failing +1$")

    def test_who_does_not_log_in_is_in_the_log(self):
        d = self.daemon()
        with self.client(d, "127.9.0.1") as phone:
            self.assertEqual(phone.command("MAIL FROM:<alice@example.com>").code, 530)
            phone.command("MAIL FROM:<alice@example.com>")
        d.wait_for_log(r"\brefused\b.*stage=mail client=127\.9\.0\.1 .*without logging in")
        self.assertEqual(len(d.log(r"without logging in")), 1)

    def test_scram_is_counted_too(self):
        d = self.daemon(ban_after=1)
        client = self.client(d, "127.9.0.1")
        if "SCRAM" not in client.hello().text:
            self.skipTest("the users file of the tests holds no SCRAM secret")
        first = client.expect(334, "AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=alice,r=abc").decode())
        nonce = dict(p.split("=", 1) for p in base64.b64decode(first.text).decode().split(","))["r"]
        proof = base64.b64encode(bytes(32)).decode()
        self.assertEqual(client.command(base64.b64encode(f"c=biws,r={nonce},p={proof}".encode()).decode()).code, 421)

    def test_bad_commands_and_relaying_count(self):
        """RFC 5321 s7.8; a connection ended for its errors is a failure, one that asks to relay is one, and of the same name again none."""
        d = self.daemon(limits={"max_errors": 10})
        client = self.connect(d, "127.9.0.1")
        client.expect(220)
        client.send("NONSENSE\r\n" * 10)
        while client.line() is not None:
            pass
        for name in ("shop", "shop", "shop", "bot"):
            client = self.connect(d, "127.9.0.1")
            client.expect(220)
            client.hello(name)
            self.assertEqual(client.command("MAIL FROM:<someone@example.com>").code, 530)
            client.quit()
        line, = d.wait_for_log(r"\bbanned\b")
        self.assertIn("relay", line)
        self.connect(d, "127.9.0.1").expect(421)

    def test_loopback_is_exempt_by_default(self):
        d = self.daemon(exempt_local=True)
        for number in range(5):
            with self.client(d, "127.9.0.1") as client:
                self.assertEqual(client.command(plain(f"user{number}", "wrong")).code, 535)
        self.connect(d, "127.9.0.1").expect(220)

    def test_trusted_networks_are_exempt_by_default(self):
        """127.0.0.1 is in trusted_networks of the tests' configuration."""
        d = self.daemon()
        for number in range(5):
            with self.client(d, "127.0.0.1") as client:
                self.assertEqual(client.command(plain(f"user{number}", "wrong")).code, 535)
        self.connect(d, "127.0.0.1").expect(220)


class Delays(GuardTest):
    def test_grow_over_connections(self):
        d = self.daemon(ban_after=0, delay_first="200ms", delay_max="400ms")
        for least in (0.2, 0.4, 0.4):
            client = self.client(d, "127.9.0.1")
            began = time.monotonic()
            self.assertEqual(client.command(plain("alice", str(began))).code, 535)
            self.assertGreaterEqual(time.monotonic() - began, least)

    def test_many_connections_do_not_multiply_guesses(self):
        """While one wrong answer is held back, no other connection of the address learns anything of that user: 454."""
        d = self.daemon(ban_after=0, delay_first="20s", delay_max="20s")
        first, second, third = (self.client(d, "127.9.0.1") for _ in range(3))
        first.send(plain("alice", "wrong") + "\r\n")
        d.wait_for_log(r"\bauth\b.*user=alice")
        self.assertEqual(second.command(plain("alice", "other")).code, 454)
        self.assertEqual(third.command(plain("alice", "correct horse")).code, 454)
        with self.client(d, "127.9.0.2") as elsewhere:
            elsewhere.login("alice", "correct horse")

    def test_a_delay_holds_up_neither_the_end_nor_others(self):
        d = self.daemon(ban_after=0, delay_first="60s", delay_max="60s")
        held = self.client(d, "127.9.0.1")
        held.send(plain("bob", "wrong") + "\r\n")
        d.wait_for_log(r"\bauth\b.*user=bob")
        with self.client(d, "127.9.0.1") as neighbour:
            neighbour.login("alice", "correct horse")
        d.process.send_signal(signal.SIGTERM)
        self.assertEqual(d.process.wait(15), 0)
        self.assertEqual(held.reply().code, 535)
        self.assertEqual(held.reply().code, 421)


class Pace(GuardTest):
    def test_new_connections_per_minute(self):
        d = self.daemon(connections_per_minute=5)
        codes = [self.connect(d, "127.9.0.1").reply().code for _ in range(8)]
        self.assertEqual(codes, [220] * 5 + [421] * 3)
        self.connect(d, "127.9.0.2").expect(220)
        self.assertRegex(d.command("metrics").stdout, r'(?m)^posthorn_smtp_connections_refused_total\{reason="too_fast"\} 3$')

    def test_out_of_descriptors_is_said_once(self):
        """EMFILE: one line, then at most one a minute; and those who waited are served when there is room again."""
        d = self.daemon()
        waiting = [self.connect(d, "127.9.0.1") for _ in range(3)]
        for client in waiting:
            client.expect(220)
        soft, hard = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (3, hard))
        late = self.connect(d, "127.9.0.1")
        line, = d.wait_for_log("accept_failed")
        self.assertIn("times=1", line)
        # The listener tries ten times a second; long enough for several of them.
        late.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            late.socket.recv(1)
        self.assertEqual(len(d.log("accept_failed")), 1)
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (soft, hard))
        late.socket.settimeout(30)
        late.expect(220)


if __name__ == "__main__":
    world.main()
