"""Launch tickets: instead of a login, once, for one console, mode and user."""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import re
import secrets
import subprocess
import time

import conftest
import fastcgi
import pytest
import whole_site
from standin import wait_for

SECRET = b"no secret, but long enough for HS256"
TOKEN = "Xenterm-Token"
NAMES = itertools.count()

CONF = """
ticket_key "panel" {{
    algorithm = HS256
    file = "{dir}/panel.key"
    audience = "dom0.example"
    consoles = {{"web*"}}
    rights = {{"type"}}
}}
ticket_key "watchers" {{
    algorithm = EdDSA
    file = "{dir}/watchers.pub"
    audience = "dom0.example"
    consoles = {{"*"}}
    rights = {{"watch"}}
}}
"""


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True,
                          capture_output=True, **options).stdout


def make_keys(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "panel.key").write_bytes(SECRET + b"\n")
    (folder / "panel.key").chmod(0o600)
    openssl("genpkey", "-algorithm", "ed25519", "-out",
            folder / "watchers.pem")
    openssl("pkey", "-in", folder / "watchers.pem", "-pubout", "-out",
            folder / "watchers.pub")


def start_site(folder):
    conftest.need_site()
    keys = folder / "keys"
    make_keys(keys)
    site = whole_site.Site(folder / "site", conf=CONF.format(dir=keys),
                           identity=("ticket",))
    site.keys = keys
    site.__enter__()
    for name in ("web1", "web2", "db1"):
        site.host.create(name, "--echo")
    wait_for(lambda: site.healthz()["consoles"] == 3, what="the guests")
    wait_signed(site)
    return site


def wait_signed(site):
    """Until tickets that are made now are younger than the worker."""
    def taken():
        answer = redeem(site, signed(mode="watch"), "web1", "watch")
        if answer.status == 201:
            close(site, answer)
        return answer.status == 201
    wait_for(taken, 20, "the first signed ticket")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A site where nobody logs in, and one address may come often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCH_RATE", "100000r/s")
        site = start_site(tmp_path_factory.mktemp("desk"))
    yield site
    site.stop()


@pytest.fixture
def shipped(tmp_path):
    """One with the limit as it is shipped."""
    conftest.need_site()
    with whole_site.Site(tmp_path / "site", identity=("ticket",)) as site:
        site.host.create("web1", "--echo")
        wait_for(lambda: site.healthz()["consoles"] == 1, what="the guest")
        yield site


# --- Making ------------------------------------------------------------------

def admin(site, method, path, body=None):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    body = body or b""
    with fastcgi.connect(site.dir / "run/xenterm/admin.sock") as peer:
        kind = "Content-Type: application/json\r\n" if body else ""
        peer.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{kind}"
                     f"Content-Length: {len(body)}\r\n"
                     "Connection: close\r\n\r\n".encode() + body)
        response = http.client.HTTPResponse(peer, method=method)
        response.begin()
        return whole_site.Answer(response)


def made(site, console="web1", mode="type", user="alice", **more):
    answer = admin(site, "POST", "/tickets", {
        "console": console, "mode": mode, "user": user, **more})
    assert answer.status == 201, answer
    return answer.json()


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def claims(**changed):
    now = int(time.time())
    found = {"aud": "dom0.example", "sub": "alice", "console": "web1",
             "mode": "type", "iat": now, "exp": now + 60,
             "jti": secrets.token_hex(8), **changed}
    return {name: value for name, value in found.items() if value is not None}


def sign(header, body, key=SECRET):
    text = encode(header) + b"." + encode(body)
    mac = hmac.digest(key, text, hashlib.sha256)
    return (text + b"." + encode(mac)).decode()


def signed(**changed):
    return sign({"alg": "HS256", "kid": "panel"}, claims(**changed))


def signed_ed(site, header=None, **changed):
    text = encode(header or {"alg": "EdDSA", "kid": "watchers"}) + b"." + \
        encode(claims(**changed))
    path = site.keys / f"text{next(NAMES)}"
    path.write_bytes(text)
    signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey",
                        site.keys / "watchers.pem", "-in", path)
    return (text + b"." + encode(signature)).decode()


# --- Using -------------------------------------------------------------------

def redeem(site, ticket, console="web1", mode="type", user=None, headers=()):
    return site.request("POST", "api/v1/sessions", {
        "console": console, "mode": mode, "ticket": ticket}, headers,
        user=user)


