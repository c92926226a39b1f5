#!/usr/bin/env python3
"""`posthorn send-test` (SD-24): by the way of all mail, with the dialogue, the TLS session, its own signature checked, and what the receiver sees."""

import json
import queue
import re
import socket
import subprocess
import threading

from posthorn_test import world
from posthorn_test.daemon import program
from posthorn_test.sink import GMAIL_UNAUTHENTICATED, GREYLISTED, NO_SUCH_USER

ADDRESS = "192.0.2.1"
QUIET = {"retry": {"first": "1h", "grey": "1h", "jitter": 0.0}}


TIMED = r"^ {2,}\d+\.\d{3} "   # a line of the session: seconds since it began


class Live:
    """A running `posthorn send-test`, whose lines are read as they come."""

    def __init__(self, daemon, *arguments):
        self.process = subprocess.Popen([program(), "send-test", *arguments, "--config", str(daemon.config_file)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.shown = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, pattern, timeout=60.0):
        while (line := self.lines.get(timeout=timeout)) is not None:
            self.shown.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"it ended without {pattern!r}:\n" + "\n".join(self.shown) + self.process.stderr.read())

    def finish(self):
        """The whole output, and the exit code."""
        while (line := self.lines.get(timeout=60.0)) is not None:
            self.shown.append(line)
        return "\n".join(self.shown) + "\n", self.process.wait(20)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()


