#!/usr/bin/env python3
"""A receiving SMTP server that keeps what it gets and misbehaves by a script: the MX hosts of the tests."""

import argparse
import base64
import dataclasses
import json
import pathlib
import re
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import weakref

from . import certs

# The replies that providers really give; reference for what class each belongs to: docs/DELIVERY.md.
GMAIL_UNAUTHENTICATED = (
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n"
    "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n"
    "550-5.7.26\n"
    "550-5.7.26  Authentication results:\n"
    "550-5.7.26  DKIM = did not pass\n"
    "550-5.7.26  SPF [example.test] with ip: [127.0.0.1] = did not pass\n"
    "550-5.7.26\n"
    "550-5.7.26  For instructions on setting up authentication, go to\n"
    "550 5.7.26  https://support.google.com/mail/answer/81126#authentication sink - gsmtp")
GREYLISTED = "451 4.7.1 Greylisting in action, please come back later"
NO_SUCH_USER = "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
MAILBOX_FULL = "552 5.2.2 The email account that you tried to reach is over quota"


class Drop(Exception):
    """The script ends the connection here, without a reply."""


@dataclasses.dataclass
class Message:
    """One message as it came in."""
    number: int            # 1 is the first this sink took
    connection: int        # which connection brought it, from 1
    transaction: int       # which of that connection's messages, from 1
    helo: str
    sender: str            # without the angle brackets
    recipients: list
    mail_parameters: str   # "SIZE=1234 BODY=8BITMIME"
    tls: str               # "TLSv1.3", or "" for clear text
    cipher: str
    data: bytes            # as signed: dots unstuffed, CRLF line ends
    received_at: float     # time.time() when the final dot had come

    @property
    def header(self):
        return self.data.split(b"\r\n\r\n", 1)[0].decode("utf-8", "surrogateescape")

    @property
    def body(self):
        return (self.data.split(b"\r\n\r\n", 1) + [b""])[1]

    def fields(self, name):
        """The unfolded values of all fields with that name, topmost first."""
        unfolded = re.sub(r"\r\n(?=[ \t])", "", self.header)
        prefix = name.lower() + ":"
        return [line[len(prefix):].strip() for line in unfolded.split("\r\n") if line.lower().startswith(prefix)]

    def to_json(self):
        return json.dumps({
            "event": "delivered", "number": self.number, "connection": self.connection, "transaction": self.transaction,
            "helo": self.helo, "sender": self.sender, "recipients": self.recipients,
            "mail_parameters": self.mail_parameters, "tls": self.tls, "cipher": self.cipher, "size": len(self.data),
            "received_at": self.received_at, "message_id": (self.fields("Message-ID") or [""])[0]})


@dataclasses.dataclass
class Rule:
    """What to do differently at one stage: connect, ehlo, helo, starttls, auth, mail, rcpt, data, inside, dot, rset, quit.

    dot: after the final dot, and after the last chunk of BDAT (RFC 3030).
    """
    stage: str
    reply: str = ""            # several lines with \n; {recipient} and {sender} are filled in; "" means: the usual one
    sender: str = ""           # regular expressions, matched anywhere; "" matches all
    recipient: str = ""
    times: int = -1            # -1: always; else so many times, then never again
    delay: float = 0.0         # seconds before the reply (tarpit)
    gate: threading.Event = None   # the reply waits until it is set
    drop: str = ""             # "before": hang up in place of replying; "after": reply, then hang up; "inside": in the DATA block
    keep: bool = False         # at `dot`: count the message as received all the same
    garbage: bool = False      # at `starttls`: say 220, then send what is not TLS
    raw: bytes = b""           # send these octets in place of a reply, whatever they are
    stall: bool = False        # say nothing until the client has gone
    over: int = -1             # at `rcpt`: only when the transaction has that many recipients already
    tls: bool = None           # only under TLS, only in clear text; None: both
    carried: int = 0           # only on a connection that has carried so many messages
    used: int = 0


