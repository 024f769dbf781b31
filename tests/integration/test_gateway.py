"""A gateway before several hosts, as conf/nginx/gateway*.conf is shipped. Each
host is whole, with a network of its own: Xen's daemons, broker, worker, and an
nginx that lets in nobody but the gateway. Between them is a switch, from which
a host can be cut off (network.py)."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import whole_site
from authority import UPSTREAM, Authority
from network import Network
from standin import Host, wait_for
from whole_site import PASSWORD, PATIENCE, TOP, Client, Session, Site, answers

pytestmark = pytest.mark.skipif(
    bool(whole_site.missing()), reason=str(whole_site.missing()))

HERE = pathlib.Path(__file__).resolve().parent
OCTETS = "application/octet-stream"
UUID = "6d1b3c5e-0000-4000-8000-00000000c0de"


class GatewayHost(Site):
    """A host at the network, which trusts the gateway's authority."""

    def __init__(self, dir, network, gateways, hosts):
        super().__init__(dir, identity=["gateway"])
        self.name = dir.name
        self.network, self.gateways, self.hosts = network, gateways, hosts
        self.host = Host(dir, reboot_ms=300, network=True)

    def find_place(self):
        self.address = self.network.join(self.name, self.host.init_pid)
        self.port = 8443
        return f"{self.address}:{self.port}"

    def connect(self):
        """From where the gateway is."""
        with self.network.entered():
            return socket.create_connection((self.address, self.port),
                                            PATIENCE)

    def start_nginx(self):
        nginx = self.dir / "nginx"
        (nginx / "xenterm-gateway-ca.pem").write_bytes(
            self.gateways.pem.read_bytes())
        self.hosts.sign("dom0", nginx / "key.pem", nginx / "cert.pem",
                        ["xenterm-host", "localhost"])
        super().start_nginx()

    def guest(self, name, *args, **options):
        self.host.create(name, *args, **options)
        wait_for(lambda: any(
            console["name"] == name and console["state"] == "up"
            for console in self.admin("GET", "/consoles").json()["consoles"]),
            PATIENCE, f"{name} up")
        return name

    def nginx_pids(self):
        master = self.pid("nginx")
        with open(f"/proc/{master}/task/{master}/children",
                  encoding="ascii") as f:
            return [master, *map(int, f.read().split())]

    @contextlib.contextmanager
    def hung(self):
        """Its packets still come, and nobody answers."""
        pids = self.nginx_pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def refusing(self):
        """Its kernel answers that nobody listens."""
        self.end("nginx")
        try:
            yield
        finally:
            super().start_nginx()

    def cut_off(self):
        return self.network.cut(self.name)

    def unreachable(self):
        return self.network.unreachable(self.name)

    def connections(self):
        """From the gateway."""
        return self.network.connections(self.name)

    def lose_power(self):
        """All at once; when it is there again it knows nothing of before."""
        with self.cut_off():
            self.stop()
            self.start()


class Panel(http.server.ThreadingHTTPServer):
    """Knows who may have which guest, and where it is."""

    def __init__(self):
        super().__init__(("127.0.0.1", 4181), Asked)
        self.where, self.users = {}, {"cookie-of-bob": "web1only"}
        self.fails = False
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @contextlib.contextmanager
    def refusing(self):
        """Nobody listens there."""
        self.socket.shutdown(socket.SHUT_RD)
        try:
            yield
        finally:
            self.socket.listen()

    @contextlib.contextmanager
    def failing(self):
        self.fails = True
        try:
            yield
        finally:
            self.fails = False

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        guest = self.headers.get("X-Xenterm-Guest")
        cookie = (self.headers.get("Cookie") or "").removeprefix("id=")
        user = self.server.users.get(cookie)
        if self.server.fails:
            self.send_response(500)
        elif user is None:
            self.send_response(401)
        elif guest not in self.server.where:
            self.send_response(403)
        else:
            self.send_response(200)
            self.send_header("X-Xenterm-Host", self.server.where[guest])
            self.send_header("X-Xenterm-User", user)
        self.end_headers()

    def log_message(self, *_):
        pass


