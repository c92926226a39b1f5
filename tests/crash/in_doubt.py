#!/usr/bin/env python3
"""kill -9 while a peer holds back its answer to the final dot: the next start says in log and queue who may have the message.

RFC 1047, RFC 5321 s4.5.3.2.6: nobody but the peer knows, so the message goes again, once the retry schedule says so; and whoever
wonders about a duplicate finds the host's name.
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from posthorn_test import world  # noqa: E402

HELD = {"retry": {"first": "20m", "max": "30m", "jitter": 0.0}}   # long enough for the test to look


class InDoubt(world.WorldTest):
    def killed_at_the_dot(self, changes=HELD):
        w = self.world(changes=changes)
        self.stalled = w.sink.rule("dot", stall=True, keep=True)
        text = w.daemon.send(["bob@dest.test", "carol@dest.test"])
        self.assertTrue(w.sink.wait(lambda _: self.stalled.used == 1), "the sink has the whole message")
        w.daemon.kill()
        w.sink.forget(self.stalled)
        return w, re.search(r"queued as (\w{13})", text)[1]

    def marked(self, w, id_):
        """The message as JSON, once both of its recipients are marked."""
        w.daemon.wait_for_output(r"may have been delivered to mx\.dest\.test\[.*(?s:.*)may have been delivered to", "queue", "show", id_)
        return json.loads(w.daemon.command("queue", "show", id_, "--json").stdout)

    def test_log_and_queue_name_the_host(self):
        w, id_ = self.killed_at_the_dot()
        w.daemon.start()
        for who in ("bob", "carol"):
            w.daemon.wait_for_log(rf"\bin-doubt\b.*id={id_}.*to={who}@dest\.test.*host=\S*mx\.dest\.test\[{w.sink.address}\]")
        message = self.marked(w, id_)
        host = f"mx.dest.test[{w.sink.address}]"
        self.assertEqual([r["in_doubt"] for r in message["recipients"]], [host, host])
        self.assertEqual([r["attempts"] for r in message["recipients"]], [1, 1])
        self.assertIn("may have been delivered to mx.dest.test", w.daemon.command("queue", "list").stdout)
        listed = json.loads(w.daemon.command("queue", "list", "--json").stdout)
        self.assertEqual(listed["messages"][0]["recipients"][0]["in_doubt"], host)
        # Not at once: the first message may be on its way through the peer's filters.
        self.assertEqual(w.sink.accepted, 1)
        # When it goes, the mark goes with the recipient.
        w.daemon.command("queue", "retry", id_)
        w.sink.wait_for_messages(2)
        w.daemon.wait_for_empty_queue()
        # And once settled it is no news at the next start.
        w.daemon.kill()
        said = len(w.daemon.log(r"\bin-doubt\b"))
        w.daemon.start()
        w.daemon.send("dave@dest.test")
        w.sink.wait_for_message("dave@dest.test")
        self.assertEqual(len(w.daemon.log(r"\bin-doubt\b")), said)

    def test_whom_the_peer_had_refused_is_in_no_doubt(self):
        w = self.world(changes=HELD)
        stalled = w.sink.rule("dot", stall=True)
        w.sink.rule("rcpt", "550 5.1.1 gone", recipient="carol")
        id_ = re.search(r"queued as (\w{13})", w.daemon.send(["bob@dest.test", "carol@dest.test"]))[1]
        self.assertTrue(w.sink.wait(lambda _: stalled.used == 1), "the sink has the whole message")
        w.daemon.kill()
        w.sink.forget(stalled)
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bin-doubt\b.*id={id_}.*to=bob@dest\.test")
        w.daemon.wait_for_log(rf"\bfailed\b.*id={id_}.*to=carol@dest\.test.*5\.1\.1 gone")   # asked again, and at once
        self.assertEqual(w.daemon.log(r"\bin-doubt\b.*carol"), [])

    def test_it_is_sent_again_when_its_time_comes(self):
        w, id_ = self.killed_at_the_dot(changes={"retry": {"first": "1s", "max": "2s", "jitter": 0.0}})
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bin-doubt\b.*id={id_}")
        w.sink.wait_for_messages(2)
        w.daemon.wait_for_empty_queue()

    def test_a_second_kill_before_the_retry_keeps_the_mark(self):
        w, id_ = self.killed_at_the_dot()
        w.daemon.start()
        self.marked(w, id_)
        w.daemon.kill()
        w.daemon.start()
        self.assertEqual(self.marked(w, id_)["recipients"][0]["attempts"], 1)

    def test_the_mark_is_told_when_it_fails_at_last(self):
        """The sender of a message that failed after a doubt is told that it may have arrived."""
        w, id_ = self.killed_at_the_dot()
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        w.sink.rule("rcpt", "550 5.1.1 gone", recipient="dest.test")
        w.daemon.start()
        self.marked(w, id_)
        w.daemon.command("queue", "retry", id_)
        report = " ".join(w.sink.wait_for_message("alice@example.test").body.decode().split())
        self.assertIn("It may have been delivered all the same", report)

    def test_damage_of_the_file_costs_the_marks_only(self):
        w, id_ = self.killed_at_the_dot()
        file = w.daemon.directory / "queue" / "in-doubt"
        self.assertTrue(file.exists())
        octets = bytearray(file.read_bytes())
        octets[60:90] = b"\xff" * 30
        file.write_bytes(octets + b"something else" * 500)
        w.daemon.start()
        w.sink.wait_for_messages(2)           # nobody knows of a doubt: due at once
        w.daemon.wait_for_empty_queue()
        self.assertEqual(w.daemon.log(r"\bin-doubt\b"), [])
        # A directory in its place: said once, and mail goes on.
        w.daemon.stop()
        file.unlink()
        file.mkdir()
        w.daemon.start()
        w.daemon.wait_for_log(r"\bin_doubt_file\b")
        w.daemon.send("dave@dest.test")
        w.sink.wait_for_message("dave@dest.test")


if __name__ == "__main__":
    world.main()
