"""The sandbox: what the running daemon may do is asked of the kernel, tried from inside, and mail goes all the same (docs/SANDBOX.md)."""

import ctypes
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile
import unittest

from posthorn_test import certs, machine, world
from posthorn_test.smtp import Client
from posthorn_test.daemon import READY, loopback_address, program

STRANGER = 64123   # a user id that is nobody's
ROOT = os.geteuid() == 0
KEPT_BY_ROOT = "000000000000001b"   # CHOWN, DAC_OVERRIDE, FOWNER, FSETID
NOTHING = "0" * 16
CALLS = {"ptrace": 117, "unshare": 97} if platform.machine() == "aarch64" else {"ptrace": 101, "unshare": 272}

# Run by the daemon as its alarm command: what a program that a taken-over daemon starts could do. One line of JSON for each attempt.
INTRUDER = """#!/usr/bin/python3
import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what, act):
    try:
        act()
        answer = "done"
    except OSError as error:
        answer = errno.errorcode[error.errno]
    tried[what] = answer
def call(number, *arguments):
    def act():
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "")
    return act
tried = {}
attempt("read the secret", lambda: open(%(secret)r).read())
attempt("write beside it", lambda: open(%(secret)r + "-too", "w").close())
attempt("write in /tmp", lambda: open("/tmp/posthorn-was-here-%(pid)d", "w").close())
attempt("change the configuration's neighbour", lambda: open("/etc/passwd", "a").close())
attempt("signal the test", lambda: os.kill(%(pid)d, 0))
attempt("listen on a port", lambda: socket.create_server((%(address)r, 40125)).close())
attempt("ptrace", call(%(ptrace)d, 9999, 0, 0, 0))
attempt("unshare", call(%(unshare)d, 1))
attempt("become root", lambda: os.setresuid(0, 0, 0))
attempt("write where it may", lambda: open(%(allowed)r, "w").close())
with open(%(report)r + ".new", "w") as out:
    json.dump(tried, out)
os.rename(%(report)r + ".new", %(report)r)
"""

# A machine without Landlock and without seccomp, as far as its programs can see: both calls answer as a kernel that does not have them.
WITHOUT = """
import ctypes, os, sys
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(library.seccomp_init(0x7fff0000))
for name, refused in (("landlock_create_ruleset", 38), ("seccomp", 38)):
    assert library.seccomp_rule_add(filter, 0x00050000 | refused, library.seccomp_syscall_resolve_name(name.encode()), 0) == 0
PR_SET_SECCOMP = 22
number = library.seccomp_syscall_resolve_name(b"prctl")
class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
for option in (21, PR_SET_SECCOMP):
    which = (Comparison * 1)(Comparison(0, 4, option, 0))
    assert library.seccomp_rule_add_array(filter, 0x00050000 | 22, number, 1, which) == 0
assert library.seccomp_load(filter) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def status_of(process):
    """The kernel's lines about each thread of a process."""
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


def landlock_version():
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)


