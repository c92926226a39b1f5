"""The worlds of tests/worlds (see the README.md there) as records, for real name servers: what tests/support/dns_world.hpp is for pure tests."""

import base64
import pathlib
import re
import subprocess
import tomllib

import dns.name
import dns.rdata

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "worlds"


def public_base64(key):
    """What stands behind p= for keys/KEY.pem (RFC 6376 s3.6.1, RFC 8463 s4.2)."""
    der = subprocess.run(["openssl", "pkey", "-in", str(FOLDER / "keys" / f"{key}.pem"), "-pubout", "-outform", "DER"], check=True,
                         stdout=subprocess.PIPE).stdout
    return base64.b64encode(der[-32:] if key.startswith("ed25519") else der).decode()


def _with_keys(text):
    def value(match):
        key, part, how = match[1], match[2], match[3]
        p = public_base64(key)
        if part:
            p = p[200 * (int(part) - 1):200 * int(part)]
        if how:
            p = p[:50] + ("B" if p[50] == "A" else "A") + p[51:]
        return p
    return re.sub(r"\$\{([a-z0-9-]+)(?:\.(\d))?(:wrong)?\}", value, text)


def _records(text):
    """{(name, type): [(ttl, data)]} of zone-file text, one record a line, with absolute names."""
    found, default = {}, 3600
    for line in _with_keys(text).splitlines():
        words = line.split(None, 1)
        if not words or words[0].startswith(";"):
            continue
        if words[0] == "$TTL":
            default = int(words[1])
            continue
        ttl, kind, data = re.fullmatch(r"(?:(\d+)\s+)?([A-Z0-9]+)\s+(.*)", words[1]).groups()
        if kind == "TXT":
            data = data.strip("() ")
        value = dns.rdata.from_text("IN", kind, data, origin=dns.name.root, relativize=False)
        found.setdefault((words[0].rstrip(".").lower(), kind), []).append((int(ttl or default), value.to_text()))
    return found


class World:
    def __init__(self, base, file, table):
        self.name, self.kind, self.expect = table["name"], file["kind"], table.get("expect", [])
        self.sender = {**base["sender"], **file.get("sender", {}), **table.get("sender", {})}
        if "domain" in table.get("sender", {}) and "envelope" not in table["sender"]:
            self.sender["envelope"] = self.sender["domain"]
        self.records = _records(table.get("zones") or file.get("zones") or base["zones"])
        self._add(file.get("add", ""))
        for what in table.get("remove", []):
            name, _, kind = what.partition(" ")
            gone = [key for key in self.records if name == "*" or key[0] == name and kind in ("*", key[1])]
            assert gone, f"{self.name}: nothing to remove: {what}"
            for key in gone:
                del self.records[key]
        self._add(table.get("add", ""))
        self.resolver = table.get("resolver", {})
        self.only_pure = "silent" in table or "server1" in table or "server2" in table   # the test's name server has no such moods

    def _add(self, text):
        for key, values in _records(text).items():
            self.records.setdefault(key, []).extend(values)

    def zones(self):
        """apex -> records for dnssec.World, and the apexes of strangers, which are not signed."""
        apexes = {name for name, kind in self.records if kind == "SOA"}
        strangers = set()
        zones = {}
        for (name, kind), values in self.records.items():
            apex = max((a for a in apexes if name == a or name.endswith("." + a)), key=len, default=None)
            if apex is None:
                apex = ".".join(name.split(".")[-2:])
                strangers.add(apex)
            lines = zones.setdefault(apex, [])
            if kind == "SOA" or (kind == "NS" and name == apex):
                continue   # dnssec.World has its own
            lines += [f"{name}. {ttl} {kind} {data}" for ttl, data in values]
        return {apex: "\n".join(lines) for apex, lines in zones.items()}, sorted(strangers)

    def resolver_lines(self):
        """What unbound is to say of its own, in its configuration's words: as if it remembered, or had a view of its own."""
        lines = []
        for (name, kind), values in _records(self.resolver.get("has", "")).items():
            lines.append(f'local-zone: "{name}." typetransparent')
            lines += [f"local-data: '{name}. {ttl} IN {kind} {data}'" for ttl, data in values]
        lines += [f'local-zone: "{what.split()[0]}." always_nxdomain' for what in self.resolver.get("denies", [])]
        return lines


def read(kind):
    """name -> World, of all files of a kind."""
    base = tomllib.loads((FOLDER / "base.toml").read_text())
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        file = tomllib.loads(path.read_text())
        if file.get("kind") == kind:
            found.update({table["name"]: World(base, file, table) for table in file["world"]})
    return found
