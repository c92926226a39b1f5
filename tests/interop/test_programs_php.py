#!/usr/bin/env python3
"""PHP sends by sendmail as its applications do: mail(), PHPMailer, Symfony's mailer (SM-1, SM-2, SM-7, SM-21, SM-28; SD-2)."""

import base64
import json
import os
import pathlib
import random
import subprocess

from posthorn_test import machine, programs, verify, world
from posthorn_test.programs import SITE, VISITOR

HERE = pathlib.Path(__file__).resolve().parent / "programs"
TEXT = "Grüße aus Köln – ein schönes Wochenende!\n.\n..\n.ein Punkt am Anfang\nSchluß.\n"
FROM = f"shop@{SITE}"


class Php(programs.ProgramTest):
    def php(self, script, order, *options, user="web", **how):
        """Debian's php with its own php.ini: sendmail_path is not set there, which means `/usr/sbin/sendmail -t -i`."""
        return self.m.run(["php", *options, self.script(HERE / script), json.dumps(order)], user=user, **how)

    def mail(self, *options, user="web", **order):
        order = {"to": VISITOR, "subject": "Bestellung", "text": TEXT, "header": ""} | order
        run = self.php("mail.php", order, *options, user=user)
        self.assertEqual(run.stderr, "")
        return json.loads(run.stdout)


class Mail(Php):
    def test_default_ini(self):
        """No -f: the envelope's sender is made of From, whose domain is ours (SD-2)."""
        self.assertIs(self.mail(header=f"From: Shop <{FROM}>\r\nContent-Type: text/plain; charset=utf-8\r\n"), True)
        message = self.arrived()
        self.assertEqual(message.sender, FROM)
        self.assertEqual(message.fields("From"), [f"Shop <{FROM}>"])
        self.assertEqual(self.text(message), TEXT + "\n")   # PHP ends the text with a line end of its own

    def test_without_from(self):
        """Neither From nor -f: an address of the site, never web@web1.localdomain."""
        self.assertIs(self.mail(), True)
        self.arrived()

    def test_fifth_parameter(self):
        self.assertIs(self.mail(header=f"From: Shop <{FROM}>", parameters=f"-fbounces@{SITE}"), True)
        self.assertEqual(self.arrived().sender, f"bounces@{SITE}")

    def test_fifth_parameter_of_another_domain(self):
        """A sender that is not ours to use is replaced; the mail does not fail for it (SM-3)."""
        self.assertIs(self.mail(header=f"From: Shop <{FROM}>", parameters="-f web@web1.localdomain"), True)
        self.assertEqual(self.arrived().sender, FROM)

    def test_contact_form(self):
        """A form that puts the visitor into From: From becomes the site's, the visitor is answered by Reply-To."""
        self.assertIs(self.mail(to="owner@dest.test", header="From: Eva Gast <eva@freemail.test>"), True)
        message = self.arrived("owner@dest.test")
        self.assertIn("eva@freemail.test", "".join(message.fields("Reply-To")))
        self.assertNotIn("freemail.test", message.sender)
        self.d.wait_for_log("eva@freemail.test")

    def test_bcc_and_cc(self):
        self.assertIs(self.mail(header=f"From: {FROM}\r\nCc: cc@dest.test\r\nBcc: bcc@dest.test"), True)
        for recipient in (VISITOR, "cc@dest.test", "bcc@dest.test"):
            self.arrived(recipient)

    def test_line_ends(self):
        """PHP puts CRLF between fields and hands on what the text has; sendmail makes each of them one line end (SM-21)."""
        self.assertIs(self.mail(header=f"From: {FROM}\nX-One: 1\r\nX-Two: 2", text="eins\ndrei vier\r\nfünf\r\r\nsechs"), True)
        message = self.arrived()
        self.assertEqual((message.fields("X-One"), message.fields("X-Two")), (["1"], ["2"]))
        self.assertEqual(message.body, "eins\r\ndrei vier\r\nfünf\r\nsechs\r\n".encode())

    def test_whose_script(self):
        """With mail.add_x_header PHP names the script; the operator sees it, the receiver does not."""
        self.assertIs(self.mail("-d", "mail.add_x_header=On", header=f"From: {FROM}"), True)
        message = self.arrived()
        self.assertEqual(message.fields("X-PHP-Originating-Script"), [])
        self.d.wait_for_log(r" script=0:mail\.php ")   # its owner, who is root

    def test_daemon_down(self):
        """mail() says true, and means it: the message arrives when the daemon is back (SM-28)."""
        self.d.stop()
        for number in range(3):
            self.assertIs(self.mail(to=f"r{number}@dest.test", header=f"From: {FROM}"), True)
        self.assertEqual(self.w.sink.accepted, 0)
        self.d.start()
        for number in range(3):
            self.arrived(f"r{number}@dest.test")

    def test_nowhere_to(self):
        """No daemon, and a spool that cannot be written: false, and PHP shows why (SM-29)."""
        self.d.stop()
        self.m.run(["sh", "-c", "mount -t tmpfs -o ro none /var/spool/posthorn"])
        run = self.php("mail.php", {"to": VISITOR, "subject": "x", "text": "x", "header": f"From: {FROM}"})
        self.assertEqual(run.stdout, "false\n")
        self.assertIn("/var/spool/posthorn", run.stderr)

    def test_no_recipient(self):
        """Nobody to send it to: false, and the error log says so (SM-1)."""
        run = self.php("mail.php", {"to": "", "subject": "x", "text": "x", "header": f"From: {FROM}"})
        self.assertEqual(run.stdout, "false\n")
        self.assertIn("recipient", run.stderr)


