"""What nginx adds, as conf/nginx is shipped: TLS, headers, pages, a log
without secrets."""

import os
import re
import signal
import socket
import ssl

import fastcgi
import pytest
import whole_site
from standin import wait_for

STATIC = whole_site.TOP / "static"
PAGES = ("", "index.html", "console.html", "ajaxterm.html")
TYPES = {".html": "text/html; charset=utf-8",
         ".js": "text/javascript; charset=utf-8",
         ".mjs": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
SECRET = b"correct horse battery staple"


def test_nothing_without_tls(site):
    with socket.create_connection(("127.0.0.1", site.port), 5) as plain:
        plain.sendall(b"GET /xenterm/ HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: close\r\n\r\n")
        answer = b""
        while data := plain.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"xenterm" not in answer.lower()


def test_http_2_is_offered(site):
    tls = ssl.create_default_context(cafile=site.dir / "nginx/cert.pem")
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", site.port), 5) as plain:
        with tls.wrap_socket(plain, server_hostname="localhost") as conn:
            assert conn.selected_alpn_protocol() == "h2"


def test_the_log_has_no_arguments_and_no_secrets(own_site):
    site = own_site()
    session = site.session(site.guest("--echo"))
    session.type(SECRET, echo=1000)
    session.read_until(SECRET)
    session.resize(rows=33, cols=99)
    site.request("GET", f"api/v1/sessions/current?token={session.token}")
    site.request("GET", "api/v1/output?from=" + SECRET.decode()
                 .replace(" ", "%20"), user=None)
    log = site.log("xenterm")
    lines = log.splitlines()
    assert any('"POST /xenterm/api/v1/input HTTP/1.1" 200' in line
               for line in lines)
    assert any('"GET /xenterm/api/v1/output HTTP/1.1" 200' in line
               for line in lines)
    assert "?" not in log and "seq=" not in log and "from=" not in log
    texts = [path.read_bytes() for path in (site.dir / "log").rglob("*")
             if path.is_file()]
    # nginx puts the whole line of a failed login into its error log.
    texts = [text for text in texts if b"no user/password" not in text]
    assert texts
    for text in texts:
        assert session.token.encode() not in text
        assert SECRET not in text and SECRET.replace(b" ", b"%20") not in text
        assert whole_site.PASSWORD.encode() not in text


def test_a_typed_secret_is_in_no_file(own_site):
    """Nor below /run, except in the memory that is the console's history."""
    site = own_site()
    session = site.session(site.guest("--deaf"))
    for _ in range(3):
        session.type(SECRET * 500)
    for path in site.dir.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET not in path.read_bytes(), path


def headers_once(answer, wanted):
    for name, value in wanted.items():
        assert answer.headers.get_all(name) == [value], (name, answer)


API_HEADERS = {"Cache-Control": "no-store",
               "X-Content-Type-Options": "nosniff",
               "Referrer-Policy": "no-referrer",
               "Content-Security-Policy":
                   "default-src 'none'; frame-ancestors 'none'",
               "Cross-Origin-Resource-Policy": "same-origin"}
PAGE_HEADERS = {"X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "same-origin",
                "X-Frame-Options": "DENY",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cache-Control": "no-cache"}
FRAME_HEADERS = {"X-Content-Type-Options": "nosniff",
                 "Referrer-Policy": "same-origin",
                 "Cross-Origin-Resource-Policy": "cross-origin",
                 "Cache-Control": "no-cache"}


def test_the_headers_of_the_interface(site):
    session = site.session("web1")
    token = {"Xenterm-Token": session.token}
    for method, path, status in (
            ("GET", "api/v1/consoles", 200),
            ("GET", "api/v1/sessions/current", 200),
            ("GET", "api/v1/output?wait=0", 200),
            ("GET", f"api/v1/output?wait=0&from={session.at}", None),
            ("GET", "api/v1/screen", 200),
            ("GET", "api/v1/screen?format=html", 200),
            ("GET", "api/v1/history?format=raw", 200),
            ("GET", "api/v1/preview?console=web1", 200),
            ("GET", "api/v1/preview?console=none", 404),
            ("GET", "api/v1/nothing", 404), ("PUT", "api/v1/size", 405),
            ("GET", "ajaxterm/web1/u", 400),
            ("GET", "api/v1/output?x=1", 400)):
        answer = site.request(method, path, headers=token)
        assert status in (None, answer.status)
        headers_once(answer, API_HEADERS)
        assert "Set-Cookie" not in answer.headers
        assert "Content-Encoding" not in answer.headers


def test_what_nginx_says_itself_reads_the_same(site):
    for answer, status in (
            (site.request("GET", "api/v1/consoles", user=None), 401),
            (site.request("POST", "api/v1/size", b"x" * 70000), 413)):
        answer.problem(status)
        assert answer.headers.get_all("Cache-Control") == ["no-store"]
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]


def test_all_that_nginx_can_say_itself():
    """None is kept by anybody, or taken for what it is not."""
    text = (whole_site.TOP / "conf/nginx/xenterm.conf").read_text()
    answers = re.findall(r"(?ms)^location (@xenterm_\d+) {(.*?)^}", text)
    assert len(answers) == len(re.findall(r"error_page \d+ @", text)) == 8
    for name, answer in answers:
        for line in ("default_type application/problem+json;",
                     "add_header Cache-Control no-store always;",
                     "add_header X-Content-Type-Options nosniff always;"):
            assert answer.count(line) == 1, (name, line)
        assert name[9:] not in ("429", "502", "503", "504") or \
            re.search(r"add_header Retry-After \d always;", answer), name


def test_the_pages(site):
    for page in PAGES:
        answer = site.request("GET", page)
        assert answer.status == 200, page
        assert answer.type == "text/html; charset=utf-8"
        policy = answer.headers.get_all("Content-Security-Policy")
        assert len(policy) == 1
        rules = dict(rule.split(" ", 1) for rule in policy[0].split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["connect-src"] == "'self'"
        assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
        headers_once(answer, PAGE_HEADERS)


def test_the_headers_of_what_pages_load(site):
    """Also where there is nothing, and for who is not let in."""
    for path, user, status in (("console.js", "admin", 200),
                               ("style.css", "admin", 200),
                               ("vendor/xterm.mjs", "admin", 200),
                               ("ajaxterm/web1/", "admin", 200),
                               ("ajaxterm/web1/ajaxterm.js", "admin", 200),
                               ("nothing.js", "admin", 404),
                               ("vendor/", "admin", 403),
                               ("console.html", None, 401)):
        answer = site.request("GET", path, user=user)
        assert answer.status == status, path
        headers_once(answer, PAGE_HEADERS)


def rebound(site, path, host, method="GET", body=b"", headers=()):
    """What a page of another site asks whose name leads here now: for its
    browser it is the same origin."""
    client = site.client()
    client.method, client.path = method, path
    head = client.head(method, f"/xenterm/{path}", body, [
        ("Sec-Fetch-Site", "same-origin"), ("Origin", f"https://{host}"),
        *headers])
    good = f"Host: 127.0.0.1:{site.port}".encode()
    assert good in head
    client.open().sendall(
        head.replace(good, f"Host: {host}".encode() if host else b"X: y")
        + body)
    try:
        return client.receive()
    finally:
        client.close()


def test_another_sites_name_leads_here(own_site):
    site = own_site(conf='host_names = {"Dom0.example", "127.0.0.1"}')
    site.guest("--echo", name="web1")
    session = site.session("web1")
    new = b'{"console":"web1","mode":"type"}'
    json_type = [("Content-Type", "application/json")]
    calls = [("GET", "api/v1/consoles", b"", []),
             ("POST", "api/v1/sessions", new, json_type),
             ("GET", "ajaxterm/web1/u", b"", []),
             ("POST", "api/v1/input?seq=1", b"x", [
                 ("Xenterm-Token", session.token),
                 ("Content-Type", "application/octet-stream")]),
             ("GET", "api/v1/nothing", b"", [])]
    for method, path, body, headers in calls:
        for host in ("evil.example", f"evil.example:{site.port}",
                     "dom0.example.evil.example", "127.0.0.2",
                     "dom0.example.", "xdom0.example"):
            answer = rebound(site, path, host, method, body, headers)
            answer.problem(421, "wrong-host")
            headers_once(answer, API_HEADERS)
    # What is wrong in itself nginx refuses.
    assert rebound(site, "api/v1/consoles", None).status == 400
    for host in ("dom0.example", "DOM0.EXAMPLE:8443", "127.0.0.1"):
        assert rebound(site, "api/v1/consoles", host).status == 200
        assert rebound(site, "api/v1/sessions", host, "POST", new,
                       json_type).status == 201
    # Taken out, and a reload later the name is nobody's.
    path = site.dir / "xenterm.conf"
    path.write_text(path.read_text().replace('"Dom0.example", ', ""))
    os.kill(site.pid("worker"), signal.SIGHUP)
    wait_for(lambda: rebound(site, "api/v1/consoles", "dom0.example").status
             == 421)
    assert site.request("GET", "api/v1/consoles").status == 200
    # Nobody typed.
    assert session.current().json()["seq"] == 0


def test_the_frame_does_not_say_that_it_is_none(site):
    answer = site.request("GET", "frame.html")
    headers_once(answer, FRAME_HEADERS)
    assert "X-Frame-Options" not in answer.headers


def test_the_frame_is_for_those_whom_the_map_names(site):
    """It is like a page; nobody may frame it unless the map says so."""
    answer = site.request("GET", "frame.html")
    assert answer.status == 200 and answer.type == "text/html; charset=utf-8"
    page = site.request("GET", "console.html")
    policy = answer.headers.get_all("Content-Security-Policy")
    assert policy == page.headers.get_all("Content-Security-Policy")
    headers_once(answer, {"X-Content-Type-Options": "nosniff",
                          "Referrer-Policy": "same-origin",
                          "Cache-Control": "no-cache"})
    assert site.request("GET", "frame.html", user=None).status == 401


def test_every_file_has_its_type(site):
    files = [path for path in STATIC.rglob("*")
             if path.suffix in TYPES and "node_modules" not in path.parts]
    assert len(files) > 5
    for path in files:
        answer = site.request("GET", str(path.relative_to(STATIC)))
        assert answer.status == 200
        assert answer.type == TYPES[path.suffix]
        assert answer.body == path.read_bytes()


def test_pages_need_a_login_too(site):
    for path in ("", "console.html", "client.js"):
        answer = site.request("GET", path, user=None)
        assert answer.status == 401
        assert "Basic" in answer.headers["WWW-Authenticate"]


def test_without_the_slash(site):
    """A relative redirect: behind a proxy only the browser knows the rest."""
    for path in ("/xenterm", "/xenterm/api", "/xenterm/vendor",
                 "/xenterm/ajaxterm/web1"):
        answer = site.request("GET", path)
        assert answer.status == 301
        assert answer.headers["Location"] == path + "/"


@pytest.mark.parametrize("path", [
    "/xenterm../", "/xenterm/../etc/passwd", "/xenterm/..%2f..%2fetc/passwd",
    "/xenterm/%2e%2e/%2e%2e/etc/passwd", "/xenterm//etc/passwd",
    "/xenterm/....//etc/passwd", "/xenterm/htpasswd", "/xenterm/../htpasswd",
    "/xenterm../htpasswd", "/xenterm/vendor/", "/run/xenterm/fcgi.sock",
    "/xenterm/.git/config", "/xenterm/api/../../htpasswd", "/api/v1/consoles",
    "/xentermx/", "/xenterm/package.json/x"])
def test_no_other_files(site, path):
    answer = site.request("GET", path)
    assert answer.status in (400, 403, 404), answer
    assert b"root:" not in answer.body and b"admin:" not in answer.body


def test_pages_take_no_other_method(site):
    for method in ("POST", "PUT", "DELETE"):
        assert site.request(method, "index.html").status == 405


def test_a_path_is_what_it_seems(site):
    """The worker gets the path without the prefix, once decoded."""
    for path, status in (("api/v1/consoles", 200), ("api/v1//consoles", 200),
                         ("api/v1/./consoles", 200),
                         ("api/v1/x/../consoles", 200),
                         ("api/v1/%63onsoles", 200),
                         ("api/v1/%2563onsoles", 404),
                         ("api/v1/consoles/", 404), ("api/", 404),
                         ("api/v1", 404), ("API/v1/consoles", 404)):
        assert site.request("GET", path).status == status, path


# --- What goes to the worker -------------------------------------------------

PASSED_ON = {
    "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE",
    "CONTENT_LENGTH", "REMOTE_USER", "XENTERM_GROUPS", "REMOTE_ADDR",
    "SERVER_NAME", "REQUEST_SCHEME", "HTTPS", "HTTP_HOST", "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE", "HTTP_ACCEPT", "HTTP_XENTERM_TOKEN"}


@pytest.fixture
def listener(own_site):
    """A site, and a socket in the place of its worker."""
    site = own_site()
    site.end("worker")
    path = site.dir / "run/xenterm/fcgi.sock"
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        path.chmod(0o666)
        sock.listen()
        sock.settimeout(whole_site.PATIENCE)
        yield site, sock


def seen(site, listener, *request, **options):
    """The parameters and the body that a worker gets for a request."""
    client = site.client(options.pop("user", "admin"))
    client.send(*request, **options)
    with listener.accept()[0] as peer:
        peer.settimeout(whole_site.PATIENCE)
        params, body = fastcgi.read_request(peer)
        peer.sendall(fastcgi.stream(
            fastcgi.STDOUT, b"Status: 204 No Content\r\n\r\n")
            + fastcgi.record(fastcgi.END, bytes(8)))
        client.path = ""  # It is no answer of ours.
        assert client.receive().status == 204
    client.close()
    return params, body


def test_only_what_the_configuration_names_is_passed_on(listener):
    """No header of the client becomes a parameter; no password gets there."""
    site, sock = listener
    params, body = seen(
        site, sock, "POST", "api/v1/input?seq=1&x=%20", b"typed", {
            "Cookie": "a=b", "X-Forwarded-For": "10.0.0.1",
            "Remote-User": "root", "Xenterm-Groups": "ops",
            "Remote_User": "root", "Proxy": "http://evil.example",
            "Content-Type": "application/octet-stream",
            "Origin": "https://other.example", "Xenterm-Token": "12ab",
            "Sec-Fetch-Site": "same-origin", "Accept": "application/json"})
    assert set(params) <= PASSED_ON
    assert whole_site.PASSWORD not in str(params)
    assert body == b"typed"
    assert params == {**params, **{
        "REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/input",
        "QUERY_STRING": "seq=1&x=%20", "CONTENT_LENGTH": "5",
        "CONTENT_TYPE": "application/octet-stream", "REMOTE_USER": "admin",
        "XENTERM_GROUPS": "", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_XENTERM_TOKEN": "12ab", "HTTP_ACCEPT": "application/json",
        "HTTP_ORIGIN": "https://other.example",
        "HTTP_HOST": f"127.0.0.1:{site.port}",
        "HTTP_SEC_FETCH_SITE": "same-origin"}}


def test_who_is_logged_in_is_passed_on(listener):
    site, sock = listener
    for user in ("viewer", "nobody"):
        params, body = seen(site, sock, "GET", "api/v1/consoles", user=user)
        assert params["REMOTE_USER"] == user and body == b""
