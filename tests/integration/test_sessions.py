"""Who may open what, and for how long."""

import re

import fastcgi
import pytest
from standin import wait_for

TOKEN = "Xenterm-Token"

NO_TOKENS = (
    "0" * 64, "f" * 64, "0" * 63, "0" * 65, "g" * 64, "x", "-1",
    "0" * 62 + "+1", " " * 10 + "0" * 54, "\xe9" * 64, "0" * 4000,
    "%30" * 64, '"' + "0" * 62 + '"')


def new(site, console="web1", mode="watch", user="admin", headers=()):
    return site.request("POST", "api/v1/sessions",
                        {"console": console, "mode": mode}, headers, user)


def current(site, token, user="admin", headers=()):
    return site.request("GET", "api/v1/sessions/current", b"",
                        [(TOKEN, token), *headers], user)


# --- Making one --------------------------------------------------------------

def test_a_new_session(site):
    session = site.session("web1")
    made = session.made
    assert re.fullmatch("[0-9a-f]{64}", made["token"])
    assert re.fullmatch("[0-9a-f]{16}", made["session"])
    assert made["console"] == site.consoles()["web1"]["id"]
    assert made["name"] == "web1" and made["mode"] == "type"
    assert made["size"] == {"rows": 24, "cols": 80}
    assert made["rights"][:3] == ["list", "watch", "type"]
    assert made["sysrq"] is True
    shown = session.current().json()
    assert shown["user"] == "admin" and shown["state"] == "up"
    assert shown["domid"] == site.host.domid("web1")
    assert shown["seq"] == 0 and "token" not in shown
    assert {"session": made["session"], "user": "admin", "mode": "type"} \
        in shown["viewers"]


def test_tokens_are_never_the_same(site):
    tokens = {site.session("web1", "watch").token for _ in range(50)}
    assert len(tokens) == 50


def test_a_console_has_three_names(site):
    console = site.consoles()["web1"]["id"]
    for name in ("web1", "web1/pv0", console):
        answer = new(site, name)
        assert answer.status == 201
        assert answer.json()["console"] == console
        site.request("DELETE", "api/v1/sessions/current",
                     headers={TOKEN: answer.json()["token"]})


@pytest.mark.parametrize("name", [
    "web", "web2", "WEB1", "web1/", "web1/pv", "web1/pv1", "web1/pv00",
    "web1/pv-0", "web1/serial0", "/web1", "*", "web1 ", " web1", "../web1",
    "00000000-0000-0000-0000-000000000000/pv0", "pv0", "web1/pv0/pv0",
    "@admin", "x" * 256])
def test_a_console_that_is_not_there(site, name):
    count = site.healthz()["sessions"]
    new(site, name).problem(404, "no-such-console")
    assert site.healthz()["sessions"] == count


# --- Who may -----------------------------------------------------------------

def test_who_sees_what(site, guest):
    other = guest("--echo")
    assert set(site.consoles("admin")) >= {"web1", other}
    assert set(site.consoles("viewer")) == set(site.consoles("admin"))
    assert set(site.consoles("web1only")) == {"web1"}
    assert site.consoles("nobody") == {}
    assert site.consoles("admin")[other]["rights"] == ["list", "watch", "type"]
    assert site.consoles("viewer")[other]["rights"] == ["list", "watch"]
    assert site.consoles("lister")[other]["rights"] == ["list"]
    assert site.consoles("web1only")["web1"]["rights"] == \
        ["list", "watch", "type", "join"]


def test_a_user_without_rights_learns_nothing(site, guest):
    """A console that is there and one that is not have the same answer."""
    name = guest("--echo")
    for user in ("nobody", "web1only"):
        there = new(site, name, user=user)
        gone = new(site, "no-such-guest", user=user)
        there.problem(404, "no-such-console")
        assert there.body == gone.body
    by_id = new(site, site.consoles()[name]["id"], user="nobody")
    assert by_id.problem(404)


