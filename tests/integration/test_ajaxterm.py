"""AjaxTerm's protocol: the screen, the keys, and who may."""

import os
import re
import signal
import urllib.parse
import xml.etree.ElementTree as ElementTree

import fastcgi
import pytest
from standin import wait_for

FORM = "application/x-www-form-urlencoded"
HERE = {"Sec-Fetch-Site": "same-origin"}
IDEM = b'<?xml version="1.0"?><idem></idem>'
SCREEN = re.compile(
    rb'<\?xml version="1.0" encoding="ISO-8859-1"\?><pre class="term">'
    rb'(<span class="f(\d|1[0-5]) b[0-7]">([ -%\'-;=?-~\n]|&#\d+;)+</span>)+'
    rb'</pre>')


class Viewer:
    """A page, as far as the server can tell."""

    def __init__(self, site, console, s="804289383", user="admin",
                 method="POST", c="&c=1"):
        self.site, self.console, self.s = site, console, s
        self.user, self.method, self.c = user, method, c
        self.client = site.client(user)
        self.rows = self.spans = None

    def ask(self, keys="", headers=HERE, raw=None):
        """One request; keys are encoded as the page does, raw is not."""
        query = f"s={self.s}&w=80&h=24{self.c}&k=" \
            + (urllib.parse.quote(keys) if raw is None else raw)
        path = f"ajaxterm/{self.console}/u"
        headers = [("Content-Type", FORM), *dict(headers).items()]
        if self.method == "POST":
            return self.client.request("POST", path, query.encode(), headers)
        return self.client.request("GET", f"{path}?{query}", b"", headers)

    def take(self, answer):
        """What the page does with an answer; True: there was a screen."""
        assert answer.status == 200, answer
        assert answer.type == "text/xml"
        if answer.body == IDEM:
            return False
        assert SCREEN.fullmatch(answer.body), answer.body
        root = ElementTree.fromstring(answer.body)
        text = "".join(root.itertext()).replace("\xa0", " ")
        self.rows = text.split("\n")
        self.spans = [(span.get("class"), span.text) for span in root]
        return True

    def look(self, keys="", **options):
        return self.take(self.ask(keys, **options))

    def see(self, text):
        """Polls until a row holds text; the row."""
        def seen():
            self.look()
            return next((row for row in self.rows or () if text in row), None)
        return wait_for(seen, what=f"{text!r} on the screen")

    def rest(self):
        """Polls until nothing changes any more."""
        wait_for(lambda: not self.look(), what="idem")


@pytest.fixture
def viewer(site, guest):
    """viewer(…): of a guest of this test that echoes what is typed."""
    name = guest("--echo")
    viewers = []

    def make(console=None, **options):
        viewers.append(Viewer(site, console or name, **options))
        return viewers[-1]

    make.name = name
    yield make
    for one in viewers:
        one.client.close()


# --- The screen --------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "POST"])
def test_keys_and_screen(viewer, method):
    page = viewer(method=method)
    page.see("")
    page.look("echo me")
    row = page.see("echo me")
    assert row == "echo me".ljust(80)
    assert len(page.rows) == 24
    assert all(len(row) == 80 for row in page.rows)
    # The cursor stands behind it.
    cursor = [i for i, span in enumerate(page.spans) if span[0] == "f7 b1"]
    assert len(cursor) == 1
    assert "".join(text for _, text in page.spans[:cursor[0]]) == "echo me"


def test_the_answer_to_a_key_has_its_echo(viewer):
    page = viewer()
    page.see("")
    page.rest()
    prompt = 0
    for number in range(20):
        prompt += page.look(f"<{number}>") and f"<{number}>" in page.rows[0]
    # Under load the echo may be late; then the next answer has it.
    assert prompt >= 10
    page.see("<19>")


