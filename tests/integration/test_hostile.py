"""Peers on the machine itself that mean harm, on each socket: strangers, a
worker that was taken over, and who has got as far as the others' sockets.

None gets what is not its own; and beside each storm somebody who asks
properly is served. test_fastcgi.py, test_broker.py and test_logger.py have
what breaks the rules one at a time; tests/fuzz has screen processes and their
worker."""

import contextlib
import errno
import fcntl
import os
import pathlib
import random
import resource
import select
import signal
import socket
import struct
import subprocess
import time
import uuid

import fastcgi
import pytest
from standin import living_children, wait_for
from test_broker import (HANGUP, HELLO, RELEASE, TTY, UNWANT, VERSION, WANT,
                         Key, Worker, echoes, pytestmark,  # noqa: F401
                         start)                            # noqa: F401
from test_logger import frame, feed
from whole_site import PATIENCE, SCREEN, is_sanitized

RELOAD = 6
CONFIG, CONFIG_KEPT = 68, 69


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Of its own, in KiB."""
    for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"):
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError(pid)


def stays(pid, before, more=2):
    """Its descriptors, once it has worked everything off."""
    wait_for(lambda: descriptors(pid) <= before + more,
             what=f"{before} descriptors, not {descriptors(pid)}")


# --- Who may connect at all ----------------------------------------------------

def outcome_for(uid, gid, folder, name, kind):
    """connect() of somebody else: 0 or its errno."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            os.chdir(folder)
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            status = socket.socket(socket.AF_UNIX, kind).connect_ex(name)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_strangers_do_not_get_in(site):
    folder = site.dir / "run/xenterm"
    sockets = {"fcgi.sock": socket.SOCK_STREAM,
               "admin.sock": socket.SOCK_STREAM,
               "feed.sock": socket.SOCK_STREAM,
               "broker.sock": socket.SOCK_SEQPACKET}
    assert {path.name for path in folder.iterdir()
            if path.is_socket()} == set(sockets)
    for name, kind in sockets.items():
        assert outcome_for(12345, 12345, folder, name, kind) == errno.EACCES
        assert outcome_for(0, 0, folder, name, kind) == 0
    # nginx' group has the one that is for it, and no other.
    group = (folder / "fcgi.sock").stat().st_gid
    for name, kind in sockets.items():
        assert outcome_for(12345, group, folder, name, kind) == \
            (0 if name == "fcgi.sock" else errno.EACCES), name


# --- A worker that was taken over, against the broker ---------------------------

class Hostile(Worker):
    """Counts configurations, which the test of the broker knows nothing of."""

    def __init__(self, path, **options):
        self.configs, self.kept, self.given = 0, 0, []
        super().__init__(path, **options)

    def close(self):
        super().close()
        for fd in self.given:
            os.close(fd)
        self.given = []

    def take(self, timeout):
        if not select.select([self.sock], [], [], timeout)[0]:
            return False
        head = self.sock.recv(4, socket.MSG_PEEK)
        message = struct.unpack("=I", head)[0] if len(head) == 4 else None
        if message not in (CONFIG, CONFIG_KEPT):
            return super().take(timeout)    # which knows the end as well
        _, fds, _, _ = socket.recv_fds(self.sock, 64, 8)
        for fd in self.given:
            os.close(fd)
        self.given = fds
        self.configs += message == CONFIG
        self.kept += message == CONFIG_KEPT
        assert len(fds) == (2 if message == CONFIG else 0)
        return True

    def pour(self, packets):
        """As many as go out, at once."""
        sent = 0
        self.sock.setblocking(False)
        for packet in packets:
            try:
                self.sock.send(packet)
                sent += 1
            except BlockingIOError:
                select.select([], [self.sock], [], 5)
                if select.select([self.sock], [], [], 0)[0]:
                    self.sock.setblocking(True)
                    self.take(0)
                    self.sock.setblocking(False)
        self.sock.setblocking(True)
        return sent


@pytest.fixture
def attack(start):  # noqa: F811
    """A host, its broker, and a worker that says what it likes."""
    def begin(**options):
        host, broker = start(**options)
        broker.workers.append(wait_for(lambda: connected(broker)))
        return host, broker, broker.workers[-1]

    return begin


