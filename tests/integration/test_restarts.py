"""Programs end, are killed and come again; consoles go on."""

import http.client
import subprocess

import pytest
import whole_site
from standin import wait_for

KILO = 1024


def numbers(output):
    """The numbers of a flood's lines, all but the first and last."""
    lines = bytes(output).split(b"\r\n")[1:-1]
    return [int(line[:12]) for line in lines if line[:12].isdigit()]


def count_on(output):
    found = numbers(output)
    assert found and found == list(range(found[0], found[0] + len(found)))
    return found


def grow(session, size):
    """Until it has so many bytes more."""
    end = session.end + size
    session.wait(lambda: session.end >= end, f"{size} bytes more")


# --- Xen's daemons -----------------------------------------------------------

def test_xenconsoled_is_restarted(own_site):
    """Same session, same history; what came before stays."""
    site = own_site()
    names = [site.guest("--echo") for _ in range(3)]
    sessions = [site.session(name) for name in names]
    for session in sessions:
        session.type(b"before;", echo=1000)
        session.read_until(b"before;")
    runs = [session.run for session in sessions]
    site.host.kill_xenconsoled()
    for session in sessions:
        session.wait_state("waiting")
        session.type(b"lost").problem(409, "not-up")
    site.host.restart_xenconsoled()
    for session in sessions:
        session.wait_state("up")
        assert session.type(b"after", echo=1000).status == 200
        assert session.read_until(b"after") == b"before;after"
    assert [session.run for session in sessions] == runs


def test_xenconsoled_is_restarted_in_a_flood(own_site):
    """What it had in its memory is Xen's loss; the rest goes on."""
    site = own_site()
    session = site.session(site.guest("--flood"))
    grow(session, 100 * KILO)
    domid = session.last("state")["domid"]
    site.host.restart_xenconsoled()
    grow(session, 200 * KILO)
    assert session.wait_state("up")["domid"] == domid
    session.type(b"\x03")
    session.read_until(b"^C\r\n$ ")
    assert session.snapshots == 0
    assert numbers(session.output)[-1] > 2000


def test_xenstored_dies_in_a_flood(own_site):
    """There is no way back from that, but open consoles go on."""
    site = own_site()
    flood = site.session(site.guest("--flood"))
    echo = site.session(site.guest("--echo"))
    grow(flood, 50 * KILO)
    site.host.kill_xenstored()
    grow(flood, 100 * KILO)
    assert echo.type(b"still here", echo=1000).output() == b"still here"
    assert site.session(echo.id).type(b"k", echo=1000).output() == b"k"
    flood.type(b"\x03")
    flood.read_until(b"^C\r\n$ ")
    count_on(flood.output.split(b"^C")[0])
    assert flood.state == "up" and flood.snapshots == 0


# --- The broker --------------------------------------------------------------

def test_the_broker_is_killed(own_site):
    """Consoles that are open go on; a new broker takes them over."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"one;", echo=1000)
    site.kill_broker()
    wait_for(lambda: site.healthz()["broker"] == "away")
    assert site.admin("GET", "/healthz").status == 503
    assert session.type(b"two;", echo=1000).output() == b"two;"
    assert site.session(name, "watch").poll(at="", wait=0).status == 200
    assert site.admin("POST", f"/release?console={name}").status == 503

    site.start_broker()
    site.wait_connected()
    assert site.admin("GET", "/healthz").status == 200
    assert session.type(b"three;", echo=1000).status == 200
    session.read_until(b"three;")
    assert session.state == "up"
    # It is the new one that follows the guests now.
    later = site.guest("--echo")
    assert site.session(later).type(b"k", echo=1000).output() == b"k"
    site.host.reboot(name)
    session.wait_state("waiting")
    session.wait_state("up")
    assert session.type(b"rebooted", echo=1000).status == 200
    session.read_until(b"rebooted")


def test_the_broker_is_killed_in_a_flood(own_site):
    site = own_site()
    session = site.session(site.guest("--flood"))
    for _ in range(3):
        grow(session, 60 * KILO)
        site.kill_broker()
        grow(session, 60 * KILO)
        count_on(session.output)
        site.start_broker()
        # A new broker begins a new history, and the viewer is told so.
        run, snapshots = session.run, session.snapshots
        session.wait(lambda r=run: session.run != r, "a new history")
        assert session.snapshots == snapshots + 1
        grow(session, 30 * KILO)
        count_on(session.output)
    session.type(b"\x03")
    session.read_until(b"^C\r\n$ ")


def test_the_broker_is_away_when_the_worker_starts(own_site):
    site = own_site()
    name = site.guest("--echo")
    site.kill_broker()
    site.kill_worker()
    site.start_worker()
    wait_for(lambda: worker_answers(site), what="the worker")
    answer = site.request("POST", "api/v1/sessions",
                          {"console": name, "mode": "type"})
    answer.problem(503, "overload")
    assert answer.headers["Retry-After"]
    site.start_broker()
    site.wait_connected()
    assert site.session(name).type(b"k", echo=1000).output() == b"k"


def worker_answers(site):
    try:
        return site.healthz()
    except (OSError, http.client.HTTPException):
        return None


# --- The worker --------------------------------------------------------------

def test_the_worker_is_killed(own_site):
    """Its sessions are gone; what the guest had printed is not."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"printed before;", echo=1000)
    session.read_until(b"before;")
    at, run = session.at, session.run
    site.kill_worker()
    session.typist.request("GET", "api/v1/consoles").problem(502)
    site.start_worker()
    site.wait_connected()
    session.current().problem(401, "unknown-token")
    session.type(b"x").problem(401, "unknown-token")
    assert site.healthz()["sessions"] == 0
    # The broker has kept lock, tty and history.
    assert site.consoles()[name]["state"] == "up"
    again = site.session(name)
    assert again.made["from"].split(".")[0] == run
    assert again.screen() == "printed before;"
    # A viewer who goes on where it was is told no byte twice.
    again.output.clear()
    again.begin = int(at.split(".")[1])
    assert again.poll(at=at, wait=0).output() == b""
    assert again.type(b"after", echo=1000).output() == b"after"


