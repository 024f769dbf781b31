"""Memory is refused, at each place where a request or a message needs some, once
and from there on: an answer that docs/protocol.md knows, programs that go on,
and nothing that is lost or leaks.

SHARE in the environment: every so manieth place, of those behind the first one
by SEED; 1 is all of them (make check-faults)."""

import json
import mmap
import os
import random
import struct
import threading
import time

import fastcgi
import pytest
import test_tickets
import world
from world import wait_for, whole_site

SHARE = int(os.environ.get("SHARE", 12))
SEED = int(os.environ.get("SEED", 1))
# No request takes so many; one that does goes in circles.
PLACES_MAX = 3000
# A shortage that lasts, and after how many seconds it ends all the same: who is
# not even accepted waits for that.
LASTING = 1 << 40
RELIEF = 0.3
# What may stay when a kind of request was refused memory everywhere: tables
# that have grown, and what libraries keep for the next time.
LEFT_MAX = 40
LIBRARY = whole_site.BUILD / "tests/faults/failmalloc.so"


PROGRAMS = {"broker": "xenterm-broker", "worker": "xenterm-fcgi"}


class Switch:
    """What failmalloc.c shares with us."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(4096))
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def put(self, at, value):
        self.map[8 * at:8 * at + 8] = struct.pack("=q", value)

    def get(self, at):
        return struct.unpack_from("=q", self.map, 8 * at)[0]

    def arm(self, place, more=0):
        self.armed, self.first = time.monotonic(), None
        self.refused = self.get(2)
        self.put(1, more)
        self.put(0, place)

    def disarm(self):
        """How often memory was refused since arm()."""
        self.put(0, 0)
        return self.get(2) - self.refused

    def is_worth_waiting(self):
        """For what follows a refusal; or for one, half a second."""
        now = time.monotonic()
        if self.first is None and self.get(2) != self.refused:
            self.first = now
        return now < self.armed + 0.5 if self.first is None \
            else now < self.first + RELIEF / 2

    @property
    def live(self):
        return self.get(3)


class Site(whole_site.Site):
    """One program of it can be refused memory."""

    def __init__(self, folder, victim, **options):
        super().__init__(folder / "site", **options)
        self.victim = victim
        self.switch = Switch(folder / "switch")

    def spawn(self, name, *command, **options):
        if name == self.victim:
            options |= {"LD_PRELOAD": str(LIBRARY),
                        "FAILMALLOC_PROGRAM": PROGRAMS[name],
                        "FAILMALLOC_FILE": str(self.switch.path)}
        return super().spawn(name, *command, **options)

    def start(self):
        super().start()
        self.first = self.pid(self.victim)

    def lives(self):
        """And is not another one, which its keeper has started."""
        return self.pid(self.victim) == self.first and \
            whole_site.is_alive(self.first)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.first}/fd"))

    def wait_descriptors(self, before):
        """No more than before: the last connections are being closed."""
        wait_for(lambda: self.descriptors() <= before, 30,
                 f"{before} descriptors")

    def quiet(self):
        """The blocks that live when nothing is left to be done."""
        def same():
            before = self.switch.live
            time.sleep(0.05)
            return before == self.switch.live and (before,)
        wait_for(lambda: self.healthz()["requests"] == 0, what="all answered")
        return wait_for(same, what="quiet")[0]


# --- Requests and answers ----------------------------------------------------

class Answer:
    """text: headers, an empty line, the body."""

    def __init__(self, text):
        head, _, self.body = text.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        if lines[0].startswith("HTTP/1.1 "):
            lines[0] = "Status: " + lines[0].removeprefix("HTTP/1.1 ")
        self.headers = {name.lower(): value for name, value in
                        (line.split(": ", 1) for line in lines)}
        self.status = int(self.headers["status"].split()[0])
        self.type = self.headers.get("content-type", "")

    def json(self):
        return json.loads(self.body)


def ask(site, request, hurried=False):
    """None when the connection was closed without an answer. hurried: or when
    none has come at once."""
    socket = "admin" if request.startswith(METHODS) else "fcgi"
    with fastcgi.connect(site.dir / f"run/xenterm/{socket}.sock") as peer:
        if hurried and socket == "admin":
            peer.settimeout(2 * RELIEF)
        try:
            peer.sendall(request)
            text = fastcgi.read_to_end(peer)
        except (BrokenPipeError, TimeoutError):
            if not hurried:
                raise
            return None
    if socket == "fcgi":
        text = fastcgi.stdout_of(text)
    return Answer(text) if text else None


def shape(value):
    """Of JSON: which members there are, and of which kind."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [] if not value else [shape(value[0])]
    return type(value).__name__


