"""A new configuration while sessions are open: `systemctl reload`."""

import json
import os
import signal

import conftest
import pytest
import test_tickets
import whole_site
from standin import wait_for
from test_tickets import redeem, sign, signed

TOKEN = "Xenterm-Token"
CONF = """
audit_file = "{dir}/audit.log"
""" + test_tickets.CONF
USERS = ("admin", "viewer", "nobody", "late", "grouped")


class Desk(whole_site.Site):
    def __init__(self, folder, **options):
        (folder / "site/nginx").mkdir(parents=True)
        (folder / "site/nginx/xenterm.groups").write_text(
            '"~^grouped$" "dev,ops";\n')
        self.keys = folder / "keys"
        test_tickets.make_keys(self.keys)
        self.folder = folder
        super().__init__(folder / "site", conf=CONF.format(dir=folder).replace(
            f"{folder}/panel", f"{folder}/keys/panel").replace(
            f"{folder}/watchers", f"{folder}/keys/watchers"),
            users=USERS, **options)

    @property
    def path(self):
        return self.dir / "xenterm.conf"

    def part(self, name, text):
        folder = self.dir / "conf.d"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return folder / name

    def replace(self, old, new):
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def said(self, program, text):
        return self.log(program).count(text)

    def reload(self, program="worker", good=True):
        """What `systemctl reload` does; until the worker has answered it."""
        text = "configuration: read again" if good \
            else "configuration: not taken"
        before = self.said("worker", text)
        os.kill(self.pid(program), signal.SIGHUP)
        wait_for(lambda: self.said("worker", text) > before,
                 whole_site.PATIENCE, text)

    def audit(self, event):
        lines = [json.loads(line) for line in
                 (self.folder / "audit.log").read_text().splitlines()]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def site(tmp_path):
    conftest.need_site()
    with Desk(tmp_path) as site:
        site.guest("--echo", name="web1")
        yield site


@pytest.mark.parametrize("program", ["worker", "broker"])
def test_new_rights_and_the_session_that_is_open(site, program):
    """Whichever of the two is told, both follow; a poll that waits does not
    notice."""
    session = site.session("web1")
    session.poll(at="", wait=0)
    while session.poll(wait=0).status != 204:
        pass
    pids = site.pids
    session.send_poll(wait=60)
    assert "web1" not in site.consoles("late")
    site.part("late.conf", 'access "late" { users = {"late"} consoles = {"*"}'
              ' rights = {"type"} }')
    site.reload(program)
    assert site.consoles("late")["web1"]["rights"] == \
        ["list", "watch", "type"]
    assert not session.poller.has_answer()
    session.type(b"still here")
    session.receive_poll()
    session.read_until(b"still here")
    assert site.pids == pids


def test_what_was_typed_before_a_right_was_lost_is_not_typed_after(site):
    deaf = site.guest("--deaf")
    typist = site.session(deaf)
    wait_for(lambda: typist.type(b"x" * 16000).status == 503)
    site.replace('rights = {"list", "watch", "type"}', 'rights = {"watch"}')
    site.reload()
    assert typist.current().json()["mode"] == "watch"
    for _ in range(3):      # more than would have had room
        assert site.admin("POST", f"/send?console={deaf}",
                          b"y" * 16000).status == 204
    typist.wait(lambda: typist.last("notice"), "what is lost")
    assert typist.last("notice")["why"] == "revoked"


def test_what_is_lost_is_lost_at_once(site):
    site.part("ops.conf", 'access "ops" { users = {"@ops"} consoles = {"*"} '
              'rights = {"type"} }')
    site.reload()
    watcher = site.session("web1", "watch", "viewer")
    typist = site.session("web1", "type", "admin")
    grouped = site.session("web1", "watch", "grouped")
    poll = typist.poll(at="", wait=0)
    assert poll.status == 200
    watcher.wait(lambda: watcher.last("viewers").get("count") == 3,
                 "three viewers")
    watcher.send_poll(wait=60)
    site.replace('users = {"viewer"}', 'users = {"nobody"}')
    site.replace('rights = {"list", "watch", "type"}', 'rights = {"watch"}')
    site.reload()
    # Who may not watch any more is told now, not at the end of his poll.
    assert watcher.poller.receive().status in (401, 404)
    watcher.current().problem(401, "unknown-token")
    # Who may not type any more watches.
    typist.type(b"x").problem(403, "read-only")
    assert typist.current().json()["mode"] == "watch"
    typist.wait(lambda: typist.last("mode"), "that he only watches")
    assert typist.last("mode") == {"type": "mode", "mode": "watch",
                                   "why": "right-lost"}
    grouped.wait(lambda: [viewer for viewer
                          in grouped.last("viewers").get("viewers", [])
                          if viewer["user"] == "admin"
                          and viewer["mode"] == "watch"], "that he does")
    assert not grouped.last("mode")
    typist.poll(wait=1)
    assert len([event for event in typist.events
                if event["type"] == "mode"]) == 1
    # A group is remembered.
    assert grouped.current().status == 200
    closed, = site.audit("closed")
    assert (closed["user"], closed["why"]) == ("viewer", "right-lost")
    narrowed, = site.audit("narrowed")
    assert (narrowed["user"], narrowed["why"]) == ("admin", "right-lost")
    (site.dir / "conf.d/ops.conf").unlink()
    site.reload()
    grouped.current().problem(401)


