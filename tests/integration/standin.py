"""Stand-in Xen hosts for tests: Debian's xenstored and xenconsoled without a
hypervisor, in namespaces of their own. See tests/standin/README.md.

    with Host(tmp_path / "dom0") as host:
        host.create("web1", "--echo")
        fd = host.open_tty("web1")

Programs are looked up beside tests/standin/host, or in $STANDIN_BIN.
"""

import os
import pathlib
import signal
import subprocess
import time

STANDIN = pathlib.Path(__file__).resolve().parent.parent / "standin"
HOST = STANDIN / "host"
XEN_BIN = pathlib.Path(os.environ.get("XEN_BIN", "/usr/lib/xen-4.17/bin"))

# Every wait in the tests ends, with an error, after this many seconds.
PATIENCE = 10.0


def missing():
    """Why no stand-in host can run on this machine, or None."""
    if os.geteuid() != 0:
        return "only root can make namespaces and ptys"
    for program in ("xenstored", "oxenstored", "xenconsoled", "xenconsole"):
        if not (XEN_BIN / program).exists():
            return f"no {program} (package xen-utils-4.17)"
    built = pathlib.Path(os.environ.get("STANDIN_BIN", STANDIN))
    for program in ("hypervisor.so", "guest", "toolstack"):
        if not (built / program).exists():
            return f"{built / program} is not built"
    return None


def wait_for(condition, timeout=PATIENCE, what=None):
    """The first true value of condition(); AssertionError after timeout s."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            what = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


class Process(subprocess.Popen):
    """A program inside a host. The pid of Popen is that of tests/standin/enter,
    which waits for it and ends as it does; signals go to the program itself,
    and so even SIGSTOP and SIGKILL do what they say."""

    def inside(self):
        """The program's pid as seen outside; None when it has ended."""
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        try:
            with open(path, encoding="ascii") as f:
                children = f.read().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    # What signals go to.
    target = inside

    def send_signal(self, sig):
        """To the program, once there is one."""
        if self.poll() is not None:
            return
        pid = wait_for(lambda: self.poll() is not None and -1
                       or self.target(), what="a program inside")
        if pid != -1:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Kept(Process):
    """A program inside a host under xenterm-keeper, which starts it again when
    it dies. Signals go to the keeper."""

    keeper = target = Process.inside

    def inside(self):
        """The program's pid; None while there is none."""
        keeper = self.keeper()
        return program_of(keeper) if keeper else None


def living_children(pid):
    """Those that have not ended."""
    try:
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return [int(child) for child in path.read_text().split()
                if is_alive(int(child))]
    except OSError:
        return []


def program_of(keeper):
    """What a keeper's launcher has started."""
    return next((child for launcher in living_children(keeper)
                 for child in living_children(launcher)), None)


