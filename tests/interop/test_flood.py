"""Postfix's smtp-source on one side, its smtp-sink on the other: 2000 messages over 20 sessions, all through, none twice."""

import re
import subprocess

from posthorn_test import world
from posthorn_test.daemon import Daemon, free_port, loopback_address
from posthorn_test.dns_server import DnsServer

COUNT = 2000


class Flood(world.WorldTest):
    def flood(self, daemon, *arguments):
        host, port = daemon.endpoint("plain")
        run = subprocess.run(["/usr/sbin/smtp-source", "-s", "20", "-m", str(COUNT), "-l", "4096", "-f", "alice@example.test",
                              *arguments, f"{host}:{port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_smtp_source_to_smtp_sink(self):
        dns = DnsServer()
        self.addCleanup(dns.stop)
        address = loopback_address()
        port = free_port(address)
        dns.mx("dest.test", ("mx.dest.test", address))
        # -M: it ends by itself when the last message has come.
        receiver = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", "-M", str(COUNT), f"{address}:{port}", "1024"])
        self.addCleanup(receiver.wait)
        self.addCleanup(receiver.terminate)
        with Daemon(dns=dns, delivery_port=port) as daemon:
            self.flood(daemon, "-t", "bob@dest.test")
            self.assertEqual(receiver.wait(120), 0)

    def test_each_arrives_once(self):
        w = self.world()
        self.flood(w.daemon, "-d", "-t", "bob@dest.test")   # -d: many messages over one connection
        w.sink.wait_for_messages(COUNT, timeout=120)
        ids = [m.fields("Message-ID")[0] for m in w.sink.messages]
        self.assertEqual(len(set(ids)), COUNT)
        w.daemon.wait_for_log(r"\bdelivered\b", COUNT)
        w.daemon.wait_for_empty_queue()
        stored = {m.group(1) for line in w.daemon.wait_for_log(r"\bstored\b", COUNT) if (m := re.search(r"\bid=(\w+)", line))}
        self.assertEqual(len(stored), COUNT)


if __name__ == "__main__":
    world.main()
