#!/usr/bin/env python3
"""Runs the delivery cases (cases/*.toml): a zone, servers that misbehave, a message; and what must become of it."""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import case as cases  # noqa: E402
import judge as judging  # noqa: E402
from posthorn_test import certs, daemon as posthorn, dns_server, https_server, sink, verify  # noqa: E402
from posthorn_test.smtp import stuffed  # noqa: E402

AT_ONCE = 24       # cases under way
PATIENCE = 90.0    # seconds for a case; none needs a tenth of it on a machine with nothing else to do
HOME = "example.test"   # our own domain, where reports go
FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


class Log:
    """The daemon's log, each line looked at once and kept by the message and by the domain it is about."""

    def __init__(self, daemon, domains):
        self._daemon, self._domains = daemon, re.compile(r"[a-z0-9-]+(?=\.test\b)")
        self._known = set(domains)
        self._lock = threading.Lock()
        self._seen = 0
        self._by_id = collections.defaultdict(list)
        self._by_domain = collections.defaultdict(list)

    def _catch_up(self):
        for line in self._daemon.log_from(self._seen):
            self._seen += 1
            if identity := re.search(r" id=(\w+)", line):
                self._by_id[identity[1]].append(line)
            for name in set(self._domains.findall(line)) & self._known:
                self._by_domain[name].append(line)

    def of(self, name, ids):
        with self._lock:
            self._catch_up()
            lines = list(self._by_domain[name])
            return lines + [line for one in ids for line in self._by_id[one] if line not in lines]

    def outcomes(self, ids):
        """recipient -> what the log says became of it, each time."""
        with self._lock:
            self._catch_up()
            lines = [line for one in ids for line in self._by_id[one]]
        found = collections.defaultdict(list)
        for line in lines:
            match = re.match(r"\S+ (delivered|deferred|failed) ", line)
            if match:
                fields = {k: v[1:-1].replace('\\"', '"') if v.startswith('"') else v for k, v in FIELD.findall(line)}
                found[fields["to"]].append(fields | {"disposition": match[1]})
        return found


class Certificates:
    """One authority for all cases, and one certificate that nobody vouches for."""

    def __init__(self, directory):
        self._lock = threading.Lock()
        self.authority = certs.Authority(directory)
        self._expired = None
        self.nobodys = certs.self_signed(directory, "nobody.test")

    def of(self, kind, server, domain):
        """kind: "self-signed", "trusted [NAME...]", "expired [NAME...]", "chain [NAME...]"; "@" is the case's domain."""
        word, *names = kind.split()
        if word == "self-signed":
            return self.nobodys
        names = [domain if n == "@" else n.rstrip(".") if n.endswith(".") else f"{n}.{domain}" for n in names] or [f"{server}.{domain}"]
        with self._lock:
            return self.authority.issue(names, days=-1 if word == "expired" else 3650, chain=word == "chain")


