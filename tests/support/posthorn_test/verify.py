"""DKIM verdicts on a message from three programs that share no code with us: dkimpy, Mail::DKIM and OpenDKIM."""

import pathlib
import re
import subprocess
import sys
import tempfile

import dkim

_SUPPORT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(_SUPPORT.parent / "interop" / "dkim"))
import opendkim_library  # noqa: E402


def signatures(message):
    """(domain, selector, algorithm) of each DKIM-Signature field, topmost first."""
    found = []
    for field in _signature_fields(message):
        tags = dict(part.strip().split("=", 1) for part in re.sub(r"\s+", "", field.split(":", 1)[1]).split(";") if "=" in part)
        found.append((tags.get("d", ""), tags.get("s", ""), tags.get("a", "")))
    return found


def tags(message, index=0):
    """The tags of one signature as a dictionary, white space removed."""
    field = re.sub(r"\s+", "", _signature_fields(message)[index].split(":", 1)[1])
    return dict(part.split("=", 1) for part in field.split(";") if "=" in part)


def _signature_fields(message):
    header = message.split(b"\r\n\r\n", 1)[0].decode("latin-1") + "\r\n"
    return [f for f in re.findall(r"[!-9;-~]+[ \t]*:(?:.*?\r\n)(?:[ \t].*?\r\n)*", header, re.DOTALL)
            if f.lower().startswith("dkim-signature")]


def _only_signature(message, keep):
    """The message with one of its signatures only, for programs that stop at the first good one."""
    for i, field in enumerate(_signature_fields(message)):
        if i != keep:
            message = message.replace(field.encode("latin-1"), b"", 1)
    return message


def with_dkimpy(message, dns_server):
    verdicts = []
    for i in range(len(_signature_fields(message))):
        try:
            good = dkim.DKIM(message, minkey=512).verify(idx=i, dnsfunc=lambda name, timeout=5: dns_server.txt(name.decode()))
            verdicts.append("pass" if good else "fail")
        except dkim.DKIMException as error:
            verdicts.append(f"fail: {error}")
    return verdicts or ["none"]


def _files(directory, message):
    """One file per signature."""
    for i in range(max(1, len(_signature_fields(message)))):
        path = pathlib.Path(directory, f"{i}.eml")
        path.write_bytes(_only_signature(message, i))
        yield path


def _key_file(directory, message, dns_server):
    """Lines "NAME TXT-VALUE": the published key of each signature."""
    path = pathlib.Path(directory, "keys")
    names = [f"{selector}._domainkey.{domain}" for domain, selector, _ in signatures(message)]
    path.write_text("".join(f"{name} {(dns_server.txt(name) or b'').decode()}\n" for name in names))
    return path


def with_mail_dkim(message, dns_server):
    with tempfile.TemporaryDirectory(prefix="verify-") as directory:
        keys = _key_file(directory, message, dns_server)
        run = subprocess.run(["perl", str(_SUPPORT / "verify_mail_dkim.pl"), str(keys), *map(str, _files(directory, message))],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True)
        if run.returncode != 0:
            return [f"fail: {run.stdout.strip()}"]
        return [line.split(" ", 2)[2] for line in run.stdout.splitlines()]


def with_opendkim(message, dns_server):
    with tempfile.TemporaryDirectory(prefix="verify-") as directory:
        found = signatures(message)
        library = opendkim_library.OpenDkim(_key_file(directory, message, dns_server))
        return [library.verify(path.read_bytes(), found[i][1] if found else "")
                for i, path in enumerate(_files(directory, message))]


VERIFIERS = {"dkimpy": with_dkimpy, "Mail::DKIM": with_mail_dkim, "OpenDKIM": with_opendkim}


def verdicts(message, dns_server):
    """{"dkimpy": ["pass", ...], ...}: one verdict per signature, topmost first."""
    return {name: verify(message, dns_server) for name, verify in VERIFIERS.items()}


def all_pass(message, dns_server, count=1):
    """None when every verifier passes each of `count` signatures of ours; otherwise what they said.

    Ours are those whose key the DNS server publishes: a message may bear a stranger's signature as well.
    """
    said = verdicts(message, dns_server)
    found = signatures(message)
    ours = [i for i, (domain, selector, _) in enumerate(found) if dns_server.txt(f"{selector}._domainkey.{domain}")]
    good = len(ours) == count
    for name, words in said.items():
        for i in ours:
            # Debian 12's Mail::DKIM (1.20230212) does not know RFC 8463; its newer releases do.
            excused = name == "Mail::DKIM" and found[i][2] == "ed25519-sha256" and "unsupported algorithm" in words[i]
            good = good and len(words) == len(found) and (words[i] == "pass" or excused)
    return None if good else said
