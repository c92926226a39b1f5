"""Connections that are slow on purpose: each stands still at one point of the dialogue, or says an octet now and then."""

import multiprocessing
import random
import selectors
import socket
import ssl
import threading

from .smtp import Client

# Where a connection stops: what it needs to get there, and what it drips from then on.
STAGES = {
    "silent": b"",          # greeted, says nothing
    "ehlo": b"a",           # in the middle of EHLO's line
    "handshake": b"",       # in the middle of a TLS ClientHello, which it drips
    "auth": b"A",           # TLS is up, AUTH LOGIN has been asked for the user name
    "data": b"x",           # in the middle of a message
    "idle": b"",            # EHLO answered, says nothing more
    "idle-tls": b"",        # ... under TLS
}


def address(number):
    """A loopback address of its own for each connection, none that a test's daemon trusts."""
    return f"127.{100 + number // 60000 % 100}.{number // 250 % 240 + 1}.{number % 250 + 2}"


def client_hello():
    """The first octets that a TLS client sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context.wrap_bio(incoming, outgoing, server_hostname="mail.example.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Crowd:
    """`count` connections to a daemon's listeners, all at their stage when the constructor returns; `with Crowd(...) as crowd`.

    "data" comes from 127.0.0.1, which is trusted; the others from addresses of their own. Every `interval` seconds each says an
    octet. `ended` are those that the server has closed.
    """

    def __init__(self, endpoints, stages, interval=3.0):
        self.endpoints = endpoints   # of the listeners plain, open and submissions
        self.interval = interval
        self.ended = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._open = []              # [socket, what it drips, how much of that is said]
        self._hello = client_hello()
        number = random.randrange(10**6)
        try:
            for stage, count in stages.items():
                for _ in range(count):
                    number += 1
                    self._open.append(self._connect(stage, address(number)))
        except BaseException:
            self.close()
            raise
        self.count = len(self._open)
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _connect(self, stage, source):
        listener = {"data": "plain", "handshake": "submissions", "auth": "open", "idle-tls": "submissions"}.get(stage, "open")
        client = Client(self.endpoints[listener], 60, source="127.0.0.1" if stage == "data" else source,
                        implicit_tls=stage == "idle-tls")
        drips = STAGES[stage]
        if stage == "handshake":
            client.send(self._hello[:20])
            drips = self._hello[20:]
        else:
            client.expect(220)
        if stage in ("idle", "idle-tls", "auth", "data"):
            client.hello()
        if stage == "ehlo":
            client.send("EHLO ")
        elif stage == "auth":
            client.starttls()
            client.hello()
            client.expect(334, "AUTH LOGIN")
        elif stage == "data":
            client.expect(250, "MAIL FROM:<alice@example.test>")
            client.expect(250, "RCPT TO:<slow@dest.test>")
            client.expect(354, "DATA")
            client.send("From: <alice@example.test>\r\nSubject: slow\r\n\r\n")
        client.socket.setblocking(False)
        return [client.socket, drips, 0]

    def _drip(self):
        selector = selectors.DefaultSelector()
        for one in self._open:
            selector.register(one[0], selectors.EVENT_READ, one)
        while not self._stop.is_set():
            # Spread over the interval, so that it is a drip and no beat.
            for turn in range(10):
                if self._stop.wait(self.interval / 10):
                    return
                for key, _ in selector.select(0):
                    self._read(selector, key.data)
                for one in [key.data for key in list(selector.get_map().values())][turn::10]:
                    self._say(selector, one)

    def _read(self, selector, one):
        try:
            if one[0].recv(65536):
                return
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except (ssl.SSLError, OSError):
            pass
        self._end(selector, one)

    def _say(self, selector, one):
        sock, drips, said = one
        if not drips or (len(drips) > 1 and said + 1 >= len(drips)):   # a ClientHello is never finished
            return
        try:
            sock.send(drips[said:said + 1] if len(drips) > 1 else drips)
            one[2] += 1
        except (ssl.SSLWantWriteError, BlockingIOError):
            pass
        except (ssl.SSLError, OSError):
            self._end(selector, one)

    def _end(self, selector, one):
        selector.unregister(one[0])
        with self._changed:
            self.ended += 1
            self._changed.notify_all()

    def wait_for_ended(self, count, timeout=60.0):
        """Waits until the server has closed that many."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.ended >= count, timeout):
                raise TimeoutError(f"the server has closed {self.ended} of {self.count} slow connections, not {count}")

    def close(self):
        self._stop.set()
        if hasattr(self, "_thread"):
            self._thread.join(60)
        for sock, _, _ in self._open:
            try:
                sock.close()
            except OSError:
                pass


def _elsewhere(pipe, endpoints, stages, interval):
    try:
        with Crowd(endpoints, stages, interval) as crowd:
            pipe.send(None)
            pipe.recv()
            pipe.send(crowd.ended)
    except BaseException as failure:   # whatever it is, the other process should hear it
        pipe.send(failure)


class CrowdProcess:
    """The same in a process of its own, so that it takes no time from the one that measures."""

    def __init__(self, endpoints, stages, interval=3.0):
        self.ended = None
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_elsewhere, args=(theirs, endpoints, stages, interval), daemon=True)
        self._process.start()
        theirs.close()
        failure = self._pipe.recv()
        if failure is not None:
            raise failure

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends them; returns how many the server had closed before."""
        if self.ended is None:
            self._pipe.send(None)
            self.ended = self._pipe.recv()
            self._process.join(60)
        return self.ended