def public(method, path, query="", token="", body=b"", user="admin",
           kind="application/json", **params):
    if body:
        params["CONTENT_TYPE"] = kind
    return fastcgi.request(method, f"/{path}", query, user, token, body,
                           **params)


METHODS = (b"GET ", b"POST ", b"DELETE ")


def private(method, path, body=b"", kind="application/json"):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            ).encode() + body


class Kind:
    """Requests of one kind. make(): one more of them. done(answer): after each
    good answer. may: other statuses of good ones. keeps: what stays of each,
    and is not lost: used tickets."""

    def __init__(self, name, make, done=lambda answer: None, may=(), keeps=0):
        self.name, self.make, self.done = name, make, done
        self.may, self.keeps = may, keeps


def kinds(site, session):
    """Of every call; good ones, and some that are refused."""
    token = session.token
    new = json.dumps({"console": "web1", "mode": "watch"}).encode()
    octets = "application/octet-stream"

    def of_session(method, path, query="", body=b"", **params):
        return lambda: public(method, "api/v1/" + path, query, token, body,
                              **params)

    def typing():
        return public("POST", "api/v1/input", f"seq={session.seq + 1}", token,
                      b"x", kind=octets)

    def echoed():
        return public("POST", "api/v1/input", f"seq={session.seq + 1}&echo=500",
                      token, b"x", kind=octets)

    def pressing():
        return public("POST", "api/v1/keys", f"seq={session.seq + 1}", token,
                      b'{"key":"sysrq","arg":"h"}')

    def typed(_):
        session.seq += 1

    def with_ticket():
        body = {"console": "web1", "mode": "watch",
                "ticket": test_tickets.signed(mode="watch")}
        return public("POST", "api/v1/sessions", body=json.dumps(body).encode(),
                      user="")

    def with_made():
        """After the answer before it: memory is there."""
        ticket = test_tickets.made(site, mode="watch")["ticket"]
        body = {"console": "web1", "mode": "watch", "ticket": ticket}
        return public("POST", "api/v1/sessions", body=json.dumps(body).encode(),
                      user="")

    def leave(answer):
        gone = ask(site, public("DELETE", "api/v1/sessions/current", "",
                                answer.json()["token"], user=""))
        assert gone.status == 204

    def revoke(answer):
        gone = ask(site, private("DELETE",
                                 f"/tickets/{answer.json()['id']}"))
        assert gone.status == 204

    yield Kind("the consoles", lambda: public("GET", "api/v1/consoles"))
    yield Kind("a session", lambda: public("POST", "api/v1/sessions", body=new),
               leave)
    yield Kind("this session", of_session("GET", "sessions/current"))
    yield Kind("a first poll", of_session("GET", "output", "wait=0"))
    yield Kind("a first poll, JSON", of_session(
        "GET", "output", "wait=0", HTTP_ACCEPT="application/json"))
    yield Kind("a poll", lambda: public(
        "GET", "api/v1/output", f"wait=0&from={session.run}.0", token))
    yield Kind("a poll, JSON", lambda: public(
        "GET", "api/v1/output", f"wait=0&from={session.run}.0", token,
        HTTP_ACCEPT="application/json"))
    yield Kind("input", typing, typed)
    yield Kind("input with its echo", echoed, typed, may=(204,))
    yield Kind("input out of turn", of_session(
        "POST", "input", "seq=77777", b"x", kind=octets))
    yield Kind("keys", pressing, typed)
    yield Kind("size", of_session("POST", "size", "",
                                  b'{"rows":24,"cols":80}'))
    for form in ("text", "html", "ansi", "json"):
        yield Kind(f"screen, {form}", of_session("GET", "screen",
                                                 f"format={form}"))
    for form in ("raw", "text", "cast"):
        yield Kind(f"history, {form}", of_session("GET", "history",
                                                  f"format={form}"))
    yield Kind("preview", lambda: public("GET", "api/v1/preview",
                                         "console=web1"))
    yield Kind("AjaxTerm", lambda: public(
        "GET", "ajaxterm/web1/u", "s=123&w=80&h=24&c=1",
        HTTP_SEC_FETCH_SITE="same-origin"))
    yield Kind("AjaxTerm, a key", lambda: public(
        "GET", "ajaxterm/web1/u", "s=123&w=80&h=24&c=1&k=y",
        HTTP_SEC_FETCH_SITE="same-origin"))
    yield Kind("no such path", of_session("GET", "nothing"))
    yield Kind("no such token", lambda: public(
        "GET", "api/v1/sessions/current", token="0" * 64))
    yield Kind("a bad body", of_session("POST", "size", "", b"{"))
    yield Kind("a bad query", of_session("GET", "output", "from=nowhere"))
    yield Kind("a ticket that was made", with_made, leave, keeps=1)
    yield Kind("a signed ticket", with_ticket, leave, keeps=2)

    yield Kind("admin: healthz", lambda: private("GET", "/healthz"))
    yield Kind("admin: metrics", lambda: private("GET", "/metrics"))
    yield Kind("admin: consoles", lambda: private("GET", "/consoles"))
    yield Kind("admin: sessions", lambda: private("GET", "/sessions"))
    yield Kind("admin: screen", lambda: private("GET", "/screen?console=web1"))
    yield Kind("admin: send", lambda: private(
        "POST", "/send?console=web1", b"z", octets))
    yield Kind("admin: expect", lambda: private(
        "POST", "/expect?console=web1", json.dumps({"steps": [
            {"send": "abc", "until": "a(b)c"},
            {"until": [{"match": "c", "then": "done"}], "on": "screen"},
        ]}).encode()))
    yield Kind("admin: a bad expect", lambda: private(
        "POST", "/expect?console=web1", b'{"steps":[{"until":"("}]}'))
    yield Kind("admin: a ticket", lambda: private("POST", "/tickets", json.dumps(
        {"console": "web1", "user": "u", "mode": "type"}).encode()), revoke, keeps=1)
    yield Kind("admin: hold", lambda: private("POST", "/hold?console=web1"))


