"""Every table of matrix.py, row by row, through nginx as it is shipped."""

import base64
import http.client
import itertools
import json
import time

import conftest
import matrix
import pytest
import test_tickets
import whole_site
from standin import wait_for
from test_identity import FORGERIES
from test_tickets import admin, claims, encode, made, sign, signed, signed_ed

TOKEN = "Xenterm-Token"
BROWSER = ("Sec-Fetch-Site", "same-origin")
ACCESS = """
access "joiner" { users = {"joiner"} consoles = {"web1"} rights = {"join"} }
access "forcer" { users = {"forcer"} consoles = {"web1"} rights = {"force"} }
access "grouped" { users = {"@ops"} consoles = {"web1"} rights = {"type"} }
access "elsewhere" { users = {"elsewhere"} consoles = {"web2"}
                     rights = {"force"} }
access "other" { users = {"other"} consoles = {"web*"} rights = {"force"} }
access "logger" { users = {"logger"} consoles = {"web1"} rights = {"log"} }
access "power" { users = {"power"} consoles = {"web1"} rights = {"power"} }
log_group = "www-data"
"""
USERS = (*whole_site.USERS, "joiner", "forcer", "grouped", "elsewhere",
         "other", "logger", "power")
TICKET_KEYS = test_tickets.CONF + """
ticket_key "elsewhere" {{
    algorithm = HS256
    file = "{dir}/panel.key"
    audience = "dom0.example"
    consoles = {{"db*"}}
    rights = {{"force"}}
}}
"""


class Desk:
    """A site with guests, and one token for each word of the table."""

    def __init__(self, folder, identity, user):
        self.keys = folder / "keys"
        self.user = user
        test_tickets.make_keys(self.keys)
        (folder / "site/nginx").mkdir(parents=True)
        (folder / "site/nginx/xenterm.groups").write_text(
            '"~^grouped$" "dev,ops";\n')
        self.site = whole_site.Site(
            folder / "site", users=USERS, identity=(identity,),
            conf="session_max = 5\n" + ACCESS +
            TICKET_KEYS.format(dir=self.keys))
        self.site.keys = self.keys

    def __enter__(self):
        site = self.site
        site.__enter__()
        for name in ("web1", "web2"):
            site.host.create(name, "--echo")
        self.wait_guests()
        folder = site.host.uuid("web1") + ".pv0"
        (site.dir / "run/consoles" / folder).mkdir(parents=True)
        expired = self.open("type")["token"]
        wait_for(lambda: self.current(expired).status == 401, 30,
                 "the end of a session")
        conf = site.dir / "xenterm.conf"
        conf.write_text(conf.read_text().replace("session_max = 5\n", ""))
        site.restart_worker()
        self.wait_guests()
        self.bad = {"none": None, "that nobody was given": "5" * 64,
                    "of another form": "x", "expired": expired}
        session = self.open("type")
        assert self.current(session["token"], "DELETE").status == 204
        self.bad["closed"] = session["token"]
        session = self.open("type")
        assert site.admin("DELETE", f"/sessions/{session['session']}") \
            .status == 204
        self.bad["closed by the administrator"] = session["token"]
        self.bad["public name of a session"] = self.open("type")["session"]
        self.bad["a ticket"] = made(site)["ticket"]
        return self

    def __exit__(self, *error):
        self.site.__exit__(*error)

    def wait_guests(self):
        wait_for(lambda: self.site.healthz()["consoles"] == 2,
                 what="the guests")

    def ask(self, method, path, body=b"", headers=(), user=None):
        return self.site.request(method, path, body, headers, user)

    def open(self, mode, console="web1", **more):
        """A session of the one who asks here."""
        if self.user is None:
            more["ticket"] = made(self.site, console, mode)["ticket"]
        answer = self.ask("POST", "api/v1/sessions", {
            "console": console, "mode": mode, **more}, user=self.user)
        assert answer.status == 201, answer
        return answer.json()

    def current(self, token, method="GET"):
        return self.ask(method, "api/v1/sessions/current",
                        headers={TOKEN: token}, user=self.user)


@pytest.fixture(scope="module")
def login(tmp_path_factory):
    conftest.need_site()
    with Desk(tmp_path_factory.mktemp("login"), "password", "admin") as desk:
        yield desk


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    conftest.need_site()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCH_RATE", "100000r/s")
        desk = Desk(tmp_path_factory.mktemp("launch"), "ticket", None)
        desk.__enter__()
    yield desk
    desk.__exit__(None, None, None)