def close(site, answer, user=None):
    assert answer.status == 201, answer
    done = site.request("DELETE", "api/v1/sessions/current",
                        headers={TOKEN: answer.json()["token"]}, user=user)
    assert done.status == 204


def refused(site, ticket, **options):
    count = site.healthz()["sessions"]
    answer = redeem(site, ticket, **options)
    assert site.healthz()["sessions"] == count
    return answer.problem(401, "bad-ticket")["detail"]


def both_kinds(site, **changed):
    """The same ticket of either origin."""
    yield made(site, **changed)["ticket"]
    names = {"user": "sub"}
    yield signed(**{names.get(name, name): value
                    for name, value in changed.items()})


# --- Stories -----------------------------------------------------------------

def test_a_ticket_opens_one_session(desk):
    for ticket in both_kinds(desk, user="alice"):
        answer = redeem(desk, ticket)
        assert answer.status == 201, answer
        session = answer.json()
        assert session["user"] == "alice" and session["mode"] == "type"
        assert session["name"] == "web1"
        headers = {TOKEN: session["token"]}
        typed = desk.request(
            "POST", "api/v1/input?seq=1&echo=1000", b"mine",
            {**headers, "Content-Type": "application/octet-stream"}, None)
        assert typed.status == 200 and b"mine" in typed.body
        assert "used" in refused(desk, ticket)
        close(desk, answer)
        assert "used" in refused(desk, ticket)


def test_a_ticket_is_for_watching_or_for_typing(desk):
    for mode, other in (("watch", "type"), ("type", "watch")):
        for ticket in both_kinds(desk, mode=mode):
            assert "other mode" in refused(desk, ticket, mode=other)
            answer = redeem(desk, ticket, mode=mode)   # it was not used up
            assert answer.json()["mode"] == mode
            # What the page offers: a ticket for watching gives no other mode.
            assert ("type" in answer.json()["rights"]) == (mode == "type")
            assert "watch" in answer.json()["rights"]
            typed = desk.request(
                "POST", "api/v1/input?seq=1", b"x",
                {TOKEN: answer.json()["token"],
                 "Content-Type": "application/octet-stream"}, None)
            assert typed.status == (200 if mode == "type" else 403)
            close(desk, answer)


def test_a_ticket_is_for_one_console(desk):
    for ticket in both_kinds(desk):
        for console in ("web2", "db1", "none"):
            assert "another console" in refused(desk, ticket, console=console)
        close(desk, redeem(desk, ticket, console="web1/pv0"))


def test_without_a_ticket_nobody_gets_in(desk):
    for path in ("api/v1/consoles", "ajaxterm/web1/u?s=1"):
        desk.request("GET", path, user=None).problem(401, "no-identity")
    for user in (None, "admin"):        # nobody asks for the password here
        desk.request("GET", "api/v1/consoles", user=user) \
            .problem(401, "no-identity")
        for body in ({"console": "web1", "mode": "watch"},):
            desk.request("POST", "api/v1/sessions", body, user=user) \
                .problem(401, "no-identity")
    for ticket in ("", None, 1, True, [], "a\n", "x" * 2049):
        answer = redeem(desk, ticket)
        assert answer.status == 400, ticket
    for ticket in ("x", "0" * 64, "a.b.c", "..", "admin"):
        refused(desk, ticket)


def test_no_header_is_a_ticket(desk):
    for ticket in both_kinds(desk):
        for name in ("Xenterm-Ticket", "Authorization", "Cookie", TOKEN):
            answer = desk.request(
                "POST", "api/v1/sessions",
                {"console": "web1", "mode": "type"},
                [(name, f"Bearer {ticket}" if name == "Authorization"
                  else ticket)], user=None)
            assert answer.status == 401, name
        desk.request("POST", f"api/v1/sessions?ticket={ticket}",
                     {"console": "web1", "mode": "type"}, user=None) \
            .problem(400)
        close(desk, redeem(desk, ticket))


def test_a_browser_is_told_403(desk):
    headers = {"Sec-Fetch-Site": "same-origin"}
    redeem(desk, "x", headers=headers).problem(403, "bad-ticket")
    ticket = made(desk)["ticket"]
    redeem(desk, ticket, headers={"Sec-Fetch-Site": "cross-site"}) \
        .problem(403, "wrong-origin")
    close(desk, redeem(desk, ticket, headers=headers))


