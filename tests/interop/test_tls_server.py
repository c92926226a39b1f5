#!/usr/bin/env python3
"""The server's TLS as openssl, swaks and curl see it: versions, names, tickets, renewal without a restart, expiry (TLS-3, TLS-5, TLS-7)."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from posthorn_test import world
from posthorn_test.world import WorldTest


def certificate(path, names, days=90, key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
    """A self-signed pair path.crt, path.key for these names, the first is the common name; negative days: it has ended."""
    crt, private = f"{path}.crt", f"{path}.key"
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", "-days", "90", "-subj", f"/CN={names[0]}",
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names), "-keyout", private, "-out", crt],
                   check=True, stderr=subprocess.DEVNULL)
    # `req` takes no negative days, `x509` does.
    signed = subprocess.run(["openssl", "x509", "-in", crt, "-key", private, "-days", str(days)], check=True, capture_output=True)
    pathlib.Path(crt).write_bytes(signed.stdout)
    return crt, private


def serial_of(crt):
    return subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", str(crt)], check=True, capture_output=True,
                          text=True).stdout.strip()


class TlsServer(WorldTest):
    def s_client(self, w, *options, listener="open", say="QUIT\r\n", starttls=True):
        """openssl s_client's output; its certificate is the first PEM in it."""
        host, port = w.daemon.endpoint(listener)
        # -ign_eof: read the server's answers to the end, whatever comes in on stdin.
        run = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", *(["-starttls", "smtp"] if starttls else []),
                              "-ign_eof", *options], input=say.encode(), capture_output=True, timeout=60)
        return run.stdout.decode("utf-8", "replace") + run.stderr.decode("utf-8", "replace")

    def shown(self, w, name=None, *options):
        """The subject's common name of the certificate shown to a client that asks for `name`."""
        out = self.s_client(w, *(["-servername", name] if name else ["-noservername"]), *options)
        match = re.search(r"^subject=CN = (.*)$", out, re.MULTILINE)
        self.assertTrue(match, out)
        return match.group(1)

    def wait_for_serial(self, w, serial):
        """Until new connections are shown that certificate."""
        w.daemon.wait_for_log(r"\bcertificate\b.*read anew")
        out = self.s_client(w)
        pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", out, re.DOTALL).group(0)
        seen = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True, check=True)
        self.assertEqual(seen.stdout.strip(), serial)

    def test_versions_and_suites(self):  # SD-66
        """TLS-5, RFC 8996, RFC 8997, RFC 9325 s4: TLS 1.2 and 1.3, AEAD with forward secrecy only."""
        w = self.world()
        weak = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
        for option in ("-tls1", "-tls1_1"):
            self.assertIn("Cipher is (NONE)", self.s_client(w, option, *weak))
        self.assertIn("TLSv1.2, Cipher is ECDHE-ECDSA-", self.s_client(w, "-tls1_2"))
        self.assertIn("TLSv1.3, Cipher is TLS_", self.s_client(w, "-tls1_3"))
        for suites in ("AES128-GCM-SHA256:AES256-SHA", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA", "DHE+AESGCM", "NULL:aNULL"):
            self.assertIn("Cipher is (NONE)", self.s_client(w, "-tls1_2", "-cipher", suites + ":@SECLEVEL=0"), suites)
        out = self.s_client(w, "-tls1_2")
        self.assertIn("Compression: NONE", out)
        self.assertIn("Secure Renegotiation IS supported", out)   # the extension (RFC 5746), not the deed
        self.assertIn("No client certificate CA names sent", out)

    def test_renegotiation_is_refused(self):
        """RFC 9325 s3.5. s_client takes a line "R" as the order to renegotiate."""
        w = self.world()
        host, port = w.daemon.endpoint("open")
        run = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-starttls", "smtp", "-tls1_2"], input=b"R\n",
                             capture_output=True, timeout=60)
        out = (run.stdout + run.stderr).decode("utf-8", "replace")
        self.assertIn("RENEGOTIATING", out)
        self.assertIn("no renegotiation", out)

    def test_tls_1_3_only(self):
        w = self.world(changes={"tls": {"min_version": "1.3"}})
        self.assertIn("Cipher is (NONE)", self.s_client(w, "-tls1_2"))
        self.assertIn("TLSv1.3", self.s_client(w))

    def test_certificates_by_name(self):
        """RFC 6066 s3: exact before wildcard, the first for all else, never an alert."""
        scratch = self.scratch()
        more = [certificate(f"{scratch}/wild", ["wild.test", "*.example.net"]),
                certificate(f"{scratch}/exact", ["smtp.example.net"]),
                certificate(f"{scratch}/rsa", ["smtp.example.net"], key=("-newkey", "rsa:2048"))]
        w = self.world(changes={"certificate": [{"certificate_file": c, "key_file": k} for c, k in more]})
        self.assertEqual(self.shown(w, "smtp.example.net"), "smtp.example.net")
        self.assertEqual(self.shown(w, "mx.example.net"), "wild.test")
        self.assertEqual(self.shown(w, "a.b.example.net"), "mail.example.test")
        self.assertEqual(self.shown(w, "unknown.test"), "mail.example.test")
        self.assertEqual(self.shown(w), "mail.example.test")
        # The RSA twin serves clients that know no ECDSA.
        self.assertIn("Peer signature type: RSA-PSS", self.s_client(w, "-servername", "smtp.example.net", "-sigalgs",
                                                                    "RSA-PSS+SHA256:RSA+SHA256"))

    def test_tickets(self):
        """RFC 5077, RFC 8446 s4.6.1: resumed also after a reload; for one name only (RFC 6066 s3); no early data."""
        scratch = self.scratch()
        other = certificate(f"{scratch}/other", ["other.test"])
        w = self.world(changes={"certificate": [{"certificate_file": other[0], "key_file": other[1]}]})
        for version in ("-tls1_2", "-tls1_3"):
            kept = f"{scratch}/session{version}"
            out = self.s_client(w, version, "-servername", "mail.example.test", "-sess_out", kept, say="NOOP\r\nQUIT\r\n")
            self.assertIn("New, TLS", out)
            w.daemon.reload()
            w.daemon.wait_for_log("\\breloaded\\b", count=1 if version == "-tls1_2" else 2)
            again = ["-servername", "mail.example.test", "-sess_in", kept]
            self.assertIn("Reused, TLS", self.s_client(w, version, *again))
            self.assertNotIn("Reused, TLS", self.s_client(w, version, "-servername", "other.test", "-sess_in", kept))
            self.assertNotIn("Early data was accepted", out)

    def lets_encrypt(self):
        """A directory as certbot keeps it, and the function that renews in it."""
        root = pathlib.Path(self.scratch())
        (root / "archive/mail.example.test").mkdir(parents=True)
        live = root / "live/mail.example.test"
        live.mkdir(parents=True)
        numbers = iter(range(1, 100))

        def renew(days=90, kinds=("fullchain", "privkey")):
            number = next(numbers)
            crt, key = certificate(root / f"made{number}", ["mail.example.test"], days)
            for kind, source in (("fullchain", crt), ("privkey", key)):
                if kind in kinds:
                    shutil.copy(source, root / f"archive/mail.example.test/{kind}{number}.pem")
                    link = live / f"{kind}.new"
                    link.symlink_to(f"../../archive/mail.example.test/{kind}{number}.pem")
                    os.replace(link, live / f"{kind}.pem")
            return crt, key

        return live, renew

    def scratch(self):
        scratch = tempfile.TemporaryDirectory(prefix="tls-server-")
        self.addCleanup(scratch.cleanup)
        return scratch.name

    def test_renewed_without_restart_or_signal(self):  # SD-60
        """TLS-7: certbot swaps the links; the next connection has the new certificate, one under way goes on with its own."""
        live, renew = self.lets_encrypt()
        renew()
        w = self.world(changes={"tls": {"certificate_file": str(live / "fullchain.pem"), "key_file": str(live / "privkey.pem"),
                                        "check_interval": "100ms"}})
        with w.daemon.client("open") as client:
            client.starttls()
            crt, _ = renew()
            self.wait_for_serial(w, serial_of(crt))
            client.hello()
            client.expect(250, "NOOP")

    def test_a_mistake_keeps_the_old_one_and_is_told_once(self):
        live, renew = self.lets_encrypt()
        renew()
        w = self.world(changes={"tls": {"certificate_file": str(live / "fullchain.pem"), "key_file": str(live / "privkey.pem"),
                                        "check_interval": "100ms"}})
        renew(kinds=("fullchain",))   # the key is not there yet
        w.daemon.wait_for_log(r"\bcertificate\b.*does not belong to")
        self.assertEqual(self.shown(w), "mail.example.test")
        renew(days=-1)                # expired already: no better than what we have
        w.daemon.wait_for_log(r"\bcertificate\b.*has expired")
        crt, _ = renew()
        self.wait_for_serial(w, serial_of(crt))
        self.assertEqual(len(w.daemon.log("does not belong to")), 1)
        self.assertEqual(len(w.daemon.wait_for_log(r"read anew")), 1)

    def test_expiry_is_told(self):
        scratch = self.scratch()
        crt, key = certificate(f"{scratch}/soon", ["soon.example.test"], days=5)
        w = self.world(changes={"tls": {"certificate_file": crt, "key_file": key}})
        line, = w.daemon.wait_for_log(r"\bcertificate\b.*expires in \d days")
        self.assertIn(crt, line)
        self.assertIn("soon.example.test", line)
        w.daemon.wait_for_log("no certificate is for the hostname mail.example.test")
        checked = w.daemon.command("check-config")
        self.assertRegex(checked.stderr, r"expires in \d days")
        self.assertIn("no certificate is for the hostname", checked.stderr)
        metrics = w.daemon.command("metrics").stdout
        self.assertRegex(metrics, r'posthorn_tls_certificate_not_after_seconds\{.*names="soon.example.test".*\} \d')

    def test_self_signed_on_request(self):
        """Made once, for nobody else to read, used again at the next start."""
        w = self.world(changes={"tls": {"certificate_file": None, "key_file": None, "self_signed": True}})
        w.daemon.wait_for_log("self-signed for mail.example.test.*will not trust it")
        made = w.daemon.directory / "tls-self-signed.pem"
        self.assertEqual(made.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.shown(w), "mail.example.test")
        before = made.read_bytes()
        w.daemon.stop()
        w.daemon.start()
        self.assertEqual(made.read_bytes(), before)
        self.assertEqual(len(w.daemon.log("self-signed for")), 1)

    def test_no_certificate_no_starttls(self):
        """TLS-3, RFC 8314 s4: not advertised without a usable certificate."""
        w = self.world(changes={"tls": {"certificate_file": None, "key_file": None}, "listener": [
            {"address": "127.0.0.1:0", "tls": "none", "auth": "none"}]})
        w.daemon.ports["plain"] = None
        address = re.search(r"127\.0\.0\.1:(\d+)", w.daemon.wait_for_log(r"\blistening\b")[0]).group(1)
        w.daemon.address, w.daemon.ports["plain"] = "127.0.0.1", int(address)
        with w.daemon.client("plain", hello=False) as client:
            self.assertNotIn("STARTTLS", client.hello().text)
            self.assertEqual(client.command("STARTTLS").code // 100, 5)

    def test_real_clients(self):
        """TLS-3: 587 with STARTTLS and 465 implicit, as swaks and curl do it; Received tells the suite (TLS-4, RFC 8314 s4.3)."""
        w = self.world()
        host, port = w.daemon.endpoint("submission")
        login = ["--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "correct horse"]
        subprocess.run(["swaks", "--server", host, "--port", str(port), "--tls", "--tls-sni", "mail.example.test", *login, "--from",
                        "alice@example.test", "--to", "swaks@dest.test"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        self.assertRegex(w.sink.wait_for_message("swaks@dest.test").fields("Received")[0], r"with ESMTPSA(?s:.*)\stls TLS_AES")
        host, port = w.daemon.endpoint("submissions")
        mail = pathlib.Path(self.scratch()) / "mail"
        mail.write_bytes(b"From: <alice@example.test>\r\nTo: <curl@dest.test>\r\nSubject: x\r\n\r\nx\r\n")
        subprocess.run(["curl", "-sS", "--tls-max", "1.2", "--cacert", str(w.daemon.directory / "mail.example.test.crt"), "--url",
                        f"smtps://{host}:{port}", "--user", "alice:correct horse", "--mail-from", "alice@example.test",
                        "--mail-rcpt", "curl@dest.test", "-T", str(mail)], check=True, timeout=60)
        self.assertRegex(w.sink.wait_for_message("curl@dest.test").fields("Received")[0], r"with ESMTPSA(?s:.*)\stls TLS_ECDHE_ECDSA_WITH_")


if __name__ == "__main__":
    world.main()
