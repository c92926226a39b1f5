"""What strangers can make the server say: everything that goes wrong, at every listener; no reply gives anything away."""

import base64
import os
import re
import resource
import socket
import ssl

from posthorn_test import world
from posthorn_test.daemon import STRANGER, simple_message
from posthorn_test.smtp import Client, stuffed

MARK = "xyzzy-marker"   # stands in much of what is said; nobody hears it again
LISTENERS = ("plain", "open", "submission", "submissions")


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def auth_plain(user, password):
    return f"AUTH PLAIN {b64(f'{chr(0)}{user}{chr(0)}{password}')}\r\n"


def auth_login(user, password):
    return f"AUTH LOGIN\r\n{b64(user)}\r\n{b64(password)}\r\n"


HELLO = f"EHLO {MARK}.example.test\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"

# Said to every listener by a stranger, after the greeting (and the handshake, where TLS comes first).
CATALOGUE = {
    "nothing": b"",
    "no such command": f"{MARK.upper()} please\r\n",
    "order": f"RCPT TO:<{MARK}@dest.test>\r\nDATA\r\n",
    "helo without a name": "HELO\r\nEHLO\r\n",
    "helo with rubbish": "EHLO " + MARK + "\\n\x07<script>\r\n",
    "stranger sends": HELLO + "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@dest.test>\r\nDATA\r\n",
    "stranger sends as nobody": HELLO + "MAIL FROM:<nobody@example.test>\r\nRCPT TO:<bob@dest.test>\r\nDATA\r\n",
    "stranger sends elsewhere": HELLO + f"MAIL FROM:<{MARK}@elsewhere.test>\r\nRCPT TO:<bob@dest.test>\r\n",
    "stranger sends too much": HELLO + "MAIL FROM:<alice@example.test> SIZE=99999999999\r\n",
    "stranger's size": HELLO + "MAIL FROM:<alice@example.test> SIZE=999999999999999999999999999\r\n",
    "addresses": HELLO + "".join(f"MAIL FROM:{path}\r\n" for path in (
        f"<{MARK}", f"{MARK}@", "<@>", "<a@b@c>", "<../../etc/passwd@example.test>", "<%s%n%x@example.test>", "<a@[127.0.0.1]>",
        "<${jndi:ldap://x}@example.test>", f"<{MARK}@example.test> {MARK}=1", "<a@b.test> BODY=" + MARK, "<a@b.test> RET=" + MARK)),
    "vrfy": "".join(f"{verb} {who}\r\n" for verb in ("VRFY", "EXPN") for who in ("alice", "nobody", "root", "/etc/passwd", MARK)),
    "help": f"HELP\r\nHELP {MARK}\r\n",
    "debug": "DEBUG\r\nWIZ\r\nXADR x\r\nTURN\r\nETRN x\r\n",
    "auth in the clear": HELLO + auth_plain("alice", MARK),
    "no such mechanism": HELLO + f"AUTH {MARK.upper()}\r\nAUTH CRAM-MD5\r\nAUTH NTLM\r\nAUTH\r\n",
    "broken base64": HELLO + f"AUTH PLAIN {MARK}!!\r\nAUTH LOGIN\r\n{MARK}!!\r\n",
    "auth cancelled": HELLO + "AUTH LOGIN\r\n*\r\n",
    "auth without a user": HELLO + auth_plain("", "") + f"AUTH PLAIN {b64(b'')}\r\n",
    "auth with much": HELLO + f"AUTH PLAIN {'A' * 13000}\r\n",
    "starttls": HELLO + "STARTTLS " + MARK + "\r\n",
    "long line": "NOOP " + "x" * 5000 + "\r\n",
    "long address": HELLO + f"MAIL FROM:<{'x' * 1000}@example.test>\r\n",
    "many errors": "FOO\r\n" * 40,
    "nul and control": b"NO\0OP\r\n\x1b[31mNOOP\r\n\xff\xfe\xfd\r\n",
    "bare line ends": b"EHLO a\nEHLO b\rEHLO c\r\n",
    "http": f"GET /{MARK}?posthorn HTTP/1.1\r\nHost: mail.example.test\r\n\r\n",
    "http post": f"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\nEHLO {MARK}\r\n",
    "tls where none is": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 200 + b"\r\n",
    "proxy v1": f"PROXY TCP4 {MARK} 127.0.0.1 1 2\r\n",
    "proxy v2": PROXY_V2 + b"\x21\x11\x00\x0c" + bytes(12) + b"\r\n",
    "xclient": f"XCLIENT ADDR=127.0.0.1 NAME={MARK}\r\nXFORWARD NAME=a\r\n",
    "bdat": HELLO + "BDAT 5 LAST\r\n12345\r\n",
    "ssh": b"SSH-2.0-" + MARK.encode() + b"\r\n",
    "smb": b"\0\0\0\x85\xffSMBr" + bytes(100) + b"\r\n",
}