def test_two_at_once(desk):
    """One gets the session."""
    for ticket in both_kinds(desk):
        clients = [desk.client(None) for _ in range(8)]
        for client in clients:
            client.send("POST", "api/v1/sessions", {
                "console": "web1", "mode": "type", "ticket": ticket})
        answers = [client.receive() for client in clients]
        won = [answer for answer in answers if answer.status == 201]
        assert len(won) == 1
        assert {answer.status for answer in answers} == {201, 401}
        close(desk, won[0])
        for client in clients:
            client.close()


# --- Made here -----------------------------------------------------------------

def test_a_ticket_that_is_made_here(desk):
    ticket = made(desk, seconds=30)
    assert re.fullmatch("[0-9a-f]{64}", ticket["ticket"])
    assert re.fullmatch("[0-9a-f]{16}", ticket["id"])
    assert ticket["console"].endswith("/pv0") and ticket["user"] == "alice"
    assert 25 <= ticket["expires"] - time.time() <= 31
    refused(desk, ticket["id"])


def test_a_ticket_is_revoked(desk):
    ticket = made(desk)
    assert admin(desk, "DELETE", f"/tickets/{ticket['id']}").status == 204
    assert admin(desk, "DELETE", f"/tickets/{ticket['id']}").status == 404
    refused(desk, ticket["ticket"])


def test_a_ticket_expires(desk):
    ticket = made(desk, seconds=1)
    # time(2) may be a tick behind.
    wait_for(lambda: time.time() >= ticket["expires"] + 0.1, what="its end")
    assert "expired" in refused(desk, ticket["ticket"])


def test_what_makes_no_ticket(desk):
    good = {"console": "web1", "mode": "type", "user": "alice"}
    admin(desk, "POST", "/tickets", {**good, "console": "none"}) \
        .problem(404, "no-such-console")
    admin(desk, "POST", "/tickets", b"").problem(415, "content-type")
    for wrong in ({**good, "mode": "root"},
                  {**good, "user": ""}, {**good, "user": "a\n"},
                  {**good, "user": "x" * 256}, {**good, "seconds": 0},
                  {**good, "seconds": 301}, {**good, "seconds": "60"},
                  {**good, "second": 60}, {**good, "user": ["alice"]},
                  {"console": "web1", "mode": "type"}, {}, b"[]",
                  b"x" * 100, b'{"console":"web1","mode":"type",'
                  b'"user":"alice","user":"root"}'):
        answer = admin(desk, "POST", "/tickets", wrong)
        assert answer.status == 400, wrong
    for method, path in (("GET", "/tickets"), ("PUT", "/tickets"),
                         ("DELETE", "/tickets"), ("POST", "/tickets/x")):
        assert admin(desk, method, path).status == 405, (method, path)
    for method, path in (("DELETE", "/tickets/"), ("DELETE", "/tickets/x"),
                         ("GET", "/nothing")):
        assert admin(desk, method, path).status == 404, (method, path)


def test_tickets_are_not_made_on_the_site(desk):
    for path in ("tickets", "api/v1/tickets", "api/tickets"):
        answer = desk.request("POST", path, {"console": "web1"}, user=None)
        assert answer.status in (404, 405)


# --- Signed --------------------------------------------------------------------

def forgeries(site):
    """(what, ticket) that no panel has signed."""
    good = signed()
    header, body, mac = good.split(".")
    other = encode(claims(sub="root")).decode()
    yield "other claims", f"{header}.{other}.{mac}"
    yield "no signature", f"{header}.{body}."
    yield "two parts", f"{header}.{body}"
    yield "four parts", f"{good}.{mac}"
    yield "padded", good + "="
    yield "with a space", good + " "
    yield "half a signature", good[:-20]
    yield "last bit", good[:-1] + chr(ord(good[-1]) ^ 1)
    for alg in ("none", "None", "NONE", "nOnE", "", "HS384", "RS256"):
        head = {"alg": alg, "kid": "panel"}
        yield alg, encode(head).decode() + f".{body}."
        yield alg + " signed", sign(head, claims())
    yield "wrong key", sign({"alg": "HS256", "kid": "panel"}, claims(),
                            b"another key of at least 32 bytes")
    yield "empty key", sign({"alg": "HS256", "kid": "panel"}, claims(), b"")
    yield "no kid", sign({"alg": "HS256"}, claims())
    yield "unknown kid", sign({"alg": "HS256", "kid": "nobody"}, claims())
    yield "kid is a path", sign(
        {"alg": "HS256", "kid": "../../../dev/null"}, claims(), b"")
    yield "critical", sign(
        {"alg": "HS256", "kid": "panel", "crit": ["exp"]}, claims())
    yield "own key", sign({"alg": "HS256", "kid": "panel", "jwk": {
        "kty": "oct", "k": "AA"}}, claims(), b"\0")
    # The public key as everybody knows it, taken for a secret.
    public = (site.keys / "watchers.pub").read_bytes()
    der = base64.b64decode(public.split(b"\n")[1])
    for key in (public, public.strip(), der, der[-32:]):
        yield "confused", sign({"alg": "HS256", "kid": "watchers"},
                               claims(mode="watch"), key)
        yield "confused", sign({"alg": "EdDSA", "kid": "watchers"},
                               claims(mode="watch"), key)
    yield "of the other key", signed_ed(
        site, {"alg": "EdDSA", "kid": "panel"})
    yield "of the other key", signed_ed(
        site, {"alg": "HS256", "kid": "watchers"})
    yield "oversized", signed(more="x" * 1400)


