"""The stand-in host does what the product's tests rely on: what
xenstore shows, what the ptys do, what happens at each end of a guest's life."""

import os
import pathlib
import select
import signal
import subprocess
import time

import pytest

import standin
from network import Network
from standin import Host, wait_for

pytestmark = pytest.mark.skipif(standin.missing() is not None,
                                reason=str(standin.missing()))


@pytest.fixture(params=["c", "oxen"])
def host(request, tmp_path):
    with Host(tmp_path / "dom0", request.param, reboot_ms=100) as started:
        yield started


@pytest.fixture
def plain_host(tmp_path):
    with Host(tmp_path / "dom0", reboot_ms=100) as started:
        yield started


class Console:
    """A pty, read up to a pattern; what was read stays in `seen`."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = b""

    def send(self, data):
        while data:
            select.select([], [self.fd], [], standin.PATIENCE)
            data = data[os.write(self.fd, data):]

    def read_some(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return None
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def expect(self, wanted, timeout=standin.PATIENCE):
        end = time.monotonic() + timeout
        while wanted not in self.seen:
            data = self.read_some(max(0.0, end - time.monotonic()))
            if data:
                self.seen += data
            elif data == b"" or time.monotonic() > end:
                raise AssertionError(f"{wanted!r} did not come after "
                                     f"{self.seen[-500:]!r}")
        before, _, self.seen = self.seen.partition(wanted)
        return before

    def expect_hangup(self, timeout=standin.PATIENCE):
        end = time.monotonic() + timeout
        while self.read_some(max(0.0, end - time.monotonic())) != b"":
            assert time.monotonic() < end, "no hangup"


@pytest.fixture
def attach(request):
    def open_console(host, name):
        fd = host.open_tty(name)
        request.addfinalizer(lambda: os.close(fd))
        return Console(fd)
    return open_console


@pytest.fixture
def reader(request):
    """Starts a program whose output is read like a console, always bounded;
    it is gone after the test, however that ends."""
    def start(popen, *args, **options):
        process = popen(*args, stdout=subprocess.PIPE, **options)

        def end():
            process.kill()
            process.wait(standin.PATIENCE)
            process.stdout.close()
        request.addfinalizer(end)
        return process, Console(process.stdout.fileno())
    return start


def login(console, name):
    console.expect(f"{name} login: ".encode())
    console.send(b"ann\r")
    console.expect(f"ann@{name}:~$ ".encode())


def test_bytes_go_both_ways(host, attach):
    domid = host.create("web1", "--echo")
    assert domid == host.domid("web1") == 1
    assert host.tty("web1") == host.xenstore_read(
        f"/local/domain/{domid}/console/tty")
    console = attach(host, "web1")
    console.send(b"hello\xff\x00\r")
    console.expect(b"hello\xff\x00\r")


def test_shell_of_a_guest(host, attach):
    host.create("web1")
    console = attach(host, "web1")
    login(console, "web1")
    console.send(b"echo $(id -un) $(hostname) $TERM $(stty size) $PPID\r")
    console.expect(b"nobody web1 vt220 24 80")
    console.send(b"grep NoNewPrivs /proc/self/status; exit\r")
    console.expect(b"NoNewPrivs:\t1")
    console.expect(b"web1 login: ")


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN],
                ids=["at a terminal", "in the background"])
def interrupts(request):
    """How the host and its guests are started: a shell without job control
    starts what is to run in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_reaches_the_program(interrupts, plain_host, attach):
    plain_host.create("web1")
    console = attach(plain_host, "web1")
    login(console, "web1")
    console.send(b"echo rea''dy; cat\r")
    console.expect(b"ready\r\n")       # the shell has left the terminal alone
    console.send(b"two\r")
    console.expect(b"two\r\ntwo\r\n")
    console.send(b"\x03")
    console.expect(b"^C")
    console.expect(b"ann@web1:~$ ")


def test_guests_do_not_see_the_host(plain_host, attach):
    plain_host.create("web1")
    console = attach(plain_host, "web1")
    login(console, "web1")
    console.send(b"ls -d /proc/[0-9]* | wc -l; ls /run; ls /sys/class/net; "
                 b"echo x >/var/tmp/x; ls /dev/pts; echo do''ne.\r")
    shown = console.expect(b"done.\r\n").decode()
    assert "xenstored" not in shown and "guest" in shown
    assert "Read-only file system" in shown


@pytest.mark.parametrize("command", ["reboot", "shutdown -r now"])
def test_reboot_by_the_guest(host, attach, reader, command):
    uuid = "11111111-2222-3333-4444-555555555555"
    first = host.create("web1", uuid=uuid)
    old = attach(host, "web1")
    login(old, "web1")
    _, events = reader(host.popen, "xenstore-watch", "/local/domain")
    events.expect(b"/local/domain\n")       # fires once when it is registered
    old.send(command.encode() + b"\r")
    old.expect_hangup()
    events.expect(f"/local/domain/{first}\n".encode())
    second = wait_for(lambda: host.domid("web1"))
    events.expect(f"/local/domain/{second}/console/tty\n".encode())
    assert second == first + 1
    assert host.uuid("web1") == uuid
    new = wait_for(lambda: host.xenstore_read(
        f"/local/domain/{second}/console/tty"))
    assert new.startswith("/dev/pts/")
    attach(host, "web1").expect(b"web1 login: ")


