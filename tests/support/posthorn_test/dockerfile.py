"""Carries out a Dockerfile without Docker: each stage is a root of system_root.py, each instruction what BuildKit would do, or a failure."""

import contextlib
import dataclasses
import fnmatch
import hashlib
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import time

from posthorn_test import system_root
from posthorn_test.system_root import Overlay

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}


class DockerfileError(Exception):
    """What BuildKit would refuse, or what this executor does not know."""


@dataclasses.dataclass
class Instruction:
    line: int
    name: str
    flags: list
    text: str

    def words(self):
        """The arguments: of a JSON array, else parted by blanks."""
        if self.text.lstrip().startswith("["):
            words = json.loads(self.text)
            if not all(isinstance(word, str) for word in words):
                raise DockerfileError(f"line {self.line}: not a list of strings")
            return words
        return shlex.split(self.text)


def parse(text):
    """The instructions, as written. Unknown ones, and heredocs, are mistakes: nothing is passed over."""
    found, collected, begun = [], "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and collected):
            continue   # comments may stand between the lines of an instruction
        if not line.strip():
            continue
        begun = begun if collected else number
        if line.rstrip().endswith("\\"):
            collected += line.rstrip()[:-1]
            continue
        collected += line
        name, _, rest = collected.strip().partition(" ")
        collected = ""
        if name not in INSTRUCTIONS:
            raise DockerfileError(f"line {begun}: unknown instruction {name}")
        if re.search(r"<<-?['\"]?[A-Za-z]", rest):
            raise DockerfileError(f"line {begun}: heredocs are not known here")
        flags = []
        while name != "HEALTHCHECK" and (flag := re.match(r"\s*--([a-z-]+)=(\S+)\s*", rest)):
            flags.append((flag.group(1), flag.group(2)))
            rest = rest[flag.end():]
        found.append(Instruction(begun, name, flags, rest.strip()))
    if collected:
        raise DockerfileError("the last line goes on")
    return found


@dataclasses.dataclass
class Config:
    """What an image says about its start."""

    env: dict = dataclasses.field(default_factory=dict)
    user: str = ""
    directory: str = "/"
    entrypoint: list = dataclasses.field(default_factory=list)
    command: list = dataclasses.field(default_factory=list)
    volumes: list = dataclasses.field(default_factory=list)
    ports: list = dataclasses.field(default_factory=list)
    healthcheck: list = dataclasses.field(default_factory=list)
    health_options: dict = dataclasses.field(default_factory=dict)
    stop_signal: str = "SIGTERM"


class Ignored:
    """A .dockerignore: the last pattern that fits decides; what stands below something ignored may be taken in again."""

    def __init__(self, text):
        self.rules = [(line.startswith("!"), line.lstrip("!").strip("/")) for line in (raw.strip() for raw in text.splitlines())
                      if line and not line.startswith("#")]

    def __call__(self, path):
        ignored = False
        parts = path.split("/")
        for taken, pattern in self.rules:
            fits = any(fnmatch.fnmatchcase("/".join(parts[:n]), pattern.removeprefix("**/")) or
                       (pattern.startswith("**/") and fnmatch.fnmatchcase(parts[n - 1], pattern[3:])) for n in range(1, len(parts) + 1))
            if fits:
                ignored = not taken
        return ignored


