"""xenterm-broker on a stand-in host, seen by a worker that speaks proto.h:
which consoles it tells of, when it opens their ttys, and when it does not.

The program is looked up in the repository's top folder, or in $XENTERM_BIN.
"""

import contextlib
import fcntl
import mmap
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import time
import uuid

import pytest

import standin
from standin import Host, wait_for

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BROKER = pathlib.Path(os.environ.get("XENTERM_BIN", TOP)) / "xenterm-broker"

# common/proto.h
VERSION = 3
HELLO, WANT, UNWANT, RELEASE, HANGUP, POWER = 1, 2, 3, 4, 5, 7
CONSOLE, TTY, REMOVED, SYNCED, SESSIONS, POWERED = 64, 65, 66, 67, 70, 71
STATES = ("up", "waiting", "busy", "released", "refused", "gone")
PV, SERIAL = 0, 1
MESSAGE_MAX = 256


def why_not():
    if standin.missing():
        return standin.missing()
    return None if BROKER.exists() else f"{BROKER} is not built"


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Key(bytes):
    """struct console_key"""

    def __new__(cls, vm, kind=PV, number=0):
        return super().__new__(cls, uuid.UUID(vm).bytes
                               + struct.pack("=II", kind, number))


def check_sealed(memory):
    """Nobody can take anything of it away."""
    try:
        os.ftruncate(memory, 0)
        raise AssertionError("shared memory can be taken away")
    except PermissionError:
        pass


def identity(memory):
    return os.fstat(memory).st_ino


def check_memory(ring, read_only, checkpoint, store):
    """What a screen process gets: the ring, which it cannot change, and room
    for its states; and what the worker gets for itself."""
    assert os.fstat(read_only).st_ino == os.fstat(ring).st_ino
    assert fcntl.fcntl(read_only, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    try:
        mmap.mmap(read_only, 4096)
        raise AssertionError("the ring can be changed")
    except PermissionError:
        pass
    for memory in (ring, checkpoint, store):
        check_sealed(memory)


class Seen:
    """One console as the worker knows it."""

    state = name = holder = domid = default = None
    ring = pty = serial = store = None
    removed = False
    answers = 0     # messages about it

    def close(self):
        for fd in (self.ring, self.pty):
            if fd is not None:
                os.close(fd)
        self.ring = self.pty = None


class Worker:
    """The other end of the broker's socket."""

    def __init__(self, path, hello=True):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(str(path))
        self.consoles = {}
        self.powered = {}       # by number
        self.synced = False
        self.sessions = None    # which memory
        if hello:
            self.send(struct.pack("=II", HELLO, VERSION))
            self.wait(lambda: self.synced, "MSG_SYNCED")

    def close(self):
        self.sock.close()
        for seen in self.consoles.values():
            seen.close()

    def send(self, data, fds=()):
        socket.send_fds(self.sock, [data], fds)

    def ask(self, message, key):
        self.send(struct.pack("=I", message) + key)

    def hangup(self, key):
        self.send(struct.pack("=II", HANGUP, self[key].serial) + key)

    def __getitem__(self, key):
        return self.consoles.setdefault(key, Seen())

    def take(self, timeout):
        """One message; False when none came in time."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return False
        data, fds, flags, _ = socket.recv_fds(self.sock, MESSAGE_MAX, 8)
        if not data:
            raise EOFError("the broker has closed the connection")
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        message = struct.unpack_from("=I", data)[0]
        if message == SYNCED:
            assert struct.unpack("=II", data) == (SYNCED, VERSION)
            assert self.sessions
            self.synced = True
        elif message == SESSIONS:
            assert struct.unpack("=II", data) == (SESSIONS, VERSION)
            assert not self.consoles and len(fds) == 1
            self.sessions = identity(fds[0])
            check_sealed(fds[0])
            os.close(fds.pop())
        elif message == CONSOLE:
            self.on_console(data)
        elif message == TTY:
            self.on_tty(data, fds)
            fds = []
        elif message == REMOVED:
            assert len(data) == 28
            self[data[4:]].removed = True
        elif message == POWERED:
            _, number, outcome = struct.unpack("=III", data)
            assert number not in self.powered, "answered twice"
            self.powered[number] = outcome
        else:
            raise AssertionError(f"message {message}")
        assert not fds
        return True

    def on_console(self, data):
        _, state, domid, flags, key, name, holder = struct.unpack(
            "=III I 24s 128s 64s".replace(" ", ""), data)
        seen = self[key]
        seen.state, seen.domid = STATES[state], domid
        seen.default = bool(flags & 1)
        seen.name = name.split(b"\0")[0].decode()
        seen.holder = holder.split(b"\0")[0].decode()
        seen.removed = False
        seen.answers += 1

    def on_tty(self, data, fds):
        _, serial, domid, key = struct.unpack("=III24s", data)
        assert len(fds) == 5
        assert key in self.consoles, "a tty of a console never told of"
        seen = self[key]
        seen.close()
        seen.ring, read_only, checkpoint, store, seen.pty = fds
        check_memory(seen.ring, read_only, checkpoint, store)
        os.close(read_only)
        os.close(checkpoint)
        seen.store = identity(store)
        os.close(store)
        seen.serial, seen.tty_domid = serial, domid
        seen.answers += 1

    def wait(self, condition, what=None, timeout=standin.PATIENCE):
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left < 0 or not self.take(left):
                states = [(seen.name, seen.state) for seen
                          in list(self.consoles.values())[-5:]]
                raise AssertionError(f"not in time: {what}; {states}")

    def wait_state(self, key, *states):
        self.wait(lambda: self[key].state in states, f"state {states}")

    def want(self, key):
        """Asks for a console and waits for the answer."""
        while self.take(0):
            pass
        seen = self[key]
        before, seen.answers = seen.answers, 0
        self.ask(WANT, key)
        self.wait(lambda: seen.answers or seen.removed, "an answer")
        seen.answers += before
        return seen

    def open(self, key):
        """Wants it, and has a tty and the state in the end."""
        seen = self.want(key)
        self.wait(lambda: seen.pty is not None and seen.state == "up",
                  "a tty")
        return seen

    def dropped(self):
        """Waits until the broker closes the connection."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            self.wait(lambda: False, "the end of the connection")


def read_until(fd, wanted, timeout=standin.PATIENCE):
    """Reads the tty until `wanted` has come; all that came."""
    seen, end = b"", time.monotonic() + timeout
    while wanted not in seen:
        left = end - time.monotonic()
        assert left > 0, f"{wanted!r} did not come after {seen[-200:]!r}"
        if select.select([fd], [], [], left)[0]:
            data = os.read(fd, 4096)
            assert data, f"hung up after {seen[-200:]!r}"
            seen += data
    return seen


def read_to_end(fd, timeout=standin.PATIENCE):
    """Reads until the tty hangs up."""
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        assert left > 0, "no hangup"
        if select.select([fd], [], [], left)[0]:
            try:
                if not os.read(fd, 4096):
                    return
            except OSError:
                return


def echoes(fd, word):
    """A guest with --echo is at the other end."""
    os.write(fd, word)
    read_until(fd, word)


def run_of(seen):
    """The run number in the ring's header (common/ring.c)."""
    with mmap.mmap(seen.ring, 4096, prot=mmap.PROT_READ) as header:
        magic, _, run = struct.unpack_from("=QQQ", header)
    assert magic == 0x3147524D52455458
    return run


class Broker:
    """The real program, inside a host."""

    def __init__(self, host, **options):
        self.host = host
        self.socket = host.dir / "run/xenterm/broker.sock"
        self.log_path = host.dir / "log/broker.log"
        self.conf = host.dir / "run/xenterm.conf"
        self.workers = []
        hold = options.pop("hold", "")
        options = {"user": '"nobody"', "rescan": 1, "gone_after": 60,
                   "forget_after": 60} | options
        self.conf.write_text("".join(
            f"{name} = {value}\n" for name, value in options.items()) + hold)
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = self.host.popen(
                BROKER, "-f", "-d", "-c", "/run/xenterm.conf",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.socket.exists, what="the broker's socket")

    def stop(self):
        """Ends it, and tells how it ended."""
        for worker in self.workers:
            worker.close()
        self.workers = []
        self.process.terminate()
        return self.process.wait(standin.PATIENCE)

    def worker(self, **options):
        """Connects, as soon as the broker listens."""
        self.workers.append(wait_for(lambda: self.connect(options),
                                     what=f"the broker: {self.log()}"))
        return self.workers[-1]

    def leave(self, worker):
        worker.close()
        self.workers.remove(worker)

    def connect(self, options):
        try:
            return Worker(self.socket, **options)
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern):
        wait_for(lambda: re.search(pattern, self.log()),
                 what=f"in the log: {pattern}")

    def ttys(self):
        """The pseudo terminals it has open; one that it refuses is among
        them for a moment, whenever it looks at it again."""
        found = []
        folder = f"/proc/{self.process.inside()}/fd"
        for fd in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"{folder}/{fd}"))
        return [path for path in found if path.startswith("/dev/pts/")]

    def locks(self):
        folder = self.host.dir / "run/lock"
        return sorted(path.name for path in folder.glob("xenconsole.*"))


