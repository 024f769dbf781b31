"""A whole xenterm for tests: a stand-in host with the real broker, the real
worker and the real nginx, which uses conf/nginx as it is shipped.

    with Site(tmp_path / "site") as site:
        guest = site.guest("--echo")
        session = site.session(guest, "type")
        session.type(b"hello")
        session.read_until(b"hello")

The programs come from $XENTERM_BUILD, or from the repository's build/. When a
Site ends, broker and worker must still be there, must end well, and must not
have been reported by a sanitizer.
"""

import base64
import http.client
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import time
import urllib.parse

import fastcgi
import openapi
import standin
from standin import Host, is_alive, living_children, wait_for

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("XENTERM_BUILD", TOP / "build")).resolve()
BROKER, WORKER = BUILD / "xenterm-broker", BUILD / "xenterm-fcgi"
KEEPER = BUILD / "xenterm-keeper"
SCREEN = BUILD / "xenterm-screen"
SITE_CONFIG = standin.STANDIN / "site-config"

PATIENCE = 30.0

PASSWORD = "no secret"
USERS = ("admin", "viewer", "lister", "web1only", "nobody")

CONFIG = """\
user = "daemon"
failures_per_minute = 1000000
screen_program = "{screen}"
hold "always*" {{ mode = always }}
{extra}
access "admin" {{
    users = {{"admin"}}
    consoles = {{"*"}}
    rights = {{"list", "watch", "type"}}
}}
access "viewer" {{
    users = {{"viewer"}}
    consoles = {{"*"}}
    rights = {{"watch"}}
}}
access "lister" {{
    users = {{"lister"}}
    consoles = {{"*"}}
    rights = {{"list"}}
}}
access "web1only" {{
    users = {{"web1only"}}
    consoles = {{"web1"}}
    rights = {{"join"}}
}}
"""

REPORTS = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|LeakSanitizer|AddressSanitizer"
    r"|==\d+== (Invalid|Conditional|Use of)|definitely lost: [1-9]")

FRAMES = "application/vnd.xenterm.frames"
TYPES = {"o": "output", "s": "snapshot"}


def missing():
    """Why no site can run on this machine, or None."""
    for program in (BROKER, WORKER, KEEPER, BUILD / "tests/standin/hypervisor.so"):
        if not program.exists():
            return f"{program} is not built"
    for program in ("nginx", "openssl"):
        if not any((pathlib.Path(folder) / program).exists() for folder in
                   os.get_exec_path() + ["/usr/sbin"]):
            return f"no {program}"
    return standin.missing()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def more_descriptors():
    """A thousand browsers are a thousand sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))


# --- Answers -----------------------------------------------------------------

class Answer:
    """What came back for one request."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __repr__(self):
        return f"<Answer {self.status} {self.body[:200]!r}>"

    @property
    def type(self):
        return self.headers.get("Content-Type", "")

    def json(self):
        return json.loads(self.body)

    def problem(self, status=None, code=None):
        """It must be a problem (RFC 9457), with a sentence; its members."""
        assert self.type == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status
        assert re.fullmatch(r"[A-Z].{10,}\.", problem["detail"]), problem
        assert self.headers["Cache-Control"] == "no-store"
        if status is not None:
            assert self.status == status, self
        if code is not None:
            assert problem["code"] == code, self
        return problem

    def frames(self):
        """[(type, offset, bytes) or (type, None, event)] of an answer of
        docs/protocol.md 1.4."""
        if self.type == "application/json":
            return [from_json(event) for event in self.json()["events"]]
        assert self.type == FRAMES, self
        return list(split_frames(self.body))

    def event(self, kind):
        """The event of this kind, or None."""
        for type_, _, payload in self.frames():
            if type_ == kind:
                return payload
        return None

    def output(self):
        return b"".join(data for type_, _, data in self.frames()
                        if type_ == "output")

    @property
    def next(self):
        if self.type == "application/json":
            assert self.json()["next"] == self.headers["Xenterm-Next"]
        return self.headers["Xenterm-Next"]


def split_frames(body):
    at = 0
    while at < len(body):
        kind, size = struct.unpack_from("!cI", body, at)
        payload = body[at + 5:at + 5 + size]
        assert len(payload) == size, "a frame is cut off"
        at += 5 + size
        if kind == b"j":
            event = json.loads(payload)
            yield event["type"], None, event
        else:
            yield (TYPES[kind.decode()], struct.unpack("!Q", payload[:8])[0],
                   payload[8:])