# --- Refusing ----------------------------------------------------------------

class Run:
    """What was tried, and what was wrong."""

    def __init__(self, site):
        self.site, self.wrong = site, []
        self.places = self.refusals = self.sent = self.libevents = 0
        self.random = random.Random(SEED)

    def judge_libevent(self, kind, answer):
        """True: it is libevent's own, on the admin socket: it closes a
        connection for which it has no memory, waits for what it could not
        take, or calls a header that it could not keep a bad one."""
        if not kind.name.startswith("admin"):
            return False
        return answer is None or \
            answer.status in (400, 503) and answer.type == "text/html"

    def judge(self, kind, normal, answer):
        """What is wrong with the answer; None."""
        if self.judge_libevent(kind, answer):
            self.libevents += 1
            return None
        if answer is None:
            return "no answer"
        if answer.status == 503 and normal.status != 503:
            self.sent += 1
            if answer.type != "application/problem+json":
                return f"503 as {answer.type}"
            if "retry-after" not in answer.headers:
                return "503 without Retry-After"
            return None if answer.json()["status"] == 503 else "another 503"
        if answer.status in kind.may:
            return None
        if answer.status != normal.status:
            return f"{answer.status}, not {normal.status}: {answer.body[:200]}"
        if answer.type != normal.type:
            return f"{answer.type}, not {normal.type}"
        if answer.type.endswith("json") and \
                answer.json().get("result") == "limit":
            return None if "memory" in answer.json()["detail"] else "no reason"
        if answer.type.endswith("json") and "screen" not in kind.name and \
                shape(answer.json()) != shape(normal.json()):
            return f"other members: {answer.body}"
        if not answer.body and normal.body:
            return "no body"
        return None

    def one(self, kind, normal, place, more):
        """How often memory was refused."""
        request = kind.make()
        self.site.switch.arm(place, more)
        relief = threading.Timer(RELIEF, self.site.switch.put, (0, 0))
        if more:
            relief.start()
        try:
            answer = ask(self.site, request, hurried=True)
        finally:
            relief.cancel()
            refusals = self.site.switch.disarm()
        where = f"{kind.name}, place {place}{' and on' if more else ''}"
        try:
            wrong = self.judge(kind, normal, answer)
        except ValueError as error:
            wrong = f"{error}: {answer.body}"
        if wrong:
            self.wrong.append(f"{where}: {wrong}")
        if not self.site.lives():
            self.wrong.append(f"{where}: the worker has ended")
            raise EOFError
        self.places += refusals > 0
        self.refusals += refusals
        if answer is None or answer.status != normal.status:
            answer = ask(self.site, kind.make())
            if answer.status not in (normal.status, *kind.may):
                self.wrong.append(f"{where}: then {answer.status}")
        kind.done(answer)
        return refusals

    def kind(self, kind):
        for _ in range(3):
            normal = ask(self.site, kind.make())
            kind.done(normal)
        before, places = self.site.quiet(), self.places
        for more in (0, LASTING):
            place, behind = 1 if SHARE == 1 else self.random.randint(1, SHARE), 0
            # On a busy machine relief may come before a place is reached.
            while behind < 3:
                behind = 0 if self.one(kind, normal, place, more) \
                    else behind + 1
                place += SHARE
                assert place < PLACES_MAX
        left = self.site.quiet() - before
        print(f"{kind.name}: {normal.status}, up to {place}, {left} left",
              flush=True)
        if left > LEFT_MAX + kind.keeps * (self.places - places):
            self.wrong.append(f"{kind.name}: {left} blocks are left")


