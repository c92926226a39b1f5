"""What is done about one message or connection when a provider refuses it: the actions of providers.md 2.5, against fake providers."""

import re

from posthorn_test import providers, sink, world
from posthorn_test.daemon import simple_message

QUICK = {"retry": {"first": "200ms", "max": "400ms", "grey": "300ms", "full_mailbox": "300ms", "jitter": 0.0}}


def connections_to(one):
    return len(one.sessions)


class Recipients(providers.InternetTest):
    """GREY, TEMP, RCPT-FULL, SPLIT, SIZE, MBR: what concerns one message."""

    def test_greylisting_is_over_with_the_second_attempt_from_the_same_address(self):
        """GREY, RFC 6647: the same again after retry.grey, from the same address; nobody is told of it, nothing is slowed down."""
        net = self.internet(providers=("other",), changes=QUICK)
        net.other.sink.rule("rcpt", sink.GREYLISTED, times=1)
        net.daemon.send("bob@dest.test")
        net.other.sink.wait_for_message("bob@dest.test")
        line = net.daemon.wait_for_log(r"^\S+ deferred .*class=grey")[0]
        self.assertIn("attempts=1", line)
        self.assertEqual(len({session["peer"] for session in net.other.sink.sessions}), 1)
        net.daemon.wait_for_empty_queue()

    def test_greylisted_mail_goes_back_to_the_host_that_knows_it(self):
        """GREY: hosts keep lists of their own; the second attempt goes where the first went, though its equal stands beside it."""
        net = self.internet(providers=("other", "apple"), changes=QUICK)
        net.dns.set("dest.test", "MX", "10 mx1.dest.test", "10 mx2.dest.test")
        net.dns.set("mx1.dest.test", "A", net.other.sink.address)
        net.dns.set("mx2.dest.test", "A", net.apple.sink.address)
        names = [f"r{i}@dest.test" for i in range(6)]
        for one in (net.other.sink, net.apple.sink):
            for name in names:
                one.rule("rcpt", sink.GREYLISTED, recipient=name, times=1)
        for name in names:
            net.daemon.send(name)
        net.daemon.wait_for_empty_queue()
        for name in names:
            self.assertEqual(len(net.daemon.wait_for_log(rf"^\S+ deferred .*to={name} ")), 1)

    def test_a_recipient_who_gets_too_much_waits_alone(self):
        """TEMP with the rule's own wait: 450 4.2.1 of Gmail is about one mailbox; it waits a quarter of an hour, the others do not."""
        net = self.internet(providers=("google",))
        net.google.sink.rule("rcpt", "450-4.2.1 The user you are trying to contact is receiving email too quickly.\n"
                             "450 4.2.1 Please resend your message at a later time. x1 - gsmtp", recipient="busy")
        net.daemon.send(["busy@gmail.com", "bob@gmail.com"])
        net.google.sink.wait_for_message("bob@gmail.com")
        line = net.daemon.wait_for_log(r"^\S+ deferred .*to=busy@gmail\.com")[0]
        self.assertIn("class=temp", line)
        self.assertGreaterEqual(int(re.search(r"retry_in_s=(\d+)", line)[1]), 900)
        net.daemon.send("carol@gmail.com")
        net.google.sink.wait_for_message("carol@gmail.com")

    def test_a_full_mailbox_is_tried_slowly(self):
        """RCPT-FULL: 4xx on its own slow schedule, whatever retry.first says; 5xx is returned, and suppresses nobody."""
        net = self.internet(providers=("google", "apple"), changes={"retry": {"first": "100ms", "max": "200ms", "full_mailbox": "1h", "jitter": 0.0}})
        net.google.sink.rule("rcpt", "452 4.2.2 The recipient's inbox is out of storage space. x1 - gsmtp")
        net.apple.sink.rule("rcpt", "552 5.2.2 <{recipient}>: user is over quota")
        net.daemon.send("bob@gmail.com")
        line = net.daemon.wait_for_log(r"^\S+ deferred .*to=bob@gmail\.com")[0]
        self.assertIn("class=rcpt-full", line)
        self.assertGreaterEqual(int(re.search(r"retry_in_s=(\d+)", line)[1]), 3590)
        net.daemon.send("bob@icloud.com")
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"user is over quota", report.data)
        net.daemon.wait_for_log(r"^\S+ failed .*to=bob@icloud\.com.*class=rcpt-full")
        self.assertIn("No address is suppressed", net.daemon.command("suppression", "list").stdout)

    def test_recipients_too_many_go_in_a_transaction_of_their_own_at_once(self):
        """SPLIT, RFC 5321 s4.5.3.1.10: 452 4.5.3, and 552 of old servers, behind an accepted recipient: no attempt, no delay, no failure."""
        for reply in ("452 4.5.3 Domain policy size per transaction exceeded, please try this recipient in a separate transaction. x1 - gsmtp",
                      "552 Too many recipients"):
            with self.subTest(reply=reply):
                net = self.internet(providers=("google",), changes={"retry": {"first": "1h", "max": "2h"}})
                net.google.sink.rule("rcpt", reply, over=2)
                names = [f"r{i}@gmail.com" for i in range(6)]
                net.daemon.send(names)
                for name in names:
                    net.google.sink.wait_for_message(name)
                self.assertEqual([len(m.recipients) for m in net.google.sink.messages], [2, 2, 2])
                net.daemon.wait_for_empty_queue()
                self.assertEqual(set(re.findall(r"class=(\S+)", "\n".join(net.daemon.wait_for_log(r"^\S+ deferred ", count=4)))), {"split"})

    def test_one_recipient_domain_in_each_transaction(self):
        """"Multiple destination domains per transaction is unsupported" cannot happen, though both domains' mail goes to the same hosts."""
        net = self.internet(providers=("google",), changes=QUICK)
        net.google.serve("workspace.test")
        net.daemon.send(["bob@gmail.com", "carol@gmail.com", "bob@workspace.test"])
        net.daemon.wait_for_empty_queue()
        for message in net.google.sink.messages:
            self.assertEqual(len({address.rpartition("@")[2] for address in message.recipients}), 1)

    def test_refused_by_the_recipients_own_rules(self):
        """MBR: a report at once, nobody suppressed; the next message to the same recipient is sent."""
        net = self.internet(providers=("outlook",), changes={**QUICK, "suppression": {"mail": "all"}})
        net.outlook.sink.rule("rcpt", "550 5.7.507 Access denied, rejected by recipient", times=1)
        net.daemon.send("bob@outlook.com")
        net.home.wait_for_message("alice@example.test")
        net.daemon.wait_for_log(r"^\S+ failed .*class=mbr")
        net.daemon.send("bob@outlook.com")
        net.outlook.sink.wait_for_message("bob@outlook.com")


