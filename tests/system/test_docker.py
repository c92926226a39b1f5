#!/usr/bin/env python3
"""The image of docker/Dockerfile, built by its own steps and run as compose.yaml says: read-only, without rights, WordPress beside it (DO-1 to DO-21)."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from posthorn_test import certs, dockerfile, system_root, verify
from posthorn_test.compose import ComposeFile, Container, Volumes, add_addresses, in_network
from posthorn_test.dns_server import DnsServer
from posthorn_test.sink import Sink
from posthorn_test.smtp import Client
from posthorn_test.system_root import Overlay, debian_root

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BASES = {"debian:12-slim": debian_root}
VARIABLES = {"POSTHORN_HOSTNAME": "mail.example.com", "POSTHORN_DOMAINS": "example.com example.org", "POSTHORN_ROOT_MAIL": "admin@dest.test",
             "DB_PASSWORD": "secret"}
# What a test's Internet differs in: it is on this machine, and small.
TEST_INTERNET = {"POSTHORN_DELIVERY_ALLOW_PRIVATE_ADDRESSES": "true", "POSTHORN_DNS_AUTHORITY_PRIVATE": "true", "POSTHORN_DKIM_LOOK_EVERY": "1s",
                 "POSTHORN_TLS_CHECK_INTERVAL": "1s"}
LETTER = "From: shop@example.com\nTo: {to}\nSubject: {subject}\n\nHello\n"
_built = contextlib.ExitStack()


def image():
    """The image, built once for this script; what could not be built once is not tried again for each test."""
    if hasattr(image, "fault"):
        raise RuntimeError("the image could not be built, see the first test") from image.fault
    if not hasattr(image, "build"):
        try:
            image.build = _built.enter_context(dockerfile.Build(SOURCE / "docker" / "Dockerfile", SOURCE, bases=BASES))
        except Exception as fault:
            image.fault = fault
            raise
        for seconds, line, what in image.build.log:
            if seconds > 1:
                print(f"# {seconds:5.1f} s  line {line}: {what}", flush=True)
    return image.build.image


class DockerTest(unittest.TestCase):
    FILE = "compose.yaml"
    ADDRESSES = ("172.30.25.2/24", "172.30.25.53/32", "172.30.25.1/32")
    GATEWAY = "172.30.25.1"

    def setUp(self):
        self.image = image()
        self.compose = ComposeFile(SOURCE / "docker" / self.FILE, VARIABLES)
        self.volumes = Volumes()
        self.addCleanup(self.volumes.remove)
        # One network for all, as the compose file's bridge: what is no container of ours stands in it by its address.
        self.net = Overlay(debian_root(), network="loopback")
        self.addCleanup(self.net.stop)
        add_addresses(self.net, *self.ADDRESSES, gateway=self.GATEWAY)
        self.dns = in_network(self.net.pid, lambda: DnsServer(self.ADDRESSES[1].split("/")[0], 53))
        self.addCleanup(self.dns.stop)
        self.sink = in_network(self.net.pid, lambda: Sink("127.0.0.25", 25, name="mx.dest.test"))
        self.addCleanup(self.sink.stop)
        self.dns.mx("dest.test", ("mx.dest.test", "127.0.0.25"))
        for domain in VARIABLES["POSTHORN_DOMAINS"].split():   # its one server, which is asked before a key is used
            self.dns.set(domain, "NS", f"ns.{domain}.")
            self.dns.set(f"ns.{domain}", "A", self.dns.address)
        self.containers = []
        self.addCleanup(self.end)

    def end(self):
        failed = any(test is self for test, _ in self._outcome.result.errors + self._outcome.result.failures)
        for container in self.containers:
            container.stop()
            if failed:
                print(f"# log of {container.command()}:\n{container.text()[-8000:]}")

    def container(self, name, service=None, environment=None, **how):
        made = Container(self.image, service or self.compose.service(name), self.volumes, self.net,
                         environment=TEST_INTERNET | (environment or {}), **how)
        self.containers.append(made)
        return made

    def publish(self, container, *domains):
        """Does what the log asks for: the DKIM records go into DNS."""
        for domain in domains:
            said = container.wait_for(rf'dns_record domain={re.escape(domain)} need=required name=(\S+\._domainkey\S+) type=TXT value="(v=DKIM1[^"]+)"')
            self.dns.set(said[1], "TXT", said[2])
        for domain in domains:
            container.wait_for(rf"dkim_key domain={re.escape(domain)} .*the key signs")

    def app(self, root=None):
        """A root for an app's container: in the compose file's network, with its own users."""
        made = Overlay(root or debian_root(), network=self.net)
        self.addCleanup(made.stop)
        return made

    def app_binds(self, service):
        """The volumes of a service that is no image of ours."""
        binds = []
        for volume in service["volumes"]:
            name, target, *how = volume.split(":")
            if name in ("door", "sendmail"):
                binds.append((self.volumes.directory / name, target, *how))
        return binds

    def send(self, root, uid, to, subject, status=0):
        return root.run(["/opt/posthorn/sendmail", "-t", "-i"], input=LETTER.format(to=to, subject=subject), user=f"{uid}:{uid}", status=status,
                        binds=self.app_binds(self.compose.service("wordpress")), drop_capabilities=True, no_new_privileges=True)

    def arrived(self, recipient, domain="example.com"):
        message = self.sink.wait_for_message(recipient)
        self.assertEqual(len(self.sink.to(recipient)), 1, "it came more than once")
        self.assertEqual(message.helo, "mail.example.com")
        self.assertEqual(verify.signatures(message.data)[0][0], domain)
        self.assertIsNone(verify.all_pass(message.data, self.dns))
        return message


class ImageTest(DockerTest):
    def test_what_is_in_it(self):
        root = self.image.root.path("/")
        files = [pathlib.Path(directory, name) for directory, _, names in os.walk(root) for name in names
                 if not directory.startswith((str(root / "proc"), str(root / "dev")))]
        names = {"/" + str(file.relative_to(root)) for file in files}
        programs = {name for name in names if name.startswith(("/usr/sbin/", "/usr/bin/"))}
        # DO-6: where a Dockerfile would copy it from.
        self.assertEqual(programs, {"/usr/sbin/posthorn", "/usr/sbin/sendmail", "/usr/sbin/newaliases", "/usr/bin/mailq", "/usr/bin/newaliases"})
        self.assertLess(sum(file.lstat().st_size for file in files), 60e6, "a small image")
        self.assertEqual([f for f in files if not f.is_symlink() and f.stat().st_mode & 0o6000], [], "nothing setuid or setgid")
        self.assertIn("/etc/ssl/certs/ca-certificates.crt", names)   # DO-19
        for place, mode in (("var/lib/posthorn", 0o700), ("run/posthorn", 0o755), ("opt/posthorn", 0o755)):
            status = (root / place).stat()
            self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o7777), (65532, 65532, mode), place)
        config = self.image.config
        self.assertEqual((config.user, config.entrypoint, config.command), ("65532:65532", ["/usr/sbin/posthorn"], ["serve"]))
        self.assertEqual(config.volumes, ["/var/lib/posthorn", "/run/posthorn"])
        # DO-21: what it is made of, and under which terms.
        bill = json.loads((root / "usr/share/doc/posthorn/sbom.spdx.json").read_text())
        packages = {package["name"]: package["versionInfo"] for package in bill["packages"]}
        self.assertTrue({"posthorn", "libssl3", "libsqlite3-0", "libc6", "libstdc++6", "libfmt9", "ca-certificates"} <= set(packages), packages)
        self.assertTrue(all(packages.values()))
        described = {r["relatedSpdxElement"] for r in bill["relationships"]}
        self.assertEqual(described, {package["SPDXID"] for package in bill["packages"]})
        self.assertEqual({f.name for f in (root / "usr/share/doc/posthorn/copyright").iterdir()}, set(packages) - {"posthorn"})
        # Every library that any of the files names is there.
        there = {file.name for file in files}
        for file in files:
            if file.name.startswith("lib") and ".so" in file.name or file.name == "posthorn":
                needed = re.findall(r"NEEDED.*\[(.*)\]", subprocess.run(["readelf", "-d", file], stdout=subprocess.PIPE, text=True, check=True).stdout)
                self.assertEqual(set(needed) - there, set(), file.name)

    def test_without_its_settings(self):
        for missing in ({"POSTHORN_HOSTNAME": "", "POSTHORN_DOMAINS": ""}, {"POSTHORN_DOMAINS": ""}, {"POSTHORN_HOSTNAME": ""}):
            ended = self.container("posthorn", environment=missing).run(status=78)
            for name in ("POSTHORN_HOSTNAME", "POSTHORN_DOMAINS"):
                self.assertEqual(f"environment variable {name}: " in ended.stderr, name in missing, ended.stderr)
        bare = Container(self.image, {}, self.volumes, self.net).run(status=78)
        self.assertIn("in a container POSTHORN_HOSTNAME and POSTHORN_DOMAINS are enough", bare.stderr)

    def test_a_secret_by_a_file(self):
        service = self.compose.service("posthorn") | {"environment": {"POSTHORN_HOSTNAME": "mail.example.com", "POSTHORN_DOMAINS_FILE": "/run/secrets/domains",
                                                                      "POSTHORN_RELAYHOST": "smtp.example.net:587", "POSTHORN_RELAYHOST_USER": "us",
                                                                      "POSTHORN_RELAYHOST_PASSWORD_FILE": "/run/secrets/password"}}
        shown = self.container("posthorn", service, secrets={"domains": "example.com\n", "password": "correct horse\n"}).run(["check-config", "--show"])
        self.assertIn('name = "example.com"', shown.stdout)
        self.assertIn('host = "smtp.example.net:587"', shown.stdout)
        self.assertNotIn("correct horse", shown.stdout)   # DO-16: masked


class SendmailTest(DockerTest):
    """compose.yaml: an app with the shared sendmail, its socket and its spool (DO-5)."""

    def test_a_containers_life(self):
        posthorn = self.container("posthorn").start().wait_until_healthy()
        self.container("sendmail").run()
        for domain in ("example.com", "example.org"):   # DO-17
            posthorn.wait_for(rf"dns_record domain={domain} need=required name={domain} type=TXT value=\"v=spf1 ")
            posthorn.wait_for(rf"dns_record domain={domain} need=\w+ name=_dmarc\.{domain} type=TXT value=\"v=DMARC1")
        posthorn.wait_for("dns_record domain=example.com need=required name=mail.example.com type=A .*reverse DNS")   # DO-14
        shop = self.app()
        self.send(shop, 33, "early@dest.test", "before the key is published")
        self.assertEqual(self.sink.accepted, 0)
        self.publish(posthorn, "example.com", "example.org")
        self.arrived("early@dest.test")
        # Debian's WordPress runs as 33, Alpine's as 82; neither is a user of the image (DO-9).
        for uid in (33, 82):
            self.send(shop, uid, f"user{uid}@dest.test", "from a container")
            self.arrived(f"user{uid}@dest.test")
        # root of an app's container has no say: the admin socket is not in what is shared.
        self.assertEqual(sorted(os.listdir(self.volumes.directory / "door")), ["spool", "submission.sock"])

        # What came while it stood still is sent when it runs again, with the same key: nothing of it was in the container itself.
        begun = time.monotonic()
        self.assertEqual(posthorn.stop(), 0)
        self.assertLess(time.monotonic() - begun, 30, "within the grace period, as process 1 (DO-12, DO-13)")
        self.send(shop, 33, "later@dest.test", "while it is down")
        self.assertEqual(self.sink.to("later@dest.test"), [])
        again = self.container("posthorn").start().wait_until_healthy()
        self.arrived("later@dest.test")
        self.assertNotIn("a new key is made", again.text())

        # DO-20: by exec, as process 1's own user.
        self.assertIn("example.com", again.exec("posthorn", "dns", "show", "--offline", "--format", "zone").stdout)
        self.assertEqual(again.exec("mailq").returncode, 0)
        self.assertIn("healthy", again.healthy().stdout)

    def test_masked_addresses_and_json(self):
        posthorn = self.container("posthorn", environment={"POSTHORN_LOG_ADDRESSES": "masked", "POSTHORN_LOG_FORMAT": "json"}).start().wait_until_healthy()
        self.container("sendmail").run()
        self.send(self.app(), 33, "visitor@dest.test", "Secret plans")
        posthorn.wait_for('"event":"stored"')
        self.assertEqual(posthorn.stop(), 0)
        lines = [json.loads(line) for line in posthorn.text().splitlines()]
        self.assertTrue(any(line["event"] == "ready" for line in lines))
        self.assertIn("v***@dest.test", posthorn.text())
        self.assertNotIn("visitor@", posthorn.text())

    def test_its_health(self):
        posthorn = self.container("posthorn")
        self.assertEqual(posthorn.healthy().returncode, 1, "nobody answers yet")
        posthorn.start().wait_until_healthy()
        self.assertEqual(posthorn.stop(), 0)
        after = posthorn.healthy()
        self.assertEqual(after.returncode, 1)
        self.assertIn("unhealthy: ", after.stderr)

    def test_sites_apart(self):
        """DO-9: each site mounts its own directory, and that says whose mail it is."""
        posthorn = self.container("posthorn", environment={"POSTHORN_SITES": "shop=example.com blog=example.org"}).start().wait_until_healthy()
        self.container("sendmail").run()
        self.publish(posthorn, "example.com", "example.org")
        blog = self.app()
        binds = [(self.volumes.directory / "sendmail", "/opt/posthorn", "ro"), (self.volumes.directory / "door" / "blog", "/run/posthorn")]
        blog.run(["/opt/posthorn/sendmail", "-t", "-i"], input=LETTER.format(to="fan@dest.test", subject="as the shop"), user="33:33", binds=binds)
        message = self.arrived("fan@dest.test", domain="example.org")
        self.assertRegex(message.sender, "@example.org$")

    def test_programs_of_the_host(self):
        """DO-10, as docs/DOCKER.md has it: the host's sendmail, whose spool is the package's /var/spool/posthorn, which the container serves, too."""
        spool = self.volumes.directory / "spool"
        for part, mode in (("", 0o755), ("tmp", 0o3733), ("new", 0o3733), ("refused", 0o700)):   # the package's, then chown -R 65532:65532
            (spool / part).mkdir()
            os.chown(spool / part, 65532, 65532)
            (spool / part).chmod(mode)
        service = self.compose.service("posthorn")
        service = service | {"volumes": [*service["volumes"], "spool:/var/spool/posthorn"],
                             "environment": service["environment"] | {"POSTHORN_LOCAL_SPOOL": "/var/spool/posthorn"}}
        posthorn = self.container("posthorn", service).start().wait_until_healthy()
        self.container("sendmail").run()
        self.publish(posthorn, "example.com")
        host = self.app()
        binds = [*self.app_binds(self.compose.service("wordpress")), (spool, "/var/spool/posthorn")]

        def send(recipient):
            host.run(["/opt/posthorn/sendmail", "-t"], input=LETTER.format(to=recipient, subject="from the host"), user="33:33", binds=binds)
        send("up@dest.test")
        self.arrived("up@dest.test")
        self.assertEqual(posthorn.stop(), 0)
        send("down@dest.test")
        self.assertEqual(len(list((spool / "new").iterdir())), 1)
        self.container("posthorn", service).start().wait_until_healthy()
        self.arrived("down@dest.test")

    def test_wordpress(self):
        """The life of a site: installed, then a password forgotten; PHP as the image has it, with the compose file's ini."""
        if not pathlib.Path("/usr/share/wordpress/wp-load.php").exists() or not os.access("/usr/sbin/mariadbd", os.X_OK):
            self.skipTest("Debian's wordpress and mariadb-server-core are not installed")
        posthorn = self.container("posthorn").start().wait_until_healthy()
        self.container("sendmail").run()
        self.publish(posthorn, "example.com")
        service = self.compose.service("wordpress")
        binds = self.app_binds(service)
        site = self.app("/")   # this machine's own packages stand for the image wordpress:6
        ini = self.compose.content["configs"][service["configs"][0]["source"]]["content"]
        site.write("/etc/php/8.2/cli/conf.d/zz-mail.ini", ini)
        site.run(["install", "-d", "-o", "10027", "/run/mysqld"])
        options = ["--no-defaults", "--datadir=/run/mysqld/data", "--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:4M:autoextend"]
        site.run(["mariadb-install-db", *options, "--skip-test-db", "--auth-root-authentication-method=normal"], user="10027:10027", timeout=300)
        site.start(["mariadbd", *options, "--socket=/run/mysqld/mysqld.sock", "--pid-file=/run/mysqld/pid", "--skip-networking",
                    "--innodb-buffer-pool-size=8M", "--log-error=/run/mysqld/log"], user="10027:10027")
        sql = ["mariadb", "--no-defaults", "-u", "root", "--socket=/run/mysqld/mysqld.sock", "-e"]
        self.until(lambda: site.run([*sql, "select 1"], status=None).returncode == 0)
        site.run([*sql, f"create database wordpress; create user wordpress@localhost identified by '{VARIABLES['DB_PASSWORD']}'; "
                        "grant all on wordpress.* to wordpress@localhost"])
        site.write("/etc/wordpress/config-www.example.com.php", f"""<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'wordpress'); define('DB_PASSWORD', '{VARIABLES['DB_PASSWORD']}');
define('DB_HOST', 'localhost:/run/mysqld/mysqld.sock'); define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true);
""")
        script = """<?php
$_SERVER += ['HTTP_HOST' => 'www.example.com', 'SERVER_NAME' => 'www.example.com', 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
define('WP_INSTALLING', $argv[1] === 'install');
require '/usr/share/wordpress/wp-load.php';
if ($argv[1] === 'install') {
    require ABSPATH . 'wp-admin/includes/upgrade.php';
    wp_install('Blog', 'owner', 'owner@dest.test', false, '', 'correct horse battery');
} else {
    $error = retrieve_password('owner');
    if (is_wp_error($error)) { fwrite(STDERR, $error->get_error_message()); exit(1); }
}
"""
        site.write("/tmp/site.php", script)
        run = {"user": "33:33", "binds": binds, "drop_capabilities": True, "no_new_privileges": True, "timeout": 300}
        site.run(["php", "/tmp/site.php", "install"], **run)
        installed = self.arrived("owner@dest.test")
        self.assertIn("New WordPress Site", installed.header)
        self.assertEqual(installed.fields("From"), ["WordPress <wordpress@example.com>"])   # it takes the www. off itself
        self.sink.clear()
        site.run(["php", "/tmp/site.php", "forgotten"], **run)
        self.assertIn("Password Reset", self.arrived("owner@dest.test").header)
        posthorn.wait_for("stored .*uid=33")

        # Posthorn is down: the page works all the same, and the mail comes later.
        self.sink.clear()
        self.assertEqual(posthorn.stop(), 0)
        site.run(["php", "/tmp/site.php", "forgotten"], **run)
        self.container("posthorn").start().wait_until_healthy()
        self.arrived("owner@dest.test")

    def until(self, condition, timeout=120.0):
        deadline = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class SmtpTest(DockerTest):
    """compose.smtp.yaml: ports, a network that is trusted, its gateway that is not, and users."""

    FILE = "compose.smtp.yaml"
    ADDRESSES = ("172.30.26.2/24", "172.30.26.53/32", "172.30.26.1/32", "172.30.26.9/32")
    GATEWAY = "172.30.26.1"

    def talk(self, port, source, *lines):
        """The codes of the replies to these lines of a client of that address."""
        with in_network(self.net.pid, lambda: Client(("172.30.26.2", port), source=source)) as client:
            client.reply()
            return [client.command(line).code for line in lines]

    def test_the_gateway_is_a_stranger(self):
        chain, key = certs.self_signed(self.volumes.directory, "mail.example.com")
        secrets = {"certificate": pathlib.Path(chain).read_text(), "certificate_key": pathlib.Path(key).read_text(), "users": ""}
        service = self.compose.service("posthorn")
        posthorn = self.container("posthorn", service, secrets=secrets, environment={"POSTHORN_DNS_SERVERS": "172.30.26.53"})
        posthorn.start().wait_until_healthy()
        posthorn.wait_for("172.30.26.1.* is not trusted|172.30.26.0/24: if it is a container network")
        greeting = ("EHLO app", "MAIL FROM:<git@example.com>", "RCPT TO:<visitor@dest.test>")
        self.assertEqual(self.talk(2525, "172.30.26.9", *greeting), [250, 250, 250], "a neighbour")
        # The bridge's gateway, as which all the world comes through Docker's NAT (DO-1).
        self.assertTrue({530, 550, 554} & set(self.talk(2525, "172.30.26.1", *greeting)))
        self.assertIn(530, self.talk(2587, "172.30.26.9", *greeting), "submission always asks for a login (DO-2)")


    def test_the_plugin_of_wordpress(self):
        """DO-7, DO-8: the mu-plugin, with the PHPMailer that WordPress has."""
        if not pathlib.Path("/usr/share/wordpress/wp-includes/PHPMailer").exists():
            self.skipTest("Debian's wordpress is not installed")
        service = self.compose.service("posthorn") | {"secrets": []}
        posthorn = self.container("posthorn", service, environment={"POSTHORN_DNS_SERVERS": "172.30.26.53", "POSTHORN_LISTENERS": "internal",
                                                                    "POSTHORN_TLS_CERTIFICATE_FILE": "", "POSTHORN_TLS_KEY_FILE": "",
                                                                    "POSTHORN_AUTH_USERS_FILE": ""}).start().wait_until_healthy()
        self.publish(posthorn, "example.com")
        site = self.app("/")
        site.write("/tmp/mail.php", """<?php
function add_action($name, $function) { if ($name !== 'phpmailer_init') { exit(2); } $GLOBALS['init'] = $function; }
require '/plugin.php';
foreach (['PHPMailer', 'SMTP', 'Exception'] as $part) { require "/usr/share/wordpress/wp-includes/PHPMailer/$part.php"; }
$mailer = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mailer->setFrom('wordpress@example.com', 'WordPress', false);
$mailer->addAddress('reader@dest.test');
$mailer->Subject = 'By SMTP';
$mailer->Body = 'Hello';
$init($mailer);
exit($mailer->send() ? 0 : 1);
""")
        site.run(["php", "/tmp/mail.php"], user="33:33", env={"POSTHORN_HOST": "172.30.26.2:2525"},
                 binds=[(SOURCE / "docker" / "wordpress" / "posthorn.php", "/plugin.php", "ro")])
        self.assertEqual(self.arrived("reader@dest.test").sender, "wordpress@example.com")


