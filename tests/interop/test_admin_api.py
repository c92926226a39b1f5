"""The admin interface by TCP, as curl, Prometheus, a browser and strangers use it; and its description, held against what it answers."""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.parse

import jsonschema

from posthorn_test import world
from posthorn_test.daemon import free_port, program

TOKEN = "f00d" * 16
READ_ONLY = "5eed" * 16


class Reply:
    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class Door:
    """The daemon's address of TCP."""

    def __init__(self, port, host="127.0.0.1"):
        self.host, self.port = host, port

    def ask(self, method, path, token=None, body=None, **fields):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def talk(self, octets, timeout=30.0):
        """What comes back until the daemon closes."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as peer:
            peer.sendall(octets)
            return b"".join(iter(lambda: peer.recv(65536), b""))


PAGE = {"X_Posthorn_Request": "1", "Sec_Fetch_Site": "same-origin"}   # what our own page sends with a change


class AdminTest(world.WorldTest):
    def door(self, **admin):
        port = free_port()
        options = {"listen": f"127.0.0.1:{port}", "token": TOKEN, "read_only_token": READ_ONLY}
        options.update(admin)
        self.w = self.world(changes={"admin": options})
        return Door(port)

    def log_in(self, door, token=TOKEN, **fields):
        reply = door.ask("POST", "/v1/session", body={"token": token}, **{**PAGE, **fields})
        self.assertEqual(reply.status, 200, reply.text)
        return reply.headers["Set-Cookie"].split(";")[0]

    def held_message(self):
        self.w.sink.rule("rcpt", "450 4.2.1 try again later")
        id = self.w.daemon.send("bob@dest.test").split()[-1]
        self.w.daemon.wait_for_log(f"deferred .*id={id}")
        return id


class Rights(AdminTest):
    def test_a_token_opens_and_none_does_not(self):
        door = self.door()
        for path in ("/v1/queue", "/metrics", "/v1/status", "/mailq", "/v1/config", "/nothing"):
            stranger = door.ask("GET", path)
            self.assertEqual(stranger.status, 401, path)
            self.assertEqual(stranger.headers["WWW-Authenticate"], "Bearer")
            for token in (TOKEN, READ_ONLY):
                self.assertEqual(door.ask("GET", path, token).status, 404 if path == "/nothing" else 200, path)
        self.assertEqual(door.ask("GET", "/v1/queue", Cookie="posthorn_session=" + "x" * 43).status, 401)
        session = door.ask("GET", "/v1/session")
        self.assertEqual((session.status, session.json["rights"], session.json["version"]), (200, "none", ""))
        self.assertEqual(door.ask("GET", "/v1/session", TOKEN).json["rights"], "all")
        self.assertEqual(door.ask("GET", "/v1/session", READ_ONLY).json["rights"], "read")

    def test_curl_looks_holds_and_deletes(self):
        door = self.door()
        id = self.held_message()

        def curl(*arguments):
            done = subprocess.run(["curl", "-sS", "--max-time", "30", "-H", f"Authorization: Bearer {TOKEN}", *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        base = f"http://127.0.0.1:{door.port}"
        self.assertEqual([m["id"] for m in curl(f"{base}/v1/queue")["messages"]], [id])
        self.assertEqual(curl("-X", "POST", f"{base}/v1/queue/{id}/hold"), {"recipients": 1})
        self.assertEqual(curl(f"{base}/v1/queue/{id}")["recipients"][0]["state"], "held")
        self.assertEqual(curl("-X", "DELETE", f"{base}/v1/queue/{id}"), {"recipients": 1})
        self.assertEqual(curl(f"{base}/v1/queue")["messages"], [])
        self.assertIn("no queue id", curl(f"{base}/v1/queue/nonsense")["error"])
        self.assertIn("unknown parameter", curl(f"{base}/v1/queue?nonsense=1")["error"])

    def test_who_may_look_changes_nothing(self):
        door = self.door()
        id = self.held_message()
        for method, path in (("DELETE", f"/v1/queue/{id}"), ("POST", f"/v1/queue/{id}/retry"), ("POST", "/v1/reload"), ("POST", "/mailq/flush"),
                             ("POST", "/v1/users/suspend?user=x"), ("POST", "/v1/suspensions/suspend?sender=a.test&provider=b.test")):
            self.assertEqual(door.ask(method, path, READ_ONLY).status, 403, path)
            self.assertEqual(door.ask(method, path).status, 401, path)
        self.assertEqual(door.ask("GET", f"/v1/queue/{id}", READ_ONLY).status, 200)

    def test_read_only_is_for_every_token(self):
        door = self.door(read_only=True)
        id = self.held_message()
        self.assertEqual(door.ask("DELETE", f"/v1/queue/{id}", TOKEN).status, 403)
        self.assertEqual(door.ask("GET", "/v1/session", TOKEN).json["rights"], "read")
        cookie = self.log_in(door)
        self.assertEqual(door.ask("DELETE", f"/v1/queue/{id}", Cookie=cookie, **PAGE).status, 403)
        self.w.daemon.command("queue", "delete", id)   # the command line by the socket may

    def test_wrong_tokens_are_slow_and_told(self):
        door = self.door()
        began = time.monotonic()
        for token in ("wrong", TOKEN[:-1], TOKEN + "x", ""):
            self.assertEqual(door.ask("GET", "/v1/queue", Authorization=f"Bearer {token}").status, 401, token)
        self.assertEqual(door.ask("GET", "/v1/queue", Authorization=f"Basic {TOKEN}").status, 401)
        self.assertEqual(door.ask("POST", "/v1/session", body={"token": "wrong"}, **PAGE).status, 401)
        self.assertGreater(time.monotonic() - began, 6 * 0.3)
        self.w.daemon.wait_for_log("admin_refused.*peer=127.0.0.1")
        self.assertNotIn(TOKEN, "\n".join(self.w.daemon.log()))

    def test_tokens_are_read_anew_at_a_reload(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = pathlib.Path(folder.name) / "token"
        file.write_text(TOKEN + "\n")
        file.chmod(0o600)
        door = self.door(token="", token_file=str(file))
        cookie = self.log_in(door)
        self.assertEqual(door.ask("GET", "/v1/queue", Cookie=cookie).status, 200)
        file.write_text("beef" * 16 + "\n")
        self.w.daemon.command("reload")
        self.assertEqual(door.ask("GET", "/v1/queue", TOKEN).status, 401)
        self.assertEqual(door.ask("GET", "/v1/queue", Cookie=cookie).status, 401)   # its sessions end with it
        self.assertEqual(door.ask("GET", "/v1/queue", "beef" * 16).status, 200)


class Browsers(AdminTest):
    def test_log_in_look_change_log_out(self):
        door = self.door()
        id = self.held_message()
        reply = door.ask("POST", "/v1/session", body={"token": TOKEN}, **PAGE)
        flags = [part.strip() for part in reply.headers["Set-Cookie"].split(";")[1:]]
        self.assertIn("HttpOnly", flags)
        self.assertIn("SameSite=Strict", flags)
        self.assertNotIn("Secure", flags)
        cookie = reply.headers["Set-Cookie"].split(";")[0]
        self.assertGreaterEqual(len(cookie.split("=")[1]), 43)   # 256 bits
        self.assertNotEqual(cookie, self.log_in(door))
        self.assertEqual(door.ask("GET", f"/v1/queue/{id}", Cookie=f"a=b; {cookie}; c=d").status, 200)
        self.assertEqual(door.ask("POST", f"/v1/queue/{id}/hold", Cookie=cookie, **PAGE).status, 200)
        out = door.ask("POST", "/v1/session/end", Cookie=cookie, **PAGE)
        self.assertIn("Max-Age=0", out.headers["Set-Cookie"])
        self.assertEqual(door.ask("GET", "/v1/queue", Cookie=cookie).status, 401)

    def test_behind_a_web_server_with_tls_the_cookie_is_secure(self):
        door = self.door(names=["mail-admin.example.test"])
        reply = door.ask("POST", "/v1/session", body={"token": TOKEN}, Host="mail-admin.example.test", X_Forwarded_Proto="https",
                         X_Posthorn_Request="1", Origin="https://mail-admin.example.test")
        self.assertEqual(reply.status, 200, reply.text)
        self.assertIn("; Secure", reply.headers["Set-Cookie"])

    def test_pages_of_other_sites_change_nothing(self):
        door = self.door()
        id = self.held_message()
        cookie = self.log_in(door)
        ours = f"http://127.0.0.1:{door.port}"
        for fields in ({}, {"X_Posthorn_Request": "1"}, {"Sec_Fetch_Site": "same-origin"}, {"Origin": ours},
                       {"X_Posthorn_Request": "1", "Sec_Fetch_Site": "cross-site"}, {"X_Posthorn_Request": "1", "Sec_Fetch_Site": "same-site"},
                       {"X_Posthorn_Request": "1", "Sec_Fetch_Site": "none"},
                       {"X_Posthorn_Request": "1", "Sec_Fetch_Site": "cross-site", "Origin": ours},
                       {"X_Posthorn_Request": "1", "Origin": "https://evil.test"}, {"X_Posthorn_Request": "1", "Origin": "null"},
                       {"X_Posthorn_Request": "1", "Origin": "http://127.0.0.1:1"}):
            self.assertEqual(door.ask("POST", f"/v1/queue/{id}/hold", Cookie=cookie, **fields).status, 403, fields)
            self.assertEqual(door.ask("POST", "/v1/session", body={"token": TOKEN}, **fields).status, 403, fields)
        self.assertEqual(door.ask("POST", f"/v1/queue/{id}/hold", Cookie=cookie, X_Posthorn_Request="1", Origin=ours).status, 200)
        # Nobody is told that his page may send such fields: there is no CORS here.
        asked = door.ask("OPTIONS", f"/v1/queue/{id}/hold", Origin="https://evil.test", Access_Control_Request_Method="POST",
                         Access_Control_Request_Headers="x-posthorn-request")
        self.assertGreaterEqual(asked.status, 400)
        self.assertFalse([name for name in asked.headers if name.lower().startswith("access-control")])

    def test_hosts_that_are_not_ours_are_refused(self):
        """DNS rebinding: a page of evil.test whose name leads to 127.0.0.1 for once."""
        door = self.door(names=["Dashboard.example.test"])
        for host in ("evil.test", f"evil.test:{door.port}", "", "localhost.evil.test", "127.0.0.1.evil.test", "mail.example.test.evil.test", "[::1"):
            for token in (None, TOKEN):
                self.assertEqual(door.ask("GET", "/v1/session", token, Host=host).status, 421, host)
        for host in ("localhost", f"LOCALHOST:{door.port}", "127.0.0.1", "[::1]:2580", "192.0.2.7", "mail.example.test:443", "dashboard.EXAMPLE.test"):
            self.assertEqual(door.ask("GET", "/v1/session", TOKEN, Host=host).status, 200, host)
        self.assertTrue(door.talk(b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 4"))
        self.assertTrue(door.talk(b"GET /v1/session HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421"))

    def test_by_the_socket_a_browser_is_not_its_web_server(self):
        """A web server that runs as root passes pages on: who asks is not root for that."""
        self.door()

        def ask(*fields, path="/v1/queue", method="GET"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(30)
                peer.connect(str(self.w.daemon.directory / "admin.sock"))
                peer.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *fields, "Connection: close", "", ""]).encode())
                return int(b"".join(iter(lambda: peer.recv(65536), b"")).split()[1])

        self.assertEqual(ask("Host: posthorn"), 200)
        for field in ("Origin: http://localhost", "Sec-Fetch-Site: same-origin", "Cookie: a=b", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1",
                      "Via: 1.1 nginx", "X-Real-IP: 192.0.2.1"):
            self.assertEqual(ask("Host: localhost", field), 401, field)
            self.assertEqual(ask("Host: localhost", field, f"Authorization: Bearer {TOKEN}"), 200, field)
        self.assertEqual(ask("Host: evil.test"), 421)
        self.assertEqual(ask("Host: localhost", "Origin: http://evil.test", path="/v1/reload", method="POST"), 401)

    def test_every_answer_has_its_safety(self):
        door = self.door()
        for reply in (door.ask("GET", "/"), door.ask("GET", "/v1/queue"), door.ask("GET", "/v1/queue", TOKEN), door.ask("GET", "/v1/session", Host="evil.test"),
                      door.ask("POST", "/v1/session", body={"token": "x"}, **PAGE)):
            self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(reply.headers["X-Frame-Options"], "DENY")
            self.assertEqual(reply.headers["Referrer-Policy"], "no-referrer")
            policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
            self.assertEqual(policy["default-src"], "'none'")
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertNotIn("unsafe", reply.headers["Content-Security-Policy"])
        self.assertEqual(door.ask("GET", "/v1/queue", TOKEN).headers["Cache-Control"], "no-store")

    def test_without_the_dashboard_nobody_logs_in(self):
        door = self.door(dashboard=False)
        self.assertEqual(door.ask("POST", "/v1/session", body={"token": TOKEN}, **PAGE).status, 404)
        self.assertFalse(door.ask("GET", "/v1/session").json["login"])
        self.assertEqual(door.ask("GET", "/v1/queue", TOKEN).status, 200)


class Streams(AdminTest):
    def follow(self, door, last_id=None, **fields):
        connection = http.client.HTTPConnection(door.host, door.port, timeout=30)
        self.addCleanup(connection.close)
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {}), **fields}
        connection.request("GET", "/v1/events", headers=headers)
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        return connection, response

    @staticmethod
    def next_event(response):
        """(id, data); comments and empty blocks are passed over."""
        id, data = None, None
        while True:
            line = response.readline().decode()
            if line == "":
                return None, None
            if line.startswith("id: "):
                id = line[4:].strip()
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif line == "\n" and data is not None:
                return id, data

    def until(self, response, event):
        while True:
            id, data = self.next_event(response)
            self.assertIsNotNone(data, f"the stream ended before {event}")
            if data["event"] == event:
                return id, data

    def test_a_browser_finds_what_it_missed(self):
        door = self.door()
        cookie = self.log_in(door)
        connection, response = self.follow(door, Cookie=cookie)
        self.until(response, "watching")
        first = self.w.daemon.send("bob@dest.test").split()[-1]
        id, data = self.until(response, "delivered")
        self.assertEqual(data["id"], first)
        connection.close()
        second = self.w.daemon.send("bob@dest.test").split()[-1]
        self.w.daemon.wait_for_log(f"delivered.*{second}")
        _, response = self.follow(door, id, Cookie=cookie)
        self.assertEqual(self.until(response, "delivered")[1]["id"], second)
        # An id of another life of the daemon is none of this one's: nothing old is told.
        _, response = self.follow(door, "1-0", Cookie=cookie)
        self.until(response, "watching")
        third = self.w.daemon.send("bob@dest.test").split()[-1]
        self.assertEqual(self.until(response, "delivered")[1]["id"], third)

    def test_who_logs_out_hears_no_more(self):
        door = self.door()
        cookie = self.log_in(door)
        _, response = self.follow(door, Cookie=cookie)
        self.until(response, "watching")
        door.ask("POST", "/v1/session/end", Cookie=cookie, **PAGE)
        self.w.daemon.send("bob@dest.test")
        try:
            heard = self.next_event(response)[1]
        except http.client.IncompleteRead:
            heard = None
        self.assertIsNone(heard)


class Strangers(AdminTest):
    def test_who_says_nothing_keeps_nobody_out(self):
        door = self.door()
        silent = []
        for _ in range(60):
            peer = socket.create_connection((door.host, door.port), timeout=30)
            self.addCleanup(peer.close)
            peer.sendall(b"GET /v1/session HT")
            silent.append(peer)
        began = time.monotonic()
        self.assertEqual(door.ask("GET", "/v1/queue", TOKEN).status, 200)
        self.assertLess(time.monotonic() - began, 8)   # less than their time
        self.w.daemon.command("queue", "list")         # the socket has places of its own
        closed = 0
        for peer in silent[:20]:
            try:
                closed += peer.recv(1) == b""
            except ConnectionResetError:
                closed += 1
        self.assertEqual(closed, 20)

    def test_nonsense_is_refused_and_does_no_harm(self):
        door = self.door()
        for octets in (b"EHLO x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200), b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 3000,
                       b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
                       b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nX-Posthorn-Request: 1\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
                       b"Content-Length: 100\r\n\r\n" + b"[" * 100):
            try:
                reply = door.talk(octets)
            except ConnectionResetError:
                continue   # closed with octets of ours unread
            self.assertTrue(reply == b"" or 400 <= int(reply.split()[1]) < 500, (octets[:60], reply[:60]))
        self.assertEqual(door.ask("GET", "/v1/health", TOKEN).status, 200)


class Description(AdminTest):
    """Every operation of openapi.json, asked with what it says it takes: it answers by its schema, to those whom it says it answers."""

    # A value for each parameter; what is not here is left out, and must not be required.
    VALUES = {"limit": "5", "by": "domain", "what": "dest.test", "user": "nobody-here", "sender": "example.test", "provider": "dest.test", "for": "1h",
              "reason": "a test", "address": "gone@dest.test", "domain": "example.test", "hours": "1", "step": "5", "day": "2026-11-22"}
    # Where this world has nothing to be asked for.
    REFUSED = {("get", "/v1/tls-reports/show"): 404, ("post", "/v1/webhooks/replay"): 404, ("get", "/assets/{version}/{file}"): 404,
               ("post", "/v1/tls-reports/send"): 409}

    def strict(self, schema):
        """The same, where an object may have no member that is not described."""
        if isinstance(schema, list):
            return [self.strict(one) for one in schema]
        if not isinstance(schema, dict):
            return schema
        made = {key: self.strict(value) for key, value in schema.items()}
        if isinstance(made.get("properties"), dict):
            made.setdefault("additionalProperties", False)
        return made

    def check(self, document, schema, value, what):
        whole = {**self.strict(schema), "components": self.strict(document["components"])}
        jsonschema.Draft202012Validator.check_schema(whole)
        errors = [f"{what}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]
        self.assertEqual(errors, [])

    def test_it_is_true(self):
        door = self.door()
        id = self.held_message()
        document = door.ask("GET", "/v1/openapi.json").json
        self.assertEqual(document["openapi"], "3.1.0")
        asked, ids = 0, set()

        def takes_away(path, method):
            return method == "delete" or path.endswith("/bounce")

        # What takes a message away takes one of its own, and comes before mail to there is held.
        operations = sorted(((path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()),
                            key=lambda one: (not takes_away(one[0], one[1]), one[0]))
        for path, method, operation in operations:
            self.assertNotIn(operation["operationId"], ids)
            ids.add(operation["operationId"])
            rights, good = operation["x-rights"], operation["responses"]["200"]["content"]
            parameters = operation.get("parameters", [])
            values = {**self.VALUES, "domain": "dest.test"} if path == "/v1/route" else dict(self.VALUES)
            query = "&".join(f"{p['name']}={urllib.parse.quote(values[p['name']])}" for p in parameters
                             if p["in"] == "query" and p["name"] in values and (p["required"] or p["name"] in ("limit", "by", "hours", "step", "for", "reason")))
            required = {p["name"] for p in parameters if p["required"] and p["in"] == "query"}
            target = path.replace("{id}", self.held_message() if takes_away(path, method) else id)
            if path == "/v1/webhooks/replay":
                query = "name=none&from=1"
            elif path == "/v1/guard/forgive":
                query = "all=true"
            elif not required <= set(values):
                self.fail(f"{path}: the test has no value for {required - set(values)}")
            full = target + ("?" + query if query else "")
            what = f"{method.upper()} {full}"
            # Who may: the same as the table says.
            endless = "application/x-ndjson" in good   # Streams follow it
            stranger = door.ask(method.upper(), full)
            reader = door.ask(method.upper(), full, READ_ONLY) if method == "get" and not endless else None
            if rights == "none":
                self.assertNotEqual(stranger.status, 401, what)
                self.assertEqual(operation["security"], [])
            else:
                self.assertEqual(stranger.status, 401, what)
            if method != "get" and rights != "none":
                self.assertEqual(door.ask(method.upper(), full, READ_ONLY).status, 403, what)
            if reader is not None and rights == "all":
                self.assertEqual(reader.status, 403, what)
            # What is required is; what is unknown is refused.
            for missing in required:
                self.assertEqual(door.ask(method.upper(), target, TOKEN).status, 400, f"{what} without {missing}")
            self.assertEqual(door.ask(method.upper(), target + "?no-such-parameter=1", TOKEN).status, 400, what)
            if endless:
                continue
            body = {"token": TOKEN} if "requestBody" in operation else None
            if body is not None:
                self.check(document, operation["requestBody"]["content"]["application/json"]["schema"], body, what)
            reply = door.ask(method.upper(), full, TOKEN, body)
            if (method, path) in self.REFUSED:
                self.assertEqual(reply.status, self.REFUSED[method, path], what + reply.text)
                self.check(document, {"$ref": "#/components/schemas/Error"}, reply.json, what)
            else:
                self.assertEqual(reply.status, 200, what + ": " + reply.text[:500])
                (media, description), = good.items()
                if media != "*/*":
                    self.assertEqual(reply.headers["Content-Type"].split(";")[0], media, what)
                if media == "application/json":
                    self.check(document, description["schema"], reply.json, what)
            asked += 1
        self.assertGreater(asked, 40)

    def test_settings_are_shown_without_secrets(self):
        """DO-16: what is in force, as check-config --show prints it."""
        door = self.door()
        reply = door.ask("GET", "/v1/config", READ_ONLY)
        self.assertEqual(reply.json["settings"]["hostname"], "mail.example.test")
        self.assertEqual(reply.json["settings"]["admin"]["listen"], f"127.0.0.1:{door.port}")
        for secret in (TOKEN, READ_ONLY):
            self.assertNotIn(secret, reply.text)
        shown = self.w.daemon.command("check-config", "--show").stdout
        self.assertEqual(reply.json["toml"].strip(), shown.strip())


class CommandLine(AdminTest):
    def run_command(self, door, *arguments, token=TOKEN, environment=None):
        file = self.w.daemon.directory / "elsewhere.token"
        file.write_text(token + "\n")
        file.chmod(0o600)
        return subprocess.run([program(), *arguments, "--url", f"http://127.0.0.1:{door.port}", "--token-file", str(file)], capture_output=True, text=True,
                              timeout=60, env={**os.environ, **(environment or {})})

    def test_commands_ask_by_tcp(self):
        door = self.door()
        id = self.held_message()
        listed = self.run_command(door, "queue", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn(id, listed.stdout)
        refused = self.run_command(door, "queue", "delete", id, token=READ_ONLY)
        self.assertEqual(refused.returncode, 77, refused.stderr)
        self.assertIn("change nothing", refused.stderr)
        wrong = self.run_command(door, "queue", "list", token="nobody's")
        self.assertEqual(wrong.returncode, 77, wrong.stderr)
        self.assertIn("this token opens nothing", wrong.stderr)
        self.assertEqual(self.run_command(door, "queue", "delete", id).returncode, 0)

    def test_what_a_peer_says_does_not_deceive_a_terminal(self):
        """As JSON, too: programs read the same words, a terminal sees no control character and nothing that turns the direction of writing."""
        said = "wait \x9b31m\u202etxt.exe\u202c\x7f"
        w = self.world()
        w.sink.rule("rcpt", "450 4.2.1 " + said)
        id = w.daemon.send("bob@dest.test").split()[-1]
        w.daemon.wait_for_log(f"deferred .*id={id}")
        for arguments in (("queue", "show", id), ("queue", "list"), ("why", id), ("why", "dest.test")):
            out = w.daemon.command(*arguments, "--json").stdout
            json.loads(out)
            self.assertFalse((set(said) - set(map(chr, range(32, 127)))) & set(out), arguments)
        shown = w.daemon.command("queue", "show", id, "--json").stdout
        self.assertIn(r"\u009b31m\u202etxt.exe\u202c\u007f", shown)
        self.assertIn(said, json.loads(shown)["recipients"][0]["reply"])

    def test_nor_does_it_as_text(self):
        """By whatever command: what is printed passes one place (here a list that prints a reply as it is)."""
        w = self.world()
        w.sink.rule("rcpt", "550 5.1.1 \x1b]0;title\x07 no \x9b31m\u202esuch user")
        id = w.daemon.send("gone@dest.test").split()[-1]
        w.daemon.wait_for_log(f"failed .*id={id}")
        told = w.daemon.wait_for_output("gone@dest.test", "suppression", "list")
        self.assertIn(r"\x1b]0;title\x07 no \xc2\x9b31m\xe2\x80\xaesuch user", told)
        self.assertTrue(told.isprintable() or set(told) - set(map(chr, range(32, 127))) == {"\n"}, repr(told))

    def test_by_environment(self):
        door = self.door()
        file = self.w.daemon.directory / "token"
        file.write_text(TOKEN + "\n")
        file.chmod(0o600)
        done = subprocess.run([program(), "status", "--json"], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "POSTHORN_ADMIN_URL": f"http://localhost:{door.port}/", "POSTHORN_ADMIN_TOKEN_FILE": str(file)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"store"', done.stdout)

    def test_a_token_does_not_leave_the_machine_in_the_clear(self):
        door = self.door()
        done = subprocess.run([program(), "queue", "list", "--url", "http://192.0.2.1:2580", "--token-file", "/dev/null"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 64, done.stderr)
        self.assertIn("ssh -L", done.stderr)
        nobody = subprocess.run([program(), "queue", "list", "--url", f"http://127.0.0.1:{free_port()}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(nobody.returncode, 69, nobody.stderr)
        self.assertIn("admin.listen", nobody.stderr)


if __name__ == "__main__":
    world.main()
