"""A machine of its own for a test, as far as its programs can see: name, users, /etc, /run, /var/spool and /usr/sbin/sendmail."""

import os
import pathlib
import pwd
import shlex
import subprocess
import tempfile
import time

from .daemon import program

# Runs in new mount and UTS namespaces; nothing of it is seen outside, and it ends with them. The machine's own /usr/sbin/sendmail
# (Postfix's) is only covered: mailq, newaliases and /usr/lib/sendmail are symlinks to it.
SET_UP = """
{in_memory}
cp -a /etc {scratch}/etc
mkdir -p {scratch}/spool/cron {scratch}/spool/mail
chmod 1777 {scratch}/spool/mail
[ ! -d /var/spool/cron ] || cp -a /var/spool/cron {scratch}/spool/
find {scratch}/spool/cron -type f ! -name .SEQ -delete
cp {passwd} {scratch}/etc/passwd
cp {group} {scratch}/etc/group
cp {shadow} {scratch}/etc/shadow
find {scratch}/etc/cron* -type f -delete
rm -f {scratch}/etc/aliases {scratch}/etc/mailname {scratch}/etc/aliases.db
mount --bind {scratch}/etc /etc
mount --bind {scratch}/spool /var/spool
mount -t tmpfs -o mode=755 machine /run
hostname {hostname}
{homes}
{sendmail}
echo ready
exec cat
"""


def sendmail():
    """The sendmail program to test: $POSTHORN_SENDMAIL, or the one built beside posthorn."""
    named = os.environ.get("POSTHORN_SENDMAIL")
    return named or str(pathlib.Path(program()).parent / "sendmail")


def possible():
    """Whether this process may make such machines: root, with the right to mount."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "--uts", "true"], stderr=subprocess.DEVNULL).returncode == 0


class Machine:
    """`with Machine("kusanagi71.localdomain", users={"httpd": 10048}) as m: m.run(["php", ...], user="httpd")`.

    Shares the network, /tmp and all programs with the machine it runs on. Users get a home below /run/home; root's is there, too.
    It ends, at the latest, with the process that made it. Its files are in memory, or, for measuring, in `directory`; `package` is a
    package's tree (dpkg -x) whose /usr is laid over this one's in place of our sendmail.
    """

    def __init__(self, hostname="web1.localdomain", users=None, directory=None, package=None):
        self.hostname = hostname
        self.users = {"root": 0} | (users or {})
        self._scratch = pathlib.Path(tempfile.mkdtemp(prefix="machine-"))
        passwd = pathlib.Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
        passwd = [line for line in passwd if line.split(":")[0] not in self.users]
        homes = []
        for name, uid in self.users.items():
            gecos = f"{name.capitalize()} Blume,,,"
            passwd.append(f"{name}:x:{uid}:{uid}:{gecos}:/run/home/{name}:/bin/sh")
            homes += [f"mkdir -p -m 755 /run/home/{name}", f"chown {uid}:{uid} /run/home/{name}"]
        group = pathlib.Path("/etc/group").read_text(encoding="utf-8").splitlines()
        group += [f"{name}:x:{uid}:" for name, uid in self.users.items() if uid]
        shadow = [f"{line.split(':')[0]}:*:19000:0:99999:7:::" for line in passwd]   # PAM asks there whether an account is expired
        (self._scratch / "shadow.new").write_text("\n".join(shadow) + "\n", encoding="utf-8")
        (self._scratch / "passwd.new").write_text("\n".join(passwd) + "\n", encoding="utf-8")
        (self._scratch / "group.new").write_text("\n".join(group) + "\n", encoding="utf-8")
        root = pathlib.Path(directory or self._scratch / "root")
        root.mkdir(exist_ok=True)
        script = SET_UP.format(scratch=root, passwd=self._scratch / "passwd.new", group=self._scratch / "group.new",
                               shadow=self._scratch / "shadow.new", hostname=hostname,
                               homes="\n".join(homes),
                               in_memory="" if directory else f"mount -t tmpfs -o mode=755 machine {root}",
                               sendmail=f"mount -t overlay -o lowerdir={package}/usr:/usr machine /usr" if package else
                               f"mount --bind {shlex.quote(sendmail())} /usr/sbin/sendmail")
        self._started = []
        self.process = subprocess.Popen(["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-e", "-c", script],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.process.stdout.readline() != b"ready\n":
            why = self.process.stderr.read().decode()
            self.stop()
            raise RuntimeError("no machine: " + why)

    # What makes a command one of this machine's.
    @property
    def prefix(self):
        return ["nsenter", "--target", str(self.process.pid), "--mount", "--uts", "--root", "--wd", "--"]

    def _command(self, arguments, user):
        as_user = []
        if user != "root":
            uid = self.users[user] if user in self.users else pwd.getpwnam(user).pw_uid
            gid = uid if user in self.users else pwd.getpwnam(user).pw_gid
            as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]
        return self.prefix + as_user + [str(a) for a in arguments]

    def home(self, user):
        return f"/run/home/{user}" if user in self.users else pwd.getpwnam(user).pw_dir

    def _surroundings(self, user, environment):
        kept = {k: os.environ[k] for k in ("TSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ}
        return kept | {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "USER": user,
                       "LOGNAME": user, "HOME": self.home(user), "SHELL": "/bin/sh"} | environment

    def start(self, arguments, user="root", **how):
        """A program that goes on; it is ended with the machine."""
        environment = how.pop("environment", {})
        process = subprocess.Popen(self._command(arguments, user), env=self._surroundings(user, environment), **how)
        self._started.append(process)
        return process

    def run(self, arguments, user="root", stdin=b"", status=0, timeout=60, directory="/", **environment):
        """Runs it to its end and returns what it was (stdout and stderr as text); another status than that is an AssertionError."""
        text = stdin.encode() if isinstance(stdin, str) else stdin
        run = subprocess.run(self._command(["env", "-C", directory, *arguments], user), input=text, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=timeout, env=self._surroundings(user, environment))
        run.stdout, run.stderr = (x.decode("utf-8", "replace") for x in (run.stdout, run.stderr))
        if status is not None and run.returncode != status:
            raise AssertionError(f"{arguments[:6]} ended with {run.returncode}, not {status}: {run.stdout[-2000:]}{run.stderr[-2000:]}")
        return run

    def wait_for(self, *test, timeout=60.0):
        """Waits until a command of this machine succeeds."""
        deadline = time.monotonic() + timeout
        while (run := self.run(test, status=None)).returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{' '.join(test)} did not succeed within {timeout} s: {run.stderr[-500:]}")
            time.sleep(0.02)

    def write(self, path, text, mode=0o644, owner="root"):
        """A file of this machine."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1" && chown "$3" "$1"'
        self.run(["sh", "-c", script, "sh", path, f"{mode:o}", f"{owner}:"], stdin=text)

    def read(self, path):
        return self.run(["cat", path]).stdout

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        for process in self._started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()
        for path in ("passwd.new", "group.new", "shadow.new"):
            (self._scratch / path).unlink(missing_ok=True)
        if (self._scratch / "root").exists():
            (self._scratch / "root").rmdir()   # the mounts went with the namespace
        self._scratch.rmdir()
