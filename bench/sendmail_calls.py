#!/usr/bin/env python3
"""One call of sendmail after the other, as PHP makes them: Posthorn's beside Postfix's, Exim's, nullmailer's and dma's, in one run.

Each call is `sendmail -t -i` with the same message on standard input; it returns when the message is on disk. Nothing is delivered:
Postfix defers (defer_transports), Exim only queues (queue_only), dma, too (DEFER), nullmailer's sender does not run, and for Posthorn
the recipient domain's DNS fails.
    wall    median and mean of milliseconds from the start of the program to its end; that of /usr/bin/true is shown, too, for scale
    CPU     milliseconds a call of the program and, of daemons, of all their processes until all messages are in the queue. nullmailer and
            dma have no daemon that takes part
The turns of all programs are interleaved, so that what else the machine does meets all of them. As root, on a disk ($TMPDIR), where
tools/receivers may download or has downloaded the packages once.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "bench")]
import measure  # noqa: E402
from postfix_stack import Postfix  # noqa: E402
from posthorn_test import machine  # noqa: E402
from posthorn_test.daemon import Daemon, free_port  # noqa: E402
from posthorn_test.dns_server import DnsServer  # noqa: E402

MESSAGE = (b"To: user@dest.test\nSubject: Your order\nX-PHP-Originating-Script: 33:order.php\nFrom: Shop <shop@example.test>\n\n"
           + (b"x" * 72 + b"\n") * 27)   # 2 KiB, as a shop's order confirmation

EXIM = """\
exim_user = root
exim_group = root
primary_hostname = mail.example.test
spool_directory = /var/spool/exim4
log_file_path = /var/spool/exim4/%slog
queue_only = true
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = smtp
begin transports
smtp:
  driver = smtp
