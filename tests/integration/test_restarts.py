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


def test_who_may_not_see_a_guest_learns_nothing_without_the_broker(own_site):
    """What is not there and what may not be seen look the same then, too."""
    site = own_site()
    name = site.guest("--echo")

    def answers():
        return [(answer.status, answer.body) for answer in (
            site.request("GET", f"api/v1/preview?console={console}",
                         user="nobody") for console in (name, "none"))]

    hidden, missing = answers()
    assert hidden == missing and hidden[0] == 404
    site.kill_broker()
    wait_for(lambda: site.healthz()["broker"] == "away")
    hidden, missing = answers()
    assert hidden == missing and hidden[0] == 503
    assert site.request("GET", f"api/v1/preview?console={name}",
                        user="lister").status == 403


def test_the_broker_is_killed_in_a_flood(own_site):
    """Its keeper has ring and tty: the worker sees no difference."""
    site = own_site()
    session = site.session(site.guest("--flood"))
    run = session.run
    for _ in range(5):
        grow(session, 60 * KILO)
        site.kill_broker()
        grow(session, 60 * KILO)
        site.start_broker()
        site.wait_connected()
        grow(session, 60 * KILO)
    session.type(b"\x03")
    session.read_until(b"^C\r\n$ ")
    assert (session.run, session.snapshots, session.state) == (run, 0, "up")
    count_on(session.output.split(b"^C")[0])


def test_the_broker_is_killed_and_nobody_has_kept_anything(own_site):
    site = own_site()
    session = site.session(site.guest("--flood"))
    for _ in range(3):
        grow(session, 60 * KILO)
        site.lose_broker()
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

def kill_and_start(site):
    site.kill_worker()
    site.start_worker()


