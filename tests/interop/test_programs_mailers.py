#!/usr/bin/env python3
"""Mailers that hand in by sendmail: s-nail, bsd-mailx, mutt, git send-email, nodemailer; the local names they write as."""

import base64
import json
import pathlib
import random

from posthorn_test import programs
from posthorn_test.programs import ADMIN, SITE, VISITOR

HERE = pathlib.Path(__file__).resolve().parent / "programs"
TEXT = "Grüße aus Köln – ein schönes Wochenende!\n.\n..\n.ein Punkt am Anfang\nSchluß.\n"
ANNA = f"anna@{SITE}"


class Mailers(programs.ProgramTest):
    """anna, a user of the machine, has set nothing up: each program calls /usr/sbin/sendmail."""

    def setUp(self):
        super().setUp()
        self.octets = random.randbytes(5000)
        self.file = "/run/home/anna/Übersicht.bin"
        self.m.run(["sh", "-c", f"base64 -d >{self.file}"], user="anna", stdin=base64.b64encode(self.octets))

    def check(self, recipient=VISITOR, sender=ANNA, subject="Prüfung №7", octets=None):
        message = self.arrived(recipient)
        self.assertEqual(message.sender, sender)
        self.assertEqual(self.subject(message), subject)
        self.assertEqual(self.text(message).rstrip("\n"), TEXT.rstrip("\n"))
        if octets:
            self.assertEqual(self.attachment(message), octets)
        return message

    def test_s_nail(self):
        self.m.run(["s-nail", "-:/", "-S", "v15-compat", "-S", "ttycharset=UTF-8", "-S", "sendcharsets=utf-8", "-S", "sendwait", "-s",
                    "Prüfung №7", "-a", self.file, "-b", "bcc@dest.test", VISITOR], user="anna", stdin=TEXT)
        self.check(octets=self.octets)
        self.check("bcc@dest.test", octets=self.octets)

    def test_s_nail_with_a_sender(self):
        """-r is handed on as -f."""
        self.m.run(["s-nail", "-:/", "-S", "v15-compat", "-S", "ttycharset=UTF-8", "-S", "sendwait", "-r", f"news@{SITE}", "-s", "Prüfung №7",
                    VISITOR], user="anna", stdin=TEXT)
        self.check(sender=f"news@{SITE}")

    def test_bsd_mailx(self):
        """It knows no MIME: plain text, as shell scripts write it."""
        self.m.run(["bsd-mailx", "-s", "Backup done", "-c", "cc@dest.test", "-b", "bcc@dest.test", VISITOR], user="anna",
                   stdin="All is well.\n")
        for recipient in (VISITOR, "cc@dest.test", "bcc@dest.test"):
            message = self.arrived(recipient)
            self.assertEqual((message.sender, self.subject(message), message.body), (ANNA, "Backup done", b"All is well.\r\n"))

    def test_bsd_mailx_to_root(self):
        """`mail root`: the alias, from root itself, whose own address would only be root@web1.localdomain."""
        self.m.run(["bsd-mailx", "-s", "Disk is full", "root"], stdin="Really.\n")
        message = self.arrived(ADMIN)
        self.assertEqual(self.subject(message), "Disk is full")

    def test_bsd_mailx_with_its_senders_address(self):
        """-a adds a field; -r makes From and -f of it. Both are two From fields, which nobody could choose from."""
        def send(recipient, *options, status=0):
            return self.m.run(["bsd-mailx", "-s", "Report", *options, recipient], user="anna", stdin="Nothing new.\n", status=status).stderr

        reports = f"Reports <reports@{SITE}>"
        send(VISITOR, "-a", f"From: {reports}")
        message = self.arrived()
        self.assertEqual((message.sender, message.fields("From")), (f"reports@{SITE}", [reports]))
        send("r1@dest.test", "-r", f"bounces@{SITE}")
        message = self.arrived("r1@dest.test")
        self.assertEqual((message.sender, message.fields("From")), (f"bounces@{SITE}", [f"bounces@{SITE}"]))
        self.assertIn("more than one From field", send("r2@dest.test", "-a", f"From: {reports}", "-r", f"bounces@{SITE}", status=1))

    def test_to_nobody(self):
        """A name of the machine that leads nowhere goes where root's mail goes; else it is refused at once, and the mailer says why."""
        self.m.run(["bsd-mailx", "-s", "Hello", "nobodyhere"], user="anna", stdin="Hello?\n")
        self.arrived(ADMIN)
        self.d.wait_for_empty_queue()
        self.m.write("/etc/aliases", "# none\n")
        run = self.m.run(["bsd-mailx", "-s", "Hello", "nobodyhere"], user="anna", stdin="Hello?\n", status=1)
        self.assertIn("nobodyhere", run.stderr)
        self.assertEqual(self.d.queue_ids(), [])

    def test_mutt(self):
        self.m.run(["mutt", "-F", "/dev/null", "-s", "Prüfung №7", "-a", self.file, "-b", "bcc@dest.test", "--", VISITOR], user="anna",
                   stdin=TEXT)
        self.check(octets=self.octets)
        self.check("bcc@dest.test", octets=self.octets)

    def test_mutt_with_its_own_name(self):
        """from, realname and use_envelope_from, as a user of many addresses sets them."""
        self.m.write("/run/home/anna/.muttrc", f'set from="anna.blume@{SITE}"\nset realname="Anna Blume"\nset use_envelope_from\n')
        self.m.run(["mutt", "-s", "Prüfung №7", VISITOR], user="anna", stdin=TEXT)
        message = self.check(sender=f"anna.blume@{SITE}")
        self.assertEqual(message.fields("From"), [f"Anna Blume <anna.blume@{SITE}>"])

    def test_mutt_with_the_daemon_down(self):
        self.d.stop()
        self.m.run(["mutt", "-F", "/dev/null", "-s", "Prüfung №7", VISITOR], user="anna", stdin=TEXT)
        self.d.start()
        self.check()

    def git(self, *arguments, directory="/run/home/anna/mine", **how):
        return self.m.run(["git", "-c", "user.name=Anna Blume", "-c", f"user.email={ANNA}", "-c", "init.defaultBranch=main", *arguments],
                          user="anna", directory=directory, **how)

    def test_git_send_email(self):
        """A patch by git's own default, which is sendmail; git am makes the same commit of what arrived."""
        self.git("init", "-q", "mine", directory="/run/home/anna")
        self.m.write("/run/home/anna/mine/text", "eins\n", owner="anna")
        self.git("add", "text")
        self.git("commit", "-q", "-m", "Anfang")
        self.git("clone", "-q", "mine", "theirs", directory="/run/home/anna")
        self.m.write("/run/home/anna/mine/text", "eins\nzwei – №7\n.\nFrom here\n", owner="anna")
        self.git("commit", "-q", "-a", "-m", "Änderung №7")
        self.git("send-email", "-1", "--to", VISITOR, "--bcc", "bcc@dest.test", "--confirm", "never", "--suppress-cc", "all")
        message = self.arrived()
        self.arrived("bcc@dest.test")
        self.assertEqual(message.sender, ANNA)
        self.git("am", "-q", directory="/run/home/anna/theirs", stdin=message.data)
        commits = [self.git("log", "-1", "--format=%T %an %ae %s", directory=f"/run/home/anna/{where}").stdout for where in ("mine", "theirs")]
        self.assertEqual(*commits)

    def nodemailer(self, **order):
        """npm's nodemailer, which Debian packs: `sendmail -i -f SENDER RECIPIENT...`."""
        order = {"options": {}, "from": ANNA, "to": VISITOR, "bcc": "bcc@dest.test", "subject": "Prüfung №7", "text": TEXT,
                 "octets": base64.b64encode(self.octets).decode()} | order
        return self.m.run(["node", self.script(HERE / "nodemailer.js"), json.dumps(order)], user="web", NODE_PATH="/usr/share/nodejs")

    def test_nodemailer(self):
        """`sendmail: true`, and with line ends as nodemailer makes them by `newline`."""
        for number, newline in enumerate(("unix", "windows")):
            with self.subTest(newline=newline):
                self.nodemailer(options={"newline": newline}, to=f"r{number}@dest.test", bcc=f"b{number}@dest.test")
                self.check(f"r{number}@dest.test", octets=self.octets)
                self.check(f"b{number}@dest.test", octets=self.octets)

    def test_nodemailer_with_the_daemon_down(self):
        self.d.stop()
        self.nodemailer()
        self.d.start()
        self.check(octets=self.octets)


if __name__ == "__main__":
    programs.main()
