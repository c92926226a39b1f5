#!/usr/bin/env python3
"""kill -9 of the daemon and of sendmail programs at random moments: every message whose sendmail ended with 0 arrives, once.

The law (SM-27, SM-34, mail/handoff.hpp). Each message bears a number. A caller writes a number down when his sendmail has ended with 0,
whether the daemon took the message or it went to the spool. Nothing can be delivered while things are killed, so the two windows for
duplicates of docs/QUEUE.md are closed. At the end, with the daemon running undisturbed and the receiver there:
  1. every number that was written down arrives, exactly once;
  2. a number whose sendmail was killed, or said that it failed, arrives at most once;
  3. nothing else comes, and spool and queue end empty. Nothing was put aside.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from posthorn_test.daemon import simple_message  # noqa: E402
from posthorn_test.machine import sendmail  # noqa: E402
from posthorn_test.world import World  # noqa: E402

KILLED = 0.15            # of the calls
MOST = 400               # messages of one caller, so that a fast machine does not make the end long


class Caller(threading.Thread):
    """Calls sendmail again and again; kills some of its calls. Remembers how each ended."""

    def __init__(self, numbers, environment, stop):
        super().__init__(daemon=True)
        self.numbers, self.environment, self.stop = numbers, environment, stop
        self.ended = {}          # number -> exit status; negative: killed
        self.failure = None
        self.says = collections.Counter()

    def run(self):
        try:
            while not self.stop.is_set():
                if len(self.ended) >= MOST:
                    self.stop.wait(0.05)
                    continue
                self.call(next(self.numbers))
                self.stop.wait(random.uniform(0.0, 0.1))
        except BaseException as failure:   # a caller that ends silently would make the test pass for nothing
            self.failure = failure

    def call(self, number):
        size = random.choice((200, 2000, 20000))
        if number % 25 == 0:
            size = 300000        # beyond queue.inline_body_limit: a spool file beside the database
        message = simple_message("bob@dest.test", extra=f"X-Number: {number}\r\n", body=("x" * 76 + "\r\n") * (size // 78 + 1))
        process = subprocess.Popen([sendmail(), "-i", "-f", "alice@example.test", "bob@dest.test"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.environment)
        killer = None
        if random.random() < KILLED:
            killer = threading.Timer(random.uniform(0.0, 0.03), lambda: process.poll() is None and process.send_signal(signal.SIGKILL))
            killer.start()
        try:
            process.stdin.write(message)
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stderr.read().decode("utf-8", "replace")
        process.stderr.close()
        self.ended[number] = process.wait(60)
        if killer:
            killer.cancel()
            killer.join()
        if self.ended[number] > 0:
            self.says[said.strip()] += 1


class Numbers:
    def __init__(self):
        self.lock, self.last = threading.Lock(), 0

    def __next__(self):
        with self.lock:
            self.last += 1
            return self.last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    print(f"seed {arguments.seed}, {arguments.kills} kills, {arguments.callers} callers")

    received = collections.Counter()

    def note(message):
        received[int(re.search(rb"^X-Number: (\d+)\r\n", message.data, re.MULTILINE).group(1))] += 1

    # Nothing is tried twice while things are killed; the flush at the end asks for all of it.
    changes = {"local": {"spool_scan_interval": "500ms", "messages_per_hour": 0, "recipients_per_hour": 0},
               "retry": {"first": "20m", "max": "30m", "jitter": 0.0}, "log": {"level": "info"}}
    with World(changes=changes | {"local": changes["local"] | {"spool": "spool"}}, keys=("ed25519",)) as w:
        spool = w.daemon.directory / "spool"
        w.sink.store = False
        w.sink.on_message = note
        away = w.sink.rule("mail", "451 4.3.0 not now")
        environment = {"PATH": os.environ["PATH"], "POSTHORN_SOCKET": str(w.daemon.directory / "submission.sock"),
                       "POSTHORN_SPOOL": str(spool)}
        stop, numbers = threading.Event(), Numbers()
        callers = [Caller(numbers, environment, stop) for _ in range(arguments.callers)]
        started = time.monotonic()
        for caller in callers:
            caller.start()
        for kill in range(arguments.kills):
            # The random moment: in the start, in the midst of the pickup, or when all was picked up and callers find the socket.
            time.sleep(random.choice((0.05, 0.3, 1.0)) * random.random())
            w.daemon.kill()
            # Some time without a daemon: what is sent now goes to the spool.
            time.sleep(random.uniform(0.0, 0.2))
            w.daemon.start()
            if any(caller.failure for caller in callers):
                raise SystemExit(f"a caller failed: {[c.failure for c in callers]}")
        stop.set()
        for caller in callers:
            caller.join(90)
            if caller.failure or caller.is_alive():
                raise SystemExit(f"a caller failed: {caller.failure}")
        ended = {number: status for caller in callers for number, status in caller.ended.items()}
        good = {number for number, status in ended.items() if status == 0}
        deadline = time.monotonic() + 120
        while list((spool / "new").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        w.sink.forget(away)
        faults = []
        while time.monotonic() < deadline + 60:
            w.daemon.command("queue", "flush", check=False)
            if w.sink.wait(lambda s: good <= received.keys(), timeout=5):
                break
        while (waiting := w.daemon.queue_ids()) and time.monotonic() < deadline + 60:
            w.sink.wait(lambda s: False, timeout=0.1)
        lost = sorted(good - received.keys())
        twice = sorted(number for number, count in received.items() if count > 1)
        unknown = sorted(received.keys() - ended.keys())
        killed = sum(status < 0 for status in ended.values())
        failed = sum(status > 0 for status in ended.values())
        print(f"{len(ended)} calls: {len(good)} ended with 0, {killed} were killed, {failed} said that they failed\n{sum(received.values())} received "
              f"in {time.monotonic() - started:.1f} s: {len(w.daemon.log(' stored '))} by the socket, {len(w.daemon.log(' picked_up '))} by the spool; "
              f"{len(w.daemon.log(' known '))} were known")
        if lost:
            faults.append(f"LOST {len(lost)} messages whose sendmail ended with 0: {lost[:20]}")
        if twice:
            faults.append(f"TWICE: {twice[:20]}")
        if unknown:
            faults.append(f"messages that nobody sent: {unknown[:20]}")
        if waiting:
            faults.append(f"still in the queue: {waiting[:5]}")
        left = [str(p) for p in (spool / "new").iterdir()] + [str(p) for p in (spool / "refused").iterdir()]
        if left:
            faults.append(f"still in the spool: {left[:5]}")
        if not w.daemon.log(" picked_up ") or not w.daemon.log(" stored ") or killed == 0 or len(good) < arguments.kills:
            faults.append("too little happened for the test to mean anything")
        says = sum((caller.says for caller in callers), collections.Counter())
        if failed:
            print(f"what they said: {says.most_common(5)}")
        if faults:
            print("\n".join(faults))
            for number in (lost + twice)[:3]:
                print(f"{number}: {ended.get(number)}")
            print("\n".join(w.daemon.log()[-20:]))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
