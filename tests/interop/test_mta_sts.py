#!/usr/bin/env python3
"""MTA-STS (RFC 8461): policies fetched over HTTPS, kept over restarts, and enforced against MX hosts that are not what they say."""

import re
import sqlite3
import tempfile
import time

from posthorn_test import certs, world
from posthorn_test.daemon import loopback_address
from posthorn_test.https_server import HttpsServer
from posthorn_test.world import WorldTest

RECORD = "v=STSv1; id={};"
WELL_KNOWN = "/.well-known/mta-sts.txt"


class MtaSts(WorldTest):
    def sts_world(self, mx_names=("mx.dest.test",), mx_certificate=None, policy_names=("mta-sts.dest.test",), record="1", **policy):
        """dest.test with a policy, its MX and its policy server with certificates of an authority that the daemon trusts."""
        scratch = tempfile.TemporaryDirectory(prefix="mta-sts-")
        self.addCleanup(scratch.cleanup)
        self.authority = certs.Authority(scratch.name)
        self.scratch = scratch.name
        self.web = HttpsServer(self.authority.issue(policy_names), address=loopback_address())
        self.addCleanup(self.web.stop)
        if policy.pop("serve", True):
            self.web.policy(**policy)
        w = self.world(certificate=mx_certificate or self.authority.issue(mx_names), changes={
            "delivery": {"tls_ca_file": str(self.authority.file), "mta_sts_port": self.web.port, "idle_connection": "0s"}})
        w.dns.set("mta-sts.dest.test", "A", self.web.address)
        if record:
            w.dns.set("_mta-sts.dest.test", "TXT", RECORD.format(record))
        return w

    def fetches(self, count):
        return [r["path"] for r in self.web.wait_for_requests(count)]

    def assert_deferred(self, w, pattern, recipient="bob"):
        """The mail waits, and the log says why in words."""
        w.daemon.wait_for_log(rf"\bdeferred .*to={recipient}@dest\.test .*reply=.*(?:{pattern})")
        self.assertEqual(w.sink.to(f"{recipient}@dest.test"), [])

    def assert_delivered(self, w, recipient="bob@dest.test"):
        message = w.sink.wait_for_message(recipient)
        w.daemon.wait_for_empty_queue()
        return message

    def test_enforced_and_fulfilled(self):   # STS-2, STS-6
        w = self.sts_world()
        w.daemon.send("bob@dest.test")
        self.assertTrue(self.assert_delivered(w).tls)
        request = self.web.wait_for_requests(1)[0]
        self.assertEqual(request["sni"], "mta-sts.dest.test")
        self.assertEqual(request["headers"]["host"], f"mta-sts.dest.test:{self.web.port}")
        self.assertRegex(w.daemon.wait_for_log(r"\bmta_sts .*domain=dest\.test")[0], r"mode=enforce id=1 ")
        w.daemon.wait_for_log(r"\bconnected .*policy=mta-sts|\bconnected .*verified=true")

    def test_mx_is_not_in_the_policy(self):   # STS-6
        w = self.sts_world(mx=("other.dest.test", "*.mx.dest.test"))
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"MTA-STS policy of dest\.test does not name mx\.dest\.test")
        self.assertEqual(w.sink.sessions, [])   # not even greeted

    def test_wildcard(self):   # STS-6, RFC 8461 s4.1
        w = self.sts_world(mx=("*.dest.test",))
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)

    def test_certificate_of_another_name(self):   # STS-6
        w = self.sts_world(mx_names=("elsewhere.test",))
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"certificate")

    def test_testing_delivers_all_the_same(self):   # STS-7
        w = self.sts_world(mx_names=("elsewhere.test",), mode="testing", mx=("other.dest.test",))
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.fetches(1)

    def test_self_signed_certificate(self):   # STS-6
        w = self.sts_world(mx_certificate=certs.self_signed(tempfile_of(self), "mx.dest.test"))
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"self[- ]signed")

    def test_expired_certificate(self):   # STS-6
        authority = certs.Authority(tempfile_of(self))
        w = self.sts_world(mx_certificate=authority.issue(["mx.dest.test"], days=-1))
        authority_file = w.daemon.directory / "authorities.pem"
        authority_file.write_text(authority.file.read_text() + self.authority.file.read_text())
        w.daemon.tables["delivery"]["tls_ca_file"] = str(authority_file)
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"expired")

    def test_no_starttls_under_enforce(self):   # STS-6
        w = self.sts_world()
        w.sink.starttls = False
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"TLS")

    def test_broken_tls_that_is_remembered_counts_for_nothing_here(self):   # TLS-2, STS-6, PR-43
        """One host, two domains: what a handshake of the one without policy taught opens no way around the policy of the other."""
        w = self.sts_world()
        w.dns.set("plain.test", "MX", "10 mx.dest.test")
        broken = w.sink.rule("starttls", garbage=True)
        w.daemon.send("bob@plain.test")
        self.assertEqual(self.assert_delivered(w, "bob@plain.test").tls, "")
        w.daemon.wait_for_log("using clear text")
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, "TLS is demanded of mx.dest.test")
        w.sink.forget(broken)
        w.daemon.command("queue", "retry", *w.daemon.wait_for_queue(1))
        self.assertTrue(self.assert_delivered(w).tls)

    def test_mode_none_is_as_no_policy(self):   # STS-7
        w = self.sts_world(mode="none", mx=(), mx_names=("elsewhere.test",))
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.fetches(1)

    def test_no_record_no_fetch(self):   # STS-1, STS-5
        w = self.sts_world(record=None)
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertEqual(self.web.connections, 0)

    def test_no_record_is_asked_for_once_a_minute(self):   # STS-5: also behind a resolver that says not how long that holds
        w = self.sts_world(record=None)
        for n in range(5):
            w.daemon.send(f"bob{n}@dest.test")
            self.assert_delivered(w, f"bob{n}@dest.test")
        self.assertEqual(w.dns.asked("_mta-sts.dest.test", "TXT"), 1)
        w.daemon.reload()   # asks anew
        w.daemon.wait_for_log(r"\breloaded\b")
        w.daemon.send("carol@dest.test")
        self.assert_delivered(w, "carol@dest.test")
        self.assertEqual(w.dns.asked("_mta-sts.dest.test", "TXT"), 2)

    def test_asked_from_the_address_that_mail_leaves_from(self):
        w = self.sts_world()
        own = loopback_address()
        w.daemon.tables["delivery"]["source_v4"] = own
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertEqual(self.web.wait_for_requests(1)[0]["peer"], own)

    def test_two_records_are_none(self):   # STS-1
        w = self.sts_world(record=None, mx=("other.dest.test",))
        w.dns.set("_mta-sts.dest.test", "TXT", "v=STSv1; id=1", "v=STSv1; id=2")
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertEqual(self.web.connections, 0)

    def test_a_policy_is_of_its_own_domain_only(self):   # STS-8: not of those below it, and not of literals
        w = self.sts_world(mx=("other.dest.test",))
        w.dns.mx("sub.dest.test", ("mx.sub.dest.test", w.sink.address))
        for recipient in ("bob@sub.dest.test", f"bob@[{w.sink.address}]"):
            w.daemon.send(recipient)
            self.assert_delivered(w, recipient)
        self.assertEqual(self.web.connections, 0)

    def test_off(self):
        w = self.sts_world(mx=("other.dest.test",))
        w.daemon.tables["delivery"]["mta_sts"] = False
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertEqual(self.web.connections, 0)

    def test_kept_over_a_restart_though_all_is_gone(self):   # STS-4
        w = self.sts_world()
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.web.stop()
        w.dns.remove("_mta-sts.dest.test")
        w.dns.remove("mta-sts.dest.test")
        w.dns.mx("dest.test", ("evil.test", w.sink.address))   # somebody turns the mail aside
        w.daemon.stop()
        w.daemon.start()
        w.daemon.send("carol@dest.test")
        self.assert_deferred(w, r"MTA-STS policy of dest\.test does not name evil\.test", "carol")

    def test_kept_over_kill(self):   # STS-4
        w = self.sts_world()
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        w.daemon.send("bert@dest.test")   # a second one: the write of the policy has had its turn on the pool
        self.assert_delivered(w, "bert@dest.test")
        w.daemon.kill()
        self.web.stop()
        w.daemon.start()
        w.dns.mx("dest.test", ("evil.test", w.sink.address))
        w.daemon.send("carol@dest.test")
        self.assert_deferred(w, "MTA-STS", "carol")

    def test_refreshed_by_itself(self):   # STS-4, RFC 8461 s3.3, s10.2: daily, no mail needs to come
        w = self.sts_world(max_age=604800)
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        w.daemon.stop()
        database = sqlite3.connect(w.daemon.directory / "queue" / "delivery.sqlite")
        with database:   # as if it had been fetched 25 hours ago
            key, value = database.execute("SELECT key, value FROM remembered WHERE kind='sts-policy'").fetchone()
            lines = bytes(value).decode().split("\n")
            fetched, lines[3] = lines[3], str(int(lines[3]) - 25 * 3600 * 1000)
            database.execute("UPDATE remembered SET value=? WHERE kind='sts-policy' AND key=?", ("\n".join(lines).encode(), key))
        database.close()
        self.assertLess(abs(int(fetched) / 1000 - time.time()), 300)
        self.web.policy(mx=("mx.dest.test", "new.dest.test"), max_age=604800)
        w.daemon.start()
        self.assertEqual(len(self.fetches(2)), 2)
        self.assertRegex(w.daemon.wait_for_log(r"\bmta_sts .*mode=enforce id=1 mx=2\b")[0], r"domain=dest\.test")

    def test_a_new_id_is_fetched_before_mail_fails(self):   # STS-6, RFC 8461 s5.1
        w = self.sts_world(mx=("old.dest.test",))
        w.daemon.send("bob@dest.test")
        self.assert_deferred(w, r"MTA-STS")
        self.web.policy(mx=("mx.dest.test",))
        w.dns.set("_mta-sts.dest.test", "TXT", RECORD.format("2"))
        # The old record stays in our cache for as long as DNS says.
        deadline = time.monotonic() + 60
        while not w.sink.to("bob@dest.test"):
            self.assertLess(time.monotonic(), deadline, w.daemon.log()[-20:])
            w.daemon.command("queue", "retry", *w.daemon.queue_ids(), check=False)
            w.sink.wait(lambda s: s.messages, timeout=1)
        self.assertRegex(w.daemon.wait_for_log(r"\bmta_sts .*id=2\b")[0], r"domain=dest\.test")

    def failed_fetch(self, words, answer):
        """A policy that cannot be had: mail goes as without (STS-5), the log says why, it is not asked for again at once (STS-2)."""
        w = self.sts_world(serve=False, mx_names=("elsewhere.test",))
        answer(w)
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        line = w.daemon.wait_for_log(r"\bmta_sts .*error=")[0]
        self.assertRegex(line, words)
        seen = self.web.connections
        w.daemon.send("carol@dest.test")
        self.assert_delivered(w, "carol@dest.test")
        self.assertEqual(self.web.connections, seen)
        return w

    def test_redirect_is_not_followed(self):   # STS-2
        def answer(_):
            self.web.answer(WELL_KNOWN, status="301 Moved", fields=(f"Location: https://mta-sts.dest.test:{self.web.port}/other",))
            self.web.answer("/other", "version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 86400\n")
        self.failed_fetch("answered 301", answer)
        self.assertEqual([r["path"] for r in self.web.requests], [WELL_KNOWN])

    def test_not_found(self):   # STS-2
        self.failed_fetch("answered 404", lambda w: None)

    def test_no_text(self):   # STS-2
        self.failed_fetch("content type", lambda w: self.web.policy(mx=("other.test",), content_type="text/html"))

    def test_too_large(self):   # STS-2
        self.failed_fetch("larger than 64 KiB", lambda w: self.web.answer(WELL_KNOWN, "x: y\n" * 20000))

    def test_a_chunk_without_end(self):   # RFC 9112 s7.1.1: an extension of a chunk is for nobody, and may not fill the memory
        self.failed_fetch("larger than 64 KiB", lambda w: self.web.answer(
            WELL_KNOWN, raw=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 200000))

    def test_no_http(self):
        self.failed_fetch("no HTTP", lambda w: self.web.answer(WELL_KNOWN, raw=b"\0\1\2 hello\r\n\r\n"))

    def test_cut_off(self):
        self.failed_fetch("cut off", lambda w: self.web.answer(
            WELL_KNOWN, raw=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\nversion: STSv1\n"))

    def test_no_policy_in_it(self):   # STS-3
        self.failed_fetch("no mode", lambda w: self.web.answer(WELL_KNOWN, "version: STSv1\nmax_age: 1\nmx: a.test\n"))

    def test_certificate_of_the_policy_server(self):   # STS-2: DNS-ID mta-sts.DOMAIN
        self.failed_fetch("certificate is not valid", lambda w: (self.web.policy(mx=("other.test",)),
                                                                 self.web.use(self.authority.issue(["dest.test", "mx.dest.test"]))))

    def test_chunked_body(self):   # STS-10
        w = self.sts_world(serve=False)
        self.web.answer(WELL_KNOWN, raw=b"HTTP/1.1 200 OK\r\nContent-Type: TEXT/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"10\r\nversion: STSv1\r\n\r\n2b\r\nmode: enforce\nmx: a.test\nmx: mx.dest.test\n\n\r\n11\r\nmax_age: 86400  \n\r\n0\r\n\r\n")
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertRegex(w.daemon.wait_for_log(r"\bmta_sts ")[0], "mode=enforce .*mx=2")

    def test_private_addresses_are_not_asked(self):
        w = self.sts_world()
        w.daemon.tables["delivery"]["allow_private_addresses"] = False
        w.daemon.write_config()
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breloaded\b")
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bmta_sts .*error=.*can be used")
        self.assertEqual(self.web.connections, 0)

    def test_max_age_zero_is_gone_at_once(self):   # STS-3, STS-4
        w = self.sts_world(mx=("other.dest.test",), max_age=0)
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)

    def test_a_silent_server_costs_five_seconds_once(self):   # STS-9
        w = self.sts_world(mx_names=("elsewhere.test",))
        self.web.silent = True
        begun = time.monotonic()
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        self.assertGreater(time.monotonic() - begun, 4.5)
        self.assertLess(time.monotonic() - begun, 20)
        # Whoever comes later does not wait, though nothing is known yet.
        delays = {}
        for name in ("carol", "dave"):
            w.daemon.send(f"{name}@dest.test")
            self.assert_delivered(w, f"{name}@dest.test")
            line = w.daemon.wait_for_log(rf"\bdelivered\b.*to={name}@dest\.test")[0]
            delays[name] = int(re.search(r"delay_ms=(\d+)", line)[1])
        self.assertLess(max(delays.values()), 4000, delays)

    def test_what_comes_late_counts_from_then_on(self):   # STS-9
        w = self.sts_world(serve=False, mx_names=("elsewhere.test",))
        self.web.policy(mx=("other.dest.test",), slow=0.15)   # about 70 octets: 10 s
        w.daemon.send("bob@dest.test")
        self.assert_delivered(w)
        w.daemon.wait_for_log(r"\bmta_sts .*mode=enforce")
        w.daemon.send("carol@dest.test")
        self.assert_deferred(w, "MTA-STS", "carol")

    def test_other_mail_does_not_wait(self):   # STS-9: one domain's silence is its own
        w = self.sts_world()
        self.web.silent = True
        w.dns.mx("quick.test", ("mx.quick.test", w.sink.address))
        w.daemon.send("bob@dest.test")
        self.web.wait_for_connections(1)
        w.daemon.send("eve@quick.test")
        w.sink.wait_for_message("eve@quick.test")
        self.assertEqual(w.sink.to("bob@dest.test"), [])


def tempfile_of(case):
    scratch = tempfile.TemporaryDirectory(prefix="mta-sts-mx-")
    case.addCleanup(scratch.cleanup)
    return scratch.name


if __name__ == "__main__":
    world.main()
