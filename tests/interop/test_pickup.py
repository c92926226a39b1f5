"""What is left in a spool directory is picked up: at start, when it arrives, by the scan; once; and nothing hostile gets in the way.

SM-31 to SM-34. The records are written here by the rules of src/mail/handoff.hpp, so that damaged and forged ones can be made, too.
What needs other users runs only as root.
"""

import os
import pathlib
import pwd
import re
import resource
import socket
import sqlite3
import stat
import time
import unittest

from posthorn_test import spool, world
from posthorn_test.daemon import program, simple_message, toml

FAST = "200ms"


def uid_of(name):
    return pwd.getpwnam(name).pw_uid


class PickupTest(world.WorldTest):
    def start(self, scan="1h", started=True, changes=None, **how):
        local = {"spool_scan_interval": scan} | (changes or {}).pop("local", {})
        w = world.World(changes={"local": local} | (changes or {}), **how)
        self.addCleanup(self._end, w)
        self._world = w
        self.spool = w.daemon.directory / "spool"
        # Others must get as far as the spool.
        w.daemon.directory.chmod(0o711)
        w.daemon.tables["local"]["spool"] = str(self.spool)
        self.write_config(w)
        if started:
            w.daemon.start()
            w.daemon.wait_for_log(rf"\bspool\b.*spool={self.spool} .*served")
        return w

    @staticmethod
    def write_config(w):
        w.daemon.config_file.write_text(toml(w.daemon.tables))

    def setUp(self):
        self.number = 0

    def message(self, body="Hello.\r\n", **how):
        self.number += 1
        return simple_message("bob@dest.test", subject=f"spooled {self.number}", body=body, **how)

    def leave(self, recipient="bob@dest.test", sender="alice@example.test", message=None, **how):
        return spool.leave(self.spool, spool.record(message or self.message(), recipient, sender=sender, **how))

    def files(self, part="new"):
        return sorted(p.name for p in (self.spool / part).iterdir())

    def wait_until_empty(self):
        deadline = time.monotonic() + 60
        while self.files():
            self.assertLess(time.monotonic(), deadline, f"{self.files()} stay")
            time.sleep(0.01)   # nothing tells of an unlink