# --- The tests ---------------------------------------------------------------

@pytest.fixture(scope="session")
def need_library():
    if not LIBRARY.exists():
        pytest.skip(f"{LIBRARY} is not built")
    if b"libasan" in whole_site.WORKER.read_bytes():
        pytest.skip("a sanitizer has an allocator of its own")


def test_requests(need_site, need_library, tmp_path):
    test_tickets.make_keys(tmp_path)
    site = Site(tmp_path, "worker",
                conf=test_tickets.CONF.format(dir=tmp_path))
    with site:
        site.guest("--echo", name="web1")
        session = site.session("web1")
        session.type(b"hello", echo=1000)
        session.screen()
        run = Run(site)
        site.quiet()
        before = site.descriptors()
        try:
            for kind in kinds(site, session):
                run.kind(kind)
            site.wait_descriptors(before)
        except EOFError:
            site.worker = None
        print(f"{run.places} places, {run.refusals} refusals: "
              f"{run.sent} answers 503, {run.libevents} of libevent")
        assert not run.wrong, "\n".join(run.wrong)


# --- What comes by itself -----------------------------------------------------

class Output:
    """What a viewer has been told, in one piece."""

    def __init__(self, position):
        self.at = position
        self.begin = self.end = int(position.split(".")[1])
        self.data = bytearray()

    def take(self, offset, piece):
        assert offset - len(piece) == self.end, "a gap, or bytes told twice"
        self.data += piece
        self.end = offset

    def frames(self, body, cut=False):
        """Those of an answer, or of a stream, which may be cut off."""
        while len(body) >= 5:
            size = int.from_bytes(body[1:5], "big")
            kind, payload, body = body[:1], body[5:5 + size], body[5 + size:]
            if cut and len(payload) < size:
                return
            assert len(payload) == size and kind in b"ojp"
            if kind == b"o":
                self.take(int.from_bytes(payload[:8], "big"), payload[8:])
            elif kind == b"p":
                self.at = payload.decode()
            elif kind == b"j":
                assert json.loads(payload)["type"]
        assert cut or not body


