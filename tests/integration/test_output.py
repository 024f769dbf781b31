"""What viewers are shown: all of it, once, in order, from every position."""

import threading

import pytest

import standin
from standin import wait_for

KILO = 1024
LINE = "%08d all that a guest prints reaches every viewer, and once\r\n"


@pytest.fixture
def book(tmp_path):
    """book(nbytes): a file of numbered lines for a guest to print."""
    def write(size):
        lines = (size // len(LINE % 0)) + 1
        path = tmp_path / "book"
        path.write_bytes(b"".join((LINE % n).encode() for n in range(lines)))
        return path, path.read_bytes()

    return write


def follow(viewer, enough, json):
    """Polls in a thread of its own until enough() holds; joined by the
    caller, who then looks at `failed`."""
    failed = []

    def run():
        try:
            viewer.wait(enough, "all of the output", json, timeout=40)
        except BaseException as error:      # told by the caller
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


def follow_all(*viewers):
    """viewers: (session, condition, json?)"""
    running = [follow(*viewer) for viewer in viewers]
    for thread, _ in running:
        thread.join()
    for _, failed in running:
        assert not failed, failed


def test_two_viewers_read_the_same_book(site, guest, book):
    """400 KiB that fit into the ring: each has every byte, none twice, one
    in frames and one in JSON."""
    path, text = book(400 * KILO)
    name = guest("--file", path, prefix="always")
    first = site.session(name, "watch")
    second = site.session(name, "watch", user="viewer")
    for viewer in (first, second):
        viewer.poll(at="", wait=0)
        viewer.rewind()
        viewer.snapshots = 0
    follow_all((first, lambda: first.end >= len(text), False),
               (second, lambda: second.end >= len(text), True))
    for viewer in (first, second):
        assert bytes(viewer.output) == text
        assert viewer.snapshots == viewer.repeated == 0


def stretch(viewer):
    return viewer.begin, viewer.end


def common(first, second):
    """The bytes that both hold, as each has them."""
    begin = max(first.begin, second.begin)
    end = min(first.end, second.end)
    assert begin < end, (stretch(first), stretch(second))
    return [bytes(viewer.output[begin - viewer.begin:end - viewer.begin])
            for viewer in (first, second)]


def check_numbers(output):
    """The flood's lines, all but the first and the last, count on."""
    lines = output.split(b"^C")[0].split(b"\r\n")[1:-1]
    numbers = [int(line[:12]) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_two_viewers_of_an_endless_flood(site, guest):
    """No line is missing, and after Ctrl-C both have the same end."""
    name = guest("--flood")
    first = site.session(name, "type")
    second = site.session(name, "watch", user="viewer")
    follow_all((first, lambda: first.end > 400 * KILO, False),
               (second, lambda: second.end > 400 * KILO, True))
    assert first.type(b"\x03").status == 200
    follow_all((first, lambda: first.output.endswith(b"^C\r\n$ "), False),
               (second, lambda: second.output.endswith(b"^C\r\n$ "), True))
    assert first.end == second.end
    mine, theirs = common(first, second)
    assert mine == theirs and len(mine) > 200 * KILO
    check_numbers(mine)
    assert first.snapshots == second.snapshots == 0


def test_a_cut_connection_loses_and_repeats_nothing(site, guest):
    name = guest("--echo")
    viewer = site.session(name, "watch")
    typist = site.session(name)
    said = b""
    for n in range(30):
        piece = b"piece %d;" % n
        if n % 3 == 0:
            # The browser leaves in the middle of a poll.
            viewer.send_poll()
            viewer.poller.close()
        elif n % 3 == 1:
            # An answer is lost on its way; the same question follows.
            viewer.poller.close()
            viewer.send_poll()
            typist.type(piece)
            viewer.poller.receive()
            viewer.poller.close()
            said += piece
            viewer.read_until(said[-len(piece):])
            continue
        typist.type(piece)
        said += piece
        viewer.read_until(piece)
    assert bytes(viewer.output) == said
    assert viewer.repeated == viewer.snapshots == 0


def test_the_same_question_has_the_same_answer(site, guest):
    name = guest("--echo")
    viewer = site.session(name)
    viewer.type(b"abc", echo=1000)
    start = viewer.at
    first = viewer.poll(at=start)
    again = viewer.poll(at=start)
    assert first.output() == again.output() == b"abc"
    assert first.next == again.next
    assert first.frames() == again.frames()


def test_the_boot_is_there_for_the_first_viewer(site, guest, book):
    path, text = book(4 * KILO)
    name = guest("--file", path, prefix="always")
    site.wait_console(name)
    assert site.host.tty(name) in site.ttys_held()
    viewer = site.session(name, "watch")
    wait_for(lambda: viewer.poll(at="", wait=0) and viewer.end >= len(text),
             what="the boot log")
    assert viewer.history() == text
    assert viewer.screen(history=2000).splitlines() == \
        text.decode().splitlines()
    assert viewer.last("state")["state"] == "up"
    assert viewer.last("state")["domid"] == site.host.domid(name)
    assert viewer.last("size") == {"type": "size", "rows": 24, "cols": 80}
    assert viewer.last("viewers")["viewers"][0]["user"] == "admin"


def test_on_demand_nothing_is_held_before_the_first_session(
        site, guest, book):
    path, text = book(4 * KILO)
    name = guest("--file", path)
    tty = site.host.tty(name)
    domid = site.host.domid(name)
    lock = site.dir / f"run/lock/xenconsole.{domid}"
    assert site.consoles()[name]["state"] == "up"
    assert tty not in site.ttys_held() and not lock.exists()
    viewer = site.session(name, "watch")
    assert tty in site.ttys_held() and lock.exists()
    # xenconsoled has kept what came before.
    viewer.rewind()
    viewer.read_until(text[-len(LINE % 0):])
    assert bytes(viewer.output) == text
    # It stays held when the viewer has gone.
    viewer.delete()
    assert tty in site.ttys_held()


def test_an_answer_has_at_most_48_kib(site, guest, book):
    path, text = book(200 * KILO)
    name = guest("--file", path, prefix="always")
    viewer = site.session(name, "watch")
    viewer.rewind()
    viewer.read_until(text[-len(LINE % 0):])
    viewer.rewind()
    sizes = []
    while viewer.end < len(text):
        sizes.append(len(viewer.poll(wait=0).output()))
    assert max(sizes) == 48 * KILO and len(sizes) == 5


# --- Positions ---------------------------------------------------------------

@pytest.fixture
def talker(site, guest):
    """A session at a console that has printed "hello"."""
    session = site.session(guest("--echo"))
    session.type(b"hello")
    session.read_until(b"hello")
    session.wait(lambda: session.last("viewers"), "settled")
    return session


def is_snapshot(answer):
    assert answer.status == 200
    kinds = [kind for kind, _, _ in answer.frames()]
    # What is printed while it is made may follow at once.
    assert kinds in (["state", "viewers", "size", "snapshot"],
                     ["state", "viewers", "size", "snapshot", "output"])
    return next(data for kind, _, data in answer.frames()
                if kind == "snapshot")


UNKNOWN_POSITIONS = (
    "", "{other}.0", "{other}.{end}", "0.0", "0.5", "{run}.{beyond}",
    "{run}.18446744073709551615", "18446744073709551615.0",
    "{other}.{end}.{event}", "{run}.{beyond}.{event}")


def test_a_position_that_is_not_known_gets_the_screen(talker):
    run, end, event = talker.at.split(".")
    for at in UNKNOWN_POSITIONS:
        at = at.format(run=run, other=int(run) ^ 1, end=end, event=event,
                       beyond=int(end) + 1)
        answer = talker.poll(at=at, wait=20)
        assert b"hello" in is_snapshot(answer)
        assert answer.next.split(".")[:2] == [run, end]


def test_without_a_position_the_answer_comes_at_once(talker):
    answer = talker.request("GET", "api/v1/output")
    assert b"hello" in is_snapshot(answer)


def test_who_falls_behind_is_shown_the_screen(own_site):
    """An offset that the ring does not hold any more. The viewer who keeps up
    sees all of it."""
    site = own_site(conf="ring_size = 65536")
    name = site.guest("--flood")
    quick, slow = site.session(name), site.session(name, "watch", "viewer")
    start = slow.end
    quick.wait(lambda: quick.end > start + 200 * KILO, "200 KiB")
    answer = slow.poll(wait=20)
    assert is_snapshot(answer) and slow.snapshots == 1
    assert slow.begin > start + 64 * KILO
    quick.type(b"\x03")
    slow.read_until(b"^C\r\n$ ")
    quick.read_until(b"^C\r\n$ ")
    # On a busy machine the quick one may be too slow as well.
    one, other = sorted((quick.output, slow.output), key=len)
    assert other.endswith(one)
    for viewer in (quick, slow):
        if viewer.output.count(b"\n") > 3:
            check_numbers(viewer.output)


def test_a_position_without_an_event_is_told_of_later_ones(talker):
    run, end, _ = talker.at.split(".")
    assert talker.poll(at=f"{run}.{end}", wait=0).status == 204
    assert talker.poll(at=f"{run}.0", wait=0).frames() == \
        [("output", int(end), b"hello")]


def test_an_event_of_the_future_is_of_another_history(talker):
    run, end, event = talker.at.split(".")
    answer = talker.poll(at=f"{run}.{end}.{int(event) + 1000}", wait=20)
    assert [kind for kind, _, _ in answer.frames()] == \
        ["state", "viewers", "size"]
    assert answer.next == talker.at


def test_the_end_is_parked_and_then_204(talker):
    answer = talker.poll(wait=1)
    assert answer.status == 204 and answer.body == b""
    run, end, _ = answer.next.split(".")
    assert answer.next == talker.at
    assert talker.poll(wait=0).status == 204


NO_POSITIONS = (
    "x", "1", "1.", ".1", "1.2.", "1.2.3.4", "-1.0", "1.-1", "+1.0", "1.0x",
    "01.0", "1.00", "1.2.03", "1,0", "0x1.0", "1.1e3", "1.%20", "%201.0",
    "1.%00", "%FF.%FE", "18446744073709551616.0", "1.18446744073709551616",
    "1.2.18446744073709551615", "1.2.18446744073709551616", "9" * 400,
    "1." + "0" * 300, "%E2%82%AC.0", "latest", "1..2")


def test_what_is_no_position_is_refused(talker):
    for at in NO_POSITIONS:
        answer = talker.request("GET", f"api/v1/output?wait=20&from={at}")
        answer.problem(400, "bad-parameter")


def test_json_and_frames_say_the_same(talker):
    frames = talker.poll(at="", wait=0)
    json = talker.poll(at="", wait=0, json=True)
    assert frames.frames() == json.frames()
    assert frames.next == json.next


def test_every_byte_passes(site, guest):
    """Also those that are no text."""
    session = site.session(guest("--echo"))
    data = bytes(range(256)) * 8
    assert session.type(data).status == 200
    session.wait(lambda: session.end >= len(data), "all bytes", json=True,
                 timeout=standin.PATIENCE)
    assert bytes(session.output) == data
