#!/usr/bin/env python3
"""The SMTP server under load and attack: many sessions at once, slow connections beside a normal client, idle ones, greedy ones.

    sessions    smtp-source with 500 parallel sessions, each message acknowledged and delivered, beside Postfix
    slowloris   what a normal client waits for a whole session (connect to 250 to QUIT), in the clear from this machine and with
                TLS and AUTH from outside: quiet, then beside 1,000 connections that drip (in EHLO, in a TLS handshake, in AUTH,
                in DATA), then quiet again; and beside 3,000 when there are only 1,000 places
    idle        memory held by 10,000 idle connections, in the clear and under TLS
    intake      300 clients that send 2 MiB each at once, and again until all are accepted: memory, refusals, time

Run as root (Postfix), on a disk, not on a tmpfs. Figures of slowloris are ratios within the run; --repeat says how often.
"""

import argparse
import atexit
import contextlib
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "bench")]
import end_to_end  # noqa: E402
import measure  # noqa: E402
from posthorn_test import daemon as posthorn  # noqa: E402
from posthorn_test.crowd import CrowdProcess, address  # noqa: E402
from posthorn_test.daemon import simple_message  # noqa: E402
from posthorn_test.smtp import Client, stuffed  # noqa: E402

PARTS = ("sessions", "slowloris", "idle", "intake")


def say(part, text):
    print(f"{part:<12} {text}", flush=True)


