"""Several at one console: who may type beside others, who may take it away
from them, and how many there can be."""

import conftest
import pytest
import whole_site
from standin import wait_for

TOKEN = "Xenterm-Token"
CONF = """
access "typists" {
    users = {"typist", "other"}  consoles = {"*"}  rights = {"type"}
}
access "joiner" { users = {"joiner"}  consoles = {"*"}  rights = {"join"} }
access "forcer" { users = {"forcer"}  consoles = {"*"}  rights = {"force"} }
"""
USERS = ("admin", "viewer", "typist", "other", "joiner", "forcer")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    conftest.need_site()
    with whole_site.Site(tmp_path_factory.mktemp("room"), conf=CONF,
                         users=USERS) as site:
        yield site


@pytest.fixture
def console(room):
    name = room.guest("--echo")
    opened = len(room.sessions)
    yield name
    for session in room.sessions[opened:]:
        session.delete()
        session.close()
    del room.sessions[opened:]
    room.host.destroy(name)


def new(site, console, user, mode="type", **more):
    return site.request("POST", "api/v1/sessions",
                        {"console": console, "mode": mode, **more}, user=user)


def end(site, answer, user):
    assert answer.status == 201, answer
    site.request("DELETE", "api/v1/sessions/current", user=user,
                 headers={TOKEN: answer.json()["token"]})


def can_type(session):
    answer = session.type(b"x", echo=1000)
    assert answer.status in (200, 403), answer
    if answer.status == 403:
        answer.problem(403, "read-only")
    return answer.status == 200


def test_rights_are_listed(room, console):
    for user, last in (("typist", "type"), ("joiner", "join"),
                       ("forcer", "force")):
        rights = room.consoles(user)[console]["rights"]
        assert rights[-1] == last
        assert rights == ["list", "watch", "type", "join",
                          "force"][:len(rights)]


def test_who_comes_second_watches(room, console):
    """Unless the right to join is there."""
    first = room.session(console, user="typist")
    answer = new(room, console, "other")
    assert answer.problem(409, "taken")["by"] == "typist"
    new(room, console, "other", take="join").problem(409, "taken")
    end(room, new(room, console, "other", "watch"), "other")
    for options in {}, {"take": "join"}:
        end(room, new(room, console, "joiner", **options), "joiner")
    end(room, new(room, console, "typist"), "typist")   # oneself is no other
    assert can_type(first)
    first.delete()
    end(room, new(room, console, "other"), "other")


def test_who_has_vanished_keeps_nobody_out(room, console):
    room.session(console, user="typist")
    new(room, console, "other").problem(409, "taken")

    def free():
        answer = new(room, console, "other")
        if answer.status == 201:
            end(room, answer, "other")
        return answer.status == 201

    wait_for(free, 30, "the first one to be away")


@pytest.fixture
def deaf(room):
    """A console whose guest takes nothing: a user has filled its queue, another
    one watches."""
    name = room.guest("--deaf")
    opened = len(room.sessions)
    typist = room.session(name, user="typist")
    other = room.session(name, user="joiner")
    for session in typist, other:
        session.wait(lambda s=session: s.last("viewers").get("count") == 2,
                     "two")
    wait_for(lambda: typist.type(b"x" * 16000).status == 503,
             what="a full queue")
    yield name, typist, other
    for session in room.sessions[opened:]:
        if session.current().status == 200:
            session.delete()
        session.close()
    del room.sessions[opened:]
    room.host.destroy(name)


def has_room(session):
    """For three quarters of what can wait; the kernel takes some KiB in
    between."""
    return [session.type(b"y" * 16000).status for _ in range(3)] == [200] * 3


def is_told(session):
    session.wait(lambda: session.last("notice"), "what is lost")
    lost = session.last("notice")
    assert (lost["code"], lost["why"]) == ("input-lost", "revoked")
    assert 25000 < lost["bytes"] <= 64 * 1024


def test_what_was_typed_and_not_taken_goes_with_its_typist(room, deaf):
    """Who is sent away types nothing any more, not even later."""
    _, typist, other = deaf
    session = typist.current().json()["session"]
    assert room.admin("DELETE", f"/sessions/{session}").status == 204
    assert has_room(other)
    is_told(other)


