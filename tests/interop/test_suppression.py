"""The suppression list: what puts an address on it and what must not, whose mail it stops, and the operator's commands."""

import json

from posthorn_test import providers, world
from posthorn_test.daemon import simple_message

STREAM = {"stream": [{"name": "news", "unsubscribe_url": "https://example.test/u/{token}", "from": ["news@example.test"]}]}
QUICK = {"retry": {"first": "100ms", "max": "200ms", "jitter": 0.0}}


class Suppression(providers.InternetTest):
    def suppressed(self, net):
        return [json.loads(line) for line in net.daemon.command("suppression", "list", "--json").stdout.splitlines()]

    def wait_for_suppressed(self, net, address):
        net.daemon.wait_for_output(address, "suppression", "list")

    def bounced(self, net, to, sender="alice@example.test"):
        """Sends a message that is refused, and waits for what its sender is told."""
        before = len(net.home.messages)
        net.daemon.send(to, sender=sender)
        self.assertTrue(net.home.wait(lambda s: len(s.messages) > before), "no report")
        net.daemon.wait_for_empty_queue()
        return net.home.messages[-1]

    def test_who_was_refused_for_good_gets_no_more(self):
        """PR-54, PR-22: RCPT-PERM puts the address on the list; mail to it fails here, without a connection, in words of our own."""
        net = self.internet(providers=("google",), changes={**QUICK, "suppression": {"mail": "all"}})
        net.google.sink.rule("rcpt", "550-5.1.1 The email account that you tried to reach does not exist.\n"
                             "550 5.1.1 https://support.google.com/mail/?p=NoSuchUser x1 - gsmtp", recipient="(?i)gone")
        self.bounced(net, "Gone@gmail.com")
        entry, = self.suppressed(net)
        self.assertEqual((entry["address"], entry["class"]), ("gone@gmail.com", "rcpt-perm"))
        self.assertIn("does not exist", entry["reply"])
        before = net.google.connections
        report = self.bounced(net, "gone@gmail.com")
        self.assertIn(b"suppression list", report.data)
        self.assertIn(b"does not exist", report.data)
        self.assertEqual(net.google.connections, before)
        self.assertEqual(len(net.daemon.wait_for_log(r"^\S+ failed .*class=suppressed")), 1)
        # The rest of a message is delivered.
        net.daemon.send(["gone@gmail.com", "bob@gmail.com"])
        self.assertEqual(net.google.sink.wait_for_message("bob@gmail.com").recipients, ["bob@gmail.com"])
        # kill -9 and start: the list is in the queue's database.
        net.daemon.wait_for_empty_queue()
        net.daemon.kill()
        net.daemon.start()
        self.bounced(net, "gone@gmail.com")
        # Taken off, it is tried again.
        self.assertIn("1 removed", net.daemon.command("suppression", "remove", "GONE@gmail.com").stdout)
        used = net.google.connections
        self.bounced(net, "gone@gmail.com")
        self.assertGreater(net.google.connections, used)

    def test_by_default_the_mail_of_list_streams(self):
        """[suppression] mail = "streams": a letter from one person to another is always tried."""
        net = self.internet(providers=("other",), changes={**QUICK, **STREAM})
        rule = net.other.sink.rule("rcpt", "550 5.1.1 <{recipient}>: no such user", recipient="gone")
        self.bounced(net, "gone@dest.test")
        self.wait_for_suppressed(net, "gone@dest.test")
        self.bounced(net, "gone@dest.test")
        self.assertEqual(rule.used, 2)
        net.daemon.send(["gone@dest.test", "bob@dest.test"], sender="news@example.test",
                        message=simple_message("list@dest.test", "News", "news@example.test"))
        net.other.sink.wait_for_message("bob@dest.test")
        self.assertTrue(net.home.wait(lambda s: any("news@example.test" in m.recipients for m in s.messages)))
        net.daemon.wait_for_empty_queue()
        self.assertEqual(rule.used, 2)
        net.daemon.wait_for_log(r"^\S+ failed .*class=suppressed")

    def test_off(self):
        net = self.internet(providers=("other",), changes={**QUICK, "suppression": {"mail": "off"}})
        net.other.sink.rule("rcpt", "550 5.1.1 <{recipient}>: no such user", recipient="gone")
        self.bounced(net, "gone@dest.test")
        self.assertEqual(self.suppressed(net), [])

    def test_what_never_suppresses(self):
        """PR-54: CONTENT, RFC, MBR, REP and AUTH are about us or the message, PR-32 about the recipient's own filter."""
        net = self.internet(providers=("google", "yahoo", "outlook", "apple"), changes={**QUICK, "retry": {**QUICK["retry"], "strict_5xx": True},
                                                                                       "suppression": {"mail": "all"}})
        cases = (
            (net.google, "dot", "550 5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. x1 - gsmtp", "content"),
            (net.outlook, "dot", "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and include a valid From address", "rfc"),
            (net.outlook, "rcpt", "550 5.7.513 Access denied, banned by recipient", "mbr"),
            (net.yahoo, "mail", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.25, because the ip is in Spamhaus's list; see http://postmaster.yahoo.com/550-bl23.html", "rep"),
            (net.apple, "dot", "554 5.7.1 [HME1] This message was blocked for failing both SPF and DKIM authentication checks. See https://support.apple.com/en-us/HT204137", "auth"),
        )
        for number, (provider, stage, reply, failure_class) in enumerate(cases):
            with self.subTest(failure_class=failure_class):
                rule = provider.sink.rule(stage, reply, times=1)
                to = f"r{number}@{provider.domain}"
                self.bounced(net, to)
                net.daemon.wait_for_log(rf"^\S+ failed .*to={to} .*class={failure_class}\b")
                provider.sink.forget(rule)
        self.assertEqual(self.suppressed(net), [])

    def test_twice_where_once_proves_nothing(self):
        """PR 2.5: Microsoft says 5.4.1 to more than unknown users: the second refusal counts, though a restart lies between."""
        net = self.internet(providers=("outlook",), changes={**QUICK, "suppression": {"mail": "all"}})
        net.outlook.sink.rule("rcpt", "550 5.4.1 Recipient address rejected: Access denied. [x.prod.protection.outlook.com]")
        self.bounced(net, "gone@outlook.com")
        self.assertEqual(self.suppressed(net), [])
        net.daemon.stop()
        net.daemon.start()
        self.bounced(net, "gone@outlook.com")
        self.wait_for_suppressed(net, "gone@outlook.com")

    def test_commands(self):
        """add, import and list; what is no address is refused, and what is there stays as it is."""
        net = self.internet(providers=("other",), changes={**QUICK, "suppression": {"mail": "all"}})
        run = net.daemon.command
        self.assertIn("2 added", run("suppression", "add", "A@dest.test", "b@dest.test", "--reason", "asked by telephone").stdout)
        self.assertIn("0 added; 1 was", run("suppression", "add", "a@dest.test").stdout)
        refused = run("suppression", "add", "nobody", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("is no address", refused.stderr)
        table = net.daemon.directory / "bounces.csv"
        table.write_text("email,created,reason\n" + "".join(f'"r{i}@dest.test",2026-01-01,"550 5.1.1, gone"\n' for i in range(500)) + "# and nobody else\n")
        self.assertIn("500 added", run("suppression", "import", str(table)).stdout)
        self.assertIn("1 added", run("suppression", "import", "-", stdin="c@dest.test\n").stdout)
        entries = self.suppressed(net)
        self.assertEqual(len(entries), 503)
        self.assertEqual(entries[0]["class"], "operator")
        report = self.bounced(net, "a@dest.test")
        self.assertIn(b"asked by telephone", report.data.replace(b"\r\n ", b" "))
        self.assertEqual(net.other.connections, 0)
        self.assertIn("1 removed; 1 was not on the list", run("suppression", "remove", "r7@dest.test", "eve@dest.test").stdout)
        net.daemon.send("r7@dest.test")
        net.other.sink.wait_for_message("r7@dest.test")
        empty = run("suppression", "import", "-", stdin="nothing here\n", check=False)
        self.assertIn("no address in it", empty.stderr)


if __name__ == "__main__":
    world.main()