def connected(broker, **options):
    try:
        return Hostile(broker.socket, **options)
    except (ConnectionRefusedError, FileNotFoundError):
        return None


def follows_its_guests(host, worker, name):
    """A guest that comes now is told of, and opened."""
    host.create(name, "--echo")
    key = Key(host.uuid(name))
    worker.wait_state(key, "up")
    echoes(worker.open(key).pty, name.encode())


def test_storm_of_reloads(attack):
    """One a second is done, and one of them answers many."""
    host, broker, worker = attack()
    pid = broker.process.inside()
    before, begin = descriptors(pid), time.monotonic()
    worker.pour([struct.pack("=II", RELOAD, VERSION)] * 20000)
    worker.wait(lambda: worker.configs >= 2, "two configurations")
    follows_its_guests(host, worker, "web1")
    passed = time.monotonic() - begin
    done = broker.log().count("configuration: read again")
    assert 2 <= done <= passed + 2
    assert worker.configs <= done
    # One that does not take them has one waiting, not one for each.
    worker.pour([struct.pack("=II", RELOAD, VERSION)] * 5000)
    wait_for(lambda: broker.log().count("configuration: read again") > done)
    stays(pid, before, 12)


def test_storm_of_wishes(attack):
    """A console taken and let go over and over; another one's is still
    opened, and what comes of it in the end is what was said last."""
    host, broker, worker = attack()
    pid = broker.process.inside()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.open(key)
    before = descriptors(pid)
    worker.pour([struct.pack("=I", kind) + key for _ in range(1000)
                 for kind in (RELEASE, WANT, UNWANT, WANT)])
    follows_its_guests(host, worker, "web2")
    worker.ask(RELEASE, key)
    worker.wait(lambda: worker[key].state == "released"
                and not [t for t in broker.locks()
                         if t == f"xenconsole.{host.domid('web1')}"],
                "released")
    worker.want(key)
    worker.wait_state(key, "up")
    echoes(worker.open(key).pty, b"in the end")
    stays(pid, before, 8)


def test_storm_of_what_is_not_there(attack):
    """Hangups of ttys that are none of its, consoles that nobody has."""
    host, broker, worker = attack()
    host.create("web1", "--echo")
    host.create("web2", "--echo")
    one, two = Key(host.uuid("web1")), Key(host.uuid("web2"))
    worker.open(one), worker.open(two)
    serial, vm = worker[two].serial, host.uuid("web1")
    chance = random.Random(1)
    packets = []
    for _ in range(3000):
        packets += [struct.pack("=II", HANGUP, chance.getrandbits(32)) + one,
                    struct.pack("=II", HANGUP, serial) + one,
                    struct.pack("=II", HANGUP, serial)
                    + Key(str(uuid.UUID(int=chance.getrandbits(128)))),
                    struct.pack("=I", RELEASE)
                    + Key(str(uuid.UUID(int=chance.getrandbits(128)))),
                    struct.pack("=I", UNWANT)
                    + Key(vm, 1, chance.getrandbits(32))]
    worker.pour(packets)
    echoes(worker[one].pty, b"one")
    echoes(worker[two].pty, b"two")
    assert worker[one].state == worker[two].state == "up"


def test_more_wishes_than_consoles_can_be(attack):
    """It is dropped, and the next one comes."""
    _, broker, worker = attack()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError):
        worker.sock.settimeout(PATIENCE)
        for n in range(20000):
            worker.ask(WANT, Key(str(uuid.UUID(int=n))))
        worker.dropped()
    broker.wait_log("wants too much|breaks the rules|has gone")
    broker.leave(worker)
    broker.workers.append(wait_for(lambda: connected(broker)))


def test_what_it_may_ask_for_opens_nothing_else(attack):
    """Consoles of no guest, of dom0, of kinds and numbers that are none."""
    host, broker, worker = attack()
    host.create("web1", "--echo")
    vm = host.uuid("web1")
    worker.wait_state(Key(vm), "up")
    for key in (Key(str(uuid.UUID(int=0))),
                Key(str(uuid.UUID(int=2 ** 128 - 1))),
                Key(vm, 0, 1), Key(vm, 0, 2 ** 32 - 1), Key(vm, 1, 0),
                Key(vm, 1, 4), Key(vm, 2, 0), Key(vm, 2 ** 32 - 1, 0)):
        seen = worker.want(key)
        assert seen.removed and seen.pty is None
    assert broker.ttys() == [] == broker.locks()


