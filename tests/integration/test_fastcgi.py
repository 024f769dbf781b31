"""Peers on the worker's FastCGI socket that are not nginx, or a broken one.

Whatever they do, a normal request beside them is answered while they are all
still there, and in the end they are gone and the worker is as before."""

import contextlib
import pathlib
import random
import re
import select
import socket
import time

import fastcgi
import pytest
from fastcgi import begin, pair, record, stream
from standin import wait_for

LIMIT_SECONDS = 10      # LIMIT_REQUEST_SECONDS
LIMIT_BYTES = 96 * 1024     # LIMIT_REQUEST

GOOD = fastcgi.request("GET", "/api/v1/consoles", user="admin")
ASK_AND_KEEP = fastcgi.request("GET", "/api/v1/consoles", user="admin",
                               keep=True)
PARAMS = stream(fastcgi.PARAMS, pair(b"REQUEST_METHOD", b"GET")
                + pair(b"PATH_INFO", b"/api/v1/consoles")
                + pair(b"REMOTE_USER", b"admin"))


@contextlib.contextmanager
def peers(site, count):
    found = [site.fastcgi() for _ in range(count)]
    try:
        yield found
    finally:
        for peer in found:
            peer.close()


def ask(site, request=GOOD):
    with site.fastcgi() as peer:
        peer.sendall(request)
        return fastcgi.read_to_end(peer)


def is_served(site):
    answer = ask(site)
    return fastcgi.status_of(answer) == 200 and b"web1" in answer


def is_open(peer):
    """Nothing has come from the worker, nor has it hung up."""
    return not select.select([peer], [], [], 0)[0]


def closes(peer, seconds):
    """What the worker says before it closes, within so long."""
    peer.settimeout(seconds)
    return fastcgi.read_to_end(peer)


@pytest.fixture(autouse=True)
def worker_stays_as_it_was(site):
    before = site.healthz()
    yield
    wait_for(lambda: is_as_it_was(site, before), 2 * LIMIT_SECONDS,
             f"{before} again")


def is_as_it_was(site, before):
    """nginx may have opened some more connections, which it keeps."""
    now = site.healthz()
    return now["requests"] == before["requests"] \
        and now["connections"] <= before["connections"] + 8


def test_a_good_request(site):
    answer = ask(site)
    out = fastcgi.stdout_of(answer)
    assert out.startswith(b"Status: 200 OK\r\n")
    assert b"Content-Type: application/json\r\n" in out
    # It ends with the record that says so, and only then the connection.
    assert answer[-16:] == record(fastcgi.END, bytes(8))


def test_byte_by_byte(site):
    """Few enough of them: the kernel counts each as a whole packet, and the
    worker takes none before it has all."""
    assert len(PARAMS) < 100
    request = begin() + PARAMS + record(fastcgi.STDIN)
    with peers(site, 1) as (peer,):
        # With a time-out Python would ask whether most of the buffer is free.
        peer.settimeout(None)
        for n in range(len(request)):
            assert is_open(peer)
            peer.sendall(request[n:n + 1])
        assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 200


def test_in_two_halves_at_every_place(site):
    for cut in range(1, len(GOOD)):
        with peers(site, 1) as (peer,):
            peer.sendall(GOOD[:cut])
            assert is_open(peer)
            peer.sendall(GOOD[cut:])
            assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 200


def test_leaving_at_every_place(site):
    for cut in range(0, len(GOOD), 3):
        with peers(site, 1) as (peer,):
            peer.sendall(GOOD[:cut])
    assert is_served(site)


def test_leaving_before_the_answer(site):
    for _ in range(100):
        with peers(site, 1) as (peer,):
            peer.sendall(GOOD)
    assert is_served(site)


def test_padding_is_skipped(site):
    values = pair(b"REQUEST_METHOD", b"GET") + pair(b"REMOTE_USER", b"admin") \
        + pair(b"PATH_INFO", b"/api/v1/consoles")
    request = begin() + record(fastcgi.PARAMS, values, padding=7) \
        + record(fastcgi.PARAMS, padding=255) \
        + record(fastcgi.STDIN, padding=3)
    assert fastcgi.status_of(ask(site, request)) == 200


def test_parameters_in_many_records(site):
    values = pair(b"REQUEST_METHOD", b"GET") + pair(b"REMOTE_USER", b"admin") \
        + pair(b"PATH_INFO", b"/api/v1/consoles") + pair(b"X" * 300, b"y" * 900)
    request = begin() + b"".join(
        record(fastcgi.PARAMS, bytes([value])) for value in values) \
        + record(fastcgi.PARAMS) + record(fastcgi.STDIN)
    assert fastcgi.status_of(ask(site, request)) == 200


