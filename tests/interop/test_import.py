"""`posthorn import postfix` on the four field reports' configurations: the result starts and signs as the old machine did (SD-86)."""

import os
import pathlib
import re
import stat
import shutil
import subprocess
import sys
import time
import unittest

from posthorn_test import verify
from posthorn_test.daemon import Daemon, free_port, loopback_address, program
from posthorn_test.dns_server import DnsServer
from posthorn_test.old_server import OldServer
from posthorn_test.sink import Sink
from posthorn_test.smtp import Client

MESSAGE = (b"From: Blog <%s>\r\nTo: Bob <bob@dest.test>\r\nSubject: A post\r\nDate: Mon, 05 Feb 2024 10:00:00 +0900\r\nMessage-ID: <1.2024@%s>\r\n"
           b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nReply-To: <editor@%s>\r\nX-Blog: 7\r\n\r\nHello Bob,\r\n\r\n  there is  news. \r\n\r\n")


def run_import(old, *arguments):
    run = subprocess.run([program(), "import", "postfix", str(old.etc / "postfix"), "--opendkim", str(old.etc / "opendkim"), "--dovecot",
                          str(old.etc / "dovecot"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return run


class Imported(Daemon):
    """Posthorn with an imported configuration, whose ports and places are the test's."""

    def __init__(self, config, dns, delivery_port):
        self.state = config.parent / "state"
        self.state.mkdir(exist_ok=True)
        self.original = config.read_text()
        super().__init__(dns=None, directory=self.state, environment={
            "POSTHORN_STATE_DIRECTORY": str(self.state), "POSTHORN_DNS_SERVERS": f"{dns.address}:{dns.port}", "POSTHORN_DELIVERY_PORT": str(delivery_port),
            "POSTHORN_DELIVERY_ALLOW_PRIVATE_ADDRESSES": "true", "POSTHORN_ADMIN_SOCKET": str(self.state / "admin.sock"), "POSTHORN_LOCAL_SPOOL": "",
            "POSTHORN_QUEUE_MIN_FREE_SPACE": "1MiB"})
        text = self.original.replace('"127.0.0.1:25"', f'"{self.address}:{self.ports["plain"]}"').replace('"*:587"', f'"{self.address}:{self.ports["submission"]}"')
        text = re.sub(r'"\[::1?\]:\d+"', lambda _: f'"{loopback_address()}:{free_port()}"', text)
        self.config_file = config.with_name("test.toml")
        self.config_file.write_text(text)

    def write_config(self):
        pass


def header_names(data):
    header = data.split(b"\r\n\r\n", 1)[0].decode()
    names = [line.split(":", 1)[0].lower() for line in header.split("\r\n") if not line.startswith((" ", "\t"))]
    return [n for n in names if n not in ("received", "dkim-signature", "dkim-filter")]


class FieldReports(unittest.TestCase):
    # report, sender, domain, selector
    reports = (("S0", "email@tsukarooohi.com", "tsukarooohi.com", "m1"), ("S1", "news@example.com", "example.com", "server-20240129"),
               ("S2", "me@example.org", "example.org", "20160605"), ("S3", "taro@example.com", "example.com", "default"))

    def test_the_result_signs_as_the_old_machine_did(self):
        for report, sender, domain, selector in self.reports:
            with self.subTest(report), OldServer(report) as old:
                self.compare(old, report, sender, domain, selector)

    def compare(self, old, report, sender, domain, selector):
        data = MESSAGE % (sender.encode(), domain.encode(), domain.encode())
        dns = DnsServer()
        sink = Sink(loopback_address(), starttls=False, name="mx.dest.test")
        self.addCleanup(dns.stop)
        self.addCleanup(sink.stop)
        dns.mx("dest.test", ("mx.dest.test", sink.address))
        for name, record in old.records.items():
            dns.set(name, "TXT", record)

        # Ours first, from the files as they were.
        config = old.directory / "posthorn" / "posthorn.toml"
        before = os.umask(0o022)
        applied = run_import(old, "--output", config, "--apply")
        os.umask(before)
        self.assertEqual(applied.returncode, 0, applied.stderr)
        key = config.parent / "keys" / domain / f"{selector}.pem"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(key.parent.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(config.parent.stat().st_mode), 0o755)   # other users' sendmail reads the configuration
        with Imported(config, dns, sink.port) as daemon:
            with Client((daemon.address, daemon.ports["plain"])) as client:
                client.expect(220)
                client.hello()
                client.deliver(sender, ["bob@dest.test"], data)
            ours = sink.wait_for_message("bob@dest.test").data
        sink.clear()

        # Then Debian's Postfix and OpenDKIM with the report's own files.
        old.start_opendkim()
        old.configure_postfix(f"relayhost = [{sink.address}]:{sink.port}")
        old.start_postfix()
        with Client((old.address, old.port)) as client:
            client.expect(220)
            client.hello()
            client.deliver(sender, ["bob@dest.test"], data)
        theirs = sink.wait_for_message("bob@dest.test").data

        self.assertEqual(header_names(ours), header_names(theirs))
        self.assertEqual(ours.split(b"\r\n\r\n", 1)[1], theirs.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(verify.with_opendkim(theirs, dns), ["pass"])
        self.assertEqual(verify.with_opendkim(ours, dns), ["pass"])
        old_tags, new_tags = verify.tags(theirs), verify.tags(ours)
        for tag in ("v", "a", "d", "s", "c", "bh"):
            self.assertEqual(new_tags[tag], old_tags[tag], tag)
        self.assertEqual((new_tags["d"], new_tags["s"]), (domain, selector))
        signed = set(new_tags["h"].lower().split(":"))
        missing = {h for h in old_tags["h"].lower().split(":") if h in header_names(data)} - signed
        self.assertEqual(missing, set(), "OpenDKIM signed fields that we did not")


class Ground(unittest.TestCase):
    def test_the_old_programs_end_with_a_test_that_is_killed(self):
        test = subprocess.Popen([sys.executable, "-c", "import sys\nfrom posthorn_test.old_server import OldServer\nold = OldServer('S0')\n"
                                 "old.start_opendkim()\nprint(old.directory, old.processes[0].pid, flush=True)\nsys.stdin.read()"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        directory, pid = test.stdout.readline().split()
        test.kill()
        test.communicate()
        deadline = time.monotonic() + 20
        while pathlib.Path(f"/proc/{pid}").exists() or pathlib.Path(directory).exists():
            self.assertLess(time.monotonic(), deadline, f"{pid} or {directory} is still there")
            time.sleep(0.02)


class Command(unittest.TestCase):
    def test_nothing_is_overwritten(self):
        with OldServer("S0") as old:
            config = old.directory / "new" / "posthorn.toml"
            self.assertEqual(run_import(old, "--output", config, "--apply").returncode, 0)
            again = run_import(old, "--output", config, "--apply")
            self.assertEqual(again.returncode, 0, again.stderr)   # all of it is there already
            self.assertIn("kept ", again.stdout)
            key = config.parent / "keys/tsukarooohi.com/m1.pem"
            key.write_text("another key")
            config.unlink()
            refused = run_import(old, "--output", config, "--apply")
            self.assertEqual(refused.returncode, 73)
            self.assertIn("nothing is ever overwritten", refused.stderr)
            self.assertEqual(key.read_text(), "another key")
            self.assertFalse(config.exists())

    def test_a_path_that_leads_nowhere_is_told(self):
        with OldServer("S0") as old:
            (old.etc / "opendkim").rename(old.etc / "elsewhere")
            (old.etc / "opendkim.conf").unlink(missing_ok=True)
            refused = run_import(old)   # without its keys the result would look complete
            self.assertEqual(refused.returncode, 66, refused.stdout)
            self.assertIn(f"--opendkim {old.etc / 'opendkim'}: there is no such file", refused.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_a_key_that_this_user_may_not_see(self):
        """It is not told as absent: who looks without root would make a new key for nothing."""
        with OldServer("S0") as old:
            for path in [old.directory, *old.directory.rglob("*")]:
                path.chmod(0o755 if path.is_dir() else 0o644)
            keys = {path.parent for path in old.etc.rglob("*.private")} | {path.parent for path in old.etc.rglob("*.pem")}
            for directory in keys:
                directory.chmod(0o700)
            there = shutil.copy(program(), old.directory / "posthorn")   # others need not be able to reach where it was built
            shown = subprocess.run([there, "import", "postfix", str(old.etc / "postfix"), "--opendkim", str(old.etc / "opendkim"), "--dovecot",
                                    str(old.etc / "dovecot")], user=65534, group=65534, extra_groups=[], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            told = " ".join(shown.stderr.split())
            self.assertIn("may not be read by this user: run this as root", told)
            self.assertNotRegex(told, r"the key of \S+, does not exist")

    def test_looking_changes_nothing(self):
        with OldServer("S3") as old:
            before = {str(p): p.stat().st_mtime_ns for p in old.directory.rglob("*")}
            shown = run_import(old)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn('name = "example.com"', shown.stdout)
            self.assertIn("Mistakes in the old configuration", shown.stderr)
            self.assertIn("Left for you to do", shown.stderr)
            self.assertEqual(before, {str(p): p.stat().st_mtime_ns for p in old.directory.rglob("*")})

    def test_passwords_go_to_files_and_nowhere_else(self):
        with OldServer("S1") as old:
            main = old.etc / "postfix/main.cf"
            main.write_text(main.read_text() + "relayhost = [smtp.example.net]:587\nsmtp_sasl_auth_enable = yes\n"
                            f"smtp_sasl_password_maps = hash:{old.etc}/postfix/sasl_passwd\n")
            (old.etc / "postfix/sasl_passwd").write_text("[smtp.example.net]:587 me@example.com:pass:word\n")
            config = old.directory / "new" / "posthorn.toml"
            applied = run_import(old, "--output", config, "--apply")
            self.assertEqual(applied.returncode, 0, applied.stderr)
            secret = config.parent / "secrets/smtp.example.net.password"
            self.assertEqual(secret.read_text(), "pass:word\n")
            self.assertEqual(stat.S_IMODE(secret.stat().st_mode), 0o600)
            said = applied.stdout + applied.stderr + config.read_text() + run_import(old, "--json").stdout
            self.assertNotIn("pass:word", said)
            checked = subprocess.run([program(), "check-config", "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertNotIn("relay", checked.stdout)

    def test_a_directory_without_postfix(self):
        run = subprocess.run([program(), "import", "postfix", "/nonexistent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 66)
        self.assertIn("/nonexistent/main.cf does not exist", run.stderr)


if __name__ == "__main__":
    unittest.main()
