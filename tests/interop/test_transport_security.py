#!/usr/bin/env python3
"""TLS to receiving servers and relays without DNSSEC: broken handshakes and their memory, certificates of ours, implicit TLS."""

import ssl
import tempfile

from posthorn_test import certs, world
from posthorn_test.daemon import loopback_address
from posthorn_test.sink import Sink
from posthorn_test.world import WorldTest


class TransportSecurity(WorldTest):
    def deliver(self, w, to):
        w.daemon.send(to)
        message = w.sink.wait_for_message(to)
        w.daemon.wait_for_empty_queue()
        return message

    def test_broken_tls_is_remembered_over_a_restart(self):
        """TLS-2: a handshake that broke is not tried again with each message, not even by the next process."""
        w = self.world(changes={"delivery": {"messages_per_connection": 1}})
        broken = w.sink.rule("starttls", garbage=True)
        self.assertEqual(self.deliver(w, "one@dest.test").tls, "")
        w.daemon.wait_for_log(r"\btls\b.*using clear text")
        sessions = len(w.sink.sessions)
        self.assertEqual(self.deliver(w, "two@dest.test").tls, "")
        self.assertEqual(len(w.sink.sessions), sessions + 1)
        self.assertEqual(w.daemon.stop(), 0)
        w.daemon.start()
        self.assertEqual(self.deliver(w, "three@dest.test").tls, "")
        self.assertEqual(len(w.sink.sessions), sessions + 2)
        self.assertEqual(len(w.daemon.log("using clear text")), 1)
        w.sink.forget(broken)

    def test_broken_tls_is_forgotten_in_time(self):
        w = self.world(changes={"delivery": {"messages_per_connection": 1, "broken_tls_memory": "0s"}})
        w.sink.rule("starttls", garbage=True, times=1)
        self.assertEqual(self.deliver(w, "one@dest.test").tls, "")
        self.assertTrue(self.deliver(w, "two@dest.test").tls)

    def test_required_tls_is_never_followed_by_clear_text(self):  # SD-62
        w = self.world(changes={"delivery": {"tls": "required"}})
        w.sink.rule("starttls", garbage=True, times=1)
        w.daemon.send("bob@dest.test")
        line = w.daemon.wait_for_log(r"\bdeferred\b.*bob@dest\.test")[0]
        self.assertIn("TLS is demanded of mx.dest.test", line)
        self.assertEqual(w.sink.accepted, 0)
        w.daemon.command("queue", "retry", *w.daemon.wait_for_queue(1))
        self.assertTrue(w.sink.wait_for_message("bob@dest.test").tls)

    def test_sessions_are_resumed(self):  # SD-65
        w = self.world(changes={"delivery": {"messages_per_connection": 1}})
        resumed = [w.sink.sessions[self.deliver(w, f"{i}@dest.test").connection - 1]["resumed"] for i in range(3)]
        self.assertEqual(resumed, [False, True, True])

    def test_a_certificate_of_ours(self):
        scratch = tempfile.TemporaryDirectory(prefix="client-certificate-")
        self.addCleanup(scratch.cleanup)
        authority = certs.Authority(scratch.name)
        certificate, key = authority.issue(["mail.example.test"], usage="clientAuth")
        w = self.world(changes={"delivery": {"tls_certificate_file": str(certificate), "tls_key_file": str(key)}})
        w.sink._context.load_verify_locations(str(authority.file))
        w.sink._context.verify_mode = ssl.CERT_OPTIONAL
        message = self.deliver(w, "bob@dest.test")
        self.assertTrue(w.sink.sessions[message.connection - 1]["client_certificate"])

    def relay_world(self, name, tls, certificate_for="relay.test", **sink):
        """All mail goes by a relay with a certificate for that name; certificates of its authority are trusted."""
        scratch = tempfile.TemporaryDirectory(prefix="relay-")
        self.addCleanup(scratch.cleanup)
        authority = certs.Authority(scratch.name)
        relay = Sink(loopback_address(), certificate=authority.issue([certificate_for]), **sink)
        self.addCleanup(relay.stop)
        w = self.world(changes={
            "delivery": {"tls_ca_file": str(authority.file), "allow_private_addresses": False},
            "relay": [{"name": name, "host": [f"relay.test:{relay.port}"], "tls": tls}],
            "route": [{"to": name}]})
        w.dns.set("relay.test", "A", relay.address)
        return w, relay

    def test_a_relay_with_implicit_tls(self):
        """RFC 8314 s3.3. Its address may be a private one: the operator says where it is."""
        w, relay = self.relay_world("isp", "implicit", implicit_tls=True)
        w.daemon.send("bob@dest.test")
        relay.wait_for_message("bob@dest.test")
        line = w.daemon.wait_for_log(r"\bconnected\b.*relay=isp")[0]
        self.assertIn("verified=pkix policy=relay", line)
        self.assertEqual(w.sink.accepted, 0)

    def test_a_relay_with_verified_starttls(self):
        w, relay = self.relay_world("isp", "verified")
        w.daemon.send("bob@dest.test")
        relay.wait_for_message("bob@dest.test")
        self.assertEqual(relay.sessions[0]["sni"], "relay.test")

    def test_a_relay_that_does_not_prove_itself(self):
        """Nothing is said to it; the mail waits, as the fault may be ours."""
        for how in ({"certificate_for": "other.test"}, {"starttls": False}):
            w, relay = self.relay_world("isp", "verified", **how)
            w.daemon.send("bob@dest.test")
            self.assertIn("is demanded", w.daemon.wait_for_log(r"\bdeferred\b.*bob@dest\.test")[0])
            self.assertEqual([c for c in relay.sessions[0]["commands"] if c.startswith(("MAIL", "AUTH"))], [])


if __name__ == "__main__":
    world.main()
