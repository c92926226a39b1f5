"""Who of this machine sent what: origins in log and queue, limits and suspensions of system users (AUTH-9), and who may see and do what.

The callers are children of this test that have become www-data and nobody, so it needs root."""

import json
import os
import pwd
import shutil
import subprocess
import unittest

from posthorn_test import machine, sink, world

PYTHON = "/usr/bin/python3"
TALK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1]); f = s.makefile("rb")
def reply():
    lines = []
    while True:
        line = f.readline().decode("latin-1")
        lines.append(line.rstrip())
        if len(line) < 4 or line[3] != "-": return lines[-1]
said = [reply()]
for text in json.load(sys.stdin):
    try:
        s.sendall(text.encode("latin-1")); said.append(reply())
    except OSError:   # he was told to go
        said.append("")
print(json.dumps(said))
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])
s.sendall(f"{sys.argv[2]} {sys.argv[3]} HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
sys.stdout.write(s.makefile("rb").read().decode())
"""
CROWD = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1]); held.append(s)
print((held[-1].makefile("rb").readline() if "220" in sys.argv else held[-1].makefile("rb").read()).decode()); sys.stdout.flush()
sys.stdin.read()
"""


def account(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


WWW, NOBODY = account("www-data"), account("nobody")


def xtext(text):
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


@unittest.skipUnless(os.geteuid() == 0, "only root can become www-data")
@unittest.skipUnless(WWW and NOBODY, "there is no user www-data or nobody here")
class SystemUsers(world.WorldTest):
    def start(self, **changes):
        self.w = self.world(changes={"retry": {"first": "1h", "max": "2h"}, **changes})
        self.d = self.w.daemon
        self.d.directory.chmod(0o711)   # as /run/posthorn is
        self.admin = str(self.d.directory / "admin.sock")

    def child(self, user, code, *arguments, stdin=""):
        run = subprocess.run([PYTHON, "-c", code, *arguments], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/",
                             input=stdin, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def talk(self, user, to="a@dest.test", claim=None, header="", arguments=()):
        """What is said to the caller at the greeting, EHLO, MAIL, RCPT, DATA and the end of the message."""
        parameter = f" XCALLER={xtext(claim)}" if claim else ""
        commands = ["EHLO localhost\r\n", f"MAIL FROM:<shop@example.test>{parameter}\r\n", f"RCPT TO:<{to}>\r\n", "DATA\r\n",
                    f"From: Shop <shop@example.test>\r\nTo: <{to}>\r\nSubject: x\r\n{header}\r\nHello.\r\n.\r\n"]
        return json.loads(self.child(user, TALK, self.d.unix_socket, *arguments, stdin=json.dumps(commands)))

    def send(self, user, to="a@dest.test", **how):
        said = self.talk(user, to, **how)
        self.assertEqual(said[-1][:3], "250", said)
        return said[-1].split()[-1]

    def ask(self, user, method, target):
        answer = self.child(user, ASK, self.admin, method, target)
        head, _, body = answer.partition("\n\n")   # text: CRLF was made LF
        return int(head.split()[1]), body

    def queue(self, *arguments):
        return json.loads(self.d.command("queue", "list", "--json", *arguments).stdout)["messages"]

    def metric(self, name):
        for line in self.d.command("metrics").stdout.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        self.fail(f"no metric {name}")


class Attribution(SystemUsers):
    def test_log_and_queue_name_user_program_and_script(self):
        self.start()
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        claim = "pid=1;cwd=/srv/shop/wp-content;cmd=innocent"
        found = self.send(WWW, claim=claim, header="X-PHP-Originating-Script: 33:shell.php\r\n")
        other = self.send(NOBODY)
        (line,) = self.d.wait_for_log(rf"stored.* id={found}\b")
        for word in (f'source="uid={WWW.pw_uid}"', f"uid={WWW.pw_uid} user=www-data pid={os.getpid()} script=33:shell.php",
                     "cwd=/srv/shop/wp-content"):
            self.assertIn(word, line)
        # The claim is no match for what the kernel shows: this very process is the one that called.
        self.assertNotIn("innocent", line)
        self.assertIn("test_attribution", line)
        (message,) = self.queue("--user", "www-data")
        self.assertEqual(message["id"], found)
        self.assertIn("script=33:shell.php", message["origin"])
        self.assertEqual([m["id"] for m in self.queue("--user", str(WWW.pw_uid))], [found])
        self.assertEqual([m["id"] for m in self.queue("--user", "nobody")], [other])
        self.assertEqual(self.queue("--user", "root"), [])
        self.assertIn("script=33:shell.php", self.d.command("queue", "show", found).stdout)
        self.assertIn(f"by uid={WWW.pw_uid} user=www-data", self.d.command("queue", "list").stdout)

        first, second = json.loads(self.d.command("senders", "--json").stdout)["senders"]
        by_user = {one["user"]: one for one in (first, second)}
        self.assertEqual(by_user["www-data"]["means"], "33:shell.php")
        self.assertEqual(by_user["www-data"]["hour"], {"messages": 1, "recipients": 1})
        self.assertIn("33:shell.php", self.d.command("senders").stdout)
        self.assertEqual(self.metric("posthorn_local_messages_total"), 2)

    def test_hostile_words_stay_words(self):
        """No command line and no script makes a line of the log or a word of the origin that is not its own."""
        self.start()
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        forged = '\nstored id=forged source=uid=0 \x1b[2J" user=root'
        found = self.send(WWW, arguments=[forged], header='X-PHP-Script: a" user=root cmd="b\r\n')
        (line,) = self.d.wait_for_log(rf"stored.* id={found}\b")
        self.assertIn("user=www-data", line)
        log = self.d.log("forged")
        self.assertTrue(all(" id=forged" not in x.split("origin=")[0] for x in log), log)
        self.assertFalse([x for x in self.d.log() if x.startswith("stored id=forged") or "\x1b" in x])
        (message,) = self.queue()
        self.assertFalse(any(ord(c) < 32 for c in message["origin"]), message["origin"])
        (sender,) = json.loads(self.d.command("senders", "--json").stdout)["senders"]
        self.assertEqual(sender["user"], "www-data")
        self.assertTrue(sender["means"].startswith("a' user"), sender)
        shown = self.d.command("mailq").stdout + self.d.command("queue", "show", found).stdout + self.d.command("senders").stdout
        self.assertNotIn("\x1b", shown)


class Limits(SystemUsers):
    def test_over_the_limit_is_told_and_logged(self):
        self.start(local={"messages_per_hour": 2}, user=[{"name": "nobody", "messages_per_hour": 1}])
        self.send(WWW, "a@dest.test")
        self.send(WWW, "b@dest.test")
        refused = self.talk(WWW, "c@dest.test", claim="pid=1;cwd=/srv/shop;cmd=php")
        self.assertTrue(refused[2].startswith("450 4.7.1 This account may send 2 messages an hour; try again in"), refused)
        (line,) = self.d.wait_for_log("user_over_limit")
        self.assertIn("user=www-data", line)
        self.assertIn("cwd=/srv/shop", line)
        self.assertIn("posthorn suspend --user www-data", line)
        self.send(NOBODY, "d@dest.test")   # each has his own
        self.assertEqual(self.talk(NOBODY, "e@dest.test")[2][:9], "450 4.7.1")
        self.assertEqual(self.metric('posthorn_local_refused_total{reason="limit"}'), 2)
        self.d.wait_for_empty_queue()
        self.assertEqual(sorted(m.recipients[0] for m in self.w.sink.messages), ["a@dest.test", "b@dest.test", "d@dest.test"])


class Crowd(SystemUsers):
    def test_who_opens_connections_and_is_silent_keeps_nobody_out(self):
        """All places are www-data's; others' mail goes, and he has to wait for his own."""
        self.start(**{"submission.limits": {"max_connections": 20}})
        crowd = subprocess.Popen([PYTHON, "-c", CROWD, self.d.unix_socket, "20", "220"], user=WWW.pw_uid, group=WWW.pw_gid, extra_groups=[],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(crowd.wait)
        self.addCleanup(crowd.stdin.close)
        self.addCleanup(crowd.stdout.close)
        self.assertEqual(crowd.stdout.readline()[:3], "220")
        self.assertIn("421", self.talk(WWW)[0])
        self.send(NOBODY)
        self.w.sink.wait_for_message("a@dest.test")


class Suspension(SystemUsers):
    def test_suspended_held_resumed(self):
        self.start()
        self.w.sink.rule("rcpt", sink.GREYLISTED)   # the second waits for its site, as it should
        held, other = self.send(WWW, "www@dest.test"), self.send(NOBODY, "nobody@dest.test")
        self.d.wait_for_output("Greylisting", "queue", "list", "--json")
        said = self.d.command("suspend", "--user", "www-data", "--reason", "shell.php found").stdout
        self.assertIn(f"www-data (uid {WWW.pw_uid}) is suspended", said)
        self.assertIn("1 recipient is held", said)
        states = {m["id"]: m["recipients"][0].get("held_by") for m in self.queue()}
        self.assertEqual(states, {held: "suspension", other: None})
        self.assertEqual(self.talk(WWW)[2][:10], "550 5.7.13")
        self.assertEqual(self.metric('posthorn_local_refused_total{reason="suspension"}'), 1)
        self.send(NOBODY, "still@dest.test")
        self.assertIn(f"www-data (uid {WWW.pw_uid})  suspended since", self.d.command("user", "list").stdout)
        # He sees that it is held, and not the operator's words.
        status, text = self.ask(WWW, "GET", "/mailq")
        self.assertEqual(status, 200)
        self.assertIn(held + "!", text)
        self.assertNotIn("shell.php", text + self.ask(WWW, "GET", f"/v1/queue/{held}")[1])
        # A flush, his own or root's, changes nothing of it.
        self.assertEqual(self.ask(WWW, "POST", "/mailq/flush")[0], 200)
        self.d.wait_for_log("flush .*result=done")
        self.assertEqual(self.queue("--user", "www-data")[0]["recipients"][0].get("held_by"), "suspension")

        self.d.stop()
        self.d.start()
        self.assertEqual(self.talk(WWW)[2][:10], "550 5.7.13")
        self.assertEqual(self.queue("--user", "www-data")[0]["recipients"][0].get("held_by"), "suspension")
        said = self.d.command("resume", "--user", str(WWW.pw_uid)).stdout
        self.assertIn("www-data", said)
        self.send(WWW, "again@dest.test")
        self.assertNotIn("www-data", self.d.command("user", "list").stdout)
        self.assertIsNone({m["id"]: m for m in self.queue("--user", "www-data")}[held]["recipients"][0].get("held_by"))

    def test_by_number_while_the_daemon_is_down(self):
        self.start()
        self.d.stop()
        said = self.d.command("user", "suspend", f"uid={NOBODY.pw_uid}").stdout
        self.assertIn("nobody", said)
        self.d.start()
        self.assertEqual(self.talk(NOBODY)[2][:10], "550 5.7.13")
        self.send(WWW)
        self.d.command("resume", "--user", "nobody")
        self.send(NOBODY)


class Program(SystemUsers):
    """The same through the sendmail program, as PHP and cron call it."""

    def begin(self, **changes):
        self.start(**changes)
        self.program = self.d.directory / "sendmail"   # where others may not look into the build's folder
        shutil.copy(machine.sendmail(), self.program)
        self.program.chmod(0o755)
        self.spool = self.d.directory / "handed-over"
        for part in ("tmp", "new"):
            (self.spool / part).mkdir(parents=True)
        for folder in (self.spool, self.spool / "tmp", self.spool / "new"):
            folder.chmod(0o3733)

    def sendmail(self, user, *arguments, message="From: shop@example.test\nTo: a@dest.test\nSubject: x\n\nHello\n", directory="/"):
        return subprocess.run([self.program, *arguments], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd=directory,
                              input=message, capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", "POSTHORN_SOCKET": self.d.unix_socket, "POSTHORN_ADMIN": self.admin,
                                   "POSTHORN_SPOOL": str(self.spool)})

    def test_too_much_is_a_failure_and_not_spooled(self):
        self.begin(local={"messages_per_hour": 1})
        self.assertEqual(self.sendmail(WWW, "-t", "-i").returncode, 0)
        refused = self.sendmail(WWW, "-t", "-i")
        self.assertEqual(refused.returncode, 69, refused.stderr)   # not 75: PHP 8.5 takes that for success
        self.assertIn("may send 1 messages an hour; try again in", refused.stderr)
        self.assertEqual(list((self.spool / "new").iterdir()) + list((self.spool / "tmp").iterdir()), [])
        self.assertEqual(self.sendmail(NOBODY, "-t", "-i").returncode, 0)

    def test_a_suspended_user_is_told(self):
        self.begin()
        self.d.command("suspend", "--user", "www-data")
        refused = self.sendmail(WWW, "-t", "-i")
        self.assertIn(refused.returncode, (69, 77), refused.stderr)
        self.assertIn("disabled", refused.stderr)
        self.assertEqual(list((self.spool / "new").iterdir()), [])
        self.d.command("resume", "--user", "www-data")
        self.assertEqual(self.sendmail(WWW, "-t", "-i").returncode, 0)

    def test_mailq_origin_and_flush(self):
        """SM-6, SM-9: each his own; the directory and the program that called."""
        self.begin()
        self.w.sink.rule("rcpt", sink.GREYLISTED)
        self.assertIn("Mail queue is empty", self.sendmail(WWW, "-bp").stdout)
        self.assertEqual(self.sendmail(WWW, "-t", "-i", directory="/usr/share").returncode, 0)
        self.assertEqual(self.sendmail(NOBODY, "-t", "-i").returncode, 0)
        (message,) = self.queue("--user", "www-data")
        self.assertIn(f"pid={os.getpid()} cwd=/usr/share cmd=", message["origin"])
        self.assertIn("test_attribution", message["origin"])
        self.d.wait_for_output("Greylisting", "mailq")
        listing = self.sendmail(WWW, "-bp")
        self.assertEqual(listing.returncode, 0, listing.stderr)
        self.assertIn(message["id"], listing.stdout)
        self.assertIn("in 1 Request.", listing.stdout)
        self.w.sink.forget()
        flushed = self.sendmail(WWW, "-q")
        self.assertEqual(flushed.returncode, 0, flushed.stderr)
        self.w.sink.wait_for_message("a@dest.test")


class WhoSeesWhat(SystemUsers):
    def setUp(self):
        self.start()
        self.refusals = {who: self.w.sink.rule("rcpt", sink.GREYLISTED, recipient=who) for who in ("www", "nobody", "root")}
        self.mine, self.other = self.send(WWW, "www@dest.test"), self.send(NOBODY, "nobody@dest.test")
        self.d.send("root@dest.test", listener="unix")
        self.d.wait_for_output("Greylisting", "queue", "list", "--json")

    def test_each_sees_his_own(self):
        for user, own, foreign in ((WWW, self.mine, self.other), (NOBODY, self.other, self.mine)):
            status, text = self.ask(user, "GET", "/mailq")
            self.assertEqual(status, 200)
            self.assertIn(own, text)
            self.assertNotIn(foreign, text)
            self.assertTrue(text.endswith("-- 1 Kbytes in 1 Request.\n"), text)
            status, text = self.ask(user, "GET", "/v1/queue")
            self.assertEqual([m["id"] for m in json.loads(text)["messages"]], [own])
            self.assertEqual(self.ask(user, "GET", f"/v1/queue/{own}")[0], 200)
            self.assertEqual(self.ask(user, "GET", f"/v1/queue/{foreign}")[0], 404)
        everything = self.d.command("mailq").stdout
        self.assertTrue(everything.endswith("in 3 Requests.\n"), everything)
        self.assertIn("451 4.7.1", everything)

    def test_nothing_else_is_theirs(self):
        for method, target in (("GET", "/v1/status"), ("GET", "/metrics"), ("GET", "/v1/health"), ("POST", "/v1/reload"),
                               ("GET", "/v1/users/suspended"), ("POST", "/v1/users/suspend?user=root"), ("GET", "/v1/guard"),
                               ("POST", "/v1/users/resume?user=root"), ("POST", "/v1/guard/forgive?all=true"), ("GET", "/v1/senders"),
                               ("GET", "/v1/route?domain=dest.test"), ("GET", "/v1/tls-reports"), ("POST", "/v1/tls-reports/send"),
                               ("GET", "/v1/tls-reports/show?day=2026-11-22&domain=dest.test"), ("GET", "/v1/sandbox"),
                               ("DELETE", f"/v1/queue/{self.mine}"), ("POST", f"/v1/queue/{self.mine}/release"),
                               ("POST", f"/v1/queue/{self.mine}/retry"), ("POST", f"/v1/queue/{self.other}/hold"),
                               ("POST", f"/v1/queue/{self.other}/bounce")):
            status, body = self.ask(WWW, method, target)
            self.assertEqual(status, 403, f"{method} {target}: {body}")
            self.assertIn("only root", body)
        self.assertEqual(len(self.queue()), 3)

    def test_flush_of_ones_own_once_a_minute(self):
        self.w.sink.forget(self.refusals["www"])   # the others' first attempts may be under way still
        self.d.command("queue", "hold", self.other)
        status, text = self.ask(NOBODY, "POST", "/mailq/flush")
        self.assertEqual(status, 200, text)
        self.d.wait_for_log("flush .*recipients=0")   # what an operator holds stays held
        self.assertEqual(self.ask(WWW, "POST", "/mailq/flush")[0], 200)
        self.d.wait_for_queue(2)                      # his is gone, the others' are not
        self.assertEqual([m.recipients for m in self.w.sink.messages], [["www@dest.test"]])
        status, text = self.ask(WWW, "POST", "/mailq/flush")
        self.assertEqual(status, 429)
        self.assertIn("again in", text)
        self.assertEqual(self.ask(WWW, "POST", f"/mailq/flush?id={self.other}")[0], 404)
        self.w.sink.forget()
        self.assertIn("what waits is tried now", self.d.command("queue", "flush", "--domain", "dest.test").stdout)
        self.d.wait_for_queue(1)                      # root's flush takes all but the one that is held

    def test_a_user_cannot_take_all_places(self):
        run = subprocess.Popen([PYTHON, "-c", CROWD, self.admin, "5"], user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[],
                               cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertIn("503", run.stdout.readline())
            self.assertEqual(self.ask(WWW, "GET", "/mailq")[0], 200)
            self.assertIn("3 Requests", self.d.command("mailq").stdout)
        finally:
            run.communicate("")


if __name__ == "__main__":
    world.main()
