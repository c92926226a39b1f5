#!/usr/bin/env python3
"""A receiver of Posthorn's webhooks: checks the signature, keeps each event once, answers 204. docs/EVENTS.md tells about it.

    WEBHOOK_SECRET_FILE=webhook.secret EVENTS_FILE=events.jsonl ./webhook_receiver.py 127.0.0.1 8080
"""

import hashlib
import hmac
import http.server
import json
import os
import pathlib
import sys
import time

SECRET = pathlib.Path(os.environ["WEBHOOK_SECRET_FILE"]).read_text().split("\n")[0].strip().encode()
EVENTS = pathlib.Path(os.environ["EVENTS_FILE"])
OLDEST = 300   # seconds: an older request is somebody's recording


def is_signed(field, body, now):
    parts = [part.partition("=") for part in field.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not times[0].isdigit() or abs(now - int(times[0])) > OLDEST:
        return False
    ours = hmac.new(SECRET, times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    # Two signatures while a secret is being changed: one that fits is enough.
    return any(name == "v1" and hmac.compare_digest(ours, value) for name, _, value in parts)


def keep(batch):
    known = set()
    if EVENTS.exists():
        with EVENTS.open() as lines:
            known = {tuple(json.loads(line)["key"]) for line in lines}   # a real receiver has a table with a unique key
    with EVENTS.open("a") as out:
        for event in batch["events"]:
            key = (batch["server"], event["id"], event["event"])
            if key not in known:   # each event comes at least once: the same one again is no news
                out.write(json.dumps({"key": key, **event}) + "\n")
        out.flush()
        os.fsync(out.fileno())     # what is answered 2xx does not come again


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not is_signed(self.headers.get("Posthorn-Signature", ""), body, time.time()):
            self.answer(401)
            return
        keep(json.loads(body))
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Receiver).serve_forever()
