"""Guessing: tokens, tickets, passwords. It is slow, and costs nobody else."""

import base64

import conftest
import pytest
import whole_site
from test_tickets import admin, made, redeem

TOKEN = "Xenterm-Token"


def start(folder, **options):
    conftest.need_site()
    site = whole_site.Site(folder / "site", **options)
    site.conf = site.conf.replace("failures_per_minute = 1000000",
                                  "failures_per_minute = 20")
    return site


def guess(site, headers, user="admin"):
    """Until one is told to wait; what came before."""
    client = site.client(user)
    seen = []
    while len(seen) < 200:
        answer = client.request("GET", "api/v1/output", b"", headers)
        if answer.status == 429:
            client.close()
            return seen, answer
        seen.append(answer.status)
    raise AssertionError(f"never told to wait: {set(seen)}")


def test_tokens(tmp_path):
    with start(tmp_path, users=("admin", "viewer")) as site:
        name = site.guest("--echo")
        session = site.session(name)
        seen, answer = guess(site, [(TOKEN, "5" * 64)])
        answer.problem(429, "too-many-failures")
        assert int(answer.headers["Retry-After"]) > 0
        assert set(seen) == {401} and 20 <= len(seen) < 100
        # Who has a good one is served, from the same address, as is who
        # makes a session.
        for _ in range(50):
            assert session.current().status == 200
        assert session.type(b"x", echo=1000).output() == b"x"
        other = site.session(name, "watch", "viewer")
        assert other.current().status == 200
        # No token is no guess.
        site.request("GET", "api/v1/output").problem(401, "no-token")


def test_tickets(tmp_path, monkeypatch):
    monkeypatch.setenv("LAUNCH_RATE", "100000r/s")
    with start(tmp_path, identity=("ticket",)) as site:
        site.host.create("web1", "--echo")
        whole_site.wait_for(lambda: site.healthz()["consoles"] == 1,
                            what="the guest")
        answers = [redeem(site, "0" * 64) for _ in range(60)]
        assert answers[0].status == 401
        answers[-1].problem(429, "too-many-failures")
        refused = sum(one.status == 401 for one in answers)
        assert site.log("worker").count('"bad-ticket"') == refused
        assert redeem(site, made(site)["ticket"]).status == 201
        assert admin(site, "GET", "/healthz").status == 200


def login(name, password):
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return ("Authorization", f"Basic {text}")


@pytest.mark.parametrize("token", [(), ((TOKEN, "5" * 64),)],
                         ids=["plain", "with a token"])
def test_passwords(tmp_path, monkeypatch, token):
    """Whether or not a guess comes with a token, which could be any."""
    monkeypatch.setenv("LOGIN_RATE", "1r/s")
    monkeypatch.setenv("LOGIN_BURST", "20")
    with start(tmp_path) as site:
        seen, answer = guess(site, [login("admin", "wrong"), *token],
                             user=None)
        answer.problem(429)
        assert int(answer.headers["Retry-After"]) > 0
        assert set(seen) == {401} and 20 <= len(seen) < 60
        # Who sends no password is asked for it.
        assert site.request("GET", "index.html", user=None).status == 401
