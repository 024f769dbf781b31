"""The screen process: who opens a console sees it as it is, whatever becomes
of the process, and nobody pays for a console that nobody watches."""

import json
import os
import pathlib
import re
import signal
import threading

import pytest

from standin import wait_for

KILO = 1024
LINES = 32768     # LIMIT_CAST_LINES
CURSOR_QUESTION = b"\x1b[6n"
CURSOR_ANSWER = b"\x1b[%d;%dR"


def shows(session, text):
    """Waits until the screen says this; the screen."""
    return wait_for(lambda: (screen := session.screen()) == text and screen,
                    what=f"the screen {text!r}, not {session.screen()!r}")


def print_with_echo(session, data):
    """The guest echoes: so it prints what is typed."""
    assert session.type(data).status == 200
    end = session.end + len(data)
    session.wait(lambda: session.end >= end, f"{len(data)} bytes")


def screen_of(site, count=1):
    wait_for(lambda: len(site.screens()) == count,
             what=f"{count} screen processes")
    return site.screens()


# --- A glance ------------------------------------------------------------------

def glance(site, console, user="admin"):
    return site.request("GET", f"api/v1/preview?console={console}", user=user)


def test_a_glance_makes_nobody_a_viewer(site, guest):
    others = set(site.screens())    # sessions that other tests have left
    name = guest("--echo")
    glance(site, name).problem(409, "not-up")
    session = site.session(name)
    print_with_echo(session, b"what it printed")
    end = site.consoles()[name]["end"]
    assert end >= len(b"what it printed")
    session.delete()
    wait_for(lambda: site.consoles()[name]["viewers"] == 0, what="no viewer")
    answer = glance(site, name)
    assert answer.status == 200 and "what it printed" in answer.body.decode()
    assert answer.type.startswith("text/plain")
    assert site.consoles()[name]["viewers"] == 0
    assert site.consoles()[name]["end"] == end
    wait_for(lambda: set(site.screens()) <= others, what="no screen process")


def test_a_glance_takes_a_right(site):
    assert "end" not in site.consoles("lister")["web1"]
    glance(site, "web1", "lister").problem(403, "not-allowed")
    glance(site, "web1", "nobody").problem(404, "no-such-console")
    glance(site, "web9").problem(404, "no-such-console")
    glance(site, "").problem(404, "no-such-console")
    site.request("GET", "api/v1/preview").problem(400, "bad-parameter")
    site.request("GET", "api/v1/preview?console=web1&x=1") \
        .problem(400, "bad-parameter")


# --- What is shown -------------------------------------------------------------

def test_a_new_viewer_sees_what_was_drawn(site, guest):
    """As a full-screen program leaves it in the middle of its work."""
    first = site.session(guest("--echo"))
    print_with_echo(first, b"before\r\n\x1b[?1049h\x1b[2J\x1b[1;1H\x1b[44mtop"
                    b"\x1b[0m\x1b[24;70Hbottom\x1b[12;40H\x1b[?25l")
    second = site.session(first.made["console"], "watch")
    second.poll(at="", wait=0)
    assert second.snapshots == 1 and second.output == b""
    for part in (b"top", b"bottom", b"before", b"\x1b[?47h", b"\x1b[?25l"):
        assert part in second.snapshot
    lines = second.screen().split("\n")
    assert len(lines) == 24 and lines[0] == "top"
    assert lines[23] == " " * 69 + "bottom"


def test_the_middle_of_a_sequence_is_no_garbage(site, guest):
    """A viewer comes between two bytes of a character, and of a colour."""
    name = guest("--echo")
    first = site.session(name)
    print_with_echo(first, b"caf\xc3")
    second = site.session(name, "watch")
    second.poll(at="", wait=0)
    print_with_echo(first, b"\xa9 \x1b[3")
    ansi = first.request("GET", "api/v1/screen?format=ansi").body
    assert "é".encode() in ansi and ansi.endswith(b"\x1b[3")
    third = site.session(name, "watch")
    third.poll(at="", wait=0)
    print_with_echo(first, b"1mred")
    assert first.screen() == "café red"
    for viewer in (second, third):
        viewer.wait(lambda: viewer.end == first.end, "the rest")
    # One answer may be the screen as it was rendered, and what came then.
    assert second.snapshot.endswith(b"\xc3")
    assert second.output == b"\xa9 \x1b[31mred"
    assert second.output.endswith(third.output)


