"""Clients that speak before they are greeted (RFC 5321 s4.3.1, SUB-5), and the bounded patience with strangers."""

import time
import unittest

from posthorn_test import world
from posthorn_test.daemon import Daemon, free_port
from posthorn_test.dns_server import DnsServer
from posthorn_test.smtp import Client

PROXY = "127.8.0.1"
STRANGER, FRIEND = "203.0.113.5", "192.0.2.10"


class EarlyTalkersTest(world.WorldTest):
    """Strangers come through a PROXY header: every address of a hermetic test is local, and local clients are not looked at."""

    def daemon(self, delay, **guard):
        dns = DnsServer()
        self.addCleanup(dns.stop)
        daemon = Daemon(dns=dns, changes={
            "submission": {"trusted_networks": ["127.0.0.1/32", f"{FRIEND}/32"]},
            "submission.timeouts": {"greeting_delay": delay},
            "submission.guard": guard,
        })
        self.port = free_port(daemon.address)
        daemon.tables["listener"].append({"address": f"{daemon.address}:{self.port}", "tls": "starttls", "auth": "optional",
                                          "proxy_networks": [f"{PROXY}/32"]})
        daemon.write_config()
        daemon.__enter__()
        self.addCleanup(daemon.__exit__, None, None, None)
        return daemon

    def connect(self, daemon, address, more=b""):
        client = Client((daemon.address, self.port), source=PROXY)
        self.addCleanup(client.close)
        client.send(f"PROXY TCP4 {address} 127.0.0.1 12345 25\r\n".encode() + more)
        return client

    def test_within_the_delay(self):
        daemon = self.daemon("3s")
        client = self.connect(daemon, STRANGER)
        daemon.wait_for_log(rf"\bconnect\b.*client={STRANGER}")
        client.send(b"EHLO client.example\r\nMAIL FROM:<a@example.test>\r\n")
        reply = client.reply()
        self.assertEqual(reply.code, 554, reply)
        self.assertTrue(reply.text.startswith("5.5.1 "), reply)   # not 521 (SUB-5)
        self.assertIsNone(client.line())
        daemon.wait_for_log(r"\bdisconnect\b.*reason=early_talk")
        daemon.wait_for_output(r'sessions_ended_total\{[^}]*"early_talk"\} 1\n', "metrics")

    def test_it_counts_towards_a_ban(self):
        daemon = self.daemon("0s", ban_after=2)
        for _ in range(2):
            self.connect(daemon, STRANGER, b"EHLO client.example\r\n").expect(554)
        daemon.wait_for_log(rf'\bbanned\b.*address={STRANGER}.*reason="talking before the greeting"')
        self.assertIn("4.7.0", self.connect(daemon, STRANGER).expect(421).text)

    def test_who_waits_is_greeted_after_the_delay(self):
        daemon = self.daemon("500ms")
        began = time.monotonic()
        client = self.connect(daemon, STRANGER)
        client.expect(220)
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        client.hello()
        client.quit()

    def test_without_delay_only_what_is_there_counts(self):
        daemon = self.daemon("0s")
        self.connect(daemon, STRANGER, b"EHLO client.example\r\n").expect(554)
        client = self.connect(daemon, STRANGER)
        client.expect(220)
        client.hello()

    def test_friends_may_talk_as_they_like(self):
        daemon = self.daemon("10s")
        client = self.connect(daemon, FRIEND, b"EHLO client.example\r\n")
        client.expect(220)
        client.expect(250)
        client = daemon.connect("plain")
        self.addCleanup(client.close)
        client.send(b"EHLO client.example\r\n")
        client.expect(220)
        client.expect(250)

    def test_tls_at_once_begins_with_the_client(self):
        daemon = self.daemon("10s")
        client = daemon.connect("submissions")   # the ClientHello comes first
        self.addCleanup(client.close)
        client.expect(220)

    def test_the_end_does_not_wait_for_the_delay(self):
        daemon = self.daemon("30s")
        self.connect(daemon, STRANGER)
        daemon.wait_for_log(rf"\bconnect\b.*client={STRANGER}")
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - began, 15)


if __name__ == "__main__":
    unittest.main()