def test_who_takes_over_types_alone(room, deaf):
    name, typist, other = deaf
    taker = new(room, name, "forcer", take="force")
    is_told(typist)
    is_told(other)
    end(room, taker, "forcer")


def test_who_leaves_has_typed(room, deaf):
    _, typist, other = deaf
    typist.delete()
    other.wait(lambda: other.last("viewers")["count"] == 1, "one")
    assert not has_room(other)
    assert not other.last("notice")


def test_force_needs_its_right(room, console):
    first = room.session(console, user="typist")
    for user in ("other", "joiner", "typist"):
        new(room, console, user, take="force").problem(403, "not-allowed")
    assert can_type(first)


def test_force_makes_the_others_watch(room, console):
    """Both sides are told: who did it, and who may what."""
    typist = room.session(console, user="typist")
    joiner = room.session(console, user="joiner")
    viewer = room.session(console, "watch", "viewer")
    everybody = typist, joiner, viewer
    for session in everybody:
        session.wait(lambda s=session: s.last("viewers").get("count") == 3,
                     "all")
    assert can_type(typist) and can_type(joiner)
    answer = new(room, console, "forcer", take="force")
    assert answer.status == 201 and answer.json()["mode"] == "type"
    by = answer.json()["session"]
    assert not can_type(typist) and not can_type(joiner)
    for session in everybody:
        session.wait(lambda s=session: s.last("mode"), "who has it")
        assert session.last("mode") == {
            "type": "mode", "mode": "watch", "by": "forcer", "session": by}
        session.wait(lambda s=session: s.last("viewers")["count"] == 4, "four")
        modes = {one["user"]: one["mode"]
                 for one in session.last("viewers")["viewers"]}
        assert modes == {"typist": "watch", "joiner": "watch",
                         "viewer": "watch", "forcer": "type"}
        assert session.current().json()["mode"] == "watch"
        assert session.resize(rows=30, cols=90).status == 403
    typed = room.request(
        "POST", "api/v1/input?seq=1&echo=1000", b"forced",
        {TOKEN: answer.json()["token"],
         "Content-Type": "application/octet-stream"}, "forcer")
    assert typed.status == 200 and b"forced" in typed.body
    # Who comes now was not there.
    late = room.session(console, "watch", "viewer")
    late.wait(lambda: late.last("viewers").get("count") == 5, "five")
    assert not late.last("mode")
    # A new session has the rights that its user has.
    new(room, console, "typist").problem(409, "taken")
    assert can_type(room.session(console, user="joiner"))
    end(room, answer, "forcer")


def test_what_take_can_be(room, console):
    for take in ("", "Force", "steal", 1, None, True, ["force"]):
        new(room, console, "forcer", take=take).problem(400, "bad-body")
    for take in ("join", "force"):
        new(room, console, "forcer", "watch", take=take) \
            .problem(400, "bad-body")
    assert room.healthz()["sessions"] == 0


def test_an_ajaxterm_page_is_a_viewer_like_others(room, console):
    """It watches while others type, and after somebody has taken over."""
    def keys(user, name):
        return room.request(
            "POST", f"ajaxterm/{console}/u",
            f"s={name}&w=80&h=24&c=1&k=x".encode(),
            {"Content-Type": "application/x-www-form-urlencoded",
             "Sec-Fetch-Site": "same-origin"}, user)

    assert keys("typist", "1").status == 200
    keys("other", "2").problem(403, "read-only")
    assert keys("joiner", "3").status == 200
    answer = new(room, console, "forcer", take="force")
    for user, name in (("typist", "1"), ("joiner", "3")):
        keys(user, name).problem(403, "read-only")
    end(room, answer, "forcer")


@pytest.mark.parametrize("option", [
    "sessions_total", "sessions_per_user", "sessions_per_console"])
def test_caps(own_site, option):
    site = own_site(conf=f"{option} = 2")
    first, second = site.guest("--echo"), site.guest("--echo")
    made = [new(site, first, "admin", "watch") for _ in range(2)]
    new(site, first, "admin", "watch").problem(429, "too-many-sessions")
    for name, user, free in (
            (first, "viewer", option == "sessions_per_user"),
            (second, "admin", option == "sessions_per_console")):
        answer = new(site, name, user, "watch")
        assert answer.status == (201 if free else 429)
        if free:
            end(site, answer, user)
    end(site, made[0], "admin")
    assert new(site, first, "admin", "watch").status == 201
