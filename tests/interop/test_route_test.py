"""`posthorn route test` where something is not as the operator thinks: no host can take mail, no DNSSEC, no daemon."""

import json
import time

from posthorn_test.world import WorldTest, main


class RouteTest(WorldTest):
    def asked(self, w, *arguments, code=0):
        run = w.daemon.command("route", "test", *arguments, check=False)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout

    def test_hosts_that_cannot_be_used(self):
        """Mail that would come back is told from mail that would wait, and a host without address is no matter of TLS."""
        w = self.world()
        w.dns.set("nowhere.test", "MX", "10 mx.nowhere.test", "20 mx2.nowhere.test")
        shown = self.asked(w, "bob@nowhere.test", code=68)
        self.assertIn("cannot be used: 550 5.4.4 The mail host mx.nowhere.test of nowhere.test has no address", shown)
        self.assertNotIn("TLS:", shown)
        w.dns.fail("mx2.nowhere.test", "servfail")
        w.daemon.tables["dns"] |= {"negative_ttl": "0s"}
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        self.assertIn("cannot be used: 451 4.4.3 DNS gave no answer", self.asked(w, "bob@nowhere.test", code=75))

    def test_a_relay_without_an_address(self):
        """It is the relay's host that is wrong, and mail waits; the recipient's domain has nothing to do with it."""
        w = self.world(changes={"relay": [{"name": "isp", "host": "smtp.nowhere.test"}], "route": [{"to": "isp"}]})
        words = "The host smtp.nowhere.test of the relay isp has no address"
        self.assertIn(words, self.asked(w, "bob@dest.test", code=75))
        w.daemon.send("bob@dest.test")
        self.assertIn(words, w.daemon.wait_for_log(r"\bdeferred\b.*class=local")[0])
        self.assertIn(words, w.daemon.wait_for_log(r"relay-trouble\b.*level=error relay=isp fault=host")[0])

    def test_a_relay_whose_domain_names_no_host(self):
        """mx = true, and there is no such record: nothing can be planned, and the operator hears of it all the same."""
        w = self.world(changes={"relay": [{"name": "isp", "host": "nowhere.test", "mx": True}], "route": [{"to": "isp"}]})
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"relay-trouble\b.*level=error relay=isp fault=host")
        self.assertIn("a relay does not work for us", w.daemon.wait_for_output(r"relay +isp does not work for us \(host\)", "status"))

    def test_servers_that_say_nothing(self):
        """The answer comes in 10 s, however long DNS itself would go on; with the daemon and without it."""
        w = self.world(changes={"dns": {"timeout": "20s", "tries": 2}})
        w.dns.fail("silent.test", "silent")
        for daemon in ("asked", "not there"):
            with self.subTest(daemon=daemon):
                begun = time.monotonic()
                self.assertIn("DNS gave no answer within 10 s", self.asked(w, "bob@silent.test", code=75))
                self.assertLess(time.monotonic() - begun, 19)
                if daemon == "asked":
                    self.assertEqual(w.daemon.stop(), 0)
        w.daemon.start()

    def test_dnssec_that_nobody_checks(self):
        """DA-1: dns.trust_ad is set, and the server does not say even of the signed root that it was checked."""
        w = self.world(changes={"dns": {"trust_ad": True, "negative_ttl": "0s"}})
        words = f"dns.trust_ad is set, but {w.dns.address}:{w.dns.port} did not say even of the root zone that DNSSEC was checked"
        self.assertIn(words, self.asked(w, "bob@dest.test"))
        w.dns.secure.add(".")   # the root: a domain that is not signed is now just that
        self.assertNotIn("root zone", self.asked(w, "bob@dest.test"))
        w.dns.secure.clear()
        self.assertIn(words, self.asked(w, "bob@dest.test"))
        w.dns.fail(".", "servfail")   # nobody knows
        self.assertNotIn("root zone", self.asked(w, "bob@dest.test"))
        self.assertGreater(w.dns.asked(".", "TXT"), 0)

    def test_without_dnssec_the_root_is_not_asked_about(self):
        w = self.world()
        self.asked(w, "bob@dest.test")
        self.assertEqual(w.dns.asked(".", "TXT"), 0)

    def test_without_the_daemon(self):
        """Why it was not asked, and what it alone knows; IPv6 is a matter of the source address, not of the way."""
        w = self.world()
        why = json.loads(self.asked(w, "bob@dest.test", "--json"))["why"]
        self.assertNotIn("IPv6", " ".join(why))
        self.assertEqual(w.daemon.stop(), 0)
        shown = self.asked(w, "bob@dest.test")
        self.assertIn("MTA-STS policies were not looked at", shown)
        self.assertRegex(shown, r"no daemon answers: .*admin\.sock")
        w.daemon.start()


if __name__ == "__main__":
    main()