class PhpMailer(Php):
    def send(self, mode):
        octets = random.randbytes(5000)
        self.php("phpmailer.php", {"mode": mode, "from": FROM, "name": "Jörg Müller", "to": VISITOR, "bcc": ["bcc@dest.test"],
                                   "subject": "Prüfung №7", "text": TEXT, "octets": base64.b64encode(octets).decode()})
        for recipient in (VISITOR, "bcc@dest.test"):
            message = self.arrived(recipient)
            self.assertEqual(message.sender, FROM)
            self.assertEqual(self.subject(message), "Prüfung №7")
            self.assertEqual(self.text(message).rstrip("\n"), TEXT.rstrip("\n"))
            self.assertEqual(self.attachment(message), octets)

    def test_mail_mode(self):
        self.send("mail")

    def test_sendmail_mode(self):
        self.send("sendmail")


class Symfony(Php):
    """Symfony and Laravel speak SMTP to `sendmail -bs` (SM-7)."""

    def send(self, command, recipients, **how):
        self.php("symfony.php", {"command": command, "from": FROM, "to": recipients, "bcc": ["bcc@dest.test"],
                                 "subject": "Prüfung №7", "text": TEXT}, **how)

    def check(self, recipient, number):
        message = self.arrived(recipient)
        self.assertEqual(message.sender, FROM)
        self.assertEqual(self.subject(message), f"Prüfung №7 {number}")
        self.assertEqual(self.text(message).rstrip("\n"), TEXT.rstrip("\n"))

    def test_dialogue(self):
        self.send("/usr/sbin/sendmail -bs", [VISITOR, "two@dest.test"])
        self.check(VISITOR, 1)
        self.check("two@dest.test", 2)
        self.w.sink.wait(lambda sink: len(sink.to("bcc@dest.test")) == 2)

    def test_dialogue_with_daemon_down(self):
        self.d.stop()
        self.send("/usr/sbin/sendmail -bs", [VISITOR])
        self.d.start()
        self.check(VISITOR, 1)

    def test_sendmail_t(self):
        """With -t Symfony names the recipients on the command line after --, which adds -f, too."""
        self.send("/usr/sbin/sendmail -t -i", [VISITOR])
        self.check(VISITOR, 1)