class Group:
    """All cases of equal settings: one DNS server, one daemon, and servers that listen on one port of many addresses."""

    def __init__(self, members, certificates, verbose):
        self.members, self.certificates, self.verbose = members, certificates, verbose
        self.dns = dns_server.DnsServer()
        self.home = sink.Sink(posthorn.loopback_address(), certificate=certificates.nobodys, name=f"mx.{HOME}")
        self.port = self.home.port
        self.dns.mx(HOME, (f"mx.{HOME}", self.home.address))
        self.https_port = posthorn.free_port()
        settings = members[0].settings | {kind: found for kind in ("provider", "relay", "route")
                                          if (found := [entry for member in members for entry in member.tables[kind]])}
        for what, value in (("{ca}", str(certificates.authority.file)), ("{port}", str(self.port))):
            settings = json.loads(json.dumps(settings).replace(what, value))
        changes = json.loads(json.dumps(settings).replace('"{https}"', str(self.https_port)))
        self.daemon = posthorn.Daemon(dns=self.dns, delivery_port=self.port, domains=(HOME,), keys=("ed25519",), changes=changes)
        self.log = Log(self.daemon, [member.name for member in members])
        self.running = {}
        self.one_v6 = threading.Lock()   # there is but one ::1

    def run(self):
        """[(case, faults)]."""
        try:
            self.daemon.start()
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                faults = dict(zip(self.members, pool.map(self._play, self.members)))
            if self.daemon.process.poll() is not None:
                self.daemon.stop()
                return [(self.members[0], [f"(all of {len(self.members)} cases) the daemon has ended with "
                                           f"{self.daemon.process.returncode}:"] + self.daemon.log()[-15:])]
            if not any(faults.values()):
                faults = self._look_again()
            for runner in self.running.values():
                runner.stop()
            code = self.daemon.stop()
            reports = self.daemon.log(posthorn.SANITIZER)
            if code != 0 or reports:
                faults[self.members[-1]] = [f"the daemon ended with {code}: {'; '.join(reports)}"]
            return list(faults.items())
        finally:
            if self.daemon.process and self.daemon.process.poll() is None:
                self.daemon.kill()
            self.daemon.discard()
            self.home.stop()
            self.dns.stop()

    def _play(self, case):
        runner = self.running[case] = Runner(self, case)
        try:
            return runner.play()
        except Exception as failure:   # whatever it is, the other cases go on
            return [f"{type(failure).__name__}: {failure}"]

    def _look_again(self):
        """When all is over nothing may have happened besides: no further attempt, copy or report; the queue has what it should."""
        waiting = sum(runner.waiting() for runner in self.running.values())
        faults = {case: [] for case in self.members}
        try:
            self.daemon.wait_for_queue(waiting)
        except TimeoutError as failure:
            faults[self.members[0]] = [f"(all cases) {failure}"]
        for case, runner in self.running.items():
            seen = runner.seen(verified=True)
            faults[case] += [f"in the end: {fault}" for fault in judging.judge(case, seen)]
            if not faults[case]:
                faults[case] = [f"the case does not notice: {what}" for what in judging.unnoticed(case, seen)]
        return faults


