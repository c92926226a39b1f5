#!/usr/bin/env python3
"""The dashboard in headless Chromium. `test_dashboard.py states`: with a played daemon; `deeds`: with a real one, whose world the browser's person
changes through a small control door (POST /NAME, JSON in and out)."""

import fcntl
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
SKIP = 77
TOKEN = "the-token-of-the-operator-0123456789"
LOOKER = "the-token-of-who-only-looks-0123456789"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def modules():
    """Where playwright-core and axe-core are; installed once for each lock file."""
    for tool in ("node", "npm", "chromium"):
        if not shutil.which(tool):
            skip(f"there is no {tool} here")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(re.match(r"v(\d+)", version)[1]) < 18:
        skip(f"node {version.strip()} is too old; 18 is needed")
    folder = pathlib.Path(os.environ.get("DASHBOARD_MODULES") or pathlib.Path(tempfile.gettempdir()) / f"posthorn-dashboard-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    with open(folder / ".installing", "w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)   # two tests, or two builds of one folder
        stamp = folder / ".installed"
        if not stamp.exists() or stamp.read_text() != lock:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            try:
                done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, timeout=180)
            except subprocess.TimeoutExpired:
                skip("npm did not get the packages within 180 s")
            if done.returncode != 0:
                skip("npm cannot get playwright-core and axe-core: " + (done.stderr.strip().splitlines() or ["?"])[-1])
            stamp.write_text(lock)
    return folder


def run(part, folder, environment=None):
    only = [f"--test-name-pattern={os.environ['DASHBOARD_ONLY']}"] if os.environ.get("DASHBOARD_ONLY") else []
    command = ["node", "--test", "--test-reporter=spec", *only, str(HERE / f"{part}.test.mjs")]
    return subprocess.run(command, cwd=folder, env=os.environ | {"DASHBOARD_MODULES": str(folder)} | (environment or {})).returncode


class Door:
    """What a person does elsewhere: mail is handed in, DNS changes, a server refuses, the daemon is restarted."""

    def __init__(self, net):
        self.net = net
        self.rules = {}
        door = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                try:
                    status, told = 200, getattr(door, "do_" + self.path.strip("/"))(**given)
                except Exception as failure:   # the test says what it was
                    status, told = 500, {"error": f"{type(failure).__name__}: {failure}"}
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def do_send(self, to, sender="alice@example.test"):
        from posthorn_test.daemon import simple_message
        recipients = to if isinstance(to, list) else [to]
        self.net.daemon.send(recipients, sender=sender, message=simple_message(recipients[0], sender=sender))
        return {"ids": self.net.daemon.queue_ids()}

    def sink(self, name):
        receiver = getattr(self.net, name)   # a provider; home is a sink itself
        return getattr(receiver, "sink", receiver)

    def do_refuse(self, provider, reply, verb="rcpt"):
        self.do_accept(provider)
        self.rules[provider] = self.sink(provider).rule(verb, reply)
        return {}

    def do_accept(self, provider):
        if provider in self.rules:
            self.sink(provider).forget(self.rules.pop(provider))
        return {}

    def do_unpublish(self):
        self.key = self.net.daemon.records["rsa._domainkey.example.test"]
        self.net.dns.remove("rsa._domainkey.example.test", "TXT")
        self.net.dns.set("example.test", "TXT", "v=spf1 -all")
        return {}

    def do_publish(self):
        self.net.dns.set("rsa._domainkey.example.test", "TXT", self.key)
        return {}

    def do_arrived(self, provider, to):
        self.sink(provider).wait_for_message(to)
        return {}

    def do_queue(self):
        return {"ids": self.net.daemon.queue_ids()}

    def do_restart(self):
        self.net.daemon.stop()
        self.net.daemon.start()
        return {}

    def do_kill(self):
        self.net.daemon.kill()
        return {}

    def do_start(self):
        self.net.daemon.start()
        return {}


def deeds(folder):
    from posthorn_test.daemon import free_port
    from posthorn_test.providers import Internet
    port = free_port()
    changes = {"admin": {"listen": f"127.0.0.1:{port}", "token": TOKEN, "read_only_token": LOOKER},
               "retry": {"first": "1h", "max": "1h", "jitter": 0.0, "auth_poll": "1h", "auth_settle": "200ms", "auth_first": "1h"}}
    failed = True
    net = Internet(providers=("google", "yahoo", "other"), ours=("example.test", "second.test"), changes=changes)
    net.__enter__()
    try:
        door = Door(net)
        failed = run("deeds", folder, {"DASHBOARD_URL": f"http://127.0.0.1:{port}/", "CONTROL_URL": door.url, "TOKEN": TOKEN, "LOOKER": LOOKER}) != 0
        door.server.shutdown()
    finally:
        net.__exit__(AssertionError if failed else None, None, None)
    return 1 if failed else 0


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else "states"
    folder = modules()
    sys.exit(deeds(folder) if part == "deeds" else run(part, folder))


if __name__ == "__main__":
    main()
