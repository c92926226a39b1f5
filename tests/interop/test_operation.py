"""What the operator does: look into the queue, change it, reload, stop, start twice, make mistakes."""

import json
import os
import pathlib
import re
import signal
import subprocess

from posthorn_test import certs, sink, world
from posthorn_test.daemon import Daemon, free_port, program


class Queue(world.WorldTest):
    def setUp(self):
        self.w = self.world()
        self.d = self.w.daemon
        self.rule = self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.d.send("bob@dest.test", subject="waits")
        self.d.wait_for_output("Greylisting", "queue", "list")
        self.id, = self.d.queue_ids()

    def test_list(self):
        listed = self.d.command("queue", "list").stdout
        for words in ("alice@example.test", "bob@dest.test", "Greylisting"):
            self.assertIn(words, listed)

    def test_show(self):
        shown = self.d.command("queue", "show", self.id).stdout
        for words in (self.id, "alice@example.test", "bob@dest.test", "451 4.7.1 Greylisting in action, please come back later"):
            self.assertIn(words, shown)

    def test_retry(self):
        self.w.sink.forget()
        self.d.command("queue", "retry", self.id)
        self.w.sink.wait_for_message("bob@dest.test")
        self.d.wait_for_log(rf"\bdelivered\b.*{self.id}|{self.id}.*\bdelivered\b")
        self.d.wait_for_empty_queue()

    def test_delete(self):
        self.d.command("queue", "delete", self.id)
        self.assertEqual(self.d.queue_ids(), [])
        self.w.sink.forget()
        self.d.send("carol@dest.test")
        for one in self.d.queue_ids():
            self.d.command("queue", "retry", one, check=False)
        self.w.sink.wait_for_message("carol@dest.test")
        self.assertEqual(self.w.sink.to("bob@dest.test"), [])

    def test_unknown_id(self):
        nowhere = self.id[:-1] + ("0" if self.id[-1] != "0" else "1")
        run = self.d.command("queue", "show", nowhere, check=False)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(nowhere, run.stderr)

    def test_status_and_metrics(self):
        text = self.d.command("metrics").stdout
        self.assertRegex(text, r"(?m)^posthorn_queue_messages 1$")
        self.assertRegex(text, r"(?m)^# TYPE posthorn_smtp_messages_total counter\nposthorn_smtp_messages_total 1$")
        status = self.d.command("status")
        self.assertRegex(status.stdout, r"(?m)^  messages +1$")
        status = json.loads(self.d.command("status", "--json").stdout)
        self.assertEqual(status["daemon"]["server"]["messages"], 1)

    def test_survives_a_restart(self):
        self.assertEqual(self.d.stop(), 0)
        self.d.start()
        self.assertEqual(self.d.queue_ids(), [self.id])
        self.w.sink.forget()
        self.d.command("queue", "retry", self.id)
        self.w.sink.wait_for_message("bob@dest.test")

    def test_no_daemon(self):
        """The tools say what is wrong when the daemon does not run (sysexits: EX_UNAVAILABLE or EX_TEMPFAIL)."""
        self.d.stop()
        run = self.d.command("queue", "list", check=False)
        self.assertIn(run.returncode, (69, 75))
        self.assertIn("admin.sock", run.stderr)


