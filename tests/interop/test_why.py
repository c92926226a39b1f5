"""posthorn why: the answer first, whatever state the mail is in; what is in the way, who set the next try, and the last session."""

import json
import re

import dns.zone

from posthorn_test import providers, sink, world
from posthorn_test.providers import InternetTest

QUIET = {"retry": {"first": "1h", "grey": "1h", "jitter": 0.0}}


class Why(world.WorldTest):
    def why(self, w, what, code=0):
        """The first line, the whole text, and the JSON."""
        run = w.daemon.command("why", what, check=False)
        self.assertEqual(run.returncode, code, run.stderr + run.stdout)
        data = w.daemon.command("why", what, "--json", check=False)
        self.assertEqual(data.returncode, code, data.stderr)
        answer = json.loads(data.stdout)
        self.assertEqual(answer["known"], code == 0)
        first = run.stdout.split("\n")[0]
        return first, run.stdout, answer

    def send(self, w, to="bob@dest.test"):
        return w.daemon.send(to).split()[-1]

    def deferred(self, w, id):
        w.daemon.wait_for_log(rf"\bdeferred\b.*id={id}")
        w.daemon.wait_for_output(r'"class":"', "queue", "show", id, "--json")

    def test_delivered(self):
        w = self.world()
        id = self.send(w)
        w.daemon.wait_for_log(rf"\bdelivered\b.*id={id}")
        w.daemon.wait_for_empty_queue()
        first, text, answer = self.why(w, id)
        self.assertRegex(first, rf"^Message {id} to bob@dest\.test was delivered \d+ seconds? ago \(.*\); mx\.dest\.test.* said: 250 ")
        self.assertEqual(answer["recipients"][0]["state"], "delivered")
        self.assertIsNone(answer["session"])
        first, _, answer = self.why(w, "bob@dest.test")
        self.assertIn("Nothing for bob@dest.test waits; the last message was delivered", first)
        self.assertEqual(answer["lately"][0]["message"], id)
        _, text, answer = self.why(w, "dest.test")
        self.assertEqual(answer["roles"], ["recipient"])
        self.assertIn("Lately:", text)
        first, _, answer = self.why(w, "example.test")
        self.assertEqual(answer["roles"], ["sender"])
        self.assertIn("one of our domains, and nothing is held against it", first)

    def test_put_off_by_4xx(self):
        """PR-40: the reply in full, its class, who set the next try, and the session as it was on the wire; nothing that a terminal would obey."""
        w = self.world(changes=QUIET, starttls=True)
        w.sink.rule("rcpt", "451-4.3.0 the disk \x1b[31mis full\n451 4.3.0 try later")
        id = self.send(w)
        self.deferred(w, id)
        first, text, answer = self.why(w, id)
        self.assertRegex(first, rf"^Message {id} waits: it was put off \(temp\)")
        self.assertIn("try later", text)
        self.assertNotIn("\x1b", text)
        recipient, = answer["recipients"]
        self.assertEqual((recipient["state"], recipient["attempts"], recipient["last"]["class"]), ("waiting", 1, "temp"))
        self.assertIn("try later", recipient["last"]["reply"])
        self.assertEqual(recipient["next"]["by"], "retry-schedule")
        self.assertEqual([one["kind"] for one in recipient["in_the_way"]], ["schedule"])
        session = answer["session"]["text"]
        self.assertRegex(session, r"\*  connected to mx\.dest\.test\[.*\] port \d+ from ")
        self.assertRegex(session, r"\*  TLSv1\.\d .*, certificate not verified")
        mail, rcpt, data = (session.index(word) for word in ("C: MAIL FROM:<alice@example.test>", "C: RCPT TO:<bob@dest.test>", "C: DATA"))
        self.assertTrue(mail < rcpt < data < session.index("S: 451 4.3.0 try later"))
        self.assertNotIn("Hello.", session)
        for line in session.split("\n")[:3]:
            self.assertIn(line, text)

    def test_greylisted(self):
        w = self.world(changes=QUIET)
        w.sink.rule("rcpt", "451 4.7.1 Greylisted, please come back in 600 seconds")
        id = self.send(w)
        self.deferred(w, id)
        first, text, answer = self.why(w, id)
        self.assertIn("greylisting", first)
        self.assertIn(answer["recipients"][0]["next"]["by"], ("peer", "greylisting"))
        self.assertIn("grey: ", text)

    def test_refused_for_good(self):
        w = self.world()
        w.sink.rule("rcpt", sink.NO_SUCH_USER)
        id = self.send(w)
        w.daemon.wait_for_log(rf"\bfailed\b.*id={id}")
        w.daemon.wait_for_output(r'"failed"', "why", id, "--json")
        first, text, answer = self.why(w, id)
        self.assertRegex(first, "failed .*: there is no such mailbox; mx")
        self.assertEqual(answer["recipients"][0]["state"], "failed")
        self.assertIn("C: RCPT TO:<bob@dest.test>", text)

    def test_held_by_an_operator(self):
        w = self.world(changes=QUIET)
        w.sink.rule("rcpt", sink.GREYLISTED)
        id = self.send(w)
        self.deferred(w, id)
        w.daemon.command("queue", "hold", id)
        first, text, answer = self.why(w, id)
        self.assertIn("an operator holds it", first)
        self.assertIn(f"posthorn queue release {id}", text)
        self.assertEqual((answer["recipients"][0]["state"], answer["recipients"][0]["next"]["by"]), ("held", "operator"))

    def test_the_host_is_down(self):
        """Nobody listens there: the answer says so, and the session that there was none."""
        w = self.world(changes=QUIET)
        w.sink.stop()
        id = self.send(w)
        self.deferred(w, id)
        first, text, answer = self.why(w, id)
        self.assertRegex(first, r"left alone for a while|no mail host of dest\.test answers|could be reached")
        kinds = [one["kind"] for one in answer["recipients"][0]["in_the_way"]]
        self.assertIn("hosts", kinds)
        self.assertRegex(answer["session"]["text"], r"\*  connecting to mx\.dest\.test\[.*\] port \d+ failed: Connection refused")

    def test_dns_fails(self):
        w = self.world(changes=QUIET)
        w.dns.fail("broken.test", "servfail")
        id = self.send(w, "bob@broken.test")
        self.deferred(w, id)
        first, text, answer = self.why(w, id)
        self.assertRegex(first, r"DNS")
        self.assertIn("dns", [one["kind"] for one in answer["recipients"][0]["in_the_way"]])
        self.assertIn("dns.servers", text)

    def test_nothing_is_known(self):
        """Exit code 66, and what was searched."""
        w = self.world()
        first, _, _ = self.why(w, "0abcdefghjkmn", code=66)
        self.assertIn("Nothing is known of message 0abcdefghjkmn: it is not in the queue, and the journal is empty", first)
        for what in ("nobody@nowhere.test", "nowhere.test", "nosuchprovider"):
            self.assertIn("Nothing is known of " + what, self.why(w, what, code=66)[0])

    def test_status(self):
        """The answer first, then what waits by age and domain."""
        w = self.world(changes=QUIET, domains=("dest.test", "other.test"))
        w.sink.rule("rcpt", sink.GREYLISTED, recipient="dest.test")
        for id in [self.send(w), self.send(w, "carol@dest.test")]:
            self.deferred(w, id)
        self.send(w, "dave@other.test")
        w.daemon.wait_for_queue(2)
        text = w.daemon.command("status").stdout
        self.assertRegex(text.split("\n")[0], r"^Posthorn is well: 2 recipients wait, the oldest for \d+ seconds?; in the last hour 1 of 3 attempts went through\.$")
        self.assertRegex(text, r"(?m)^ +T +5 +10 +20 +40 +80 +160 +320 +640 +1280 +1280\+$")
        self.assertRegex(text, r"(?m)^ +TOTAL +2 +2 +0")
        self.assertRegex(text, r"(?m)^ +dest\.test +2 +2 +0")
        self.assertRegex(w.daemon.command("status", "--by", "sender").stdout, r"(?m)^ +example\.test +2 +2 +0")
        self.assertRegex(w.daemon.command("status", "--by", "provider").stdout, r"(?m)^ +mx\.dest\.test +2 +2 +0")
        data = json.loads(w.daemon.command("status", "--json").stdout)
        self.assertEqual(data["ages"]["rows"][0]["name"], "dest.test")
        success = {one["group"]: one["hour"] for one in data["success"]}
        self.assertEqual(success["mx.dest.test"], {"delivered": 0, "deferred": 2, "failed": 0})
        self.assertEqual(success["mx.other.test"], {"delivered": 1, "deferred": 0, "failed": 0})


