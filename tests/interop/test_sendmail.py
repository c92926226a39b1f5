"""The sendmail program with the real daemon: what callers hand in arrives, once, from somebody who passes; the ways in; hostile and large input.

Field for field what PHP, cron and mailers make of it is in test_php_mail.py and its neighbours; here it is the program itself.
"""

import concurrent.futures
import os
import shutil
import socket
import subprocess
import threading
import time

from posthorn_test import machine, world

MESSAGE = b"From: Alice <alice@example.test>\nTo: you@dest.test\nSubject: x\n\nHello\n"
UNBOUND = {"messages_per_hour": 0, "recipients_per_hour": 0}   # of [local]


class LosesTheAnswer(threading.Thread):
    """A unix socket before the daemon's that passes everything on but the answer to the message's end."""

    def __init__(self, path, daemon_path):
        super().__init__(daemon=True)
        self.daemon_path, self.lost = daemon_path, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(5)
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as daemon:
                daemon.connect(self.daemon_path)
                self.serve(client, daemon)

    def serve(self, client, daemon):
        pump = threading.Thread(target=self.pump, args=(client, daemon), daemon=True)
        pump.start()
        for line in daemon.makefile("rb"):
            if b"queued" in line:
                self.lost.append(line)
                client.shutdown(socket.SHUT_RDWR)
                break
            client.sendall(line)
        pump.join(10)

    @staticmethod
    def pump(client, daemon):
        try:
            while octets := client.recv(65536):
                daemon.sendall(octets)
        except OSError:
            pass

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