def test_poweroff_by_the_guest(host, attach):
    host.create("web1")
    console = attach(host, "web1")
    login(console, "web1")
    console.send(b"poweroff\r")
    console.expect_hangup()
    wait_for(lambda: host.list() == {})
    assert host.xenstore_ls("/local/domain") == ["0"]
    assert not host.xenstore_ls("/vm")


def test_reboot_from_outside_keeps_the_new_name(plain_host):
    first = plain_host.create("web1", "--echo")
    plain_host.rename("web1", "web2")
    plain_host.reboot("web2")
    assert wait_for(lambda: plain_host.domid("web2") not in (None, first))


def test_destroy_hangs_up(host, attach):
    domid = host.create("web1", "--echo")
    console = attach(host, "web1")
    host.destroy("web1")
    console.expect_hangup()
    with pytest.raises(OSError):
        os.write(console.fd, b"x")
    assert host.domid("web1") is None
    assert str(domid) not in host.xenstore_ls("/local/domain")
    assert host.create("web1", "--echo") == domid + 1


def test_a_crashed_guest_keeps_its_console(host, attach):
    host.create("web1", "--echo")
    console = attach(host, "web1")
    host.crash("web1")
    console.expect(b"Kernel panic")
    wait_for(lambda: host.list()["web1"][1] == "--sc-")
    assert console.read_some(0.05) is None
    host.destroy("web1")
    console.expect_hangup()


def test_rename_and_pause(host, attach):
    host.create("web1", "--echo")
    console = attach(host, "web1")
    uuid = host.uuid("web1")
    host.rename("web1", "web2")
    assert host.domid("web1") is None and host.uuid("web2") == uuid
    assert host.xenstore_read(f"/vm/{uuid}/name") == "web2"
    host.pause("web2")
    assert host.list()["web2"][1] == "-p---"
    console.send(b"later")
    assert console.read_some(0.05) is None
    host.unpause("web2")
    console.expect(b"later")
    with pytest.raises(RuntimeError, match="exists"):
        host.create("web2", "--echo")


def test_sysrq(plain_host, attach):
    first = plain_host.create("web1")
    console = attach(plain_host, "web1")
    console.expect(b"login: ")
    console.send(b"\x0fh")
    console.expect(b"sysrq: HELP")
    # Twice is one for the program, and the wait for a key is over: the
    # terminal shows it, and the b, as it is typed.
    console.send(b"\x0f\x0fb")
    console.expect(b"b")
    assert plain_host.domid("web1") == first
    console.send(b"\x0fb")
    console.expect_hangup()
    wait_for(lambda: plain_host.domid("web1") == first + 1)


def test_hvm_serial_is_the_primary_console(host, attach):
    domid = host.create("win", hvm_serial=True)
    serial = host.xenstore_read(f"/local/domain/{domid}/serial/0/tty")
    assert host.tty("win") == serial
    assert serial != host.xenstore_read(f"/local/domain/{domid}/console/tty")
    assert host.xenstore_read(f"/libxl/{domid}/type") == "hvm"
    # What came before anybody listened is lost, as with qemu: ask again.
    console = attach(host, "win")
    console.send(b"\r")
    console.expect(b"win login: ")
    # No SysRq on a serial port.
    console.send(b"\x0fb")
    console.expect(b"b")
    host.destroy("win")
    console.expect_hangup()


def test_flood_stops_at_an_interrupt(plain_host, attach):
    plain_host.create("web1", "--flood")
    console = attach(plain_host, "web1")
    console.expect(b"000000000100 ")
    console.send(b"\x03")
    console.expect(b"^C\r\n$ ")
    assert console.read_some(0.1) is None
    console.send(b"\r")
    console.expect(b"lazy dog")


def test_deaf_guest_fills_up(plain_host, attach):
    plain_host.create("web1", "--deaf")
    fd = attach(plain_host, "web1").fd
    written = 0
    while written < 1 << 20:
        if not select.select([], [fd], [], 0.5)[1]:
            break
        try:
            written += os.write(fd, b"x" * 4096)
        except BlockingIOError:
            pass
    assert 1024 < written < 1 << 17


def test_file_arrives_whole(plain_host, attach, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "data").write_bytes(data)
    plain_host.create("web1", "--file", tmp_path / "data")
    console = attach(plain_host, "web1")
    while len(console.seen) < len(data):
        more = console.read_some(standin.PATIENCE)
        assert more, f"only {len(console.seen)} bytes"
        console.seen += more
    assert console.seen == data
    console.send(b"and on")
    console.expect(b"and on")


