#!/usr/bin/env python3
"""Posthorn beside Postfix and OpenDKIM from Debian, in one run: accepting, signing and delivering, latency, memory.

    accept      messages/s answered 250, and so on disk, while nothing is delivered (Postfix: defer_transports=smtp;
                Posthorn: the recipient domain's DNS fails), and CPU seconds per 1,000 of them
    end to end  messages/s from the first byte in to the last byte out, signed with RSA-2048
    latency     from the final dot going in to the final dot coming out, one message at a time, on open connections
    memory      PSS of all processes, idle and with a queue of 100,000 messages for 1,000 domains

CPU is that of the mail server's processes alone. Messages are 4 KiB, over 20 sessions, by Postfix's smtp-source; they are received
by its smtp-sink. The file system is that of $TMPDIR (default /tmp), which should be a disk and not a tmpfs. Run as root (Postfix).
"""

import argparse
import atexit
import contextlib
import os
import pathlib
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "bench")]
import measure  # noqa: E402
from postfix_stack import OpenDkim, Postfix  # noqa: E402
from posthorn_test import certs, daemon as posthorn  # noqa: E402
from posthorn_test.daemon import Daemon, free_port  # noqa: E402
from posthorn_test.dns_server import DnsServer  # noqa: E402
from posthorn_test.sink import Sink  # noqa: E402
from posthorn_test.smtp import Client, stuffed  # noqa: E402

SESSIONS, SIZE = 20, 4096


def flood(address, port, count, reuse):
    """smtp-source until all is acknowledged; returns the seconds it took."""
    started = time.monotonic()
    subprocess.run(["/usr/sbin/smtp-source", "-s", str(SESSIONS), "-l", str(SIZE), "-m", str(count), "-f", "sender@example.test",
                    "-t", "user@dest.test", *(["-d"] if reuse else []), f"{address}:{port}"], check=True, timeout=600)
    return time.monotonic() - started


@contextlib.contextmanager
def smtp_sink(count):
    port = free_port()
    process = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", "-M", str(count), f"127.0.0.1:{port}", "1000"])
    try:
        yield port, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


class Stacks:
    """Starts each mail server for a run and says where it listens and which processes are its own."""

    def __init__(self, directory):
        self.directory = directory
        self.key = directory / "rsa.pem"
        certs.dkim_key(self.key)

    @contextlib.contextmanager
    def postfix(self, sink_port=9, milter=None, hold=False):
        filter_ = OpenDkim(self.directory, "example.test", self.key, free_port() if milter == "inet" else None) if milter else None
        server = None
        try:
            port = free_port()
            server = Postfix("127.0.0.1", port, ("127.0.0.1", sink_port), milter=filter_ and filter_.milter, hold=hold)
            yield "127.0.0.1", port, [server.pid] + ([filter_.process.pid] if filter_ else [])
        finally:
            if server:
                server.stop()
            if filter_:
                filter_.stop()

    @contextlib.contextmanager
    def posthorn(self, sink_port=9, hold=False, changes=None):
        dns = DnsServer(ttl=3600, negative_ttl=3600)
        if hold:
            dns.fail("dest.test", "servfail")
        else:
            dns.mx("dest.test", ("mx.dest.test", "127.0.0.1"))
        # As many connections as Postfix's default_destination_concurrency_limit.
        tables = {"delivery": {"connections_per_site": 20}, "domain": [
            {"name": "example.test", "dkim": [{"selector": "rsa", "key_file": str(self.key)}]}]}
        server = Daemon(dns=dns, delivery_port=sink_port, keys=(), changes=posthorn.merge(tables, changes or {}),
                        quiet_log=str(self.directory / "posthorn.log"))
        try:
            server.start()
            self.dns, self.server = dns, server
            yield *server.endpoint("plain"), [server.pid]
        finally:
            server.stop()
            server.discard()
            dns.stop()


