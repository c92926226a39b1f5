"""Other people's mail servers as receivers: Postfix as installed, OpenSMTPD and Exim unpacked (tools/receivers), each in a root of its own."""

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
from .daemon import loopback_address

TOOLS = pathlib.Path(__file__).resolve().parents[3] / "tools"
VMAIL = 5000   # the user who owns the mailboxes


def unpacked(package):
    """Where that package's files are."""
    run = subprocess.run([str(TOOLS / "receivers")], stdout=subprocess.PIPE, check=True, text=True, timeout=280)
    return pathlib.Path(run.stdout.strip()) / package


class Root:
    """A small root directory: a program and the libraries it needs, users; for chroot."""

    def __init__(self, directory, users):
        self.directory = pathlib.Path(directory)
        self.directory.chmod(0o755)
        for sub in ("dev", "etc", "tmp", "run", "var/run", "var/empty"):
            (self.directory / sub).mkdir(parents=True)
        (self.directory / "tmp").chmod(0o1777)
        # A file will do, and works in containers that may not make devices; random octets come from the kernel.
        (self.directory / "dev" / "null").touch()
        (self.directory / "dev" / "null").chmod(0o666)
        users = {"root": 0, "vmail": VMAIL} | users
        etc = self.directory / "etc"
        (etc / "passwd").write_text("".join(f"{n}:x:{i}:{i}::/var/empty:/bin/sh\n" for n, i in users.items()))
        (etc / "group").write_text("".join(f"{n}:x:{i}:\n" for n, i in users.items()))
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\nservices: files\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (etc / "services").write_text("smtp 25/tcp\n")
        self._libraries = set()

    def add(self, source, target=None):
        """A file, or a program with its libraries, at the same path (or another)."""
        place = self.directory / str(target or source).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place)
        for line in subprocess.run(["ldd", str(source)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines():
            match = re.search(r"(/\S+) \(0x", line)
            if match and match[1] not in self._libraries:
                self._libraries.add(match[1])
                library = self.directory / match[1].lstrip("/")
                library.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(match[1], library)
        return place

    def write(self, path, text, mode=0o644):
        place = self.directory / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return place


class Receiver:
    """One server on its own loopback address and the given port; `with Postfix(port) as receiver`. It knows bob, carol and dave."""

    users = ("bob", "carol", "dave")
    rsa = False

    def __init__(self, port, domain="dest.test"):
        self.port, self.domain = port, domain
        self.address = loopback_address()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.directory.chmod(0o755)
        self.certificate, self.key = certs.self_signed(self.directory, f"mx.{domain}", (self.address,), rsa=self.rsa)
        self.process = None

    def __enter__(self):
        try:
            self.start()
            self._wait_until_greeted()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *command):
        """Starts it in a process group of its own, whose end is everybody's end."""
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True)

    def _wait_until_greeted(self, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            try:
                with socket.create_connection((self.address, self.port), 10) as connection:
                    if connection.recv(4) == b"220 ":
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} does not greet:\n{self.output()[-3000:]}")
            time.sleep(0.02)

    def output(self):
        files = [self.directory / "output", *self.logs()]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def logs(self):
        return []

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)   # whoever is left of its group
            except ProcessLookupError:
                pass
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def mailbox(self, user):
        """That user's maildir."""
        raise NotImplementedError

    def messages(self, user):
        """What was stored for that user, as octets with CRLF line ends, without the envelope fields that delivery puts on top."""
        found = []
        for path in sorted(self.mailbox(user).glob("new/*"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
            octets = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            found.append(re.sub(rb"\A((Return-[Pp]ath|Delivered-To|Envelope-to|Delivery-date|X-Original-To):[^\r]*\r\n)+", b"", octets))
        return found

    def wait_for(self, user, subject, timeout=60):
        """The message with that subject in a user's mailbox."""
        deadline = time.monotonic() + timeout
        while True:
            for octets in self.messages(user):
                if b"\r\nSubject: " + subject.encode() + b"\r\n" in octets.split(b"\r\n\r\n", 1)[0] + b"\r\n":
                    return octets
            if time.monotonic() > deadline:
                raise TimeoutError(f"{type(self).__name__} has no {subject!r} for {user} after {timeout} s:\n{self.output()[-3000:]}")
            time.sleep(0.02)


class Postfix(Receiver):
    """The installed one, with a configuration and a queue of its own. users_socket: Dovecot's, whose users may log in."""

    def __init__(self, port, domain="dest.test", users_socket=None):
        super().__init__(port, domain)
        self.users_socket = users_socket

    def start(self):
        etc, queue, data, mail = (self.directory / d for d in ("etc", "queue", "data", "mail"))
        for path in (etc, queue, data, mail):
            path.mkdir()
        shutil.chown(data, "postfix")
        shutil.chown(mail, VMAIL, VMAIL)
        (etc / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file_prefixes = {self.directory}
maillog_file = {self.directory}/log
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.{self.domain}
mydestination =
mynetworks = 255.255.255.255/32
alias_maps =
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.certificate}
smtpd_tls_key_file = {self.key}
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtputf8_enable = yes
message_size_limit = 20000000
virtual_mailbox_limit = 0
virtual_mailbox_domains = {self.domain}
virtual_mailbox_maps = texthash:{etc}/users
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{VMAIL}
virtual_gid_maps = static:{VMAIL}
""" + (f"""
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.users_socket}
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
""" if self.users_socket else ""))
        (etc / "users").write_text("".join(f"{u}@{self.domain} {u}/\n" for u in (*self.users, "jörg")))
        services = [f"{self.address}:{self.port} inet n - n - - smtpd", "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
                    "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                    "proxywrite unix - - n - 1 proxymap", "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
                    "showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error",
                    "discard unix - - n - - discard", "local unix - n n - - local", "virtual unix - n n - - virtual",
                    "anvil unix - - n - 1 anvil", "postlog unix-dgram n - n - 1 postlogd"]
        (etc / "master.cf").write_text("\n".join(services) + "\n")
        # As postfix's post-install makes them.
        for name, mode, owner, group in [(n, 0o700, "postfix", "root") for n in
                                         ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                                          "saved", "trace")] + [("maildrop", 0o730, "postfix", "postdrop"),
                                                                ("public", 0o710, "postfix", "postdrop"), ("pid", 0o755, "root", "root")]:
            (queue / name).mkdir()
            (queue / name).chmod(mode)
            shutil.chown(queue / name, owner, group)
        self.run("/usr/lib/postfix/sbin/master", "-c", etc, "-d")

    def logs(self):
        return [self.directory / "log"]

    def mailbox(self, user):
        return self.directory / "mail" / user


class Chrooted(Receiver):
    def start(self):
        (self.directory / "root").mkdir()
        self.root = Root(self.directory / "root", self.accounts)
        self.mail = self.root.directory / "mail"
        self.mail.mkdir()
        shutil.chown(self.mail, VMAIL, VMAIL)
        shutil.copy2(self.certificate, self.root.directory / "etc" / "mx.crt")
        shutil.copy2(self.key, self.root.directory / "etc" / "mx.key")
        self.fill()

    def chroot(self, *command):
        self.run("chroot", self.root.directory, *command)

    def mailbox(self, user):
        return self.mail / user


class OpenSmtpd(Chrooted):
    accounts = {"opensmtpd": 5001, "opensmtpq": 5002}
    rsa = True   # it cannot use an EC key with OpenSSL 3

    def fill(self):
        package = unpacked("opensmtpd")
        root = self.root
        root.add(package / "usr/sbin/smtpd", "/usr/sbin/smtpd")
        root.add(package / "usr/sbin/smtpctl", "/usr/sbin/smtpctl")
        for agent in ("mail.maildir", "mail.mda", "mail.local"):
            root.add(package / "usr/libexec/opensmtpd" / agent, f"/usr/libexec/opensmtpd/{agent}")
        root.add("/bin/sh")
        (root.directory / "var/lib/opensmtpd/empty").mkdir(parents=True)
        (root.directory / "var/spool/smtpd").mkdir(parents=True)
        (root.directory / "var/spool/smtpd").chmod(0o711)
        root.write("/etc/mailname", f"mx.{self.domain}\n")
        root.write("/etc/users", "".join(f"{u}@{self.domain} vmail\n" for u in self.users))
        root.write("/etc/smtpd.conf", f"""
pki main cert "/etc/mx.crt"
pki main key "/etc/mx.key"
table users file:/etc/users
table addresses {{ {", ".join(f'"{u}@{self.domain}"' for u in self.users)} }}
smtp max-message-size "20M"
listen on {self.address} port {self.port} tls pki main hostname "mx.{self.domain}"
action "store" maildir "/mail/%{{rcpt.user}}" virtual <users>
match from any for domain "{self.domain}" rcpt-to <addresses> action "store"
""")
        self.chroot("/usr/sbin/smtpd", "-d")


class Exim(Chrooted):
    accounts = {"Debian-exim": 5003, "mail": 8}

    def fill(self):
        package = unpacked("exim4-daemon-light")
        root = self.root
        root.add(package / "usr/sbin/exim4", "/usr/sbin/exim4").chmod(0o4755)
        for directory in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            place = root.directory / directory.lstrip("/")
            place.mkdir(parents=True)
            os.chown(place, 5003, 5003)
        shutil.copy2(self.key, root.directory / "etc" / "mx.key")
        os.chown(root.directory / "etc" / "mx.key", 5003, 5003)
        root.write("/etc/exim4/exim4.conf", f"""
primary_hostname = mx.{self.domain}
domainlist local_domains = {self.domain}
local_interfaces = {self.address}
daemon_smtp_ports = {self.port}
tls_advertise_hosts = *
tls_certificate = /etc/mx.crt
tls_privatekey = /etc/mx.key
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
host_lookup =
rfc1413_hosts =
helo_allow_chars = _
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
dkim_verify_signers =
message_size_limit = 20M
log_file_path = /var/log/exim4/%slog
acl_smtp_rcpt = rcpt
keep_environment =
begin acl
rcpt:
  accept domains = +local_domains
         local_parts = {" : ".join(self.users)}
  deny message = 5.1.1 User unknown
begin routers
mailbox:
  driver = accept
  domains = +local_domains
  transport = store
begin transports
store:
  driver = appendfile
  directory = /mail/$local_part_data
  maildir_format
  create_directory
  user = {VMAIL}
  group = {VMAIL}
begin retry
""".replace("directory = /mail/$local_part_data", "directory = /mail/${lookup{$local_part}lsearch{/etc/users}}"), 0o644)
        root.write("/etc/users", "".join(f"{u}: {u}\n" for u in self.users))
        self.chroot("/usr/sbin/exim4", "-bdf", "-q30m")

    def logs(self):
        return [self.root.directory / "var/log/exim4" / f"{kind}log" for kind in ("main", "panic", "reject")]
