"""The audit log: who did what where, and nothing that was typed or opens
anything."""

import json
import re
import subprocess

import conftest
import pytest
import whole_site
from standin import wait_for
from test_tickets import admin, made, redeem

SECRET = b"correct horse battery staple"
TOKEN = "Xenterm-Token"
CONF = """
audit_file = "{dir}/audit.log"
sessions_per_user = 100
access "forcer" {{ users = {{"forcer"}}  consoles = {{"*"}}
                  rights = {{"force"}} }}
"""


@pytest.fixture
def site(tmp_path):
    conftest.need_site()
    site = whole_site.Site(
        tmp_path / "site", conf=CONF.format(dir=tmp_path),
        users=("admin", "viewer", "nobody", "forcer"))
    site.audit = tmp_path / "audit.log"
    with site:
        yield site


def lines(site, event=None):
    text = site.audit.read_text()
    assert text.endswith("\n") or not text
    found = [json.loads(line) for line in text.splitlines()]
    return [line for line in found if event in (None, line["event"])]


def new(site, console, user, mode="type", **more):
    return site.request("POST", "api/v1/sessions",
                        {"console": console, "mode": mode, **more}, user=user)


def test_who_only_looks(site):
    """Without a session: once for a look that goes on."""
    name = site.guest("--echo")
    session = site.session(name)
    for user in ("viewer", "viewer", "viewer", "admin", "viewer"):
        assert site.request("GET", f"api/v1/preview?console={name}",
                            user=user).status == 200
    looks = lines(site, "looked")
    assert [look["user"] for look in looks] == ["viewer", "admin", "viewer"]
    assert looks[0]["name"] == name and looks[0]["console"] == session.id
    assert looks[0]["address"] == "127.0.0.1"


def test_the_life_of_a_session(site):
    name = site.guest("--echo")
    session = site.session(name)
    opened, = lines(site)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                        opened.pop("time"))
    assert opened == {
        "event": "opened", "user": "admin", "address": "127.0.0.1",
        "console": session.id, "name": name, "mode": "type",
        "session": session.made["session"]}
    for _ in range(3):
        session.type(SECRET)
    answer = new(site, name, "forcer", take="force")
    session.delete()
    site.request("DELETE", "api/v1/sessions/current", user="forcer",
                 headers={TOKEN: answer.json()["token"]})
    found = lines(site)
    assert [(one["event"], one["user"], one["mode"]) for one in found] == [
        ("opened", "admin", "type"), ("first-typed", "admin", "type"),
        ("opened", "forcer", "type"), ("took-over", "forcer", "type"),
        ("closed", "admin", "watch"), ("closed", "forcer", "type")]
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert found[-1]["why"] == "asked"
    text = site.audit.read_bytes()
    for secret in (SECRET, session.token.encode(),
                   answer.json()["token"].encode()):
        assert secret not in text


def test_why_a_session_ends(site):
    name = site.guest("--deaf")
    session = site.session(name, "watch")
    site.restart_worker()
    assert lines(site, "closed") == []      # nor has it ended
    whole_site.wait_for(lambda: name in site.consoles(), what="the guest")
    other = site.session(name, "watch")
    assert len(lines(site, "opened")) == 2      # the file goes on
    for one in (session, other):
        one.delete()
    assert [line["why"] for line in lines(site, "closed")] == ["asked"] * 2


def test_idle(tmp_path):
    conftest.need_site()
    conf = CONF.format(dir=tmp_path) + "session_idle = 5\n"
    with whole_site.Site(tmp_path / "site", conf=conf) as site:
        site.audit = tmp_path / "audit.log"
        site.session(site.guest("--deaf"), "watch")
        wait_for(lambda: lines(site, "closed"), 20, "the end")
        assert lines(site, "closed")[0]["why"] == "idle"


def test_refusals(site):
    name = site.guest("--echo")
    mine = site.session(name)
    for user, wanted, why, options in (
            ("viewer", name, "not-allowed", {}),
            ("nobody", name, "no-such-console", {}),
            ("admin", "no-such-guest", "no-such-console", {}),
            ("admin", name, "not-allowed", {"take": "force"})):
        assert new(site, wanted, user, **options).status in (403, 404)
        last = lines(site, "refused")[-1]
        assert (last["user"], last["wanted"], last["why"]) == \
            (user, wanted, why)
        assert last["address"] == "127.0.0.1"
    site.request("GET", "api/v1/sessions/current", user="viewer",
                 headers={TOKEN: mine.token}).problem(403, "wrong-user")
    last = lines(site, "refused")[-1]
    assert last["user"] == "viewer" and last["why"] == "wrong-user"
    assert len(lines(site, "refused")) == 5


def test_tickets(site):
    name = site.guest("--echo")
    ticket = made(site, name, user="viewer")
    revoked = made(site, name, user="viewer")
    admin(site, "DELETE", f"/tickets/{revoked['id']}")
    answer = redeem(site, ticket["ticket"], name, user="viewer")
    session = answer.json()["session"]
    redeem(site, ticket["ticket"], name, user="viewer").problem(401)
    assert [one["ticket"] for one in lines(site, "ticket-made")] == \
        [ticket["id"], revoked["id"]]
    assert lines(site, "ticket-revoked")[0]["ticket"] == revoked["id"]
    used, = lines(site, "ticket-used")
    assert used["ticket"] == ticket["id"] and used["session"] == session
    assert lines(site, "refused")[0]["why"] == "bad-ticket"
    assert ticket["ticket"] not in site.audit.read_text()


def test_ajaxterm_pages_are_sessions(site):
    name = site.guest("--echo")
    for _ in range(3):
        answer = site.request(
            "POST", f"ajaxterm/{name}/u", b"s=1&w=80&h=24&c=1&k=secret",
            {"Content-Type": "application/x-www-form-urlencoded",
             "Sec-Fetch-Site": "same-origin"})
        assert answer.status == 200
    assert [one["event"] for one in lines(site)] == ["opened", "first-typed"]
    assert "secret" not in site.audit.read_text()


def test_without_a_file_it_is_in_the_log(own_site):
    site = own_site()
    name = site.guest("--echo")
    site.session(name, "watch")
    line, = re.findall(r"(?m)^xenterm-fcgi: audit: (\{.*\})$",
                       site.log("worker"))
    assert json.loads(line)["event"] == "opened"


def test_a_file_that_cannot_be_written(tmp_path):
    conf = tmp_path / "xenterm.conf"
    conf.write_text(f'user = "daemon"\nsocket_group = "daemon"\n'
                    f'screen_program = "{whole_site.SCREEN}"\n'
                    f'run_dir = "{tmp_path}/run"\n'
                    f'audit_file = "{tmp_path}/none/audit.log"\n')
    done = subprocess.run([whole_site.WORKER, "-f", "-c", conf], timeout=20,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    assert done.returncode == 1 and "none/audit.log" in done.stderr