class Found(PickupTest):
    def test_what_arrives_is_taken_at_once(self):
        """By inotify: the scan is an hour away (SM-33)."""
        w = self.start()
        name = self.leave()
        arrived = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(arrived.sender, "alice@example.test")
        self.assertIn(b"Hello.", arrived.data)
        self.wait_until_empty()
        line = w.daemon.wait_for_log(rf"\bpicked_up\b.*file={name}")
        line = str(line)
        self.assertIn(f'source="uid={os.getuid()}"', line)
        self.assertIn("php-fpm", line)
        for part, mode in (("new", 0o3733), ("tmp", 0o3733), ("refused", 0o700)):
            self.assertEqual(stat.S_IMODE((self.spool / part).stat().st_mode), mode, part)

    def test_what_waits_is_taken_at_start(self):
        w = self.start()
        w.daemon.stop()
        for i in range(20):
            self.leave(f"r{i}@dest.test")
        w.daemon.start()
        for i in range(20):
            w.sink.wait_for_message(f"r{i}@dest.test")
        self.wait_until_empty()

    def test_the_scan_finds_what_nobody_told_of(self):
        """A hard link into the directory makes no IN_MOVED_TO, as on volumes whose changes the kernel does not see."""
        w = self.start(scan=FAST)
        octets = spool.record(self.message(), "bob@dest.test", sender="alice@example.test")
        aside, there = w.daemon.directory / "aside", self.spool / "new" / spool.name()
        aside.write_bytes(octets)
        aside.chmod(0o640)
        os.link(aside, there)
        aside.unlink()
        w.sink.wait_for_message("bob@dest.test")
        self.wait_until_empty()

    def test_a_large_message_goes_through_the_body_spool(self):
        """25 MB never stand in memory: what the daemon's peak grows by stays far below."""
        w = self.start(changes={"submission.limits": {"max_message_size": "30MiB"}})
        self.leave("small@dest.test")
        w.sink.wait_for_message("small@dest.test")
        before = self.peak(w)
        body = ("x" * 76 + "\r\n") * (25_000_000 // 78)
        self.leave("large@dest.test", message=self.message(body=body))
        arrived = w.sink.wait_for_message("large@dest.test", timeout=120)
        self.assertIn(body.encode(), arrived.data)
        octets = pathlib.Path(program()).read_bytes()
        if b"__asan_init" not in octets and b"__tsan_init" not in octets:   # a sanitizer keeps what is freed
            self.assertLess(self.peak(w) - before, 16_000, "KiB")
        self.wait_until_empty()

    @staticmethod
    def peak(w):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{w.daemon.pid}/status").read_text())[1])

    def test_a_spool_that_is_replaced_is_served_again(self):
        """A volume that is mounted anew: the directory is another one."""
        w = self.start(scan=FAST)
        self.spool.rename(self.spool.with_name("old-spool"))
        (self.spool.with_name("old-spool") / "new").rmdir()
        (self.spool).mkdir()
        deadline = time.monotonic() + 60
        while not (self.spool / "new").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.leave()
        w.sink.wait_for_message("bob@dest.test")

    def test_two_daemons_do_not_share_a_spool(self):
        w = self.start()
        other = world.World(changes={"local": {"spool": str(self.spool), "spool_scan_interval": FAST}})
        with other:
            other.daemon.wait_for_log(r"\bspool_closed\b.*another daemon serves it")
            w.daemon.kill()
            # And takes over when the first is gone.
            other.daemon.wait_for_log(rf"\bspool\b.*spool={self.spool} .*served")
            self.leave()
            other.sink.wait_for_message("bob@dest.test")

    def test_metrics_and_status(self):
        w = self.start()
        self.leave()
        w.sink.wait_for_message("bob@dest.test")
        spool.leave(self.spool, b"rubbish\n" * 20)
        w.daemon.wait_for_log(r"\bpickup_put_aside\b")
        self.wait_until_empty()
        metrics = w.daemon.command("metrics").stdout
        self.assertIn('posthorn_spool_files_total{result="stored"} 1', metrics)
        self.assertIn('posthorn_spool_files_total{result="put_aside"} 1', metrics)
        self.assertIn("posthorn_spool_closed 0", metrics)
        status = w.daemon.command("status").stdout
        self.assertRegex(status, r"picked up +1")

    def test_a_file_of_the_year_2400_is_not_old(self):
        """Its owner gives it what time he likes; nanoseconds of that are more than 63 bits."""
        w = self.start()
        w.daemon.stop()
        name = spool.leave(self.spool, spool.record(self.message(), "bob@dest.test", version=b"posthorn-handoff 2\n"))
        os.utime(self.spool / "new" / name, (13569465600,) * 2)
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bpickup_stuck\b.*file={name}")
        self.assertRegex(w.daemon.command("metrics").stdout, r"(?m)^posthorn_spool_oldest_seconds 0$")

    def test_unfinished_files_go_when_they_are_old(self):
        w = self.start(scan=FAST, changes={"local": {"spool_abandoned_after": "1h"}})
        old, fresh = (self.spool / "tmp" / spool.name() for _ in range(2))
        for path in (old, fresh):
            path.write_bytes(b"posthorn-handoff 1\n")
        os.utime(old, (time.time() - 7200,) * 2)
        w.daemon.wait_for_log(r"\bspool\b.*removed=1")
        self.assertFalse(old.exists())
        self.assertTrue(fresh.exists())


class Sites(PickupTest):
    def test_a_site_has_a_spool_of_its_own(self):
        """Who the mail is from is decided by the door it came through: the site's directory, not the uid (DO-9)."""
        w = world.World(ours=("example.test", "shop.test"))
        self.addCleanup(self._end, w)
        self._world = w
        self.spool = w.daemon.directory / "shop"
        w.daemon.tables["site"] = [{"name": "shop", "spool": str(self.spool), "domains": ["shop.test"], "sender": "orders@shop.test"}]
        self.write_config(w)
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bspool\b.*spool={self.spool} .*served")
        self.leave(sender=None, message=b"To: bob@dest.test\r\nSubject: an order\r\n\r\nThanks.\r\n")
        arrived = w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(arrived.sender, "orders@shop.test")
        # A reload lets go of it, and takes another.
        w.daemon.tables["site"][0]["spool"] = str(w.daemon.directory / "second")
        self.write_config(w)
        w.daemon.reload()
        self.spool = w.daemon.directory / "second"
        w.daemon.wait_for_log(rf"\bspool\b.*spool={self.spool} .*served")
        self.leave("carol@dest.test")
        w.sink.wait_for_message("carol@dest.test")


class Refused(PickupTest):
    def test_what_intake_refuses_is_reported_to_the_sender(self):
        w = self.start(ours=("example.test",))
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        self.leave(message=b"Received: x\r\n" * 60 + self.message())
        report = w.sink.wait_for_message("alice@example.test")
        self.assertEqual(report.sender, "")
        text = " ".join(report.data.decode().split())
        self.assertIn("5.4.6", text)
        self.assertIn("spooled 1", text)
        self.wait_until_empty()
        self.assertEqual(self.files("refused"), [])
        self.assertEqual(w.sink.to("bob@dest.test"), [])

    def test_without_a_sender_it_is_put_aside(self):
        w = self.start()
        name = self.leave(sender="", message=b"Received: x\r\n" * 60 + self.message())
        line = str(w.daemon.wait_for_log(r"\bpickup_put_aside\b"))
        self.assertIn("5.4.6", line)
        self.wait_until_empty()
        [kept] = self.files("refused")
        self.assertEqual(kept, f"{os.getuid()}-{name}")
        self.assertIn(b"spooled 1", (self.spool / "refused" / kept).read_bytes())

    def test_recipients_that_cannot_be_are_reported_and_the_others_get_it(self):
        w = self.start()
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        self.leave(["bob@dest.test", "not an address@@"])
        w.sink.wait_for_message("bob@dest.test")
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"5.1.3", report.data)
        self.wait_until_empty()

    def test_many_reasons_are_few_reports(self):
        """One record of names that nobody has is no way to send hundreds of messages to one of our addresses."""
        w = self.start()
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        self.leave(["bob@dest.test"] + [f"nobody-here-{i}" for i in range(90)])
        w.sink.wait_for_message("bob@dest.test")
        w.daemon.wait_for_queue(0)
        reports = w.sink.to("alice@example.test")
        self.assertEqual(len(reports), 6)
        self.assertEqual(sum(r.data.count(b"Final-Recipient") for r in reports), 90)

    def test_too_large(self):
        w = self.start(changes={"submission.limits": {"max_message_size": "64KiB"}})
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        self.leave(message=self.message(body="x\r\n" * 50_000))
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"5.3.4", report.data)
        self.assertIn(b"spooled 1", report.data)
        self.wait_until_empty()