def both(cell):
    """What a program and a browser are to be told."""
    words = str(cell).split(" / ")
    return int(words[0].split(",")[0]), int(words[-1].split(",")[0])


def check(answer, wanted, what):
    assert answer.status == wanted, (what, answer)
    if wanted >= 400 and answer.type == "application/problem+json":
        answer.problem(wanted)
    elif wanted >= 400:             # nginx' own, for a page
        assert wanted == 401 and b"web1" not in answer.body
    return answer


# --- The document ------------------------------------------------------------

def test_the_document():
    """docs/security.md has these tables (python3 tests/integration/matrix.py
    writes them)."""
    _, between, _ = matrix.split(matrix.DOCUMENT.read_text())
    assert between == matrix.text()


def test_every_route_is_in_a_table():
    """Those of the worker's own table."""
    text = (whole_site.TOP / "fcgi/route.c").read_text()
    text = text.split("public_routes[] = {")[1].split("\n};")[0]
    rows = {tuple(line.split('"')[1:4:2]) for line in text.splitlines()
            if line.startswith('    {"')}
    tried = {(method, "/api/v1/" + path.split("?")[0])
             for routes in matrix.ROUTES.values() for method, path in routes}
    tried |= {("GET", "/api/v1/consoles"), ("POST", "/api/v1/sessions"),
              ("GET", "/api/v1/preview"), ("GET", "/api/v1/logs/*"),
              ("POST", "/api/v1/power"),
              ("GET", "/ajaxterm/*/u"), ("POST", "/ajaxterm/*/u")}
    assert rows == tried


# --- Identity x right --------------------------------------------------------

PEOPLE = {
    "nobody logged in": (None, ()),
    "wrong password": (None, (("Authorization", "Basic " + base64.b64encode(
        b"forcer:wrong").decode()),)),
    "nobody logged in, forged headers": (None, FORGERIES),
    "no right": ("nobody", ()),
    "no right, forged headers": ("nobody", FORGERIES),
    "all rights, at another console": ("elsewhere", ()),
    "`list`": ("lister", ()), "`watch`": ("viewer", ()),
    "`type`": ("admin", ()), "`type`, by a group": ("grouped", ()),
    "`join`": ("joiner", ()), "`force`": ("forcer", ()),
    "`log`": ("logger", ()), "`power`": ("power", ()),
}
# No guest has this domid, so nothing is done to any.
POWER = {"console": "web1", "action": "reboot", "domid": 4000000000}


def open_as(desk, who, wanted, what, **body):
    user, headers = PEOPLE[who]
    for extra, status in zip(((), (BROWSER,)), both(wanted)):
        answer = check(desk.ask("POST", "api/v1/sessions",
                                {"console": "web1", **body},
                                [*headers, *extra], user), status, what)
        if status == 201:
            assert answer.json()["user"] == user
            assert desk.ask("DELETE", "api/v1/sessions/current",
                            headers={TOKEN: answer.json()["token"]},
                            user=user).status == 204


@pytest.mark.parametrize(("who", "cells"), matrix.WHO,
                         ids=[row[0] for row in matrix.WHO])
def test_who(login, who, cells):
    user, headers = PEOPLE[who]
    wanted = dict(zip(matrix.CALLS, cells, strict=True))
    listed = str(wanted["list"])
    answer = login.ask("GET", "api/v1/consoles", b"", headers, user)
    check(answer, int(listed[:3]), "list")
    if listed.startswith("200"):
        rights = [one["rights"] for one in answer.json()["consoles"]
                  if one["name"] == "web1"]
        assert [one[-1] for one in rights] == \
            ([] if "not shown" in listed else [listed.split(": ")[1]])
    close_all(login)
    open_as(login, who, wanted["open watch"], "watch", mode="watch")
    open_as(login, who, wanted["open type"], "type", mode="type")
    other = login.ask("POST", "api/v1/sessions",
                      {"console": "web1", "mode": "type"},
                      user="other").json()["token"]
    open_as(login, who, wanted["type beside another user"], "join",
            mode="type")
    open_as(login, who, wanted["`take: force`"], "force", mode="type",
            take="force")
    login.ask("DELETE", "api/v1/sessions/current", headers={TOKEN: other},
              user="other")
    for what, keys in (("look", ""), ("keys", "&k=x")):
        for method, path, body in (
                ("GET", f"ajaxterm/web1/u?s={what}&w=80&h=24&c=1{keys}", b""),
                ("POST", "ajaxterm/web1/u",
                 f"s={what}&w=80&h=24&c=1{keys}".encode())):
            kind = [("Content-Type", "application/x-www-form-urlencoded")] \
                if body else []
            answer = login.ask(method, path, body, [*headers, *kind, BROWSER],
                               user)
            check(answer, both(wanted[f"ajaxterm: {what}"])[1], what)
    close_all(login)
    for what, method, path, body in (
            ("preview", "GET", "api/v1/preview?console=web1", b""),
            ("logs", "GET", "api/v1/logs/web1", b""),
            ("power, at a domid that has gone", "POST", "api/v1/power",
             POWER)):
        for extra in ((), (BROWSER,)):
            check(login.ask(method, path, body, [*headers, *extra], user),
                  wanted[what], what)


