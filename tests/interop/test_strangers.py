#!/usr/bin/env python3
"""What servers of strangers say stops mail to themselves and to nobody else, whatever names they put into DNS."""

import json

from posthorn_test import providers, world
from posthorn_test.providers import InternetTest

QUICK = {"retry": {"first": "1h", "max": "1h", "jitter": 0.0}}


class Strangers(InternetTest):

    def limits(self, net):
        shaping = json.loads(net.daemon.command("status", "--json").stdout)["daemon"]["shaping"]
        return net.daemon.command("status").stdout, shaping["slowed"]

    def test_a_host_of_a_provider_before_ones_own_speaks_for_no_provider(self):
        """PR-29, PR-42, PR-45: an MX set of Google's name, which is not there, and a stranger's host suspends nobody at Google."""
        net = self.internet(providers=("google", "other"), changes=QUICK)
        for domain, reply in (("one.test", providers.FIELD_REPORT),
                              ("two.test", "550-5.7.25 The IP address sending this message does not have a PTR record\n550 5.7.25 gsmtp"),
                              ("three.test", providers.RATE_BY_IP)):
            with self.subTest(domain):
                net.dns.set(domain, "MX", "5 nobody.google.com", f"10 mx.{domain}")
                net.dns.set(f"mx.{domain}", "A", net.other.sink.address)
                rule = net.other.sink.rule("dot", reply)
                net.daemon.send(f"bob@{domain}")
                net.daemon.wait_for_log(rf"deferred .*bob@{domain}")
                net.other.sink.forget(rule)
                net.daemon.send(f"{domain}@gmail.com")
                net.google.sink.wait_for_message(f"{domain}@gmail.com")
        words, slowed = self.limits(net)
        self.assertNotIn("at google", words)
        self.assertTrue(slowed, "the stranger himself is slowed down")
        self.assertNotIn("to google\"", json.dumps(slowed))

    def test_the_name_of_anothers_host_gives_nobody_his_place(self):
        """The same towards a host that is no provider's: only the whole set of hosts is the stranger's name."""
        net = self.internet(providers=("yahoo", "other"), changes=QUICK)
        net.dns.set("stranger.test", "MX", "5 mx.stranger.test", f"10 {net.other.host}")
        net.dns.set("mx.stranger.test", "A", net.yahoo.sink.address)
        net.yahoo.sink.rule("dot", providers.FIELD_REPORT)
        net.daemon.send("bob@stranger.test")
        net.daemon.wait_for_log(r" suspended .*pair=")
        net.daemon.send("bob@dest.test")
        net.other.sink.wait_for_message("bob@dest.test")


if __name__ == "__main__":
    world.main()
