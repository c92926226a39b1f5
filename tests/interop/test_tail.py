"""posthorn tail: what the daemon does, live; filters, several readers, one that does not read, one who may not."""

import json
import queue
import subprocess
import threading

from posthorn_test import world
from posthorn_test.daemon import program


class Reader:
    """A running `posthorn tail`; its lines in .lines, as they come."""

    def __init__(self, daemon, *arguments):
        self.process = subprocess.Popen([program(), "tail", "--config", str(daemon.config_file), *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.all = []
        self.started = threading.Event()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines.put), daemon=True).start()
        threading.Thread(target=self._read, args=(self.process.stderr, lambda _: self.started.set()), daemon=True).start()

    @staticmethod
    def _read(stream, take):
        for line in stream:
            take(line.rstrip("\n"))

    def wait_for(self, wanted, timeout=30.0):
        """The first line from now on for which wanted(line) holds."""
        while True:
            line = self.lines.get(timeout=timeout)
            self.all.append(line)
            if wanted(line):
                return line

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()


class Tail(world.WorldTest):
    def reader(self, w, *arguments):
        reader = Reader(w.daemon, *arguments)
        self.addCleanup(reader.end)
        if "--json" in arguments:
            reader.wait_for(lambda line: json.loads(line)["event"] == "watching")
        else:
            self.assertTrue(reader.started.wait(30))
        return reader

    def test_events_in_words_and_as_json(self):  # SD-26
        """Events come in order, one a line, with the names that the log has."""
        w = self.world()
        words, data = self.reader(w), self.reader(w, "--json")
        id = w.daemon.send("bob@dest.test").split()[-1]
        w.sink.wait_for_message("bob@dest.test")
        line = words.wait_for(lambda line: " delivered " in line)
        self.assertRegex(line, rf"^\d\d:\d\d:\d\d delivered <bob@dest\.test>: 250 .*{id}")
        events = []
        event = {}
        while event.get("event") != "delivered":
            event = json.loads(data.wait_for(lambda line: True))
            events.append(event["event"])
        self.assertEqual((event["id"], event["to"]), (id, "bob@dest.test"))
        self.assertLess(events.index("attempt"), events.index("delivered"))

    def test_held_mail_is_no_retry_at_once(self):
        """PR-45: what waits behind a suspension is not "tried again in 0 s"; what has blanks in it stands between quotes."""
        w = self.world()
        words = self.reader(w)
        w.sink.rule("dot", "550 5.7.26 This mail has been blocked because the sender is unauthenticated", times=1)
        w.daemon.send("bob@dest.test")
        seen = {}
        while len(seen) < 2:   # in which order they come is not said
            line = words.wait_for(lambda line: " deferred " in line or " suspended " in line)
            seen["deferred" if " deferred " in line else "suspended"] = line
        self.assertIn("class auth, held: `posthorn why` says for what, ", seen["deferred"])
        self.assertIn('pair="example.test at mx.dest.test"', seen["suspended"])

    def test_filters(self):
        w = self.world(domains=("dest.test", "other.test"))
        of_domain = self.reader(w, "--json", "--domain", "Other.Test")
        w.daemon.send("bob@dest.test")
        id = w.daemon.send("carol@other.test").split()[-1]
        of_domain.wait_for(lambda line: json.loads(line)["event"] == "delivered")
        for line in of_domain.all[1:]:
            self.assertIn("other.test", line)
        of_message = self.reader(w, "--json", "--id", id)
        w.daemon.send("bob@dest.test")
        w.daemon.command("queue", "retry", id, check=False)
        w.sink.wait_for_messages(3)
        wrong = w.daemon.command("tail", "--id", "nonsense", check=False)
        self.assertEqual(wrong.returncode, 64)
        self.assertEqual([line for line in of_message.all[1:] if id not in line], [])

    def test_a_reader_that_does_not_read_slows_nobody(self):
        """The daemon keeps the last events for it, and no more; mail goes on, others read on."""
        w = self.world()
        lazy = subprocess.Popen([program(), "tail", "--config", str(w.daemon.config_file), "--json"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (lazy.terminate(), lazy.wait(20), lazy.stdout.close()))
        busy = self.reader(w, "--json")
        with w.daemon.client() as client:
            for number in range(300):
                client.deliver("alice@example.test", [f"r{number}@dest.test"], b"Subject: x\r\n\r\nx\r\n")
        w.sink.wait_for_messages(300)
        busy.wait_for(lambda line: '"to":"r299@dest.test"' in line and '"delivered"' in line)

    def test_places_are_bounded(self):
        w = self.world()
        for _ in range(8):
            self.reader(w)
        run = w.daemon.command("tail", check=False)
        self.assertEqual(run.returncode, 75, run.stderr)
        self.assertIn("8 follow", run.stderr)

    def test_terminals_are_not_fooled(self):
        w = self.world()
        words = self.reader(w)
        w.sink.rule("rcpt", "451 4.7.1 \x1b[2Jcome back\x07", times=1)
        w.daemon.send("bob@dest.test")
        line = words.wait_for(lambda line: " deferred " in line)
        self.assertIn("come back", line)
        self.assertNotIn("\x1b", line)
        self.assertNotIn("\x07", line)

    def test_the_end_of_the_daemon_ends_it(self):
        w = self.world()
        words = self.reader(w)
        w.daemon.stop()
        self.assertEqual(words.process.wait(30), 69)


if __name__ == "__main__":
    world.main()