"""


class Calls:
    """One way to call sendmail: its command, who else works for it, and when all of its messages are in the queue."""

    def __init__(self, name, command, machine_=None, environment=None, pids=(), queued=None, waits=False):
        self.name, self.pids, self.queued = name, list(pids), queued
        self.waits = waits   # for daemons that go on working on the messages when the calls have returned
        self.prefix = machine_.prefix if machine_ else []
        self.order = {"command": command, "environment": {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"} | (environment or {})}
        self.walls, self.cpu, self.made = [], 0.0, 0

    def make(self, count, message):
        """That many calls; their figures are added."""
        daemons = measure.cpu_seconds(*self.pids)
        order = json.dumps(self.order | {"count": count, "message": str(message)})
        run = subprocess.run([*self.prefix, "/usr/bin/python3", "-I", str(pathlib.Path(__file__).resolve()), "--caller", order],
                             stdout=subprocess.PIPE, check=True, text=True, timeout=600)
        made = json.loads(run.stdout)
        self.made += count
        if self.waits:
            self.check()
        self.walls += made["walls"]
        self.cpu += made["cpu"] + measure.cpu_seconds(*self.pids) - daemons

    def check(self):
        """All messages are in the queue; waits for the last."""
        deadline = time.monotonic() + 120
        while self.queued and (there := self.queued()) != self.made:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: {there} of {self.made} messages are in the queue")
            time.sleep(0.05)

    def row(self):
        calls = len(self.walls)
        return (f"{self.name:<32} {statistics.median(self.walls):8.2f} {statistics.fmean(self.walls):8.2f} "
                f"{sorted(self.walls)[int(calls * 0.95)]:8.2f} {self.cpu * 1000 / calls:10.2f}")


def caller(order):
    """The calls themselves, by a process that may live in another mount namespace; writes what they took."""
    message = os.open(order["message"], os.O_RDONLY)
    nothing = os.open(os.devnull, os.O_WRONLY)
    walls = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(order["count"]):
        os.lseek(message, 0, os.SEEK_SET)
        started = time.perf_counter()
        pid = os.posix_spawn(order["command"][0], order["command"], order["environment"],
                             file_actions=[(os.POSIX_SPAWN_DUP2, message, 0), (os.POSIX_SPAWN_DUP2, nothing, 1)])
        _, status = os.waitpid(pid, 0)
        walls.append((time.perf_counter() - started) * 1000)
        if status != 0:
            sys.exit(f"{order['command']}: ended with {os.waitstatus_to_exitcode(status)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"walls": walls, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}))


def files_below(*directories):
    """How many files a queue has."""
    return sum(len(files) for directory in directories for _, _, files in os.walk(directory))


class Field:
    """All who take part, each with a queue of its own below one directory."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack
        self.unpacked = {}

    def machine(self, name, users=None):
        """Where a package that excludes Postfix is laid over /usr, with its own /etc and /var/spool on disk."""
        if not self.unpacked:
            tree = subprocess.run([ROOT / "tools" / "receivers", "nullmailer", "dma"], stdout=subprocess.PIPE, check=True, text=True)
            self.unpacked = pathlib.Path(tree.stdout.strip())
        made = machine.Machine("web1.example.test", users, directory=self.directory / name, package=self.unpacked / name)
        self.stack.callback(made.stop)
        return made

    def true(self):
        yield Calls("(/usr/bin/true)", ["/usr/bin/true"])

    def posthorn(self):
        dns = DnsServer(ttl=3600, negative_ttl=3600)
        self.stack.callback(dns.stop)
        dns.fail("dest.test", "servfail")
        spool = self.directory / "posthorn-spool"
        for part in (spool, spool / "tmp", spool / "new", self.directory / "posthorn"):
            part.mkdir()
        server = Daemon(dns=dns, quiet_log=str(self.directory / "posthorn.log"), directory=self.directory / "posthorn",
                        changes={"local": {"storm_limit": 0, "messages_per_hour": 0, "recipients_per_hour": 0}})
        server.start()
        self.stack.callback(server.stop)
        command = [machine.sendmail(), "-t", "-i"]
        yield Calls("Posthorn", command, environment={"POSTHORN_SOCKET": server.unix_socket}, pids=[server.pid],
                    queued=lambda: len(server.queue_ids(limit=1000000)))
        yield Calls("Posthorn, daemon down: its spool", command, queued=lambda: files_below(spool / "new"),
                    environment={"POSTHORN_SOCKET": str(self.directory / "none"), "POSTHORN_SPOOL": str(spool)})

    def postfix(self):
        server = Postfix("127.0.0.1", free_port(), ("127.0.0.1", 9), hold=True)
        self.stack.callback(server.stop)
        queues = [server.directory / "queue" / name for name in ("incoming", "active", "deferred")]
        yield Calls("Postfix", ["/usr/sbin/sendmail", "-C", str(server.directory / "etc"), "-t", "-i"], pids=[server.pid],
                    queued=lambda: files_below(*queues), waits=True)

    def exim(self):
        made = self.machine("exim4-daemon-light", {"Debian-exim": 10101})
        made.run(["mkdir", "-p", "/var/spool/exim4"])
        made.write("/etc/exim4/exim4.conf", EXIM)
        yield Calls("Exim", ["/usr/sbin/exim4", "-C", "/etc/exim4/exim4.conf", "-t", "-i"], made,
                    queued=lambda: files_below(self.directory / "exim4-daemon-light" / "spool" / "exim4" / "input") // 2)

    def nullmailer(self):
        made = self.machine("nullmailer")
        made.run(["sh", "-c", "cd /var/spool && mkdir -p nullmailer/queue nullmailer/tmp nullmailer/failed && mkfifo nullmailer/trigger &&"
                  "chown -R mail: nullmailer"])
        made.write("/etc/mailname", "mail.example.test\n")
        made.write("/etc/nullmailer/remotes", "127.0.0.1 smtp\n")
        yield Calls("nullmailer", ["/usr/sbin/sendmail", "-t", "-i"], made,
                    queued=lambda: files_below(self.directory / "nullmailer" / "spool" / "nullmailer" / "queue"))

    def dma(self):
        made = self.machine("dma")
        made.run(["install", "-d", "-o", "root", "-g", "mail", "-m", "2775", "/var/spool/dma"])
        made.write("/etc/dma/dma.conf", "DEFER\nSMARTHOST 127.0.0.1\nMAILNAME mail.example.test\n")
        yield Calls("dma", ["/usr/sbin/dma", "-t", "-i"], made,
                    queued=lambda: len(list((self.directory / "dma" / "spool" / "dma").glob("Q*"))))


WAYS = ("true", "posthorn", "postfix", "exim", "nullmailer", "dma")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5, help="into how many turns the calls are divided")
    parser.add_argument("--only", action="append", choices=WAYS, help="may be repeated; default: all")
    parser.add_argument("--caller", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.caller:
        return caller(json.loads(options.caller))
    print(f"# {platform.release()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {options.calls} calls each")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sendmail-calls-"))
    directory.chmod(0o755)
    message = directory / "message"
    message.write_bytes(MESSAGE)
    try:
        with contextlib.ExitStack() as stack:
            field = Field(directory, stack)
            calls = [each for name in (options.only or WAYS) for each in getattr(field, name)()]
            for each in calls:   # so that all processes run and all files are read
                each.make(10, message)
                each.walls, each.cpu = [], 0.0
            for _ in range(options.turns):
                for each in calls:
                    each.make(options.calls // options.turns, message)
            print(f"{'ms a call':<32} {'median':>8} {'mean':>8} {'95 %':>8} {'CPU':>10}")
            for each in calls:
                each.check()
                print(each.row())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
