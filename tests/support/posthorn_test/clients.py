"""What the tests of other people's clients share: one demanding message, all ways to hand it in, and the proof that it came whole."""

import email
import email.header
import email.message
import email.policy
import email.utils
import os
import pathlib
import random
import subprocess
import tempfile

from . import verify, world

USER, PASSWORD = "alice", "correct horse"
SENDER, SENDER_NAME = "alice@example.test", "Jörg Müller"
RECIPIENT, RECIPIENT_NAME = "bob@dest.test", "Łukasz Żółć"
BODY = "Grüße aus Köln – und ein schönes Wochenende!\n.\n..\n.ein Punkt am Anfang\nSchluß.\n"
PROTECTION = {"submission": "STARTTLS", "submissions": "implicit TLS"}


def all_ways(mechanisms):
    """(listener, mechanism): STARTTLS and implicit TLS, each with every mechanism."""
    return [(listener, mechanism) for listener in PROTECTION for mechanism in mechanisms]


def attachment(size=20000):
    """Octets that no text encoding leaves alone: every value, both line ends, lines with dots alone, one long line."""
    return bytes(range(256)) + b"\r\n.\r\n..\r\n\n.\n\r.\r" + random.randbytes(size) + b"\xff" * 3000


def composed(subject, octets):
    """The message, for clients that take a whole one; CRLF is left to them."""
    message = email.message.EmailMessage()
    message["From"] = f"{SENDER_NAME} <{SENDER}>"
    message["To"] = f"{RECIPIENT_NAME} <{RECIPIENT}>"
    message["Subject"] = subject
    message.set_content(BODY)
    message.add_attachment(octets, maintype="application", subtype="octet-stream", filename="Übersicht.bin")
    return message


def encoded(text):
    """UTF-8 as encoded words on one line, for clients that do not do that themselves (RFC 2047)."""
    return email.header.Header(text, "utf-8").encode(linesep="")


def decoded(value):
    """The text of a field's value."""
    return str(email.header.make_header(email.header.decode_header(value)))


def addresses(message, field):
    """(name, address) of each mailbox in a message's From, To, ..."""
    return [(decoded(name), address) for name, address in email.utils.getaddresses(message.fields(field))]


class ClientTest(world.WorldTest):
    """A daemon and its MX; every client is told the daemon's own certificate and verifies it."""

    def setUp(self):
        self.w = self.world()
        self.d = self.w.daemon
        self.authority = str(self.d.directory / "mail.example.test.crt")
        self.octets = attachment()
        scratch = tempfile.TemporaryDirectory(prefix="client-")
        self.addCleanup(scratch.cleanup)
        self.home = pathlib.Path(scratch.name)
        self.file = self.home / "Übersicht.bin"
        self.file.write_bytes(self.octets)

    def each_way(self, mechanisms, hand_in):
        """hand_in(listener, mechanism, subject) each way there is; each message must arrive whole, signed and over TLS."""
        for listener, mechanism in all_ways(mechanisms):
            with self.subTest(listener=listener, mechanism=mechanism):
                subject = f"Prüfung №7: {PROTECTION[listener]}, {mechanism} – ✓"
                self.w.sink.clear()
                hand_in(listener, mechanism, subject)
                self.check(self.arrived(), subject)

    def run_client(self, arguments, status=0, stdin=None, **environment):
        """Runs it in a home of its own, where none of this machine's settings are."""
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"} | environment
        run = subprocess.run(list(map(str, arguments)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd=self.home,
                             env=surroundings, **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}))
        output = run.stdout.decode("utf-8", "replace")
        self.assertEqual(run.returncode, status, output)
        return output

    def arrived(self):
        """The one message that came: authenticated, protected, aligned, signed."""
        message = self.w.sink.wait_for_message(RECIPIENT)
        self.assertEqual(message.sender, SENDER)
        self.assertRegex(message.fields("Received")[0], r"\bwith (UTF8)?E?SMTPSA\s")
        self.assertTrue(message.tls.startswith("TLSv1."), "delivered without TLS")
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))
        return message

    def check(self, message, subject):
        """Subject, names, text and attachment are what was handed in, to the octet."""
        self.assertEqual([decoded(v) for v in message.fields("Subject")], [subject])
        self.assertEqual(addresses(message, "From"), [(SENDER_NAME, SENDER)])
        self.assertEqual(addresses(message, "To"), [(RECIPIENT_NAME, RECIPIENT)])
        mail = email.message_from_bytes(message.data, policy=email.policy.SMTP)
        text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
        self.assertEqual(text.rstrip("\n"), BODY.rstrip("\n"))
        files = list(mail.iter_attachments())
        self.assertEqual(len(files), 1)
        self.assertEqual(files[0].get_payload(decode=True), self.octets)
        self.assertTrue(mail["Date"] and mail["Message-ID"])
