"""A gateway before several hosts, as conf/nginx/gateway*.conf is shipped. Each
host is whole: Xen's daemons, broker, worker, and an nginx at a port of its own
that lets in nobody but the gateway."""

import contextlib
import http.server
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
from standin import wait_for
from whole_site import PASSWORD, PATIENCE, TOP, Client, Session, Site

pytestmark = pytest.mark.skipif(
    bool(whole_site.missing()), reason=str(whole_site.missing()))

HERE = pathlib.Path(__file__).resolve().parent
UUID = "6d1b3c5e-0000-4000-8000-00000000c0de"


class Authority:
    """Signs certificates."""

    def __init__(self, folder, name):
        self.dir, self.name = folder, name
        self.pem = folder / f"{name}.pem"
        self.openssl("req", "-x509", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                     "-out", self.pem, *EC)

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], cwd=self.dir,
                       check=True, capture_output=True)

    def sign(self, cn, key, pem, names=()):
        extensions = self.dir / "extensions"
        extensions.write_text("subjectAltName=" + ",".join(
            f"DNS:{name}" for name in names) + "\n" if names else "")
        self.openssl("req", "-nodes", "-subj", f"/CN={cn}", "-keyout", key,
                     "-out", "request", *EC)
        self.openssl("x509", "-req", "-days", "2", "-in", "request",
                     "-CA", self.pem, "-CAkey", f"{self.name}.key",
                     "-CAcreateserial", "-extfile", extensions, "-out", pem)


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class GatewayHost(Site):
    """A host that trusts the gateway's authority."""

    def __init__(self, dir, gateways, hosts):
        super().__init__(dir, identity=["gateway"])
        self.gateways, self.hosts = gateways, hosts

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
    def cut_off(self):
        """Its packets still come, and nobody answers."""
        pids = self.nginx_pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


class Panel(http.server.ThreadingHTTPServer):
    """Knows who may have which guest, and where it is."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Asked)
        self.where, self.users, self.asked = {}, {"cookie-of-bob": "web1only"}, []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        guest = self.headers.get("X-Xenterm-Guest")
        cookie = (self.headers.get("Cookie") or "").removeprefix("id=")
        user = self.server.users.get(cookie)
        self.server.asked.append((user, guest))
        if user is None:
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

    def __init__(self, folder, hosts, panel, gateways, hosts_ca):
        self.dir = folder / "gateway"
        self.dir.mkdir()
        self.port = whole_site.free_port()
        self.write(hosts, panel)
        gateways.sign("xenterm-gateway", self.dir / "xenterm-gateway.key",
                      self.dir / "xenterm-gateway.pem")
        (self.dir / "xenterm-hosts-ca.pem").write_bytes(
            hosts_ca.pem.read_bytes())
        hosts_ca.sign("gateway", self.dir / "key.pem", self.dir / "cert.pem",
                      ["localhost"])
        self.tls = ssl.create_default_context(cafile=hosts_ca.pem)
        self.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls.check_hostname = False
        self.nginx = subprocess.Popen(
            ["nginx", "-e", self.dir / "error.log", "-c",
             self.dir / "nginx.conf", "-g", "daemon off;"],
            stdin=subprocess.DEVNULL)
        wait_for(self.listens, what="the gateway")

    def listens(self):
        assert self.nginx.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        return (self.dir / "error.log").read_text()

    def write(self, hosts, panel):
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
                .replace("/var/log/nginx/", f"{self.dir}/") \
                .replace("127.0.0.1:4181", f"127.0.0.1:{panel.server_port}")
            (self.dir / target).write_text(text)
        # One as an address, the others as an upstream with connections kept.
        lines, upstreams = "", ""
        for i, (name, host) in enumerate(hosts.items()):
            if i == 0:
                lines += f"{name} 127.0.0.1:{host.port};\n"
            else:
                lines += f"{name} xt-{name};\n"
                upstreams += (f"upstream xt-{name} {{ server 127.0.0.1:"
                              f"{host.port}; keepalive 16; }}\n")
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
def panel():
    panel = Panel()
    yield panel
    panel.close()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Three hosts, and the two authorities."""
    folder = tmp_path_factory.mktemp("gw")
    gateways, names = Authority(folder, "gateways"), Authority(folder, "hosts")
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(
            GatewayHost(tmp_path_factory.mktemp(name), gateways, names))
            for name in ("dom0-1", "dom0-2", "dom0-3")}, gateways, names


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, hosts, panel):
    machines, gateways, names = hosts
    for name, host in machines.items():
        host.guest(f"web-{name[-1]}", "--echo")
    gateway = Gateway(tmp_path_factory.mktemp("g"), machines, panel, gateways,
                      names)
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
    with contextlib.closing(Client(gateway)) as client:
        answer = client.request("GET", "/h/dom0-1")
    assert (answer.status, answer.headers["Location"]) == (301, "/h/dom0-1/")


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

