"""A person at a terminal: a program on a pseudo-terminal of 80 columns, its screen as text, keys pressed when the prompt is there."""

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time


class Person:
    """`with Person(["posthorn", "setup"], env=...) as p: p.answer("Name of this server", "mail.example.com")`."""

    def __init__(self, arguments, env=None, columns=80):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.screen = ""
        self._seen = 0   # what was answered already
        self.process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self, timeout):
        """False: nothing came, or nothing ever will."""
        if self.master is None or not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            piece = os.read(self.master, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""
        self.screen += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(piece)

    def wait_for(self, pattern, timeout=60.0):
        """Reads until the part of the screen that is new since the last answer matches."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.screen[self._seen:])):
            if time.monotonic() > deadline or (not self._read(1.0) and self.process.poll() is not None):
                while self._read(0.1):
                    pass
                if found := re.search(pattern, self.screen[self._seen:]):
                    break
                raise AssertionError(f"the screen did not show {pattern!r} but:\n{self.screen}")
        self._seen += found.end()
        return found

    def type(self, text):
        os.write(self.master, text.encode())

    def answer(self, prompt, text):
        self.wait_for(prompt + r"[^\n]*: $")
        self.type(text + "\n")

    def interrupt(self):
        self.type("\x03")

    def echoes(self):
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def hang_up(self):
        """The window is closed, or the line is cut."""
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def end(self, timeout=120.0):
        """Reads to the end of the program; its exit code (negative: the signal that ended it)."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.2)
        while self._read(0.1):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 0.1))

    def end_by(self, number, timeout=30.0):
        self.process.send_signal(getattr(signal, number))
        return self.end(timeout)