def from_json(event):
    if event["type"] in TYPES.values():
        return (event["type"], event["offset"],
                base64.b64decode(event["data"], validate=True))
    return event["type"], None, event


# --- Connections -------------------------------------------------------------

class Client:
    """One user's persistent connection to nginx. user None: no password.
    tls: a context of its own, with a certificate."""

    def __init__(self, site, user="admin", tls=None):
        self.site = site
        self.user = user
        self.tls = tls
        self.sock = None
        self.path = ""          # of the last request
        self.used = 0.0

    def open(self):
        """A new one after a while: nginx closes idle ones after 75 s."""
        if time.monotonic() - self.used > 30:
            self.close()
        self.used = time.monotonic()
        if self.sock is None:
            plain = self.site.connect()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = (self.tls or self.site.tls).wrap_socket(
                plain, server_hostname="127.0.0.1")
        return self.sock

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def head(self, method, path, body, headers):
        lines = [f"{method} {path} HTTP/1.1",
                 f"Host: 127.0.0.1:{self.site.port}"]
        if self.user is not None:
            login = base64.b64encode(f"{self.user}:{PASSWORD}".encode())
            lines.append(f"Authorization: Basic {login.decode()}")
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join(lines + ["", ""]).encode("latin-1")

    def send(self, method, path, body=b"", headers=()):
        """path is relative to /xenterm/, unless it starts with a slash.
        headers: pairs, or a dict. An object becomes a JSON body."""
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.append(("Content-Type", "application/json"))
        if not path.startswith("/"):
            path = "/xenterm/" + path
        self.method, self.path = method, path
        self.open().sendall(self.head(method, path, body, headers) + body)

    def receive(self, timeout=PATIENCE):
        self.sock.settimeout(timeout)
        response = http.client.HTTPResponse(self.sock, method=self.method)
        try:
            response.begin()
            answer = Answer(response)
            openapi.DOCUMENT.judge(
                "public", self.method,
                self.path.removeprefix("/xenterm"), answer)
            if response.will_close:
                self.close()
            return answer
        except BaseException:
            self.close()
            raise
        finally:
            response.close()

    def request(self, *args, **kwargs):
        self.send(*args, **kwargs)
        return self.receive()

    def has_answer(self, timeout=0):
        return bool(select.select([self.sock], [], [], timeout)[0])


