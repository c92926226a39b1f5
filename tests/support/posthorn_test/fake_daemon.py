"""What a sendmail program sees of a Posthorn: a unix socket that speaks XCALLER's SMTP by a script, and breaks off where it is told to."""

import pathlib
import socket
import threading


class FakeDaemon(threading.Thread):
    """Speaks XCALLER's SMTP by a script: replies to MAIL, RCPT and the message's end; None closes the connection instead."""

    def __init__(self, path, mail="250 2.1.0 ok", rcpt="250 2.1.5 ok", end="250 2.0.0 queued", greeting="220 mx ESMTP",
                 keywords=("PIPELINING", "SIZE 1000000", "8BITMIME", "CHUNKING", "XCALLER")):
        super().__init__(daemon=True)
        self.replies = {"mail": mail, "rcpt": rcpt, "end": end, "greeting": greeting}
        self.keywords = keywords
        self.commands, self.messages = [], []
        self.released = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(5)
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                try:
                    self.serve(connection, connection.makefile("rb"))
                except ConnectionError:
                    pass   # it hung up, as it may

    def serve(self, connection, lines):
        def say(reply):
            if reply is None:
                return False
            if reply == "nothing":
                self.released.wait(30)
                return False
            connection.sendall(reply.encode() + b"\r\n")
            return True

        if not say(self.replies["greeting"]):
            return
        for line in lines:
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb == "EHLO":
                reply = "\r\n".join(f"250-{k}" for k in ("mx", *self.keywords)) + "\r\n250 HELP"
            elif verb in ("MAIL", "RCPT"):
                reply = self.replies[verb.lower()]
            elif verb == "BDAT":
                self.messages.append(lines.read(int(command.split(" ")[1])))
                reply = self.replies["end"]
            elif verb == "DATA":
                connection.sendall(b"354 go on\r\n")
                data = []
                while (text := lines.readline()) not in (b".\r\n", b""):
                    data.append(text)
                self.messages.append(b"".join(data))
                reply = self.replies["end"]
            else:
                reply = "221 bye" if verb == "QUIT" else "250 ok"
            if not say(reply):
                return

    def stop(self):
        self.released.set()
        if self.server.fileno() < 0:
            return
        pathlib.Path(self.server.getsockname()).unlink(missing_ok=True)
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
