#!/usr/bin/env python3
"""The Debian package on a machine that systemd has booted: installed, set up, sending, upgraded with mail in the queue, removed, purged."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from posthorn_test import system_root
from posthorn_test.booted import Machine, machine_root
from posthorn_test.dns_server import DnsServer
from posthorn_test.packages import SOURCE, dependencies, make_packages
from posthorn_test.sink import Sink

UNIT = SOURCE / "packaging/systemd/posthorn.service"
SINK = "127.0.0.2"
_made = {}   # {version: path}, made once


class WithPackages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("dh"):
            raise unittest.SkipTest("debhelper is not installed")
        if not _made:
            directory = tempfile.mkdtemp(prefix="posthorn-packages-")
            unittest.addModuleCleanup(shutil.rmtree, directory)
            _made.update(make_packages(directory))
        cls.packages = _made


class PackageTest(WithPackages):
    def test_what_it_says_of_itself(self):
        """SM-39, Debian Policy 11.6: a mail-transport-agent, and the only one."""
        fields = subprocess.run(["dpkg-deb", "--field", self.packages["0.1.0"]], check=True, stdout=subprocess.PIPE, text=True).stdout
        for relation in ("Provides", "Conflicts", "Replaces"):
            self.assertIn(f"\n{relation}: mail-transport-agent\n", fields)

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
    def test_lintian_finds_nothing(self):
        found = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", self.packages["0.1.0"]], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual((found.returncode, found.stdout.strip()), (0, ""))

    @unittest.skipUnless(shutil.which("man"), "man-db is not installed")
    def test_man_has_nothing_to_say_about_the_pages(self):
        with tempfile.TemporaryDirectory() as tree:
            subprocess.run(["dpkg-deb", "--extract", self.packages["0.1.0"], tree], check=True)
            pages = {page.name.removesuffix(".gz"): page for page in pathlib.Path(tree, "usr/share/man").glob("man*/*")}
            self.assertEqual(sorted(pages), ["mailq.1", "newaliases.1", "posthorn.8", "posthorn.toml.5", "sendmail.8"])
            shown = {}
            for name, page in pages.items():
                ran = subprocess.run(["man", "--warnings=w", "--encoding=UTF-8", "--local-file", page], cwd=f"{tree}/usr/share/man", stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, check=False, env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
                self.assertEqual((ran.returncode, ran.stderr), (0, ""), name)
                shown[name] = ran.stdout
        self.assertIn("POSTHORN_STATE_DIRECTORY", shown["posthorn.toml.5"])
        self.assertIn("send-test", shown["posthorn.8"])
        self.assertEqual(shown["mailq.1"], shown["sendmail.8"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_the_unit_is_confined(self):
        """The exposure that systemd reckons: below 2.0, which it calls OK."""
        told = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", UNIT], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(told.returncode, 0, told.stdout)
        self.assertLess(float(re.search(r"Overall exposure level for posthorn.service: ([0-9.]+)", told.stdout)[1]), 2.0)


class LifeTest(WithPackages):
    """One machine, from its installation to its purge."""

    def setUp(self):
        self.m = Machine(machine_root(dependencies(self.packages["0.1.0"])))
        self.addCleanup(self.m.stop)
        self.m.root.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        with self.m.network():
            self.dns = DnsServer(address="127.0.0.1", port=53, ttl=1)
            self.sink = Sink(SINK, port=25, name="mx.dest.test")
        self.addCleanup(self.dns.stop)
        self.addCleanup(self.sink.stop)
        self.dns.mx("dest.test", ("mx.dest.test", SINK))

    def apt(self, *words):
        return self.m.run(["apt-get", "-y", "-qq", *words], timeout=300).stdout

    def install(self, version):
        self.m.root.write("/root/posthorn.deb", self.packages[version].read_bytes())
        return self.apt("install", "--no-install-recommends", "/root/posthorn.deb")

    def at(self, path):
        """(owner:group, mode) of a file on the machine."""
        owner, mode = self.m.shell(f"stat -c '%U:%G %a' {path}").split()
        return owner, mode

    def send(self, recipient, user="www-data", subject="Hello", status=0):
        return self.m.run(["/usr/sbin/sendmail", "-t"], user=user, status=status,
                          input=f"From: shop@example.test\nTo: {recipient}\nSubject: {subject}\n\nWith all good wishes.\n")

    def spooled(self):
        return self.m.shell("ls /var/spool/posthorn/new").split()

    def queue(self):
        return self.m.shell("sqlite3 --version >/dev/null 2>&1; posthorn queue list")

    def posthorn(self, *words, **how):
        return self.m.run(["posthorn", *words], **how).stdout

    def test_a_life(self):
        for part in (self.comes_in_and_waits_to_be_set_up, self.is_set_up, self.starts_and_sends, self.takes_a_reload, self.takes_ports_from_systemd,
                     self.is_restarted_when_it_hangs, self.is_upgraded_with_mail_in_the_queue, self.is_removed_and_keeps_all, self.is_purged):
            try:
                part()
            except BaseException:
                print(f"--- {part.__name__}: the journal of posthorn.service:\n{self.m.journal()[-6000:]}")
                raise

    def comes_in_and_waits_to_be_set_up(self):
        said = self.install("0.0.9")
        self.assertIn("posthorn setup", said)
        self.assertEqual(self.m.show("posthorn", "UnitFileState"), "enabled")
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "inactive")
        self.assertEqual(self.m.show("posthorn", "Result"), "success")
        self.assertEqual(self.m.shell("getent passwd posthorn").split(":")[5:], ["/var/lib/posthorn", "/usr/sbin/nologin\n"])
        for path, owner, mode in (("/etc/posthorn", "root:posthorn", "750"), ("/etc/posthorn/keys", "posthorn:posthorn", "700"),
                                  ("/etc/posthorn/tls", "root:posthorn", "750"), ("/var/lib/posthorn", "posthorn:posthorn", "700"),
                                  ("/var/spool/posthorn", "posthorn:posthorn", "755"), ("/var/spool/posthorn/new", "posthorn:posthorn", "3733"),
                                  ("/var/spool/posthorn/tmp", "posthorn:posthorn", "3733"),
                                  ("/var/spool/posthorn/refused", "posthorn:posthorn", "700")):
            self.assertEqual(self.at(path), (owner, mode), path)
        for path in ("/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/sbin/newaliases"):
            self.assertEqual(self.m.shell(f"readlink -f {path}"), "/usr/sbin/sendmail\n")
        complaints = self.m.shell("systemd-analyze verify posthorn.service posthorn.socket 2>&1 || true").splitlines()
        self.assertEqual([line for line in complaints if "Command 'man " not in line], [])   # there is no man here
        # What is sent before anybody has set it up is kept.
        self.send("early@dest.test", subject="Sent before setup")
        self.assertEqual(len(self.spooled()), 1)

    def is_set_up(self):
        said = self.posthorn("setup", "--yes", "--offline", "--no-doctor", "--hostname", "mail.example.test", "--domain", "example.test",
                             "--ip", "192.0.2.1", "--root-mail", "ann@dest.test")
        self.assertNotIn("chown", said)
        self.assertEqual(self.at("/etc/posthorn/posthorn.toml")[0], "root:posthorn")
        self.assertEqual(self.at("/etc/posthorn/keys/example.test"), ("posthorn:posthorn", "700"))
        self.assertEqual(self.m.shell("stat -c '%U:%G %a' /etc/posthorn/keys/example.test/*.pem"), "posthorn:posthorn 600\n")
        self.renew_certificate()
        # Our receiver stands at a loopback address.
        self.m.shell("printf '\n[delivery]\nallow_private_addresses = true\n[dns]\nauthority_private = true\n' >>/etc/posthorn/posthorn.toml")

    def renew_certificate(self):
        """What certbot does after a renewal: its files, which are root's alone, are copied to where the daemon may read them."""
        hook, live = "/usr/lib/posthorn/certbot-deploy-hook", "/etc/letsencrypt/live/mail.example.test"
        self.m.shell(f"umask 077; mkdir -p {live}; echo chain >{live}/fullchain.pem; echo key >{live}/privkey.pem")
        self.assertIn("RENEWED_LINEAGE", self.m.run([hook], status=64).stderr)
        for _ in range(2):
            self.m.run([hook], env={"RENEWED_LINEAGE": live})
        copies = "/etc/posthorn/tls/mail.example.test"
        self.assertEqual(self.at(copies), ("root:posthorn", "750"))
        self.assertEqual(self.m.shell(f"ls -A {copies}").split(), ["fullchain.pem", "privkey.pem"])
        self.assertEqual(self.at(f"{copies}/privkey.pem"), ("root:posthorn", "640"))
        self.assertEqual(self.m.run(["cat", f"{copies}/privkey.pem"], user="posthorn").stdout, "key\n")
        self.m.run(["cat", f"{copies}/privkey.pem"], user="www-data", status=1)

    def publish(self):
        told = json.loads(self.posthorn("dns", "show", "--format", "json", "--offline", status=None))["domains"]
        records = [wanted["record"] for domain in told for wanted in domain["records"]]
        for record in (record for record in records if record["type"] == "TXT"):
            self.dns.set(record["name"], "TXT", record["value"])
        self.assertIn("_domainkey.example.test", " ".join(record["name"] for record in records))
        # The zone's own server, which is asked before a key is used.
        self.dns.set("example.test", "NS", "ns.example.test.")
        self.dns.set("ns.example.test", "A", "127.0.0.1")

    def starts_and_sends(self):
        self.publish()
        self.m.shell("systemctl start posthorn")   # Type=notify: it is ready when this is back
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "active")
        self.assertEqual(self.m.shell(f"stat -c %U /proc/{self.m.show('posthorn', 'MainPID')}"), "posthorn\n")
        early = self.sink.wait_for_message("early@dest.test")
        self.assertIn("d=example.test", " ".join(early.fields("DKIM-Signature")))
        self.send("customer@dest.test")
        self.send("cron@dest.test", user="root")
        self.sink.wait_for_message("customer@dest.test")
        self.sink.wait_for_message("cron@dest.test")
        self.assertEqual(self.spooled(), [])
        # The key's stage is written by the daemon itself, below a system that is read-only to it.
        self.m.wait_for(lambda: '"active"' in self.m.shell("cat /etc/posthorn/keys/example.test/stages.json"), "the key to become active")
        self.assertIn("empty", self.m.run(["mailq"], user="www-data").stdout.lower())
        for place in ("/run/posthorn/submission.sock", "/run/posthorn/admin.sock"):
            self.assertEqual(self.at(place), ("posthorn:posthorn", "666"))
        self.m.wait_for_journal("to=cron@dest.test host=mx.dest.test")
        confined = self.posthorn("sandbox", "check")   # 0: nothing is allowed that should not be, nothing needed fails
        self.assertIn("capabilities          0000000000000000", confined)

    def takes_a_reload(self):
        before = self.m.show("posthorn", "MainPID")
        self.m.shell("systemctl reload posthorn")
        self.m.wait_for_journal("reload")
        self.assertEqual(self.m.show("posthorn", "MainPID"), before)
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "active")

    def takes_ports_from_systemd(self):
        """posthorn.socket: who connects while the daemon is away waits for it."""
        self.m.shell("systemctl stop posthorn && systemctl start posthorn.socket")
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "inactive")
        with self.m.network(), socket.create_connection(("127.0.0.1", 25), timeout=60) as client:
            self.assertEqual(client.recv(4), b"220 ")
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "active")
        self.assertNotIn("socket_unused", self.m.journal())
        self.m.shell("systemctl stop posthorn.socket posthorn && systemctl start posthorn")

    def is_restarted_when_it_hangs(self):
        self.m.root.write("/etc/systemd/system/posthorn.service.d/soon.conf", "[Service]\nWatchdogSec=1s\n")
        self.m.shell("systemctl daemon-reload && systemctl restart posthorn")
        pid = self.m.show("posthorn", "MainPID")
        self.m.shell(f"kill -STOP {pid}")
        self.m.wait_for(lambda: self.m.show("posthorn", "MainPID") not in (pid, "0") and self.m.show("posthorn", "ActiveState") == "active",
                        "systemd to restart what does not answer")
        self.assertIn("Watchdog timeout", self.m.journal())
        self.m.root.path("/etc/systemd/system/posthorn.service.d/soon.conf").unlink()
        self.m.shell("systemctl daemon-reload && systemctl restart posthorn")

    def is_upgraded_with_mail_in_the_queue(self):
        later = self.sink.rule("rcpt", "451 4.7.1 Later", recipient="waits@dest.test")
        self.send("waits@dest.test", subject="Over the upgrade")
        self.m.wait_for(lambda: "Later" in self.m.shell("posthorn queue list --json"), "the first refusal")
        config, key = (self.m.shell(f"sha256sum {path}") for path in ("/etc/posthorn/posthorn.toml", "/etc/posthorn/keys/example.test/*"))
        self.m.shell("chmod 0710 /var/lib/posthorn")   # the administrator's own wish
        before = self.m.show("posthorn", "MainPID")
        said = self.install("0.1.0")
        self.assertNotIn("posthorn setup", said)
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "active")
        self.assertNotEqual(self.m.show("posthorn", "MainPID"), before)
        self.assertEqual((config, key), tuple(self.m.shell(f"sha256sum {path}") for path in ("/etc/posthorn/posthorn.toml", "/etc/posthorn/keys/example.test/*")))
        self.sink.forget(later)
        self.posthorn("queue", "flush")
        self.sink.wait_for_message("waits@dest.test")
        self.m.wait_for(lambda: "waits@" not in self.posthorn("queue", "list"), "the queue to be empty")
        self.assertEqual(len(self.sink.to("waits@dest.test")), 1)

    def is_removed_and_keeps_all(self):
        self.sink.rule("rcpt", "451 4.7.1 Later", recipient="kept@dest.test")
        self.send("kept@dest.test")
        self.m.wait_for(lambda: "Later" in self.posthorn("queue", "list", "--json"), "the first refusal")
        self.apt("remove", "posthorn")
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "inactive")
        self.m.run(["test", "-e", "/usr/sbin/sendmail"], status=1)
        for path in ("/etc/posthorn/posthorn.toml", "/etc/posthorn/keys/example.test/stages.json", "/var/lib/posthorn/queue/queue.sqlite"):
            self.m.run(["test", "-s", path])
        self.sink.forget()
        self.install("0.1.0")
        self.assertEqual(self.m.show("posthorn", "ActiveState"), "active")
        self.posthorn("queue", "flush")
        self.sink.wait_for_message("kept@dest.test")

    def is_purged(self):
        self.apt("purge", "posthorn")
        left = self.m.shell("find / -xdev -name '*posthorn*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/root/*'"
                            " -not -path '/tmp/*' -not -path '/var/log/*' -not -path '/var/lib/apt/*' -not -path '/var/lib/systemd/*'")
        self.assertEqual(left.split(), [])


