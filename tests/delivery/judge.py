"""What was seen of a case against what it expects; and proof that the comparison notices."""

import copy
import dataclasses
import email
import re


@dataclasses.dataclass
class Seen:
    attempts: list     # [{"server", "tls", "sni", "commands", "accepted"}], in the order of their connections
    outcomes: dict     # recipient -> [{"disposition", "class", "stage", "host", "reply"}], from the log
    copies: dict       # recipient -> [sink.Message]
    dsns: list         # [(action, recipient, status)]
    reports: list      # the octets of all reports
    log: list          # lines about the case
    asked: set         # (name, type) of DNS
    unsigned: int = 0  # messages without a good signature


def reported(octets):
    """(action, recipient, status) of each recipient that a report is about."""
    found = []
    for part in email.message_from_bytes(octets).walk():
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        text = part.as_bytes().replace(b"\r\n", b"\n").split(b"\n\n", 1)[1].decode("utf-8", "replace")
        for block in text.split("\n\n"):   # one for the message, then one for each recipient
            fields = dict(re.findall(r"(?m)^([\w-]+): *(.*)$", block))
            if "Final-Recipient" in fields:
                recipient = fields["Final-Recipient"].split(";", 1)[1].strip()
                recipient = re.sub(r"\\x\{([0-9A-F]+)\}", lambda m: chr(int(m[1], 16)), recipient)   # RFC 6533 s3
                found.append((fields["Action"], recipient, fields["Status"]))
    return found


def judge(case, seen):
    """All that is not as expected, in words."""
    expect, faults = case.expect, []
    faults += _attempts(expect["attempts"], seen.attempts)
    for recipient, outcomes in expect["to"].items():
        faults += _outcomes(case, recipient, outcomes, seen.outcomes.get(recipient, []))
        wanted = expect.get("copies", {}).get(recipient, sum(1 for word, _ in outcomes if word == "delivered"))
        if len(seen.copies.get(recipient, [])) != wanted:
            faults.append(f"{recipient} has {len(seen.copies.get(recipient, []))} copies, not {wanted}")
    wanted = sorted(tuple(text.split()) for text in expect.get("dsn", []))
    got = sorted((action, recipient.replace("@" + case.domain, ""), status) for action, recipient, status in seen.dsns)
    if wanted != got:
        faults.append(f"reported: {got}, not {wanted}")
    said = b"\n".join(seen.reports).decode("utf-8", "replace")
    faults += [f"no report says {regex!r}" for regex in expect.get("dsn_says", []) if not re.search(regex, said)]
    faults += [f"no line of the log says {regex!r}" for regex in expect.get("log", [])
               if not any(re.search(regex, line) for line in seen.log)]
    commands = [f"{a['server']}: {c}" for a in seen.attempts for c in a["commands"]]
    faults += [f"no command {regex!r}" for regex in expect.get("says", []) if not any(re.search(regex, c) for c in commands)]
    faults += [f"a command {regex!r}" for regex in expect.get("never", []) if any(re.search(regex, c) for c in commands)]
    faults += [f"{q} was not asked" for q in expect.get("asked", []) if not _was_asked(case, q, seen)]
    faults += [f"{q} was asked" for q in expect.get("not_asked", []) if _was_asked(case, q, seen)]
    octets = b"\n".join(m.data for copies in seen.copies.values() for m in copies).decode("utf-8", "replace")
    faults += [f"nothing received says {regex!r}" for regex in expect.get("received", []) if not re.search(regex, octets)]
    if not expect.get("unsigned") and seen.unsigned:
        faults.append(f"{seen.unsigned} messages arrived without a good signature")
    return faults


def _was_asked(case, text, seen):
    """"NAME TYPE"; TLSA is asked for at the name's port, whichever that is: _25._tcp.NAME."""
    name, rtype = text.split()
    name = case.domain if name == "@" else name[:-1] if name.endswith(".") else f"{name}.{case.domain}"
    return any(t == rtype and (re.sub(r"^_\d+\._tcp\.", "", n) if t == "TLSA" else n) == name for n, t in seen.asked)


