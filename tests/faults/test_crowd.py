"""As many waiting viewers and guests as a host is made for, through nginx: all
are held, a key does not wait for them, and one more is told to come later.

WAITING and GUESTS in the environment: 1000 and 20, or the 10000 and 500 of
docs/reliability.md."""

import asyncio
import concurrent.futures
import json
import os
import resource

import pytest

import people
import world
from world import wait_for, whole_site

WAITING = int(os.environ.get("WAITING", 1000))
GUESTS = int(os.environ.get("GUESTS", 20))
# The default of xenterm.conf lets one user have 4,096 sessions.
USERS = ("admin", "two", "three")
# Sessions that are being made at a time.
AT_ONCE = 64

CONF = f"""
waiting_total = {WAITING}
access "crowd" {{
    users = {{"two", "three"}}
    consoles = {{"*"}}
    rights = {{"watch"}}
}}
"""


class Site(world.PlainSite):
    def __init__(self, dir):
        super().__init__(dir, conf=CONF, users=USERS)


@pytest.fixture
def site(need_site, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < WAITING + 1000:
        pytest.skip(f"a process may have {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Site(tmp_path / "site") as site:
            yield site
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def create_guests(site):
    names = [f"g{n}" for n in range(GUESTS)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: site.host.create(name, "--echo"), names))
    wait_for(lambda: [c["state"] for c in site.consoles().values()]
             == ["up"] * GUESTS, 120, "all guests")
    return names


class Crowd:
    def __init__(self, site, names):
        self.site, self.names = site, names
        self.port = site.plain_port
        self.free = asyncio.Semaphore(AT_ONCE)
        self.refused = 0

    async def ask(self, *args, **kwargs):
        async with self.free:
            return await people.ask(self.port, *args, timeout=60, **kwargs)

    async def stay(self, n):
        """One viewer: a session, and a poll that is renewed."""
        body = json.dumps({"console": self.names[n % len(self.names)],
                           "mode": "watch"}).encode()
        user = USERS[n % len(USERS)]
        made = await self.ask("POST", "sessions", body, user=user,
                              Content_Type="application/json")
        assert made.status == 201, made.body
        made = json.loads(made.body)
        at = made["from"]
        while True:
            answer = await people.ask(
                self.port, "GET", f"output?wait=60&from={at}", user=user,
                timeout=75, Xenterm_Token=made["token"])
            if answer.status == 503:
                self.refused += 1
                await asyncio.sleep(int(answer.headers["retry-after"]))
                continue
            assert answer.status in (200, 204), answer.body
            at = answer.headers["xenterm-next"]

    async def all_wait(self, viewers):
        for _ in range(600):
            for task in viewers:
                if task.done():
                    task.result()
            health = await asyncio.to_thread(self.site.healthz)
            if health["requests"] >= WAITING:
                return health
            await asyncio.sleep(0.1)
        raise AssertionError(f"they do not all wait: {health}, "
                             f"{self.refused} refused")


async def the_story(site, names):
    crowd = Crowd(site, names)
    viewers = [asyncio.ensure_future(crowd.stay(n)) for n in range(WAITING)]
    try:
        health = await crowd.all_wait(viewers)
        assert health["sessions"] == WAITING
        assert health["consoles"] == GUESTS
        await asyncio.to_thread(one_more, site, names[0])
        gone = [task.exception() for task in viewers if task.done()]
        assert not gone, gone[:3]
    finally:
        await people.end(viewers)


def refused(session, what):
    """Who has come may have woken some, and so made room for a moment."""
    answer = session.request("GET", what + f"&from={session.at}")
    if answer.status in (200, 204):
        session.at = answer.next
        return None
    answer.problem(503, "overload")
    assert int(answer.headers["Retry-After"]) > 0
    return True


def one_more(site, name):
    """It may not wait; but it may look, and type."""
    session = site.session(name)
    wait_for(lambda: refused(session, "api/v1/output?wait=1"), 30,
             "a refusal")
    typed = session.type(b"through the crowd", echo=1000)
    assert typed.output() == b"through the crowd"
    assert site.threads() < 10


def test_a_crowd(site):
    names = create_guests(site)
    asyncio.run(the_story(site, names))
    wait_for(lambda: site.healthz()["requests"] == 0, 60, "all have left")