def test_forged_tickets(desk):
    for what, ticket in forgeries(desk):
        answer = redeem(desk, ticket)
        assert answer.status in (400, 401), (what, answer)
        assert answer.problem()["code"] in ("bad-ticket", "bad-body"), what
    assert desk.healthz()["sessions"] == 0


WRONG = (
    ({"aud": "other.example"}, "another host"), ({"aud": None}, "aud"),
    ({"aud": ["dom0.example"]}, "signed"), ({"sub": None}, "sub"),
    ({"sub": ""}, "sub"), ({"sub": 5}, "sub"), ({"jti": None}, "jti"),
    ({"jti": ""}, "jti"), ({"console": None}, "console"),
    ({"mode": None}, "mode"), ({"mode": "root"}, "mode"),
    ({"iat": None}, "iat"), ({"exp": None}, "exp"), ({"exp": "soon"}, "exp"),
    ({"iat": 1.5}, "iat"), ({"nbf": "now"}, "nbf"))


@pytest.mark.parametrize(("changed", "part"), WRONG, ids=str)
def test_a_claim_that_is_wrong(desk, changed, part):
    assert part in refused(desk, signed(**changed))


def test_times(desk):
    now = int(time.time())
    for changed, part in (
            ({"exp": now - 6, "iat": now - 60}, "expired"),
            ({"exp": now + 301}, "300"), ({"exp": now}, "not at all"),
            ({"iat": now + 60, "exp": now + 90}, "future"),
            ({"nbf": now + 60}, "future"),
            ({"iat": now - 200}, "restarted"), ({"iat": -1}, "iat"),
            ({"exp": 2 ** 63}, "exp")):
        assert part in refused(desk, signed(iat=changed.pop("iat", now),
                                            **changed)), changed


def test_a_name_is_used_once(desk):
    """Whatever else is in the ticket, and for each key by itself."""
    close(desk, redeem(desk, signed(jti="same")))
    assert "used" in refused(desk, signed(jti="same"))
    assert "used" in refused(desk, signed(jti="same", sub="bob"))
    close(desk, redeem(desk, signed_ed(desk, jti="same", mode="watch"),
                       mode="watch"))
    assert "used" in refused(
        desk, signed_ed(desk, jti="same", mode="watch"), mode="watch")


def test_what_a_key_may_open(desk):
    """Whatever is signed with it."""
    redeem(desk, signed(console="db1"), "db1") \
        .problem(403, "not-allowed")
    redeem(desk, signed_ed(desk)).problem(403, "not-allowed")
    close(desk, redeem(desk, signed_ed(desk, console="db1", mode="watch"),
                       "db1", "watch"))
    redeem(desk, signed(console="web9"), "web9") \
        .problem(404, "no-such-console")


def test_a_restart_forgets_no_use(desk):
    """A ticket that was used before it is not taken after it."""
    used, unused = signed(), signed()
    close(desk, redeem(desk, used))
    ticket = made(desk)["ticket"]
    desk.restart_worker()
    wait_for(lambda: desk.healthz()["consoles"] == 3, what="the guests")
    assert "restarted" in refused(desk, used)
    assert "restarted" in refused(desk, unused)
    refused(desk, ticket)
    wait_signed(desk)
    assert "restarted" in refused(desk, used)


