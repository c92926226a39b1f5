"""A throwaway HTTPS server: serves MTA-STS policies and takes TLS reports, and misbehaves where a test says so."""

import contextlib
import socket
import ssl
import threading
import time


class HttpsServer:
    """Listens on address:port with a certificate (paths of chain and key). `answer(path, text, ...)` says what a path gives.

    What came is in .requests: {"method", "path", "headers" (lower-case names), "body", "sni"}.
    """

    def __init__(self, certificate, address="127.0.0.1", port=0):
        self._answers = {}
        self._once = {}            # path -> answers that are given before, one each
        self._changed = threading.Condition()
        self.requests = []
        self.connections = 0
        self.silent = False        # takes connections and says nothing, not even in TLS
        self._stopping = False
        self._open = set()
        self.use(certificate)
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self.address, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def use(self, certificate):
        """From the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, certificate))
        context.sni_callback = self._note_name
        self._names = {}
        self._context = context

    def _note_name(self, connection, name, _context):
        self._names[id(connection)] = name

    def answer(self, path, text="", status="200 OK", content_type="text/plain", fields=(), raw=None, slow=0.0):
        """raw: these octets as they are. slow: seconds between the octets of the body."""
        with self._changed:
            self._answers[path] = dict(text=text, status=status, content_type=content_type, fields=fields, raw=raw, slow=slow)

    def answer_once(self, path, text="", status="200 OK", content_type="text/plain", fields=(), raw=None, slow=0.0):
        """The same for one request; several of them stand in line."""
        with self._changed:
            self._once.setdefault(path, []).append(dict(text=text, status=status, content_type=content_type, fields=fields, raw=raw, slow=slow))

    def policy(self, mode="enforce", mx=("mx.dest.test",), max_age=86400, **how):
        """Serves an MTA-STS policy (RFC 8461 s3.2)."""
        lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in mx), f"max_age: {max_age}"]
        self.answer("/.well-known/mta-sts.txt", "".join(line + "\r\n" for line in lines), **how)

    def wait_for_requests(self, count, timeout=30.0):
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came within {timeout} s")
            return list(self.requests)

    def wait_for_connections(self, count, timeout=30.0):
        with self._changed:
            if not self._changed.wait_for(lambda: self.connections >= count, timeout):
                raise TimeoutError(f"{self.connections} of {count} connections came within {timeout} s")

    def _accept(self):
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain):
        with self._changed:
            self.connections += 1
            self._open.add(plain)
            self._changed.notify_all()
        with contextlib.suppress(OSError, ValueError):
            plain.settimeout(60)
            if self.silent:
                plain.recv(1 << 16)
                while plain.recv(1 << 16):
                    pass
                return
            with self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection:
                with self._changed:
                    self._open.discard(plain)
                    self._open.add(connection)
                connection.do_handshake()
                self._talk(connection)
        plain.close()

    def _talk(self, connection):
        stream = connection.makefile("rb")
        method, path, _ = stream.readline().decode("latin-1").split(" ", 2)
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        with self._changed:
            self.requests.append({"method": method, "path": path, "headers": headers, "body": body,
                                  "peer": connection.getpeername()[0], "sni": self._names.get(id(connection))})
            once = self._once.get(path)
            answer = once.pop(0) if once else self._answers.get(path)
            self._changed.notify_all()
        if answer is None:
            answer = dict(text="nothing here\n", status="404 Not Found", content_type="text/plain", fields=(), raw=None, slow=0.0)
        if answer["raw"] is not None:
            connection.sendall(answer["raw"])
            return
        text = answer["text"].encode()
        head = [f"HTTP/1.1 {answer['status']}", f"Content-Length: {len(text)}", "Connection: close", *answer["fields"]]
        if answer["content_type"]:
            head.append(f"Content-Type: {answer['content_type']}")
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        if not answer["slow"]:
            connection.sendall(text)
            return
        for octet in text:
            connection.sendall(bytes([octet]))
            time.sleep(answer["slow"])

    def stop(self):
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError, ValueError):
                connection.shutdown(socket.SHUT_RDWR)
