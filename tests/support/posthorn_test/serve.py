"""tools/run serve: Posthorn in the foreground with a configuration that needs no root, no DNS of your own and no real mail."""

import os
import pathlib
import shutil
import subprocess
import sys

from . import certs
from .daemon import program

CONFIG = """\
# Made by tools/run serve: etc/examples/minimal.toml with ports that need no root, and a certificate and a key of its own.
# All settings: etc/posthorn.toml.
hostname = "mail.example.test"
state_directory = "state"

[[listener]]
address = "127.0.0.1:2525"
tls = "none"
auth = "none"

[[listener]]
address = "127.0.0.1:2587"
tls = "starttls"
auth = "required"

[tls]
certificate_file = "mail.example.test.crt"
key_file = "mail.example.test.key"

[auth]
users_file = "users"

[[domain]]
name = "example.test"
dkim = [{ selector = "demo", key_file = "keys/demo.pem" }]

[admin]
socket = "admin.sock"

[local]
spool = "spool"
"""


def main(directory):
    directory = directory / "serve"
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "posthorn.toml"
    if not config.exists():
        config.write_text(CONFIG)
    if not (directory / "mail.example.test.crt").exists():
        certs.self_signed(directory)
    if not (directory / "keys" / "demo.pem").exists():
        shutil.rmtree(directory / "keys", ignore_errors=True)
        subprocess.run([program(), "dkim", "genkey", "--domain", "example.test", "--selector", "demo", "--directory",
                        str(directory / "keys")], check=True, stdout=subprocess.DEVNULL)
    if not (directory / "users").exists():
        subprocess.run([program(), "user", "add", "alice", "--password-stdin", "--config", str(config)], check=True,
                       input="correct horse\n", text=True, stdout=subprocess.DEVNULL)
    print(f"""
    configuration   {config}   (yours to change)
    without AUTH    swaks --server 127.0.0.1:2525 --from alice@example.test --to you@example.org
    with AUTH       swaks --server 127.0.0.1:2587 -tls --auth PLAIN --auth-user alice --auth-password 'correct horse' ...
    the queue       {os.path.relpath(program())} queue list --config {config}

    Mail to real domains is really delivered, if this machine may reach port 25. Ctrl-C ends it.
""", flush=True)
    os.execv(program(), [program(), "serve", "--config", str(config)])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