class Sendmail(world.WorldTest):
    def begin(self, changes=None, **how):
        self.w = self.world(changes={"local": dict(UNBOUND)} | (changes or {}), **how)
        self.d = self.w.daemon
        self.program = machine.sendmail()
        self.spool = self.d.directory / "handed-over"
        for part in ("tmp", "new"):
            (self.spool / part).mkdir(parents=True, exist_ok=True)
        self.environment = {"POSTHORN_SOCKET": self.d.unix_socket, "POSTHORN_SPOOL": str(self.spool), "PATH": os.environ["PATH"],
                            "POSTHORN_ADMIN": str(self.d.directory / "admin.sock")}

    def sendmail(self, *arguments, stdin=MESSAGE, status=0, prefix=(), timeout=120, **environment):
        run = subprocess.run([*prefix, self.program, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=self.environment | environment, timeout=timeout)
        run.stdout, run.stderr = run.stdout.decode(), run.stderr.decode()
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1 if status else 0, run.stderr)
        return run

    def let_it_pick_up(self):
        """From its next start on."""
        for part in (self.spool, self.spool / "tmp", self.spool / "new"):
            part.chmod(0o3733)
        self.d.tables["local"]["spool"] = str(self.spool)
        self.d.write_config()

    def spooled(self):
        return list((self.spool / "new").iterdir())

    def arrived(self, recipient):
        message = self.w.sink.wait_for_message(recipient)
        self.assertEqual(len(self.w.sink.to(recipient)), 1)
        return message

    def test_recipients_and_bcc(self):
        """SM-1, SM-2, SM-21: from header and command line, each once; Bcc for nobody to see; mixed line ends; a dot alone."""
        self.begin()
        self.sendmail("-t", "-i", "argument@dest.test,you@dest.test",
                      stdin=b"From: alice@example.test\r\nTo: You <you@dest.test>\r\nBcc: secret@dest.test\nSubject: x\n\nline\r\r\n.\nafter\n")
        for recipient in ("argument@dest.test", "you@dest.test", "secret@dest.test"):
            message = self.arrived(recipient)
            self.assertNotIn("secret", message.header)
            self.assertTrue(message.data.endswith(b"\r\n\r\nline\r\n.\r\nafter\r\n"), message.data)
        self.assertEqual(self.spooled(), [])

    def test_senders(self):
        """SM-3: -f, -r, the null sender, and none."""
        self.begin()
        self.sendmail("-f", "bounce@example.test", "f@dest.test")
        self.assertEqual(self.arrived("f@dest.test").sender, "bounce@example.test")
        self.sendmail("-rbounce@example.test", "r@dest.test")
        self.assertEqual(self.arrived("r@dest.test").sender, "bounce@example.test")
        self.sendmail("-f", "<>", "null@dest.test")
        self.assertEqual(self.arrived("null@dest.test").sender, "")
        self.sendmail("none@dest.test")
        self.assertEqual(self.arrived("none@dest.test").sender, "alice@example.test")

    def test_what_is_missing_is_made(self):
        """SM-4, SM-22, SM-23: a text without a header becomes mail; -F names its author."""
        self.begin()
        self.sendmail("-F", "Night Watch", "text@dest.test", stdin=b"\nall is well\n")
        message = self.arrived("text@dest.test")
        self.assertIn("Night Watch", message.fields("From")[0])
        for name in ("From", "Date", "Message-ID"):
            self.assertEqual(len(message.fields(name)), 1, message.header)
        self.assertTrue(message.data.endswith(b"\r\n\r\nall is well\r\n"))

    def test_the_dialogue(self):
        """SM-7: as Symfony speaks it, and what is refused is refused with the daemon's words."""
        self.begin()
        script = "EHLO x\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<bs@dest.test>\r\nDATA\r\nFrom: alice@example.test\r\n\r\n..\r\n.\r\nQUIT\r\n"
        run = self.sendmail("-bs", stdin=script.encode())
        self.assertRegex(run.stdout, r"\r\n250 2\.0\.0 .*queued.*\r\n221 ")
        self.assertTrue(self.arrived("bs@dest.test").data.endswith(b"\r\n\r\n.\r\n"))
        run = self.sendmail("-bs", stdin=script.replace("bs@dest.test>", "good@dest.test>\r\nRCPT TO:<a@b@c>").encode())
        self.assertIn("\r\n501 ", run.stdout)
        self.arrived("good@dest.test")

    def test_refused_recipients(self):
        """SM-30: the others get it, the line says who does not, and the exit code is not 0."""
        self.begin()
        run = self.sendmail("good@dest.test", "bad@dest..test", status=65)
        self.assertIn("bad@dest..test", run.stderr)
        self.assertIn("; the other one gets it", run.stderr)
        self.arrived("good@dest.test")
        self.assertIn("NOT", self.sendmail("-t", stdin=b"From: alice@example.test\nTo: a b c\n\nx\n", status=65).stderr)
        self.assertEqual(self.spooled(), [])

    def test_too_big(self):
        """SM-25: refused in one line, before it is sent; nothing in the spool."""
        self.begin(changes={"submission": {"limits": {"max_message_size": "1MiB"}}})
        run = self.sendmail("big@dest.test", stdin=MESSAGE + b"0123456789abcdef\n" * 70000, status=69)
        self.assertIn("1048576", run.stderr)
        self.assertEqual(self.spooled(), [])
        self.assertEqual(self.d.queue_ids(), [])

    def test_25_megabytes(self):
        self.begin()
        body = b"".join(b"%07d %s\n" % (n, b"x" * 62) for n in range(25 * 1024 * 1024 // 71))
        self.sendmail("-i", "large@dest.test", stdin=MESSAGE + body)
        message = self.w.sink.wait_for_message("large@dest.test", timeout=120)
        self.assertTrue(message.data.endswith(body.replace(b"\n", b"\r\n")))
        self.assertEqual(self.spooled(), [])

    def test_a_hundred_at_once(self):
        """All arrive once, whether by the socket or, where it was too busy, by the spool."""
        self.begin()
        with concurrent.futures.ThreadPoolExecutor(100) as callers:
            for done in [callers.submit(self.sendmail, "-i", f"caller{n}@dest.test") for n in range(100)]:
                done.result()
        self.assertEqual(self.spooled(), [])
        self.w.sink.wait_for_messages(100)
        for n in range(100):
            self.assertEqual(len(self.w.sink.to(f"caller{n}@dest.test")), 1, n)

    def test_hostile_input_to_the_daemon(self):
        """What the program lets pass the daemon judges: exit code and line say it, nothing is left behind."""
        self.begin()
        wide = b"From: alice@example.test\nSubject: " + b"x" * 900_000 + b"\n\nx\n"
        run = self.expect_either(wide, "wide@dest.test")
        self.assertLessEqual(run.stderr.count("\n"), 1)
        self.expect_either(MESSAGE + b"a\0b\n", "nul@dest.test")
        self.assertEqual(self.spooled(), [])
        self.sendmail("still@dest.test")
        self.arrived("still@dest.test")

    def expect_either(self, stdin, recipient):
        """0 and it arrives, or a refusal and it does not."""
        run = subprocess.run([machine.sendmail(), "-i", recipient], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, timeout=60)
        run.stderr = run.stderr.decode()
        self.assertIn(run.returncode, (0, 65, 69), run.stderr)
        if run.returncode == 0:
            self.arrived(recipient)
        else:
            self.assertIn("refused", run.stderr)
        return run

    def test_tcp(self):
        """SM-37: a container without the socket, by POSTHORN_HOST."""
        self.begin()
        address, port = self.d.endpoint()
        self.sendmail("-t", "-i", POSTHORN_SOCKET="", POSTHORN_HOST=f"{address}:{port}")
        message = self.arrived("you@dest.test")
        self.assertEqual(message.sender, "alice@example.test")

    def test_a_container_that_has_only_tcp(self):
        """SM-37: what it kept while the daemon was away goes with the next message, once, and no daemon looks into its spool."""
        self.begin()
        address, port = self.d.endpoint()
        where = {"POSTHORN_SOCKET": "", "POSTHORN_HOST": f"{address}:{port}"}
        self.d.stop()
        for number in range(3):
            self.sendmail("-i", f"kept{number}@dest.test", **where)
        self.sendmail("-i", "fresh@dest.test", **where)
        self.sendmail("-i", "bad@dest..test", **where)
        *kept, fresh, bad = sorted(self.spooled(), key=lambda path: path.name)   # by age
        for path in (*kept, bad):
            os.utime(path, (time.time() - 600,) * 2)
        self.d.start()
        with concurrent.futures.ThreadPoolExecutor(4) as callers:   # at once: each file is one program's
            runs = [callers.submit(subprocess.run, [machine.sendmail(), f"next{n}@dest.test"], input=MESSAGE, stderr=subprocess.PIPE,
                                   env=self.environment | where) for n in range(4)]
        said = b"".join(run.result().stderr for run in runs).decode()
        self.assertEqual([run.result().returncode for run in runs], [0] * 4)
        self.assertEqual({path.name for path in self.spooled()}, {fresh.name, bad.name + "-refused"})
        self.assertEqual(said.count("refused"), 2, said)   # the word and the file's name
        for recipient in ("kept0", "kept1", "kept2", "next0", "next3"):
            self.arrived(recipient + "@dest.test")

    def test_the_operator_sees_who_called(self):
        """Attribution: uid by the kernel, the caller's command line and directory as claimed."""
        self.begin()
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] if os.geteuid() == 0 else []
        if os.geteuid() == 0:
            self.d.directory.chmod(0o755)
            self.program = shutil.copy(self.program, self.d.directory / "sendmail")   # others need not be able to reach where it was built
        self.sendmail("-i", "who@dest.test", prefix=[*prefix, "env", "-C", "/usr/share"])
        self.arrived("who@dest.test")
        [line] = self.d.wait_for_log(r"\buid=\d+.*sendmail|origin=.*uid=")[:1]
        self.assertIn(f"uid={65534 if os.geteuid() == 0 else os.getuid()}", line)

    def test_mailq_and_flush(self):
        """SM-6, SM-9."""
        self.begin()
        self.assertIn("Mail queue is empty", self.sendmail("-bp", stdin=b"").stdout)
        self.w.sink.rule("rcpt", "451 4.3.0 later", recipient="waiting")
        self.sendmail("waiting@dest.test")
        self.d.wait_for_log(r"\bdeferred\b")
        listed = self.sendmail("-bp", stdin=b"").stdout
        self.assertIn("waiting@dest.test", listed)
        self.assertIn("451 4.3.0 later", listed)
        self.w.sink.forget()
        self.sendmail("-q", stdin=b"")
        self.arrived("waiting@dest.test")

    def test_a_lost_answer_is_no_second_message(self):
        """The connection breaks between the message's end and its 250: spooled under the same name, it is known when it is picked up."""
        self.begin()
        self.d.stop()
        self.let_it_pick_up()
        self.d.start()
        between = LosesTheAnswer(str(self.d.directory / "between.sock"), self.d.unix_socket)
        self.addCleanup(between.stop)
        for number in range(3):
            self.sendmail(f"once{number}@dest.test", POSTHORN_SOCKET=str(self.d.directory / "between.sock"))
        self.assertEqual(len(between.lost), 3)
        # Behind them one that goes the spool's way alone: when it has arrived, the others were picked up as well.
        self.sendmail("last@dest.test", POSTHORN_SOCKET="")
        self.arrived("last@dest.test")
        deadline = time.monotonic() + 30
        while self.spooled() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.spooled(), [])
        self.d.wait_for_empty_queue()
        for number in range(3):
            self.assertEqual(len(self.w.sink.to(f"once{number}@dest.test")), 1)

    def test_daemon_down_then_up(self):
        """SM-28, SM-33: exit 0 while it is down, and all arrives once it is up."""
        self.begin()
        self.d.stop()
        self.let_it_pick_up()
        for number in range(5):
            self.sendmail("-i", f"down{number}@dest.test")
        self.assertEqual(len(self.spooled()), 5)
        self.d.start()
        for number in range(5):
            message = self.arrived(f"down{number}@dest.test")
            self.assertEqual(message.sender, "alice@example.test")


if __name__ == "__main__":
    world.main()
