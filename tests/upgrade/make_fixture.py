#!/usr/bin/env python3
"""Makes fixtures/queue-vN.tar.gz: the queue as a program of schema version N leaves it when it is killed, with mail in every state.

Run once, with the last program that wrote that schema and the test support of its own commit (docs/UPGRADE.md says how):
  POSTHORN=<its posthorn> PYTHONPATH=<its tree>/tests/support python3 tests/upgrade/make_fixture.py N
"""

import io
import json
import os
import pathlib
import re
import sqlite3
import sys
import tarfile
import time

from posthorn_test.world import World

LATER = "451 4.3.0 Mailbox is busy, come back later"
LARGE = "".join(f"Line {i} of a body that is kept in a file of its own.\r\n" for i in range(600))


def message(to, subject, body):
    return (f"From: Alice <alice@example.test>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
            f"Message-ID: <{subject}@example.test>\r\n\r\n{body}").encode()


def hand_in(client, to, subject, body, sender="alice@example.test", mail="", rcpt=""):
    """One transaction; the queue id of its answer."""
    recipients = [to] if isinstance(to, str) else to
    client.expect(250, f"MAIL FROM:<{sender}>{mail}")
    for recipient in recipients:
        client.expect(250, f"RCPT TO:<{recipient}>{rcpt}")
    client.expect(354, "DATA")
    data = message(recipients[0], subject, body)
    client.send(data.replace(b"\r\n.", b"\r\n..") + (b"" if data.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    return re.search(r"[0-9a-hjkmnp-tv-z]{13}", client.expect(250).text).group()


def make(version):
    expected = {"schema": version, "made_at": time.time(), "waiting": [], "held": [], "suspended": [], "gone": ["delivered@dest.test"],
                "deleted": [], "dsn_to": [], "bodies": {}, "in_doubt": []}

    def wait(to, body, kind="waiting"):
        expected[kind].append(to)
        expected["bodies"][to] = body

    changes = {"queue": {"inline_body_limit": "8KiB"}, "retry": {"first": "1h"}}
    local = version >= 6
    directory = pathlib.Path(f"/tmp/fixture-{os.getpid()}")
    directory.mkdir()
    if local:
        changes["local"] = {"spool": str(directory / "spool-in")}
        for part in ("tmp", "new"):
            (directory / "spool-in" / part).mkdir(parents=True)
    with World(domains=("dest.test", "example.test"), directory=directory, changes=changes) as w:
        w.sink.rule("rcpt", LATER, recipient="deferred")
        w.sink.rule("rcpt", "550 5.1.1 No such user here", recipient="nobody")
        flying = w.sink.rule("dot", delay=900, recipient="inflight|removed")
        with w.daemon.client() as client:
            hand_in(client, "deferred@dest.test", "deferred", "It was tried once.\r\n")
            wait("deferred@dest.test", "It was tried once.\r\n")
            hand_in(client, ["delivered@dest.test", "deferred-two@dest.test"], "half", ".A dot, and half of it is delivered.\r\n")
            wait("deferred-two@dest.test", ".A dot, and half of it is delivered.\r\n")
            hand_in(client, "deferred-large@dest.test", "large", LARGE)
            wait("deferred-large@dest.test", LARGE)
            held = hand_in(client, "deferred-held@dest.test", "held", "An operator holds it.\r\n")
            wait("deferred-held@dest.test", "An operator holds it.\r\n", "held")
            hand_in(client, "nobody@dest.test", "bounced", "It bounces.\r\n", sender="deferred-sender@example.test")
            expected["dsn_to"].append("deferred-sender@example.test")
            hand_in(client, "deferred-dsn@dest.test", "parameters", "Grüße mit Umlauten.\r\n", mail=" BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159",
                    rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;deferred-dsn@dest.test")
            wait("deferred-dsn@dest.test", "Grüße mit Umlauten.\r\n")
            hand_in(client, "inflight@dest.test", "inflight", "It was on the wire.\r\n")
            wait("inflight@dest.test", "It was on the wire.\r\n")
            removed = hand_in(client, "removed@dest.test", "removed", "It was deleted while it was on the wire.\r\n")
            expected["deleted"].append("removed@dest.test")
        if version >= 3:
            with w.daemon.client("submission") as client:
                client.starttls()
                client.hello()
                client.login("alice", "correct horse")
                hand_in(client, "deferred-suspended@dest.test", "suspended", "Its user is suspended.\r\n")
                wait("deferred-suspended@dest.test", "Its user is suspended.\r\n", "suspended")
        if local:
            from posthorn_test import spool
            spool.leave(directory / "spool-in", spool.record(message("deferred-spool@dest.test", "spool", "By the spool directory.\r\n"),
                                                             "deferred-spool@dest.test", sender="alice@example.test"))
            wait("deferred-spool@dest.test", "By the spool directory.\r\n")
        attempts = len(expected["waiting"]) + len(expected["held"]) + len(expected["suspended"]) + len(expected["dsn_to"]) - 1
        deadline = time.monotonic() + 60
        while len(w.daemon.log("451 4.3.0")) < attempts or flying.used < 2:
            assert time.monotonic() < deadline, "\n".join(w.daemon.log())
            time.sleep(0.1)
        w.daemon.command("queue", "hold", held)
        if version >= 3:
            w.daemon.command("user", "suspend", "alice")
            w.daemon.wait_for_log("suspend")
        w.daemon.command("queue", "delete", removed)
        w.daemon.kill()
    if (directory / "queue" / "in-doubt").exists():   # the first programs of schema 4 kept none yet
        expected["in_doubt"] = ["inflight@dest.test"]
    database = directory / "queue" / "queue.sqlite"
    pack(version, directory, expected)
    with sqlite3.connect(database) as look:   # after packing: this folds the WAL into the database
        assert look.execute("PRAGMA user_version").fetchone() == (version,), look.execute("PRAGMA user_version").fetchone()
        print(look.execute("SELECT address, state, attempts, last_class FROM recipient").fetchall())
        print(look.execute("SELECT count(*), sum(spool_file IS NOT NULL) FROM message").fetchone())
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()


def pack(version, directory, expected):
    """What a kill leaves: the database with its WAL (shared memory is of no use to the next process), bodies, marks, lists."""
    out = pathlib.Path(__file__).parent / "fixtures" / f"queue-v{version}.tar.gz"
    with tarfile.open(out, "w:gz", compresslevel=9) as tar:
        for path in sorted((directory / "queue").rglob("*")) + [directory / "suspended-users"]:
            if path.is_file() and path.name not in ("queue.sqlite-shm", "delivery.sqlite-shm", "queue.lock"):
                tar.add(path, path.relative_to(directory), filter=nobodys)
        text = json.dumps(expected, indent=1, ensure_ascii=False).encode()
        info = tarfile.TarInfo("expected.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    print(out, out.stat().st_size)


def nobodys(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    make(int(sys.argv[1]))
