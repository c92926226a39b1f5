"""GET /metrics: figures that follow mail, docs/metrics.md that names each of them, and a dashboard and alerts that ask for nothing else.

By hand: --write puts the help texts of the program into the tables of docs/metrics.md.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from posthorn_test import exposition, providers, receivers, sink, world
from posthorn_test.daemon import free_port, program, simple_message

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "metrics.md"
DASHBOARD = ROOT / "etc" / "grafana" / "posthorn.json"
ALERTS = ROOT / "etc" / "prometheus" / "alerts.yml"
ALERT_TESTS = ROOT / "etc" / "prometheus" / "alerts.test.yml"
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| (.*?) \| (.*) \|$")
OF_THE_SCRAPE = {"up", "scrape_duration_seconds"}   # Prometheus makes them itself


def documented():
    """Families of docs/metrics.md: name -> (kind, label names, text)."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if match := ROW.match(line):
            assert match[1] not in found, match[1]
            found[match[1]] = (match[2], set(re.findall(r"`(\w+)`", match[3])), match[4])
    return found


def promtool():
    """Debian's, unpacked; unittest.SkipTest where there is neither one nor a network."""
    run = subprocess.run([str(receivers.TOOLS / "receivers"), "prometheus"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=280)
    if run.returncode != 0:
        raise unittest.SkipTest("Debian's package prometheus cannot be had: " + run.stderr.strip().splitlines()[-1])
    return str(pathlib.Path(run.stdout.strip()) / "prometheus" / "usr" / "bin" / "promtool")


class Scene(providers.InternetTest):
    """Mail of each fate to two providers and one domain, by clients with TLS and without."""

    def play(self):
        self.net = net = self.internet(providers=("google", "yahoo", "other"), changes={
            "retry": {"first": "1h"}, "webhook": [{"name": "shop", "url": "https://127.0.0.1:1/", "secret": "0123456789abcdef0123456789abcdef"}]})
        net.google.sink.rule("rcpt", "550 5.1.1 No such user", recipient="gone@gmail.com")
        net.yahoo.sink.rule("rcpt", "451 4.7.1 Later", recipient="later@yahoo.com")
        net.daemon.send(["well@gmail.com", "gone@gmail.com", "later@yahoo.com", "well@dest.test"])
        with net.daemon.client("submissions") as client:
            client.login("alice", "correct horse")
            self.assertEqual(client.deliver("alice@example.test", ["again@gmail.com"], simple_message("again@gmail.com")).code, 250)
            client.quit()
        with net.daemon.client("submission") as client:
            client.starttls()
            client.hello()
            client.login("alice", "correct horse")
            client.command("RCPT TO:<nobody@dest.test>")   # 503: a refusal
            client.quit()
        net.google.sink.wait_for_message("again@gmail.com")
        net.google.sink.wait_for_message("well@gmail.com")
        net.other.sink.wait_for_message("well@dest.test")
        net.home.wait_for_message("alice@example.test")    # the report about gone@gmail.com
        for outcome, count in (("delivered", 4), ("deferred", 1), ("failed", 1)):
            net.daemon.wait_for_log(rf"^\S+ {outcome} ", count=count)
        net.daemon.wait_for_queue(1)

    def read(self):
        """As Prometheus asks: GET /metrics, with its Content-Type."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.net.daemon.directory / "admin.sock"))
        connection.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.text = answer.read().decode()
        connection.close()
        return exposition.parse(self.text)


class Prometheus:
    """Debian's, for a test: scrapes one target each second, with a token, and has our alerts; `with Prometheus(...)`."""

    def __init__(self, target, token):
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory(prefix="posthorn-prometheus-")
        directory = pathlib.Path(self._directory.name)
        (directory / "token").write_text(token)
        (directory / "prometheus.json").write_text(json.dumps({   # JSON is YAML
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}, "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "posthorn", "authorization": {"credentials_file": str(directory / "token")},
                                "static_configs": [{"targets": [target]}]}]}))
        program = pathlib.Path(promtool()).parent / "prometheus"
        self._log = open(directory / "log", "wb")
        self._process = subprocess.Popen([str(program), f"--config.file={directory}/prometheus.json", f"--storage.tsdb.path={directory}/data",
                                          f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self._log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()
        if failure is not None:
            print("--- Prometheus' log:\n" + pathlib.Path(self._log.name).read_text()[-3000:])
        self._directory.cleanup()

    def ask(self, path, **query):
        """The data of an answer of its API; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        except OSError:
            return None

    def wait(self, look, timeout=60.0):
        """What look() finds, when it finds something."""
        deadline = time.monotonic() + timeout
        while not (found := look()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError("Prometheus did not come to it")
            time.sleep(0.1)
        return found


class Figures(Scene):
    def test_prometheus_itself(self):
        """As docs/metrics.md says: a scrape by TCP with a token that may only read; then each question of the dashboard is asked."""
        token, port = "a-token-for-prometheus-0123456789", free_port()
        w = self.live_in(world.World(changes={"admin": {"listen": f"127.0.0.1:{port}", "read_only_token": token}}))
        with Prometheus(f"127.0.0.1:{port}", token) as prometheus:
            w.daemon.send("bob@dest.test")
            w.sink.wait_for_message("bob@dest.test")
            w.daemon.wait_for_log(r"^\S+ delivered ")

            def seen_twice():   # what a rate needs
                data = prometheus.ask("query", query='rate(posthorn_delivery_delay_seconds_count[5m])')
                return data and data["result"]
            instance = prometheus.wait(seen_twice)[0]["metric"]["instance"]
            target, = prometheus.ask("targets")["activeTargets"]
            self.assertEqual((target["health"], target["lastError"], instance), ("up", "", f"127.0.0.1:{port}"))
            board = json.loads(DASHBOARD.read_text())
            empty = set()
            for panel in board["panels"]:
                for question in panel.get("targets", []):
                    expression = question["expr"].replace("$__rate_interval", "5m").replace("$instance", ".+")
                    if not prometheus.ask("query", query=expression)["result"]:
                        empty.add(panel["title"])
            # Nothing was refused, and nobody logs in by TLS; all else has something to show.
            self.assertLessEqual(empty, {"Why not at once", "Refused for us", "TLS of clients", "Refusals", "Bounds in the way"})
            names = {name for name in prometheus.ask("label/__name__/values") if not name.startswith(("scrape_", "up", "ALERTS"))}
            self.assertLessEqual({re.sub(r"_(bucket|sum|count)$", "", name) for name in names}, set(documented()))
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            self.assertEqual([rule["name"] for rule in rules if rule.get("lastError")], [])
            self.assertNotIn("firing", {rule["state"] for rule in rules})

    def test_what_is_shown(self):
        self.play()
        families = self.read()
        with self.subTest("what mail came to"):
            self.check_mail(families)
        with self.subTest("docs/metrics.md"):
            self.check_page(families)
        with self.subTest("promtool check metrics"):
            run = subprocess.run([promtool(), "check", "metrics"], input=self.text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual((run.returncode, run.stdout), (0, ""))
        with self.subTest("the command prints the same"):
            printed = exposition.parse(self.net.daemon.command("metrics").stdout)
            self.assertEqual(list(printed), list(families))

    def check_mail(self, families):
        def value(name, **labels):
            return families[name].value(**labels)

        self.assertEqual(value("posthorn_smtp_messages_total"), 2)
        self.assertEqual(value("posthorn_smtp_accept_seconds"), 2)
        self.assertEqual(families["posthorn_smtp_tls_sessions_total"].total(), 2)
        self.assertEqual(value("posthorn_smtp_tls_sessions_total", version="TLSv1.3"), 2)
        self.assertEqual(value("posthorn_smtp_refusals_total", code="503", enhanced="5.5.1"), 1)
        # Recipients: two at Google, one there for good, one later at Yahoo, one elsewhere, and the report home.
        outcome = families["posthorn_delivery_outcomes_total"]
        self.assertEqual(outcome.value(provider="google", result="delivered"), 2)
        self.assertEqual(outcome.value(provider="google", result="failed", **{"class": "rcpt-perm"}), 1)
        self.assertEqual(outcome.total(provider="yahoo", result="deferred"), 1)
        self.assertEqual(outcome.value(provider="other", result="delivered"), 2)
        self.assertEqual(outcome.total(), 6)
        self.assertEqual(value("posthorn_delivery_delay_seconds"), 4)
        self.assertEqual(value("posthorn_delivery_first_attempt_seconds"), 6)
        self.assertEqual(families["posthorn_delivery_attempt_seconds"].total(), value("posthorn_delivery_attempts_total"))
        self.assertEqual(value("posthorn_delivery_connect_seconds", result="opened"), families["posthorn_delivery_connections_total"].total())
        self.assertGreaterEqual(value("posthorn_delivery_connections_total", tls="TLSv1.3"), 3)
        self.assertGreaterEqual(value("posthorn_dkim_sign_seconds"), 2)
        self.assertEqual(value("posthorn_dkim_sign_failures_total"), 0)
        self.assertGreater(value("posthorn_dns_query_seconds"), 5)
        self.assertLessEqual(value("posthorn_dns_query_seconds"), value("posthorn_dns_queries_total"))
        self.assertEqual(value("posthorn_queue_commit_seconds"), value("posthorn_queue_batch_operations"))
        self.assertGreater(value("posthorn_queue_commit_seconds"), 0)
        self.assertEqual(value("posthorn_queue_recipients"), 1)
        self.assertGreater(value("posthorn_queue_disk_free_bytes"), 0)
        self.assertEqual(families["posthorn_bound_reached_total"].total(), 0)
        self.assertEqual(value("posthorn_bound_limit", bound="smtp_sessions"), 1000)
        self.assertGreater(value("posthorn_loop_lateness_seconds"), 0)
        # Against what the kernel says of the process from outside.
        pid = self.net.daemon.pid
        resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        self.assertLess(abs(value("process_resident_memory_bytes") - resident), 32 * 1024 * 1024)
        self.assertEqual(value("process_threads"), len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())))
        self.assertLess(abs(value("process_open_fds") - len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))), 20)
        self.assertLess(abs(value("process_start_time_seconds") - time.time()), 300)
        self.assertGreater(value("process_cpu_seconds_total"), 0)

    def check_page(self, families):
        page = documented()
        self.assertEqual(sorted(page), sorted(families), "docs/metrics.md and GET /metrics do not name the same")
        for name, family in families.items():
            kind, labels, text = page[name]
            self.assertEqual((kind, text), (family.kind, family.help.replace("|", "\\|")), f"{name}: tests/interop/test_metrics.py --write")
            self.assertLessEqual(family.label_names(), labels, name)
            if family.samples and family.kind != "histogram":
                self.assertEqual(family.label_names(), labels, name)
        reached = families["posthorn_bound_reached_total"]
        named = re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \|$", PAGE.read_text())
        self.assertEqual(named, [labels["bound"] for labels, _ in reached.samples])

    def test_a_held_recipient_is_counted_apart(self):
        """The count is taken at the start, and then every 15 seconds: here after a restart."""
        w = self.live_in(world.World(changes={"retry": {"first": "1h"}}))
        w.sink.rule("rcpt", sink.GREYLISTED)
        w.daemon.send("bob@dest.test")
        w.daemon.send("carol@dest.test")
        w.daemon.wait_for_log(r"^\S+ deferred ", count=2)
        w.daemon.command("queue", "hold", w.daemon.queue_ids()[0])
        w.daemon.stop()
        w.daemon.start()
        w.daemon.wait_for_output(r'(?m)^posthorn_queue_recipients_by_state\{state="held"\} 1$', "metrics")
        w.daemon.wait_for_output(r'(?m)^posthorn_queue_recipients_by_state\{state="waiting"\} 1$', "metrics")

    def test_what_is_full_is_told(self):
        """DESIGN 12: a bound that is reached is counted under its name."""
        w = self.live_in(world.World(changes={"submission": {"limits": {"max_connections": 1}}}))
        with w.daemon.client("plain"), w.daemon.connect("plain") as second:
            self.assertEqual(second.reply().code, 421)
            families = exposition.parse(w.daemon.command("metrics").stdout)
        self.assertEqual(families["posthorn_bound_reached_total"].value(bound="smtp_sessions"), 1)
        self.assertEqual(families["posthorn_bound_used"].value(bound="smtp_sessions"), 1)
        self.assertEqual(families["posthorn_bound_limit"].value(bound="smtp_sessions"), 1)
        self.assertEqual(families["posthorn_smtp_connections_refused_total"].value(reason="full"), 1)


class Questions(unittest.TestCase):
    """What the dashboard and the alerts ask for is there."""

    def names_and_labels(self, expression):
        """Names of families, and labels that are selected or grouped by, of one expression."""
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
        labels = set()
        for inside in re.findall(r"\{([^}]*)\}", bare):
            labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        for inside in re.findall(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)", bare):
            labels |= set(re.findall(r"\w+", inside))
        names = set(re.findall(r"\b((?:posthorn|process)_\w+|up)\b", re.sub(r"\{[^}]*\}", "", bare)))
        return names, labels

    def check(self, expression, where):
        page = documented()
        names, labels = self.names_and_labels(expression)
        self.assertTrue(names, f"{where}: {expression}")
        known = {"instance", "job", "le"}
        for name in names - OF_THE_SCRAPE:
            family = name
            if name not in page:
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                self.assertEqual(page.get(family, ("nothing",))[0], "histogram", f"{where}: {name} in {expression}")
            elif page[name][0] == "histogram":
                self.fail(f"{where}: {name} is a histogram: _bucket, _sum or _count of it, in {expression}")
            known |= page[family][1]
        self.assertLessEqual(labels, known, f"{where}: {expression}")
        for name in names & set(page):
            if page[name][0] == "counter" and name != "process_cpu_seconds_total":
                self.assertRegex(expression, rf"(rate|increase|resets)\(\s*{name}\b", f"{where}: a counter's rise, not what it is")

    def test_the_dashboard(self):
        board = json.loads(DASHBOARD.read_text())
        self.assertEqual(board["uid"], "posthorn")
        inputs = {entry["name"] for entry in board["__inputs"]}
        seen, places = set(), []
        panels = [p for panel in board["panels"] for p in [panel, *panel.get("panels", [])]]
        for panel in panels:
            self.assertNotIn(panel["id"], seen)
            seen.add(panel["id"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for other in places:
                apart = (place["x"] + place["w"] <= other["x"] or other["x"] + other["w"] <= place["x"]
                         or place["y"] + place["h"] <= other["y"] or other["y"] + other["h"] <= place["y"])
                self.assertTrue(apart, f"{panel['title']} lies on another panel")
            places.append(place)
            if panel["type"] == "row":
                continue
            self.assertTrue(panel["title"] and panel["description"], panel["id"])
            self.assertTrue(panel["targets"], panel["title"])
            refs = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(refs), len(set(refs)), panel["title"])
            for target in panel["targets"]:
                self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${DS_PROMETHEUS}"})
                self.check(target["expr"].replace("$__rate_interval", "5m"), panel["title"])
                self.assertIn('instance=~"$instance"', target["expr"], panel["title"])
        self.assertEqual(inputs, {"DS_PROMETHEUS"})
        for variable in board["templating"]["list"]:
            self.check(re.sub(r"label_values\((.*), *(\w+)\)", r"count by (\2) (\1)", variable["query"]["query"]), variable["name"])

    def expressions_as_rules(self):
        """The dashboard's expressions as a file of recording rules: promtool then says whether they are PromQL."""
        board = json.loads(DASHBOARD.read_text())
        rules = []
        for panel in (p for panel in board["panels"] for p in [panel, *panel.get("panels", [])]):
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".+")
                rules.append({"record": f"dashboard:p{panel['id']}_{target['refId']}".lower(), "expr": expression})
        return json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})   # JSON is YAML

    def test_promtool_takes_them(self):
        tool = promtool()
        for arguments in (["check", "rules", str(ALERTS)], ["test", "rules", str(ALERT_TESTS)]):
            run = subprocess.run([tool, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(run.returncode, 0, run.stdout)
        run = subprocess.run([tool, "check", "rules", "/dev/stdin"], input=self.expressions_as_rules(), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_the_alerts(self):
        """Each asks for what is there, says what it means and what to do, and has a test in which it is raised and one in which it is not."""
        import yaml
        rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
        tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
        raised = [case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")]
        silent = [case["alertname"] for test in tests for case in test["alert_rule_test"] if not case.get("exp_alerts")]
        for rule in rules:
            name = rule["alert"]
            self.check(rule["expr"], name)
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"), name)
            self.assertTrue(rule["annotations"]["summary"], name)
            self.assertRegex(rule["annotations"]["description"], r"\w", name)
            commands = set(re.findall(r"\bposthorn ([a-z-]+)", rule["annotations"]["action"]))
            self.assertTrue(commands, f"{name}: which command to type")
            for command in commands:
                run = subprocess.run([program(), command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.assertEqual(run.returncode, 0, f"{name}: {run.stdout}")
            self.assertIn(name, raised)
            self.assertIn(name, silent)
        page = PAGE.read_text()
        for rule in rules:
            self.assertIn(f"`{rule['alert']}`", page)


def write():
    """Puts kind and help of each family, as a running daemon tells them, into its row; says which rows are missing or too many."""
    class Once(Scene):
        def runTest(self):
            self.play()
            families = self.read()
            lines = []
            for line in PAGE.read_text().splitlines():
                match = ROW.match(line)
                if match and match[1] in families:
                    family = families.pop(match[1])
                    line = f"| `{match[1]}` | {family.kind} | {match[3]} | {family.help.replace('|', chr(92) + '|')} |"
                elif match:
                    print(f"not in the program: {match[1]}")
                lines.append(line)
            PAGE.write_text("\n".join(lines) + "\n")
            for name, family in families.items():
                labels = ", ".join(f"`{label}`" for label in sorted(family.label_names()))
                print(f"not on the page:\n| `{name}` | {family.kind} | {labels} | {family.help} |")
    unittest.TextTestRunner().run(Once())


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        world.main()
