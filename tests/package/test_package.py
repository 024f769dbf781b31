"""The Debian package: installed, used word by word as docs/getting-started.md
says, upgraded while somebody types, removed, purged."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from machine import (BUILD, PATIENCE, TOP, Machine, checked, chroot, copy_root,
                     make_root, wait_for)

PASSWORD = "no secret"
UNITS = ("xenterm-broker.service", "xenterm-fcgi.service",
         "xenterm-fcgi.socket")
LOGGER = "xenterm-logger.service"

# What the package may leave behind when it is purged: nobody deletes a user,
# whose files could then become somebody else's.
LEFT = {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow",
        "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
        "/etc/.pwd.lock", "/etc/ld.so.cache"}


@pytest.fixture(scope="session")
def deb():
    """The package, as `make deb` has made it."""
    found = list((BUILD / "deb").glob("xenterm_*_*.deb"))
    assert len(found) == 1, "make deb"
    return found[0]


@pytest.fixture(scope="session")
def newer(deb, tmp_path_factory):
    """The same one with a higher version."""
    folder = tmp_path_factory.mktemp("newer")
    tree = folder / "tree"
    checked(["dpkg-deb", "-R", deb, tree])
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+1",
                              control.read_text()))
    checked(["dpkg-deb", "--root-owner-group", "-b", tree, folder])
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="session")
def before():
    """The package of the commit before this one, where there is one."""
    return os.environ.get("XENTERM_DEB_BEFORE")


@pytest.fixture(scope="session")
def root():
    root = BUILD / "package-root"
    make_root(root)
    return root


@pytest.fixture(scope="module")
def machine(deb, root, tmp_path_factory):
    """With the package's libraries, since it has no network."""
    folder = tmp_path_factory.mktemp("dom0")
    machine = Machine(folder, root)
    shutil.copy(deb, machine.root / "root")
    chroot(machine.root, "apt-get", "install", "-y",
           "--no-install-recommends", f"/root/{deb.name}")
    chroot(machine.root, "apt-get", "purge", "-y", "xenterm")
    with machine:
        machine.xl("create", "web1")
        machine.xl("create", "echo1", "--", "--echo")
        yield machine


def files_below(root, *folders):
    return {str(pathlib.Path("/") / path.relative_to(root))
            for folder in folders for path in (root / folder).rglob("*")}


# --- a root without systemd running -------------------------------------------

def test_installs_into_a_bare_root_and_leaves_nothing(deb, root, tmp_path):
    copy = tmp_path / "root"
    copy_root(root, copy)
    shutil.copy(deb, copy)
    chroot(copy, "apt-get", "install", "-y", "--no-install-recommends",
           *re.findall(r"[\w.+-]+(?= \()", checked(
               ["dpkg-deb", "-f", deb, "Depends"])))
    places = ("etc", "usr", "var/lib/xenterm", "var/log", "lib")
    before = files_below(copy, *places)
    chroot(copy, "apt-get", "install", "-y", f"/{deb.name}")
    chroot(copy, "nginx", "-t")
    chroot(copy, "xenterm-fcgi", "-t")
    chroot(copy, "xenterm-broker", "-t")
    assert "0.1.0" in chroot(copy, "xenterm", "-V")
    assert chroot(copy, "id", "-gn", "xenterm").strip() == "xenterm"
    assert not chroot(copy, "dpkg", "--verify", "xenterm")
    chroot(copy, "logrotate", "-d", "/etc/logrotate.d/xenterm")
    chroot(copy, "apt-get", "remove", "-y", "xenterm")
    assert (copy / "etc/xenterm/xenterm.conf").exists()
    assert not (copy / "usr/sbin/xenterm-fcgi").exists()
    chroot(copy, "apt-get", "purge", "-y", "xenterm")
    left = files_below(copy, *places) - before - LEFT
    assert not {path for path in left if not path.startswith("/var/log/apt")}
    chroot(copy, "nginx", "-t")


