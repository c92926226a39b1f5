"""The command line without a daemon: exit codes after sysexits, what is printed where, and what is written to disk."""

import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parents[2]
ID = "0" * 12 + "1"


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-cli-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.config = self.directory / "posthorn.toml"
        self.config.write_text((ROOT / "etc" / "examples" / "minimal.toml").read_text() +
                               '[auth]\nusers_file = "users"\n[admin]\nsocket = "admin.sock"\n')

    def run_program(self, *arguments, code=0, stdin="", environment=None):
        base = {name: value for name, value in os.environ.items() if not name.startswith("POSTHORN_")}
        run = subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, text=True, capture_output=True, timeout=60,
                             cwd=self.directory, env=base | {"POSTHORN_CONFIG": str(self.config)} | (environment or {}))
        self.assertEqual(run.returncode, code, f"{arguments}: {run.stdout}{run.stderr}")
        if code not in (0, 64):
            self.assertIn("posthorn: ", run.stderr)
        return run

    def test_version_and_usage(self):
        self.assertRegex(self.run_program("version").stdout, r"^posthorn \d+\.\d+\.\d+\n$")
        self.assertIn("queue", self.run_program("--help").stdout)
        self.run_program(code=64)
        self.assertIn('there is no command "frobnicate"', self.run_program("frobnicate", code=64).stderr)
        self.run_program("queue", "show", "not-an-id", code=64)
        self.run_program("dkim", "genkey", "--selector", "m1", code=64)

    def test_check_config(self):
        # The files that are named are looked at as well: without users the daemon would not start, without a key it would.
        self.assertIn("users does not exist; make it with `posthorn user add NAME`", self.run_program("check-config", code=78).stderr)
        self.run_program("user", "add", "alice", "--password-stdin", stdin="correct horse\n")
        checked = self.run_program("check-config")
        self.assertIn("correct, with 1 warning", checked.stdout)
        self.assertIn("keys/example.com/m1.pem does not exist", checked.stderr)
        self.run_program("dkim", "genkey", "--domain", "example.com", "--selector", "m1")
        self.assertTrue(self.run_program("check-config").stdout.endswith("posthorn.toml: correct\n"))
        (self.directory / "users").chmod(0o644)
        self.assertIn("mode 0644", self.run_program("check-config").stderr)
        shown = self.run_program("check-config", "--show", environment={"POSTHORN_DELIVERY_PORT": "2525"}).stdout
        self.assertIn("port = 2525\n", shown)
        self.assertIn(f'users_file = "{self.directory}/users"\n', shown)
        copy = self.directory / "shown.toml"
        copy.write_text(shown)
        self.assertEqual(self.run_program("check-config", "--show", "--config", copy).stdout, shown)
        self.config.write_text('hostname = "localhost"\n')
        self.assertIn("posthorn.toml:1:12: hostname", self.run_program("check-config", code=78).stderr)
        self.run_program("check-config", "--config", "/nonexistent.toml", code=78)
        self.assertIn("/nonexistent.toml: cannot be read",
                      self.run_program("queue", "list", "--config", "/nonexistent.toml", code=69).stderr)

    @unittest.skipUnless(os.geteuid() == 0, "root becomes nobody to be refused")
    def test_what_may_not_be_read_or_written(self):
        self.directory.chmod(0o755)

        def as_nobody(*arguments):
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, *arguments, "--config", self.config]
            return subprocess.run(command, text=True, capture_output=True, timeout=60)

        self.config.chmod(0o600)
        self.assertIn("cannot be read: Permission denied; the user Posthorn runs as", as_nobody("check-config").stderr)
        self.config.chmod(0o644)
        state = self.directory / "state"
        # Ports are opened first, and port 25 is not nobody's.
        self.config.write_text(f'state_directory = "{state}"\n' +
                               self.config.read_text().replace("users_file", "#").replace("127.0.0.1:25\"", "127.0.0.1:0\""))
        run = as_nobody("serve")
        self.assertEqual(run.returncode, 73, run.stderr)
        self.assertIn(f"as root: install -d -m 0700 -o 65534 {state}/queue", run.stderr)

    def test_generated_files_are_what_the_program_prints(self):
        self.assertEqual(self.run_program("config-reference").stdout, (ROOT / "docs" / "CONFIGURATION.md").read_text())
        self.assertEqual(self.run_program("config-reference", "--example").stdout, (ROOT / "etc" / "posthorn.toml").read_text())

    def test_users(self):
        users = self.directory / "users"
        self.run_program("user", "list", code=66)
        for name in "bad name", "a:b", "#a":   # said before a password is asked for, which there is none here to give
            self.assertIn("a user's name cannot", self.run_program("user", "add", name, code=65).stderr)
        self.run_program("user", "add", "alice", code=65)  # no terminal to ask, no --password-stdin
        self.run_program("user", "add", "alice", "--password-stdin", code=65)
        self.assertFalse(users.exists())
        self.run_program("user", "add", "alice", "--password-stdin", stdin="correct horse\n")
        self.assertEqual(stat.S_IMODE(users.stat().st_mode), 0o600)
        self.assertTrue(users.read_text().startswith("alice:$y$"), users.read_text())
        self.assertNotIn("horse", users.read_text())
        self.assertIn("warning: that is a short password",
                      self.run_program("user", "password", "alice", "--password-stdin", stdin="abc\n").stderr)
        self.run_program("user", "add", "alice", "--password-stdin", stdin="x\n", code=65)
        self.run_program("user", "add", "bob@example.com", "--password-stdin", "--file", users, stdin="y\n")
        self.assertEqual(self.run_program("user", "list").stdout, "alice\nbob@example.com\n")
        before = users.read_text()
        self.run_program("user", "password", "alice", "--password-stdin", stdin="better\n")
        self.assertNotEqual(users.read_text(), before)
        self.run_program("user", "remove", "carol", code=67)
        self.run_program("user", "remove", "alice")
        self.assertEqual(self.run_program("user", "list").stdout, "bob@example.com\n")

    def test_a_user_before_all_else_is_right(self):
        """A mistake elsewhere, or no users file yet, is no reason not to add a user; `passwd` is what fingers type."""
        self.config.write_text(self.config.read_text() + '[[listener]]\naddress = "*:587"\nauth = "required"\n')
        self.run_program("check-config", code=78)
        self.run_program("user", "add", "alice", "--password-stdin", stdin="correct horse\n")
        self.run_program("user", "passwd", "alice", "--password-stdin", stdin="battery staple\n")
        self.assertEqual(self.run_program("user", "list").stdout, "alice\n")
        self.assertIn('no command "user change"; `posthorn user --help`',
                      self.run_program("user", "change", "alice", code=64).stderr)

    def test_suspending_nobody_is_told(self):
        """A slip of the pen must not look as if the hacked site were stopped."""
        self.config.write_text(f'state_directory = "{self.directory}"\n' + self.config.read_text().replace('users_file = "users"', ""))
        self.assertIn("this machine has no user shpo; is the name right?", self.run_program("suspend", "--user", "shpo").stderr)
        self.assertEqual(self.run_program("resume", "--user", "shpo").stderr, "")
        self.assertNotIn("is the name right", self.run_program("suspend", "--user", "root").stderr)

    def test_warnings_about_users(self):
        """Limits of a name that nobody has; a Dovecot that is not there (yet): no mistakes, but told."""
        plain = self.config.read_text()
        self.config.write_text(plain + '[[user]]\nname = "shpo"\nmessages_per_hour = 5\n')
        self.run_program("user", "add", "shop", "--password-stdin", stdin="correct horse\n")
        self.assertRegex(self.run_program("check-config").stderr, r'warning: \[\[user\]\] name = "shpo" is about nobody: .*users ')
        for path, words in (("nowhere.sock", "does not exist"), ("posthorn.toml", "is no socket")):
            self.config.write_text(plain.replace('users_file = "users"', f'dovecot_socket = "{path}"'))
            self.assertRegex(self.run_program("check-config").stderr,
                             rf"warning: auth\.dovecot_socket: .*{path} {words}.*; AUTH is answered 454")

    def test_certificate_shown_to_others(self):
        """delivery.tls_certificate_file: what cannot be used is told before the daemon starts."""
        for name in "one", "other":
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                            "/CN=mail.example.com", "-keyout", f"{name}.key", "-out", f"{name}.crt"], cwd=self.directory, check=True,
                           capture_output=True)
        (self.directory / "users").touch(0o600)
        plain = self.config.read_text()

        def check(certificate, key, **how):
            self.config.write_text(plain + f'[delivery]\ntls_certificate_file = "{certificate}"\ntls_key_file = "{key}"\n')
            return self.run_program("check-config", **how).stderr

        self.assertNotIn("tls_certificate_file", check("one.crt", "one.key"))
        self.assertRegex(check("none.crt", "one.key", code=78), r"delivery\.tls_certificate_file: .*none\.crt")
        self.assertRegex(check("one.crt", "none.key", code=78), r"delivery\.tls_certificate_file: .*none\.key")
        self.assertRegex(check("one.crt", "other.key", code=78), r"delivery\.tls_certificate_file: .*other\.key")

    def test_what_delivery_is_to_use(self):
        """delivery.tls_ca_file is looked at before the first relay has to prove itself; a source address that nobody has is told."""
        (self.directory / "users").touch(0o600)
        (self.directory / "rubbish.pem").write_text("no certificate\n")
        plain = self.config.read_text()

        def check(settings, **how):
            self.config.write_text(plain + f"[delivery]\n{settings}\n")
            return self.run_program("check-config", **how).stderr

        self.assertIn("delivery.tls_ca_file: cannot read the CA file", check('tls_ca_file = "nowhere.pem"', code=78))
        self.assertRegex(check('tls_ca_file = "rubbish.pem"', code=78), r"the CA file .*rubbish\.pem holds no certificates")
        self.assertRegex(check('source_v4 = "192.0.2.77"'),
                         r"warning: delivery\.source_v4 is 192\.0\.2\.77, which no interface of this machine has")
        self.assertNotIn("source_v4", check('source_v4 = "127.0.0.1"'))

    def test_dkim(self):
        arguments = ("--domain", "Example.com", "--selector", "m1")
        made = self.run_program("dkim", "genkey", *arguments).stdout
        key = self.directory / "keys" / "example.com" / "m1.pem"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.assertIn("m1._domainkey.example.com", made)
        self.assertIn("v=DKIM1; k=rsa; p=", made)
        self.assertNotIn("PRIVATE", made)
        before = key.read_bytes()
        self.assertIn("not overwritten", self.run_program("dkim", "genkey", *arguments, code=73).stderr)
        self.assertEqual(key.read_bytes(), before)
        record = self.run_program("dkim", "record", *arguments).stdout  # the example names this very file
        self.assertIn(record, made)
        self.assertEqual(self.run_program("dkim", "record", *arguments, "--key", key).stdout, record)
        self.run_program("dkim", "record", "--domain", "example.com", "--selector", "m2", code=66)
        self.run_program("dkim", "record", *arguments, "--key", "/nonexistent.pem", code=66)
        self.run_program("dkim", "genkey", "--domain", "../etc", "--selector", "m1", code=64)
        self.run_program("dkim", "genkey", *arguments, "--bits", "1024", code=64)
        self.run_program("dkim", "genkey", "--domain", "example.com", "--selector", "e1", "--type", "ed25519", "--directory",
                         self.directory / "elsewhere")
        self.assertTrue((self.directory / "elsewhere" / "e1.pem").exists())

    @unittest.skipUnless(os.geteuid() == 0, "only root makes files for others")
    def test_what_root_makes_is_for_the_daemon(self):
        self.directory.chmod(0o755)
        state = self.directory / "state"
        state.mkdir()
        os.chown(state, 4711, 4711)
        self.config.write_text(f'state_directory = "{state}"\n' + self.config.read_text())
        arguments = ("dkim", "genkey", "--domain", "example.com", "--selector")
        self.assertIn(f"chown -R 4711: {self.directory}/keys\n", self.run_program(*arguments, "m1").stdout)
        self.assertIn(f"chown -R 4711: {self.directory}/keys\n", self.run_program(*arguments, "m2").stdout)
        (self.directory / "keys").chmod(0o755)
        (self.directory / "keys" / "example.com").chmod(0o755)
        self.assertIn(f"chown -R 4711: {self.directory}/keys/example.com/m3.pem\n", self.run_program(*arguments, "m3").stdout)
        added = self.run_program("user", "add", "alice", "--password-stdin", stdin="x\n").stdout
        self.assertIn(f"chown -R 4711: {self.directory}/users\n", added)
        # Below a directory of the daemon's user all is his.
        mine = state / "keys" / "b.example"
        self.assertNotIn("chown", self.run_program(*arguments, "m1", "--directory", mine).stdout)
        for path in (state / "keys", mine, mine / "m1.pem"):
            self.assertEqual(path.stat().st_uid, 4711, path)
        self.assertEqual(stat.S_IMODE(mine.stat().st_mode), 0o700)

    def test_queue_without_daemon(self):
        for command in (("list",), ("show", ID), ("retry", ID), ("hold", ID), ("release", ID), ("delete", ID)):
            self.assertIn("systemctl start posthorn", self.run_program("queue", *command, code=69).stderr)

    def serve(self, *answers):
        """Answers that many admin requests in turn with (status, object); returns the list the request lines go to."""
        requests = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.directory / "admin.sock"))
        listener.listen()

        def run():
            for status, body in answers:
                connection, _ = listener.accept()
                with connection:
                    octets = b""
                    while b"\r\n\r\n" not in octets:
                        octets += connection.recv(65536)
                    requests.append(octets.split(b"\r\n")[0].decode())
                    text = json.dumps(body).encode()
                    connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(thread.join, 60)
        return requests

    MESSAGE = {
        "id": ID, "accepted_at": "2026-01-02T03:04:05.000Z", "expires_at": "2026-01-07T03:04:05.000Z", "from": "news@example.com",
        "size": 12345, "stream": "news", "source": "user=alice", "recipient_count": 2,
        "recipients": [
            {"id": 1, "address": "a@gmail.com", "state": "waiting", "due_at": "2099-01-02T03:04:05.000Z", "attempts": 3,
             "last_attempt": "2026-01-02T03:10:05.000Z", "class": "auth", "host": "mx.gmail.com[192.0.2.1]",
             "reply": "550-5.7.26 Your email has been blocked\r\n550 5.7.26 because\x1b[31m the sender is unauthenticated " + "x" * 99},
            {"id": 2, "address": "b@example.org", "state": "held", "due_at": "2026-01-02T03:04:05.000Z", "attempts": 0,
             "last_attempt": None, "class": "", "host": "", "reply": ""}]}

    def test_queue_list(self):
        page = {"messages": [self.MESSAGE], "next": None}
        requests = self.serve((200, page), (200, page), (200, {"messages": [], "next": None}))
        out = self.run_program("queue", "list", "--domain", "gmail.com", "--from", "news@example.com").stdout
        self.assertEqual(requests[0], "GET /v1/queue?limit=100&domain=gmail.com&from=news%40example.com HTTP/1.1")
        self.assertLessEqual(max(map(len, out.splitlines())), 80)
        self.assertIn("<news@example.com>", out)
        self.assertIn("held", out)
        self.assertNotIn("\x1b", out)
        self.assertTrue(out.endswith("1 message.\n"))
        self.assertEqual(json.loads(self.run_program("queue", "list", "--json").stdout), page)
        self.assertEqual(self.run_program("queue", "list").stdout, "No mail is waiting.\n")

    def test_queue_list_follows_pages_up_to_the_limit(self):
        requests = self.serve((200, {"messages": [self.MESSAGE] * 100, "next": ID}), (200, {"messages": [self.MESSAGE] * 50, "next": ID}))
        out = self.run_program("queue", "list", "--limit", "150").stdout
        self.assertEqual(requests, ["GET /v1/queue?limit=100 HTTP/1.1", f"GET /v1/queue?limit=50&after={ID} HTTP/1.1"])
        self.assertIn(f"150 messages; more with --after {ID}", out)

    def test_queue_show(self):
        self.serve((200, self.MESSAGE), (200, self.MESSAGE))
        out = self.run_program("queue", "show", ID).stdout
        self.assertIn("x" * 99, out)  # the reply whole
        self.assertIn("mx.gmail.com[192.0.2.1]", out)
        self.assertIn("tried 3 times, next try in", out)
        self.assertIn("SPF, DKIM, DMARC or reverse DNS is not in order", out)
        self.assertIn("held for you", out)
        self.assertNotIn("\x1b", out)
        self.assertEqual(json.loads(self.run_program("queue", "show", ID, "--json").stdout), self.MESSAGE)

    def test_queue_changes(self):
        requests = self.serve((200, {"recipients": 2}), (200, {"recipients": 1}), (200, {"recipients": 1}), (200, {"recipients": 0}),
                              (404, {"error": "no such message"}), (503, {"error": "disk full"}), (500, {"error": "broken"}))
        self.assertIn("2 recipients tried now", self.run_program("queue", "retry", ID).stdout)
        self.assertIn("1 recipient held", self.run_program("queue", "hold", ID).stdout)
        self.assertIn("1 recipient released", self.run_program("queue", "release", ID).stdout)
        self.assertIn("nothing to change", self.run_program("queue", "delete", ID).stdout)
        self.assertIn("no such message", self.run_program("queue", "delete", ID, code=66).stderr)
        self.assertIn("disk full", self.run_program("queue", "delete", ID, code=75).stderr)
        self.assertIn("broken", self.run_program("queue", "delete", ID, code=70).stderr)
        self.assertEqual(requests[:4], [f"POST /v1/queue/{ID}/retry HTTP/1.1", f"POST /v1/queue/{ID}/hold HTTP/1.1",
                                        f"POST /v1/queue/{ID}/release HTTP/1.1", f"DELETE /v1/queue/{ID} HTTP/1.1"])


if __name__ == "__main__":
    unittest.main()
