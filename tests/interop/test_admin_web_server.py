#!/usr/bin/env python3
"""The dashboard behind Debian's nginx with TLS, by the very block that docs/API.md shows: over TCP, over the unix socket, and below a path."""

import json
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from posthorn_test import certs, world
from posthorn_test.daemon import free_port

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "API.md"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
NAME = "mail-admin.example.com"
TOKEN = "f00d" * 16
PAGE = {"X-Posthorn-Request": "1", "Sec-Fetch-Site": "same-origin", "Origin": f"https://{NAME}"}


def shown_block():
    """nginx's server block as the document has it."""
    block = re.search(r"```\n(server \{.*?\n\})\n```", DOCUMENT.read_text(), re.DOTALL)
    assert block, "docs/API.md shows no server block"
    return block[1]


@unittest.skipUnless(NGINX, "needs nginx")
class WebServer(world.WorldTest):
    def serve(self, upstream, location="/"):
        """nginx with the document's block, whose addresses and names are this test's."""
        place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        certificate, key = certs.self_signed(place, NAME)
        self.port = free_port()
        block = shown_block()
        for old, new in [("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"),
                         ("location / {", f"location {location} {{"), ("proxy_pass http://127.0.0.1:2580;", f"proxy_pass {upstream};")]:
            self.assertIn(old, block)
            block = block.replace(old, new)
        kept = "".join(f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        (place / "nginx.conf").write_text(f"daemon off;\npid {place}/pid;\nerror_log {place}/error.log;\nuser root;\nevents {{ }}\n"
                                          f"http {{\naccess_log off;\n{kept}{block}\n}}\n")
        process = subprocess.Popen([NGINX, "-p", place, "-c", place / "nginx.conf", "-e", place / "error.log"])
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.terminate)
        deadline = time.monotonic() + 30
        while not (place / "pid").exists():   # written once it listens
            self.assertTrue(process.poll() is None and time.monotonic() < deadline, "nginx does not start")
            time.sleep(0.02)
        self.context = ssl.create_default_context(cafile=certificate)
        self.context.check_hostname = False   # the address is asked, by the name's Host field

    def ask(self, path, body=None, **fields):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data=None if body is None else json.dumps(body).encode(),
                                         headers={"Host": NAME} | {name.replace("_", "-"): value for name, value in fields.items()})
        try:
            return urllib.request.urlopen(request, timeout=30, context=self.context)
        except urllib.error.HTTPError as refusal:
            return refusal

    def works(self, path=""):
        """Page, login, mail, events as they happen; and nothing for who does not log in."""
        with self.ask(f"{path}/") as page:
            self.assertIn("<title>", page.read().decode())
        for asked in ("/v1/queue", "/v1/config", "/v1/events", "/mailq"):
            with self.ask(path + asked) as refused:
                self.assertEqual(refused.status, 401, asked)
        with self.ask(f"{path}/v1/session", body={"token": "wrong" * 10}, **PAGE) as refused:
            self.assertEqual(refused.status, 401)
        with self.ask(f"{path}/v1/session", body={"token": TOKEN}, **PAGE) as opened:
            self.assertEqual(opened.status, 200)
            cookie = opened.headers["Set-Cookie"]
        self.assertIn("; Secure", cookie)
        self.assertIn("; HttpOnly", cookie)
        cookie = cookie.split(";")[0]
        with self.ask(f"{path}/v1/events", Cookie=cookie, Accept="text/event-stream") as events:
            self.assertIn(b"watching", self.line_with(events, b"watching"))
            id = self.w.daemon.send("bob@dest.test").split()[-1]
            self.assertIn(id.encode(), self.line_with(events, b'"delivered"'))   # while the stream is open: nothing keeps it back
        with self.ask(f"{path}/v1/why?what={id}", Cookie=cookie) as why:
            self.assertEqual(why.status, 200)
        self.w.sink.rule("rcpt", "450 4.2.1 try again later")
        held = self.w.daemon.send("carol@dest.test").split()[-1]
        self.w.daemon.wait_for_log(f"deferred .*id={held}")
        with self.ask(f"{path}/v1/queue/{held}/hold", body={}, Cookie=cookie, **(PAGE | {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"})) as refused:
            self.assertEqual(refused.status, 403)
        with self.ask(f"{path}/v1/queue/{held}/hold", body={}, Cookie=cookie, **PAGE) as done:
            self.assertEqual(done.status, 200)

    @staticmethod
    def line_with(stream, words):
        for line in stream:
            if line.startswith(b"data: ") and words in line:
                return line
        raise AssertionError(f"the stream ended before {words}")

    def test_by_tcp(self):
        port = free_port()
        self.w = self.world(changes={"admin": {"listen": f"127.0.0.1:{port}", "token": TOKEN, "names": [NAME]}})
        self.serve(f"http://127.0.0.1:{port}")
        self.works()

    def test_by_the_socket_and_below_a_path(self):
        port = free_port()
        self.w = self.world(changes={"admin": {"listen": f"127.0.0.1:{port}", "token": TOKEN, "names": [NAME]}})
        self.serve(f"http://unix:{self.w.daemon.tables['admin']['socket']}:/", location="/posthorn/")
        self.works("/posthorn")


if __name__ == "__main__":
    world.main()
