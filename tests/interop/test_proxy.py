"""Behind a proxy: PROXY headers of both versions, by hand, by curl and by HAProxy (HAProxy's proxy-protocol.txt)."""

import base64
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest

from posthorn_test import world
from posthorn_test.daemon import Daemon, free_port, simple_message
from posthorn_test.dns_server import DnsServer
from posthorn_test.smtp import Client

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = "127.8.0.1"            # the address proxies come from
FRIEND, STRANGER = "192.0.2.10", "203.0.113.5"


def version1(client):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {'::1' if ':' in client else '127.0.0.1'} 12345 25\r\n".encode()


def version2(client, command=1):
    if client is None:
        return SIGNATURE + bytes([0x20 | command, 0, 0, 0])
    block = socket.inet_aton(client) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 12345, 25)
    return SIGNATURE + bytes([0x20 | command, 0x11]) + struct.pack("!H", len(block)) + block


class ProxyTest(world.WorldTest):
    """One daemon for all tests of the class: a proxied listener without TLS, one with STARTTLS, one with TLS at once."""

    @classmethod
    def setUpClass(cls):
        dns = DnsServer()   # nobody's MX: nothing leaves
        cls.addClassCleanup(dns.stop)
        cls.d = Daemon(dns=dns, changes={
            "submission": {"trusted_networks": ["127.0.0.0/8", f"{FRIEND}/32"]},
            "submission.guard": {"ban_after": 2, "delay_first": "0s", "delay_max": "0s"},
        })
        cls.ports = {name: free_port(cls.d.address) for name in ("proxied", "proxied_starttls", "proxied_tls")}
        for name, tls, auth in (("proxied", "none", "none"), ("proxied_starttls", "starttls", "optional"),
                                ("proxied_tls", "implicit", "optional")):
            cls.d.tables["listener"].append({"address": f"{cls.d.address}:{cls.ports[name]}", "tls": tls, "auth": auth,
                                             "name": name, "proxy_networks": [f"{PROXY}/32"]})
        cls.d.write_config()
        cls.d.__enter__()
        cls.addClassCleanup(cls.d.__exit__, None, None, None)

    def raw(self, listener="proxied", source=PROXY):
        client = Client((self.d.address, self.ports[listener]), source=source)
        self.addCleanup(client.close)
        return client

    def unannounced(self):
        """How many connections were closed for want of a proxy or a header."""
        return int(re.search(r'connections_refused_total\{reason="unannounced"\} (\d+)', self.d.command("metrics").stdout)[1])

    def closed_without_a_word(self, client):
        self.assertIsNone(client.line())


