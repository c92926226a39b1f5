#!/usr/bin/env python3
"""Runs a program in a root of its own: the namespaces, mounts and rights that system_root.py asks for, without needing a tool inside."""

# Called as `enter_root.py hold JSON` (makes the root and keeps it until stdin ends) and `enter_root.py run JSON` (a program in it).
# In Python, because the root may hold nothing but one program: what is needed after pivot_root is loaded before.

import ctypes
import fcntl
import json
import os
import pathlib
import platform
import signal
import socket
import stat
import struct
import sys

NEWNS, NEWUTS, NEWPID, NEWNET = 0x20000, 0x04000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[platform.machine()]
OPEN_TREE, MOVE_MOUNT = 428, 429   # the same numbers on both
OPEN_TREE_CLONE, O_CLOEXEC, AT_RECURSIVE, AT_FDCWD, EMPTY_PATH = 1, 0o2000000, 0x8000, -100, 4
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL = 1, 24, 38, 47, 4
MNT_DETACH = 2
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """A function of libc by its name; strings become octets, a failure an OSError that says what was tried."""
    plain = [a.encode() if isinstance(a, str) else ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = getattr(LIBC, name)(*plain)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")
    return result


def mount(source, target, kind=None, flags=0, data=None):
    call("mount", source, str(target), kind, flags, data)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1 | 64))   # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING


def clone_tree(path):
    """A mount of that file or directory which stands nowhere yet, to be attached in another mount namespace."""
    return call("syscall", OPEN_TREE, AT_FDCWD, str(path), OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE)


def attach(tree, target, read_only, is_directory):
    target = pathlib.Path(target)
    (target if is_directory else target.parent).mkdir(parents=True, exist_ok=True)
    if not is_directory and not target.exists():
        target.touch()
    call("syscall", MOVE_MOUNT, tree, "", AT_FDCWD, str(target), EMPTY_PATH)
    if read_only:
        mount(None, target, None, REMOUNT | BIND | RDONLY)


def make_root(lower, size):
    """An empty root, or one over the directory `lower`; returns where it stands. All of it in memory, all of it ours alone."""
    place = "/tmp"   # covered in this namespace only
    trees = clone_tree(lower) if lower else None
    mount("posthorn", place, "tmpfs", 0, f"mode=755,size={size}")
    merged = pathlib.Path(place, "root")
    for name in ("root", "upper", "work", "lower"):
        pathlib.Path(place, name).mkdir()
    if trees is None:
        mount("posthorn", merged, "tmpfs", 0, f"mode=755,size={size}")
        return merged
    call("syscall", MOVE_MOUNT, trees, "", AT_FDCWD, f"{place}/lower", EMPTY_PATH)
    mount("posthorn", merged, "overlay", 0, f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work")
    return merged


def furnish(root, machine_dev):
    """/proc, /dev and /tmp as containers have them."""
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    mount("proc", root / "proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("dev", root / "dev", "tmpfs", NOSUID, "mode=755")
    for name, tree in machine_dev.items():
        attach(tree, root / "dev" / name, False, False)
    for name in ("pts", "shm"):
        (root / "dev" / name).mkdir()
    mount("devpts", root / "dev" / "pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    mount("shm", root / "dev" / "shm", "tmpfs", NOSUID | NODEV, "mode=1777")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2")):
        (root / "dev" / name).symlink_to(target)


def change_root(root):
    os.chdir(root)
    call("syscall", PIVOT_ROOT, ".", ".")
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")


def hold(how):
    """Makes the root; says "ready PID" (the pid to enter by) and stays until stdin ends: then all that ran in it ends, too."""
    call("unshare", NEWNS | NEWUTS | NEWPID | (NEWNET if how["network"] in ("none", "loopback") else 0))
    child = os.fork()
    if child:
        os.close(0)
        os.close(1)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
    mount(None, "/", None, REC | PRIVATE)
    if how["network"] == "loopback":
        loopback_up()
    if how["network_of"]:
        with open(f"/proc/{how['network_of']}/ns/net", "rb") as ns:
            outside_proc = os.readlink("/proc/self")   # /proc is still the machine's
            call("setns", ns.fileno(), NEWNET)
    else:
        outside_proc = os.readlink("/proc/self")
    socket.sethostname(how["hostname"])
    machine_dev = {name: clone_tree(f"/dev/{name}") for name in ("null", "zero", "full", "random", "urandom", "tty")}
    root = make_root(how["lower"], how["size"])
    furnish(root, machine_dev)
    change_root(root)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)   # whoever is left to us ends without a trace
    os.write(1, f"ready {outside_proc}\n".encode())
    while os.read(0, 4096):
        pass