class Session:
    """One viewer: a session, what it has seen, and its two connections, one
    for polls and one for what is typed."""

    def __init__(self, site, console, mode="type", user="admin"):
        self.site = site
        self.user = user
        self.poller, self.typist = Client(site, user), Client(site, user)
        self.answer = self.poller.request(
            "POST", "api/v1/sessions", {"console": console, "mode": mode})
        assert self.answer.status == 201, self.answer
        self.made = self.answer.json()
        self.token = self.made["token"]
        self.id = self.made["console"]
        self.at = self.made["from"]     # where the next poll goes on
        self.run = self.at.split(".")[0]
        self.seq = 0
        self.output = bytearray()       # without gaps since `begin`
        self.begin = int(self.at.split(".")[1])
        self.events = [{"type": "state", **{
            key: self.made[key] for key in ("state", "domid", "holder", "name")
            if key in self.made}}]
        self.snapshots = self.repeated = 0
        self.snapshot = b""

    @property
    def end(self):
        return self.begin + len(self.output)

    def rewind(self):
        """The next poll asks for all that is held since the first byte."""
        self.run = self.at.split(".")[0]
        self.at, self.begin = f"{self.run}.0", 0
        self.output.clear()

    def close(self):
        self.poller.close()
        self.typist.close()

    def request(self, method, path, body=b"", headers=(), client=None):
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        client = client or self.typist
        return client.request(method, path, body,
                              [("Xenterm-Token", self.token), *headers])

    # Seeing.

    def send_poll(self, at=None, wait=25, json=False):
        """Asks, and does not wait for the answer."""
        at = self.at if at is None else at
        query = f"wait={wait}" + (f"&from={at}" if at else "")
        accept = [("Accept", "application/json")] if json else []
        self.poller.send("GET", f"api/v1/output?{query}", b"",
                         [("Xenterm-Token", self.token), *accept])

    def receive_poll(self):
        return self.take(self.poller.receive(timeout=80))

    def poll(self, at=None, wait=25, json=False):
        """at "": without a position."""
        self.send_poll(at, wait, json)
        return self.receive_poll()

    def take(self, answer):
        """Adds what an answer tells to what has been seen."""
        if answer.status == 204:
            self.at = answer.next
            return answer
        assert answer.status == 200, answer
        self.at = answer.next
        self.run = self.at.split(".")[0]
        for kind, offset, payload in answer.frames():
            if kind == "snapshot":
                self.snapshots += 1
                self.snapshot = payload
                self.output.clear()
                self.begin = offset
            elif kind == "output":
                self.append(offset, payload)
            else:
                self.events.append(payload)
        return answer

    def append(self, offset, payload):
        start = offset - len(payload)
        assert start <= self.end, f"bytes {self.end} to {start} are lost"
        known = self.end - start
        if known:
            self.repeated += min(known, len(payload))
            again = self.output[start - self.begin:][:len(payload)]
            assert again == payload[:len(again)], "the past has changed"
        self.output += payload[known:]

    def wait(self, condition, what, json=False, timeout=PATIENCE):
        """Polls until the condition holds."""
        def holds():
            if condition():
                return True
            self.poll(wait=1, json=json)
            return condition()
        wait_for(holds, timeout, what)

    def read_until(self, wanted, timeout=PATIENCE, json=False):
        """Where a snapshot was told, what led to it counts as well; what
        comes after it has to come by itself."""
        self.wait(lambda: wanted in self.output or
                  self.snapshots > 0 and wanted in self.past(),
                  f"{wanted!r} on the console", json, timeout)
        return bytes(self.output)

    def last(self, kind):
        """The latest event of a kind that was told; {} before."""
        return next((event for event in reversed(self.events)
                     if event["type"] == kind), {})

    @property
    def state(self):
        return self.last("state").get("state")

    def wait_state(self, state):
        self.wait(lambda: self.state == state, f"state {state}")
        return self.last("state")

    # Typing.

    def type(self, data, seq=None, **query):
        """One input request; a refused one does not use up its number."""
        data = data.encode() if isinstance(data, str) else data
        seq = self.seq + 1 if seq is None else seq
        query = "".join(f"&{name}={value}" for name, value in query.items())
        answer = self.request(
            "POST", f"api/v1/input?seq={seq}{query}", data,
            {"Content-Type": "application/octet-stream"})
        if answer.status in (200, 204):
            self.seq = seq
        return answer

    def press(self, seq=None, **key):
        """A key of api/v1/keys, numbered as input is."""
        seq = self.seq + 1 if seq is None else seq
        answer = self.request("POST", f"api/v1/keys?seq={seq}", key)
        if answer.status == 200:
            self.seq = seq
        return answer

    def resize(self, **size):
        return self.request("POST", "api/v1/size", size)

    def current(self):
        return self.request("GET", "api/v1/sessions/current")

    def screen(self, **query):
        """The screen, as text without the blank lines below."""
        answer = self.request("GET", "api/v1/screen?" +
                              urllib.parse.urlencode(query))
        assert answer.status == 200, answer
        return answer.body.decode().rstrip("\n")

    def history(self):
        """All that the worker still holds."""
        answer = self.request("GET", "api/v1/history?format=raw")
        assert answer.status == 200, answer
        return answer.body

    def past(self):
        """What it holds of that which was printed before this viewer's place."""
        answer = self.request("GET", "api/v1/history?format=raw")
        assert answer.status == 200, answer
        ahead = int(answer.next.split(".")[1]) - self.end
        return answer.body[:max(len(answer.body) - ahead, 0)]

    def delete(self):
        return self.request("DELETE", "api/v1/sessions/current")


# --- The site ----------------------------------------------------------------