def test_xenconsole_locks(host, reader):
    host.create("web1", "--echo")
    # It reads its input only from a terminal, unless told to.
    command = [standin.HOST, "console", host.dir, "web1", "--interactive"]
    first, output = reader(subprocess.Popen, command, stdin=subprocess.PIPE)
    first.stdin.write(b"hello")
    first.stdin.flush()
    output.expect(b"hello")
    assert (host.root / "run/lock/xenconsole.1").exists()
    second = subprocess.run(command, stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=30, check=False)
    assert second.returncode == 11
    assert b"Could not lock" in second.stderr
    first.stdin.write(b"\x1d")
    first.stdin.close()
    assert first.wait(standin.PATIENCE) == 0


def test_restart_of_xenconsoled(host, attach, reader):
    domid = host.create("web1", "--echo")
    old = attach(host, "web1")
    path = f"/local/domain/{domid}/console/tty\n".encode()
    _, events = reader(host.popen, "xenstore-watch", path.decode().strip())
    events.expect(path)
    host.restart_xenconsoled()
    old.expect_hangup()
    events.expect(path)
    new = attach(host, "web1")
    new.send(b"again")
    new.expect(b"again")


def test_consoles_survive_xenstored(host, attach):
    domid = host.create("web1", "--echo")
    console = attach(host, "web1")
    host.kill_xenstored()
    assert host.xenstore_ls() is None
    console.send(b"still")
    console.expect(b"still")
    host.destroy(domid)
    assert not (host.root / "run/standin/domains" / str(domid)).exists()


def test_guest_log(tmp_path):
    with Host(tmp_path / "dom0", log_guests=True) as host:
        host.create("web1")
        log = host.dir / "log/console/guest-web1.log"
        wait_for(lambda: log.exists() and b"login: " in log.read_bytes())


def test_hosts_do_not_meet(tmp_path):
    with Host(tmp_path / "a") as a, Host(tmp_path / "b", "oxen") as b:
        a.create("web1", "--echo")
        assert b.domid("web1") is None
        b.create("web1", "--echo")
        assert a.tty("web1") == b.tty("web1") == "/dev/pts/0"
        a.destroy("web1")
        assert b.domid("web1") == 1
        fd = b.open_tty("web1")
        console = Console(fd)
        console.send(b"b")
        console.expect(b"b")
        os.close(fd)


def machine_processes(text):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            pass
    return found


def test_a_network_of_its_own(plain_host, tmp_path):
    """With a loopback and nothing else, until somebody connects it."""
    before = links_of_the_machine()
    here = os.readlink("/proc/self/ns/net")
    look = ("readlink", "/proc/self/ns/net")
    assert plain_host.run(*look).stdout.strip() == here
    with Host(tmp_path / "joined", network=True) as host:
        assert host.run(*look).stdout.strip() != here
        links = host.run("ip", "-brief", "link").stdout.splitlines()
        assert [link.split()[0] for link in links] == ["lo"]
        assert "LOWER_UP" in links[0]
        with Network() as network:
            assert network.join("dom0-1", host.init_pid) == "192.0.2.11"
            assert "192.0.2.11/24" in host.run("ip", "address").stdout
            with network.cut("dom0-1"):
                assert "NO-CARRIER" in host.run("ip", "link").stdout
                assert links_of_the_machine() == before


def links_of_the_machine():
    lines = subprocess.run(["ip", "-brief", "link"], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return [line.split()[0] for line in lines]


def test_stop_leaves_nothing(tmp_path):
    host = Host(tmp_path / "dom0")
    ptys = set(os.listdir("/dev/pts"))
    with host:
        host.create("web1")
        runner = host.popen("sleep", "600")
        wait_for(lambda: sleepers(host))
        first = host.init_pid
    runner.wait(standin.PATIENCE)
    assert not pathlib.Path(f"/proc/{first}").exists()
    assert machine_processes(str(host.dir)) == []
    assert str(host.dir) not in pathlib.Path("/proc/self/mounts").read_text()
    assert sorted(os.listdir(host.dir)) == ["log"]
    assert set(os.listdir("/dev/pts")) == ptys
    host.stop()     # again: fine
    with host:      # and again
        assert host.create("web1", "--echo") == 1


def test_stop_after_the_starter_was_killed(tmp_path, reader):
    host = Host(tmp_path / "dom0")
    assert host.run("true", check=False).returncode != 0    # not there yet
    starter, output = reader(
        subprocess.Popen, start_new_session=True, args=[
            "bash", "-c", f"'{standin.HOST}' start '{host.dir}'; echo up; "
            "sleep 600"])
    try:
        output.expect(b"up\n")
        os.killpg(starter.pid, signal.SIGKILL)
        host.create("web1", "--echo")
    finally:
        host.stop()
    assert machine_processes(str(host.dir)) == []


def sleepers(host):
    return [b"sleep", b"600"] in host.processes().values()


def test_signals_reach_the_program(plain_host, reader):
    process, output = reader(plain_host.popen, "sh", "-c", "trap 'exit 7' "
                             "TERM; echo up; while :; do sleep 0.1; done")
    output.expect(b"up\n")
    process.terminate()
    assert process.wait(standin.PATIENCE) == 7
    process, _ = reader(plain_host.popen, "sleep", "600")
    wait_for(lambda: sleepers(plain_host))
    process.kill()
    assert process.wait(standin.PATIENCE) == -signal.SIGKILL
    wait_for(lambda: not sleepers(plain_host))
