#!/usr/bin/env python3
"""piuparts installs, upgrades, removes and purges the package and looks for everything that is left behind or changed on the way."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

from posthorn_test import system_root
from posthorn_test.booted import machine_root
from posthorn_test.packages import dependencies, make_packages

# In a mount namespace of its own: whatever piuparts mounts is gone with it, also if it is killed. Of packages apt knows ours alone.
SCRIPT = """
set -e
mount -t tmpfs -o mode=755 piuparts "$1"
mkdir "$1/upper" "$1/work" "$1/root" "$1/tmp"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
echo "deb [trusted=yes] file:$3 ./" >"$1/root/etc/apt/sources.list"
rm -rf "$1/root/var/lib/apt/lists"
exec piuparts --existing-chroot="$1/root" --keep-sources-list --no-eatmydata --distribution=bookworm --bindmount="$3" --tmpdir="$1/tmp" "$4"
"""


class PiupartsTest(unittest.TestCase):
    def test_nothing_is_left(self):
        for program in ("piuparts", "dh", "dpkg-scanpackages"):
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        with tempfile.TemporaryDirectory(prefix="posthorn-piuparts-") as directory:
            packages = make_packages(directory)
            root = machine_root(dependencies(packages["0.1.0"]))
            archive = pathlib.Path(directory, "archive")   # what is upgraded from
            archive.mkdir()
            shutil.copy(packages["0.0.9"], archive)
            with open(archive / "Packages", "wb") as index:
                subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=archive, stdout=index, stderr=subprocess.DEVNULL, check=True)
            scratch = pathlib.Path(directory, "scratch")
            scratch.mkdir()
            ran = subprocess.run(["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", SCRIPT, "sh",
                                  scratch, root, archive, packages["0.1.0"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(ran.returncode, 0, ran.stdout[-6000:])
            for test in ("Installation and purging test", "Installation, upgrade and purging tests", "All tests"):
                self.assertIn(f"PASS: {test}", ran.stdout)


if __name__ == "__main__":
    system_root.need_roots()
    system_root.main()