def test_screen_formats(site, guest):
    session = site.session(guest("--echo"))
    print_with_echo(session, b"\x1b[1;31m<b>&\"\x1b[0m\r\nline 2")
    html = session.request("GET", "api/v1/screen?format=html")
    assert html.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"&lt;b&gt;&amp;&quot;" in html.body and b"<b>" not in html.body
    json = session.request("GET", "api/v1/screen?format=json").json()
    assert json["rows"] == 24 and json["lines"][1]["spans"][0]["text"] == \
        "line 2"
    ansi = session.request("GET", "api/v1/screen?format=ansi")
    session.poll(at="", wait=0)
    assert ansi.body == session.snapshot
    text = session.request("GET", "api/v1/screen")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.body.split(b"\n")[:2] == [b"<b>&\"", b"line 2"]
    # Where it says the screen stands one can go on.
    assert session.poll(at=text.headers["Xenterm-Next"], wait=0).status == 204


def test_history_is_all_that_is_held(site, guest, tmp_path):
    path = tmp_path / "book"
    path.write_bytes(b"".join(b"\x1b[3%dmline %d\x1b[0m\r\n" % (n % 8, n)
                              for n in range(1000)))
    session = site.session(guest("--file", path, prefix="always"))
    wait_for(lambda: session.history() == path.read_bytes())
    text = session.request("GET", "api/v1/history").body.decode()
    assert text.rstrip("\n").split("\n") == [f"line {n}" for n in range(1000)]
    above = session.screen(history=100).split("\n")
    assert above[0] == f"line {1000 - 23 - 100}" and above[-1] == "line 999"


def test_a_recording_of_short_lines_is_short(site, guest, tmp_path):
    """What it costs is the lines: a guest must not have the worker write a
    million events while others wait."""
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % (n % 10) for n in range(50000)))
    session = site.session(guest("--file", path, prefix="always"))
    wait_for(lambda: session.history() == path.read_bytes())
    cast = session.request("GET", "api/v1/history?format=cast").body.decode()
    events = [json.loads(line) for line in cast.splitlines()[1:]]
    lines, (_, kind, mark), (_, last, screen) = \
        events[:-2], events[-2], events[-1]
    assert (kind, mark, last) == ("m", "the screen", "o")
    assert [text for _, _, text in lines] == [
        f"{n % 10}\n" for n in range(50000 - LINES, 50000)]
    assert lines[1][0] - lines[0][0] == pytest.approx(0.02)
    assert screen.startswith("\x18\x1bc")


BAD = (
    "screen?format=", "screen?format=pdf", "screen?format=TEXT",
    "screen?format=text&format=text", "screen?history=-1",
    "screen?history=2001", "screen?history=x", "screen?history=1e3",
    "screen?rows=3", "screen?history=%FF", "history?format=casts",
    "history?format=html", "history?history=5", "history?format=raw&x=1")


def test_what_cannot_be_asked(site):
    session = site.session("web1")
    for query in BAD:
        session.request("GET", f"api/v1/{query}").problem(400, "bad-parameter")
    for call in ("screen", "history"):
        session.request("POST", f"api/v1/{call}").problem(405, "method")
        site.request("GET", f"api/v1/{call}").problem(401, "no-token")


def test_a_size_holds_from_its_offset_on(site, guest):
    """Who was away during a change of size wraps lines as everyone else."""
    name = guest("--echo")
    session, late = site.session(name), site.session(name, "watch")
    late.poll(at="", wait=0)
    at = late.at
    print_with_echo(session, b"x" * 100 + b"\r\n")
    session.resize(rows=24, cols=132)
    print_with_echo(session, b"y" * 10)
    shows(session, "x" * 100 + "\n" + "y" * 10)
    answer = late.poll(at=at, wait=0)
    kinds = [(kind, payload) for kind, _, payload in answer.frames()
             if kind in ("output", "size")]
    assert [kind for kind, _ in kinds] == ["output", "size", "output"]
    assert kinds[0][1] == b"x" * 100 + b"\r\n" and kinds[2][1] == b"y" * 10


# --- The process --------------------------------------------------------------

