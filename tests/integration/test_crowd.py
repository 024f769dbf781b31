"""A thousand waiting viewers: no threads, no slots kept, no key that waits."""

import fastcgi
import pytest
from standin import wait_for

CROWD = 1000
THREADS_MAX = 10


class Crowd:
    """Viewers with nothing but a connection, a token and a parked poll."""

    def __init__(self, site, console):
        self.site = site
        self.console = console
        self.clients = [site.client() for _ in range(CROWD)]
        self.tokens = []

    def close(self):
        for client in self.clients:
            client.close()

    def come(self):
        for client in self.clients:
            answer = client.request(
                "POST", "api/v1/sessions",
                {"console": self.console, "mode": "watch"})
            assert answer.status == 201
            self.tokens.append(answer.json()["token"])

    def park(self, at):
        for client, token in zip(self.clients, self.tokens):
            client.send("GET", f"api/v1/output?from={at}&wait=60",
                        headers={"Xenterm-Token": token})
        self.site.wait_requests(CROWD)

    def answers(self):
        return [client.receive() for client in self.clients]

    def leave(self):
        """All sessions end."""
        for client, token in zip(self.clients, self.tokens):
            assert client.request(
                "DELETE", "api/v1/sessions/current",
                headers={"Xenterm-Token": token}).status == 204


def settled(viewer, count):
    """Where a viewer stands who knows of all who have come."""
    viewer.wait(lambda: viewer.last("viewers").get("count") == count,
                f"{count} viewers")
    return viewer.at


@pytest.fixture
def crowd(own_site):
    site = own_site()
    crowd = Crowd(site, site.guest("--echo", name="stage"))
    crowd.come()
    yield crowd
    crowd.close()


def test_a_thousand_polls_cost_no_thread_and_delay_no_key(crowd):
    site = crowd.site
    speaker = site.session("stage")
    other = site.session(site.guest("--echo"))
    at = settled(speaker, CROWD + 1)
    crowd.park(at)
    assert site.threads() < THREADS_MAX
    assert site.consoles()["stage"]["viewers"] == CROWD + 1

    # A key at another console, and none of the thousand is disturbed.
    assert other.type(b"k", echo=1000).output() == b"k"
    assert site.healthz()["requests"] == CROWD
    # A key at this one: its echo comes, and it is what all have waited for.
    assert speaker.type(b"now", echo=1000).output() == b"now"
    seen = {(answer.status, answer.output(), answer.next)
            for answer in crowd.answers()}
    assert seen == {(200, b"now", speaker.poll(at).next)}
    site.wait_requests(0)

    # Again: now all of them leave without a word.
    crowd.park(speaker.at)
    assert site.threads() < THREADS_MAX
    crowd.close()
    site.wait_requests(0)
    assert other.type(b"k", echo=1000).output() == b"k"

    # And sessions that end answer those who wait for them.
    crowd.park(speaker.at)
    assert site.healthz()["sessions"] == CROWD + 2
    site.host.destroy("stage")
    events = [answer.event("state")["state"] for answer in crowd.answers()]
    assert events == ["waiting"] * CROWD
    crowd.leave()
    assert site.healthz()["sessions"] == 2
    assert site.threads() < THREADS_MAX


def test_polls_over_fastcgi_are_freed_when_their_peers_leave(site, guest):
    """The same without nginx: the worker itself notices."""
    name = guest("--echo")
    viewers = [site.session(name, "watch") for _ in range(60)]
    at = settled(viewers[0], len(viewers))
    before = site.healthz()["requests"]
    peers = []
    for viewer in viewers:
        # As many as one session may have.
        for _ in range(4):
            peer = site.fastcgi()
            peer.sendall(fastcgi.request(
                "GET", "/api/v1/output", f"from={at}&wait=60",
                "admin", viewer.token))
            peers.append(peer)
    site.wait_requests(before + len(peers))
    assert site.threads() < THREADS_MAX
    for peer in peers[::2]:
        peer.close()
    site.wait_requests(before + len(peers) // 2)
    for peer in peers[1::2]:
        peer.close()
    site.wait_requests(before)


def test_one_session_parks_four_polls_and_no_more(site, guest):
    viewer = site.session(guest("--echo"))
    viewer.wait(lambda: viewer.last("viewers"), "settled")
    request = fastcgi.request("GET", "/api/v1/output",
                              f"from={viewer.at}&wait=60", "admin",
                              viewer.token)
    peers = [site.fastcgi() for _ in range(4)]
    for peer in peers:
        peer.sendall(request)
    site.wait_requests(4)
    answer = viewer.request(
        "GET", f"api/v1/output?from={viewer.at}")
    answer.problem(429, "too-many-polls")
    assert answer.headers["Retry-After"] == "1"
    # A poll that would not be parked is answered all the same.
    assert viewer.poll(wait=0).status == 204
    # One that has left makes room.
    peers.pop().close()
    site.wait_requests(3)
    viewer.send_poll()
    site.wait_requests(4)
    viewer.type(b"all")
    assert viewer.receive_poll().output() == b"all"
    for peer in peers:
        assert b"all" in fastcgi.stdout_of(fastcgi.read_to_end(peer))
        peer.close()
    site.wait_requests(0)


def test_a_slow_reader_of_a_long_answer_stops_nobody(site, guest, tmp_path):
    """Over FastCGI: peers that ask for a screen of 70 KiB, which is there,
    and do not read it."""
    path = tmp_path / "long"
    path.write_bytes(b"x" * 70000)
    viewer = site.session(guest("--file", path, prefix="always"))
    viewer.rewind()
    viewer.wait(lambda: viewer.end == 70000, "all of it")
    assert viewer.poll(at="", wait=0).status == 200
    peers = []
    for _ in range(20):
        peer = site.fastcgi()
        peer.sendall(fastcgi.request(
            "GET", "/api/v1/output", "wait=0", "admin", viewer.token,
            HTTP_ACCEPT="application/json"))
        peers.append(peer)
    assert viewer.type(b"k", echo=1000).output() == b"k"
    for peer in peers:
        answer = fastcgi.read_to_end(peer)
        assert fastcgi.status_of(answer) == 200
        assert len(fastcgi.stdout_of(answer)) > 65536 * 4 // 3
        peer.close()
    wait_for(lambda: site.healthz()["requests"] == 0)
