#!/usr/bin/env python3
"""Runs dialogue scripts (*.smtp) against the built daemon: what the client sends, what must come back, what must be delivered.

A script's first line, after "# ", names the clause or the attack. Then, one a line:

  listener NAME     where to connect: plain (no TLS; loopback is trusted), open (STARTTLS, AUTH optional), untrusted (the same, seen
                    from an address that is not trusted), proxied (the same, from an address that may say XCLIENT), submission (STARTTLS, AUTH required), submissions (TLS at once), unix. First line; default plain
  c: TEXT           sends TEXT and CRLF. \\r \\n \\t \\0 \\xHH \\\\ are octets, {1000*ab} repeats, {auth:TEXT} is its base64
  c> TEXT           sends TEXT and nothing after it
  s: CODE REGEX     the next reply (all its lines) has this code (dots match any digit) and its text contains the regex, if any
  s! CODE REGEX     has this code, and its text does not contain the regex
  closed            the server has ended the connection
  cut               the server has ended the connection, and what it said before was no reply: nothing, or a TLS alert
  half-close        the client ends its half of the connection
  message FROM TO [PARAMETERS]
                    the dialogue up to DATA's 354, for scripts about what follows: greeting and EHLO on a new connection, MAIL, RCPT, DATA
  tls               does the TLS handshake
  scram MECHANISM FLAG USER PASSWORD
                    speaks SCRAM up to the proof; the next reply is the server's to that. FLAG as in RFC 5802: n, y, p=tls-server-end-point
  verified          the next reply is 334 with the signature that only a server with the user's secret can make; answers it
  connect           begins a new connection (the one before is closed)
  whole             only whole: the second, sliced run makes no sense
  arrives ADDRESS   a message for ADDRESS is delivered
  contains TEXT     the message that arrived last contains TEXT (escapes as above)
  lacks TEXT        ... does not contain it
  only N            N messages have been delivered by now, not more
  log REGEX         the daemon has logged a line, since the script began, that contains the regex
  log! REGEX        it has logged none

Each script is run twice: as it is, and with everything the client says cut into random pieces (RFC 5321 knows no segments).
"""

import argparse
import base64
import hashlib
import hmac
import pathlib
import random
import re
import secrets
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from posthorn_test.daemon import Daemon  # noqa: E402
from posthorn_test.dns_server import DnsServer  # noqa: E402
from posthorn_test.sink import Sink  # noqa: E402


# Users besides alice, who may send as all of example.test; the password is always "correct horse". frank is suspended.
ACCOUNTS = [
    {"name": "carol", "senders": ["Carol@example.test", "@shop.example.test", "@*.news.example.test"]},
    {"name": "grace", "senders": ["@xn--mnchen-3ya.test"]},
    {"name": "dave", "messages_per_hour": 2},
    {"name": "heidi", "messages_per_hour": 2},
    {"name": "erin", "recipients_per_hour": 3},
]


class Failed(Exception):
    pass


def octets(text):
    """Script text as what goes over the wire."""
    text = re.sub(r"\{auth:([^}]*)\}", lambda m: base64.b64encode(octets(m.group(1))).decode(), text)
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), text)
    names = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    out = b""
    for piece in re.findall(r"\\x[0-9A-Fa-f]{2}|\\[rnt0\\]|[^\\]+|\\", text):
        if piece.startswith("\\x"):
            out += bytes([int(piece[2:], 16)])
        elif len(piece) == 2 and piece[0] == "\\":
            out += names[piece[1]]
        else:
            out += piece.encode()
    return out


