"""Rules about replies: what `posthorn rules` tells, a file of the operator's own, and that it is taken while mail flows."""

import json
import re

from posthorn_test import providers, world
from posthorn_test.daemon import Daemon

SLEEPY = """
[[rule]]
name = "sleepy"
provider = "google"
code = "450"
text = 'siesta'
class = "{kind}"
{more}
meaning = "They sleep at noon."
example = "450 4.2.0 We keep our siesta"
"""
QUICK = {"retry": {"first": "100ms", "max": "200ms", "jitter": 0.0}}


class Rules(world.WorldTest):
    def setUp(self):
        self.posthorn = Daemon()   # never started: the commands need none
        self.addCleanup(self.posthorn.discard)

    def tell(self, *arguments, **how):
        return self.posthorn.command("rules", *arguments, **how)

    def test_which_rule_holds(self):
        """PR-34, PR-39, PR-44, SD-1: the text of the field report as logs have it, on one line or several, whole or its beginning."""
        for text in (providers.FIELD_REPORT, providers.FIELD_REPORT_WITHOUT_DKIM):
            told = json.loads(self.tell("test", "--provider", "google", "--json", stdin=text).stdout)
            self.assertEqual((told["rule"], told["class"], told["result"]), ("google/unauthenticated", "auth", "deferred"))
            self.assertEqual((told["causes"], told["all_needed"]), (["spf", "dkim"], False))
            self.assertEqual((told["domain"], told["ip"]), ("example.test", "192.0.2.25"))
        words = self.tell("test", "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", "--provider", "google").stdout
        self.assertRegex(words, r"(?m)^rule +google/unauthenticated \(providers\.toml:\d+:1\)$")
        self.assertRegex(words, r"(?m)^class +auth: ")
        self.assertIn("suspended", words)
        self.assertIn("https://support.google.com/", words)
        # Without a provider by the standards' codes; the stage counts.
        told = json.loads(self.tell("test", "550 Unknown user", "--provider", "docomo", "--stage", "end-of-data", "--json").stdout)
        self.assertEqual(told["class"], "mbr")
        told = json.loads(self.tell("test", "550 Unknown user", "--provider", "docomo", "--stage", "rcpt", "--json").stdout)
        self.assertEqual(told["class"], "rcpt-perm")

    def test_the_configurations_provider_counts(self):
        """2.7, PR-28: what becomes of a message that a 5xx refused is the provider's after_fix, which [[provider]] may change."""
        refusal = ("test", "550 5.7.515 Access denied, sending domain [example.test] does not meet the required authentication level", "--provider", "outlook")
        self.assertEqual(json.loads(self.tell(*refusal, "--json").stdout)["after_fix"], "resend-once")
        self.assertIn("it goes out once more when DNS is repaired", self.tell(*refusal).stdout)
        self.posthorn.tables["provider"] = [{"name": "outlook", "after_fix": "bounce", "connections": 3}]
        self.posthorn.write_config()
        self.assertEqual(json.loads(self.tell(*refusal, "--json").stdout)["after_fix"], "bounce")
        self.assertIn("is not to get it again (after_fix)", self.tell(*refusal).stdout)
        self.assertIn("3 connections", self.tell("list", "outlook").stdout)

    def test_a_domain_that_is_not_ours(self):
        """PR-49: the domains of the configuration are ours."""
        for domain, kind, result in (("example.test", "auth", "deferred"), ("visitor.example", "rfc", "failed")):
            text = providers.DMARC_REJECT.replace("{domain}", domain)
            told = json.loads(self.tell("test", "--provider", "google", "--json", stdin=text).stdout)
            self.assertEqual((told["class"], told["result"], told["domain"]), (kind, result, domain))

    def test_what_is_wrong_with_the_question(self):
        for arguments, code in (("hello",), 65), (("550 x", "--provider", "gogle"), 64), (("550 x", "--stage", "lunch"), 64):
            run = self.tell("test", *arguments, check=False)
            self.assertEqual(run.returncode, code, run.stderr)
            self.assertTrue(run.stderr.startswith("posthorn: "), run.stderr)

    def test_the_list(self):
        yahoo = self.tell("list", "yahoo").stdout
        self.assertIn("*.yahoodns.net; 5 connections; 20 messages each", yahoo)   # PR-19
        self.assertIn("yahoo/tss04", yahoo)
        self.assertNotIn("google/", yahoo)
        rules = json.loads(self.tell("list", "--json").stdout)
        self.assertGreater(len(rules), 150)
        self.assertEqual(rules[-1]["rule"], "default/permanent")

    def test_a_file_of_our_own_is_checked(self):
        """A rule that never holds is a mistake with its place, of check-config and of the start."""
        own = self.posthorn.directory / "rules.toml"
        own.write_text(SLEEPY.format(kind="temp", more='wait = "7m"') + SLEEPY.format(kind="grey", more="").replace("sleepy", "never"))
        self.posthorn.tables["delivery"]["provider_rules"] = "rules.toml"
        self.posthorn.write_config()
        run = self.posthorn.command("check-config", check=False)
        self.assertEqual(run.returncode, 78)
        self.assertRegex(run.stderr, r"rules\.toml:12:1: the rule google/never is not what its example .* but google/sleepy \(\S*rules\.toml:2:1\)")
        with self.assertRaises(RuntimeError):
            self.posthorn.start()
        own.write_text(SLEEPY.format(kind="temp", more='wait = "7m"'))
        self.posthorn.command("check-config")
        told = json.loads(self.tell("test", "450 4.2.0 siesta", "--provider", "google", "--json").stdout)
        self.assertEqual((told["rule"], told["wait"]), ("google/sleepy", 420))
        self.assertTrue(re.search(r"rules\.toml:2:1$", told["where"]), told["where"])


class OwnRules(providers.InternetTest):
    def test_are_taken_when_the_file_changes(self):
        """PR-39: while mail flows, without a reload; a file that is wrong changes nothing, and says why."""
        daemon = Daemon()
        self.addCleanup(daemon.discard)
        own = daemon.directory / "rules.toml"
        own.write_text(SLEEPY.format(kind="temp", more=""))
        net = self.internet(providers=("google",), changes={
            **QUICK, "tls": {"check_interval": "100ms"}, "delivery": {"provider_rules": str(own)}})
        net.google.sink.rule("rcpt", "450 4.2.0 We keep our siesta", recipient="bob")
        net.daemon.send("bob@gmail.com")
        net.daemon.wait_for_log(r"^\S+ deferred .*class=temp .*rule=google/sleepy")

        own.write_text("[[rule]]\nname = 7\n")
        wrong = net.daemon.wait_for_log(r"^\S+ rules .*error=.*rules\.toml:2:8: 7 is no text")
        self.assertIn("stay in use", wrong[0])
        seen = len(net.daemon.log(r"rule=google/sleepy"))
        net.daemon.wait_for_log(r"^\S+ deferred .*class=temp .*rule=google/sleepy", count=seen + 1)
        # A reload with such a file is refused as a whole.
        net.daemon.reload()
        net.daemon.wait_for_log(r"^\S+ reload_failed .*rules\.toml:2:8")

        own.write_text(SLEEPY.format(kind="mbr", more="").replace('"450"', '["450", "550"]'))
        net.daemon.wait_for_log(r"^\S+ rules .*file=\S*rules\.toml rules=\d+ action=")
        net.daemon.wait_for_log(r"^\S+ deferred .*class=mbr .*rule=google/sleepy")


if __name__ == "__main__":
    world.main()