class Hostile(PickupTest):
    def aside(self, w, name, reason):
        line = str(w.daemon.wait_for_log(rf"\bpickup_put_aside\b.*file=\"?{re.escape(name)}"))
        self.assertRegex(line, reason)

    def test_nothing_of_it_is_sent_and_nothing_of_it_gets_in_the_way(self):
        w = self.start(scan=FAST)
        whole = spool.record(self.message(), "victim@dest.test", sender="alice@example.test")
        bad = {
            "cut off": (whole[:-20], "cut off"),
            "no end record": (whole[:-44], "cut off"),
            "octet changed": (whole.replace(b"Hello", b"hEllo"), "octets were changed"),
            "octets added": (spool.record(self.message(), "victim@dest.test", length=7), "another length"),
            "no record": (b"From: x\r\n\r\nhi\r\n", "no record"),
            "empty": (b"", "cut off|no record"),
            "no recipients": (spool.record(self.message(), []), "no recipients"),
            "control characters": (spool.record(self.message(), "victim@dest.test\r\nDATA"), "control characters"),
            "injected sender": (spool.record(self.message(), "victim@dest.test", sender="a@example.test>\r\nRSET"), "no address"),
            "endless head": (b"posthorn-handoff 1\n" + b"x-more: y\n" * 500_000, "too long"),
        }
        for what, (octets, reason) in bad.items():
            with self.subTest(what):
                self.aside(w, spool.leave(self.spool, octets), reason)
        new = self.spool / "new"
        with self.subTest("symlink"):
            secret = w.daemon.directory / "secret"
            secret.write_bytes(whole)
            name = spool.name()
            os.symlink(secret, new / name)
            self.aside(w, name, "symbolic link")
            self.assertTrue(secret.exists())
        with self.subTest("hard link"):
            name = spool.name()
            os.link(secret, new / name)
            self.aside(w, name, "hard links")
            self.assertTrue(secret.exists())
        with self.subTest("FIFO"):
            name = spool.name()
            os.mkfifo(new / name)
            self.aside(w, name, "no regular file")
        with self.subTest("directory"):
            name = spool.name()
            (new / name / "deeper").mkdir(parents=True)
            self.aside(w, name, "no regular file")
        with self.subTest("socket"):
            name = "s"
            bound = socket.socket(socket.AF_UNIX)
            self.addCleanup(bound.close)
            bound.bind(str(new / name))
            self.aside(w, name, "no regular file")
        with self.subTest("name"):
            spool.leave(self.spool, whole, as_name="%2f UPPER \n line")
            w.daemon.wait_for_log(r"\bpickup_put_aside\b.*its name is none")
        with self.subTest("newer version"):
            stuck = spool.leave(self.spool, spool.record(self.message(), "victim@dest.test", version=b"posthorn-handoff 2\n"))
            w.daemon.wait_for_log(rf"\bpickup_stuck\b.*file={stuck}")
        self.leave("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")
        deadline = time.monotonic() + 60
        while self.files() != [stuck]:
            self.assertLess(time.monotonic(), deadline, self.files())
            time.sleep(0.01)
        # Scans go on, and what stays is told once.
        self.leave("carol@dest.test")
        w.sink.wait_for_message("carol@dest.test")
        scans = 3 * 0.2
        time.sleep(scans)
        self.assertEqual(len(w.daemon.log(rf"\bpickup_stuck\b.*file={stuck}")), 1)
        self.assertEqual(w.sink.to("victim@dest.test"), [])
        self.assertEqual(w.daemon.queue_ids(), [])
        self.assertEqual(w.daemon.log(r"\bcrash|exception\b"), [])

    def test_a_name_cannot_reach_outside(self):
        """`refused` gets the owner before the name, and never replaces what is there."""
        w = self.start(scan=FAST)
        for _ in range(2):
            spool.leave(self.spool, b"rubbish" * 20, as_name="same")
            w.daemon.wait_for_log(r"\bpickup_put_aside\b.*file=same")
            self.wait_until_empty()
        self.assertEqual(self.files("refused"), [f"{os.getuid()}-same", f"{os.getuid()}-same-1"])


@unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
class Unprivileged(PickupTest):
    """The daemon as it should run: as a user of its own, who owns the spool."""

    def test_the_group_reads_what_users_leave(self):
        w = self.start(scan=FAST, started=False)
        daemon, user = uid_of("nobody"), uid_of("www-data")
        for path in [w.daemon.directory, *w.daemon.directory.rglob("*")]:
            os.chown(path, daemon, daemon)
        w.daemon.prefix = ["setpriv", f"--reuid={daemon}", f"--regid={daemon}", "--clear-groups", "--"]
        w.daemon.start()
        w.daemon.wait_for_log(r"\bspool\b.*served")
        spool.as_user(user, lambda: spool.leave(self.spool, spool.record(self.message(), "bob@dest.test")))
        w.sink.wait_for_message("bob@dest.test")
        # Whoever keeps his file from the daemon's group is told in the log, once; a directory of his cannot even be moved away.
        kept = spool.as_user(user, lambda: spool.leave(self.spool, spool.record(self.message(), "kept@dest.test"), mode=0o600))
        w.daemon.wait_for_log(rf"\bpickup_stuck\b.*file={kept}.*0640")
        directory = spool.name()
        spool.as_user(user, lambda: (self.spool / "new" / directory).mkdir())
        w.daemon.wait_for_log(rf"\bpickup_stuck\b.*file={directory}.*no regular file")
        fifo = spool.name()
        spool.as_user(user, lambda: os.mkfifo(self.spool / "new" / fifo))
        w.daemon.wait_for_log(rf"\bpickup_put_aside\b.*file={fifo}")
        spool.as_user(user, lambda: spool.leave(self.spool, spool.record(self.message(), "carol@dest.test")))
        w.sink.wait_for_message("carol@dest.test")
        self.assertEqual(len(w.daemon.log(r"\bpickup_stuck\b")), 2)
        self.assertEqual(self.files(), sorted([kept, directory]))
        self.assertRegex(w.daemon.command("status").stdout, r"stuck +2")
        # When he lets it be read, it goes.
        os.chmod(self.spool / "new" / kept, 0o640)
        w.sink.wait_for_message("kept@dest.test")


