#!/usr/bin/env python3
"""Hosts that cannot be reached: dead ones beside others, IPv6 that is not there, and what is missing on our own side."""

from posthorn_test import world
from posthorn_test.daemon import loopback_address
from posthorn_test.sink import Sink
from posthorn_test.world import WorldTest


class UnreachableHosts(WorldTest):
    def deliver(self, w, to):
        w.daemon.send(to)
        message = w.sink.wait_for_message(to)
        w.daemon.wait_for_empty_queue()
        return message

    def test_one_dead_host_of_two(self):
        """SMTP-31: messages wait for a host that does not answer once per back-off, and not each of them."""
        w = self.world(changes={"delivery": {"messages_per_connection": 1, "timeouts": {"greeting": "500ms"}}})
        silent = Sink(loopback_address(), port=w.sink.port)
        self.addCleanup(silent.stop)
        silent.rule("connect", stall=True)
        w.dns.mx("dest.test", ("a.dest.test", silent.address), ("b.dest.test", w.sink.address))
        for i in range(10):
            self.deliver(w, f"u{i}@dest.test")
        self.assertEqual(len(silent.sessions), 1)
        self.assertEqual(len(w.daemon.wait_for_log(r"\bunreachable\b.*to=a\.dest\.test.*left out for")), 1)
        self.assertEqual(w.daemon.log(r"\bdeferred\b"), [])

    def test_a_refusal_is_not_final_while_others_rest(self):
        """RFC 5321 s5.1: the host that is left out for now was not asked, so what the other says is no reason to return mail."""
        w = self.world(changes={"delivery": {"messages_per_connection": 1, "timeouts": {"greeting": "500ms"}}})
        silent = Sink(loopback_address(), port=w.sink.port)
        self.addCleanup(silent.stop)
        silent.rule("connect", stall=True)
        w.dns.mx("dest.test", ("a.dest.test", silent.address), ("b.dest.test", w.sink.address))
        self.deliver(w, "one@dest.test")
        w.daemon.wait_for_log(r"\bunreachable\b.*to=a\.dest\.test")
        w.sink.rule("connect", "554 5.7.1 No mail from you")
        w.daemon.send("two@dest.test")
        self.assertIn("554 5.7.1 No mail from you", w.daemon.wait_for_log(r"\b(?:deferred|failed)\b.*to=two@dest\.test")[0])
        self.assertEqual(w.daemon.log(r"\bfailed\b"), [])
        self.assertEqual(len(silent.sessions), 1)

    def test_no_ipv6_here(self):
        """It costs none of the attempt's addresses: the next host gets the mail at once."""
        w = self.world(changes={"delivery": {"family": "any", "hosts_per_attempt": 1, "source_v6": "2001:db8::25"}})
        w.dns.mx("dest.test", ("a.dest.test", "2001:db8::1"), ("b.dest.test", w.sink.address))
        self.deliver(w, "bob@dest.test")
        self.assertEqual(w.daemon.log(r"\bdeferred\b"), [])

    def test_a_shortage_of_ours(self):
        """No local address, port or descriptor: said in the log, no attempt of the message, no fault of the site."""
        w = self.world(changes={"delivery": {"source_v4": "192.0.2.25"}})
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bshortage\b.*Cannot assign requested address")
        self.assertEqual(w.daemon.log(r"\bdeferred\b"), [])
        w.daemon.tables["delivery"]["source_v4"] = ""
        w.daemon.write_config()
        w.daemon.reload()
        w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(w.daemon.log(r"\bdeferred\b"), [])


if __name__ == "__main__":
    world.main()