def identity(user):
    """(uid, gid, further groups) of a name, an uid or uid:gid, by the root's own files."""
    if isinstance(user, int) or ":" in user or user.isdigit():
        uid, _, gid = str(user).partition(":")
        return int(uid), int(gid or uid), []
    for line in pathlib.Path("/etc/passwd").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[0] == user:
            groups = [g.split(":") for g in pathlib.Path("/etc/group").read_text(encoding="utf-8").splitlines()]
            return int(fields[2]), int(fields[3]), [int(g[2]) for g in groups if len(g) > 3 and user in g[3].split(",")]
    raise LookupError(f"the root knows no user {user}")


def enter(holder, network, network_of=None):
    spaces = [("mnt", NEWNS), ("uts", NEWUTS), ("pid", NEWPID)] + ([] if network else [("net", NEWNET)])
    opened = [(os.open(f"/proc/{network_of if network_of and name == 'net' else holder}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind)
              for name, kind in spaces]
    root = os.open(f"/proc/{holder}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for number, kind in opened:   # all are open before the first is entered: /proc is another one then
        call("setns", number, kind)
    # The root of a mount namespace is the machine's where the holder was made in a chroot; his own is what is meant.
    os.fchdir(root)
    os.chroot(".")


def rights(how):
    if how["drop_capabilities"]:
        for number in range(64):
            if LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_long(number), ctypes.c_long(0), ctypes.c_long(0), ctypes.c_long(0)) != 0:
                break
        LIBC.prctl(PR_CAP_AMBIENT, ctypes.c_long(AMBIENT_CLEAR_ALL), ctypes.c_long(0), ctypes.c_long(0), ctypes.c_long(0))
    if how["user"] is not None:
        uid, gid, groups = identity(how["user"])
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if how["no_new_privileges"]:
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def in_child():
    """Forks: returns in the child only. The parent passes signals on to it and ends as it does."""
    parent_end, child_end = os.pipe()   # the child goes on when its signals have a way to it
    child = os.fork()
    if not child:
        os.close(child_end)
        os.read(parent_end, 1)
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        return
    os.close(parent_end)
    for number in PASSED_ON:
        signal.signal(number, lambda s, _: os.kill(child, s))
    os.close(child_end)
    for number in (0, 1, 2):   # it alone has them
        os.close(number)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGKILL:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def run(how):
    """A program in the root that a holder keeps; signals are passed on to it, its end is ours."""
    trees = [(clone_tree(source), target, read_only, stat.S_ISDIR(os.stat(source).st_mode)) for source, target, read_only in how["binds"]]
    enter(how["holder"], how["network"] == "host", how.get("network_of"))
    call("unshare", NEWNS | (NEWNET if how["network"] in ("none", "loopback") else 0))
    if how["network"] == "loopback":
        loopback_up()
    in_child()   # it is in the holder's PID namespace
    if how["own_pids"]:
        call("unshare", NEWPID)
        in_child()
    mount(None, "/", None, REC | PRIVATE)
    for tree, target, read_only, is_directory in trees:
        attach(tree, target, read_only, is_directory)
    for target, mode in how["tmpfs"]:
        pathlib.Path(target).mkdir(parents=True, exist_ok=True)
        mount("tmpfs", target, "tmpfs", NOSUID | NODEV, mode)
    if how["own_pids"]:
        mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    if how["read_only"]:
        mount(None, "/", None, REMOUNT | BIND | RDONLY)
    os.chdir(how["directory"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    rights(how)
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)   # after the rights, whose change clears it
    try:
        os.execvpe(how["argv"][0], how["argv"], how["env"])
    except OSError as e:
        os.write(2, f"{how['argv'][0]}: {e.strerror}\n".encode())
        os._exit(127 if isinstance(e, FileNotFoundError) else 126)


def main():
    what, how = sys.argv[1], json.loads(sys.argv[2])
    try:
        (hold if what == "hold" else run)(how)
    except (OSError, LookupError) as e:
        os.write(2, f"{what}: {e}\n".encode())
        os._exit(125)


if __name__ == "__main__":
    main()
