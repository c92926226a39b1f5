#!/usr/bin/env python3
"""A signed DNS of a test's own: nsd serves zones on loopback, unbound validates them, so that AD and SERVFAIL are the real thing."""

import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

from .daemon import free_port

SECURE, INSECURE, BOGUS = "secure", "insecure", "bogus"
_SBIN = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def tlsa(certificate, usage=3, selector=1, matching=1):
    """The value of a TLSA record for a certificate file (PEM), "3 1 1 ab12..." (RFC 6698 s2.1)."""
    der = subprocess.run(["openssl", "x509", "-in", str(certificate), "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
    if selector == 1:
        pem = subprocess.run(["openssl", "x509", "-in", str(certificate), "-noout", "-pubkey"], check=True, stdout=subprocess.PIPE).stdout
        der = base64.b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-----")))
    data = {0: lambda: der, 1: hashlib.sha256(der).digest, 2: hashlib.sha512(der).digest}[matching]()
    return f"{usage} {selector} {matching} {data.hex()}"


class World:
    """`with dnssec.World({"good.test": "@ MX 10 mx\\nmx A 127.0.0.2"}, insecure=["plain.test"]) as d: Daemon(changes={"dns": d.settings})`.

    zones: apex -> records in zone file form, relative to the apex, one a line; SOA, NS and $TTL are added. Each zone is signed and
    has a trust anchor of its own, but for `insecure` ones, which are served unsigned: AD is missing there. `bogus` is a list of
    apexes or of names in signed zones whose signatures are damaged: a validating resolver answers SERVFAIL. An apex means all of its zone.
    address and port are those of the validating resolver; authority_port is nsd's, on the same address. The root is nsd's,
    too, unsigned: names in none of the zones do not exist, and nothing is ever asked of the Internet.
    resolver_lines go into the server section of unbound.conf: local-zone and local-data make a resolver that differs from the zones' servers.
    """

    def __init__(self, zones, insecure=(), bogus=(), ttl=5, resolver_lines=()):
        self.zones = {}
        self.insecure = {name.rstrip(".").lower() for name in insecure}
        self.bogus = {name.rstrip(".").lower() for name in bogus}
        self.ttl = ttl
        self.resolver_lines = list(resolver_lines)
        self.address = "127.0.0.1"
        self.port = self.authority_port = 0
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-dnssec-"))
        self._serial = 0
        self._processes = {}
        self._keys = {}
        for apex, records in zones.items():
            self.zones[apex.rstrip(".").lower()] = records
        self._check()

    @property
    def resolver(self):
        return self.address, self.port

    @property
    def settings(self):
        """[dns] of a Posthorn that asks this resolver and believes it."""
        return {"servers": [f"{self.address}:{self.port}"], "trust_ad": True}

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(sys.exc_info()[0], None, None)
            raise

    def __exit__(self, failure, *_):
        for name in ("unbound", "nsd"):
            self._stop(name)
        if failure is not None:
            for log in sorted(self.directory.glob("*.log")):
                print(f"--- {log.name}:\n" + log.read_text(errors="replace")[-4000:], file=sys.stderr)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        # Somebody else may take a port between our looking and a server's binding it: then with others.
        for attempt in range(5):
            self.authority_port, self.port = self._free_port(), self._free_port()
            for apex in self.zones:
                self._write_zone(apex)
            self._configure()
            if self._run("nsd", ["nsd", "-d", "-c", str(self.directory / "nsd.conf")], self.authority_port) and \
                    self._run("unbound", ["unbound", "-d", "-p", "-c", str(self.directory / "unbound.conf")], self.port):
                return self
            for name in ("unbound", "nsd"):
                self._stop(name)
        raise RuntimeError("nsd and unbound do not start:\n" + "".join(
            log.read_text(errors="replace")[-2000:] for log in sorted(self.directory.glob("*.log"))))

    def update(self, apex, records, forget=True):
        """Another content for a zone that is there; the resolver has forgotten the old one when this returns, unless told to keep it."""
        apex = apex.rstrip(".").lower()
        if apex not in self.zones:
            raise KeyError(apex)
        self.zones[apex] = records
        self._write_zone(apex)
        serial = self._serial
        self._processes["nsd"].send_signal(signal.SIGHUP)
        self._wait(lambda: self._soa_serial(apex, self.authority_port) == serial, f"nsd does not take the new {apex}")
        if not forget:
            return
        self._processes["unbound"].send_signal(signal.SIGHUP)
        self._wait(lambda: self._is_forgotten(apex, serial), f"unbound does not forget the old {apex}")

    def ask(self, name, rtype, port=None):
        """The resolver's answer as a dns.message.Message; AD is asked for."""
        query = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
        query.flags |= dns.flags.AD
        return dns.query.udp_with_fallback(query, self.address, timeout=10, port=port or self.port)[0]

    # Files.

    def _check(self):
        for name in self.insecure:
            if name not in self.zones:
                raise ValueError(f"insecure: {name} is no zone of this world")
        for name in self.bogus:
            if not any((name == apex or name.endswith("." + apex)) and apex not in self.insecure for apex in self.zones):
                raise ValueError(f"bogus: {name} is not in a signed zone of this world")

    @staticmethod
    def _free_port():
        while True:
            port = free_port()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                try:
                    s.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue

    def _file(self, apex):
        return self.directory / (apex + ".zone" + ("" if apex in self.insecure else ".signed"))

    def _write_zone(self, apex):
        self._serial += 1
        plain = self.directory / (apex + ".zone")
        records = "\n".join(line.strip() for line in self.zones[apex].splitlines())
        text = (f"$ORIGIN {apex}.\n$TTL {self.ttl}\n"
                f"@ SOA ns.{apex}. hostmaster.{apex}. {self._serial} 3600 600 86400 {self.ttl}\n@ NS ns.{apex}.\nns A {self.address}\n{records}\n")
        if apex in self.insecure:
            plain.write_text(text)
            return
        if apex not in self._keys:
            made = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", apex], check=True, cwd=self.directory,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self._keys[apex] = made.stdout.decode().strip()
        plain.write_text(text)
        signed = plain.with_suffix(".zone.new")
        subprocess.run(["ldns-signzone", "-f", str(signed), "-o", apex, str(plain), self._keys[apex]], check=True, cwd=self.directory,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = signed.read_text().splitlines(keepends=True)
        signed.write_text("".join(self._damaged(line, apex) for line in lines))
        signed.replace(self._file(apex))

    def _damaged(self, line, apex):
        """A signature of a bogus name with some of its octets changed; other lines as they are."""
        match = re.match(r"(\S+)\.\s+\d+\s+IN\s+RRSIG\s", line)
        if not match or not (apex in self.bogus or match[1].lower() in self.bogus):
            return line
        return re.sub(r"(\S{8})(\S*)\s*$", lambda m: ("AAAAAAAA" if m[1] != "AAAAAAAA" else "BBBBBBBB") + m[2] + "\n", line)

    def _configure(self):
        folder = self.directory
        zones = f'zone:\n  name: "."\n  zonefile: "{folder}/root.zone"\n'
        zones += "".join(f'zone:\n  name: "{apex}"\n  zonefile: "{self._file(apex)}"\n' for apex in self.zones)
        (folder / "nsd.conf").write_text(f"""
server:
  ip-address: {self.address}
  port: {self.authority_port}
  do-ip6: no
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  zonelistfile: "{folder}/nsd.zones"
  xfrdfile: "{folder}/nsd.xfrd"
  xfrdir: "{folder}"
  logfile: "{folder}/nsd.log"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
{zones}""")
        stubs = "".join(f'stub-zone:\n  name: "{apex}"\n  stub-addr: {self.address}@{self.authority_port}\n' for apex in self.zones)
        anchors = "".join(f'  trust-anchor-file: "{folder / (key + ".ds")}"\n' for key in self._keys.values())
        transparent = "".join(f'  local-zone: "{apex}." nodefault\n' for apex in self._default_zones())
        transparent += "".join(f"  {line}\n" for line in self.resolver_lines)
        (folder / "unbound.conf").write_text(f"""
server:
  interface: {self.address}@{self.port}
  do-ip6: no
  do-daemonize: no
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{folder}"
  use-syslog: no
  logfile: "{folder}/unbound.log"
  log-servfail: yes
  val-log-level: 2
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "validator iterator"
  qname-minimisation: no
  aggressive-nsec: no
  target-fetch-policy: "0 0 0 0 0"
  msg-cache-size: 1m
  rrset-cache-size: 1m
  so-reuseport: no
  identity: ""
{anchors}{transparent}stub-zone:
  name: "."
  stub-addr: {self.address}@{self.authority_port}
{stubs}remote-control:
  control-enable: no
""")
        (folder / "root.zone").write_text(f"$TTL {self.ttl}\n. SOA ns.invalid. root.invalid. 1 3600 600 86400 {self.ttl}\n"
                                          f". NS ns.invalid.\nns.invalid. A {self.address}\n")

    def _default_zones(self):
        """unbound answers for these itself unless told otherwise (RFC 6303, RFC 6761)."""
        tops = {"test", "invalid", "onion", "localhost", "home.arpa"}
        reverse = {apex for apex in self.zones if apex.endswith(".arpa")}   # of addresses for documentation and private ones
        return sorted({top for top in tops for apex in self.zones if apex == top or apex.endswith("." + top)} | reverse)

    # Processes.

    def _run(self, name, command, port):
        log = (self.directory / f"{name}.out.log").open("ab")
        with log:
            # Should the test be killed, they end with it.
            self._processes[name] = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                     env=dict(os.environ, PATH=_SBIN), start_new_session=True)
        process = self._processes[name]
        apexes = list(self.zones)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if all(self._answers(apex, port) for apex in apexes) and process.poll() is None:
                return True
            time.sleep(0.02)
        return False

    def _answers(self, apex, port):
        query = dns.message.make_query(apex, "SOA")
        try:
            response = dns.query.udp(query, self.address, timeout=0.5, port=port)
        except (OSError, dns.exception.DNSException):
            return False
        # A zone that nsd has not read yet is SERVFAIL or REFUSED; a bogus one stays SERVFAIL at the resolver.
        return response.rcode() == dns.rcode.NOERROR or port == self.port and response.rcode() == dns.rcode.SERVFAIL

    def _soa_serial(self, apex, port):
        try:
            response = dns.query.udp(dns.message.make_query(apex, "SOA"), self.address, timeout=0.5, port=port)
        except (OSError, dns.exception.DNSException):
            return None
        return response.answer[0][0].serial if response.answer else None

    def _is_forgotten(self, apex, serial):
        if apex in self.bogus:
            return self._answers(apex, self.port)
        return self._soa_serial(apex, self.port) == serial

    @staticmethod
    def _wait(condition, complaint, timeout=30):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(complaint)
            time.sleep(0.02)

    def _stop(self, name):
        process = self._processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # nsd has children of its own, all in the session made for them.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main():
    """Reads one line of JSON ({"zones": {...}, "insecure": [...], "bogus": [...]}), says where it listens, and runs until its input ends."""
    with World(**json.loads(sys.stdin.readline())) as world:
        print(json.dumps({"address": world.address, "port": world.port}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