@pytest.fixture
def start(tmp_path):
    """Starts a host and a broker in it; afterwards the broker must have lived
    to the end, and leave nothing behind."""
    brokers = []

    def start_both(xenstored="c", reboot_ms=100, **options):
        host = Host(tmp_path / "dom0", xenstored, reboot_ms=reboot_ms)
        host.start()
        try:
            brokers.append(Broker(host, **options))
        except BaseException:
            host.stop()
            raise
        return host, brokers[-1]

    yield start_both
    for broker in brokers:
        try:
            lived = broker.process.poll() is None
            status = broker.stop() if lived else broker.process.returncode
            log = broker.log()
            assert lived and status == 0, log[-3000:]
            assert "ERROR: AddressSanitizer" not in log, log[-6000:]
            assert "runtime error" not in log, log[-3000:]
            assert not broker.socket.exists()
            assert broker.locks() == []
        finally:
            broker.host.stop()


both = pytest.mark.parametrize("xenstored", ["c", "oxen"])


# --- A guest's life --------------------------------------------------------

@both
def test_guest_comes_and_is_wanted(start, xenstored):
    host, broker = start(xenstored)
    worker = broker.worker()
    assert worker.consoles == {}

    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    seen = worker[key]
    assert (seen.name, seen.domid, seen.default) == ("web1", domid, True)
    assert seen.pty is None and broker.ttys() == [] == broker.locks()

    worker.open(key)
    echoes(seen.pty, b"hello")
    assert run_of(seen) != 0
    assert broker.locks() == [f"xenconsole.{domid}"]
    assert broker.ttys() == [host.tty("web1")]