def kinds_of_descriptors(folder):
    """Each kind that a process can hand to another one."""
    unix, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    master, slave = os.openpty()
    listening = socket.socket(socket.AF_UNIX)
    return [os.open("/dev/null", os.O_RDWR), os.open("/", os.O_DIRECTORY),
            os.open("/etc/passwd", os.O_PATH), os.open(folder, os.O_PATH),
            os.memfd_create("x"), os.eventfd(0), os.pidfd_open(os.getpid()),
            unix.detach(), other.detach(), reader, writer, master, slave,
            listening.detach()]


def test_descriptors_of_every_kind(start, tmp_path):  # noqa: F811
    """With whatever message: it has none that takes any. The socket itself in
    its own queue is a cycle that only the kernel can take apart."""
    host, broker = start()
    pid = broker.process.inside()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    found = kinds_of_descriptors(tmp_path)
    before = descriptors(pid)
    messages = [struct.pack("=II", HELLO, VERSION),
                struct.pack("=II", RELOAD, VERSION),
                struct.pack("=I", WANT) + key,
                struct.pack("=II", HANGUP, 1) + key,
                struct.pack("=III", TTY, 1, 1) + key,
                struct.pack("=III", CONFIG, 4096, 1), b"", b"\0"]
    try:
        for message in messages:
            for fds in (found[:1], found[1:5], found[5:9], found[9:], found,
                        found[:1] * 253):
                worker = wait_for(lambda: connected(
                    broker, hello=not message.startswith(b"\1\0\0\0")))
                try:
                    worker.send(message, fds)
                    worker.send(message, [worker.sock.fileno()])
                except (BrokenPipeError, ConnectionResetError):
                    pass
                worker.dropped()
                worker.close()
        stays(pid, before, 0)
        assert broker.ttys() == []
    finally:
        for fd in found:
            os.close(fd)
    assert broker.worker().want(key).state == "up"


def test_any_bytes(start):  # noqa: F811
    """Of every length, before and after a greeting."""
    _, broker = start()
    pid = broker.process.inside()
    before = descriptors(pid)
    chance = random.Random(7)
    for n in range(300):
        worker = wait_for(lambda: connected(broker, hello=n % 2 == 0))
        data = struct.pack("=I", chance.choice((1, 2, 3, 4, 5, 6, 64, 65))) \
            if n % 3 else b""
        try:
            worker.send(data + chance.randbytes(n))
            worker.sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        worker.dropped()
        worker.close()
    stays(pid, before, 0)
    broker.worker()


def test_storm_of_connections_beside_the_worker(attack):
    """They are sent away; the one that is there notices nothing."""
    host, broker, worker = attack()
    pid = broker.process.inside()
    before = descriptors(pid)
    waiting = []
    for n in range(2000):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer.connect(str(broker.socket))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.send(struct.pack("=II", HELLO, VERSION))
        if n % 8:
            peer.close()
        else:
            waiting.append(peer)
    follows_its_guests(host, worker, "web1")
    for peer in waiting:
        peer.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(64) == b""
        peer.close()
    stays(pid, before, 8)


def test_what_the_worker_is_given_of_the_log(attack):
    """It can add to the audit log, not take from it; nor can it change the
    configuration under the broker."""
    host, _, worker = attack(audit_file='"/run/audit.log"')
    log = host.dir / "run/audit.log"
    log.write_text("what was before\n")
    worker.send(struct.pack("=II", RELOAD, VERSION))
    worker.wait(lambda: worker.configs, "a configuration")
    files, audit = worker.given
    with pytest.raises(OSError):
        os.read(audit, 1)
    with pytest.raises(OSError):
        os.ftruncate(files, 0)
    # lseek() and the like, which a worker that is confined has not, aside.
    flags = fcntl.fcntl(audit, fcntl.F_GETFL)
    assert flags & os.O_ACCMODE == os.O_WRONLY and flags & os.O_APPEND
    fcntl.fcntl(audit, fcntl.F_SETFL, flags & ~os.O_APPEND)
    os.write(audit, b"more\n")
    assert log.read_text() == "what was before\nmore\n"


