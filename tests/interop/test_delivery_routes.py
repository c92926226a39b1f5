"""Where mail goes: MX, implicit MX, null MX, several hosts, broken TLS; with real DNS packets and real TLS handshakes."""

from posthorn_test import world
from posthorn_test.daemon import loopback_address
from posthorn_test.sink import Sink


class Routes(world.WorldTest):
    def test_implicit_mx(self):
        """RFC 5321 s5.1: a domain without MX but with an address is its own mail host."""
        w = self.world()
        w.dns.set("plain.test", "A", w.sink.address)
        w.daemon.send("bob@plain.test")
        w.sink.wait_for_message("bob@plain.test")
        self.assertGreaterEqual(w.dns.asked("plain.test", "MX"), 1)

    def test_null_mx(self):
        """RFC 7505 s3: "MX 0 ." takes no mail; the sender is told at once, and no address is even asked for."""
        w = self.world(domains=("dest.test", "example.test"))
        w.dns.set("null.test", "MX", "0 .")
        w.dns.set("null.test", "A", w.sink.address)
        w.daemon.send("bob@null.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"5.1.10", report.data)
        self.assertEqual(w.sink.to("bob@null.test"), [])
        self.assertEqual(w.dns.asked("null.test", "A"), 0)

    def test_no_such_domain(self):
        """RFC 5321 s5.1: NXDOMAIN is permanent."""
        w = self.world(domains=("dest.test", "example.test"))
        w.daemon.send("bob@nowhere.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"bob@nowhere.test", report.data)
        self.assertIn(b"Action: failed", report.data)

    def test_broken_dns_is_waited_for(self):
        """RFC 5321 s5.1: SERVFAIL is not NXDOMAIN; the mail waits until DNS works again."""
        w = self.world(changes={"retry": {"first": "100ms", "max": "200ms"}, "dns": {"timeout": "1s", "tries": 1}})
        w.dns.fail("dest.test", "servfail")
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b")
        w.dns.fail("dest.test", None)
        for _ in range(40):
            for one in w.daemon.queue_ids():
                w.daemon.command("queue", "retry", one, check=False)   # it may be delivered meanwhile
            if w.sink.wait(lambda s: s.accepted, timeout=0.5):
                break
        self.assertEqual(len(w.sink.to("bob@dest.test")), 1)

    def test_answer_over_tcp(self):
        """RFC 7766: a truncated answer is asked for again over TCP."""
        w = self.world()
        w.dns.fail("dest.test", "truncate")
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")

    def test_cname(self):
        """RFC 5321 s5.1: a CNAME of the mail domain is followed."""
        w = self.world()
        w.dns.set("alias.test", "CNAME", "dest.test")
        w.daemon.send("bob@alias.test")
        w.sink.wait_for_message("bob@alias.test")

    def test_second_host(self):
        """RFC 5321 s5.1: the host of lower preference takes the mail when the first does not answer; in this order."""
        w = self.world()
        nobody = loopback_address()
        w.dns.mx("two.test", ("mx1.two.test", nobody), ("mx2.two.test", w.sink.address))
        w.daemon.send("bob@two.test")
        w.sink.wait_for_message("bob@two.test")

    def test_preference(self):
        """RFC 5321 s5.1: while the preferred host works, no other is asked."""
        w = self.world()
        backup = Sink(loopback_address(), port=w.sink.port, starttls=False)
        self.addCleanup(backup.stop)
        w.dns.mx("two.test", ("mx1.two.test", w.sink.address), ("mx2.two.test", backup.address))
        for i in range(5):
            w.daemon.send(f"bob{i}@two.test")
        w.sink.wait_for_messages(5)
        self.assertEqual(backup.accepted, 0)

    def test_521_greeting_goes_to_the_next_host(self):
        """RFC 7504 s3: "521" in place of a greeting says that this host takes no mail."""
        w = self.world()
        backup = Sink(loopback_address(), port=w.sink.port, starttls=False)
        self.addCleanup(backup.stop)
        w.sink.rule("connect", "554 No SMTP service here")
        w.dns.mx("two.test", ("mx1.two.test", w.sink.address), ("mx2.two.test", backup.address))
        w.daemon.send("bob@two.test")
        backup.wait_for_message("bob@two.test")

    def test_tls(self):
        w = self.world()
        w.daemon.send("bob@dest.test")
        self.assertEqual(w.sink.wait_for_message("bob@dest.test").tls, "TLSv1.3")

    def test_no_starttls(self):
        w = self.world(starttls=False)
        w.daemon.send("bob@dest.test")
        self.assertEqual(w.sink.wait_for_message("bob@dest.test").tls, "")

    def test_broken_handshake_falls_back_on_a_new_connection(self):
        """Opportunistic TLS is never stricter than clear text (DESIGN decision 10); after a failed handshake the old connection is
        useless, so the mail goes over another one."""
        w = self.world()
        w.sink.rule("starttls", garbage=True)
        w.daemon.send("bob@dest.test")
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.tls, "")
        self.assertEqual(message.connection, 2)

    def test_hanging_up_at_starttls_falls_back_too(self):
        """A server that knows STARTTLS only in its EHLO reply: the same, before any handshake."""
        w = self.world()
        w.sink.rule("starttls", drop="before")
        w.daemon.send("bob@dest.test")
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual((message.tls, message.connection), ("", 2))

    def test_refused_starttls(self):
        w = self.world()
        w.sink.rule("starttls", "454 4.7.0 TLS not available due to temporary reason")
        w.daemon.send("bob@dest.test")
        self.assertEqual(w.sink.wait_for_message("bob@dest.test").tls, "")

    def test_tls_required(self):
        """With delivery.tls = "required" mail waits rather than leave in clear text."""
        w = self.world(starttls=False, changes={"delivery": {"tls": "required"}})
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b")
        self.assertEqual(w.sink.accepted, 0)

    def test_helo_only_server(self):
        """RFC 5321 s3.2: a server that does not know EHLO is greeted with HELO."""
        w = self.world(starttls=False)
        w.sink.rule("ehlo", "502 5.5.1 What is EHLO?")
        w.daemon.send("bob@dest.test")
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.helo, "mail.example.test")
        self.assertEqual(message.mail_parameters, "")

    def test_connection_is_used_again(self):
        w = self.world(changes={"delivery": {"connections_per_site": 1}})
        for i in range(10):
            w.daemon.send(f"bob{i}@dest.test")
        w.sink.wait_for_messages(10)
        self.assertLess(len({m.connection for m in w.sink.messages}), 10)

    def test_one_transaction_for_one_domain(self):
        """RFC 5321 s4.5.4.1: recipients of one domain share a transaction; recipients of different domains never do."""
        w = self.world(domains=("dest.test", "other.test"))
        w.daemon.send(["a@dest.test", "b@dest.test", "c@other.test"])
        w.sink.wait_for_messages(2)
        self.assertEqual(sorted(sorted(m.recipients) for m in w.sink.messages), [["a@dest.test", "b@dest.test"], ["c@other.test"]])

    def test_private_addresses_are_refused_by_default(self):
        """A public domain whose MX points to loopback is a trick or a mistake; nothing is sent there."""
        w = self.world(changes={"delivery": {"allow_private_addresses": False}})
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\b(deferred|failed)\b")
        self.assertEqual(len(w.sink.sessions), 0)


if __name__ == "__main__":
    world.main()
