"""Slow, greedy and silent clients: others are served as if they were not there, and memory stays bounded (slowloris and its kin)."""

import pathlib
import re
import resource
import socket

from posthorn_test import world
from posthorn_test.crowd import Crowd, address
from posthorn_test.daemon import program, simple_message
from posthorn_test.smtp import Client, stuffed


class Memory:
    """How much a daemon's memory has grown at its highest since this began. A sanitizer keeps what is freed: then nothing is known."""

    def __init__(self, pid):
        self.status = pathlib.Path(f"/proc/{pid}/status")
        octets = pathlib.Path(program()).read_bytes()
        self.known = b"__asan_init" not in octets and b"__tsan_init" not in octets
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        self.before = self._read("VmRSS")

    def _read(self, name):
        return int(re.search(rf"^{name}:\s+(\d+) kB", self.status.read_text(encoding="ascii"), re.MULTILINE)[1]) / 1024

    def grown_mib(self):
        return self._read("VmHWM") - self.before if self.known else 0


class SlowClients(world.WorldTest):
    def crowd(self, **stages):
        crowd = Crowd({name: self.d.endpoint(name) for name in ("plain", "open", "submissions")},
                      {name.replace("_", "-"): count for name, count in stages.items()}, interval=1.0)
        self.addCleanup(crowd.close)
        return crowd

    def start(self, **changes):
        self.w = self.world(changes=changes)
        self.d = self.w.daemon

    def send_some(self, count=10):
        for i in range(count):
            self.d.send("bob@dest.test", subject=f"normal {i}")

    def test_two_hundred_slow_ones_hinder_nobody(self):
        self.start()
        crowd = self.crowd(silent=40, ehlo=40, handshake=40, auth=40, data=40)
        self.send_some()
        with self.d.client("submission", hello=False) as client:   # with TLS and AUTH, too
            client.hello()
            client.starttls()
            client.hello()
            client.login("alice", "correct horse")
            self.assertEqual(client.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test")).code, 250)
        self.w.sink.wait_for_messages(11)
        self.assertEqual(crowd.ended, 0, "the slow ones have not been cut off: nobody needed their place")

    def test_strangers_who_say_nothing_do_not_keep_others_out(self):
        """All places taken by silent strangers: each newcomer gets the place of one of them; who is known keeps it."""
        self.start(**{"submission.limits": {"max_connections": 60}})
        known = self.d.client("submissions")
        known.login("alice", "correct horse")
        crowd = self.crowd(silent=40, auth=40)
        self.send_some(5)
        with Client(self.d.endpoint("submissions"), source=address(7), implicit_tls=True) as newcomer:
            newcomer.expect(220)
            newcomer.hello()
            newcomer.login("alice", "correct horse")
            self.assertEqual(newcomer.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test")).code, 250)
        crowd.wait_for_ended(20)
        self.assertLess(crowd.ended, 40, "only as many as room was needed for")
        self.assertEqual(known.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test")).code, 250)
        self.d.wait_for_log("reason=displaced")
        self.w.sink.wait_for_messages(7)

    def test_a_message_that_drips_is_cut_off(self):
        """An octet a second is as slow as none: RFC 5321 s4.5.3.2.5 has a time for each block of DATA."""
        self.start(**{"submission.timeouts": {"data": "2s"}})
        crowd = self.crowd(data=20)
        crowd.wait_for_ended(20)
        self.d.wait_for_log("reason=timeout", count=20)
        self.send_some(1)

    def test_descriptors_run_out(self):
        """Out of descriptors strangers make room, the operator reads what to do, those who are known are served; nothing is lost."""
        self.start(retry={"first": "100ms", "max": "200ms", "jitter": 0.0})   # deliveries lack descriptors, too
        used = len(list(pathlib.Path(f"/proc/{self.d.pid}/fd").iterdir()))
        limits = (used + 40, resource.prlimit(self.d.pid, resource.RLIMIT_NOFILE)[1])
        resource.prlimit(self.d.pid, resource.RLIMIT_NOFILE, limits)
        crowd = self.crowd(silent=80)
        crowd.wait_for_ended(40)
        self.d.wait_for_log("accept_failed.*raise the limit of open files")
        self.send_some(3)
        crowd.close()
        self.send_some(3)
        self.delivered_when_asked(6)

    def delivered_when_asked(self, count):
        """A destination that could not be looked up rests for a minute; the operator's retry ends that."""
        for _ in range(30):
            for one in self.d.queue_ids():
                self.d.command("queue", "retry", one, check=False)   # it may have gone by now
            try:
                return self.w.sink.wait_for_messages(count, 1)
            except TimeoutError:
                pass
        return self.w.sink.wait_for_messages(count)

    def test_messages_under_way_are_bounded_in_memory(self):
        """SUB: past max_intake_memory a client hears 452 4.3.1, and may come again when others are done."""
        self.start(**{"submission.limits": {"max_intake_memory": "4MiB"}})
        message = simple_message("bob@dest.test", body="0123456789abcdef" * 60 + "\r\n")
        whole = stuffed(message[:-2] + (b"0123456789abcdef" * 60 + b"\r\n") * 220)   # 210 KiB: kept in memory
        memory = Memory(self.d.pid)
        clients = [self.d.client() for _ in range(120)]
        for client in clients:
            client.expect(250, "MAIL FROM:<alice@example.test>")
            client.expect(250, "RCPT TO:<bob@dest.test>")
            client.expect(354, "DATA")
            client.send(whole[:-3])
        codes = []
        for client in clients:
            client.send(b".\r\n")
            codes.append(client.reply())
        refused = [reply for reply in codes if reply.code != 250]
        self.assertGreater(len(refused), 60)
        self.assertGreater(len(codes) - len(refused), 5)
        self.assertEqual({repr(reply)[:9] for reply in refused}, {"452 4.3.1"})
        # 25 MiB were sent, 4 MiB may be held, and the accepted ones once more by delivery.
        self.assertLess(memory.grown_mib(), 16)
        for client, reply in zip(clients, codes):
            if reply.code != 250:
                self.assertEqual(client.deliver("alice@example.test", ["bob@dest.test"], message).code, 250)
        self.w.sink.wait_for_messages(120)

    def test_who_reads_no_replies_is_not_read_either(self):
        """Replies nobody fetches are not piled up: the server stops reading, and holds next to nothing."""
        self.start()
        greedy = self.d.client()
        memory = Memory(self.d.pid)
        greedy.socket.settimeout(1)
        burst, sent = b"NOOP\r\n" * 10000, 0
        with self.assertRaises(socket.timeout):
            while sent < 2**30:
                sent += greedy.socket.send(burst)
        self.send_some(3)
        self.assertLess(memory.grown_mib(), 8)
        self.w.sink.wait_for_messages(3)


if __name__ == "__main__":
    world.main()
