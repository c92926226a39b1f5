"""SCRAM as others speak it: GNU SASL's gsasl with each channel binding it knows, msmtp, and a users file that gsasl made."""

import base64

from posthorn_test import clients, world
from posthorn_test.clients import PASSWORD, USER
from posthorn_test.daemon import quick_hash


class Scram(clients.ClientTest):
    def gsasl(self, mechanism, *arguments, user=USER, password=PASSWORD, status=0):
        host, port = self.d.endpoint("submission")
        return self.run_client(["gsasl", "--smtp", "--connect", f"{host}:{port}", "--x509-ca-file", self.authority,
                                "--mechanism", mechanism, "--authentication-id", user, "--password", password,
                                *arguments], status)

    def logged(self, result, mechanism, count=1):
        return self.d.wait_for_log(rf"\bauth\b.* result={result} .*mechanism={mechanism}(\s|$)", count)

    def test_gsasl_binds_the_channel(self):
        """tls-exporter of TLS 1.3 (RFC 9266) and tls-unique of TLS 1.2 (RFC 5929 s3)."""
        self.gsasl("SCRAM-SHA-256-PLUS", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3")
        self.logged("ok", "SCRAM-SHA-256-PLUS", 1)
        self.gsasl("SCRAM-SHA-256-PLUS", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
        self.logged("ok", "SCRAM-SHA-256-PLUS", 2)
        self.assertTrue(self.d.log("TLSv1.2") and self.d.log("TLSv1.3"))

    def test_gsasl_without_binding(self):
        self.gsasl("SCRAM-SHA-256", "--no-cb")
        self.logged("ok", "SCRAM-SHA-256")

    def test_gsasl_fails(self):
        for user, password in (USER, "wrong"), ("nobody", PASSWORD):
            for mechanism in "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN":
                with self.subTest(user=user, mechanism=mechanism):
                    output = self.gsasl(mechanism, user=user, password=password, status=1)
                    self.assertNotIn("235 ", output)

    def test_msmtp(self):
        host, port = self.d.endpoint("submission")
        settings = self.home / "msmtprc"
        settings.write_text(f"account default\nhost {host}\nport {port}\nfrom {clients.SENDER}\nauth scram-sha-256\nuser {USER}\n"
                            f"password {PASSWORD}\ntls on\ntls_trust_file {self.authority}\n")
        settings.chmod(0o600)
        self.run_client(["msmtp", "-C", settings, clients.RECIPIENT], stdin=clients.composed("SCRAM", self.octets).as_bytes())
        self.check(self.arrived(), "SCRAM")
        self.logged("ok", "SCRAM-SHA-256")

    def test_a_secret_that_gsasl_made(self):
        """Its form is its own; the numbers are the same (RFC 5803)."""
        made = self.run_client(["gsasl", "--mkpasswd", "--mechanism", "SCRAM-SHA-256", "--password", "geheim", "--iteration-count",
                                "5000"]).strip()
        count, salt, stored, server = made.removeprefix("{SCRAM-SHA-256}").split(",")[:4]
        with open(self.d.directory / "users", "a", encoding="utf-8") as users:
            users.write(f"bob:{quick_hash('geheim')}:SCRAM-SHA-256${count}:{salt}${stored}:{server}\n")
        self.d.reload()
        self.d.wait_for_log(r"\breloaded\b")
        self.gsasl("SCRAM-SHA-256-PLUS", user="bob", password="geheim")
        self.assertIn("user=bob", self.logged("ok", "SCRAM-SHA-256-PLUS")[0])

    def test_a_user_without_a_secret(self):
        """Nobody is led to a mechanism that his user cannot use: SCRAM is not offered until all have a secret."""
        with open(self.d.directory / "users", "a", encoding="utf-8") as users:
            users.write(f"old:{quick_hash('geheim')}\n")
        self.d.reload()
        self.d.wait_for_log(r"\breloaded\b")
        self.assertIn("old could not log in by it", self.d.wait_for_log("SCRAM is not offered")[0])
        with self.d.client("submissions") as client:
            self.assertIn("AUTH PLAIN LOGIN", client.hello().text.splitlines())
            token = base64.b64encode(b"n,,n=alice,r=abc").decode()
            client.expect(504, f"AUTH SCRAM-SHA-256 {token}")
            client.login("old", "geheim")
        self.d.command("user", "password", "old", "--password-stdin", stdin="new\n")
        self.d.reload()
        self.d.wait_for_log(r"\breloaded\b", 2)
        self.gsasl("SCRAM-SHA-256-PLUS", user="old", password="new")


if __name__ == "__main__":
    world.main()
