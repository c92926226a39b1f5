"""Runs a Posthorn of its own for a test: a temporary directory, free loopback ports, started, watched, killed by pid."""

import base64
import crypt
import hashlib
import hmac
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings

from . import certs
from .smtp import Client


def program():
    """The posthorn to test: $POSTHORN, or the first one found among the usual build directories."""
    named = os.environ.get("POSTHORN")
    if named:
        return named
    root = pathlib.Path(__file__).resolve().parents[3]
    for build in ("dev", "release", "asan", "tsan"):
        path = root / "build" / build / "posthorn"
        if path.exists():
            return str(path)
    raise FileNotFoundError("set POSTHORN to the program to test")


READY = re.compile(r"\bready\b.*\bpid=\d+")
SANITIZER = r"(ERROR|WARNING): \w+Sanitizer|: runtime error: "
PROXY = "127.66.66.1"       # a client address that may say by XCLIENT who its client is
STRANGER = "127.66.66.66"   # a client address that the configuration does not trust


def loopback_address():
    """A random address of 127.0.0.0/8, so that tests running at once do not share ports."""
    return f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"


_given = set()   # the kernel may offer a port again before the one who asked has bound it


def free_port(address="127.0.0.1"):
    while True:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            s.bind((address, 0))
            port = s.getsockname()[1]
        if (address, port) not in _given:
            _given.add((address, port))
            return port


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def toml(tables):
    """Nested dictionaries as TOML: a dict is a table, a list of dicts an array of tables."""
    top, rest = [], []
    for key, value in tables.items():
        if isinstance(value, dict):
            rest += [f"\n[{key}]"] + [f"{k} = {toml_value(v)}" for k, v in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for table in value:
                rest += [f"\n[[{key}]]"] + [f"{k} = {toml_value(v)}" for k, v in table.items()]
        else:
            top.append(f"{key} = {toml_value(value)}")
    return "\n".join(top + rest) + "\n"


def merge(tables, changes):
    """Changes laid over tables; None removes a key."""
    for key, value in changes.items():
        if value is None:
            tables.pop(key, None)
        elif isinstance(value, dict) and isinstance(tables.get(key), dict):
            merge(tables[key], value)
        else:
            tables[key] = value
    return tables


def quick_hash(password):
    """A crypt(3) hash that is cheap to check; for tests only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))


def scram_secret(password, iterations=4096):
    """What follows the hash on a user's line (RFC 5803), with the least iterations there may be; for tests only."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    keys = [hmac.digest(salted, label, "sha256") for label in (b"Client Key", b"Server Key")]
    salt, stored, server = (base64.b64encode(x).decode() for x in (salt, hashlib.sha256(keys[0]).digest(), keys[1]))
    return f"SCRAM-SHA-256${iterations}:{salt}${stored}:{server}"


class Daemon:
    """`with Daemon(dns=dns, delivery_port=sink.port) as d: ...` writes a configuration, starts the daemon, stops it at the end.

    Listeners: `plain` (no TLS), `submission` (STARTTLS, AUTH required), `submissions` (implicit TLS, AUTH required), `open`
    (STARTTLS, AUTH optional) and `unix`; `untrusted` is `open` as seen from STRANGER, for only 127.0.0.1 is trusted, and
    `proxied` as seen from PROXY, which is not trusted either but believed when it says XCLIENT.
    Domains sign with an RSA key, selector "rsa", unless `keys` says more.
    """

    def __init__(self, dns=None, delivery_port=25, domains=("example.test",), keys=("rsa",), users=None, changes=None,
                 directory=None, environment=None, quiet_log=None, machine=None):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="posthorn-test-"))
        self._owned = directory is None
        self.environment = environment or {}
        self.prefix = machine.prefix if machine else []   # before each command: a machine (machine.py) of its own
        self.quiet_log = quiet_log   # a file for the log, when reading it would disturb a measurement
        self.address = loopback_address()
        self.ports = {name: free_port(self.address) for name in ("plain", "open", "submission", "submissions")}
        self.unix_socket = str(self.directory / "submit.sock")
        self.config_file = self.directory / "posthorn.toml"
        self.users = {"alice": "correct horse"} if users is None else users
        self.process = None
        self._log = []
        self._log_ended = False
        self._reader = None
        self._log_changed = threading.Condition()
        certificate, key = certs.self_signed(self.directory, "mail.example.test", ("127.0.0.1", self.address))
        (self.directory / "users").write_text("".join(f"{n}:{quick_hash(p)}:{scram_secret(p)}\n" for n, p in self.users.items()))
        (self.directory / "users").chmod(0o600)
        (self.directory / "unsubscribe.key").write_text(os.urandom(32).hex() + "\n")
        (self.directory / "unsubscribe.key").chmod(0o600)
        self.records = {}  # name of each DKIM record -> value
        self.tables = {
            "hostname": "mail.example.test",
            "state_directory": str(self.directory),
            "listener": [
                {"address": f"{self.address}:{self.ports['plain']}", "tls": "none", "auth": "none"},
                {"address": f"{self.address}:{self.ports['open']}", "tls": "starttls", "auth": "optional"},
                {"address": f"{self.address}:{self.ports['submission']}", "tls": "starttls", "auth": "required"},
                {"address": f"{self.address}:{self.ports['submissions']}", "tls": "implicit", "auth": "required"},
                {"address": f"unix:{self.unix_socket}", "tls": "none", "auth": "none"},
            ],
            "tls": {"certificate_file": str(certificate), "key_file": str(key)},
            "submission": {"trusted_networks": ["127.0.0.1/32"], "xclient_networks": [f"{PROXY}/32"]},
            "auth": {"users_file": str(self.directory / "users")},
            "unsubscribe": {"key_file": str(self.directory / "unsubscribe.key")},
            "domain": [self._domain(d, keys, dns) for d in domains],
            "queue": {"directory": str(self.directory / "queue"), "min_free_space": "1MiB"},
            "delivery": {"port": delivery_port, "allow_private_addresses": True},
            "admin": {"socket": str(self.directory / "admin.sock")},
        }
        if not machine:
            self.tables["local"] = {"aliases_file": str(self.directory / "aliases")}   # not the host's
        if dns is not None:
            self.tables["dns"] = {"servers": [f"{dns.address}:{dns.port}"]}
        if os.environ.get("TEST_SANDBOX") == "off":   # gcov writes its counters beside the objects when the daemon ends
            self.tables["sandbox"] = {"landlock": "off"}
        merge(self.tables, changes or {})
        self.write_config()

    def _domain(self, domain, algorithms, dns):
        keys = []
        for algorithm in algorithms:
            path = self.directory / f"{domain}.{algorithm}.pem"
            record = certs.dkim_key(path, algorithm)
            name = f"{algorithm}._domainkey.{domain}"
            self.records[name] = record
            if dns is not None:
                dns.set(name, "TXT", record)
            keys.append({"selector": algorithm, "key_file": str(path)})
        return {"name": domain, "dkim": keys}

    def write_config(self):
        self.config_file.write_text(toml(self.tables))

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.discard()
            raise

    def __exit__(self, failure, *_):
        code = self.stop()
        reports = self.log(SANITIZER)
        if failure is not None or reports:
            print(f"--- the daemon's log ({self.directory}):")
            print("\n".join(self.log()[-200 if reports else -60:]))
        self.discard()
        # What no reply shows: an end that was not clean, a sanitizer's report.
        if failure is None and (reports or code not in (None, 0, -signal.SIGKILL)):
            raise AssertionError(f"the daemon ended with {code}: " + "; ".join(reports or self.log()[-3:]))

    def discard(self):
        if self._owned:
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, timeout=30.0):
        """Starts it and returns when it is ready, which it says in its log; quiet_log: when it greets."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN")} | self.environment
        if self._reader:
            self._reader.join(10)   # the end of an earlier log is not the end of this one
        with self._log_changed:
            self._log_ended = False
            started = len(self._log)
        output = open(self.quiet_log, "ab") if self.quiet_log else subprocess.PIPE
        self.process = subprocess.Popen([*self.prefix, program(), "serve", "--config", str(self.config_file)], stdin=subprocess.DEVNULL,
                                        stdout=output, stderr=subprocess.STDOUT, env=environment)
        if self.quiet_log:
            output.close()
            self._wait_until_greeted(timeout)
            return self
        self._reader = threading.Thread(target=self._read_log, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        with self._log_changed:
            self._log_changed.wait_for(lambda: self._log_ended or any(READY.search(x) for x in self._log[started:]), timeout)
            ready = any(READY.search(x) for x in self._log[started:])
        if not ready:
            code = self.process.poll()
            self.kill()
            raise RuntimeError(f"posthorn is not ready (exit code {code}):\n" + "\n".join(self.log()[-30:]))
        return self

    def _wait_until_greeted(self, timeout):
        deadline = time.monotonic() + timeout
        while True:
            try:
                with self.connect() as client:
                    client.expect(220)
                return
            except (ConnectionError, socket.timeout):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"posthorn does not listen; see {self.quiet_log}") from None
                time.sleep(0.005)

    def _read_log(self, stream):
        for line in stream:
            with self._log_changed:
                self._log.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._log_changed.notify_all()
        stream.close()
        with self._log_changed:
            self._log_ended = True
            self._log_changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    def stop(self, timeout=40.0):
        """SIGTERM, then waits; returns the exit code. SIGKILL when it does not end."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self._reader:
            self._reader.join(10)
        return self.process.returncode

    def kill(self):
        """SIGKILL: no warning, no cleaning up."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._reader:
            self._reader.join(10)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    # --- what it says ----------------------------------------------------------------------------------------------------

    def log(self, pattern=None):
        with self._log_changed:
            return [line for line in self._log if pattern is None or re.search(pattern, line)]

    def log_from(self, number):
        """The lines from that number on."""
        with self._log_changed:
            return self._log[number:]

    def wait_for_log(self, pattern, count=1, timeout=30.0):
        """Waits until that many lines match and returns them."""
        with self._log_changed:
            if not self._log_changed.wait_for(lambda: len([1 for x in self._log if re.search(pattern, x)]) >= count, timeout):
                raise TimeoutError(f"no log line {pattern!r} within {timeout} s; the last ones:\n" + "\n".join(self._log[-30:]))
            return [line for line in self._log if re.search(pattern, line)]

    def command(self, *arguments, check=True, timeout=30.0, stdin=None):
        """posthorn ARGUMENTS --config ours."""
        run = subprocess.run([*self.prefix, program(), *arguments, "--config", str(self.config_file)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=timeout, input=stdin)
        if check and run.returncode != 0:
            raise AssertionError(f"posthorn {' '.join(arguments)} ended with {run.returncode}: {run.stderr or run.stdout}")
        return run

    def queue_ids(self, limit=100):
        """The ids of waiting messages, oldest first."""
        return re.findall(r"^[0-9a-hjkmnp-tv-z]{13}\b", self.command("queue", "list", "--limit", str(limit)).stdout, re.MULTILINE)

    # What one party has seen another need not know yet: the receiver has a message before the queue has recorded that it went,
    # and the log's lines are written every 100 ms. So tests wait for what they expect of queue, metrics and log.

    def wait_for_output(self, pattern, *arguments, timeout=30.0):
        """Asks `posthorn ARGUMENTS` until its output matches; returns the output."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, output := self.command(*arguments).stdout):
            if time.monotonic() > deadline:
                raise TimeoutError(f"posthorn {' '.join(arguments)} did not say {pattern!r} within {timeout} s but:\n{output}")
            time.sleep(0.02)
        return output

    def wait_for_queue(self, count, timeout=30.0):
        """Waits until that many messages are in the queue and returns their ids, oldest first."""
        deadline = time.monotonic() + timeout
        while len(waiting := self.queue_ids()) != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting)} messages are in the queue after {timeout} s, not {count}:\n"
                                   + self.command("queue", "list").stdout[-3000:])
            time.sleep(0.02)
        return waiting

    def wait_for_empty_queue(self, timeout=30.0):
        self.wait_for_queue(0, timeout)

    # --- how to reach it ---------------------------------------------------------------------------------------------------

    def endpoint(self, listener="plain"):
        if listener == "unix":
            return self.unix_socket
        return self.address, self.ports["open" if listener in ("untrusted", "proxied") else listener]

    def connect(self, listener="plain", timeout=30.0):
        """A connection on which nothing was said yet."""
        return Client(self.endpoint(listener), timeout, implicit_tls=listener == "submissions",
                      source={"untrusted": STRANGER, "proxied": PROXY}.get(listener))

    def client(self, listener="plain", hello=True, timeout=30.0):
        client = self.connect(listener, timeout)
        client.expect(220)
        if hello:
            client.hello()
        return client

    def send(self, recipients, sender="alice@example.test", message=None, listener="plain", **header):
        """Submits a message and returns the reply's text; raises unless it is 250."""
        recipients = [recipients] if isinstance(recipients, str) else list(recipients)
        with self.client(listener) as client:
            reply = client.deliver(sender, recipients, message or simple_message(recipients[0], **header))
            if reply.code != 250:
                raise AssertionError(f"not accepted: {reply!r}")
            client.quit()
            return reply.text


def simple_message(to, subject="A test", sender="alice@example.test", body="Hello.\r\n", extra=""):
    return (f"From: Alice <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
            f"Message-ID: <{random.getrandbits(64):016x}@example.test>\r\n{extra}\r\n{body}").encode("utf-8", "surrogateescape")