class WhyProviders(InternetTest):
    def test_suspended_for_authentication(self):
        """PR-55: the pair, the cause, the diagnosis with the record to publish, the command that ends it; and the view of domain and provider."""
        net = self.internet(providers=("google",), changes={"retry": {"auth_poll": "1h", "auth_first": "10h"}})
        net.dns.remove("rsa._domainkey.example.test", "TXT")
        net.dns.set("example.test", "TXT", "v=spf1 -all")
        net.google.sink.rule("dot", providers.FIELD_REPORT)
        id = net.daemon.send("bob@gmail.com").split()[-1]
        net.daemon.wait_for_log(r'\bsuspended .*pair="example\.test at google"')
        net.daemon.wait_for_output(r'(?s)"kind":"suspension".*DNS', "why", id, "--json")
        net.daemon.wait_for_output(r"(?s)waits: .*rsa\._domainkey\.example\.test", "why", id)   # the delivery's end is on disk
        run = net.daemon.command("why", id)
        first = run.stdout.split("\n")[0]
        self.assertEqual(first, f"Message {id} waits: google refuses mail of example.test until its SPF or DKIM is repaired.")
        self.assertIn("posthorn resume example.test google", run.stdout)
        self.assertIn("550-5.7.26  DKIM = did not pass", run.stdout)
        answer = json.loads(net.daemon.command("why", id, "--json").stdout)
        recipient, = answer["recipients"]
        self.assertEqual(recipient["in_the_way"][0]["gate"], "sender|example.test|google")
        self.assertEqual(recipient["next"]["by"], "suspension")
        self.assertTrue(recipient["last"]["rule"].startswith("google/"))
        self.assertIn("S: 550-5.7.26", answer["session"]["text"])
        domain = net.daemon.command("why", "example.test").stdout
        self.assertIn("example.test is one of our domains, and google refuses mail of example.test", domain.split("\n")[0])
        provider = json.loads(net.daemon.command("why", "google", "--json").stdout)
        self.assertEqual((provider["waiting"], provider["limits"][0]["pair"]), (1, "example.test at google"))
        status = net.daemon.command("status").stdout
        self.assertIn("google refuses mail of example.test until its SPF or DKIM is repaired", status)
        # One line for the alarm, and no escapes in it; all of it is in `alarms`, beneath its headline.
        self.assertNotIn("\\x0a", status)
        alarms = net.daemon.command("alarms").stdout
        self.assertEqual([line for line in alarms.splitlines() if not re.match(r"    |\d{4}-\d\d-\d\dT\S+Z  [a-z-]+: ", line)], [])
        # What was tried and not counted is not called untried: neither here nor there.
        self.assertIn("none that counts; the last at ", run.stdout)
        shown = net.daemon.command("queue", "show", id).stdout
        self.assertIn("tried, which counts as no attempt, held: google refuses mail of example.test", shown)
        self.assertRegex(run.stdout, r"given up +\S+Z, if it is not repaired by then \(retry\.auth_lifetime\)")
        self.assertRegex(shown, r"(?m)^    gives up   \S+Z \(in [23]d\), if it is not repaired by then \(retry\.auth_lifetime\)$")
        # One wording of a class, wherever it is told.
        meaning = "hey do not believe that the mail is from its sender: SPF, DKIM, DMARC or reverse DNS is not in order there"
        for words in (run.stdout, shown, net.daemon.command("rules", "test", "550 5.7.26 unauthenticated").stdout):
            self.assertIn(meaning, words)
        self.assertRegex(status, r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, ")
        self.assertNotRegex(status, r"T\d\d:\d\d:\d\d\.\d")
        # The answer first, and the record begins at the margin: a zone file takes it so (RFC 1035 s5.1).
        diagnosis = net.daemon.command("diagnose", "example.test", "--ip", "192.0.2.25", "--provider", "outlook", check=False).stdout
        self.assertRegex(diagnosis.split("\n")[0], r"^example\.test: SPF, DKIM, alignment, .* fail\.$")
        record = diagnosis[diagnosis.index("\nrsa._domainkey.example.test. IN TXT (") + 1:]
        zone = dns.zone.from_text("$TTL 60\n" + record[:record.index(")") + 1], origin="example.test.", check_origin=False, relativize=False)
        published = zone.get_rdataset("rsa._domainkey.example.test.", "TXT")[0]
        self.assertEqual(b"".join(published.strings).decode(), net.daemon.records["rsa._domainkey.example.test"])

    def test_bulk_marks_are_shown_from_a_tenth_on(self):
        """PR-8: one message of 5,000 is no news; --json has it."""
        net = self.internet(providers=("google", "outlook"), changes={"provider": [{"name": "outlook", "daily_mark": 10}]})
        for to in ("bob@gmail.com", "bob@outlook.com"):
            net.daemon.send(to)
        net.daemon.wait_for_empty_queue()
        marks = json.loads(net.daemon.command("status", "--json").stdout)["daemon"]["shaping"]["bulk_marks"]
        self.assertEqual({one["what"]: one["sent_in_a_day"] for one in marks}, {"example.test to google": 1, "example.test to outlook": 1})
        status = net.daemon.command("status").stdout
        self.assertIn("bulk mark   example.test to outlook: 1 in a day, of 10", status)
        self.assertNotIn("example.test to google", status)

    def test_throttled(self):
        net = self.internet(providers=("google",), changes={"retry": {"first": "1s"}})
        net.google.sink.rule("dot", providers.RATE_BY_IP)
        id = net.daemon.send("bob@gmail.com").split()[-1]
        net.daemon.wait_for_log(r"\bdeferred\b.*class=throttle")
        net.daemon.wait_for_output(r'"kind":"throttle"', "why", id, "--json")
        first = net.daemon.command("why", id).stdout.split("\n")[0]
        self.assertRegex(first, r"is paused, as they asked for less")
        answer = json.loads(net.daemon.command("why", id, "--json").stdout)
        self.assertEqual(answer["recipients"][0]["next"]["by"], "provider-pause")
        # Once it is due, the queue does not promise an attempt "now" before the end of the pause.
        until = answer["recipients"][0]["next"]["at"]
        for command in (("list",), ("show", id)):
            net.daemon.wait_for_output(f"held: mail from this machine to google is paused until {until}, as they asked for less", "queue", *command)


if __name__ == "__main__":
    world.main()
