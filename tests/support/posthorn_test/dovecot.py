"""A real Dovecot of a test's own: its auth service alone, with a passwd file and a socket in a temporary directory."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Dovecot:
    """`with Dovecot({"alice": "{PLAIN}correct horse"}) as dovecot: ... dovecot.socket`. Values are what a passwd file has after the name."""

    def __init__(self, users, mechanisms="plain login scram-sha-256 cram-md5 anonymous"):
        # Short: a unix socket's path has at most 107 octets, and Dovecot's own sockets lie below.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.socket = str(self.directory / "run" / "posthorn-auth")
        self.log_file = self.directory / "log"
        self.process = None
        (self.directory / "users").write_text("".join(f"{n}:{v}\n" for n, v in users.items()))
        (self.directory / "users").chmod(0o644)
        me = os.environ.get("USER") or "root"
        (self.directory / "dovecot.conf").write_text(f"""
base_dir = {self.directory}/run
state_dir = {self.directory}/state
log_path = {self.log_file}
protocols =
ssl = no
default_internal_user = {me}
default_login_user = {me}
default_internal_group = {me}
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_username_chars =
auth_anonymous_username = anonymous
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {self.directory}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  unix_listener posthorn-auth {{
    mode = 0666
  }}
}}
""")

    def __enter__(self):
        return self.start()

    def __exit__(self, failure, *_):
        self.stop()
        if failure is not None and self.log_file.exists():
            print("--- Dovecot's log:\n" + self.log_file.read_text(errors="replace")[-4000:])
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, timeout=30.0):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.directory / "dovecot.conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
                raise RuntimeError(f"Dovecot does not start: {self.process.stderr.read().decode()} {log}")
            time.sleep(0.01)
        return self

    def _answers(self):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(5)
                s.connect(self.socket)
                return s.recv(16).startswith(b"VERSION")
        except OSError:
            return False

    def children(self):
        """The pids of its processes: auth, anvil, stats."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], stdout=subprocess.PIPE, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def stop(self):
        """All of it: left alone, its auth process would serve those who are connected for another 30 seconds."""
        if self.process and self.process.poll() is None:
            children = self.children()
            self.process.terminate()
            self.process.wait(20)
            for pid in children:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if self.process and self.process.stderr:
            self.process.stderr.close()
