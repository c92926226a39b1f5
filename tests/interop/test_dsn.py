"""Delivery reports as a sender's mail program reads them: each is taken apart by Python's email package (RFC 3461, 3464, 6522, 6533)."""

import email
import email.policy
import re

from posthorn_test import sink, verify, world
from posthorn_test.daemon import simple_message

HOST = "mail.example.test"
PLAIN = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 36700160")


class Report:
    """One DSN: the text for people, the fields of the message and of each recipient, what was returned."""

    def __init__(self, test, message):
        self.raw = message
        self.parsed = email.message_from_bytes(message.data, policy=email.policy.default)
        test.assertEqual(self.parsed.defects, [])
        test.assertEqual(self.parsed.get_content_type(), "multipart/report")
        test.assertEqual(self.parsed.get_param("report-type"), "delivery-status")
        test.assertEqual(message.sender, "")                                        # DSN-7
        test.assertEqual(self.parsed["Auto-Submitted"], "auto-replied")             # DSN-11
        self.human, self.status, self.original = self.parsed.get_payload()
        test.assertEqual(self.human.get_content_type(), "text/plain")
        for part in self.parsed.walk():
            test.assertEqual(part.defects, [], part.as_string()[:500])
        self.words = " ".join(self.human.get_content().split())
        # The email package parses message/delivery-status into one Message for each block.
        if self.status.get_content_type() == "message/delivery-status":
            blocks = self.status.get_payload()
        else:
            octets = self.status.get_payload(decode=True) or self.raw.data[self.raw.data.index(b"Reporting-MTA"):]
            blocks = [email.message_from_bytes(block, policy=email.policy.SMTPUTF8) for block in octets.split(b"\r\n\r\n") if block.strip()]
        self.message, *self.recipients = [b for b in blocks if len(b)]


