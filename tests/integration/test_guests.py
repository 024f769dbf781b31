"""A console follows its guest: reboots, renames, its end, and who else wants
it; and the size that all its viewers share."""

import contextlib
import itertools
import os
import pty
import re
import select
import subprocess
import threading

import standin
from standin import wait_for


@contextlib.contextmanager
def xenconsole(site, name):
    """Debian's xenconsole on a guest, as an administrator runs it: the other
    end of its terminal."""
    attached, notify = os.pipe()
    mine, its = pty.openpty()
    process = site.host.popen(
        standin.XEN_BIN / "xenconsole", site.host.domid(name),
        "--start-notify-fd", notify, preload=True, pass_fds=[notify],
        stdin=its, stdout=its, stderr=subprocess.DEVNULL)
    os.close(notify)
    os.close(its)
    try:
        assert os.read(attached, 1) == b"\0", "xenconsole is not attached"
        yield mine
    finally:
        os.close(attached)
        process.kill()
        process.wait()
        os.close(mine)


def hear(terminal, wanted):
    """Reads until it was said."""
    said = b""
    while wanted not in said:
        assert select.select([terminal], [], [], standin.PATIENCE)[0], said
        said += os.read(terminal, 4096)


# --- Lives -------------------------------------------------------------------

def test_a_guest_reboots(site, guest, tmp_path):
    """The same session sees the end, the wait and the new boot."""
    boot = tmp_path / "boot"
    boot.write_bytes(b"booting\r\n")
    name = guest("--file", boot, prefix="always")
    session = site.session(name)
    session.rewind()
    session.read_until(b"booting\r\n")
    session.type(b"work", echo=1000)
    console, domid = session.made["console"], site.host.domid(name)

    site.host.reboot(name)
    session.wait_state("waiting")
    session.wait(lambda: session.state == "up"
                 and session.last("state")["domid"] > domid, "the new domain")
    assert session.last("state")["name"] == name
    session.wait(lambda: session.output.count(b"booting\r\n") == 2, "boot")
    # One history, in order, and nothing of it twice.
    assert bytes(session.output) == \
        b"booting\r\nwork\r\nreboot: Restarting system\r\nbooting\r\n"
    assert session.snapshots == session.repeated == 0
    states = [event["state"] for event in session.events
              if event["type"] == "state"]
    assert [state for state, _ in itertools.groupby(states)] == \
        ["up", "waiting", "up"]
    assert session.current().json()["console"] == console
    assert session.type(b"again", echo=1000).output() == b"again"


def test_ten_reboots_in_a_row(own_site):
    site = own_site(reboot_ms=1)
    name = site.guest("--echo")
    session = site.session(name)
    for n in range(10):
        domid = site.host.domid(name)
        site.host.reboot(name)
        session.wait(lambda d=domid: session.state == "up"
                     and session.last("state")["domid"] > d, "the new boot")
        mark = b"boot %d;" % n
        session.type(mark, echo=1000)
        session.read_until(mark)
    # What a guest says in its last moment can be lost with its tty, on a
    # machine that has much else to do; never what came before or after.
    marks = re.findall(rb"boot (\d);", session.output)
    assert marks == [b"%d" % n for n in range(10)]
    assert session.snapshots == 0


def test_a_guest_that_ends_is_gone_after_a_while(own_site):
    """Its last words stay, and its session; then both are forgotten."""
    site = own_site(conf="gone_after = 1\nforget_after = 2\nrescan = 1")
    name = site.guest("--echo")
    session, other = site.session(name), site.session(name, "watch", "viewer")
    session.type(b"last words", echo=1000)
    site.host.shutdown(name)
    session.wait_state("waiting")
    session.wait_state("gone")
    assert site.consoles()[name]["state"] == "gone"
    assert "domid" in session.last("state")
    assert session.screen() == "last words\nreboot: Power down"
    session.type(b"x").problem(409, "not-up")
    assert site.session(name, "watch").poll(at="", wait=0).status == 200
    # It is forgotten when nobody looks at it any more.
    for one in (session, other, site.sessions[-1]):
        one.delete()
    wait_for(lambda: name not in site.consoles(), what="to be forgotten")
    site.request("POST", "api/v1/sessions",
                 {"console": name, "mode": "watch"}).problem(404)


