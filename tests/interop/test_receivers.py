"""Delivery to other people's servers: Debian's Postfix, Exim and OpenSMTPD, with STARTTLS; what they stored is verified by others."""

import email
import email.policy
import os
import re
import unittest

from posthorn_test import sink, verify, world
from posthorn_test.daemon import Daemon, loopback_address
from posthorn_test.dns_server import DnsServer
from posthorn_test.receivers import Exim, OpenSmtpd, Postfix

MIME = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
UTF8 = "Grüße aus Köln – ✓\r\n".encode()


@unittest.skipUnless(os.geteuid() == 0, "other people's servers run under users of their own: only root can start them")
class ReceiverTest(unittest.TestCase):
    """One receiver for all tests of a class; reports go to a sink."""

    server, tls = None, True

    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer()
        cls.addClassCleanup(cls.dns.stop)
        cls.home = sink.Sink(loopback_address(), name="mx.example.test")
        cls.addClassCleanup(cls.home.stop)
        cls.receiver = cls.server(cls.home.port)
        cls.receiver.__enter__()
        cls.addClassCleanup(cls.receiver.__exit__)
        cls.dns.mx("dest.test", ("mx.dest.test", cls.receiver.address))
        cls.dns.mx("example.test", ("mx.example.test", cls.home.address))
        cls.daemon = Daemon(dns=cls.dns, delivery_port=cls.home.port, keys=("rsa", "ed25519"))
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def send(self, to, subject, body, header="", parameters="", sender="alice@example.test"):
        to = [to] if isinstance(to, str) else to
        octets = (f"From: Alice <{sender or 'postmaster@example.test'}>\r\nTo: {', '.join(f'<{r}>' for r in to)}\r\nSubject: {subject}\r\n"
                  f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{os.urandom(8).hex()}@example.test>\r\n{header}\r\n").encode()
        with self.daemon.client() as client:
            self.assertEqual(client.deliver(sender, to, octets + body, parameters).code, 250)
            client.quit()

    def arrived(self, user, subject):
        """The message as the receiver stored it: signed, and by TLS."""
        octets = self.receiver.wait_for(user, subject)
        self.assertIsNone(verify.all_pass(octets, self.dns, count=2))
        received = re.sub(r"\s+", " ", email.message_from_bytes(octets, policy=email.policy.SMTP).get_all("Received")[0])
        self.assertEqual(bool(re.search("TLS ?v?1.3", received)), self.tls, received)
        return octets


class Receiving:
    """What every receiver must get right with us."""

    def test_plain(self):
        self.send("bob@dest.test", "plain", b"Hello.\r\n")
        self.assertTrue(self.arrived("bob", "plain").endswith(b"\r\n\r\nHello.\r\n"))

    def test_dots_and_long_lines(self):
        """RFC 5321 s4.5.2, s4.5.3.1.6."""
        body = b".\r\n..\r\n.a\r\n" + b"x" * 998 + b"\r\n\r\n.\r\n\r\n"
        self.send("bob@dest.test", "dots", body)
        self.assertTrue(self.arrived("bob", "dots").endswith(b"\r\n\r\n" + body))

    def test_eight_bits(self):
        """RFC 6152: 8BITMIME is offered by all three; the octets arrive as they are."""
        self.send("bob@dest.test", "8bit", UTF8, MIME, " BODY=8BITMIME")
        self.assertTrue(self.arrived("bob", "8bit").endswith(b"\r\n\r\n" + UTF8))

    def test_large(self):
        body = b"".join(b"%08d %s\r\n" % (i, b"x" * 60) for i in range(60000))
        self.send("bob@dest.test", "large", body)
        self.assertTrue(self.arrived("bob", "large").endswith(body))

    def test_several_recipients_and_one_refused(self):
        """RFC 5321 s4.2.5: two get it, the third is reported in the receiver's words."""
        self.home.clear()
        self.send(["bob@dest.test", "carol@dest.test", "nobody@dest.test"], "several", b"Hello.\r\n")
        self.arrived("bob", "several")
        self.arrived("carol", "several")
        report = self.home.wait_for_message("alice@example.test")
        self.assertIn(b"Final-Recipient: rfc822; nobody@dest.test", report.data)
        self.assertNotIn(b"Final-Recipient: rfc822; bob@dest.test", report.data)
        self.assertRegex(report.data, rb"Diagnostic-Code: smtp; 5\d\d ")
        self.daemon.wait_for_empty_queue()

    def test_null_sender(self):
        """RFC 5321 s4.5.5: a report of ours to somebody there."""
        self.send("bob@dest.test", "null", b"Hello.\r\n", sender="")
        self.assertIn(b"Subject: null", self.receiver.wait_for("bob", "null"))

    def test_many_over_few_connections(self):
        """PIPELINING, connections used again: sixty messages, each once."""
        for number in range(60):
            self.send("dave@dest.test", f"number {number}", b"Hello.\r\n")
        for number in range(60):
            self.receiver.wait_for("dave", f"number {number}")
        self.daemon.wait_for_empty_queue()
        self.assertEqual(len(self.receiver.messages("dave")), 60)
        self.assertEqual(self.daemon.log(r"\b(deferred|failed)\b.*to=dave@"), [])


class ToPostfix(Receiving, ReceiverTest):
    server = Postfix

    def test_utf8_address(self):
        """RFC 6531: SMTPUTF8 with an address that has no ASCII form."""
        self.send("jörg@dest.test", "Grüße", UTF8, MIME, " SMTPUTF8 BODY=8BITMIME")
        octets = self.receiver.wait_for("jörg", "Grüße")
        self.assertIsNone(verify.all_pass(octets, self.dns, count=2))

    def test_dsn_is_its_to_give(self):
        """RFC 3461 s5.2.1: Postfix offers DSN, takes NOTIFY, and reports itself that it has delivered."""
        self.home.clear()
        with self.daemon.client() as client:
            client.expect(250, "MAIL FROM:<alice@example.test> RET=HDRS ENVID=xyz")
            client.expect(250, "RCPT TO:<bob@dest.test> NOTIFY=SUCCESS")
            client.expect(354, "DATA")
            client.send("From: <alice@example.test>\r\nTo: <bob@dest.test>\r\nSubject: notify\r\n\r\nHello.\r\n.\r\n")
            client.expect(250)
        self.receiver.wait_for("bob", "notify")
        self.daemon.wait_for_empty_queue()
        self.assertEqual(self.home.to("alice@example.test"), [])   # none of ours


class ToExim(Receiving, ReceiverTest):
    server = Exim


class ToOpenSmtpd(Receiving, ReceiverTest):
    """Debian 12's OpenSMTPD offers STARTTLS and then breaks every handshake (it does not work with OpenSSL 3; its issue 1171).

    So it shows what opportunistic TLS is for: the mail goes in the clear, over a new connection, and the host is remembered.
    """

    server, tls = OpenSmtpd, False

    def test_broken_tls_is_remembered(self):
        self.send("bob@dest.test", "first", b"Hello.\r\n")
        self.arrived("bob", "first")
        self.daemon.wait_for_log(r"^\S+ tls .*to=mx\.dest\.test.*clear text")


if __name__ == "__main__":
    world.main()
