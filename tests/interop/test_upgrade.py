#!/usr/bin/env python3
"""Queues written by the programs of all earlier schemas, delivered by this one; a newer one is refused; whatever interrupts the migration."""

import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
import unittest

from posthorn_test.daemon import Daemon, program
from posthorn_test.world import World, WorldTest, main

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "upgrade" / "fixtures"
# What `PRAGMA user_version` says of a queue that this program has made.
CURRENT = len(re.search(r"kMigrations = \{([^}]*)\}", (pathlib.Path(__file__).resolve().parents[2] / "src/queue/sqlite/schema.cpp").read_text())
              .group(1).split(","))
VERSIONS = sorted(int(re.search(r"v(\d+)", path.name).group(1)) for path in FIXTURES.glob("queue-v*.tar.gz"))


def unpack(version, directory):
    """The queue as a kill left it, with all its times moved so far that it was left just now; what is expected of it."""
    with tarfile.open(FIXTURES / f"queue-v{version}.tar.gz") as tar:
        tar.extractall(directory)
    expected = json.loads((directory / "expected.json").read_text())
    (directory / "expected.json").unlink()
    passed = int((time.time() - expected["made_at"]) * 1000)
    database = sqlite3.connect(directory / "queue" / "queue.sqlite")
    with database:
        database.execute("UPDATE message SET accepted_at = accepted_at + ?, expires_at = expires_at + ?", (passed, passed))
        database.execute("UPDATE recipient SET due_at = due_at + ?", (passed,))
    version_in_file = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    assert version_in_file == version, version_in_file
    return expected


def user_version(directory):
    with sqlite3.connect(f"file:{directory}/queue/queue.sqlite?mode=ro", uri=True) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]


