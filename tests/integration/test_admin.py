"""The admin socket: what root and its programs ask the worker."""

import json
import re
import urllib.parse

import pytest
import yaml
from prometheus_client import parser

from standin import wait_for
from whole_site import TOP, Answer

KILO = 1024


def console_of(site, name):
    consoles = site.admin("GET", "/consoles").json()["consoles"]
    return next(c for c in consoles if c["name"] == name)


def history(site, name):
    answer = site.admin("GET", f"/history?console={name}&format=raw")
    return answer.body if answer.status == 200 else b""


def metrics(site):
    answer = site.admin("GET", "/metrics")
    assert answer.status == 200
    assert answer.type == "text/plain; version=0.0.4; charset=utf-8"
    return answer.body.decode()


def value(site, series):
    found = re.search(rf"^{re.escape(series)} (\d+)$", metrics(site), re.M)
    assert found, series
    return int(found[1])


# --- Consoles ------------------------------------------------------------------

def test_consoles_are_told_whole(site, guest):
    name = guest("--echo")
    before = console_of(site, name)
    assert before["state"] == "up" and before["held"] is False
    assert before["viewers"] == [] and "ring" not in before
    session = site.session(name)
    assert session.type(b"twelve bytes", echo=1000).status == 200
    session.read_until(b"twelve bytes")
    after = console_of(site, name)
    assert after["held"] is True and after["id"] == session.id
    assert after["domid"] == site.host.domid(name)
    assert after["size"] == {"rows": 24, "cols": 80}
    assert [v["user"] for v in after["viewers"]] == ["admin"]
    ring = after["ring"]
    assert (ring["begin"], ring["end"]) == (0, 12) and ring["size"] >= 1 << 20


def test_release_and_hold(site, guest):
    name = guest("--echo")
    session = site.session(name)
    assert site.admin("POST", f"/release?console={name}").status == 204
    session.wait_state("released")
    site.admin("POST", f"/send?console={name}", b"x").problem(409, "not-up")
    assert site.admin("POST", f"/hold?console={name}").status == 204
    session.wait_state("up")
    assert console_of(site, name)["held"] is True


# --- Send, screen, history -------------------------------------------------------

def test_send_opens_the_console_and_types(site, guest):
    name = guest("--echo")
    answer = site.admin("POST", f"/send?console={name}", b"hello \xff\x00")
    assert answer.status == 204 and answer.body == b""
    wait_for(lambda: history(site, name) == b"hello \xff\x00")
    screen = site.admin("GET", f"/screen?console={name}&format=text")
    assert screen.status == 200 and screen.body.startswith(b"hello")
    assert screen.headers["Xenterm-Next"].split(".")[1] == "8"
    html = site.admin("GET", f"/screen?console={name}&format=html&history=5")
    assert html.type.startswith("text/html")
    # Nobody stays behind.
    assert console_of(site, name)["viewers"] == []


def test_send_is_whole_or_not_at_all(site, guest):
    name = guest("--deaf")
    sent = 0
    for _ in range(40):
        answer = site.admin("POST", f"/send?console={name}", b"z" * 16000)
        if answer.status != 204:
            break
        sent += 1
    answer.problem(503, "queue-full")
    assert answer.headers["Retry-After"] == "1"
    assert 1 <= sent < 40
    site.admin("POST", f"/send?console={name}", b"").problem(400, "bad-body")


def test_a_console_never_open_has_no_screen(site, guest):
    name = guest("--echo")
    for path in ("/screen", "/history"):
        site.admin("GET", f"{path}?console={name}").problem(409, "not-up")


def test_long_answers_come_whole(site, guest, tmp_path):
    path = tmp_path / "long"
    path.write_bytes(b"".join(b"%06d\n" % n for n in range(40000)))
    name = guest("--file", path, prefix="always")
    want = path.read_bytes()
    wait_for(lambda: history(site, name) == want, 30)


# --- Sessions --------------------------------------------------------------------

