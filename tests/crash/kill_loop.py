#!/usr/bin/env python3
"""kill -9 at random moments while clients submit and a sink receives: nothing acknowledged is lost, duplicates only in flight.

The law. Each message bears a number. A client writes a number down when its 250 has come; the sink writes down each message it
took. At the end, with the daemon running undisturbed:
  1. every acknowledged number has been received (nothing is lost);
  2. a number was received more often than once only if it was in flight when the daemon was killed: the sink had taken it, and
     the daemon's record of that was not on disk yet. So its earlier receipt is no older than one commit of a busy disk, and
     one kill makes no more of them than deliveries may be under way (delivery.connections);
  3. no message comes that nobody sent, and the queue ends empty.
"""

import argparse
import collections
import pathlib
import random
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from posthorn_test.daemon import simple_message  # noqa: E402
from posthorn_test.world import World  # noqa: E402

CONNECTIONS = 4
UNDER_WAY = 6     # delivery.connections: deliveries that are under way, or over and not recorded yet
IN_FLIGHT = 1.0   # seconds; a commit takes some 10 ms, but a test machine's disk may stall


class Submitter(threading.Thread):
    """Sends message after message, reconnecting whenever the daemon dies; remembers what was acknowledged."""

    def __init__(self, daemon, numbers, gate, stop):
        super().__init__(daemon=True)
        self.daemon_under_test, self.numbers, self.gate, self.stop = daemon, numbers, gate, stop
        self.acknowledged = []
        self.sent = []
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.gate.wait()
                try:
                    with self.daemon_under_test.client() as client:
                        while not self.stop.is_set():
                            self._submit(client)
                except (OSError, AssertionError):
                    # Refused, reset or closed in the middle: that is the test. After a pause the gate is closed or the daemon is up.
                    time.sleep(0.002)
        except BaseException as failure:  # a client that dies silently would make the test pass for nothing
            self.failure = failure

    def _submit(self, client):
        number = next(self.numbers)
        size = random.choice((200, 2000, 4000, 20000))
        if number % 50 == 0:
            size = 300000    # beyond queue.inline_body_limit: a spool file beside the database
        data = simple_message("bob@dest.test", extra=f"X-Number: {number}\r\n", body=("x" * 76 + "\r\n") * (size // 78 + 1))
        self.sent.append(number)
        if client.deliver("alice@example.test", ["bob@dest.test"], data).code == 250:
            self.acknowledged.append(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    print(f"seed {arguments.seed}, {arguments.kills} kills")

    lock = threading.Lock()
    counter = iter(range(1, 10**9))

    class Numbers:
        def __next__(self):
            with lock:
                return next(counter)

    received = collections.Counter()
    last_time = {}                          # number -> when it was received last
    kills = []                              # when the daemon was killed
    second_receipts = []                    # (number, when it was received before)

    def note(message):
        number = int(re.search(rb"^X-Number: (\d+)\r\n", message.data, re.MULTILINE).group(1))
        if number in last_time:
            second_receipts.append((number, last_time[number]))
        received[number] += 1
        last_time[number] = time.monotonic()

    # Retries at once: what the crash interrupted is due immediately after the start anyway.
    changes = {"delivery": {"connections_per_site": CONNECTIONS, "connections": UNDER_WAY}, "retry": {"first": "100ms", "max": "1s"},
               "log": {"level": "info"}}
    with World(changes=changes, keys=("ed25519",)) as w:
        w.sink.store = False
        w.sink.on_message = note
        gate, stop = threading.Event(), threading.Event()
        gate.set()
        numbers = Numbers()
        clients = [Submitter(w.daemon, numbers, gate, stop) for _ in range(arguments.clients)]
        for client in clients:
            client.start()
        started = time.monotonic()
        acknowledged_at_kill = 0
        for kill in range(arguments.kills):
            # Mail must flow again before the next kill, so that no kill is wasted on a daemon that does nothing.
            before = sum(len(c.acknowledged) for c in clients)
            deadline = time.monotonic() + 30
            while sum(len(c.acknowledged) for c in clients) < before + 5:
                if time.monotonic() > deadline or any(c.failure for c in clients):
                    raise SystemExit(f"no mail is accepted after kill {kill}: {[c.failure for c in clients]}\n"
                                     + "\n".join(w.daemon.log()[-20:]))
                time.sleep(0.002)
            time.sleep(random.uniform(0.0, 0.25))   # the random moment
            gate.clear()
            kills.append(time.monotonic())
            w.daemon.kill()
            acknowledged_at_kill = sum(len(c.acknowledged) for c in clients)
            w.daemon.start()
            gate.set()
        stop.set()
        gate.set()
        for client in clients:
            client.join(60)
            if client.failure or client.is_alive():
                raise SystemExit(f"a client failed: {client.failure}")
        acknowledged = {n for c in clients for n in c.acknowledged}
        sent = {n for c in clients for n in c.sent}
        complete = w.sink.wait(lambda s: acknowledged <= received.keys(), timeout=60)
        lost = sorted(acknowledged - received.keys())
        # How long before its kill (or, when the sink read what the dead daemon had written, after it) each was received.
        ages = [min((abs(kill - before), kill) for kill in kills) for _, before in second_receipts]
        worst = max(ages, default=(0.0, 0.0))[0]
        most = max(collections.Counter(kill for _, kill in ages).values(), default=0)
        unknown = sorted(received.keys() - sent)
        print(f"{len(sent)} sent, {len(acknowledged)} acknowledged ({acknowledged_at_kill} before the last kill), "
              f"{sum(received.values())} received, {len(received.keys() - acknowledged)} of them not acknowledged, "
              f"{time.monotonic() - started:.1f} s\n{len(ages)} duplicates, at most {most} from one kill, received at most {worst * 1000:.0f} ms before it")
        faults = []
        if lost or not complete:
            faults.append(f"LOST {len(lost)} acknowledged messages: {lost[:20]}")
        if worst > IN_FLIGHT:
            faults.append(f"a message was delivered again although the first time was {worst:.1f} s before a kill")
        if most > UNDER_WAY:
            faults.append(f"one kill made {most} duplicates, and no more than {UNDER_WAY} deliveries can have been under way")
        if unknown:
            faults.append(f"messages that nobody sent: {unknown[:20]}")
        if len(acknowledged) < arguments.kills * 5:
            faults.append("too little mail for the test to mean anything")
        # Messages stored but never acknowledged may still be on their way; the queue must run empty.
        deadline = time.monotonic() + 60
        while (waiting := w.daemon.queue_ids()) and time.monotonic() < deadline:
            w.sink.wait(lambda s: False, timeout=0.1)
        if waiting:
            faults.append(f"still in the queue: {waiting[:5]}")
        if faults:
            print("\n".join(faults))
            print("\n".join(w.daemon.log()[-20:]))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
