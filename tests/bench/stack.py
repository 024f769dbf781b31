"""All of xenterm on loopback, as `demo` brings it up, for the benches: a
stand-in host (tests/standin), nginx with TLS and the shipped snippet, broker,
worker, and floor B's FastCGI program behind the same nginx.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "integration"))
import standin  # noqa: E402

USER = "bench"

# One user may have 4,096 sessions, so a crowd is of several.
CROWD_USERS = [f"crowd{n}" for n in range(4)]
CROWD_USER_SESSIONS = 4000

# nginx has two connections for each that waits; and one of its processes may
# have most of them.
NGINX_CONNECTIONS = ("worker_connections 16384", "worker_connections 32768")

# A guest called held* is held from its start, as "hold = always" does it.
CONF = f"""
user = "daemon"
hold "held*" {{ mode = always }}
access "bench" {{
	users = {{{", ".join(f'"{user}"' for user in (USER, *CROWD_USERS))}}}
	consoles = {{"*"}}
	rights = {{"list", "watch", "type"}}
}}
"""

# In plain text: nginx checks the password at each request, and the hash of a
# real site (some tenths of a millisecond at least) would be much of what is
# measured.
PASSWORDS = "{user}:{{PLAIN}}{password}\n"

# Beside the shipped snippet, with nginx' own list of parameters: floor B, and
# the same program with a tty behind it.
FLOORS = ("floor", "chain-xen", "chain-pty")
FLOOR = """location = /{name} {{
			include /etc/nginx/fastcgi_params;
			fastcgi_pass unix:/run/{name}.sock;
		}}
		"""

# The peers, behind the same nginx, with WebSockets.
PEERS_HTTP = """http {
		map $http_upgrade $peer_connection {
			"" "";
			default upgrade;
		}
"""
PEERS = """location /{name}/ {{
			proxy_pass http://127.0.0.1:{port}/;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $peer_connection;
			proxy_buffering off;
		}}
		"""


@contextlib.contextmanager
def work_dir():
    """A folder with a stand-in host in it. Both go with this process, however
    it ends: a helper waits for that, in a session of its own."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="xenterm-bench."))
    janitor = subprocess.Popen(
        ["sh", "-c", 'read -r _; "$1" stop "$2"; rm -rf "$2"', "janitor",
         standin.HOST, path],
        stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield path
    finally:
        janitor.stdin.close()
        janitor.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def pss_kib(pids):
    """What smaps_rollup says, in KiB: shared pages count by their share."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += sum(int(line.split()[1]) for line in f
                         if line.startswith("Pss:"))
    return total


class Stack:
    def __init__(self, build, dir, peers=()):
        self.build = pathlib.Path(build).resolve()
        self.dir = dir
        self.port = free_port()
        self.password = secrets.token_hex(8)
        os.environ["STANDIN_BIN"] = str(self.build / "tests" / "standin")
        self.host = standin.Host(dir, xenstored="c")
        self.programs = {}
        self.tokens = []
        self.peer_ports = {name: free_port() for name in peers}
        self.peers = []     # those that run

    def bench(self, name):
        return str(self.build / "tests" / "bench" / name)

    # Bringing it up.

    def start(self):
        self.host.start()
        self._configure()
        self._start("broker", self.build / "xenterm-broker", "-f", "-c",
                    self.dir / "xenterm.conf")
        self._start("worker", self.build / "xenterm-fcgi", "-f", "-c",
                    self.dir / "xenterm.conf")
        self._start("floor", self.bench("floor"), "/run/floor.sock")
        self._start("nginx", "nginx", "-e", self.dir / "log/nginx-error.log",
                    "-c", self.dir / "nginx/nginx.conf", "-g", "daemon off;")
        standin.wait_for(self._answers, what=f"the worker (logs: {self.dir})")

    def _configure(self):
        (self.dir / "xenterm.conf").write_text(
            f'screen_program = "{self.build}/xenterm-screen"\n{CONF}')
        subprocess.run(
            [TOP / "tests" / "standin" / "site-config", self.dir,
             str(self.port)],
            input=f"{USER}:{self.password}\n", text=True, check=True)
        (self.dir / "run" / "htpasswd").write_text("".join(
            PASSWORDS.format(user=user, password=self.password)
            for user in (USER, *CROWD_USERS)))
        nginx = self.dir / "nginx" / "nginx.conf"
        shipped = f"include {self.dir}/nginx/xenterm.conf;"
        nginx.write_text(nginx.read_text()
                         .replace(shipped, "".join(
                             FLOOR.format(name=name) for name in FLOORS)
                             + "".join(
                             PEERS.format(name=name, port=port) for name, port
                             in self.peer_ports.items()) + shipped)
                         .replace("http {\n", PEERS_HTTP, 1)
                         .replace(*NGINX_CONNECTIONS))

    def _start(self, name, *command):
        with open(self.dir / "log" / f"{name}.log", "ab") as log:
            self.programs[name] = self.host.popen(
                *command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_chain(self, what, guest):
        """Both floors in one: /chain-WHAT, at this guest's tty."""
        name = f"chain-{what}"
        if name in self.programs:
            self.programs.pop(name).kill()
        self._start(name, self.bench("floor"), f"/run/{name}.sock",
                    self.host.tty(guest))
        standin.wait_for(
            lambda: self.request("POST", f"/{name}", b"x") == (200, b"x"),
            what=name)

    def start_peer(self, name, *command):
        """Returns when it listens."""
        self._start(name, *command)
        address = ("127.0.0.1", self.peer_ports[name])

        def listens():
            with contextlib.suppress(OSError), \
                    socket.create_connection(address, timeout=1):
                return True
            if self.programs[name].poll() is not None:
                raise RuntimeError(f"{name} has ended:\n" + (
                    self.dir / "log" / f"{name}.log").read_text())
            return False
        standin.wait_for(listens, what=name)

    def restart(self, name, *command):
        """By another command; returns when the site answers."""
        self._start(name, *command)
        standin.wait_for(self._answers, what=f"the worker (logs: {self.dir})")

    def _answers(self):
        for name, program in self.programs.items():
            if program.poll() is not None and name not in self.peer_ports:
                log = (self.dir / "log" / f"{name}.log").read_text()
                raise RuntimeError(f"{name} has ended:\n{log}")
        try:
            return (self.request("GET", "/xenterm/api/v1/consoles")[0] == 200
                    and self.request("POST", "/floor", b"x")[0] == 200)
        except OSError:
            return False

    # Using it.

    def connection(self):
        trust = ssl.create_default_context(
            cafile=str(self.dir / "nginx" / "cert.pem"))
        return http.client.HTTPSConnection("127.0.0.1", self.port,
                                           timeout=10, context=trust)

    def authorization(self, user=USER):
        login = base64.b64encode(f"{user}:{self.password}".encode()).decode()
        return f"Basic {login}"

    def request(self, method, path, body=None, token=None, connection=None,
                user=USER):
        """(status, body) of one request."""
        headers = {"Authorization": self.authorization(user),
                   "Content-Type": "application/json"}
        if token is not None:
            headers["Xenterm-Token"] = token
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = self.connection()
                stack.callback(connection.close)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def admin(self, method, path, body=None):
        """(status, body) of one request to the admin socket."""
        with contextlib.closing(http.client.HTTPConnection("xenterm")) as c:
            c.sock = socket.socket(socket.AF_UNIX)
            c.sock.settimeout(10)
            c.sock.connect(str(self.dir / "run" / "xenterm" / "admin.sock"))
            c.request(method, path, body,
                      {"Content-Type": "application/octet-stream"})
            answer = c.getresponse()
            return answer.status, answer.read()

    def admin_type(self, name, text):
        status, body = self.admin("POST", f"/send?console={name}", text)
        if status != 204:
            raise RuntimeError(f"send to {name}: {body.decode()}")

    def ring_end(self, name):
        """The guest's bytes so far, and when that was so."""
        status, body = self.admin("GET", "/consoles")
        if status != 200:
            raise RuntimeError(f"consoles: {body.decode()}")
        console = next(c for c in json.loads(body)["consoles"]
                       if c["name"] == name)
        return console["ring"]["end"], time.monotonic()

    def metric(self, name):
        _, body = self.admin("GET", "/metrics")
        return float(re.search(rf"^xenterm_{name} (\S+)$", body.decode(),
                               re.MULTILINE).group(1))

    def states(self):
        """{name: state} of all consoles."""
        _, body = self.request("GET", "/xenterm/api/v1/consoles")
        return {c["name"]: c["state"] for c in json.loads(body)["consoles"]}

    def create_guests(self, names, *behaviour):
        for name in names:
            self.host.create(name, *(behaviour or ("--echo",)))
        standin.wait_for(
            lambda: self.states().items() >= dict.fromkeys(names, "up").items(),
            what="the new guests")

    def open_sessions(self, names, mode="type", user=USER):
        """A session at each of these consoles; their tokens."""
        tokens = []
        with contextlib.closing(self.connection()) as connection:
            for name in names:
                status, body = self.request(
                    "POST", "/xenterm/api/v1/sessions",
                    json.dumps({"console": name, "mode": mode}),
                    connection=connection, user=user)
                if status != 201:
                    raise RuntimeError(f"session at {name}: {body.decode()}")
                tokens.append(json.loads(body)["token"])
        self.tokens += [(user, token) for token in tokens]
        return tokens

    def close_sessions(self):
        """All that open_sessions() has made."""
        with contextlib.closing(self.connection()) as connection:
            for user, token in self.tokens:
                self.request("DELETE", "/xenterm/api/v1/sessions/current",
                             token=token, connection=connection, user=user)
        self.tokens.clear()

    def login(self, tokens=(), user=USER):
        """What the measuring programs read from their standard input."""
        return "\n".join([f"{user} {self.password}", *tokens, ""])

    # Looking at it.

    def pids(self, name):
        """A program's process and its children, as seen from here."""
        pid = self.programs[name].inside()
        return [pid, *self.children(pid)]

    @staticmethod
    def children(pid):
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def pss(self):
        """{program: KiB} of ours and nginx."""
        return {name: pss_kib(self.pids(name))
                for name in ("worker", "broker", "nginx")}

    def threads(self, name):
        pid = self.programs[name].inside()
        return len(os.listdir(f"/proc/{pid}/task"))