class Sink:
    """Listens on address:port; one thread a connection. Messages are in .messages, sessions in .sessions."""

    def __init__(self, address="127.0.0.1", port=0, starttls=True, certificate=None, name="sink.example.test", tls_max=None,
                 store=True, implicit_tls=False, extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 36700160"),
                 on_message=None):
        self.name = name
        self.extensions = list(extensions)
        self.starttls = starttls
        self.store = store
        self.implicit_tls = implicit_tls  # TLS from the first octet (RFC 8314 s3.3)
        self.on_message = on_message
        self._rules = []
        self._changed = threading.Condition()
        self.messages = []
        self.accepted = 0                 # messages answered with 250 (or kept)
        self.sessions = []                # {"number", "peer", "helo", "tls", "commands", "tls_error", "sni", "resumed", ...}
        self._context = self._scratch = None
        self._sessions_of_tls = weakref.WeakKeyDictionary()
        if starttls:
            if certificate is None:
                self._scratch = tempfile.TemporaryDirectory(prefix="sink-")
                certificate = certs.self_signed(self._scratch.name, name)
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*map(str, certificate))
            if tls_max:
                self._context.maximum_version = tls_max
            self._context.sni_callback = self._note_server_name
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(512)
        self.address, self.port = self._listener.getsockname()[:2]
        self._open = set()
        self._stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    # --- the script ----------------------------------------------------------------------------------------------------

    def rule(self, stage, reply="", **how):
        """Adds a rule; the first that matches and is not used up counts. Returns it, so that it can be removed."""
        rule = Rule(stage, reply, **how)
        with self._changed:
            self._rules.append(rule)
        return rule

    def forget(self, rule=None):
        """Takes back one rule, or all."""
        with self._changed:
            self._rules = [] if rule is None else [r for r in self._rules if r is not rule]

    def _match(self, stage, sender, recipients, taken=0, dialogue=None):
        with self._changed:
            for rule in self._rules:
                if rule.stage != stage or 0 <= rule.times <= rule.used:
                    continue
                if taken < rule.over:
                    continue
                if dialogue and (dialogue.transactions < rule.carried or rule.tls not in (None, bool(dialogue.tls))):
                    continue
                if rule.sender and not re.search(rule.sender, sender):
                    continue
                if rule.recipient and not any(re.search(rule.recipient, r) for r in recipients):
                    continue
                rule.used += 1
                self._changed.notify_all()
                return rule
        return None

    # --- what came ------------------------------------------------------------------------------------------------------

    def wait(self, condition, timeout=30.0):
        """Waits until condition(self) holds, looking whenever something happens; returns whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout)

    def wait_for_messages(self, count, timeout=30.0):
        """Waits for that many messages and returns them all; raises when they do not come."""
        if not self.wait(lambda s: s.accepted >= count, timeout):
            raise TimeoutError(f"{self.accepted} of {count} messages came within {timeout} s")
        return self.messages

    def wait_for_message(self, recipient, timeout=30.0):
        """Waits for a message to that recipient and returns the first."""
        found = []

        def look(sink):
            found[:] = [m for m in sink.messages if recipient in m.recipients]
            return bool(found)

        if not self.wait(look, timeout):
            raise TimeoutError(f"no message for {recipient} came within {timeout} s")
        return found[0]

    def to(self, recipient):
        with self._changed:
            return [m for m in self.messages if recipient in m.recipients]

    def clear(self):
        with self._changed:
            self.messages = []
            self.accepted = 0
            self.sessions = []

    def stop(self):
        self._stopping = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        if self._scratch:
            self._scratch.cleanup()
        with self._changed:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # --- sessions -------------------------------------------------------------------------------------------------------

    def _accept(self):
        while not self._stopping:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._open.add(connection)
                session = {"number": len(self.sessions) + 1, "peer": peer[0], "helo": "", "tls": "", "commands": [],
                           "tls_error": "", "sni": "", "resumed": False, "client_certificate": False, "pipelined": False,
                           "at": time.monotonic()}
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(connection, session), daemon=True).start()

    def _serve(self, connection, session):
        dialogue = _Dialogue(self, connection, session)
        try:
            dialogue.run()
        except (Drop, OSError, ssl.SSLError) as error:
            if isinstance(error, ssl.SSLError):
                session["tls_error"] = str(error)
        finally:
            with self._changed:
                self._open.discard(connection)
                self._changed.notify_all()
            dialogue.close()

    def _note_server_name(self, tls, name, _):
        self._sessions_of_tls[tls]["sni"] = name or ""

    def _keep(self, message):
        with self._changed:
            self.accepted += 1
            message.number = self.accepted
            if self.store:
                self.messages.append(message)
            if self.on_message:
                self.on_message(message)
            self._changed.notify_all()


class _Dialogue:
    """One connection's conversation."""

    def __init__(self, sink, connection, session):
        self.sink = sink
        self.socket = connection
        self.session = session
        self.buffer = b""
        self.out = []
        self.helo = self.tls = self.cipher = ""
        self.transactions = 0
        self.chunks = b""
        self._reset()

    def _reset(self):
        self.sender = None
        self.parameters = ""
        self.recipients = []

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    # Replies wait until the buffer is empty, so that pipelined commands get theirs in one segment.
    def _flush(self):
        if self.out:
            data, self.out = b"".join(self.out), []
            self.socket.sendall(data)

    def _fill(self):
        self._flush()
        more = self.socket.recv(262144)
        if not more:
            raise Drop
        self.buffer += more

    def _line(self):
        while b"\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def _say(self, text):
        lines = text.format_map(_Names(self)).split("\n")
        for i, line in enumerate(lines):
            if not re.match(r"\d\d\d[ -]", line):
                line = lines[0][:3] + ("-" if i + 1 < len(lines) else " ") + line
            self.out.append(line.encode("utf-8", "surrogateescape") + b"\r\n")

    def _answer(self, stage, usual, recipients=None):
        """Gives the scripted reply or the usual one; returns whether it was positive."""
        rule = self.sink._match(stage, self.sender or "", self.recipients if recipients is None else recipients,
                                len(self.recipients), self)
        reply = usual
        if rule is not None:
            self._delay(rule)
            self._misbehave(rule)
            if rule.raw:
                return rule.raw[:1] in (b"2", b"3")
            reply = rule.reply or usual
        self.last_recipient = recipients[0] if recipients else (self.recipients or [""])[0]
        self._say(reply)
        if rule is not None and rule.drop == "after":
            self._flush()
            raise Drop
        return reply[0] in "23"

    def _delay(self, rule):
        if rule.delay:
            self._flush()
            time.sleep(rule.delay)
        if rule.gate:
            self._flush()
            rule.gate.wait(120)

    def _misbehave(self, rule):
        """What a rule does before a reply, or in place of one."""
        if rule.stall:
            self._flush()
            while self.socket.recv(262144):
                pass
            raise Drop
        if rule.raw:
            self._flush()
            self.socket.sendall(rule.raw)
        if rule.drop == "before":
            self._flush()
            raise Drop

    def run(self):
        if self.sink.implicit_tls:
            self._shake_hands()
        if not self._answer("connect", f"220 {self.sink.name} ESMTP sink"):
            self._flush()
            return
        while True:
            line = self._line()
            self.session["commands"].append(line)
            self.session["pipelined"] |= b"\n" in self.buffer
            verb, _, rest = line.partition(" ")
            handler = getattr(self, "_" + verb.lower() + "_command", None) if verb.isalpha() else None
            if handler is None:
                self._say("500 5.5.2 What?")
            elif handler(rest) == "bye":
                self._flush()
                return

    def _ehlo_command(self, rest):
        self.helo = self.session["helo"] = rest
        self._reset()
        extensions = list(self.sink.extensions)
        if self.sink.starttls and not self.tls:
            extensions.append("STARTTLS")
        if not self.tls and "REQUIRETLS" in extensions:
            extensions.remove("REQUIRETLS")   # RFC 8689 s4.1: only under TLS
        self._answer("ehlo", "\n".join([f"250-{self.sink.name}" if extensions else f"250 {self.sink.name}"] + extensions))

    def _helo_command(self, rest):
        self.helo = self.session["helo"] = rest
        self._reset()
        self._answer("helo", f"250 {self.sink.name}")

    def _starttls_command(self, _):
        if not self.sink.starttls or self.tls:
            self._say("503 5.5.1 Not now")
            return None
        rule = self.sink._match("starttls", "", [], dialogue=self)
        if rule is not None:
            self._delay(rule)
            self._misbehave(rule)
            if rule.raw:
                return None
            if rule.reply and not rule.garbage:
                self._say(rule.reply)
                if rule.drop:
                    self._flush()
                    raise Drop
                return None
        self._say("220 2.0.0 Go ahead")
        self.buffer = b""
        self._flush()
        if rule is not None and rule.garbage:
            self.socket.sendall(b"This is not TLS at all, but a server that lost its certificate.\r\n" * 4)
            raise Drop
        if rule is not None and rule.drop:   # "after": within the handshake
            self.socket.recv(1)
            raise Drop
        self._shake_hands()
        self.helo = ""
        self._reset()
        return None

    def _shake_hands(self):
        raw = self.socket
        try:
            self.socket = self.sink._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            self.sink._sessions_of_tls[self.socket] = self.session
            self.socket.do_handshake()
        except (ssl.SSLError, OSError) as error:
            self.session["tls_error"] = str(error)
            raise Drop from error
        with self.sink._changed:
            self.sink._open.discard(raw)
            self.sink._open.add(self.socket)
        self.tls = self.session["tls"] = self.socket.version()
        self.cipher = self.socket.cipher()[0]
        self.session["resumed"] = self.socket.session_reused
        self.session["client_certificate"] = bool(self.socket.getpeercert(binary_form=True))

    def _mail_command(self, rest):
        match = re.fullmatch(r"FROM:\s*<([^>]*)>\s*(.*)", rest, re.IGNORECASE)
        if not match:
            self._say("501 5.5.4 Syntax")
        elif self.sender is not None:
            self._say("503 5.5.1 Nested MAIL")
        else:
            self.sender, self.parameters = match.groups()
            if not self._answer("mail", "250 2.1.0 Ok"):
                self.sender = None

    def _rcpt_command(self, rest):
        match = re.fullmatch(r"TO:\s*<([^>]*)>\s*(.*)", rest, re.IGNORECASE)
        if self.sender is None:
            self._say("503 5.5.1 MAIL first")
        elif not match:
            self._say("501 5.5.4 Syntax")
        elif self._answer("rcpt", "250 2.1.5 Ok", [match.group(1)]):
            self.recipients.append(match.group(1))

    def _data_command(self, _):
        if not self.recipients:
            self._say("503 5.5.1 RCPT first" if self.sender is None else "554 5.5.1 No valid recipients")
            return
        if not self._answer("data", "354 End data with <CR><LF>.<CR><LF>"):
            self._reset()
            return
        inside = self.sink._match("inside", self.sender, self.recipients, dialogue=self)
        if inside is not None:
            self._fill()
            raise Drop
        self._message(self._read_data())

    def _message(self, data):
        self.transactions += 1
        message = Message(0, self.session["number"], self.transactions, self.helo, self.sender, list(self.recipients),
                          self.parameters, self.tls, self.cipher, data, time.time())
        rule = self.sink._match("dot", self.sender, self.recipients, dialogue=self)
        self.last_recipient = self.recipients[0]
        if rule is None:
            self.sink._keep(message)
            self._say(f"250 2.0.0 Ok: {message.number}")
        else:
            self._delay(rule)
            if rule.keep or (not (rule.reply or rule.raw or rule.stall) and rule.drop != "before") or rule.reply[:1] == "2":
                self.sink._keep(message)
            self._misbehave(rule)
            if rule.raw:
                self._reset()
                return
            self._say(rule.reply or f"250 2.0.0 Ok: {message.number}")
            if rule.drop == "after":
                self._flush()
                raise Drop
        self._reset()

    def _auth_command(self, rest):
        """PLAIN and LOGIN; every password is right unless a rule says otherwise. session["login"] is [mechanism, user, password]."""
        mechanism, _, initial = rest.partition(" ")
        decode = lambda text: base64.b64decode(text).decode("utf-8", "surrogateescape")  # noqa: E731
        if mechanism.upper() == "PLAIN":
            if not initial:
                self._say("334 ")
                initial = self._line()
            user, password = decode(initial).split("\0")[1:3]
        elif mechanism.upper() == "LOGIN":
            self._say("334 VXNlcm5hbWU6")
            user = decode(self._line())
            self._say("334 UGFzc3dvcmQ6")
            password = decode(self._line())
        else:
            self._say("504 5.5.4 Unknown mechanism")
            return
        self.session["login"] = [mechanism.upper(), user, password]
        self._answer("auth", "235 2.7.0 Welcome")

    def _bdat_command(self, rest):
        size, _, last = rest.partition(" ")
        while len(self.buffer) < int(size):
            self._fill()
        self.chunks += self.buffer[:int(size)]
        self.buffer = self.buffer[int(size):]
        if not self.recipients:
            self._say("503 5.5.1 RCPT first" if self.sender is None else "554 5.5.1 No valid recipients")
            self.chunks = b""
        elif last.upper() == "LAST":
            data, self.chunks = self.chunks, b""
            self._message(data)
        else:
            self._say("250 2.0.0 Ok")

    def _read_data(self):
        self._flush()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        scanned = 0
        while True:
            end = self.buffer.find(b"\r\n.\r\n", max(0, scanned - 4))
            if end >= 0:
                break
            scanned = len(self.buffer)
            self._fill()
        raw, self.buffer = self.buffer[:end + 2], self.buffer[end + 5:]
        if raw.startswith(b"."):
            raw = raw[1:]
        return raw.replace(b"\r\n.", b"\r\n")

    def _rset_command(self, _):
        self._reset()
        self._answer("rset", "250 2.0.0 Ok")

    def _noop_command(self, _):
        self._say("250 2.0.0 Ok")

    def _quit_command(self, _):
        self._answer("quit", "221 2.0.0 Bye")
        return "bye"


class _Names(dict):
    """Fills {recipient} and {sender} into a scripted reply and leaves other braces alone."""

    def __init__(self, dialogue):
        super().__init__(recipient=getattr(dialogue, "last_recipient", ""), sender=dialogue.sender or "")

    def __missing__(self, key):
        return "{" + key + "}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT")
    parser.add_argument("--no-starttls", action="store_true")
    parser.add_argument("--keep", metavar="DIRECTORY", help="write each message to DIRECTORY/NUMBER.eml")
    parser.add_argument("--rule", action="append", default=[], metavar="JSON",
                        help='e.g. {"stage": "rcpt", "recipient": "grey", "reply": "451 4.7.1 Later", "times": 1}')
    arguments = parser.parse_args()

    def report(message):
        if arguments.keep:
            pathlib.Path(arguments.keep, f"{message.number}.eml").write_bytes(message.data)
        print(message.to_json(), flush=True)

    address, _, port = arguments.listen.rpartition(":")
    sink = Sink(address, int(port), starttls=not arguments.no_starttls, store=False, on_message=report)
    for rule in arguments.rule:
        sink.rule(**json.loads(rule))
    print(json.dumps({"event": "listening", "address": sink.address, "port": sink.port}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