class FieldReport(Php):
    """PHP as httpd on kusanagi71.localdomain for the blog of tsukarooohi.com, whose mail Gmail refused (SD-1 to SD-4)."""

    HOSTNAME = "kusanagi71.localdomain"
    USERS = {"httpd": 10048}
    SITE = "tsukarooohi.com"

    def test_as_it_was(self):
        """No -f, no From: Postfix made httpd@kusanagi71.localdomain of it."""
        self.assertIs(self.mail(user="httpd"), True)
        self.arrived()

    def test_as_the_machine_names_itself(self):
        for number, header in enumerate(("From: httpd@kusanagi71.localdomain", "From: WordPress <wordpress@localhost>",
                                         "From: root", "From: Blog <httpd@kusanagi71>")):
            with self.subTest(header=header):
                self.assertIs(self.mail(user="httpd", to=f"r{number}@dest.test", header=header,
                                        parameters="-fhttpd@kusanagi71.localdomain"), True)
                self.arrived(f"r{number}@dest.test")

    def test_as_wordpress(self):
        self.assertIs(self.mail(user="httpd", header="From: WordPress <wordpress@tsukarooohi.com>"), True)
        self.assertEqual(self.arrived().sender, "wordpress@tsukarooohi.com")


class TwoSites(Php):
    """Two sites on one server, each under a user of its own: whoever calls decides, not what he says (SD-17)."""

    USERS = {"blog": 10001, "shop": 10002}
    CHANGES = {"site": [{"name": "blog", "users": ["blog"], "domains": [f"blog.{SITE}"], "sender": f"wordpress@blog.{SITE}"},
                        {"name": "shop", "users": ["10002"], "domains": [f"shop.{SITE}"], "from": "refuse"}]}

    def test_each_is_itself(self):
        for user, default in (("blog", f"wordpress@blog.{SITE}"), ("shop", f"shop@shop.{SITE}")):
            with self.subTest(user=user):
                self.assertIs(self.mail(user=user, to=f"{user}@dest.test"), True)
                message = self.w.sink.wait_for_message(f"{user}@dest.test")
                self.assertEqual(message.sender, default)
                self.assertIn(f"<{default}>", message.fields("From")[0])
                self.assertIsNone(verify.all_pass(message.data, self.w.dns))

    def test_neither_is_the_other(self):
        """blog's From is rewritten, shop's refused: PHP says false, and the error log why."""
        self.assertIs(self.mail(user="blog", header=f"From: Shop <info@shop.{SITE}>"), True)
        message = self.w.sink.wait_for_message(VISITOR)
        self.assertEqual(message.sender, f"wordpress@blog.{SITE}")
        self.assertIn(f"<wordpress@blog.{SITE}>", message.fields("From")[0])
        run = self.php("mail.php", {"to": VISITOR, "subject": "x", "text": "x", "header": f"From: Blog <info@blog.{SITE}>"}, user="shop")
        self.assertEqual(run.stdout, "false\n")
        self.assertIn(f"info@blog.{SITE}", run.stderr)
        self.assertEqual(self.w.sink.accepted, 1)


class WithoutRoot(world.WorldTest):
    """Whoever runs it: sendmail_path names our program, the environment says where the daemon is (SM-37)."""

    def php(self, **environment):
        order = json.dumps({"to": VISITOR, "subject": "Bestellung", "text": TEXT, "header": f"From: {FROM}"})
        return subprocess.run(["php", "-d", f"sendmail_path={machine.sendmail()} -t -i", HERE / "mail.php", order], timeout=60, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]} | environment)

    def arrived(self, w):
        message = w.sink.wait_for_message(VISITOR)
        self.assertEqual((message.sender, message.fields("From")), (FROM, [FROM]))
        self.assertIsNone(verify.all_pass(message.data, w.dns))
        w.sink.clear()

    def test_environment(self):
        w = self.world()
        address, port = w.daemon.endpoint("plain")
        spool = w.daemon.directory / "none"
        for way in ({"POSTHORN_SOCKET": w.daemon.unix_socket}, {"POSTHORN_SOCKET": str(spool), "POSTHORN_HOST": f"{address}:{port}"}):
            with self.subTest(way=way):
                run = self.php(**way, POSTHORN_SPOOL=str(spool))
                self.assertEqual((run.stdout, run.stderr), ("true\n", ""))
                self.arrived(w)
        run = self.php(POSTHORN_SOCKET=str(spool), POSTHORN_SPOOL=str(spool))
        self.assertEqual(run.stdout, "false\n")
        self.assertIn("NOT sent", run.stderr)


if __name__ == "__main__":
    programs.main()