# What a reply must not hold. Names and numbers of ours, places on our disk, words of our libraries and of the system's errors.
SECRETS = re.compile(
    r"alice|bob\b|nobody|root\b|passwd|sqlite|database|\bWAL\b|openssl|\bssl routines|boost|asio|g\+\+|gcc|debian|linux|"
    r"errno|exception|std::|\bnull\b|no such file|permission denied|no space left|input/output|disk|file\b|broken pipe|"
    r"bad descriptor|too many open|\.(?:cpp|hpp|toml|pem|crt|key|sock|db)\b|/(?:tmp|var|etc|home|usr|run|proc)\b|"
    r"\b\d+\.\d+\.\d+[-.]|version|\bv?\d+\.\d+\.\d+\s*$", re.IGNORECASE)
ENHANCED = re.compile(r"^\d\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}(?: |$))?")


class Privacy(world.WorldTest):
    def setUp(self):
        self.w = self.world(users={"alice": "correct horse", "bob": "battery staple"})
        self.d = self.w.daemon

    def conversation(self, listener, said, tls=False):
        """All that a stranger hears who says this at once and goes. tls: after STARTTLS, where the listener has that."""
        said = said.encode() if isinstance(said, str) else said
        with Client(self.d.endpoint(listener), 30, source=STRANGER, implicit_tls=listener == "submissions") as client:
            heard = client.reply().lines
            if tls:
                client.hello()
                client.starttls()
            # Octets after what ended the session find nobody who reads them: what was said before is heard all the same.
            try:
                client.send(said + b"\r\nQUIT\r\n")
                if not isinstance(client.socket, ssl.SSLSocket):
                    client.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            while (line := client.line()) is not None:
                heard.append(line)
            return heard

    def check(self, what, lines):
        for line in lines:
            self.assertRegex(line, r"^[2345]\d\d([ -][ -~]*)?$", what)
            words = ENHANCED.sub("", line)
            self.assertIsNone(SECRETS.search(words), f"{what}: {line!r}")
            self.assertNotIn(MARK, line.lower(), what)
            self.assertNotIn(str(self.d.directory), line, what)
            self.assertNotIn(str(self.d.address), line, what)

    def test_this_test_would_notice(self):
        """What it takes for a leak, so that a slip in the words above does not blind it."""
        for leak in ("550 5.1.1 User alice unknown", "451 4.3.0 /var/lib/posthorn/queue: denied", "220 mail.example.test ESMTP 3.7.11",
                     "452 4.3.1 database is locked", "452 4.3.1 No space left on device", "535 5.7.8 no such user in users file",
                     "554 5.3.0 std::bad_alloc", f"500 5.5.1 {MARK}: command not recognized", "not a reply", "250 ok\x1b[31m"):
            with self.assertRaises(AssertionError, msg=leak):
                self.check("leak", [leak])
        self.check("no leak", ["250 2.0.0 Ok", "220 mail.example.test ESMTP", "334 ", "250-SIZE 36700160"])

    def test_whatever_a_stranger_says(self):
        for listener in LISTENERS:
            for tls in (False, True) if listener in ("open", "submission") else (False,):
                for what, said in CATALOGUE.items():
                    with self.subTest(listener=listener, tls=tls, what=what):
                        lines = self.conversation(listener, said, tls)
                        self.assertGreater(len(lines), 0)
                        self.check(what, lines)
        self.assertEqual(self.w.sink.accepted, 0)

    def test_who_exists_and_who_does_not_sound_the_same(self):
        """RFC 5321 s7.3, RFC 4954 s9: users cannot be found out by replies."""
        pairs = {
            "plain": lambda user: HELLO + auth_plain(user, "wrong"),
            "plain without a password": lambda user: HELLO + auth_plain(user, ""),
            "login": lambda user: HELLO + auth_login(user, "wrong"),
            "plain as somebody else": lambda user: HELLO + f"AUTH PLAIN {b64(f'carol{chr(0)}{user}{chr(0)}wrong')}\r\n",
            "scram": lambda user: HELLO + f"AUTH SCRAM-SHA-256 {b64(f'n,,n={user},r=abcdefgh')}\r\n*\r\n",
            "vrfy": lambda user: f"VRFY {user}\r\nVRFY {user}@example.test\r\nEXPN {user}\r\n",
            "mail": lambda user: HELLO + f"MAIL FROM:<{user}@example.test>\r\n",
            "three times": lambda user: HELLO + 3 * auth_plain(user, "wrong"),
        }
        for what, said in pairs.items():
            for listener, tls in (("open", True), ("submission", True), ("submissions", False), ("open", False), ("plain", False)):
                with self.subTest(listener=listener, tls=tls, what=what):
                    heard = [self.steady(self.conversation(listener, said(user), tls)) for user in ("alice", "nosuchuser")]
                    self.assertEqual(*heard)
                    self.check(what, heard[0])

    @staticmethod
    def steady(lines):
        """Without what differs each time: a challenge's nonce and salt; its parts and their lengths stay."""
        return [("334 " + re.sub(r"(?<=[rs]=)[^,]*", lambda m: "?" * len(m[0]), base64.b64decode(line[4:]).decode()))
                if line.startswith("334 ") and line[4:].startswith("cj") else line for line in lines]

    def test_recipients_that_exist_and_that_do_not_sound_the_same(self):
        """To those who may send, too: we know no mailboxes."""
        heard = []
        for who in ("alice", "nosuchuser"):
            with self.d.client() as client:
                client.expect(250, "MAIL FROM:<carol@example.test>")
                heard.append(client.command(f"RCPT TO:<{who}@example.test>").lines)
        self.assertEqual(*heard)
        self.check("recipient", heard[0])

    def test_bad_tls(self):
        """A handshake that is none, or that finds no common ground, ends in a TLS alert or in silence."""
        for said in (b"EHLO clear\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(500), b"\x16\x03\x01\x00\x05hello", os.urandom(300)):
            with Client(self.d.endpoint("submissions"), 30, source=STRANGER) as client:
                client.send(said)
                client.socket.shutdown(socket.SHUT_WR)
                heard = self.until_the_end(client.socket)
                self.assertRegex(heard, rb"(?s)\A(?:\x15\x03[\x00-\x04]\x00\x02..)*\Z", "only alerts")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        for listener in ("submissions", "open"):
            with Client(self.d.endpoint(listener), 30, source=STRANGER) as client:
                if listener == "open":
                    client.expect(220)
                    client.hello()
                    client.expect(220, "STARTTLS")
                with self.assertRaises(ssl.SSLError) as failed:
                    context.wrap_socket(client.socket)
                self.assertIn("ALERT", str(failed.exception).upper())

    @staticmethod
    def until_the_end(sock):
        heard = b""
        while True:
            try:
                more = sock.recv(4096)
            except ConnectionError:
                return heard
            if not more:
                return heard
            heard += more

    def test_a_closed_queue_and_a_full_disk(self):
        """Strangers hear what they always hear; those who may send hear that it is our trouble and for now, not which."""
        said = HELLO + "MAIL FROM:<alice@example.test>\r\n"
        usual = self.conversation("open", said)
        hard = resource.prlimit(self.d.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.d.pid, resource.RLIMIT_FSIZE, (1, hard))
        with self.d.client() as client:   # the disk fails under this message
            reply = client.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test"))
            self.assertEqual(reply.code, 452)
            self.check("disk", reply.lines)
        with self.d.client() as client:   # a large one would go to a file of its own
            reply = client.command("MAIL FROM:<alice@example.test>")
            if reply.code == 250:
                client.command("RCPT TO:<bob@dest.test>")
                reply = client.command("DATA")
                client.send(stuffed(simple_message("bob@dest.test", body=("x" * 78 + "\r\n") * 20000)))
                reply = client.reply()
            self.assertEqual(reply.code, 452)
            self.check("spool", reply.lines)
        self.assertEqual(self.conversation("open", said), usual)
        resource.prlimit(self.d.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def test_messages_that_are_refused(self):
        """To those who may send: what is wrong with the message, and nothing about us."""
        with self.d.client() as client:
            for header in (b"", b"From: nobody\r\n", b"no header\r\n", b"From: <a@b.test>\r\nFrom: <c@d.test>\r\n",
                           b"From: <alice@example.test>\r\nX: \0\r\n", b"Received: x\r\n" * 60 + b"From: <alice@example.test>\r\n",
                           b"From: <alice@not-ours.test>\r\n", b"From: <alice@example.test>\r\nX: " + b"y" * 3000 + b"\r\n"):
                reply = client.deliver("carol@example.test", ["dave@dest.test"], header + b"Subject: x\r\n\r\nx\r\n")
                if reply.code != 250:
                    self.assertNotIn(str(self.d.directory), str(reply.lines))
                    for line in reply.lines:
                        self.assertIsNone(re.search(r"sqlite|errno|std::|exception|/tmp|/var|\.cpp", line, re.IGNORECASE), line)


if __name__ == "__main__":
    world.main()
