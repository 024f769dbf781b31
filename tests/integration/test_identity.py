"""Who somebody is, in each of the ways that conf/nginx has: user and groups
are what nginx has verified, and nothing that a client says."""

import http.server
import subprocess
import threading

import conftest
import pytest
import whole_site
from test_sessions import FORGED

CONF = """
access "ops" {
    users = {"@ops"}
    consoles = {"*"}
    rights = {"list", "watch", "type"}
}
access "alice" { users = {"alice"}  consoles = {"alices"}  rights = {"list"} }
access "bob" { users = {"bob"}  consoles = {"bobs"}  rights = {"list"} }
"""
GUESTS = ("alices", "bobs", "web1")

FORGERIES = FORGED + (
    ("X-Auth-Request-User", "alice"), ("X-Auth-Request-Groups", "ops"),
    ("X-Auth-Request-Email", "alice"), ("X-Forwarded-Groups", "ops"),
    ("X-Ssl-Client-S-Dn", "CN=alice,OU=ops"), ("Ssl-Client-Verify", "SUCCESS"),
    ("X-Remote-Group", "ops"), ("Xenterm-Password-Groups", "ops"))


class Password:
    """alice is of the groups dev and ops, bob is Alice of another case."""

    arguments = ("password",)
    unknown = 401

    def __init__(self, folder):
        (folder / "nginx").mkdir(parents=True)
        (folder / "nginx/xenterm.groups").write_text(
            '"~^alice$" "dev,ops";\n"~^bob$" "dev";\n')

    def client(self, site, name):
        return whole_site.Client(site, name)

    def close(self):
        pass


class Certificate:
    arguments = ("certificate",)
    unknown = 400           # nginx' own, for who has no certificate

    def __init__(self, folder):
        self.folder = folder / "nginx"
        self.folder.mkdir(parents=True)
        self.authority("xenterm-ca")
        self.issue("alice", "/O=Example/OU=ops/CN=alice")
        self.issue("bob", "/O=Example/OU=dev/CN=bob")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, cwd=self.folder,
                       capture_output=True)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                     "-out", f"{name}.pem")

    def issue(self, name, subject, authority="xenterm-ca"):
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-utf8",
                     "-multivalue-rdn", "-subj", subject,
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-days", "2",
                     "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                     "-CAcreateserial", "-out", f"{name}.pem")

    def client(self, site, name):
        tls = site.tls_context()
        if name:
            tls.load_cert_chain(self.folder / f"{name}.pem",
                                self.folder / f"{name}.key")
        return whole_site.Client(site, None, tls)

    def close(self):
        pass


class Asked(http.server.BaseHTTPRequestHandler):
    """What oauth2-proxy is to nginx."""

    protocol_version = "HTTP/1.1"
    people = {"session=alice": ("alice", "dev,ops"),
              "session=bob": ("bob", "dev"),
              "session=groupless": ("bob", None)}

    def do_GET(self):
        if self.path.startswith("/oauth2/sign_in"):
            self.answer(200, [("Content-Type", "text/plain")], b"log in here")
            return
        self.server.asked.append((self.path, self.headers))
        person = self.people.get(self.headers["Cookie"])
        headers = []
        if person:
            headers = [("X-Auth-Request-User", person[0])]
            if person[1]:
                headers.append(("X-Auth-Request-Groups", person[1]))
        self.answer(202 if person else 401, headers)

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        # As long as those with a token of OpenID Connect are.
        headers = headers + [("Set-Cookie", f"_part_{i}=" + 4000 * "x")
                             for i in range(3)]
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class AuthRequest:
    unknown = 401

    def __init__(self, folder):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self.server.daemon_threads = True
        self.server.asked = []
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.arguments = ("auth-request", self.server.server_port)

    def client(self, site, name):
        client = whole_site.Client(site, None)
        if name:
            plain = client.send
            client.send = lambda method, path, body=b"", headers=(): plain(
                method, path, body, [("Cookie", f"session={name}"),
                                     *dict(headers).items()])
        return client

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class World:
    """A site that knows people in one of the ways."""

    def __init__(self, way, folder):
        self.way = way(folder)
        self.site = whole_site.Site(folder, conf=CONF,
                                    users=("admin", "alice", "bob", "Alice"),
                                    identity=self.way.arguments)
        self.clients = {}

    def __enter__(self):
        self.site.__enter__()
        for name in GUESTS:
            self.site.host.create(name, "--echo")
        whole_site.wait_for(
            lambda: self.site.healthz()["consoles"] == len(GUESTS),
            what="the guests")
        return self

    def __exit__(self, *error):
        for client in self.clients.values():
            client.close()
        self.site.__exit__(*error)
        self.way.close()

    def ask(self, name, method="GET", path="api/v1/consoles", body=b"",
            headers=()):
        if name not in self.clients:
            self.clients[name] = self.way.client(self.site, name)
        return self.clients[name].request(method, path, body, headers)

    def sees(self, name, headers=()):
        answer = self.ask(name, headers=headers)
        assert answer.status == 200, answer
        return {one["name"]: one["rights"] for one in
                answer.json()["consoles"]}


@pytest.fixture(scope="module",
                params=[Password, Certificate, AuthRequest],
                ids=["password", "certificate", "auth-request"])
def world(request, tmp_path_factory):
    conftest.need_site()
    with World(request.param, tmp_path_factory.mktemp("site")) as world:
        yield world


ALL = ["list", "watch", "type"]


