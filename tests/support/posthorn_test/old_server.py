"""A machine of one of the field reports (tests/import): its files in a directory of a test's own, and its Postfix and OpenDKIM, running."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import certs
from .daemon import free_port, loopback_address

REPORTS = pathlib.Path(__file__).resolve().parents[2] / "import"
DIRECTORIES = [(n, 0o700, "postfix", "root") for n in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                                                       "saved", "trace")] + [("maildrop", 0o730, "postfix", "postdrop"),
                                                                             ("public", 0o710, "postfix", "postdrop"), ("pid", 0o755, "root", "root")]
# Reads the numbers of process groups; when its input ends, because the test was killed, they are killed, too, and the directory goes.
WATCH = 'set --; while read -r group; do set -- "$@" "-$group"; done; [ $# -eq 0 ] || kill -KILL "$@"; rm -rf "$0"'


class OldServer:
    """`with OldServer("S0") as old: ...`: etc/ is the report's, with /etc/ changed to its place; keys, certificate and queue are new."""

    def __init__(self, report):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"old-{report.lower()}-"))
        self.directory.chmod(0o755)
        self.etc = self.directory / "etc"
        shutil.copytree(REPORTS / report / "etc", self.etc)
        self.milter_port = free_port()
        self.address = loopback_address()
        self.port = free_port(self.address)
        self.queue = self.directory / "queue"
        self.records = {}    # name of each DKIM record -> value
        self.processes = []
        self.watch = subprocess.Popen(["/bin/sh", "-c", WATCH, str(self.directory)], stdin=subprocess.PIPE, start_new_session=True, stderr=subprocess.DEVNULL)
        for file in self.etc.rglob("*"):
            if file.is_file():
                file.write_text(file.read_text().replace("/etc/", f"{self.etc}/").replace(":8891", f":{self.milter_port}"))
        self._make_keys(1024 if report == "S2" else 2048)
        if report == "S3":
            live = self.etc / "letsencrypt/live/example.com"
            live.mkdir(parents=True)
            certificate, key = certs.self_signed(live, "example.com")
            certificate.rename(live / "fullchain.pem")
            key.rename(live / "privkey.pem")
            (self.etc / "dovecot/users").write_text("taro@example.com:{SHA512-CRYPT}$6$salt$hash::::::\n")

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self.stop()
        if failure is not None:
            for log in ("log", "opendkim.log"):
                if (self.directory / log).exists():
                    print(f"--- {log}:\n" + (self.directory / log).read_text(errors="replace")[-3000:])
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_keys(self, bits):
        for line in (self.etc / "opendkim/KeyTable").read_text().splitlines():
            domain, selector, path = line.split()[1].split(":", 2)
            path = pathlib.Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            # As opendkim-genkey makes them.
            subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(path), str(bits)], check=True, stderr=subprocess.DEVNULL)
            path.chmod(0o600)
            shutil.chown(path, "opendkim", "opendkim")
            self.records[f"{selector}._domainkey.{domain}"] = certs.dkim_record(path)

    def run(self, *command):
        with open(self.directory / "output", "ab") as output:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self.processes.append(process)
        self.watch.stdin.write(f"{process.pid}\n".encode())
        self.watch.stdin.flush()
        return process

    def start_opendkim(self):
        """With the report's configuration, but for its daemon's places, and S1's slip of the finger, with which it does not start."""
        lines = (self.etc / "opendkim.conf").read_text().splitlines()
        # No file is secure whose directory anybody may write to, as /tmp.
        kept = [x for x in lines if not re.match(r"(PidFile|KetTable|TrustAnchorFile|Background)\b", x)] + ["RequireSafeKeys no", "Background no"]
        conf = self.directory / "opendkim.conf"
        conf.write_text("\n".join(kept) + "\n")
        self.run("/usr/sbin/opendkim", "-x", conf, "-f", "-P", self.directory / "opendkim.pid")
        self._wait_for(("127.0.0.1", self.milter_port), b"")

    def prepare_queue(self):
        if self.queue.exists():
            return
        (self.directory / "data").mkdir()
        shutil.chown(self.directory / "data", "postfix")
        self.queue.mkdir()
        for name, mode, owner, group in DIRECTORIES:
            (self.queue / name).mkdir()
            (self.queue / name).chmod(mode)
            shutil.chown(self.queue / name, owner, group)

    def configure_postfix(self, more=""):
        """The report's main.cf with the places of this test at its end, and no Dovecot to ask."""
        self.prepare_queue()
        main = self.etc / "postfix/main.cf"
        main.write_text(main.read_text() + f"""
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
queue_directory = {self.queue}
data_directory = {self.directory}/data
maillog_file_prefixes = {self.directory}
maillog_file = {self.directory}/log
smtpd_sasl_auth_enable = no
inet_protocols = ipv4
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
alias_maps =
{more}
""")
        # Each name once: warnings of others fill the socket of Postfix's own log before anybody reads it.
        run = subprocess.run(["postconf", "-c", str(self.etc / "postfix"), "-n"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        main.write_text(run.stdout)
        master = self.etc / "postfix/master.cf"
        services = re.sub(r"^smtp +inet", f"{self.address}:{self.port} inet", master.read_text(), flags=re.MULTILINE)
        services = re.sub(r"^submission inet.*\n(?:[ \t].*\n)*", "", services, flags=re.MULTILINE).replace("-       y       -", "-       n       -")
        master.write_text(services + "postlog   unix-dgram n  -       n       -       1       postlogd\n")

    def start_postfix(self):
        master = self.run("/usr/lib/postfix/sbin/master", "-c", self.etc / "postfix", "-d")
        self._wait_for((self.address, self.port), b"220 ")
        return master

    def queued(self):
        """Messages in the queue, by its own program."""
        run = subprocess.run(["postqueue", "-c", str(self.etc / "postfix"), "-j"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        return run.stdout.splitlines()

    def _wait_for(self, place, first, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            try:
                with socket.create_connection(place, 10) as connection:
                    if not first or connection.recv(len(first)) == first:
                        return
            except OSError:
                pass
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nobody answers at {place}: " + (self.directory / "output").read_text()[-2000:])
            time.sleep(0.02)

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(process.pid, signal.SIGKILL)   # whoever is left of its group
        except ProcessLookupError:
            pass
        process.wait()

    def stop(self):
        for process in reversed(self.processes):
            self.end(process)
        self.processes.clear()
        self.watch.kill()   # before its input ends: the numbers may be others' by now
        self.watch.wait()
        self.watch.stdin.close()