class Site:
    """conf: more lines for xenterm.conf. users: names that can log in.
    identity: further arguments of site-config."""

    def __init__(self, dir, conf="", users=USERS, reboot_ms=300,
                 xenstored="c", identity=()):
        self.dir = pathlib.Path(dir)
        self.conf = CONFIG.format(extra=conf, screen=SCREEN)
        self.users = users
        self.identity = identity
        self.host = Host(self.dir, xenstored, reboot_ms=reboot_ms)
        self.broker = self.worker = self.nginx = None
        self.sessions, self.clients, self.names = [], {}, 0

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.clear_away()
            raise
        return self

    def __exit__(self, kind, *_):
        self.stop(strict=kind is None)

    # Starting and ending.

    def start(self):
        more_descriptors()
        os.environ.setdefault("STANDIN_BIN", str(BUILD / "tests/standin"))
        self.host.start()
        (self.dir / "xenterm.conf").write_text(self.conf)
        listen = self.find_place()
        passwords = "".join(f"{user}:{PASSWORD}\n" for user in self.users)
        subprocess.run([SITE_CONFIG, self.dir, listen,
                        *map(str, self.identity)], check=True,
                       input=passwords, text=True)
        self.tls = self.tls_context()
        self.start_nginx()
        self.start_broker()
        self.start_worker()
        self.wait_connected()

    def find_place(self):
        """Where nginx is to listen, as site-config wants it."""
        self.port = free_port()
        return str(self.port)

    def connect(self):
        """A connection to nginx."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def tls_context(self):
        """TLS 1.2: a readable socket is then an answer (1.3 sends tickets
        whenever it likes)."""
        tls = ssl.create_default_context(cafile=self.dir / "nginx/cert.pem")
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        return tls

    def log_path(self, name):
        return self.dir / "log" / f"{name}.log"

    def log(self, name):
        path = self.log_path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def spawn(self, name, *command, kind=standin.Process, **environment):
        with open(self.log_path(name), "ab") as log:
            return self.host.popen(
                *command, kind=kind, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **environment})

    def start_nginx(self):
        self.nginx = self.spawn(
            "nginx", "nginx", "-e", self.log_path("nginx-error"),
            "-c", self.dir / "nginx/nginx.conf", "-g", "daemon off;")
        wait_for(self.nginx_listens, what="nginx")

    def nginx_listens(self):
        assert self.nginx.poll() is None, self.log("nginx-error")
        return answers(self)

    def start_program(self, name, program):
        """The broker under its keeper."""
        kept = name == "broker"
        return self.spawn(
            name, *([KEEPER] if kept else []), program, "-f", "-c",
            self.dir / "xenterm.conf",
            kind=standin.Kept if kept else standin.Process,
            ASAN_OPTIONS="abort_on_error=1:detect_leaks=1",
            UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")

    def start_broker(self):
        """Or lets its keeper start it again, after kill_broker()."""
        if self.broker is None:
            self.broker = self.start_program("broker", BROKER)
            return
        os.kill(self.broker.keeper(), signal.SIGCONT)
        wait_for(self.broker.inside, PATIENCE, "a broker")

    def start_worker(self):
        self.worker = self.start_program("worker", WORKER)

    def is_connected(self):
        for name in ("broker", "worker"):
            process = getattr(self, name)
            assert process is None or process.poll() is None, self.log(name)
        try:
            return self.healthz()["broker"] == "connected"
        except (OSError, http.client.HTTPException):
            return False

    def wait_connected(self):
        wait_for(self.is_connected, PATIENCE, "the worker and its broker")

    def kill(self, name):
        """With SIGKILL, and it stays dead; the broker with its keeper, and
        all that it keeps."""
        process = getattr(self, name)
        process.kill()
        process.wait(PATIENCE)
        setattr(self, name, None)

    def kill_worker(self):
        self.kill("worker")

    def kill_broker(self):
        """The program alone; its keeper stays, with what it keeps, and
        sleeps."""
        pid = self.pid("broker")
        os.kill(self.broker.keeper(), signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), PATIENCE, "the broker's end")

    def lose_broker(self):
        """And its keeper."""
        self.kill_broker()
        self.kill("broker")

    def restart_worker(self):
        self.end("worker")
        self.start_worker()
        self.wait_connected()

    def end(self, name):
        """With SIGTERM; it must end well."""
        process = getattr(self, name)
        setattr(self, name, None)
        if process is None:
            return
        if name == "broker" and process.poll() is None:
            os.kill(process.keeper(), signal.SIGCONT)
            wait_for(process.inside, PATIENCE, "a broker that can be ended")
        process.terminate()
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{name} does not end on SIGTERM") from None
        assert status == 0, \
            f"{name}: exit status {status}\n{self.log(name)[-4000:]}"

    def pid(self, name):
        """As seen from here."""
        return getattr(self, name).inside()

    @property
    def pids(self):
        return {name: self.pid(name) for name in ("broker", "worker", "nginx")
                if getattr(self, name) is not None}

    def faults(self):
        """What must not be: programs that have ended, sanitizers' reports."""
        found = []
        for name in ("worker", "broker"):
            process = getattr(self, name)
            if process is not None and process.poll() is not None:
                found.append(f"{name} has ended: {process.returncode}\n"
                             + self.log(name)[-4000:])
                setattr(self, name, None)
        for name in ("worker", "broker"):
            try:
                self.end(name)
            except AssertionError as error:
                found.append(str(error))
        for name in ("worker", "broker"):
            log = self.log(name)
            report = REPORTS.search(log)
            if report:
                start = log.rfind("\n", 0, report.start()) + 1
                found.append(log[start:][:4000])
        return found

    def stop(self, strict=True):
        for session in self.sessions:
            session.close()
        for client in self.clients.values():
            client.close()
        try:
            found = self.faults()
        finally:
            self.clear_away()
        if strict:
            assert not found, "\n".join(found)

    def clear_away(self):
        for name in ("worker", "broker", "nginx"):
            process = getattr(self, name)
            if process is not None:
                process.kill() if name != "nginx" else process.terminate()
                process.wait()
        self.host.stop()

    # Asking.

    def client(self, user="admin"):
        """A new connection; its owner closes it."""
        return Client(self, user)

    def request(self, method, path, body=b"", headers=(), user="admin"):
        """Over that user's one persistent connection."""
        client = self.clients.setdefault(user, Client(self, user))
        return client.request(method, path, body, headers)

    def session(self, console, mode="type", user="admin"):
        session = Session(self, console, mode, user)
        self.sessions.append(session)
        return session

    def consoles(self, user="admin"):
        """{name: console} of those the user may see."""
        answer = self.request("GET", "api/v1/consoles", user=user)
        assert answer.status == 200, answer
        return {console["name"]: console
                for console in answer.json()["consoles"]}

    def wait_console(self, name, state="up"):
        return wait_for(
            lambda: (console := self.consoles().get(name)) is not None
            and console["state"] == state and console,
            PATIENCE, f"console {name}: {state}")

    def admin_connection(self, timeout=PATIENCE):
        """An HTTP connection to the admin socket; its owner closes it."""
        connection = http.client.HTTPConnection("x", timeout=timeout)
        connection.sock = fastcgi.connect(self.admin_socket, timeout)
        return connection

    @property
    def admin_socket(self):
        return self.dir / "run/xenterm/admin.sock"

    def admin(self, method, path, body=None, token=None, type=None):
        """One request to the admin socket. An object becomes a JSON body."""
        headers = {"Connection": "close"}
        if isinstance(body, (dict, list)):
            body, type = json.dumps(body).encode(), "application/json"
        elif body is not None and type is None:
            type = "application/octet-stream"
        if type is not None:
            headers["Content-Type"] = type
        if token is not None:
            headers["Xenterm-Token"] = token
        connection = self.admin_connection(80)
        try:
            connection.request(method, path, body, headers)
            answer = Answer(connection.getresponse())
            openapi.DOCUMENT.judge("admin", method, path, answer)
            return answer
        finally:
            connection.close()

    def healthz(self):
        return self.admin("GET", "/healthz").json()

    def wait_requests(self, count):
        """Until so many connections are with the worker."""
        wait_for(lambda: self.healthz()["requests"] == count, PATIENCE,
                 f"{count} requests at the worker")

    def fastcgi(self, timeout=PATIENCE):
        """A connection to the worker, as nginx makes one."""
        return fastcgi.connect(self.dir / "run/xenterm/fcgi.sock", timeout)

    # Guests.

    def guest(self, *args, name=None, prefix="guest", **options):
        """Starts a guest; its name, once the worker knows its tty."""
        self.names += 1
        name = name or f"{prefix}{self.names}"
        self.host.create(name, *args, **options)
        self.wait_console(name)
        return name

    def ttys_held(self):
        """The ptys of guests that the broker has open."""
        folder = pathlib.Path(f"/proc/{self.pid('broker')}/fd")
        links = [os.readlink(entry) for entry in folder.iterdir()]
        return sorted(link for link in links if link.startswith("/dev/pts/"))

    def screens(self):
        """The screen processes, by pid as seen from here."""
        spawners = living_children(self.pid("worker"))
        return [pid for spawner in spawners for pid in living_children(spawner)]

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid('worker')}/task"))


def answers(site):
    """Whether somebody listens there."""
    try:
        site.connect().close()
    except OSError:
        return False
    return True


def is_sanitized(pid):
    """By AddressSanitizer, which keeps what was freed, up to 256 MB."""
    return "libasan" in pathlib.Path(f"/proc/{pid}/maps").read_text()


def pause_process(process):
    """A program that does nothing until resume_process()."""
    os.kill(process.inside(), signal.SIGSTOP)


def resume_process(process):
    os.kill(process.inside(), signal.SIGCONT)