class Run:
    """One pass over one script."""

    def __init__(self, daemon, sink, steps, slices=None):
        self.daemon, self.sink, self.steps, self.slices = daemon, sink, steps, slices
        self.listener = "plain"
        self.client = None
        self.arrived = None
        self.trace = []
        self.logged_before = len(daemon.log())

    def play(self):
        for number, line in self.steps:
            try:
                self._step(line)
            except Failed as failure:
                raise Failed(f"line {number}: {line}\n    {failure}\n  so far:\n    " + "\n    ".join(self.trace[-12:])) from None
            except (OSError, TimeoutError) as failure:
                raise Failed(f"line {number}: {line}\n    {type(failure).__name__}: {failure}\n  so far:\n    "
                             + "\n    ".join(self.trace[-12:])) from None
        if self.client:
            self.client.close()

    def _connect(self):
        if self.client:
            self.client.close()
        self.client = self.daemon.connect(self.listener)
        self.greeted = False

    def _send(self, data):
        self.trace.append("c: " + repr(data[:100])[2:-1])
        try:
            if self.slices is None:
                self.client.send(data)
            else:
                position = 0
                while position < len(data):
                    step = self.slices.choice((1, 2, 3, 7, 100, 4000))
                    self.client.send(data[position:position + step])
                    position += step
        except (ConnectionError, ssl.SSLError):
            self.trace.append("   (the server has gone)")   # the reply it gave, or its absence, is what counts

    def _reply(self):
        try:
            reply = self.client.reply()
        except ConnectionError as gone:
            raise Failed(str(gone)) from None
        self.trace.append("s: " + repr(reply)[:200])
        return reply

    def _logged(self, regex):
        return [line for line in self.daemon.log()[self.logged_before:] if re.search(regex, line)]

    def _wait_for_log(self, regex):
        deadline = time.monotonic() + 30
        while not self._logged(regex):
            if time.monotonic() > deadline:
                raise Failed("no such line in the log")
            time.sleep(0.01)

    def _begin_message(self, sender, recipient, parameters=""):
        commands = [(f"MAIL FROM:<{sender.strip('<>')}> {parameters}".rstrip(), 250), (f"RCPT TO:<{recipient}>", 250), ("DATA", 354)]
        if not self.greeted:
            self.greeted = True
            commands[:0] = [(None, 220), ("EHLO client.example.test", 250)]
        for command, code in commands:
            if command:
                self._send(command.encode() + b"\r\n")
            reply = self._reply()
            if reply.code != code:
                raise Failed(f"expected {code} to {command}, got {reply!r}")

    def _scram(self, mechanism, flag, user, password):
        """RFC 5802 s3; the binding is SHA-256 of the certificate (RFC 5929 s4.1)."""
        binding = b""
        if flag.startswith("p="):
            binding = hashlib.sha256(self.client.socket.getpeercert(True)).digest()
        header = f"{flag},,"
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={secrets.token_urlsafe(18)}"
        self._send(f"AUTH {mechanism} {base64.b64encode((header + bare).encode()).decode()}\r\n".encode())
        reply = self._reply()
        if reply.code != 334:
            raise Failed(f"expected 334, got {reply!r}")
        server_first = base64.b64decode(reply.text).decode()
        given = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(given["s"]), int(given["i"]))
        key, server_key = (hmac.digest(salted, label, "sha256") for label in (b"Client Key", b"Server Key"))
        without_proof = f"c={base64.b64encode(header.encode() + binding).decode()},r={given['r']}"
        message = f"{bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.signature = b"v=" + base64.b64encode(hmac.digest(server_key, message, "sha256"))
        self._send(base64.b64encode(f"{without_proof},p={proof}".encode()) + b"\r\n")

    def _step(self, line):
        verb, _, rest = line.partition(" ")
        if verb == "listener":
            self.listener = rest
            return
        if verb == "whole":
            return
        if self.client is None and verb not in ("arrives", "contains", "lacks", "only", "log", "log!"):
            self._connect()
        if verb == "c:":
            self._send(octets(rest) + b"\r\n")
        elif verb == "c>":
            self._send(octets(rest))
        elif verb in ("s:", "s!"):
            code, _, regex = rest.partition(" ")
            reply = self._reply()
            if not re.fullmatch(code, f"{reply.code:03}"):
                raise Failed(f"expected {code}, got {reply!r}")
            if regex and bool(re.search(regex, reply.text)) != (verb == "s:"):
                raise Failed(f"the text of {reply!r} {'does not contain' if verb == 's:' else 'contains'} {regex!r}")
        elif verb == "message":
            self._begin_message(*rest.split(" ", 2))
        elif verb == "closed":
            line = self.client.line()
            if line is not None:
                raise Failed(f"the connection is open, and says {line!r}")
        elif verb == "cut":
            while (line := self.client.line()) is not None:
                if re.match(r"\d\d\d", line):
                    raise Failed(f"the server says {line!r}")
        elif verb == "half-close":
            self.client.socket.shutdown(socket.SHUT_WR)
        elif verb == "scram":
            self._scram(*rest.split(" ", 3))
        elif verb == "verified":
            reply = self._reply()
            if reply.code != 334 or base64.b64decode(reply.text) != self.signature:
                raise Failed(f"expected 334 and {self.signature!r}, got {reply!r}")
            self._send(b"\r\n")
        elif verb == "tls":
            self.client._handshake()
        elif verb == "connect":
            self._connect()
        elif verb == "arrives":
            self.arrived = self.sink.wait_for_message(rest, timeout=30)
        elif verb in ("contains", "lacks"):
            if (octets(rest) in self.arrived.data) != (verb == "contains"):
                raise Failed(f"in the message that arrived:\n{self.arrived.data.decode('utf-8', 'replace')}")
        elif verb == "log":
            self._wait_for_log(rest)
        elif verb == "log!":
            if found := self._logged(rest):
                raise Failed(f"the daemon has logged: {found[0]}")
        elif verb == "only":
            self.sink.wait(lambda sink: sink.accepted >= int(rest))
            if self.sink.accepted != int(rest):
                raise Failed(f"{self.sink.accepted} messages were delivered: "
                             + ", ".join(f"{m.sender} -> {m.recipients}" for m in self.sink.messages))
        else:
            raise Failed("no such step")