class Runner:
    """One case."""

    def __init__(self, group, case):
        self.group, self.case = group, case
        self.servers, self.addresses, self.ids = {}, {}, []
        self.certificates = {}
        self.https = None
        self.lock = group.one_v6 if any(s.address == "::1" for s in case.servers.values()) else None

    def play(self):
        with self.lock or threading.Lock():
            try:
                self._servers()
                self._zone()
                self._policy()
                return self._deliver()
            finally:
                if self.lock:
                    self.stop()

    def _servers(self):
        for name, server in self.case.servers.items():
            if not server.listening:
                self.addresses[name] = server.address or posthorn.loopback_address()
                continue
            extensions = server.extensions
            if extensions is None:
                extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 36700160"]
            extensions = [e for e in extensions if e.split()[0] not in server.without] + server.more
            certificate = self.certificates[name] = self.group.certificates.of(server.certificate, name, self.case.domain)
            for attempt in range(20):   # an address on which that port is free
                try:
                    one = sink.Sink(server.address or posthorn.loopback_address(), port=self.group.port, starttls=server.starttls, implicit_tls=server.implicit,
                                    certificate=certificate, name=f"{name}.{self.case.domain}", extensions=extensions)
                    break
                except OSError:
                    if attempt == 19:
                        raise
            for how in server.rules:
                one.rule(**how)
            self.servers[name], self.addresses[name] = one, one.address

    def _filled(self, text):
        """The zone with addresses, digests and our own names filled in."""
        def fill(match):
            name, _, digest = match[1].partition(".")
            if name == "domain":
                return self.case.domain
            if name == "port":
                return str(self.group.port)
            if name == "ours":
                return self.group.daemon.address
            if name == "hostname":
                return "mail.example.test."
            if digest:
                certificate = self.group.certificates.authority.file if name == "ca" else self.certificates[name][0]
                return certs.tlsa_digest(certificate, digest)
            return self.addresses[name]
        return re.sub(r"\{([a-z0-9.]+)\}", fill, text)

    def _absolute(self, name):
        if name == "@":
            return self.case.domain
        return name[:-1] if name.endswith(".") else f"{name}.{self.case.domain}"

    def _zone(self):
        """Lines "NAME TYPE VALUE" and "NAME [TYPE] !HOW [xN]"; names without a final dot are within the case's domain."""
        records = collections.defaultdict(list)
        for line in self._filled(self.case.zone).splitlines():
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            if trouble := re.fullmatch(r"(\S+)(?:\s+([A-Z]+))?\s+!(\S+)(?:\s+x(\d+))?", line):
                name, rtype, how, times = trouble.groups()
                self.group.dns.fail(self._absolute(name), how, rtype or "", int(times or -1))
                continue
            name, rtype, value = line.split(None, 2)
            if rtype == "MX":
                preference, host = value.split()
                value = f"{preference} {self._absolute(host) if host != '.' else ''}."
            elif rtype == "CNAME":
                value = self._absolute(value) + "."
            records[self._absolute(name), rtype].append(value)
        for (name, rtype), values in records.items():
            self.group.dns.set(name, rtype, *values)
        for name in self.case.secure:
            self.group.dns.secure.add(name if name.endswith(".test") else self._absolute(name))

    def _policy(self):
        """Serves the domain's MTA-STS policy."""
        facts = self.case.policy
        if facts is None:
            return
        domain = self.case.domain
        self.group.dns.set(f"_mta-sts.{domain}", "TXT", facts.get("record", "v=STSv1; id=20261122T000000;"))
        certificate = self.group.certificates.of(facts.get("certificate", "trusted"), "mta-sts", domain)
        for attempt in range(20):
            try:
                self.https = https_server.HttpsServer(certificate, posthorn.loopback_address(), self.group.https_port)
                break
            except OSError:
                if attempt == 19:
                    raise
        self.group.dns.set(f"mta-sts.{domain}", "A", self.https.address)
        how = {k: facts[k] for k in ("status", "content_type", "hang") if k in facts}
        if "text" in facts:
            self.https.answer("/.well-known/mta-sts.txt", facts["text"], **how)
        else:
            self.https.policy(facts.get("mode", "enforce"), [self._absolute(m) for m in facts.get("mx", ["mx1"])],
                              facts.get("max_age", 86400), **how)
        if not facts.get("listening", True):
            self.https.stop()

    def _message(self):
        facts, case = self.case.message, self.case
        if "octets" in facts:
            return cases.octets(facts["octets"])
        to = case.address(case.to[0])
        body = cases.octets(facts["body"]) if "body" in facts else b"Hello.\r\n"
        sender = case.sender or f"{case.name}@{HOME}"
        return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {case.name}\r\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\r\n"
                f"Message-ID: <{time.monotonic_ns()}@example.test>\r\n{facts.get('header', '')}\r\n").encode() + body

    def _send(self):
        facts, case = self.case.message, self.case
        secure = bool(facts.get("requiretls") or "REQUIRETLS" in facts.get("parameters", ""))
        with self.group.daemon.client("open" if secure else "plain", timeout=60) as client:
            if secure:
                client.starttls()
                client.hello()
                client.login("alice", "correct horse")
            client.expect(250, f"MAIL FROM:<{case.sender}> {facts.get('parameters', '')}".rstrip())
            for recipient in case.to:
                address = recipient if "@" in recipient else case.address(recipient)
                client.expect(250, f"RCPT TO:<{address}> {facts.get('rcpt', {}).get(recipient, '')}".rstrip())
            client.expect(354, "DATA")
            client.send(stuffed(self._message()))
            reply = client.expect(250)
            self.ids.append(re.search(r"queued as (\w+)", reply.text)[1])
            client.quit()

    def _deliver(self):
        deadline = time.monotonic() + PATIENCE
        for _ in range(self.case.rounds):
            self._send()
            self._wait_for_outcomes(len(self.ids), deadline)
        for retry in range(self.case.retries):
            while not self._outcomes_are(len(self.ids) + retry + 1):
                self.group.daemon.command("queue", "retry", self.ids[0], check=False)
                time.sleep(0.2)
                if time.monotonic() > deadline:
                    return [f"no outcome after retry {retry + 1}"] + judging.judge(self.case, self.seen())
        while faults := judging.judge(self.case, self.seen()):
            if time.monotonic() > deadline or self.group.daemon.process.poll() is not None:
                return faults + ["the log:"] + self.group.log.of(self.case.name, self.ids)[-25:]
            time.sleep(0.1)
        return []

    def _outcomes_are(self, count):
        found = self.group.log.outcomes(self.ids)
        return all(len(found[self.case.address(r)]) >= min(count, len(self.case.expect["to"][r])) for r in self.case.to)

    def _wait_for_outcomes(self, count, deadline):
        while not self._outcomes_are(count) and time.monotonic() < deadline:
            time.sleep(0.05)

    def seen(self, verified=False):
        """What there is to see by now."""
        case, group = self.case, self.group
        attempts = []
        for name, one in self.servers.items():
            for session in list(one.sessions):
                attempts.append({"server": name, "tls": session["tls"], "sni": session["sni"], "at": session["at"],
                                 "commands": list(session["commands"])})
        attempts.sort(key=lambda a: a["at"])
        found = group.log.outcomes(self.ids)
        outcomes = {r: found[case.address(r)] for r in case.to}
        copies = {r: [m for one in self.servers.values() for m in one.to(case.address(r))] for r in case.to}
        reports = group.home.to(case.sender) if case.sender else []
        unsigned = 0
        if verified:
            received = {id(m): m for c in copies.values() for m in c}.values()
            unsigned = sum(1 for m in received if verify.with_dkimpy(m.data, group.dns)[:1] != ["pass"])
        names = [case.domain, "." + case.domain]
        return judging.Seen(attempts=attempts, outcomes=outcomes, copies=copies,
                            dsns=[d for m in reports for d in judging.reported(m.data)], reports=[m.data for m in reports],
                            log=group.log.of(case.name, self.ids),
                            asked={q for q in list(group.dns.queries) if q[0] == names[0] or q[0].endswith(names[1])}
                            if case.expect.get("asked") or case.expect.get("not_asked") or verified else set(), unsigned=unsigned)

    def waiting(self):
        """How many of its messages are still in the queue when it is over."""
        return len(self.ids) if any(o[-1][0] == "deferred" for o in self.case.expect["to"].values()) else 0

    def stop(self):
        for one in (*self.servers.values(), *([self.https] if self.https else [])):
            one.stop()


