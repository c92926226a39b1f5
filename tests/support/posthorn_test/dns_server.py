#!/usr/bin/env python3
"""A throwaway authoritative DNS server for loopback: answers from a table that may change while it runs."""

import argparse
import json
import signal
import socket
import struct
import sys
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset


def quoted_txt(text):
    """A TXT value in presentation form, cut into strings of at most 255 octets."""
    pieces = [text[i:i + 255] for i in range(0, len(text), 255)] or [""]
    return " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces)


class DnsServer:
    """Answers UDP and TCP on one port. Names that are not in the table are NXDOMAIN; `*.zone` matches what nothing else does."""

    def __init__(self, address="127.0.0.1", port=0, ttl=5, negative_ttl=None):
        self._lock = threading.Lock()
        self._table = {}       # lower-case name without final dot -> {type: [text]}
        self._failures = {}    # (name, type or "") -> how (see fail) and how often from now on; -1: always
        self._ttl = ttl
        self._negative_ttl = negative_ttl   # with an SOA that says how long "there is none" holds; None: without one, so nobody keeps it
        self.authentic = False  # set the AD bit: as a validating resolver does for signed zones
        self.secure = set()     # ... or only for these names and what is below them
        self.queries = []      # (name, type), oldest first, at most 100000
        self._udp, self._tcp = self._bind(address, port)
        self.address, self.port = self._udp.getsockname()[:2]
        self._stopping = False
        self._threads = [threading.Thread(target=self._serve_udp, daemon=True),
                         threading.Thread(target=self._serve_tcp, daemon=True)]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _bind(address, port):
        for attempt in range(20):
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                udp.bind((address, tcp.getsockname()[1]))
            except OSError:
                tcp.close()
                udp.close()
                if port or attempt == 19:
                    raise
                continue
            tcp.listen(16)
            return udp, tcp
        raise OSError("no free port")

    # --- the table ---------------------------------------------------------------------------------------------------

    def set(self, name, rtype, *values):
        """Replaces the records of that name and type. TXT values are plain text; the rest is in presentation form."""
        with self._lock:
            self._table.setdefault(name.lower().rstrip("."), {})[rtype.upper()] = [str(v) for v in values]

    def mx(self, domain, *hosts):
        """mx("example.test", ("mx1.example.test", "127.0.0.2"), ...): MX 10, 20, ... and an A (or AAAA) record of each."""
        self.set(domain, "MX", *(f"{10 * (i + 1)} {host}" for i, (host, _) in enumerate(hosts)))
        for host, address in hosts:
            self.set(host, "AAAA" if ":" in address else "A", address)

    def remove(self, name, rtype=None):
        with self._lock:
            if rtype is None:
                self._table.pop(name.lower(), None)
            else:
                self._table.get(name.lower(), {}).pop(rtype.upper(), None)

    def fail(self, name, how, rtype="", times=-1):
        """Misbehaves when asked for that name (and type, if one is given), the next so many times; None ends it.

        servfail, refused, formerr, nxdomain: that answer; silent: none; truncate: over UDP, truncate-silent: and none over TCP;
        lame: no answer but a referral to somebody else; garbage: octets that are no DNS message; wrong-id, wrong-question:
        somebody else's answer; slow: after 0.4 s; held: the right one, when the failure is taken away.
        """
        with self._lock:
            if how is None:
                self._failures.pop((name.lower(), rtype.upper()), None)
            else:
                self._failures[(name.lower(), rtype.upper())] = [how, times]

    def _failure(self, name, rtype):
        for key in ((name, rtype), (name, "")):
            entry = self._failures.get(key)
            if entry and entry[1]:
                entry[1] -= entry[1] > 0
                return entry[0]
        return None

    def _is_secure(self, name):
        return self.authentic or any(name == s or name.endswith("." + s) for s in self.secure)

    def load(self, text):
        """Adds records from lines "name TYPE value"; # starts a comment."""
        table = {}
        for line in text.splitlines():
            line = line.split("#", 1)[0].strip() if not '"' in line else line.strip()
            if line:
                name, rtype, value = line.split(None, 2)
                table.setdefault((name.lower().rstrip("."), rtype.upper()), []).append(value.strip('"'))
        for (name, rtype), values in table.items():
            self.set(name, rtype, *values)

    def txt(self, name):
        """The joined TXT record of a name as bytes, or None; for verifiers that take a look-up function."""
        with self._lock:
            values = self._table.get(name.lower().rstrip("."), {}).get("TXT")
        return values[0].encode() if values else None

    def asked(self, name, rtype):
        with self._lock:
            return sum(1 for q in self.queries if q == (name.lower(), rtype.upper()))

    # --- answers -----------------------------------------------------------------------------------------------------

    def _records(self, name):
        entry = self._table.get(name)
        if entry is None:
            labels = name.split(".")
            for i in range(1, len(labels)):
                entry = self._table.get("*." + ".".join(labels[i:]))
                if entry is not None:
                    break
        return entry

    def _exists_below(self, name):
        return any(known.endswith("." + name) for known in self._table)

    def answer(self, wire, tcp):
        query = dns.message.from_wire(wire, ignore_trailing=True)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        rtype = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        with self._lock:
            if len(self.queries) < 100000:
                self.queries.append((name, rtype))
            failure = self._failure(name, rtype)
        if failure == "silent" or (failure == "truncate-silent" and tcp):
            return None
        if failure == "slow":
            time.sleep(0.4)
        while failure == "held" and not self._stopping:
            time.sleep(0.01)
            with self._lock:
                failure = self._failure(name, rtype)
        if failure == "garbage":
            return wire[:2] + b"this is no DNS message" * 3
        if failure in ("servfail", "refused", "formerr", "nxdomain"):
            response.set_rcode(dns.rcode.from_text(failure.upper()))
            return response.to_wire()
        if failure == "lame":
            response.flags &= ~(dns.flags.AA | dns.flags.RA)
            response.authority.append(dns.rrset.from_text(name + ".", 60, "IN", "NS", "ns.elsewhere.test."))
            return response.to_wire()
        if failure in ("truncate", "truncate-silent") and not tcp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        if failure == "wrong-id":
            response.id ^= 1
        if failure == "wrong-question":
            response.question[0].name = dns.name.from_text("somebody.else.test.")
        with self._lock:
            owner, secure = name, True
            for _ in range(9):
                secure = secure and self._is_secure(owner)
                entry = self._records(owner)
                if entry is None:
                    if not self._exists_below(owner):
                        response.set_rcode(dns.rcode.NXDOMAIN)
                    break
                if rtype in entry:
                    self._add(response, owner, rtype, entry[rtype])
                    break
                if "CNAME" not in entry:
                    break
                self._add(response, owner, "CNAME", entry["CNAME"])
                owner = entry["CNAME"][0].lower().rstrip(".")
            if not response.answer and self._negative_ttl is not None:
                soa = f"ns.test. hostmaster.test. 1 3600 600 86400 {self._negative_ttl}"
                response.authority.append(dns.rrset.from_text(owner.rpartition(".")[2] + ".", self._negative_ttl, "IN", "SOA", soa))
        if secure:
            response.flags |= dns.flags.AD
        if tcp:
            return response.to_wire(max_size=65535)
        limit = query.payload if query.edns >= 0 else 512
        try:
            return response.to_wire(max_size=max(limit, 512))
        except dns.exception.TooBig:
            short = dns.message.make_response(query, recursion_available=True)
            short.flags |= dns.flags.AA | dns.flags.TC | (response.flags & dns.flags.AD)
            return short.to_wire()

    def _add(self, response, owner, rtype, values):
        texts = [quoted_txt(v) if rtype == "TXT" else v for v in values]
        response.answer.append(dns.rrset.from_text_list(owner + ".", self._ttl, "IN", rtype, texts,
                                                        origin=dns.name.root, relativize=False))

    def _reply(self, wire, tcp):
        try:
            return self.answer(wire, tcp)
        except Exception as error:  # a malformed query must not end the server
            print(f"dns_server: {type(error).__name__}: {error}", file=sys.stderr)
            return None

    def _serve_udp(self):
        while not self._stopping:
            try:
                wire, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            if self._stopping:
                return
            if any(entry[0] in ("slow", "held") for entry in list(self._failures.values())):   # it must not hold up the others
                threading.Thread(target=self._answer_udp, args=(wire, peer), daemon=True).start()
            else:
                self._answer_udp(wire, peer)

    def _answer_udp(self, wire, peer):
        reply = self._reply(wire, False)
        if reply is not None:
            try:
                self._udp.sendto(reply, peer)
            except OSError:
                pass

    def _serve_tcp(self):
        while not self._stopping:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(10)
            stream = connection.makefile("rb")
            try:
                while True:
                    head = stream.read(2)
                    if len(head) < 2:
                        return
                    reply = self._reply(stream.read(struct.unpack("!H", head)[0]), True)
                    if reply is None:
                        return
                    connection.sendall(struct.pack("!H", len(reply)) + reply)
            except OSError:
                return

    def stop(self):
        self._stopping = True
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT")
    parser.add_argument("--records", metavar="FILE", help='lines "name TYPE value", read again at SIGHUP')
    arguments = parser.parse_args()
    address, _, port = arguments.listen.rpartition(":")
    server = DnsServer(address, int(port))

    def read(*_):
        if arguments.records:
            with open(arguments.records, encoding="utf-8") as file:
                server.load(file.read())

    read()
    signal.signal(signal.SIGHUP, read)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(json.dumps({"event": "listening", "address": server.address, "port": server.port}), flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
