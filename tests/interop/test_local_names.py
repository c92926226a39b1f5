"""Mail to names of this machine: real alias files, .forward files of real users, lists, storms (SM-39 to SM-51, SD-12, SD-69)."""

import pathlib
import re
import socket
import time

from posthorn_test import programs, verify, world
from posthorn_test.daemon import merge, simple_message


class AliasFiles(world.WorldTest):
    """Over the unix socket, so that the kernel says who it is."""

    def start(self, aliases="", **local):
        self.w = self.world(domains=("dest.test", "example.test"), changes={"local": local} if local else {})
        self.d = self.w.daemon
        self.aliases = self.d.directory / "aliases"
        if aliases:
            self.write(aliases)

    def write(self, text):
        # As editors do it: a new file takes the old one's place.
        new = self.aliases.with_suffix(".new")
        new.write_text(text)
        new.rename(self.aliases)

    def client(self):
        client = self.d.client("unix")
        self.addCleanup(client.close)
        return client

    def rcpt(self, client, name, sender="alice@example.test"):
        self.assertEqual(client.command("RSET").code, 250)
        self.assertEqual(client.command(f"MAIL FROM:<{sender}>").code, 250)
        return client.command(f"RCPT TO:<{name}>")

    def send(self, names, client=None, sender="alice@example.test", message=None, parameters="", **header):
        client = client or self.client()
        self.assertEqual(client.command(f"MAIL FROM:<{sender}>").code, 250)
        for name in [names] if isinstance(names, str) else names:
            reply = client.command(f"RCPT TO:<{name}>{parameters}")
            self.assertEqual(reply.code, 250, reply)
        self.assertEqual(client.command("DATA").code, 354)
        message = message or simple_message("root", **header)
        client.send(message + (b"" if message.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return client.reply()

    def assert_passes(self, message):
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))

    def test_a_file_with_lists_includes_owners_and_what_is_refused(self):
        self.start()
        team = self.d.directory / "team"
        team.write_text("# the team\nbob@dest.test\nCarol <carol@dest.test>\nroot\n")
        team.chmod(0o644)
        self.write("# as Debian has it\n"
                   "mailer-daemon: postmaster\npostmaster: root\nwww-data: root\n"
                   "root: admin@dest.test\n"
                   f"team: :include:{team},\n   # a comment in the middle\n   \"dave d\"@dest.test\n"
                   "owner-team: boss@example.test\n"
                   "noise: /dev/null\n"
                   "ticket: \"|/usr/bin/rt-mailgate --queue x\"\n"
                   "a: b\nb: a\n")
        self.send("www-data@localhost.localdomain")
        message = self.w.sink.wait_for_message("admin@dest.test")
        self.assertEqual(message.sender, "alice@example.test")
        self.assertEqual(message.fields("Delivered-To"), ["www-data@mail.example.test"])
        self.assertNotIn("localdomain", message.header)
        self.assert_passes(message)

        # SM-47: reports of a list go to who answers for it.
        self.w.sink.clear()
        self.send(["team", "erin@dest.test"])
        for recipient in ("bob@dest.test", "carol@dest.test", '"dave d"@dest.test', "admin@dest.test"):
            self.assertEqual(self.w.sink.wait_for_message(recipient).sender, "boss@example.test", recipient)
        direct = self.w.sink.wait_for_message("erin@dest.test")
        self.assertEqual((direct.sender, direct.fields("Delivered-To")), ("alice@example.test", []))
        self.send("team-request")
        self.assertEqual(self.w.sink.wait_for_message("boss@example.test").sender, "alice@example.test")
        self.d.wait_for_empty_queue()

        # SM-41: taken and forgotten; refused with the line.
        self.w.sink.clear()
        self.assertEqual(self.send("noise").code, 250)
        self.d.wait_for_log(r"\bdiscarded\b")
        client = self.client()
        refused = self.rcpt(client, "ticket")
        self.assertEqual(refused.code, 550)
        self.assertRegex(refused.text, r"5\.2\.4 .*aliases:11: \|/usr/bin/rt-mailgate .*runs no commands")
        self.assertRegex(self.rcpt(client, "a").text, r"5\.4\.6 .*circle: a -> b -> a")

        # SD-12: an own domain has its MX, whatever the alias file says.
        self.send("www-data@example.test")
        self.assertEqual(self.w.sink.wait_for_message("www-data@example.test").fields("Delivered-To"), [])
        # SM-48: what comes back is a loop.
        looped = self.send("root", message=simple_message("root", extra="Delivered-To: root@mail.example.test\r\n"))
        self.assertRegex(str(looped), r"^554.5\.4\.6 ")
        self.d.wait_for_empty_queue()
        self.assertEqual([m.recipients for m in self.w.sink.messages], [["www-data@example.test"]])

    def test_root_of_this_machine_whatever_it_is_called(self):
        """SM-45; RFC 6409 s4.2 is about other single labels."""
        self.start("root: admin@dest.test\n")
        names = ["root", "root@localhost", "ROOT@LocalHost", "root@mail.localhost", "root@web1.localdomain", "root@[127.0.0.1]",
                 "root@mail.example.test", f"root@{socket.gethostname()}"]
        client = self.client()
        for name in names:
            self.assertEqual(self.send(name, client).code, 250, name)
        self.w.sink.wait(lambda sink: len(sink.to("admin@dest.test")) == len(names))
        self.assertEqual(self.rcpt(client, "root@otherlabel").code, 554)

    def test_changes_count_at_once(self):
        self.start("root: first@dest.test\n")
        client = self.client()
        self.send("root", client)
        self.w.sink.wait_for_message("first@dest.test")
        self.write("root: second@dest.test\n")
        self.send("root", client)
        self.w.sink.wait_for_message("second@dest.test")
        self.aliases.unlink()
        refused = self.rcpt(client, "root")
        self.assertRegex(str(refused), r"^550.5\.1\.1 .*neither local\.users_to nor an alias for root")

    def test_a_large_message_to_several_names_is_a_file_for_each(self):
        self.start("one: one@dest.test\ntwo: two@dest.test\n")
        text = "".join(f"line {i} of a large message\r\n" for i in range(40000))
        later = self.w.sink.rule("mail", "451 4.7.1 Later")
        self.send(["one", "two", "three@dest.test"], message=simple_message("root", body=text))
        self.d.wait_for_queue(3)
        files = [p for p in (self.d.directory / "queue" / "spool").rglob("*") if p.is_file()]
        self.assertEqual(len(files), 3)
        self.assertEqual({p.stat().st_nlink for p in files}, {3}, "one body, three names")
        self.d.kill()
        self.w.sink.forget(later)
        self.d.start()
        self.d.command("queue", "flush")
        for recipient in ("one@dest.test", "two@dest.test", "three@dest.test"):
            self.assertIn(b"line 39999 of", self.w.sink.wait_for_message(recipient, timeout=60).data)
        self.d.wait_for_empty_queue()
        deadline = time.monotonic() + 30
        while any(p.is_file() for p in (self.d.directory / "queue" / "spool").rglob("*")):
            self.assertLess(time.monotonic(), deadline, "spool files stay")
            time.sleep(0.05)

    def test_what_is_handed_in_twice_comes_once_also_where_it_is_several_messages(self):
        self.start("one: one@dest.test\ntwo: two@dest.test\nnoise: /dev/null\n")
        client = self.client()
        data = simple_message("root")
        for _ in range(2):
            self.assertEqual(client.command("MAIL FROM:<alice@example.test> XHANDOFF=0006443a1c9d2e40.812.9f86d081884c7d65").code, 250)
            for name in ("one", "two", "three@dest.test", "noise"):
                self.assertEqual(client.command(f"RCPT TO:<{name}>").code, 250)
            self.assertEqual(client.command("DATA").code, 354)
            client.send(data + b".\r\n")
            reply = client.reply()
            self.assertEqual(reply.code, 250)
        self.assertIn("queued already", reply.text)
        self.send("one", client, subject="the end")
        self.w.sink.wait(lambda sink: len(sink.messages) >= 4)
        self.d.wait_for_empty_queue()
        self.assertEqual(sorted(m.recipients[0] for m in self.w.sink.messages),
                         ["one@dest.test", "one@dest.test", "three@dest.test", "two@dest.test"])

    def test_a_list_is_no_way_around_a_users_limit(self):
        crowd = ", ".join(f"u{i}@dest.test" for i in range(30))
        self.start(f"crowd: {crowd}\nroot: admin@dest.test\n", recipients_per_hour=20)
        client = self.client()
        self.send("root", client)
        self.assertEqual(client.command("MAIL FROM:<alice@example.test>").code, 250)
        self.assertEqual(client.command("RCPT TO:<crowd>").code, 250)
        refused = client.command("DATA")
        self.assertEqual(refused.code // 10, 45, refused)
        self.w.sink.wait_for_message("admin@dest.test")
        self.assertEqual(len(self.w.sink.messages), 1)

    # SM-44.
    def test_check_config_and_local_test_tell(self):
        self.start("root admin@dest.test\nbox: /var/mail/box\nok: ok@dest.test\n")
        told = self.d.command("check-config", check=False)
        words = told.stdout + told.stderr
        self.assertRegex(words, r"aliases:1: .*no colon")
        self.assertRegex(words, r"aliases:2: /var/mail/box is refused")
        self.assertRegex(words, r"mail to root, which is cron's, would be refused")
        self.assertEqual(told.returncode, 0)
        test = self.d.command("local", "test", "ok@localhost", check=False)
        self.assertEqual(test.returncode, 0, test.stderr)
        self.assertRegex(test.stdout, r"ok: alias in .*aliases:3\n(.*\n)*  ok@dest\.test  \(.*aliases:3\)")
        nobody = self.d.command("local", "test", "root", check=False)
        self.assertEqual(nobody.returncode, 67)
        self.assertIn("550 5.1.1", nobody.stdout)

    # SM-51, and what kill -9 costs: nothing.
    def test_a_storm_is_capped_and_summed_up_once(self):
        self.start("root: admin@dest.test\n")
        client = self.client()
        for i in range(30):
            self.assertEqual(self.send("root", client, subject=f"Cron <root@web1> /usr/bin/job {i}").code, 250)
        self.assertEqual(self.send(["root", "visitor@dest.test"], client, subject="Cron <root@web1> /usr/bin/job 31").code, 250)
        self.send("root", client, subject="another matter")
        self.w.sink.wait(lambda sink: len(sink.to("admin@dest.test")) == 22 and sink.to("visitor@dest.test"))
        self.d.wait_for_log(r"\bheld_back\b.*job 29")
        kept = self.d.directory / "queue" / "held-back"
        deadline = time.monotonic() + 30
        while not kept.exists() or "\t10\t" not in kept.read_text():
            self.assertLess(time.monotonic(), deadline, "what was held back is not written down")
            time.sleep(0.02)
        self.d.wait_for_empty_queue()
        self.d.kill()
        merge(self.d.tables, {"local": {"storm_window": "1s"}})
        self.d.write_config()
        self.d.start()
        self.assertEqual(self.send("root", subject="Cron <root@web1> /usr/bin/job 32").code, 250)
        self.w.sink.wait(lambda sink: len(sink.to("admin@dest.test")) >= 23)
        self.d.wait_for_empty_queue()
        summaries = [m for m in self.w.sink.to("admin@dest.test") if "more like it" in m.header]
        self.assertEqual(len(self.w.sink.to("admin@dest.test")), 23)
        self.assertEqual(len(summaries), 1)
        summary = summaries[0]
        subject = re.sub(r"\r\n(?=[ \t])", "", summary.fields("Subject")[0])
        self.assertEqual(subject, "11 more like it: Cron <root@web1> /usr/bin/job 32")
        self.assertEqual(summary.fields("Auto-Submitted"), ["auto-generated"])
        self.assertRegex(summary.sender, "@example.test$")
        self.assert_passes(summary)
        deadline = time.monotonic() + 30
        while kept.exists():
            self.assertLess(time.monotonic(), deadline, "what was told is still written down")
            time.sleep(0.02)


class ForwardFiles(programs.ProgramTest):
    """sendmail, real users, and what they may say of their own mail."""

    def to_anna(self):
        self.m.run(["sendmail", "anna"], user="web", stdin="Subject: For Anna\n\nHello.\n")

    # SM-43.
    def test_a_forward_file_counts_if_it_can_only_be_hers(self):
        self.m.write("/run/home/anna/.forward", "anna.away@dest.test, \\anna\n", owner="anna")
        self.to_anna()
        message = self.w.sink.wait_for_message("anna.away@dest.test")
        self.assert_passes(message, told=("Subject", "From"))   # passwd's full name has the machine's
        self.w.sink.wait_for_message(programs.ADMIN)
        self.d.wait_for_empty_queue()
        for spoil in (["chmod", "0664", "/run/home/anna/.forward"], ["chown", "web", "/run/home/anna/.forward"]):
            self.w.sink.clear()
            self.m.run(spoil)
            self.to_anna()
            self.w.sink.wait_for_message(programs.ADMIN)
            self.d.wait_for_empty_queue()
            self.assertEqual(self.w.sink.to("anna.away@dest.test"), [], spoil)
            self.m.run(["chmod", "0644", "/run/home/anna/.forward"])
        self.d.wait_for_log(r"others may write to it")
        self.d.wait_for_log(r"belongs to uid 10033")

    def test_who_is_nobody_is_said_to_the_program(self):
        self.m.write("/etc/aliases", "daemons: |/bin/cat\n")
        run = self.m.run(["sendmail", "daemons"], stdin="Subject: x\n\nx\n", status=None)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("/etc/aliases:1", run.stdout + run.stderr)
        self.assertEqual(self.w.sink.messages, [])


if __name__ == "__main__":
    world.main()
