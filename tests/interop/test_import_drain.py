"""`posthorn import postfix --drain` with a real Postfix queue: nothing lost, nothing doubled, nothing written there by us (SD-86)."""

import json
import os
import subprocess
import unittest

from posthorn_test.daemon import program
from posthorn_test.old_server import OldServer
from posthorn_test.smtp import Client
from posthorn_test.world import World

MESSAGE = b"From: <me@example.test>\r\nTo: <x@dest.test>\r\nSubject: waiting %d\r\nDate: Mon, 05 Feb 2024 10:00:00 +0900\r\nMessage-ID: <%d@example.test>\r\n\r\nNumber %d.\r\n"


class Drain(unittest.TestCase):
    def drain(self, old, world, *arguments, seconds=60):
        return subprocess.run([program(), "import", "postfix", str(old.etc / "postfix"), "--drain", "--drain-to",
                               f"{world.daemon.address}:{world.daemon.ports['plain']}", "--drain-time", str(seconds), "--json", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 60)

    def fill(self, old, count):
        """Messages that Postfix cannot send: its way is a port where nobody listens. One has two recipients, one is for alias root."""
        with Client((old.address, old.port)) as client:
            client.expect(220)
            client.hello()
            for number in range(count):
                to = ["bob@dest.test", "carol@dest.test"] if number == 0 else [f"user{number}@dest.test"]
                client.deliver("me@example.test", to, MESSAGE % (number, number, number))

    def old_server(self, more=""):
        old = OldServer("S0")
        self.addCleanup(old.__exit__, None)
        old.configure_postfix("smtpd_milters =\nnon_smtpd_milters =\ntransport_maps = inline:{{dest.test = smtp:[127.0.0.1]:1}}\nrelayhost = [127.0.0.1]:1\n" + more)
        return old

    def test_everything_is_handed_over_once(self):
        old = self.old_server()
        master = old.start_postfix()
        self.fill(old, 6)
        own_files = {p: (old.etc / p).read_bytes() for p in ("postfix/main.cf", "postfix/master.cf")}
        with World() as world:
            running = self.drain(old, world)
            self.assertEqual(running.returncode, 75)
            self.assertIn("still running", running.stderr)
            held = json.loads(old.queued()[0])["queue_id"]
            subprocess.run(["postsuper", "-c", str(old.etc / "postfix"), "-h", held], check=True, stderr=subprocess.DEVNULL)
            waiting = [json.loads(line) for line in old.queued()]
            wanted = sorted(r["address"] for m in waiting if m["queue_id"] != held for r in m["recipients"])
            old.end(master)
            # One more, handed in while Postfix is stopped: it lies in maildrop.
            subprocess.run(["/usr/sbin/sendmail", "-C", str(old.etc / "postfix"), "-f", "me@example.test", "late@dest.test"], check=True,
                           input=(MESSAGE % (99, 99, 99)).replace(b"\r\n", b"\n"), stderr=subprocess.DEVNULL)
            wanted = sorted(wanted + ["late@dest.test"])
            drained = self.drain(old, world)
            self.assertEqual(drained.returncode, 0, drained.stderr + drained.stdout)
            said = json.loads(drained.stdout)
            self.assertEqual(said["left"], 1)
            self.assertEqual(said["on_hold"], 1)
            self.assertEqual(said["handed_over"], len(waiting))
            messages = world.sink.wait_for_messages(len(waiting))
            self.assertEqual(sorted(r for m in messages for r in m.recipients), wanted)
            self.assertEqual({m.sender for m in messages}, {"me@example.test"})
            self.assertEqual(len({m.fields("Message-ID")[0] for m in messages}), len(waiting))   # none twice
            for message in messages:
                self.assertTrue(message.fields("DKIM-Signature"))
        self.assertEqual(own_files, {p: (old.etc / p).read_bytes() for p in own_files})
        # The old Postfix starts as ever and has what was on hold.
        old.start_postfix()
        self.assertEqual([json.loads(line)["queue_id"] for line in old.queued()], [held])

    def test_what_posthorn_refuses_stays_with_postfix(self):
        old = self.old_server("message_size_limit = 0\n")
        master = old.start_postfix()
        self.fill(old, 2)
        with Client((old.address, old.port)) as client:
            client.expect(220)
            client.hello()
            client.deliver("me@example.test", ["big@dest.test"], MESSAGE % (7, 7, 7) + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000)
        old.end(master)
        with World(changes={"submission": {"limits": {"max_message_size": "64KiB"}}}) as world:
            drained = self.drain(old, world)
            self.assertEqual(drained.returncode, 75, drained.stderr + drained.stdout)
            said = json.loads(drained.stdout)
            self.assertEqual(said["left"], 1)
            self.assertTrue(said["reasons"])
            self.assertEqual(len(world.sink.wait_for_messages(2)), 2)
        left = [json.loads(line) for line in self.after(old)]
        self.assertEqual([r["address"] for m in left for r in m["recipients"]], ["big@dest.test"])   # neither gone nor returned

    def after(self, old):
        old.start_postfix()
        return old.queued()

    def test_nobody_there_to_take_it(self):
        old = self.old_server()
        run = subprocess.run([program(), "import", "postfix", str(old.etc / "postfix"), "--drain", "--drain-to", "127.0.0.1:1"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(run.returncode, 69)
        self.assertIn("start Posthorn first", run.stderr)


if __name__ == "__main__":
    unittest.main()
