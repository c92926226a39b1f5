#!/usr/bin/env python3
"""What the system itself sends: cron's, at's and batch's jobs, logwatch's report (SM-43, SM-46, SM-50)."""

import time

from posthorn_test import programs
from posthorn_test.programs import ADMIN


class Jobs(programs.ProgramTest):
    def cron(self):
        """Debian's cron; a job of @reboot is due when it starts."""
        return self.m.start(["cron", "-f"])

    def test_cron_of_root(self):
        """A system job that prints something: to root, which is an alias."""
        self.m.write("/etc/cron.d/backup", "@reboot root echo 'Sicherung №7: 3 Dateien'\n")
        self.cron()
        message = self.arrived(ADMIN)
        self.assertEqual(message.body, "Sicherung №7: 3 Dateien\r\n".encode())
        self.assertIn("echo 'Sicherung", self.subject(message))
        self.assertEqual(message.fields("Auto-Submitted"), ["auto-generated"])

    def test_cron_of_a_user(self):
        """A user's own crontab with MAILTO elsewhere."""
        self.m.write("/run/home/anna/crontab", "MAILTO=boss@dest.test\n@reboot echo done; echo badly >&2\n", owner="anna")
        self.m.run(["crontab", "/run/home/anna/crontab"], user="anna")
        self.cron()
        message = self.arrived("boss@dest.test")
        self.assertEqual(message.body, b"done\r\nbadly\r\n")

    def test_cron_of_a_user_without_mailto(self):
        """To the user, who forwards to somebody (~/.forward)."""
        self.m.write("/run/home/anna/.forward", "anna.blume@dest.test\n", owner="anna")
        self.m.write("/run/home/anna/crontab", "@reboot echo done\n", owner="anna")
        self.m.run(["crontab", "/run/home/anna/crontab"], user="anna")
        self.cron()
        self.assertEqual(self.arrived("anna.blume@dest.test").body, b"done\r\n")

    def test_cron_with_the_daemon_down(self):
        """SM-28."""
        self.d.stop()
        self.m.write("/etc/cron.d/backup", "@reboot root echo done\n")
        self.cron()
        self.m.wait_for("sh", "-c", "ls /var/spool/posthorn/new | grep .")
        self.d.start()
        self.assertEqual(self.arrived(ADMIN).body, b"done\r\n")

    def atd(self, *options):
        process = self.m.start(["atd", "-f", *options])
        self.m.wait_for("test", "-s", "/run/atd.pid")
        return process

    def test_at(self):
        """What a job of anna's prints is mailed to her."""
        self.m.write("/run/home/anna/.forward", "anna.blume@dest.test\n", owner="anna")
        self.atd()
        self.m.run(["at", "now"], user="anna", stdin="echo fertig: №7\n", directory="/run/home/anna")
        message = self.arrived("anna.blume@dest.test")
        self.assertIn("fertig: №7", self.text(message))
        self.assertRegex(self.subject(message), "^Output from your job +[0-9]+$")

    def test_batch(self):
        """batch waits for a low load; -m has mail sent even of nothing."""
        self.atd("-l", "1000", "-b", "1")
        self.m.run(["at", "-q", "b", "-m", "now"], stdin="true\n")
        self.assertRegex(self.subject(self.arrived(ADMIN)), "^Output from your job")

    def test_logwatch(self):
        """logwatch pipes its report into `sendmail -t`."""
        self.m.run(["sh", "-c", "mkdir -p /var/cache/logwatch; mount -t tmpfs none /var/log && mount -t tmpfs none /var/cache"])
        self.m.run(["mkdir", "-p", "/var/cache/logwatch"])
        self.m.write("/var/log/auth.log", time.strftime("%b %e %H:%M:%S web1 sshd[1]: Accepted publickey for anna from 192.0.2.1 port 1 ssh2\n"))
        self.m.run(["logwatch", "--output", "mail", "--mailto", "root", "--service", "sshd", "--range", "today"], timeout=120)
        message = self.arrived(ADMIN)
        self.assertIn("anna", self.text(message))
        self.assertIn("Logwatch", self.subject(message))


if __name__ == "__main__":
    programs.main()