# --- Where people log in, too --------------------------------------------------

def test_beside_a_login(tmp_path):
    """A ticket is for its user; and is no way around the login."""
    conftest.need_site()
    make_keys(tmp_path / "keys")
    site = whole_site.Site(tmp_path / "site",
                           conf=CONF.format(dir=tmp_path / "keys"))
    with site:
        site.guest("--echo", name="web1")
        ticket = made(site, user="viewer")["ticket"]
        redeem(site, ticket).problem(401, "no-identity")
        redeem(site, ticket, user="admin").problem(403, "wrong-user")
        answer = redeem(site, ticket, user="viewer")
        assert answer.json()["mode"] == "type"      # by the ticket only
        close(site, answer, "viewer")


# --- The limit and the log -------------------------------------------------------

def test_many_launches_from_one_address(shipped):
    """nginx says so; what is open goes on."""
    answer = redeem(shipped, made(shipped)["ticket"])
    token = {TOKEN: answer.json()["token"]}
    statuses = set()
    while 429 not in statuses:
        refusal = shipped.request("POST", "api/v1/sessions", {
            "console": "web1", "mode": "type", "ticket": "0" * 64}, user=None)
        statuses.add(refusal.status)
    refusal.problem(429, "too-many-sessions")
    assert statuses == {401, 429}
    for _ in range(50):
        assert shipped.request("GET", "api/v1/sessions/current", headers=token,
                            user=None).status == 200
    close(shipped, answer)


def test_no_ticket_is_in_a_log(desk):
    tickets = [made(desk)["ticket"], signed()]
    for ticket in tickets:
        close(desk, redeem(desk, ticket))
        refused(desk, ticket)
    for path in (desk.dir / "log").rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            for ticket in tickets:
                assert ticket not in text, path
                assert ticket.rpartition(".")[2] not in text, path
            assert SECRET.decode() not in text


# --- The keys ------------------------------------------------------------------

def test_a_key_that_cannot_be_had(tmp_path):
    """The worker says why, and does not start."""
    make_keys(tmp_path)
    conf = tmp_path / "xenterm.conf"
    conf.write_text(CONF.format(dir=tmp_path) + f"""
        run_dir = "{tmp_path}/run"
        user = "daemon"
        socket_group = "daemon"
        screen_program = "{whole_site.SCREEN}"
        """)

    def said():
        done = subprocess.run(
            [whole_site.WORKER, "-f", "-c", conf], timeout=20, text=True,
            stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 1
        return done.stderr

    key, public = tmp_path / "panel.key", tmp_path / "watchers.pub"
    key.chmod(0o644)
    assert "panel.key" in said() and "everybody" in said()
    key.chmod(0o600)
    key.write_text("short")
    assert "shorter" in said()
    key.write_bytes(SECRET)
    public.write_bytes((tmp_path / "watchers.pem").read_bytes())
    public.chmod(0o644)
    text = said()
    assert "watchers" in text and "Ed25519" in text
    public.unlink()
    assert "No such file" in said()


# --- The document --------------------------------------------------------------

def test_the_worked_example(desk, tmp_path):
    """Each shell line of docs/panel-integration.md, one after the other."""
    text = (whole_site.TOP / "docs/panel-integration.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    script = "".join(blocks)
    for name, value in (
            ("host", f"https://127.0.0.1:{desk.port}/xenterm/api/v1"),
            ("admin", "admin.sock"), ("key", tmp_path / "new.key")):
        script, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", script)
        assert count == 1, name
    # The new secret is not yet the worker's.
    script = script.replace("ticket=$(python3",
                            f"key={desk.keys}/panel.key\nticket=$(python3")
    script = script.replace("docs/", f"{whole_site.TOP}/docs/") \
        .replace(" dom0.example.org ", " dom0.example ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, text=True, timeout=60,
        cwd=desk.dir / "run/xenterm", capture_output=True,
        env={**os.environ, "CURL_CA_BUNDLE": str(desk.dir / "nginx/cert.pem")})
    assert done.returncode == 0, done
    assert base64.b64encode(b"hello").decode()[:6] in done.stdout
    last = json.loads(done.stdout[done.stdout.rindex('{"session"'):])
    assert last["user"] == "alice" and last["mode"] == "watch"
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "new.key").read_bytes()) == 65
    close(desk, type("Answer", (), {"status": 201, "json": lambda: last}))
