#!/usr/bin/env python3
"""The ground the tests of this folder stand on: a root of Debian 12 is what it says, keeps its changes to itself, and ends with its test."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from posthorn_test import system_root
from posthorn_test.system_root import Overlay, debian_root

SLEEPER = """
import subprocess, sys
from posthorn_test.system_root import Overlay
root = Overlay(None if sys.argv[1] == "empty" else sys.argv[1])
sleeper = root.start(["sh", "-c", "echo up; exec sleep 1000"], stdout=subprocess.PIPE)
sleeper.stdout.readline()
print(root.pid, flush=True)
sys.stdin.read()
"""


def gone(pid, timeout=20.0):
    deadline = time.monotonic() + timeout
    while pathlib.Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class GroundTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.debian = debian_root()

    def setUp(self):
        self.root = Overlay(self.debian)
        self.addCleanup(self.root.stop)

    def test_what_is_written_stays_in_the_copy(self):
        self.root.run(["sh", "-c", "echo mine >/etc/mine; rm /bin/ls"])
        self.assertTrue(self.root.path("/etc/mine").exists())
        self.assertFalse((self.debian / "etc/mine").exists())
        self.assertTrue((self.debian / "bin/ls").exists())
        with Overlay(self.debian) as other:
            self.assertEqual(other.run(["ls", "/etc/mine"], status=2).stdout, "")

    def test_it_sees_its_own_processes_and_its_own_tree_alone(self):
        here = pathlib.Path(__file__)
        self.assertEqual(self.root.run(["ls", here], status=2).stdout, "")
        self.assertIn("12.", self.root.run(["cat", "/etc/debian_version"]).stdout)
        seen = {name for name in self.root.run(["ls", "/proc"]).stdout.split() if name.isdigit()}
        self.assertEqual(len(seen), 2, "its first process and ls")
        self.assertEqual(self.root.run(["hostname"]).stdout, "web1.localdomain\n")

    def test_rights(self):
        status = self.root.run(["cat", "/proc/self/status"], user="www-data", drop_capabilities=True, no_new_privileges=True).stdout
        self.assertRegex(status, r"Uid:\t33\t33\t33\t33\n")
        self.assertRegex(status, r"Gid:\t33\t33\t33\t33\n")
        self.assertRegex(status, r"CapEff:\t0+\n")
        self.assertRegex(status, r"CapBnd:\t0+\n")
        self.assertRegex(status, r"NoNewPrivs:\t1\n")
        self.assertEqual(self.root.run(["id", "-u"], user="65532:65532").stdout, "65532\n")
        self.assertRegex(self.root.run(["cat", "/proc/self/status"], drop_capabilities=True).stdout, r"CapEff:\t0+\n")

    def test_a_read_only_root_has_its_volumes(self):
        with tempfile.TemporaryDirectory() as scratch:
            read_only = pathlib.Path(scratch, "given")
            read_only.write_text("given")
            script = "touch /volume/kept; touch /run/new; touch /etc/new; cat /given; echo more >>/given"
            ran = self.root.run(["sh", "-c", script], read_only=True, binds=[(scratch, "/volume"), (read_only, "/given", "ro")],
                                tmpfs=["/run"], status=2)
            self.assertTrue(pathlib.Path(scratch, "kept").exists())
            self.assertEqual(read_only.read_text(), "given")
        self.assertEqual(ran.stdout, "given")
        self.assertEqual(ran.stderr.count("Read-only file system"), 2, ran.stderr)
        self.root.run(["touch", "/etc/new"])   # of that program alone

    def test_networks(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            knock = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]}"]
            self.root.run(knock)
            for network in ("loopback", "none"):
                self.root.run(knock, network=network, status=1)
            with Overlay(self.debian, network="loopback") as alone, Overlay(self.debian, network=alone) as beside:
                alone.run(knock, status=1)
                spaces = [r.run(["readlink", "/proc/self/ns/net"]).stdout for r in (self.root, alone, beside)]
                self.assertEqual(spaces[1], spaces[2])
                self.assertNotEqual(spaces[0], spaces[1])

    def test_ends_and_signals_are_the_programs_own(self):
        self.root.run(["sh", "-c", "exit 78"], status=78)
        self.root.run(["no-such-program"], status=127)
        asked = self.root.start(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"], stdout=subprocess.PIPE)
        self.assertEqual(asked.stdout.readline(), b"up\n")
        asked.terminate()
        self.assertEqual(asked.wait(20), 7)
        killed = self.root.start(["sh", "-c", "echo up; kill -KILL $$"], stdout=subprocess.PIPE)
        self.assertEqual(killed.wait(20), -signal.SIGKILL)
        first = self.root.start(["sh", "-c", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, own_pids=True)
        self.assertEqual(first.stdout.readline(), b"1\n")
        first.terminate()   # process 1 is asked in vain unless it handles the signal
        with self.assertRaises(subprocess.TimeoutExpired):
            first.wait(0.3)
        first.kill()
        self.assertEqual(first.wait(20), -signal.SIGKILL)

    def test_an_empty_root_holds_what_is_put_there(self):
        with Overlay(None) as empty:
            self.assertEqual(sorted(p.name for p in empty.path("/").iterdir()), ["dev", "proc", "tmp"])
            empty.run(["/bin/sh"], status=127)

    def test_all_of_it_ends_with_the_test(self):
        inside = ["/usr/bin/python3", "-c", SLEEPER, str(self.debian)]
        test = subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        self.addCleanup(test.stdout.close)
        self.addCleanup(test.stdin.close)
        pid = int(test.stdout.readline())
        test.kill()
        test.wait()
        self.assertTrue(gone(pid))
        self.assertNotIn(str(self.debian), pathlib.Path("/proc/self/mountinfo").read_text())

    def test_packages(self):
        with Overlay(debian_root(["netbase"])) as with_it:
            self.assertIn("smtp", with_it.run(["cat", "/etc/services"]).stdout)
        self.assertFalse((self.debian / "etc/services").exists())
        self.root.install("netbase")   # as downloaded
        self.assertIn("smtp", self.root.run(["cat", "/etc/services"]).stdout)


if __name__ == "__main__":
    system_root.need_roots()
    system_root.main()
