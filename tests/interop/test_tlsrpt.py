#!/usr/bin/env python3
"""TLSRPT (RFC 8460): what was seen of TLS on a day goes, signed and once, to the domains that ask for it: by mail and by HTTPS."""

import email
import email.policy
import gzip
import json
import re
import sqlite3
import tempfile
import time

from posthorn_test import certs, verify, world
from posthorn_test.daemon import loopback_address
from posthorn_test.https_server import HttpsServer
from posthorn_test.sink import Sink
from posthorn_test.world import WorldTest


class TlsReports(WorldTest):
    def report_world(self, rua="mailto:tls@reports.test", contact="tls@example.test"):
        """dest.test has an enforced policy that is fulfilled; plain.test has no STARTTLS; reports.test has a policy that is not."""
        left = 86400 - time.time() % 86400
        if left < 60:   # a day that ends within the test would be two
            time.sleep(left + 1)
        scratch = tempfile.TemporaryDirectory(prefix="tlsrpt-")
        self.addCleanup(scratch.cleanup)
        authority = certs.Authority(scratch.name)
        self.web = HttpsServer(authority.issue(["mta-sts.dest.test", "mta-sts.reports.test", "collect.test"]),
                               address=loopback_address())
        self.addCleanup(self.web.stop)
        self.web.policy(mx=("mx.dest.test",))
        w = self.world(certificate=authority.issue(["mx.dest.test"]), changes={
            "delivery": {"tls_ca_file": str(authority.file), "mta_sts_port": self.web.port, "idle_connection": "0s"},
            "tlsrpt": {"contact": contact, "organization": "Example Org", "delay": "0s"}})
        self.plain = Sink(loopback_address(), port=w.sink.port, starttls=False)
        self.addCleanup(self.plain.stop)
        w.dns.mx("plain.test", ("mx.plain.test", self.plain.address))
        w.dns.mx("reports.test", ("mx.reports.test", w.sink.address))
        for name in ("mta-sts.dest.test", "mta-sts.reports.test", "collect.test"):
            w.dns.set(name, "A", self.web.address)
        for name in ("dest.test", "reports.test"):
            w.dns.set(f"_mta-sts.{name}", "TXT", "v=STSv1; id=1")
        rua = rua.replace("PORT", str(self.web.port))
        for name in ("dest.test", "plain.test"):
            w.dns.set(f"_smtp._tls.{name}", "TXT", f"v=TLSRPTv1; rua={rua}")
        return w

    def count_a_day(self, w):
        """Mail to dest.test in one session or two, which are counted, and to plain.test in one."""
        for recipient in ("bob@dest.test", "bill@dest.test"):
            w.daemon.send(recipient)
            w.sink.wait_for_message(recipient)
        w.daemon.send("eve@plain.test")
        self.plain.wait_for_message("eve@plain.test")
        w.daemon.wait_for_empty_queue()

    def yesterday(self, w, days=1):
        """What the stopped daemon counted was so many days earlier; returns that day."""
        shift = f"-{days} day"
        database = sqlite3.connect(w.daemon.directory / "queue" / "delivery.sqlite")
        with database:
            database.execute("UPDATE remembered SET key=date(substr(key, 1, 10), ?1) || substr(key, 11), "
                             "value=CAST(replace(CAST(value AS TEXT), substr(key, 1, 10), date(substr(key, 1, 10), ?1)) AS BLOB) "
                             "WHERE kind='tls-report'", (shift,))
            days = {row[0][:10] for row in database.execute("SELECT key FROM remembered WHERE kind='tls-report'")}
            kept = database.execute("SELECT kind, key, expires, value FROM remembered WHERE kind='tls-report'").fetchall()
        database.close()
        self.assertEqual(len(days), 1)
        self.rows = kept
        return days.pop()

    def check_json(self, data, day, domain):
        """Every field that RFC 8460 s4.4 asks for (RPT-2), with our figures."""
        report = json.loads(gzip.decompress(data))
        self.assertEqual(report["organization-name"], "Example Org")
        self.assertEqual(report["contact-info"], "tls@example.test")
        self.assertEqual(report["date-range"], {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"})
        self.assertTrue(report["report-id"])
        self.assertIsInstance(report["policies"], list)
        for policy in report["policies"]:
            self.assertIn(policy["policy"]["policy-type"], ("tlsa", "sts", "no-policy-found"))
            self.assertEqual(policy["policy"]["policy-domain"], domain)
            total = policy["summary"]["total-failure-session-count"]
            self.assertIsInstance(policy["summary"]["total-successful-session-count"], int)
            self.assertEqual(sum(d["failed-session-count"] for d in policy.get("failure-details", [])), total)
        return report

    def report_in(self, w, message, day, domain):
        """Takes the mail apart as RFC 8460 s5.3 has it (RPT-4)."""
        self.assertIsNone(verify.all_pass(message.data, w.dns))
        self.assertEqual(verify.tags(message.data)["d"], "example.test")
        self.assertNotIn("l", verify.tags(message.data))
        self.assertEqual(message.sender, "tls@example.test")
        parsed = email.message_from_bytes(message.data, policy=email.policy.SMTP)
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        self.assertEqual(parsed.get_param("report-type"), "tlsrpt")
        self.assertEqual(parsed["TLS-Report-Domain"], domain)
        self.assertEqual(parsed["TLS-Report-Submitter"], "mail.example.test")
        subject = re.fullmatch(r"Report Domain: (\S+) Submitter: (\S+) Report-ID: <(\S+)>", parsed["Subject"])
        self.assertEqual(subject.group(1, 2), (domain, "mail.example.test"))
        text, attachment = parsed.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(attachment.get_content_type(), "application/tlsrpt+gzip")
        self.assertRegex(attachment.get_filename(), rf"^mail\.example\.test!{domain}!\d+!\d+!\w+\.json\.gz$")
        report = self.check_json(attachment.get_content(), day, domain)
        self.assertEqual(report["report-id"], subject.group(3))
        return report

    def reports(self, w):
        return [m for m in w.sink.to("tls@reports.test") if m.fields("TLS-Report-Domain")]

    def wait_for_reports(self, w, count):
        w.sink.wait(lambda s: len([m for m in s.messages if "tls@reports.test" in m.recipients]) >= count)
        found = {m.fields("TLS-Report-Domain")[0]: m for m in self.reports(w)}
        self.assertEqual(len(found), count, w.daemon.log()[-30:])
        return found

    def test_by_mail_after_the_day(self):   # RPT-1 to RPT-4
        w = self.report_world()
        self.count_a_day(w)
        sessions = len(w.sink.sessions)
        w.daemon.wait_for_output(rf"dest\.test +{sessions} sessions, 0 failed", "tlsrpt", "list")
        w.daemon.stop()   # counts survive
        day = self.yesterday(w)
        w.daemon.start()  # and the day is over: no delay is set
        found = self.wait_for_reports(w, 2)
        good = self.report_in(w, found["dest.test"], day, "dest.test")["policies"]
        self.assertEqual(len(good), 1)
        self.assertEqual(good[0]["policy"]["policy-type"], "sts")
        self.assertIn("mode: enforce", good[0]["policy"]["policy-string"])
        self.assertEqual(good[0]["policy"]["mx-host"], ["mx.dest.test"])
        self.assertEqual(good[0]["summary"], {"total-successful-session-count": sessions, "total-failure-session-count": 0})
        bad = self.report_in(w, found["plain.test"], day, "plain.test")["policies"][0]
        self.assertEqual(bad["policy"]["policy-type"], "no-policy-found")
        self.assertEqual(bad["summary"], {"total-successful-session-count": 0, "total-failure-session-count": 1})
        self.assertEqual(bad["failure-details"][0]["result-type"], "starttls-not-supported")
        self.assertEqual(bad["failure-details"][0]["receiving-mx-hostname"], "mx.plain.test")
        self.assertEqual(bad["failure-details"][0]["receiving-ip"], self.plain.address)
        # RPT-4: they went to reports.test although its policy forbids that host, and they count for nothing themselves.
        w.daemon.wait_for_empty_queue()
        self.assertNotIn("reports.test", w.daemon.command("tlsrpt", "list").stdout)

    def test_nothing_twice(self):   # kill -9 and restarts
        w = self.report_world()
        self.count_a_day(w)
        w.daemon.stop()
        self.yesterday(w)
        w.daemon.start()
        self.wait_for_reports(w, 2)
        w.daemon.wait_for_empty_queue()
        w.daemon.wait_for_log(r"\btls_report sent=2\b")
        w.daemon.kill()
        # As if it had died after the queue had the reports and before the results were struck out.
        database = sqlite3.connect(w.daemon.directory / "queue" / "delivery.sqlite")
        with database:
            database.executemany("INSERT OR REPLACE INTO remembered (kind, key, expires, value) VALUES (?, ?, ?, ?)", self.rows)
        database.close()
        w.daemon.start()
        w.daemon.wait_for_output(r"Nothing is counted", "tlsrpt", "list")
        w.daemon.send("bob@dest.test")   # had there been a report, it would have gone first
        w.sink.wait_for_messages(5)
        w.daemon.wait_for_empty_queue()
        self.assertEqual(len(self.reports(w)), 2)

    def test_by_https_and_tried_again(self):   # RPT-5
        w = self.report_world(rua="https://collect.test:PORT/v1/tlsrpt?a=b,mailto:tls@reports.test")
        w.dns.remove("_smtp._tls.plain.test")   # this one asks for nothing
        self.web.answer("/v1/tlsrpt?a=b", status="503 Later")
        self.count_a_day(w)
        w.daemon.stop()
        day = self.yesterday(w)
        w.daemon.start()
        self.wait_for_reports(w, 1)
        w.daemon.wait_for_log(r"\btls_report .*error=\"answered 503\"")
        w.daemon.wait_for_log(r"\btls_report sent=1 unwanted=1 later=1\b")
        self.web.answer("/v1/tlsrpt?a=b", status="202 Accepted")   # taken is 200 and 201 alone
        self.assertIn("0 reports sent", w.daemon.command("tlsrpt", "send", "--day", day).stdout)
        self.web.answer("/v1/tlsrpt?a=b", status="201 Created")
        self.assertIn("1 reports sent", w.daemon.command("tlsrpt", "send", "--day", day).stdout)
        posts = [r for r in self.web.requests if r["method"] == "POST"]
        self.assertEqual(len(posts), 3)
        self.assertEqual(posts[2]["headers"]["content-type"], "application/tlsrpt+gzip")
        self.check_json(posts[2]["body"], day, "dest.test")
        self.assertIn("0 reports sent", w.daemon.command("tlsrpt", "send").stdout)
        self.assertEqual(len(self.reports(w)), 1)   # the mail went the first time

    def test_given_up_after_a_day(self):   # RPT-4, RFC 8460 s5.5: of a machine that was off for long
        w = self.report_world()
        self.count_a_day(w)
        w.daemon.stop()
        self.yesterday(w, days=3)
        w.daemon.start()
        w.daemon.wait_for_log(r"\btls_report day=\S+ given_up=2\b")
        w.daemon.wait_for_output(r"Nothing is counted", "tlsrpt", "list")
        w.daemon.send("bob@dest.test")   # had there been a report, it would have gone first
        w.sink.wait_for_messages(3)
        w.daemon.wait_for_empty_queue()
        self.assertEqual(self.reports(w), [])

    def test_command_line(self):
        w = self.report_world()
        self.count_a_day(w)
        rows = json.loads(w.daemon.wait_for_output(r"plain\.test", "tlsrpt", "list", "--json"))["days"]
        day = rows[0]["day"]
        preview = json.loads(w.daemon.command("tlsrpt", "show", "plain.test", day).stdout)
        self.check_json(gzip.compress(json.dumps(preview).encode()), day, "plain.test")
        for arguments, words in ((("show", "nobody.test", day), "nothing is counted"), (("show", "plain.test", "x"), "is no day"),
                                 (("send", "--day", day), "is not over"), (("send", "--day", "1.1.2026"), "is no day")):
            run = w.daemon.command("tlsrpt", *arguments, check=False)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(words, run.stderr)
        self.assertEqual(self.reports(w), [])
        self.assertIn('posthorn_delivery_tls_results_total{result="starttls-not-supported"} 1',
                      w.daemon.wait_for_output(r"starttls-not-supported", "metrics"))

    def test_without_a_contact_nothing_is_kept(self):   # RPT-6
        w = self.report_world(contact="")
        self.count_a_day(w)
        self.assertIn("Nothing is counted", w.daemon.command("tlsrpt", "list").stdout)
        run = w.daemon.command("tlsrpt", "send", check=False)
        self.assertIn("tlsrpt.contact is not set", run.stderr)


if __name__ == "__main__":
    world.main()
