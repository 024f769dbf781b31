"""GET api/v1/stream: the same frames as output, pushed on one answer."""

import http.client
import socket
import struct

import pytest

import fastcgi
from standin import wait_for
from whole_site import FRAMES, split_frames

KILO = 1024
FLOOD = 3 * 1024 * KILO     # the ring has one MiB
POLLS_MAX = 4               # LIMIT_POLLS_PER_SESSION


class Frames:
    """What a viewer sees who gets the body piece by piece."""

    def __init__(self):
        self.rest = b""
        self.kinds = []             # in the order in which they came
        self.at = None              # the last position
        self.begin = self.end = None
        self.output = bytearray()   # since the last snapshot or gap
        self.snapshot = b""
        self.events = []

    def feed(self, piece):
        self.rest += piece
        while len(self.rest) >= 5:
            kind, size = struct.unpack_from("!cI", self.rest)
            if len(self.rest) < 5 + size:
                return
            frame, self.rest = self.rest[:5 + size], self.rest[5 + size:]
            if kind == b"p":
                self.kinds.append("position")
                self.at = frame[5:].decode()
            else:
                self.take(*next(split_frames(frame)))

    def take(self, kind, offset, payload):
        self.kinds.append(kind)
        if kind == "snapshot":
            self.snapshot = payload
            self.output.clear()
            self.begin = self.end = offset
        elif kind == "output":
            start = offset - len(payload)
            if self.end is None:
                self.begin = self.end = start
            assert start == self.end, f"{self.end} to {start} are lost"
            self.output += payload
            self.end = offset
        else:
            self.events.append(payload)


class Stream(Frames):
    """Through nginx."""

    def __init__(self, session, at=None):
        super().__init__()
        self.client = session.site.client(session.user)
        self.client.send("GET", "api/v1/stream" + (f"?from={at}" if at else ""),
                         headers={"Xenterm-Token": session.token})
        self.client.sock.settimeout(30)
        self.response = http.client.HTTPResponse(self.client.sock)
        self.response.begin()
        self.status = self.response.status
        self.headers = self.response.headers

    def read(self):
        """One piece more. False: the answer has ended."""
        piece = self.response.read1(65536)
        self.feed(piece)
        return piece != b""

    def until(self, condition):
        while not condition():
            assert self.read(), "the stream has ended"

    def until_output(self, wanted):
        self.until(lambda: wanted in bytes(self.output))

    def close(self):
        self.response.close()
        self.client.close()


@pytest.fixture
def stream():
    """stream(session, at): closed when the test is over."""
    opened = []

    def start(*args):
        opened.append(Stream(*args))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def peer(site):
    """peer(session, at): asks the worker itself, and reads nothing."""
    opened = []

    def start(session, at, keep=False):
        opened.append(site.fastcgi())
        opened[-1].sendall(fastcgi.request(
            "GET", "/api/v1/stream", f"from={at}" if at else "",
            session.user, session.token, keep=keep))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


# --- What it tells -----------------------------------------------------------

def test_begins_with_the_screen_and_goes_on(site, guest, stream):
    name = guest("--echo")
    session = site.session(name)
    session.type(b"before ")
    session.read_until(b"before ")
    one = stream(session)
    assert one.status == 200 and one.headers["Content-Type"] == FRAMES
    assert one.headers["X-Accel-Buffering"] == "no"
    assert one.headers["Cache-Control"] == "no-store"
    one.until(lambda: "snapshot" in one.kinds)
    assert b"before " in one.snapshot
    assert [event["type"] for event in one.events][:3] == \
        ["state", "viewers", "size"]
    # Nothing is held back until more comes, though nginx could.
    for n in range(5):
        session.type(b"%d" % n)
        one.until_output(b"%d" % n)
    assert bytes(one.output) == b"01234"
    session.resize(rows=30, cols=90)
    one.until(lambda: one.events[-1] ==
              {"type": "size", "rows": 30, "cols": 90})


def test_goes_on_where_another_was_cut(site, guest, stream):
    """Also where the cut was in the middle of a batch."""
    name = guest("--echo")
    session = site.session(name)
    one = stream(session, session.at)
    session.type(b"first")
    one.until_output(b"first")
    one.until(lambda: one.kinds[-1] == "position")
    one.close()
    session.type(b"second")
    two = stream(session, one.at)
    two.until_output(b"second")
    assert two.begin == one.end and bytes(two.output) == b"second"
    two.until(lambda: two.kinds[-1] == "position")
    # It is a position like those of polls.
    session.at = two.at
    session.begin, session.output = two.end, bytearray()
    session.type(b"third")
    assert session.poll().output() == b"third"


def test_says_where_it_stands_when_nothing_comes(site, guest, stream):
    """For the timeouts of what lies between: within 15 s."""
    session = site.session(guest("--echo"))
    one = stream(session, session.at)
    one.until(lambda: one.kinds[-1:] == ["position"])
    begun = one.kinds.count("position")
    one.until(lambda: one.kinds.count("position") == begun + 2)
    assert "output" not in one.kinds and "snapshot" not in one.kinds


# --- What it refuses ---------------------------------------------------------