def test_user_and_groups(world):
    assert world.sees("alice") == {name: ALL for name in GUESTS}
    assert world.sees("bob") == {"bobs": ["list"]}


def test_a_session_is_of_whom_nginx_says(world):
    answer = world.ask("alice", "POST", "api/v1/sessions",
                       {"console": "web1", "mode": "type"})
    assert answer.status == 201 and answer.json()["user"] == "alice"
    token = {"Xenterm-Token": answer.json()["token"]}
    world.ask("bob", "GET", "api/v1/sessions/current", headers=token) \
        .problem(403, "wrong-user")
    assert world.ask("alice", "DELETE", "api/v1/sessions/current",
                     headers=token).status == 204
    world.ask("bob", "POST", "api/v1/sessions",
              {"console": "web1", "mode": "watch"}).problem(404)


def test_who_is_not_logged_in(world):
    """Nor do forged headers log anybody in."""
    for headers in ((), *((forged,) for forged in FORGERIES)):
        answer = world.ask(None, headers=headers)
        assert answer.status == world.way.unknown, headers
        assert b"web1" not in answer.body
        page = world.ask(None, path="console.html", headers=headers)
        assert page.status in (400, 401, 403) and b"<xen" not in page.body


@pytest.mark.parametrize("header", FORGERIES, ids="{0[0]}".format)
def test_no_header_makes_anybody_more(world, header):
    name, value = header
    for headers in ([header], [(name.replace("-", "_"), value)],
                    [(name, value), (name, value)]):
        assert world.sees("bob", headers) == {"bobs": ["list"]}


def test_the_ajaxterm_calls_are_the_same_users(world):
    """They reach the worker by an internal redirect."""
    path = "ajaxterm/web1/u?s=1&w=80&h=25&c=1&k="
    assert world.ask("alice", path=path).status == 200
    world.ask("bob", path=path).problem(404)
    assert world.ask(None, path=path).status == world.way.unknown


# --- Of one way only -----------------------------------------------------------



@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    conftest.need_site()
    with World(Password, tmp_path_factory.mktemp("passwords")) as world:
        yield world


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    conftest.need_site()
    with World(Certificate, tmp_path_factory.mktemp("certificates")) as world:
        yield world


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    conftest.need_site()
    with World(AuthRequest, tmp_path_factory.mktemp("requests")) as world:
        yield world


def test_a_users_case_counts(passwords):
    """Alice is another user than alice, of no group."""
    assert passwords.sees("Alice") == {}
    assert set(passwords.sees("alice")) == set(GUESTS)


def test_a_certificate_of_another_authority(certificates):
    certificates.way.authority("other-ca")
    certificates.way.issue("stranger", "/O=Example/OU=ops/CN=alice",
                           "other-ca")
    answer = certificates.ask("stranger")
    assert answer.status == 400 and b"web1" not in answer.body


@pytest.mark.parametrize("subject", [
    "/O=Example,CN=alice/CN=bob, of sales", "/CN=bob/O=x,CN=alice,OU=ops",
    "/CN=alice/OU=ops", "/CN=bob\\,CN=alice", "/O=Example/CN=alice+UID=1",
    "/O=Example/UID=1+CN=alice", "/O=Example", "/O=Example/CN=alice ",
    "/O=Example/CN=ALICE"])
def test_a_subject_of_another_form_is_no_user(certificates, subject):
    certificates.way.issue("odd", subject)
    client = certificates.way.client(certificates.site, "odd")
    answer = client.request("GET", "api/v1/consoles")
    client.close()
    if answer.status == 200:        # ALICE is somebody, but not alice
        assert answer.json() == {"consoles": []}
    else:
        answer.problem(401, "no-identity")


@pytest.mark.parametrize("subject", [
    "/OU=ops/O=Example/CN=bob", "/O=Example/OU=ops,x/CN=bob",
    "/O=Example/OU=dev,OU=ops/CN=bob", "/O=Example/OU=dev+OU=ops/CN=bob"])
def test_a_subject_of_another_form_is_of_no_group(certificates, subject):
    certificates.way.issue("odd", subject)
    client = certificates.way.client(certificates.site, "odd")
    answer = client.request("GET", "api/v1/consoles")
    client.close()
    assert [one["name"] for one in answer.json()["consoles"]] == ["bobs"]


def test_what_the_program_is_asked(requests):
    """Only by what it knows somebody, and no name that a client claims."""
    requests.way.server.asked.clear()
    requests.sees("bob", [*FORGERIES, ("Authorization", "Bearer x")])
    (path, headers), = requests.way.server.asked
    assert path == "/oauth2/auth"
    assert set(name.lower() for name in headers) == {
        "host", "cookie", "authorization", "x-forwarded-proto",
        "x-forwarded-for", "connection"}
    assert headers["Cookie"] == "session=bob"
    assert headers["X-Forwarded-For"] == "127.0.0.1"


def test_who_has_no_groups_is_not_given_the_last_ones(requests):
    assert set(requests.sees("alice")) == set(GUESTS)
    for _ in range(3):
        assert requests.sees("groupless") == {"bobs": ["list"]}


def test_a_page_leads_to_the_login(requests):
    answer = requests.ask(None, path="console.html")
    assert answer.status == 403 and answer.body == b"log in here"


def test_without_the_program_nobody_gets_in(tmp_path):
    conftest.need_site()
    with World(AuthRequest, tmp_path / "site") as world:
        world.way.server.socket.close()
        world.way.server.shutdown()
        answer = world.ask("alice")
        answer.problem(500)
        assert b"web1" not in answer.body