@unittest.skipUnless(os.geteuid() == 0, "only root can be two other users")
class Users(PickupTest):
    """Users who trust nobody share a spool (SM-31, SM-32)."""

    @classmethod
    def setUpClass(cls):
        cls.nobody, cls.www = uid_of("nobody"), uid_of("www-data")

    def test_owner_is_who_sends(self):
        """The record says www-data; the file is nobody's."""
        w = self.start()
        record = spool.record(self.message(), "bob@dest.test", sender=None)
        spool.as_user(self.nobody, lambda: spool.leave(self.spool, record))
        w.sink.wait_for_message("bob@dest.test")
        line = str(w.daemon.wait_for_log(r"\bpicked_up\b"))
        self.assertIn(f'source="uid={self.nobody}"', line)
        self.assertIn("user=nobody", line)
        self.assertNotIn(f"uid={self.www}", line)

    def test_a_file_of_somebody_else_that_was_moved_here_is_not_his_mail(self):
        """A site of alice's in a directory that www-data may write to, as WordPress wants it: he fills her file, and moves it."""
        w = self.start()
        record = spool.record(self.message(), "bob@dest.test", sender=None)
        for mode in (0o664, 0o644):   # where he may write to it; and where it came to hold what he wrote by other ways
            with self.subTest(oct(mode)):
                site = w.daemon.directory / f"site{mode:o}"
                site.mkdir()
                os.chown(site, self.www, self.www)
                page, name = site / "index.php", spool.name()
                page.write_bytes(record)
                os.chown(page, self.nobody, self.www)
                page.chmod(mode)
                spool.as_user(self.www, lambda: page.rename(self.spool / "new" / name))
                w.daemon.wait_for_log(rf"\bpickup_put_aside\b.*file={name}.*not written in this spool")
        self.wait_until_empty()
        self.assertEqual(w.daemon.queue_ids(), [])
        self.assertEqual(w.sink.to("bob@dest.test"), [])

    def test_others_can_neither_list_nor_read_nor_remove_nor_replace(self):
        w = self.start(started=False)
        w.daemon.start()
        w.daemon.wait_for_log(r"\bspool\b.*served")
        w.daemon.stop()
        record = spool.record(self.message(), "bob@dest.test", sender=None)
        name = spool.as_user(self.www, lambda: spool.leave(self.spool, record))

        def attack():
            done = []
            paths = [self.spool / part for part in ("new", "tmp", "refused")]
            for path in paths:
                for what in (lambda p=path: os.listdir(p), lambda p=path: os.rmdir(p), lambda p=path: os.chmod(p, 0o777),
                             lambda p=path: os.rename(p, str(p) + "2"), lambda p=path: os.open(p, os.O_RDONLY)):
                    try:
                        what()
                        done.append(f"{what} {path}")
                    except PermissionError:
                        pass
            target = self.spool / "new" / name
            mine = self.spool / "tmp" / "mine"
            mine.write_bytes(b"x")
            for what in (lambda: open(target, "rb").read(), lambda: open(target, "ab"), lambda: target.unlink(),
                         lambda: target.rename(self.spool / "tmp" / "taken"), lambda: os.rename(mine, target),
                         lambda: os.truncate(target, 0), lambda: os.listdir(self.spool / "refused")):
                try:
                    what()
                    done.append(f"{what.__code__.co_firstlineno}")
                except PermissionError:
                    pass
            return done

        self.assertEqual(spool.as_user(self.nobody, attack), "[]")
        w.daemon.start()
        w.sink.wait_for_message("bob@dest.test")

    def test_another_users_name_does_not_make_a_message_known(self):
        """Keys are the owner's (mail::handoff_key)."""
        w = self.start()
        name = spool.name()
        first, second = (spool.record(self.message(), f"{who}@dest.test", sender=None) for who in ("first", "second"))
        spool.as_user(self.nobody, lambda: spool.leave(self.spool, first, as_name=name))
        w.sink.wait_for_message("first@dest.test")
        self.wait_until_empty()
        spool.as_user(self.www, lambda: spool.leave(self.spool, second, as_name=name))
        w.sink.wait_for_message("second@dest.test")

    def test_suspended_mail_waits_and_that_of_others_goes(self):
        w = self.start(scan=FAST)
        w.daemon.command("user", "suspend", "nobody")
        record = spool.record(self.message(), "bob@dest.test", sender=None)
        name = spool.as_user(self.nobody, lambda: spool.leave(self.spool, record))
        w.daemon.wait_for_log(rf"\bpickup_waits\b.*file={name}.*suspended")
        other = spool.record(self.message(), "carol@dest.test", sender=None)
        spool.as_user(self.www, lambda: spool.leave(self.spool, other))
        w.sink.wait_for_message("carol@dest.test")
        self.assertEqual(self.files(), [name])
        self.assertEqual(w.sink.to("bob@dest.test"), [])
        w.daemon.wait_for_empty_queue()
        self.assertIn("(1 message in the sendmail program's spool is not in the queue yet", w.daemon.command("mailq").stdout)
        w.daemon.command("user", "resume", "nobody")
        w.sink.wait_for_message("bob@dest.test")

    def test_too_much_waits_and_that_of_others_goes(self):
        w = self.start(scan=FAST, changes={"user": [{"name": "nobody", "messages_per_hour": 2}]})
        for i in range(4):
            record = spool.record(self.message(), f"n{i}@dest.test", sender=None)
            spool.as_user(self.nobody, lambda: spool.leave(self.spool, record))
        w.daemon.wait_for_log(r"\buser_over_limit\b.*user=nobody")
        other = spool.record(self.message(), "carol@dest.test", sender=None)
        spool.as_user(self.www, lambda: spool.leave(self.spool, other))
        w.sink.wait_for_message("carol@dest.test")
        self.assertEqual(len(self.files()), 2)

    def test_no_more_recipients_than_at_the_socket(self):
        """AUTH-9: a message to more than the bucket ever holds is no way around it; it comes back."""
        w = self.start(scan=FAST, ours=("example.test",), changes={"user": [{"name": "nobody", "recipients_per_hour": 5}]})
        w.dns.mx("example.test", ("mx.dest.test", w.sink.address))
        record = spool.record(self.message(), [f"n{i}@dest.test" for i in range(300)], sender="alice@example.test")
        spool.as_user(self.nobody, lambda: spool.leave(self.spool, record))
        report = w.sink.wait_for_message("alice@example.test")
        self.assertIn(b"5.5.3", report.data)
        self.assertIn(b"300 recipients", b" ".join(report.data.split()))
        self.assertEqual(report.data.count(b"Final-Recipient"), 100)
        self.wait_until_empty()
        self.assertEqual(w.sink.to("n0@dest.test"), [])
        # What is within it still goes.
        record = spool.record(self.message(), [f"m{i}@dest.test" for i in range(5)], sender="alice@example.test")
        spool.as_user(self.nobody, lambda: spool.leave(self.spool, record))
        w.sink.wait_for_message("m4@dest.test")