def test_refuses(site):
    session = site.session("web1", "watch")
    answer = session.request("GET", "api/v1/stream?from=x")
    answer.problem(400, "bad-parameter")
    session.request("GET", "api/v1/stream?wait=1").problem(
        400, "bad-parameter")
    session.request("POST", "api/v1/stream").problem(405, "method")
    site.request("GET", "api/v1/stream").problem(401, "no-token")


def test_a_session_has_so_many(site, guest, stream):
    session = site.session(guest("--echo"))
    several = [stream(session, session.at) for _ in range(POLLS_MAX)]
    assert all(one.status == 200 for one in several)
    answer = session.request("GET", f"api/v1/stream?from={session.at}")
    answer.problem(429, "too-many-polls")
    assert answer.headers["Retry-After"]
    # Whose browser has left counts no more.
    several[0].close()
    wait_for(lambda: stream(session, session.at).status == 200,
             what="a free place")


# --- How it ends -------------------------------------------------------------

def test_ends_with_its_session(site, guest, stream):
    session = site.session(guest("--echo"))
    one = stream(session, session.at)
    assert session.delete().status == 204
    while one.read():
        pass
    assert one.rest == b"", "it has ended inside a frame"
    site.sessions.remove(session)
    session.close()


def test_a_browser_that_leaves_frees_its_place(site, guest, stream):
    session = site.session(guest("--echo"))
    before = site.healthz()["requests"]
    several = [stream(session, session.at) for _ in range(POLLS_MAX)]
    site.wait_requests(before + POLLS_MAX)
    for one in several:
        one.close()
    site.wait_requests(before)


def test_a_half_closed_peer_has_left(site, guest, peer):
    session = site.session(guest("--echo"))
    before = site.healthz()["requests"]
    one = peer(session, session.at)
    site.wait_requests(before + 1)
    one.shutdown(socket.SHUT_WR)
    site.wait_requests(before)
    assert fastcgi.status_of(fastcgi.read_to_end(one)) == 200


def test_the_connection_is_used_again(site, guest, peer):
    name = guest("--echo")
    session = site.session(name)
    one = peer(session, session.at, keep=True)
    wait_for(lambda: len(one.recv(65536, socket.MSG_PEEK)) > 0,
             what="the stream's beginning")
    assert session.delete().status == 204
    answer = fastcgi.read_answer(one)
    assert fastcgi.status_of(answer) == 200
    assert answer[-16:] == fastcgi.record(fastcgi.END, bytes(8))
    one.sendall(fastcgi.request("GET", "/api/v1/consoles", user="admin"))
    assert name.encode() in fastcgi.read_to_end(one)
    site.sessions.remove(session)
    session.close()


# --- Who does not read -------------------------------------------------------

def memory(site):
    """Of the worker, in bytes."""
    text = open(f"/proc/{site.pid('worker')}/status").read()
    return int(text.split("VmRSS:")[1].split()[0]) * KILO


def read_records(one, seen):
    """What has come on a FastCGI connection, into frames."""
    data = getattr(seen, "records", b"") + one.recv(65536)
    while len(data) >= 8:
        _, kind, _, size, padding = struct.unpack_from("!BBHHB", data)
        if len(data) < 8 + size + padding:
            break
        if kind == fastcgi.STDOUT:
            content = data[8:8 + size]
            if not seen.kinds and content.startswith(b"Status: 200"):
                content = content.split(b"\r\n\r\n", 1)[1]
            seen.feed(content)
        data = data[8 + size + padding:]
    seen.records = data


def test_slow_readers_are_told_of_the_screen_and_stop_nobody(
        site, guest, peer, stream):
    """They read nothing during three rings of output; another viewer has all
    of it. Then they read on, up to what comes last."""
    name = guest("--flood")
    session = site.session(name)
    session.poll(at="", wait=0)
    slow = [peer(site.session(name, "watch"), session.at) for _ in range(20)]
    fast = stream(session, session.at)
    fast.until(lambda: fast.end is not None)
    begun, before = fast.end, memory(site)
    fast.until(lambda: fast.end > begun + FLOOD)
    assert fast.kinds.count("snapshot") == 0
    # Nothing queues up for them. (A sanitizer keeps what is freed.)
    assert memory(site) - before < len(slow) * FLOOD / 2
    assert session.type(b"\x03").status == 200
    fast.until(lambda: fast.output.endswith(b"^C\r\n$ "))
    for one in slow:
        seen = Frames()
        while seen.end != fast.end:
            read_records(one, seen)
        assert seen.kinds.count("snapshot") == 1
        assert b"^C" in seen.snapshot + bytes(seen.output)


def test_two_hundred_streams(own_site):
    """All see each key, no thread is kept, and nothing when they have left."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.poll(at="", wait=0)
    threads = site.threads()
    viewers = [site.session(name, "watch") for _ in range(200)]
    streams = [Stream(viewer, session.at) for viewer in viewers]
    site.wait_requests(200)
    assert site.threads() == threads
    for n in range(10):
        session.type(b"key %d;" % n)
        for one in streams:
            one.until_output(b"key %d;" % n)
    want = b"".join(b"key %d;" % n for n in range(10))
    assert all(bytes(one.output) == want for one in streams)
    for one in streams:
        one.close()
    site.wait_requests(0)
