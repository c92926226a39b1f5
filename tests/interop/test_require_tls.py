#!/usr/bin/env python3
"""REQUIRETLS (RFC 8689) from the client's MAIL to the next server's: sent where all is certain, returned where it is not."""

import tempfile

from posthorn_test import certs, world
from posthorn_test.daemon import loopback_address, simple_message
from posthorn_test.sink import Sink
from posthorn_test.world import WorldTest

EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "REQUIRETLS", "SIZE 36700160")


class RequireTls(WorldTest):
    def certain_world(self, name="mx.dest.test", trust_ad=True, extensions=EXTENSIONS, idle="5s", **how):
        """A world whose MX records are authentic, and whose MX has a certificate for `name` of an authority we trust."""
        scratch = tempfile.TemporaryDirectory(prefix="requiretls-")
        self.addCleanup(scratch.cleanup)
        address = loopback_address()
        certificate = certs.self_signed(scratch.name, name, (address,))
        w = self.world(sink_address=address, certificate=certificate, changes={
            "dns": {"trust_ad": trust_ad}, "delivery": {"tls_ca_file": str(certificate[0]), "idle_connection": idle}}, **how)
        w.sink.extensions = list(extensions)
        w.dns.authentic = True
        w.dns.mx("example.test", ("mx.example.test", w.sink.address))   # where reports go
        return w

    def submit(self, w, recipient="bob@dest.test", parameters=" REQUIRETLS RET=FULL"):
        with w.daemon.client("submission") as client:
            client.starttls()
            self.assertIn("REQUIRETLS", client.hello().text)   # s2: offered only under TLS
            client.login("alice", "correct horse")
            reply = client.deliver("alice@example.test", [recipient], simple_message(recipient, body="the secret\r\n"), parameters)
            self.assertEqual(reply.code, 250, reply)

    def report(self, w, code):
        """The report that goes back to alice."""
        message = w.sink.wait_for_message("alice@example.test")
        self.assertEqual(message.sender, "")
        self.assertIn(f"Status: {code}".encode(), message.body)
        self.assertNotIn(b"the secret", message.body)   # RFC 8689 s5: the header only, whatever RET says
        self.assertEqual(len(w.sink.to("bob@dest.test")), 0)
        return message

    def test_all_is_certain(self):
        w = self.certain_world()
        self.submit(w)
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.tls, "TLSv1.3")
        self.assertIn("REQUIRETLS", message.mail_parameters.split())

    def test_only_where_it_was_asked_for(self):
        w = self.certain_world()
        self.submit(w, parameters="")
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertNotIn("REQUIRETLS", message.mail_parameters)

    def test_dns_is_not_certain(self):
        w = self.certain_world(trust_ad=False)
        self.submit(w)
        message = self.report(w, "5.7.30")
        # s5: the report asks for the same where the server knows it, and goes out anyway.
        self.assertIn("REQUIRETLS", message.mail_parameters.split())

    def test_the_server_does_not_offer_it(self):
        w = self.certain_world(extensions=[e for e in EXTENSIONS if e != "REQUIRETLS"])
        self.submit(w)
        self.assertNotIn("REQUIRETLS", self.report(w, "5.7.30").mail_parameters)

    def test_the_certificate_is_for_another_name(self):
        w = self.certain_world(name="other.test")
        self.submit(w)
        self.assertIn(b"does not prove its name", self.report(w, "5.7.10").body)

    def test_no_tls_at_all(self):
        w = self.certain_world(starttls=False)
        self.submit(w)
        self.report(w, "5.7.10")

    def test_the_next_host_may_do(self):
        """RFC 8689 s4.2.1: each host of the MX list is tried."""
        w = self.certain_world(name="mx2.dest.test")
        bare = Sink(loopback_address(), port=w.sink.port, starttls=False)
        self.addCleanup(bare.stop)
        w.dns.mx("dest.test", ("mx1.dest.test", bare.address), ("mx2.dest.test", w.sink.address))
        self.submit(w)
        w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(bare.accepted, 0)

    def test_an_unassured_connection_is_not_used_for_it(self):
        """A connection that waits for more mail was opened without looking at the certificate."""
        w = self.certain_world(idle="60s")
        self.submit(w, recipient="first@dest.test", parameters="")
        first = w.sink.wait_for_message("first@dest.test")
        w.daemon.wait_for_empty_queue()
        self.submit(w)
        second = w.sink.wait_for_message("bob@dest.test")
        self.assertNotEqual(second.connection, first.connection)
        w.daemon.wait_for_empty_queue()   # before that no connection is used again
        self.submit(w, recipient="third@dest.test", parameters="")   # an assured one is good for all mail
        self.assertEqual(w.sink.wait_for_message("third@dest.test").connection, second.connection)


if __name__ == "__main__":
    world.main()
