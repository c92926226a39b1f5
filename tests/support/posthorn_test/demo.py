"""tools/run: the main job on loopback, start to end, with what is seen at each step."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from . import verify
from .daemon import Daemon, loopback_address, program
from .dns_server import DnsServer
from .sink import GREYLISTED, Sink

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def title(text):
    print("\n" + paint("1", text))


def show(text, limit=110):
    for line in text.splitlines():
        print("    " + (line if len(line) <= limit else line[:limit - 3] + "..."))


def make_key(directory):
    """A signing key by `posthorn dkim genkey`; returns the value of its record as the program printed it."""
    shutil.rmtree(directory / "keys", ignore_errors=True)
    run = subprocess.run([program(), "dkim", "genkey", "--domain", "example.test", "--selector", "demo", "--directory",
                          str(directory / "keys")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout)
    return re.search(r"value +(v=DKIM1.*)", run.stdout).group(1)


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in ("queue", "keys"):
        shutil.rmtree(directory / leftover, ignore_errors=True)
    message_file = pathlib.Path(__file__).resolve().parent.parent / "demo.eml"

    title("A world of its own, on loopback")
    dns = DnsServer()
    sink = Sink(loopback_address(), name="mx.dest.test")
    dns.mx("dest.test", ("mx.dest.test", sink.address))
    record = make_key(directory)
    dns.set("demo._domainkey.example.test", "TXT", record)
    # The receiver greylists once, so that there is something to see in the queue.
    greylist = sink.rule("rcpt", GREYLISTED, times=1)
    daemon = Daemon(dns=dns, delivery_port=sink.port, keys=(), directory=directory, changes={
        "domain": [{"name": "example.test", "dkim": [{"selector": "demo", "key_file": str(directory / "keys" / "demo.pem")}]}],
        "retry": {"first": "1s", "grey": "1s"}})
    show(f"DNS server      {dns.address}:{dns.port}   dest.test MX 10 mx.dest.test -> {sink.address}\n"
         f"signing key     demo._domainkey.example.test   (RSA-2048, by posthorn dkim genkey)\n"
         f"receiver        {sink.address}:{sink.port}   STARTTLS; says \"come back later\" once, as greylisting does\n"
         f"configuration   {daemon.config_file}")
    try:
        return play(dns, sink, daemon, greylist, message_file)
    finally:
        daemon.stop()
        sink.stop()
        dns.stop()


def play(dns, sink, daemon, greylist, message_file):
    daemon.start()
    host, port = daemon.endpoint("submission")
    show(f"posthorn        {host}:{port}   STARTTLS, AUTH required (pid {daemon.pid})")

    title("The queue before")
    show(daemon.command("queue", "list").stdout or "(nothing)")

    title("A message is handed in: swaks, STARTTLS, AUTH PLAIN")
    started = time.monotonic()
    run = subprocess.run(["swaks", "--server", host, "--port", str(port), "-tls", "--auth", "PLAIN", "--auth-user", "alice",
                          "--auth-password", "correct horse", "--from", "alice@example.test", "--to", "joerg@dest.test",
                          "--helo", "client.example.test", "--data", f"@{message_file}", "--suppress-data"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    show("\n".join(line for line in run.stdout.splitlines() if re.match(r"(===|[<~ -]*[<>~-]+[ *]) *", line) and "250-" not in line))
    if run.returncode != 0:
        show(run.stdout)
        return 1

    sink.wait(lambda s: greylist.used == 1)
    title("The queue, while the receiver greylists")
    show(daemon.wait_for_output("come back later|^$", "queue", "list"))
    for identity in daemon.queue_ids():
        title(f"posthorn queue show {identity}")
        show(daemon.command("queue", "show", identity, check=False).stdout)

    message = sink.wait_for_message("joerg@dest.test", 60)
    title(f"Delivered, {time.monotonic() - started:.2f} s after it was handed in")
    show(f"envelope        <{message.sender}> -> {', '.join(f'<{r}>' for r in message.recipients)}\n"
         f"connection      {message.tls}, {message.cipher}, EHLO {message.helo}")
    title("Its header, as received")
    show(message.header, limit=200)

    title("What others say of the signature")
    said = verify.verdicts(message.data, dns)
    good = verify.all_pass(message.data, dns) is None
    for name, verdicts in said.items():
        for (domain, selector, algorithm), verdict in zip(verify.signatures(message.data), verdicts):
            show(f"{name:<15} {selector}._domainkey.{domain}  {algorithm}  "
                 + paint("32" if verdict == "pass" else "31", verdict))
    # swaks ends what it sends with an empty line of its own.
    unchanged = message.body == message_file.read_bytes().split(b"\n\n", 1)[1].replace(b"\n", b"\r\n") + b"\r\n"
    show(f"{'body':<15} " + ("as swaks handed it in, octet by octet" if unchanged else paint("31", "was changed")))

    title("The queue after")
    daemon.wait_for_log(r"\bdelivered\b")
    daemon.wait_for_empty_queue()
    show(daemon.command("queue", "list").stdout or "(nothing)")
    title("The daemon's log of this message")
    show("\n".join(daemon.log(r"\b(connect|tls|auth|mail|rcpt|stored|attempt|deferred|delivered)\b")), limit=160)
    code = daemon.stop()
    good = good and unchanged and code == 0
    title("All of it worked." if good else paint("31", "Something is wrong; see above."))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