def test_a_parameter_that_says_it_is_a_gigabyte(site):
    """The worker takes no memory for it, nor the time to wipe that."""
    def most():
        status = pathlib.Path(f"/proc/{site.pid('worker')}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])

    before = most()
    for lengths in (b"\x01\xbf\xff\xff\xff", b"\xbf\xff\xff\xff\x01"):
        with peers(site, 1) as (peer,):
            peer.sendall(begin() + stream(fastcgi.PARAMS, lengths + b"x" * 50)
                         + record(fastcgi.STDIN))
            assert closes(peer, LIMIT_SECONDS) == b""
    assert most() - before < 64 * 1024
    assert is_served(site)


def test_a_body_longer_than_any_route_takes(site):
    session = site.session("web1")
    for size, status in ((16384, 200), (16385, 413), (40000, 413)):
        answer = ask(site, fastcgi.request(
            "POST", "/api/v1/input", f"seq={session.seq + 1}", "admin",
            session.token, b"x" * size,
            CONTENT_TYPE="application/octet-stream"))
        assert fastcgi.status_of(answer) == status
        session.seq += status == 200


def test_content_length_and_body_differ(site):
    session = site.session("web1")
    for said in ("4", "6", "0", "", "-5", "x", "99999999999999999999", "5 "):
        answer = ask(site, fastcgi.request(
            "POST", "/api/v1/input", "seq=1", "admin", session.token,
            b"12345", CONTENT_LENGTH=said,
            CONTENT_TYPE="application/octet-stream"))
        assert fastcgi.status_of(answer) == 400, said
        assert b"bad-body" in answer
    assert session.current().json()["seq"] == 0


def rejected():
    """Requests that no web server sends. Each is answered with something
    that is no 200, or closed, at once or at the limit."""
    value = record(fastcgi.PARAMS, pair(b"A", b"b"))
    ends = record(fastcgi.PARAMS) + record(fastcgi.STDIN)
    yield "zeros", bytes(64)
    yield "ones", b"\xff" * 64
    yield "http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4
    yield "nothing but an end", record(fastcgi.STDIN)
    yield "no begin", PARAMS + record(fastcgi.STDIN)
    yield "no parameters", begin() + record(fastcgi.STDIN)
    yield "parameters not ended", begin() + value + record(fastcgi.STDIN)
    yield "no values at all", begin() + ends
    yield "an unknown role", begin(role=77) + PARAMS + record(fastcgi.STDIN)
    yield "version 2", b"\2" + begin()[1:] + ends
    yield "begin twice", begin() + begin() + ends
    yield "a short begin", record(fastcgi.BEGIN, b"\0\1") + ends
    yield "an empty begin", record(fastcgi.BEGIN) + ends
    yield "a long begin", record(fastcgi.BEGIN, bytes(500)) + ends
    yield "another request's parameters", \
        begin() + record(fastcgi.PARAMS, pair(b"A", b"b"), request=2) + ends
    yield "aborted", begin() + record(fastcgi.ABORT) + ends
    yield "aborted at the end", begin() + PARAMS + record(fastcgi.ABORT) \
        + record(fastcgi.STDIN)
    yield "number 0", GOOD.replace(b"\1\1\0\1", b"\1\1\0\0") \
        .replace(b"\1\4\0\1", b"\1\4\0\0") \
        .replace(b"\1\5\0\1", b"\1\5\0\0")
    yield "another request's end", begin() + PARAMS \
        + record(fastcgi.STDIN, request=2)
    yield "an unknown management record", record(77, request=0) + GOOD
    yield "one in the middle", begin() + record(77, b"x" * 8, request=0) \
        + PARAMS + record(fastcgi.STDIN)
    yield "management", record(fastcgi.GET_VALUES, pair(
        b"FCGI_MPXS_CONNS", b""), request=0) + record(fastcgi.STDIN)
    yield "an unknown type", begin() + record(200, b"x" * 9) + ends
    yield "a name that is longer than its record", \
        begin() + record(fastcgi.PARAMS, b"\x7f\x01abc") + ends
    yield "a name of 2 GiB", begin() \
        + record(fastcgi.PARAMS, b"\xff\xff\xff\xff\x01abc") + ends
    yield "a value of 2 GiB", begin() \
        + record(fastcgi.PARAMS, b"\x01\xff\xff\xff\xffabc") + ends
    yield "a value of 60 MB", begin() \
        + record(fastcgi.PARAMS, b"\x01\x83\x93\x87\x00abc") + ends
    yield "half a length", begin() + record(fastcgi.PARAMS, b"\x01\x80") + ends
    yield "a claimed length", begin() \
        + record(fastcgi.PARAMS, b"\x01\x01ab", length=4000) + ends
    yield "too short a length", begin() \
        + record(fastcgi.PARAMS, pair(b"A", b"b" * 50), length=9) + ends
    yield "stdin before parameters", \
        begin() + record(fastcgi.STDIN, b"x") + PARAMS + record(fastcgi.STDIN)


def test_what_no_web_server_sends(site):
    """All at once, and a good one beside them."""
    kinds = list(rejected())
    with peers(site, len(kinds)) as found:
        for (_, data), peer in zip(kinds, found):
            peer.sendall(data)
        assert is_served(site)
        for (kind, _), peer in zip(kinds, found):
            status = fastcgi.status_of(closes(peer, LIMIT_SECONDS + 5))
            assert status in (None, 404, 401, 405), kind
    assert is_served(site)


def test_random_bytes(site):
    chance = random.Random(4711)
    for _ in range(300):
        data = bytearray(GOOD)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with peers(site, 1) as (peer,):
            with contextlib.suppress(BrokenPipeError):
                peer.sendall(data)
            # To look at the answer of each would take the limit's time.
            select.select([peer], [], [], 0.005)
    assert is_served(site)


def test_too_large(site):
    """More parameters than a request may have."""
    whole = begin() + stream(fastcgi.PARAMS, pair(b"A", b"x" * 120000)) \
        + record(fastcgi.STDIN)
    with peers(site, 1) as (peer,):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(whole)
        assert closes(peer, 5) == b""
    # As many as fit, and they are read.
    fits = fastcgi.request("GET", "/api/v1/consoles", user="admin",
                           A="x" * (LIMIT_BYTES - 1000))
    assert len(fits) < LIMIT_BYTES
    assert fastcgi.status_of(ask(site, fits)) == 200


def test_two_hundred_silent_peers(site):
    """Of every kind. They are closed when their time is over; until then a
    normal request is answered, and a key echoed, beside all of them."""
    session = site.session("web1")
    body = fastcgi.request("POST", "/api/v1/input", "seq=1", "admin",
                           session.token, b"x" * 9000)
    kinds = (b"", GOOD[:4], GOOD[:8], GOOD[:20], GOOD[:-8], GOOD[:-1],
             body[:-100],
             begin() + record(fastcgi.PARAMS, length=65535))
    before = site.healthz()["connections"]
    with peers(site, 201) as (kept, *found):
        kept.sendall(ASK_AND_KEEP)
        assert fastcgi.status_of(fastcgi.read_answer(kept)) == 200
        for n, peer in enumerate(found):
            peer.sendall(kinds[n % len(kinds)])
        wait_for(lambda: site.healthz()["connections"] >= before + 201)
        start = time.monotonic()
        assert is_served(site)
        assert session.type(b"k", echo=1000).output() == b"k"
        assert all(is_open(peer) for peer in found)
        assert site.threads() < 10
        for peer in found:
            assert closes(peer, LIMIT_SECONDS + 5) == b""
        assert LIMIT_SECONDS - 2 < time.monotonic() - start
        # One that has asked before may be silent as long as it likes.
        assert is_open(kept)
        kept.sendall(ASK_AND_KEEP)
        assert fastcgi.status_of(fastcgi.read_answer(kept)) == 200
    assert is_served(site)


def test_peers_that_drip(site):
    """A byte now and then does not buy more time; and a request in more
    pieces than the socket takes is given up like one that does not go on."""
    with peers(site, 2) as (slow, full):
        full.setblocking(False)
        with pytest.raises(BlockingIOError):
            for byte in begin() + record(fastcgi.PARAMS, bytes(900)):
                full.send(bytes([byte]))
        end = time.monotonic() + LIMIT_SECONDS + 5
        data = iter(GOOD[:-1])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while is_open(slow):
                assert time.monotonic() < end, "still open"
                slow.sendall(bytes([next(data)]))
                select.select([slow], [], [], 0.5)
        assert closes(full, 5) == b""
    assert is_served(site)


def test_half_closed(site):
    """The peer has shut down its side and waits for the answer."""
    with peers(site, 2) as (whole, half):
        whole.sendall(GOOD)
        whole.shutdown(socket.SHUT_WR)
        assert fastcgi.status_of(fastcgi.read_to_end(whole)) == 200
        half.sendall(GOOD[:-4])
        half.shutdown(socket.SHUT_WR)
        assert closes(half, LIMIT_SECONDS + 5) == b""


# --- Connections that are kept -----------------------------------------------

def test_many_requests_on_one_connection(site):
    session = site.session("web1")
    said = b"ask me again" * 100
    with peers(site, 1) as (peer,):
        for n in range(1, 51):
            peer.sendall(ASK_AND_KEEP)
            assert fastcgi.status_of(fastcgi.read_answer(peer)) == 200
            peer.sendall(fastcgi.request(
                "POST", "/api/v1/input", f"seq={n}", "admin", session.token,
                said, keep=True, CONTENT_TYPE="application/octet-stream"))
            while b"queue-full" in (answer := fastcgi.read_answer(peer)):
                peer.sendall(fastcgi.request(
                    "POST", "/api/v1/input", f"seq={n}", "admin",
                    session.token, said, keep=True,
                    CONTENT_TYPE="application/octet-stream"))
            assert b'"typed":true' in answer
        # What one request brought is not there for the next.
        peer.sendall(fastcgi.request("GET", "/api/v1/consoles", keep=True))
        answer = fastcgi.read_answer(peer)
        assert fastcgi.status_of(answer) == 401 and b"no-identity" in answer
        peer.sendall(fastcgi.request("GET", "/api/v1/output", user="admin",
                                     keep=True))
        assert b"no-token" in fastcgi.read_answer(peer)
        # The last one says that it is the last.
        peer.sendall(GOOD)
        assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 200


def test_errors_do_not_end_a_connection(site):
    with peers(site, 1) as (peer,):
        for method, path, body, status in (
                ("GET", "/nothing", b"", 404),
                ("PUT", "/api/v1/size", b"", 405),
                ("GET", "/api/v1/consoles", b"x", 400),
                ("GET", "/api/v1/consoles", b"x" * 16385, 413),
                ("GET", "/api/v1/consoles", b"x" * 80000, 413),
                ("GET", "/api/v1/consoles", b"", 200)):
            peer.sendall(fastcgi.request(method, path, "", "admin", "", body,
                                         keep=True))
            assert fastcgi.status_of(fastcgi.read_answer(peer)) == status


def test_a_poll_on_a_kept_connection(site, guest):
    """Answered, asked again, and left."""
    session = site.session(guest("--echo"))
    session.wait(lambda: session.last("viewers"), "settled")
    before = site.healthz()["requests"]

    def poll(peer):
        peer.sendall(fastcgi.request(
            "GET", "/api/v1/output", f"from={session.at}&wait=60", "admin",
            session.token, keep=True))
        site.wait_requests(before + 1)

    with peers(site, 1) as (peer,):
        for key in (b"a", b"b", b"c"):
            poll(peer)
            session.type(key)
            assert fastcgi.stdout_of(fastcgi.read_answer(peer)).endswith(key)
            session.read_until(key)
        poll(peer)
    site.wait_requests(before)


def test_leaving_with_half_a_second_request(site):
    for cut in range(1, len(GOOD), 5):
        with peers(site, 1) as (peer,):
            peer.sendall(ASK_AND_KEEP)
            fastcgi.read_answer(peer)
            peer.sendall(GOOD[:cut])
    assert is_served(site)


def test_a_second_request_that_does_not_go_on(site):
    with peers(site, 2) as found:
        for peer in found:
            peer.sendall(ASK_AND_KEEP)
            fastcgi.read_answer(peer)
            peer.sendall(GOOD[:30])
        assert is_served(site)
        for peer in found:
            assert closes(peer, LIMIT_SECONDS + 5) == b""


def test_a_second_request_too_early(site):
    """No web server does so: the first one is answered, and then whatever
    happens, happens to this peer only."""
    with peers(site, 20) as found:
        for peer in found:
            peer.sendall(ASK_AND_KEEP * 5)
        for peer in found:
            assert fastcgi.status_of(fastcgi.read_answer(peer)) == 200
        assert is_served(site)


def test_a_second_request_that_is_garbage(site):
    for _, data in rejected():
        with peers(site, 1) as (peer,):
            peer.sendall(ASK_AND_KEEP)
            assert fastcgi.status_of(fastcgi.read_answer(peer)) == 200
            peer.sendall(data)
    assert is_served(site)
