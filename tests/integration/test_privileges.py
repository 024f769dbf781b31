"""What the programs still are once they run: as the kernel tells of them."""

import contextlib
import os
import pathlib
import pwd
import socket
import subprocess

import pytest

from standin import wait_for
from test_service import manager  # noqa: F401, a fixture
from whole_site import BROKER, BUILD, WORKER

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
                    'log "*" { text = true }\n')
    logger = site.start_program("logger", BUILD / "xenterm-logger")
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"here\r")
    session.read_until(b"here")
    wait_for(lambda: "\nxenterm_logger_connected 1\n" in
             site.admin("GET", "/metrics").body.decode())
    broker, worker = site.pid("broker"), site.pid("worker")
    assert len(threads(broker)) == 2 and len(threads(worker)) == 5
    check(broker, "root", SYS_PTRACE | DAC_OVERRIDE, not ASAN)
    check(worker, "daemon", 0, not ASAN)
    assert status_of(worker)["Groups"].split() == []
    check(logger.inside(), "nobody", 0, False)
    spawner = int(pathlib.Path(f"/proc/{worker}/task/{worker}/children")
                  .read_text())
    screens = pathlib.Path(f"/proc/{spawner}/task/{spawner}/children") \
        .read_text().split()
    check(spawner, "daemon", 0, False)
    assert screens
    for screen in map(int, screens):
        check(screen, "daemon")
    # Nobody but root may look into any of them, or finds a core of it.
    for pid in (broker, worker, spawner, *map(int, screens)):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    logger.terminate()
    assert logger.wait(30) == 0


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
