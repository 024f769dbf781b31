"""docs/openapi.yaml: each call that it describes, made once; what is answered
is judged by openapi.py, here and in all other tests."""

import pytest

import openapi


def test_every_call(site, guest):
    name = guest("--echo")
    openapi.DOCUMENT.answered.clear()
    site.request("GET", "api/v1/consoles")
    session = site.session(name)
    session.poll(at="", wait=0, json=True)
    session.poll(at="", wait=0)
    session.type("x")
    session.type("y", echo=1000)
    session.press(key="ctrl-o")
    session.resize(rows=24, cols=80)
    session.current()
    assert site.request("GET", f"api/v1/preview?console={name}").status == 200
    for query in ("screen?format=text", "screen?format=html", "screen?format=ansi",
                  "screen?format=json", "history?format=text",
                  "history?format=raw", "history?format=cast"):
        assert session.request("GET", f"api/v1/{query}").status == 200
        view, _, form = query.partition("?")
        assert site.admin("GET", f"/{view}?console={name}&{form}").status == 200
    for method, query in (("GET", "?s=1&c=1"), ("POST", "")):
        answer = site.request(
            method, f"ajaxterm/{name}/u{query}",
            b"s=1" if method == "POST" else b"",
            {"Content-Type": "application/x-www-form-urlencoded",
             "Sec-Fetch-Site": "same-origin"})
        assert answer.status == 200, answer
    assert session.request("DELETE", "api/v1/input").status == 200
    # The stream has no end: only its beginning is looked at.
    openapi.DOCUMENT.answered.add(("public", "GET", "/api/v1/stream"))
    # Nor has this site logs, as that of test_logger.py has.
    openapi.DOCUMENT.answered.add(("public", "GET", "/api/v1/logs/{console}"))
    # Nor anybody who may shut down a guest, as that of test_power.py.
    openapi.DOCUMENT.answered.add(("public", "POST", "/api/v1/power"))
    openapi.DOCUMENT.answered.add(("admin", "POST", "/power"))
    assert session.delete().status == 204

    for path in ("consoles", "sessions", "healthz", "livez", "metrics"):
        assert site.admin("GET", f"/{path}").status == 200
    assert site.admin("POST", f"/hold?console={name}").status == 204
    assert site.admin("POST", f"/send?console={name}", b"z").status == 204
    assert site.admin("POST", f"/expect?console={name}", {"steps": [
        {"name": "a", "send": "b", "until": "(b)|(c)"}]}).status == 200
    made = site.admin("POST", "/tickets", {
        "console": name, "user": "viewer", "mode": "watch"}).json()
    assert site.admin("DELETE", f"/tickets/{made['id']}").status == 204
    for own in (True, False):
        made = site.admin(
            "POST", f"/sessions?console={name}&mode=type").json()
        token = made["token"]
        site.admin("GET", "/output?wait=0", token=token)
        site.admin("POST", "/input?seq=1", b"z", token=token)
        site.admin("POST", "/keys?seq=2", {"key": "ctrl-o"}, token=token)
        site.admin("GET", "/sessions/current", token=token)
        if own:
            site.admin("DELETE", "/sessions/current", token=token)
        else:
            site.admin("DELETE", f"/sessions/{made['session']}")
    site.admin("POST", f"/release?console={name}")
    assert openapi.DOCUMENT.answered == openapi.DOCUMENT.operations()


def test_the_judge_can_say_no(site):
    """What is not described, or is not as described."""
    answer = site.admin("GET", "/healthz")
    for change in ({"more": 1}, {"ready": "yes"}):
        body = {**answer.json(), **change}
        answer.json = lambda body=body: body
        with pytest.raises(AssertionError):
            openapi.DOCUMENT.judge("admin", "GET", "/healthz", answer)
    with pytest.raises(AssertionError):
        openapi.DOCUMENT.judge("admin", "GET", "/metrics", answer)
