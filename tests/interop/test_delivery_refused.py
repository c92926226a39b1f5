"""What the receiving side may do to a message: greylist it, refuse it for now, for good or for its DNS; and what comes of it."""

from posthorn_test import sink, verify, world

QUICK = {"retry": {"first": "100ms", "max": "200ms", "grey": "100ms", "auth_first": "100ms", "auth_max": "200ms", "jitter": 0.0}}


class Refused(world.WorldTest):
    def test_greylisting(self):
        w = self.world(changes=QUICK)
        rule = w.sink.rule("rcpt", sink.GREYLISTED, times=2)
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(rule.used, 2)
        self.assertEqual(len(w.daemon.wait_for_log(r"^\S* ?.*\bdeferred\b.*Greylisting", 2)), 2)

    def test_unauthenticated_is_held_and_later_delivered(self):
        """Gmail's 550-5.7.26 is a 5xx that DNS can repair: kept, tried again, delivered; no bounce (PR-, DESIGN decision 9)."""
        w = self.world(changes=QUICK, domains=("dest.test", "example.test"))
        rule = w.sink.rule("dot", sink.GMAIL_UNAUTHENTICATED, recipient="bob", times=3)
        w.daemon.send("bob@dest.test")
        self.assertTrue(w.sink.wait(lambda s: rule.used >= 1))
        message = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(rule.used, 3)
        self.assertIsNone(verify.all_pass(message.data, w.dns))
        self.assertEqual(w.sink.to("alice@example.test"), [])

    def test_unauthenticated_waits_in_the_queue(self):
        w = self.world(changes={"retry": {"auth_first": "1h"}})
        w.sink.rule("dot", sink.GMAIL_UNAUTHENTICATED, times=1)
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b.*5\.7\.26")
        listed = w.daemon.command("queue", "list").stdout
        self.assertIn("bob@dest.test", listed)

    def test_strict_5xx_bounces_it(self):
        w = self.world(changes={"retry": {"strict_5xx": True}}, domains=("dest.test", "example.test"))
        w.sink.rule("dot", sink.GMAIL_UNAUTHENTICATED, recipient="bob")
        w.daemon.send("bob@dest.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"5.7.26", report.data)

    def test_unknown_user_makes_a_signed_report(self):
        """RFC 3464: a report with the null sender, Auto-Submitted (RFC 3834), the peer's words unshortened; signed like the rest."""
        w = self.world(domains=("dest.test", "example.test"))
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="nobody")
        w.daemon.send("nobody@dest.test", subject="for nobody")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertEqual(report.sender, "")
        self.assertIn("auto-replied", report.fields("Auto-Submitted")[0])
        self.assertIn("multipart/report", report.fields("Content-Type")[0])
        for words in (b"message/delivery-status", b"Final-Recipient: rfc822; nobody@dest.test", b"Action: failed", b"Status: 5.1.1",
                      b"User unknown", b"Reporting-MTA: dns; mail.example.test", b"Subject: for nobody"):
            self.assertIn(words, report.data)
        self.assertIsNone(verify.all_pass(report.data, w.dns))

    def test_no_report_about_a_report(self):
        """RFC 5321 s4.5.5, s6.1: a message with the null sender that fails is forgotten, and the log says so."""
        w = self.world(domains=("dest.test", "example.test"))
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="nobody")
        w.daemon.send("nobody@dest.test", sender="")
        w.daemon.wait_for_log(r"\bfailed\b")
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(w.sink.accepted, 1)
        w.daemon.wait_for_empty_queue()

    def test_one_recipient_of_two(self):
        """RFC 5321 s4.2.5: the state is each recipient's own; who has it does not get it again."""
        w = self.world(changes=QUICK, domains=("dest.test", "example.test"))
        w.sink.rule("rcpt", sink.GREYLISTED, recipient="late", times=1)
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="nobody")
        w.daemon.send(["bob@dest.test", "late@dest.test", "nobody@dest.test"])
        w.sink.wait_for_message("late@dest.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertEqual(len(w.sink.to("bob@dest.test")), 1)
        self.assertIn(b"nobody@dest.test", report.data)
        self.assertNotIn(b"Final-Recipient: rfc822; bob@dest.test", report.data)

    def test_421_and_dropped_connections(self):
        """A host that hangs up at every stage: nothing lost, nothing bounced."""
        w = self.world(changes=QUICK | {"delivery": {"hosts_per_attempt": 1}})
        for how in ({"stage": "connect", "reply": "421 4.7.0 Busy", "drop": "after"}, {"stage": "mail", "drop": "before"},
                    {"stage": "rcpt", "drop": "before"}, {"stage": "inside"}):
            w.sink.rule(**how, times=1)
        w.daemon.send("bob@dest.test")
        for _ in range(40):   # the site backs off after such failures; the operator need not wait
            if w.sink.wait(lambda s: s.accepted, timeout=0.5):
                break
            for one in w.daemon.queue_ids():
                w.daemon.command("queue", "retry", one, check=False)   # it may have gone by now
        self.assertEqual(len(w.sink.to("bob@dest.test")), 1)

    def test_drop_after_the_dot_is_tried_again(self):
        """RFC 5321 s4.1.1.10: no reply to the dot means not delivered; a duplicate is better than a loss."""
        w = self.world(changes=QUICK)
        w.sink.rule("dot", drop="before", keep=True, times=1)
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_messages(1)
        for _ in range(40):
            if w.sink.wait(lambda s: s.accepted >= 2, timeout=0.5):
                break
            for one in w.daemon.queue_ids():
                w.daemon.command("queue", "retry", one, check=False)   # it may have gone by now
        first, second = w.sink.to("bob@dest.test")
        self.assertEqual(first.fields("Message-ID"), second.fields("Message-ID"))


if __name__ == "__main__":
    world.main()
