"""What fails around a delivery: peers that hang up, TLS that breaks, a damaged spool, signals at a bad moment. Each message once."""

import collections
import contextlib
import os
import sqlite3
import threading
import time

from posthorn_test import sink, world
from posthorn_test.daemon import simple_message

QUICK = {"retry": {"first": "100ms", "max": "300ms", "jitter": 0.0}}


class Failure(world.WorldTest):
    def submit(self, count, first=0):
        """count messages over four connections, to u<first>@dest.test and so on."""
        def send(k):
            with self._world.daemon.client() as client:
                for i in range(first + k, first + count, 4):
                    to = f"u{i}@dest.test"
                    self.assertEqual(client.deliver("alice@example.test", [to], simple_message(to)).code, 250)
        senders = [threading.Thread(target=send, args=(k,)) for k in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    def each_once(self, count, timeout=60):
        seen = self._world.sink

        def recipients():
            return collections.Counter(r for m in seen.messages for r in m.recipients)

        self.assertTrue(seen.wait(lambda _: len(recipients()) >= count, timeout), f"{len(recipients())} of {count} came")
        self.assertEqual([r for r, n in recipients().items() if n > 1], [])

    def test_peer_hangs_up_after_each_message(self):
        """250 and then a closed connection: the next message finds out at MAIL and takes a connection of its own (PR-19)."""
        w = self.world(changes=QUICK)
        w.sink.rule("dot", "250 2.0.0 Ok", drop="after")
        self.submit(100)
        self.each_once(100)
        self.assertEqual(w.daemon.log(r"\bdeferred\b"), [])

    def test_421_after_some_messages(self):
        """RFC 5321 s3.8: 421 is about the connection."""
        w = self.world(changes=QUICK)
        w.sink.on_message = lambda m: m.transaction % 7 or w.sink.rule("mail", "421 4.3.2 enough", drop="after", times=1)
        self.submit(150)
        self.each_once(150)

    def test_dead_host_is_left_alone_until_the_operator_says_so(self):
        w = self.world(changes=QUICK)
        dead = w.sink.rule("connect", drop="before")
        self.submit(300)
        w.daemon.wait_for_log(r"\bdeferred\b")
        self.assertLessEqual(len(w.sink.sessions), 10)   # connections_per_site, and a few that were under way
        last = w.daemon.queue_ids()[-1]
        w.sink.forget(dead)
        w.daemon.command("queue", "retry", last, check=False)   # it may have gone by now
        self.each_once(300)

    def test_tls_that_broke_once_is_wanted_after_all(self):
        """A handshake breaks, so it goes on in the clear; 530 (RFC 3207 s4) then returns no mail, but TLS is tried again."""
        w = self.world(changes=QUICK)
        w.sink.rule("starttls", garbage=True, times=1)
        w.sink.rule("mail", "530 5.7.0 Must issue a STARTTLS command first", times=1)
        w.daemon.send("bob@dest.test")
        self.assertEqual(w.sink.wait_for_message("bob@dest.test").tls, "TLSv1.3")
        w.daemon.wait_for_empty_queue()
        self.assertEqual(w.daemon.stop(), 0)
        w.daemon.start()   # nor does the next process remember that it was broken
        w.daemon.send("carol@dest.test")
        self.assertEqual(w.sink.wait_for_message("carol@dest.test").tls, "TLSv1.3")

    def test_damaged_spool_file_is_told_to_operator_and_sender(self):
        """The body is gone: the message waits where the operator sees why, its expiry is told, and it holds up no other."""
        w = self.world(changes={"queue": {"inline_body_limit": "1KiB"}, "retry": {"first": "1s", "max": "1s", "grey": "1s", "jitter": 0.0}},
                       domains=("dest.test", "example.test"))
        w.sink.rule("rcpt", sink.GREYLISTED, recipient="dest.test")
        w.daemon.send("bob@dest.test", body="x" * 70 + "\r\n" + "y" * 4000 + "\r\n")
        w.daemon.send("carol@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b.*Greylisting", 2)
        spool = w.daemon.directory / "queue" / "spool"
        files = [path for path in spool.rglob("*") if path.is_file()]
        self.assertEqual(len(files), 1)
        os.unlink(files[0])
        w.daemon.wait_for_log(r"\bdeferred\b.*class=local.*is gone")
        self.assertEqual(w.daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(w.daemon.directory / "queue" / "queue.sqlite")) as database:
            database.execute("UPDATE message SET expires_at = accepted_at + 1")
            database.commit()
        w.daemon.start()
        self.assertTrue(w.sink.wait(lambda s: len(s.to("alice@example.test")) >= 2, 20))
        reports = b"".join(m.data for m in w.sink.to("alice@example.test"))
        self.assertIn(b"Final-Recipient: rfc822; bob@dest.test", reports)
        self.assertIn(b"Final-Recipient: rfc822; carol@dest.test", reports)
        self.assertLess(len(w.daemon.log(r"\bis gone\b")), 30)

    def test_stop_does_not_wait_for_a_greeting(self):
        w = self.world(changes=QUICK)
        w.sink.rule("connect", delay=40)
        self.submit(8)
        self.assertTrue(w.sink.wait(lambda s: s.sessions))
        begin = time.monotonic()
        self.assertEqual(w.daemon.stop(), 0)
        self.assertLess(time.monotonic() - begin, 10)

    def test_signals_under_load(self):
        """Reloads and clean restarts while mail flows: a clean stop records what it delivered, so nothing goes twice."""
        w = self.world(changes=QUICK)
        w.sink.rule("dot", delay=0.01)
        for part in range(3):
            self.submit(100, first=part * 100)
            w.daemon.reload()
            w.daemon.wait_for_log(r"\breloaded\b", part + 1)
            self.assertEqual(w.daemon.stop(), 0)
            w.daemon.start()
        self.each_once(300)


if __name__ == "__main__":
    world.main()