def test_a_guest_is_destroyed_and_comes_again(site, guest):
    """Another guest of that name is another console."""
    name = guest("--echo")
    session = site.session(name)
    session.type(b"first", echo=1000)
    site.host.destroy(name)
    session.wait_state("waiting")
    first = session.made["console"]
    site.guest("--echo", name=name)
    wait_for(lambda: site.consoles()[name]["state"] == "up")
    second = site.session(name)
    assert second.made["console"] != first
    assert second.screen() == ""
    session.type(b"x").problem(409, "not-up")
    # By its id the old one is still to be had, with what it said.
    old = site.session(first, "watch")
    assert old.screen() == "first"


def test_a_guest_comes_back_under_its_uuid(site, guest):
    """Restored, or created anew from the same configuration."""
    name = guest("--echo")
    uuid = site.host.uuid(name)
    session = site.session(name)
    session.type(b"saved", echo=1000)
    site.host.destroy(name)
    session.wait_state("waiting")
    site.host.create(name, "--echo", uuid=uuid)
    session.wait_state("up")
    assert session.type(b"restored", echo=1000).status == 200
    assert session.read_until(b"restored") == b"savedrestored"


def test_a_guest_moves_within_its_host(site, guest):
    """A migration to the same host: for a while two domains have its uuid, and
    names that say so."""
    name = guest("--echo")
    session = site.session(name)
    session.type(b"source;", echo=1000)
    session.read_until(b"source;")
    source = site.host.domid(name)
    target = site.host.create(f"{name}--incoming", "--echo",
                              uuid=site.host.uuid(name))
    session.wait(lambda: session.last("state").get("domid") == target,
                 "the later half")
    site.host.rename(name, f"{name}--migratedaway")
    site.host.rename(f"{name}--incoming", name)
    site.host.destroy(f"{name}--migratedaway")
    assert site.host.domid(name) == target != source
    session.wait(lambda: session.last("state").get("name") == name,
                 "its name again")
    assert session.wait_state("up")["domid"] == target
    assert session.type(b"target", echo=1000).status == 200
    assert session.read_until(b"target") == b"source;target"
    assert session.snapshots == 0


