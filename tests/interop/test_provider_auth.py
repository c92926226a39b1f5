"""Refusals of authentication by fake providers, line by line of providers.md 2.7 (PR-42, PR-44 to PR-53): beside test_suspension.py."""

import contextlib
import sqlite3

from posthorn_test import providers, verify, world
from posthorn_test.daemon import simple_message

KEY = "rsa._domainkey.example.test"
# A poll each 20, 40, 100, 200 and then each 300 ms.
QUICK = {"retry": {"auth_poll": "300ms", "auth_settle": "150ms", "auth_first": "1h", "first": "100ms", "max": "200ms", "jitter": 0.0}}


class Held(providers.InternetTest):
    def net_without_key(self, changes=None, **how):
        """Neither our key nor our address is in DNS."""
        retry = QUICK["retry"] | (changes or {}).pop("retry", {})
        net = self.internet(changes={"retry": retry} | (changes or {}), **how)
        self.key = net.daemon.records[KEY]   # as text: what dns.set() takes
        net.dns.remove(KEY, "TXT")
        net.dns.set("example.test", "TXT", "v=spf1 -all")
        return net

    def held(self, net, pair="example.test at google"):
        return net.daemon.wait_for_log(rf'^\S+ suspended .*pair="{pair}"')[0]

    def test_the_field_reports_texts(self):
        """PR-44: the text of the field report, with its empty lines, and the older one without any word of DKIM: class auth, held, not returned."""
        for name, reply in (("new", providers.FIELD_REPORT), ("old", providers.FIELD_REPORT_WITHOUT_DKIM)):
            with self.subTest(text=name):
                net = self.net_without_key(providers=("google",))
                net.google.sink.rule("dot", reply)
                net.daemon.send("bob@gmail.com")
                line = net.daemon.wait_for_log(r"^\S+ deferred .*to=bob@gmail\.com")[0]
                self.assertIn("class=auth", line)
                self.held(net)
                why = net.daemon.command("why", net.daemon.queue_ids()[0]).stdout
                self.assertIn("550-5.7.26", why)          # the reply in full, its empty lines too
                self.assertIn("550 5.7.26", why)
                self.assertRegex(why, r"(?i)SPF")
                self.assertIn("DKIM", why)
                self.assertEqual(net.home.messages, [])

    def test_a_pair_covers_all_domains_behind_the_providers_hosts(self):
        """PR-42: small domains hosted at Google share the refusal of gmail.com; nothing is wasted on finding that out for each."""
        net = self.net_without_key(providers=("google",))
        net.google.serve("workspace.test")
        net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("bob@gmail.com")
        self.held(net)
        net.daemon.wait_for_queue(1)
        sessions = len(net.google.sink.sessions)
        net.daemon.send("bob@workspace.test")
        net.daemon.wait_for_output(r"(?s)bob@workspace\.test.*google refuses mail of example\.test", "queue", "list")
        self.assertEqual(len(net.google.sink.sessions), sessions)

    def test_the_probe_is_signed_with_the_key_of_its_day(self):
        """PR-47: what was signed with the old key and refused is signed anew with the new one; Message-ID stays."""
        net = self.net_without_key(providers=("google",), ours=("example.test",))
        rule = net.google.sink.rule("dot", providers.FIELD_REPORT)
        sent = simple_message("bob@gmail.com", extra="X-Mark: same\r\n")
        net.daemon.send("bob@gmail.com", message=sent)
        self.held(net)
        net.daemon.wait_for_queue(1)
        # The operator gives up the old key and makes one of a new selector.
        from posthorn_test import certs
        path = net.daemon.directory / "second.pem"
        record = certs.dkim_key(path, "ed25519")
        net.daemon.tables["domain"][0]["dkim"] = [{"selector": "second", "key_file": str(path)}]
        net.daemon.write_config()
        net.daemon.reload()
        net.daemon.wait_for_log(r"^\S+ reloaded ")
        net.google.sink.forget(rule)
        net.dns.set("second._domainkey.example.test", "TXT", record)
        net.daemon.command("resume", "example.test", "google")
        message = net.google.sink.wait_for_message("bob@gmail.com")
        self.assertIsNone(verify.all_pass(message.data, net.dns))
        self.assertEqual(verify.tags(message.data)["s"], "second")
        self.assertEqual(message.fields("X-Mark"), ["same"])
        self.assertIn(f"Message-ID: {message.fields('Message-ID')[0]}\r\n".encode(), sent)
        net.daemon.wait_for_empty_queue()

    def test_a_from_that_is_not_ours_is_returned_at_once(self):
        """PR-49: Google's DMARC refusal of somebody else's domain can never be repaired by us: a report now, nothing suspended."""
        net = self.internet(providers=("google",), changes={**QUICK, "dkim": {"unknown_domain": "send-unsigned"}})
        net.google.sink.rule("dot", providers.DMARC_REJECT.replace("{domain}", "visitor.test"), times=1)
        net.daemon.send("bob@gmail.com", message=simple_message("bob@gmail.com", sender="guest@visitor.test"))
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"5.7.26", report.data)
        net.daemon.wait_for_empty_queue()
        self.assertEqual(net.daemon.log(r"^\S+ suspended .*pair="), [])
        net.daemon.send("carol@gmail.com")
        net.google.sink.wait_for_message("carol@gmail.com")

    def test_our_own_domain_in_the_same_words_is_held(self):
        """PR-49, the other half."""
        net = self.net_without_key(providers=("google",))
        net.google.sink.rule("dot", providers.DMARC_REJECT.replace("{domain}", "example.test"))
        net.daemon.send("bob@gmail.com")
        self.held(net)
        net.daemon.wait_for_queue(1)
        self.assertEqual(net.home.messages, [])

    def test_dns_that_fails_is_no_failure_of_ours(self):
        """PR-51: SERVFAIL about our zone is not a missing record: no repair is seen in it, and other mail is not held up meanwhile."""
        net = self.net_without_key(providers=("google", "other"))
        net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.dns.fail(KEY, "servfail")
        net.dns.fail("example.test", "servfail", "TXT")
        net.daemon.send("bob@gmail.com")
        self.held(net)
        net.daemon.send("fine@dest.test")
        net.other.sink.wait_for_message("fine@dest.test")
        sessions = len(net.google.sink.sessions)
        # Now the failure is known for what it is, then it passes. Neither was a repair of what Google refused.
        net.dns.fail("example.test", None, "TXT")
        asked = net.dns.asked("example.test", "TXT")
        self.wait_until(lambda: net.dns.asked("example.test", "TXT") >= asked + 3)
        self.assertEqual(len(net.google.sink.sessions), sessions)

    def remembered(self, net, words):
        """Whether delivery's memory on disk has that of a suspension: it is written in the background."""
        with contextlib.closing(sqlite3.connect(net.daemon.directory / "queue" / "delivery.sqlite")) as database:
            return any(words in str(value) for row in database.execute("SELECT * FROM remembered WHERE kind = 'breaker'") for value in row)

    def wait_until(self, condition, seconds=30):
        import time
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not come about")
            time.sleep(0.02)

    def test_strict(self):
        """PR-52: retry.strict_5xx returns the message at once, and nothing is held."""
        net = self.net_without_key(providers=("google",), changes={"retry": {"strict_5xx": True}})
        net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("bob@gmail.com")
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"Status: 5.7.26", report.data)
        net.daemon.wait_for_empty_queue()
        net.daemon.send("carol@gmail.com")
        net.daemon.wait_for_log(r"^\S+ failed .*to=carol@gmail\.com")

    def test_returned_where_the_provider_wants_nothing_sent_again(self):
        """PR-28, 2.7: [[provider]] after_fix = "bounce": what a 5xx refused is returned, what comes later waits for the repair."""
        net = self.net_without_key(providers=("google",), changes={"provider": [{"name": "google", "after_fix": "bounce"}]})
        net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("bob@gmail.com")
        net.home.wait_for_message("alice@example.test")
        net.daemon.wait_for_empty_queue()
        net.daemon.wait_for_log(r"^\S+ suspended .*pair=.* at google")
        net.daemon.send("carol@gmail.com")
        net.daemon.wait_for_queue(1)
        self.assertEqual(len(net.home.messages), 1)

    def test_kill_in_the_middle_with_mail_behind_it(self):
        """PR-50, PR-46: killed with mail held, looked at by the next process, then repaired: one probe, the oldest, then the rest, each once."""
        net = self.net_without_key(providers=("google",))
        rule = net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("first@gmail.com")
        self.held(net)
        net.daemon.wait_for_queue(1)
        for number in range(5):
            net.daemon.send(f"r{number}@gmail.com")
        net.daemon.wait_for_queue(6)
        net.daemon.wait_for_output("google refuses mail of example.test until its SPF or DKIM is repaired", "queue", "list")
        self.wait_until(lambda: self.remembered(net, "fail"))
        net.daemon.kill()
        asked = net.dns.asked(KEY, "TXT")
        net.daemon.start()
        self.wait_until(lambda: net.dns.asked(KEY, "TXT") >= asked + 2)
        net.google.sink.forget(rule)
        net.dns.set(KEY, "TXT", self.key)
        messages = net.google.sink.wait_for_messages(6)
        net.daemon.wait_for_empty_queue()
        self.assertEqual(len(messages), 6, "each once")
        self.assertEqual(messages[0].recipients, ["first@gmail.com"])
        net.daemon.wait_for_log(r"^\S+ released .*pair=")
        self.assertEqual(len(net.daemon.log(r"^\S+ probe .*pair=")), 1)

    def test_repaired_while_no_daemon_runs(self):
        """PR-50: what was found wrong is remembered, so the repair is seen though nobody looked while it was made: one probe, then the rest."""
        net = self.net_without_key(providers=("google",))
        rule = net.google.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("first@gmail.com")
        self.held(net)
        net.daemon.send("second@gmail.com")
        net.daemon.wait_for_queue(2)
        self.wait_until(lambda: self.remembered(net, "fail"))
        net.daemon.kill()
        net.google.sink.forget(rule)
        net.dns.set(KEY, "TXT", self.key)
        net.daemon.start()
        self.assertEqual(net.google.sink.wait_for_messages(2)[0].recipients, ["first@gmail.com"])
        net.daemon.wait_for_empty_queue()
        net.daemon.wait_for_log(r"^\S+ released .*pair=")
        self.assertEqual(len(net.daemon.log(r"^\S+ probe .*pair=")), 1)

    def test_a_ptr_record_is_everybodys(self):
        """AUTH by the machine: 421 4.7.0 about our PTR record suspends the address, so of all our domains, and only towards that provider."""
        net = self.internet(providers=("google", "yahoo"), ours=("example.test", "other.test"), changes=QUICK)
        net.google.sink.rule("mail", "421-4.7.0 [192.0.2.25      15] The IP address sending this message does not have a\n"
                             "421-4.7.0 PTR record setup, or the corresponding forward DNS entry does not\n"
                             "421-4.7.0 point to the sending IP. As a policy, Gmail does not accept messages\n"
                             "421 4.7.0 from IPs with missing PTR records. x1 - gsmtp")
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ suspended .*pair=.* at google")
        sessions = len(net.google.sink.sessions)
        net.daemon.send("carol@gmail.com", sender="bob@other.test")
        net.daemon.send("fine@yahoo.com", sender="bob@other.test")
        net.yahoo.sink.wait_for_message("fine@yahoo.com")
        net.daemon.wait_for_queue(2)
        self.assertEqual(len(net.google.sink.sessions), sessions)

    def test_a_name_that_is_refused_holds_everything_to_that_provider(self):
        """501 5.5.4 HELO: our own configuration is wrong; nothing is returned, nothing more is tried, and the operator hears of it."""
        net = self.internet(providers=("google", "yahoo"), changes=QUICK)
        refuse = net.google.sink.rule("ehlo", "501-5.5.4 HELO/EHLO argument \"mail.example.test\" invalid, closing connection.\n501 5.5.4 x1 - gsmtp")
        net.google.sink.rule("helo", "501 5.5.4 HELO/EHLO argument \"mail.example.test\" invalid, closing connection. x1 - gsmtp")
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ deferred .*to=bob@gmail\.com")
        net.daemon.wait_for_log(r"^\S+ suspended .*pair=.* at google")
        used = refuse.used
        net.daemon.send("carol@gmail.com")
        net.daemon.send("fine@yahoo.com")
        net.yahoo.sink.wait_for_message("fine@yahoo.com")
        net.daemon.wait_for_queue(2)
        self.assertEqual(refuse.used, used)
        self.assertEqual(net.home.messages, [])


class Reputation(providers.InternetTest):
    def test_a_listed_address_burns_one_message_not_the_newsletter(self):
        """PR-53, PR-55: the refused message is returned, the pair is suspended: the others wait; status names cause and link."""
        net = self.internet(providers=("yahoo", "google"), changes=QUICK)
        net.yahoo.sink.rule("mail", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.25, because the ip is in Spamhaus's list; "
                            "see http://postmaster.yahoo.com/550-bl23.html")
        net.daemon.send("first@yahoo.com")
        net.home.wait_for_message("alice@example.test")
        net.daemon.wait_for_log(r"^\S+ suspended .*pair=.* at yahoo")
        sessions = len(net.yahoo.sink.sessions)
        for number in range(10):
            net.daemon.send(f"r{number}@yahoo.com")
        net.daemon.send("fine@gmail.com")
        net.google.sink.wait_for_message("fine@gmail.com")
        net.daemon.wait_for_queue(10)
        self.assertEqual(len(net.yahoo.sink.sessions), sessions)
        self.assertEqual(len(net.home.messages), 1)
        status = net.daemon.command("status").stdout
        self.assertRegex(status, r"yahoo")
        self.assertRegex(status, r"(?i)spamhaus")


if __name__ == "__main__":
    world.main()