class Gateway:
    """The nginx before them all. Looks like a Site to Client and Session."""

    def __init__(self, folder, network, hosts, gateways, hosts_ca):
        self.dir = folder / "gateway"
        self.dir.mkdir()
        self.network, self.port = network, 8443
        self.write(hosts)
        gateways.sign("xenterm-gateway", self.dir / "xenterm-gateway.key",
                      self.dir / "xenterm-gateway.pem")
        (self.dir / "xenterm-hosts-ca.pem").write_bytes(
            hosts_ca.pem.read_bytes())
        hosts_ca.sign("gateway", self.dir / "key.pem", self.dir / "cert.pem",
                      ["localhost"])
        self.tls = ssl.create_default_context(cafile=hosts_ca.pem)
        self.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls.check_hostname = False
        with network.entered():
            self.nginx = subprocess.Popen(
                ["nginx", "-e", self.dir / "error.log", "-c",
                 self.dir / "nginx.conf", "-g", "daemon off;"],
                stdin=subprocess.DEVNULL)
        wait_for(self.listens, what="the gateway")

    def connect(self):
        with self.network.entered():
            return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def listens(self):
        assert self.nginx.poll() is None, self.log()
        return answers(self)

    def log(self):
        return (self.dir / "error.log").read_text()

    def write(self, hosts):
        snippets = self.dir / "snippets"
        snippets.mkdir()
        for name, target in (
                ("gateway-http", "gateway-http.conf"),
                ("gateway", "gateway.conf"),
                ("gateway-proxy", "snippets/xenterm-gateway-proxy.conf"),
                ("xenterm-http", "xenterm-http.conf"),
                ("xenterm-by-password", "xenterm-by-password.conf")):
            text = (TOP / f"conf/nginx/{name}.conf").read_text()
            text = text.replace("/etc/nginx/", f"{self.dir}/") \
                .replace("/var/log/nginx/", f"{self.dir}/")
            (self.dir / target).write_text(text)
        # One as an address, the others as an upstream with connections kept.
        lines, upstreams = "", ""
        for i, (name, host) in enumerate(hosts.items()):
            if i == 0:
                lines += f"{name} {host.address}:{host.port};\n"
            else:
                lines += f"{name} xt-{name};\n"
                upstreams += UPSTREAM.format(name=name, address=host.address)
        (self.dir / "xenterm.hosts").write_text(lines)
        crypt = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], check=True, text=True,
            capture_output=True).stdout.strip()
        (self.dir / "xenterm.htpasswd").write_text(
            "".join(f"{user}:{crypt}\n" for user in ("admin", "viewer")))
        (self.dir / "nginx.conf").write_text(f"""
            user root;
            pid {self.dir}/pid;
            error_log {self.dir}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2;
                fastcgi_temp_path {self.dir}/t3; uwsgi_temp_path {self.dir}/t4;
                scgi_temp_path {self.dir}/t5;
                include {self.dir}/xenterm-http.conf;
                include {self.dir}/gateway-http.conf;
                {upstreams}
                server {{
                    listen 127.0.0.1:{self.port} ssl http2;
                    ssl_certificate {self.dir}/cert.pem;
                    ssl_certificate_key {self.dir}/key.pem;
                    include {self.dir}/xenterm-by-password.conf;
                    include {self.dir}/gateway.conf;
                }}
            }}""")

    def close(self):
        self.nginx.terminate()
        self.nginx.wait(PATIENCE)


class At(Client):
    """A connection to one base path of the gateway."""

    def __init__(self, site, user="admin", tls=None):
        super().__init__(site.gateway, user, tls)
        self.base, self.cookie = site.base, site.cookie

    def send(self, method, path, body=b"", headers=()):
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        if self.cookie:
            headers.append(("Cookie", f"id={self.cookie}"))
        super().send(method, self.base + path, body, headers)


class Place:
    """A base path of the gateway, as sessions want a site."""

    def __init__(self, gateway, base, cookie=None):
        self.gateway, self.base, self.cookie = gateway, base, cookie

    def client(self, user="admin"):
        return At(self, user)

    def session(self, console, mode="type", user="admin"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(whole_site, "Client", At)
            return Session(self, console, mode, user)

    def request(self, method, path, body=b"", headers=(), user="admin"):
        with contextlib.closing(self.client(user)) as client:
            return client.request(method, path, body, headers)


@pytest.fixture(scope="module")
def network():
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def panel(network):
    with network.entered():
        panel = Panel()
    yield panel
    panel.close()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory, network):
    """Three hosts, and the two authorities."""
    folder = tmp_path_factory.mktemp("gw")
    gateways, names = Authority(folder, "gateways"), Authority(folder, "hosts")
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(
            GatewayHost(folder / name, network, gateways, names))
            for name in ("dom0-1", "dom0-2", "dom0-3")}, gateways, names


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, network, hosts):
    machines, gateways, names = hosts
    for name, host in machines.items():
        host.guest(f"web-{name[-1]}", "--echo")
    gateway = Gateway(tmp_path_factory.mktemp("g"), network, machines,
                      gateways, names)
    yield gateway
    gateway.close()