def test_each_viewer_is_told_once(viewer):
    one, other = viewer(s="1"), viewer(s="2", method="GET")
    one.look("first")
    one.see("first")
    other.see("first")
    one.rest()
    other.rest()
    assert one.ask().body == other.ask().body == IDEM
    one.look("second")
    one.see("second")
    assert other.look() and "firstsecond" in other.rows[0]
    assert not other.look()
    # A page that is loaded again has another name, and sees it all.
    assert viewer(s="3").look()


def test_two_users_with_one_name(viewer):
    """The name tells apart the viewers of one user only."""
    one, other = viewer(s="7"), viewer(s="7", user="viewer")
    one.look("shared")
    one.see("shared")
    one.rest()
    assert other.look() and "shared" in other.rows[0]


def test_colours(viewer):
    page = viewer()
    page.look("\x1b[1;31mred\x1b[0;44mblue\x1b[0;7minverse"
              "\x1b[0;38;2;250;5;5mtrue\x1b[m.")
    page.see(".")
    assert page.spans[:5] == [("f9 b0", "red"), ("f7 b4", "blue"),
                              ("f0 b7", "inverse"), ("f9 b0", "true"),
                              ("f7 b0", ".")]


@pytest.mark.parametrize("c", ["", "&c=", "&c=0"])
def test_without_colours(viewer, c):
    page = viewer(c=c)
    page.look("\x1b[31mred\x1b[m.")
    page.see("red.")
    assert page.spans[0] == ("f7 b0", "red.")
    assert {look for look, _ in page.spans} == {"f7 b0", "f7 b1"}


def test_colours_on_and_off(viewer):
    """The same screen looks different: it is told again."""
    page = viewer()
    page.look("\x1b[31mred\x1b[m")
    page.see("red")
    page.rest()
    page.c = ""
    assert page.look() and page.spans[0] == ("f7 b0", "red")
    page.c = "&c=1"
    assert page.look() and page.spans[0] == ("f1 b0", "red")


def test_all_languages(viewer):
    page = viewer()
    text = "žluťoučký Ωμέγα мир 日本語 😀"
    page.look(text)
    row = page.see("😀")
    assert row.startswith(text)


def test_what_it_had_printed_before(viewer):
    """A screen is there at once, not with the next byte."""
    first = viewer()
    first.look("printed before")
    first.see("printed before")
    late = viewer(s="late")
    assert late.look()
    assert late.rows[0].startswith("printed before")


def test_many_at_once(site, viewer):
    """Who asks for the same while it is being rendered gets it too."""
    typist = viewer()
    typist.look("for all")
    typist.see("for all")
    pages = [viewer(s=f"m{number}") for number in range(20)]
    sessions = [site.session(viewer.name, "watch") for _ in range(20)]
    for page, session in zip(pages, sessions):
        page.client.send("GET", f"ajaxterm/{viewer.name}/u?s={page.s}&c=1",
                         b"", HERE)
        session.poller.send("GET", "api/v1/screen?format=html", b"",
                            {"Xenterm-Token": session.token})
    for page, session in zip(pages, sessions):
        assert page.take(page.client.receive())
        assert page.rows[0].startswith("for all")
        answer = session.poller.receive()
        assert answer.status == 200 and b"for all" in answer.body


# --- Keys --------------------------------------------------------------------

def test_keys_as_the_page_sends_them(site, viewer):
    """escape() for keys, encodeURIComponent() for what is pasted."""
    page = viewer()
    session = site.session(viewer.name, "watch")
    session.poll("", wait=0)
    sent = ("a%20b+c%2Bd", "%1B%5BA", "%7F", "%09", "%E9", "%u20AC",
            "%uD83D%uDE00", "%C3%A9", "%00", "100%25", "%1b%5b%5bA", "*@-_./")
    for raw in sent:
        page.take(page.ask(raw=raw))
    session.read_until(b"*@-_./")
    assert session.output.endswith(
        b"a b c+d\x1b[A\x7f\t\xe9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\0"
        b"100%\x1b[[A*@-_./")


