"""A container behind NAT, played by two network namespaces: the default gateway is never a trusted client (DO-1, DO-2).

Needs to make network namespaces: as root, or as a user where the kernel lets users do that; elsewhere it is skipped, and says so.
"""

import os
import shutil
import subprocess
import sys
import unittest

from posthorn_test import world
from posthorn_test.daemon import Daemon

INSIDE = "INSIDE_A_NAMESPACE"   # set once this script runs in a network namespace of its own
CONTAINER, GATEWAY, NEIGHBOUR = "172.30.9.2", "172.30.9.1", "172.30.9.3"
CONTAINER6, GATEWAY6, NEIGHBOUR6 = "fd00:9::2", "fd00:9::1", "fd00:9::3"

# Says one MAIL from an address of the other namespace and prints the reply's code.
CLIENT = """
import socket, sys
where, port, source = sys.argv[1:]
connection = socket.create_connection((where, int(port)), 20, (source, 0))
lines = connection.makefile("rwb", 0)
def reply():
    while True:
        line = lines.readline().decode()
        if line[3:4] != "-":
            return line
for command in (None, "EHLO client.example.test", "MAIL FROM:<alice@example.test>"):
    if command:
        lines.write(command.encode() + b"\\r\\n")
    last = reply()
print(last[:3])
"""


def ip(*arguments, inside=None):
    enter = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*enter, "ip", *arguments], check=True)


@unittest.skipUnless(os.environ.get(INSIDE), "no network namespace can be made here (it takes root, unshare and ip)")
class Gateway(world.WorldTest):
    @classmethod
    def setUpClass(cls):
        ip("link", "set", "lo", "up")
        # The host's side. `unshare` says a line once it is there, and ends with its input.
        cls.host = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo there; cat"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.host.wait, 10)
        cls.addClassCleanup(cls.host.stdout.close)
        cls.addClassCleanup(cls.host.stdin.close)
        cls.host.stdout.readline()
        ip("link", "add", "inside", "type", "veth", "peer", "name", "outside", "netns", str(cls.host.pid))
        for side, device, addresses in ((None, "inside", (CONTAINER, CONTAINER6)),
                                        (cls.host.pid, "outside", (GATEWAY, NEIGHBOUR, GATEWAY6, NEIGHBOUR6))):
            for address in addresses:
                if ":" in address:
                    ip("addr", "add", f"{address}/64", "dev", device, "nodad", inside=side)
                else:
                    ip("addr", "add", f"{address}/24", "dev", device, inside=side)
            ip("link", "set", device, "up", inside=side)
        ip("route", "add", "default", "via", GATEWAY)
        ip("-6", "route", "add", "default", "via", GATEWAY6)

    def daemon(self, **submission):
        d = Daemon(changes={"submission": {"trusted_networks": ["172.30.9.0/24", "fd00:9::/64"], **submission}})
        d.tables["listener"] = [{"address": f"{CONTAINER}:2525", "tls": "none", "auth": "none"},
                                {"address": f"[{CONTAINER6}]:2525", "tls": "none", "auth": "none"}]
        d.write_config()
        d.__enter__()
        self.addCleanup(d.__exit__, None, None, None)
        return d

    def mail(self, where, source):
        run = subprocess.run(["nsenter", "-t", str(self.host.pid), "-n", sys.executable, "-c", CLIENT, where, "2525", source],
                             stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        return int(run.stdout)

    def test_the_gateway_is_not_trusted(self):
        """The whole network is listed; a neighbour may send, and whoever comes through the gateway may not. The log says why."""
        d = self.daemon()
        self.assertEqual(self.mail(CONTAINER, NEIGHBOUR), 250)
        self.assertEqual(self.mail(CONTAINER6, NEIGHBOUR6), 250)
        self.assertEqual(self.mail(CONTAINER, GATEWAY), 550)
        self.assertEqual(self.mail(CONTAINER6, GATEWAY6), 550)
        for gateway in (GATEWAY, GATEWAY6):
            line, = d.wait_for_log(rf"\bconfig\b.* {gateway}, which is this machine's default gateway")
            self.assertIn("submission.trust_default_gateway", line)

    def test_naming_its_very_address_is_not_enough(self):
        self.daemon(trusted_networks=["127.0.0.0/8", f"{GATEWAY}/32"])
        self.assertEqual(self.mail(CONTAINER, GATEWAY), 550)

    def test_a_reload_looks_again(self):
        """A network that the container was joined to after the start."""
        ip("route", "del", "default")
        try:
            d = self.daemon()
            self.assertEqual(self.mail(CONTAINER, GATEWAY), 250)
        finally:
            ip("route", "add", "default", "via", GATEWAY)
        d.reload()
        d.wait_for_log(r"\breloaded\b")
        self.assertEqual(self.mail(CONTAINER, GATEWAY), 550)

    def test_the_override_is_spelled_out(self):
        d = self.daemon(trust_default_gateway=True)
        self.assertEqual(self.mail(CONTAINER, GATEWAY), 250)
        self.assertEqual(d.log("default gateway"), [])


def enter_a_namespace():
    """Runs this script again in a network namespace of its own, where that can be had."""
    if os.environ.get(INSIDE) or not (shutil.which("unshare") and shutil.which("ip")):
        return
    for way in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        probe = "ip link set lo up && ip link add probe0 type veth peer name probe1"
        if subprocess.run([*way, "sh", "-c", probe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            os.execvpe("unshare", [*way, sys.executable, *sys.argv], os.environ | {INSIDE: "1"})


if __name__ == "__main__":
    enter_a_namespace()
    world.main()
