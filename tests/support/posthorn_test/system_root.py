"""Debian 12 in a directory, made once, and throw-away copies of it in namespaces of their own: the ground of tests/system."""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
ENTER = pathlib.Path(__file__).with_name("enter_root.py")
SUITE = "bookworm"
FRESH_SECONDS = 7 * 24 * 3600   # after that the mirror may have dropped what the tree's package lists name
SKIPPED = 77                    # CTest's SKIP_RETURN_CODE
_held = []                      # locks of the trees this process uses


def skip(reason):
    """Ends the whole script as skipped, with one line of reason; call it before the tests begin. Within a test raise unittest.SkipTest."""
    print(f"skipped: {reason}", flush=True)
    sys.exit(SKIPPED)


def main():
    """unittest's main; a script whose tests were all skipped is skipped itself, by the first reason."""
    print(f"# {pathlib.Path(sys.argv[0]).name}")
    ran = unittest.main(verbosity=2, module="__main__", exit=False).result
    if ran.wasSuccessful() and ran.skipped and len(ran.skipped) >= ran.testsRun:
        skip(ran.skipped[0][1])
    sys.exit(not ran.wasSuccessful())


@functools.cache
def why_impossible():
    """Why this process cannot have roots of its own, or None: it must be root, with the right to make namespaces and mounts."""
    if os.geteuid() != 0:
        return "needs root (namespaces and mounts)"
    attempt = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--uts", "--net", "--propagation", "private",
                              "mount", "-t", "tmpfs", "posthorn", "/tmp"], stderr=subprocess.PIPE, text=True, check=False)
    return None if attempt.returncode == 0 else f"this machine allows no namespaces: {attempt.stderr.strip().splitlines()[-1]}"


def need_roots():
    """Skips the script where roots are not possible."""
    if reason := why_impossible():
        skip(reason)


def cache():
    """Where trees and downloaded packages are kept between runs."""
    place = pathlib.Path(os.environ.get("POSTHORN_SYSTEM_CACHE") or SOURCE / "build" / "system")
    place.mkdir(parents=True, exist_ok=True)
    return place


@contextlib.contextmanager
def locked(name):
    """One at a time, among all processes that use the cache."""
    with open(cache() / f".{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def archives():
    """Downloaded packages (.deb); bind it to /var/cache/apt/archives while holding locked("archives")."""
    place = cache() / "archives"
    place.mkdir(exist_ok=True)
    return place


def _sources():
    """Where this machine has Debian 12 from: the lines of a sources.list, the main mirror's first."""
    shown = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Identifier: Packages", "Component: main"],
                           stdout=subprocess.PIPE, text=True, check=False).stdout.split("\n")
    found = dict.fromkeys(line for line in shown if line.split(" ")[-1] in (SUITE, f"{SUITE}-updates", f"{SUITE}-security"))
    return sorted((f"deb {line} main" for line in found), key=lambda line: not line.endswith(f" {SUITE} main"))