def test_a_domid_comes_again(own_site):
    """Xen counts them to 32,751 and begins anew: another guest has the number
    then, and nothing of it is the old one's."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"the old one", echo=1000)
    session.read_until(b"old one")
    domid = site.host.domid(name)
    site.host.destroy(name)
    session.wait_state("waiting")
    (site.host.root / "run/standin/next-domid").write_text(f"{domid}\n")
    other = site.session(site.guest("--echo"))
    assert other.made["domid"] == domid
    assert other.type(b"the new one", echo=1000).status == 200
    other.read_until(b"the new one")
    assert other.screen() == "the new one"
    session.type(b"x").problem(409, "not-up")
    session.poll(wait=0)
    assert session.output == b"the old one"
    assert session.state == "waiting" and session.screen() == "the old one"


def tty_node(site, name):
    return f"/local/domain/{site.host.domid(name)}/console/tty"


def test_the_same_string_is_written_again(own_site):
    """It may mean another tty of the same number, so all is checked and the
    tty opened again: nobody notices."""
    site = own_site()
    name = site.guest("--echo")
    session = site.session(name)
    session.type(b"one;", echo=1000)
    session.wait(lambda: session.last("viewers"), "settled")
    tty = site.host.tty(name)
    site.host.xenstore_write(tty_node(site, name), tty)
    # The broker has seen it once it has seen what came after it.
    assert site.session(site.guest("--echo")).state == "up"
    assert session.type(b"two;", echo=1000).status == 200
    session.read_until(b"one;two;")
    assert {event["state"] for event in session.events
            if event["type"] == "state"} == {"up"}


def test_a_console_of_xapi(site, guest):
    """It writes no console/type."""
    name = guest("--echo")
    node = f"/local/domain/{site.host.domid(name)}/console/type"
    assert site.host.xenstore_read(node) == "xenconsoled"
    site.host.xenstore_rm(node)
    session = site.session(name)
    assert session.state == "up"
    assert session.type(b"k", echo=1000).output() == b"k"


def test_a_guest_is_renamed(site, guest):
    name = guest("--echo")
    session = site.session(name)
    session.wait(lambda: session.last("viewers"), "settled")
    site.host.rename(name, name + "-new")
    try:
        session.wait(lambda: session.last("state").get("name")
                     == name + "-new", "the new name")
        assert session.state == "up"
        assert session.type(b"k", echo=1000).output() == b"k"
        assert name not in site.consoles()
        assert site.session(name + "-new").id == session.id
        site.request("POST", "api/v1/sessions",
                     {"console": name, "mode": "type"}).problem(404)
    finally:
        site.host.rename(name + "-new", name)
    session.wait(lambda: session.last("state")["name"] == name, "the old one")


def test_a_crashed_guest_keeps_its_last_screen(site, guest):
    name = guest("--echo")
    session = site.session(name)
    site.host.crash(name)
    session.read_until(b"Kernel panic - not syncing")
    assert site.consoles()[name]["state"] == "up"


def test_a_paused_guest_says_nothing_and_loses_nothing(site, guest):
    name = guest("--echo")
    session = site.session(name)
    session.wait(lambda: session.last("viewers"), "settled")
    site.host.pause(name)
    assert session.type(b"early", echo=100).status == 204
    site.host.unpause(name)
    assert session.read_until(b"early") == b"early"


def test_a_serial_port_and_a_pv_console(site, guest):
    """The port is what the guest's name stands for, as for `xl console`."""
    name = guest("--echo", hvm_serial=True)
    wait_for(lambda: name + "/pv0" in site.consoles(), what="both consoles")
    kinds = {console["kind"] for key, console in site.consoles().items()
             if key.split("/")[0] == name}
    assert kinds == {"pv", "serial"}
    session = site.session(name)
    assert session.id.endswith("/serial0")
    assert session.type(b"k", echo=1000).output() == b"k"
    assert site.session(name + "/serial0").id == session.id
    assert site.session(name + "/pv0").id != session.id