def read(path):
    steps = []
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not re.match(r"# .*(RFC \d{3,4}|CVE-\d|draft-[a-z]|attack|smuggling|injection|\b[a-z]{2,4}-\d)", lines[0],
                                 re.IGNORECASE):
        raise SystemExit(f"{path}: the first line must name the clause or the attack it is about: # ... (RFC 5321 s4.1.4)")
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            steps.append((number, line.rstrip("\n")))
    return lines[0][2:], steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="+", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="of the random slices")
    arguments = parser.parse_args()
    failures = 0
    with_dns = DnsServer()
    sink = Sink("127.0.0.1", starttls=False)
    with_dns.mx("dest.test", ("mx.dest.test", "127.0.0.1"))
    changes = {"submission.limits": {"max_message_size": "64KiB", "max_recipients": 100, "max_errors": 10}}
    changes["user"] = ACCOUNTS
    users = {name: "correct horse" for name in ["alice", "frank"] + [account["name"] for account in ACCOUNTS]}
    daemon = Daemon(dns=with_dns, delivery_port=sink.port, keys=("ed25519",), changes=changes, users=users)
    (daemon.directory / "suspended-users").write_text("1795294321\tfrank\tthe reason is not for him\n")
    with daemon:
        for path in arguments.scripts:
            title, steps = read(path)
            ways = [("whole", None)]
            if not any(line == "whole" for _, line in steps):
                ways.append((f"sliced, --seed {arguments.seed}", random.Random(arguments.seed)))
            for way, slices in ways:
                sink.clear()
                try:
                    Run(daemon, sink, steps, slices).play()
                    print(f"ok      {path.stem} ({way}): {title}")
                except Failed as failure:
                    failures += 1
                    print(f"FAILED  {path.name} ({way}): {title}\n  {failure}")
        if failures:
            print("--- the daemon's log:\n" + "\n".join(daemon.log()[-40:]))
    sink.stop()
    with_dns.stop()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
