#!/usr/bin/env python3
"""Debian's WordPress with its MariaDB, nginx and php-fpm, on the machine of field report 0: what it mails by itself (SD-2, SD-4, SD-17, SD-18, SD-43)."""

import http.cookiejar
import re
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request

from posthorn_test import daemon, programs

ADMIN = "owner@dest.test"
PASSWORD = "correct horse battery staple"

WORDPRESS = """<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', '{password}');
define('DB_HOST', 'localhost:/run/mysqld/mysqld.sock');
define('WP_HTTP_BLOCK_EXTERNAL', true);   // it asks nobody for updates
define('DISABLE_WP_CRON', true);
{more}
"""

NGINX = """
daemon off;
pid /run/web/nginx.pid;
error_log /run/web/error.log;
user root;
events {{ }}
http {{
    access_log off;
    include /etc/nginx/mime.types;
    client_body_temp_path /run/web/body;
    fastcgi_temp_path /run/web/fastcgi;
    proxy_temp_path /run/web/proxy;
    scgi_temp_path /run/web/scgi;
    uwsgi_temp_path /run/web/uwsgi;
    server {{
        listen {address}:{port};
        server_name {site};
        root /usr/share/wordpress;
        index index.php;
        location ~ \\.php$ {{
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_read_timeout 120;
            fastcgi_pass unix:/run/web/php.sock;
        }}
    }}
}}
"""

PHP_FPM = """
[global]
pid = /run/web/php.pid
error_log = /run/web/php.log
daemonize = no
[www]
user = httpd
group = httpd
listen = /run/web/php.sock
pm = static
pm.max_children = 2
"""


