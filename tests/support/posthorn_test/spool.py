"""Spool records as the sendmail program writes them (src/mail/handoff.hpp), and files that are none; as any user."""

import os
import pathlib
import random
import time
import zlib

MAGIC = b"posthorn-handoff 1\n"


def xtext(text):
    octets = text.encode() if isinstance(text, str) else text
    return b"".join(b"+%02X" % c if c < 33 or c > 126 or c in b"+=" else bytes([c]) for c in octets)


def name():
    """What handoff_name makes: microseconds, process, random octets."""
    return f"{time.time_ns() // 1000:016x}.{os.getpid()}.{random.getrandbits(64):016x}"


def record(message, recipients, sender=None, version=MAGIC, lines=(), length=None, checksum=None):
    """A whole record. sender: None derives it, "" is the null one. length, checksum: others than the true ones."""
    head = version + b"user: 33 www-data\nprocess: 812 php-fpm:+20pool+20www\n"
    head += b"sender: " + (b"default" if sender is None else b"<" + xtext(sender) + b">") + b"\n"
    head += b"".join(line + b"\n" for line in lines)
    head += b"".join(b"recipient: " + xtext(r) + b" 0 -\n" for r in ([recipients] if isinstance(recipients, str) else recipients))
    all_ = head + b"\n" + message
    end = b"\nposthorn-end %020d %08x\n"
    return all_ + end % (len(message) if length is None else length, zlib.crc32(all_) if checksum is None else checksum)


def leave(spool, octets, as_name=None, mode=0o640):
    """As the program does it: tmp, fsync, new, fsync. Returns the name."""
    as_name = as_name or name()
    unfinished = pathlib.Path(spool) / "tmp" / as_name
    fd = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        os.write(fd, octets) if len(octets) < 65536 else [os.write(fd, octets[i:i + 65536]) for i in range(0, len(octets), 65536)]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(unfinished, pathlib.Path(spool) / "new" / as_name)
    # A user may not open the directory to sync it; root may.
    try:
        directory = os.open(pathlib.Path(spool) / "new", os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return as_name
    os.fsync(directory)
    os.close(directory)
    return as_name


def as_user(uid, work):
    """Runs work() in a child that is this user and nobody else; returns its text. REQUIRES: we are root."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(write, str(work()).encode())
            status = 0
        except BaseException as failure:  # the parent has to hear of it
            os.write(write, repr(failure).encode())
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    status = os.waitpid(child, 0)[1]
    if status:
        raise AssertionError(f"as uid {uid}: {text}")
    return text
