"""The sendmail program without a daemon, or with one that breaks off: what it leaves in the spool, what it says, how it ends (SM-26 to SM-38).

And that it is what containers need: one static file that runs where there is nothing else.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest
import zlib

from posthorn_test import machine, world
from posthorn_test.fake_daemon import FakeDaemon

MESSAGE = b"From: me@example.test\nTo: you@dest.test\nSubject: x\n\nHello\n"
ROOT = os.geteuid() == 0
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


def record(path):
    """A spool file taken apart: (lines before the message, message); its end record is checked (src/mail/handoff.hpp)."""
    octets = path.read_bytes()
    end = octets[-44:]
    match = re.fullmatch(rb"\nposthorn-end (\d{20}) ([0-9a-f]{8})\n", end)
    assert match, end
    head, message = octets[:-44].split(b"\n\n", 1)
    assert int(match[1]) == len(message)
    assert int(match[2], 16) == zlib.crc32(octets[:-44])
    return head.decode().split("\n"), message


class Alone(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sendmail-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.directory.chmod(0o755)
        self.spool = self.directory / "spool"
        for part in ("tmp", "new"):
            (self.spool / part).mkdir(parents=True)
            (self.spool / part).chmod(0o3733)
        self.socket = self.directory / "submission.sock"
        self.environment = {"POSTHORN_SOCKET": str(self.socket), "POSTHORN_SPOOL": str(self.spool),
                            "POSTHORN_ADMIN": str(self.directory / "admin.sock"), "PATH": os.environ["PATH"]}

    def sendmail(self, *arguments, stdin=MESSAGE, status=0, prefix=(), program=None, timeout=60, **environment):
        run = subprocess.run([*prefix, program or machine.sendmail(), *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=self.environment | environment, timeout=timeout)
        run.stderr = run.stderr.decode()
        self.assertEqual(run.returncode, status, run.stderr)
        if status:
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)   # one line for the web server's log (SM-30)
        return run

    def daemon(self, **how):
        fake = FakeDaemon(str(self.socket), **how)
        self.addCleanup(fake.stop)
        return fake

    def spooled(self):
        return sorted((self.spool / "new").iterdir())

    def assert_nothing_left(self):
        self.assertEqual(list((self.spool / "tmp").iterdir()), [])
        self.assertEqual(self.spooled(), [])


class Spool(Alone):
    def test_the_record(self):
        """SM-28, SM-31, SM-32: exit 0, mode 0640, envelope and message whole."""
        run = self.sendmail("-t", "-i", "-f", "me@example.test", "-N", "never", "-B8BITMIME", "root",
                            stdin=b"Bcc: secret@dest.test\r\nTo: You <you@dest.test>\r\n\r\nline\n.\nlast")
        self.assertEqual(run.stderr, "")
        [path] = self.spooled()
        self.assertEqual(list((self.spool / "tmp").iterdir()), [])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertRegex(path.name, r"^[0-9a-f]{16}\.\d+\.[0-9a-f]{16}$")
        lines, message = record(path)
        self.assertEqual(lines[0], "posthorn-handoff 1")
        self.assertIn(f"user: {os.getuid()} ", lines[1])
        self.assertIn("sender: <me@example.test>", lines)
        self.assertIn("body: 8BITMIME", lines)
        self.assertEqual([line for line in lines if line.startswith("recipient")],
                         ["recipient: root 1 -", "recipient: you@dest.test 1 -", "recipient: secret@dest.test 1 -"])
        self.assertEqual(message, b"To: You <you@dest.test>\r\n\r\nline\r\n.\r\nlast\r\n")

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_0_is_said_when_it_is_on_disk(self):
        """SM-27: the file, its move and its directory are synced in this order, and nothing is written to them afterwards."""
        trace = self.directory / "trace"
        self.sendmail("root", prefix=("strace", "-qq", "-f", "-y", "-e", "trace=openat,write,writev,fsync,fdatasync,/^rename,/^link,exit_group",
                                      "-o", str(trace)))
        (done,) = self.spooled()
        steps = [line.split(" ", 1)[1].strip() for line in trace.read_text().splitlines() if str(self.spool) in line or "exit_group" in line]
        kinds = [re.match(r"\w+", step)[0] for step in steps]
        last_write = max(i for i, kind in enumerate(kinds) if kind.startswith("write"))
        moved = next(i for i, step in enumerate(steps) if kinds[i].startswith(("rename", "link")) and done.name in step)
        synced = [i for i, kind in enumerate(kinds) if kind in ("fsync", "fdatasync")]
        self.assertTrue(any(last_write < i < moved and done.name in steps[i] for i in synced), steps)
        self.assertTrue(any(moved < i and f"{self.spool}/new>" in steps[i] for i in synced), steps)
        self.assertEqual((kinds[-1], steps[-1][:13]), ("exit_group", "exit_group(0)"))

    def test_umask_and_closed_descriptors(self):
        """The daemon can read it whatever the caller's umask is; no file of ours lands on a descriptor that was closed."""
        self.sendmail("root", prefix=["sh", "-c", 'umask 077; exec "$@" >&- 2>&-', "sh"])
        [path] = self.spooled()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertEqual(record(path)[1], MESSAGE.replace(b"\n", b"\r\n"))

    def test_the_caller_behind_popen(self):
        """PHP calls through a shell: the operator wants to see PHP (SM-32)."""
        script = f"import os\nwith os.popen('{machine.sendmail()} root', 'w') as pipe: pipe.write('hello')  # the mailer"
        subprocess.run(["/usr/bin/python3", "-c", script], env=self.environment, check=True, cwd="/usr/share")
        lines, message = record(self.spooled()[0])
        self.assertIn("the+20mailer", [line for line in lines if line.startswith("process: ")][0])
        self.assertIn("directory: /usr/share", lines)
        self.assertEqual(message, b"hello\r\n")

    @unittest.skipUnless(ROOT, "needs another user")
    def test_others_neither_list_nor_read_nor_remove(self):
        """SM-31: the directories' modes do that; the program works in them all the same, and as nobody."""
        self.sendmail("root", prefix=NOBODY)
        [path] = self.spooled()
        self.assertEqual(path.stat().st_uid, 65534)
        record(path)
        other = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--"]
        for command in (["ls", str(path.parent)], ["cat", str(path)], ["rm", "-f", str(path)], ["mv", str(path), str(path) + "x"]):
            self.assertNotEqual(subprocess.run(other + command, stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode, 0, command)
        self.sendmail("-bp", status=69, prefix=other, stdin=b"")

    def test_no_spool_is_73(self):
        """SM-29: not 75, which PHP from 8.5 on takes for success."""
        shutil.rmtree(self.spool)
        run = self.sendmail("root", status=73)
        self.assertIn("NOT sent: the mail server cannot be reached (" + str(self.socket), run.stderr)
        self.assertIn("No such file or directory", run.stderr)
        self.sendmail("root", status=73, POSTHORN_SPOOL="")

    @unittest.skipUnless(ROOT, "needs another user")
    def test_unwritable_spool_is_73(self):
        (self.spool / "tmp").chmod(0o700)
        self.assertIn("Permission denied", self.sendmail("root", status=73, prefix=NOBODY).stderr)
        (self.spool / "tmp").chmod(0o3733)
        (self.spool / "new").chmod(0o700)
        self.sendmail("root", status=73, prefix=NOBODY)
        self.assert_nothing_left()

    @unittest.skipUnless(machine.possible(), "needs a small file system")
    def test_full_disk(self):
        """SM-25: one clear line, nothing left behind."""
        script = f"""mount -t tmpfs -o size=1m,mode=755 small {self.spool} && mkdir -m 3733 {self.spool}/tmp {self.spool}/new
            {machine.sendmail()} root; code=$?
            ls -A {self.spool}/tmp {self.spool}/new | grep -v : ; exit $code"""
        big = b"Subject: x\n\n" + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 60000
        run = subprocess.run(["unshare", "--mount", "sh", "-c", script], input=big, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(run.returncode, 74, run.stderr)
        self.assertEqual(run.stdout.strip(), b"")
        self.assertIn(b"No space left on device", run.stderr)
        self.assertEqual(run.stderr.count(b"\n"), 1)

    def test_full_disk_by_limit(self):
        run = self.sendmail("root", status=74, prefix=["prlimit", "--fsize=20000", "--", "env", "--ignore-signal=XFSZ"],
                            stdin=b"Subject: x\n\n" + b"y\n" * 20000)
        self.assertIn("File too large", run.stderr)
        self.assert_nothing_left()

    def test_signals_remove_the_partial_file(self):
        """SM-26: also those that come while it is written."""
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", f"inject=fsync:signal={int(number)}:when=1", machine.sendmail(), "root"]
                                       if shutil.which("strace") else [machine.sendmail(), "root"],
                                       stdin=subprocess.PIPE, env=self.environment, stderr=subprocess.DEVNULL)
            process.stdin.write(MESSAGE)
            process.stdin.flush()
            if not shutil.which("strace"):
                process.send_signal(number)   # at least while it reads
            process.stdin.close()
            self.assertNotEqual(process.wait(30), 0)
            self.assert_nothing_left()

    def test_large_and_in_pieces(self):
        """More than stays in memory: what is in the spool is what was written, octet by octet."""
        body = b"".join(b"%d %s\n" % (number, os.urandom(30).hex().encode()) for number in range(60000))
        self.sendmail("-i", "root", stdin=b"Subject: x\n\n" + body)
        self.assertTrue(record(self.spooled()[0])[1] == (b"Subject: x\n\n" + body).replace(b"\n", b"\r\n"))
        # And where no directory takes a temporary file, all of it stays in memory.
        self.spooled()[0].unlink()
        if machine.possible():
            elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="sendmail-", dir=pathlib.Path.home()))
            self.addCleanup(shutil.rmtree, elsewhere, ignore_errors=True)
            elsewhere.chmod(0o755)
            shutil.copy(machine.sendmail(), elsewhere)
            fake = FakeDaemon(str(elsewhere / "submission.sock"), keywords=("PIPELINING", "CHUNKING", "XCALLER"))
            self.addCleanup(fake.stop)
            cover = f"mount -t tmpfs -o ro none /tmp && mount -t tmpfs -o ro none /var/tmp && exec {elsewhere}/sendmail -i root"
            subprocess.run(["unshare", "--mount", "sh", "-c", cover], input=b"Subject: x\n\n" + body, check=True,
                           env=self.environment | {"POSTHORN_SPOOL": "", "POSTHORN_SOCKET": str(elsewhere / "submission.sock")})
            self.assertTrue(fake.messages == [(b"Subject: x\n\n" + body).replace(b"\n", b"\r\n")])   # (a diff would take minutes)


