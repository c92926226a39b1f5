"""When a message's time is over, in whatever state it is; and what happens to mail that cannot be signed."""

from posthorn_test import sink, world
from posthorn_test.daemon import simple_message

SHORT = {"queue": {"lifetime": "3s"}, "retry": {"first": "200ms", "max": "400ms", "auth_first": "200ms", "auth_max": "400ms", "jitter": 0.0}}
BOTH = ("dest.test", "example.test")


class Expiry(world.WorldTest):
    def test_deferred_mail_is_returned_with_the_last_reply(self):
        """RFC 5321 s4.5.4.1, s6.1; DSN-5, DSN-9: tried until its time is over, then one report with the peer's words."""
        w = self.world(changes=SHORT, domains=BOTH)
        rule = w.sink.rule("rcpt", "451 4.3.2 The greatest disk of all is full", recipient="bob")
        w.daemon.send("bob@dest.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertGreaterEqual(rule.used, 3)
        self.assertIn(b"The greatest disk of all is full", report.data)
        self.assertIn(b"Action: failed", report.data)
        self.assertIn(b"Status: 5.3.2", report.data)
        w.daemon.wait_for_log(r"^\S+ failed .*class=expired")
        w.daemon.wait_for_empty_queue()

    def test_unauthenticated_mail_is_returned_with_5_7_26(self):
        """PR-48: what is held for DNS to be repaired is returned in the end, with the refusal that held it."""
        w = self.world(changes=SHORT, domains=BOTH)
        w.sink.rule("dot", sink.GMAIL_UNAUTHENTICATED, recipient="bob")
        w.daemon.send("bob@dest.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"Status: 5.7.26", report.data)
        self.assertEqual(len(w.sink.to("alice@example.test")), 1)

    def test_mail_the_operator_holds_expires_too(self):
        """DESIGN decision 9: expiry holds in every state."""
        w = self.world(changes={"queue": {"lifetime": "2s"}, "retry": {"first": "1s"}}, domains=BOTH)
        w.sink.rule("rcpt", "451 4.3.0 later", recipient="bob")
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"^\S+ deferred ")
        w.daemon.command("queue", "hold", w.daemon.queue_ids()[0])
        w.daemon.stop()
        w.daemon.start()   # what expired is looked for every few seconds, whatever its state
        w.sink.wait_for_message("alice@example.test", timeout=60)
        self.assertEqual(w.sink.to("bob@dest.test"), [])


class Unsigned(world.WorldTest):
    """SD-4, SD-13: without a key the domain's policy decides, never an accident."""

    def submit_from(self, w, sender):
        w.daemon.send("bob@dest.test", sender=sender, message=simple_message("bob@dest.test", sender=sender))

    def test_a_domain_without_key_holds_its_own_mail_alone(self):
        w = self.world()
        w.daemon.tables["domain"].append({"name": "nokey.test", "dkim": []})
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"^\S+ reloaded ")
        self.submit_from(w, "carol@nokey.test")
        line = w.daemon.wait_for_log(r"^\S+ deferred .*class=local")[0]
        self.assertIn("nokey.test", line)
        self.submit_from(w, "alice@example.test")
        self.assertEqual(w.sink.wait_for_message("bob@dest.test").sender, "alice@example.test")
        w.daemon.wait_for_output(r"nokey\.test", "queue", "list")

    def test_send_unsigned_is_a_choice(self):
        w = self.world()
        w.daemon.tables["domain"].append({"name": "plain.test", "dkim": [], "unsigned_policy": "send-unsigned"})
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"^\S+ reloaded ")
        self.submit_from(w, "carol@plain.test")
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.fields("DKIM-Signature"), [])
        self.assertTrue(w.daemon.wait_for_log(r"^\S+ unsigned .*plain\.test"))

    def test_a_domain_that_is_not_ours_is_held(self):
        w = self.world(changes={"local": {"clients_from": "keep"}})   # else From would become ours (docs/SENDERS.md)
        self.submit_from(w, "visitor@elsewhere.test")
        w.daemon.wait_for_log(r"^\S+ deferred .*class=local.*elsewhere\.test")
        self.assertEqual(w.sink.messages, [])


if __name__ == "__main__":
    world.main()