class Context:
    """The directory a build may copy from, without what its .dockerignore leaves out."""

    def __init__(self, directory, ignore_file):
        self.directory = pathlib.Path(directory)
        ignored = Ignored(ignore_file.read_text(encoding="utf-8") if ignore_file.exists() else "")
        listed = subprocess.run(["git", "-C", str(directory), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
        self.files = sorted(name for name in listed if name and not ignored(name) and (self.directory / name).exists())

    def below(self, source):
        """(file of the context, its name below the source) for a file or directory."""
        source = os.path.normpath(source)
        if source == ".":
            return [(name, name) for name in self.files]
        if source in self.files:
            return [(source, pathlib.PurePath(source).name)]
        return [(name, name[len(source) + 1:]) for name in self.files if name.startswith(source + "/")]

    def sum_of(self, source):
        digest = hashlib.sha256()
        for name, _ in self.below(source):
            place = self.directory / name
            digest.update(f"{name}\0{place.stat().st_mode:o}\0".encode() + place.read_bytes())
        return digest.hexdigest()


class Stage:
    """One FROM: its root, its settings, and what brought it about."""

    def __init__(self, root, key):
        self.root, self.key = root, key
        self.config = Config()
        self.arguments = {}
        self.whole_context = False   # from then on each change of the source makes it another

    def expand(self, text, outer=None):
        values = (outer or {}) | self.arguments | self.config.env
        return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)", lambda m: values.get(m[1] or m[3]) or m[2] or "", text)


class Build:
    """The stages of one Dockerfile. They end with it (`with`, or stop())."""

    def __init__(self, dockerfile, context, *, bases, target_architecture=ARCHITECTURE, arguments=None):
        """`bases`: the image of a FROM to a callable that gives its tree. `arguments`: --build-arg."""
        self.dockerfile = pathlib.Path(dockerfile)
        self.context = Context(context, self.dockerfile.with_name(self.dockerfile.name + ".dockerignore"))
        self.bases = bases
        self.given = arguments or {}
        self.outer = {"BUILDPLATFORM": f"linux/{ARCHITECTURE}", "TARGETPLATFORM": f"linux/{target_architecture}", "BUILDARCH": ARCHITECTURE,
                      "TARGETARCH": target_architecture, "BUILDOS": "linux", "TARGETOS": "linux"}
        self.stages, self.order = {}, []
        self.roots = contextlib.ExitStack()
        self.log = []   # (seconds, line, what)
        try:
            for instruction in parse(self.dockerfile.read_text(encoding="utf-8")):
                begun = time.monotonic()
                self.carry_out(instruction)
                self.log.append((time.monotonic() - begun, instruction.line, f"{instruction.name} {instruction.text}"[:100]))
        except BaseException:
            self.stop()
            raise

    @property
    def image(self):
        """The last stage: what `docker build` would tag."""
        return self.order[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.roots.close()

    def root(self, tree):
        return self.roots.enter_context(Overlay(tree))

    def carry_out(self, instruction):
        if instruction.name == "ARG" and not self.order:
            name, _, default = instruction.text.partition("=")
            self.outer[name] = self.given.get(name, default)
            return
        if instruction.name == "FROM":
            self.begin(instruction)
            return
        if not self.order:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} before FROM")
        stage = self.order[-1]
        allowed = {"RUN": {"mount"}, "COPY": {"from"}}.get(instruction.name, set())
        if unknown := {flag for flag, _ in instruction.flags} - allowed:
            raise DockerfileError(f"line {instruction.line}: --{unknown.pop()} is not known here")
        getattr(self, "do_" + instruction.name.lower())(stage, instruction)

    def begin(self, instruction):
        platforms = [value for flag, value in instruction.flags if flag == "platform"]
        name, *rest = [re.sub(r"\$\{?(\w+)\}?", lambda m: self.outer.get(m[1], ""), word) for word in shlex.split(instruction.text)]
        if len(platforms) != len(instruction.flags) or (rest and (len(rest) != 2 or rest[0].upper() != "AS")):
            raise DockerfileError(f"line {instruction.line}: FROM {instruction.text}")
        if any(re.sub(r"\$\{?(\w+)\}?", lambda m: self.outer.get(m[1], ""), value) != f"linux/{ARCHITECTURE}" for value in platforms):
            raise DockerfileError(f"line {instruction.line}: a base for another machine")
        if name in self.stages:
            raise DockerfileError(f"line {instruction.line}: a stage upon a stage is not known here")
        if name == "scratch":
            stage = Stage(self.root(None), "scratch")
            for made in ("tmp",):   # of the ground; an empty image has nothing
                stage.root.path(made).rmdir()
        elif name in self.bases:
            stage = Stage(self.root(self.bases[name]()), name)
        else:
            raise DockerfileError(f"line {instruction.line}: nothing here stands for the image {name}")
        self.order.append(stage)
        if rest:
            self.stages[rest[1]] = stage

    def do_arg(self, stage, instruction):
        name, _, default = instruction.text.partition("=")
        stage.arguments[name] = self.given.get(name, stage.expand(default) or self.outer.get(name, ""))

    def do_env(self, stage, instruction):
        for word in shlex.split(instruction.text):
            name, equals, value = word.partition("=")
            if not equals:
                raise DockerfileError(f"line {instruction.line}: ENV is NAME=VALUE")
            stage.config.env[name] = stage.expand(value)

    def do_workdir(self, stage, instruction):
        stage.config.directory = os.path.normpath(os.path.join(stage.config.directory, stage.expand(instruction.text)))
        stage.root.path(stage.config.directory).mkdir(parents=True, exist_ok=True)

    def do_user(self, stage, instruction):
        stage.config.user = stage.expand(instruction.text)

    def do_volume(self, stage, instruction):
        stage.config.volumes += instruction.words()

    def do_expose(self, stage, instruction):
        stage.config.ports += [int(port) for port in instruction.words()]

    def do_stopsignal(self, stage, instruction):
        stage.config.stop_signal = instruction.text

    def do_entrypoint(self, stage, instruction):
        stage.config.entrypoint = self.exec_form(instruction)

    def do_cmd(self, stage, instruction):
        stage.config.command = self.exec_form(instruction)

    def do_healthcheck(self, stage, instruction):
        options, _, command = instruction.text.partition("CMD ")
        stage.config.health_options = dict(word.removeprefix("--").split("=") for word in options.split())
        if unknown := set(stage.config.health_options) - {"interval", "timeout", "start-period", "start-interval", "retries"}:
            raise DockerfileError(f"line {instruction.line}: HEALTHCHECK knows no --{unknown.pop()}")
        stage.config.healthcheck = json.loads(command)

    @staticmethod
    def exec_form(instruction):
        if not instruction.text.startswith("["):
            raise DockerfileError(f"line {instruction.line}: {instruction.name} needs a shell in this form; write a JSON array")
        return instruction.words()

    def do_copy(self, stage, instruction):
        *sources, target = [stage.expand(word) for word in instruction.words()]
        into = target.endswith("/") or target == "." or len(sources) > 1
        target = os.path.normpath(os.path.join(stage.config.directory, target))
        if origin := dict(instruction.flags).get("from"):
            if origin not in self.stages:
                raise DockerfileError(f"line {instruction.line}: there is no stage {origin}")
            for source in sources:
                found = self.stages[origin].root.path(source)
                if found.is_dir():   # its content, as with BuildKit
                    stage.root.path(target).mkdir(parents=True, exist_ok=True)
                    subprocess.run(["cp", "-a", f"{found}/.", str(stage.root.path(target))], check=True)
                else:
                    place = stage.root.path(os.path.join(target, os.path.basename(source)) if into else target)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    subprocess.run(["cp", "-a", str(found), str(place)], check=True)
            stage.whole_context = True
            return
        for source in sources:
            files = self.context.below(source)
            if not files:
                raise DockerfileError(f"line {instruction.line}: the context has no {source}")
            single = len(files) == 1 and files[0][0] == os.path.normpath(source)
            for name, below in files:
                place = stage.root.path(target if single and not into else os.path.join(target, below))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.context.directory / name, place, follow_symlinks=False)
            if os.path.normpath(source) == ".":
                stage.whole_context = True
            else:
                stage.key += f"\n{instruction.text} {self.context.sum_of(source)}"

    def do_run(self, stage, instruction):
        stage.key += "\n" + instruction.text + json.dumps([stage.arguments, stage.config.env, stage.config.directory, stage.config.user])
        argv = instruction.words() if instruction.text.startswith("[") else ["/bin/sh", "-c", instruction.text]
        env = stage.arguments | stage.config.env
        if stage.whole_context:
            self.run_in(stage.root, instruction, argv, env, stage)
            return
        # As a layer of Docker's: done once, kept as a tree for as long as nothing before it changes.
        name = "layer-" + hashlib.sha256(stage.key.encode()).hexdigest()[:12]

        def make(place):
            self.run_in(stage.root, instruction, argv, env, stage)
            place.mkdir()
            subprocess.run(["cp", "-ax", f"{stage.root.path('/')}/.", str(place)], check=True)
            system_root.drop_trees("layer-", instruction.text, keep=name)
        stage.root = self.root(system_root.kept_tree(name, make, instruction.text))

    def run_in(self, root, instruction, argv, env, stage):
        binds = []
        with contextlib.ExitStack() as held:
            for _, mount in instruction.flags:
                fields = dict(field.partition("=")[::2] for field in mount.split(","))
                if fields.pop("type", "") != "cache" or set(fields) - {"target", "sharing"}:
                    raise DockerfileError(f"line {instruction.line}: --mount={mount} is not known here")
                binds.append((held.enter_context(cache_for(fields["target"])), fields["target"]))
            root.run(argv, binds=binds, env=env, directory=stage.config.directory, user=stage.config.user or None, timeout=3000)


@contextlib.contextmanager
def cache_for(target):
    """What is kept between builds: apt's archives as all tests share them, the compiler cache of this machine."""
    if target == "/var/cache/apt/archives":
        with system_root.locked("archives"):
            (system_root.archives() / "partial").mkdir(exist_ok=True)
            yield system_root.archives()
    elif target == "/root/.cache/ccache":
        shown = subprocess.run(["ccache", "--get-config", "cache_dir"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
        place = pathlib.Path(shown or system_root.cache() / "ccache")
        place.mkdir(parents=True, exist_ok=True)
        yield place
    else:
        place = system_root.cache() / ("mount-" + hashlib.sha256(target.encode()).hexdigest()[:12])
        place.mkdir(exist_ok=True)
        yield place
