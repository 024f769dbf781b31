"""The broker is killed and comes again: its keeper has kept rings, ttys, locks
and what is known of the consoles, and nobody notices."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from standin import wait_for
from whole_site import PATIENCE


def said(site, pattern):
    return re.search(pattern, site.log("broker"))


def wait_said(site, pattern):
    wait_for(lambda: said(site, pattern), PATIENCE, f"in the log: {pattern}")


@contextlib.contextmanager
def away(site):
    """The broker is dead; afterwards another one has taken over."""
    site.kill_broker()
    wait_for(lambda: site.healthz()["broker"] == "away", PATIENCE)
    yield
    site.start_broker()
    site.wait_connected()


def see(session, data):
    """It is typed, and comes back."""
    assert session.type(data).status == 200
    return session.read_until(data)


def lock_is_held(site, name):
    """xenconsole would be refused."""
    path = site.dir / f"run/lock/xenconsole.{site.host.domid(name)}"
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def news(session):
    return [event["state"] for event in session.events
            if event["type"] == "state"]


def test_nothing_is_noticed(own_site):
    """Run, offsets, state; and the lock is ours at every moment."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    run, before = session.run, news(session)
    with away(site):
        assert lock_is_held(site, name)
        see(session, b"meanwhile;")
        assert b"Could not lock" in xl_console(site, name)
    assert lock_is_held(site, name)
    see(session, b"after;")
    assert (session.run, session.snapshots, news(session)) == (run, 0, before)
    assert bytes(session.output).endswith(b"before;meanwhile;after;")
    assert len(site.ttys_held()) == 1
    # A new viewer sees it all.
    assert "before;meanwhile;after;" in site.session(name).screen()
    # What is given up is given up: the lock as well, though the keeper had it.
    assert site.admin("POST", f"/release?console={name}").status == 204
    site.wait_console(name, "released")
    assert site.ttys_held() == []
    assert not os.path.exists(
        site.dir / f"run/lock/xenconsole.{site.host.domid(name)}")
    with away(site):
        pass
    assert site.consoles()[name]["state"] == "released"


