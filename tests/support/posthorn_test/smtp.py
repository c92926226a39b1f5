"""A plain SMTP client for tests: says exactly the octets it is told and shows what came back."""

import base64
import socket
import ssl


class Reply:
    """One reply: .code, .text (without the codes, lines joined by newlines), .lines as they came."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3]) if lines and lines[-1][:3].isdigit() else 0
        self.text = "\n".join(line[4:] for line in lines)

    def __repr__(self):
        return "\\n".join(self.lines)


class Client:
    """One connection, TCP ("127.0.0.1", 587) or unix ("/path")."""

    def __init__(self, where, timeout=30.0, implicit_tls=False, source=None):
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(where)
        else:
            self.socket = socket.create_connection(where, timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.timeout = timeout
        if implicit_tls:
            self._handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def _handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """The next line, or None at the end of the connection."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def reply(self):
        """The next whole reply; raises ConnectionError at the end of the connection."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                raise ConnectionError(f"connection closed after {lines}")
            lines.append(line)
            if line[3:4] != "-":
                return Reply(lines)

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def expect(self, code, text=None):
        """The reply to `text` (or the next one), which must have that code."""
        reply = self.reply() if text is None else self.command(text)
        if reply.code != code:
            raise AssertionError(f"{text!r}: expected {code}, got {reply!r}")
        return reply

    def starttls(self):
        self.expect(220, "STARTTLS")
        self._handshake()

    def login(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.expect(235, f"AUTH PLAIN {token}")

    def hello(self, name="client.example.test"):
        return self.expect(250, f"EHLO {name}")

    def deliver(self, sender, recipients, data, parameters=""):
        """One transaction; returns the reply to the final dot. data: octets with CRLF line ends, dots not yet stuffed."""
        self.expect(250, f"MAIL FROM:<{sender}>{parameters}")
        for recipient in recipients:
            self.expect(250, f"RCPT TO:<{recipient}>")
        self.expect(354, "DATA")
        self.send(stuffed(data))
        return self.reply()

    def quit(self):
        reply = self.command("QUIT")
        self.close()
        return reply


def stuffed(data):
    """The DATA form of a message: leading dots doubled, final CRLF.CRLF."""
    if data.startswith(b"."):
        data = b"." + data
    data = data.replace(b"\r\n.", b"\r\n..")
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    return data + b".\r\n"
