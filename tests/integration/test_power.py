"""POST api/v1/power: a guest is asked, by the node control/shutdown of its
domain, and whoever asks is told what it said. xenstored is the real one; the
guest's kernel is the stand-in's (`control`), or this test."""

import json
import struct
import threading
import time

import pytest

import test_broker
from standin import wait_for
from test_broker import POWER, Key, start   # noqa: F401 (a fixture)
from xenterm import xenterm

CONF = """
audit_file = "{dir}/audit.log"
access "power" {{ users = {{"power"}}  consoles = {{"*"}}
                 rights = {{"power"}} }}
"""
USERS = ("admin", "viewer", "nobody", "power")

# common/limits.h, LIMIT_POWER_SECONDS, LIMIT_POWER
SECONDS, AT_A_TIME = 10, 64


@pytest.fixture
def site(own_site, tmp_path):
    site = own_site(conf=CONF.format(dir=tmp_path), users=USERS)
    site.audit = tmp_path / "audit.log"
    return site


def ask(site, name, action, user="power", headers=(), **more):
    client = site.client(user)
    try:
        return client.request("POST", "api/v1/power",
                              {"console": name, "action": action, **more},
                              headers)
    finally:
        client.close()


def word(site, name, leaf="shutdown"):
    return site.host.xenstore_read(
        f"/local/domain/{site.host.domid(name)}/control/{leaf}")


def write(site, name, value, leaf="shutdown"):
    site.host.xenstore_write(
        f"/local/domain/{site.host.domid(name)}/control/{leaf}", value)


def audited(site):
    lines = map(json.loads, site.audit.read_text().splitlines())
    return [(line["event"], line.get("wanted"), line.get("why"))
            for line in lines if line["event"].startswith(("power", "ref"))]


class Asking(threading.Thread):
    """A call whose answer is a while away."""

    def __init__(self, *args, **more):
        super().__init__()
        self.call, self.answer = lambda: ask(*args, **more), None
        self.start()

    def run(self):
        self.answer = self.call()

    def result(self):
        self.join(SECONDS + 10)
        assert not self.is_alive()
        return self.answer


def test_reboot(site):
    """The guest reboots, and the console follows it."""
    name = site.guest(control=True)
    session = site.session(name)
    domid = site.host.domid(name)
    answer = ask(site, name, "reboot", domid=domid)
    assert answer.status == 200, answer
    assert answer.json() == {"action": "reboot", "domid": domid}
    session.read_until(b"reboot: Restarting system")
    wait_for(lambda: site.host.domid(name) not in (None, domid),
             what="the guest's next domain")
    session.wait_state("up")
    assert audited(site) == [("power-asked", "reboot", None),
                             ("power-answered", "reboot", "taken")]


def test_shutdown(site):
    name = site.guest(control=True)
    session = site.session(name, "watch")
    assert ask(site, name, "shutdown").status == 200
    session.read_until(b"reboot: Power down")
    wait_for(lambda: site.host.domid(name) is None, what="the guest's end")
    answer = ask(site, name, "shutdown")
    assert answer.problem(409)["code"] == "guest-changed"


def test_who_may(site):
    """The right stands by itself, and no page of another site has it."""
    name = site.guest("--echo", control=True)
    for user in ("admin", "viewer"):
        assert ask(site, name, "reboot", user).problem(403)["code"] == \
            "not-allowed"
    assert ask(site, name, "reboot", "nobody").status == 404
    assert ask(site, name, "reboot", None).status == 401
    assert ask(site, name, "reboot", "power", {
        "Sec-Fetch-Site": "cross-site"}).problem(403)["code"] == "wrong-origin"
    assert site.request("POST", "api/v1/sessions", {
        "console": name, "mode": "watch"}, user="power").status == 403
    listed, = site.request("GET", "api/v1/consoles", user="power") \
        .json()["consoles"]
    assert listed["rights"] == ["list", "power"]
    assert audited(site)[:2] == [("refused", name, "not-allowed")] * 2
    assert word(site, name) == ""
    # Whoever may is not held up by that.
    assert ask(site, name, "reboot").status == 200


@pytest.mark.parametrize(("body", "status"), [
    ({"action": "reboot"}, 400),
    ({"console": "web1"}, 400),
    ({"console": "web1", "action": "halt"}, 400),
    ({"console": "web1", "action": "suspend"}, 400),
    ({"console": "web1", "action": ""}, 400),
    ({"console": "web1", "action": 1}, 400),
    ({"console": "web1", "action": "reboot", "domid": 0}, 400),
    ({"console": "web1", "action": "reboot", "domid": "1"}, 400),
    ({"console": "web1", "action": "reboot", "path": "name"}, 400),
    ({"console": "web1/../web2", "action": "reboot"}, 404),
])
def test_what_is_no_request(shared_site, body, status):
    assert shared_site.request("POST", "api/v1/power", body).problem(status)