class ResolverTest(unittest.TestCase):
    def test_it_starts_without_rights(self):
        """docker/resolver as compose.yaml runs it: Debian's unbound with our settings and the root's trust anchor (DO-11)."""
        directory = SOURCE / "docker" / "resolver"
        volumes = Volumes()
        self.addCleanup(volumes.remove)
        service = ComposeFile(SOURCE / "docker" / "compose.yaml", VARIABLES).service("resolver")
        with dockerfile.Build(directory / "Dockerfile", directory, bases=BASES) as build:
            resolver = Container(build.image, service, volumes, "none")
            # Only the kernel's setting differs from Docker's, which lets everybody have ports below 1024.
            build.image.root.write("/etc/unbound/unbound.conf", build.image.root.path("/etc/unbound/unbound.conf").read_text() + "server:\n    port: 5353\n")
            self.assertIn("no errors", resolver.root.run(["unbound-checkconf"], **resolver.how).stdout)
            resolver.start()
            resolver.wait_for("start of service")
            resolver.wait_until_healthy()   # which `posthorn` waits for
            control = [*build.image.config.healthcheck[:-1], "get_option"]
            self.assertIn("validator", resolver.exec(*control, "module-config").stdout)
            self.assertIn("/usr/share/dns/root.key", resolver.exec(*control, "trust-anchor-file").stdout)
            self.assertEqual(resolver.stop(), 0)