def test_processes_are_there_for_viewers_only(own_site):
    site = own_site()
    names = [site.guest("--echo") for _ in range(3)]
    wait_for(lambda: site.healthz()["consoles"] == 3)
    assert site.screens() == []
    sessions = [site.session(name) for name in names]
    sessions.append(site.session(names[0], "watch"))
    screen_of(site, 3)
    sessions.pop().delete()
    print_with_echo(sessions[0], b"kept")
    assert sessions[0].screen() == "kept" and len(site.screens()) == 3
    for session in sessions:
        session.delete()
    screen_of(site, 0)
    again = site.session(names[0])
    assert again.screen() == "kept"
    screen_of(site, 1)
    site.end("worker")
    site.start_worker()
    site.wait_connected()
    # Its viewer is there for the next worker, too.
    assert again.screen() == "kept"
    screen_of(site, 1)
    again.delete()
    screen_of(site, 0)


def test_unread_output_goes_through_the_screen_before_it_is_lost(own_site):
    """What set the screen up has left the ring long ago, and nobody was there
    to see it."""
    site = own_site(conf="ring_size = 65536")
    name = site.guest("--echo", prefix="always")
    session = site.session(name)
    session.type(b"\x1b[2J\x1b[1;1H\x1b[7mtitle\x1b[0m\x1b[5;24r\x1b[5;1H")
    session.read_until(b"\x1b[5;1H")
    line = b"%06d of a long log" + b"." * 40 + b"\r\n"
    sent = 0
    session.delete()
    screen_of(site, 0)
    # The writer's session has no viewer of its own: it is made and left.
    while sent < 150 * KILO:
        block = b"".join(line % (sent + n) for n in range(250))
        writer = site.session(name)
        end = int(writer.made["from"].split(".")[1])
        while writer.type(block).status == 503:
            pass
        writer.at = writer.made["from"]
        wait_for(lambda: writer.poll(wait=1) and
                 int(writer.at.split(".")[1]) >= end + len(block), 60)
        writer.delete()
        sent += len(block)
    lines = site.session(name).screen().split("\n")
    assert lines[0] == "title"
    assert lines[-1].endswith("of a long log" + "." * 40)


def test_nobody_watches_a_flood(own_site):
    """The ring laps many times without a viewer; the screen follows."""
    site = own_site(conf="ring_size = 65536")
    name = site.guest("--flood", prefix="always")
    seen = set()
    wait_for(lambda: seen.update(site.screens()) or len(seen) >= 3,
             what="screen processes that come and go")
    session = site.session(name)
    assert session.type(b"\x03").status == 200
    # Ctrl-C may come between a carriage return and its line feed.
    wait_for(lambda: re.search(r"\^C[^\n]*\n\$$", session.screen()), 30,
             "the end of the flood")
    lines = session.screen(history=500).split("\n")[:-2]
    assert len(lines) > 400


