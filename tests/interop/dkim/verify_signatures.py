#!/usr/bin/env python3
"""Each awkward message x {RSA, Ed25519} x {simple, relaxed}^2, signed by our library and verified by three other programs.

What a verifier itself cannot do is found out by asking it, not assumed: Debian 12's Mail::DKIM (1.20230212) does not
know Ed25519; OpenDKIM 2.11.0~beta2 does. Such combinations are counted and printed. A changed message must fail.
"""

import itertools
import pathlib
import subprocess
import sys
import tempfile
import time

import dkim

import opendkim_library
from posthorn_test import dns_server

HERE = pathlib.Path(__file__).resolve().parent
MESSAGES = HERE.parent / "messages"
PERL_SCRIPT = HERE.parent.parent / "support" / "verify_mail_dkim.pl"
DOMAIN = "example.test"
FORMS = ("simple", "relaxed")
ALGORITHMS = ("rsa", "ed25519")


def sign(signer, folder):
    """Signs everything; gives {path: algorithm}."""
    signed = {}
    now = str(int(time.time()))
    for algorithm, header, body in itertools.product(ALGORITHMS, FORMS, FORMS):
        for message in sorted(MESSAGES.glob("*.eml")):
            out = folder / f"{message.stem}.{algorithm}.{header}-{body}.eml"
            with message.open("rb") as source, out.open("wb") as target:
                subprocess.run([signer, "sign", DOMAIN, algorithm, folder / f"{algorithm}.pem", header, body, now],
                               stdin=source, stdout=target, check=True, timeout=30)
            # Verifiers see what arrives, and in DATA the last line always ends in CRLF (RFC 5321 s4.1.1.4). Our signature is
            # made before that. (Without it dkimpy and Mail::DKIM do not add the CRLF that RFC 6376 s3.4.3 wants.)
            if not out.read_bytes().endswith(b"\r\n"):
                with out.open("ab") as target:
                    target.write(b"\r\n")
            signed[out] = algorithm
    return signed


def with_dkimpy(paths, dns, _folder):
    verdicts = {}
    for path in paths:
        try:
            good = dkim.verify(path.read_bytes(), dnsfunc=lambda name, timeout=5: dns.txt(name.decode()))
            verdicts[path] = "pass" if good else "fail"
        except dkim.DKIMException as error:
            verdicts[path] = f"fail: {error}"
    return verdicts


def key_file(dns, folder):
    """Lines "NAME TXT-VALUE" for the programs that take keys from a file."""
    keys = folder / "keys"
    keys.write_text("".join(f"{s}._domainkey.{DOMAIN} {dns.txt(f'{s}._domainkey.{DOMAIN}').decode()}\n" for s in ALGORITHMS))
    return keys


def with_mail_dkim(paths, dns, folder):
    run = subprocess.run(["perl", PERL_SCRIPT, key_file(dns, folder), *paths], stdout=subprocess.PIPE, check=True, timeout=240,
                         text=True)
    verdicts = {}
    for line in run.stdout.splitlines():
        path, selector, words = [*line.split(" ", 2), "", ""][:3]
        if selector in ALGORITHMS:  # not the foreign signature that one of the messages carries, nor its words' second line
            verdicts[pathlib.Path(path)] = words
    return verdicts


def with_opendkim(paths, dns, folder):
    library = opendkim_library.OpenDkim(key_file(dns, folder))
    return {path: library.verify(path.read_bytes(), path.name.split(".")[1]) for path in paths}


def unsupported(program, words):
    """The verifier's own words for "I do not know this algorithm"."""
    return program == "Mail::DKIM" and "unsupported algorithm" in words


def main():
    signer = pathlib.Path(sys.argv[1])
    subprocess.run([sys.executable, MESSAGES / "generate.py", "--check"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="posthorn-dkim-") as name:
        folder = pathlib.Path(name)
        dns = dns_server.DnsServer()
        for algorithm in ALGORITHMS:
            key = folder / f"{algorithm}.pem"
            subprocess.run([signer, "genkey", algorithm, key], check=True)
            record = subprocess.run([signer, "record", DOMAIN, algorithm, key], check=True, stdout=subprocess.PIPE, text=True)
            dns.set(f"{algorithm}._domainkey.{DOMAIN}", "TXT", record.stdout.strip())
        signed = sign(signer, folder)
        count = len(list(MESSAGES.glob("*.eml")))
        assert count >= 30 and len(signed) == count * 8, (count, len(signed))

        # A verifier that passes everything would prove nothing.
        broken = {}
        for algorithm in ALGORITHMS:
            path = folder / f"broken.{algorithm}.eml"
            path.write_bytes((folder / f"plain.{algorithm}.relaxed-relaxed.eml").read_bytes().replace(b"Hello Bob", b"Hello Eve"))
            broken[path] = algorithm

        wrong = []
        for program, verify in (("dkimpy", with_dkimpy), ("Mail::DKIM", with_mail_dkim), ("OpenDKIM", with_opendkim)):
            verdicts = verify([*signed, *broken], dns, folder)
            passed = {a: 0 for a in ALGORITHMS}
            unknown = {a: 0 for a in ALGORITHMS}
            for path, algorithm in signed.items():
                words = verdicts.get(path, "no verdict")
                if words == "pass":
                    passed[algorithm] += 1
                elif unsupported(program, words):
                    unknown[algorithm] += 1
                else:
                    wrong.append(f"{program}: {path.name}: {words}")
            for path in broken:
                if verdicts.get(path) == "pass":
                    wrong.append(f"{program}: passes the changed message {path.name}")
            for algorithm in ALGORITHMS:
                print(f"{program:10} {algorithm:8} {passed[algorithm]:4} passed"
                      + (f", {unknown[algorithm]} skipped: it does not know this algorithm" if unknown[algorithm] else ""))
            # RSA is known to all, so nothing of it may be skipped; and no verifier may know nothing at all.
            if passed["rsa"] != count * 4:
                wrong.append(f"{program}: passed {passed['rsa']} of {count * 4} RSA signatures")
    if wrong:
        print(*wrong[:60], sep="\n")
        print(f"{len(wrong)} wrong")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