class Connections(providers.InternetTest):
    """TLSREQ, IPv6 refused, PROTO, RELAY, PR-19: what another connection mends, at once and remembered."""

    def test_tls_is_used_where_clear_text_was_refused(self):
        """TLSREQ: 550 5.7.29 is followed by one attempt under TLS, though it is a 5xx (the state changed); a restart does not forget it."""
        net = self.internet(providers=("google",), changes={**QUICK, "provider": [{"name": "google", "tls": "opportunistic"}]})
        google = net.google.sink
        broken = google.rule("starttls", garbage=True, times=1)
        google.rule("mail", providers.TLS_WANTED, tls=False)
        net.daemon.send("bob@gmail.com")
        self.assertTrue(google.wait_for_message("bob@gmail.com").tls)
        self.assertEqual(broken.used, 1)
        self.assertIn("tls google", net.daemon.wait_for_log(r"^\S+ remedy ")[0])
        net.daemon.wait_for_empty_queue()
        net.daemon.stop()
        net.daemon.start()
        google.rule("starttls", garbage=True)
        before = connections_to(google)
        net.daemon.send("carol@gmail.com")
        net.daemon.wait_for_log(r"^\S+ deferred .*to=carol@gmail\.com")
        self.assertNotIn("MAIL", " ".join(line for session in google.sessions[before:] for line in session["commands"]), "nothing in the clear any more")

    def v6_internet(self):
        net = self.internet(providers=("google",), six=("google",), changes=QUICK)
        net.dns.set("gmail.com", "MX", "10 six.l.google.com", "20 four.l.google.com")
        net.dns.set("six.l.google.com", "AAAA", "::1")
        net.dns.set("four.l.google.com", "A", net.google.sink.address)
        return net

    def test_ipv4_where_ipv6_was_refused(self):
        """550 5.7.1 "IPv6 sending guidelines": the same message over IPv4 at once; IPv6 to Google is left alone, also after a restart."""
        net = self.v6_internet()
        net.google.sink6.rule("dot", providers.IPV6_GUIDELINES)
        net.daemon.send("bob@gmail.com")
        net.google.sink.wait_for_message("bob@gmail.com")
        self.assertEqual(connections_to(net.google.sink6), 1)
        self.assertEqual(net.home.messages, [], "nobody was told of a failure")
        net.daemon.wait_for_empty_queue()
        net.daemon.send("carol@gmail.com")
        net.google.sink.wait_for_message("carol@gmail.com")
        net.daemon.wait_for_empty_queue()
        net.daemon.stop()
        net.daemon.start()
        net.daemon.send("dave@gmail.com")
        net.google.sink.wait_for_message("dave@gmail.com")
        self.assertEqual(connections_to(net.google.sink6), 1)
        self.assertRegex(net.daemon.command("route", "test", "bob@gmail.com").stdout, "google has refused mail over IPv6 from here")

    def test_who_has_ipv6_only_is_asked_there_all_the_same(self):
        """There is nothing to change to: the refusal is what it is, and no message goes round and round."""
        net = self.internet(providers=("google",), six=("google",), changes={"retry": {"first": "1h", "max": "2h", "auth_first": "1h"}})
        net.dns.set("gmail.com", "MX", "10 six.l.google.com")
        net.dns.set("six.l.google.com", "AAAA", "::1")
        rule = net.google.sink6.rule("dot", providers.IPV6_GUIDELINES)
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ deferred .*class=auth")
        self.assertEqual(rule.used, 2, "once more, since IPv4 was to be tried; then it waits")

    def test_without_the_extension_that_is_suspected(self):
        """PROTO: 451 4.5.0 is followed by one attempt without PIPELINING, remembered for the host, and somebody is told."""
        net = self.internet(providers=("google",), changes=QUICK)
        google = net.google.sink
        google.rule("data", "451 4.5.0 SMTP protocol violation, no commands allowed to pipeline after DATA, see RFC 5321 - gsmtp", times=1)
        net.daemon.send("bob@gmail.com")
        google.wait_for_message("bob@gmail.com")
        self.assertEqual([session["pipelined"] for session in google.sessions], [True, False])
        net.daemon.wait_for_log(r"^\S+ remedy .*no-pipelining")
        net.daemon.wait_for_log(r"\balarm\b.*dialogue")
        net.daemon.wait_for_empty_queue()
        net.daemon.stop()
        net.daemon.start()
        net.daemon.send("carol@gmail.com")
        google.wait_for_message("carol@gmail.com")
        self.assertFalse(google.sessions[-1]["pipelined"], "remembered over the restart")

    def test_the_next_host_where_one_does_not_relay(self):
        """RELAY: an MX host that does not know the domain is passed over for a day; where all say so, the sender is told, once."""
        net = self.internet(providers=("other", "apple"), changes=QUICK)
        stray, right = net.apple.sink, net.other.sink
        net.dns.set("dest.test", "MX", "10 stray.dest.test", "20 mx.dest.test")
        net.dns.set("stray.dest.test", "A", stray.address)
        rule = stray.rule("rcpt", "550 5.7.1 <{recipient}>: Relay access denied")
        net.daemon.send("bob@dest.test")
        right.wait_for_message("bob@dest.test")
        net.daemon.wait_for_empty_queue()
        net.daemon.send("carol@dest.test")
        right.wait_for_message("carol@dest.test")
        self.assertEqual(rule.used, 1)
        right.rule("rcpt", "550 5.7.1 relaying denied")
        net.daemon.send("dave@dest.test")
        report = net.home.wait_for_message("alice@example.test")
        self.assertIn(b"relaying denied", report.data.replace(b"\r\n ", b" "))
        net.daemon.wait_for_empty_queue()
        self.assertEqual(len(net.home.messages), 1)

    def messages_over_few_connections(self, net, count):
        names = [f"r{i}@yahoo.com" for i in range(count)]
        for name in names:
            net.daemon.send(name)
        for name in names:
            net.yahoo.sink.wait_for_message(name)
        net.daemon.wait_for_empty_queue()
        self.assertEqual(net.daemon.log(r"^\S+ deferred "), [], "no failure, no attempt, no throttle")
        per_connection = {}
        for message in net.yahoo.sink.messages:
            per_connection[message.connection] = per_connection.get(message.connection, 0) + 1
        return per_connection

    def test_yahoos_word_that_a_connection_has_carried_enough(self):
        """PR-19: "Max message per connection reached": a new connection at once; later ones are ended by us before that."""
        net = self.internet(providers=("yahoo",), changes={**QUICK, "provider": [{"name": "yahoo", "connections": 1}]})
        rule = net.yahoo.sink.rule("mail", providers.YAHOO_ENOUGH, carried=3, drop="after")
        per_connection = self.messages_over_few_connections(net, 14)
        self.assertLessEqual(max(per_connection.values()), 3)
        self.assertLessEqual(rule.used, 1, "it said so once: that was enough")

    def test_yahoos_silent_close(self):
        """PR-19: the connection just ends after some messages: no failure, no throttle."""
        net = self.internet(providers=("yahoo",), changes={**QUICK, "provider": [{"name": "yahoo", "connections": 1}]})
        rule = net.yahoo.sink.rule("mail", carried=3, drop="before")
        per_connection = self.messages_over_few_connections(net, 14)
        self.assertLessEqual(max(per_connection.values()), 3)
        self.assertLessEqual(rule.used, 2, "the second time taught it")

    def test_connection_expired(self):
        """Gmail's 421 4.7.0 "Connection expired, try reconnecting", in the middle of a transaction: reconnected at once, no penalty."""
        net = self.internet(providers=("google",), changes={"retry": {"first": "1h", "max": "2h"}, "provider": [{"name": "google", "connections": 1}]})
        rule = net.google.sink.rule("data", "421 4.7.0 Connection expired, try reconnecting. x1 - gsmtp", carried=1, times=1, drop="after")
        for name in ("a", "b", "c"):
            net.daemon.send(f"{name}@gmail.com", message=simple_message(f"{name}@gmail.com"))
        for name in ("a", "b", "c"):
            net.google.sink.wait_for_message(f"{name}@gmail.com")
        net.daemon.wait_for_empty_queue()
        self.assertLessEqual(rule.used, 1)

    def test_421_at_any_stage_is_no_verdict_on_the_host(self):
        """PR-37: the connection is gone, the message waits a moment; neither the host nor its site rests for it."""
        for stage in ("mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                net = self.internet(providers=("other",), changes=QUICK)
                net.other.sink.rule(stage, "421 4.3.2 Service not available, closing transmission channel", times=1, drop="after")
                net.daemon.send("bob@dest.test")
                net.other.sink.wait_for_message("bob@dest.test")
                net.daemon.wait_for_empty_queue()
                self.assertEqual(net.daemon.log(r"^\S+ unreachable "), [])


if __name__ == "__main__":
    world.main()