def self_test():
    """Files that are no cases are refused: without a citation, with words that nobody knows, without what becomes of a recipient."""
    good = 'about = "RFC 5321 s5.1: x"\n[expect]\nattempts = ["mx1"]\nto.bob = "delivered"\n'
    bad = {"no citation": good.replace("RFC 5321 s5.1: ", ""), "unknown key": "zones = 1\n" + good,
           "unknown outcome": good.replace('"delivered"', '"lost"'), "no attempts": good.replace('attempts = ["mx1"]\n', ""),
           "failed without a report": good.replace('"delivered"', '"failed"'), "no such stage": 'rules = ["tea 250 x"]\n' + good,
           "no action": 'rules = ["rcpt perhaps"]\n' + good, "no recipient": good.replace('to.bob = "delivered"\n', ""),
           "unknown expectation": good + 'colour = "red"\n'}
    with tempfile.TemporaryDirectory(prefix="cases-") as directory:
        path = pathlib.Path(directory, "a-case.toml")
        path.write_text(good)
        cases.read(path)
        for what, text in bad.items():
            path.write_text(text)
            try:
                cases.read(path)
            except cases.Wrong:
                print(f"ok      refused: {what}")
            else:
                print(f"FAILED  taken for a case: {what}")
                return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: all of cases/")
    parser.add_argument("--self-test", action="store_true", help="only whether files that are no cases are refused")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the log of every case")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    try:
        members = [cases.read(path) for path in arguments.files or sorted((HERE / "cases").glob("*.toml"))]
    except cases.Wrong as fault:
        print(f"FAILED  {fault}")
        return 1
    begun = time.monotonic()
    by_settings = collections.defaultdict(list)
    for member in members:
        by_settings[json.dumps(member.settings, sort_keys=True)].append(member)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="delivery-cases-") as directory:
        certificates = Certificates(directory)
        groups = [Group(group, certificates, arguments.verbose) for group in by_settings.values()]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for group, results in zip(groups, pool.map(Group.run, groups)):
                for case, faults in results:
                    print(f"{'FAILED ' if faults else 'ok     '} {case.name}: {case.about}")
                    for fault in faults:
                        print(f"        {fault}")
                    if arguments.verbose:
                        print("\n".join("        " + line for line in group.log.of(case.name, group.running[case].ids)))
                    failed += bool(faults)
    print(f"{len(members) - failed} of {len(members)} cases as expected, {len(groups)} daemons, {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
