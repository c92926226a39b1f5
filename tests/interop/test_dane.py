#!/usr/bin/env python3
"""DANE (RFC 7672) with signed zones of nsd behind a validating unbound: what is verified, what is passed over, what waits."""

import contextlib
import json
import re
import tempfile
import unittest

from posthorn_test import certs, dnssec, world
from posthorn_test.daemon import Daemon, loopback_address, simple_message
from posthorn_test.dnssec import tlsa
from posthorn_test.sink import Sink

NOBODY = "3 1 1 " + "00" * 32   # the digest of no key


class Dane(unittest.TestCase):
    """One DNS, one daemon and four mail hosts for all tests; each test has a domain of its own."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        scratch = cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="dane-"))
        authority = certs.Authority(scratch)
        # For usage 3 neither name nor date of a certificate count (s3.1.1): this one is for another name, and has expired.
        own = authority.issue(["nobody.test"], days=-1)
        for_host = authority.issue(["mx.ta.test"], chain=True)
        for_domain = authority.issue(["next-hop.test"], chain=True)
        cls.own = cls.sink(certificate=own)
        cls.host = cls.sink(certificate=for_host)
        cls.domain = cls.sink(certificate=for_domain)
        cls.clear = cls.sink(starttls=False)
        port = cls.own.port
        ee, ta = tlsa(own[0], 3, 1, 1), tlsa(authority.file, 2, 0, 1)
        own_a, host_a, domain_a, clear_a = (s.address for s in (cls.own, cls.host, cls.domain, cls.clear))

        def host(name, address, *records):
            return f"{name} A {address}\n" + "".join(f"_{port}._tcp.{name} TLSA {r}\n" for r in records)

        zones = {
            "ee.test": "@ MX 10 mx\n" + host("mx", own_a, NOBODY, ee),
            "full.test": "@ MX 10 mx\n" + host("mx", own_a, tlsa(own[0], 3, 0, 0)),
            "ta.test": "@ MX 10 mx\n" + host("mx", host_a, ta),
            "next-hop.test": "@ MX 10 mx\n" + host("mx", domain_a, ta),
            "other-name.test": "@ MX 10 mx\n" + host("mx", domain_a, ta),
            "mismatch.test": "@ MX 10 mx\n" + host("mx", own_a, NOBODY),
            "second.test": "@ MX 10 a\n@ MX 20 b\n" + host("a", own_a, NOBODY) + host("b", own_a, ee),
            "unusable.test": "@ MX 10 mx\n" + host("mx", own_a, "1 1 1 " + "00" * 32, "3 1 1 0000"),
            "unusable-clear.test": "@ MX 10 mx\n" + host("mx", clear_a, "1 1 1 " + "00" * 32),
            "stripped.test": "@ MX 10 mx\n" + host("mx", clear_a, ee),
            "bogus.test": "@ MX 10 mx\n" + host("mx", own_a, ee),
            "bogus-first.test": "@ MX 10 a\n@ MX 20 b\n" + host("a", own_a, ee) + host("b", own_a),
            "bogus-mx.test": "@ MX 10 mx\n" + host("mx", own_a),
            "alias.test": "@ MX 10 www\nwww CNAME mx.ee.test.\n",
            "alias-own.test": f"@ MX 10 www\nwww CNAME bare.none.test.\n_{port}._tcp.www TLSA {ee}\n",
            "half-alias.test": f"@ MX 10 www\nwww CNAME mx.plain.test.\n_{port}._tcp.www TLSA {ee}\n",
            "none.test": "@ MX 10 bare\n" + host("bare", own_a),
            "no-mx.test": f"@ A {own_a}\n_{port}._tcp TLSA {ee}\n",
            "plain.test": "@ MX 10 mx\n" + host("mx", own_a, NOBODY),
            "plain-to-signed.test": "@ MX 10 mx.mismatch.test.\n",
            "signed-to-plain.test": "@ MX 10 mx.plain.test.\n",
            "resume.test": "@ MX 10 mx\n" + host("mx", own_a, ee),
            "plain-resume.test": "@ MX 10 mx.resume.test.\n",
            "example.test": f"@ A {own_a}\n",
        }
        dns = cls.stack.enter_context(dnssec.World(
            zones, insecure=["plain.test", "plain-to-signed.test", "plain-resume.test"],
            bogus=[f"_{port}._tcp.mx.bogus.test", f"_{port}._tcp.a.bogus-first.test", "bogus-mx.test"]))
        cls.daemon = cls.stack.enter_context(Daemon(delivery_port=port, changes={
            "dns": {"servers": [f"{dns.address}:{dns.port}"], "trust_ad": True},
            "tlsrpt": {"contact": "alice@example.test"},
            "delivery": {"messages_per_connection": 1, "tls_ca_file": str(authority.file)}}))

    @classmethod
    def sink(cls, **how):
        made = Sink(loopback_address(), port=cls.own.port if hasattr(cls, "own") else 0, **how)
        cls.stack.callback(made.stop)
        return made

    def delivered(self, domain, sink, verified, policy, **header):
        """TLS-8: the log says by what the certificate was verified, and which policy asked for it."""
        to = f"bob@{domain}"
        self.daemon.send(to, **header)
        message = sink.wait_for_message(to)
        line = self.daemon.wait_for_log(rf"\bconnected\b.*domain={domain}\b")[-1]
        self.assertIn(f"verified={verified}", line)
        self.assertIn(f"policy={policy}", line)
        return message, sink.sessions[message.connection - 1]

    def waits(self, domain, words, result):
        """DA-8: not returned, and not delivered by any host; counted for TLSRPT (RFC 8460 s4.3) under the policy tlsa."""
        to = f"bob@{domain}"
        self.daemon.send(to)
        line = self.daemon.wait_for_log(rf"\bdeferred\b.*{to}")[0]
        self.assertRegex(line, words)
        for sink in self.own, self.host, self.domain, self.clear:
            self.assertEqual(sink.to(to), [])
        if result:
            self.assertIn(("tlsa", result), self.counted(domain))

    def counted(self, domain):
        listed = self.daemon.wait_for_output(rf"(?m)\b{domain}\b", "tlsrpt", "list")
        day = re.search(r"\d{4}-\d\d-\d\d", listed)[0]
        shown = self.daemon.command("tlsrpt", "show", domain, day).stdout
        policies = json.loads(shown[shown.index("{"):])["policies"]
        return [(p["policy"]["policy-type"], d["result-type"]) for p in policies for d in p["failure-details"]]

    def test_usage_3(self):
        """s3.1.1: the key is right, and whatever else the certificate says is of no interest."""
        _, session = self.delivered("ee.test", self.own, "dane", "dane")
        self.assertEqual(session["sni"], "mx.ee.test")   # s8.1

    def test_usage_3_with_the_whole_certificate(self):
        self.delivered("full.test", self.own, "dane", "dane")

    def test_usage_2(self):
        self.delivered("ta.test", self.host, "dane", "dane")

    def test_usage_2_for_the_next_hop(self):
        """s3.2.3: the name may be the recipient's domain."""
        self.delivered("next-hop.test", self.domain, "dane", "dane")

    def test_usage_2_for_another_name(self):
        self.waits("other-name.test", "certificate of mx.other-name.test.*(?i:hostname mismatch)", "certificate-host-mismatch")

    def test_nothing_matches(self):
        self.waits("mismatch.test", r"4\.7\.5 .*certificate of mx.mismatch.test.*DANE", "validation-failure")

    def test_the_next_host_may_do(self):
        """DA-8, DA-11: the preference stays; a host that does not prove itself is passed over."""
        message, session = self.delivered("second.test", self.own, "dane", "dane")
        self.assertEqual(session["sni"], "b.second.test")
        self.assertLess(1, message.connection)

    def test_none_is_usable(self):
        message, _ = self.delivered("unusable.test", self.own, "none", "dane-unusable")
        self.assertTrue(message.tls)
        self.assertIn(("tlsa", "tlsa-invalid"), self.counted("unusable.test"))

    def test_none_is_usable_and_there_is_no_tls(self):
        self.waits("unusable-clear.test", r"4\.7\.10 TLS is demanded of mx.unusable-clear.test", "starttls-not-supported")

    def test_starttls_is_stripped(self):
        self.waits("stripped.test", r"4\.7\.10 TLS is demanded of mx.stripped.test", "starttls-not-supported")

    def test_the_records_are_bogus(self):
        """DA-6: somebody may be hiding them."""
        self.waits("bogus.test", "no reliable answer about its TLSA records", "dnssec-invalid")

    def test_the_records_of_the_first_host_are_bogus(self):
        _, session = self.delivered("bogus-first.test", self.own, "none", "opportunistic")
        self.assertEqual(session["sni"], "b.bogus-first.test")

    def test_the_mx_is_bogus(self):
        """DA-4."""
        self.waits("bogus-mx.test", r"4\.4\.3", None)

    def test_a_cname(self):
        """DA-7: the fully expanded name comes first, and is the SNI."""
        _, session = self.delivered("alias.test", self.own, "dane", "dane")
        self.assertEqual(session["sni"], "mx.ee.test")

    def test_a_cname_with_records_at_its_own_name(self):
        _, session = self.delivered("alias-own.test", self.own, "dane", "dane")
        self.assertEqual(session["sni"], "www.alias-own.test")

    def test_a_cname_into_an_unsigned_zone(self):
        """s2.2.3: the alias itself is secure, and so are its records."""
        _, session = self.delivered("half-alias.test", self.own, "dane", "dane")
        self.assertEqual(session["sni"], "www.half-alias.test")

    def test_no_records(self):
        self.delivered("none.test", self.own, "none", "opportunistic")

    def test_no_mx(self):
        """s2.2.2: the domain itself is the host."""
        self.delivered("no-mx.test", self.own, "dane", "dane")

    def test_unsigned_domains(self):
        """DA-4: records in unsigned zones, and of hosts that unsigned MX records name, say nothing."""
        self.delivered("plain.test", self.own, "none", "opportunistic")
        self.delivered("plain-to-signed.test", self.own, "none", "opportunistic")

    def test_a_signed_domain_with_an_unsigned_host(self):
        """DA-5: its TLSA records are not even asked for."""
        self.delivered("signed-to-plain.test", self.own, "none", "opportunistic")

    def test_tls_required_no(self):
        """RT-2, RFC 8689 s4.2.2: delivered although nothing matches; the next message without the field waits."""
        to = "eve@mismatch.test"
        self.daemon.send(to, extra="TLS-Required: No\r\n")
        self.assertTrue(self.own.wait_for_message(to).tls)
        self.daemon.send("frank@mismatch.test")
        self.daemon.wait_for_log(r"\bdeferred\b.*frank@mismatch\.test")
        self.assertEqual(self.own.to("frank@mismatch.test"), [])

    def test_requiretls(self):
        """RT-1, RFC 8689 s4.2.1: DANE is as good as a certificate for the name, which this host does not have."""
        self.own.extensions.append("REQUIRETLS")
        with self.daemon.client("submission") as client:
            client.starttls()
            client.hello()
            client.login("alice", "correct horse")
            reply = client.deliver("alice@example.test", ["mallory@ee.test"], simple_message("mallory@ee.test"), " REQUIRETLS")
            self.assertEqual(reply.code, 250, reply)
        message = self.own.wait_for_message("mallory@ee.test")
        self.assertIn("REQUIRETLS", message.mail_parameters.split())

    def test_sessions_are_resumed_under_the_same_policy_only(self):
        """A session agreed without looking at the certificate proves nothing, whoever answers (docs/DELIVERY.md)."""
        seen = []
        for name in ("carol", "dave"):
            for domain in ("plain-resume.test", "resume.test"):
                self.daemon.send(f"{name}@{domain}")
                message = self.own.wait_for_message(f"{name}@{domain}")
                session = self.own.sessions[message.connection - 1]
                self.assertEqual(session["sni"], "mx.resume.test")
                seen.append(session["resumed"])
        self.assertEqual(seen, [False, False, True, True])
        for line in self.daemon.wait_for_log(r"\bconnected\b.*domain=resume\.test\b", 2):
            self.assertIn("verified=dane", line)


if __name__ == "__main__":
    world.main()