class Blog:
    """The site, over HTTP: a browser with cookies that finds it without DNS."""

    def __init__(self, site, address, port):
        self.site, self.where = site, f"http://{address}:{port}"
        self.browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(
                http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(strict_ns_domain=0))), _SameHost(self))

    def ask(self, path, **form):
        """The page's text; a form makes it a POST."""
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(self.where + path, data, {"Host": self.site})
        try:
            with self.browser.open(request, timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {re.sub('<[^>]*>', ' ', error.read().decode())[:2000]}") from None


class _SameHost(urllib.request.HTTPRedirectHandler):
    """WordPress redirects to its name; the browser goes to its address and says the name."""

    def __init__(self, blog):
        self.blog = blog

    def redirect_request(self, request, body, code, text, headers, url):
        parts = urllib.parse.urlsplit(url)
        url = self.blog.where + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = super().redirect_request(request, body, code, text, headers, url)
        request.add_unredirected_header("Host", self.blog.site)
        return request


class WordPress(programs.ProgramTest):
    HOSTNAME = "kusanagi71.localdomain"
    USERS = {"httpd": 10048, "mysql": 10027}
    SITE = "tsukarooohi.com"

    def setUp(self):
        super().setUp()
        self.database()
        address = daemon.loopback_address()
        port = daemon.free_port(address)
        self.m.write("/run/web/nginx.conf", NGINX.format(address=address, port=port, site=self.SITE))
        self.m.write("/run/web/php.conf", PHP_FPM)
        self.m.start(["php-fpm8.2", "--fpm-config", "/run/web/php.conf"])
        self.m.start(["nginx", "-p", "/run/web", "-c", "/run/web/nginx.conf", "-e", "/run/web/error.log"])
        self.m.wait_for("test", "-S", "/run/web/php.sock")
        self.m.wait_for("test", "-s", "/run/web/nginx.pid")
        self.blog = Blog(self.SITE, address, port)

    def database(self):
        """A MariaDB of its own, without network, in memory."""
        options = ["--no-defaults", "--user=mysql", "--datadir=/run/mysqld/data", "--innodb-log-file-size=4M",
                   "--innodb-data-file-path=ibdata1:4M:autoextend"]
        self.m.run(["install", "-d", "-o", "mysql", "/run/mysqld"])
        self.m.run(["mariadb-install-db", *options, "--skip-test-db", "--auth-root-authentication-method=socket"], timeout=200)
        self.m.start(["mariadbd", *options, "--socket=/run/mysqld/mysqld.sock", "--pid-file=/run/mysqld/pid", "--skip-networking",
                      "--innodb-buffer-pool-size=8M", "--log-error=/run/mysqld/log"])
        self.m.wait_for("mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "-e", "select 1", timeout=120)
        password = secrets.token_hex(8)
        self.sql(f"create database wordpress; create user wordpress@localhost identified by '{password}'; "
                 "grant all on wordpress.* to wordpress@localhost;")
        self.settings = {"password": password, "more": ""}
        self.configure()

    def configure(self, **changes):
        self.m.write(f"/etc/wordpress/config-{self.SITE}.php", WORDPRESS.format(**self.settings | changes))

    def sql(self, statement):
        return self.m.run(["mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "-N", "-e", statement]).stdout

    def install(self):
        page = self.blog.ask("/wp-admin/install.php?step=2", weblog_title="日々のブログ", user_name="owner", admin_password=PASSWORD,
                             admin_password2=PASSWORD, admin_email=ADMIN, blog_public="0", language="")
        self.assertIn("owner", page)

    def from_wordpress(self, recipient, subject, sender="wordpress@tsukarooohi.com"):
        """The mail with that subject."""
        found = []

        def look(sink):
            found[:] = [m for m in sink.to(recipient) if re.search(subject, self.subject(m))]
            return bool(found)
        self.assertTrue(self.w.sink.wait(look), [self.subject(m) for m in self.w.sink.messages])
        self.assertEqual(len(found), 1, "it came more than once")
        self.assert_passes(found[0])
        if sender:
            self.assertEqual(found[0].sender, sender)
            self.assertEqual(found[0].fields("From"), [f"WordPress <{sender}>"])
        return found[0]

    def reset(self, message, password):
        """What the user does with a mail that bears a link to set the password."""
        link = re.search(r"https?://\S+\?action=rp\S+", self.text(message)).group()
        parts = urllib.parse.urlsplit(link)
        self.assertEqual(parts.netloc, self.SITE)
        form = self.blog.ask(f"{parts.path}?{parts.query}")
        key = re.search(r'name="rp_key" value="([^"]+)"', form).group(1)
        self.assertIn("has been reset", self.blog.ask("/wp-login.php?action=resetpass", pass1=password, pass2=password, rp_key=key))

    def log_in(self, user, password):
        self.blog.ask("/wp-login.php")   # sets the cookie that says whether there are cookies
        page = self.blog.ask("/wp-login.php", log=user, pwd=password, testcookie="1", redirect_to="/wp-admin/profile.php")
        self.assertIn("Profile", page)

    def test_a_sites_life(self):
        self.install()
        self.from_wordpress(ADMIN, "New WordPress Site")

        # The administrator adds a user: both are told.
        self.log_in("owner", PASSWORD)
        form = self.blog.ask("/wp-admin/user-new.php")
        nonce = re.search(r'name="_wpnonce_create-user" value="([^"]+)"', form).group(1)
        self.blog.ask("/wp-admin/user-new.php", action="createuser", **{"_wpnonce_create-user": nonce}, user_login="eva", first_name="Éva",
                      email="eva@dest.test", pass1="x7-temporary-words", pass2="x7-temporary-words", send_user_notification="1",
                      role="author", createuser="Add New User")
        invitation = self.from_wordpress("eva@dest.test", "Login Details")
        self.reset(invitation, PASSWORD + "!")
        self.from_wordpress(ADMIN, "Password Changed")   # the owner is told of every reset

        # She forgets it: the mail that Gmail refused in field report 0.
        self.assertIn("check your email", self.blog.ask("/wp-login.php?action=lostpassword", user_login="eva").lower())
        forgotten = self.from_wordpress("eva@dest.test", "Password Reset")
        self.reset(forgotten, PASSWORD + "?")
        self.log_in("eva", PASSWORD + "?")

        # The operator sees which user of the machine it came from.
        self.d.wait_for_log("user=httpd")

        # With the daemon down the page says the same, and the mail comes later (SM-28).
        self.w.sink.clear()
        self.d.stop()
        self.assertIn("check your email", self.blog.ask("/wp-login.php?action=lostpassword", user_login="eva").lower())
        self.assertEqual(self.w.sink.accepted, 0)
        self.d.start()
        self.from_wordpress("eva@dest.test", "Password Reset")

        # A site that knows itself only by the machine's name, as a fresh installation may: the mail passes all the same (SD-2).
        self.w.sink.clear()
        self.configure(more="define('WP_HOME', 'http://kusanagi71.localdomain'); define('WP_SITEURL', 'http://kusanagi71.localdomain');")
        self.blog.ask("/wp-login.php?action=lostpassword", user_login="eva")
        self.from_wordpress("eva@dest.test", "Password Reset", sender=None)


if __name__ == "__main__":
    programs.main()
