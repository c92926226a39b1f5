#!/usr/bin/env python3
"""posthorn backup under load and killed at any moment, and posthorn restore on another machine: what is in it arrives, once (DO-15)."""

import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

from posthorn_test.daemon import program, simple_message
from posthorn_test.world import World, WorldTest, main

LARGE = "".join(f"Line {i} of a body that is kept in a file of its own.\r\n" for i in range(6000))   # above inline_body_limit


class BackupTest(WorldTest):
    def scratch(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-test-backup-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return directory

    def posthorn(self, *arguments, config=None, code=0, **how):
        run = subprocess.run([program(), *map(str, arguments), *(["--config", str(config)] if config else [])], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=120, **how)
        self.assertEqual(run.returncode, code, run.stderr.decode())
        return run

    def with_mail(self):
        """A world in which mail waits: with a large body, held, and to two recipients."""
        w = self.world(changes={"queue": {"inline_body_limit": "16KiB"}})
        w.sink.rule("rcpt", "451 4.3.0 come back later", recipient="wait")
        w.daemon.send("wait-small@dest.test")
        w.daemon.send("wait-large@dest.test", message=simple_message("wait-large@dest.test", body=LARGE))
        w.daemon.send(["gone@dest.test", "wait-two@dest.test"])
        w.daemon.wait_for_log(r"deferred .*451 4.3.0", 3)
        w.sink.wait_for_message("gone@dest.test")
        held = next(i for i in w.daemon.queue_ids() if "wait-small" in w.daemon.command("queue", "show", i).stdout)
        w.daemon.command("queue", "hold", held)
        return w

    def elsewhere(self, backup, *options, code=0):
        """Another machine: the same configuration, no queue, other keys gone. Its world is not started."""
        there = World()
        self.addCleanup(there.dns.stop)
        self.addCleanup(there.sink.stop)
        self.addCleanup(there.daemon.discard)
        for name in ("example.test.rsa.pem", "unsubscribe.key"):
            (there.daemon.directory / name).unlink()
        run = self.posthorn("restore", backup, *options, config=there.daemon.config_file, code=code)
        return there, run

    def test_what_waits_arrives_from_the_other_machine(self):
        w = self.with_mail()
        directory = self.scratch()
        backup = directory / "backup.tar"
        told = self.posthorn("backup", backup, config=w.daemon.config_file).stdout.decode()
        self.assertIn("3 waiting messages for 3 recipients", told)
        self.assertEqual(backup.stat().st_mode & 0o777, 0o600)
        self.assertEqual(list(directory.iterdir()), [backup], "nothing else is left")
        self.assertEqual(w.daemon.wait_for_queue(3), w.daemon.queue_ids(), "the daemon goes on")

        with tarfile.open(backup) as tar:          # any tar reads it
            names = tar.getnames()
            self.assertEqual(names[0], "posthorn-backup.json")
            self.assertEqual(names[-1], "manifest.json")
            self.assertIn("queue/queue.sqlite", names)
            self.assertTrue([n for n in names if n.startswith("queue/spool/")])
            self.assertIn("state/posthorn.toml", names)
            self.assertIn("state/example.test.rsa.pem", names)
            self.assertIn("state/users", names)
            self.assertTrue(all(m.mode & 0o077 == 0 for m in tar.getmembers() if m.name.startswith("queue/")))

        there, run = self.elsewhere(backup)
        text = run.stdout.decode()
        self.assertIn("3 messages for 3 recipients", text)
        self.assertIn("left out: ", text)          # the configuration, which was not asked for
        self.assertEqual((there.daemon.directory / "example.test.rsa.pem").read_bytes(), (w.daemon.directory / "example.test.rsa.pem").read_bytes())
        there.daemon.start()
        self.assertTrue(there.sink.wait(lambda s: True))
        for message in json.loads(there.daemon.command("queue", "list", "--json").stdout)["messages"]:
            if message["recipients"][0]["state"] == "waiting":
                there.daemon.command("queue", "retry", message["id"])
        self.assertEqual(there.sink.wait_for_message("wait-large@dest.test").body.decode().rstrip(), LARGE.rstrip())
        there.sink.wait_for_message("wait-two@dest.test")
        held = there.daemon.wait_for_queue(1)
        self.assertIn("held for you", there.daemon.command("queue", "show", held[0]).stdout)
        there.daemon.command("queue", "release", held[0])
        there.sink.wait_for_message("wait-small@dest.test")
        there.daemon.wait_for_empty_queue()
        self.assertEqual(there.sink.to("gone@dest.test"), [], "what was delivered before the backup is not in it")
        self.assertEqual(there.daemon.stop(), 0)

    def test_hold_keeps_all_of_it_until_it_is_released(self):
        w = self.with_mail()
        backup = self.scratch() / "backup.tar"
        self.posthorn("backup", backup, config=w.daemon.config_file)
        there, run = self.elsewhere(backup, "--hold")
        self.assertIn("All are held", run.stdout.decode())
        there.daemon.start()
        states = {r["state"] for m in json.loads(there.daemon.command("queue", "list", "--json").stdout)["messages"] for r in m["recipients"]}
        self.assertEqual(states, {"held"})
        self.assertEqual(there.daemon.stop(), 0)

    def test_a_new_machine_without_any_configuration(self):
        """--with-config by a pipe: the configuration, users, secrets come with it."""
        w = self.with_mail()
        whole = self.posthorn("backup", "-", config=w.daemon.config_file).stdout
        users = (w.daemon.directory / "users").read_bytes()
        self.assertEqual(w.daemon.stop(), 0)
        for path in w.daemon.directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        told = self.posthorn("restore", "-", "--with-config", config=w.daemon.config_file, input=whole).stdout.decode()
        self.assertNotIn("left out", told)
        self.assertEqual((w.daemon.directory / "users").read_bytes(), users)
        self.assertEqual((w.daemon.directory / "users").stat().st_mode & 0o777, 0o600)
        w.sink.forget()
        w.daemon.start()
        for message in w.daemon.wait_for_queue(3):
            w.daemon.command("queue", "retry", message)
        w.daemon.wait_for_empty_queue()
        self.assertEqual(len(w.sink.to("wait-large@dest.test")), 1)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, who restores for another user")
    def test_root_restores_for_the_daemons_user(self):
        """DO-15: on a new machine root restores, and the daemon, who is not root, must be able to open all of it."""
        w = self.with_mail()
        backup = self.scratch() / "backup.tar"
        self.posthorn("backup", backup, config=w.daemon.config_file)
        there = World()
        for stop in (there.dns.stop, there.sink.stop, there.daemon.discard):
            self.addCleanup(stop)
        for path in (there.daemon.directory, *there.daemon.directory.rglob("*")):
            os.chown(path, 65534, 65534)             # the state directory: whose it is runs the daemon
        self.posthorn("restore", backup, "--replace", config=there.daemon.config_file)
        queue = there.daemon.directory / "queue"
        others = [path for path in (queue, *queue.rglob("*")) if path.stat().st_uid != 65534]
        self.assertEqual(others, [], "root's, which the daemon cannot open")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, whom a link leads elsewhere")
    def test_root_is_not_led_out_of_the_daemons_directories(self):
        """DO-15: who has taken the daemon over can put links into its directories; root's backup and restore follow them as the daemon's user."""
        w = self.with_mail()
        directory = self.scratch()
        secret = directory / "secret.pem"
        secret.write_text("root's alone")
        secret.chmod(0o600)
        directory.chmod(0o755)
        state = w.daemon.directory
        daemons = directory / "daemons"
        daemons.mkdir()
        config = directory / "posthorn.toml"
        config.write_text(w.daemon.config_file.read_text().replace(str(state / "queue"), str(daemons / "queue")))
        w.daemon.stop()
        shutil.copytree(state / "queue", daemons / "queue")
        unsubscribe = next(line for line in config.read_text().splitlines() if "unsubscribe.key" in line)
        config.write_text(config.read_text().replace(unsubscribe, f'key_file = "{daemons}/keys/unsubscribe.key"'))
        (daemons / "keys").mkdir()
        (daemons / "keys" / "unsubscribe.key").symlink_to(secret)
        for path in (daemons, *daemons.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)
        self.assertIn(b"Permission denied", self.posthorn("backup", directory / "one.tar", config=config, code=74).stderr)
        (daemons / "keys").rename(daemons / "other")
        (daemons / "keys").symlink_to(directory)     # another directory, whose file is root's
        os.chown(daemons / "keys", 65534, 65534, follow_symlinks=False)
        (directory / "unsubscribe.key").write_text("root's, too")
        (directory / "unsubscribe.key").chmod(0o600)
        self.assertIn(b"Permission denied", self.posthorn("backup", directory / "two.tar", config=config, code=74).stderr)

        # The place of the database's copy: sqlite opens it by its name.
        roots = directory / "roots"
        roots.mkdir()
        (daemons / "work").symlink_to(roots)
        os.chown(daemons / "work", 65534, 65534, follow_symlinks=False)
        run = self.posthorn("backup", directory / "copied.tar", "--without-config", "--work-directory", daemons / "work", config=config, code=74)
        self.assertIn(b"cannot make a file in", run.stderr)

        (daemons / "keys").unlink()
        (daemons / "other").rename(daemons / "keys")
        (daemons / "keys" / "unsubscribe.key").unlink()
        (daemons / "keys" / "unsubscribe.key").write_text("the daemon's")
        os.chown(daemons / "keys" / "unsubscribe.key", 65534, 65534)
        self.posthorn("backup", directory / "three.tar", config=config)
        with tarfile.open(directory / "three.tar") as tar:
            names = [n for n in tar.getnames() if n.endswith("unsubscribe.key")]
            self.assertEqual([tar.extractfile(n).read() for n in names], [b"the daemon's"])
        # Root's directory in the place of the queue: nothing is put there.
        shutil.rmtree(daemons / "queue")
        (daemons / "queue").symlink_to(roots)
        os.chown(daemons / "queue", 65534, 65534, follow_symlinks=False)
        run = self.posthorn("restore", directory / "three.tar", "--replace", config=config, code=65)
        self.assertIn(b"Permission denied", run.stderr)
        self.assertEqual(list(roots.iterdir()), [])

    def test_under_load_it_is_one_moment_and_nothing_in_it_is_lost(self):
        """Mail comes and goes while backups are made; what each holds is consistent, and what was accepted before and still waits after is in it."""
        w = self.world(changes={"queue": {"inline_body_limit": "2KiB"}})
        w.sink.rule("rcpt", "451 4.3.0 come back later", recipient="wait")
        stop = threading.Event()
        waiting, failures = [], []

        def load(number):
            try:
                with w.daemon.client() as client:
                    for i in range(100000):
                        if stop.is_set():
                            return
                        to = f"{'wait' if i % 10 == 0 else 'go'}-{number}-{i}@dest.test"
                        client.deliver("alice@example.test", [to], simple_message(to, body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (i % 60)))
                        if i % 10 == 0:
                            waiting.append(to)
            except Exception as failure:  # shown by the test
                failures.append(failure)

        threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        directory = self.scratch()
        try:
            w.sink.wait_for_messages(20)
            before = []
            for n in range(4):
                before.append(list(waiting))
                self.posthorn("backup", directory / f"{n}.tar", config=w.daemon.config_file)
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        self.assertEqual(failures, [])
        for n in range(4):
            self.posthorn("restore", "--verify", directory / f"{n}.tar")
            out = directory / str(n)
            with tarfile.open(directory / f"{n}.tar") as tar:
                tar.extractall(out)
            with sqlite3.connect(out / "queue" / "queue.sqlite") as database:
                self.assertEqual(database.execute("PRAGMA integrity_check").fetchone(), ("ok",))
                addresses = {a for a, in database.execute("SELECT address FROM recipient")}
                self.assertEqual(set(before[n]) - addresses, set(), "accepted before, never delivered, and not in the backup")
                self.assertEqual(database.execute("SELECT count(*) FROM recipient WHERE message_id NOT IN (SELECT id FROM message)").fetchone(), (0,))
                self.assertEqual(database.execute("SELECT count(*) FROM message WHERE spool_file IS NULL AND body_size > 0 AND id NOT IN "
                                                  "(SELECT message_id FROM body)").fetchone(), (0,))
                for file, size in database.execute("SELECT spool_file, body_size FROM message WHERE spool_file IS NOT NULL"):
                    self.assertEqual((out / "queue" / "spool" / file).stat().st_size, size)

    def test_killed_in_the_middle_nothing_half_made_stays(self):
        w = self.with_mail()
        for i in range(12):
            w.daemon.send(f"wait-{i}@dest.test", message=simple_message(f"wait-{i}@dest.test", body=LARGE))
        directory = self.scratch()
        whole = killed = 0
        for n in range(25):
            process = subprocess.Popen([program(), "backup", str(directory / "backup.tar"), "--replace", "--config", str(w.daemon.config_file)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.Random(n).uniform(0.0, 0.15))
            killed += process.poll() is None
            process.kill()
            process.wait()
            for abandoned in directory.glob(".posthorn-copy-*"):   # killed within the moment in which the copy has a name
                self.assertEqual(abandoned.stat().st_size, 0)
            # Killed between the two calls by which a whole backup takes the place of another it has this name.
            left = sorted(p.name for p in directory.iterdir() if not p.name.startswith(".posthorn-copy-") and p.name != ".backup.tar.unfinished")
            self.assertIn(left, [[], ["backup.tar"]])
            if left:
                whole += 1
                self.posthorn("restore", "--verify", directory / "backup.tar")
        self.assertGreater(killed, 0)
        self.posthorn("backup", directory / "backup.tar", "--replace", config=w.daemon.config_file)
        self.assertEqual([p.name for p in directory.iterdir()], ["backup.tar"])

    def test_a_restore_that_was_killed_is_begun_anew_and_never_served(self):
        w = self.with_mail()
        backup = self.scratch() / "backup.tar"
        self.posthorn("backup", backup, config=w.daemon.config_file)
        there = World()
        self.addCleanup(there.dns.stop)
        self.addCleanup(there.sink.stop)
        self.addCleanup(there.daemon.discard)
        # All but the end of the backup comes, and then the machine dies.
        process = subprocess.Popen([program(), "restore", "-", "--replace", "--config", str(there.daemon.config_file)], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.stdin.write(backup.read_bytes()[:-4096])
        process.stdin.flush()
        staging = there.daemon.directory / "queue" / ".restore"
        deadline = time.monotonic() + 30
        while not (staging / "queue.sqlite").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.kill()
        process.wait()
        process.stdin.close()
        self.assertFalse((there.daemon.directory / "queue" / "queue.sqlite").exists())
        refused = self.posthorn("serve", config=there.daemon.config_file, code=78)
        self.assertIn("did not come to its end", refused.stderr.decode())
        self.posthorn("restore", backup, "--replace", config=there.daemon.config_file)
        self.assertFalse(staging.exists())
        there.daemon.start()
        self.assertEqual(len(there.daemon.queue_ids()), 3)
        self.assertEqual(there.daemon.stop(), 0)

    def test_what_is_refused(self):
        w = self.with_mail()
        directory = self.scratch()
        backup = directory / "backup.tar"
        self.posthorn("backup", backup, config=w.daemon.config_file)
        self.assertIn("is there already", self.posthorn("backup", backup, config=w.daemon.config_file, code=74).stderr.decode())
        # While a daemon has the queue; and where mail waits.
        self.assertIn("belongs to another running Posthorn", self.posthorn("restore", backup, config=w.daemon.config_file, code=65).stderr.decode())
        self.assertEqual(w.daemon.stop(), 0)
        self.assertIn("there is mail in", self.posthorn("restore", backup, config=w.daemon.config_file, code=65).stderr.decode())
        # What is no whole backup.
        octets = backup.read_bytes()
        for name, damaged, says in (("cut", octets[:-3000], "cut off"), ("short", octets[:100], "no backup"), ("text", b"x" * 4096, "no backup"),
                                    ("flipped", octets[:octets.index(b"SQLite format 3")] + b"sqLite" + octets[octets.index(b"SQLite format 3") + 6:], "damaged")):
            path = directory / name
            path.write_bytes(damaged)
            for options in (["--verify"], []):
                there, run = self.elsewhere(path, *options, code=65)
                self.assertIn(says, run.stderr.decode())
                self.assertFalse((there.daemon.directory / "queue" / "queue.sqlite").exists())
                self.assertFalse((there.daemon.directory / "queue" / ".restore").exists())
                self.assertFalse((there.daemon.directory / "example.test.rsa.pem").exists(), "nothing of it is in place")

    def test_a_pipe_in_a_keys_place_is_refused_and_not_waited_for(self):
        w = self.world()
        key = w.daemon.directory / "example.test.rsa.pem"
        key.unlink()
        os.mkfifo(key)
        run = subprocess.run([program(), "backup", self.scratch() / "b.tar", "--config", w.daemon.config_file], stderr=subprocess.PIPE, timeout=20)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("is no regular file", run.stderr.decode())

    def test_a_backup_that_somebody_made_up_does_not_fill_the_memory(self):
        w = self.world()
        run = subprocess.Popen([program(), "restore", "-", "--verify", "--config", w.daemon.config_file], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        first, block = json.dumps({"format": 1, "schema": 1}).encode(), bytes(16 * 1024 * 1024)
        try:
            with tarfile.open(fileobj=run.stdin, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                for name, content in [("posthorn-backup.json", first)] + [(f"state/{n}.pem", block) for n in range(17)]:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        except BrokenPipeError:
            pass                                   # it has heard enough
        said = run.communicate(timeout=60)[1].decode()
        self.assertEqual(run.returncode, 65)
        self.assertIn("more than 256 MiB", said)

    def test_a_key_that_is_there_is_not_overwritten_and_no_file_but_ours_is_written(self):
        w = self.with_mail()
        directory = self.scratch()
        backup = directory / "backup.tar"
        self.posthorn("backup", backup, config=w.daemon.config_file)
        there = World()
        self.addCleanup(there.dns.stop)
        self.addCleanup(there.sink.stop)
        self.addCleanup(there.daemon.discard)
        key = (there.daemon.directory / "example.test.rsa.pem").read_bytes()
        self.assertIn("differ from the backup's; nothing was changed", self.posthorn("restore", backup, config=there.daemon.config_file, code=65).stderr.decode())
        self.assertEqual((there.daemon.directory / "example.test.rsa.pem").read_bytes(), key)
        # A backup that somebody else made up: it names a place that is not Posthorn's.
        evil = directory / "evil.tar"
        with tarfile.open(backup) as old, tarfile.open(evil, "w", format=tarfile.USTAR_FORMAT) as new:
            manifest = json.load(old.extractfile("manifest.json"))
            content = b"evil\n"
            name = f"files{directory}/authorized_keys"
            manifest["members"].append({"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
            for member in old.getmembers():
                octets = old.extractfile(member).read()
                if member.name == "manifest.json":
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    new.addfile(info, io.BytesIO(content))
                    octets = json.dumps(manifest).encode()
                    member.size = len(octets)
                if member.name == "state/example.test.rsa.pem":
                    member.mode = 0o6777
                new.addfile(member, io.BytesIO(octets))
        (there.daemon.directory / "example.test.rsa.pem").unlink()
        told = self.posthorn("restore", evil, "--replace", config=there.daemon.config_file).stdout.decode()
        self.assertIn("authorized_keys", told)
        self.assertFalse((directory / "authorized_keys").exists())
        self.assertEqual((there.daemon.directory / "example.test.rsa.pem").stat().st_mode & 0o7777, 0o644, "no setuid program, and others change nothing")


if __name__ == "__main__":
    main()