def on(gateway, name):
    return Place(gateway, f"/h/{name}/")


# --- /h/HOST/ ------------------------------------------------------------------

def test_each_host_has_its_path(gateway):
    for number in "123":
        place = on(gateway, f"dom0-{number}")
        answer = place.request("GET", "api/v1/consoles")
        assert answer.status == 200, (answer, gateway.log())
        names = [console["name"] for console in answer.json()["consoles"]]
        assert names == [f"web-{number}"]


def test_the_page_comes_from_the_host(gateway):
    place = on(gateway, "dom0-2")
    page = place.request("GET", "")
    assert page.status == 200 and b"<script" in page.body
    assert page.headers["Content-Security-Policy"].startswith("default-src")
    for path in re.findall(rb'(?:src|href)="([^":]+)"', page.body):
        path = path.decode()
        assert not path.startswith("/"), path
        assert place.request("GET", path).status == 200, path
    assert place.request("GET", "console.html").status == 200


def test_a_path_without_its_slash_is_led_on(gateway):
    for path in ("/h/dom0-1", "/g/web1"):
        with contextlib.closing(Client(gateway)) as client:
            answer = client.request("GET", path)
        assert (answer.status, answer.headers["Location"]) == (301, path + "/")


def test_types_and_reads_through_it(gateway):
    for name in ("dom0-1", "dom0-2"):
        session = on(gateway, name).session(f"web-{name[-1]}")
        session.type("through the gateway")
        session.read_until(b"through the gateway")
        session.delete()
        session.close()


def test_a_stream_comes_as_it_is_written(gateway):
    session = on(gateway, "dom0-2").session("web-2")
    session.poller.send("GET", "api/v1/stream", b"",
                        [("Xenterm-Token", session.token)])
    sock = session.poller.sock
    sock.settimeout(PATIENCE)
    seen = b""
    for text in (b"first", b"second"):
        session.type(text)
        while text not in seen:
            piece = sock.recv(65536)
            assert piece
            seen += piece
    session.close()


def test_nobody_is_somebody_by_a_header(gateway):
    place = on(gateway, "dom0-1")
    for headers in ({"Xenterm-User": "admin"}, {"xenterm-user": "admin"},
                    {"Xenterm_User": "admin"}):
        answer = place.request("GET", "api/v1/consoles", b"", headers,
                               user="viewer")
        rights = answer.json()["consoles"][0]["rights"]
        assert "type" not in rights, rights
        answer = place.request("GET", "api/v1/consoles", b"", headers,
                               user=None)
        assert answer.status == 401


def test_a_host_that_is_none(gateway):
    for name in ("dom0-9", "127.0.0.1", "localhost", "xt-dom0-2"):
        answer = on(gateway, name).request("GET", "api/v1/consoles")
        answer.problem(404, "no-such-host")


def test_the_host_lets_in_nobody_but_the_gateway(hosts, tmp_path):
    machines, gateways, names = hosts
    host = machines["dom0-1"]
    head = {"Xenterm-User": "admin"}

    def ask(tls):
        with contextlib.closing(Client(host, None, tls)) as client:
            return client.request("GET", "api/v1/consoles", b"", head)

    def with_certificate(authority, cn):
        tls = ssl.create_default_context(cafile=names.pem)
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        tls.check_hostname = False
        if authority:
            authority.sign(cn, tmp_path / "k", tmp_path / "c")
            tls.load_cert_chain(tmp_path / "c", tmp_path / "k")
        return tls

    assert ask(with_certificate(None, "")).status == 400
    assert ask(with_certificate(names, "xenterm-gateway")).status == 400
    assert ask(with_certificate(gateways, "somebody")).status == 403
    assert ask(with_certificate(gateways, "xenterm-gateway-2")).status == 403
    assert ask(with_certificate(gateways, "xenterm-gateway")).status == 200