class HostileInput(Alone):
    def test_what_is_refused(self):
        """SM-21, SM-24, SM-25, SM-26; nothing is queued, one line says why."""
        line = b"X: " + b"y" * 996 + b"\n"
        for arguments, stdin, status, words in (
                (["-t"], b"", 65, "no message"),
                (["-t"], b"Subject: x\n\n", 65, "no recipients"),
                (["-t"], b"To: not an address\n\n", 65, "no address"),
                (["root"], b"Subject: x\rBcc: a@b\n\nx", 65, "CR without LF"),
                (["root"], b"Subject: x\0y\n\nx", 65, "NUL"),
                (["root"], line * 1100, 65, "header is longer"),
                (["-f", "a@b\r\nRCPT TO:<c@d>", "root"], MESSAGE, 65, "control character"),
                (["a@b\nc@d"], MESSAGE, 65, "control character"),
                (["a b c"], MESSAGE, 65, "no address"),
                ([], MESSAGE, 64, "no recipients"),
                (["-Z"], MESSAGE, 64, "-Z"),
                (["-bd"], MESSAGE, 64, "posthorn serve")):
            self.assertIn(words, self.sendmail(*arguments, stdin=stdin, status=status).stderr, arguments)
        self.assert_nothing_left()

    def test_endless_input_ends_at_the_limit(self):
        """SM-25: it neither reads nor keeps more than the limit."""
        process = subprocess.Popen(["sh", "-c", f"yes 0123456789 | {machine.sendmail()} root"], env=self.environment | {"POSTHORN_SIZE_LIMIT": "3000000"},
                                   stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 69)
        self.assertIn(b"longer than 3000000 octets", said)
        self.assert_nothing_left()

    def test_a_nul_in_the_body_stays(self):
        self.sendmail("root", stdin=b"Subject: x\n\na\0b\n")
        self.assertEqual(record(self.spooled()[0])[1], b"Subject: x\r\n\r\na\0b\r\n")

    def test_a_name_of_several_lines_becomes_one(self):
        """SM-4: what a web form put into -F adds no field; the daemon would put such a record aside, and nobody would hear of it."""
        for arguments, environment in ((["-F", "x\r\nBcc: y@dest.test"], {}), ([], {"NAME": "x\r\nBcc: y@dest.test"})):
            self.sendmail(*arguments, "root", **environment)
            [path] = self.spooled()
            self.assertIn(b"name: x+20+20Bcc:+20y@dest.test\n", path.read_bytes())
            path.unlink()

    def test_bad_surroundings_are_told(self):
        self.assertIn("POSTHORN_HOST", self.sendmail("root", status=78, POSTHORN_HOST="mta:x").stderr)


