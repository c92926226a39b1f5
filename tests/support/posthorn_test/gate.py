"""A gate in the way of TCP connections: at one point of the dialogue it delays, slices, stalls or cuts what one side says."""

import dataclasses
import socket
import threading
import time

# Points of a dialogue in the clear, by who speaks. From the client: its commands, "hello" (in the middle of its ClientHello),
# "body" (in the middle of the message) and "dot" (before the octets that end it). From the server: the replies to those,
# "greeting", "hello" (in the middle of its ServerHello). A fault strikes before the first octet of that, or within it.
CLIENT_POINTS = ("ehlo", "starttls", "hello", "mail", "rcpt", "data", "body", "dot", "quit")
SERVER_POINTS = ("greeting", "ehlo", "starttls", "hello", "mail", "rcpt", "data", "dot", "quit")
FAULTS = ("delay", "slice", "stall", "cut")


@dataclasses.dataclass
class Fault:
    """What happens where; `octet`: in place of a point, after so many octets of that side."""
    what: str
    side: str = "client"
    point: str = ""
    octet: int = -1
    times: int = 1           # on the first so many connections that get there
    seconds: float = 0.3     # of a delay
    struck: int = 0


class Gate:
    """Listens on address:port and hands on to target; one fault."""

    def __init__(self, address, port, target, fault=None):
        self.fault, self.target = fault, target
        self._lock = threading.Lock()
        self._struck = threading.Condition(self._lock)
        self.connections = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self.address, self.port = self._listener.getsockname()
        self._stopping = False
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._stopping:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 30)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self.connections += 1
                self._open |= {client, server}
            _Passage(self, client, server)

    def takes(self):
        """Whether the fault may still strike; counts it."""
        with self._lock:
            if self.fault is None or self.fault.struck >= self.fault.times:
                return False
            self.fault.struck += 1
            self._struck.notify_all()
            return True

    def wait_until_struck(self, timeout=30):
        """Waits until the fault has struck as often as it should; returns whether it has."""
        with self._lock:
            return self._struck.wait_for(lambda: self.fault.struck >= self.fault.times, timeout)

    def forget(self, *sockets):
        with self._lock:
            self._open -= set(sockets)

    def stop(self):
        self._stopping = True
        for one in (self._listener, *list(self._open)):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


class _Passage:
    """One connection: two threads, and what both know of the dialogue."""

    def __init__(self, gate, client, server):
        self.gate, self.client, self.server = gate, client, server
        self.awaited = ["greeting"]   # what the server's next replies are to
        self.mode = "commands"        # of the client: commands, message, tls
        self.rest = b""               # of the client: a line, or what may be the end of a message, that came in part
        self.message_begins = False
        self.said, self.replying = b"", False   # of the server: a line in part; within a reply of several lines
        self.lock = threading.Lock()
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sides = {"client": (client, server, self.client_points), "server": (server, client, self.server_points)}
        self.left = len(sides)
        for side, (source, target, points) in sides.items():
            threading.Thread(target=self.pump, args=(side, source, target, points), daemon=True).start()

    def pump(self, side, source, target, points):
        fault = self.gate.fault
        watched = fault is not None and fault.side == side
        count, slicing = 0, False
        try:
            while octets := source.recv(65536):
                at = None
                found = points(octets)   # both sides are always followed: each knows by the other where it is
                if watched:
                    if fault.point:
                        at = next((offset for name, offset in found if name == fault.point), None)
                    elif 0 <= fault.octet - count < len(octets):
                        at = fault.octet - count
                count += len(octets)
                if at is not None and self.gate.takes():
                    target.sendall(octets[:at])
                    octets = octets[at:]
                    if fault.what == "cut":
                        return
                    if fault.what == "stall":
                        while source.recv(65536):   # until this side gives up
                            pass
                        return
                    if fault.what == "delay":
                        time.sleep(fault.seconds)
                    slicing = fault.what == "slice"
                if slicing:
                    for i in range(min(3000, len(octets))):
                        target.sendall(octets[i:i + 1])
                    target.sendall(octets[3000:])
                else:
                    target.sendall(octets)
        except OSError:
            pass
        finally:
            self.end()

    def end(self):
        """Either side's end is the end of both, at once."""
        for one in (self.client, self.server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            self.left -= 1
            last = self.left == 0
        if last:
            self.gate.forget(self.client, self.server)
            self.client.close()
            self.server.close()

    # Each returns the points that lie in these octets, as (name, offset). Lines and the end of a message may come in pieces.

    def client_points(self, octets):
        found, at = [], 0
        while at < len(octets) and self.mode not in ("tls", "sealed"):
            if self.mode == "message":
                whole = self.rest + octets[at:]
                end = 0 if whole.startswith(b".\r\n") and self.message_begins else whole.find(b"\r\n.\r\n")
                here = at - len(self.rest)   # where `whole` begins, in these octets
                stop = len(octets) if end < 0 else here + end + (0 if end == 0 else 2)
                found.append(("body", max(0, (at + stop) // 2)))
                self.message_begins = False
                if end < 0:
                    self.rest = whole[-4:]
                    return found
                found.append(("dot", max(0, stop)))
                self.expect("dot")
                self.mode, self.rest, at = "commands", b"", stop + 3
                continue
            line_end = octets.find(b"\n", at) + 1
            line = self.rest + (octets[at:line_end] if line_end else octets[at:])
            if not line_end:
                self.rest = line
                return found
            self.rest = b""
            verb = line[:4].strip().lower().decode("latin-1")
            name = {"helo": "ehlo", "star": "starttls"}.get(verb, verb)
            found.append((name, at))
            at = line_end
            if name == "data":
                self.mode, self.message_begins = "message", True
            elif name == "starttls":
                self.mode = "tls"
            self.expect(name)
        if at < len(octets) and self.mode == "tls":
            found.append(("hello", at + min(100, (len(octets) - at) // 2)))
            self.mode = "sealed"
        return found

    def server_points(self, octets):
        found, at = [], 0
        while at < len(octets):
            with self.lock:
                name = self.awaited[0] if self.awaited else ""
            if name == "hello":
                found.append(("hello", at + min(100, (len(octets) - at) // 2)))
                with self.lock:
                    self.awaited = ["sealed"]
            if name in ("", "hello", "sealed"):
                break
            line_end = octets.find(b"\n", at) + 1
            line = self.said + (octets[at:line_end] if line_end else octets[at:])
            if not self.said and not self.replying:
                found.append((name, at))
            if not line_end:
                self.said = line
                break
            self.said, self.replying = b"", line[3:4] == b"-"
            if not self.replying:
                with self.lock:
                    self.awaited.pop(0)
                    if name == "starttls" and line[:1] == b"2":
                        self.awaited = ["hello"]
                if name == "data" and line[:1] != b"3":
                    self.mode = "commands"
            at = line_end
        return found

    def expect(self, name):
        with self.lock:
            self.awaited.append(name)