def test_rights_that_are_back_are_for_new_sessions(site):
    typist = site.session("web1")
    rights = 'rights = {"list", "watch", "type"}'
    site.replace(rights, 'rights = {"watch"}')
    site.reload()
    site.replace('rights = {"watch"}\n', rights + "\n")
    site.reload()
    typist.type(b"x").problem(403, "read-only")
    assert site.session("web1").type(b"x").status == 200


FAULTS = (
    ("colour = red\n", ":1: ", "colour"),
    ("\n\nsession_idle = 1\n", ":3: ", "from 5 to 86400"),
    ('access "x" {\n', ":1: ", "not closed"),
    ('access "x" { rights = {"root"} }\n', ":1: ", '"root"'),
    ('audit_file = "/nonexistent/audit.log"\n', "/nonexistent/audit.log",
     "No such file"),
    ('ticket_key "x" { algorithm = HS256 file = "/nonexistent/key"\n'
     'audience = "a" }\n', "/nonexistent/key", "No such file"),
    ('ticket_key "x" { algorithm = EdDSA file = "/etc/passwd"\n'
     'audience = "a" }\n', "/etc/passwd", "key"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[2])
def test_a_mistake_changes_nothing(site, fault):
    text, where, what = fault
    session = site.session("web1")
    path = site.part("50.conf", text)
    site.part("60.conf", 'access "late" { users = {"late"} '
              'consoles = {"*"} rights = {"type"} }')
    site.reload(good=False)
    said = site.log("broker") + site.log("worker")
    where = f"{path}{where}" if where.startswith(":") else where
    line = next(line for line in said.splitlines() if where in line)
    assert what in line
    assert site.consoles("late") == {}
    assert session.type(b"on", echo=1000).output() == b"on"
    path.unlink()
    site.reload()
    assert "web1" in site.consoles("late")


def test_what_only_a_start_can_change(site):
    site.part("50.conf", 'run_dir = "/elsewhere"\nuser = "root"\n')
    site.reload()
    for name in ("run_dir", "user"):
        assert site.said("worker", f"{name} = ") == 1
    assert site.session("web1").type(b"on").status == 200


def test_limits(site):
    site.part("50.conf", "sessions_per_user = 1\n")
    site.session("web1")
    site.reload()
    site.request("POST", "api/v1/sessions", {
        "console": "web1", "mode": "watch"}).problem(429)


def test_holding_follows(site):
    """Held from now on; what is held stays so until its guest ends."""
    name = site.guest("--echo", prefix="later")
    held = len(site.ttys_held())
    site.part("50.conf", 'hold "later*" { mode = always }\n')
    site.reload("broker")
    wait_for(lambda: len(site.ttys_held()) == held + 1, what="the tty")
    (site.dir / "conf.d/50.conf").unlink()
    site.reload("broker")
    assert len(site.ttys_held()) == held + 1
    assert site.session(name).type(b"x", echo=1000).output() == b"x"


def test_keys_of_tickets(site):
    """A new secret; what was signed with the old one is worth nothing."""
    site_user = {"user": "admin"}
    wait_for(lambda: redeem(site, signed(sub="admin", mode="watch"), "web1",
                            "watch", **site_user).status == 201, 20,
             "the first signed ticket")
    opened = redeem(site, signed(sub="admin"), **site_user)
    assert opened.status == 201
    used = signed(sub="admin", jti="once")
    assert redeem(site, used, **site_user).status == 201
    site.reload()
    redeem(site, used, **site_user).problem(401, "bad-ticket")
    (site.keys / "panel.key").write_bytes(b"another secret of 32 bytes or so")
    site.reload()
    redeem(site, signed(sub="admin"), **site_user).problem(401)
    new = sign({"alg": "HS256", "kid": "panel"},
               test_tickets.claims(sub="admin"),
               b"another secret of 32 bytes or so")
    assert redeem(site, new, **site_user).status == 201
    # Without its section the sessions it has opened end.
    token = {TOKEN: opened.json()["token"]}
    assert site.request("GET", "api/v1/sessions/current",
                        headers=token).status == 200
    site.replace('ticket_key "panel"', 'ticket_key "other"')
    site.reload()
    site.request("GET", "api/v1/sessions/current", headers=token) \
        .problem(401, "unknown-token")


def test_the_audit_log_after_rotation(site):
    """What logrotate does: the file is renamed, and another one begun."""
    audit, old = site.folder / "audit.log", site.folder / "audit.log.1"
    site.session("web1")
    audit.rename(old)
    between = site.session("web1")
    assert not audit.exists()       # the file that is open goes on
    site.reload()
    between.delete()
    assert [json.loads(line)["event"] for line in
            old.read_text().splitlines()] == ["opened"] * 2
    assert len(site.audit("closed")) == 1
    assert audit.stat().st_mode & 0o777 == 0o640


def test_without_a_broker_all_stays(site):
    session = site.session("web1")
    site.kill_broker()
    wait_for(lambda: site.healthz()["broker"] != "connected",
             what="its absence")
    os.kill(site.pid("worker"), signal.SIGHUP)
    wait_for(lambda: site.said("worker", "no xenterm-broker to read"),
             what="a line")
    assert session.type(b"on", echo=1000).output() == b"on"


def test_many_signals_are_few_reloads(site):
    for _ in range(200):
        os.kill(site.pid("worker"), signal.SIGHUP)
    site.reload()
    assert site.said("broker", "configuration: read again") < 20
    assert site.session("web1").type(b"on").status == 200
