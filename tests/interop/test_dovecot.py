"""Users of a real Dovecot, by its auth socket: every mechanism, failures, a Dovecot that comes, goes and comes back."""

import base64
import os
import signal
import subprocess
import time

from posthorn_test import world
from posthorn_test.dovecot import Dovecot


def b64(text):
    return base64.b64encode(text.encode()).decode()


class DovecotTest(world.WorldTest):
    def setUp(self):
        self.dovecot = Dovecot({"alice": "{PLAIN}correct horse::::::", "jörg": "{PLAIN}pässwort::::::",
                                "locked": "{PLAIN}x::::::nologin"})
        self.addCleanup(self.dovecot.__exit__, None)

    def begin(self, running=True):
        if running:
            self.dovecot.start()
        self.w = self.world(changes={"auth": {"users_file": None, "dovecot_socket": self.dovecot.socket}})
        self.d = self.w.daemon
        if running:
            self.d.wait_for_log(r"\bdovecot\b.*result=connected")

    def greeted(self):
        client = self.d.client("submissions")
        self.addCleanup(client.close)
        return client

    def gsasl(self, mechanism, password="correct horse", status=0):
        host, port = self.d.endpoint("submission")
        run = subprocess.run(["gsasl", "--smtp", "--connect", f"{host}:{port}", "--x509-ca-file",
                              str(self.d.directory / "mail.example.test.crt"), "--mechanism", mechanism, "--no-cb",
                              "--authentication-id", "alice", "--password", password],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(run.returncode, status, run.stdout.decode())

    def test_every_mechanism(self):  # SD-57
        self.begin()
        offered = [line for line in self.greeted().hello().text.splitlines() if line.startswith("AUTH")]
        self.assertEqual(offered, ["AUTH SCRAM-SHA-256 PLAIN LOGIN"])   # not CRAM-MD5, not ANONYMOUS, which it announces too
        client = self.greeted()
        client.login("alice", "correct horse")
        reply = client.deliver("alice@example.test", ["bob@dest.test"], b"From: <alice@example.test>\r\nSubject: x\r\n\r\nx\r\n")
        self.assertEqual(reply.code, 250)
        self.w.sink.wait_for_message("bob@dest.test")
        client = self.greeted()
        client.expect(334, "AUTH LOGIN")
        client.expect(334, b64("alice"))
        client.expect(235, b64("correct horse"))
        self.greeted().login("jörg", "pässwort")
        for mechanism in "SCRAM-SHA-256", "PLAIN", "LOGIN":
            with self.subTest(mechanism=mechanism):
                self.gsasl(mechanism)
        self.d.wait_for_log(r"user=alice result=ok .*mechanism=SCRAM-SHA-256(\s|$)")

    def test_failures_read_the_same(self):
        self.begin()
        client = self.greeted()
        replies = {client.command(f"AUTH PLAIN {b64(chr(0) + user + chr(0) + password)}").text
                   for user, password in (("alice", "wrong"), ("nobody", "correct horse"))}
        self.assertEqual(replies, {"5.7.8 Authentication credentials invalid"})
        self.d.wait_for_log(r"user=nobody result=failed .*mechanism=PLAIN")
        self.gsasl("SCRAM-SHA-256", "wrong", status=1)
        client = self.greeted()
        client.expect(501, "AUTH PLAIN =b=")     # what is no base64 never reaches Dovecot
        client.expect(334, "AUTH LOGIN")
        client.expect(501, "*")
        client.expect(504, f"AUTH CRAM-MD5 {b64('x')}")
        client.login("alice", "correct horse")

    def test_dovecot_goes_and_comes_back(self):
        self.begin()
        before = self.greeted()
        self.dovecot.stop()
        self.d.wait_for_log(r"\bdovecot\b.*result=unavailable")
        # Never a wrong password, however many ask.
        for client in before, *(self.greeted() for _ in range(5)):
            client.expect(454, f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + 'correct horse')}")
        self.assertEqual(self.d.log(r"result=failed"), [])
        self.dovecot.start()
        self.d.wait_for_log(r"\bdovecot\b.*result=connected", 2)
        before.login("alice", "correct horse")
        self.greeted().login("alice", "correct horse")

    def test_without_dovecot_from_the_start(self):
        self.begin(running=False)
        reason = self.d.wait_for_log(r"\bdovecot\b.*result=unavailable")[0]
        self.assertIn("unix_listener", reason)
        client = self.greeted()
        self.assertIn("AUTH PLAIN", client.hello().text.splitlines())   # so that clients try, and hear:
        client.expect(454, f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + 'correct horse')}")
        self.dovecot.start()
        self.d.wait_for_log(r"\bdovecot\b.*result=connected")
        client.login("alice", "correct horse")

    def test_the_end_does_not_wait_for_dovecot(self):
        """One that takes the question and never answers (a hung database)."""
        self.begin()
        client = self.greeted()
        pids = self.dovecot.children()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            client.send(f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + 'correct horse')}\r\nNOOP\r\n")
            time.sleep(0.2)
            began = time.monotonic()
            self.d.stop()
            self.assertLess(time.monotonic() - began, 15)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        self.assertEqual(client.reply().code, 454)


if __name__ == "__main__":
    world.main()
