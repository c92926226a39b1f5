"""What DNS servers that fail cost a running daemon, and what its figures and its log say of them (SMTP-22)."""

import socket

from posthorn_test import world
from posthorn_test.daemon import loopback_address
from posthorn_test.dns_server import DnsServer
from posthorn_test.world import WorldTest


class DnsServers(WorldTest):
    def silent(self):
        """An address that takes questions and never answers."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((loopback_address(), 0))
        self.addCleanup(listener.close)
        return "%s:%d" % listener.getsockname()

    def figure(self, name, server):
        return self._world.daemon.command("metrics").stdout.split(f'{name}{{server="{server}"}} ')[1].split()[0]

    def test_a_dead_first_server_is_passed_over(self):
        alive, dead = DnsServer(), self.silent()
        self.addCleanup(alive.stop)
        name = f"{alive.address}:{alive.port}"
        w = self.world(changes={"dns": {"servers": [dead, name], "timeout": "2s"}})
        for i in range(5):
            alive.mx(f"d{i}.test", (f"mx.d{i}.test", w.sink.address))
            w.daemon.send(f"bob@d{i}.test")
            w.sink.wait_for_message(f"bob@d{i}.test")
        said = w.daemon.log(r"\bdns\b.*does not answer")
        self.assertEqual(len(said), 1, said)
        self.assertIn(dead, said[0])
        self.assertEqual(self.figure("posthorn_dns_server_passed_over", dead), "1")
        self.assertEqual(self.figure("posthorn_dns_server_passed_over", name), "0")
        self.assertEqual(self.figure("posthorn_dns_server_answers_total", dead), "0")
        self.assertGreaterEqual(int(self.figure("posthorn_dns_server_silences_total", dead)), 1)
        self.assertGreaterEqual(int(self.figure("posthorn_dns_server_answers_total", name)), 15)   # MX, A, AAAA of five

    def test_a_server_that_refuses_costs_nothing_and_decides_nothing(self):
        alive, refusing = DnsServer(), DnsServer()
        self.addCleanup(alive.stop)
        self.addCleanup(refusing.stop)
        first = f"{refusing.address}:{refusing.port}"
        w = self.world(changes={"dns": {"servers": [first, f"{alive.address}:{alive.port}"]}})
        alive.mx("good.test", ("mx.good.test", w.sink.address))
        for name in ("good.test", "mx.good.test"):
            refusing.fail(name, "refused")
        w.daemon.send("bob@good.test")
        w.sink.wait_for_message("bob@good.test")
        self.assertGreaterEqual(int(self.figure("posthorn_dns_server_refusals_total", first)), 1)
        self.assertEqual(self.figure("posthorn_dns_server_passed_over", first), "0")


if __name__ == "__main__":
    world.main()