def test_the_gateway_wants_the_right_host(gateway, hosts, tmp_path):
    """Another server at a host's address, with a certificate of its own."""
    machines, gateways, _ = hosts
    nginx = machines["dom0-3"].dir / "nginx"
    kept = {name: (nginx / name).read_bytes()
            for name in ("key.pem", "cert.pem")}
    try:
        gateways.sign("dom0", nginx / "key.pem", nginx / "cert.pem",
                      ["xenterm-host"])
        reload(machines["dom0-3"])
        answer = on(gateway, "dom0-3").request("GET", "api/v1/consoles")
        answer.problem(502, "host-away")
    finally:
        for name, data in kept.items():
            (nginx / name).write_bytes(data)
        reload(machines["dom0-3"])
    wait_for(lambda: on(gateway, "dom0-3").request(
        "GET", "api/v1/consoles").status == 200, PATIENCE, "dom0-3 again")


def reload(host):
    """nginx takes its certificate anew: its old workers go."""
    before = set(host.nginx_pids()[1:])
    os.kill(host.pid("nginx"), signal.SIGHUP)
    wait_for(lambda: (now := set(host.nginx_pids()[1:])) and not now & before,
             PATIENCE, "new workers of nginx")


# --- hosts that go and come -------------------------------------------------------

SILENT = ("cut_off", "hung")


@pytest.mark.parametrize("how", [*SILENT, "unreachable", "refusing"])
def test_a_host_that_does_not_answer_holds_up_nobody_else(gateway, hosts, how):
    host = hosts[0]["dom0-1"]
    session = on(gateway, "dom0-1").session("web-1")
    with getattr(host, how)():
        away = on(gateway, "dom0-1").client()
        away.send("GET", "api/v1/consoles")
        answer = on(gateway, "dom0-2").request("GET", "api/v1/consoles")
        assert answer.status == 200
        assert how not in SILENT or not away.has_answer()
        # proxy_connect_timeout, not the patience of a poll
        away.receive().problem(502, "host-away")
        away.close()
    session.type("after")
    session.read_until(b"after")
    session.close()


def test_what_is_under_way_when_a_host_is_cut_off(gateway, hosts):
    """On a connection that the gateway has kept: nobody knows yet. Who has
    asked leaves, and asks again."""
    host = hosts[0]["dom0-2"]
    session = on(gateway, "dom0-2").session("web-2")
    session.type("before")
    session.read_until(b"before")
    with host.cut_off():
        assert host.connections()
        session.typist.send("POST", f"api/v1/input?seq={session.seq + 1}",
                            b"<once>", [("Xenterm-Token", session.token),
                                        ("Content-Type", OCTETS)])
        assert not session.typist.has_answer(1)
        session.typist.close()
        # What was kept is given up before a page takes a stream for dead.
        wait_for(lambda: not host.connections(), PATIENCE,
                 "the end of the gateway's connections")
        on(gateway, "dom0-2").request("GET", "api/v1/consoles") \
            .problem(502, "host-away")
    session.type("<once>")
    session.type("<after>")
    session.read_until(b"<after>")
    assert session.history().count(b"<once>") == 1
    session.close()


def test_a_host_whose_worker_is_restarted(gateway, hosts):
    host = hosts[0]["dom0-2"]
    host.end("worker")
    answer = on(gateway, "dom0-2").request("GET", "api/v1/consoles")
    assert answer.status in (502, 503)
    assert answer.json()["code"] in ("no-worker", "worker-died")
    host.start_worker()
    host.wait_connected()
    session = on(gateway, "dom0-2").session("web-2")
    session.type("back")
    session.read_until(b"back")
    session.close()


# --- /g/GUEST/ ------------------------------------------------------------------

def of_bob(gateway, guest="web1"):
    return Place(gateway, f"/g/{guest}/", "cookie-of-bob")


def test_a_guest_moves_and_its_viewer_with_it(gateway, hosts, panel):
    machines = hosts[0]
    here, there = machines["dom0-1"], machines["dom0-2"]
    here.guest("web1", "--echo", uuid=UUID)
    panel.where["web1"] = "dom0-1"
    place = of_bob(gateway)
    session = place.session("web1", user=None)
    session.type("on the first")
    session.read_until(b"on the first")

    there.guest("web1", "--echo", uuid=UUID)
    here.host.destroy("web1")
    panel.where["web1"] = "dom0-2"
    # What the page does: the session is not known there, so a new one is made
    # with what it knows anyhow, and the same console goes on.
    session.send_poll(wait=1)
    session.poller.receive(timeout=80).problem(401, "unknown-token")
    session.close()
    again = place.session("web1", user=None)
    assert again.id == session.id
    again.type("on the second")
    again.read_until(b"on the second")
    assert b"on the first" not in again.history()
    again.close()
    there.host.destroy("web1")


