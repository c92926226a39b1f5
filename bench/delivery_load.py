#!/usr/bin/env python3
"""Delivery out of a full queue: what dead and slow sites cost the others, and what a million waiting messages cost the start.

    bad sites   100,000 messages to 5,000 domains on 50 sites wait. Healthy messages/s, from `ready` to the last healthy delivery, when 5
                sites do not answer at all and 5 take seconds for each reply; beside the same without the ten. Both are run by turns.
    million     1,000,000 messages wait for 5,000 domains: seconds from the program's start to the first delivery, memory while delivering
                and while all that is left waits for its time, and messages/s accepted then, beside an empty queue's, by turns.

The queue is filled by copying one accepted message's rows, so that filling it measures nothing. Receivers are Postfix's smtp-sink on
addresses of 127.0.0.0/8; a dead site is an address whose listener takes no connection. The file system is that of $TMPDIR (default
/tmp), which should be a disk and not a tmpfs.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "bench")]
import measure  # noqa: E402
from posthorn_test import certs, daemon as posthorn  # noqa: E402
from posthorn_test.daemon import Daemon, free_port, simple_message  # noqa: E402
from posthorn_test.dns_server import DnsServer  # noqa: E402

SLOW_REPLY = 5   # seconds a slow site takes for each reply


class Net:
    """Fifty receivers on addresses of their own, and the DNS that says which domain is whose."""

    def __init__(self, healthy, dead, slow):
        self.prefix = f"127.{random.randint(70, 120)}.{random.randint(1, 250)}"
        self.port = free_port(self.prefix + ".1")
        self.dns = DnsServer(ttl=3600, negative_ttl=3600)   # or this server of ours would be measured
        self.processes, self.sockets = [], []
        self.kinds = ["healthy"] * healthy + ["dead"] * dead + ["slow"] * slow
        for number, kind in enumerate(self.kinds, start=1):
            address = f"{self.prefix}.{number}"
            if kind == "dead":
                self._listen_in_vain(address)
            else:
                delay = ["-W", f".:{SLOW_REPLY}"] if kind == "slow" else []
                self.processes.append(subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", *delay, f"{address}:{self.port}", "1000"]))

    def _listen_in_vain(self, address):
        """The accept queue is full from the start, so the kernel drops every further SYN: connections time out."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, self.port))
        listener.listen(0)
        self.sockets.append(listener)
        for _ in range(4):
            guest = socket.socket()
            guest.setblocking(False)
            guest.connect_ex((address, self.port))
            self.sockets.append(guest)

    def name(self, domains):
        """Domain i belongs to site i modulo their number; all of a site share its MX."""
        for number in range(1, len(self.kinds) + 1):
            self.dns.set(f"mx{number}.test", "A", f"{self.prefix}.{number}")
        for i in range(domains):
            self.dns.set(f"d{i}.load.test", "MX", f"10 mx{i % len(self.kinds) + 1}.test")

    def kind_of(self, domain_number):
        return self.kinds[domain_number % len(self.kinds)]

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        for one in self.sockets:
            one.close()
        self.dns.stop()