class Daemons(Alone):
    def test_one_round_trip(self):
        fake = self.daemon()
        self.sendmail("-F", "Anna B", "-t", "-i", "root")
        name = re.search(r" XHANDOFF=(\S+)", fake.commands[1])[1]
        self.assertRegex(name, r"^[0-9a-f]{16}\.\d+\.[0-9a-f]{16}$")
        self.assertRegex(fake.commands[1], r"^MAIL FROM:<> SIZE=\d+ XFROM=default XCALLER=pid\+3D\d+;cwd\+3D\S+;cmd\+3D\S+ XHANDOFF=\S+ XNAME=Anna\+20B$")
        self.assertEqual(fake.commands[2:4], ["RCPT TO:<root>", "RCPT TO:<you@dest.test>"])
        self.assertEqual(fake.messages, [MESSAGE.replace(b"\n", b"\r\n")])
        self.assert_nothing_left()

    def test_lost_before_the_answer_is_spooled_under_the_same_name(self):
        """The message may be stored; the name tells the daemon that it is the same one (src/mail/handoff.hpp)."""
        fake = self.daemon(end=None)
        self.sendmail("root")
        self.assertEqual(len(fake.messages), 1)
        [path] = self.spooled()
        self.assertEqual(re.search(r" XHANDOFF=(\S+)", fake.commands[1])[1], path.name)

    def test_no_answer_for_ten_seconds(self):
        """SM-38: then the spool, and exit 0."""
        fake = self.daemon(end="nothing")
        self.sendmail("root")
        self.assertEqual(re.search(r" XHANDOFF=(\S+)", fake.commands[1])[1], self.spooled()[0].name)

    def test_a_daemon_that_breaks_off_or_puts_off(self):
        """SM-28: whatever it is, the spool has it, once, and the exit code is 0."""
        for number, how in enumerate(({"greeting": None}, {"greeting": "421 4.3.2 too many connections"}, {"greeting": "HTTP/1.1 400 Bad Request"},
                                      {"mail": None}, {"mail": "452 4.3.1 disk full"}, {"rcpt": "451 4.3.0 later"}, {"end": "452 4.3.1 disk full"}), 1):
            fake = self.daemon(**how)
            self.sendmail("root")
            self.assertEqual(len(self.spooled()), number, how)
            fake.stop()

    def test_refusals(self):
        """SM-30: by the kind of refusal; nothing in the spool, where it would be hidden."""
        for how, status, words in (({"mail": "550 5.7.13 suspended"}, 77, "550 5.7.13 suspended"), ({"mail": "450 4.7.1 too many"}, 69, "too many"),
                                   ({"rcpt": "550 5.1.1 no such user"}, 67, "root: 550 5.1.1 no such user"), ({"end": "554 5.6.0 bad"}, 65, "5.6.0 bad"),
                                   ({"end": "552 5.3.4 too big"}, 69, "too big"), ({"keywords": ("SIZE 10", "CHUNKING", "PIPELINING")}, 69, "10 are allowed")):
            fake = self.daemon(**how)
            self.assertIn(words, self.sendmail("root", status=status).stderr)
            fake.stop()
        self.assert_nothing_left()

    def test_a_stranger_with_data(self):
        """Any mail server on a TCP host will do: dots are stuffed, local names and sender made whole."""
        fake = self.daemon(keywords=("8BITMIME",))
        self.sendmail("-i", "root", stdin=b"From: me@example.test\n\n.\n..x\ny\n")
        self.assertEqual(fake.commands[1:4], ["MAIL FROM:<me@example.test>", "RCPT TO:<root@localhost>", "DATA"])
        self.assertEqual(fake.messages, [b"From: me@example.test\r\n\r\n..\r\n...x\r\ny\r\n"])

    def test_large_messages(self):
        """What does not fit into memory, by BDAT and by DATA."""
        body = b"".join(b".%d %s\n" % (number, b"y" * 60) for number in range(40000))
        for keywords in (("PIPELINING", "CHUNKING"), ()):
            fake = self.daemon(keywords=keywords)
            self.sendmail("-i", "root", stdin=b"From: me@example.test\n\n" + body)
            expected = (b"From: me@example.test\n\n" + body).replace(b"\n", b"\r\n")
            self.assertTrue((fake.messages[0] if keywords else fake.messages[0].replace(b"\n..", b"\n.")) == expected)
            fake.stop()

    def test_the_dialogue_of_bs_spools(self):
        """SM-7: Symfony's default works while the daemon is down."""
        run = self.sendmail("-bs", stdin=b"EHLO x\nMAIL FROM:<a@example.test>\nRCPT TO:<b@dest.test>\nDATA\nTo: b@dest.test\n\nx\n.\nQUIT\n")
        self.assertEqual([line[:3] for line in run.stdout.split(b"\r\n") if line[3:4] == b" "], [b"220", b"250", b"250", b"250", b"354", b"250", b"221"])
        lines, message = record(self.spooled()[0])
        self.assertIn("sender: <a@example.test>", lines)
        self.assertEqual(message, b"To: b@dest.test\r\n\r\nx\r\n")
        shutil.rmtree(self.spool)
        run = self.sendmail("-bs", stdin=b"EHLO x\nMAIL FROM:<a@example.test>\nRCPT TO:<b@dest.test>\nDATA\nTo: b@dest.test\n\nx\n.\nQUIT\n")
        self.assertIn(b"\r\n451 4.3.0 the message was NOT sent", run.stdout)

    def test_mailq_and_flush_without_a_daemon(self):
        """SM-6: it says that the daemon is down and what waits for it."""
        self.sendmail("root")
        run = self.sendmail("-bp", status=69, stdin=b"")
        self.assertIn("the daemon is not running", run.stderr)
        self.assertIn("1 message waits for it", run.stderr)
        self.assertIn(self.spooled()[0].name.encode(), run.stdout)
        self.sendmail("-q", status=69, stdin=b"")
        if ROOT:
            self.assertIn("whose list only root may see", self.sendmail("-bp", status=69, stdin=b"", prefix=NOBODY).stderr)
        shutil.rmtree(self.spool)   # nothing waits where nothing can be left
        self.assertIn("No such file or directory, so mail is refused until it runs", self.sendmail("-bp", status=69, stdin=b"").stderr)
        self.assertIn("no spool is set", self.sendmail("-bp", status=69, stdin=b"", POSTHORN_SPOOL="").stderr)

    def test_newaliases(self):
        """SM-8, Debian Policy 11.6: it is there and ends with 0."""
        aliases = self.directory / "aliases"
        aliases.write_text("root: admin@dest.test\nlist: |/bin/x\n")
        run = self.sendmail("-bi", stdin=b"", POSTHORN_ALIASES=str(aliases))
        self.assertEqual(run.stdout.decode(), f"{aliases}: 2 aliases\n")
        self.assertIn(f"{aliases}:2: ", run.stderr)
        self.sendmail("-bi", stdin=b"", POSTHORN_ALIASES="/nonexistent")
        self.sendmail(program=str(pathlib.Path(machine.sendmail()).parent / "newaliases"), stdin=b"", POSTHORN_ALIASES=str(aliases))


