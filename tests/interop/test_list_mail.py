"""List mail: one-click unsubscription for each recipient, signed (RFC 8058, RFC 2369; Gmail's and Yahoo's bulk sender rules)."""

from posthorn_test import verify, world
from posthorn_test.daemon import simple_message

STREAM = {"stream": [{"name": "news", "unsubscribe_url": "https://example.test/u/{token}",
                      "unsubscribe_mailto": "leave+{token}@example.test", "from": ["news@example.test"]}]}


class ListMail(world.WorldTest):
    def setUp(self):
        self.w = self.world(changes=STREAM)

    def send(self, recipients, sender="alice@example.test", extra="X-Posthorn-Stream: news\r\n"):
        self.w.daemon.send(recipients, sender=sender, message=simple_message("list@dest.test", "News", sender or "a@example.test",
                                                                             extra=extra))

    def assert_signed(self, message, *fields):
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))
        signed = verify.tags(message.data)["h"].lower().split(":")
        for field in fields:
            self.assertIn(field.lower(), signed)

    def test_each_recipient_has_a_link_of_its_own(self):
        self.send(["bob@dest.test", "carol@dest.test"])
        self.w.sink.wait_for_messages(2)
        links = set()
        for recipient in ("bob@dest.test", "carol@dest.test"):
            message = self.w.sink.wait_for_message(recipient)
            self.assertEqual(message.recipients, [recipient])
            link, = message.fields("List-Unsubscribe")
            self.assertRegex(link, r"^<https://example\.test/u/[A-Za-z0-9_.~-]+>, *<mailto:leave(\+|%2B)[^>]+@example\.test[^>]*>$")
            self.assertEqual(message.fields("List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"])
            self.assertEqual(message.fields("X-Posthorn-Stream"), [])
            self.assertNotIn("bob", link)
            self.assert_signed(message, "List-Unsubscribe", "List-Unsubscribe-Post")
            links.add(link)
        self.assertEqual(len(links), 2)

    def test_chosen_by_from(self):
        self.send("bob@dest.test", sender="news@example.test", extra="")
        self.assertEqual(len(self.w.sink.wait_for_message("bob@dest.test").fields("List-Unsubscribe")), 1)

    def test_other_mail_has_none(self):
        self.send("bob@dest.test", extra="")
        message = self.w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.fields("List-Unsubscribe"), [])
        self.assert_signed(message)

    def test_its_own_header_is_kept(self):
        mine = "<https://elsewhere.test/leave>"
        self.send("bob@dest.test", extra=f"X-Posthorn-Stream: news\r\nList-Unsubscribe: {mine}\r\n")
        message = self.w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.fields("List-Unsubscribe"), [mine])
        self.assert_signed(message, "List-Unsubscribe")

    def test_never_for_automatic_replies(self):
        self.send("bob@dest.test", sender="news@example.test", extra="Auto-Submitted: auto-replied\r\n")
        self.assertEqual(self.w.sink.wait_for_message("bob@dest.test").fields("List-Unsubscribe"), [])

    def test_a_link_survives_a_retry(self):
        """The token is the same at each attempt, so that an old link of a delayed message works."""
        self.w.daemon.stop()
        self.w.daemon.tables["retry"] = {"first": "100ms", "max": "100ms"}
        self.w.daemon.write_config()
        self.w.daemon.start()
        self.w.sink.rule("dot", "451 4.3.0 Once more", times=1, keep=True)
        self.send("bob@dest.test")
        self.w.sink.wait_for_messages(2)
        first, second = self.w.sink.to("bob@dest.test")
        self.assertEqual(first.fields("List-Unsubscribe"), second.fields("List-Unsubscribe"))


if __name__ == "__main__":
    world.main()