class Life(world.WorldTest):
    def test_sigterm_in_the_middle_of_a_message(self):
        """A session within DATA may finish within the grace time; what got its 250 is delivered after the next start."""
        w = self.world()
        w.sink.rule("rcpt", sink.GREYLISTED)
        client = w.daemon.client()
        client.expect(250, "MAIL FROM:<alice@example.test>")
        client.expect(250, "RCPT TO:<bob@dest.test>")
        client.expect(354, "DATA")
        client.send("From: <alice@example.test>\r\nSubject: stopped\r\n\r\n")
        w.daemon.process.send_signal(signal.SIGTERM)
        client.send("the rest\r\n.\r\n")
        kept = client.reply().code == 250
        client.close()
        self.assertEqual(w.daemon.process.wait(40), 0)
        w.sink.forget()
        w.daemon.start()
        if kept:
            w.sink.wait_for_message("bob@dest.test")
        else:
            self.assertEqual(w.daemon.queue_ids(), [])

    def test_idle_sessions_do_not_delay_the_stop(self):
        w = self.world()
        with w.daemon.client() as client:
            w.daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(client.reply().code, 421)
            self.assertEqual(w.daemon.process.wait(10), 0)

    def test_second_signal_does_not_wait_for_a_delivery(self):
        """The first SIGTERM lets a delivery finish, the second closes its connection; the mail is delivered after the next start."""
        w = self.world()
        rule = w.sink.rule("dot", delay=60.0)
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log("attempt ")
        w.daemon.process.send_signal(signal.SIGTERM)
        w.daemon.wait_for_log("shutdown stage=begun")
        self.assertIsNone(w.daemon.process.poll())
        w.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(w.daemon.process.wait(10), 0)
        w.sink.forget(rule)
        w.daemon.start()
        for id in w.daemon.queue_ids():
            w.daemon.command("queue", "retry", id, check=False)   # it may have gone by now
        w.sink.wait_for_message("bob@dest.test")

    def test_the_grace_ends(self):
        """A delivery that does not end within delivery.shutdown_grace is cut off: the process ends, and the mail may have gone (RFC 1047)."""
        w = self.world(changes={"delivery": {"shutdown_grace": "300ms"}})
        rule = w.sink.rule("dot", stall=True)
        id = w.daemon.send("bob@dest.test").split()[-1]
        self.assertTrue(w.sink.wait(lambda s: s.sessions and "DATA" in s.sessions[0]["commands"]))
        w.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(w.daemon.process.wait(20), 0)
        self.assertEqual(w.daemon.log("did not end"), [])
        w.sink.forget(rule)
        w.daemon.start()
        w.daemon.wait_for_output(r"may have been delivered|in doubt", "queue", "show", id)
        w.daemon.command("queue", "retry", id)
        w.sink.wait_for_message("bob@dest.test")
        w.daemon.wait_for_empty_queue()

    def test_second_instance_names_the_first(self):
        w = self.world()
        ports = {f"{w.daemon.address}:{p}": f"{w.daemon.address}:{free_port(w.daemon.address)}" for p in w.daemon.ports.values()}
        text = w.daemon.config_file.read_text()
        for old, new in ports.items():
            text = text.replace(old, new)
        other = w.daemon.directory / "second.toml"
        other.write_text(text.replace("submit.sock", "submit2.sock").replace("admin.sock", "admin2.sock"))
        run = subprocess.run([program(), "serve", "--config", str(other)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=30)
        self.assertEqual(run.returncode, 75, run.stdout)   # EX_TEMPFAIL
        self.assertIn(str(w.daemon.pid), run.stdout)
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")

    def test_port_in_use(self):
        w = self.world()
        other = Daemon(dns=w.dns, delivery_port=w.sink.port)
        self.addCleanup(other.discard)
        other.config_file.write_text(other.config_file.read_text().replace(f"{other.address}:{other.ports['plain']}",
                                                                           f"{w.daemon.address}:{w.daemon.ports['plain']}"))
        run = subprocess.run([program(), "serve", "--config", str(other.config_file)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=30)
        self.assertEqual(run.returncode, 71, run.stdout)   # EX_OSERR: not a crash
        self.assertIn(f"{w.daemon.address}:{w.daemon.ports['plain']}", run.stdout)


class Reload(world.WorldTest):
    def test_new_users_and_certificate(self):
        w = self.world()
        from posthorn_test.daemon import quick_hash
        with (w.daemon.directory / "users").open("a") as users:
            users.write(f"bob:{quick_hash('battery staple')}\n")
        certs.self_signed(w.daemon.directory, "mail.example.test", (w.daemon.address,))
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breload")
        with w.daemon.client("submissions") as client:
            client.login("bob", "battery staple")

    def test_a_mistake_keeps_the_old_configuration(self):  # SD-14, SD-75
        w = self.world()
        good = w.daemon.config_file.read_text()
        w.daemon.config_file.write_text(good + '\n[nonsense]\nkey = "value"\n')
        w.daemon.reload()
        w.daemon.wait_for_log(r"nonsense")
        w.daemon.send("bob@dest.test")
        w.sink.wait_for_message("bob@dest.test")
        w.daemon.config_file.write_text(good)
        w.daemon.reload()
        w.daemon.wait_for_log(r"\breload", count=2)

    def test_a_repaired_key_releases_the_mail(self):
        """A key that cannot be read holds its domain's mail alone, and says so; a reload with the key repaired sends it at once."""
        w = self.world(changes={"retry": {"local_interval": "1h"}})
        key = w.daemon.directory / "example.test.rsa.pem"
        w.daemon.stop()
        good = key.read_bytes()
        key.write_text("not a key\n")
        w.daemon.start()
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log(r"\bdeferred\b")
        w.daemon.wait_for_output(r'"class":"local"', "queue", "list", "--json")
        self.assertEqual(w.sink.accepted, 0)
        key.write_bytes(good)
        w.daemon.reload()
        w.sink.wait_for_message("bob@dest.test")


class Mistakes(world.WorldTest):
    def serve(self, text):
        w = Daemon()
        self.addCleanup(w.discard)
        w.config_file.write_text(w.config_file.read_text() + text)
        return subprocess.run([program(), "serve", "--config", str(w.config_file)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30), w

    def test_bad_configuration_is_78(self):
        """EX_CONFIG, and every mistake with file, line and column."""
        run, d = self.serve('\n[limitz]\na = 1\n\n[log]\nlevel = "loud"\n')
        self.assertEqual(run.returncode, 78, run.stdout)
        self.assertRegex(run.stdout, re.escape(str(d.config_file)) + r":\d+:\d+: .*limitz")
        self.assertRegex(run.stdout, re.escape(str(d.config_file)) + r":\d+:\d+: .*loud")

    def test_check_config(self):  # SD-9
        d = Daemon()
        self.addCleanup(d.discard)
        self.assertEqual(d.command("check-config").returncode, 0)
        d.config_file.write_text("hostname = 1\n")
        self.assertEqual(d.command("check-config", check=False).returncode, 78)

    def test_no_such_file(self):
        run = subprocess.run([program(), "serve", "--config", "/nonexistent/posthorn.toml"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=30)
        self.assertIn(run.returncode, (66, 78))
        self.assertIn("/nonexistent/posthorn.toml", run.stdout)

    def test_complaints_that_nobody_reads(self):
        """As in `posthorn queue list 2>&1 | true`: the exit code is what it is, not that of an abort."""
        for standard_error in ("a closed pipe", "a full disk"):
            if standard_error == "a full disk":
                end = os.open("/dev/full", os.O_WRONLY)
            else:
                read, end = os.pipe()
                os.close(read)
            for words, code in ((["queue", "list", "--socket", "/nonexistent/admin.sock"], 69), (["serve", "--config", "/nonexistent/posthorn.toml"], 78)):
                with self.subTest(standard_error, command=words[0]):
                    run = subprocess.run([program(), *words], stdout=subprocess.PIPE, stderr=end, timeout=30)
                    self.assertEqual(run.returncode, code)
            os.close(end)


class Keys(world.WorldTest):
    def test_genkey(self):  # SD-28, SD-30, SD-49
        """posthorn dkim genkey writes a key of mode 0600 that openssl reads, and prints the record that belongs to it."""
        d = Daemon()
        self.addCleanup(d.discard)
        for algorithm in ("rsa", "ed25519"):
            path = pathlib.Path(d.directory, "keys", f"{algorithm}.pem")
            run = subprocess.run([program(), "dkim", "genkey", "--domain", "example.test", "--selector", algorithm, "--type", algorithm,
                                  "--directory", str(path.parent)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            self.assertIn(certs.dkim_record(path).split("p=")[1][:60], run.stdout)
            self.assertIn(f"{algorithm}._domainkey.example.test", run.stdout)


if __name__ == "__main__":
    world.main()