class Killed(PickupTest):
    @staticmethod
    def database(w, sql, *values):
        connection = sqlite3.connect(w.daemon.directory / "queue" / "queue.sqlite", timeout=30)
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def remember(self, w, key, ago):
        self.database(w, "INSERT INTO pickup VALUES (?, ?)", key, int((time.time() - ago) * 1000))

    def keys(self, w):
        return {key for key, in self.database(w, "SELECT key FROM pickup")}

    def wait_for_keys(self, w, keys):
        deadline = time.monotonic() + 60
        while (there := self.keys(w)) != keys:
            self.assertLess(time.monotonic(), deadline, there)
            time.sleep(0.02)

    def test_stored_and_killed_before_the_file_was_removed(self):
        """SM-34: the queue has the message, and the file is still there. tests/crash/pickup.py kills at random; this is the moment."""
        w = self.start(started=False)
        self.spool.mkdir()
        for part in ("tmp", "new"):
            (self.spool / part).mkdir()
        w.daemon.start()
        w.daemon.stop()
        name = self.leave("carol@dest.test")
        self.remember(w, f"{os.getuid()}/{name}", ago=0)
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bknown\b.*file={name}")
        self.wait_until_empty()
        self.leave("dave@dest.test")
        w.sink.wait_for_message("dave@dest.test")
        self.assertEqual(w.sink.to("carol@dest.test"), [])

    def test_keys_are_forgotten_when_nobody_can_bring_them_again(self):
        w = self.start()
        self.leave()
        w.sink.wait_for_message("bob@dest.test")
        self.wait_for_keys(w, set())       # once the removal is on disk
        w.daemon.stop()
        stuck = spool.leave(self.spool, spool.record(self.message(), "bob@dest.test", version=b"posthorn-handoff 2\n"))
        for key, ago in (("33/old", 7200), ("33/fresh", 60), (f"33/{stuck}", 7200), ("33/old+1", 90000)):
            self.remember(w, key, ago)
        w.daemon.start()
        w.daemon.wait_for_log(rf"\bpickup_stuck\b.*file={stuck}")
        w.daemon.reload()                  # as the hourly look does
        self.wait_for_keys(w, {"33/fresh", f"33/{stuck}"})

    def test_full_queue_disk_leaves_it_for_later(self):
        """Nothing is lost while the queue takes no mail, and it goes when that is over."""
        w = self.start(scan=FAST)
        hard = resource.prlimit(w.daemon.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(w.daemon.pid, resource.RLIMIT_FSIZE, (1, hard))
        self.leave()
        w.daemon.wait_for_log(r"\bqueue_unhealthy\b")
        w.daemon.wait_for_log(r"\bpickup_waits\b")
        self.assertEqual(len(self.files()), 1)
        resource.prlimit(w.daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
        w.sink.wait_for_message("bob@dest.test")
        self.wait_until_empty()


if __name__ == "__main__":
    world.main()