def test_units_are_what_systemd_expects(machine, deb):
    """Before anything runs: in the machine, where all they name exists."""
    machine.run("dpkg", "-i", f"/root/{deb.name}")
    said = machine.run("systemd-analyze", "verify", *UNITS)
    assert said == ""


# --- docs/getting-started.md ---------------------------------------------------

def blocks(path):
    """The lines of its shell examples, in one piece."""
    return re.findall(r"(?ms)^```sh\n(.*?)^```$", path.read_text())


def test_getting_started_word_by_word(machine, deb):
    machine.run("apt-get", "purge", "-y", "xenterm")
    commands = blocks(TOP / "docs/getting-started.md")
    assert len(commands) >= 6
    script = machine.root / "root/getting-started"
    script.write_text("set -e\nset -o pipefail\n" + "".join(commands))
    # The password is read from where a person would type it.
    said = machine.run("sh", "-c", "cd /root && exec bash getting-started",
                       input=PASSWORD + "\n")
    assert re.search(r"^web1 up$", said, re.M), said
    assert re.search(r"^echo1 up$", said, re.M), said
    assert said.count("active\n") == 2, said


def test_they_run_as_they_should(machine):
    for name in UNITS:
        assert machine.unit(name, "ActiveState") == "active"
        assert machine.unit(name, "UnitFileState") == "enabled"
    assert machine.unit("xenterm-fcgi.service", "NRestarts") == "0"
    users = machine.run("ps", "-o", "user=", "-p",
                        f"{machine.pid('xenterm-broker')},"
                        f"{machine.pid('xenterm-fcgi')}").split()
    assert sorted(users) == ["root", "xenterm"]
    said = machine.run("stat", "-c", "%a %U %G", "/run/xenterm/fcgi.sock")
    assert said == "660 root www-data\n"
    said = machine.run("stat", "-c", "%a %U", "/run/xenterm/admin.sock")
    assert said == "600 root\n"


WRITTEN = {"xenterm-broker": ["/run/lock", "/run/xenterm", "/var/log/xenterm"],
           "xenterm-fcgi": ["/run/xenterm", "/var/log/xenterm"]}
PLACES = ("/etc", "/home", "/root", "/run", "/run/lock", "/run/systemd",
          "/run/xenterm", "/srv", "/usr", "/var/lib", "/var/log",
          "/var/log/xenterm")


@pytest.mark.parametrize("name", WRITTEN)
def test_they_write_where_they_have_to(machine, name):
    """As root, whom nothing but the unit hinders."""
    def writable(*within):
        return machine.run(
            *within, "sh", "-c", 'for place; do test -w "$place" && '
            'echo "$place"; done; :', "sh", *PLACES).split()

    assert writable() == [*PLACES]
    assert writable("nsenter", "-t", machine.pid(name), "-m") == WRITTEN[name]


SOCKETS = ("/run/systemd/private", "/run/dbus/system_bus_socket")


@pytest.mark.parametrize("path", SOCKETS)
def test_the_broker_does_not_reach_systemd(machine, path):
    """Which would do for root whatever the unit forbids."""
    def takes_connections(*within):
        said = machine.run(
            *within, "sh", "-c", "curl -s --max-time 2 --unix-socket "
            f"{path} http://localhost/ >/dev/null; echo $?").strip()
        assert said in ("7", "28", "52", "56"), said
        return said != "7"      # CURLE_COULDNT_CONNECT

    assert takes_connections()
    assert not takes_connections(
        "nsenter", "-t", machine.pid("xenterm-broker"), "-m")


def test_doctor_finds_nothing(machine):
    machine.run("xenterm", "doctor")


# --- what systemd does for them -------------------------------------------------

def last_answer(text):
    """Of all tries that curl prints; None when that had no body."""
    answer, at = None, text.find("{")
    while at >= 0:
        answer, at = json.JSONDecoder().raw_decode(text, at)
        at = text.find("{", at)
    return None if answer and "detail" in answer else answer