class UpgradeTest(WorldTest):
    """The case that all versions share; each version is a test of its own."""

    def scratch(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-test-upgrade-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return directory

    def upgraded(self, version):
        directory = self.scratch()
        expected = unpack(version, directory)
        world = self.world(domains=("dest.test", "example.test"), directory=directory)
        return world, expected, directory

    def check_came(self, world, recipient, body):
        message = world.sink.wait_for_message(recipient)
        self.assertEqual(message.body.decode().rstrip("\r\n"), body.rstrip("\r\n"))
        self.assertTrue(message.fields("DKIM-Signature"), "it is signed as all mail is")

    def delivers_everything(self, version):
        w, expected, directory = self.upgraded(version)
        if version < CURRENT:
            w.daemon.wait_for_log(rf"queue_upgrade from={version} to={CURRENT} copy=\S*queue.sqlite.before-upgrade")
            with sqlite3.connect(directory / "queue" / "queue.sqlite.before-upgrade") as copy:
                self.assertEqual(copy.execute("PRAGMA user_version").fetchone(), (version,))
                self.assertEqual(copy.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual((directory / "queue" / "queue.sqlite.before-upgrade").stat().st_mode & 0o777, 0o600)
        if expected["in_doubt"]:
            w.daemon.wait_for_log("in-doubt")
        for message in json.loads(w.daemon.command("queue", "list", "--json").stdout)["messages"]:
            addresses = [r["address"] for r in message["recipients"]]
            if not set(addresses) & set(expected["held"] + expected["suspended"]):
                w.daemon.command("queue", "retry", message["id"], check=False)   # it may have gone by itself
        for recipient in expected["waiting"]:
            self.check_came(w, recipient, expected["bodies"][recipient])
        for recipient in expected["dsn_to"]:
            dsn = w.sink.wait_for_message(recipient)
            self.assertEqual(dsn.sender, "")
            self.assertIn(b"nobody@dest.test", dsn.data)
        w.daemon.wait_for_queue(len(expected["held"]) + len(expected["suspended"]))
        for recipient in expected["held"] + expected["suspended"] + expected["deleted"] + expected["gone"]:
            self.assertEqual(w.sink.to(recipient), [], recipient)
        if expected["suspended"]:
            w.daemon.command("user", "resume", "alice")
        for message in json.loads(w.daemon.command("queue", "list", "--json").stdout)["messages"]:
            w.daemon.command("queue", "retry", message["id"])
        for recipient in expected["held"] + expected["suspended"]:
            self.check_came(w, recipient, expected["bodies"][recipient])
        w.daemon.wait_for_empty_queue()
        for recipient in expected["waiting"] + expected["held"] + expected["suspended"] + expected["dsn_to"]:
            self.assertEqual(len(w.sink.to(recipient)), 1, recipient)
        self.assertEqual(user_version(directory), CURRENT)
        self.assertEqual([p for p in (directory / "queue" / "spool").rglob("*") if p.is_file()], [])

    def test_each_earlier_schema_has_its_fixture(self):
        self.assertEqual(sorted(set(range(1, CURRENT)) - set(VERSIONS)), [], "docs/UPGRADE.md says how a queue of a schema is made")

    def test_a_kill_at_any_moment_of_the_migration_costs_nothing(self):
        """kill -9 after more and more time, each on the same directory, until it runs to `ready`; then nothing is missing."""
        directory = self.scratch()
        expected = unpack(1, directory)
        world = World(domains=("dest.test", "example.test"), directory=directory)
        try:
            killed = 0
            random_ = random.Random(8)
            for _ in range(14):
                process = subprocess.Popen([program(), "serve", "--config", str(world.daemon.config_file)], stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
                try:
                    process.wait(random_.uniform(0.005, 0.25))
                except subprocess.TimeoutExpired:
                    killed += 1
                process.kill()
                process.wait()
            self.assertGreater(killed, 5)
        except BaseException:
            world.__exit__(AssertionError, None, None)
            raise
        self._world = world
        world.sink.rule("rcpt", "451 4.3.0 later")
        self.live_in(world)
        addresses = sorted(r["address"] for m in json.loads(world.daemon.command("queue", "list", "--json").stdout)["messages"] for r in m["recipients"])
        self.assertEqual(addresses, sorted(expected["waiting"] + expected["held"] + expected["dsn_to"]))
        self.assertEqual(user_version(directory), CURRENT)

    def test_a_queue_of_a_newer_program_is_refused_and_untouched(self):
        directory = self.scratch()
        unpack(VERSIONS[-1], directory)
        database = sqlite3.connect(directory / "queue" / "queue.sqlite")
        database.execute(f"PRAGMA user_version={CURRENT + 1}")
        database.close()                                   # and its WAL is in the file
        daemon = Daemon(directory=directory)
        before = (directory / "queue" / "queue.sqlite").read_bytes()
        run = subprocess.run([program(), "serve", "--config", str(daemon.config_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(run.returncode, 78, run.stderr)   # a service manager does not try it again and again
        self.assertIn(f"newer Posthorn (its schema has version {CURRENT + 1}, this program knows up to {CURRENT})", run.stderr)
        self.assertIn("start the newer program again", run.stderr)
        self.assertEqual((directory / "queue" / "queue.sqlite").read_bytes(), before)

    def test_a_full_disk_stops_the_start_and_loses_nothing(self):
        """The migration on a file system that has a few pages left; then with room."""
        directory = self.scratch()
        expected = unpack(1, directory)
        if os.geteuid() != 0:
            self.skipTest("a small file system needs root")
        daemon = Daemon(directory=directory)
        script = r"""
set -e
mount -t tmpfs -o size=$3 tmpfs "$1/small"
cp -a "$1/queue/." "$1/small/"
mount --bind "$1/small" "$1/queue"
dd if=/dev/zero of="$1/queue/filler" bs=4096 2>/dev/null || true
head -c $4 /dev/zero > /dev/null; truncate -s -$4 "$1/queue/filler"
set +e
timeout 20 "$2" serve --config "$1/posthorn.toml" > "$1/log" 2>&1
echo "code $?"
rm -f "$1/queue/filler"
rm -rf "$1/kept"; cp -a "$1/queue" "$1/kept"
"""
        (directory / "small").mkdir()
        run = subprocess.run(["unshare", "-m", "bash", "-c", script, "-", str(directory), program(), "2m", "49152"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=90)
        if "permission" in run.stdout.lower() and "code" not in run.stdout:
            self.skipTest("no mount namespaces here: " + run.stdout.strip())
        log = (directory / "log").read_text()
        self.assertIn("code 75", run.stdout, log)          # try again later: nothing was lost
        self.assertIn("full", log)
        shutil.rmtree(directory / "queue")
        (directory / "kept").rename(directory / "queue")
        world = World(domains=("dest.test", "example.test"), directory=directory)
        world.sink.rule("rcpt", "451 4.3.0 later")
        self.live_in(world)
        addresses = sorted(r["address"] for m in json.loads(world.daemon.command("queue", "list", "--json").stdout)["messages"] for r in m["recipients"])
        self.assertEqual(addresses, sorted(expected["waiting"] + expected["held"] + expected["dsn_to"]))


for number in VERSIONS:
    setattr(UpgradeTest, f"test_a_queue_of_schema_{number}_is_delivered", lambda self, number=number: self.delivers_everything(number))


if __name__ == "__main__":
    main()
