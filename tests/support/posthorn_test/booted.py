"""A Debian that has booted: systemd as process 1 of a throw-away root, with a network of its own, to see units and packages do what they promise."""

import contextlib
import ctypes
import functools
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from . import system_root
from .system_root import Overlay, surroundings

PACKAGES = ("dbus", "systemd", "systemd-sysv")   # what a root needs to boot
CLONE_NEWNET = 0x40000000

# A cgroup of its own, so that systemd finds a tree that it may rule; the machine's settings (/proc/sys) are not its to change.
BOOT = """
set -e
mount -t tmpfs -o mode=755 run /run
mount -t sysfs -o ro sys /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
umount /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
exec unshare --cgroup sh -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /lib/systemd/systemd --show-status=false'
"""
MASKED = ("systemd-sysctl.service", "systemd-modules-load.service", "systemd-networkd-wait-online.service", "apt-daily.timer",
          "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer")


def _children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def _wait(condition, what, timeout):
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what() if callable(what) else what}")
        time.sleep(0.05)
    return result


class Machine:
    """systemd over `root` (a tree with PACKAGES); `with Machine(root) as m`. Raises unittest.SkipTest where systemd cannot start here."""

    def __init__(self, root, hostname="mail.example.test"):
        self.root = Overlay(root, network="loopback", hostname=hostname)
        self._cgroup = f"posthorn-{os.getpid()}-{self.root.pid}"
        self._log = tempfile.TemporaryFile()
        try:
            for unit in MASKED:
                self.root.path(f"/etc/systemd/system/{unit}").symlink_to("/dev/null")
            self._process = self.root.start(["sh", "-c", BOOT, "boot", self._cgroup], own_pids=True, env={"container": "posthorn"},
                                            stdout=self._log, stderr=subprocess.STDOUT)
            _wait(self._is_up, "systemd to start", 60)
        except BaseException as failure:
            self.stop()
            if isinstance(failure, AssertionError):
                raise unittest.SkipTest(f"systemd does not start in namespaces of this machine: {failure}") from failure
            raise

    def _first(self):
        """systemd's process as seen from here."""
        pid = self._process.pid
        while children := _children(pid):
            pid = children[0]
            if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "systemd\n":
                return pid
        return None

    def _is_up(self):
        if self._process.poll() is not None:
            self._log.seek(0)
            raise AssertionError(self._log.read().decode("utf-8", "replace").strip().replace("\n", "; ") or "it ended")
        with contextlib.suppress(OSError):
            self.pid = self._first()
            if self.pid is not None:
                state = self.run(["systemctl", "is-system-running"], status=None).stdout.strip()
                return state in ("running", "degraded")
        return False

    def start(self, argv, *, user=None, env=None, **how):
        """A program on that machine: a Popen."""
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"] if user else []
        return subprocess.Popen(["nsenter", "--target", str(self.pid), "--all", "--", *become, *(str(a) for a in argv)],
                                env=surroundings() | (env or {}), **how)

    def run(self, argv, *, input="", status=0, timeout=120, **how):
        """Runs a program to its end, as Overlay.run does; with user=: with the environment of a login, not ours."""
        process = self.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status is not None and process.returncode != status:
            raise AssertionError(f"{' '.join(map(str, argv))[:200]} ended with {process.returncode}, not {status}: {out[-4000:]}{err[-4000:]}")
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def shell(self, text, **how):
        return self.run(["sh", "-c", text], **how).stdout

    def show(self, unit, prop):
        """A property of a unit, as systemd has it."""
        return self.shell(f"systemctl show --value --property {prop} {unit}").strip()

    def journal(self, unit="posthorn.service"):
        return self.shell(f"journalctl --sync; journalctl --no-pager --output cat --unit {unit}")

    def wait_for_journal(self, text, unit="posthorn.service", timeout=60):
        _wait(lambda: text in self.journal(unit), lambda: f"{text!r} in the journal: {self.journal(unit)[-3000:]}", timeout)

    def wait_for(self, condition, what, timeout=60):
        return _wait(condition, what, timeout)

    @contextlib.contextmanager
    def network(self):
        """Within it this thread, and the threads it starts, use the machine's network: for servers it should meet."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as ours, open(f"/proc/{self.root.pid}/ns/net", "rb") as theirs:
            if libc.setns(theirs.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(ours.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.root.stop()   # with its first process everything in it is killed
        self._log.close()
        with contextlib.suppress(OSError):
            for top in _cgroup_trees():
                for place, _, _ in os.walk(top / self._cgroup, topdown=False):
                    _wait(functools.partial(_removed, place), f"{place} to be empty", 20)


def _cgroup_trees():
    """Where this machine has its cgroups of version 2."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if " - cgroup2 " in line:
            yield pathlib.Path(line.split()[4])


def _removed(place):
    try:
        os.rmdir(place)
    except FileNotFoundError:
        pass
    except OSError:
        return False   # its processes are not gone yet
    return True


def machine_root(packages=()):
    return system_root.debian_root([*PACKAGES, *packages])
