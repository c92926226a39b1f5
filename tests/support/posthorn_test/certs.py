"""Throwaway certificates and DKIM keys, made by the openssl program."""

import base64
import pathlib
import subprocess


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def self_signed(directory, name="mail.example.test", addresses=("127.0.0.1",)):
    """Writes NAME.crt and NAME.key (EC P-256, ten years) and returns their paths."""
    directory = pathlib.Path(directory)
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    # An address as a name, too: s-nail compares names only.
    alternatives = ",".join([f"DNS:{name}"] + [f"IP:{a},DNS:{a}" for a in addresses])
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}", "-keyout", str(key), "-out", str(certificate))
    key.chmod(0o600)
    return certificate, key


def dkim_key(path, algorithm="rsa", bits=2048):
    """Writes a PKCS#8 private key (mode 0600) and returns the value of its DNS record."""
    path = pathlib.Path(path)
    if algorithm == "rsa":
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", str(path))
    elif algorithm == "ed25519":
        _openssl("genpkey", "-algorithm", "ED25519", "-out", str(path))
    else:
        raise ValueError(algorithm)
    path.chmod(0o600)
    return dkim_record(path)


def dkim_record(path):
    """The TXT value that belongs to a private key (RFC 6376 s3.6.1, RFC 8463 s4)."""
    der = _openssl("pkey", "-in", str(path), "-pubout", "-outform", "DER")
    if len(der) == 44:  # SubjectPublicKeyInfo of Ed25519: 12 octets of header, then the key
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(der[12:]).decode()
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
