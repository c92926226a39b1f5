"""Programs that people send mail with hand it in, each way they know: swaks, curl, msmtp, s-nail and git send-email."""

import urllib.parse

from posthorn_test import clients, world
from posthorn_test.clients import PASSWORD, RECIPIENT, RECIPIENT_NAME, SENDER, SENDER_NAME, USER


class Programs(clients.ClientTest):
    def swaks(self, listener, mechanism, *arguments, password=PASSWORD, status=0):
        host, port = self.d.endpoint(listener)
        return self.run_client(["swaks", "--server", host, "--port", port, "--from", SENDER, "--to", RECIPIENT,
                                "-tls" if listener == "submission" else "-tlsc", "--tls-verify", "--tls-ca-path", self.authority,
                                "--auth", mechanism, "--auth-user", USER, "--auth-password", password, *arguments], status)

    def test_swaks(self):  # SD-25
        def hand_in(listener, mechanism, subject):
            (self.home / "mail").write_bytes(clients.composed(subject, self.octets).as_bytes())
            self.swaks(listener, mechanism, "--data", f"@{self.home / 'mail'}")
        self.each_way(("PLAIN", "LOGIN"), hand_in)

    def test_swaks_wrong_password(self):
        for listener, mechanism in clients.all_ways(("PLAIN", "LOGIN")):
            with self.subTest(listener=listener, mechanism=mechanism):
                output = self.swaks(listener, mechanism, password="no", status=28)   # swaks: "error during authentication"
                self.assertIn("535 5.7.8", output)
        self.assertEqual(self.w.sink.accepted, 0)

    def curl(self, listener, mechanism, *arguments, authority=None, status=0):
        host, port = self.d.endpoint(listener)
        scheme = "smtp" if listener == "submission" else "smtps"
        return self.run_client(["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", authority or self.authority,
                                "--url", f"{scheme}://{host}:{port}/client.example.test", "--mail-from", SENDER,
                                "--mail-rcpt", RECIPIENT, "--user", f"{USER}:{PASSWORD}", "--login-options", f"AUTH={mechanism}",
                                *arguments], status)

    def test_curl(self):
        """curl composes the message."""
        (self.home / "text").write_bytes(clients.BODY.replace("\n", "\r\n").encode())

        def hand_in(listener, mechanism, subject):
            self.curl(listener, mechanism, "--header", f"From: {clients.encoded(SENDER_NAME)} <{SENDER}>",
                      "--header", f"To: {clients.encoded(RECIPIENT_NAME)} <{RECIPIENT}>",
                      "--header", f"Subject: {clients.encoded(subject)}",
                      "--form", "=<text;type=text/plain; charset=utf-8;encoder=8bit",
                      "--form", f"=@{self.file.name};type=application/octet-stream;encoder=base64")
        self.each_way(("PLAIN", "LOGIN"), hand_in)

    def test_curl_does_not_trust_another_certificate(self):
        """That the clients verify is shown once: told another authority, curl hands in nothing."""
        self.curl("submission", "PLAIN", "--upload-file", self.file.name, authority="/etc/ssl/certs/ca-certificates.crt", status=60)
        self.curl("submissions", "PLAIN", "--upload-file", self.file.name, authority="/etc/ssl/certs/ca-certificates.crt", status=60)
        self.assertEqual(self.w.sink.accepted, 0)

    def test_msmtp(self):
        def hand_in(listener, mechanism, subject):
            host, port = self.d.endpoint(listener)
            settings = self.home / "msmtprc"
            settings.write_text(f"account default\nhost {host}\nport {port}\nfrom {SENDER}\nauth {mechanism.lower()}\nuser {USER}\n"
                                f"password {PASSWORD}\ntls on\ntls_starttls {'on' if listener == 'submission' else 'off'}\n"
                                f"tls_trust_file {self.authority}\n")
            settings.chmod(0o600)
            self.run_client(["msmtp", "-C", settings, RECIPIENT], stdin=clients.composed(subject, self.octets).as_bytes())
        self.each_way(("PLAIN", "LOGIN", "SCRAM-SHA-256"), hand_in)

    def test_s_nail(self):
        """s-nail composes the message."""
        def hand_in(listener, mechanism, subject):
            host, port = self.d.endpoint(listener)
            who = f"{USER}:{urllib.parse.quote(PASSWORD)}"
            tls = ["-S", "smtp-use-starttls"] if listener == "submission" else []
            self.run_client(["s-nail", "-:/", "-S", "v15-compat", *tls, "-S", "ttycharset=UTF-8", "-S", "sendcharsets=utf-8",
                             "-S", f"mta={'smtp' if listener == 'submission' else 'smtps'}://{who}@{host}:{port}",
                             "-S", "fullnames",
                             "-S", f"smtp-auth={mechanism.lower()}", "-S", f"tls-ca-file={self.authority}", "-S", "tls-verify=strict",
                             "-S", f"from={SENDER_NAME} <{SENDER}>", "-S", "hostname=client.example.test",
                             "-S", f"DEAD={self.home}/dead", "-s", subject,
                             "-a", self.file, f"{RECIPIENT_NAME} <{RECIPIENT}>"], stdin=clients.BODY.encode())
        self.each_way(("PLAIN", "LOGIN"), hand_in)

    def git(self, directory, *arguments, **how):
        return self.run_client(["git", "-C", directory, "-c", f"user.name={SENDER_NAME}", "-c", f"user.email={SENDER}",
                                "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main", *arguments], **how)

    def test_git_send_email(self):
        """A patch with a binary file, sent by git send-email, applied by git am: the commit is the same.

        The patch stands in the text: of one attached, git 2.39 encodes the subject twice by itself.
        """
        mine, theirs = self.home / "mine", self.home / "theirs"
        self.git(self.home, "init", "-q", mine)
        (mine / "text").write_text("eins\n", encoding="utf-8")
        self.git(mine, "add", "text")
        self.git(mine, "commit", "-q", "-m", "Anfang")
        self.git(self.home, "clone", "-q", mine, theirs)

        def hand_in(listener, mechanism, subject):
            host, port = self.d.endpoint(listener)
            (mine / "text").write_text(f"eins\nzwei – {subject}\n.\n", encoding="utf-8")
            (mine / "binary").write_bytes(clients.attachment())
            self.git(mine, "add", "text", "binary")
            self.git(mine, "commit", "-q", "-m", subject)
            self.git(mine, "format-patch", "-q", "-1", "--binary", "-o", self.home / "patches", "--start-number", "1")
            patches = sorted((self.home / "patches").iterdir())
            self.assertEqual(len(patches), 1)
            self.git(mine, "send-email", "--smtp-server", host, "--smtp-server-port", port, "--smtp-user", USER,
                     "--smtp-pass", PASSWORD, "--smtp-encryption", "tls" if listener == "submission" else "ssl", "--smtp-ssl-cert-path", self.authority,
                     "--smtp-auth", mechanism, "--smtp-domain", "client.example.test", "--from", f"{SENDER_NAME} <{SENDER}>",
                     "--to", f"{RECIPIENT_NAME} <{RECIPIENT}>", "--confirm", "never", "--suppress-cc", "all", patches[0])
            patches[0].unlink()

        for listener, mechanism in clients.all_ways(("PLAIN", "LOGIN")):
            with self.subTest(listener=listener, mechanism=mechanism):
                self.w.sink.clear()
                hand_in(listener, mechanism, f"Änderung №7: {listener}, {mechanism}")
                self.git(theirs, "am", "-q", stdin=self.arrived().data)
                commits = [self.git(repository, "log", "-1", "--format=%T %an %ae %s") for repository in (mine, theirs)]
                self.assertEqual(*commits)

    def test_unix_socket(self):
        self.d.send(RECIPIENT, subject="by socket", listener="unix")
        message = self.w.sink.wait_for_message(RECIPIENT)
        self.assertRegex(message.fields("Received")[0], r"\bwith ESMTP\s")


if __name__ == "__main__":
    world.main()
