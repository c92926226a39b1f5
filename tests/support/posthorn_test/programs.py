"""What the tests of programs that call sendmail share: a machine with our sendmail and our daemon, and the proof that a mail passes."""

import email
import email.policy
import email.utils
import pathlib
import re
import shutil
import socket
import tempfile

from . import machine, verify, world
from .clients import decoded

ADMIN = "admin@dest.test"       # who reads root's mail
VISITOR = "visitor@dest.test"   # who is written to
SITE = "example.test"           # the site that the machine serves


class ProgramTest(world.WorldTest):
    """Each test gets a machine, `self.m`, whose daemon delivers to a sink; the daemon's own defaults decide where it is found."""

    HOSTNAME = "web1.localdomain"
    USERS = {"web": 10033, "anna": 11000}
    SITE = SITE
    CHANGES = {}
    ALIASES = f"root: {ADMIN}\n"

    def setUp(self):
        if not machine.possible():
            self.skipTest("only root can cover /usr/sbin/sendmail, and only where it may mount")
        self.m = machine.Machine(self.HOSTNAME, self.USERS)
        self.addCleanup(self.m.stop)
        self.m.write("/etc/aliases", self.ALIASES)
        changes = {"listener": None, "admin": {"socket": "/run/posthorn/admin.sock"},
                   "local": {"spool": "/var/spool/posthorn"}} | self.CHANGES   # the defaults, and no other way in
        self.w = self.world(machine=self.m, ours=(self.SITE,), changes=changes)
        self.d = self.w.daemon

    def script(self, path):
        """A copy that every user can read: he need not be able to reach where the sources are."""
        if not hasattr(self, "scripts"):
            self.scripts = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-scripts-"))
            self.addCleanup(shutil.rmtree, self.scripts, ignore_errors=True)
            self.scripts.chmod(0o755)
        copy = self.scripts / path.name
        shutil.copyfile(path, copy)
        copy.chmod(0o644)
        return copy

    def arrived(self, recipient=VISITOR, timeout=30.0):
        """The one message that came for somebody; it must pass."""
        message = self.w.sink.wait_for_message(recipient, timeout)
        self.assertEqual(len(self.w.sink.to(recipient)), 1, "it came more than once")
        self.assert_passes(message)
        return message

    def assert_passes(self, message, told=("Subject",)):
        """What DMARC asks for, strictly (RFC 7489 s3.1): the envelope's domain, From's and the signature's are one, and it is ours.

        And no name that only this machine knows is in what others see: `told` are fields whose words are the sender's own.
        """
        self.assertEqual(message.helo, "mail.example.test")
        fields = message.fields("From")
        self.assertEqual(len(fields), 1, fields)
        mailboxes = email.utils.getaddresses(fields)
        self.assertEqual(len(mailboxes), 1, fields)
        self.assertRegex(mailboxes[0][1], "^[^@]+@" + re.escape(self.SITE) + "$")
        self.assertRegex(message.sender, "^[^@]+@" + re.escape(self.SITE) + "$")
        self.assertEqual(verify.signatures(message.data)[0][0], self.SITE)
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))
        local = {self.m.hostname, self.m.hostname.split(".")[0], "localhost", "localdomain", socket.gethostname()}
        seen = re.sub(r"\r\n(?=[ \t])", "", message.header).split("\r\n")
        leaks = [line for line in seen for name in local
                 if re.search(rf"\b{re.escape(name)}\b", line) and line.split(":")[0] not in told and "DKIM-Signature" not in line]
        self.assertEqual(leaks, [])
        self.assertRegex(message.fields("Received")[0], r"^by mail\.example\.test with local id ")
        for name in ("Date", "Message-ID", "To"):
            self.assertEqual(len(message.fields(name)), 1, message.header)
        self.assertEqual(message.fields("Bcc"), [])

    @staticmethod
    def text(message):
        """The plain text, with LF line ends."""
        mail = email.message_from_bytes(message.data, policy=email.policy.SMTP)
        return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")

    @staticmethod
    def attachment(message):
        """The octets of the only file."""
        files = list(email.message_from_bytes(message.data, policy=email.policy.SMTP).iter_attachments())
        assert len(files) == 1, files
        return files[0].get_payload(decode=True)

    @staticmethod
    def subject(message):
        return decoded(message.fields("Subject")[0])


main = world.main
