"""A dom0 for the package: a bare Debian 12 with systemd as its first process
(systemd-nspawn), its own network, and Debian's xenstored and xenconsoled over
the stand-in hypervisor. Whatever runs in it is the package's.

    with Machine(folder, root) as machine:
        machine.run("apt-get", "install", "-y", "/xenterm.deb")
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("XENTERM_BUILD", TOP / "build")).resolve()
STANDIN = BUILD / "tests/standin"

PATIENCE = 60.0

# What the machine has before the package comes. nginx is a recommendation of
# the package, which apt gets in the first of the tests.
PACKAGES = ["systemd", "systemd-sysv", "dbus", "nginx-light",
            "xen-utils-4.17", "xenstore-utils", "openssl", "curl", "jq",
            "logrotate", "man-db", "procps"]


def wait_for(condition, what, timeout=PATIENCE):
    """The first true value of condition()."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.02)
    return value


def make_root(root):
    """A bare Debian with PACKAGES; one that is there is taken."""
    subprocess.run([HERE / "make-root", "bookworm", root, *PACKAGES], check=True,
                   stdin=subprocess.DEVNULL)


def copy_root(root, copy):
    subprocess.run(["cp", "-a", "--reflink=auto", root, copy], check=True)


def chroot(root, *args, **kwargs):
    """Runs a command there without systemd; what it prints."""
    return checked(["chroot", root, "env", "-i", *ENV, *args], **kwargs)


def checked(command, status=0, **kwargs):
    kwargs.setdefault("input", "")
    done = subprocess.run(list(map(str, command)), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300, **kwargs)
    assert done.returncode == status, \
        f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
       "DEBIAN_FRONTEND=noninteractive", "TERM=dumb"]
TOOLSTACK = ["STANDIN_DIR=/run/standin", "STANDIN_BIN=/standin",
             "STANDIN_LOG=/var/log/standin", "STANDIN_INIT=/standin/guest-init",
             "STANDIN_REBOOT_MS=500", "/standin/toolstack"]


def cgroups():
    """The folders of this process in the hierarchies that systemd uses, its
    own of version 1 and the one of version 2, where they are."""
    mounts = [line.split() for line in
              pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for _, where, kind, options, *_ in mounts:
            if (names == "" and kind == "cgroup2" or
                    names == "name=systemd" and kind == "cgroup" and
                    names in options.split(",")):
                yield pathlib.Path(where) / path.lstrip("/")


class Machine:
    def __init__(self, folder, root):
        self.dir = folder
        self.root = folder / "root"
        self.log = folder / "nspawn.log"
        self.name = f"xenterm-{os.getpid()}"
        copy_root(root, self.root)
        self.equip()

    def equip(self):
        """The stand-in Xen, as units that systemd starts."""
        place = self.root / "standin"
        place.mkdir()
        for name in ("hypervisor.so", "guest", "toolstack"):
            shutil.copy(STANDIN / name, place)
        shutil.copy(HERE / "standin/make-state", place)
        shutil.copy(TOP / "tests/standin/guest-init", place)
        system = self.root / "etc/systemd/system"
        wants = system / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        for name in ("xenstored", "xenconsoled"):
            shutil.copy(HERE / f"standin/{name}.service", system)
            (wants / f"{name}.service").symlink_to(f"../{name}.service")
        # There is no /proc/xen: the only thing that is not as shipped.
        drop_in = system / "xenterm-broker.service.d"
        drop_in.mkdir()
        (drop_in / "standin.conf").write_text(
            "[Unit]\nConditionPathExists=\n")
        (self.root / "etc/hostname").write_text("dom0\n")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost dom0\n")

    def make_cgroups(self):
        """Of its own: below them nspawn makes those that it always calls
        payload, which two machines must not share."""
        self.cgroups = [folder / self.name for folder in cgroups()]
        for folder in self.cgroups:
            folder.mkdir()

    def enter_cgroups(self):
        for folder in self.cgroups:
            (folder / "cgroup.procs").write_text("0\n")

    def clear_away(self):
        """What nspawn leaves outside of the folder."""
        for top in self.cgroups:
            for folder, _, _ in os.walk(top, topdown=False):
                os.rmdir(folder)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.name}",
                      ignore_errors=True)

    def __enter__(self):
        self.make_cgroups()
        with open(self.log, "wb") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit",
                 "--private-network", "--link-journal=no",
                 f"--machine={self.name}", "--console=pipe",
                 "--resolv-conf=off", "--timezone=off",
                 f"--directory={self.root}", "--boot"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=self.enter_cgroups)
        try:
            self.leader = wait_for(self.find_leader, "a first process")
            wait_for(self.is_up, "systemd has started all")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def find_leader(self):
        assert self.nspawn.poll() is None, self.log.read_text()
        path = f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children"
        for pid in pathlib.Path(path).read_text().split():
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text()
            if comm == "systemd\n":
                return int(pid)
        return None

    def is_up(self):
        done = subprocess.run(self.inside("systemctl", "is-system-running"),
                              stdin=subprocess.DEVNULL, text=True,
                              capture_output=True)
        return done.stdout.strip() in ("running", "degraded")

    def stop(self):
        """SIGTERM: nspawn has systemd shut down in order; again: at once."""
        for patience, how in ((20, signal.SIGTERM), (20, signal.SIGTERM),
                              (None, signal.SIGKILL)):
            if self.nspawn.poll() is None:
                self.nspawn.send_signal(how)
            try:
                self.nspawn.wait(patience)
                break
            except subprocess.TimeoutExpired:
                pass
        wait_for(self.is_empty, "the end of all that ran in it")
        self.clear_away()

    def is_empty(self):
        return not any(
            (pathlib.Path(folder) / "cgroup.procs").read_text()
            for top in self.cgroups for folder, _, _ in os.walk(top))

    def inside(self, *args):
        return ["nsenter", "-t", str(self.leader), "-a", "env", "-i", *ENV,
                *map(str, args)]

    def run(self, *args, status=0, **kwargs):
        """Runs it inside; what it prints."""
        return checked(self.inside(*args), status=status, **kwargs)

    def popen(self, *args, **kwargs):
        return subprocess.Popen(self.inside(*args), **kwargs)

    def xl(self, *args):
        """The stand-in toolstack."""
        return self.run(*TOOLSTACK, *args)

    def unit(self, name, property):
        return self.run("systemctl", "show", "-P", property, name).strip()

    def pid(self, name):
        return int(self.unit(name, "MainPID"))