def test_who_may_only_watch(site):
    count = site.healthz()["sessions"]
    new(site, mode="type", user="viewer").problem(403, "not-allowed")
    assert site.healthz()["sessions"] == count
    watcher = site.session("web1", "watch", "viewer")
    assert watcher.poll(at="", wait=0).status == 200
    watcher.type(b"x").problem(403, "read-only")


def test_who_may_only_know_that_it_is_there(site):
    count = site.healthz()["sessions"]
    for mode in ("watch", "type"):
        new(site, mode=mode, user="lister").problem(403, "not-allowed")
    assert site.healthz()["sessions"] == count


def test_who_may_type_at_one(site, guest):
    other = guest("--echo")
    typist = site.session("web1", "type", "web1only")
    assert typist.type(b"mine", echo=1000).output() == b"mine"
    new(site, other, "type", "web1only").problem(404)


# --- Tokens ------------------------------------------------------------------

def test_no_token(site):
    count = site.healthz()["sessions"]
    for method, path in (("GET", "sessions/current"), ("GET", "output"),
                         ("DELETE", "sessions/current"),
                         ("POST", "input?seq=1"), ("POST", "size")):
        site.request(method, f"api/v1/{path}").problem(401, "no-token")
    assert site.healthz()["sessions"] == count


def test_a_token_that_nobody_gave(site):
    """It is refused everywhere, and makes no session."""
    count = site.healthz()["sessions"]
    for token in NO_TOKENS:
        current(site, token).problem(401, "unknown-token")
        for method, path in (("GET", "output"), ("POST", "input?seq=1"),
                             ("DELETE", "sessions/current")):
            site.request(method, f"api/v1/{path}", headers={TOKEN: token}) \
                .problem(401, "unknown-token")
    assert site.healthz()["sessions"] == count


def test_a_browser_is_not_told_401(site):
    """It would forget the password that nginx has accepted."""
    for headers, status in (({}, 401), ({"Sec-Fetch-Site": "same-origin"}, 403),
                            ({"Sec-Fetch-Site": "cross-site"}, 403)):
        site.request("GET", "api/v1/output", headers=headers) \
            .problem(status, "no-token")
        headers[TOKEN] = "0" * 64
        site.request("GET", "api/v1/output", headers=headers) \
            .problem(status, "unknown-token")


def test_one_digit_off(site):
    session = site.session("web1")
    for at in range(64):
        digit = "0" if session.token[at] != "0" else "1"
        token = session.token[:at] + digit + session.token[at + 1:]
        current(site, token).problem(401, "unknown-token")
    assert current(site, session.token).status == 200


def test_a_token_does_not_travel_elsewhere(site):
    """Not in the URL, not in a cookie, not as an authorization."""
    token = site.session("web1").token
    site.request("GET", f"api/v1/sessions/current?token={token}") \
        .problem(401, "no-token")
    for header in (("Cookie", f"{TOKEN}={token}"), ("Token", token),
                   ("X-Xenterm-Token", token), ("Xenterm_Token", token)):
        site.request("GET", "api/v1/sessions/current", b"", [header]) \
            .problem(401, "no-token")


def test_two_tokens_open_no_more_than_the_first(site):
    """nginx 1.22 passes the first on, later ones a list, which is none."""
    mine, other = (site.session("web1") for _ in range(2))
    for token in (other.token, "0" * 64):
        answer = current(site, mine.token, headers=[(TOKEN, token)])
        assert answer.status == 401 or \
            answer.json()["session"] == mine.made["session"]
    answer = current(site, "0" * 64, headers=[(TOKEN, mine.token)])
    answer.problem(401, "unknown-token")


