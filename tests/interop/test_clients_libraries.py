"""Libraries that applications send mail with hand it in, each way they know: Python's smtplib, PHPMailer and nodemailer."""

import json
import pathlib
import smtplib
import ssl

from posthorn_test import clients, world
from posthorn_test.clients import BODY, PASSWORD, RECIPIENT, RECIPIENT_NAME, SENDER, SENDER_NAME, USER

HERE = pathlib.Path(__file__).resolve().parent
NODE_PATH = "/usr/share/nodejs"   # where Debian's node-nodemailer is: npm's nodemailer


class Libraries(clients.ClientTest):
    def order(self, listener, mechanism, subject):
        """What the PHP and JavaScript programs beside this file are told, as JSON."""
        host, port = self.d.endpoint(listener)
        return json.dumps({
            "host": host, "port": port, "implicit_tls": listener == "submissions", "ca_file": self.authority, "mechanism": mechanism,
            "user": USER, "password": PASSWORD, "sender": SENDER, "sender_name": SENDER_NAME, "recipient": RECIPIENT,
            "recipient_name": RECIPIENT_NAME, "subject": subject, "text": BODY, "file": str(self.file)}).encode()

    def test_smtplib(self):
        context = ssl.create_default_context(cafile=self.authority)

        def hand_in(listener, mechanism, subject):
            host, port = self.d.endpoint(listener)
            implicit = listener == "submissions"
            with (smtplib.SMTP_SSL(host, port, timeout=30, context=context) if implicit else
                  smtplib.SMTP(host, port, timeout=30)) as client:
                if not implicit:
                    client.starttls(context=context)
                client.ehlo()
                client.user, client.password = USER, PASSWORD
                client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
                client.send_message(clients.composed(subject, self.octets))
        self.each_way(("PLAIN", "LOGIN"), hand_in)

    def test_smtplib_in_utf8(self):
        """login() takes what the server offers; for an address in UTF-8 the header goes as it is, not encoded (RFC 6531)."""
        context = ssl.create_default_context(cafile=self.authority)
        with smtplib.SMTP(*self.d.endpoint("submission"), timeout=30) as client:
            client.starttls(context=context)
            client.login(USER, PASSWORD)
            client.send_message(clients.composed("gewählt", self.octets), to_addrs=[RECIPIENT, "zoë@dest.test"])
        message = self.arrived()
        self.assertIn("SMTPUTF8", message.mail_parameters)
        self.assertIn("Subject: gewählt\r\n".encode(), message.data)
        self.check(message, "gewählt")

    def test_phpmailer(self):
        """PHPMailer composes the message."""
        self.each_way(("PLAIN", "LOGIN"), lambda listener, mechanism, subject: self.run_client(
            ["php", "-n", HERE / "send_by_phpmailer.php"], stdin=self.order(listener, mechanism, subject)))

    def test_nodemailer(self):
        """nodemailer composes the message."""
        self.each_way(("PLAIN", "LOGIN"), lambda listener, mechanism, subject: self.run_client(
            ["node", HERE / "send_by_nodemailer.js"], stdin=self.order(listener, mechanism, subject), NODE_PATH=NODE_PATH))


if __name__ == "__main__":
    world.main()