def test_keys_are_typed_once_and_in_order(site, viewer):
    page = viewer()
    session = site.session(viewer.name, "watch")
    words = "".join(f"<{number}>" for number in range(200))
    for at in range(0, len(words), 7):
        page.look(words[at:at + 7])
    session.wait(lambda: len(session.output) >= len(words), "all keys")
    assert session.output.endswith(words.encode())


def test_a_full_queue_takes_nothing(site, guest):
    page = Viewer(site, guest("--deaf"))
    page.see("")
    block = "x" * 16000
    for _ in range(8):
        answer = page.ask(block)
        if answer.status != 200:
            break
    answer.problem(503, "queue-full")
    assert answer.headers["Retry-After"]
    page.look()
    page.client.close()


def test_the_guest_has_ended(site, viewer):
    page = viewer()
    page.look("last words")
    page.see("last words")
    site.host.destroy(viewer.name)
    wait_for(lambda: page.ask("x").status != 200, what="the end")
    page.ask("x").problem()
    assert page.ask("x").status in (404, 409)


# --- Who may -----------------------------------------------------------------

def test_who_may_only_watch(viewer):
    typist, watcher = viewer(), viewer(user="viewer", s="w")
    typist.look("watch this")
    watcher.see("watch this")
    watcher.ask("typed").problem(403, "read-only")
    typist.look(".")
    assert "typed" not in typist.see("watch this.")


def test_who_may_not(site, viewer):
    count = site.healthz()["sessions"]
    viewer(user="lister").ask().problem(403, "not-allowed")
    nobody = viewer(user="nobody").ask()
    nobody.problem(404, "no-such-console")
    assert nobody.body == viewer("no-such-guest", user="nobody").ask().body
    viewer(user="web1only").ask().problem(404)
    viewer(user=None).ask().problem(401, "no-identity")
    assert site.healthz()["sessions"] == count


def test_a_viewer_counts_as_one(site, viewer):
    page = viewer()
    count = site.healthz()["sessions"]
    for _ in range(5):
        page.look()
    assert site.healthz()["sessions"] == count + 1
    session = site.session(viewer.name, "watch")
    users = [(v["user"], v["mode"])
             for v in session.current().json()["viewers"]]
    assert sorted(users) == [("admin", "type"), ("admin", "watch")]


def test_a_viewer_that_stays_away_is_forgotten(own_site):
    site = own_site(conf="session_idle = 5")
    name = site.guest("--echo")
    page = Viewer(site, name)
    page.see("")
    page.rest()
    assert site.healthz()["sessions"] == 1
    wait_for(lambda: site.healthz()["sessions"] == 0, 20, "no session")
    assert page.look()                  # and comes back, as a new one
    page.client.close()


def test_the_cap_counts_them(site, viewer):
    pages = [viewer(s=f"v{number}") for number in range(30)]
    count = site.healthz()["sessions"]
    for page in pages:
        page.look()
    assert site.healthz()["sessions"] == count + 30