class SendTest(world.WorldTest):
    def right_world(self, **how):
        """A sender about whom DNS has all that receivers ask for."""
        w = self.world(changes=QUIET, **how)
        w.dns.set("mail.example.test", "A", ADDRESS)
        w.dns.set("1.2.0.192.in-addr.arpa", "PTR", "mail.example.test")
        w.dns.set("example.test", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
        w.dns.set("_dmarc.example.test", "TXT", "v=DMARC1; p=none; rua=mailto:d@example.test")
        return w

    def send(self, w, *arguments, code, to="bob@dest.test"):
        run = w.daemon.command("send-test", to, *arguments, check=False, timeout=120)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        self.remarks = run.stderr
        return run.stdout

    def test_all_is_right(self):
        w = self.right_world()
        shown = self.send(w, code=0)
        self.assertRegex(shown, r"^Message \w{13} from postmaster@example\.test to bob@dest\.test is in the queue\.\n")
        id = shown.split()[1]
        # As it happens, the session and its TLS among it, which is not said again.
        self.assertRegex(shown, r"\n\d\d:\d\d:\d\d connected to=mx\.dest\.test\[.*tls=\"TLSv1\.\d ")
        self.assertRegex(shown, rf"\n\d\d:\d\d:\d\d delivered <bob@dest\.test>: 250 .*{id}")
        self.assertRegex(shown, r"\nMessage \w{13} to bob@dest\.test was delivered ")
        for words in (r"\*  connected to mx\.dest\.test\[", "S: 220 ", r"\*  TLSv1\.", "C: MAIL FROM:<postmaster@example\.test>",
                      "C: RCPT TO:<bob@dest\.test>", "C: DATA", "S: 354 ", r"\*  the message goes out, \d+ octets", "S: 250 .*Ok"):
            self.assertRegex(shown, "(?m)" + TIMED + words)
        self.assertEqual(shown.count("C: MAIL FROM:"), 1)
        self.assertNotRegex(shown, "The session:|[Oo]f the session|C: QUIT")
        self.assertNotIn("Authentication-Results", shown)   # words of the letter: content is never shown
        self.assertRegex(shown, r"\n  ok +d=example\.test s=rsa a=rsa-sha256, a key of 2048 bits\n")
        for fact in ("spf", "dkim", "dmarc", "alignment", "ptr"):
            self.assertRegex(shown, rf"\n  ok +{fact} \(")
        message, = w.sink.wait_for_messages(1)
        self.assertEqual(message.sender, "postmaster@example.test")
        self.assertIn("d=example.test", message.fields("DKIM-Signature")[0])
        # `why` knows the session, too, of this message and of no other that went well.
        self.assertIn("\nThe session, at ", w.daemon.command("why", id).stdout)
        w.daemon.wait_for_empty_queue()
        other = w.daemon.send("bob@dest.test").split()[-1]
        w.daemon.wait_for_log(rf"\bdelivered\b.*id={other}")
        w.daemon.wait_for_empty_queue()
        self.assertIsNone(json.loads(w.daemon.command("why", other, "--json").stdout)["session"])
        self.assertFalse(w.daemon.log(rf"\bsigned\b.*id={other}"))

    def live(self, w, *arguments):
        run = Live(w.daemon, *arguments)
        self.addCleanup(run.end)
        return run

    def test_the_dialogue_is_shown_while_the_server_thinks(self):
        for stage, earlier, later in (("connect", [r"\*  connected to mx\.dest\.test\["], "S: 220 "),
                                      ("rcpt", ["S: 220 ", "C: EHLO ", r"\*  TLSv1\.", "C: EHLO ", "S: 250 ", "C: MAIL FROM:", "C: RCPT TO:<bob@dest"],
                                       "S: 354 ")):
            with self.subTest(stage):
                w = self.right_world()
                go_on = threading.Event()
                self.addCleanup(go_on.set)
                w.sink.rule(stage, gate=go_on)
                run = self.live(w, "bob@dest.test")
                for words in earlier:
                    run.wait_for(TIMED + words)
                self.assertNotRegex("\n".join(run.shown), "(?m)" + TIMED + later)
                go_on.set()
                shown, code = run.finish()
                self.assertEqual(code, 0, shown)
                self.assertRegex(shown, "(?m)" + TIMED + later)
                self.assertEqual(shown.count("C: RCPT TO:"), 1)

    def test_a_connection_that_was_open(self):
        """What went over it before this message was seen by nobody; the journal has it."""
        w = self.right_world()
        self.send(w, code=0)
        w.daemon.wait_for_empty_queue()
        shown = self.send(w, code=0, to="carol@dest.test")
        self.assertEqual(len(w.sink.sessions), 1)
        live, _, rest = shown.partition("\nOf the session, what was not shown above:\n")
        self.assertRegex(live, "(?m)" + TIMED + "C: RCPT TO:<carol@dest")
        self.assertNotIn("C: EHLO", live)
        self.assertRegex(rest, "(?m)" + TIMED + "C: EHLO")
        self.assertNotIn("C: RCPT TO", rest)
        # Nor is this message's end seen in the session of another's.
        other = w.daemon.send("dora@dest.test").split()[-1]
        w.daemon.wait_for_log(rf"\bdelivered\b.*id={other}")
        self.assertFalse(w.daemon.log("session .*dora"))

    def test_events_are_not_shown(self):
        """Where the events cannot be followed the session comes from the journal."""
        w = self.right_world()
        readers = [socket.socket(socket.AF_UNIX) for _ in range(8)]   # EventFeed::kMostReaders
        for reader in readers:
            self.addCleanup(reader.close)
            reader.settimeout(30)
            reader.connect(str(w.daemon.directory / "admin.sock"))
            reader.sendall(b"GET /v1/events HTTP/1.1\r\nHost: posthorn\r\n\r\n")
            self.assertIn(b"200", reader.recv(4096))
        shown = self.send(w, code=75)
        self.assertIn("the daemon's events are not shown to you", self.remarks)
        before, _, session = shown.partition("\nThe session:\n")
        self.assertNotIn("C: ", before)
        self.assertEqual(session.count("C: RCPT TO:<bob@dest.test>"), 1)
        self.assertRegex(session, r"(?m)" + TIMED + r"\*  connected to")

    def test_as_json_from_another_address_in_clear(self):
        w = self.right_world(starttls=False)
        told = json.loads(self.send(w, "--json", "--from", "alice@example.test", code=0))
        self.assertEqual((told["fate"], told["from"]), ("delivered", "alice@example.test"))
        self.assertEqual([one["result"] for one in told["signatures"]], ["pass"])
        self.assertIn("delivered", [one["event"] for one in told["events"]])
        lines = [one["line"] for one in told["events"] if one["event"] == "session"]
        self.assertEqual("".join(line + "\n" for line in lines), told["why"]["session"]["text"])
        self.assertIn("C: DATA", told["why"]["session"]["text"])
        self.assertNotIn("TLSv1", told["why"]["session"]["text"])
        proofs = ("spf", "dkim", "dmarc", "alignment", "ptr")
        self.assertEqual([one["kind"] for one in told["diagnosis"]["facts"] if one["kind"] in proofs and one["result"] == "pass"], list(proofs))

    def test_another_key_is_published(self):
        """The signature is checked by the key that receivers will find, not by ours."""
        w = self.right_world(ours=("example.test", "other.test"))
        w.dns.set("rsa._domainkey.example.test", "TXT", w.daemon.records["rsa._domainkey.other.test"])
        shown = self.send(w, code=2)
        self.assertRegex(shown, r"\n  FAILS +d=example\.test s=rsa .*\n +why: .*")
        self.assertRegex(shown, r"\n  FAILS +dkim \(rsa\._domainkey\.example\.test\)")
        self.assertIn("rsa._domainkey.example.test. IN TXT", shown)

    def test_spf_fails(self):
        w = self.right_world()
        w.dns.set("example.test", "TXT", "v=spf1 ip4:198.51.100.1 -all")
        shown = self.send(w, code=2)
        self.assertRegex(shown, r"\n  ok +d=example\.test")
        self.assertRegex(shown, r"\n  FAILS +spf \(example\.test from 192\.0\.2\.1\): SPF gives fail")
        self.assertIn(f'example.test. IN TXT "v=spf1 ip4:{ADDRESS} ip4:198.51.100.1 -all"', shown)

    def test_refused(self):
        w = self.right_world()
        w.sink.rule("rcpt", NO_SUCH_USER)
        shown = self.send(w, code=1)
        self.assertRegex(shown, r"\n\d\d:\d\d:\d\d failed <bob@dest\.test>: 550 .*User unknown")
        # Its meaning in words, as `why` has it, and the session.
        self.assertIn("class       rcpt-perm: there is no such mailbox", shown)
        self.assertIn("to do       Correct the address.", shown)
        self.assertEqual(shown.count("C: RCPT TO:<bob@dest.test>"), 1)
        self.assertRegex(shown, r"\n  ok +d=example\.test s=rsa")

    def test_refused_for_want_of_proof(self):
        w = self.right_world()
        w.dns.remove("_dmarc.example.test")
        w.sink.rule("dot", GMAIL_UNAUTHENTICATED)
        shown = self.send(w, code=75)   # held until it is repaired
        self.assertIn("5.7.26", shown)
        self.assertRegex(shown, r"\n  FAILS +dmarc")
        self.assertIn('_dmarc.example.test. IN TXT "v=DMARC1; p=none', shown)

    def test_greylisted(self):
        w = self.right_world()
        w.sink.rule("rcpt", GREYLISTED)
        shown = self.send(w, code=75)
        self.assertRegex(shown, r"\n\d\d:\d\d:\d\d deferred <bob@dest\.test>: 451 .*Greylisting")
        self.assertIn("S: 451 4.7.1", shown)
        self.assertRegex(shown, r"greylist")

    def test_unreachable(self):
        w = self.right_world()
        w.sink.stop()
        shown = self.send(w, code=75)
        self.assertRegex(shown, r"\n\d\d:\d\d:\d\d deferred <bob@dest\.test>: ")
        self.assertRegex(shown, r"\n  ok +d=example\.test s=rsa")

    def test_the_daemon_sends_it_as_somebody_else(self):
        """SD-2: a sender of a domain that is not ours never leaves; what receivers judge is what does."""
        w = self.right_world()
        shown = self.send(w, "--from", "alice@stranger.test", code=0)
        self.assertIn("\nThe daemon sends it as root@example.test, for alice@stranger.test is of none of our domains", shown)
        self.assertRegex(shown, r"\n  ok +spf \(example\.test from")
        self.assertEqual(w.sink.wait_for_messages(1)[0].sender, "root@example.test")

    def test_no_address(self):
        w = self.right_world()
        for address in ("nobody", "a b@dest.test", "@"):
            self.send(w, to=address, code=65)

    def test_no_daemon(self):
        w = self.right_world()
        self.assertEqual(w.daemon.stop(), 0)
        self.send(w, code=69)
        self.assertIn("systemctl start posthorn", self.remarks)
        self.assertIn(str(w.daemon.config_file), self.remarks)


if __name__ == "__main__":
    world.main()