def test_the_command(site):
    name = site.guest("--echo", control=True)
    session = site.session(name)
    xenterm(site, "power", name, "halt", status=2)
    assert xenterm(site, "power", name, "shutdown") == ""
    session.read_until(b"reboot: Power down")
    wait_for(lambda: site.host.domid(name) is None, what="the guest's end")
    xenterm(site, "power", name, "reboot", status=1)
    xenterm(site, "power", "nobody", "reboot", status=4)
    assert site.admin("POST", f"/power?console={name}&action=halt") \
        .problem(400)["code"] == "bad-parameter"
    assert audited(site)[:2] == [("power-asked", "shutdown", None),
                                 ("power-answered", "shutdown", "taken")]


def test_not_for_root_either(own_site):
    """Where the configuration gives it to nobody."""
    site = own_site()
    name = site.guest("--echo", control=True)
    assert site.admin("POST", f"/power?console={name}&action=reboot") \
        .problem(403)["code"] == "not-allowed"
    assert word(site, name) == ""


def test_it_is_that_domain(site):
    """Who looks at a page from before a reboot does not do it again."""
    name = site.guest("--echo", control=True)
    domid = site.host.domid(name)
    for other in (domid + 1, 2 ** 32 - 1):
        assert ask(site, name, "reboot", domid=other) \
            .problem(409)["code"] == "guest-changed"
    assert ask(site, name, "reboot", domid=domid).status == 200
    wait_for(lambda: site.host.domid(name) not in (None, domid))
    site.wait_console(name)
    assert ask(site, name, "reboot", domid=domid).problem(409)["code"] == \
        "guest-changed"


def test_a_guest_that_says_no(site):
    name = site.guest("--echo")
    write(site, name, "0", "feature-reboot")
    assert ask(site, name, "reboot").problem(409)["code"] == "not-supported"
    assert word(site, name) == ""
    # What it says of the one says nothing of the other.
    asking = Asking(site, name, "shutdown")
    wait_for(lambda: word(site, name) == "poweroff", what="the word")
    write(site, name, "")
    assert asking.result().status == 200
    site.host.xenstore_rm(
        f"/local/domain/{site.host.domid(name)}/control/shutdown")
    assert ask(site, name, "shutdown").problem(409)["code"] == "not-supported"
    assert word(site, name) is None


def test_a_guest_that_says_nothing(site):
    """It is not left with a word that its next kernel would act on."""
    name = site.guest("--echo")
    began = time.monotonic()
    asking = Asking(site, name, "reboot")
    wait_for(lambda: word(site, name) == "reboot", what="the word")
    # Meanwhile it is not asked for more.
    assert ask(site, name, "shutdown").problem(409)["code"] == "power-pending"
    assert asking.result().problem(409)["code"] == "no-answer"
    assert time.monotonic() - began >= SECONDS - 1
    assert word(site, name) == ""
    assert audited(site) == [
        ("power-asked", "reboot", None), ("power-asked", "shutdown", None),
        ("power-answered", "shutdown", "power-pending"),
        ("power-answered", "reboot", "no-answer")]


@pytest.mark.parametrize("value", ["suspend", "x" * 300, "\x01", "\x80"])
def test_a_word_of_somebody_else_stays(site, value):
    """A guest that is being saved is not rebooted in between."""
    name = site.guest("--echo", control=False)
    write(site, name, value)
    before = word(site, name)
    assert ask(site, name, "reboot").problem(409)["code"] == "power-pending"
    assert word(site, name) == before


def test_another_word_meanwhile(site):
    """It is somebody else's: told at once, and left alone."""
    name = site.guest("--echo")
    asking = Asking(site, name, "reboot")
    wait_for(lambda: word(site, name) == "reboot", what="the word")
    write(site, name, "suspend")
    assert asking.result().problem(409)["code"] == "no-answer"
    assert word(site, name) == "suspend"


def test_who_leaves(site):
    """Whether anybody waits is nothing to the guest."""
    name = site.guest("--echo")
    client = site.client("power")
    client.send("POST", "api/v1/power", {"console": name, "action": "reboot"})
    wait_for(lambda: word(site, name) == "reboot", what="the word")
    client.close()
    write(site, name, "")
    asking = Asking(site, name, "shutdown")
    wait_for(lambda: word(site, name) == "poweroff", what="the next word")
    write(site, name, "")
    assert asking.result().status == 200
    assert audited(site) == [
        ("power-asked", "reboot", None), ("power-asked", "shutdown", None),
        ("power-answered", "shutdown", "taken")]


def test_the_broker_dies(site):
    """Nobody knows; that is said, and the word is there."""
    name = site.guest("--echo")
    asking = Asking(site, name, "reboot")
    wait_for(lambda: word(site, name) == "reboot", what="the word")
    site.kill_broker()
    assert asking.result().problem(503)["code"] == "power-unknown"
    assert ask(site, name, "reboot").problem(503)["code"] == "overload"
    site.start_broker()
    site.wait_connected()


def test_xenstored_dies(site):
    name = site.guest("--echo", control=True)
    domid = site.host.domid(name)
    site.host.kill_xenstored()
    assert ask(site, name, "reboot", domid=domid).problem(503)["code"] == \
        "power-unknown"


# --- The broker by itself, and a worker that is not to be trusted ------------