ORIGINS = (
    ({"Sec-Fetch-Site": "same-origin"}, True, True),
    ({"Sec-Fetch-Site": "none"}, True, False),      # a link in a mail
    ({"Sec-Fetch-Site": "same-site"}, False, False),
    ({"Sec-Fetch-Site": "cross-site"}, False, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://{host}"},
     False, False),
    ({"Sec-Fetch-Site": "cross-site", "Referer": "https://{host}/"},
     False, False),
    ({"Origin": "https://{host}"}, True, True),
    ({"Origin": "https://evil.example"}, False, False),
    ({"Origin": "null"}, False, False),
    ({"Origin": "https://evil.example", "Referer": "https://{host}/"},
     False, False),
    ({"Referer": "https://{host}/xenterm/ajaxterm/web1/"}, True, True),
    ({"Referer": "https://{host}"}, True, True),
    ({"Referer": "https://{host}.evil.example/"}, True, False),
    ({"Referer": "https://evil.example/{host}/"}, True, False),
    ({"Referer": "https://evil.example/?https://{host}/"}, True, False),
    ({"Referer": "https://{host}@evil.example/"}, True, False),
    ({"Referer": "https://{host}1/"}, True, False),
    ({"Referer": "about:blank"}, True, False),
    ({}, True, False),
)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_sites_page_types_nothing(site, viewer, method):
    page, session = viewer(method=method), None
    page.see("")
    session = site.session(viewer.name, "watch")
    host = f"127.0.0.1:{site.port}"
    typed = ""
    for number, (headers, may_look, may_type) in enumerate(ORIGINS):
        headers = {name: value.format(host=host)
                   for name, value in headers.items()}
        looked = page.ask("", headers)
        assert (looked.status == 200) == may_look, (headers, looked)
        answer = page.ask(f"({number})", headers)
        assert (answer.status == 200) == may_type, (headers, answer)
        if may_type:
            typed += f"({number})"
        else:
            answer.problem(403, "wrong-origin")
    session.read_until(typed.encode())
    assert session.output.endswith(typed.encode())


# --- A hostile guest ---------------------------------------------------------

HOSTILE = (
    "</pre><script>alert(1)</script>", '"><img src=x onerror=alert(1)>',
    "<span class=\"f7 b0\" onclick='alert(1)'>", "]]><![CDATA[<script>",
    "&lt;script&gt;&#60;script&#62;&amp;", "<!--<?xml?><!DOCTYPE x>-->",
    "\u2028\u202e<\u0338>\ufeff\uffff\x7f", "+ADw-script+AD4-",
    "\x1b]0;<script>title</script>\x07", "\x1b(0<x>\x1b(B",
)


def test_what_a_guest_prints_is_text(site, viewer):
    """Neither in AjaxTerm's document nor in the HTML of the interface."""
    page = viewer()
    session = site.session(viewer.name, "watch")
    for text in HOSTILE:
        page.look(f"\x1b[2J\x1b[H{text}|end")
        page.see("|end")                # which checks the document's form
        html = session.request("GET", "api/v1/screen?format=html").body
        assert html.count(b"|end") == 1
        for tag in re.findall(rb"<[^>]*>", html):
            assert re.fullmatch(
                rb'<pre class="screen">|</pre>|</span>'
                rb'|<span class="[a-z0-9 ]+">', tag), tag
        assert not re.search(rb"&(?!(lt|gt|amp|quot|#\d+);)", html)
        assert not re.search(rb"[\0-\x09\x0b-\x1f\x7f]", html)
        assert html.count(b"<pre") == html.count(b"</pre>") == 1


def test_bytes_that_are_no_text(viewer):
    page = viewer()
    page.take(page.ask(raw="%FF%FE%80%C0%AF%ED%A0%80%F5%00%01%08%0B%0E%0Fx"))
    page.take(page.ask(raw="%0D%0A%EF%BF%BE%EF%BF%BF%F4%8F%BF%BFy"))
    assert "\ufffd" in page.see("y")


# --- Asked wrongly -----------------------------------------------------------

BAD = (
    "", "k=x", "s=", "s=&k=", "s", "S=1", "s=1&s=2", "s=1&s", "s=a%20b",
    "s=..%2f..", "s=%00", "s=1%00", "s=%31%0A", "s=%", "s=%4", "s=%zz",
    "s=%u12", "s=" + "x" * 65, "s=" + "x" * 9000, "s=%C3%A9",
    "s=1&w=x", "s=1&w=-1", "s=1&h=1e3", "s=1&h=99999", "s=1&w=80&w=80",
    "s=1&w=080", "s=1&h=" + "9" * 400, "s=1&h=%0", "s=1&w=1%00",
    "s=1&c=2", "s=1&c=on", "s=1&c=1&c=1",
    "s=1&k=%", "s=1&k=%2", "s=1&k=a%g0", "s=1&k=%u", "s=1&k=%u12",
    "s=1&k=%uD83D", "s=1&k=%uDE00", "s=1&k=%uD83D%u0041", "s=1&k=a&k=b",
)

