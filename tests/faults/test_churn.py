"""A day of coming and going, an hour in about a second: what has been used is
given back.

HOURS in the environment: 24, or more for a longer look."""

import os
import pathlib
import re
import time

import pytest

from world import standin, wait_for, whole_site

HOURS = int(os.environ.get("HOURS", 24))
# The first ones fill caches and the heap to their usual size.
WARM = 12

CONF = """
gone_after = 1
forget_after = 1
session_idle = 5
"""
# What malloc may keep of a day's requests, in each program.
SLACK_KIB = 192


def pss_kib(pid):
    """Without programs and libraries, of which it has the larger share the
    fewer others run."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def wakeups(pid):
    """How often it has been on a processor, by itself or taken off it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.findall(r"ctxt_switches:\s*(\d+)", status)


class Day:
    def __init__(self, site):
        self.site = site
        self.hour = 0

    def pass_hour(self):
        """Guests come, restart and go; so do their viewers, most of them
        without a word; tickets are made, used, revoked, forgotten."""
        self.hour += 1
        names = [f"h{self.hour}n{n}" for n in range(3)]
        for name in names:
            self.site.host.create(name, "--echo")
        for name in names:
            self.site.wait_console(name)
        viewers = [self.site.session(name, mode)
                   for name in names for mode in ("type", "watch")]
        for viewer in viewers:
            viewer.poll(at="", wait=0)
        for viewer in viewers[::2]:
            assert viewer.type(b"an hour;", echo=1000).status == 200
        self.tickets(names[0])
        self.site.host.reboot(names[1])
        parked = viewers[4]
        parked.send_poll(wait=60)
        for viewer in viewers[:2]:
            assert viewer.delete().status == 204
        for name in (names[0], names[2]):
            self.site.host.destroy(name)
        old = viewers[2].last("state")["domid"]
        wait_for(lambda: self.site.host.domid(names[1]) not in (None, old))
        self.site.host.destroy(names[1])
        for viewer in viewers:
            viewer.close()
        self.site.sessions.clear()

    def tickets(self, name):
        made = [self.site.admin("POST", "/tickets", {
            "console": name, "user": "guest", "mode": "watch",
            "seconds": 30}).json() for _ in range(4)]
        opened = self.site.request(
            "POST", "api/v1/sessions",
            {"console": name, "mode": "watch", "ticket": made[0]["ticket"]},
            user=None)
        assert opened.status in (201, 401), opened
        revoked = self.site.admin("DELETE", f"/tickets/{made[1]['id']}")
        assert revoked.status == 204

    def settle(self):
        """Sessions expire, consoles are forgotten, their screens end."""
        def empty():
            health = self.site.healthz()
            return health["sessions"] == health["consoles"] \
                == health["requests"] == 0 and not self.site.screens()
        wait_for(empty, 60, "an empty site")
        wait_for(self.at_rest, 60, "programs that have nothing to do")

    def at_rest(self):
        """Who has just been answered may see the connection, or the process,
        before the worker has closed it."""
        pids = [self.site.pid(name) for name in ("broker", "worker")]
        before = [wakeups(pid) for pid in pids]
        time.sleep(0.2)
        return before == [wakeups(pid) for pid in pids]

    def used(self):
        """{what: how much} of both programs and their children."""
        site, found = self.site, {}
        for name in ("broker", "worker"):
            pid = site.pid(name)
            children = standin.living_children(pid)
            found[f"{name}: fds"] = len(os.listdir(f"/proc/{pid}/fd"))
            found[f"{name}: threads"] = len(os.listdir(f"/proc/{pid}/task"))
            found[f"{name}: processes below"] = len(children)
            found[f"{name}: PSS"] = pss_kib(pid)
        found["connections of nginx"] = site.healthz()["connections"]
        found["ptys"] = len(site.ttys_held())
        return found


@pytest.fixture
def day(need_site, tmp_path):
    with whole_site.Site(tmp_path / "site", conf=CONF) as site:
        yield Day(site)


def test_a_day_leaves_nothing_behind(day):
    for _ in range(WARM):
        day.pass_hour()
    day.settle()
    before = day.used()
    for _ in range(HOURS):
        day.pass_hour()
    day.settle()
    after = day.used()
    print(f"{HOURS} hours: {before} became {after}")
    sanitized = whole_site.is_sanitized(day.site.pid("worker"))
    for what, amount in before.items():
        if what.endswith("PSS"):
            # A sanitizer keeps what was freed.
            assert sanitized or after[what] <= amount + SLACK_KIB, what
        elif what.startswith("connections"):
            # nginx keeps some for the next request: its "keepalive".
            assert after[what] <= 64 * 2, what
        elif what == "worker: fds":
            # And each is one.
            kept = after["connections of nginx"] \
                - before["connections of nginx"]
            assert after[what] == amount + kept, what
        else:
            assert after[what] == amount, what
