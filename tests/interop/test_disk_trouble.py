"""A disk that takes nothing more for a while: new mail is answered 452, delivery pauses, nothing is lost, nothing is sent twice.

The disk is made to fail by the limit on file sizes (RLIMIT_FSIZE), set from outside while the daemon runs: each write to the
queue then ends with EFBIG, an I/O error as sqlite sees it. What ENOSPC, EIO and a failing fdatasync do inside the store is shown by the
tests of the queue with a VFS that fails at every single call.
"""

import resource
import subprocess
import time

from posthorn_test import world
from posthorn_test.daemon import program, simple_message

QUICK = {"retry": {"first": "100ms", "max": "200ms", "jitter": 0.0}}


def limit(daemon, octets):
    hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (octets, hard))


class DiskTrouble(world.WorldTest):
    def submit(self, daemon, recipient):
        """The reply that decided: to MAIL where the queue is known to be closed, else to the final dot."""
        with daemon.client() as client:
            reply = client.command("MAIL FROM:<alice@example.test>")
            if reply.code != 250:
                return reply
            client.command("RSET")
            return client.deliver("alice@example.test", [recipient], simple_message(recipient))

    def test_452_then_recovery_without_restart(self):
        """SMTP-11, RFC 1870 s6.1: no 250 without the disk; SMTP-10: what was delivered is recorded once the disk works again."""
        w = self.world(changes=QUICK)
        broken = []

        def break_the_disk(message):
            if message.recipients == ["inflight@dest.test"] and not broken:
                broken.append(message)
                limit(w.daemon, 1)

        w.sink.on_message = break_the_disk     # before the 250 to the final dot leaves
        w.daemon.send("inflight@dest.test")
        w.daemon.wait_for_log(r"\bqueue_unhealthy\b")
        self.assertTrue(broken)

        refused = self.submit(w.daemon, "refused@dest.test")
        self.assertEqual(refused.code, 452)
        self.assertIn("4.3.1", refused.text)

        limit(w.daemon, resource.RLIM_INFINITY)
        w.daemon.wait_for_log(r"\bqueue_healthy\b")
        self.assertEqual(self.submit(w.daemon, "after@dest.test").code, 250)
        w.sink.wait_for_message("after@dest.test")
        self.assertEqual(len(w.sink.to("inflight@dest.test")), 1)
        self.assertEqual(w.sink.to("refused@dest.test"), [])
        w.daemon.wait_for_log(r"\bsettle\b.*tried again")
        w.daemon.stop()
        w.daemon.start()
        self.assertEqual(w.daemon.queue_ids(), [])

    def health(self, daemon, *options):
        """(exit code, what it says) of the health check."""
        run = subprocess.run([program(), "healthcheck", *options, "--config", str(daemon.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=60)
        return run.returncode, run.stdout

    def test_the_health_check_finds_it_before_there_is_mail(self):
        """DO-21: nobody has sent anything, so the queue itself has noticed nothing."""
        w = self.world()
        self.assertEqual(self.health(w.daemon), (0, "healthy\n"))
        limit(w.daemon, 1)
        code, said = self.health(w.daemon)
        self.assertEqual(code, 1)
        self.assertRegex(said, f"unhealthy: cannot write in {w.daemon.directory}/queue: File too large")
        limit(w.daemon, resource.RLIM_INFINITY)
        self.assertEqual(self.health(w.daemon), (0, "healthy\n"))
        self.assertEqual(list((w.daemon.directory / "queue").glob(".write-test")), [])

    def test_the_health_check_on_a_disk_that_is_nearly_full(self):
        """Where mail is answered 452 for queue.min_free_space."""
        w = self.world(changes={"queue": {"min_free_space": "1000GiB"}})
        self.assertEqual(self.submit(w.daemon, "refused@dest.test").code, 452)
        code, said = self.health(w.daemon)
        self.assertEqual(code, 1)
        self.assertIn("unhealthy: less than queue.min_free_space", said)

    def test_the_health_check_minds_the_oldest_message_where_it_is_asked_to(self):
        w = self.world(changes={"retry": {"first": "1h"}})
        w.sink.rule("rcpt", "451 4.3.0 later", recipient="waiting")
        w.daemon.send("waiting@dest.test")
        self.assertEqual(self.health(w.daemon, "--max-age", "1h"), (0, "healthy\n"))
        deadline = time.monotonic() + 60       # the age is looked at every five seconds
        while (found := self.health(w.daemon, "--max-age", "1s"))[0] == 0 and time.monotonic() < deadline:
            pass
        self.assertEqual(found[0], 1)
        self.assertRegex(found[1], r"unhealthy: the oldest message waits for \d+ s")
        self.assertEqual(self.health(w.daemon, "--max-age", "soon")[0], 64)

    def test_delivery_pauses(self):
        """What is due while outcomes cannot be recorded is not tried: its delivery could only be repeated later."""
        w = self.world(changes={"retry": {"first": "500ms", "max": "500ms", "jitter": 0.0}})
        w.sink.rule("rcpt", "451 4.3.0 later", recipient="waiting", times=1)
        w.daemon.send("waiting@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b")
        due = time.monotonic() + 0.5
        w.sink.on_message = lambda message: limit(w.daemon, 1) if message.recipients == ["inflight@dest.test"] else None
        w.daemon.send("inflight@dest.test")
        w.daemon.wait_for_log(r"\bqueue_unhealthy\b")
        while time.monotonic() < due + 0.5:
            self.assertEqual(self.submit(w.daemon, "refused@dest.test").code, 452)
        limit(w.daemon, resource.RLIM_INFINITY)
        w.sink.wait_for_message("waiting@dest.test")
        w.daemon.wait_for_log(r"\bqueue_healthy\b")
        log = w.daemon.log()
        unhealthy, healthy = (next(i for i, line in enumerate(log) if word in line) for word in (" queue_unhealthy ", " queue_healthy "))
        self.assertEqual([line for line in log[unhealthy:healthy] if " attempt " in line], [])
        self.assertEqual(len(w.sink.to("inflight@dest.test")), 1)


if __name__ == "__main__":
    world.main()
