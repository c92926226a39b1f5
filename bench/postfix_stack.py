"""Postfix and OpenDKIM from Debian, each run by this script in a directory of its own: what Posthorn is measured beside."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MASTER_CF = """\
{listen} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


def wait_for_port(address, port, alive, timeout=30.0):
    deadline = time.monotonic() + timeout
    while True:
        try:
            with socket.create_connection((address, port), 5) as sock:
                sock.recv(1)
            return
        except OSError:
            if not alive() or time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on {address}:{port}") from None
            time.sleep(0.01)


class OpenDkim:
    """A signing OpenDKIM on a unix socket or an inet port."""

    def __init__(self, directory, domain, key_file, port=None):
        self.socket = f"inet:{port}@127.0.0.1" if port else f"local:{directory}/opendkim.sock"
        self.milter = f"inet:127.0.0.1:{port}" if port else f"unix:{directory}/opendkim.sock"
        config = pathlib.Path(directory, "opendkim.conf")
        config.write_text(f"""Mode s
Domain {domain}
Selector rsa
KeyFile {key_file}
Socket {self.socket}
Canonicalization relaxed/relaxed
OversignHeaders From
InternalHosts 127.0.0.0/8
RequireSafeKeys no
UMask 000
Syslog no
Background no
""")
        self.process = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", str(config)])
        deadline = time.monotonic() + 10
        while not self._listens(directory, port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("opendkim does not start")
            time.sleep(0.01)

    @staticmethod
    def _listens(directory, port):
        with socket.socket(socket.AF_INET if port else socket.AF_UNIX) as sock:
            return sock.connect_ex(("127.0.0.1", port) if port else f"{directory}/opendkim.sock") == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Postfix:
    """Debian's Postfix with its default settings, delivering to one address; `hold` keeps what it accepts in the queue."""

    def __init__(self, address, port, next_hop, milter=None, hold=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="postfix-bench-"))
        self.directory.chmod(0o755)
        self.address, self.port = address, port
        etc = self.directory / "etc"
        etc.mkdir()
        for name in ("queue", "data"):
            (self.directory / name).mkdir()
        shutil.chown(self.directory / "data", "postfix", "postfix")
        settings = {
            "compatibility_level": "3.6", "myhostname": "mail.example.test", "mydestination": "", "alias_maps": "",
            "alias_database": "", "local_recipient_maps": "", "local_transport": "error:none here",
            "queue_directory": self.directory / "queue", "data_directory": self.directory / "data",
            "mynetworks": "127.0.0.0/8", "inet_interfaces": address, "inet_protocols": "ipv4",
            "relayhost": "[{}]:{}".format(*next_hop), "smtp_bind_address": "", "biff": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
        }
        if hold:
            settings["defer_transports"] = "smtp"
        if milter:
            settings |= {"smtpd_milters": milter, "milter_default_action": "tempfail"}
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
        (etc / "master.cf").write_text(MASTER_CF.format(listen=f"{address}:{port}"))
        shutil.copy("/etc/postfix/dynamicmaps.cf", etc)
        self._postfix("check")
        self._postfix("start")
        self.pid = int((self.directory / "queue/pid/master.pid").read_text().split()[0])
        wait_for_port(address, port, lambda: os.path.exists(f"/proc/{self.pid}"))

    def _postfix(self, verb):
        run = subprocess.run(["/usr/sbin/postfix", "-c", str(self.directory / "etc"), verb], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=60)
        if run.returncode != 0 and verb != "check":
            raise RuntimeError(f"postfix {verb}: {run.stdout}")

    def stop(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + 20
            while os.path.exists(f"/proc/{self.pid}") and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
