#!/usr/bin/env python3
"""From an empty directory to signed mail: setup by flags and by a person at a terminal, domains added and removed under a running daemon."""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from posthorn_test import verify, world
from posthorn_test.daemon import Daemon, free_port, loopback_address, program
from posthorn_test.dns_server import DnsServer
from posthorn_test.person import Person
from posthorn_test.sink import Sink
from posthorn_test.smtp import Client

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "SETUP.md"
BEGIN, END = "<!-- a captured screen; tests/interop/test_setup.py --write-screen makes it anew -->\n```\n", "```\n<!-- end of the screen -->"
ADDRESS = "192.0.2.1"


class Place:
    """An empty directory for posthorn.toml and a DNS; what a real machine has elsewhere is said by the environment."""

    def __init__(self, config=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-setup-"))
        address = loopback_address()
        self.dns = DnsServer(address, free_port(address), ttl=1, negative_ttl=1)
        for domain in ("example.test", "example.org"):
            self.dns.set(domain, "NS", f"ns.{domain}.")
            self.dns.set(domain, "SOA", f"ns.{domain}. admin.{domain}. 1 3600 600 86400 1")
            self.dns.set(f"ns.{domain}", "A", address)
            self.dns.mx(domain, (f"mx.{domain}", ADDRESS))
        self.dns.set("mail.example.test", "A", ADDRESS)
        self.dns.set("1.2.0.192.in-addr.arpa", "PTR", "mail.example.test.")
        self.config = self.directory / "etc" / "posthorn.toml"
        if config is not None:
            self.config.parent.mkdir()
            self.config.write_text(config)
        self.environment = {
            "POSTHORN_STATE_DIRECTORY": str(self.directory / "state"), "POSTHORN_ADMIN_SOCKET": str(self.directory / "admin.sock"),
            "POSTHORN_DNS_SERVERS": f"{address}:{self.dns.port}", "POSTHORN_DNS_AUTHORITY_PRIVATE": "true",
            "POSTHORN_DNS_AUTHORITY_PORT": str(self.dns.port), "POSTHORN_DNS_TIMEOUT": "1s", "POSTHORN_LOCAL_ALIASES_FILE": "",
            "POSTHORN_DKIM_SETTLE": "0s", "POSTHORN_DKIM_LOOK_EVERY": "1s", "POSTHORN_QUEUE_MIN_FREE_SPACE": "1MiB",
            "POSTHORN_DELIVERY_ALLOW_PRIVATE_ADDRESSES": "true"}
        (self.directory / "state").mkdir()

    def close(self):
        self.dns.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def env(self):
        return {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN")} | self.environment

    def arguments(self, *arguments):
        return [program(), *arguments, "--config", str(self.config)]

    def run(self, *arguments, code=0, timeout=120):
        run = subprocess.run(self.arguments(*arguments), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, timeout=timeout)
        if run.returncode != code:
            raise AssertionError(f"posthorn {' '.join(arguments)} ended with {run.returncode}, not {code}:\n{run.stdout}{run.stderr}")
        return run

    def files(self):
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if not path.is_dir())

    def daemon(self, **environment):
        daemon = Daemon(directory=self.directory / "state", environment=self.environment | environment)
        daemon.config_file = self.config
        return daemon


FLAGS = ("setup", "--hostname", "mail.example.test", "--domain", "example.test", "--ip", ADDRESS, "--no-users", "--root-mail", "ann@dest.test", "--no-doctor")


class WithPlace(unittest.TestCase):
    def place(self, **how):
        place = Place(**how)
        self.addCleanup(place.close)
        return place


class ByFlags(WithPlace):
    def test_an_empty_directory(self):
        place = self.place()
        shown = place.run(*FLAGS, "--listen", "127.0.0.1:2525").stdout
        text = place.config.read_text()
        for line in ('config_version = 1', 'hostname = "mail.example.test"', 'address = "127.0.0.1:2525"', 'key_directory = "keys/example.test"',
                     'users_to = ["ann@dest.test"]'):
            self.assertIn(line, text)
        self.assertEqual(stat.S_IMODE(place.config.stat().st_mode), 0o644)
        key, = (place.config.parent / "keys" / "example.test").glob("mta-*.pem")   # SD-28, SD-32
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)                   # SD-30
        self.assertEqual(stat.S_IMODE(key.parent.stat().st_mode), 0o700)
        # What is in DNS is not asked for again; what is missing is.
        self.assertRegex(shown, rf"host part +{key.stem}\._domainkey\n")            # SD-8
        self.assertIn(f"v=spf1 ip4:{ADDRESS} ~all", shown)
        self.assertIn("v=DMARC1; p=none", shown)
        self.assertNotIn("in-addr.arpa", shown)
        self.assertIn("What is left to do", shown)
        place.run("check-config")

        # Again: nothing happens, to the octet and to the second.
        before = {name: (place.directory / name).stat().st_mtime_ns for name in place.files()}
        again = place.run(*FLAGS, "--listen", "127.0.0.1:2525").stdout
        self.assertIn(f"{place.config} is right as it is.", again)
        self.assertNotIn("a key was made", again)
        self.assertEqual({name: (place.directory / name).stat().st_mtime_ns for name in place.files()}, before)
        self.assertEqual(place.config.read_text(), text)

        # Something else: told, and done only with leave.
        changed = ("setup", "--hostname", "mx.example.test", "--domain", "example.org", "--ip", ADDRESS, "--no-doctor")
        refused = place.run(*changed, code=1)
        self.assertIn('- hostname becomes "mx.example.test"; it is "mail.example.test"', refused.stdout)
        self.assertIn("- [[domain]] example.org is added", refused.stdout)
        self.assertIn("--yes", refused.stderr)
        self.assertIn("example.test stays", refused.stdout)
        self.assertEqual(place.config.read_text(), text)
        self.assertEqual(place.files(), sorted(before))
        place.run(*changed, "--dry-run")
        self.assertEqual(place.config.read_text(), text)
        place.config.write_text("# Ann's words\n" + text)
        place.run(*changed, "--yes")
        after = place.config.read_text()
        self.assertTrue(after.startswith("# Ann's words\n"))
        self.assertIn('hostname = "mx.example.test"', after)
        self.assertEqual(len(list((place.config.parent / "keys" / "example.org").glob("*.pem"))), 1)

    def test_a_link_stays_a_link_and_a_mode_stays(self):
        place = self.place(config="# Ann's\n")
        real = place.config.with_name("real.toml")
        place.config.rename(real)
        real.chmod(0o640)
        place.config.symlink_to("real.toml")
        place.run(*FLAGS, "--offline", "--yes", "--listen", "none")
        self.assertTrue(place.config.is_symlink())
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o640)
        self.assertTrue(real.read_text().startswith("# Ann's\n"))
        self.assertIn('hostname = "mail.example.test"', real.read_text())

    def test_killed_at_any_moment(self):
        """Whatever was made, the file is the whole new one or not there, and another run makes up for the rest with the key that is there."""
        place = self.place()
        whole = None
        for pause in [i * 0.004 for i in range(40)]:
            running = subprocess.Popen(place.arguments(*FLAGS, "--offline", "--listen", "none"), env=place.env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)   # the moment of the kill
            running.kill()
            running.wait()
            if place.config.exists():
                place.run("check-config")
                whole = whole or place.config.read_text()
                self.assertEqual(place.config.read_text(), whole)
                if pause < 0.1:   # begin anew, with what keys there are
                    place.config.unlink()
        place.run(*FLAGS, "--offline", "--listen", "none")
        keys = list((place.config.parent / "keys" / "example.test").glob("*.pem"))
        self.assertEqual(len(keys), 1)
        self.assertEqual(json.loads(place.run("domain", "list", "--json").stdout)["domains"][0]["keys"][0]["selector"], keys[0].stem)

    def test_what_flags_do_not_say_is_found_out(self):
        place = self.place()
        shown = place.run("setup", "--hostname", "mail.example.test", "--offline").stdout
        self.assertRegex(shown, r"Your domains +example\.test\n")
        self.assertRegex(shown, r"Who may send +programs on this machine\n")
        self.assertIn("v=DKIM1; k=rsa; p=", shown)

    def test_users_log_in(self):
        place = self.place()
        place.run("setup", "--hostname", "mail.example.test", "--self-signed", "--listen-users", f"127.0.0.1:{free_port()}", "--listen", "none",
                  "--offline", "--root-mail", "none")
        self.assertNotIn("users_to", place.config.read_text())
        self.assertEqual((place.config.parent / "users").read_text(), "")
        with place.daemon() as daemon:   # nobody can log in yet, but it starts
            self.assertTrue(daemon.log("ready"))
            run = subprocess.run(place.arguments("user", "add", "ann", "--password-stdin"), env=place.env, input="correct horse\n", text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(run.returncode, 0, run.stderr)

    def test_mistakes_change_nothing(self):
        place = self.place()
        for arguments, words in ((("--hostname", "web1"), "--hostname: web1 is a single label"),   # SD-51
                                 (("--ip", "10.0.0.1"), "--ip: 10.0.0.1 is an address that only your own network knows"),
                                 (("--domain", "ann@example.test"), "--domain: ann@example.test is an address"),
                                 (("--certificate", "/none.pem"), "--certificate: there is no file /none.pem"),
                                 (("--users", "--no-users"), "excludes")):
            run = place.run("setup", *arguments, code=64)
            self.assertIn(words, run.stderr + run.stdout)
        run = place.run("setup", "--hostname", "mail.example.test", "--listen", "here", "--offline", code=78)
        self.assertIn("here", run.stderr)
        self.assertEqual(place.files(), [])

    @unittest.skipUnless(os.geteuid() == 0, "only root reads what the daemon's user cannot")
    def test_files_closed_to_the_daemons_user(self):
        place = self.place()
        place.directory.chmod(0o755)
        os.chown(place.directory / "state", 64123, 64123)
        for name in ("fullchain.pem", "privkey.pem"):
            (place.directory / name).write_text("")
            (place.directory / name).chmod(0o600 if name == "privkey.pem" else 0o644)
        shown = place.run(*[flag for flag in FLAGS if flag != "--no-users"], "--users", "--listen-users", "127.0.0.1:2587", "--offline", "--yes",
                          "--certificate", str(place.directory / "fullchain.pem")).stdout
        left = re.sub(r"\s+", " ", shown.split("What is left to do", 1)[1])
        self.assertIn(f"{place.directory}/privkey.pem cannot be read by 64123, as whom Posthorn runs", left)
        self.assertIn(f"chown 64123: {place.directory}/privkey.pem", left)
        self.assertNotIn("fullchain.pem cannot", left)

        place = self.place(config='hostname = "mail.example.test"\n[admin]\nlisten = "127.0.0.1:2580"\ntoken_file = "admin.token"\n')
        place.directory.chmod(0o755)
        os.chown(place.directory / "state", 64123, 64123)
        token = place.config.parent / "admin.token"
        token.write_text("a-token-of-more-than-thirty-two-characters\n")
        token.chmod(0o600)
        told = place.run("check-config")
        self.assertIn(f"warning: admin.token_file ({token}) cannot be read by 64123, as whom the daemon runs", told.stderr)
        self.assertRegex(told.stdout, "correct, with .*warning")
        os.chown(token, 64123, 64123)
        self.assertNotIn("cannot be read", place.run("check-config").stderr)

    def test_a_file_for_a_newer_program(self):
        place = self.place(config="config_version = 2\nnew = 1\n")
        run = place.run(*FLAGS, code=78)
        self.assertIn("config_version is 2, but this Posthorn reads 1", run.stderr)   # SD-54
        self.assertEqual(place.files(), ["etc/posthorn.toml"])

    def test_the_doctor_has_the_last_word(self):
        place = self.place()
        shown = place.run(*[flag for flag in FLAGS if flag != "--no-doctor"], "--no-port25").stdout
        verdict = shown.split("The doctor's verdict", 1)[1]
        self.assertRegex(verdict, r"\d+ checks fail, first of all: DKIM")
        self.assertRegex(verdict, r"\d+ of that come from the records above")
        self.assertNotRegex(verdict, r"(?m)^(PASS|SKIP|FAIL)  ")   # all that fails is a record that stands above
        self.assertIn(f"All that was looked at: posthorn doctor --ip {ADDRESS} --config {place.config}\n", verdict)

    def test_two_new_domains_end_briefly(self):
        """Each record once, those of the server once for both domains, and no finding that only repeats one."""
        place = self.place()
        place.dns.remove("mail.example.test")
        place.dns.remove("1.2.0.192.in-addr.arpa")
        shown = place.run(*[flag for flag in FLAGS if flag != "--no-doctor"], "--domain", "example.org", "--no-port25", "--listen", "none").stdout
        end = shown.split("What DNS still lacks", 1)[1].split("What is left to do", 1)[0]
        names = [(name, rtype) for name, rtype, _ in printed_records(end)]
        self.assertEqual(len(names), len(set(names)), names)
        for wanted in (("mail.example.test", "A"), ("mail.example.test", "TXT"), ("1.2.0.192.in-addr.arpa", "PTR"), ("example.test", "TXT"), ("example.org", "TXT")):
            self.assertIn(wanted, names)
        self.assertEqual(end.count("for zone files and Route 53"), 1)
        self.assertEqual(end.count("v=DKIM1"), 2)
        self.assertNotRegex(end, r"(?m)^(PASS|SKIP|FAIL)  ")
        self.assertLess(len(end.splitlines()), 100, end)
        # What fails for another reason is told.
        place.dns.set("mail.example.test", "A", "192.0.2.77")
        again = place.run(*[flag for flag in FLAGS if flag != "--no-doctor"], "--domain", "example.org", "--no-port25", "--listen", "none").stdout
        self.assertRegex(again.split("The doctor's verdict", 1)[1], r"(?m)^FAIL  EHLO name")


def printed_records(shown):
    """(name, type, value) of each record that a person would enter."""
    return re.findall(r"^  whole name +(\S+)\n  type +(\S+)\n  value +(.*)$", shown, re.MULTILINE)


class ToSignedMail(WithPlace):
    def test_from_nothing_to_a_signed_message(self):
        """SD-15: one command, the records it prints, and mail leaves signed."""
        place = self.place()
        port = free_port()
        shown = place.run(*FLAGS, "--listen", f"127.0.0.1:{port}").stdout
        records = printed_records(shown)
        self.assertIn("_dmarc.example.test", [name for name, _, _ in records])
        for name, rtype, value in records:
            place.dns.set(name, rtype, value)
        sink = Sink(loopback_address(), name="mx.dest.test")
        self.addCleanup(sink.stop)
        place.dns.mx("dest.test", ("mx.dest.test", sink.address))
        with place.daemon(POSTHORN_DELIVERY_PORT=str(sink.port)):
            with Client(("127.0.0.1", port)) as client:
                client.expect(220)
                client.hello()
                client.deliver("web@example.test", ["bob@dest.test"], b"From: web@example.test\r\nTo: bob@dest.test\r\nSubject: hello\r\n\r\nIt works.\r\n")
            message = sink.wait_for_message("bob@dest.test")
            (domain, selector, algorithm), = verify.signatures(message.data)
            self.assertEqual((domain, algorithm), ("example.test", "rsa-sha256"))
            self.assertRegex(selector, r"^mta-\d{6}$")
            verify.all_pass(message.data, place.dns)
            # Nothing is left that DNS lacks.
            self.assertIn("Every record that example.test needs is there.", place.run(*FLAGS, "--listen", f"127.0.0.1:{port}").stdout)


class Domains(WithPlace):
    def test_add_list_remove_under_a_running_daemon(self):
        place = self.place()
        port = free_port()
        place.run(*FLAGS, "--listen", f"127.0.0.1:{port}")
        place.config.write_text("# Ann's\n" + place.config.read_text() + "\n# the end\n")
        sink = Sink(loopback_address(), name="mx.dest.test")
        self.addCleanup(sink.stop)
        place.dns.mx("dest.test", ("mx.dest.test", sink.address))
        place.dns.fail("dest.test", "servfail")
        with place.daemon(POSTHORN_DELIVERY_PORT=str(sink.port)) as daemon:
            before = place.config.read_text()
            shown = place.run("domain", "add", "Example.ORG", "--ip", ADDRESS).stdout   # SD-50
            self.assertIn("example.org is added.", shown)
            self.assertIn("The running Posthorn has taken the change.", shown)
            self.assertIn("._domainkey.example.org", shown)
            daemon.wait_for_log("reload")
            key, = (place.config.parent / "keys" / "example.org").glob("*.pem")
            text = place.config.read_text()
            self.assertIn('[[domain]]\nname = "example.org"\nkey_directory = "keys/example.org"\n', text)
            kept = iter(text.splitlines())
            self.assertTrue(all(line in kept for line in before.splitlines()), text)   # comments and all, in their order
            again = place.run("domain", "add", "example.org", "--offline").stdout
            self.assertIn("example.org is there already.", again)
            self.assertNotIn("a key was made", again)
            self.assertEqual(place.config.read_text(), text)
            self.assertIn("v=DKIM1; k=rsa; p=", again)   # its records are shown all the same

            listed = json.loads(place.run("domain", "list", "--json").stdout)["domains"]
            self.assertEqual([one["domain"] for one in listed], ["example.test", "example.org"])
            self.assertEqual(listed[1]["keys"][0]["selector"], key.stem)
            self.assertRegex(place.run("domain", "list").stdout, rf"(?m)^example\.org +{key.stem} \((pending|published)\)$")

            # Mail of it waits: it stays.
            with Client(("127.0.0.1", port)) as client:
                client.expect(220)
                client.hello()
                client.deliver("web@shop.example.org", ["bob@dest.test"], b"From: web@shop.example.org\r\nSubject: hello\r\n\r\nhello\r\n")
            refused = place.run("domain", "remove", "example.org", code=75)
            self.assertIn("mail of example.org is waiting", refused.stderr)
            self.assertEqual(place.config.read_text(), text)
            self.assertIn("example.test", place.run("domain", "remove", "nobody.test").stdout + "example.test")
            removed = place.run("domain", "remove", "example.org", "--force").stdout
            self.assertIn('name = "example.org"', removed)
            self.assertIn("The running Posthorn has taken the change.", removed)
            self.assertEqual(place.config.read_text(), before)
            self.assertTrue(key.exists())
            self.assertIn("example.org is not there.", place.run("domain", "remove", "example.org").stdout)
            # Its key is taken up again.
            self.assertNotIn("a key was made", place.run("domain", "add", "example.org", "--offline").stdout)
            self.assertEqual(list(key.parent.glob("*.pem")), [key])

    def test_nobody_knows_what_waits(self):
        place = self.place()
        self.assertIn("`posthorn setup` makes it", place.run("domain", "add", "example.org", code=78).stderr)
        place.run(*FLAGS, "--offline", "--listen", "none")
        (place.directory / "state" / "queue").mkdir()
        text = place.config.read_text()
        refused = place.run("domain", "remove", "example.test", code=69)
        self.assertIn("--force", refused.stderr)
        self.assertEqual(place.config.read_text(), text)
        place.run("domain", "remove", "example.test", "--force")
        self.assertIn("There is no domain", place.run("domain", "list").stdout)
        self.assertIn("no domain", place.run("domain", "add", "ann@example.org", code=65).stderr)


def screen_of(place, certificate):
    """What a person sees who sets a server up, with one slip of the finger; made the same everywhere."""
    with Person(place.arguments("setup", "--no-doctor"), env=place.env) as person:
        person.answer("Name of this server", "web1")
        person.answer("Name of this server", "mail.example.test")
        person.answer("Public IP addresses", ADDRESS)
        person.answer("Your domains", "")
        person.answer("1 or 2", "2")
        person.answer("Certificate file", str(certificate))
        person.answer("Key file", "")
        person.answer("Address for root's mail", "ann@example.org")
        person.answer("Write it, and make the keys", "")
        person.answer("First user", "ann")
        person.wait_for("Password: $")
        hidden = not person.echoes()
        person.type("correct horse\n")
        person.answer("The same again", "correct horse")
        code = person.end()
        return code, hidden, person.screen


def told_anywhere(screen, place):
    """Without what differs between machines and days."""
    screen = screen.replace(str(place.config.parent), "/etc/posthorn")
    screen = re.sub(r"mta-\d{6}", "mta-202611", screen)
    screen = re.sub(r"p=MIIBIjAN[A-Za-z0-9+/]+={0,2}", "p=MIIBIjANBgkqhki...IDAQAB", screen)
    screen = re.sub(r"(Name of this server \[)[^]]*\]|Name of this server: ", lambda m: "Name of this server []: " if not m.group(1) else "Name of this server []", screen)
    screen = re.sub(r"(Public IP addresses) \[[^]]*\]", rf"\1 [{ADDRESS}]", screen)
    screen = re.sub(r"(Address for root's mail) \[[^]]*\]", r"\1 [postmaster@example.test]", screen)
    screen = screen.split("\nWhat is left to do\n", 1)[0]   # it depends on what else runs there
    return "".join(line.rstrip() + "\n" for line in screen.splitlines())


class AtATerminal(WithPlace):
    def machine(self):
        place = self.place()
        live = place.directory / "etc" / "tls"
        live.mkdir(parents=True)
        for name in ("fullchain.pem", "privkey.pem"):
            (live / name).write_text("")
        return place, live / "fullchain.pem"

    def test_the_whole_way(self):
        place, certificate = self.machine()
        code, hidden, screen = screen_of(place, certificate)
        self.assertEqual(code, 0, screen)
        self.assertTrue(hidden)
        self.assertNotIn("correct horse", screen)
        self.assertIn("web1 is a single label, which nobody can look up; it should be a full name", re.sub(r"\s+", " ", screen))
        asked = screen.split("Write it, and make the keys", 1)[0]
        self.assertLessEqual(max(len(line) for line in re.sub(r"/\S+", "", asked).splitlines()), 80)
        self.assertIn("user ann written", screen)
        self.assertTrue((place.config.parent / "users").read_text().startswith("ann:"))
        page = PAGE.read_text()
        shown = page.split(BEGIN, 1)[1].split(END, 1)[0]
        self.assertEqual(told_anywhere(screen, place), shown, "docs/SETUP.md shows another screen: tests/interop/test_setup.py --write-screen")
        # A second time, Enter upon Enter: nothing changes, and nobody is asked for leave.
        text = place.config.read_text()
        with Person(place.arguments("setup", "--no-doctor"), env=place.env) as person:
            for prompt, answer in (("Name of this server", ""), ("Public IP addresses", ADDRESS), ("Your domains", ""), ("1 or 2", ""), ("Certificate file", ""),
                                   ("Key file", ""), ("Address for root's mail", "")):
                person.answer(prompt, answer)
            self.assertEqual(person.end(), 0, person.screen)
            self.assertIn("is right as it is.", person.screen)
        self.assertEqual(place.config.read_text(), text)

    PROMPTS = (("Name of this server", "mail.example.test"), ("Public IP addresses", ADDRESS), ("Your domains", "example.test"), ("1 or 2", "1"),
               ("Address for root's mail", "ann@example.org"), ("Write it, and make the keys", None))

    def leave(self, at, how, code):
        place = self.place()
        with Person(place.arguments("setup", "--no-doctor"), env=place.env) as person:
            for prompt, text in self.PROMPTS[:at]:
                person.answer(prompt, text)
            person.wait_for(self.PROMPTS[at][0] + r"[^\n]*: $")
            how(person)
            self.assertIn(person.end(), code if isinstance(code, tuple) else (code,), person.screen)
            self.assertEqual(place.files(), [], f"left at question {at}")
            return person.screen

    def test_left_at_any_question(self):
        for at in range(len(self.PROMPTS)):
            with self.subTest(at=at):
                self.assertIn("Nothing was changed.", self.leave(at, Person.interrupt, 130))

    def test_the_line_is_cut(self):
        for at in (0, 3, 5):
            with self.subTest(at=at):
                self.leave(at, Person.hang_up, (129, -1))   # SIGHUP may come twice; nobody sees the code

    def test_the_end_of_input(self):
        self.assertIn("Nothing was changed.", self.leave(2, lambda person: person.type("\x04"), 1))

    def test_no_is_no(self):
        self.assertIn("Nothing was changed.", self.leave(5, lambda person: person.type("maybe\nn\n"), 1))

    def test_a_password_that_is_not_given(self):
        """^C while a password is typed: the user is not there, and the terminal shows again what is typed."""
        place = self.place()
        place.run("setup", "--hostname", "mail.example.test", "--self-signed", "--listen", "none", "--offline")
        with Person(place.arguments("user", "add", "ann"), env=place.env) as person:
            person.wait_for("Password: $")
            self.assertFalse(person.echoes())
            person.interrupt()
            person.wait_for("nothing was changed")
            self.assertTrue(person.echoes())
            self.assertEqual(person.end(), 65)
        self.assertEqual((place.config.parent / "users").read_text(), "")


def write_screen():
    case = AtATerminal("test_the_whole_way")
    try:
        place, certificate = case.machine()
        _, _, screen = screen_of(place, certificate)
        page = PAGE.read_text()
        head, rest = page.split(BEGIN, 1)
        PAGE.write_text(head + BEGIN + told_anywhere(screen, place) + END + rest.split(END, 1)[1])
    finally:
        case.doCleanups()


if __name__ == "__main__":
    if "--write-screen" in sys.argv:
        write_screen()
    else:
        world.main()