class Viewer:
    """A session over nginx, as a program would have it."""

    def __init__(self, machine, console):
        self.machine = machine
        made = self.curl("sessions", "--json", json.dumps(
            {"console": console, "mode": "type"}))
        self.token, self.at, self.seq = made["token"], made["from"], 0
        self.seen = b""

    def curl(self, path, *args):
        # 502 is nginx' answer while the worker is away: said again, by number.
        text = self.machine.run(
            "curl", "-ksS", "--fail-with-body", "--retry", "20",
            "--retry-delay", "1", "--retry-connrefused",
            "-u", f"alice:{PASSWORD}",
            f"https://localhost/xenterm/api/v1/{path}",
            *(("-H", f"Xenterm-Token: {self.token}")
              if hasattr(self, "token") else ()),
            "-H", "Accept: application/json", *args)
        return last_answer(text)

    def run(self):
        """The number of the history that it has seen last."""
        return self.at.split(".")[0]

    def type(self, text):
        self.seq += 1
        self.curl(f"input?seq={self.seq}", "-H",
                  "Content-Type: application/octet-stream",
                  "--data-binary", text)

    def poll(self):
        answer = self.curl(f"output?from={self.at}&wait=1")
        for event in answer["events"] if answer else ():
            if event["type"] in ("output", "snapshot"):
                self.seen += base64.b64decode(event["data"])
        if answer:
            self.at = answer["next"]

    def read_until(self, wanted):
        def found():
            self.poll()
            return wanted in self.seen
        wait_for(found, wanted)


def test_types_through_nginx(machine):
    viewer = Viewer(machine, "echo1")
    viewer.type("some bytes")
    viewer.read_until(b"some bytes")


@pytest.mark.parametrize("name", ["xenterm-broker", "xenterm-fcgi"])
def test_one_that_is_killed_is_started_again(machine, name):
    before = machine.pid(name)
    machine.run("kill", "-KILL", str(before))
    wait_for(lambda: machine.pid(name) not in (0, before) and
             machine.unit(name, "SubState") == "running", f"{name} again")
    viewer = Viewer(machine, "echo1")
    viewer.type(f"after {name}")
    viewer.read_until(f"after {name}".encode())


HOW = {"killed": "kill -KILL $(systemctl show -P MainPID xenterm-broker)",
       "restarted": "systemctl restart xenterm-broker"}


@pytest.mark.parametrize("how", HOW)
def test_what_the_broker_has_outlives_it(machine, how):
    """In systemd's store: the same history, tty and session."""
    viewer = Viewer(machine, "echo1")
    viewer.type("before")
    viewer.read_until(b"before")
    run, pid = viewer.run(), machine.pid("xenterm-broker")
    # State and sessions; of each console ring, checkpoint, store, tty, lock.
    assert int(machine.unit("xenterm-broker", "NFileDescriptorStore")) >= 7
    machine.run("sh", "-c", HOW[how])
    wait_for(lambda: machine.pid("xenterm-broker") not in (0, pid) and
             machine.unit("xenterm-broker", "SubState") == "running",
             "another broker")
    wait_for(lambda: '"broker":"connected"' in machine.run(
        "curl", "-sS", "--unix-socket", "/run/xenterm/admin.sock",
        "http://localhost/healthz").replace(" ", ""), "worker and broker")
    viewer.type("after")
    viewer.read_until(b"after")
    assert viewer.run() == run
    said = machine.run("journalctl", "-u", "xenterm-broker", "--no-pager",
                       f"_PID={machine.pid('xenterm-broker')}")
    assert "goes on with" in said and "warning" not in said, said


def test_the_logger_keeps_what_is_printed(machine):
    """It is the admin who starts it."""
    assert machine.unit(LOGGER, "ActiveState") == "inactive"
    machine.run("sh", "-c", "echo 'log \"echo1\" { }' "
                ">>/etc/xenterm/conf.d/admins.conf")
    machine.run("systemctl", "start", LOGGER)
    viewer = Viewer(machine, "echo1")

    def is_kept():
        viewer.type("a line to be kept\r\n")
        return "a line to be kept" in machine.run(
            "sh", "-c", "xenterm log echo1 || :")
    wait_for(is_kept, "a line in the log")
    said = machine.run("stat", "-c", "%A %U %G", "/var/log/xenterm/consoles")
    assert said == "drwxr-s--- xenterm xenterm\n"
    assert machine.unit(LOGGER, "NRestarts") == "0"