class ByHandTest(WithPackages):
    def test_what_root_began_by_hand_is_the_daemons_user_s_once_it_is_installed(self):
        """docs/operations.md, "Coming from Postfix": set up and served as root beside the old one, then the package comes."""
        with system_root.Overlay(machine_root(dependencies(self.packages["0.1.0"])), network="loopback") as root:
            root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
            root.write("/root/posthorn.deb", self.packages["0.1.0"].read_bytes())
            root.run(["dpkg-deb", "--extract", "/root/posthorn.deb", "/opt/posthorn"])
            own = "/opt/posthorn/usr/sbin/posthorn"
            root.run([own, "setup", "--yes", "--offline", "--no-doctor", "--no-users", "--hostname", "mail.example.test", "--domain", "example.test",
                      "--ip", "192.0.2.1", "--root-mail", "ann@dest.test"])
            root.run(["sh", "-c", f"{own} serve >/root/log 2>&1 & until grep -q 'is served' /root/log; do sleep 0.1; done; kill $!; wait $!"])
            root.run(["/opt/posthorn/usr/sbin/sendmail", "root"], user="www-data", input="Subject: Meanwhile\n\nHello\n")
            root.run(["dpkg", "--install", "--force-unsafe-io", "/root/posthorn.deb"])

            def owners(*words):
                return root.run(["find", *words, "-printf", "%u:%g %m\n"]).stdout.splitlines()

            self.assertEqual(owners("/etc/posthorn", "-maxdepth", "0"), ["root:posthorn 750"])
            self.assertEqual(set(owners("/etc/posthorn/keys", "-type", "f")), {"posthorn:posthorn 600"})
            self.assertEqual(set(owners("/etc/posthorn/keys", "-type", "d")), {"posthorn:posthorn 700"})
            self.assertEqual({line.split()[0] for line in owners("/var/lib/posthorn")}, {"posthorn:posthorn"})
            self.assertEqual(owners("/var/spool/posthorn", "-maxdepth", "0"), ["posthorn:posthorn 755"])
            self.assertEqual(owners("/var/spool/posthorn/new", "-maxdepth", "0"), ["posthorn:posthorn 3733"])
            mail = owners("/var/spool/posthorn/new", "-type", "f")
            self.assertEqual([line.split(":")[0] for line in mail], ["www-data"], "the mail is still its sender's")


class PostfixTest(WithPackages):
    def test_it_takes_the_place_of_postfix_in_one_step(self):
        with system_root.Overlay(machine_root(dependencies(self.packages["0.1.0"]))) as root:
            root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
            root.write("/etc/mailname", "mail.example.test\n")
            root.install("postfix")
            root.run(["postconf", "-e", "myhostname=mail.example.test", "mydomain=example.test"])
            root.run(["install", "-D", "-o", "postfix", "-m", "0700", "/dev/null", "/var/spool/postfix/deferred/A/ABCDEF0123"])
            root.write("/root/posthorn.deb", self.packages["0.1.0"].read_bytes())
            said = root.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "/root/posthorn.deb"], timeout=300).stdout
            self.assertIn("posthorn import postfix --apply", said)
            self.assertIn("Postfix left 1 files of mail", said)
            self.assertEqual(root.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "postfix"]).stdout, "rc ")
            root.run(["posthorn", "import", "postfix", "--apply"], status=None)
            self.assertIn('hostname = "mail.example.test"', root.run(["cat", "/etc/posthorn/posthorn.toml"]).stdout)


if __name__ == "__main__":
    system_root.need_roots()
    system_root.main()