@unittest.skipUnless(landlock_version() >= 2, "this kernel has no Landlock of version 2 or later")
class Sandbox(world.WorldTest):
    def begin(self, owner=None, start=True, **changes):
        """A world whose daemon's directory belongs to `owner`; started by root, the daemon becomes him."""
        self.w = world.World(changes=changes)
        self.d = self.w.daemon
        self.addCleanup(self.end)
        if owner is not None:
            for path in [self.d.directory, *self.d.directory.rglob("*")]:
                os.chown(path, owner, owner)
        if start:
            self.d.start()
        return self.d

    def end(self):
        failed = any(test is self for test, _ in self._outcome.result.errors + self._outcome.result.failures)
        self.w.__exit__(AssertionError if failed else None, None, None)

    def checked(self, expected=0):
        run = self.d.command("sandbox", "check", "--json", check=False)
        self.assertEqual(run.returncode, expected, run.stdout + run.stderr)
        return json.loads(run.stdout)

    def deliver(self, recipient="bob@dest.test", **how):
        self.d.send(recipient, **how)
        self.w.sink.wait_for_message(recipient)

    def directory(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        os.chmod(temporary.name, 0o755)
        return pathlib.Path(temporary.name)

    def skip_without_seccomp(self):
        if self.checked()["no_seccomp"]:
            self.skipTest("no system call filter here: " + self.checked()["no_seccomp"])

    # --- what is in force -------------------------------------------------------------------------------------------------

    def test_what_the_daemon_makes_is_its_own_alone(self):
        """Whatever the umask of who starts it: databases 0600; sockets and the directories that lead to them as others need them."""
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        d = self.begin()
        self.deliver()
        mode = lambda path: path.stat().st_mode & 0o7777
        files = {path.name: oct(mode(path)) for path in (d.directory / "queue").rglob("*") if path.is_file()}
        self.assertIn("queue.sqlite-wal", files)
        self.assertEqual({name for name, bits in files.items() if bits != "0o600"}, set(), files)
        sockets = [path for path in d.directory.rglob("*") if path.is_socket()]
        self.assertTrue(sockets)
        for path in sockets:
            self.assertEqual((mode(path), mode(path.parent) & 0o055), (0o666, mode(d.directory) & 0o055 if path.parent == d.directory else 0o055), path)

    def test_everything_that_is_tried_is_refused(self):
        self.begin()
        told = self.checked()
        self.assertGreaterEqual(told["landlock"], 2, told["no_landlock"])
        guards = {trial["guard"] for trial in told["trials"]}
        self.assertLessEqual({"landlock", "capabilities", "no_new_privs", "nobody"}, guards)
        self.assertTrue(all(trial["as_wanted"] for trial in told["trials"]), told["trials"])
        text = self.d.command("sandbox", "check").stdout
        self.assertRegex(text, r"refused +make a file in /tmp +Permission denied \(landlock\)")
        readable = re.search(r"may read +(.*)", self.d.command("sandbox", "check", "--verbose").stdout)[1].split()
        self.assertIn("/root" if ROOT else "/etc", readable)
        self.assertFalse({"/dev", "/var/backups"} & set(readable), "the homes that Debian gives to sys and backup, which are not theirs")
        self.assertRegex(text, rf"works +make a file in {self.d.directory} +done \(needed\)")
        if not told["no_seccomp"]:
            self.assertRegex(text, r"refused +watch another process \(ptrace\) +Function not implemented \(seccomp\)")
            self.assertRegex(text, r"refused +start a program \(execve\) +Function not implemented \(seccomp\)")

    def test_the_kernel_says_so_of_every_thread(self):
        self.begin()
        self.deliver()
        filtered = not self.checked()["no_seccomp"]
        threads = list(status_of(self.d.pid))
        self.assertGreater(len(threads), 4)
        for thread in threads:
            if not filtered and thread["CapEff"] != (KEPT_BY_ROOT if ROOT else NOTHING):
                continue   # a sanitizer's own thread, older than the daemon
            self.assertEqual(thread["NoNewPrivs"], "1", thread)
            self.assertEqual(thread["Seccomp"], "2" if filtered else "0", thread)
            self.assertEqual(thread["CapEff"], KEPT_BY_ROOT if ROOT else NOTHING, thread)
            self.assertEqual(thread["CapPrm"], thread["CapEff"], thread)
            self.assertEqual(thread["CapAmb"], NOTHING, thread)

    # --- privileges ---------------------------------------------------------------------------------------------------------

    @unittest.skipUnless(ROOT, "only root can become another user")
    def test_root_becomes_the_owner_of_the_state_directory(self):
        low = loopback_address()
        run = self.directory() / "run"
        self.begin(owner=STRANGER, start=False, admin={"socket": str(run / "admin.sock")}, tls={"certificate_file": "", "key_file": "", "self_signed": True})
        self.d.tables["listener"].append({"address": f"{low}:25", "tls": "starttls", "auth": "required"})
        self.d.write_config()
        self.d.start()
        for thread in status_of(self.d.pid):
            self.assertEqual(thread["Uid"].split(), [str(STRANGER)] * 4)
            self.assertEqual(thread["Gid"].split(), [str(STRANGER)] * 4)
            self.assertEqual(thread["Groups"].split(), [str(STRANGER)])
            if thread["NoNewPrivs"] == "1":
                self.assertEqual({thread[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {NOTHING}, thread)
        self.assertEqual(self.d.log("runs_as_root"), [])
        # Its port below 1024 was opened before, the socket's directory made, the certificate is its own; and mail goes.
        self.assertTrue(self.checked()["trials"])
        self.assertEqual(os.stat(run).st_uid, STRANGER)
        self.assertEqual(os.stat(self.d.directory / "tls-self-signed.pem").st_uid, STRANGER)
        client = Client((low, 25), 30.0)
        client.expect(220)
        client.close()
        self.deliver()
        self.d.reload()
        self.d.wait_for_log(r"\breloaded\b")
        self.d.stop()
        self.assertFalse((run / "admin.sock").exists())
        self.d.start()
        self.deliver("carol@dest.test")

    @unittest.skipUnless(ROOT, "only root can become another user")
    def test_the_user_can_be_named(self):
        self.begin(owner=65534, sandbox={"user": "nobody"})
        self.assertEqual(self.checked()["user"], "nobody")
        self.deliver()

    @unittest.skipUnless(ROOT, "only root can start a daemon as another user")
    def test_systemd_starts_it_as_its_user_with_one_capability(self):
        low = loopback_address()
        d = self.begin(owner=STRANGER, start=False)
        d.tables["listener"].append({"address": f"{low}:25", "tls": "none", "auth": "none"})
        d.write_config()
        # Others need not be able to reach where it was built.
        there = self.directory() / "posthorn"
        there.write_bytes(pathlib.Path(program()).read_bytes())
        there.chmod(0o755)
        process = subprocess.Popen(["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups", "--inh-caps", "-all,+net_bind_service",
                                    "--ambient-caps", "-all,+net_bind_service", "--bounding-set", "-all,+net_bind_service", str(there), "serve", "--config",
                                    str(d.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        said = []
        for line in process.stdout:
            said.append(line)
            if READY.search(line):
                break
        self.assertTrue(any(f"{low}:25" in line for line in said), said)
        for thread in status_of(process.pid):
            if thread["NoNewPrivs"] == "1":
                self.assertEqual({thread[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {NOTHING}, thread)

    @unittest.skipUnless(ROOT, "only root reads what others cannot")
    def test_files_that_only_root_reads_are_told(self):
        d = self.begin(owner=STRANGER, start=False)
        os.chown(d.tables["tls"]["key_file"], 0, 0)
        os.chmod(d.tables["tls"]["key_file"], 0o600)
        d.start()
        line, = d.wait_for_log("sandbox_file_closed")
        self.assertIn(d.tables["tls"]["key_file"], line)
        with d.client("submissions") as client:   # read before
            client.quit()

    def test_users_that_cannot_be(self):
        d = self.begin(start=False, sandbox={"user": "there-is-no-such-user"})
        run = subprocess.run([program(), "serve", "--config", str(d.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertIn('sandbox.user is "there-is-no-such-user", and this machine has no such user', run.stdout)

    @unittest.skipUnless(ROOT, "only root can become another user")
    def test_a_state_directory_of_somebody_else(self):
        d = self.begin(start=False, sandbox={"user": "nobody"})
        run = subprocess.run([program(), "serve", "--config", str(d.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(run.returncode, 73, run.stdout)
        self.assertIn(f"chown -R nobody: {d.directory}", run.stdout)

    # --- programs that it starts ----------------------------------------------------------------------------------------------

    def test_its_programs_are_in_the_sandbox_too(self):
        outside, allowed = self.directory(), self.directory()
        secret, report = outside / "secret", allowed / "report"
        secret.write_text("s")
        script = allowed / "intruder"
        script.write_text(INTRUDER % {"secret": str(secret), "pid": os.getpid(), "allowed": str(allowed / "file"), "report": str(report),
                                      "address": loopback_address(), **CALLS})
        script.chmod(0o755)
        d = self.begin(alarm={"command": [str(script)], "interval": "200ms"}, sandbox={"write_paths": [str(allowed)]})
        d.command("alarms", "test")
        tried = json.loads(report.read_text())
        filtered = not self.checked()["no_seccomp"]
        kernel = landlock_version()
        self.assertEqual(tried.pop("write where it may"), "done")
        for what in ("read the secret", "write beside it", "write in /tmp", "change the configuration's neighbour"):
            self.assertEqual(tried.pop(what), "EACCES", what)
        self.assertEqual(tried.pop("signal the test"), "EPERM" if kernel >= 6 else "done")
        self.assertEqual(tried.pop("listen on a port"), "EACCES" if kernel >= 4 else "done")
        if filtered:
            self.assertEqual(set(tried.values()), {"ENOSYS"}, tried)
        self.assertFalse(pathlib.Path(f"/tmp/posthorn-was-here-{os.getpid()}").exists())
        # The daemon itself, too: it may start programs, and nothing else more.
        self.assertTrue(all(trial["as_wanted"] for trial in self.checked()["trials"]))

    # --- settings -----------------------------------------------------------------------------------------------------------

    def test_switched_off(self):
        d = self.begin(sandbox={"landlock": "off", "seccomp": "off"})
        self.assertRegex(d.log(r"\bsandbox\b")[0], 'landlock="no: switched off in the configuration"')
        for thread in status_of(d.pid):
            self.assertEqual(thread["Seccomp"], "0")
        text = d.command("sandbox", "check").stdout
        self.assertEqual(text.count("NOT CONFINED: switched off in the configuration"), 2, text)
        self.deliver()

    def test_a_reload_beyond_it_is_told_and_a_restart_grants_it(self):
        d = self.begin()
        elsewhere = self.directory()
        certificate, key = certs.self_signed(elsewhere, "mail.example.test", ("127.0.0.1", d.address))
        d.tables["tls"] = {"certificate_file": str(certificate), "key_file": str(key)}
        d.write_config()
        d.reload()
        line, = d.wait_for_log("reload_failed")
        self.assertIn(f"does not allow reading {elsewhere}; restart the daemon", line)
        d.tables["alarm"] = {"command": ["/bin/true"]}
        d.write_config()
        d.reload()
        line = d.wait_for_log("reload_failed", 2)[1]
        self.assertIn("running programs in", line)
        if not self.checked()["no_seccomp"]:
            self.assertIn("alarm.command", line)
        self.deliver()   # the old configuration stays
        d.stop()
        d.start()
        self.assertIn(str(elsewhere), self.checked()["read"])
        d.reload()
        d.wait_for_log(r"\breloaded\b")

    def test_a_reload_says_that_the_sandbox_itself_is_made_at_the_start(self):
        d = self.begin()
        d.tables["sandbox"] = {**d.tables.get("sandbox", {}), "system_calls": ["keyctl"]}
        d.write_config()
        for _ in range(2):   # each time, until it is restarted
            d.command("reload")
        d.wait_for_log(r"setting=sandbox .*needs a restart", 2)

    @unittest.skipUnless(machine.possible(), "a machine of its own takes root and the right to mount")
    def test_what_comes_to_the_machine_later_is_no_matter_of_a_reload(self):
        """A name service that is installed, a user who lives elsewhere: no setting names them, and each reload failed until a restart."""
        m = machine.Machine()
        self.addCleanup(m.stop)
        self.w = world.World(machine=m)
        self.d = self.w.daemon
        self.addCleanup(self.end)
        self.d.start()
        m.run(["mkdir", "/run/nscd", "/run/blog"])
        m.run(["sh", "-c", "echo blog:x:10050:10050::/run/blog:/bin/sh >>/etc/passwd"])
        self.d.command("reload")
        self.deliver()

    def test_a_path_for_later_can_be_granted_ahead(self):
        elsewhere = self.directory()
        d = self.begin(sandbox={"read_paths": [str(elsewhere)]})
        certificate, key = certs.self_signed(elsewhere, "mail.example.test", ("127.0.0.1", d.address))
        d.tables["tls"] = {"certificate_file": str(certificate), "key_file": str(key)}
        d.write_config()
        d.reload()
        d.wait_for_log(r"\breloaded\b")

    def test_a_system_call_that_is_none(self):
        d = self.begin(start=False, sandbox={"system_calls": ["open_the_door"]})
        run = subprocess.run([program(), "serve", "--config", str(d.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertIn('sandbox.system_calls names "open_the_door", which is no system call', run.stdout)

    def test_a_system_call_can_be_added(self):
        self.begin(sandbox={"system_calls": ["keyctl"]})
        self.skip_without_seccomp_of(1)
        allowed = [trial["what"] for trial in self.checked(1)["trials"] if not trial["as_wanted"]]
        self.assertEqual(allowed, ["use the kernel's keys (keyctl)"])

    def skip_without_seccomp_of(self, code):
        run = self.d.command("sandbox", "check", "--json", check=False)
        if json.loads(run.stdout)["no_seccomp"]:
            self.skipTest("no system call filter here")
        self.assertEqual(run.returncode, code)
        self.assertIn("something was allowed", run.stderr)

    # --- kernels that cannot --------------------------------------------------------------------------------------------------

    def test_a_kernel_without_either(self):
        """auto: the daemon serves and says so; required: it does not start."""
        d = self.begin(start=False)
        d.prefix = ["/usr/bin/python3", "-c", WITHOUT]
        d.start()
        line, = d.wait_for_log(r"^sandbox |\bsandbox user=")
        self.assertIn("the kernel has no Landlock", line)
        self.deliver()
        run = d.command("sandbox", "check")
        self.assertEqual(run.stdout.count("NOT CONFINED"), 2, run.stdout)
        d.stop()
        for part in ("landlock", "seccomp"):
            d.tables["sandbox"] = {part: "required"}
            d.write_config()
            run = subprocess.run([*d.prefix, program(), "serve", "--config", str(d.config_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, timeout=60)
            self.assertEqual(run.returncode, 71, run.stdout)
            self.assertIn(f'sandbox.{part} is "required", but cannot be had', run.stdout)


if __name__ == "__main__":
    world.main()