def test_many_guests_come_and_go(own_site):
    """Thirty at once, each with a viewer that sees its own guest only."""
    site = own_site(conf='hold "*" { mode = always }')
    names = [f"g{n}" for n in range(30)]

    def create(some):
        for name in some:
            site.host.create(name, "--echo")

    threads = [threading.Thread(target=create, args=(names[n::3],))
               for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sessions = {}
    for name in names:
        site.wait_console(name)
        sessions[name] = site.session(name)
    for name, session in sessions.items():
        assert session.type(name.encode(), echo=1000).status == 200
    for name, session in sessions.items():
        assert session.read_until(name.encode()) == name.encode()
    for name in names[::2]:
        site.host.destroy(name)
    for name in names[::2]:
        sessions[name].wait_state("waiting")
    for name in names[1::2]:
        assert sessions[name].type(b".", echo=1000).output() == b"."


# --- Others want it ----------------------------------------------------------

def test_somebody_else_has_the_console(site, guest):
    """Busy, with who it is; and it comes by itself when it is free."""
    name = guest("--echo")
    with xenconsole(site, name):
        session = site.session(name)
        busy = session.wait_state("busy")
        assert re.fullmatch(r"xenconsole \(pid \d+\)", busy["holder"])
        listed = site.consoles()[name]
        assert listed["state"] == "busy"
        assert listed["holder"] == busy["holder"]
        session.type(b"x").problem(409, "not-up")
    session.wait_state("up")
    assert "holder" not in session.last("state")
    assert session.type(b"mine", echo=1000).output() == b"mine"


def test_a_console_that_is_held_keeps_others_out(site, guest):
    name = guest("--echo")
    site.session(name)
    refused = site.host.popen(
        standin.XEN_BIN / "xenconsole", site.host.domid(name), preload=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    _, said = refused.communicate(timeout=10)
    assert refused.returncode != 0 and "lock" in said


def test_release_and_hold(site, guest):
    """The administrator hands it over, and takes it back."""
    name = guest("--echo")
    session = site.session(name)
    session.type(b"before;", echo=1000)
    assert site.admin("POST", f"/release?console={name}").status == 204
    session.wait_state("released")
    session.type(b"x").problem(409, "not-up")
    with xenconsole(site, name) as terminal:
        os.write(terminal, b"by hand;")
        hear(terminal, b"by hand;")
        assert site.admin("POST", f"/hold?console={name}").status == 204
        session.wait_state("busy")
    session.wait_state("up")
    assert session.type(b"after", echo=1000).output() == b"after"
    # What somebody else has read is not ours.
    assert session.read_until(b"after") == b"before;after"


def test_a_new_session_takes_a_released_console_back(site, guest):
    name = guest("--echo")
    first = site.session(name)
    assert site.admin("POST", f"/release?console={name}").status == 204
    first.wait_state("released")
    first.delete()
    second = site.session(name)
    second.wait_state("up")
    assert second.type(b"k", echo=1000).output() == b"k"


def test_the_admin_interface_asked_wrongly(site):
    for method, path, status in (
            ("GET", "/release?console=web1", 405),
            ("POST", "/release", 400), ("POST", "/release?console=none", 404),
            ("POST", "/hold?name=web1", 400), ("GET", "/nothing", 404),
            ("GET", "/", 404)):
        assert site.admin(method, path).status == status, (method, path)
    for path in ("/release?console=", "/hold?console=%00"):
        assert site.admin("POST", path).status in (400, 404), path
    assert site.consoles()["web1"]["state"] == "up"


# --- Size --------------------------------------------------------------------

def test_one_size_for_all_viewers(site, guest):
    name = guest("--echo")
    session = site.session(name)
    other = site.session(name, "watch", "viewer")
    other.wait(lambda: other.last("viewers").get("count") == 2, "settled")
    other.send_poll()
    assert session.resize(rows=40, cols=132).json() == \
        {"rows": 40, "cols": 132}
    assert other.receive_poll().event("size") == \
        {"type": "size", "rows": 40, "cols": 132}
    assert session.current().json()["size"] == {"rows": 40, "cols": 132}
    third = site.session(name, "watch")
    assert third.made["size"] == {"rows": 40, "cols": 132}
    # Nothing was typed.
    session.type(b"end", echo=1000)
    assert session.read_until(b"end") == b"end"


def test_the_same_size_again_is_no_news(site, guest):
    session = site.session(guest("--echo"))
    session.resize(rows=40, cols=132)
    session.wait(lambda: session.last("viewers") and session.last("size"),
                 "settled")
    assert session.resize(rows=40, cols=132).status == 200
    assert session.poll(wait=0).status == 204


def test_telling_the_guest_types_stty(site, guest):
    session = site.session(guest("--echo"))
    assert session.resize(rows=50, cols=100, tell_guest=True).status == 200
    said = b"stty rows 50 cols 100\r"
    assert session.read_until(said) == said
    # It is no input request of the session's.
    assert session.current().json()["seq"] == 0
    assert session.resize(rows=51, cols=100, tell_guest=False).status == 200
    session.type(b"end", echo=1000)
    assert session.read_until(b"end") == said + b"end"


def test_the_bounds_of_a_size(site, guest):
    session = site.session(guest("--echo"))
    for rows, cols in ((1, 2), (200, 400), (24, 80)):
        assert session.resize(rows=rows, cols=cols).json() == \
            {"rows": rows, "cols": cols}
    for rows, cols in ((0, 80), (201, 80), (24, 1), (24, 401)):
        session.resize(rows=rows, cols=cols).problem(400, "bad-body")
    assert session.current().json()["size"] == {"rows": 24, "cols": 80}
