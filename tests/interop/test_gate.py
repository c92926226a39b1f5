"""Connections that are slow, sliced, silent or cut at every point of the dialogue: nothing is lost, and the log says where it was.

A message may arrive twice only where the connection was lost between the octets that end it and the reply to them.
"""

import re
import threading
import unittest

from posthorn_test import world
from posthorn_test.daemon import Daemon, loopback_address, simple_message
from posthorn_test.dns_server import DnsServer
from posthorn_test.gate import CLIENT_POINTS, FAULTS, SERVER_POINTS, Fault, Gate
from posthorn_test.sink import Sink

RETRY = {"first": "200ms", "max": "400ms", "jitter": 0.0}
# What was under way when the connection stalled or ended, as the log names it, with one command at a time.
STAGE = {"greeting": "greeting", "ehlo": "ehlo", "mail": "mail", "rcpt": "rcpt", "data": "data", "body": "data|end_of_data",
         "dot": "end_of_data"}
TLS_POINTS = ("starttls", "hello")


def timeouts(seconds):
    return {k: seconds for k in ("connect", "tls_handshake", "greeting", "command", "data", "data_block", "end_of_data")} | {"quit": "1s"}


class Passage:
    """One message through one gate to one sink."""

    def __init__(self, name, fault, pipelining=True, starttls=False):
        self.name, self.fault, self.pipelining, self.starttls = name, fault, pipelining, starttls
        self.id = None

    @property
    def recipient(self):
        return f"bob@{self.name}.test"

    def open(self, dns, port, certificate):
        extensions = ["8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 36700160"] + ["PIPELINING"] * self.pipelining
        self.sink = Sink(loopback_address(), starttls=self.starttls, certificate=certificate, extensions=extensions)
        while True:
            try:
                self.gate = Gate(loopback_address(), port, (self.sink.address, self.sink.port), self.fault)
                break
            except OSError:   # somebody else's port
                pass
        dns.mx(f"{self.name}.test", (f"mx.{self.name}.test", self.gate.address))

    def close(self):
        self.gate.stop()
        self.sink.stop()


class ThroughTheGate(unittest.TestCase):
    def play(self, passages, patience):
        """All at the same time; every message arrives in the end. The daemon waits so long for a server."""
        dns = DnsServer()
        self.addCleanup(dns.stop)
        home = Sink(loopback_address())   # only for its port and its certificate
        self.addCleanup(home.stop)
        with Daemon(dns=dns, delivery_port=home.port, keys=("ed25519",), changes={
                "retry": RETRY, "delivery": {"timeouts": timeouts(patience), "hosts_per_attempt": 1, "idle_connection": "200ms"}}) as daemon:
            certificate = (daemon.directory / "mail.example.test.crt", daemon.directory / "mail.example.test.key")
            for passage in passages:
                passage.open(dns, home.port, certificate)
                self.addCleanup(passage.close)
            with daemon.client() as client:
                for passage in passages:
                    reply = client.deliver("alice@example.test", [passage.recipient],
                                           simple_message(passage.recipient, body="Hello.\r\n" * 200))
                    passage.id = re.search(r"queued as (\w+)", reply.text)[1]
            stop = threading.Event()
            operator = threading.Thread(target=self._retry, args=(daemon, stop))   # sites back off, and tests do not wait
            operator.start()
            try:
                for passage in passages:
                    passage.sink.wait_for_message(passage.recipient, 200)
                daemon.wait_for_empty_queue(200)
            finally:
                stop.set()
                operator.join()
            for passage in passages:
                with self.subTest(passage.name):
                    self.check(daemon, passage)
            return daemon

    @staticmethod
    def _retry(daemon, stop):
        while not stop.wait(0.3):
            for one in daemon.queue_ids():
                daemon.command("queue", "retry", one, check=False)   # it may have gone by now

    def check(self, daemon, passage):
        fault = passage.fault
        lines = daemon.wait_for_log(rf"^\S+ (delivered|deferred|failed) .*id={passage.id} ")
        copies = len(passage.sink.to(passage.recipient))
        deferred = [line for line in lines if " deferred " in line]
        if fault.octet < 1000:   # there are more octets than that, but who knows how many
            self.assertTrue(passage.gate.wait_until_struck(), "the fault has not struck")
        self.assertEqual([line for line in lines if " failed " in line], [])
        doubtful = [line for line in deferred if "may have been delivered" in line]
        self.assertLessEqual(copies, 1 + len(doubtful), "arrived twice, and the log does not know that it may have")
        if fault.what in ("delay", "slice"):
            self.assertEqual((copies, deferred), (1, []))
        elif fault.side == "server" and fault.point == "dot":
            self.assertGreaterEqual((copies, len(doubtful)), (2, 1))   # it was taken, and the reply did not come
        elif fault.point in TLS_POINTS:
            self.assertEqual(copies, 1)
            self.assertEqual(deferred, [])   # TLS is broken: in the clear, at once
        elif fault.point == "ehlo" and not deferred:
            self.assertEqual(copies, 1)   # who hangs up at EHLO is asked again with HELO, at once
            self.assertEqual(fault.what, "cut")
        elif fault.point == "quit":
            self.assertEqual((copies, deferred), (1, []))
        elif fault.point:
            if fault.what != "stall":   # on a machine that is busy enough time-outs this short run out anywhere
                self.assertEqual((copies, len(deferred)), (1, 1), deferred)
            if not passage.pipelining:
                self.assertRegex(deferred[0], rf"class=connection stage=({STAGE[fault.point]}) ")
            # The octets before the dot were sent and the dot with them, as far as anybody here can know.
            if fault.point not in ("body", "dot"):
                self.assertNotIn("may have been delivered", deferred[0])

    def passages(self, faults, pipelining, starttls=False, points=None):
        return [Passage(f"{what}-{side}-{point}{'' if pipelining else '-slow'}", Fault(what, side, point), pipelining,
                        starttls or point in TLS_POINTS)
                for what in faults for side, all_points in (("client", CLIENT_POINTS), ("server", SERVER_POINTS))
                for point in points or all_points]

    def test_delays_slices_and_cuts(self):
        """RFC 5321 s4.5.4.1, s4.1.1.10: each point of the dialogue, one command at a time and pipelined."""
        faults = [f for f in FAULTS if f != "stall"]
        self.play(self.passages(faults, pipelining=False) + self.passages(faults, pipelining=True), "20s")

    def test_stalls(self):
        """RFC 5321 s4.5.3.2: nobody is waited for longer than the time-outs say."""
        self.play(self.passages(["stall"], pipelining=False) + self.passages(["stall"], pipelining=True), "5s")

    def test_within_tls(self):
        """After so many octets of either side, wherever in handshake or dialogue that is."""
        self.play([Passage(f"cut-{side}-{octet}", Fault("cut", side, octet=octet), starttls=True)
                   for side, last in (("client", 2800), ("server", 1600)) for octet in range(30, last, 130)]
                  + [Passage(f"slice-{side}", Fault("slice", side, octet=30), starttls=True) for side in ("client", "server")], "20s")


if __name__ == "__main__":
    world.main()
