"""The programs under a service manager: systemd's protocol, which the test
speaks in its place."""

import contextlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import tempfile

import pytest

import fastcgi
from whole_site import BROKER, PATIENCE, SCREEN, WORKER

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can start the programs in full")

# $$ is the program's pid once it is exec'ed.
START = 'LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"'


class Manager:
    """Hears what programs tell, and keeps what they store."""

    def __init__(self, folder):
        self.dir = folder
        self.run_dir = folder / "run"
        self.config = folder / "xenterm.conf"
        self.config.write_text(
            f'run_dir = "{self.run_dir}"\n'
            f'xenstore = "{folder}/no-xenstored"\n'
            f'lock_dir = "{folder}"\n'
            f'screen_program = "{SCREEN}"\n'
            'user = "daemon"\nsocket_group = "daemon"\n')
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        os.chmod(folder / "notify", 0o666)
        self.log = folder / "log"

    def close(self):
        self.notify.close()

    def listen(self, name, kind):
        self.run_dir.mkdir(exist_ok=True)
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.bind(str(self.run_dir / name))
        sock.listen()
        return sock

    @contextlib.contextmanager
    def program(self, path, sockets=(), watchdog_usec=None, status=0):
        """Runs it until the block ends. sockets: pairs of name and socket."""
        env = {**os.environ, "NOTIFY_SOCKET": str(self.dir / "notify"),
               "LISTEN_FDS": str(len(sockets)),
               "LISTEN_FDNAMES": ":".join(name for name, _ in sockets)}
        if watchdog_usec:
            env["WATCHDOG_USEC"] = str(watchdog_usec)
        taken = [os.dup(sock.fileno()) for _, sock in sockets]

        def place():
            """At 3 and up, as a manager has them."""
            high = [os.dup2(fd, 200 + i) for i, fd in enumerate(taken)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)

        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", START, "sh", path, "-f", "-c", self.config],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=place,
                pass_fds=range(3, 3 + len(sockets)) if sockets else ())
        for fd in taken:
            os.close(fd)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            assert process.wait(PATIENCE) == status, self.log.read_text()

    def hear(self, stored=False):
        """The next message as lines, once it comes; of what is to be stored
        only if that is asked for."""
        while True:
            assert select.select([self.notify], [], [], PATIENCE)[0], \
                self.log.read_text()
            lines = self.notify.recv(4096).decode().split("\n")
            if stored or lines[0] != "FDSTORE=1":
                return lines

    def silent(self):
        return not select.select([self.notify], [], [], 0)[0]


@pytest.fixture
def manager():
    """In a folder whose name is short: sockets are to have theirs in it."""
    with tempfile.TemporaryDirectory(prefix="xenterm-") as folder:
        os.chmod(folder, 0o755)
        manager = Manager(pathlib.Path(folder))
        yield manager
        manager.close()


REQUEST = fastcgi.request("GET", "/api/v1/consoles", user="alice")


def ask(path):
    """A request to the worker; its status."""
    with contextlib.closing(fastcgi.connect(path)) as peer:
        peer.sendall(REQUEST)
        return fastcgi.status_of(fastcgi.read_to_end(peer))


@pytest.mark.parametrize("path", [BROKER, WORKER], ids=lambda p: p.name)
def test_tells_that_it_is_ready_and_ends(manager, path):
    with manager.program(path) as process:
        assert manager.hear() == ["READY=1"]
        name = "broker.sock" if path == BROKER else "fcgi.sock"
        assert (manager.run_dir / name).is_socket()
        process.send_signal(signal.SIGTERM)
        assert manager.hear() == ["STOPPING=1"]
    assert manager.silent()


@pytest.mark.parametrize("path", [BROKER, WORKER], ids=lambda p: p.name)
def test_tells_that_it_lives_and_only_while_it_does(manager, path):
    with manager.program(path, watchdog_usec=100_000) as process:
        assert manager.hear() == ["READY=1"]
        for _ in range(3):
            assert manager.hear() == ["WATCHDOG=1"]
        process.send_signal(signal.SIGSTOP)
        while select.select([manager.notify], [], [], 0.3)[0]:
            manager.hear()      # those that were under way
        process.send_signal(signal.SIGCONT)
        assert manager.hear() == ["WATCHDOG=1"]


def test_no_watchdog_is_wanted(manager):
    with manager.program(WORKER):
        assert manager.hear() == ["READY=1"]
        assert not select.select([manager.notify], [], [], 0.3)[0]


def test_who_connects_before_the_worker_is_there_waits(manager):
    """And after it has gone: the socket is the manager's."""
    path = manager.run_dir / "fcgi.sock"
    sockets = [("fcgi.sock", manager.listen("fcgi.sock", socket.SOCK_STREAM))]
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as early:
            early.settimeout(PATIENCE)
            early.connect(str(path))
            early.sendall(REQUEST)
            with manager.program(WORKER, sockets):
                assert manager.hear() == ["READY=1"]
                answer = fastcgi.read_to_end(early)
                assert fastcgi.status_of(answer) == 200
                assert ask(path) == 200
            assert manager.hear() == ["STOPPING=1"]
        assert path.is_socket()
    sockets[0][1].close()


def test_the_brokers_socket_comes_and_stays(manager):
    path = manager.run_dir / "broker.sock"
    sockets = [("broker.sock",
                manager.listen("broker.sock", socket.SOCK_SEQPACKET))]
    made = path.stat().st_ino
    for _ in range(2):
        with manager.program(BROKER, sockets):
            assert manager.hear() == ["READY=1"]
            assert path.stat().st_ino == made
        assert manager.hear() == ["STOPPING=1"]
        assert path.stat().st_ino == made
    sockets[0][1].close()


def test_a_socket_of_the_wrong_kind_is_refused(manager):
    sockets = [("fcgi.sock",
                manager.listen("fcgi.sock", socket.SOCK_SEQPACKET))]
    with manager.program(WORKER, sockets, status=1) as process:
        process.wait(PATIENCE)
    assert manager.silent()
    assert "fcgi.sock: Protocol wrong type" in manager.log.read_text()
    sockets[0][1].close()


def test_what_comes_unasked_is_closed(manager):
    here, there = socket.socketpair()
    with manager.program(WORKER, [("surprise", there)]):
        there.close()
        assert manager.hear() == ["READY=1"]
        here.settimeout(PATIENCE)
        assert here.recv(1) == b""
    assert "1 descriptors of the service manager" in manager.log.read_text()
    here.close()
