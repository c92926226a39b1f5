"""A sender that passes: what this machine's programs hand in at the unix socket leaves as an address of their site, aligned and signed."""

import contextlib
import os
import pathlib
import pwd
import shutil
import tempfile
import unittest

from posthorn_test import verify, world
from posthorn_test.smtp import Client

SITE = "tsukarooohi.test"       # as in field report 0
OTHER = "other.test"
WEB, SHOP, GAMES = "www-data", "backup", "games"   # users that every Debian has


@contextlib.contextmanager
def acting_as(user):
    """The kernel tells the daemon who connects: by the effective user of that moment."""
    entry = pwd.getpwnam(user)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def xtext(text):
    """RFC 3461 section 4."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def domain_of(address):
    return address.partition(" (")[0].rstrip(">").rpartition("@")[2].lower()


@unittest.skipUnless(os.geteuid() == 0, "needs root, to be other users")
class LocalSender(world.WorldTest):
    def setUp(self):
        # Daemons keep their directory to themselves; the socket is everybody's.
        self.public = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-public-"))
        self.public.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.public, ignore_errors=True)
        self.socket = str(self.public / "submission.sock")

    def begin(self, **tables):
        tables.setdefault("local", {})["socket"] = self.socket
        self.w = self.world(ours=(SITE, OTHER), changes=tables)
        return self.w

    @contextlib.contextmanager
    def client(self, user, where=None):
        with acting_as(user):
            client = Client(where or self.socket)
        with client:
            client.expect(220)
            client.hello("localhost")
            yield client

    def hand_in(self, user, header, sender="", parameters=" XFROM=default", where=None, expect="250"):
        """What sendmail says to the daemon for this user; the message as it arrived, or the refusal."""
        with self.client(user, where) as client:
            text = header + "To: bob@dest.test\r\nSubject: x\r\n\r\nHello.\r\n"
            reply = client.deliver(sender, ["bob@dest.test"], text.encode(), parameters)
            self.assertEqual(str(reply.code), expect, reply.lines)
            if expect != "250":
                return " ".join(reply.lines)
        before = getattr(self, "_seen", 0)
        self.assertTrue(self.w.sink.wait_for_messages(before + 1))
        self._seen = before + 1
        return self.w.sink.messages[before]

    def check(self, message, sender, author):
        """The envelope and From are these, DKIM passes, and all of them align (RFC 7489 s3.1, SD-2, SD-3, SD-4, SD-43)."""
        self.assertEqual(message.sender, sender)
        (field,) = message.fields("From")
        self.assertEqual(field, author)
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))
        ((domain, _, _),) = verify.signatures(message.data)
        self.assertEqual(domain_of(field), domain)
        if sender:
            self.assertEqual(domain_of(sender), domain)
        # The name behind "by" is ours and public; nothing else may name the machine.
        for name in ("localdomain", "localhost", os.uname().nodename + ">"):
            self.assertNotIn(name, message.header)

    def test_field_report_0(self):
        self.begin()
        message = self.hand_in(WEB, "From: httpd@kusanagi71.localdomain\r\nX-PHP-Originating-Script: 33:mailer.php\r\n",
                               parameters=f" XFROM=default XCALLER={xtext('pid=812;cmd=php-fpm: pool www')}")
        self.check(message, f"httpd@{SITE}", f"httpd@{SITE}")
        self.assertNotIn("mailer.php", message.header)
        self.w.daemon.wait_for_log(f'stored .*repaired=".*rewrote From httpd@kusanagi71.localdomain -> httpd@{SITE}')
        self.w.daemon.wait_for_log(r'stored .*source="uid=33" origin="uid=33 user=www-data pid=812 script=33:mailer.php')

    def test_a_message_that_says_nothing(self):
        """SM-23, SM-50."""
        self.begin()
        message = self.hand_in(WEB, "", parameters=f" XFROM=default XNAME={xtext('The Site')}")
        self.check(message, f"{WEB}@{SITE}", f"The Site <{WEB}@{SITE}>")
        # -f root, as cron has it, with the names of this machine.
        message = self.hand_in("root", "From: root (Cron Daemon)\r\nX-Cron-Env: <SHELL=/bin/sh>\r\n", "root", "")
        self.check(message, f"root@{SITE}", f"root@{SITE} (Cron Daemon)")
        self.assertEqual(message.fields("Auto-Submitted"), ["auto-generated"])

    def test_wordpress(self):
        self.begin()
        message = self.hand_in(WEB, f"From: WordPress <wordpress@{SITE}>\r\n")
        self.check(message, f"wordpress@{SITE}", f"WordPress <wordpress@{SITE}>")
        # The other of our domains, with a fifth parameter of PHP's mail() that names the machine.
        message = self.hand_in(WEB, f"From: WordPress <wordpress@{OTHER}>\r\n", "www-data@web3", "")
        self.check(message, f"wordpress@{OTHER}", f"WordPress <wordpress@{OTHER}>")

    def test_a_contact_form(self):
        self.begin()
        message = self.hand_in(WEB, "From: Anna Visitor <visitor@gmail.com>\r\n")
        self.check(message, f"{WEB}@{SITE}", f'"Anna Visitor via {SITE}" <{WEB}@{SITE}>')
        self.assertEqual(message.fields("Reply-To"), ["Anna Visitor <visitor@gmail.com>"])
        message = self.hand_in(WEB, "From: visitor@gmail.com\r\nReply-To: office@gmail.com\r\n", "visitor@gmail.com", "")
        self.check(message, f"{WEB}@{SITE}", f'"visitor via {SITE}" <{WEB}@{SITE}>')
        self.assertEqual(message.fields("Reply-To"), ["office@gmail.com"])

    def test_the_null_sender(self):
        self.begin()
        message = self.hand_in(WEB, "From: visitor@gmail.com\r\n", "", "")
        self.check(message, "", f'"visitor via {SITE}" <{WEB}@{SITE}>')

    def test_sites(self):
        own = str(self.public / "container.sock")
        self.begin(site=[
            {"name": "blog", "users": [WEB], "domains": [SITE], "sender": f"blog@{SITE}"},
            {"name": "shop", "users": [str(pwd.getpwnam(SHOP).pw_uid)], "domains": [f"mail.{OTHER}", OTHER], "from": "refuse"},
            {"name": "container", "socket": own, "domains": [OTHER], "sender": f"container@{OTHER}"}])
        message = self.hand_in(WEB, "From: www-data@web3\r\n")
        self.check(message, f"blog@{SITE}", f"blog@{SITE}")
        # A domain of ours that is another site's is somebody else's.
        message = self.hand_in(WEB, f"From: Shop <orders@{OTHER}>\r\n", f"orders@{OTHER}", "")
        self.check(message, f"blog@{SITE}", f'"Shop via {SITE}" <blog@{SITE}>')
        said = self.hand_in(SHOP, f"From: orders@{SITE}\r\n", expect="550")
        self.assertRegex(said, f"5.7.1 .*orders@{SITE}.*mail.{OTHER}")
        message = self.hand_in(SHOP, f"From: orders@{OTHER}\r\n", "visitor@gmail.com", "")
        self.check(message, f"orders@{OTHER}", f"orders@{OTHER}")
        # By the socket, whoever it is; and who is in no site may send as all of them.
        message = self.hand_in("root", "", where=own)
        self.check(message, f"container@{OTHER}", f"root <container@{OTHER}>")
        message = self.hand_in(GAMES, f"From: score@{OTHER}\r\n")
        self.check(message, f"score@{OTHER}", f"score@{OTHER}")

    def test_handed_over_twice_and_taken_once(self):
        self.begin()
        name = "0006443a1c9d2e40.812.9f86d081884c7d65"
        message = self.hand_in(WEB, "", parameters=f" XFROM=default XHANDOFF={name}")
        self.assertEqual(message.sender, f"{WEB}@{SITE}")
        with self.client(WEB) as client:
            reply = client.deliver("", ["bob@dest.test"], b"Subject: x\r\n\r\nHello.\r\n", f" XFROM=default XHANDOFF={name}")
            self.assertEqual(reply.code, 250)
            self.assertIn("already", reply.lines[0])
        # The name is that user's own: nobody can make another's mail known before it came.
        other = self.hand_in(SHOP, "", parameters=f" XFROM=default XHANDOFF={name}")
        self.assertEqual(other.sender, f"{SHOP}@{SITE}")
        self.w.daemon.wait_for_empty_queue()
        self.assertEqual(len(self.w.sink.messages), 2)

    def test_only_at_unix_sockets(self):
        self.begin()
        with self.w.daemon.client("plain") as client:
            self.assertNotIn("XCALLER", " ".join(client.hello().lines))
            for said in ("MAIL FROM:<> XFROM=default", "MAIL FROM:<a@b.test> XCALLER=pid", "MAIL FROM:<a@b.test> XHANDOFF=1.2.3"):
                client.expect(555, said)
            client.expect(501, "MAIL FROM:<root>")
        with self.client(WEB) as client:
            self.assertIn("XCALLER", " ".join(client.hello().lines))
            for said in ("MAIL FROM:<a@b.test> XFROM=default", "MAIL FROM:<> XFROM=other", "MAIL FROM:<> XHANDOFF=../../etc/passwd", "MAIL FROM:<> XNAME=+ZZ"):
                client.expect(501, said)

    def test_clients_over_tcp_name_no_machine_either(self):
        self.begin()
        text = "From: httpd@kusanagi71.localdomain\r\nTo: bob@dest.test\r\nSubject: x\r\n\r\nHello.\r\n"
        with self.w.daemon.client("plain") as client:
            client.deliver("root@3f2a9c1b7d44", ["bob@dest.test"], text.encode())
        self.assertTrue(self.w.sink.wait_for_messages(1))
        self.check(self.w.sink.messages[0], f"root@{SITE}", f"httpd@{SITE}")


class DefaultSocket(world.WorldTest):
    def test_it_is_beside_the_admin_socket(self):
        w = self.world()
        with Client(str(w.daemon.directory / "submission.sock")) as client:
            client.expect(220)
            self.assertIn("XCALLER", " ".join(client.hello().lines))

    def test_one_that_cannot_be_made_is_told_and_no_more(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-test-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        (directory / "submission.sock").write_text("not ours")
        w = self.world(directory=directory)
        self.assertIn("no socket", w.daemon.wait_for_log("no_local_socket level=warning")[0])
        self.assertEqual((directory / "submission.sock").read_text(), "not ours")
        w.daemon.send("bob@dest.test")
        self.assertTrue(w.sink.wait_for_messages(1))

    def test_without_it_the_daemon_runs(self):
        w = self.world(changes={"local": {"socket": ""}})
        self.assertFalse((w.daemon.directory / "submission.sock").exists())
        self.assertTrue(w.daemon.send(["bob@dest.test"]))


if __name__ == "__main__":
    world.main()