def xl_console(site, name):
    """What xenconsole says when somebody has the console."""
    done = site.host.popen(
        "/usr/lib/xen-4.17/bin/xenconsole", str(site.host.domid(name)),
        preload=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        return done.communicate(timeout=PATIENCE)[0]
    finally:
        if done.poll() is None:
            done.kill()


def test_both_are_killed(own_site):
    """What was printed is there for whoever comes."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    run = session.run
    site.kill_broker()
    site.kill_worker()
    site.start_worker()
    site.start_broker()
    site.wait_connected()
    again = site.session(name)
    assert again.made["from"].split(".")[0] == run
    assert again.screen() == "before;"
    see(again, b"after;")


def test_a_guest_reboots_meanwhile(own_site):
    """The last screen stays, and the new boot follows."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"first life;")
    run, domid = session.run, site.host.domid(name)
    with away(site):
        site.host.reboot(name)
        session.wait_state("waiting")
        wait_for(lambda: site.host.domid(name) not in (None, domid), PATIENCE)
        # Before it has one, asking for its tty is an error.
        wait_for(lambda: site.host.xenstore_read(
            f"/local/domain/{site.host.domid(name)}/console/tty"), PATIENCE)
    session.wait_state("up")
    see(session, b"second life;")
    assert (session.run, session.snapshots) == (run, 0)
    assert session.last("state")["domid"] == site.host.domid(name)
    assert b"first life;" in session.output
    assert len(site.ttys_held()) == 1
    locks = os.listdir(site.dir / "run/lock")
    assert locks == [f"xenconsole.{site.host.domid(name)}"]


def test_guests_go_come_and_are_renamed_meanwhile(own_site):
    site = own_site(conf="gone_after = 1")
    gone, named, stays = (site.guest("--echo") for _ in range(3))
    sessions = [site.session(name) for name in (gone, named, stays)]
    for session in sessions:
        see(session, b"before;")
    with away(site):
        site.host.destroy(gone)
        site.host.rename(named, "other")
        site.host.create("new", "--echo")
        sessions[0].wait_state("waiting")
    sessions[0].wait_state("gone")
    assert sessions[0].screen() == "before;"
    site.wait_console("other")
    see(sessions[1], b"after;")
    assert sessions[1].last("state")["name"] == "other"
    see(sessions[2], b"after;")
    see(site.session("new"), b"new;")
    assert gone in site.consoles() and named not in site.consoles()
    assert [session.snapshots for session in sessions] == [0, 0, 0]


def test_a_domain_of_another_guest_has_the_number_now(own_site):
    """Not by domid, but by uuid."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"mine;")
    domid = site.host.domid(name)
    with away(site):
        site.host.xenstore_write(
            f"/local/domain/{domid}/vm",
            "/vm/00000000-0000-4000-8000-00000000abcd")
    wait_said(site, f"let go of domain {domid}")
    session.wait(lambda: session.state != "up", "the end of it")
    # The one that has it now is as any other.
    other = site.session("00000000-0000-4000-8000-00000000abcd/pv0")
    see(other, b"another's;")
    assert other.run != session.run
    assert b"another's" not in session.output


@pytest.mark.parametrize("how", ["same", "none", "forged"])
def test_the_node_is_written_meanwhile(own_site, how):
    site = own_site()
    name, other = site.guest("--echo"), site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    node = f"/local/domain/{site.host.domid(name)}/console/tty"
    tty = site.host.tty(name)
    with away(site):
        site.host.xenstore_write(node, {
            "same": tty, "none": "", "forged": site.host.tty(other)}[how])
    see(session, b"after;")
    assert session.snapshots == 0
    if how == "forged":
        # Which of both is right cannot be said; nobody gets another's.
        # What is typed while one is let go for the other may be lost.
        site.host.xenstore_write(node, tty)
        wait_for(lambda: re.findall(r"holds (\S+) of", site.log("broker"))[-1]
                 == tty, PATIENCE, "its own tty again")
        session.wait_state("up")
        see(session, b"again;")
    see(site.session(other), b"other;")
    assert b"other;" not in session.output


def test_xenconsoled_is_restarted_meanwhile(own_site):
    """Its ttys change their numbers."""
    site = own_site()
    names = [site.guest("--echo") for _ in range(3)]
    sessions = [site.session(name) for name in names]
    for session in sessions:
        see(session, b"before;")
    with away(site):
        site.host.restart_xenconsoled()
    for session in sessions:
        session.wait_state("up")
        see(session, b"after;")
        assert b"before;" in session.output and session.snapshots == 0
    assert len(site.ttys_held()) == 3


def test_xenstored_dies_meanwhile(own_site):
    """For good. The broker has what it needs to serve a new worker."""
    site = own_site()
    name = site.guest("--echo")
    unheld = site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    with away(site):
        site.host.kill_xenstored()
    see(session, b"after;")
    assert session.snapshots == 0 and session.state == "up"
    assert site.consoles()[unheld]["state"] == "waiting"
    site.kill_worker()
    site.start_worker()
    site.wait_connected()
    again = site.session(name)
    assert again.screen() == "before;after;"
    see(again, b"a new worker;")


def kept_memory(site, name):
    """What the keeper has of this kind, as paths to be opened."""
    folder = pathlib.Path(f"/proc/{site.broker.keeper()}/fd")
    return sorted((path for path in folder.iterdir()
                   if f"memfd:{name} " in os.readlink(path) + " "),
                  key=lambda path: int(path.name))


def write_at(path, offset, data):
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, data, offset)
    os.close(fd)


def goes_on_anew(site, session, name):
    """The viewer is told so, and the console works."""
    session.wait(lambda run=session.run: session.run != run, "a new history")
    see(session, b"after;")
    assert session.snapshots == 1
    assert len(site.ttys_held()) == len(site.consoles())


def test_the_state_is_of_another_version(own_site):
    """An upgrade, or one back: never misread, and the log says so."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    with away(site):
        state, = kept_memory(site, "xenterm-broker")
        write_at(state, 7, b"0")
    goes_on_anew(site, session, name)
    assert said(site, "left is of another version: "
                "consoles begin a new history")
    # All that it had is given up: no ring, no tty, no lock is left over.
    assert len(kept_memory(site, "xenterm-ring")) == 1
    assert lock_is_held(site, name)
    run = session.run
    with away(site):
        pass
    see(session, b"again;")
    assert session.run == run


def test_a_ring_is_of_another_version(own_site):
    """That console alone begins anew."""
    site = own_site()
    names = [site.guest("--echo") for _ in range(2)]
    sessions = [site.session(name) for name in names]
    for session in sessions:
        see(session, b"before;")
    run = sessions[1].run
    with away(site):
        write_at(kept_memory(site, "xenterm-ring")[0], 7, b"0")
    goes_on_anew(site, sessions[0], names[0])
    see(sessions[1], b"after;")
    assert (sessions[1].run, sessions[1].snapshots) == (run, 0)
    assert said(site, "the history that was kept is of another version")


def test_the_worker_cannot_exchange_consoles(own_site):
    """It writes to the rings; whose they are it cannot say."""
    site = own_site()
    names = [site.guest("--echo") for _ in range(2)]
    sessions = [site.session(name) for name in names]
    for n, session in enumerate(sessions):
        see(session, b"secret %d;" % n)
    with away(site):
        rings = kept_memory(site, "xenterm-ring")
        headers = []
        for path in rings:
            with open(path, "rb") as ring:
                headers.append(ring.read(24))
        for path, header in zip(rings, reversed(headers)):
            write_at(path, 0, header)
    for n, session in enumerate(sessions):
        goes_on_anew(site, session, names[n])
        assert b"secret %d;" % (1 - n) not in session.output
    assert said(site, "the history that was kept is not the one")


def test_killed_again_and_again(own_site):
    """Faster than it can start; and the keeper waits longer each time."""
    site = own_site()
    names = [site.guest("--echo", prefix="always") for _ in range(5)]
    session = site.session(names[0])
    see(session, b"before;")
    for _ in range(8):
        pid = wait_for(site.broker.inside, PATIENCE)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda p=pid: site.broker.inside() not in (None, p),
                 PATIENCE)
    site.wait_connected()
    see(session, b"after;")
    assert session.snapshots == 0
    wait_for(lambda: len(site.ttys_held()) == 5, PATIENCE)
    assert len(os.listdir(site.dir / "run/lock")) == 5


