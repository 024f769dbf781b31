"""What is typed: once, in order, whole, or refused with a reason."""

import collections
import threading

import pytest


@pytest.fixture
def session(site, guest):
    """At a guest that says back what is typed, byte by byte."""
    return site.session(guest("--echo"))


def test_a_repeated_number_types_nothing_again(session):
    assert session.type(b"once").json() == {"seq": 1, "typed": True}
    for _ in range(5):
        assert session.type(b"once", seq=1).json() == \
            {"seq": 1, "typed": False}
    # Whatever comes with the old number, it is the old request.
    assert session.type(b"other", seq=1).json()["typed"] is False
    assert session.type(b";end", seq=2).json()["typed"] is True
    assert session.read_until(b";end") == b"once;end"
    assert session.current().json()["seq"] == 2


def test_a_gap_is_refused_with_the_number_expected(session):
    for seq in (2, 3, 1000, 2 ** 62):
        problem = session.type(b"x", seq=seq).problem(409, "seq-gap")
        assert problem["expected"] == 1
    session.type(b"a", seq=1)
    session.type(b"b", seq=2)
    assert session.type(b"x", seq=4).problem(409)["expected"] == 3
    # One that is older than the last: nobody knows any more what it was.
    assert session.type(b"x", seq=1).problem(409)["expected"] == 3
    session.type(b".", seq=3)
    assert session.read_until(b".") == b"ab."


def test_a_lost_answer_is_asked_for_again(session):
    """The browser's connection breaks after each request was sent."""
    said = b""
    for n in range(1, 41):
        piece = b"<%d>" % n
        headers = [("Xenterm-Token", session.token),
                   ("Content-Type", "application/octet-stream")]
        session.typist.send("POST", f"api/v1/input?seq={n}", piece, headers)
        session.typist.close()
        assert session.type(piece, seq=n).status == 200
        said += piece
    assert session.read_until(b"<40>") == said


def test_echo_brings_the_output(session):
    answer = session.type(b"key", echo=1000)
    assert answer.status == 200
    assert answer.headers["Xenterm-Seq"] == "1"
    assert answer.output() == b"key"
    # It begins where it is told to, as after a lost answer.
    start = session.made["from"]
    again = session.type(b"key", seq=1, echo=1000, **{"from": start})
    assert again.output() == b"key" and again.headers["Xenterm-Seq"] == "1"
    later = session.type(b"more", echo=1000, **{"from": answer.next})
    assert later.output() == b"more" and later.headers["Xenterm-Seq"] == "2"
    # And a poll goes on where the answer says.
    assert session.poll(at=later.next, wait=0).status == 204


def test_echo_in_json(session):
    answer = session.request(
        "POST", "api/v1/input?seq=1&echo=1000", b"key",
        {"Content-Type": "application/octet-stream",
         "Accept": "application/json"})
    assert answer.type == "application/json" and answer.output() == b"key"


def test_without_an_echo_204(site, guest):
    session = site.session(guest("--deaf"))
    session.wait(lambda: session.last("viewers"), "settled")
    answer = session.type(b"x", echo=50)
    assert answer.status == 204
    assert answer.headers["Xenterm-Seq"] == "1"
    assert answer.next == session.type(b"x", seq=1, echo=1).next


def test_echo_and_the_sessions_own_poll(session):
    """The echo comes with the key. The parked poll does not wake for it, and
    yet it tells the same bytes when it has something of its own to tell."""
    session.wait(lambda: session.last("viewers"), "settled")
    start = session.at
    session.send_poll()
    session.site.wait_requests(1)
    for n, key in enumerate(b"abc"):
        answer = session.type(bytes([key]), echo=1000)
        assert answer.output() == bytes([key])
        assert not session.poller.has_answer()
    session.resize(rows=30, cols=90)
    answer = session.receive_poll()
    assert answer.output() == b"abc"
    assert answer.event("size") == {"type": "size", "rows": 30, "cols": 90}
    # What was asked before, in a new request, has its answer at once.
    assert session.poll(at=start, wait=20).output() == b"abc"


def test_the_others_poll_wakes_for_the_echo(site, session):
    viewer = site.session(session.made["name"], "watch", user="viewer")
    viewer.wait(lambda: viewer.last("viewers").get("count") == 2, "settled")
    viewer.send_poll()
    site.wait_requests(1)
    session.type(b"k", echo=1000)
    assert viewer.receive_poll().output() == b"k"