def test_one_that_hangs_is_started_again(machine):
    """By the watchdog, here with less patience than the unit's minute."""
    drop_in = machine.root / "run-watchdog.conf"
    drop_in.write_text("[Service]\nWatchdogSec=2\n")
    folder = "/run/systemd/system/xenterm-fcgi.service.d"
    machine.run("sh", "-c", f"mkdir -p {folder} && "
                f"cp /run-watchdog.conf {folder}/ && "
                "systemctl daemon-reload && systemctl restart xenterm-fcgi")
    before = machine.pid("xenterm-fcgi")
    machine.run("kill", "-STOP", str(before))
    wait_for(lambda: machine.pid("xenterm-fcgi") not in (0, before) and
             machine.unit("xenterm-fcgi", "SubState") == "running",
             "a worker that answers")
    assert "Watchdog timeout" in machine.run(
        "journalctl", "-u", "xenterm-fcgi", "--no-pager")
    machine.run("sh", "-c", f"rm -r {folder}; systemctl daemon-reload; "
                "systemctl restart xenterm-fcgi")


def test_who_comes_while_it_restarts_waits(machine):
    """The socket is systemd's: no request of nginx is refused."""
    machine.run("systemctl", "stop", "--no-block", "xenterm-fcgi")
    status = machine.run(
        "curl", "-ksS", "-o", "/dev/null", "-w", "%{http_code}",
        "-u", f"alice:{PASSWORD}",
        "https://localhost/xenterm/api/v1/consoles")
    assert status in ("200", "503"), status
    wait_for(lambda: machine.unit("xenterm-fcgi", "SubState") == "running",
             "started by its socket, or never stopped")


# --- upgrade, removal -------------------------------------------------------------

def test_upgrade_while_somebody_types(machine, before, newer):
    """From the commit before, to what has been looked at so far."""
    if before:
        shutil.copy(before, machine.root / "before.deb")
        machine.run("dpkg", "-i", "/before.deb")
    shutil.copy(newer, machine.root / "newer.deb")
    viewer = Viewer(machine, "echo1")
    programs = [name for name in (*UNITS[:2], LOGGER) if machine.pid(name)]
    assert len(programs) == 3 or before and programs == list(UNITS[:2])
    pids = [machine.pid(name) for name in programs]
    run = viewer.run()
    upgrade = machine.popen("dpkg", "-i", "/newer.deb",
                            stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
    typed = 0
    try:
        while upgrade.poll() is None or typed < 10:
            viewer.type(f"<{typed}>")
            viewer.read_until(f"<{typed}>".encode())
            typed += 1
    finally:
        upgrade.wait(PATIENCE)
    assert upgrade.returncode == 0
    after = [machine.pid(name) for name in programs]
    assert 0 not in pids + after and not set(pids) & set(after)
    assert machine.unit(LOGGER, "UnitFileState") == "disabled"
    assert viewer.run() == run
    assert machine.run("dpkg-query", "-W", "-f", "${Version}",
                       "xenterm") == "0.1.0+1"


def test_removed_and_purged(machine):
    machine.run("apt-get", "remove", "-y", "xenterm")
    for name in (*UNITS, LOGGER):
        assert machine.unit(name, "ActiveState") in ("inactive", "failed")
    assert machine.run("sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null | "
                       "grep -c ^xenterm || :").strip() == "0"
    assert machine.run("sh", "-c", "ls /etc/xenterm").split() == [
        "conf.d", "xenterm.conf"]
    machine.run("apt-get", "purge", "-y", "xenterm")
    # What an admin has written there stays.
    assert machine.run("sh", "-c", "find /etc/xenterm -type f").split() == [
        "/etc/xenterm/conf.d/admins.conf"]
    assert not (machine.root / "var/log/xenterm").exists()
