"""xenterm-logger: what consoles print, in files; and hooks."""

import base64
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import uuid

import pytest

import fastcgi
import whole_site
from standin import wait_for
from whole_site import BUILD, PATIENCE
from xenterm import Terminal, xenterm

LOGGER = BUILD / "xenterm-logger"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ([|+*]) (.*)")

CONF = """
log_dir = "/run/consoles"
{user}
hold "web*" {{ mode = always }}
log "web*" {{ {log} }}
{more}
"""


class Logger:
    """A site with a logger, whose files are looked at."""

    def __init__(self, own_site, log="text = true", more="",
                 user='log_user = "nobody"'):
        self.site = own_site(conf=CONF.format(log=log, more=more, user=user))
        # In there it is /run/consoles, in folders that all users may enter.
        self.dir = self.site.dir / "run/consoles"
        self.conf = self.site.dir / "outside.conf"
        self.conf.write_text(f'log_dir = "{self.dir}"\n')
        self.start()

    def start(self):
        self.process = self.site.start_program("logger", LOGGER)
        wait_for(self.is_connected, what="the logger at the worker")

    def is_connected(self):
        assert self.process.poll() is None, self.site.log("logger")
        metrics = self.site.admin("GET", "/metrics").body.decode()
        return "\nxenterm_logger_connected 1\n" in metrics

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, self.site.log("logger")
        assert not whole_site.REPORTS.search(self.site.log("logger"))

    def folder(self, name):
        return self.dir / "by-name" / name

    def lines(self, name):
        """[(kind, text)] of all its files, the oldest first."""
        files = sorted(self.folder(name).glob("console.log*"), reverse=True,
                       key=lambda path: len(path.name) > 11 and
                       int(path.suffix[1:]) or 0)
        found = []
        for path in files:
            for line in path.read_text().splitlines():
                match = LINE.fullmatch(line)
                assert match, line
                found.append(match.groups())
        return found

    def wait_line(self, name, wanted):
        def there():
            folder = self.folder(name)
            return folder.exists() and wanted in self.lines(name)
        wait_for(there, 30, f"{wanted} in {self.dir}")

    def casts(self, name):
        return sorted(self.folder(name).glob("*.cast"))