# --- The worker's other sockets ------------------------------------------------

@contextlib.contextmanager
def many(connect, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > count + 100 or hard > count + 100
    found = [connect() for _ in range(count)]
    try:
        yield found
    finally:
        for peer in found:
            peer.close()


def is_served(site):
    return site.request("GET", "api/v1/consoles").status == 200 \
        and site.healthz()["ready"]


HTTP = {
    "nothing": b"",
    "half a line": b"GET /heal",
    "no end": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "bytes": bytes(range(256)) * 8,
    "zeros": bytes(4096),
    "no such method": b"BREW /healthz HTTP/1.1\r\n\r\n",
    "CONNECT": b"CONNECT host:1 HTTP/1.1\r\n\r\n",
    "HTTP 0.9": b"GET /healthz\r\n\r\n",
    "HTTP 9": b"GET /healthz HTTP/9.9\r\n\r\n",
    "another address": b"GET http://evil.example/healthz HTTP/1.1\r\n\r\n",
    "a line without end": b"GET /" + b"a" * 300000,
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 300000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60000,
    "a folded header": b"GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nXYZ\r\n\r\n",
    "a length of many": b"POST /send HTTP/1.1\r\nContent-Length: "
                        b"99999999999999999999\r\n\r\n",
    "a length below zero": b"POST /send HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /send HTTP/1.1\r\nContent-Length: 1\r\n"
                   b"Content-Length: 70000\r\n\r\nx",
    "a length and chunks": b"POST /send HTTP/1.1\r\nContent-Length: 4\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of 4 GiB": b"POST /send HTTP/1.1\r\nTransfer-Encoding: chunked"
                        b"\r\n\r\nffffffffff\r\n" + b"x" * 5000,
    "chunks without end": b"POST /send HTTP/1.1\r\nTransfer-Encoding: chunked"
                          b"\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n"
                          + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 300,
    "no chunk": b"POST /send HTTP/1.1\r\nTransfer-Encoding: chunked"
                b"\r\n\r\nzz\r\n",
    "continue": b"POST /send HTTP/1.1\r\nContent-Length: 5\r\n"
                b"Expect: 100-continue\r\n\r\n",
}


def test_the_admin_socket_with_what_is_no_http(site):
    """All at once, beside proper ones; nothing is left of them."""
    pid = site.pid("worker")
    before, had = descriptors(pid), memory(pid)
    with many(lambda: fastcgi.connect(site.admin_socket, 30),
              len(HTTP)) as peers:
        for peer, data in zip(peers, HTTP.values()):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(data)
        assert is_served(site)
        for peer, (name, data) in zip(peers, HTTP.items()):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)
            answer = fastcgi.read_to_end(peer)
            # Its own address, in full, is what a proxy would ask for.
            assert answer.startswith(b"HTTP/1.1 2") == \
                (name == "another address"), (name, answer[:200])
    stays(pid, before)
    assert memory(pid) < had + 20000


def test_the_admin_socket_full(site):
    """Three hundred who say nothing, and one who asks without end and reads
    no answer."""
    pid = site.pid("worker")
    before, had = descriptors(pid), memory(pid)
    with many(lambda: fastcgi.connect(site.admin_socket, 1), 301) as peers:
        greedy = peers[0]
        greedy.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while sent < 20 << 20:
                sent += greedy.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 500)
        assert sent < 20 << 20, "it takes all there is"
        start_time = time.monotonic()
        assert is_served(site)
        assert time.monotonic() - start_time < PATIENCE
        assert memory(pid) < had + 20000
    stays(pid, before)


