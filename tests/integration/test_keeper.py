"""xenterm-keeper with a program of the test's own: what it keeps, for how long,
and from whom."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from standin import is_alive, living_children, program_of, wait_for
from whole_site import KEEPER, PATIENCE

pytestmark = pytest.mark.skipif(not KEEPER.exists(),
                                reason=f"{KEEPER} is not built")

# Does what it is told by a fifo, a line of Python each; tells in a file what it
# has found, then its answers.
PROGRAM = r"""
import array, os, signal, socket, sys, time
folder = sys.argv[1]
count = int(os.environ.get("LISTEN_FDS", "0"))
names = os.environ.get("LISTEN_FDNAMES", "").split(":") if count else []
assert not count or int(os.environ["LISTEN_PID"]) == os.getpid()
def say(text, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(sock, [text.encode()], fds)
def memory(text):
    fd = os.memfd_create("kept")
    os.write(fd, text.encode())
    return fd
def tell(*what):
    with open(folder + "/said", "a") as out:
        print(os.getpid(), *what, file=out, flush=True)
def content(fd):
    try:
        return os.pread(fd, 100, 0).decode() or "-"
    except OSError:
        return "socket"
if len(sys.argv) > 2:
    exec(sys.argv[2])
tell("started", *(f"{name}={content(3 + i)}" for i, name in enumerate(names)))
say("READY=1")
while True:
    with open(folder + "/orders") as orders:
        for line in orders:
            exec(line)
            tell("done")
"""


class Kept:
    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.socket = self.dir / "socket"
        self.said = self.dir / "said"
        self.said.touch()
        os.mkfifo(self.dir / "orders")
        self.log = self.dir / "log"
        self.process = None

    def start(self, *options, first="", **popen):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [KEEPER, "-s", self.socket, *map(str, options), "python3",
                 "-c", PROGRAM, self.dir, *([first] if first else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)
        return self

    def lines(self, what):
        return [line.split() for line in self.said.read_text().splitlines()
                if line.split()[1] == what]

    def started(self, times=1):
        """What the program has found when it was started so often."""
        wait_for(lambda: len(self.lines("started")) >= times, PATIENCE,
                 f"{times} starts: {self.log.read_text()}")
        return self.lines("started")[times - 1][2:]

    @property
    def pid(self):
        return program_of(self.process.pid)

    def order(self, line):
        """It does that, and says so."""
        before = len(self.lines("done"))
        (self.dir / "orders").write_text(line + "\n")
        wait_for(lambda: len(self.lines("done")) > before, PATIENCE, line)

    def kill(self, how=signal.SIGKILL):
        os.kill(self.pid, how)

    def wait_log(self, pattern):
        wait_for(lambda: re.search(pattern, self.log.read_text()), PATIENCE,
                 f"{pattern} in {self.log.read_text()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
                return
            self.process.kill()
            self.process.wait()


@pytest.fixture
def kept():
    """In a folder whose name is short: a socket has its name in it."""
    with tempfile.TemporaryDirectory(prefix="xenterm-") as folder:
        kept = Kept(folder)
        yield kept
        kept.stop()


def test_keeps_what_it_is_given(kept):
    assert kept.start().started() == []
    kept.order('say("FDSTORE=1\\nFDNAME=a", memory("one"), memory("two"))')
    kept.order('say("FDSTORE=1\\nFDNAME=b\\nFDPOLL=0", memory("three"))')
    kept.order('say("FDSTORE=1\\nFDNAME=c", memory("four"))')
    kept.order('say("FDSTOREREMOVE=1\\nFDNAME=c")')
    for n, how in enumerate((signal.SIGKILL, signal.SIGSEGV), 2):
        kept.kill(how)
        assert sorted(kept.started(n)) == ["a=one", "a=two", "b=three"]
    # What comes last is not lost with who has sent it.
    (kept.dir / "orders").write_text(
        'say("FDSTOREREMOVE=1\\nFDNAME=a"); '
        'say("FDSTORE=1\\nFDNAME=d", memory("last")); '
        "os.kill(os.getpid(), 9)\n")
    assert sorted(kept.started(4)) == ["b=three", "d=last"]


def test_many(kept):
    """In the order in which they came; more than one message can bring."""
    count = 700
    kept.start().started()
    kept.order("for i in range(%d): fd = memory(str(i)); "
               "say('FDSTORE=1\\nFDNAME=n%%d' %% i, fd); os.close(fd)" % count)
    kept.kill()
    assert kept.started(2) == [f"n{i}={i}" for i in range(count)]
    kept.order('[say(f"FDSTOREREMOVE=1\\nFDNAME=n{i}") for i in range(1, %d)]'
               % count)
    kept.kill()
    assert kept.started(3) == ["n0=0"]


def test_the_launcher_is_killed(kept):
    """Without it nothing can be started any more: all end."""
    kept.start().started()
    pid = kept.pid
    launcher, = living_children(kept.process.pid)
    os.kill(launcher, signal.SIGKILL)
    assert kept.process.wait(PATIENCE) == 1
    wait_for(lambda: not is_alive(pid), PATIENCE, "the program's end")
    assert "launcher has ended" in kept.log.read_text()


def test_ends_with_it(kept):
    kept.start().started()
    kept.order("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")
    kept.process.terminate()
    assert kept.process.wait(PATIENCE) == 0
    assert len(kept.lines("started")) == 1
    assert not kept.socket.exists()


def test_ended_before_it_can_listen(kept):
    """By SIGTERM itself: that is in order, if it was asked for."""
    kept.start().started()
    kept.process.terminate()
    assert kept.process.wait(PATIENCE) == 0


def test_ended_by_somebody_else(kept):
    """That is not."""
    kept.start().started()
    kept.kill(signal.SIGTERM)
    assert kept.started(2) == []


def test_ends_when_it_ends_by_itself(kept):
    kept.start().started()
    (kept.dir / "orders").write_text("sys.exit(0)\n")
    assert kept.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("status", [1, 2])
def test_ends_when_it_was_never_ready(kept, status):
    """And does not try again what cannot be."""
    kept.start(first=f"sys.exit({status})")
    assert kept.process.wait(PATIENCE) == status
    assert kept.lines("started") == []


def test_no_such_program(kept):
    with open(kept.log, "ab") as log:
        done = subprocess.run(
            [KEEPER, "-s", kept.socket, "/no/such/program"], stderr=log,
            check=False, timeout=PATIENCE)
    assert done.returncode == 1
    assert "/no/such/program: No such file" in kept.log.read_text()


@pytest.mark.parametrize("options", [[], ["-w"], ["-w", "x", "true"],
                                     ["-x", "true"], ["-w", "4000", "true"]])
def test_usage(options):
    done = subprocess.run([KEEPER, *options], capture_output=True, text=True,
                          check=False, timeout=PATIENCE)
    assert done.returncode == 2 and "usage:" in done.stderr


def test_fails_later_and_is_started_again(kept):
    kept.start().started()
    (kept.dir / "orders").write_text("sys.exit(3)\n")
    assert kept.started(2) == []
    kept.wait_log("ended with status 3")


def test_not_in_a_hot_loop(kept):
    """Each time later, up to 5 seconds."""
    kept.start(first='tell("again"); '
               'os.path.exists(folder + "/bad") and sys.exit(1)').started()
    (kept.dir / "bad").touch()
    began = time.monotonic()
    kept.kill()
    wait_for(lambda: len(kept.lines("again")) >= 7, PATIENCE)
    # 20 + 40 + … + 320 ms; the first start was before.
    assert time.monotonic() - began > 0.6
    (kept.dir / "bad").unlink()
    kept.started(2)


def test_signals_go_on(kept):
    kept.start().started()
    kept.order("signal.signal(signal.SIGHUP, lambda *_: tell('hangup'))")
    kept.process.send_signal(signal.SIGHUP)
    wait_for(lambda: kept.lines("hangup"), PATIENCE)
    assert len(kept.lines("started")) == 1


def test_restarted_when_asked(kept):
    kept.start().started()
    kept.order('say("FDSTORE=1\\nFDNAME=a", memory("one"))')
    kept.order("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")
    kept.process.send_signal(signal.SIGUSR1)
    assert kept.started(2) == ["a=one"]
    kept.wait_log("started again, as asked")


def test_killed_when_it_hangs(kept):
    kept.start("-w", 4).started()
    kept.order('assert os.environ["WATCHDOG_USEC"] == "4000000"')
    kept.order('assert int(os.environ["WATCHDOG_PID"]) == os.getpid()')
    os.kill(kept.pid, signal.SIGSTOP)
    assert kept.started(2) == []
    kept.wait_log("no sign of life")
    # While it gives one it is left alone.
    kept.order("begun = time.monotonic()")
    kept.order("while time.monotonic() < begun + 5: "
               "say('WATCHDOG=1'); time.sleep(0.1)")
    assert len(kept.lines("started")) == 2


def test_only_the_program_itself_is_heard(kept):
    """Not root's other processes, nor its own children."""
    kept.start().started()
    null = os.open("/dev/null", os.O_RDWR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(kept.socket))
        socket.send_fds(sock, [b"FDSTORE=1\nFDNAME=forged"], [null])
        sock.send(b"FDSTOREREMOVE=1\nFDNAME=a")
    os.close(null)
    kept.order('say("FDSTORE=1\\nFDNAME=a", memory("one"))')
    kept.order('pid = os.fork(); pid or (say("FDSTOREREMOVE=1\\nFDNAME=a"), '
               'os._exit(0)); os.waitpid(pid, 0)')
    kept.kill()
    assert kept.started(2) == ["a=one"]
    assert kept.log.read_text().count("is not taken") == 3
    assert os.stat(kept.socket).st_mode & 0o777 == 0o600


def test_hostile_messages_of_the_program(kept):
    kept.start().started()
    for text in ("FDSTORE=1", "FDSTORE=1\\nFDNAME=a:b", "READY=1",
                 "FDSTORE=1\\nFDNAME=" + "x" * 300, "\\0", "x" * 5000):
        kept.order(f'say("{text}", memory("x"))')
    kept.order('say("FDSTORE=1\\nFDNAME=a", memory("one"))')
    kept.kill()
    assert kept.started(2) == ["a=one"]
    # Nothing of it is left open in the keeper.
    links = [os.readlink(entry) for entry in
             pathlib.Path(f"/proc/{kept.process.pid}/fd").iterdir()]
    assert len([link for link in links if "memfd" in link]) == 1


def test_sockets_go_on(kept):
    """From whoever has started the keeper to each program."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(kept.dir / "listener"))
        listener.listen()
        start_with(kept, listener)
        assert kept.started() == ["fcgi.sock=socket"]
        kept.order('say("FDSTOREREMOVE=1\\nFDNAME=fcgi.sock")')
        kept.kill()
        assert kept.started(2) == ["fcgi.sock=socket"]


def start_with(kept, listener):
    """As systemd does; $$ is the keeper's pid once it is exec'ed."""
    with open(kept.log, "ab") as log:
        kept.process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", KEEPER, "-s",
             kept.socket, "python3", "-c", PROGRAM, kept.dir],
            env={**os.environ, "LISTEN_FDS": "1",
                 "LISTEN_FDNAMES": "fcgi.sock"}, pass_fds=[3],
            preexec_fn=lambda: os.dup2(listener.fileno(), 3),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def test_two_at_one_socket(kept):
    kept.start().started()
    done = subprocess.run([KEEPER, "-s", kept.socket, "true"],
                          capture_output=True, text=True, check=False,
                          timeout=PATIENCE)
    assert done.returncode == 1 and "Address already in use" in done.stderr
    kept.kill()
    kept.started(2)


def test_the_keeper_is_killed(kept):
    """The program ends too; the next keeper begins anew."""
    kept.start().started()
    pid = kept.pid
    kept.process.kill()
    kept.process.wait()
    wait_for(lambda: not is_alive(pid), PATIENCE, "the program's end")
    assert kept.socket.exists()
    assert kept.start().started(2) == []
