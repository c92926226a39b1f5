"""Other people's clients hand in mail: swaks, curl, msmtp and Python's smtplib, with STARTTLS, implicit TLS, PLAIN and LOGIN."""

import pathlib
import smtplib
import ssl
import subprocess

from posthorn_test import verify, world
from posthorn_test.daemon import simple_message

MESSAGE = b"From: Alice <alice@example.test>\nTo: bob@dest.test\nSubject: by %s\n\nHello Bob.\n"


class SubmitClients(world.WorldTest):
    def setUp(self):
        self.w = self.world()
        self.d = self.w.daemon
        self.mail = pathlib.Path(self.d.directory, "mail.eml")

    def run_client(self, arguments, name, **how):
        self.mail.write_bytes(MESSAGE % name.encode())
        run = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **how)
        self.assertEqual(run.returncode, 0, run.stdout)
        return self.arrived(f"by {name}")

    def arrived(self, subject, protocol="ESMTPSA"):
        message = self.w.sink.wait_for_message("bob@dest.test")
        self.assertEqual(message.fields("Subject"), [subject])
        self.assertEqual(message.sender, "alice@example.test")
        self.assertRegex(message.fields("Received")[0], rf"\bwith {protocol}\s")
        self.assertTrue(message.tls.startswith("TLSv1."), "delivered without TLS")
        self.assertIsNone(verify.all_pass(message.data, self.w.dns))
        return message

    def swaks(self, listener, *arguments):
        host, port = self.d.endpoint(listener)
        return ["swaks", "--server", host, "--port", str(port), "--from", "alice@example.test", "--to", "bob@dest.test",
                "--data", f"@{self.mail}", *arguments]

    def test_swaks_starttls_auth_plain(self):
        self.run_client(self.swaks("submission", "-tls", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password",
                                   "correct horse"), "swaks")

    def test_swaks_starttls_auth_login(self):
        self.run_client(self.swaks("submission", "-tls", "--auth", "LOGIN", "--auth-user", "alice", "--auth-password",
                                   "correct horse"), "swaks")

    def test_swaks_implicit_tls(self):
        self.run_client(self.swaks("submissions", "-tlsc", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password",
                                   "correct horse"), "swaks")

    def test_swaks_wrong_password(self):
        self.mail.write_bytes(MESSAGE % b"x")
        run = subprocess.run(self.swaks("submission", "-tls", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "no"),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(run.returncode, 28, run.stdout)   # swaks: "error during authentication"
        self.assertIn("535 5.7.8", run.stdout)
        self.assertEqual(self.w.sink.accepted, 0)

    def curl(self, url, *arguments):
        return ["curl", "--silent", "--show-error", "--insecure", "--url", url, "--mail-from", "alice@example.test", "--mail-rcpt",
                "bob@dest.test", "--upload-file", str(self.mail), "--crlf", "--user", "alice:correct horse", *arguments]

    def test_curl_starttls(self):
        host, port = self.d.endpoint("submission")
        self.run_client(self.curl(f"smtp://{host}:{port}/client.example.test", "--ssl-reqd"), "curl")

    def test_curl_implicit_tls(self):
        host, port = self.d.endpoint("submissions")
        self.run_client(self.curl(f"smtps://{host}:{port}/client.example.test"), "curl")

    def test_msmtp(self):
        host, port = self.d.endpoint("submission")
        settings = pathlib.Path(self.d.directory, "msmtprc")
        settings.write_text(f"account default\nhost {host}\nport {port}\nfrom alice@example.test\nauth on\nuser alice\n"
                            "password correct horse\ntls on\ntls_starttls on\ntls_certcheck off\n")
        settings.chmod(0o600)
        self.run_client(["msmtp", "-C", str(settings), "bob@dest.test"], "msmtp", input=(MESSAGE % b"msmtp").decode())

    def test_smtplib(self):
        context = ssl.create_default_context(cafile=str(self.d.directory / "mail.example.test.crt"))
        context.check_hostname = False   # it is valid for the name, not for this test's address
        host, port = self.d.endpoint("submission")
        with smtplib.SMTP(host, port, timeout=30) as client:
            client.starttls(context=context)
            client.login("alice", "correct horse")
            client.sendmail("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test", "by smtplib"))
        self.arrived("by smtplib")

    def test_unix_socket(self):
        self.d.send("bob@dest.test", subject="by socket", listener="unix")
        self.arrived("by socket", "ESMTP")


if __name__ == "__main__":
    world.main()