def test_the_feed_flooded(own_site):
    """Each reader takes the place of the one before; frames that name nothing
    cost nothing."""
    site = own_site()
    site.guest("--echo", name="web1")
    pid = site.pid("worker")
    before, had = descriptors(pid), memory(pid)
    with many(lambda: feed(site), 200) as peers:
        last = peers[-1]
        junk = frame(b"f", struct.pack("!IQQB", 0xffff, 1, 2, 0)) * 1000
        last.setblocking(False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError,
                                 ConnectionResetError):
            for _ in range(500):
                last.send(junk)
        assert is_served(site)
        assert site.session("web1").type(b"k", echo=1000).output() == b"k"
    stays(pid, before, 6)
    assert memory(pid) < had + 20000


def with_number(data, number):
    """The same records for another request."""
    out, at = b"", 0
    while at < len(data):
        size, padding = struct.unpack_from("!HB", data, at + 4)
        out += data[at:at + 2] + struct.pack("!H", number) \
            + data[at + 4:at + 8 + size + padding]
        at += 8 + size + padding
    return out


GOOD = fastcgi.request("GET", "/api/v1/consoles", user="admin")
KEPT = fastcgi.request("GET", "/api/v1/consoles", user="admin", keep=True)


def test_numbers_of_requests(site):
    """An answer has its request's; one that changes in between is none."""
    for number in (1, 2, 255, 256, 32768, 65535):
        with site.fastcgi() as peer:
            peer.sendall(with_number(GOOD, number))
            answer = fastcgi.read_to_end(peer)
        assert fastcgi.status_of(answer) == 200
        assert struct.unpack_from("!H", answer, 2)[0] == number
    with many(site.fastcgi, 3) as (none, changing, two):
        none.sendall(with_number(GOOD, 0))
        changing.sendall(with_number(GOOD[:16], 7)
                         + with_number(GOOD[16:], 8))
        # Two at a time on one connection: there is no such thing here.
        two.sendall(with_number(KEPT[:16], 1) + with_number(KEPT[:16], 2)
                    + with_number(KEPT[16:], 2) + with_number(KEPT[16:], 1))
        assert is_served(site)
        for peer in (none, changing, two):
            assert fastcgi.status_of(fastcgi.read_to_end(peer)) != 200


def test_a_flood_of_requests(site):
    """A thousand at once, and one who asks and asks and reads nothing."""
    pid = site.pid("worker")
    session = site.session("web1")
    before, had = descriptors(pid), memory(pid)
    with many(site.fastcgi, 1001) as peers:
        greedy = peers[0]
        greedy.setblocking(False)
        sent, end = 0, time.monotonic() + 3
        while sent < 64 << 20 and time.monotonic() < end:
            try:
                sent += greedy.send(KEPT * 200)
            except BlockingIOError:
                if not select.select([], [greedy], [], 0.5)[1]:
                    break
            except (BrokenPipeError, ConnectionResetError):
                break
        for peer in peers[1:]:
            peer.sendall(GOOD)
        assert session.type(b"k", echo=1000).output() == b"k"
        for peer in peers[1:]:
            assert fastcgi.status_of(fastcgi.read_to_end(peer)) == 200
        kept = 300000 if is_sanitized(pid) else 0
        assert memory(pid) < had + 40000 + kept
    stays(pid, before, 10)
    assert is_served(site)


# --- Who has the spawner of screen processes --------------------------------------

SPAWN_HELLO, SPAWN_ENDED, SPAWN_START, SPAWN_KILL = 128, 129, 130, 131