def _attempts(wanted, seen):
    """Each wanted one is "SERVER|SERVER... [tls|clear] [sni=NAME]", in order."""
    shown = ", ".join(f"{a['server']} {'tls' if a['tls'] else 'clear'}" for a in seen) or "none"
    if len(wanted) != len(seen):
        return [f"attempts: {shown}; not {', '.join(wanted) or 'none'}"]
    taken = []
    for text, attempt in zip(wanted, seen):
        servers, *facts = text.split()
        fits = attempt["server"] in servers.split("|") and not ("|" in servers and attempt["server"] in taken)
        taken.append(attempt["server"])
        for fact in facts:
            if fact in ("tls", "clear"):
                fits = fits and bool(attempt["tls"]) == (fact == "tls")
            elif fact.startswith("sni="):
                fits = fits and attempt["sni"] == fact[4:]
            else:
                return [f"no such thing to expect of an attempt: {fact}"]
        if not fits:
            return [f"attempts: {shown}; not {', '.join(wanted)}"]
    return []


def _outcomes(case, recipient, wanted, seen):
    shown = "; ".join(f"{o['disposition']} class={o.get('class')} stage={o.get('stage')} host={o.get('host')} reply={o.get('reply')}"
                      for o in seen) or "nothing"
    def is_as(word, facts, outcome):
        if word.rstrip("*") != outcome["disposition"]:
            return False
        for key, regex in facts.items():
            value = outcome.get(key) or ""
            if key == "host":
                fits = value.startswith(f"{regex}.{case.domain}[")
            elif key == "reply":
                fits = re.search(regex, value) is not None
            else:
                fits = value == regex
            if not fits:
                return False
        return True

    position, fits = 0, True
    for word, facts in wanted:
        matched = 0
        while position < len(seen) and (matched == 0 or word.endswith("*")) and is_as(word, facts, seen[position]):
            position, matched = position + 1, matched + 1
        fits = fits and matched > 0
    return [] if fits and position == len(seen) else [f"{recipient}: {shown}; not {'; '.join(w + ' ' + str(f) for w, f in wanted)}"]


def unnoticed(case, seen):
    """Changes every expectation of a case in turn; returns those changes that the comparison does not notice."""
    missed = []

    def check(what, change):
        mutant = copy.copy(case)
        mutant.expect = copy.deepcopy(case.expect)
        change(mutant.expect)
        if not judge(mutant, seen):
            missed.append(what)

    check("one attempt more", lambda e: e["attempts"].append(next(iter(case.servers), "mx1")))
    if case.expect["attempts"]:
        check("one attempt less", lambda e: e["attempts"].pop())
        check("another server", lambda e: e["attempts"].__setitem__(0, "elsewhere"))
    for index, text in enumerate(case.expect["attempts"]):
        for word, other in (("tls", "clear"), ("clear", "tls")):
            if text.split()[1:2] == [word]:
                check("other TLS", lambda e, i=index, t=text, w=word, o=other: e["attempts"].__setitem__(i, t.replace(w, o, 1)))
    for recipient, outcomes in case.expect["to"].items():
        for index, (word, facts) in enumerate(outcomes):
            other = "failed" if word != "failed" else "delivered"
            check(f"{recipient} {other}", lambda e, r=recipient, i=index, o=other, f=facts: e["to"][r].__setitem__(i, (o, f)))
            for key in facts:
                check(f"{recipient} other {key}", lambda e, r=recipient, i=index, w=word, f=facts, k=key:
                      e["to"][r].__setitem__(i, (w, f | {k: "something-else"})))
        check(f"{recipient} tried once more", lambda e, r=recipient: e["to"][r].append(("delivered", {})))
        check(f"copies of {recipient}", lambda e, r=recipient: e.setdefault("copies", {}).__setitem__(r, 7))
    check("one report more", lambda e: e.setdefault("dsn", []).append("failed somebody 5.0.0"))
    if case.expect.get("dsn"):
        check("one report less", lambda e: e["dsn"].pop())
    for key in ("dsn_says", "log", "says", "received"):
        check(f"other words in {key}", lambda e, k=key: e.setdefault(k, []).append("words that nobody says"))
    if any(a["commands"] for a in seen.attempts):
        check("a command that is said", lambda e: e.setdefault("never", []).append("."))
    check("a name nobody asked for", lambda e: e.setdefault("asked", []).append("nobody-asks-for-this. TXT"))
    return missed