def test_the_worker_is_killed(own_site):
    """Same sessions, same history, and the numbers go on."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.resize(rows=40, cols=100)
    session.type(b"printed before;", echo=1000)
    session.read_until(b"before;")
    at, run = session.at, session.run
    site.kill_worker()
    session.typist.request("GET", "api/v1/consoles").problem(502)
    site.start_worker()
    site.wait_connected()
    # The broker has kept lock, tty, history and sessions.
    assert site.consoles()[name]["state"] == "up"
    current = session.current().json()
    assert (current["session"], current["seq"], current["mode"]) == \
        (session.made["session"], session.seq, "type")
    assert (current["size"], current["expires"]) == \
        ({"rows": 40, "cols": 100}, session.made["expires"])
    assert site.healthz()["sessions"] == 1
    # No byte is told twice, and nothing is typed twice.
    assert session.poll(at=at, wait=0).output() == b""
    assert session.snapshots == 0
    assert session.type(b"printed before;", seq=session.seq).json() == \
        {"seq": session.seq, "typed": False}
    assert session.type(b"after", echo=1000).output() == b"after"
    session.read_until(b"before;after")
    assert session.run == run
    assert session.screen() == "printed before;after"
    # An end is an end for all workers.
    session.delete()
    kill_and_start(site)
    site.wait_connected()
    session.current().problem(401, "unknown-token")


def test_the_worker_is_killed_in_a_flood(own_site):
    """Five times, and not one line is missing."""
    site = own_site()
    session = site.session(site.guest("--flood"))
    grow(session, 30 * KILO)
    run = session.run
    for _ in range(5):
        kill_and_start(site)
        site.wait_connected()
        session.close()
        grow(session, 60 * KILO)
        assert session.snapshots == 0
    session.type(b"\x03")
    session.read_until(b"^C\r\n$ ")
    assert session.run == run
    count_on(session.output.split(b"^C")[0])


def until_taken(session, data, seq):
    """Sends a request again until it is known that it was taken, as a browser
    does; how often that took."""
    tries = []

    def taken():
        tries.append(seq)
        try:
            answer = session.type(data, seq=seq)
        except (OSError, http.client.HTTPException):
            session.close()
            return False
        assert answer.status in (200, 502, 503), answer
        return answer.status == 200
    wait_for(taken, what=f"request {seq} taken")
    return len(tries)


def test_the_worker_is_killed_under_typing(own_site):
    """Each request is typed once: in a shell that echoes, the typed lines come
    back in their order, whatever was being done when the worker ended."""
    site = own_site()
    session = site.session(site.guest("--echo"))
    expected, again = b"", 0
    for seq in range(1, 201):
        data = b"%05d " % seq
        expected += data
        if seq % 10 == 0:
            kill_and_start(site)
        again += until_taken(session, data, seq) - 1
    assert again > 0, "no request has met a worker that was away"
    assert session.read_until(b"00200 ") == expected
    assert session.snapshots == 0 and session.last("notice") == {}
    assert session.current().json()["seq"] == 200


def test_what_waits_to_be_typed_outlives_the_worker(own_site):
    """A long paste, which goes at the pace that guests can take."""
    site = own_site()
    name = site.guest("--echo")
    session, other = site.session(name), site.session(name)
    paste = b"".join(b"%06d " % n for n in range(4000))
    for part in (paste[:14000], paste[14000:]):
        assert session.type(part).status == 200
    assert other.type(b"and the other").status == 200
    kill_and_start(site)
    site.wait_connected()
    assert session.current().json()["seq"] == 2 and other.current().json()["seq"] == 1
    assert session.type(b"!").status == 200
    assert session.read_until(b"!") == paste + b"and the other!"
    assert session.last("notice") == {}


def fill(session):
    """Types until the queue takes no more, at a guest that reads nothing."""
    def full():
        answer = session.type(b"x" * 16000)
        return answer.status == 503 and answer.json()["code"] == "queue-full"
    wait_for(full, what="a full queue")


def test_what_waits_is_lost_with_its_guest(own_site):
    """And whoever typed it is told."""
    site = own_site()
    name = site.guest("--deaf")
    session = site.session(name)
    session.wait(lambda: session.last("viewers"), "settled")
    fill(session)
    kill_and_start(site)
    site.wait_connected()
    assert session.current().json()["seq"] == session.seq
    session.type(b"x" * 16000).problem(503, "queue-full")
    assert session.last("notice") == {}
    site.host.reboot(name)
    session.wait(lambda: session.last("notice"), "a notice")
    lost = session.last("notice")
    assert (lost["code"], lost["why"]) == ("input-lost", "guest-ended")
    assert 48000 < lost["bytes"] <= 64 * KILO
    session.wait_state("up")
    assert session.type(b"x").status == 200
    # Who comes later is not told what befell others.
    later = site.session(name)
    later.poll(wait=0)
    assert later.last("notice") == {}


def test_what_waits_is_lost_with_a_release(own_site):
    site = own_site()
    name = site.guest("--deaf")
    session = site.session(name)
    session.wait(lambda: session.last("viewers"), "settled")
    fill(session)
    assert site.admin("POST", f"/release?console={name}").status < 300
    session.wait(lambda: session.last("notice"), "a notice")
    assert session.last("notice")["why"] == "released"


def test_waiting_input_is_cancelled(own_site):
    site = own_site()
    name = site.guest("--deaf")
    session, other = site.session(name), site.session(name)
    assert session.request("DELETE", "api/v1/input").json() == \
        {"cancelled": 0}
    for _ in range(4):
        assert other.type(b"x" * 16000).status == 200
    assert session.type(b"never;").status == 200
    assert session.request("DELETE", "api/v1/input").json() == \
        {"cancelled": 6}
    assert other.request("DELETE", "api/v1/input").json()["cancelled"] > 0
    # The numbers of what was cancelled stay taken.
    assert session.current().json()["seq"] == session.seq == 1
    watcher = site.session(name, "watch")
    watcher.request("DELETE", "api/v1/input").problem(403, "read-only")


RIGHTS = """
access "ops" {{
    users = {{"ops"}}
    consoles = {{"*"}}
    rights = {{"{}"}}
}}
access "chief" {{
    users = {{"chief"}}
    consoles = {{"*"}}
    rights = {{"force"}}
}}
"""
TEAM = (*whole_site.USERS, "ops", "chief")


def test_modes_outlive_the_worker(own_site):
    site = own_site(conf=RIGHTS.format("join"), users=TEAM)
    name = site.guest("--echo")
    session = site.session(name, user="ops")
    session.wait(lambda: session.last("viewers"), "settled")
    taker = site.request("POST", "api/v1/sessions", {
        "console": name, "mode": "type", "take": "force"}, user="chief")
    assert taker.status == 201, taker
    kill_and_start(site)
    site.wait_connected()
    assert session.current().json()["mode"] == "watch"
    session.type(b"x").problem(403, "read-only")
    session.wait(lambda: session.last("mode"), "told")
    assert session.last("mode")["by"] == "chief"


def test_rights_that_were_lost_meanwhile(own_site):
    site = own_site(conf=RIGHTS.format("join"), users=TEAM)
    name = site.guest("--echo")
    typist = site.session(name, user="ops")
    gone = site.session(name, user="chief")
    site.kill_worker()
    path = site.dir / "xenterm.conf"
    path.write_text(path.read_text().replace('"join"}\n}\naccess "chief"',
                    '"watch"}\n}\naccess "chief"').replace('"force"', '"list"'))
    site.start_worker()
    site.wait_connected()
    assert typist.current().json()["mode"] == "watch"
    gone.current().problem(401, "unknown-token")
    assert '"why":"right-lost"' in site.log("worker")


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
    assert session.current().json()["seq"] == 0


def test_the_worker_ends_on_a_signal(own_site):
    """Those who wait are told to ask again; the next one is there at once."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"kept;", echo=1000)
    session.wait(lambda: session.last("viewers"), "settled")
    session.send_poll(wait=60)
    site.wait_requests(1)
    site.restart_worker()
    answer = session.poller.receive()
    answer.problem(503, "overload")
    assert answer.headers["Retry-After"] == "1"
    assert session.type(b"k", echo=1000).output() == b"k"
    assert session.screen() == "kept;k"


def test_tokens_are_not_judged_too_early(own_site):
    """Before the broker has said all, nobody is sent away."""
    site = own_site()
    session = site.session(site.guest("--echo"))
    site.kill_broker()
    site.kill_worker()
    site.start_worker()
    wait_for(lambda: worker_answers(site), what="the worker")
    answer = session.current()
    answer.problem(503, "overload")
    assert answer.headers["Retry-After"] == "1"
    site.start_broker()
    site.wait_connected()
    assert session.current().status == 200


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