class Static(Alone):
    def test_no_dynamic_section(self):
        """No loader, no shared libraries: readelf(1) finds none of their traces."""
        said = subprocess.run(["readelf", "-d", "-l", machine.sendmail()], stdout=subprocess.PIPE, check=True, text=True).stdout
        self.assertIn("no dynamic section", said)
        self.assertNotIn("INTERP", said)
        self.assertLess(os.stat(machine.sendmail()).st_size, 2_000_000)
        self.assertNotIn(b"SQLite format", pathlib.Path(machine.sendmail()).read_bytes())   # SM-35: the queue's file is the daemon's

    @unittest.skipUnless(machine.possible(), "needs a setuid program")
    def test_setuid_it_listens_to_nobody(self):
        """SM-36: a caller's variables would make it read files that are not his."""
        secret = self.directory / "secret"
        secret.write_text("secret words\n")
        secret.chmod(0o600)
        program = self.directory / "newaliases"
        shutil.copy(machine.sendmail(), program)
        own = self.sendmail(stdin=b"", program=program, POSTHORN_ALIASES=str(secret))
        self.assertIn("secret words", own.stderr)
        if os.statvfs(program).f_flag & os.ST_NOSUID:
            self.skipTest("no setuid programs here")
        for mode in (0o4755, 0o2755):
            program.chmod(mode)
            others = self.sendmail(stdin=b"", program=program, prefix=NOBODY, POSTHORN_ALIASES=str(secret))
            self.assertNotIn(str(secret), others.stderr + others.stdout.decode())

    @unittest.skipUnless(machine.possible(), "needs a root directory of its own")
    def test_in_an_empty_root(self):
        """An image that holds nothing but the program: it reaches the daemon through a mounted directory, and the spool."""
        fake = self.daemon()
        root = self.directory / "root"
        for part in ("run", "spool"):
            (root / part).mkdir(parents=True)
        shutil.copy(machine.sendmail(), root / "sendmail")
        script = (f"mount --bind {self.directory} {root}/run && mount --bind {self.spool} {root}/spool && "
                  f"exec chroot {root} /sendmail -t -i -f me@example.test")
        where = {"POSTHORN_SOCKET": "/run/submission.sock", "POSTHORN_SPOOL": "/spool"}
        subprocess.run(["unshare", "--mount", "sh", "-c", script], input=MESSAGE, env=self.environment | where, check=True)
        self.assertEqual(len(fake.messages), 1)
        fake.stop()
        subprocess.run(["unshare", "--mount", "sh", "-c", script], input=MESSAGE, env=self.environment | where, check=True)
        self.assertEqual(record(self.spooled()[0])[1], MESSAGE.replace(b"\n", b"\r\n"))


if __name__ == "__main__":
    world.main()