class Headers(ProxyTest):
    def test_both_versions_in_any_slices(self):
        for header in (version1(FRIEND), version2(FRIEND), version1("2001:db8::9")):
            for piece in (len(header), 1, 7):
                client = self.raw()
                for at in range(0, len(header), piece):
                    client.send(header[at:at + piece])
                client.expect(220)
                client.hello()
                client.quit()
        self.d.wait_for_log(r"\bconnect\b.*client=2001:db8::9")
        self.assertEqual(self.d.log(rf"\bconnect\b.*client={PROXY}"), [])

    def test_what_follows_in_the_same_segment_is_the_clients(self):
        """A proxy that has the client's first octets at hand sends them with the header."""
        client = self.raw()
        client.send(version2(FRIEND) + b"EHLO client.example\r\n")
        client.expect(220)
        client.expect(250)

    def test_client_hello_in_the_same_segment(self):
        """TLS at once: the header is in the clear, and the ClientHello right behind it belongs to the handshake."""
        for header in (version1(FRIEND), version2(FRIEND)):
            client = self.raw("proxied_tls")
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            tls = context.wrap_bio(incoming, outgoing)
            first = header
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    client.send(first + outgoing.read())
                    first = b""
                    incoming.write(client.socket.recv(65536))
            client.send(outgoing.read())
            greeting = b""
            while b"\r\n" not in greeting:
                try:
                    greeting += tls.read(1000)
                except ssl.SSLWantReadError:
                    incoming.write(client.socket.recv(65536))
            self.assertTrue(greeting.startswith(b"220 "))

    def test_starttls_behind_a_proxy(self):
        client = self.raw("proxied_starttls")
        client.send(version1(STRANGER))
        client.expect(220)
        client.hello()
        client.starttls()
        client.hello()
        client.login("alice", "correct horse")

    def test_without_a_header_nobody_is_served(self):
        before = self.unannounced()
        for octets in (b"EHLO client.example\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"PROXY TCP4 somebody\r\n",
                       SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), b"PROXY " + b"x" * 200):
            client = self.raw()
            client.send(octets)
            self.closed_without_a_word(client)
        self.assertEqual(self.unannounced(), before + 5)
        self.d.wait_for_log(rf"\brefused\b.*stage=proxy.*peer={PROXY}:")

    def test_silence_ends_after_its_time(self):
        client = self.raw()
        client.send("PROXY ")
        began = time.monotonic()
        self.closed_without_a_word(client)
        self.assertGreaterEqual(time.monotonic() - began, 4)

    def test_only_named_proxies_are_served(self):
        """Whoever is not named is closed, with a header or without: who comes by himself may not say who he is."""
        for header in (version1(FRIEND), version2(FRIEND), b""):
            client = self.raw(source="127.8.0.2")
            try:
                client.send(header)
            except ConnectionError:
                pass
            self.closed_without_a_word(client)

    def test_elsewhere_a_header_means_nothing(self):
        """On a listener without proxy_networks it is a bad command of a client who is what his address says."""
        with self.d.connect("plain") as client:
            client.expect(220)
            self.assertEqual(client.command(version1(FRIEND).decode().strip()).code // 100, 5)


class Identity(ProxyTest):
    def mail(self, header):
        client = self.raw()
        client.send(header)
        client.expect(220)
        client.hello()
        return client.command("MAIL FROM:<alice@example.test>").code

    def test_the_announced_client_is_trusted_or_not(self):
        """127.0.0.0/8 is trusted here, and the proxy is in it: that counts for nobody who comes through it."""
        self.assertEqual(self.mail(version1(FRIEND)), 250)
        self.assertEqual(self.mail(version2(FRIEND)), 250)
        self.assertEqual(self.mail(version1(STRANGER)), 550)
        self.assertEqual(self.mail(version2(STRANGER)), 550)

    def test_who_is_not_named_is_never_trusted(self):
        """LOCAL (health checks), UNKNOWN and unspecified families are greeted, and may not send."""
        for header in (version2(None, command=0), version2(None), b"PROXY UNKNOWN\r\n", version2(FRIEND, command=0)):
            self.assertEqual(self.mail(header), 550)

    def test_bans_meet_the_client_not_the_proxy(self):
        bot = "198.51.100.99"
        for user, code in (("alice", 535), ("bob", 421)):
            client = self.raw("proxied_starttls")
            client.send(version2(bot))
            client.expect(220)
            client.hello()
            client.starttls()
            client.hello()
            token = base64.b64encode(f"\0{user}\0wrong".encode()).decode()
            self.assertEqual(client.command(f"AUTH PLAIN {token}").code, code)
        client = self.raw()
        client.send(version1(bot))
        self.assertEqual(client.reply().code, 421)
        self.assertEqual(self.mail(version1(FRIEND)), 250)

    def test_received_names_the_announced_client(self):
        client = self.raw()
        client.send(version1(FRIEND))
        client.expect(220)
        client.hello()
        reply = client.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test"))
        self.assertEqual(reply.code, 250)
        self.d.wait_for_log(rf"\bstored\b.*source=ip={FRIEND}|\bstored\b.*source=\"ip={FRIEND}\"")


@unittest.skipUnless(shutil.which("haproxy"), "haproxy is not installed (tools/packages.txt)")
class BehindHaproxy(ProxyTest):
    def haproxy(self, listener, send, backend=""):
        """An HAProxy in front of the listener; returns its address. Clients come to it from 127.0.0.0/8."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-haproxy-"))
        self.addCleanup(shutil.rmtree, directory, True)
        port = free_port(self.d.address)
        (directory / "haproxy.cfg").write_text(f"""
global
    maxconn 100
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend smtp
    bind {self.d.address}:{port}
    default_backend posthorn
backend posthorn
    source {PROXY}
    {backend}
    server one {self.d.address}:{self.ports[listener]} {send}
""")
        process = subprocess.Popen(["haproxy", "-db", "-f", directory / "haproxy.cfg"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait(10)

        self.addCleanup(end)
        deadline = time.monotonic() + 20
        while True:   # until it listens
            try:
                socket.create_connection((self.d.address, port), 5).close()
                return self.d.address, port
            except ConnectionRefusedError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.02)

    def test_send_proxy(self):
        for number, send in enumerate(("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id")):
            with self.subTest(send):
                source = f"127.7.7.{number + 1}"
                with Client(self.haproxy("proxied_starttls", send), source=source) as client:
                    client.expect(220)
                    client.hello()
                    client.starttls()
                    client.hello()
                    client.login("alice", "correct horse")
                    reply = client.deliver("alice@example.test", ["bob@dest.test"], simple_message("bob@dest.test"))
                    self.assertEqual(reply.code, 250)
                self.d.wait_for_log(rf"\bconnect\b.*client={source} ")

    def test_implicit_tls(self):
        with Client(self.haproxy("proxied_tls", "send-proxy-v2"), source="127.7.7.9", implicit_tls=True) as client:
            client.expect(220)
            client.hello()
        self.d.wait_for_log(r"\bconnect\b.*client=127\.7\.7\.9 ")

    def test_health_checks_are_greeted(self):
        # A check that only connects ends by RST at once, and what it has said may be lost with that; this one wants the greeting.
        self.haproxy("proxied", "send-proxy-v2 check-send-proxy check inter 200ms",
                     'timeout check 20s\n    option tcp-check\n    tcp-check expect rstring "^220 "')
        self.d.wait_for_log(rf"\bconnect\b.*client={PROXY} ")

    def test_without_send_proxy_nobody_is_served(self):
        with Client(self.haproxy("proxied", ""), source="127.7.7.1") as client:
            client.send("EHLO client.example\r\n")
            self.assertIsNone(client.line())


if __name__ == "__main__":
    world.main()