def test_a_session_is_its_users(site):
    session = site.session("web1")
    for user in ("viewer", "web1only", "nobody"):
        current(site, session.token, user).problem(403, "wrong-user")
        site.request("POST", "api/v1/input?seq=1", b"x",
                     [(TOKEN, session.token),
                      ("Content-Type", "application/octet-stream")],
                     user).problem(403, "wrong-user")
        site.request("DELETE", "api/v1/sessions/current", b"",
                     [(TOKEN, session.token)], user) \
            .problem(403, "wrong-user")
    assert session.current().json()["seq"] == 0


def test_a_deleted_session(site, guest):
    session = site.session(guest("--echo"))
    before = site.healthz()["sessions"]
    assert session.delete().status == 204
    assert site.healthz()["sessions"] == before - 1
    session.current().problem(401, "unknown-token")
    session.type(b"x").problem(401, "unknown-token")
    session.delete().problem(401, "unknown-token")


def test_deleting_answers_those_who_wait(site, guest):
    session = site.session(guest("--deaf"))
    session.wait(lambda: session.last("viewers"), "settled")
    session.send_poll(wait=60)
    site.wait_requests(1)
    assert session.delete().status == 204
    session.poller.receive().problem(401, "unknown-token")


def test_deleting_tells_the_other_viewers(site, guest):
    name = guest("--echo")
    session, other = site.session(name), site.session(name, "watch", "viewer")
    session.wait(lambda: session.last("viewers").get("count") == 2, "both")
    users = {one["user"]: one["mode"]
             for one in session.last("viewers")["viewers"]}
    assert users == {"admin": "type", "viewer": "watch"}
    other.delete()
    session.wait(lambda: session.last("viewers")["count"] == 1, "one")
    assert session.last("viewers")["viewers"][0]["user"] == "admin"


def test_who_vanishes_is_not_listed_for_long(site, guest):
    """A browser that was killed says nothing; its session lives on for a
    while, and nobody is shown as there who is not."""
    name = guest("--echo")
    vanished = site.session(name, "watch", "viewer")
    session = site.session(name)
    for viewer in session, vanished:
        viewer.wait(lambda v=viewer: v.last("viewers").get("count") == 2,
                    "both")
    vanished.send_poll(wait=30)
    site.wait_requests(1)
    vanished.poller.close()
    site.wait_requests(0)
    session.wait(lambda: session.last("viewers")["count"] == 1, "one",
                 timeout=30)
    assert [one["user"] for one in session.last("viewers")["viewers"]] == \
        ["admin"]
    assert site.consoles()[name]["viewers"] == 1
    assert [one["user"] for one in session.current().json()["viewers"]] == \
        ["admin"]
    # Its session lives on, and it is there again as soon as it asks.
    assert vanished.current().status == 200
    session.wait(lambda: session.last("viewers")["count"] == 2, "both")


def test_an_idle_session_ends(own_site):
    """One with a poll that waits is not idle, and one that asks is not."""
    site = own_site(conf="session_idle = 5")
    name = site.guest("--echo")
    forgotten, asking, waiting = (site.session(name) for _ in range(3))
    waiting.wait(lambda: waiting.last("viewers").get("count") == 3, "all")
    waiting.send_poll(wait=30)
    asked = []

    def ended():
        asked.append(asking.current().status)
        return site.healthz()["sessions"] == 2

    wait_for(ended, 15, "the end of the idle one")
    assert set(asked) == {200}
    forgotten.current().problem(401, "unknown-token")
    # The poll that waits learns who has gone.
    assert waiting.receive_poll().event("viewers")["count"] == 2
    assert waiting.current().status == 200


def test_a_session_has_a_latest_end(own_site):
    site = own_site(conf="session_max = 5")
    session = site.session(site.guest("--deaf"))
    session.wait(lambda: session.last("viewers"), "settled")
    session.send_poll(wait=60)
    session.poller.receive(timeout=15).problem(401, "unknown-token")
    session.current().problem(401, "unknown-token")
    assert site.healthz()["sessions"] == 0


# --- Where a call comes from -------------------------------------------------

