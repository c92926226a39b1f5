"""Throwaway certificates and DKIM keys, made by the openssl program."""

import base64
import hashlib
import pathlib
import subprocess


def _openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def self_signed(directory, name="mail.example.test", addresses=("127.0.0.1",), rsa=False):
    """Writes NAME.crt and NAME.key (EC P-256 or RSA, ten years) and returns their paths."""
    directory = pathlib.Path(directory)
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    # An address as a name, too: s-nail compares names only.
    alternatives = ",".join([f"DNS:{name}"] + [f"IP:{a},DNS:{a}" for a in addresses])
    algorithm = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    _openssl("req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "3650",
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


class Authority:
    """A certificate authority for tests: `file` is its certificate, which those who trust it name."""

    def __init__(self, directory):
        self._directory = pathlib.Path(directory)
        self.file, self._key = self_signed(directory, "authority.test")
        self._issued = 0

    def issue(self, names, days=3650, chain=False, usage="serverAuth"):
        """A certificate for these names and its key: their paths. chain: the authority's own certificate is sent, too."""
        self._issued += 1
        stem = self._directory / f"issued-{self._issued}"
        key, request, extensions, certificate = (stem.with_suffix(s) for s in (".key", ".csr", ".ext", ".crt"))
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=issued",
                 "-keyout", str(key), "-out", str(request))
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
                              + f"\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self._key), "-set_serial",
                 str(1000 + self._issued), "-days", str(days), "-extfile", str(extensions), "-out", str(certificate))
        if chain:
            certificate.write_text(certificate.read_text() + self.file.read_text())
        return certificate, key


def tlsa_digest(certificate, selector="spki"):
    """SHA-256 of a certificate ("cert") or of its public key ("spki"), in hexadecimal: the data of a TLSA record x y 1 (RFC 6698)."""
    der = _openssl("x509", "-in", str(certificate), "-outform", "DER")
    if selector == "spki":
        public = _openssl("x509", "-in", str(certificate), "-noout", "-pubkey")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                             stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()
