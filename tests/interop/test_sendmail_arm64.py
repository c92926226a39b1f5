"""The sendmail program for arm64: cross built, static, and run by qemu: it hands over to a socket and leaves mail in a spool."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from posthorn_test import world
from posthorn_test.fake_daemon import FakeDaemon

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MESSAGE = b"From: me@example.test\nTo: you@dest.test\nSubject: x\n\nHello\n"
TOOLS = ("aarch64-linux-gnu-g++", "qemu-aarch64-static", "cmake", "ninja")


@unittest.skipUnless(all(shutil.which(tool) for tool in TOOLS), "needs " + ", ".join(TOOLS))
class Arm64(unittest.TestCase):
    def test_cross_built(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="sendmail-arm64-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        build = directory / "build"
        for command in (["cmake", "--preset", "sendmail-arm64", "-B", str(build)], ["cmake", "--build", str(build), "-j2"]):
            run = subprocess.run(command, cwd=SOURCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(run.returncode, 0, run.stdout[-3000:])
        said = subprocess.run(["readelf", "-h", "-d", "-l", build / "sendmail"], stdout=subprocess.PIPE, check=True, text=True).stdout
        self.assertIn("AArch64", said)
        self.assertIn("no dynamic section", said)
        self.assertNotIn("INTERP", said)
        for name in ("mailq", "newaliases"):
            self.assertEqual(os.readlink(build / name), "sendmail")

        for part in ("tmp", "new"):
            (directory / "spool" / part).mkdir(parents=True)
        environment = {"POSTHORN_SOCKET": str(directory / "submission.sock"), "POSTHORN_SPOOL": str(directory / "spool"), "PATH": os.environ["PATH"]}
        command = ["qemu-aarch64-static", str(build / "sendmail"), "-t", "-i"]
        fake = FakeDaemon(environment["POSTHORN_SOCKET"])
        self.addCleanup(fake.stop)
        subprocess.run(command, input=MESSAGE, env=environment, check=True)
        self.assertEqual(fake.messages, [MESSAGE.replace(b"\n", b"\r\n")])
        fake.stop()
        subprocess.run(command, input=MESSAGE, env=environment, check=True)
        [path] = (directory / "spool" / "new").iterdir()
        self.assertIn(MESSAGE.replace(b"\n", b"\r\n"), path.read_bytes())
        # Host names are looked up without a name service, which a static program has not.
        run = subprocess.run(command, input=MESSAGE, env=environment | {"POSTHORN_HOST": "localhost:1", "POSTHORN_SPOOL": ""}, stderr=subprocess.PIPE)
        self.assertEqual(run.returncode, 73, run.stderr)
        self.assertIn(b"localhost:1: ", run.stderr)


if __name__ == "__main__":
    world.main()