def test_restarted_as_for_an_upgrade(own_site):
    """SIGUSR1 to the keeper; the same as systemctl restart."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    see(session, b"before;")
    before = site.pid("broker")
    os.kill(site.broker.keeper(), signal.SIGUSR1)
    wait_for(lambda: site.pid("broker") not in (None, before), PATIENCE)
    wait_said(site, "started again, as asked")
    site.wait_connected()
    see(session, b"after;")
    assert session.snapshots == 0 and news(session)[-1] == "up"


def test_input_that_waits_is_typed_once(own_site):
    """A paste is on its way while the broker is killed."""
    site = own_site()
    session = site.session(site.guest("--echo"))
    text = b"".join(b"%04d." % n for n in range(1500))
    assert session.type(text).status == 200
    site.kill_broker()
    site.start_broker()
    site.wait_connected()
    session.read_until(b"1499.")
    assert bytes(session.output).endswith(text)


def test_many_guests(own_site):
    """Back in a moment, each with its own."""
    site = own_site()
    names = [site.guest("--echo", prefix="always") for _ in range(40)]
    sessions = [site.session(name) for name in names[::8]]
    for n, session in enumerate(sessions):
        see(session, b"number %d;" % n)
    began = time.monotonic()
    with away(site):
        pass
    took = time.monotonic() - began
    assert len(site.ttys_held()) == len(names)
    for n, session in enumerate(sessions):
        see(session, b"again %d;" % n)
        assert bytes(session.output).endswith(b"number %d;again %d;" % (n, n))
        assert session.snapshots == 0
    assert took < PATIENCE
