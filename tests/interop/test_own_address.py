"""RFC 5321 s5.1, SMTP-25: mail is never delivered to ourselves, whatever name our address has; and addresses in place of domains."""

from posthorn_test import world
from posthorn_test.daemon import Daemon, loopback_address
from posthorn_test.dns_server import DnsServer
from posthorn_test.sink import Sink

QUICK = {"first": "100ms", "max": "300ms", "jitter": 0.0}


class OwnAddress(world.unittest.TestCase):
    """Others receive on the port on which this daemon listens, on addresses of their own."""

    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer()
        cls.addClassCleanup(cls.dns.stop)
        cls.daemon = Daemon(dns=cls.dns, domains=("example.test", "sender.test"), changes={"retry": QUICK})
        port = cls.daemon.ports["plain"]
        cls.daemon.tables["delivery"]["port"] = port
        cls.daemon.write_config()
        cls.better, cls.worse = (Sink(loopback_address(), port=port, name=name) for name in ("better.test", "worse.test"))
        cls.addClassCleanup(cls.better.stop)
        cls.addClassCleanup(cls.worse.stop)
        cls.dns.mx("example.test", ("mx.example.test", cls.worse.address))   # for DSNs
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)

    def no_visit(self):
        """This daemon has never opened a session with its own listener."""
        self.assertEqual(self.daemon.log(r"\bconnected\b.*\bto=\S*\[" + self.daemon.address.replace(".", r"\.") + r"\]"), [])

    def test_only_our_address(self):
        self.dns.mx("circle.test", ("some.circle.test", self.daemon.address))
        self.daemon.send("bob@circle.test")
        line = self.daemon.wait_for_log(r"\bto=bob@circle\.test\b.*5\.4\.6")[0]
        self.assertIn("some.circle.test", line)
        self.no_visit()

    def test_better_hosts_are_used_and_worse_ones_are_not(self):
        self.dns.mx("backup.test", ("b.backup.test", self.better.address), ("we.backup.test", self.daemon.address),
                    ("w.backup.test", self.worse.address))
        self.daemon.send("bob@backup.test")
        self.better.wait_for_message("bob@backup.test")
        refusal = self.better.rule("rcpt", "451 4.3.0 Later", recipient="carol")
        self.daemon.send("carol@backup.test")
        self.daemon.wait_for_log(r"\bdeferred\b.*to=carol@backup\.test", 2)
        self.better.forget(refusal)
        self.better.wait_for_message("carol@backup.test")
        self.assertEqual(self.worse.to("carol@backup.test") + self.worse.to("bob@backup.test"), [])
        self.no_visit()

    def test_those_of_our_own_preference_are_not_used(self):
        """Whichever the shuffle puts first: they are no better than ourselves."""
        self.dns.set("equal.test", "MX", "10 w.equal.test", "10 we.equal.test")
        self.dns.set("w.equal.test", "A", self.worse.address)
        self.dns.set("we.equal.test", "A", self.daemon.address)
        for n in range(8):
            self.daemon.send(f"erin{n}@equal.test")
        for n in range(8):
            self.daemon.wait_for_log(rf"\bfailed\b.*\bto=erin{n}@equal\.test\b.*5\.4\.6")
        self.assertEqual([m for m in self.worse.messages if "equal.test" in str(m.recipients)], [])
        self.no_visit()

    def test_worse_ones_are_not_asked_though_the_better_is_down(self):
        """They would hand it back to us: the mail waits for the better host."""
        self.dns.mx("down.test", ("b.down.test", self.better.address), ("we.down.test", self.daemon.address),
                    ("w.down.test", self.worse.address))
        refusal = self.better.rule("connect", "421 4.3.2 Later")
        self.daemon.send("dave@down.test")
        self.assertIn("421 4.3.2", self.daemon.wait_for_log(r"\bto=dave@down\.test\b.*reply=")[0])
        self.better.forget(refusal)
        self.assertEqual(self.worse.to("dave@down.test"), [])
        self.no_visit()

    def test_address_literals(self):
        """RFC 5321 s4.1.3: no DNS is asked; our own address is ourselves here as well."""
        literal = f"bob@[{self.better.address}]"
        self.daemon.send(literal)
        self.better.wait_for_message(literal)
        self.daemon.send(f"bob@[{self.daemon.address}]")
        self.daemon.wait_for_log(r"\bto=bob@\[" + self.daemon.address.replace(".", r"\.") + r"\].*5\.4\.6")
        self.no_visit()

    def test_mx_that_are_no_host_names(self):
        """An MX record with an address in it, and a null MX among others (RFC 7505 s3), are mistakes; the rest counts (SMTP-26)."""
        self.dns.set("sloppy.test", "MX", f"5 {self.worse.address}.", "6 .", "10 good.sloppy.test")
        self.dns.set("good.sloppy.test", "A", self.better.address)
        self.daemon.send("bob@sloppy.test")
        self.better.wait_for_message("bob@sloppy.test")
        self.dns.set("hopeless.test", "MX", f"5 {self.better.address}.")
        self.daemon.send("bob@hopeless.test")
        line = self.daemon.wait_for_log(r"\bto=bob@hopeless\.test\b.*5\.4\.4")[0]
        self.assertIn("is an IP address where a host name belongs", line)


if __name__ == "__main__":
    world.main()