# --- pages ------------------------------------------------------------------------

class Page:
    """static/client.js in node, as the page has it. Says what it sees."""

    def __init__(self, gateway, authority, base, console, login="", cookie=""):
        with gateway.network.entered():
            self.node = subprocess.Popen(
                ["node", HERE / "gateway_viewer.mjs",
                 f"https://localhost:{gateway.port}{base}", console, login,
                 cookie],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.pem)})
        self.said = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    @classmethod
    def of_bob(cls, gateway, hosts):
        return cls(gateway, hosts[2], "/g/web1/", "web1",
                   cookie="id=cookie-of-bob")

    @classmethod
    def of_admin(cls, gateway, hosts, name):
        return cls(gateway, hosts[2], f"/h/{name}/", f"web-{name[-1]}",
                   login=f"admin:{PASSWORD}")

    def read(self):
        for line in self.node.stdout:
            self.said.append(json.loads(line))

    def type(self, text):
        self.node.stdin.write(text + "\n")
        self.node.stdin.flush()

    def of(self, kind):
        """What it has said of one kind, so far."""
        return [said[kind] for said in list(self.said) if kind in said]

    @property
    def screen(self):
        """What has come of the console, screens included."""
        return "".join(said.get("output", said.get("snapshot", ""))
                       for said in list(self.said))

    def wait(self, condition, what, timeout=PATIENCE):
        try:
            wait_for(lambda: condition(self), timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; instead: {self.said}") from None

    def wait_transport(self, name):
        self.wait(lambda page: page.of("transport")[-1:] == [name], name)

    def wait_text(self, text):
        self.wait(lambda page: text in page.screen, text)

    def is_told_that_the_host_is_away(self):
        return any(said["state"] == "retrying" and
                   said["detail"].startswith("The host of this console")
                   for said in self.of("connection"))

    def is_live_as_before(self):
        """Again, and with the session that it had."""
        self.wait(lambda page: page.of("connection")[-1]["state"] == "live",
                  "live again", 2 * PATIENCE)
        assert len(self.of("session")) == 1

    def close(self):
        self.node.stdin.close()
        self.node.wait(PATIENCE)
        self.reader.join()


@pytest.fixture
def pages():
    """Those that a story opens are closed after it."""
    with contextlib.ExitStack() as stack:
        def watch(page):
            stack.enter_context(contextlib.closing(page))
            page.wait_transport("stream")
            return page
        yield watch


@pytest.mark.parametrize("panel_is", ["first", "last"])
def test_a_page_goes_with_its_guest(gateway, hosts, panel, pages, panel_is):
    """By itself: it is told of the move by nothing but the guest's absence
    from the old host. The panel may learn of it before that or after."""
    here, there = hosts[0]["dom0-2"], hosts[0]["dom0-3"]
    here.guest("web1", "--echo", uuid=UUID)
    panel.where["web1"] = "dom0-2"
    page = pages(Page.of_bob(gateway, hosts))
    page.type("on the first")
    page.wait_text("on the first")
    there.guest("web1", "--echo", uuid=UUID)
    if panel_is == "first":
        panel.where["web1"] = "dom0-3"
    here.host.destroy("web1")
    if panel_is == "last":
        page.wait(lambda page: "waiting" in page.of("state"), "it is away")
        panel.where["web1"] = "dom0-3"
    page.wait(lambda page: len(page.of("snapshot")) == 2, "the other host")
    page.type("on the second")
    page.wait_text("on the second")
    there.host.destroy("web1")


def test_who_types_while_a_host_is_cut_off(gateway, hosts, pages):
    """Is told at once, and nothing is lost or typed twice."""
    page = pages(Page.of_admin(gateway, hosts, "dom0-2"))
    with hosts[0]["dom0-2"].cut_off():
        page.type("<meanwhile>")
        page.wait(Page.is_told_that_the_host_is_away, "the host is away")
        assert "<meanwhile>" not in page.screen
    page.is_live_as_before()
    page.wait_text("<meanwhile>")
    page.type("<then>")
    page.wait_text("<then>")
    assert page.screen.count("<meanwhile>") == 1


def test_who_watches_while_a_host_is_cut_off(gateway, hosts, panel, pages):
    """A stream says nothing any more, and is taken for dead after 35 s. Then
    one page waits for its host, and another's guest is elsewhere."""
    here, there = hosts[0]["dom0-2"], hosts[0]["dom0-3"]
    here.guest("web1", "--echo", uuid=UUID)
    panel.where["web1"] = "dom0-2"
    waits = pages(Page.of_admin(gateway, hosts, "dom0-2"))
    moves = pages(Page.of_bob(gateway, hosts))
    with here.cut_off():
        there.guest("web1", "--echo", uuid=UUID)
        panel.where["web1"] = "dom0-3"
        waits.wait(Page.is_told_that_the_host_is_away, "the host is away",
                   2 * PATIENCE)
        moves.wait(lambda page: len(page.of("snapshot")) == 2,
                   "the other host", PATIENCE)
        moves.type("on the second")
        moves.wait_text("on the second")
    waits.is_live_as_before()
    waits.type("<here>")
    waits.wait_text("<here>")
    for host in here, there:
        host.host.destroy("web1")


def test_a_host_that_has_lost_its_power(gateway, hosts, pages):
    """Its sessions are gone, and its guests come later than xenterm."""
    host = hosts[0]["dom0-1"]
    page = pages(Page.of_admin(gateway, hosts, "dom0-1"))
    page.type("before")
    page.wait_text("before")
    host.lose_power()
    page.type("<after>")                # so that it need not wait for silence
    page.wait(lambda page: page.of("connection")[-1]["state"] == "retrying",
              "no such console yet")
    host.guest("web-1", "--echo")
    page.wait_text("<after>")
    assert page.screen.count("<after>") == 1
    assert len(page.of("session")) == 2


def test_nothing_of_that_stays(hosts):
    """Neither at the gateway nor, when it has heard of it, at a host."""
    for host in hosts[0].values():
        wait_for(lambda: not host.connections(), 2 * PATIENCE,
                 "the end of the connections that were kept")
        wait_for(lambda: host.healthz()["requests"] == 0, 4 * PATIENCE,
                 "the end of what was under way")


def test_http_2_and_1(gateway, hosts):
    for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
        with gateway.network.entered():
            said = subprocess.run(
                ["curl", "-sS", option, "--cacert", hosts[2].pem, "-u",
                 f"admin:{PASSWORD}", "-o", "/dev/null", "-w",
                 "%{http_code} %{http_version}", "https://localhost:"
                 f"{gateway.port}/h/dom0-2/api/v1/consoles"],
                capture_output=True, text=True, check=True)
        assert said.stdout == f"200 {version}"


def test_the_panel_says_who(gateway, panel):
    panel.where["web-1"] = "dom0-1"
    stranger = Place(gateway, "/g/web-1/", "stolen")
    stranger.request("GET", "api/v1/consoles", user=None) \
        .problem(401, "no-identity")
    # A password of this site is none of the panel's.
    stranger.request("GET", "api/v1/consoles", user="admin") \
        .problem(401, "no-identity")
    of_bob(gateway, "unknown").request("GET", "api/v1/consoles", user=None) \
        .problem(403, "not-allowed")
    panel.where["lost"] = "dom0-9"
    of_bob(gateway, "lost").request("GET", "api/v1/consoles", user=None) \
        .problem(502, "host-unknown")
    with contextlib.closing(Client(gateway)) as client:
        assert client.request("GET", "/xenterm-where").status == 404


@pytest.mark.parametrize("how", ["refusing", "failing"])
def test_a_panel_that_does_not_answer_is_not_taken_for_a_host(
        gateway, panel, how):
    panel.where["web-1"] = "dom0-1"
    with getattr(panel, how)():
        of_bob(gateway, "web-1").request("GET", "api/v1/consoles", user=None) \
            .problem(502, "host-unknown")
        assert on(gateway, "dom0-1").request(
            "GET", "api/v1/consoles").status == 200
    assert of_bob(gateway, "web-1").request(
        "GET", "api/v1/consoles", user=None).status == 200


def test_sessions_are_made_at_a_pace(gateway):
    place = on(gateway, "dom0-1")
    statuses = []
    with contextlib.closing(place.client()) as client:
        for _ in range(40):
            answer = client.request("POST", "api/v1/sessions",
                                    {"console": "nobody", "mode": "watch"})
            statuses.append(answer.status)
            if answer.status == 429:
                answer.problem(429, "too-many-sessions")
                assert answer.headers["Retry-After"]
        assert 404 in statuses and 429 in statuses, statuses
        assert client.request("GET", "api/v1/consoles").status == 200