def fill(directory, messages, domains):
    """Makes of the one message in the queue that many, for the domains by turns; all due at once."""
    with contextlib.closing(sqlite3.connect(f"{directory}/queue/queue.sqlite")) as queue:
        queue.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000")
        columns = {table: [row[1] for row in queue.execute(f"PRAGMA table_info({table})")]
                   for table in ("message", "body", "recipient", "destination")}
        template, = queue.execute("SELECT id FROM message").fetchone()
        recipient, home = queue.execute("SELECT id, destination_id FROM recipient").fetchone()
        domain_column = "domain" if "domain" in columns["destination"] else "name"

        def copy(table, where, count, **changed):
            values = ", ".join(changed.get(column, column) for column in columns[table])
            queue.execute(f"INSERT INTO {table} ({', '.join(columns[table])}) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
                          f"WHERE i + 1 < {count}) SELECT {values} FROM {table}, n WHERE {where}")

        with queue:
            copy("destination", f"id = {home}", domains, id=f"{home} + 1 + i",
                 **{domain_column: "'d' || i || '.load.test'"})
            copy("message", f"id = {template}", messages, id=f"{template} + 1 + i")
            if queue.execute("SELECT count(*) FROM body").fetchone()[0]:
                copy("body", f"message_id = {template}", messages, message_id=f"{template} + 1 + i")
            copy("recipient", f"id = {recipient}", messages, id=f"{recipient} + 1 + i", message_id=f"{template} + 1 + i",
                 destination_id=f"{home} + 1 + i % {domains}", address=f"'u' || i || '@d' || (i % {domains}) || '.load.test'",
                 due_at="due_at - 86400000000", attempts="0", last_attempt="0", last_class="''", last_reply="''", last_host="''")
            for table, column, value in (("recipient", "id", recipient), ("body", "message_id", template), ("message", "id", template)):
                queue.execute(f"DELETE FROM {table} WHERE {column} = {value}")
        queue.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def full_daemon(net, messages, domains, changes=None):
    """A daemon, not yet started, in whose queue that many messages wait."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    key = directory / "rsa.pem"
    certs.dkim_key(key)
    tables = {"domain": [{"name": "example.test", "dkim": [{"selector": "rsa", "key_file": str(key)}]}]}
    log = directory / "posthorn.log"
    server = Daemon(dns=net.dns, delivery_port=net.port, keys=(), changes=posthorn.merge(tables, changes or {}), quiet_log=str(log))
    try:
        net.dns.fail("template.test", "servfail")
        server.start()
        server.send("user@template.test", message=simple_message("user@template.test", body="x" * 500))
        server.stop()
        if messages:
            fill(server.directory, messages, domains)
        net.name(domains)
        log.write_bytes(b"")
        yield server, log
    finally:
        server.stop()
        server.discard()
        shutil.rmtree(directory, ignore_errors=True)


class Follower:
    """Counts `delivered` lines by the number of their domain as the log grows."""

    DELIVERED = re.compile(rb" delivered .*? to=\S+@d(\d+)\.load\.test")

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.first = None

    def domains(self):
        text = self.rest + self.file.read()
        *lines, self.rest = text.split(b"\n")
        return [int(found[1]) for line in lines if (found := self.DELIVERED.search(line))]


def bad_sites_run(messages, domains, dead, slow, healthy, timeout):
    """Healthy messages/s, how many of the others were delivered meanwhile, and what it cost: CPU seconds of the daemon, of the receivers,
    and of this script with its DNS server and its reading of the log."""
    net = Net(healthy, dead, slow)
    sites = healthy + dead + slow
    try:
        with full_daemon(net, messages * sites // 50, domains * sites // 50) as (server, log):
            wanted = messages * healthy // 50
            started, own = time.monotonic(), time.process_time()
            server.start()
            follower, good, bad = Follower(log), 0, 0
            while good < wanted:
                if time.monotonic() - started > timeout:
                    raise TimeoutError(f"{good} of {wanted} healthy messages in {timeout} s")
                for number in follower.domains():
                    if net.kind_of(number) == "healthy":
                        good += 1
                    else:
                        bad += 1
                time.sleep(0.02)
            took, own = time.monotonic() - started, time.process_time() - own
            sinks = sum(measure.cpu_seconds(one.pid) for one in net.processes)
            cost = f"CPU s: {measure.cpu_seconds(server.pid):.1f}, receivers {sinks:.1f}, DNS and log {own:.1f}; "
            return wanted / took, bad, cost + f"PSS {measure.memory_mib(server.pid)[0]:.0f} MiB"
    finally:
        net.stop()


def bad_sites(arguments):
    without, beside = [], []
    for _ in range(arguments.turns):
        rate, _, cost = bad_sites_run(arguments.messages, arguments.domains, 0, 0, 40, arguments.timeout)
        without.append(rate)
        print(f"bad sites    40 healthy alone                 {rate:8,.0f} messages/s; {cost}", flush=True)
        rate, bad, cost = bad_sites_run(arguments.messages, arguments.domains, 5, 5, 40, arguments.timeout)
        beside.append(rate)
        print(f"bad sites    40 healthy, 5 dead, 5 slow       {rate:8,.0f} messages/s; {cost} ({bad} of the slow ones' meanwhile)", flush=True)
    print(f"bad sites    beside the ten: {100 * statistics.median(beside) / statistics.median(without):.1f} % of the rate without them (medians)\n")


def accepted_per_second(server, count=30000):
    address, port = server.endpoint("plain")
    started = time.monotonic()
    subprocess.run(["/usr/sbin/smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(count), "-f", "sender@example.test", "-t",
                    "user@template.test", f"{address}:{port}"], check=True, timeout=600)
    return count / (time.monotonic() - started)


def million(arguments):
    net = Net(50, 0, 0)
    rates, costs = {"empty": [], "full": []}, {"empty": [], "full": []}
    try:
        # What is left waits for DNS, so that accepting is measured with nothing leaving, as with the empty queue.
        with full_daemon(net, 0, arguments.domains) as (empty, _), full_daemon(net, arguments.million, arguments.domains) as (server, log):
            started = time.monotonic()
            server.start()
            ready = time.monotonic() - started
            follower = Follower(log)
            while not (seen := follower.domains()):
                if time.monotonic() - started > 60:
                    raise TimeoutError("no first delivery")
                time.sleep(0.002)
            first = time.monotonic() - started
            delivered, peak = len(seen), 0.0
            for _ in range(10):
                time.sleep(1)
                delivered += len(follower.domains())
                peak = max(peak, measure.memory_mib(server.pid)[0])
            took = time.monotonic() - started
            print(f"million      ready after {ready:.2f} s, first delivery after {first:.2f} s; then {delivered / took:,.0f} messages/s for {took:.0f} s, "
                  f"PSS at most {peak:.1f} MiB", flush=True)
            server.stop()
            for i in range(arguments.domains):
                net.dns.fail(f"d{i}.load.test", "servfail")
            server.start()
            empty.start()
            time.sleep(5)
            for _ in range(max(3, arguments.turns)):
                for kind, one in (("empty", empty), ("full", server)):
                    spent = measure.cpu_seconds(one.pid)
                    rates[kind].append(accepted_per_second(one))
                    costs[kind].append(measure.cpu_seconds(one.pid) - spent)
            waiting = measure.memory_mib(server.pid)[0]
        empty_rate, full_rate = (statistics.median(rates[k]) for k in ("empty", "full"))
        empty_cost, full_cost = (statistics.median(costs[k]) for k in ("empty", "full"))
        print(f"million      accepted {full_rate:,.0f}/s, an empty queue {empty_rate:,.0f}/s ({100 * full_rate / empty_rate:.0f} %); "
              f"CPU s {full_cost:.2f} and {empty_cost:.2f}; PSS {waiting:.1f} MiB, nothing leaving")
    finally:
        net.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100000, help="for all 50 sites [%(default)s]")
    parser.add_argument("--domains", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--million", type=int, default=1000000)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--only", action="append", choices=["bad-sites", "million"])
    arguments = parser.parse_args()
    wanted = arguments.only or ["bad-sites", "million"]
    if "bad-sites" in wanted:
        bad_sites(arguments)
    if "million" in wanted:
        million(arguments)


if __name__ == "__main__":
    main()
