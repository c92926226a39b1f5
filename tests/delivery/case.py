"""What a case file says: read, checked and completed. The format is described in README.md."""

import dataclasses
import pathlib
import re
import tomllib

# A case must say what it is about: a clause, or the id of a requirement.
CITATION = re.compile(r"\b(RFC \d{3,4}|(SMTP|EXT|TLS|DA|STS|RPT|RT|DSN|AUTH|PR)-\d)")
DISPOSITIONS = ("delivered", "deferred", "failed")

# Settings that several cases share; one daemon serves all cases of equal settings.
PATIENT = {"delivery": {"timeouts": {k: "15s" for k in ("connect", "tls_handshake", "greeting", "command", "data", "data_block",
                                                      "end_of_data")}},
           "dns": {"timeout": "5s", "tries": 2}}
SETTINGS = {
    "usual": {},
    # For servers that say nothing.
    "impatient": {"delivery": {"timeouts": {k: "3s" for k in PATIENT["delivery"]["timeouts"]}}},
    # For what is tried again.
    "quick": {"retry": {"first": "200ms", "max": "400ms", "grey": "200ms", "auth_first": "200ms", "auth_max": "400ms", "jitter": 0.0}},
    # Loopback is refused, as everywhere but in tests; so nothing at all is delivered.
    "public": {"delivery": {"allow_private_addresses": False}},
    "tls-required": {"delivery": {"tls": "required"}},
    "no-tls": {"delivery": {"tls": "none"}},
    "strict-5xx": {"retry": {"strict_5xx": True}},
    # The DNS server is believed when it says that an answer is authentic; certificates of the tests' authority are trusted.
    "secure-dns": {"dns": {"trust_ad": True}, "delivery": {"tls_ca_file": "{ca}"}},
    "secure-dns-silent": {"dns": {"trust_ad": True, "timeout": "500ms"}},
    # MTA-STS policies are fetched from where the tests serve them.
    "sts": {"delivery": {"tls_ca_file": "{ca}", "mta_sts_port": "{https}"}},
    "sts-secure-dns": {"dns": {"trust_ad": True}, "delivery": {"tls_ca_file": "{ca}", "mta_sts_port": "{https}"}},
    # Certificates of the tests' authority are trusted: for relays.
    "trusting": {"delivery": {"tls_ca_file": "{ca}"}},
    "chunking": {"delivery": {"chunking": "auto"}},
    # A resolver that is broken as a whole, or seems to be: such an answer may cost all who ask it at that moment.
    "broken-dns": {"dns": {"timeout": "500ms"}},
    "short-life": {"queue": {"lifetime": "2s"}, "retry": {"first": "200ms", "max": "400ms", "jitter": 0.0}},
}

RULE = re.compile(r"(?P<stage>[a-z]+)(\((?P<who>[^)]*)\))?(\s+x(?P<times>\d+))?(\s+over (?P<over>\d+))?\s+(?P<what>.*)", re.DOTALL)
STAGES = ("connect", "ehlo", "helo", "starttls", "mail", "rcpt", "data", "inside", "dot", "rset", "quit", "auth", "bdat")


class Wrong(Exception):
    """The case file is at fault."""


def octets(text):
    r"""The octets that a script's text stands for: \r \n \t \0 \xHH \\, and {1000*ab} repeats."""
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), text)
    names = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
    text = re.sub(r"\\(x[0-9A-Fa-f]{2}|[rnt0\\])", lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else names[m[1]], text)
    return text.encode("latin-1")


def rule(text):
    """A line of a server's script as keyword arguments of Sink.rule."""
    match = RULE.fullmatch(text)
    if not match or match["stage"] not in STAGES:
        raise Wrong(f"no rule: {text!r}")
    how = {"stage": match["stage"], "times": int(match["times"] or -1)}
    if match["over"]:
        how["over"] = int(match["over"])
    if match["who"]:
        how["sender" if match["stage"] == "mail" else "recipient"] = match["who"]
    what = match["what"].strip()
    if m := re.match(r"after ([\d.]+)s(\s+|$)", what):
        how["delay"] = float(m[1])
        what = what[m.end():]
    if what.startswith("kept"):   # the server has the message, whatever it says
        how["keep"] = True
        what = what[4:].strip()
    if what == "drop":
        how["drop"] = "before"
    elif what == "stall":
        how["stall"] = True
    elif what == "garbage":
        how["garbage"] = True
    elif what.startswith("raw "):
        how["raw"] = octets(what[4:])
    elif m := re.fullmatch(r"(?:(\d\d\d[ -].*) )?then drop", what, re.DOTALL):
        how["reply"], how["drop"] = m[1] or "", "after"
    elif re.match(r"\d\d\d[ -]", what):
        how["reply"] = octets(what).decode("utf-8", "surrogateescape")
    elif what or len(how) <= 2:
        raise Wrong(f"no action: {text!r}")
    return how


@dataclasses.dataclass(eq=False)
class Server:
    name: str
    rules: list
    starttls: bool = True
    implicit: bool = False       # TLS from the first octet
    listening: bool = True
    extensions: list = None      # instead of the usual ones
    without: list = dataclasses.field(default_factory=list)
    more: list = dataclasses.field(default_factory=list)
    certificate: str = "self-signed"
    address: str = ""            # "::1"; else some loopback address of its own
    tls_max: str = ""            # "1.1"


