"""What the programs still are once they run: as the kernel tells of them."""

import contextlib
import os
import pathlib
import pwd
import re
import socket
import subprocess

import pytest

from standin import wait_for
from test_service import manager  # noqa: F401, a fixture
from whole_site import BROKER, BUILD, TOP, WORKER

LOGGER = BUILD / "xenterm-logger"

ASAN = "-fsanitize=address" in (BUILD / "config.log").read_text() \
    if (BUILD / "config.log").exists() else False
SETS = "CapInh", "CapPrm", "CapEff", "CapAmb"
SYS_PTRACE, DAC_OVERRIDE = 1 << 19, 1 << 1


def status_of(pid, thread=None):
    path = pathlib.Path(f"/proc/{pid}/task/{thread or pid}/status")
    return dict(line.split(":\t", 1) for line in
                path.read_text().splitlines() if ":\t" in line)


def threads(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def check(pid, user, capabilities=0, confined=True):
    """Each of its threads."""
    entry = pwd.getpwnam(user)
    for thread in threads(pid):
        status = status_of(pid, thread)
        assert status["Uid"].split() == [str(entry.pw_uid)] * 4
        assert status["Gid"].split() == [str(entry.pw_gid)] * 4
        assert [int(status[name], 16) for name in SETS] == \
            [0, capabilities, capabilities, 0], status
        assert status["NoNewPrivs"] == "1"
        if confined:
            assert status["Seccomp"] == "2"


def test_all_programs(own_site):
    site = own_site(conf='log_user = "nobody"\nlog_dir = "/run/consoles"\n'
                    'log "*" { text = true }\n'
                    'hook "up" { events = {"up"} command = {"/bin/true"} }\n')
    logger = site.start_program("logger", LOGGER)
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"here\r")
    session.read_until(b"here")
    wait_for(lambda: "\nxenterm_logger_connected 1\n" in
             site.admin("GET", "/metrics").body.decode())
    broker, worker = site.pid("broker"), site.pid("worker")
    assert len(threads(broker)) == 2 and len(threads(worker)) == 1
    check(broker, "root", SYS_PTRACE | DAC_OVERRIDE, not ASAN)
    check(worker, "daemon", 0, not ASAN)
    assert status_of(worker)["Groups"].split() == []
    check(logger.inside(), "nobody", 0, not ASAN)
    # What calls the hooks may run programs, and is no more than the logger.
    runner, = children(logger.inside())
    check(runner, "nobody", 0, False)
    assert status_of(runner)["Name"].strip() == "xenterm-hooks"
    spawner, = children(worker)
    screens = children(spawner)
    check(spawner, "daemon", 0, False)
    assert screens
    for screen in screens:
        check(screen, "daemon")
    # The keeper that hears the broker; and what starts the broker, which has
    # what that needs.
    keeper = site.broker.keeper()
    check(keeper, "root", 0, not ASAN)
    launcher, = children(keeper)
    assert children(launcher) == [broker]
    assert status_of(launcher)["Name"].strip() == "xenterm-launch"
    assert status_of(launcher)["NoNewPrivs"] == "0"
    # Nobody but root may look into any of them, or finds a core of it.
    for pid in (broker, worker, spawner, runner, *screens):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    logger.terminate()
    assert logger.wait(30) == 0


def bounding_set(name):
    """What the unit of this name leaves to its program."""
    text = (TOP / f"conf/systemd/{name}.service").read_text()
    names = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", text)[1].split()
    return ",".join(["-all"] + ["+" + name.removeprefix("CAP_").lower()
                                for name in names])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop something")
@pytest.mark.parametrize("path", [BROKER, WORKER, LOGGER],
                         ids=lambda path: path.name)
def test_what_its_unit_leaves_is_enough(manager, path):  # noqa: F811
    """To start the first time, and again."""
    logs = manager.dir / "logs"
    logs.mkdir()
    with open(manager.config, "a", encoding="ascii") as config:
        config.write(f'log_dir = "{logs}/consoles"\n'
                     f'audit_file = "{logs}/audit.log"\n'
                     'log_user = "nobody"\nlog_group = "daemon"\n')
    for start in range(2):
        with open(manager.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["setpriv", f"--bounding-set={bounding_set(path.name)}",
                 "--inh-caps=-all", path, "-f", "-c", manager.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(manager.dir / "notify")
                     })
        try:
            assert manager.hear() == ["READY=1"], manager.log.read_text()
        finally:
            process.terminate()
            assert process.wait(30) == 0, manager.log.read_text()
        assert manager.hear() == ["STOPPING=1"]
        assert "error" not in manager.log.read_text(), start
    if path == LOGGER:
        found = logs / "consoles", logs / "consoles/by-name"
        for folder in found:
            status = folder.stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) \
                == (pwd.getpwnam("nobody").pw_uid,
                    pwd.getpwnam("daemon").pw_gid, 0o2750)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop something")
@pytest.mark.parametrize("missing, reason", [
    ("sys_ptrace", "CAP_SYS_PTRACE is missing, to see who holds"),
    ("dac_override", "CAP_DAC_OVERRIDE is missing, to open ttys"),
])
def test_a_broker_without_what_it_needs(manager, missing, reason):  # noqa: F811
    """It says so to its caller and does not start, as under a unit that gives
    too little."""
    done = subprocess.run(
        ["setpriv", f"--bounding-set=-{missing}", BROKER, "-c",
         manager.config], capture_output=True, text=True, timeout=30,
        check=False)
    assert done.returncode == 1
    assert reason in done.stderr, done.stderr
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.closing(peer), pytest.raises(ConnectionRefusedError):
        peer.connect(str(manager.run_dir / "broker.sock"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop something")
def test_a_worker_that_cannot_become_its_user(manager):  # noqa: F811
    done = subprocess.run(
        ["setpriv", "--bounding-set=-setuid", WORKER, "-c",
         manager.config], capture_output=True, text=True, timeout=30,
        check=False)
    assert done.returncode == 1
    assert "cannot become uid" in done.stderr, done.stderr