def is_alive(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


class Host:
    """One stand-in dom0, living in the folder `dir`. With network=True it has
    a network namespace of its own, which network.py connects."""

    def __init__(self, dir, xenstored="c", log_guests=False, reboot_ms=2000,
                 network=False):
        self.dir = pathlib.Path(dir)
        self.xenstored = xenstored
        self.log_guests = log_guests
        self.reboot_ms = reboot_ms
        self.network = network

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def _host(self, command, *args, check=True, timeout=30):
        return subprocess.run(
            [HOST, command, self.dir, *map(str, args)], check=check,
            timeout=timeout, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _checked(self, command, *args):
        done = self._host(command, *args, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"host {command} {' '.join(map(str, args))}: "
                               f"{done.stderr.strip() or done.returncode}")
        return done.stdout.strip()

    def start(self):
        options = ["--xenstored", self.xenstored,
                   "--reboot-ms", self.reboot_ms]
        if self.log_guests:
            options.append("--log-guests")
        if self.network:
            options.append("--network")
        self._checked("start", *options)

    def stop(self):
        self._checked("stop")

    # What is inside.

    @property
    def init_pid(self):
        """The host's first process, as seen outside."""
        return int((self.dir / "standin" / "init").read_text().split()[0])

    @property
    def root(self):
        """The host's view of the file system, reachable from outside: so
        root / "dev/pts/3" is the host's /dev/pts/3."""
        return pathlib.Path(f"/proc/{self.init_pid}/root")

    def run(self, *command, check=True, timeout=30):
        """Runs a command inside; a CompletedProcess with text output."""
        return self._host("run", *command, check=check, timeout=timeout)

    def popen(self, *command, preload=False, kind=Process, **options):
        """Starts a command inside. With preload=True over the stand-in
        hypervisor, which Xen's own programs need."""
        verb = "preload" if preload else "run"
        return kind([HOST, verb, self.dir, *map(str, command)], **options)

    def processes(self):
        """The command lines of everything inside, by pid there."""
        found = {}
        for entry in (self.root / "proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            found[int(entry.name)] = line.split(b"\0")[:-1]
        return found

    # The toolstack.

    def create(self, name, *guest, uuid=None, hvm_serial=False,
               control=False):
        """Starts a guest; its domid. Further arguments are the guest's:
        "--echo", "--flood", "--deaf", "--file" F, or a program. With control
        its kernel acts on control/shutdown."""
        options = []
        if uuid is not None:
            options += ["--uuid", uuid]
        if hvm_serial:
            options.append("--hvm-serial")
        if control:
            options.append("--control")
        return int(self._checked("xl", "create", name, *options, "--", *guest))

    def destroy(self, name):
        self._checked("xl", "destroy", name)

    def reboot(self, name):
        """Asks the guest to; a new domain follows after reboot_ms."""
        self._checked("xl", "reboot", name)

    def shutdown(self, name):
        self._checked("xl", "shutdown", name)

    def crash(self, name):
        self._checked("xl", "crash", name)

    def rename(self, old, new):
        self._checked("xl", "rename", old, new)

    def pause(self, name):
        self._checked("xl", "pause", name)

    def unpause(self, name):
        self._checked("xl", "unpause", name)

    def list(self):
        """{name: (domid, flags, uuid)} of all guests, without dom0."""
        lines = self._checked("xl", "list").splitlines()[2:]
        fields = (line.rsplit(None, 3) for line in lines)
        return {name: (int(domid), flags, uuid)
                for name, domid, flags, uuid in fields}

    def domid(self, name):
        """None when there is no such guest."""
        done = self._host("xl", "domid", name, check=False)
        return int(done.stdout) if done.returncode == 0 else None

    def uuid(self, name):
        vm = self.xenstore_read(f"/local/domain/{self.domid(name)}/vm")
        return vm.removeprefix("/vm/")

    def tty(self, name):
        """The path of the guest's primary console inside the host."""
        return self._checked("xl", "tty", name)

    def open_tty(self, name):
        """Opens that pty, non-blocking; the caller closes it."""
        path = self.root / self.tty(name).lstrip("/")
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
                       | os.O_CLOEXEC)

    # xenstore, through Debian's tools.

    def xenstore_read(self, path):
        """None when the node does not exist."""
        done = self.run("xenstore-read", path, check=False)
        return done.stdout.removesuffix("\n") if done.returncode == 0 else None

    def xenstore_write(self, path, value):
        self.run("xenstore-write", path, value)

    def xenstore_rm(self, path):
        self.run("xenstore-rm", path)

    def xenstore_ls(self, path="/"):
        """The names directly below path; None when it does not exist."""
        done = self.run("xenstore-list", path, check=False)
        return done.stdout.split() if done.returncode == 0 else None

    # Trouble.

    def restart_xenconsoled(self):
        self._checked("restart-xenconsoled")

    def kill_xenconsoled(self):
        self._checked("kill-xenconsoled")

    def kill_xenstored(self):
        """For good: as on a real host, there is no way back from it."""
        self._checked("kill-xenstored")