@dataclasses.dataclass(eq=False)
class Case:
    name: str
    path: pathlib.Path
    about: str
    settings: dict
    servers: dict
    zone: str
    secure: list
    message: dict
    to: list
    rounds: int
    retries: int
    policy: dict      # of MTA-STS, or None
    tables: dict      # [[provider]], [[relay]] and [[route]] of its own
    expect: dict

    @property
    def domain(self):
        return f"{self.name}.test"

    @property
    def sender(self):
        return self.message.get("sender", f"{self.name}@example.test")

    def address(self, recipient):
        """As it goes over the wire and into the log: with A-labels."""
        local, at, domain = recipient.rpartition("@")
        return f"{local}@{domain.encode('idna').decode()}" if at else f"{recipient}@{self.domain}"


def outcome(text):
    """"failed class=rcpt-perm reply=550 5.1.1": (disposition, {key: regex})."""
    word, _, rest = text.partition(" ")
    if word.rstrip("*") not in DISPOSITIONS:   # "deferred*": once or more often
        raise Wrong(f"an outcome is one of {', '.join(DISPOSITIONS)}, not {text!r}")
    facts = {}
    while rest:
        key, equals, rest = rest.strip().partition("=")
        if not equals:
            raise Wrong(f"{text!r}: key=value expected")
        if key == "reply":
            facts[key], rest = rest, ""
        else:
            facts[key], _, rest = rest.partition(" ")
    return word, facts


def merged(base, more):
    result = dict(base)
    for key, value in more.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


KEYS = {"about", "settings", "servers", "rules", "starttls", "listening", "extensions", "without", "more", "certificate", "tls_max",
        "zone", "secure", "message", "rounds", "retries", "policy", "provider", "relay", "route", "expect"}
POLICY = {"mode", "mx", "max_age", "text", "status", "content_type", "certificate", "hang", "record", "listening"}
EXPECTED = {"attempts", "to", "copies", "dsn", "dsn_says", "log", "says", "never", "asked", "not_asked", "received", "unsigned"}


def read(path):
    path = pathlib.Path(path)
    try:
        return _read(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except (Wrong, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as fault:
        raise Wrong(f"{path.name}: {fault}") from None


def _read(path, table):
    if unknown := set(table) - KEYS:
        raise Wrong(f"unknown keys: {', '.join(sorted(unknown))}")
    name = path.stem
    if not re.fullmatch(r"[a-z0-9-]{1,60}", name):
        raise Wrong("a case's name is part of its domain: only a-z, 0-9 and '-'")
    about = table.get("about", "")
    if not CITATION.search(about):
        raise Wrong('`about` must cite what the case shows: "RFC 5321 s5.1: ..." or a requirement\'s id')
    settings = table.get("settings", "usual")
    settings = merged(PATIENT, SETTINGS[settings] if isinstance(settings, str) else settings)
    servers = {}
    single = {k: table[k] for k in ("starttls", "listening", "extensions", "without", "more", "certificate", "tls_max") if k in table}
    for server, facts in (table.get("servers") or {"mx1": single | {"rules": table.get("rules", [])}}).items():
        facts = dict(facts)
        servers[server] = Server(server, [rule(r) for r in facts.pop("rules", [])], **facts)
    if table.get("servers") and (single or "rules" in table):
        raise Wrong("with [servers.NAME] each server has its own keys")
    zone = table.get("zone")
    if zone is None:
        zone = "".join(f"@ MX {10 * (n + 1)} {s}\n{s} A {{{s}}}\n" for n, s in enumerate(servers))
    secure = table.get("secure", [])
    message = table.get("message", {})
    expect = dict(table["expect"])
    to = message.get("to") or [r for r in expect.get("to", {})]
    expect["to"] = {r: [outcome(o) for o in ([text] if isinstance(text, str) else text)] for r, text in expect.get("to", {}).items()}
    if unknown := set(expect) - EXPECTED:
        raise Wrong(f"unknown in [expect]: {', '.join(sorted(unknown))}")
    if set(expect["to"]) != set(to) or not to:
        raise Wrong("[expect.to] must say what becomes of each recipient, and nothing else")
    if "attempts" not in expect:
        raise Wrong("[expect] must say which servers are asked: attempts = [...]")
    lost = [r for r, o in expect["to"].items() if o[-1][0] == "failed"]
    if lost and "dsn" not in expect and message.get("sender") != "":
        raise Wrong(f"{', '.join(lost)} failed: [expect] must say what the sender is told: dsn = [...]")
    policy = table.get("policy")
    if policy is not None and (unknown := set(policy) - POLICY):
        raise Wrong(f"unknown in [policy]: {', '.join(sorted(unknown))}")
    tables = {"provider": [{"mx": [f"*.{name}.test"]} | dict(p) for p in table.get("provider", [])], "relay": [dict(r) for r in table.get("relay", [])], "route": [dict(r) for r in table.get("route", [])]}
    own = {r["name"] for r in tables["relay"]}
    providers = {p["name"] for p in tables["provider"]}
    for entry in tables["provider"] + tables["relay"]:   # many cases share a daemon: names are the case's own, and so is the mail that a route is about
        entry["name"] = f"{name}-{entry['name']}"
    for entry in tables["route"]:
        if not {"recipients", "senders", "providers"} & set(entry):
            entry["recipients"] = [name + ".test"]
        entry |= {k: f"{name}-{entry[k]}" for k in ("to", "fallback") if entry.get(k) in own}
        if "providers" in entry:
            entry["providers"] = [f"{name}-{p}" if p in providers else p for p in entry["providers"]]
    return Case(name, path, about, settings, servers, zone, [name + ".test"] if secure is True else secure or [], message, to,
                table.get("rounds", 1), table.get("retries", 0), policy, tables, expect)