def sessions(stacks, count, without_postfix):
    """500 sessions at once, each message in a session of its own."""
    def run(name, make_stack, messages):
        with end_to_end.smtp_sink(messages) as (sink_port, sink), make_stack(sink_port) as (host, port, pids):
            before = measure.cpu_seconds(*pids)
            started = time.monotonic()
            subprocess.run(["/usr/sbin/smtp-source", "-s", "500", "-l", "4096", "-m", str(messages), "-f", "sender@example.test",
                            "-t", "user@dest.test", f"{host}:{port}"], check=True, timeout=1200)
            accepted = time.monotonic() - started
            sink.wait(1200)   # it ends with the last message
            delivered = time.monotonic() - started
            cpu = (measure.cpu_seconds(*pids) - before) * 1000 / messages
            say("sessions", f"{name}: {messages:,} of {messages:,} accepted at {messages / accepted:,.0f}/s, delivered at "
                f"{messages / delivered:,.0f}/s, {cpu:.2f} CPU s per 1,000, {measure.memory_mib(*pids)[0]:.0f} MiB PSS after")
            return messages / delivered

    ours = run("Posthorn", stacks.posthorn, count)
    if not without_postfix:
        theirs = run("Postfix + OpenDKIM (unix)", lambda port: stacks.postfix(port, "unix"), max(500, count // 8))
        say("sessions", f"{ours / theirs:.1f} x Postfix + OpenDKIM")


MESSAGE = stuffed(simple_message("user@dest.test", sender="sender@example.test", body="x" * 70 + "\r\n"))


def clear_session(server):
    """A session of a program on this machine."""
    with Client(server.endpoint("plain"), 60) as client:
        client.expect(220)
        client.hello()
        client.expect(250, "MAIL FROM:<sender@example.test>")
        client.expect(250, "RCPT TO:<user@dest.test>")
        client.expect(354, "DATA")
        client.send(MESSAGE)
        client.expect(250)
        client.quit()


def tls_session(server):
    """A session of a user elsewhere."""
    with Client(server.endpoint("submissions"), 60, implicit_tls=True, source="127.99.99.99") as client:
        client.expect(220)
        client.hello()
        client.login("alice", "correct horse")
        client.expect(250, "MAIL FROM:<sender@example.test>")
        client.expect(250, "RCPT TO:<user@dest.test>")
        client.expect(354, "DATA")
        client.send(MESSAGE)
        client.expect(250)
        client.quit()


def latency(session, server, count):
    """Milliseconds a session takes, sorted."""
    times = []
    for _ in range(count):
        started = time.monotonic()
        session(server)
        times.append((time.monotonic() - started) * 1000)
        time.sleep(0.005)
    return sorted(times)


def in_figures(times):
    return f"median {statistics.median(times):6.2f} ms, p99 {times[int(len(times) * 0.99)]:6.2f} ms"


def endpoints(server):
    return {name: server.endpoint(name) for name in ("plain", "open", "submissions")}


def slowloris(stacks, rounds, count):
    with stacks.posthorn(hold=True, changes={"submission.limits": {"max_connections": 2000}}) as _:
        server = stacks.server
        stages = {"silent": 200, "ehlo": 200, "handshake": 200, "auth": 200, "data": 200}
        for session in (clear_session, tls_session):
            latency(session, server, 50)
            quiet, beside = [], []
            for _ in range(rounds):
                quiet += latency(session, server, count)
                with CrowdProcess(endpoints(server), stages, interval=3.0):
                    beside += latency(session, server, count)
                quiet += latency(session, server, count)
            quiet.sort()
            beside.sort()
            name = session.__name__.replace("_", " ")
            say("slowloris", f"{name}: quiet {in_figures(quiet)}; beside 1,000 that drip {in_figures(beside)}; ratios "
                f"{statistics.median(beside) / statistics.median(quiet):.2f}, "
                f"{beside[int(len(beside) * 0.99)] / quiet[int(len(quiet) * 0.99)]:.2f}")
    with stacks.posthorn(hold=True) as _:   # 1,000 places
        server = stacks.server
        latency(tls_session, server, 50)
        quiet = latency(tls_session, server, count)
        with CrowdProcess(endpoints(server), {"silent": 1000, "ehlo": 1000, "auth": 1000}, interval=3.0) as crowd:
            beside = latency(tls_session, server, count)
            ended = crowd.close()
        say("slowloris", f"tls session, 3,000 strangers on 1,000 places: quiet {in_figures(quiet)}; beside them {in_figures(beside)}; "
            f"{ended:,} of them have made room")


def idle(stacks, count):
    limits = {"max_connections": count + 1000}
    for stage, name in (("idle", "in the clear"), ("idle-tls", "under TLS 1.3")):
        with stacks.posthorn(hold=True, changes={"submission.limits": limits}) as (_, _, pids):
            clear_session(stacks.server)
            before = measure.memory_mib(*pids)[0]
            with CrowdProcess(endpoints(stacks.server), {stage: count}):
                after = measure.memory_mib(*pids)[0]
                times = latency(clear_session, stacks.server, 100)
            say("idle", f"{count:,} connections {name}: {after:.0f} MiB PSS ({before:.0f} MiB without them, "
                f"{(after - before) * 1024 / count:.1f} KiB each); a normal session beside them: {in_figures(times)}")


def intake(stacks, clients=300, size=2 * 2**20):
    """Each sends its message, and again after each 452."""
    body = stuffed(simple_message("user@dest.test", sender="sender@example.test") + (b"x" * 78 + b"\r\n") * (size // 80))
    refused, failures, lock = [0], [], threading.Lock()

    def send(server, start):
        try:
            start.wait()
            with Client(server.endpoint("plain"), 300) as client:
                client.expect(220)
                client.hello()
                while True:
                    reply = client.command("MAIL FROM:<sender@example.test>")
                    if reply.code == 250:
                        reply = client.command("RCPT TO:<user@dest.test>")
                    if reply.code == 250:
                        reply = client.command("DATA")
                    if reply.code == 354:
                        client.send(body)
                        reply = client.reply()
                    if reply.code == 250:
                        return
                    if reply.code != 452:
                        raise AssertionError(repr(reply))
                    with lock:
                        refused[0] += 1
                    client.command("RSET")
                    time.sleep(0.5)
        except BaseException as failure:
            failures.append(failure)

    for bound in ("64MiB", "8MiB"):
        with stacks.posthorn(hold=True, changes={"submission.limits": {"max_intake_memory": bound}}) as (_, _, pids):
            clear_session(stacks.server)
            before = measure.memory_mib(*pids)[0]
            refused[0] = 0
            start = threading.Barrier(clients + 1)
            threads = [threading.Thread(target=send, args=(stacks.server, start)) for _ in range(clients)]
            for thread in threads:
                thread.start()
            start.wait()
            started, peak = time.monotonic(), before
            while any(thread.is_alive() for thread in threads):
                peak = max(peak, measure.memory_mib(*pids)[0])
                time.sleep(0.05)
            seconds = time.monotonic() - started
            if failures:
                raise failures[0]
            say("intake", f"{clients} clients, {size // 2**20} MiB each at once, max_intake_memory {bound}: all accepted in {seconds:.1f} s, "
                f"452 said {refused[0]} times; {before:.0f} MiB PSS before, {peak:.0f} MiB at most")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20000, help="of `sessions`; Postfix gets an eighth [%(default)s]")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of `slowloris` [%(default)s]")
    parser.add_argument("--samples", type=int, default=200, help="sessions a round [%(default)s]")
    parser.add_argument("--idle", type=int, default=10000, help="connections [%(default)s]")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--without-postfix", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.only or PARTS
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    stacks = end_to_end.Stacks(directory)
    print(f"{end_to_end.machine()}; {subprocess.run([posthorn.program(), '--version'], capture_output=True, text=True).stdout.strip()}\n")
    if "sessions" in wanted:
        sessions(stacks, arguments.messages, arguments.without_postfix)
    if "slowloris" in wanted:
        slowloris(stacks, arguments.repeat, arguments.samples)
    if "idle" in wanted:
        idle(stacks, arguments.idle)
    if "intake" in wanted:
        intake(stacks)


if __name__ == "__main__":
    main()