def polled(site, session, output):
    """One poll, which waits for what the guest says next."""
    yield
    answer = ask(site, public("GET", "api/v1/output",
                              f"wait=5&from={output.at}", session.token))
    if answer.status == 200:
        output.frames(answer.body)
        output.at = answer.headers["xenterm-next"]
    else:
        assert answer.status in (204, 503), answer.status


def received(peer):
    """b"": it has hung up; None: nothing came for a moment."""
    peer.settimeout(0.02)
    try:
        return peer.recv(65536)
    except TimeoutError:
        return None


def streamed(site, session, output):
    """A stream, as long as it lasts."""
    data = b""
    with fastcgi.connect(site.dir / "run/xenterm/fcgi.sock") as peer:
        peer.sendall(public("GET", "api/v1/stream", f"from={output.at}",
                            session.token))
        while len(data) < 200:
            data += peer.recv(65536)
        yield
        while site.switch.is_worth_waiting() and \
                (piece := received(peer)) != b"":
            data += piece or b""
    answer = Answer(fastcgi.stdout_of(data))
    assert answer.status == 200
    output.frames(answer.body, cut=True)


def fed(site, session, output):
    """What xenterm-logger reads, until it would have to come again."""
    def frame(kind, *numbers):
        payload = struct.pack(*numbers)
        return kind + struct.pack("!I", len(payload)) + payload

    with fastcgi.connect(site.dir / "run/xenterm/feed.sock") as peer:
        data, number, armed = b"", None, False
        run, at = map(int, output.at.split(".")[:2])
        while not armed or site.switch.is_worth_waiting():
            piece = received(peer)
            if piece == b"":
                break
            data += piece or b""
            while len(data) >= 5:
                size = int.from_bytes(data[1:5], "big")
                if len(data) < 5 + size:
                    break
                kind, payload = data[:1], data[5:5 + size]
                data = data[5 + size:]
                if kind == b"c":
                    told = json.loads(payload)
                    if told["console"] == session.id and number is None:
                        number = told["number"]
                        peer.sendall(frame(b"f", "!IQQB", number, run, at, 0))
                elif kind == b"o":
                    offset = int.from_bytes(payload[12:20], "big")
                    output.take(offset + len(payload) - 20, payload[20:])
                    output.at = f"{run}.{output.end}.0"
            if number is not None and not armed:
                yield
                armed = True


@pytest.mark.parametrize("viewer", (polled, streamed, fed))
def test_what_the_guest_says(need_site, need_library, tmp_path, viewer):
    """Nobody who is told of it misses or sees twice a byte."""
    with Site(tmp_path, "worker") as site:
        site.guest("--numbers", tmp_path / "numbers", "--rate", 4000,
                   name="web1")
        session = site.session("web1", "watch")
        output = Output(session.at)
        chance = random.Random(SEED)
        for more in (0, LASTING):
            place, quiet = 1 if SHARE == 1 else chance.randint(1, SHARE), 0
            while quiet < 3 and place < PLACES_MAX:
                told = viewer(site, session, output)
                next(told)
                site.switch.arm(place, more)
                relief = threading.Timer(RELIEF, site.switch.put, (0, 0))
                if more:
                    relief.start()
                for _ in told:
                    pass
                relief.cancel()
                quiet = 0 if site.switch.disarm() else quiet + 1
                assert site.lives(), f"place {place}, {more}"
                place += SHARE
            print(f"{viewer.__name__}: up to {place}")
        site.switch.arm(0)
        for _ in viewer(site, session, output):
            pass
        site.quiet()
        past = session.history()
        assert output.data and output.data in past


# --- Messages -----------------------------------------------------------------

# Guests that have gone are to be forgotten before memory is compared.
MESSAGES_CONF = """
rescan = 1
gone_after = 2
forget_after = 1
"""