def test_the_worker_is_killed_in_a_flood(own_site):
    """Five times, and not one line is missing."""
    site = own_site()
    name = site.guest("--flood")
    session = site.session(name)
    grow(session, 30 * KILO)
    for _ in range(5):
        before = session
        site.kill_worker()
        before.close()
        site.start_worker()
        site.wait_connected()
        session = site.session(name)
        # It takes over what the one before has seen, and goes on there.
        session.at, session.begin = before.at, before.begin
        session.output[:] = before.output
        grow(session, 60 * KILO)
        assert session.snapshots == 0
    session.type(b"\x03")
    session.read_until(b"^C\r\n$ ")
    assert session.run == before.run
    count_on(session.output.split(b"^C")[0])


def test_viewers_who_wait_when_the_worker_is_killed(own_site):
    """nginx tells them, so that a program knows what to do."""
    site = own_site()
    session = site.session(site.guest("--deaf"))
    session.wait(lambda: session.last("viewers"), "settled")
    session.send_poll(wait=60)
    site.wait_requests(1)
    site.kill_worker()
    answer = session.poller.receive()
    assert answer.problem(502)["code"] == "worker-died"
    assert answer.headers["Retry-After"] == "1"
    # And later ones know that the worker has not seen them.
    for _ in range(3):
        answer = session.request("POST", "api/v1/input?seq=1", b"x", {
            "Content-Type": "application/octet-stream"})
        assert answer.problem(502)["code"] == "no-worker"
    site.start_worker()
    site.wait_connected()
    session.current().problem(401, "unknown-token")


def test_the_worker_ends_on_a_signal(own_site):
    """Those who wait are answered; the next one is there at once."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"kept;", echo=1000)
    session.wait(lambda: session.last("viewers"), "settled")
    session.send_poll(wait=60)
    site.wait_requests(1)
    site.restart_worker()
    session.poller.receive().problem(401, "unknown-token")
    again = site.session(name)
    assert again.screen() == "kept;"
    assert again.type(b"k", echo=1000).output() == b"k"


def test_ten_restarts_of_everything(own_site):
    site = own_site()
    name = site.guest("--echo")
    for n in range(10):
        session = site.session(name)
        mark = b"round %d;" % n
        assert session.type(mark, echo=1000).output() == mark
        session.close()
        site.end("worker" if n % 2 else "broker")
        if n % 2:
            site.end("broker")
            site.start_broker()
            site.start_worker()
        else:
            site.start_broker()
        site.wait_connected()


@pytest.mark.parametrize("name", ["broker", "worker"])
def test_a_second_one_does_not_start(site, name):
    """And the first one is as it was."""
    program = {"broker": whole_site.BROKER, "worker": whole_site.WORKER}[name]
    second = site.host.popen(
        program, "-f", "-c", site.dir / "xenterm.conf",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, _ = second.communicate(timeout=10)
    assert second.returncode == 1
    assert "running" in said
    assert site.session("web1").type(b"k", echo=1000).output() == b"k"
    assert site.healthz()["broker"] == "connected"