class ComposeTest(unittest.TestCase):
    """The files against the Compose Specification's schema, by dclint (npm; nothing of it runs but its checks)."""

    @classmethod
    def setUpClass(cls):
        package = SOURCE / "tests" / "system" / "compose"
        lock = (package / "package-lock.json").read_bytes()
        place = system_root.cache() / f"compose-{hashlib.sha256(lock).hexdigest()[:12]}"
        if not shutil.which("npm"):
            raise unittest.SkipTest("npm is not installed")
        with system_root.locked(place.name):
            if not (place / "complete").exists():
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(package, place)
                done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, check=False)
                if done.returncode != 0:
                    raise unittest.SkipTest(f"npm fetches nothing: {' '.join(done.stdout.split()[-20:])}")
                (place / "complete").touch()
        cls.linter = [place / "node_modules" / ".bin" / "dclint", "--config", package / ".dclintrc.json"]

    def lint(self, file):
        return subprocess.run([*self.linter, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def test_the_files_are_right(self):
        for name in ("compose.yaml", "compose.smtp.yaml"):
            said = self.lint(SOURCE / "docker" / name)
            self.assertEqual((said.returncode, said.stdout.strip()), (0, ""), name)

    def test_what_is_wrong_is_found(self):
        with tempfile.TemporaryDirectory() as scratch:
            wrong = pathlib.Path(scratch, "compose.yaml")
            wrong.write_text((SOURCE / "docker" / "compose.yaml").read_text().replace("stop_grace_period: 30s", "stop_grace: 30s"))
            said = self.lint(wrong)
            self.assertNotEqual(said.returncode, 0)
            self.assertIn("invalid-schema", said.stdout)

    def test_as_the_requirements_have_it(self):
        for name in ("compose.yaml", "compose.smtp.yaml"):
            file = ComposeFile(SOURCE / "docker" / name, VARIABLES)
            service = file.service("posthorn")   # DO-11
            self.assertEqual((service["read_only"], service["cap_drop"], service["security_opt"], service["restart"], service["stop_grace_period"]),
                             (True, ["ALL"], ["no-new-privileges:true"], "unless-stopped", "30s"))
            self.assertNotIn("hostname", service)
            for one in file.content["services"].values():   # DO-3
                for port in one.get("ports", []):
                    self.assertTrue(port.startswith("127.0.0.1:"), port)
                    self.assertNotIn(":2525", port)
        with self.assertRaisesRegex(LookupError, "POSTHORN_HOSTNAME: this server's name in DNS"):
            ComposeFile(SOURCE / "docker" / "compose.yaml", {})


if __name__ == "__main__":
    system_root.need_roots()
    with _built:
        system_root.main()
