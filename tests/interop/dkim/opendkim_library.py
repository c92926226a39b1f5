"""OpenDKIM's verifier (libopendkim 2.11) by ctypes: what the milter uses.

`opendkim -t` cannot be used for simple header canonicalisation: its test mode takes the blank after the colon away and puts one
back, so that "Subject:x", "Subject: " and "Subject:<CRLF> x" are no longer what was signed.
"""

import ctypes

_SETOPT = 1                         # DKIM_OP_SETOPT, and the rest as in opendkim/dkim.h
_QUERYMETHOD, _QUERYINFO = 6, 7
_QUERY_FILE = 1
_PASSED, _BH_MATCH = 0x04, 0
_ALGORITHMS = {"rsa": 1, "ed25519": 2}


class OpenDkim:
    def __init__(self, keys_file):
        """keys_file: lines "SELECTOR._domainkey.DOMAIN RECORD"."""
        self._library = lib = ctypes.CDLL("libopendkim.so.11")
        lib.dkim_init.restype = lib.dkim_verify.restype = ctypes.c_void_p
        lib.dkim_getresultstr.restype = ctypes.c_char_p
        lib.dkim_sig_getselector.restype = ctypes.c_char_p
        for name in ("dkim_sig_getselector", "dkim_sig_getflags", "dkim_sig_getbh"):
            getattr(lib, name).argtypes = [ctypes.c_void_p]
        self._handle = ctypes.c_void_p(lib.dkim_init(None, None))
        method = ctypes.c_int(_QUERY_FILE)
        self._path = ctypes.create_string_buffer(str(keys_file).encode())
        self._option(_QUERYMETHOD, method, ctypes.sizeof(method))
        self._option(_QUERYINFO, self._path, len(str(keys_file)))

    def _option(self, option, value, size):
        status = self._library.dkim_options(self._handle, _SETOPT, option, ctypes.byref(value), ctypes.c_size_t(size))
        if status != 0:
            raise RuntimeError(f"dkim_options({option}): {status}")

    def verify(self, message, selector):
        """"pass" or what is wrong with the signature of that selector."""
        lib, status = self._library, ctypes.c_int(0)
        dkim = ctypes.c_void_p(lib.dkim_verify(self._handle, b"test", None, ctypes.byref(status)))
        if not dkim:
            return f"fail: dkim_verify {status.value}"
        try:
            text = ctypes.create_string_buffer(message, len(message))
            chunk = lib.dkim_chunk(dkim, text, ctypes.c_size_t(len(message)))
            if chunk == 0:
                chunk = lib.dkim_chunk(dkim, None, ctypes.c_size_t(0))
            if chunk != 0:
                return f"fail: {self._words(chunk)}"
            end = lib.dkim_eom(dkim, None)
            signatures, count = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_int(0)
            lib.dkim_getsiglist(dkim, ctypes.byref(signatures), ctypes.byref(count))
            for i in range(count.value):
                signature = signatures[i]
                if (lib.dkim_sig_getselector(signature) or b"").decode() != selector:
                    continue
                if lib.dkim_sig_getflags(signature) & _PASSED and lib.dkim_sig_getbh(signature) == _BH_MATCH:
                    return "pass"
                return f"fail: {self._words(end)}, bh {lib.dkim_sig_getbh(signature)}"
            return f"fail: no signature of {selector}: {self._words(end)}"
        finally:
            lib.dkim_free(dkim)

    def sign(self, message, domain, selector, key, header, body, algorithm="rsa"):
        """The message with OpenDKIM's signature on top; key: PEM; header, body: "simple" or "relaxed"."""
        lib, status = self._library, ctypes.c_int(0)
        lib.dkim_sign.restype = ctypes.c_void_p
        form = {"simple": 0, "relaxed": 1}
        secret = ctypes.create_string_buffer(key)
        dkim = ctypes.c_void_p(lib.dkim_sign(self._handle, b"test", None, secret, selector.encode(), domain.encode(), form[header], form[body],
                                             _ALGORITHMS[algorithm], ctypes.c_ssize_t(-1), ctypes.byref(status)))
        if not dkim:
            raise RuntimeError(f"dkim_sign: {self._words(status.value)}")
        try:
            text = ctypes.create_string_buffer(message, len(message))
            for data, size in ((text, len(message)), (None, 0)):
                chunk = lib.dkim_chunk(dkim, data, ctypes.c_size_t(size))
                if chunk != 0:
                    raise RuntimeError(f"dkim_chunk: {self._words(chunk)}")
            end = lib.dkim_eom(dkim, None)
            if end != 0:
                raise RuntimeError(f"dkim_eom: {self._words(end)}")
            value, length = ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t(0)
            got = lib.dkim_getsighdr_d(dkim, ctypes.c_size_t(len("DKIM-Signature: ")), ctypes.byref(value), ctypes.byref(length))
            if got != 0:
                raise RuntimeError(f"dkim_getsighdr_d: {self._words(got)}")
            # libopendkim folds with LF alone where it was not told otherwise.
            field = value[:length.value].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            return b"DKIM-Signature: " + field + b"\r\n" + message
        finally:
            lib.dkim_free(dkim)

    def _words(self, status):
        return (self._library.dkim_getresultstr(status) or b"?").decode()
