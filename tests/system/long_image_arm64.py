"""The image for arm64, by the Dockerfile's steps with TARGETARCH=arm64, and its program run by qemu. Takes a quarter of an hour: `ctest -C long`."""

import os
import pathlib
import shutil
import unittest

from posthorn_test import dockerfile
from posthorn_test.system_root import debian_root, main, need_roots

SOURCE = pathlib.Path(__file__).resolve().parents[2]
QEMU = shutil.which("qemu-aarch64-static")
ENVIRONMENT = {"POSTHORN_HOSTNAME": "mail.example.com", "POSTHORN_DOMAINS": "example.com", "POSTHORN_LOCAL_USERS_TO": "you@example.net",
               "POSTHORN_STATE_DIRECTORY": "/tmp/state", "POSTHORN_LISTENERS": "none", "POSTHORN_ADMIN_SOCKET": "/tmp/state/admin.sock"}


@unittest.skipUnless(QEMU, "needs qemu-aarch64-static")
class Arm64(unittest.TestCase):
    def test_it_is_built_and_runs(self):
        with dockerfile.Build(SOURCE / "docker" / "Dockerfile", SOURCE, bases={"debian:12-slim": debian_root}, target_architecture="arm64") as build:
            for seconds, line, what in build.log:
                print(f"# {seconds:6.1f} s  line {line}: {what}", flush=True)
            root = build.image.root
            for program in ("posthorn", "sendmail"):
                head = root.path(f"/usr/sbin/{program}").read_bytes()[:20]
                self.assertEqual((head[:4], head[18:20]), (b"\x7fELF", b"\xb7\x00"), f"{program} is for AArch64 (EM_AARCH64 is 183)")

            def posthorn(*words, status=0):
                return root.run(["/qemu", "/usr/sbin/posthorn", *words], binds=[(QEMU, "/qemu", "ro")], tmpfs=["/tmp"], status=status,
                                env=build.image.config.env | ENVIRONMENT, timeout=120)

            self.assertIn("posthorn ", posthorn("--version").stdout)
            self.assertIn("state_directory", posthorn("check-config", "--show").stdout)
            made = posthorn("dkim", "genkey", "--domain", "example.com", "--directory", "/tmp/keys")
            self.assertIn("v=DKIM1", made.stdout, "OpenSSL works there, and the key's record is told")


need_roots()
main()