def accept(stack, count, reuse):
    with stack as (address, port, pids):
        flood(address, port, count // 10, reuse)   # so that all processes run
        before = measure.cpu_seconds(*pids)
        seconds = flood(address, port, count, reuse)
        return count / seconds, (measure.cpu_seconds(*pids) - before) * 1000 / count


def end_to_end(make_stack, count, reuse):
    warm_up = count // 10
    with smtp_sink(count + warm_up) as (sink_port, sink), make_stack(sink_port) as (address, port, pids):
        flood(address, port, warm_up, reuse)
        before = measure.cpu_seconds(*pids)
        started = time.monotonic()
        flood(address, port, count, reuse)
        sink.wait(600)   # it ends with the last message
        seconds = time.monotonic() - started
        return count / seconds, (measure.cpu_seconds(*pids) - before) * 1000 / count


def latency(make_stack, count=60):
    """Milliseconds from the last octet written to the last octet read, median and 95th percentile."""
    arrived = threading.Event()
    times = []
    sink = Sink("127.0.0.1", starttls=False, store=False, on_message=lambda m: (times.append(time.monotonic()), arrived.set()))
    data = stuffed(b"From: <sender@example.test>\r\nTo: <user@dest.test>\r\nSubject: latency\r\n\r\n" + b"x" * 76 + b"\r\n")
    samples = []
    try:
        with make_stack(sink.port) as (address, port, _), Client((address, port)) as client:
            client.expect(220)
            client.hello()
            for i in range(count + 5):
                arrived.clear()
                client.expect(250, "MAIL FROM:<sender@example.test>")
                client.expect(250, "RCPT TO:<user@dest.test>")
                client.expect(354, "DATA")
                sent = time.monotonic()
                client.send(data)
                client.expect(250)
                if not arrived.wait(30):
                    raise TimeoutError("a message did not arrive")
                if i >= 5:
                    samples.append((times[-1] - sent) * 1000)
                time.sleep(0.02)   # idle in between: this is no load test
    finally:
        sink.stop()
    samples.sort()
    return statistics.median(samples), samples[int(len(samples) * 0.95)]


def fill(address, port, messages, domains, threads=8):
    """Submits that many messages for that many domains, over a few pipelined sessions."""
    body = stuffed(b"From: <sender@example.test>\r\nSubject: waits\r\n\r\n" + (b"x" * 76 + b"\r\n") * 10)
    failures = []

    def work(first):
        try:
            with Client((address, port), timeout=120) as client:
                client.expect(220)
                client.hello()
                for i in range(first, messages, threads):
                    client.send(f"MAIL FROM:<sender@example.test>\r\nRCPT TO:<u{i}@d{i % domains}.fill.test>\r\nDATA\r\n")
                    for code in (250, 250, 354):
                        client.expect(code)
                    client.send(body)
                    client.expect(250)
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


def memory(stacks, messages, domains):
    with stacks.posthorn(hold=True) as (address, port, pids):
        time.sleep(1)
        idle = measure.memory_mib(*pids)
        # DNS answers SERVFAIL for each domain, so that all mail waits.
        for i in range(domains):
            stacks.dns.fail(f"d{i}.fill.test", "servfail")
        started = time.monotonic()
        fill(address, port, messages, domains)
        seconds = time.monotonic() - started
        time.sleep(3)
        with contextlib.closing(sqlite3.connect(f"file:{stacks.server.directory}/queue/queue.sqlite?mode=ro", uri=True)) as queue:
            waiting = queue.execute("SELECT count(*) FROM message").fetchone()[0]
        if waiting != messages:
            raise RuntimeError(f"{waiting} of {messages} messages wait")
        return idle, measure.memory_mib(*pids), seconds


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="ascii", errors="replace")
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}, Linux {platform.release().split('-')[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10000, help="for Posthorn; Postfix gets a third of them [%(default)s]")
    parser.add_argument("--reuse", action="store_true", help="many messages over each session [one session a message]")
    parser.add_argument("--queue", type=int, default=100000, help="messages for the memory figure; 0: leave it out")
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--only", action="append", choices=["accept", "end-to-end", "latency", "memory"])
    parser.add_argument("--without-postfix", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.only or ["accept", "end-to-end", "latency", "memory"]
    slow = max(500, arguments.messages // 3)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    stacks = Stacks(directory)
    print(f"{machine()}; {SIZE} octets, {SESSIONS} sessions, {'sessions reused' if arguments.reuse else 'one message a session'}; "
          f"{subprocess.run([posthorn.program(), '--version'], capture_output=True, text=True).stdout.strip()}\n")
    rows = {}

    def row(part, name, result, unit="messages/s   CPU s/1,000"):
        rows[part, name] = result
        first, second = (f"{v:10,.2f}" if v < 100 else f"{v:10,.0f}" for v in result)
        print(f"{part:<12} {name:<32} {first} {second}   {unit}", flush=True)

    if "accept" in wanted:
        if not arguments.without_postfix:
            row("accept", "Postfix", accept(stacks.postfix(hold=True), slow, arguments.reuse))
        row("accept", "Posthorn", accept(stacks.posthorn(hold=True), arguments.messages, arguments.reuse))
    if "end-to-end" in wanted:
        for milter in ("unix", "inet") if not arguments.without_postfix else ():
            row("end to end", f"Postfix + OpenDKIM ({milter})",
                end_to_end(lambda port, m=milter: stacks.postfix(port, m), slow, arguments.reuse))
        row("end to end", "Posthorn", end_to_end(stacks.posthorn, arguments.messages, arguments.reuse))
    if "latency" in wanted:
        if not arguments.without_postfix:
            row("latency", "Postfix + OpenDKIM (unix)", latency(lambda port: stacks.postfix(port, "unix")), "ms median, 95th")
        row("latency", "Posthorn", latency(stacks.posthorn), "ms median, 95th")
    if "memory" in wanted:
        if not arguments.without_postfix:
            with stacks.postfix(milter="unix") as (address, port, pids):
                flood(address, port, 20, False)
                row("memory", "Postfix + OpenDKIM, just used", measure.memory_mib(*pids), "MiB PSS, private")
        if arguments.queue:
            idle, full, seconds = memory(stacks, arguments.queue, arguments.domains)
            row("memory", "Posthorn, idle", idle, "MiB PSS, private")
            row("memory", f"Posthorn, {arguments.queue:,} waiting", full,
                f"MiB PSS, private ({arguments.domains:,} domains; filled at {arguments.queue / seconds:,.0f}/s)")
    print()
    for part, theirs in (("accept", "Postfix"), ("end to end", "Postfix + OpenDKIM (unix)"), ("end to end", "Postfix + OpenDKIM (inet)")):
        ours, other = rows.get((part, "Posthorn")), rows.get((part, theirs))
        if ours and other:
            print(f"{part}: {ours[0] / other[0]:.1f} x the messages/s of {theirs}, {ours[1] / other[1]:.2f} x its CPU")


if __name__ == "__main__":
    main()