@contextlib.contextmanager
def spawner(*args):
    """xenterm-screen as the worker starts it, and the worker's end of it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen([SCREEN, *args], stdin=its, stderr=subprocess.DEVNULL)
    its.close()
    ours.settimeout(PATIENCE)
    try:
        assert struct.unpack_from("=I", ours.recv(64))[0] == SPAWN_HELLO
        yield process, ours
    finally:
        ours.close()
        process.wait(PATIENCE)


@pytest.mark.parametrize("packet", [
    b"\0", bytes(8), struct.pack("=I", SPAWN_START),
    struct.pack("=III", SPAWN_START, 1, 1), struct.pack("=II", 1, 1),
    struct.pack("=II", SPAWN_START, 1), struct.pack("=II", SPAWN_HELLO, 1),
    bytes(4000)], ids=range(8))
def test_the_spawner_takes_no_nonsense(packet):
    """It ends, and the worker does without, until it is started anew."""
    with spawner() as (process, ours):
        ours.send(packet)
        with contextlib.suppress(ConnectionResetError):
            assert ours.recv(64) == b""
        assert process.wait(PATIENCE) != -signal.SIGSEGV


def test_a_screen_process_of_what_is_no_ring(tmp_path):
    """Whatever it is handed, it ends, and the spawner says how and goes on."""
    with spawner() as (process, ours):
        path = tmp_path / "file"
        path.write_bytes(bytes(100000))
        kinds = [os.open("/dev/null", os.O_RDWR), os.open(path, os.O_RDONLY),
                 os.open("/", os.O_DIRECTORY), os.memfd_create("x"),
                 os.eventfd(0), *os.pipe()]
        try:
            for n, fds in enumerate((a, b, c) for a in kinds[:3]
                                    for b in kinds for c in kinds[1:4]):
                socket.send_fds(ours, [struct.pack("=II", SPAWN_START, n)],
                                fds)
                kind, number, status = struct.unpack("=IIi", ours.recv(64))
                assert (kind, number) == (SPAWN_ENDED, n)
                assert os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
            # One that nobody has; and whoever is killed is one of its own.
            for n in (0, 4711, 2 ** 32 - 1, process.pid, os.getpid()):
                ours.send(struct.pack("=II", SPAWN_KILL, n))
            assert process.poll() is None
        finally:
            for fd in kinds:
                os.close(fd)


def memory_of(site, name, mode):
    """One of the memfds of this name that the broker has, opened again."""
    folder = pathlib.Path(f"/proc/{site.pid('broker')}/fd")
    return next(os.open(path, mode) for path in folder.iterdir()
                if f"memfd:{name} " in os.readlink(path))


def test_the_spawner_has_a_ceiling_of_its_own(site):
    """Whatever the worker asks for; what is refused is said, and when one has
    ended there is room for another."""
    site.session("web1").delete()
    with spawner("-n", "3") as (process, ours), contextlib.ExitStack() as stack:
        ring = memory_of(site, "xenterm-ring", os.O_RDONLY)
        saved = memory_of(site, "xenterm-checkpoint", os.O_RDWR)
        stack.callback(os.close, ring)
        stack.callback(os.close, saved)

        def ask(n):
            end, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.callback(end.close)
            socket.send_fds(ours, [struct.pack("=II", SPAWN_START, n)],
                            [its.fileno(), ring, saved])
            its.close()
            return end

        def ended():
            kind, number, status = struct.unpack("=IIi", ours.recv(64))
            assert kind == SPAWN_ENDED
            return number, status

        ends = [ask(n) for n in range(5)]
        assert [ended(), ended()] == [(3, 2 << 8), (4, 2 << 8)]
        assert len(living_children(process.pid)) == 3
        assert ends[4].recv(1) == b""
        ours.send(struct.pack("=II", SPAWN_KILL, 1))
        assert ended() == (1, signal.SIGKILL)
        ask(5)
        ask(6)
        assert ended() == (6, 2 << 8)


def test_the_spawner_tells_of_each_end():
    """Also to a worker that does not listen for a while."""
    count = 2000
    with spawner() as (_, ours):
        for n in range(count):
            socket.send_fds(ours, [struct.pack("=II", SPAWN_START, n)],
                            [0, 1, 2])
        seen = [struct.unpack("=IIi", ours.recv(64))[1] for _ in range(count)]
        assert sorted(seen) == list(range(count))


def test_what_a_screen_process_has_left_of_the_machine(site):
    """Nobody's terminal, folder or program can be had through /proc of it."""
    session = site.session("web1")
    session.screen()
    worker = site.pid("worker")
    spawner_pid = int(pathlib.Path(
        f"/proc/{worker}/task/{worker}/children").read_text())
    for pid in pathlib.Path(f"/proc/{spawner_pid}/task/{spawner_pid}/children"
                            ).read_text().split():
        # As its own user: it is nobody's to look into.
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(1)
                os.setuid(1)
                for name in ("mem", "maps", "fd", "environ"):
                    with contextlib.suppress(PermissionError):
                        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
                        os.close(fd)
                        os._exit(2)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