SHUTDOWN, REBOOT = 0, 1
TAKEN, NO_ANSWER, REFUSED, PENDING, OTHER, NOT_OFFERED, FORBIDDEN = range(7)
GIVEN = 'access "p" { users = {"x"} consoles = {"web*"} rights = {"power"} }\n'


def power(worker, key, domid, action=REBOOT, number=None):
    """Asks; the number of the request."""
    number = len(worker.powered) + 1 if number is None else number
    worker.send(struct.pack("=IIII", POWER, number, action, domid) + key)
    return number


def outcome(worker, *args):
    number = power(worker, *args)
    worker.wait(lambda: number in worker.powered, "MSG_POWERED")
    return worker.powered[number]


def store(host):
    """All of xenstore, but for what the test's own look leaves in it."""
    return host.run("xenstore-ls", "-f").stdout


@pytest.mark.parametrize("xenstored", ["c", "oxen"])
def test_broker_asks(start, xenstored):
    host, broker = start(xenstored, hold=GIVEN)
    domid = host.create("web1", "--echo", control=True)
    key = Key(host.uuid("web1"))
    worker = broker.worker()
    worker.wait_state(key, "up")
    assert outcome(worker, key, domid) == TAKEN
    wait_for(lambda: host.domid("web1") not in (None, domid))
    worker.wait(lambda: worker[key].domid != domid, "the next domain")
    domid = worker[key].domid
    worker.wait_state(key, "up")
    assert outcome(worker, key, domid, SHUTDOWN) == TAKEN
    wait_for(lambda: host.domid("web1") is None)


@pytest.mark.parametrize("xenstored", ["c", "oxen"])
def test_broker_writes_nothing_else(start, xenstored):
    """Whatever a worker says: another guest's domain, dom0, one that nobody
    has the right for, one that is not there."""
    host, broker = start(xenstored, hold=GIVEN)
    domids = [host.create(name, "--echo") for name in ("web1", "web2", "db1")]
    keys = [Key(host.uuid(name)) for name in ("web1", "web2", "db1")]
    worker = broker.worker()
    for key in keys:
        worker.wait_state(key, "up")
    before = store(host)
    for domid in (0, domids[1], domids[2], domids[2] + 1, 0x7ff0, 2 ** 32 - 1):
        assert outcome(worker, keys[0], domid) == OTHER
    assert outcome(worker, keys[2], domids[2]) == FORBIDDEN
    assert outcome(worker, Key(host.uuid("web1"), test_broker.SERIAL),
                   domids[0]) == OTHER
    assert outcome(worker, Key("00000000-0000-0000-0000-000000000001"),
                   domids[0]) == OTHER
    assert outcome(worker, keys[0][:20] + b"\xff\xff\xff\xff",
                   domids[0]) == OTHER
    assert store(host) == before
    # A guest that the configuration does not name, by a new name.
    host.rename("db1", "web3")
    worker.wait(lambda: worker[keys[2]].name == "web3", "the new name")
    power(worker, keys[2], domids[2], number=1000)
    wait_for(lambda: host.xenstore_read(
        f"/local/domain/{domids[2]}/control/shutdown") == "reboot")


def test_broker_and_a_uuid_that_changed(start):
    """Before the event or after it; tests/unit/test_power.c has the moment
    before it for sure."""
    host, broker = start(hold=GIVEN, rescan=3600)
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker = broker.worker()
    worker.wait_state(key, "up")
    vm = f"/local/domain/{domid}/vm"
    host.xenstore_write(vm, "/vm/00000000-0000-0000-0000-000000000001")
    assert outcome(worker, key, domid) == OTHER
    assert host.xenstore_read(f"/local/domain/{domid}/control/shutdown") == ""


@pytest.mark.parametrize("action", [2, 3, 2 ** 32 - 1])
def test_broker_drops_who_asks_for_more(start, action):
    host, broker = start(hold=GIVEN)
    domid = host.create("web1", "--echo")
    key = Key(host.uuid("web1"))
    worker = broker.worker()
    worker.wait_state(key, "up")
    power(worker, key, domid, action)
    worker.dropped()
    assert host.xenstore_read(
        f"/local/domain/{domid}/control/shutdown") == ""


def test_broker_and_a_flood_of_requests(start):
    """One at a time for each guest; a worker that goes leaves none behind."""
    host, broker = start(hold=GIVEN)
    domid = host.create("web1", "--echo")
    node = f"/local/domain/{domid}/control/shutdown"
    key = Key(host.uuid("web1"))
    worker = broker.worker()
    worker.wait_state(key, "up")
    for number in range(AT_A_TIME):
        power(worker, key, domid, number=number)
    worker.wait(lambda: len(worker.powered) == AT_A_TIME - 1, "all but one")
    assert set(worker.powered.values()) == {PENDING}
    assert host.xenstore_read(node) == "reboot"
    broker.leave(worker)
    worker = broker.worker()
    worker.wait_state(key, "up")
    assert outcome(worker, key, domid) == PENDING
    # Nobody waits for it, and still it is withdrawn.
    wait_for(lambda: host.xenstore_read(node) == "", SECONDS + 10)
    assert list(worker.powered.values()) == [PENDING]