def test_a_session_of_root(site, guest):
    name = guest("--echo")
    made = site.admin("POST", f"/sessions?console={name}&mode=type")
    assert made.status == 201
    token, session = made.json()["token"], made.json()
    assert (session["user"], session["state"]) == ("root", "up")
    typed = site.admin("POST", "/input?seq=1", b"me", token)
    assert typed.json() == {"seq": 1, "typed": True}
    output = site.admin("GET", f"/output?from={session['from']}", token=token)
    wait_for(lambda: history(site, name) == b"me")
    assert output.status == 200 and output.next
    current = site.admin("GET", "/sessions/current", token=token).json()
    assert current["seq"] == 1
    listed = site.admin("GET", "/sessions").json()["sessions"]
    assert session["session"] in [s["session"] for s in listed]
    assert site.admin("DELETE", "/sessions/current", token=token).status == 204
    site.admin("GET", "/output", token=token).problem(401, "unknown-token")


def test_kick(site, guest):
    name = guest("--echo")
    viewer = site.session(name, "watch")
    viewer.poll(at="", wait=0)
    viewer.send_poll()
    answer = site.admin("DELETE", f"/sessions/{viewer.made['session']}")
    assert answer.status == 204
    viewer.poller.receive().problem(401, "unknown-token")
    site.admin("DELETE", "/sessions/0123456789abcdef").problem(
        404, "no-such-session")


def test_a_poll_that_waits_is_answered_by_output(site, guest):
    name = guest("--echo")
    made = site.admin("POST", f"/sessions?console={name}&mode=watch").json()
    start = site.admin("GET", "/output", token=made["token"])
    connection = site.admin_connection()
    connection.request("GET", f"/output?from={start.next}&wait=60",
                       headers={"Xenterm-Token": made["token"]})
    site.admin("POST", f"/send?console={name}", b"wake")
    answer = Answer(connection.getresponse())
    while answer.output() == b"":
        connection.request("GET", f"/output?from={answer.next}&wait=60",
                           headers={"Xenterm-Token": made["token"]})
        answer = Answer(connection.getresponse())
    assert answer.output() in (b"wake", b"w")
    connection.close()


def test_who_leaves_while_waiting_is_noticed(own_site):
    """And the worker ends well with requests that wait."""
    site = own_site()
    name = site.guest("--echo")
    made = site.admin("POST", f"/sessions?console={name}&mode=watch").json()
    token = {"Xenterm-Token": made["token"]}
    waiting = []

    def poll():
        connection = site.admin_connection()
        connection.request("GET", f"/output?from={at}&wait=60", headers=token)
        waiting.append(connection)

    def quiet():
        return site.admin("GET", f"/output?from={at}&wait=1",
                          token=made["token"]).status == 204
    at = site.admin("GET", "/output", token=made["token"]).next
    while not quiet():
        at = site.admin("GET", f"/output?from={at}",
                        token=made["token"]).next
    for _ in range(4):
        poll()
    # The fifth is refused once the four are there, and not any more once one
    # of them has gone.
    wait_for(lambda: site.admin("GET", f"/output?from={at}&wait=1",
                                token=made["token"]).status == 429)
    waiting.pop().close()
    wait_for(lambda: site.admin("GET", f"/output?from={at}&wait=1",
                                token=made["token"]).status == 204)
    site.end("worker")
    for connection in waiting:
        connection.close()


# --- Health ------------------------------------------------------------------------

def test_health_tells_ready_from_live(own_site):
    site = own_site()
    ready = site.admin("GET", "/healthz")
    assert ready.status == 200 and ready.json()["ready"] is True
    site.kill_broker()
    wait_for(lambda: site.admin("GET", "/healthz").status == 503)
    away = site.admin("GET", "/healthz").json()
    assert (away["ready"], away["broker"]) == (False, "away")
    assert site.admin("GET", "/livez").json() == {"live": True}
    site.admin("POST", "/hold?console=nobody").problem(503, "overload")
    site.start_broker()
    site.wait_connected()


# By https://prometheus.io/docs/instrumenting/exposition_formats/ and
# https://prometheus.io/docs/practices/naming/
SERIES = re.compile(r"([a-z_]+)(\{[a-z_]+=\"[^\"\\\n]*\"\})? (\d+)")


def test_metrics_keep_the_conventions(site):
    text = metrics(site)
    assert text.endswith("\n")
    types, helped, seen = {}, set(), set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in helped and words.endswith(".")
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name in helped and name not in types
            types[name] = kind
        else:
            found = SERIES.fullmatch(line)
            assert found, line
            assert found[1] in types and line.split(" ")[0] not in seen
            seen.add(line.split(" ")[0])
    for name, kind in types.items():
        assert name.startswith("xenterm_")
        assert name.endswith("_total") == (kind == "counter"), name


