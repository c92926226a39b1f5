#!/usr/bin/env python3
"""What the daemon tells whoever set NOTIFY_SOCKET, and the ports it takes over from him: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)."""

import os
import signal
import socket
import subprocess
import tempfile
import time

from posthorn_test.daemon import program
from posthorn_test.world import World, WorldTest, main


class Manager:
    """A socket such as systemd's, and what came to it."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.said = []   # (time.monotonic(), {name: value})

    def wait_for(self, condition, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            if (found := next((state for _, state in self.said if condition(state)), None)) is not None:
                return found
            self.listen(deadline)

    def listen(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"not said: {self.said}")
        self.socket.settimeout(left)
        try:
            text = self.socket.recv(4096).decode()
        except TimeoutError:
            return
        self.said.append((time.monotonic(), dict(line.split("=", 1) for line in text.splitlines())))

    def silence(self, seconds):
        """Whatever comes within that time."""
        self.said.clear()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.listen(deadline)
            except AssertionError:
                break
        return [state for _, state in self.said]


class ServiceManagerTest(WorldTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="posthorn-notify-")
        self.addCleanup(directory.cleanup)
        self.manager = Manager(directory.name)
        self.addCleanup(self.manager.socket.close)

    def daemon(self, **environment):
        return self.world(environment={"NOTIFY_SOCKET": self.manager.path} | environment).daemon

    def test_a_life_is_told_from_its_start_to_its_end(self):
        daemon = self.daemon(WATCHDOG_USEC="600000")
        said = self.manager
        said.wait_for(lambda s: s.get("READY") == "1")
        self.assertIn("serves; 0 destinations", said.wait_for(lambda s: "STATUS" in s)["STATUS"])
        # Several in its patience; each has been through the queue's writer.
        said.said.clear()
        for _ in range(4):
            said.wait_for(lambda s: s.get("WATCHDOG") == "1")
            said.said.clear()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.process.send_signal(signal.SIGHUP)
        reloading = said.wait_for(lambda s: s.get("RELOADING") == "1")
        self.assertTrue(before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        said.wait_for(lambda s: s.get("READY") == "1")
        daemon.process.send_signal(signal.SIGTERM)
        said.wait_for(lambda s: s.get("STOPPING") == "1")

    def test_a_reload_that_fails_is_over_as_well(self):
        daemon = self.daemon()
        self.manager.wait_for(lambda s: s.get("READY") == "1")
        self.manager.said.clear()
        good = daemon.config_file.read_text()
        daemon.config_file.write_text(good + "\nno_such_setting = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        self.manager.wait_for(lambda s: s.get("RELOADING") == "1")
        self.manager.wait_for(lambda s: s.get("READY") == "1")
        daemon.config_file.write_text(good)

    def test_a_daemon_that_stands_still_is_silent(self):
        daemon = self.daemon(WATCHDOG_USEC="300000")
        self.manager.wait_for(lambda s: s.get("WATCHDOG") == "1")
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            os.waitpid(daemon.process.pid, os.WUNTRACED)
            self.manager.silence(0.05)   # what was under way
            self.assertEqual(self.manager.silence(1.0), [])
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        self.manager.wait_for(lambda s: s.get("WATCHDOG") == "1")

    def test_another_process_s_watchdog_is_not_meant(self):
        self.daemon(WATCHDOG_USEC="300000", WATCHDOG_PID="1")
        self.manager.wait_for(lambda s: "STATUS" in s)
        self.assertNotIn("WATCHDOG", [name for state in self.manager.silence(1.0) for name in state])

    def test_reload_waits_and_tells(self):
        daemon = self.daemon()
        def reload():
            return subprocess.run([program(), "reload", "--config", str(daemon.config_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("in force", reload().stdout)
        good = daemon.config_file.read_text()
        daemon.config_file.write_text(good + "\nno_such_setting = 1\n")
        failed = reload()
        daemon.config_file.write_text(good)
        self.assertEqual(failed.returncode, 78)
        self.assertIn("no_such_setting", failed.stderr)
        self.assertIn("keeps its old configuration", failed.stderr)

    def test_none_reloads_a_daemon_that_ends(self):
        """It would begin anew what has ended, and tell systemd READY=1 behind STOPPING=1."""
        w = self.world(environment={"NOTIFY_SOCKET": self.manager.path})
        rule = w.sink.rule("dot", delay=60.0)
        w.daemon.send("bob@dest.test")
        w.daemon.wait_for_log("attempt ")
        w.daemon.process.send_signal(signal.SIGTERM)   # waits for the delivery
        self.manager.wait_for(lambda s: s.get("STOPPING") == "1")
        refused = w.daemon.command("reload", check=False)
        self.assertEqual(refused.returncode, 78, refused.stdout)
        self.assertIn("the daemon is ending", refused.stderr)
        w.daemon.reload()
        w.daemon.wait_for_log("reload_failed.*the daemon is ending")
        w.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(w.daemon.process.wait(20), 0)
        self.assertFalse({"READY", "RELOADING"} & {name for state in self.manager.silence(0.05) for name in state})
        w.sink.forget(rule)

    def test_ports_that_are_open_already_are_taken(self):
        world = World()
        daemon = world.daemon
        held = socket.create_server((daemon.address, daemon.ports["plain"]))
        self.addCleanup(held.close)
        held.set_inheritable(True)
        # As systemd does it: descriptor 3, and the pid of the process that is meant.
        daemon.prefix = ["/usr/bin/python3", "-c", "import os, sys; os.dup2(int(sys.argv[1]), 3); "
                         "os.execve(sys.argv[2], sys.argv[2:], os.environ | {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())})", str(held.fileno())]
        popen = subprocess.Popen
        self.addCleanup(setattr, subprocess, "Popen", popen)
        subprocess.Popen = lambda argv, **how: popen(argv, **({**how, "pass_fds": (held.fileno(),)} if argv[0] == "/usr/bin/python3" else how))
        self.live_in(world)
        with daemon.connect("plain") as client:
            client.expect(220)


if __name__ == "__main__":
    main()