@both
def test_reboot_is_followed(start, xenstored):
    host, broker = start(xenstored)
    worker = broker.worker()
    old = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    run, serial = run_of(seen), seen.serial

    host.reboot("web1")
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait_state(key, "waiting")
    worker.wait(lambda: seen.serial != serial and seen.state == "up",
                "the new tty")
    assert seen.domid > old and run_of(seen) == run
    assert seen.tty_domid == seen.domid
    echoes(seen.pty, b"again")
    wait_for(lambda: broker.locks() == [f"xenconsole.{seen.domid}"])
    assert broker.ttys() == [host.tty("web1")]


def test_reboot_without_worker(start):
    """The broker sees the hangup itself when nobody reads."""
    host, broker = start(hold='hold "*" { mode = always }\n')
    old = host.create("web1", "--echo")
    wait_for(lambda: broker.locks() == [f"xenconsole.{old}"])
    host.destroy("web1")
    wait_for(lambda: broker.ttys() == [] == broker.locks())


def test_rename(start):
    host, broker = start()
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    serial = seen.serial
    host.rename("web1", "web2")
    worker.wait(lambda: seen.name == "web2", "the new name")
    echoes(seen.pty, b"on")
    assert seen.serial == serial


def test_gone_and_forgotten(start):
    host, broker = start(gone_after=1, forget_after=1)
    worker = broker.worker()
    host.create("web1")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    host.destroy("web1")
    worker.wait_state(key, "waiting")
    worker.wait_state(key, "gone")
    worker.wait(lambda: worker[key].removed, "MSG_REMOVED")


def test_gone_is_kept_while_wanted(start):
    host, broker = start(gone_after=1, forget_after=1)
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    run = run_of(seen)
    vm = host.uuid("web1")
    host.destroy("web1")
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait_state(key, "gone")
    wait_for(lambda: broker.ttys() == [] == broker.locks())
    time.sleep(2.5)     # longer than forget_after: nothing is to happen
    assert not worker.take(0)
    host.create("web1", "--echo", uuid=vm)
    worker.wait_state(key, "up")
    worker.wait(lambda: seen.serial > 1, "the new tty")
    echoes(seen.pty, b"back")
    assert run_of(seen) == run
    host.destroy("web1")
    worker.wait(lambda: True)
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait_state(key, "gone")
    worker.ask(UNWANT, key)
    worker.wait(lambda: seen.removed, "MSG_REMOVED")


def test_bootloader_phase(start):
    """D exists with a tty before the domain is introduced: no event says so,
    the rescan finds it."""
    host, broker = start()
    worker = broker.worker()
    vm = str(uuid.uuid4())
    host.run("xenstore-write", "/local/domain/77/vm", f"/vm/{vm}",
             "/local/domain/77/name", "booting")
    worker.wait_state(Key(vm), "waiting")


def test_always_held(start):
    host, broker = start(hold='hold "web*" { mode = always }\n')
    held, free = host.create("web1", "--echo"), host.create("db1", "--echo")
    wait_for(lambda: broker.locks() == [f"xenconsole.{held}"])
    worker = broker.worker()
    web = worker[Key(host.uuid("web1"))]
    assert web.pty is not None and web.state == "up"
    echoes(web.pty, b"held")
    assert worker[Key(host.uuid("db1"))].pty is None
    # A rename brings it under the rule, but does not let go of the other.
    host.rename("db1", "web2")
    worker.wait(lambda: worker[Key(host.uuid("web2"))].pty is not None)
    assert broker.locks() == [f"xenconsole.{held}", f"xenconsole.{free}"]