class Dsn(world.WorldTest):
    def world_with_sender(self, **how):
        w = self.world(**how)
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        return w

    def submit(self, w, recipients, mail="", sender="alice@example.test", message=None):
        """recipients: address -> parameters of RCPT. Returns the queue id."""
        with w.daemon.client() as client:
            client.expect(250, f"MAIL FROM:<{sender}>{mail and ' ' + mail}")
            for address, parameters in recipients.items():
                client.expect(250, f"RCPT TO:<{address}>{parameters and ' ' + parameters}")
            client.expect(354, "DATA")
            client.send((message or simple_message(next(iter(recipients)))) + b".\r\n")
            return re.search(r"queued as (\w{13})", client.expect(250).text)[1]

    def report(self, w, to="alice@example.test"):
        return Report(self, w.sink.wait_for_message(to))

    def no_more(self, w, settled):
        """Nothing else comes: the queue is empty once `settled` is in the log."""
        w.daemon.wait_for_log(settled)
        w.daemon.wait_for_empty_queue()

    def test_failure(self):
        """DSN-5, DSN-8, DSN-9, DSN-12: every field, the peer's words unshortened, signed, in plain language first."""
        w = self.world_with_sender()
        w.sink.rule("rcpt", sink.GMAIL_UNAUTHENTICATED, recipient="bob")
        changes = {"retry": {"strict_5xx": True}}
        w.daemon.tables["retry"] = changes["retry"]
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        id_ = self.submit(w, {"bob@dest.test": "ORCPT=rfc822;Bob+40Home@dest.test"}, "ENVID=QQ+2B314159")
        report = self.report(w)
        self.assertEqual(report.parsed["From"], "Mail Delivery System <MAILER-DAEMON@example.test>")
        self.assertEqual(report.parsed["To"], "alice@example.test")
        self.assertEqual(report.message["Original-Envelope-Id"], "QQ+314159")
        self.assertEqual(report.message["Reporting-MTA"], f"dns; {HOST}")
        self.assertTrue(report.message["Arrival-Date"])
        (bob,) = report.recipients
        self.assertEqual(bob["Original-Recipient"], "rfc822; Bob@Home@dest.test")
        self.assertEqual(bob["Final-Recipient"], "rfc822; bob@dest.test")
        self.assertEqual(bob["Action"], "failed")
        self.assertEqual(bob["Status"], "5.7.26")
        self.assertEqual(bob["Remote-MTA"], "dns; mx.dest.test")
        self.assertEqual(bob["Final-Log-ID"], id_)
        self.assertTrue(bob["Last-Attempt-Date"])
        self.assertIsNone(bob["Will-Retry-Until"])
        diagnostic = " ".join(bob["Diagnostic-Code"].split())
        self.assertTrue(diagnostic.startswith("smtp; 550-5.7.26 Your email"), diagnostic)
        for line in sink.GMAIL_UNAUTHENTICATED.split("\n"):
            if len(line) > 9:
                self.assertIn(" ".join(line.split()), diagnostic)
                self.assertIn(" ".join(line.split()), report.words)
        # What happened, what it means, what to do; before any of the peer's words.
        for words in ("could not be delivered", "SPF and DKIM records", "whoever runs the DNS", HOST):
            self.assertIn(words, report.words)
        self.assertLess(report.words.index("SPF and DKIM records"), report.words.index("550-5.7.26"))
        self.assertEqual(report.original.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: A test", report.original.get_payload(decode=True).decode())
        self.assertEqual(verify.with_dkimpy(report.raw.data, w.dns), ["pass"])

    def test_notify(self):
        """DSN-5: NEVER and SUCCESS alone say nothing of a failure; several recipients are blocks of one report."""
        w = self.world_with_sender()
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="dest.test")
        self.submit(w, {"never@dest.test": "NOTIFY=NEVER", "success@dest.test": "NOTIFY=SUCCESS", "one@dest.test": "NOTIFY=FAILURE",
                        "two@dest.test": "", "three@dest.test": "NOTIFY=DELAY"})
        report = self.report(w)
        self.assertEqual([r["Final-Recipient"] for r in report.recipients], ["rfc822; one@dest.test", "rfc822; two@dest.test"])
        self.no_more(w, r"\bfailed\b.*to=three@dest\.test")
        self.assertEqual(len(w.sink.to("alice@example.test")), 1)

    def test_success_is_relayed_where_the_peer_has_no_dsn(self):
        """DSN-4: relayed; never `delivered`, which we cannot know. Without SUCCESS nothing."""
        w = self.world_with_sender()
        w.sink.extensions = list(PLAIN)
        self.submit(w, {"bob@dest.test": "NOTIFY=SUCCESS,FAILURE", "carol@dest.test": "NOTIFY=FAILURE", "dave@dest.test": ""}, "RET=FULL")
        report = self.report(w)
        self.assertEqual([(r["Final-Recipient"], r["Action"]) for r in report.recipients], [("rfc822; bob@dest.test", "relayed")])
        self.assertTrue(report.recipients[0]["Status"].startswith("2."))
        self.assertEqual(report.original.get_content_type(), "text/rfc822-headers")   # RET is for failures
        self.assertNotIn("was delivered", report.words)
        self.assertNotIn("NOTIFY", str(w.sink.sessions[0]["commands"]))
        self.no_more(w, r"\bdelivered\b.*to=dave@dest\.test")

    def test_a_peer_with_dsn_reports_itself(self):
        """DSN-3: all four parameters go on unchanged, and no report of success is ours to make."""
        w = self.world_with_sender()
        w.sink.extensions = [*PLAIN, "DSN"]
        self.submit(w, {"bob@dest.test": "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2BX@dest.test"}, "RET=HDRS ENVID=ab+3Dc")
        message = w.sink.wait_for_message("bob@dest.test")
        for parameter in ("RET=HDRS", "ENVID=ab+3Dc"):
            self.assertIn(parameter, message.mail_parameters)
        commands = str(w.sink.sessions[0]["commands"])
        self.assertIn("ORCPT=rfc822;Bob+2BX@dest.test", commands)
        self.assertRegex(commands, "NOTIFY=(SUCCESS,DELAY|DELAY,SUCCESS)")
        self.no_more(w, r"\bdelivered\b.*to=bob@dest\.test")
        self.assertEqual(w.sink.to("alice@example.test"), [])

    def test_delay_is_told_once_and_on_request(self):
        """DSN-6: after retry.delay_notice, to those who asked, once; then the failure."""
        w = self.world_with_sender(changes={"retry": {"first": "1s", "max": "1s", "jitter": 0.0, "delay_notice": "1s"}})
        w.sink.rule("rcpt", "451-4.3.0 not now\n451 4.3.0 try later", recipient="dest.test")
        id_ = self.submit(w, {"bob@dest.test": "NOTIFY=DELAY,FAILURE", "carol@dest.test": "NOTIFY=FAILURE", "dave@dest.test": ""})
        report = self.report(w)
        self.assertEqual([(r["Final-Recipient"], r["Action"], r["Status"]) for r in report.recipients],
                         [("rfc822; bob@dest.test", "delayed", "4.3.0")])
        self.assertTrue(report.recipients[0]["Will-Retry-Until"])
        self.assertIn("YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN", report.words)
        attempts = len(w.daemon.log(r"\bdeferred\b.*to=bob@dest\.test"))
        w.daemon.wait_for_log(r"\bdeferred\b.*to=bob@dest\.test", attempts + 2)
        self.assertEqual(len(w.daemon.log(r"\bbounced\b")), 1)
        # The operator gives it up: each sender's wish about failures counts.
        w.daemon.command("queue", "bounce", id_)
        self.assertTrue(w.sink.wait(lambda s: sum("alice@example.test" in m.recipients for m in s.messages) == 2))
        failure = Report(self, w.sink.to("alice@example.test")[1])
        self.assertEqual(sorted(r["Final-Recipient"] for r in failure.recipients),
                         [f"rfc822; {who}@dest.test" for who in ("bob", "carol", "dave")])
        self.assertIn("The operator of this mail system has given the message up", failure.words)
        self.assertIn("451-4.3.0 not now", failure.words)
        self.no_more(w, r"\bfailed\b.*to=dave@dest\.test")

    def test_ret_full(self):
        """DSN-8: the whole message where RET=FULL asks for it and it is small enough (delivery.bounce_returned_size)."""
        w = self.world_with_sender(changes={"delivery": {"bounce_returned_size": "4KiB"}})
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="dest.test")
        self.submit(w, {"small@dest.test": ""}, "RET=FULL", message=simple_message("small@dest.test", body="precious words\r\n"))
        report = self.report(w)
        self.assertEqual(report.original.get_content_type(), "message/rfc822")
        (returned,) = report.original.get_payload()
        self.assertEqual(returned["Subject"], "A test")
        self.assertEqual(returned.get_content().split(), ["precious", "words"])
        w.sink.clear()
        self.submit(w, {"large@dest.test": ""}, "RET=FULL", message=simple_message("large@dest.test", body="precious words\r\n" * 400))
        report = self.report(w)
        self.assertEqual(report.original.get_content_type(), "text/rfc822-headers")
        self.assertNotIn(b"precious", report.raw.data)

    def test_utf8(self):
        """DSN-10, RFC 6533: about SMTPUTF8 mail the types of UTF-8 are used, though the sender's own address is ASCII."""
        w = self.world_with_sender()
        w.sink.rule("rcpt", "550 5.1.1 <用户> gibt es nicht: Grüße", recipient="dest.test")
        text = simple_message("用户@dest.test", subject="Grüße")
        self.submit_utf8(w, "用户@dest.test", text)
        message = w.sink.wait_for_message("alice@example.test")
        report = Report(self, message)
        self.assertEqual(report.status.get_content_type(), "message/global-delivery-status")
        self.assertEqual(report.original.get_content_type(), "message/global-headers")
        self.assertIn("Final-Recipient: utf-8; 用户@dest.test", message.data.decode())
        self.assertIn("Grüße", message.data.decode())
        self.assertIn("用户@dest.test", report.words)

    def submit_utf8(self, w, to, text):
        with w.daemon.client() as client:
            client.expect(250, "MAIL FROM:<alice@example.test> SMTPUTF8 BODY=8BITMIME")
            client.send(f"RCPT TO:<{to}>\r\n".encode())
            client.expect(250)
            client.expect(354, "DATA")
            client.send(text + b".\r\n")
            client.expect(250)

    def test_senders_who_cannot_receive(self):
        """DSN-13: reports for them go to whom the operator names, who is told whose mail it was."""
        w = self.world_with_sender(changes={"delivery": {"bounce_to": "root@example.test"}})
        w.daemon.tables["domain"][0].update({"bounce_to": "admin@example.test", "mailboxes": ["alice@example.test"]})
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="dest.test")
        self.submit(w, {"bob@dest.test": ""}, sender="wordpress@example.test")
        report = self.report(w, "admin@example.test")
        self.assertEqual(report.parsed["To"], "admin@example.test")
        self.assertIn("was sent as <wordpress@example.test>", report.words)
        self.submit(w, {"bob@dest.test": ""}, sender="alice@example.test")
        self.assertNotIn("was sent as", self.report(w, "alice@example.test").words)
        self.submit(w, {"bob@dest.test": ""}, sender=f"www-data@{HOST}")
        self.report(w, "admin@example.test" if HOST.endswith("example.test") else "root@example.test")

    def test_no_report_about_a_report(self):
        """DSN-7, SMTP-21: a report that fails ends in the log, with its diagnosis."""
        w = self.world_with_sender()
        w.sink.rule("rcpt", sink.NO_SUCH_USER)
        id_ = self.submit(w, {"bob@dest.test": ""})
        w.daemon.wait_for_log(rf'\bdouble-bounce\b.*about="dsn for={id_}".*to=alice@example\.test.*reply=.*User unknown')
        w.daemon.wait_for_empty_queue()
        self.assertEqual(len(w.daemon.log(r"\bbounced\b")), 1)

    def test_a_flood_of_reports_is_summed_up(self):
        """So many reports an hour to one address; the rest is in one message, at the latest when the server stops."""
        w = self.world_with_sender(changes={"delivery": {"bounces_per_hour": 2}})
        w.sink.rule("rcpt", sink.NO_SUCH_USER, recipient="dest.test")
        ids = [self.submit(w, {f"u{i}@dest.test": ""}) for i in range(5)]
        w.daemon.wait_for_log(r"\bbounce_put_off\b", 3)
        self.assertEqual(len(w.daemon.log(r"\bbounced\b")), 2)
        w.sink.wait_for_messages(2)
        self.assertEqual(w.daemon.stop(), 0)
        w.daemon.start()
        self.assertTrue(w.sink.wait(lambda s: sum("alice@example.test" in m.recipients for m in s.messages) == 3))
        summary = email.message_from_bytes(w.sink.to("alice@example.test")[2].data, policy=email.policy.default)
        self.assertEqual(summary["Auto-Submitted"], "auto-replied")
        words = summary.get_content()
        self.assertIn("3 further recipients", " ".join(words.split()))
        told = {i for i in range(5) if f"<u{i}@dest.test> failed" in " ".join(words.split())}
        single = {i for i in range(5) for m in w.sink.to("alice@example.test")[:2] if f"<u{i}@dest.test>".encode() in m.data}
        self.assertEqual(told | single, set(range(5)))
        for i in told:
            self.assertIn(ids[i], words)
            self.assertIn("User unknown", words)


if __name__ == "__main__":
    world.main()