GOOD = (
    "s=1", "s=1&w=80&h=24&c=1&k=", "k=&s=1", "s=1&t=1700000000000&k=",
    "t=%zz&s=1", "&&s=1&&", "s=A.b_c-9", "s=" + "x" * 64, "s=1&w=&h=&c=",
    "s=1&w=0&h=10000", "s=%31", "s=1&=&&x&y=1=2",
)


@pytest.mark.parametrize("query", BAD)
def test_a_bad_question(site, query):
    count = site.healthz()["sessions"]
    for answer in asked_both_ways(site, query):
        if answer.status == 414:        # nginx' own
            continue
        answer.problem(400, "bad-parameter")
    assert site.healthz()["sessions"] == count


@pytest.mark.parametrize("query", GOOD)
def test_a_good_question(site, query):
    for answer in asked_both_ways(site, query):
        assert answer.status == 200, answer


def asked_both_ways(site, query):
    headers = {"Content-Type": FORM, **HERE}
    yield site.request("GET", f"ajaxterm/web1/u?{query}", b"", headers)
    yield site.request("POST", "ajaxterm/web1/u", query.encode(), headers)


def test_too_many_keys(site):
    headers = {"Content-Type": FORM, **HERE}
    for size in (16385, 65000, 70000, 900000):
        body = b"s=1&k=".ljust(size, b"x")
        site.request("POST", "ajaxterm/web1/u", body, headers) \
            .problem(413, "body-too-large")
    with site.fastcgi() as peer:
        peer.sendall(fastcgi.request(
            "GET", "/ajaxterm/web1/u", "s=1&k=" + "x" * 20000, user="admin"))
        assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 400


def test_another_kind_of_body(site):
    for kind in ("application/json", "text/plain", "", "multipart/form-data"):
        site.request("POST", "ajaxterm/web1/u", b"s=1",
                     {"Content-Type": kind, **HERE}) \
            .problem(415, "content-type")
    site.request("GET", "ajaxterm/web1/u?s=1", b"x").problem(400, "bad-body")
    for kind in (FORM + ";charset=UTF-8", FORM.upper()):
        answer = site.request("POST", "ajaxterm/web1/u", b"s=1",
                              {"Content-Type": kind, **HERE})
        assert answer.status == 200
    answer = site.request("DELETE", "ajaxterm/web1/u", b"", HERE)
    answer.problem(405, "method")
    assert answer.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize("name", [
    "web", "web2", "no%20such", "web1%2Fserial0", "web1/serial9", "%3Cx%3E",
    "x" * 300, "u", "web1%3Fs=1", "web1%00", "%FF"])
def test_a_console_that_is_not_there(site, name):
    answer = site.request("GET", f"ajaxterm/{name}/u?s=1", b"", HERE)
    assert answer.status in (400, 404), answer
    if answer.type == "application/problem+json":
        answer.problem(404)


def test_a_console_has_all_its_names(site):
    key = site.consoles()["web1"]["id"]
    for name in ("web1", "web1/pv0", "web1%2Fpv0", key,
                 key.replace("/", "%2F"), "%77eb1"):
        answer = site.request("GET", f"ajaxterm/{name}/u?s=names", b"", HERE)
        assert answer.status == 200, (name, answer)