@pytest.fixture
def logger(own_site):
    started = []

    def start(**options):
        started.append(Logger(own_site, **options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end()


def shell(script):
    return "/bin/sh", "-c", script


def test_lines_and_boots(logger):
    it = logger()
    site = it.site
    site.guest(*shell("printf 'Booting\\r\\n\\033[1mbold\\033[0m\\n';"
                      "printf 'login: '; exec cat"), name="web1", prefix="")
    it.wait_line("web1", ("|", "bold"))
    # A prompt is written although no line has ended.
    it.wait_line("web1", ("|", "login: "))
    domid = site.host.domid("web1")
    assert it.lines("web1")[0] == ("*", f"boot: domain {domid}")
    assert ("|", "Booting") in it.lines("web1")
    site.host.reboot("web1")
    wait_for(lambda: site.host.domid("web1") not in (None, domid), 30)
    again = ("*", f"boot: domain {site.host.domid('web1')}")
    it.wait_line("web1", again)
    wait_for(lambda: it.lines("web1").count(("|", "login: ")) == 2, 30)
    lines = it.lines("web1")
    assert lines.index(again) > lines.index(("|", "login: "))
    assert lines.count(("|", "Booting")) == 2
    # Files are for nobody else; and it can read, no more.
    assert (it.dir / "by-name").owner() == "nobody"
    assert (site.dir / "run/xenterm/feed.sock").owner() == "nobody"
    assert (it.folder("web1") / "console.log").stat().st_mode & 0o777 == 0o640
    # A guest that is not asked for is not logged.
    site.guest("--echo", name="other")
    assert not it.folder("other").exists()


def numbered(it, name):
    return [int(text) for kind, text in it.lines(name)
            if kind == "|" and text.isdigit()]


COUNTER = shell("i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done")


@pytest.mark.parametrize("who", ("logger", "worker"))
def test_nothing_is_lost_or_twice(logger, who):
    """Each is killed while a guest prints."""
    it = logger()
    site = it.site
    site.guest(*COUNTER, name="web1", prefix="")
    it.wait_line("web1", ("|", "100"))
    for _ in range(3):
        if who == "logger":
            it.kill()
            it.start()
        else:
            site.kill_worker()
            site.start_worker()
            site.wait_connected()
            wait_for(it.is_connected, 30)
        goal = numbered(it, "web1")[-1] + 200
        it.wait_line("web1", ("|", str(goal)))
    seen = numbered(it, "web1")
    assert seen == list(range(1, len(seen) + 1))
    marks = [text for kind, text in it.lines("web1") if kind == "*"]
    assert not any("missing" in mark for mark in marks), marks


def test_a_gap_is_told(logger):
    """What the ring has lost while no logger was there."""
    it = logger(more="ring_size = 65536")
    site = it.site
    site.guest(*shell("i=0; x=$(printf %0200d 0); while :; do i=$((i+1));"
                      "echo $i; echo x$x; sleep 0.002; done"),
               name="web1", prefix="")
    it.wait_line("web1", ("|", "100"))
    it.end()
    end = lambda: site.admin("GET", "/consoles").json()["consoles"][0]["ring"]
    session = site.session("web1")
    wait_for(lambda: end()["begin"] > 100000, 60, "a ring that has wrapped")
    it.start()
    wait_for(lambda: any("missing here" in text
                         for kind, text in it.lines("web1") if kind == "*"), 30)
    session.delete()
    it.wait_line("web1", ("|", str(numbered(it, "web1")[-1] + 10)))
    lines = it.lines("web1")
    gap = next(i for i, line in enumerate(lines) if "missing here" in line[1])
    # What follows it may be the end of a line.
    lines[gap + 1:gap + 2] = []
    seen = [int(text) for kind, text in lines if kind == "|" and text.isdigit()]
    assert seen == sorted(set(seen))


def test_rotation_and_reopening(logger):
    it = logger(log="size = 4096\n keep = 3")
    site = it.site
    site.guest(*COUNTER, name="web1", prefix="")
    folder = it.folder("web1")
    wait_for(lambda: (folder / "console.log.2").exists(), 30)
    it.wait_line("web1", ("|", "600"))
    assert not (folder / "console.log.3").exists()
    # Somebody moves it, as logrotate does.
    moved = folder / "moved"
    (folder / "console.log").rename(moved)
    it.process.send_signal(signal.SIGHUP)
    wait_for(lambda: (folder / "console.log").exists(), 30)


@pytest.mark.parametrize("mode", ("always", "sessions"))
def test_recordings_show_the_same_screen(logger, mode):
    """Replayed by the product's own emulator, cell by cell; also over a
    restart of the logger."""
    it = logger(log=f"record = {mode}")
    site = it.site
    site.guest("--echo", name="web1", prefix="")
    session = site.session("web1")
    session.type("before\r\n")
    session.read_until(b"before")
    wait_for(lambda: it.folder("web1").exists() and it.casts("web1"), 30)
    session.type("\x1b[2J\x1b[5;7H\x1b[1;32mgreen \u20ac \u6f22\x1b[0m\r\n")
    session.read_until("\u6f22".encode())
    it.kill()
    session.type("while away\r\n")
    it.start()
    session.type("\x1b[7mend\x1b[0m\x1b[3A\x1b[4h!\x1b[4l\r\n last")
    session.read_until(b"last")

    def recorded():
        text = it.casts("web1")[-1].read_text()
        return " last" in text and [json.loads(line)
                                    for line in text.splitlines()]

    head, *events = wait_for(recorded, 30)
    assert (head["version"], head["width"], head["height"]) == (2, 80, 24)
    times = [event[0] for event in events]
    assert times == sorted(times)
    assert not any(event[1] == "i" for event in events)
    assert screen_of(site, head, events) == cells(session)


def test_history_as_a_recording(site, guest):
    """Of the ring alone: no logger is there."""
    session = site.session(guest("--echo"))
    session.type("caf\u00e9 \x1b[31mred\r\nline\xff\x1b[2;20Hhere")
    session.read_until(b"here")
    answer = session.request("GET", "api/v1/history?format=cast")
    assert (answer.status, answer.type) == (200, "application/x-asciicast")
    assert answer.headers["Xenterm-Next"].startswith(session.run)
    head, *events = [json.loads(line)
                     for line in answer.body.decode().splitlines()]
    assert (head["version"], head["width"], head["height"]) == (2, 80, 24)
    assert [event[1] for event in events] == ["o", "o", "m", "o"]
    assert events[0][2] == "caf\u00e9 \x1b[31mred\r\n"
    wanted = cells(session)
    assert screen_of(site, head, events) == wanted
    # The end alone is the screen, whatever went before it.
    assert screen_of(site, head, events[-1:]) == wanted


def cells(session):
    answer = session.request("GET", "api/v1/screen?format=json")
    screen = answer.json()
    for name in ("generation", "offset"):
        screen.pop(name, None)
    return screen


def screen_of(site, head, events):
    """A guest that prints what a player would."""
    data = "".join(event[2] for event in events if event[1] == "o")
    text = base64.b64encode(data.encode()).decode()
    name = site.guest(*shell(f"stty raw -echo; echo {text} | base64 -d; "
                             "exec sleep 1000"), prefix="replay")
    session = site.session(name)
    size = len(data.encode())
    wait_for(lambda: len(session.history()) >= size, 30, "the replay")
    assert session.history() == data.encode()
    return cells(session)


def test_input_and_markers(logger):
    it = logger(log="record = always\n input = true", user="")
    assert (it.site.dir / "run/xenterm/feed.sock").owner() == "daemon"
    site = it.site
    site.guest("--echo", name="web1", prefix="")
    session = site.session("web1")
    wait_for(lambda: it.folder("web1").exists() and it.casts("web1"), 30)
    session.type("typed")
    session.resize(rows=30, cols=100)

    def events(code):
        return [json.loads(line)[2] for path in it.casts("web1")
                for line in path.read_text().splitlines()[1:]
                if json.loads(line)[1] == code]

    wait_for(lambda: "typed" in "".join(events("i")), 30, "input")
    wait_for(lambda: "100x30" in events("r"), 30, "the size")
    session.delete()
    wait_for(lambda: "viewers: 0" in events("m"), 30, "the viewer's leaving")
    site.host.reboot("web1")
    wait_for(lambda: any(m.startswith("boot: ") for m in events("m")), 30)


def runner_of(it):
    """The process that calls the hooks."""
    pid = it.process.inside()
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path, encoding="ascii") as children:
        return int(children.read())


def test_what_is_called_comes_to_its_end(logger):
    """Also when all processes of the logger are told to end, as by systemd."""
    it = logger(more="""hook "slow" { events = {"up"}
    command = {"/bin/sh", "-c", "touch /run/consoles/begun;
        until [ -e /run/consoles/go ]; do sleep 0.05; done;
        touch /run/consoles/done"} }""")
    it.site.guest("--echo", name="web1")
    wait_for((it.dir / "begun").exists, 30, "the hook")
    os.kill(runner_of(it), signal.SIGTERM)
    it.process.terminate()
    wait_for(lambda: "ends on signal" in it.site.log("logger"), 30)
    (it.dir / "go").touch()
    assert it.process.wait(30) == 0
    assert (it.dir / "done").exists()


def test_the_process_that_calls_hooks_is_killed(logger):
    """The logger is not without it: it ends, is started again, and goes on."""
    it = logger(more='hook "up" { events = {"up"} command = {"/bin/true"} }')
    it.site.guest("--echo", name="web1")
    it.wait_line("web1", ("*", f"boot: domain {it.site.host.domid('web1')}"))
    os.kill(runner_of(it), signal.SIGKILL)
    assert it.process.wait(30) == 1
    assert "calls the hooks has ended" in it.site.log("logger")
    it.start()


class Endpoint(http.server.BaseHTTPRequestHandler):
    told = []

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        Endpoint.told.append(json.loads(self.rfile.read(size)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_hooks(logger):
    command = "/run/hook"
    it = logger(log="silent = 1", more=f"""
hook "all" {{
    events = {{"up", "gone", "silent", "crash", "take-over"}}
    command = {{"{command}"}}
    per_minute = 600
}}
hook "lines" {{
    lines = {{"disk [a-z]+ fails", "(a+)+$"}}
    command = {{"{command}"}}
    per_minute = 3
}}
hook "slow" {{ events = {{"up"}}
    command = {{"/bin/sleep", "1000"}} }}
access "bob" {{ users = {{"viewer"}}
    consoles = {{"*"}}
    rights = {{"force"}} }}
""")
    site = it.site
    told = it.dir / "told"
    hook = site.dir / "run/hook"
    hook.write_text("#!/bin/sh\n(cat; echo) >>/run/consoles/told\n")
    hook.chmod(0o755)
    site.guest(*shell(
        "printf 'Kernel panic - not syncing\\n\\nend Kernel panic\\n';"
        "i=0; while [ $i -lt 20 ]; do echo disk sda fails; i=$((i+1)); done;"
        "printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\\n';"
        "echo over; exec sleep 1000"), name="web1", prefix="")
    it.wait_line("web1", ("|", "over"))

    def events():
        lines = told.read_text().splitlines() if told.exists() else []
        return [json.loads(line) for line in lines if line]

    def one(kind):
        return [event for event in events() if event["event"] == kind]

    wait_for(lambda: one("silent"), 40, "a silent guest")
    crash, = one("crash")
    assert crash["line"] == "Kernel panic - not syncing"
    assert crash["name"] == "web1" and crash["domid"] == site.host.domid("web1")
    assert len(one("up")) == 1
    assert [e["line"] for e in one("line")] == ["disk sda fails"] * 3
    assert ("*", "crash: Kernel panic - not syncing") in it.lines("web1")
    first = site.session("web1")
    answer = site.request("POST", "api/v1/sessions", {
        "console": "web1", "mode": "type", "take": "force"}, user="viewer")
    assert answer.status == 201, answer
    wait_for(lambda: one("take-over"), 40)
    assert one("take-over")[0]["by"] == "viewer"
    first.delete()


def test_hook_by_http(logger):
    with http.server.HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            it = logger(more=f"""hook "web" {{ events = {{"up"}}
    url = "http://127.0.0.1:{port}/told" }}""")
            it.site.guest("--echo", name="web1")
            wait_for(lambda: Endpoint.told or
                     "hook web:" in it.site.log("logger"), 30)
        finally:
            server.shutdown()
            thread.join()
    # The host of the tests has a network of its own, or shares ours.
    if Endpoint.told:
        assert Endpoint.told[0]["event"] == "up"
        assert Endpoint.told[0]["name"] == "web1"


def test_idle_costs_nothing(logger):
    """No system call of the logger while its guests are silent."""
    it = logger()
    site = it.site
    for _ in range(3):
        site.guest("--echo", prefix="web")
    wait_for(lambda: len(list(it.dir.glob("*.pv0"))) == 3, 30)

    def switches():
        folder = f"/proc/{it.process.inside()}/task"
        return sum(int(line.split()[1]) for task in os.listdir(folder)
                   for line in open(f"{folder}/{task}/status")
                   if "ctxt_switches" in line)

    def is_still():
        before = switches()
        time.sleep(3)
        return switches() == before

    wait_for(is_still, 30, "a logger that does nothing")


def feed(site):
    return fastcgi.connect(site.dir / "run/xenterm/feed.sock", 30)


def frame(kind, payload):
    return struct.pack("!cI", kind, len(payload)) + payload


def read_frames(sock):
    """(type, payload), until the worker hangs up; it may do that in the middle
    of the last one."""
    data = b""
    while True:
        while len(data) < 5 or len(data) < 5 + struct.unpack("!I", data[1:5])[0]:
            more = sock.recv(65536)
            if not more:
                if data:
                    yield data[:1], data[5:]
                return
            data += more
        size = struct.unpack("!I", data[1:5])[0]
        yield data[:1], data[5:5 + size]
        data = data[5 + size:]


@pytest.mark.parametrize("junk", (
    b"\0" * 16, b"x" * 65536, frame(b"f", b"short"), frame(b"f", b"l" * 22),
    frame(b"S", b""), frame(b"?", b"1234"), b"f\xff\xff\xff\xff",
    frame(b"o", b"\0" * 20)), ids=range(8))
def test_the_feed_takes_no_nonsense(site, junk):
    """It says which consoles there are, as to anybody, and hangs up."""
    with feed(site) as sock:
        sock.sendall(junk)
        try:
            assert all(kind == b"c" for kind, _ in read_frames(sock))
        except ConnectionResetError:
            pass  # It has not read all of it.
    assert site.healthz()["ready"]


def test_the_feed_has_one_reader(site, guest):
    """The latest; numbers that name nothing are no mistake."""
    name = guest("--echo", prefix="always")
    with feed(site) as first, feed(site) as second:
        assert all(kind == b"c" for kind, _ in read_frames(first))
        frames = read_frames(second)
        console = next(c for c in (json.loads(payload) for _, payload in frames)
                       if c["name"] == name)
        second.sendall(frame(b"S", b"\0\0\xff\xff")
                       + frame(b"f", b"\0\0\xff\xff" + bytes(17)))
        # From nowhere: what is held.
        site.admin("POST", f"/send?console={name}", b"some bytes")
        second.sendall(frame(b"f", struct.pack(
            "!IQQB", console["number"], 7, 2 ** 63, 0)))
        kind, payload = next(f for f in frames if f[0] != b"c")
        number, run, offset = struct.unpack("!IQQ", payload[:20])
        assert (kind, number, offset) == (b"o", console["number"], 0)
        assert b"some bytes".startswith(payload[20:])
        site.host.destroy(name)
    wait_for(lambda: "\nxenterm_logger_connected 0\n" in
             site.admin("GET", "/metrics").body.decode())


@pytest.mark.parametrize("bad, why", (
    ('log "x" { record = "maybe" }', "must be off, sessions or always"),
    ('log "x" { size = 1 }', "must be from 4096"),
    ('log "x" { crash = {"("} }', "crash"),
    ('hook "x" { }', "needs url or command"),
    ('hook "x" { url = "ftp://x" }', "must begin with http"),
    ('hook "x" { command = {"sh"} }', "absolute path"),
    ('hook "x" { command = {"/bin/true"} events = {"down"} }', "none of up"),
    ('hook "x" { command = {"/bin/true"} lines = {"("} }', "lines"),
    ('log_dir = "here"', "absolute path")))
def test_mistakes_are_told(tmp_path, bad, why):
    conf = tmp_path / "xenterm.conf"
    # Nobody else may enter pytest's folders.
    conf.write_text(f'user = "root"\nrun_dir = "{tmp_path}/run"\n'
                    + ("" if "log_dir" in bad else
                       f'log_dir = "{tmp_path}/logs"\n') + bad + "\n")
    done = subprocess.run([LOGGER, "-f", "-c", conf], text=True, timeout=30,
                          capture_output=True)
    assert done.returncode in (1, 2) and why in done.stderr, done.stderr


# --- By the web -------------------------------------------------------------------

READER = """
access "reader" {{ users = {{"viewer"}}
    consoles = {{"web*"}}
    rights = {{"log"}} }}
log_group = "{group}"
"""


def test_logs_by_the_web(logger):
    it = logger(log="record = always", more=READER.format(group="www-data"))
    site = it.site
    site.guest("--echo", name="web1")
    site.guest("--echo", name="other1")
    session = site.session("web1")
    session.type("a line\r\n")
    it.wait_line("web1", ("|", "a line"))
    wait_for(lambda: it.casts("web1"), 30)

    def get(path, user="viewer", **more):
        return site.request("GET", f"api/v1/logs/{path}", user=user, **more)

    listed = get("web1")
    assert (listed.status, listed.type) == (200, "application/json")
    names = {entry["name"] for entry in listed.json()}
    assert {"console.log", "state", it.casts("web1")[0].name} <= names
    text = get("web1?file=console.log")
    assert text.type == "text/plain; charset=utf-8"
    assert text.body == (it.folder("web1") / "console.log").read_bytes()
    assert text.headers["Cache-Control"] == "no-store"
    assert text.headers["X-Content-Type-Options"] == "nosniff"
    assert get(f"{session.id}?file=console.log").body == text.body
    cast = get(f"web1?file={it.casts('web1')[0].name}")
    assert (cast.status, cast.type) == (200, "application/x-asciicast")
    assert json.loads(cast.body.split(b"\n")[0])["version"] == 2
    # Not what is not there, nor anything else.
    get("web1?file=console.log.7").problem(404, "no-such-log")
    for name in ("state", "..", "../by-name", "console.log/../state", "",
                 "console.log.1234", "console.log.", ".cast", "%2e%2e",
                 "console.log%00", "a/b.cast", "etc.cast"):
        get(f"web1?file={name}").problem(400, "bad-parameter")
    # The right is one of its own.
    get("web1", user="admin").problem(403, "not-allowed")
    get("web1", user="nobody").problem(404, "no-such-console")
    get("other1").problem(403, "not-allowed")
    get("nothing").problem(404, "no-such-console")
    consoles = site.consoles("viewer")
    assert "log" in consoles["web1"]["rights"]
    assert "log" not in consoles["other1"]["rights"]
    # Nobody comes there without the worker.
    for user in ("viewer", "admin"):
        answer = site.request(
            "GET", f"/xenterm-logs/{session.id.replace('/', '.')}/console.log",
            user=user)
        assert answer.status == 404 and b"a line" not in answer.body


def test_logs_are_not_served_unless_asked_for(own_site):
    site = own_site(conf=READER.format(group=""))
    site.guest("--echo", name="web1")
    site.request("GET", "api/v1/logs/web1", user="viewer").problem(
        404, "no-such-path")


# --- The command ---------------------------------------------------------------

def test_log_by_boot_and_crash(logger):
    it = logger()
    site = it.site
    site.guest(*shell("echo starting; read -r a; echo $a; exec sleep 1000"),
               name="web1", prefix="")
    it.wait_line("web1", ("|", "starting"))
    xenterm(site, "send", "-e", "web1", "Kernel panic - in the first")
    it.wait_line("web1", ("*", "crash: Kernel panic - in the first"))
    first = site.host.domid("web1")
    site.host.reboot("web1")
    wait_for(lambda: it.lines("web1").count(("|", "starting")) == 2, 30)
    xenterm(site, "send", "-e", "web1", "all\tis well")
    it.wait_line("web1", ("|", "all\tis well"))

    def texts(*args):
        return [line[27:] for line in
                xenterm(site, "-c", it.conf, "log", *args, "web1").splitlines()]

    assert texts() == [text for _, text in it.lines("web1")]
    before = texts("--boot", "-1")
    assert before[0] == f"boot: domain {first}"
    assert "Kernel panic - in the first" in before
    assert texts("-b", "1") == before
    last = texts("-b", "0")
    assert last[0] == f"boot: domain {site.host.domid('web1')}"
    assert "all\tis well" in last and "Kernel" not in "".join(last)
    assert texts("-n", "1") == texts()[-1:]
    crash = texts("--crash")
    assert "crash: Kernel panic - in the first" in crash
    assert "all\tis well" not in crash
    assert crash[0] == f"boot: domain {first}"
    found = [json.loads(line) for line in
             xenterm(site, "-c", it.conf, "log", "--json", "-b", "-1", "web1").splitlines()]
    assert [line["text"] for line in found] == before
    assert found[0]["kind"] == "*" and found[0]["time"].endswith("Z")
    # By id, and when no worker is there.
    by_id = f"{site.host.uuid('web1')}/pv0"
    site.end("worker")
    assert xenterm(site, "-c", it.conf, "log", by_id) == xenterm(site, "-c", it.conf, "log", "web1")
    for args, status in ((("-b", "-7", "web1"), 1), (("-b", "x", "web1"), 2),
                         (("-k", "-b", "0", "web1"), 1), (("nobody",), 4),
                         (("../by-name/web1",), 4), (("-n", "-1", "web1"), 2)):
        xenterm(site, "-c", it.conf, "log", *args, status=status)
    site.start_worker()
    site.wait_connected()


def test_record_and_play(site, guest, tmp_path):
    name = guest("--echo")
    session = site.session(name)
    session.type("\x1b[31mbefore")
    session.read_until(b"before")
    path = tmp_path / "a.cast"
    with Terminal(site, "record", name, path) as terminal:
        session.wait(lambda: session.last("viewers").get("count") == 2, "two")
        session.type(" and \u6f22\x1b[2;2Hthere\x1b]52;c;eA==\x07")
        wait_for(lambda: path.exists() and "there" in path.read_text())
        terminal.type(b"\x03")
        assert terminal.end() == 0
    head, *events = [json.loads(line)
                     for line in path.read_text().splitlines()]
    assert (head["width"], head["height"], head["title"]) == (80, 24, name)
    wanted = cells(session)
    assert screen_of(site, head, events) == wanted
    data = "".join(event[2] for event in events if event[1] == "o")
    assert xenterm(site, "play", path) == data.replace("\r\n", "\n")
    xenterm(site, "record", name, path, status=1)
    # Faster in a terminal, and without what a terminal is not to see.
    lines = [json.dumps(head), *(json.dumps([60.0 * n, *event[1:]])
                                 for n, event in enumerate(events))]
    path.write_text("\n".join(lines) + "\n")
    for args in (("-x", "10000"), ("-i", "0.01")):
        with Terminal(site, "play", *args, path) as terminal:
            shown = terminal.until(b"there")
            assert "and \u6f22".encode() in shown
            assert terminal.end() == 0
            assert b"52;c" not in shown + terminal.seen
    # What cannot be played.
    for bad in ("", "{}\n", '{"version": 3}\n', '{"version": 2}\n[1, 2]\n',
                '{"version": 2}\nnot JSON\n'):
        path.write_text(bad)
        assert xenterm(site, "play", path, status=1) == ""
    xenterm(site, "play", "-x", "0", path, status=2)
    xenterm(site, "play", tmp_path / "none", status=1)


def test_record_for_a_while(site, guest):
    name = guest("--flood")
    for seconds in ("1", "5", "25"):    # how much there is to be heard in that
        head, *events = xenterm(
            site, "record", "-t", seconds, name, "-").splitlines()
        assert json.loads(head)["version"] == 2
        if len(events) > 1:
            break
    assert len(events) > 1
    xenterm(site, "record", "-t", "x", name, "-", status=2)
    xenterm(site, "record", "nobody", "-", status=4)


def test_tickets(site, guest):
    name = guest("--echo")
    rows = dict(line.split() for line in
                xenterm(site, "ticket", "make", name, "viewer").splitlines())
    session = site.request("POST", "api/v1/sessions", {
        "console": name, "mode": "watch", "ticket": rows["ticket"]},
        user="viewer")
    assert session.status == 201
    made = json.loads(xenterm(site, "-j", "ticket", "-m", "type", "-t", "60",
                              "make", name, "viewer"))
    assert (made["mode"], made["user"]) == ("type", "viewer")
    assert json.loads(xenterm(site, "-j", "ticket", "revoke", made["id"])) == {}
    xenterm(site, "ticket", "revoke", made["id"], status=4)
    xenterm(site, "ticket", "make", "nobody", "viewer", status=4)
    xenterm(site, "ticket", "make", "-m", "x", name, "viewer", status=1)
    for args in (("make", name), ("revoke",), ("what", "x"),
                 ("make", "-t", "x", name, "viewer")):
        xenterm(site, "ticket", *args, status=2)


# --- A worker in hostile hands ------------------------------------------------------

class Feeder:
    """A worker's end of the feed, and a logger at it."""

    def __init__(self, folder):
        self.dir = folder
        folder.chmod(0o755)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "feed.sock"))
        (folder / "feed.sock").chmod(0o666)
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        conf = folder / "xenterm.conf"
        conf.write_text(f'run_dir = "{folder}"\nlog_user = "nobody"\n'
                        f'log_dir = "{folder}/consoles"\n'
                        'log "*" { text = true }\n')
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen([LOGGER, "-f", "-c", conf],
                                            stdout=log, stderr=log)
        self.peer = None

    def accept(self):
        self.peer = self.listener.accept()[0]
        self.peer.settimeout(PATIENCE)

    def console(self, index, uuid, **more):
        told = {"number": index, "console": f"{uuid}/pv0", "name": "web1",
                "guest": "web1", "state": "up", "domid": 1, "rows": 24,
                "cols": 80, "viewers": 0, "run": 1} | more
        return frame(b"c", json.dumps(told).encode())

    def folders(self):
        return [path for path in (self.dir / "consoles").iterdir()
                if path.name != "by-name"]

    def close(self):
        self.listener.close()
        if self.peer:
            self.peer.close()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, (self.dir / "log").read_text()


@pytest.fixture
def feeder():
    """In a folder whose name is short: a socket has its name in it."""
    with tempfile.TemporaryDirectory(prefix="xenterm-") as folder:
        it = Feeder(pathlib.Path(folder))
        yield it
        it.close()


def test_the_feed_says_nonsense(feeder):
    """The logger hangs up, or does without, and goes on with the next one."""
    some = str(uuid.uuid4())
    members = "console", "name", "guest", "state", "taken_by", "number", \
        "domid", "run"
    junk = [frame(b"c", text) for text in
            (b"", b"null", b"[]", b"{", b"{}", b'{"number": 1}', b"\xff")]
    junk += [feeder.console(1, some, **{member: wrong}) for member in members
             for wrong in (None, [], {"x": None}, -1, "x" * 5000, "\x1b]")]
    junk += [frame(kind, bytes(size)) for kind in (b"o", b"r", b"i", b"s", b"?")
             for size in (0, 3, 4, 20)] + [b"o\xff\xff\xff\xff"]
    feeder.accept()
    for piece in junk:
        feeder.peer.sendall(piece)
        feeder.peer.shutdown(socket.SHUT_WR)
        while feeder.peer.recv(65536):
            pass
        feeder.peer.close()
        feeder.accept()
        assert feeder.process.poll() is None, piece
    good = str(uuid.uuid4())
    feeder.peer.sendall(feeder.console(7, good))
    log = feeder.dir / "consoles" / f"{good}.pv0/console.log"
    wait_for(lambda: log.exists() and "boot: domain 1" in log.read_text(), 30)


def test_more_consoles_than_there_can_be(feeder):
    feeder.accept()
    most = 2048
    for n in range(most + 20):
        feeder.peer.sendall(feeder.console(n + 1, uuid.uuid4(), run=0))
    log = feeder.dir / "log"
    wait_for(lambda: "more than 2048 consoles" in log.read_text(), 60)
    wait_for(lambda: len(feeder.folders()) == most, 60)
    assert log.read_text().count("more than") == 1
    # One that goes makes room.
    feeder.peer.sendall(frame(b"r", struct.pack("!I", 1)))
    feeder.peer.sendall(feeder.console(9999, uuid.uuid4(), run=0))
    wait_for(lambda: len(feeder.folders()) == most + 1, 60)


def test_a_long_crash_is_cut_between_characters(feeder):
    """All that reads the log or the hook's event takes UTF-8."""
    some = uuid.uuid4()
    feeder.accept()
    feeder.peer.sendall(feeder.console(1, some))
    line = "Kernel panic - " + 150 * "\u00e9"
    feeder.peer.sendall(frame(b"o", struct.pack("!IQQ", 1, 1, 0)
                              + line.encode() + b"\n"))
    log = feeder.dir / f"consoles/{some}.pv0/console.log"
    wait_for(lambda: log.exists() and b"* crash: " in log.read_bytes(), 30)
    mark, = [text for text in log.read_text(encoding="utf-8").splitlines()
             if "* crash: " in text]
    assert mark.endswith("* crash: " + line[:15 + 92])