def close_all(desk):
    """AjaxTerm's sessions, too."""
    for session in desk.site.admin("GET", "/sessions").json()["sessions"]:
        desk.site.admin("DELETE", f"/sessions/{session['session']}")


# --- Token x identity --------------------------------------------------------

def carried(token, text):
    """Path's end and headers that bring it."""
    if text is None:
        return "", []
    if token == "a good one in the URL":
        return f"token={text}&Xenterm-Token={text}", []
    if token == "a good one as Bearer":
        return "", [("X-Authorization", f"Bearer {text}"),
                    ("Xenterm-Authorization", f"Bearer {text}")]
    if token == "a good one in a cookie":
        return "", [("Cookie", f"Xenterm-Token={text}; token={text}")]
    return "", [(TOKEN, text)]


def call(client, method, path, more, headers):
    """One request with its session's number, if it has one."""
    body = b""
    if (method, path) == ("POST", "input"):
        path, body = f"input?seq={client.seq}", b"x"
        headers = [*headers, ("Content-Type", "application/octet-stream")]
    elif path == "keys":
        path, body = f"keys?seq={client.seq}", {"key": "ctrl-o"}
    elif path == "size":
        body = {"rows": 24, "cols": 80}
    if more:
        path += ("&" if "?" in path else "?") + more
    client.send(method, f"api/v1/{path}", body, headers)
    if method == "POST" and path.startswith(("input", "keys")):
        client.seq += 1
    if path.startswith("stream"):
        return answer_of_stream(client)
    return client.receive()


class Head:
    """The beginning of an answer that has no end."""

    status = 200


def answer_of_stream(client):
    response = http.client.HTTPResponse(client.sock, method="GET")
    response.begin()
    good = response.status == 200
    answer = Head() if good else whole_site.Answer(response)
    response.close()
    if good or response.will_close:
        client.close()
    return answer


ASKERS = {
    "logged in as its user": ("login", "admin", ()),
    "logged in as another with all rights": ("login", "other", ()),
    "nobody logged in, on a site for tickets": ("launch", None, ()),
    "nobody logged in, on a site with a login": ("login", None, ()),
    "wrong password, on a site with a login":
        ("login", None, PEOPLE["wrong password"][1]),
}
ROWS = list(matrix.tokens())


@pytest.mark.parametrize(("identity", "token", "cells"), ROWS,
                         ids=[" - ".join(row[:2]) for row in ROWS])
def test_token(request, identity, token, cells):
    name, user, headers = ASKERS[identity]
    desk = request.getfixturevalue(name)
    console = "web2" if token == "another console's" else "web1"
    mode = "watch" if token == "of a session that watches" else "type"
    text = desk.bad.get(token)
    session = None
    if token not in desk.bad:
        session = desk.open(mode, console)
        text = session["token"]
    more, extra = carried(token, text)
    for kind, index in (([], 0), ([BROWSER], 1)):
        client = desk.site.client(user)
        client.seq = 1
        for routes, cell in zip(matrix.ROUTES.values(), cells, strict=True):
            if routes is matrix.CLOSE and both(cell)[1] == 204 and not index:
                continue            # once is enough
            for method, path in routes:
                if session and method == "POST" and \
                        path in ("input", "keys"):
                    client.seq = index * 2 + (1 if path == "input" else 2)
                answer = call(client, method, path, more,
                              [*headers, *extra, *kind])
                check(answer, both(cell)[index], (method, path, kind))
                if path == "sessions/current" and answer.status == 200:
                    assert answer.json()["console"] == session["console"]
                    assert answer.json()["name"] == console
        client.close()
    if session:
        # What the table says has been done, and nothing else.
        assert desk.current(session["token"]).status == \
            (401 if cells[-1] == 204 else 200)
        desk.current(session["token"], "DELETE")