def test_a_watching_session_types_nothing(site, guest):
    name = guest("--echo")
    watcher = site.session(name, "watch")
    watcher.type(b"x").problem(403, "read-only")
    watcher.type(b"x", echo=10).problem(403, "read-only")
    watcher.resize(rows=30, cols=90).problem(403, "read-only")
    typist = site.session(name)
    typist.type(b"end")
    assert watcher.read_until(b"end") == b"end"


def test_two_typists_interleave_by_request(site, guest):
    """Each request arrives in one piece, whoever else is typing."""
    name = guest("--echo")
    pieces = {b"a": b"a" * 7, b"b": b"b" * 11}
    rounds = 200
    typists = [site.session(name) for _ in pieces]
    start = threading.Barrier(len(typists))
    refused = collections.Counter()

    def run(session, piece):
        start.wait()
        for _ in range(rounds):
            while (answer := session.type(piece)).status == 503:
                refused[piece] += 1
            assert answer.json()["typed"] is True

    threads = [threading.Thread(target=run, args=pair)
               for pair in zip(typists, pieces.values())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = typists[0]
    size = rounds * sum(len(piece) for piece in pieces.values())
    reader.wait(lambda: reader.end - int(reader.made["from"].split(".")[1])
                >= size, "all of it")
    text = bytes(reader.output)
    while text:
        piece = pieces[text[:1]]
        assert text.startswith(piece)
        text = text[len(piece):]
    assert reader.output.count(b"a") == 7 * rounds
    assert reader.output.count(b"b") == 11 * rounds


def test_a_paste_of_the_largest_size_arrives_whole(session):
    data = bytes(range(32, 127)) * 173
    data = data[:16384]
    assert session.type(data).status == 200
    session.wait(lambda: session.end >= len(data), "the paste")
    assert bytes(session.output) == data


def fill(session):
    """Types numbered pieces until one is refused; those accepted."""
    taken = []
    while True:
        piece = b"%06d;" % len(taken) * 1170
        answer = session.type(piece)
        if answer.status != 200:
            return taken, piece, answer
        taken.append(piece)
        assert len(taken) < 64, "the queue has no end"


def test_a_guest_that_does_not_read(site, guest):
    """A request that does not fit is refused whole, its number is not used
    up; and the guest, when it reads again, gets what was accepted."""
    name = guest("--echo")
    session = site.session(name)
    site.host.pause(name)
    taken, piece, answer = fill(session)
    for _ in range(3):
        assert answer.problem(503, "queue-full")
        assert answer.headers["Retry-After"] == "1"
        answer = session.type(piece)
    assert session.current().json()["seq"] == len(taken)
    assert len(b"".join(taken)) >= 64 * 1024 - len(piece)
    # A small one still fits, in its turn.
    small = b"small"
    assert session.type(small).json() == \
        {"seq": len(taken) + 1, "typed": True}
    # Others are not held up, and another session meets the same queue.
    other = site.session("web1")
    assert other.type(b"k", echo=1000).output() == b"k"
    second = site.session(name)
    second.type(piece).problem(503, "queue-full")
    assert second.current().json()["seq"] == 0

    site.host.unpause(name)
    accepted = b"".join(taken) + small
    session.wait(lambda: session.end >= len(accepted), "what was accepted",
                 timeout=40)
    assert bytes(session.output) == accepted
    assert session.type(b"end", echo=1000).output() == b"end"


def test_a_deaf_guest_has_a_bounded_queue(site, guest):
    session = site.session(guest("--deaf"))
    taken, _, answer = fill(session)
    answer.problem(503, "queue-full")
    sizes = sum(map(len, taken))
    # 64 KiB in the worker, the rest in the kernel and in xenconsoled.
    assert sizes < 256 * 1024
    for _ in range(5):
        session.type(b"x" * 16384).problem(503, "queue-full")


def test_a_guest_that_ends_forgets_its_queue(site, guest):
    name = guest("--deaf")
    session = site.session(name)
    fill(session)
    site.host.destroy(name)
    session.wait_state("waiting")
    session.type(b"x").problem(409, "not-up")


def test_a_console_that_is_not_up(own_site):
    site = own_site(reboot_ms=3000)
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"before", echo=1000)
    site.host.reboot(name)
    session.wait_state("waiting")
    answer = session.type(b"lost?")
    assert "waiting" in answer.problem(409, "not-up")["detail"]
    session.type(b"lost?", echo=500).problem(409, "not-up")
    session.resize(rows=30, cols=90, tell_guest=True).problem(409, "not-up")
    assert session.current().json()["size"] == {"rows": 24, "cols": 80}
    session.wait_state("up")
    # The number was not used up.
    assert session.type(b"after", echo=1000).headers["Xenterm-Seq"] == "2"
    session.read_until(b"after")
    assert b"lost" not in session.output