class Life:
    """Of guests, as far as broker and worker see it; memory is refused at some
    place of it, and at its end everything is as it should be."""

    def __init__(self, site):
        self.site, self.host = site, site.host
        self.host.create("web1", "--echo")
        self.host.create("always1", "--echo")
        self.all_up()

    def all_up(self):
        def up():
            states = {name: console["state"]
                      for name, console in self.site.consoles().items()}
            return states.get("always1") == "up" and \
                states.get("web1") in ("up", "released")
        wait_for(up, 30, "both guests")

    def reboot(self):
        before = self.host.domid("always1")
        self.host.reboot("always1")
        wait_for(lambda: self.host.domid("always1") not in (None, before), 30,
                 "the guest's new domain")

    def come_and_go(self):
        self.host.create("web2", "--echo")
        self.host.destroy("web2")

    def be_renamed(self):
        self.host.rename("web1", "web3")
        self.host.rename("web3", "web1")

    def be_watched(self):
        """The first session takes the tty; release gives it back."""
        made = ask(self.site, private(
            "POST", "/sessions?console=web1&mode=type"))
        assert made is not None and made.status == 201
        ask(self.site, private(
            "DELETE", f"/sessions/{made.json()['session']}"))
        ask(self.site, private("POST", "/release?console=web1"))

    def restart_worker(self):
        self.site.end("worker")
        self.site.start_worker()

    def check(self):
        """All is noticed that happens now, and both can be typed at, whatever
        has happened before."""
        self.site.wait_connected()
        self.host.create("new", "--echo")
        self.site.wait_console("new")
        self.host.destroy("new")
        self.all_up()
        for name in ("web1", "always1"):
            typed = wait_for(lambda name=name: self.typed(name), 30,
                             f"an echo at {name}")
            assert typed
        # What is not there any more is told as such.
        wait_for(lambda: {name for name, console
                          in self.site.consoles().items()
                          if console["state"] == "up"}
                 == {"web1", "always1"}, 30, "two consoles that are up")

    def blocks(self):
        """Of memory, when nothing but the two is known."""
        wait_for(lambda: self.site.healthz()["consoles"] == 2, 30,
                 "the others forgotten")
        return self.site.quiet()

    def typed(self, name):
        steps = {"steps": [{"send": "abc", "until": "abc", "timeout": 2}]}
        answer = ask(self.site, private("POST", f"/expect?console={name}",
                                        json.dumps(steps).encode()))
        return answer.status == 200 and answer.json()["result"] == "done"


def refuse(site, act, place, more):
    """How often memory was refused while it happened, and soon after."""
    site.switch.arm(place, more)
    act()
    time.sleep(RELIEF)
    return site.switch.disarm()


def through_all_places(site, life, act):
    """How many places there were."""
    places = 0
    for more in (0, LASTING):
        place, behind = 1 if SHARE == 1 else random.Random(SEED).randint(
            1, SHARE), 0
        while behind < (2 if SHARE == 1 else 1):
            refused = refuse(site, act, place, more)
            assert site.lives(), f"{act.__name__}, place {place}, {more}"
            behind = 0 if refused else behind + 1
            if refused:
                life.check()
                places += 1
            # Each takes seconds, so not as many last.
            place += SHARE * (8 if more else 1 if SHARE == 1 else 3)
    return places


@pytest.mark.parametrize("victim", ("broker", "worker"))
def test_messages(need_site, need_library, tmp_path, victim):
    """What happens to guests, and what broker and worker tell each other."""
    with Site(tmp_path, victim, conf=MESSAGES_CONF) as site:
        life = Life(site)
        actions = [life.reboot, life.come_and_go, life.be_renamed]
        if victim == "broker":
            actions += [life.be_watched, life.restart_worker]
        for act in actions:
            act()
            life.check()
        before, descriptors = life.blocks(), site.descriptors()
        for act in actions:
            print(f"{victim}, {act.__name__}: "
                  f"{through_all_places(site, life, act)} places", flush=True)
        left = life.blocks() - before
        print(f"{left} left")
        assert left < LEFT_MAX
        site.wait_descriptors(descriptors)