# --- Tickets -----------------------------------------------------------------

NAMES = itertools.count()
HEAD = {"alg": "HS256", "kid": "panel"}


def used(desk, ticket, mode):
    answer = test_tickets.redeem(desk.site, ticket, mode=mode)
    test_tickets.close(desk.site, answer)
    return ticket


def revoked(desk, mode):
    ticket = made(desk.site, mode=mode)
    assert admin(desk.site, "DELETE", f"/tickets/{ticket['id']}") \
        .status == 204
    return ticket["ticket"]


def made_and_expired(desk, mode):
    ticket = made(desk.site, mode=mode, seconds=1)
    wait_for(lambda: time.time() >= ticket["expires"] + 0.1, what="its end")
    return ticket["ticket"]


def without_signature(header, **changed):
    return f"{encode(header).decode()}.{encode(claims(**changed)).decode()}."


def changed_claims(mode):
    header, _, mac = signed(mode=mode).split(".")
    return f"{header}.{encode(claims(mode=mode, sub='root')).decode()}.{mac}"


def public_key(desk):
    return (desk.keys / "watchers.pub").read_bytes()


def twice(desk, mode, **changed):
    name = f"twice{next(NAMES)}"
    used(desk, signed(mode=mode, jti=name), mode)
    return signed(mode=mode, jti=name, **changed)


def now(seconds=0):
    return int(time.time()) + seconds


# (desk, mode asked for): the ticket that the row speaks of.
MAKE = {
    "none": lambda d, m: None,
    "made here, to type": lambda d, m: made(d.site)["ticket"],
    "made here, to watch": lambda d, m: made(d.site, mode="watch")["ticket"],
    "made here, used":
        lambda d, m: used(d, made(d.site, mode=m)["ticket"], m),
    "made here, revoked": revoked,
    "made here, expired": made_and_expired,
    "made here, for another console":
        lambda d, m: made(d.site, "web2", m)["ticket"],
    "its public name": lambda d, m: made(d.site, mode=m)["id"],
    "signed (HS256), to type": lambda d, m: signed(),
    "signed (HS256), to watch": lambda d, m: signed(mode="watch"),
    "signed (EdDSA), to watch": lambda d, m: signed_ed(d, mode="watch"),
    "signed by a key that may only watch, to type":
        lambda d, m: signed_ed(d),
    "signed by a key for other consoles":
        lambda d, m: sign({**HEAD, "kid": "elsewhere"}, claims(mode=m)),
    "signed, for another console":
        lambda d, m: signed(console="web2", mode=m),
    "signed, for a console that is not there":
        lambda d, m: signed(console="web9", mode=m),
    "replayed": twice,
    "replayed with other claims": lambda d, m: twice(d, m, sub="bob"),
    "`alg: none`":
        lambda d, m: without_signature({**HEAD, "alg": "none"}, mode=m),
    "`alg: none`, without a `kid`":
        lambda d, m: without_signature({"alg": "none"}, mode=m),
    "`alg: nOnE`, signed":
        lambda d, m: sign({**HEAD, "alg": "nOnE"}, claims(mode=m)),
    "`alg: HS384`":
        lambda d, m: sign({**HEAD, "alg": "HS384"}, claims(mode=m)),
    "signature cut off": lambda d, m: signed(mode=m)[:-20],
    "claims changed": lambda d, m: changed_claims(m),
    "another key": lambda d, m: sign(HEAD, claims(mode=m), b"k" * 40),
    "empty key": lambda d, m: sign(HEAD, claims(mode=m), b""),
    "unknown `kid`":
        lambda d, m: sign({**HEAD, "kid": "nobody"}, claims(mode=m)),
    "`kid` is a path": lambda d, m: sign(
        {**HEAD, "kid": "../../../dev/null"}, claims(mode=m), b""),
    "key in the header (`jwk`)": lambda d, m: sign(
        {**HEAD, "jwk": {"kty": "oct", "k": "AA"}}, claims(mode=m), b"\0"),
    "`crit`": lambda d, m: sign({**HEAD, "crit": ["exp"]}, claims(mode=m)),
    "public key used as a secret (HS256 with the EdDSA `kid`)":
        lambda d, m: sign({"alg": "HS256", "kid": "watchers"},
                          claims(mode=m), public_key(d)),
    "the same, header says EdDSA":
        lambda d, m: sign({"alg": "EdDSA", "kid": "watchers"},
                          claims(mode=m), public_key(d)),
    "`exp` has passed":
        lambda d, m: signed(mode=m, iat=now(-60), exp=now(-10)),
    "`exp` too far away": lambda d, m: signed(mode=m, exp=now(400)),
    "no `exp`": lambda d, m: signed(mode=m, exp=None),
    "`nbf` to come": lambda d, m: signed(mode=m, nbf=now(50)),
    "`iat` to come":
        lambda d, m: signed(mode=m, iat=now(60), exp=now(90)),
    "issued before the worker started":
        lambda d, m: signed(mode=m, iat=d.started - 10),
    "`aud` of another host": lambda d, m: signed(mode=m, aud="other.example"),
    "`aud` is a list": lambda d, m: signed(mode=m, aud=["dom0.example"]),
    "no `aud`": lambda d, m: signed(mode=m, aud=None),
    "no `jti`": lambda d, m: signed(mode=m, jti=None),
    "no `sub`": lambda d, m: signed(mode=m, sub=None),
}


