"""What a compose file says of a service, and the same service started from an image of dockerfile.py, without Docker."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import yaml

NEWNET = 0x40000000


class ComposeFile:
    """The file with its variables filled in as `docker compose` does it."""

    def __init__(self, path, variables):
        self.variables = variables
        self.content = self.fill(yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8")))

    def fill(self, value):
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", self.variable, value)
        return value

    def variable(self, match):
        name, kind, rest = match.groups()
        if self.variables.get(name):
            return self.variables[name]
        if kind == "?":
            raise LookupError(f"{name}: {rest}")
        return rest or ""

    def service(self, name):
        return self.content["services"][name]


def in_network(pid, action):
    """The result of action(), called in the network namespace of that process; sockets it opens stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as ours, open(f"/proc/{pid}/ns/net", "rb") as theirs:
        if libc.setns(theirs.fileno(), NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return action()
        finally:
            libc.setns(ours.fileno(), NEWNET)


class Volumes:
    """Named volumes as directories; a new one takes content, owner and mode from the image, as Docker does it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-volumes-"))
        self.directory.chmod(0o755)

    def place(self, name, image_root, target):
        place = self.directory / name
        if not place.exists():
            original = image_root.path(target)
            if original.is_dir():
                subprocess.run(["cp", "-a", str(original), str(place)], check=True)
            else:
                place.mkdir()
        return place

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Container:
    """One service: the image's settings and the file's, as `docker compose up` joins them."""

    def __init__(self, image, service, volumes, network, environment=None, secrets=None):
        self.image, self.service, self.volumes = image, service, volumes
        config = image.config
        self.env = config.env | {k: str(v) for k, v in (service.get("environment") or {}).items()} | (environment or {})
        binds = []
        mounted = set()
        for volume in service.get("volumes", []):
            name, target, *how = volume.split(":")
            binds.append((volumes.place(name, image.root, target), target, *how))
            mounted.add(target)
        tmpfs = []
        for entry in service.get("tmpfs", []):
            target, _, options = entry.partition(":")
            tmpfs.append((target, options or "mode=1777"))
            mounted.add(target)
        for target in config.volumes:   # VOLUME without a volume: one without a name
            if target not in mounted:
                binds.append((volumes.place(f"anonymous-{id(self)}-{len(binds)}", image.root, target), target))
        for name, content in (secrets or {}).items():
            place = volumes.directory / f"secret-{name}"
            if not place.exists():
                place.write_text(content, encoding="utf-8")
            binds.append((place, f"/run/secrets/{name}", "ro"))
        self.how = {"env": self.env, "user": service.get("user") or config.user, "directory": config.directory, "binds": binds, "tmpfs": tmpfs,
                    "read_only": service.get("read_only", False), "drop_capabilities": service.get("cap_drop") == ["ALL"],
                    "no_new_privileges": "no-new-privileges:true" in service.get("security_opt", []), "own_pids": True, "network": network}
        self.process = None
        self.log = volumes.directory / f"log-{id(self)}"

    @property
    def root(self):
        return self.image.root

    def command(self):
        return self.image.config.entrypoint + (self.service.get("command") or self.image.config.command)

    def start(self):
        with self.log.open("ab") as log:
            self.process = self.root.start(self.command(), stdout=log, stderr=subprocess.STDOUT, **self.how)
        return self

    def run(self, command=None, status=0, **how):
        """To its end: a job such as an init service, or `docker compose run`."""
        argv = self.image.config.entrypoint + command if command else self.command()
        return self.root.run(argv, status=status, **(self.how | how))

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def wait_for(self, pattern, timeout=60.0):
        """The first match of the pattern in the log."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {pattern} in the log, status {self.process.poll()}:\n{self.text()[-6000:]}")
            time.sleep(0.05)
        return found

    def first_process(self):
        """Process 1 of the container, by its number out here."""
        pid = self.process.pid
        with contextlib.suppress(OSError):   # it has ended meanwhile
            while below := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
                pid = int(below[0])
        return pid

    def exec(self, *argv):
        """`docker exec`: in all its namespaces, as its user."""
        uid, _, gid = self.how["user"].partition(":")
        if not uid.isdigit():
            entry = re.search(rf"(?m)^{re.escape(uid)}:[^:]*:(\d+):(\d+):", self.root.path("/etc/passwd").read_text(encoding="utf-8"))
            uid, gid = entry.groups()
        # --root: where the tests run in a chroot, the root of the mount namespace is not the container's.
        return subprocess.run(["nsenter", "-t", str(self.first_process()), "-m", "-u", "-n", "-p", "--root", "-S", uid, "-G", gid, *argv],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    def healthy(self):
        """What HEALTHCHECK finds now."""
        if self.process is None:
            return self.root.run(self.image.config.healthcheck, status=None, **self.how)
        return self.exec(*self.image.config.healthcheck)

    def wait_until_healthy(self, timeout=60.0):
        deadline = time.monotonic() + timeout
        while (found := self.healthy()).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not healthy: {found.stderr}, status {self.process.poll()}:\n{self.text()[-6000:]}")
            time.sleep(0.1)
        return self

    def stop(self, timeout=30.0):
        """As `docker stop`: the stop signal, then the wait that stop_grace_period gives; its end."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.Signals[self.image.config.stop_signal])
            self.process.wait(timeout)
        ended, self.process = self.process.returncode, None
        return ended


def add_addresses(root, own, *others, gateway):
    """Addresses of a container's network for a root with a network of its own, and the way out through a gateway; `others`, too, are in it."""
    def ip(*words):
        subprocess.run(["nsenter", "-t", str(root.pid), "-n", "ip", *words], check=True, env=os.environ)
    ip("address", "add", own, "dev", "lo")
    ip("route", "add", "default", "via", gateway, "dev", "lo")   # before the gateway's own address is one of ours
    for address in others:
        ip("address", "add", address, "dev", "lo")