def here(site):
    return f"https://127.0.0.1:{site.port}"


def test_another_sites_page_makes_no_session(site):
    count = site.healthz()["sessions"]
    for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "Same-Origin"},
            {"Sec-Fetch-Site": "cross-site", "Origin": here(site)},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"https://127.0.0.1:{site.port}.evil.example"},
            {"Origin": f"https://127.0.0.1:{site.port}@evil.example"},
            {"Origin": "https://127.0.0.1"},
            {"Origin": f"127.0.0.1:{site.port}"},
            {"Origin": f"https://evil.example, {here(site)}"}):
        new(site, headers=headers).problem(403, "wrong-origin")
    assert site.healthz()["sessions"] == count


def test_pages_of_this_site_and_programs_make_sessions(site):
    for headers in (
            {}, {"Origin": here(site)},
            {"Sec-Fetch-Site": "same-origin", "Origin": here(site)},
            {"Sec-Fetch-Site": "none"}):
        answer = new(site, headers=headers)
        assert answer.status == 201, headers
        site.request("DELETE", "api/v1/sessions/current",
                     headers={TOKEN: answer.json()["token"]})


# --- Who somebody is ---------------------------------------------------------

FORGED = (
    ("Remote-User", "admin"), ("REMOTE_USER", "admin"),
    ("Remote_User", "admin"), ("X-Remote-User", "admin"),
    ("X-Forwarded-User", "admin"), ("Xenterm-User", "admin"),
    ("Xenterm-Groups", "ops"), ("XENTERM_GROUPS", "ops"),
    ("Xenterm_Groups", "ops"), ("X-Xenterm-Groups", "ops"),
    ("HTTP_REMOTE_USER", "admin"), ("Proxy", "admin"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A site with a group that may do everything."""
    import conftest
    import whole_site
    conftest.need_site()
    rule = 'access "ops" {\nusers = {"@ops"}\nconsoles = {"*"}\n' \
        'rights = {"list", "watch", "type"}\n}'
    with whole_site.Site(tmp_path_factory.mktemp("guarded"),
                         conf=rule) as site:
        site.guest("--echo", name="web1")
        yield site


@pytest.mark.parametrize("header", FORGED, ids="{0[0]}".format)
def test_a_header_is_no_identity(guarded, header):
    """Neither to somebody without rights nor to somebody not logged in."""
    answer = guarded.request("GET", "api/v1/consoles", b"", [header],
                             user="nobody")
    assert answer.json() == {"consoles": []}
    new(guarded, user="nobody", headers=[header]).problem(404)
    guarded.request("GET", "api/v1/consoles", b"", [header], user=None) \
        .problem(401, "no-identity")


def test_groups_are_what_the_web_server_says(guarded):
    """The rule is there: a group that nginx vouches for is taken."""
    with guarded.fastcgi() as peer:
        peer.sendall(fastcgi.request("GET", "/api/v1/consoles", user="nobody",
                                     XENTERM_GROUPS="staff,ops"))
        assert b"web1" in fastcgi.read_to_end(peer)
    for groups in ("staff", "op", "opss", "OPS", "@ops", "", "ops staff"):
        with guarded.fastcgi() as peer:
            peer.sendall(fastcgi.request(
                "GET", "/api/v1/consoles", user="nobody",
                XENTERM_GROUPS=groups))
            assert b"web1" not in fastcgi.read_to_end(peer), groups


@pytest.mark.parametrize(("length", "status"), [(1024, 200), (1025, 401)])
def test_groups_have_a_bound(guarded, length, status):
    """They are kept with each session."""
    groups = "ops,".ljust(length, "x")
    with guarded.fastcgi() as peer:
        peer.sendall(fastcgi.request("GET", "/api/v1/consoles", user="nobody",
                                     XENTERM_GROUPS=groups))
        answer = fastcgi.read_to_end(peer)
    assert fastcgi.status_of(answer) == status
    assert (b"web1" in answer) == (status == 200)
    assert (b"no-identity" in answer) == (status == 401)


def test_http_parameters_are_no_identity(guarded):
    """Should a web server pass all headers on: they are not looked at."""
    for name in ("HTTP_REMOTE_USER", "HTTP_XENTERM_USER", "HTTP_AUTHORIZATION",
                 "HTTP_XENTERM_GROUPS", "AUTH_USER", "LOGNAME"):
        with guarded.fastcgi() as peer:
            peer.sendall(fastcgi.request("GET", "/api/v1/consoles",
                                         **{name: "admin"}))
            assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 401


# Those that need to know who asks, with bodies and parameters that are good.
ASKED_BY_NOBODY = (
    ("GET", "/api/v1/consoles", "", b"", ""),
    ("GET", "/api/v1/preview", "console=web1", b"", ""),
    ("GET", "/api/v1/logs/web1", "", b"", ""),
    ("POST", "/api/v1/sessions", "", b'{"console": "web1", "mode": "watch"}',
     "application/json"),
    ("POST", "/api/v1/power", "",
     b'{"console": "web1", "action": "reboot", "domid": 999999}',
     "application/json"),
    ("GET", "/ajaxterm/web1/u", "s=1&w=80&h=24", b"", ""),
    ("POST", "/ajaxterm/web1/u", "", b"s=1&w=80&h=24",
     "application/x-www-form-urlencoded"),
)


def test_a_rule_for_everybody_is_not_for_nobody(own_site):
    """Also where a web server forgot to ask who it is."""
    everybody = """
access "everybody" {
    users = {"*"}
    consoles = {"*"}
    rights = {"force", "log", "power"}
}
"""
    site = own_site(conf=everybody)
    site.guest("--echo", name="web1")
    for user, good in (("somebody", True), ("", False)):
        for method, path, query, body, kind in ASKED_BY_NOBODY:
            with site.fastcgi() as peer:
                peer.sendall(fastcgi.request(
                    method, path, query, user, body=body, CONTENT_TYPE=kind,
                    HTTP_HOST="dom0", HTTP_ORIGIN="https://dom0"))
                answer = fastcgi.read_to_end(peer)
            refused = b"no-identity" in answer
            assert refused != good, (path, user, answer)
            assert good or fastcgi.status_of(answer) == 401


def test_nobody_is_refused(site):
    for path in ("api/v1/consoles", "api/v1/sessions", "api/v1/output",
                 "api/v1/nothing", "api/", "api/v2/consoles"):
        site.request("GET", path, user=None).problem(401, "no-identity")
    token = site.session("web1").token
    current(site, token, user=None).problem(401)


def test_a_wrong_password(site):
    count = site.healthz()["sessions"]
    for login in ("Basic YWRtaW46d3Jvbmc=", "Basic YWRtaW46", "Basic !!!",
                  "Basic", "Bearer admin", "Basic bm9ib2R5X2Vsc2U6eA=="):
        new(site, user=None, headers={"Authorization": login}) \
            .problem(401, "no-identity")
    assert site.healthz()["sessions"] == count


def test_a_repeated_authorization(site):
    """nginx takes the first or refuses; the second never counts."""
    login = ("Authorization", "Basic YWRtaW46bm8gc2VjcmV0")    # admin's
    answer = site.request("GET", "api/v1/consoles", b"", [login], "nobody")
    assert answer.status in (200, 400)
    assert b"web1" not in answer.body


def test_a_user_name_that_is_no_text(guarded):
    for name in ("\xff\xfe", "a\x01b", "a\x7fb", "x" * 256, "a\nb"):
        with guarded.fastcgi() as peer:
            peer.sendall(fastcgi.request("GET", "/api/v1/consoles",
                                         user=name))
            answer = fastcgi.read_to_end(peer)
            assert fastcgi.status_of(answer) == 401
            assert b"no-identity" in answer
