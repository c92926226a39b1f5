"""Our side of the dialogue against servers whose pace or manner only shows on the wire: drips, chunks, HELO."""

import email
import socket
import threading
import time

from posthorn_test import verify, world
from posthorn_test.daemon import loopback_address


class Dripping:
    """A server that is never silent and never gets anywhere: one octet after the other of a reply that does not end."""

    def __init__(self, address, port=0, greeting=b""):
        self._greeting = greeting
        self._listener = socket.create_server((address, port))
        self.address, self.port = self._listener.getsockname()
        self.seconds = []          # how long each client stayed
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client):
        began = time.monotonic()
        try:
            client.sendall(self._greeting)
            while True:
                client.sendall(b"2")
                client.settimeout(0.05)
                try:
                    if not client.recv(4096):
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        client.close()
        with self._changed:
            self.seconds.append(time.monotonic() - began)
            self._changed.notify_all()

    def wait(self, timeout=30):
        with self._changed:
            return self._changed.wait_for(lambda: self.seconds, timeout)

    def stop(self):
        self._listener.close()


class Pace(world.WorldTest):
    def test_a_dripping_server_has_the_time_of_one_reply(self):
        """SMTP-1, RFC 5321 s4.5.3.2.1: the greeting has its time however many pieces it comes in."""
        w = self.world(changes={"delivery": {"timeouts": {"greeting": "1s"}}})
        drip = Dripping(loopback_address(), w.sink.port)
        self.addCleanup(drip.stop)
        w.dns.mx("drip.test", ("mx.drip.test", drip.address))
        w.daemon.send("bob@drip.test")
        self.assertTrue(drip.wait())
        self.assertGreater(drip.seconds[0], 0.9)
        w.daemon.wait_for_log(r"\bdeferred\b.*stage=greeting.*no answer from mx\.drip\.test.* in time")

    def test_a_session_has_a_bound(self):
        """SMTP-1, SMTP-10: every reply is in time, and still the whole is not: the mail waits, the connection is given up."""
        w = self.world(changes={"delivery": {"timeouts": {"session": "1s"}}})
        w.sink.extensions.remove("PIPELINING")
        w.sink.rule("rcpt", delay=0.4)
        w.daemon.send([f"user{i}@dest.test" for i in range(6)])
        self.assertEqual(len(w.daemon.wait_for_log(r"\bdeferred\b.*stage=rcpt.*in time", 6)), 6)
        self.assertEqual(w.sink.accepted, 0)


class Chunks(world.WorldTest):
    def test_a_large_body_in_chunks(self):
        """EXT-6, RFC 3030 s2: several chunks, none of them stuffed, and together what was handed in; the signature is good."""
        w = self.world(changes={"delivery": {"chunking": "auto"}})
        w.sink.extensions.append("CHUNKING")
        line = ".a line that begins with a dot, and goes on for a while so that there are fewer of them in nine megabytes\r\n"
        body = line * 90000
        w.daemon.send("bob@dest.test", body=body)
        message = w.sink.wait_for_message("bob@dest.test", timeout=60)
        chunks = [c.split() for s in w.sink.sessions for c in s["commands"] if c.startswith("BDAT")]
        self.assertEqual([c[1] for c in chunks[:-1]], ["4194304"] * 2)
        self.assertEqual(chunks[-1][2:], ["LAST"])
        self.assertEqual(sum(int(c[1]) for c in chunks), len(message.data))
        self.assertEqual(message.body, body.encode())
        self.assertIn(f"SIZE={len(message.data)}", message.mail_parameters)
        self.assertIsNone(verify.all_pass(message.data, w.dns))


class SevenBits(world.WorldTest):
    def test_what_arrives_says_the_same(self):
        """EXT-8, RFC 6152 s3: to a server without 8BITMIME every part arrives, decoded as it was, nothing has eight bits, and the
        signature is good."""
        w = self.world()
        w.sink.extensions = ["PIPELINING"]
        parts = ["gr\u00fc\u00dfe und mehr Text, der nicht viel davon hat\r\n", "\u043f\u0440\u0438\u0432\u0435\u0442\r\n"]
        text = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        body = "--b\r\n" + text + parts[0] + "\r\n--b\r\n" + text + parts[1] + "\r\n--b--\r\n"
        header = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\nContent-Transfer-Encoding: 8bit\r\n'
        w.daemon.send(["bob@dest.test", "carol@dest.test"], extra=header, body=body)
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertTrue(message.data.isascii())
        self.assertNotIn("8BITMIME", message.mail_parameters)
        self.assertNotIn(b"8bit", message.data)
        arrived = [p.get_payload(decode=True).decode() for p in email.message_from_bytes(message.data).walk() if not p.is_multipart()]
        self.assertEqual(arrived, parts)
        self.assertIsNone(verify.all_pass(message.data, w.dns))   # signed after the conversion
        w.daemon.wait_for_log(r"\bconverted\b.*7-bit")


if __name__ == "__main__":
    world.main()