@pytest.mark.parametrize("sig", (signal.SIGKILL, signal.SIGSEGV))
def test_a_process_dies_under_output(own_site, sig):
    """Its viewer misses nothing, and the next one draws the same screen."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    print_with_echo(session, b"\x1b[2J\x1b[1;1Htop\x1b[3;24r\x1b[3;1H")
    sent = bytes(session.output)
    for n in range(12):
        pid, = screen_of(site)
        block = b"".join(b"%d of round %d\r\n" % (line, n)
                         for line in range(20))
        session.type(block)
        os.kill(pid, sig)
        sent += block
        session.wait(lambda: session.end == len(sent), "all of it")
        shown = session.screen().split("\n")
        assert shown[0] == "top" and shown[-1] == f"19 of round {n}"
        assert screen_of(site) != [pid]
    assert session.history() == sent
    assert session.snapshots == 0 or session.output in sent


class Killer:
    """Kills every screen process as soon as it is there."""

    def __init__(self, site):
        self.site, self.killed, self.over = site, set(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def run(self):
        while not self.over.wait(0.002):
            for pid in self.site.screens():
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.killed.add(pid)
                except ProcessLookupError:
                    pass

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_processes_that_keep_dying_are_given_up(own_site):
    """On the same bytes: then viewers get raw output and are told, until the
    bytes have left the ring."""
    site = own_site(conf="ring_size = 65536")
    name = site.guest("--echo")
    session = site.session(name)
    print_with_echo(session, b"the last words")
    # Who gets further than the one before him is the first one again.
    assert session.screen() == "the last words"
    with Killer(site) as killer:
        wait_for(lambda: "has no screen until" in site.log("worker"))
        session.poll(at="", wait=0)
        assert session.last("notice")["code"] == "no-screen"
        assert session.snapshot == b"the last words"
        session.request("GET", "api/v1/screen").problem(503, "no-screen")
        print_with_echo(session, b" and more")
        assert session.output == b" and more"
        # A new viewer starts none; four have been started before.
        other = site.session(name, "watch")
        other.poll(at="", wait=0)
        assert other.last("notice")["code"] == "no-screen"
        assert len(killer.killed) == 4
    assert site.screens() == []
    for _ in range(8):
        print_with_echo(session, b"more and more\r\n" * 700)
    screen_of(site)
    wait_for(lambda: session.request("GET", "api/v1/screen").status == 200)
    assert session.screen().split("\n")[-1] == "more and more"
    again = site.session(name, "watch")
    again.poll(at="", wait=0)
    assert again.last("notice") == {}


def test_a_process_that_hangs_is_replaced(own_site):
    site = own_site()
    session = site.session(site.guest("--echo"))
    print_with_echo(session, b"hello")
    pid, = screen_of(site)
    assert session.screen() == "hello"
    os.kill(pid, signal.SIGSTOP)
    # Its viewer goes on meanwhile; who asks for the screen waits.
    assert session.type(b" you", echo=1000).output() == b" you"
    assert session.screen() == "hello you"
    assert screen_of(site) != [pid]
    assert "does not answer" in site.log("worker")


# --- Answers ------------------------------------------------------------------

def test_the_terminal_answers_once(site, guest):
    """However many viewers there are."""
    name = guest("--echo")
    sessions = [site.session(name) for _ in range(3)]
    sessions.append(site.session(name, "watch"))
    for session in sessions:
        session.poll(at="", wait=0)
    print_with_echo(sessions[0], b"\x1b[10;20H" + CURSOR_QUESTION)
    answer = CURSOR_ANSWER % (10, 20)
    sessions[0].read_until(answer)
    assert sessions[0].type(b"end", echo=1000).status == 200
    assert sessions[0].history() == \
        b"\x1b[10;20H" + CURSOR_QUESTION + answer + b"end"


def test_watchers_make_no_answer(site, guest, tmp_path):
    path = tmp_path / "question"
    path.write_bytes(b"x" + CURSOR_QUESTION + b"\x1b[c")
    name = guest("--file", path, prefix="always")
    viewer = site.session(name, "watch")
    wait_for(lambda: viewer.history() == path.read_bytes())
    assert viewer.screen() == "x"
    # Nor does who comes later answer what was asked before.
    typist = site.session(name)
    assert typist.screen() == "x"
    assert typist.history() == path.read_bytes()


def test_an_answer_is_not_given_again_after_a_death(own_site):
    site = own_site()
    session = site.session(site.guest("--echo"))
    print_with_echo(session, CURSOR_QUESTION)
    session.read_until(CURSOR_ANSWER % (1, 1))
    pid, = screen_of(site)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.screens() not in ([], [pid]))
    assert session.screen() == ""
    assert session.history() == CURSOR_QUESTION + CURSOR_ANSWER % (1, 1)


def test_questions_without_end_do_not_lock_the_typist_out(site, guest,
                                                          tmp_path):
    """A guest that asks and does not read: its answers are few, and whoever
    types still can."""
    path = tmp_path / "questions"
    path.write_bytes(CURSOR_QUESTION * 100000)
    name = guest("--file", path)
    session = site.session(name)
    session.wait(lambda: session.end >= 400000, "the questions")
    assert session.screen() == ""
    assert session.type(b"me too").status == 200


# --- Confinement ---------------------------------------------------------------

def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines()
                if ":\t" in line)


def test_a_screen_process_sees_one_console_only(own_site):
    site = own_site()
    sessions = [site.session(site.guest("--echo")) for _ in range(2)]
    for session in sessions:
        session.screen()
    for pid in screen_of(site, 2):
        status = status_of(pid)
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
        assert {status[name].strip("0") for name in
                ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
                if name != "CapBnd"} == {""}
        assert "0" not in status["Uid"].split()
        fds = os.listdir(f"/proc/{pid}/fd")
        assert len(fds) == 1
        assert os.readlink(f"/proc/{pid}/fd/{fds[0]}").startswith("socket:")
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        rings = re.findall(r"^\S+ (\S+) \S+ \S+ (\d+) .*memfd:xenterm-ring",
                           maps, re.M)
        assert {rights for rights, _ in rings} == {"r--s"}
        assert len({inode for _, inode in rings}) == 1
    assert status_of(site.pid("worker"))["NoNewPrivs"] == "1"