def _apt_settings():
    """How this machine reaches its mirrors (proxy, timeouts, validity of snapshots), as lines of an apt.conf."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=True).stdout
    wanted = [line for line in dump.splitlines() if line.startswith("Acquire::") and "::IndexTargets" not in line and "::Changelogs" not in line
              and "::cdrom" not in line and "::CompressionTypes" not in line and "::GzipIndexes" not in line]
    return "\n".join(wanted + ['Binary::apt::APT::Keep-Downloaded-Packages "true";', ""])


def _say(*text):
    print("#", *text, file=sys.stderr, flush=True)


def _make_base(place):
    sources = _sources()
    if not sources:
        raise unittest.SkipTest("apt knows no Debian 12 mirror on this machine")
    if not shutil.which("debootstrap"):
        raise unittest.SkipTest("debootstrap is not installed")
    mirror = sources[0].split(" ")[1]
    _say(f"making a Debian 12 root by debootstrap, once: {place}")
    kept = archives()
    with locked("archives"):
        # In namespaces of its own: if it is killed, nothing stays mounted or running.
        made = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
                               "debootstrap", "--variant=minbase", f"--cache-dir={kept}",
                               *(["--include=ca-certificates"] if mirror.startswith("https") else []), SUITE, str(place), mirror],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode != 0:
        raise unittest.SkipTest(f"debootstrap failed (no network?): {' '.join(made.stdout.split()[-30:])}")
    for package in (place / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    (place / "etc/apt/sources.list").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (place / "etc/apt/apt.conf.d/10machine").write_text(_apt_settings(), encoding="utf-8")
    _in_place(place, ["apt-get", "update", "-qq"])


def _in_place(place, argv):
    """Runs a program in the tree itself; while it is made nobody else uses it."""
    script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    ran = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", script, str(place), *argv],
                         env=surroundings(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} in {place}: {ran.stdout[-2000:]}")


def _make_with(place, packages):
    base = debian_root()
    _say(f"adding {' '.join(packages)}: {place}")
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(place)], check=True)
    with Overlay(base) as scratch:   # downloads what is not there yet
        scratch.download(*packages)
    inside = place / "var/cache/apt/archives"
    with locked("archives"):
        script = f'mount --bind {archives()} {inside} && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
        ran = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", script, str(place),
                              "apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-unsafe-io", *packages],
                             env=surroundings(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"apt-get install {' '.join(packages)}: {ran.stdout[-2000:]}")


def debian_root(packages=()):
    """The path of a Debian 12 tree: minbase, and these packages. Made when it is asked for first, then kept; nobody writes to it.

    Any number of processes may ask at once. Raises unittest.SkipTest (one line of reason) where there is no way to make it.
    """
    if reason := why_impossible():
        raise unittest.SkipTest(reason)
    packages = sorted(set(packages))
    name = "base" if not packages else "with-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    return kept_tree(name, lambda place: _make_with(place, packages) if packages else _make_base(place), " ".join(packages))


def kept_tree(name, make, what):
    """The path of the tree of that name, which `make(path)` makes when it is asked for first; `what`: what its stamp says."""
    place = cache() / name
    stamp = cache() / f"{name}.complete"   # beside it: the tree itself is as Debian makes it
    lock = open(cache() / f".{name}.lock", "w", encoding="utf-8")   # shared while this process lives: nobody replaces what it uses

    def usable():
        return stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_SECONDS

    fcntl.flock(lock, fcntl.LOCK_SH)
    if not usable():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if stamp.exists() else 0))
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)   # old, but in use: it will do
        else:
            if not usable():
                stamp.unlink(missing_ok=True)
                shutil.rmtree(place, ignore_errors=True)
                try:
                    make(place)
                except BaseException:
                    shutil.rmtree(place, ignore_errors=True)
                    lock.close()
                    raise
                stamp.write_text(what + "\n", encoding="utf-8")
            fcntl.flock(lock, fcntl.LOCK_SH)
    _held.append(lock)
    return place


def drop_trees(prefix, what, keep):
    """Removes trees of kept_tree() that were made for the same purpose before, unless somebody uses them."""
    for stamp in cache().glob(prefix + "*.complete"):
        name = stamp.name.removesuffix(".complete")
        if name == keep or stamp.read_text(encoding="utf-8") != what + "\n":
            continue
        with open(cache() / f".{name}.lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            stamp.unlink(missing_ok=True)
            shutil.rmtree(cache() / name, ignore_errors=True)


def surroundings():
    """The environment of what runs in a root: nothing of ours but the way to the network."""
    kept = {k: v for k, v in os.environ.items() if k.lower() in ("http_proxy", "https_proxy", "no_proxy", "ftp_proxy")}
    return kept | {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                   "DEBIAN_FRONTEND": "noninteractive"}


class Overlay:
    """A throw-away machine over `root` (None: an empty one): what is written goes to memory and ends with it.

    It has mount, PID and UTS namespaces of its own. `network`: "host", "loopback" (its own, with nothing else), "none", or another
    Overlay, whose network it shares. It ends with `with`, with stop(), and at the latest with the process that made it: everything that
    runs in it is killed, and its mounts are gone with its namespaces.
    """

    def __init__(self, root, network="host", hostname="web1.localdomain", size="75%"):
        shared = isinstance(network, Overlay)
        how = {"lower": str(root) if root else None, "size": size, "hostname": hostname, "network": "host" if shared else network,
               "network_of": network.pid if shared else None}
        self._started = []
        self._process = subprocess.Popen(["/usr/bin/python3", "-I", str(ENTER), "hold", json.dumps(how)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        words = self._process.stdout.readline().split()
        if len(words) != 2:
            why = self._process.stderr.read().decode("utf-8", "replace")
            self.stop()
            raise RuntimeError("no root: " + why)
        self.pid = int(words[1])   # of its first process, as seen from here
        if (self.path("/etc")).is_dir():
            self.write("/etc/hostname", hostname + "\n")
            self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {hostname} {hostname.split('.')[0]}\n::1 localhost\n")
            if network == "host" and pathlib.Path("/etc/resolv.conf").exists():
                self.write("/etc/resolv.conf", pathlib.Path("/etc/resolv.conf").read_text(encoding="utf-8"))

    def path(self, inside):
        """A file of this root as this process sees it. Do not use it across absolute symlinks: they would lead into our own root."""
        return pathlib.Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def write(self, inside, content, mode=0o644):
        place = self.path(inside)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def command(self, argv, *, user=None, read_only=False, binds=(), tmpfs=(), network=None, env=None, directory="/",
                drop_capabilities=False, no_new_privileges=False, own_pids=False):
        """The command line that does what run() and start() say; for those who want their own Popen (a pty)."""
        plain = []
        for bind in binds:   # (source of ours, target) or (source, target, "ro")
            source, target = (str(part) for part in bind[:2])
            plain.append((source, target, len(bind) > 2 and bind[2] == "ro"))
        scratch = [(t, "mode=1777") if isinstance(t, str) else (t[0], t[1]) for t in tmpfs]   # a path, or (path, "uid=1,mode=700")
        how = {"argv": [str(a) for a in argv], "user": user, "read_only": read_only, "binds": plain, "tmpfs": scratch, "network": network,
               "env": surroundings() | {k: str(v) for k, v in (env or {}).items()}, "directory": directory, "own_pids": own_pids,
               "drop_capabilities": drop_capabilities, "no_new_privileges": no_new_privileges, "holder": self.pid}
        if isinstance(network, Overlay):   # that root's
            how |= {"network": None, "network_of": network.pid}
        return ["/usr/bin/python3", "-I", str(ENTER), "run", json.dumps(how)]

    def start(self, argv, *, stdin=subprocess.DEVNULL, stdout=None, stderr=None, **how):
        """A program that goes on: a Popen. It ends with the overlay. Signals sent to the Popen reach the program, and so does its end.

        `user`: a name of the root's, an uid, or "uid:gid". `read_only`: / is (binds and tmpfs are not). `binds`: files or directories of
        ours, (source, target[, "ro"]). `own_pids`: it is process 1 of a PID namespace, with all that means for signals.
        """
        process = subprocess.Popen(self.command(argv, **how), stdin=stdin, stdout=stdout, stderr=stderr)
        self._started.append(process)
        return process

    def run(self, argv, *, input="", status=0, timeout=120, **how):
        """Runs it to its end: a CompletedProcess with text; an end with another status than `status` (None: any) is an AssertionError."""
        ran = subprocess.run(self.command(argv, **how), input=input.encode() if isinstance(input, str) else input, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=timeout, check=False)
        ran.stdout, ran.stderr = (x.decode("utf-8", "replace") for x in (ran.stdout, ran.stderr))
        if status is not None and ran.returncode != status:
            raise AssertionError(f"{' '.join(map(str, argv))[:200]} ended with {ran.returncode}, not {status}: {ran.stdout[-3000:]}{ran.stderr[-3000:]}")
        return ran

    def download(self, *packages):
        """Fetches packages, and what they need, into archives()."""
        with locked("archives"):
            self.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--download-only", *packages], timeout=600,
                     binds=[(archives(), "/var/cache/apt/archives")])

    def install(self, *packages):
        """apt-get install; what was downloaded once is not downloaded again. Names of packages, or paths (inside) of .deb files."""
        self.download(*packages)
        # Without apt's locks: others may download into the directory meanwhile, and nobody takes anything out of it.
        return self.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Debug::NoLocking=1",
                         "-o", "Dpkg::Options::=--force-unsafe-io", *packages], timeout=600, binds=[(archives(), "/var/cache/apt/archives")])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._process.stdin.close()
        self._process.wait(30)
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()
        for process in self._started:   # the kernel has killed them
            process.wait(30)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
