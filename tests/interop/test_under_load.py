"""What happens to a daemon while mail pours in: it is stopped, it is reloaded again and again, it starts with a long queue."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

from posthorn_test import world

MESSAGES = 3000   # more than are taken before the signal
BATCH = 500
WAITING = int(os.environ.get("POSTHORN_TEST_WAITING", "5000"))
RELOADS = 20
PATIENCE = 240   # seconds; a build with a sanitizer is ten times slower


def ids(daemon, event):
    return {m.group(1) for line in daemon.log(rf"^\S+ {event} ") if (m := re.search(r"\bid=(\w+)", line))}


class UnderLoad(world.WorldTest):
    def source(self, daemon, count, sessions=20):
        host, port = daemon.endpoint("plain")
        process = subprocess.Popen(["/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count), "-l", "4096", "-d",
                                    "-f", "alice@example.test", "-t", "bob@dest.test", f"{host}:{port}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_stopped(self):
        """SIGTERM while 20 sessions send, deliveries run, a client is within DATA, another within its handshake and DNS is silent."""
        w = self.world(changes={"retry": {"first": "1s", "max": "2s"}})
        w.dns.fail("silent.test", "silent")
        w.daemon.send("carol@silent.test")
        within_data = w.daemon.client()
        within_data.expect(250, "MAIL FROM:<alice@example.test>")
        within_data.expect(250, "RCPT TO:<bob@dest.test>")
        within_data.expect(354, "DATA")
        within_data.send("From: <alice@example.test>\r\nSubject: cut off\r\n\r\n")
        handshake = socket.create_connection(w.daemon.endpoint("submissions"))
        handshake.sendall(b"\x16\x03\x01\x02\x00\x01")
        self.source(w.daemon, MESSAGES)
        w.daemon.wait_for_log(r"\bstored\b", 200, timeout=60)
        w.daemon.process.send_signal(signal.SIGTERM)
        within_data.close()
        # Nobody above is worth the grace that a message under way gets.
        self.assertEqual(w.daemon.process.wait(15), 0)
        handshake.close()
        self.assertEqual(w.daemon.stop(), 0)   # and all of its log
        stored = ids(w.daemon, "stored")
        self.assertEqual(w.daemon.log(r"\bdeferred\b.*silent\.test"), [], "ending is no attempt")
        w.daemon.start()
        w.sink.wait(lambda s: len(set(m.fields("Message-ID")[0] for m in s.messages)) >= len(stored) - 1, timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while len(w.daemon.queue_ids()) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        # All that was acknowledged has left but for the one whose DNS does not answer; with nobody killed, nothing leaves twice.
        self.assertEqual(len(w.daemon.queue_ids()), 1)
        self.assertEqual(w.sink.accepted, len(stored) - 1)
        w.daemon.wait_for_log(r"^\S+ delivered ", len(stored) - 1)   # the log is written every 100 ms
        self.assertEqual(len(ids(w.daemon, "delivered")), len(stored) - 1)

    def test_reloaded(self):
        """SIGHUP twenty times while mail comes and goes: each takes effect, and no message suffers."""
        w = self.world()
        done, codes = threading.Event(), []

        def load():
            while not done.is_set():
                codes.append(self.source(w.daemon, BATCH).wait(PATIENCE))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for n in range(1, RELOADS + 1):
                w.daemon.wait_for_log(r"\bstored\b", n * 20, timeout=60)
                w.daemon.reload()
                w.daemon.wait_for_log(r"\breloaded\b", n)
        finally:
            done.set()
            thread.join()
        self.assertEqual(set(codes), {0})
        sent = BATCH * len(codes)
        w.sink.wait_for_messages(sent, timeout=PATIENCE)
        w.daemon.wait_for_log(r"\bdelivered\b", sent, timeout=PATIENCE)
        self.assertEqual(w.sink.accepted, sent)
        w.daemon.wait_for_empty_queue()

    def test_started_with_a_long_queue(self):
        """Thousands of messages that waited for a receiver leave once each, and mail is taken while they do."""
        w = self.world(changes={"retry": {"first": "1s", "max": "2s"}})
        w.sink.rule("connect", "421 4.3.2 Closed for repairs")
        self.assertEqual(self.source(w.daemon, WAITING).wait(PATIENCE), 0)
        self.assertEqual(w.daemon.stop(), 0)
        stored = ids(w.daemon, "stored")
        self.assertEqual(len(stored), WAITING)
        self.assertEqual(w.sink.accepted, 0)
        w.sink.forget()
        begun = time.monotonic()
        w.daemon.start()
        ready = time.monotonic() - begun
        w.daemon.send("alice@dest.test", subject="meanwhile")
        w.sink.wait_for_messages(WAITING + 1, timeout=PATIENCE)
        w.daemon.wait_for_log(r"\bdelivered\b", WAITING + 1, timeout=60)
        w.daemon.wait_for_empty_queue()
        self.assertEqual(w.sink.accepted, WAITING + 1)
        print(f"ready after {ready:.2f} s, empty after {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    world.main()