def test_prometheus_reads_the_metrics(site):
    families = list(parser.text_string_to_metric_families(metrics(site)))
    names = {family.name for family in families}
    assert "xenterm_requests" in names and "xenterm_consoles" in names
    assert all(family.documentation and family.type in ("gauge", "counter")
               for family in families)


def used_metrics(expression):
    """[(name, {label: value})] that a PromQL expression looks at."""
    return [(name, dict(re.findall(r'(\w+)(?:=|=~)"([^"]*)"', labels)))
            for name, labels in
            re.findall(r"\b(xenterm_\w+)(?:\{([^}]*)\})?", expression)]


def test_what_the_dashboard_and_the_alerts_look_at(site):
    there = {}
    for family in parser.text_string_to_metric_families(metrics(site)):
        for sample in family.samples:
            there.setdefault(sample.name, []).append(sample.labels)
    board = json.loads((TOP / "conf/grafana/xenterm.json").read_text())
    rules = yaml.safe_load(
        (TOP / "conf/prometheus/xenterm.rules.yml").read_text())
    panels = [target["expr"] for panel in board["panels"]
              for target in panel["targets"]]
    panels += [one["query"] for one in board["templating"]["list"]
               if one["type"] == "query"]
    alerts = [rule["expr"] for group in rules["groups"]
              for rule in group["rules"]]
    assert len(panels) > 10 and len(alerts) > 4
    for expression in panels + alerts:
        used = used_metrics(expression)
        assert used, expression
        assert expression.count("(") == expression.count(")")
        for name, labels in used:
            assert name in there, expression
            labels.pop("instance", None)  # Prometheus' own
            assert any(labels.items() <= one.items() for one in there[name]), \
                expression
    # All there is can be seen.
    assert {name for e in panels for name, _ in used_metrics(e)} == set(there)
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"\d+m", rule["for"])
            assert rule["annotations"]["summary"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_metrics_count(site, guest):
    name = guest("--echo")
    typed = value(site, "xenterm_console_input_bytes_total")
    read = value(site, "xenterm_console_output_bytes_total")
    ups = value(site, 'xenterm_consoles{state="up"}')
    assert ups >= 1
    viewer = site.session(name, "watch")
    assert value(site, 'xenterm_viewers{mode="watch"}') >= 1
    site.admin("POST", f"/send?console={name}", b"12345")
    viewer.read_until(b"12345")
    assert value(site, "xenterm_console_input_bytes_total") == typed + 5
    assert value(site, "xenterm_console_output_bytes_total") == read + 5
    problems = value(site, "xenterm_problems_total")
    site.admin("GET", "/nowhere").problem(404, "no-such-path")
    assert value(site, "xenterm_problems_total") == problems + 1


# --- What is not a request -----------------------------------------------------------

@pytest.mark.parametrize("method, path, status, code", (
    ("GET", "/hold?console=web1", 405, "method"),
    ("PUT", "/healthz", 405, "method"),
    ("POST", "/hold", 400, "bad-parameter"),
    ("POST", "/hold?console=nobody", 404, "no-such-console"),
    ("POST", "/hold?console=web1&console=web1", 400, "bad-parameter"),
    ("POST", "/hold?console=web1&more=1", 400, "bad-parameter"),
    ("GET", "/screen?console=web1&format=pdf", 400, "bad-parameter"),
    ("GET", "/screen?console=" + urllib.parse.quote("\x00"), 400, ""),
    ("POST", "/sessions?console=web1", 400, "bad-parameter"),
    ("POST", "/sessions?console=web1&mode=all", 400, "bad-parameter"),
    ("GET", "/output", 401, "no-token"),
    ("GET", "/api/v1/consoles", 404, "no-such-path"),
    ("GET", "/sessions/", 404, "no-such-path"),
    ("GET", "/%00", 400, ""),
    ("POST", "/send?console=web1", 415, "content-type"),
))
def test_bad_requests(site, method, path, status, code):
    answer = site.admin(method, path)
    assert answer.status == status, answer
    if code:
        answer.problem(status, code)


def test_a_long_body_is_refused(site):
    assert site.admin("POST", "/send?console=web1",
                      b"x" * 20000).status == 413