def test_paths_beside_it(site):
    for path in ("ajaxterm/web1/v", "api/ajaxterm/web1/v", "ajaxterm/",
                 "ajaxterm/web1/../../../htpasswd",
                 "ajaxterm/web1/%2e%2e/%2e%2e/%2e%2e/htpasswd",
                 "ajaxterm/web1/package.json/x"):
        answer = site.request("GET", f"{path}?s=1", b"", HERE)
        assert answer.status in (403, 404), (path, answer)
    for path in ("ajaxterm/u", "ajaxterm//u"):      # a console called u
        answer = site.request("GET", f"{path}?s=1", b"", HERE)
        assert answer.status == 301
        assert answer.headers["Location"] == "/xenterm/ajaxterm/u/"
        assert b"admin:" not in answer.body


# --- The web server ----------------------------------------------------------

def test_the_page(site):
    for name in ("web1", "web1/pv0", "web1%2Fpv0"):
        page = site.request("GET", f"ajaxterm/{name}/")
        assert page.status == 200
        assert page.type == "text/html; charset=utf-8"
        assert b'<div id="term"' in page.body
        assert page.headers.get_all("Referrer-Policy") == ["same-origin"]
        assert "script-src 'self';" in page.headers["Content-Security-Policy"]
        for file, kind in (("ajaxterm.js", "text/javascript"),
                           ("ajaxterm.css", "text/css")):
            answer = site.request("GET", f"ajaxterm/{name}/{file}")
            assert answer.status == 200
            assert answer.type == f"{kind}; charset=utf-8"
        assert site.request("GET", f"ajaxterm/{name}/", user=None) \
            .status == 401


def test_no_answer_is_a_page(site):
    answer = site.request("GET", "ajaxterm/web1/u?s=new", b"", HERE)
    assert answer.headers.get_all("Content-Security-Policy") == \
        ["default-src 'none'; frame-ancestors 'none'"]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_all("Cache-Control") == ["no-store"]


def test_the_log_has_no_keys(own_site):
    site = own_site()
    page = Viewer(site, site.guest("--echo"), method="GET")
    page.look("correct-horse-battery")
    page.see("correct-horse-battery")
    page.client.close()
    wait_for(lambda: "/ajaxterm/" in site.log("xenterm"), what="a log line")
    for path in (site.dir / "log").rglob("*"):
        if path.is_file():
            assert b"correct-horse" not in path.read_bytes(), path


# --- Trouble -----------------------------------------------------------------

def test_the_screen_process_dies(site, viewer):
    """The viewer is told what it had not seen, whatever its process had."""
    page = viewer()
    page.look("before")
    page.see("before")
    for round in range(3):
        page.rest()
        assert kill_screens(site) > 0
        page.look(f"after{round}")
        page.see(f"after{round}")


def kill_screens(site):
    """Of all consoles; how many there were."""
    screens = site.screens()
    for pid in screens:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(screens)


def test_the_worker_is_restarted_while_a_page_waits(own_site):
    """An error would stop the page; keys that were not typed are one."""
    site = own_site()
    name = site.guest("--echo")
    page, typist = Viewer(site, name), Viewer(site, name, s="2")
    page.look("here")
    page.see("here")
    typist.see("here")
    for pid in site.screens():
        os.kill(pid, signal.SIGSTOP)
    before = site.healthz()["requests"]
    headers = [("Content-Type", FORM), *HERE.items()]
    for viewer, keys in (page, ""), (typist, "x"):
        viewer.client.send("POST", f"ajaxterm/{name}/u",
                           f"s={viewer.s}&w=80&h=24&c=0&k={keys}".encode(),
                           headers)
    wait_for(lambda: site.healthz()["requests"] == before + 2)
    site.end("worker")
    for viewer in page, typist:
        answer = viewer.client.receive()
        assert (answer.status, answer.body) == (200, IDEM)
        viewer.client.close()


def test_the_worker_is_killed(own_site):
    site = own_site()
    page = Viewer(site, site.guest("--echo"))
    page.look("kept")
    page.see("kept")
    site.kill_worker()
    assert page.ask().status == 502
    site.start_worker()
    site.wait_connected()
    page.see("kept")
    page.look(" and on")
    page.see("kept and on")
    page.client.close()