@pytest.fixture(scope="module")
def panel(launch):
    """Signed tickets that are made from now on are taken."""
    launch.started = int(time.time())
    test_tickets.wait_signed(launch.site)
    return launch


@pytest.mark.parametrize(("which", "watch", "type_"), matrix.TICKETS,
                         ids=[row[0] for row in matrix.TICKETS])
def test_ticket(panel, which, watch, type_):
    for mode, cell in (("watch", watch), ("type", type_)):
        for headers, wanted in zip(((), (BROWSER,)), both(cell)):
            count = panel.site.healthz()["sessions"]
            body = {"console": "web9" if "not there" in which else "web1",
                    "mode": mode}
            ticket = MAKE[which](panel, mode)
            if ticket is not None:
                body["ticket"] = ticket
            answer = check(panel.ask("POST", "api/v1/sessions", body,
                                     headers), wanted, (mode, ticket))
            if wanted == 201:
                test_tickets.close(panel.site, answer)
            else:
                assert "token" not in json.loads(answer.body)
            assert panel.site.healthz()["sessions"] == count


# --- Where a call comes from -------------------------------------------------

def origins(port):
    here = f"https://127.0.0.1:{port}"
    return {
        "a program (says nothing)": (),
        "a page of this site": (BROWSER, ("Origin", here)),
        "a page of this site, old browser (`Origin`)": (("Origin", here),),
        "a page of this site, older (`Referer`)":
            (("Referer", f"{here}/xenterm/console.html"),),
        "typed into the address bar": (("Sec-Fetch-Site", "none"),),
        "another site's page": (("Sec-Fetch-Site", "cross-site"),
                                ("Origin", "https://evil.example")),
        "a page of a neighbour (same site)":
            (("Sec-Fetch-Site", "same-site"),),
        "another site's page, old browser (`Origin`)":
            (("Origin", "https://evil.example"),
             ("Referer", f"https://evil.example/127.0.0.1:{port}/")),
        "a page with `Origin: null`": (("Origin", "null"),),
        "this host on another port (`Origin`)":
            (("Origin", "https://127.0.0.1:1"),),
    }


@pytest.mark.parametrize(("whence", "cells"), matrix.WHENCE,
                         ids=[row[0] for row in matrix.WHENCE])
def test_whence(login, whence, cells):
    close_all(login)
    headers = origins(login.site.port)[whence]
    form = ("Content-Type", "application/x-www-form-urlencoded")
    token = (TOKEN, login.open("type")["token"])
    asked = {
        "list": ("GET", "api/v1/consoles", b"", ()),
        "power": ("POST", "api/v1/power", POWER, ()),
        "open": ("POST", "api/v1/sessions",
                 {"console": "web1", "mode": "type"}, ()),
        "ajaxterm: keys, POST": (
            "POST", "ajaxterm/web1/u", b"s=1&w=80&h=24&c=1&k=x", (form,)),
        "ajaxterm: keys, GET": (
            "GET", "ajaxterm/web1/u?s=1&w=80&h=24&c=1&k=x", b"", ()),
        "session: read": ("GET", "api/v1/output?wait=0", b"", (token,)),
        "session: type": (
            "POST", "api/v1/input?seq=1", b"x",
            (token, ("Content-Type", "application/octet-stream"))),
    }
    for name, cell in zip(matrix.FROM_CALLS, cells, strict=True):
        method, path, body, extra = asked[name]
        check(login.ask(method, path, body, [*headers, *extra],
                        "power" if name == "power" else "admin"),
              cell, name)
    close_all(login)
