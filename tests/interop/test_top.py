#!/usr/bin/env python3
"""posthorn top as a person at a terminal uses it: keys, sizes, and the terminal as it was when it ends, however it ends."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios

from posthorn_test.daemon import program
from posthorn_test.person import Person
from posthorn_test.world import WorldTest, main

FULL, BACK = "\x1b[?1049h", "\x1b[?1049l"


class TopTest(WorldTest):
    def with_mail(self):
        w = self.world()
        w.sink.rule("rcpt", "451 4.3.0 Mailbox is busy, come back later", recipient="wait")
        w.daemon.send("wait-one@dest.test")
        w.daemon.send("wait-two@dest.test")
        w.daemon.wait_for_log(r"deferred .*451 4.3.0", 2)
        return w

    def top(self, w, *options, term="xterm", **environment):
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": term} | environment
        person = Person([program(), "top", "--interval", "0.3", *options, "--config", str(w.daemon.config_file)], env=env)
        self.addCleanup(person.__exit__)
        return person

    def size(self, person, lines, columns):
        fcntl.ioctl(person.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(person.process.pid, signal.SIGWINCH)

    def as_it_was(self, person, code, end):
        self.assertEqual(end, code)
        self.assertTrue(person.screen.rstrip().endswith(BACK) or BACK in person.screen[-200:], repr(person.screen[-200:]))
        self.assertTrue(person.screen.index(FULL) < person.screen.rindex(BACK))
        self.assertIn("\x1b[?25h", person.screen)
        usual = termios.ECHO | termios.ICANON | termios.ISIG
        self.assertEqual(termios.tcgetattr(person.master)[3] & usual, usual, "echo and lines are back")

    def test_keys(self):
        w = self.with_mail()
        p = self.top(w)
        p.wait_for(r"q quit")
        p.wait_for(r"wait-(one|two)@dest\.test")
        self.assertFalse(p.echoes())
        p.type("\r")                                       # why
        p.wait_for(r"enter back")
        self.assertIn("Mailbox is busy", p.screen)
        p.type("\r")
        p.wait_for(r"q quit")
        p.type("p")
        p.wait_for(r"PAUSED")
        p.type("p")
        p.type("o")
        p.wait_for(r"by next try")
        p.type("\x1b[B")                                   # down
        w.sink.forget()
        p.type("r")
        p.wait_for(r"[0-9a-z]{13} is tried now")
        w.sink.wait_for_messages(1)
        p.type("s")
        p.wait_for(r"Hold mail of example\.test to dest\.test and its provider for an hour\? y/n")
        p.type("n")
        p.wait_for(r"nothing was changed")
        p.type("s")
        p.wait_for(r"y/n")
        p.type("y")
        p.wait_for(r"held for an hour")
        p.wait_for(r"suspended ")
        self.assertIn("dest.test", w.daemon.wait_for_output("example.test", "status"))
        p.type("q")
        self.as_it_was(p, 0, p.end(20))

    def test_sizes(self):
        w = self.with_mail()
        p = self.top(w)
        p.wait_for(r"q quit")
        for lines, columns in ((24, 80), (5, 20), (2, 1), (60, 200)):
            self.size(p, lines, columns)
            p.wait_for(r"\x1b\[H")
        p.wait_for(r"MESSAGE +AGE")
        p.type("q")
        self.as_it_was(p, 0, p.end(20))

    def test_every_end_gives_the_terminal_back(self):
        w = self.with_mail()
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
            p = self.top(w)
            p.wait_for(r"q quit")
            self.as_it_was(p, 0, p.end_by(name))
        p = self.top(w)
        p.wait_for(r"q quit")
        p.interrupt()                                      # ^C
        self.as_it_was(p, 0, p.end(20))
        p = self.top(w)
        p.wait_for(r"q quit")
        p.hang_up()                                        # the window is closed
        self.assertEqual(p.process.wait(20), 0)

    def test_a_daemon_that_goes_is_told_and_one_that_is_not_there_too(self):
        w = self.with_mail()
        p = self.top(w)
        p.wait_for(r"q quit")
        self.assertEqual(w.daemon.stop(), 0)
        p.wait_for(r"(?i)is it running|not running|cannot|no daemon")
        p.type("q")
        self.as_it_was(p, 0, p.end(20))
        p = self.top(w)
        self.assertEqual(p.end(20), 69)
        self.assertIn("posthorn: ", p.screen[p.screen.rindex(BACK):])

    def test_no_color(self):
        w = self.with_mail()
        p = self.top(w, NO_COLOR="1")
        p.wait_for(r"wait-(one|two)@dest\.test")
        p.type("q")
        self.assertEqual(p.end(20), 0)
        self.assertIsNone(re.search(r"\x1b\[[0-9;]*m", p.screen))
        self.assertRegex(p.screen, r"[0-9a-z]{13}<")

    def once_at(self, w, columns):
        """What `top --once` prints at a terminal of that width."""
        ours, theirs = os.openpty()
        with open(ours, "rb", buffering=0) as screen:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            run = subprocess.Popen([program(), "top", "--once", "--config", str(w.daemon.config_file)], stdin=subprocess.DEVNULL, stdout=theirs)
            os.close(theirs)
            text = b""
            try:
                while piece := screen.read(65536):
                    text += piece
            except OSError:                                # EIO: it has ended
                pass
        self.assertEqual(run.wait(60), 0)
        return text.decode()

    def test_once_is_for_pipes(self):
        w = self.with_mail()
        for options in (["--once"], []):
            run = subprocess.run([program(), "top", *options, "--config", str(w.daemon.config_file)], stdout=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(run.returncode, 0)
            self.assertNotIn("\x1b", run.stdout)
            self.assertIn("wait-one@dest.test", run.stdout)
            self.assertIn("Mailbox is busy", run.stdout)
        senders = re.compile(r"(?m)^MESSAGE .*FROM > TO")
        self.assertRegex(run.stdout, senders)              # a pipe has room
        for columns, shown in ((0, 80), (60, 60), (130, 130)):   # 0: a terminal that does not say how wide it is
            text = self.once_at(w, columns)
            self.assertLessEqual(max(map(len, text.splitlines())), shown)
            self.assertGreater(max(map(len, text.splitlines())), min(shown, 110) - 10, "the room is used")
            self.assertEqual(bool(senders.search(text)), shown >= 120)
        p = self.top(w, term="dumb")
        self.assertEqual(p.end(20), 0)
        self.assertNotIn("\x1b", p.screen)


if __name__ == "__main__":
    main()