def test_a_host_that_is_cut_off_holds_up_nobody_else(gateway, hosts):
    machines = hosts[0]
    session = on(gateway, "dom0-1").session("web-1")
    with machines["dom0-1"].cut_off():
        cut = on(gateway, "dom0-1").client()
        cut.send("GET", "api/v1/consoles")
        answer = on(gateway, "dom0-2").request("GET", "api/v1/consoles")
        assert answer.status == 200
        assert not cut.has_answer()         # the other one was in time
        # proxy_connect_timeout, not the patience of a poll
        cut.receive().problem(502, "host-away")
        cut.close()
    session.type("after")
    session.read_until(b"after")
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


class Page:
    """static/client.js in node, as the page has it."""

    def __init__(self, gateway, authority, guest, cookie):
        self.node = subprocess.Popen(
            ["node", HERE / "gateway_viewer.mjs",
             f"https://localhost:{gateway.port}/g/{guest}/", guest,
             f"id={cookie}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.pem)})
        self.seen = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.node.stdout:
            self.seen += line

    def type(self, text):
        self.node.stdin.write(text + "\n")
        self.node.stdin.flush()

    def wait(self, wanted, count=1):
        wait_for(lambda: self.seen.count(wanted) >= count, PATIENCE,
                 f"{wanted} in {self.seen}")

    def close(self):
        self.node.stdin.close()
        self.node.wait(PATIENCE)
        self.reader.join()


def test_a_page_goes_with_its_guest(gateway, hosts, panel):
    """By itself: what the page runs is told of the move by nothing but the
    end of its session on the old host."""
    machines, _, authority = hosts
    here, there = machines["dom0-2"], machines["dom0-3"]
    here.guest("web1", "--echo", uuid=UUID)
    panel.where["web1"] = "dom0-2"
    with contextlib.closing(
            Page(gateway, authority, "web1", "cookie-of-bob")) as page:
        page.wait('"snapshot"')
        page.type("on the first")
        page.wait("on the first")
        there.guest("web1", "--echo", uuid=UUID)
        here.host.destroy("web1")
        panel.where["web1"] = "dom0-3"
        for session in here.admin("GET", "/sessions").json()["sessions"]:
            here.admin("DELETE", f"/sessions/{session['session']}")
        page.wait('"snapshot"', 2)
        page.type("on the second")
        page.wait("on the second")
    there.host.destroy("web1")


def test_http_2_and_1(gateway, hosts):
    for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
        said = subprocess.run(
            ["curl", "-sS", option, "--cacert", hosts[2].pem, "-u",
             f"admin:{PASSWORD}", "-o", "/dev/null", "-w",
             "%{http_code} %{http_version}",
             f"https://localhost:{gateway.port}/h/dom0-2/api/v1/consoles"],
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
        .problem(502, "host-away")
    with contextlib.closing(Client(gateway)) as client:
        assert client.request("GET", "/xenterm-where").status == 404


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