def test_hvm_has_two(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("win1", "--echo", hvm_serial=True)
    serial, pv = (Key(host.uuid("win1"), kind) for kind in (SERIAL, PV))
    worker.wait_state(serial, "up")
    worker.wait_state(pv, "up")
    worker.wait(lambda: worker[serial].default and not worker[pv].default)
    worker.open(serial)
    worker.open(pv)
    echoes(worker[serial].pty, b"uart")     # hvc0 is silent there
    assert len(broker.ttys()) == 2
    # One lock for both; it goes with the last one.
    assert broker.locks() == [f"xenconsole.{domid}"]
    worker.ask(RELEASE, serial)
    worker.wait_state(serial, "released")
    assert broker.locks() == [f"xenconsole.{domid}"]
    worker.ask(RELEASE, pv)
    worker.wait_state(pv, "released")
    assert broker.locks() == []


def test_channels_are_no_consoles(start):
    host, broker = start()
    domid = host.create("web1")
    device = f"/local/domain/{domid}/device/console"
    host.run("xenstore-write", f"{device}/1/tty", "/dev/pts/77",
             f"{device}/1/name", "org.qemu.guest_agent.0",
             f"{device}/2/tty", "")
    worker = broker.worker()
    vm = host.uuid("web1")
    worker.wait_state(Key(vm, PV, 2), "waiting")
    assert Key(vm, PV, 1) not in worker.consoles
    # Found on a scan, watched from then on.
    host.xenstore_write(f"{device}/2/tty", "/dev/pts/78")
    worker.wait_state(Key(vm, PV, 2), "up")


# --- Want, unwant, release -------------------------------------------------

def test_on_demand_is_held_until_the_guest_ends(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    worker.ask(UNWANT, key)
    host.create("other")    # its events come after MSG_UNWANT
    worker.wait_state(Key(host.uuid("other")), "up")
    assert broker.locks() == [f"xenconsole.{domid}"]
    echoes(seen.pty, b"held")

    serial = seen.serial
    host.reboot("web1")
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait(lambda: seen.domid != domid and seen.state == "up")
    assert seen.serial == serial and broker.locks() == []


def test_release_and_hold_again(start):
    host, broker = start(hold='hold "*" { mode = always }\n')
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.wait(lambda: worker[key].pty is not None)
    worker.ask(RELEASE, key)
    worker.wait_state(key, "released")
    assert broker.ttys() == [] == broker.locks()
    # It stays so over a reboot, until somebody wants it.
    host.reboot("web1")
    worker.wait(lambda: worker[key].domid > domid)
    assert worker[key].state == "released" and broker.locks() == []
    serial = worker[key].serial
    worker.want(key)
    worker.wait(lambda: worker[key].serial != serial)
    echoes(worker[key].pty, b"mine")


def test_released_stays_so_for_a_new_worker(start):
    host, broker = start()
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    run = run_of(worker.open(key))
    worker.ask(RELEASE, key)
    worker.wait_state(key, "released")
    broker.leave(worker)
    worker = broker.worker()
    seen = worker[key]
    # It gets the ring, with a tty at its end.
    assert seen.state == "released" and run_of(seen) == run
    read_to_end(seen.pty)
    worker.hangup(key)
    assert broker.ttys() == []
    serial = seen.serial
    worker.ask(WANT, key)
    worker.wait(lambda: seen.serial != serial and seen.state == "up")
    echoes(seen.pty, b"mine")


def test_want_is_always_answered(start):
    host, broker = start()
    worker = broker.worker()
    host.create("web1")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    worker.open(key)
    worker.want(key)    # nothing has changed
    worker.want(key)
    nobody = Key(str(uuid.uuid4()))
    assert worker.want(nobody).removed
    for message in (UNWANT, RELEASE):
        worker.ask(message, nobody)
    worker.send(struct.pack("=II", HANGUP, 1) + nobody)
    assert worker.want(Key(host.uuid("web1"), 9, 9)).removed
    worker.want(key)


def test_old_serial_ends_nothing(start):
    host, broker = start()
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    worker.send(struct.pack("=II", HANGUP, seen.serial + 1) + key)
    worker.want(key)
    assert seen.state == "up"
    echoes(seen.pty, b"still")


# --- Others want it too ----------------------------------------------------

@contextlib.contextmanager
def xenconsole(host, domid):
    """Debian's xenconsole, attached to the console."""
    attached, notify = os.pipe()
    process = host.popen(
        standin.XEN_BIN / "xenconsole", domid, "--start-notify-fd", notify,
        preload=True, pass_fds=[notify], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(notify)
    try:
        assert os.read(attached, 1) == b"\0"
        yield process
    finally:
        os.close(attached)
        process.kill()
        process.wait()
        process.stdin.close()


def test_busy_with_xenconsole(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    with xenconsole(host, domid):
        seen = worker.want(key)
        assert seen.state == "busy" and seen.pty is None
        assert re.fullmatch(r"xenconsole \(pid \d+\)", seen.holder)
        assert broker.ttys() == []
    # It was killed, so its file is still there; it comes by itself.
    worker.wait(lambda: seen.pty is not None and seen.state == "up")
    assert seen.holder == ""
    echoes(seen.pty, b"mine")


def test_xenconsole_waits_for_release(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.open(key)
    refused = host.popen(standin.XEN_BIN / "xenconsole", domid, preload=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    assert refused.wait(standin.PATIENCE) == 11     # "Could not lock"
    worker.ask(RELEASE, key)
    worker.wait_state(key, "released")
    with xenconsole(host, domid):
        assert worker.want(key).state == "busy"
    worker.wait_state(key, "up")


def test_busy_with_uucp_lock(start):
    """libvirt's console knows only this lock."""
    host, broker = start()
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    number = host.tty("web1").removeprefix("/dev/pts/")
    lock = host.dir / "run/lock" / f"LCK.._pts_{number}"
    lock.write_text("%10d\n" % 1)   # the host's first process
    worker.wait_state(key, "up")
    seen = worker.want(key)
    assert seen.state == "busy" and seen.holder.endswith("(pid 1)")
    assert broker.locks() == []
    lock.unlink()
    worker.wait(lambda: seen.pty is not None)
    echoes(seen.pty, b"mine")


def test_a_lock_of_a_stranger(start):
    """Anybody may make files there: the log says what is in the way, and when
    it is taken away the console is held."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    lock = host.dir / f"run/lock/xenconsole.{domid}"
    lock.write_text("")
    os.chown(lock, 65534, 65534)
    worker.wait_state(key, "up")
    assert worker.want(key).state == "refused"
    broker.wait_log(f"refused: .*run/lock/xenconsole.{domid}: not a file of "
                    "root's")
    lock.unlink()
    echoes(worker.open(key).pty, b"mine")


# --- Forged and stale ttys -------------------------------------------------

@contextlib.contextmanager
def terminal(host, raw, program="/usr/bin/python3"):
    """A pty of some process of root's that is no xenconsoled."""
    script = ("import os, pty, sys, tty; m, s = pty.openpty();"
              "tty.setraw(s) if sys.argv[1] == 'raw' else None;"
              "print(os.ttyname(s), flush=True); sys.stdin.read()")
    process = host.popen(program, "-c", script,
                         "raw" if raw else "cooked", text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(standin.PATIENCE)
        process.stdout.close()


def refused(broker, worker, key, tty, reason):
    """Writes the forged tty; it is refused, logged once, nothing is open."""
    domid = worker[key].domid
    broker.host.xenstore_write(f"/local/domain/{domid}/console/tty", tty)
    worker.want(key)
    worker.wait_state(key, "refused")
    assert worker[key].pty is None
    wait_for(lambda: broker.ttys() == [] == broker.locks())
    pattern = f"refused: .*{reason}"
    broker.wait_log(pattern)
    worker.want(key)
    assert worker[key].state == "refused"
    count = len(re.findall(pattern, broker.log()))
    assert count == 1, broker.log()
    worker.ask(UNWANT, key)
    worker.wait_state(key, "up")


def test_forged_paths(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1")
    key = Key(host.uuid("web1"))
    good = host.tty("web1")
    worker.wait_state(key, "up")
    (host.dir / "run/file").write_text("secret")
    (host.dir / "run/link").symlink_to(good)
    form = "not of the form /dev/pts/N"
    for tty in ("/run/file", "/run/link", "/dev/null", "/dev/pts/../null",
                f"/dev/pts/../pts/{good[9:]}", f"/dev/pts/0{good[9:]}",
                "/dev/pts/ptmx", "dev/pts/0", good + " "):
        refused(broker, worker, key, tty, re.escape(tty) + ": " + form)
    refused(broker, worker, key, good + "\n", r"\(malformed\): " + form)
    refused(broker, worker, key, "/dev/pts/999999", "No such file")
    # And what is good is taken again.
    host.xenstore_write(f"/local/domain/{domid}/console/tty", good)
    worker.open(key)


def test_forged_terminals(start):
    host, broker = start()
    worker = broker.worker()
    host.create("web1")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    with terminal(host, raw=False) as tty:
        refused(broker, worker, key, tty, "not raw")
    with terminal(host, raw=True) as tty:
        refused(broker, worker, key, tty, "not held by xenconsoled")


def test_tty_of_the_bootloader(start):
    """While pygrub runs, xl has the other end; then it goes, and xenconsoled
    makes its own (libxl_bootloader.c)."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    node = f"/local/domain/{domid}/console/tty"
    good = host.tty("web1")
    worker.wait_state(key, "up")
    program = host.dir / "run" / "xl"
    shutil.copy(os.path.realpath("/usr/bin/python3"), program)
    with terminal(host, True, program) as tty:
        host.xenstore_write(node, tty)
        seen = worker.open(key)
        assert broker.ttys() == [tty]
        host.xenstore_write(node, "")
        serial = seen.serial
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait_state(key, "waiting")
    host.xenstore_write(node, good)
    worker.wait(lambda: seen.serial != serial and seen.state == "up")
    echoes(seen.pty, b"booted")


def test_new_tty_refused_before_the_old_one_ends(start):
    """Two guests change their numbers: what is refused at first because the
    other node still has that name is opened once it has not."""
    host, broker = start()
    worker = broker.worker()
    domids = [host.create(name, "--echo") for name in ("web1", "web2")]
    nodes = [f"/local/domain/{domid}/console/tty" for domid in domids]
    key = Key(host.uuid("web1"))
    other = host.tty("web2")
    seen = worker.open(key)
    serial = seen.serial
    host.xenstore_write(nodes[0], other)
    broker.wait_log("another console's node names it")
    echoes(seen.pty, b"alive")
    worker.hangup(key)      # as if it had been read to its end
    worker.wait_state(key, "refused")
    host.xenstore_write(nodes[1], "")
    worker.wait(lambda: seen.serial != serial and seen.state == "up")
    assert other in broker.ttys()


def test_forged_while_held(start):
    """What is open and alive stays; the forged one is not taken."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    good = host.tty("web1")
    seen = worker.open(key)
    with terminal(host, raw=True) as tty:
        host.xenstore_write(f"/local/domain/{domid}/console/tty", tty)
        broker.wait_log("not held by xenconsoled")
        wait_for(lambda: broker.ttys() == [good])
        echoes(seen.pty, b"alive")


def test_a_node_written_again_and_again(start):
    """As by a guest that may write it (xapi): looked at now and then, and what
    it says last counts."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    node, good = f"/local/domain/{domid}/console/tty", host.tty("web1")
    first = worker.open(key).serial
    began = time.monotonic()
    for i in range(200):
        host.xenstore_write(node, f"/dev/pts/{90000 + i % 2}")
    took = time.monotonic() - began
    assert broker.log().count("refused: ") < 25 + 2 * took
    host.xenstore_write(node, good)
    worker.wait(lambda: worker[key].serial != first, "the good one again")
    assert broker.ttys() == [good]
    echoes(worker[key].pty, b"alive")


def test_tty_of_another_guest(start):
    host, broker = start()
    worker = broker.worker()
    host.create("victim", "--echo")
    mallory = host.create("mallory")
    victim, thief = Key(host.uuid("victim")), Key(host.uuid("mallory"))
    tty = host.tty("victim")
    worker.wait_state(thief, "up")
    # Not held yet, but named first by its own console.
    refused(broker, worker, thief, tty, "another console's node")
    worker.open(victim)
    worker.want(thief)
    worker.wait_state(thief, "refused")
    wait_for(lambda: broker.ttys() == [tty])
    # Where the guest can write its device/ (xapi): only qemu's ptys there.
    host.destroy("victim")
    read_to_end(worker[victim].pty)
    worker.hangup(victim)
    host.create("second", "--echo")
    host.xenstore_write(f"/local/domain/{mallory}/device/console/1/tty",
                        host.tty("second"))
    other = Key(host.uuid("mallory"), PV, 1)
    worker.wait_state(other, "up")
    worker.want(other)
    worker.wait_state(other, "refused")
    worker.open(Key(host.uuid("second")))
    wait_for(lambda: broker.ttys() == [host.tty("second")])


def test_a_guest_cannot_claim_the_tty_of_another(start):
    """By a node that it may write itself (xapi), and before the other one had
    its tty, or before the broker saw either."""
    host, broker = start()
    mallory = host.create("mallory")
    host.create("victim", "--echo")
    victim, thief = Key(host.uuid("victim")), Key(host.uuid("mallory"), PV, 1)
    host.xenstore_write(f"/local/domain/{mallory}/device/console/1/tty",
                        host.tty("victim"))
    broker.stop()
    broker.start()
    worker = broker.worker()
    worker.wait_state(thief, "up")
    worker.want(thief)
    worker.wait_state(thief, "refused")
    echoes(worker.open(victim).pty, b"mine")
    worker.wait_state(thief, "refused")


@pytest.mark.parametrize("xenstored", ["c", "oxen"])
def test_a_guest_with_many_nodes(start, xenstored):
    """More than fit into one answer of xenstored, which ends the connection to
    the one in OCaml: where a guest may make them (xapi)."""
    host, broker = start(xenstored=xenstored)
    mallory = host.create("mallory")
    nodes = [f"/local/domain/{mallory}/device/console/{n:060d}"
             for n in range(100)]
    host.run("xenstore-write", *(text for node in nodes for text in (node, "")))
    broker.stop()
    broker.start()
    worker = broker.worker()
    host.create("victim", "--echo")
    echoes(worker.open(Key(host.uuid("victim"))).pty, b"mine")
    assert "connection lost" not in broker.log()


def test_serial_must_be_qemus(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("win1", hvm_serial=True)
    key = Key(host.uuid("win1"), SERIAL)
    worker.wait_state(key, "up")
    with terminal(host, raw=True) as tty:
        host.xenstore_write(f"/local/domain/{domid}/serial/0/tty", tty)
        worker.want(key)
        worker.wait_state(key, "refused")
        broker.wait_log("not held by the guest's qemu")
        wait_for(lambda: broker.ttys() == [])


def test_foreign_backend(start):
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1")
    key = Key(host.uuid("web1"))
    host.xenstore_write(f"/libxl/{domid}/device/console/0/backend",
                        f"/local/domain/5/backend/console/{domid}/0")
    worker.want(key)
    worker.wait_state(key, "refused")
    broker.wait_log("in another domain")


def test_owner_check_can_be_switched_off(start):
    host, broker = start(verify_owner="false")
    worker = broker.worker()
    domid = host.create("web1")
    key = Key(host.uuid("web1"))
    worker.wait_state(key, "up")
    with terminal(host, raw=True) as tty:
        host.xenstore_write(f"/local/domain/{domid}/console/tty", tty)
        worker.want(key)
        worker.wait(lambda: worker[key].pty is not None)
        assert broker.ttys() == [tty]


# --- The daemons die -------------------------------------------------------

@both
def test_xenconsoled_restart(start, xenstored):
    host, broker = start(xenstored)
    worker = broker.worker()
    names = ["web1", "web2", "web3"]
    for name in names:
        host.create(name, "--echo")
    keys = {name: Key(host.uuid(name)) for name in names}
    for name in names:
        worker.open(keys[name])
    serials = {name: worker[keys[name]].serial for name in names}
    runs = {name: run_of(worker[keys[name]]) for name in names}

    host.kill_xenconsoled()
    for name in names:
        read_to_end(worker[keys[name]].pty)
        worker.hangup(keys[name])
        worker.wait_state(keys[name], "waiting")
    # The node still names the old tty: it is not opened again.
    assert worker.want(keys["web1"]).state == "waiting"

    host.restart_xenconsoled()
    for name in names:
        seen = worker[keys[name]]
        worker.wait(lambda: seen.serial != serials[name]
                    and seen.state == "up", f"a new tty of {name}")
        echoes(seen.pty, name.encode())
        assert run_of(seen) == runs[name]
    assert sorted(broker.ttys()) == sorted(host.tty(name) for name in names)


def test_swapped_numbers(start):
    """Only one of two is held when all numbers change their owner."""
    host, broker = start()
    worker = broker.worker()
    for name in ("web1", "web2"):
        host.create(name, "--echo")
    key = Key(host.uuid("web2"))
    seen = worker.open(key)
    serial = seen.serial
    host.restart_xenconsoled()
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait(lambda: seen.serial != serial and seen.state == "up")
    echoes(seen.pty, b"second")


@both
def test_xenstored_dies(start, xenstored):
    host, broker = start(xenstored)
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    host.kill_xenstored()
    broker.wait_log("consoles stay as they are")
    echoes(seen.pty, b"still")
    assert worker.want(key).state == "up"
    assert broker.locks() == [f"xenconsole.{domid}"]
    # It neither spins nor talks while it waits for xenstored.
    lines = len(broker.log().splitlines())
    before = cpu_seconds(broker)
    time.sleep(2)
    assert cpu_seconds(broker) - before < 0.2
    assert len(broker.log().splitlines()) <= lines + 1


def cpu_seconds(broker):
    with open(f"/proc/{broker.process.inside()}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_xenstored_comes_back(start):
    """With an empty store, as a C xenstored that was started again has."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    tty = host.tty("web1")
    seen = worker.open(key)
    vm = host.uuid("web1")
    host.kill_xenstored()
    broker.wait_log("consoles stay as they are")
    again = host.popen(standin.XEN_BIN / "xenstored", "--no-fork",
                       preload=True, stdin=subprocess.DEVNULL)
    try:
        broker.wait_log("xenstore: connected")
        # No domain is known, but the tty lives.
        echoes(seen.pty, b"kept")
        assert worker.want(key).state == "up"
        serial = seen.serial
        host.run("xenstore-write", f"/local/domain/{domid}/vm", f"/vm/{vm}",
                 f"/local/domain/{domid}/name", "newname",
                 f"/local/domain/{domid}/console/tty", tty)
        worker.wait(lambda: seen.name == "newname")
        if seen.serial == serial:
            worker.wait(lambda: seen.serial != serial, "the tty, anew")
        echoes(seen.pty, b"anew")
        # Watches were registered anew, too: no rescan is needed.
        vm2 = str(uuid.uuid4())
        host.run("xenstore-write", "/local/domain/90/vm", f"/vm/{vm2}")
        worker.wait_state(Key(vm2), "waiting")
    finally:
        again.terminate()
        again.wait()


@both
def test_many_domains(start, xenstored):
    """oxenstored cannot list as many; the broker finds them anyway."""
    count = 900
    host, broker = start(xenstored)
    vms = [str(uuid.uuid4()) for _ in range(count)]
    pairs = []
    for i, vm in enumerate(vms):
        pairs += [f"/local/domain/{1000 + i}/vm", f"/vm/{vm}",
                  f"/local/domain/{1000 + i}/name", f"guest{i}"]
    host.run("sh", "-c", "printf 1900 >/run/standin/next-domid")
    for at in range(0, len(pairs), 400):
        host.run("xenstore-write", *pairs[at:at + 400])
    worker = broker.worker()
    worker.wait(lambda: len(worker.consoles) == count, "all consoles",
                timeout=30)
    assert set(worker.consoles) == {Key(vm) for vm in vms}
    # New ones are still found, and old ones still go.
    assert host.create("web1", "--echo") == 1900
    worker.open(Key(host.uuid("web1")))
    host.xenstore_rm("/local/domain/1000")
    worker.wait(lambda: worker[Key(vms[0])].state == "waiting")
    if xenstored == "oxen":
        assert broker.log().count("listing the domains ends") == 1


# --- Workers ---------------------------------------------------------------

def test_worker_is_replaced(start):
    """SIGKILL of a worker: the tty, ring and serial stay."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    first = worker.open(key)
    run, serial, store = run_of(first), first.serial, first.store
    broker.leave(worker)
    os.write(host.open_tty("web1"), b"meanwhile\n")
    second = broker.worker()
    seen = second[key]
    assert seen.state == "up" and seen.serial == serial
    assert run_of(seen) == run and seen.store == store
    assert second.sessions == worker.sessions
    read_until(seen.pty, b"meanwhile")
    assert broker.locks() == [f"xenconsole.{domid}"]


def test_history_of_a_guest_that_ended_reaches_a_new_worker(start):
    host, broker = start(gone_after=1)
    worker = broker.worker()
    host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    seen = worker.open(key)
    run = run_of(seen)
    host.destroy("web1")
    read_to_end(seen.pty)
    worker.hangup(key)
    worker.wait_state(key, "gone")
    broker.leave(worker)
    second = broker.worker()
    assert run_of(second[key]) == run
    read_to_end(second[key].pty)    # at its end from the start
    second.hangup(key)
    second.want(key)
    assert second[key].state == "gone"


def test_second_worker_is_refused(start):
    host, broker = start()
    first = broker.worker()
    second = broker.worker(hello=False)
    second.dropped()
    broker.wait_log("there is a worker already")
    host.create("web1")
    first.wait_state(Key(host.uuid("web1")), "up")
    # The first one's end makes room, whatever order it is seen in.
    first.close()
    broker.worker().close()
    broker.worker()


def test_foreign_user_is_refused(start):
    _, broker = start()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.chdir(broker.socket.parent)
            os.setgroups([])
            os.setgid(65534)    # nobody's group may connect
            os.setuid(12345)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sock.connect("broker.sock")
            sock.settimeout(standin.PATIENCE)
            status = 0 if sock.recv(1) == b"" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    broker.wait_log("uid 12345.*not the configured user")
    assert broker.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("packet, fds", [
    (struct.pack("=I", WANT) + bytes(23), 0),           # too short
    (struct.pack("=I", WANT) + bytes(25), 0),           # too long
    (struct.pack("=I", WANT) + bytes(1000), 0),         # longer than any
    (struct.pack("=I", 77) + bytes(24), 0),             # no such type
    (struct.pack("=I", CONSOLE) + bytes(228), 0),       # not a worker's
    (struct.pack("=I", WANT) + bytes(24), 1),           # a descriptor
    (struct.pack("=I", WANT) + bytes(24), 10),          # many
    (struct.pack("=II", HELLO, VERSION), 0),            # a second one
    (b"\2\0", 0),                                       # not even a type
])
def test_rule_breaker_is_dropped(start, packet, fds):
    _, broker = start()
    worker = broker.worker()
    inside = f"/proc/{broker.process.inside()}/fd"
    before = len(os.listdir(inside))
    worker.send(packet, [0] * fds)
    worker.dropped()
    assert broker.log().count("breaks the rules") == 1
    # It is no longer there, nor is anything it brought.
    wait_for(lambda: len(os.listdir(inside)) == before - 1)
    broker.worker()


@pytest.mark.parametrize("packet", [
    struct.pack("=II", HELLO, VERSION + 1),
    struct.pack("=II", HELLO, 0),
    struct.pack("=I", WANT) + bytes(24),    # before MSG_HELLO
])
def test_bad_greeting(start, packet):
    _, broker = start()
    worker = broker.worker(hello=False)
    worker.send(packet)
    worker.dropped()
    broker.worker()


def test_stalled_worker(start):
    """One that does not read costs nothing, and is told all in the end."""
    host, broker = start()
    count = 600
    vms = [str(uuid.uuid4()) for _ in range(count)]
    for at in range(0, count, 100):
        pairs = []
        for i in range(at, at + 100):
            pairs += [f"/local/domain/{1000 + i}/vm", f"/vm/{vms[i]}"]
        host.run("xenstore-write", *pairs)
    broker.wait_log(vms[-1])
    worker = broker.worker(hello=False)
    worker.send(struct.pack("=II", HELLO, VERSION))
    for i in range(count):      # all of this while it reads nothing
        worker.ask(WANT, Key(vms[i]))
        worker.ask(WANT, Key(str(uuid.UUID(int=i))))
    worker.wait(lambda: worker.synced, "MSG_SYNCED", timeout=30)
    worker.wait(lambda: all(worker[Key(vm)].state == "waiting"
                            for vm in vms))
    worker.wait(lambda: all(worker[Key(str(uuid.UUID(int=i)))].removed
                            for i in range(count)))


# --- What it costs --------------------------------------------------------

def reads_and_writes(broker):
    """How often it has called read() and write(): /proc and xenstore."""
    path = f"/proc/{broker.process.inside()}/io"
    with open(path, encoding="ascii") as f:
        counts = dict(line.split(": ") for line in f)
    return int(counts["syscr"]) + int(counts["syscw"])


def wait_held(broker, names):
    """In the log, which is written when all that it takes has been read."""
    wait_for(lambda: set(names) <= set(re.findall(
        r"^\S+ debug: console (\S+) \(\S+\): up$", broker.log(),
        re.MULTILINE)), what="all held")


def cost_of(host, broker, names):
    """What these guests cost the broker, each, until they are held."""
    before = reads_and_writes(broker)
    for name in names:
        host.create(name, "--echo")
    wait_held(broker, names)
    return (reads_and_writes(broker) - before) / len(names)


def test_a_guest_costs_the_same_beside_many(start):
    """Not a look at each descriptor of xenconsoled's for each console."""
    host, broker = start(hold='hold "*" { mode = always }\n', rescan=3600)
    few, more, many = ([f"{name}{n}" for n in range(count)] for name, count
                       in (("few", 4), ("more", 36), ("many", 4)))
    alone = cost_of(host, broker, few)
    cost_of(host, broker, more)
    assert cost_of(host, broker, many) < alone + 40
    # And all together, when the broker starts.
    broker.stop()
    broker.log_path.write_text("")
    broker.start()
    wait_held(broker, few + more + many)
    assert reads_and_writes(broker) / 44 < alone


# --- Starting and ending ---------------------------------------------------

def test_one_broker_at_a_time(start):
    host, broker = start()
    second = host.run(BROKER, "-f", "-c", "/run/xenterm.conf", check=False)
    assert second.returncode == 1 and "another xenterm-broker is running" in second.stderr
    assert broker.worker().synced


def test_background(start):
    """Without -f it leaves its caller, and listens from then on."""
    host, broker = start()
    broker.stop()
    host.run(BROKER, "-c", "/run/xenterm.conf", timeout=standin.PATIENCE)
    assert broker.worker().synced
    pids = [pid for pid, line in host.processes().items()
            if line[:1] == [os.fsencode(BROKER)]]
    assert len(pids) == 1
    broker.leave(broker.workers[0])
    host.run("kill", pids[0])
    wait_for(lambda: not broker.socket.exists())
    broker.start()


def test_restart_after_sigkill(start):
    """The socket and the lock files it left are taken over."""
    host, broker = start()
    worker = broker.worker()
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker.open(key)
    broker.process.kill()
    broker.process.wait()
    broker.leave(worker)
    assert broker.socket.exists()
    assert broker.locks() == [f"xenconsole.{domid}"]
    broker.start()
    echoes(broker.worker().open(key).pty, b"again")


def test_starts_before_xenstored(start):
    """A worker is told nothing before xenstore has been read."""
    host, broker = start()
    host.create("web1")
    key = Key(host.uuid("web1"))
    broker.stop()
    conf = broker.conf.read_text()
    socket_path = host.dir / "run/xenstored/socket"
    aside = socket_path.with_name("aside")
    socket_path.rename(aside)
    broker.conf.write_text(
        conf + 'xenstore = "/run/xenstored/late"\n')
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(socket_path.with_name("late")))   # nobody listens
    broker.start()
    broker.wait_log("consoles stay as they are")
    worker = broker.worker(hello=False)
    worker.send(struct.pack("=II", HELLO, VERSION))
    worker.ask(WANT, key)
    assert not worker.take(0.5)
    aside.rename(socket_path.with_name("late"))
    worker.wait(lambda: worker.synced and worker[key].pty is not None)
    dead.close()
    (host.dir / "run/xenstored/late").rename(socket_path)


def test_command_line(tmp_path):
    def run(*args):
        done = subprocess.run([BROKER, *args], text=True, timeout=10,
                              capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    conf = tmp_path / "conf"
    conf.write_text("rescan = 5\n")
    assert run("-t", "-c", conf) == (0, "", "")
    status, out, _ = run("-V")
    assert status == 0 and out.startswith("xenterm-broker ")
    status, out, _ = run("-h")
    assert status == 0 and out.startswith("usage: xenterm-broker")
    assert run("-x")[0] == 2
    assert run("-c", conf, "more")[0] == 2
    conf.write_text("rescan = 5\nrescan = 0\n")
    status, _, err = run("-t", "-c", conf)
    assert status == 2 and f"{conf}:2:" in err
    assert run("-c", tmp_path / "none")[0] == 2
    conf.write_text('user = "no-such-user"\n')
    assert run("-f", "-c", conf)[0] == 1
