#!/usr/bin/env python3
"""`make bench-gateway`: a gateway as conf/nginx/gateway*.conf is shipped, before
10, 100 and 1,000 hosts, with as many waiting viewers as the model says
(capacity.py). docs/scale.md has what was seen.

The hosts are addresses of 127.1.0.0/16, each with its own line in xenterm.hosts
and its own upstream{}, and all lead to the nginx of one whole host: the gateway
has as many connections, names and certificates to look at as with so many
machines, and only they are fewer. All of it is in a network namespace of its
own, in which there is nothing but a loopback."""

import argparse
import contextlib
import http.client
import json
import math
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import capacity  # noqa: E402
import latency  # noqa: E402
import report  # noqa: E402
import screens  # noqa: E402
from programs import Driver, parked  # noqa: E402
from pump import pumped  # noqa: E402
from stack import CROWD_USER_SESSIONS, CROWD_USERS, TOP, USER, \
    Stack, free_port, pss_kib, standin, work_dir  # noqa: E402

import network  # noqa: E402  (of tests/integration, as stack.py has it)
from authority import UPSTREAM, Authority  # noqa: E402

# Guests that the waiting viewers watch, and connections that ask at once.
CONSOLES = 50
CONNECTIONS = 16

# UPSTREAM's, and so of docs/many-hosts.md.
HOST_PORT = 8443

# Hosts in one /24, and addresses in use at most: the network's half.
ROW_HOSTS = 250
HOSTS_MAX = 30000

# Each nginx process: two for each viewer, and the kept ones.
NGINX_CONNECTIONS = 32768

# Seconds: the start, of one step, and for a viewer and a key.
START_SECONDS = 60
STEP_SECONDS = 60
VIEWER_SECONDS = 0.03
KEY_SECONDS = 0.06

# Typed for the processor time of a key.
COST_KEYS = 50

# In site-config's words: a bench asks from one address faster than a person.
RATES = ((r"rate=(20|500)r/s", "rate=100000r/s"),
         (r"burst=(200|1000) ", "burst=100000 "))

# The host's part, as docs/many-hosts.md has it. In this namespace "all
# addresses" are those of the loopback.
HOST_SERVER = """	server {{
		listen 0.0.0.0:{port} ssl;
		ssl_certificate {nginx}/host.pem;
		ssl_certificate_key {nginx}/host.key;
		keepalive_timeout 75s;
		keepalive_requests 100000;
		include {nginx}/xenterm-by-gateway.conf;
		include {nginx}/xenterm.conf;
	}}
"""

# keepalive_requests: the measuring connections ask more than a page does.
GATEWAY_CONF = """user www-data;
worker_processes auto;
worker_rlimit_nofile 65536;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections {connections}; }}
http {{
	access_log off;
	client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
	fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
	scgi_temp_path {dir}/t5;
	include {dir}/xenterm-http.conf;
	include {dir}/gateway-http.conf;
	include {dir}/upstreams.conf;
	server {{
		listen 127.0.0.1:{port} ssl http2;
		ssl_certificate {dir}/site.pem;
		ssl_certificate_key {dir}/site.key;
		keepalive_timeout 75s;
		keepalive_requests 100000;
		include {dir}/xenterm-by-password.conf;
		include {dir}/gateway.conf;
	}}
}}
"""

BEGIN = time.monotonic()


def say(text):
    print(f"bench: {time.monotonic() - BEGIN:4.0f} s: {text}",
          file=sys.stderr, flush=True)


def shipped(name, folder):
    """A file of conf/nginx with the paths that it has here."""
    text = (TOP / "conf" / "nginx" / f"{name}.conf").read_text()
    for pattern, here in (
            ("/etc/nginx/xenterm.htpasswd", "/run/htpasswd"),
            ("/etc/nginx/", f"{folder}/"), ("/var/log/nginx/", f"{folder}/"),
            *RATES):
        text = re.sub(pattern, here, text)
    return text


class WholeHost(Stack):
    """A site of its own, and beside it what a gateway may come to."""

    def __init__(self, build, dir):
        super().__init__(build, dir)
        self.gateways = Authority(dir, "gateways")
        self.hosts = Authority(dir, "hosts")

    def _configure(self):
        super()._configure()
        nginx = self.dir / "nginx"
        (nginx / "xenterm-gateway-ca.pem").write_bytes(
            self.gateways.pem.read_bytes())
        self.hosts.sign("dom0", nginx / "host.key", nginx / "host.pem",
                        ["xenterm-host"])
        (nginx / "xenterm-by-gateway.conf").write_text(
            shipped("xenterm-by-gateway", nginx))
        conf = nginx / "nginx.conf"
        conf.write_text(conf.read_text().replace(
            "\tserver {\n", HOST_SERVER.format(
                nginx=nginx, port=HOST_PORT) + "\tserver {\n",
            1))


def port(address):
    """Of ADDRESS:PORT as /proc/net/tcp has it."""
    return int(address.rpartition(":")[2], 16)


class Gateway:
    """The nginx before so many hosts. It runs inside the stand-in host, and so
    ends with it, whatever happens."""

    FILES = (("xenterm-http", "xenterm-http.conf"),
             ("gateway-http", "gateway-http.conf"),
             ("xenterm-by-password", "xenterm-by-password.conf"),
             ("gateway", "gateway.conf"),
             ("gateway-proxy", "snippets/xenterm-gateway-proxy.conf"))

    def __init__(self, stack, hosts):
        self.stack, self.port = stack, free_port()
        self.names = [f"dom0-{n + 1}" for n in range(hosts)]
        self.dir = stack.dir / f"gateway-{self.port}"

    def __enter__(self):
        (self.dir / "snippets").mkdir(parents=True)
        self._write()
        command = ("nginx", "-e", self.dir / "error.log", "-c",
                   self.dir / "nginx.conf")
        begin = time.monotonic()
        tried = self.stack.host.run(*command, "-t", check=False)
        if tried.returncode != 0:
            raise RuntimeError(f"gateway: {tried.stderr}")
        self.start_s = time.monotonic() - begin
        self.warnings = [line for line in tried.stderr.splitlines()
                         if "[warn]" in line]
        self.process = self.stack.host.popen(
            *command, "-g", "daemon off;", stdin=subprocess.DEVNULL)
        standin.wait_for(self._answers, what="the gateway")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(standin.PATIENCE)

    def _write(self):
        for name, target in self.FILES:
            (self.dir / target).write_text(shipped(name, self.dir))
        (self.dir / "xenterm.hosts").write_text("".join(
            f"{name} xt-{name};\n" for name in self.names))
        (self.dir / "upstreams.conf").write_text("".join(
            UPSTREAM.format(name=name, address="127.1.{}.{}".format(
                n // ROW_HOSTS, n % ROW_HOSTS + 1))
            for n, name in enumerate(self.names)))
        self.stack.gateways.sign(
            "xenterm-gateway", self.dir / "xenterm-gateway.key",
            self.dir / "xenterm-gateway.pem")
        (self.dir / "xenterm-hosts-ca.pem").write_bytes(
            self.stack.hosts.pem.read_bytes())
        self.stack.hosts.sign("gateway", self.dir / "site.key",
                              self.dir / "site.pem", ["localhost"])
        (self.dir / "nginx.conf").write_text(GATEWAY_CONF.format(
            dir=self.dir, port=self.port, connections=NGINX_CONNECTIONS))

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("gateway: " + self.log())
        trust = ssl.create_default_context(cafile=self.stack.hosts.pem)
        trust.check_hostname = False
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=standin.PATIENCE, context=trust)
        with contextlib.closing(connection), \
                contextlib.suppress(ConnectionError):
            return self.stack.request(
                "GET", f"/h/{self.names[0]}/api/v1/consoles",
                connection=connection)[0] == 200
        return False

    def log(self):
        """What it complains of; not that it may not have more descriptors, if
        those that it has are enough."""
        return "".join(
            line for line in (self.dir / "error.log").open(encoding="utf-8")
            if re.search(r"\[(error|crit|alert|emerg)\]", line)
            and "setrlimit" not in line)

    def at(self, tokens):
        """Sessions of the host, as those of these hosts by turns."""
        return [f"{token}@/h/{self.names[n % len(self.names)]}"
                for n, token in enumerate(tokens)]

    # So that the measuring programs take it for a Stack.

    def bench(self, name):
        return self.stack.bench(name)

    def login(self, tokens=(), user=USER):
        return self.stack.login(tokens, user)

    # Looking at it.

    def pids(self):
        pid = self.process.inside()
        return [pid, *self.stack.children(pid)]

    def pss(self):
        return pss_kib(self.pids())

    def connections(self):
        """From browsers, and to the hosts: nobody else is in this network."""
        table = pathlib.Path("/proc/thread-self/net/tcp").read_text()
        rows = [line.split() for line in table.splitlines()[1:]]
        open_rows = [(port(row[1]), port(row[2])) for row in rows
                     if row[3] == network.ESTABLISHED]
        return (sum(here == self.port for here, _ in open_rows),
                sum(there == HOST_PORT for _, there in open_rows))


# --- Measuring ------------------------------------------------------------------

class Crowd:
    """Sessions for waiting viewers, which are used again at the next gateway:
    they are the host's, and it keeps them for minutes."""

    def __init__(self, stack):
        self.stack = stack
        self.tokens = {user: [] for user in CROWD_USERS}

    def _grow(self, user, size):
        have = len(self.tokens[user])
        self.tokens[user] += self.stack.open_sessions(
            [f"held{n % CONSOLES}" for n in range(have, size)], "watch", user)

    @contextlib.contextmanager
    def waiting(self, gateway, size, transport):
        """So many of them, spread over the hosts."""
        with contextlib.ExitStack() as running:
            for n, user in enumerate(CROWD_USERS):
                some = min(size - n * CROWD_USER_SESSIONS, CROWD_USER_SESSIONS)
                if some > 0:
                    self._grow(user, some)
                    tokens = gateway.at(self.tokens[user][:some])
                    running.enter_context(
                        parked(gateway, tokens, user, (transport,)))
            yield


def waiting_cost(stack, gateway, seconds):
    """Of the gateway, while nobody is told anything: polls are renewed."""
    requests = stack.metric("requests_total")
    before, begin = screens.cpu_times(gateway.pids()), time.monotonic()
    time.sleep(seconds)
    spent = screens.cpu_since(before)
    elapsed = time.monotonic() - begin
    polls = stack.metric("requests_total") - requests - 1
    return {"percent": 100 * spent / elapsed, "polls_per_s": polls / elapsed,
            "poll_us": 1e6 * spent / polls if polls else None}


def key_guests(row):
    return {f"{row}-{where}": f"keys-{row}-{where}"
            for where in ("host", "gateway")}


def typists(stack, gateway):
    """Floor B's, and one at the host and one through the gateway."""
    found = {"floor": Driver(stack, "keys", "floor", stack.port,
                             login=stack.login(["-"]))}
    for kind in ("echo", "stream"):
        for row, guest in key_guests(kind).items():
            tokens = stack.open_sessions([guest])
            site = stack
            if row.endswith("gateway"):
                site, tokens = gateway, gateway.at(tokens)
            found[row] = Driver(stack, "keys", kind, site.port,
                                login=stack.login(tokens))
    return found


@contextlib.contextmanager
def typing(stack, gateway):
    guests = [*key_guests("echo").values(), *key_guests("stream").values()]
    with latency.at_work(typists(stack, gateway)) as working, \
            pumped(stack, guests):
        yield working


def key_cost(stack, gateway):
    """Microseconds of the gateway for a key, while nobody else is there."""
    cost = {}
    with typing(stack, gateway) as working:
        for kind in ("echo", "stream"):
            typist = working[f"{kind}-gateway"]
            typist.ask(1, 1)            # the first one's warm-up is longer
            before = screens.cpu_times(gateway.pids())
            typist.ask(COST_KEYS, COST_KEYS)
            cost[kind] = 1e6 * screens.cpu_since(before) \
                / (COST_KEYS + latency.WARM_UP)
    return cost


def key_rounds(stack, gateway, options):
    with typing(stack, gateway) as working:
        return [latency.one_round(working, options.keys)
                for _ in range(options.rounds)]


def askers(stack, gateway):
    found = {}
    for kind in ("poll", "input"):
        names = [f"rate-{kind}{n}" for n in range(CONNECTIONS)]
        for where, site in (("host", stack), ("gateway", gateway)):
            tokens = stack.open_sessions(names)
            if site is gateway:
                tokens = gateway.at(tokens)
            found[f"{kind}-{where}"] = Driver(
                stack, "rate", kind, site.port,
                login=stack.login([str(CONNECTIONS), *tokens]))
    return found


def measure_rates(stack, gateway, options):
    """Answers a second, and the gateway's processor time for each."""
    taken = []
    with latency.at_work(askers(stack, gateway)) as working:
        for _ in range(options.rounds):
            round_ = {}
            for row, asker in working.items():
                before = screens.cpu_times(gateway.pids())
                (ns, answers), = asker.ask(options.turn)
                round_[row] = answers / ns * 1e9
                round_[f"{row}-us"] = 1e6 * screens.cpu_since(before) / answers
            taken.append(round_)
    return taken


def measure_step(stack, crowd, hosts, transport, options):
    size = viewers_of(hosts, options)
    with Gateway(stack, hosts) as gateway:
        step = {"hosts": hosts, "viewers": size, "transport": transport,
                "warnings": gateway.warnings, "config_s": gateway.start_s,
                "key_us": key_cost(stack, gateway), "pss": gateway.pss()}
        wait = "stream" if transport == "stream" else str(options.wait)
        with crowd.waiting(gateway, size, wait):
            step["pss_waiting"] = gateway.pss()
            step["connections"] = gateway.connections()
            say(f"{hosts} hosts, {size} viewers wait ({transport})")
            step["waiting"] = waiting_cost(stack, gateway, options.wait)
            say("keys")
            step["keys"] = key_rounds(stack, gateway, options)
            if transport == "poll":
                say("requests")
                step["rates"] = measure_rates(stack, gateway, options)
            step["pss_end"] = gateway.pss()
            if gateway.log():
                raise RuntimeError(f"gateway: {gateway.log()[:2000]}")
    return step


def viewers_of(hosts, options):
    return max(1, round(hosts * options.each))


def steps(options):
    """The last size by streams, too."""
    for hosts in options.hosts:
        yield hosts, "poll"
    yield options.hosts[-1], "stream"


def measure(stack, options):
    stack.create_guests([f"held{n}" for n in range(CONSOLES)])
    stack.create_guests(
        [*key_guests("echo").values(), *key_guests("stream").values(),
         *(f"rate-{kind}{n}" for kind in ("poll", "input")
           for n in range(CONNECTIONS))])
    crowd = Crowd(stack)
    return [measure_step(stack, crowd, hosts, transport, options)
            for hosts, transport in steps(options)]


# --- The tables -----------------------------------------------------------------

def per_viewer(step):
    return (step["pss_waiting"] - step["pss"]) / step["viewers"]


def per_host(steps):
    """KiB of a line in xenterm.hosts and an upstream{}; None for one size."""
    polls = [step for step in steps if step["transport"] == "poll"]
    first, last = polls[0], polls[-1]
    if first["hosts"] == last["hosts"]:
        return None
    return (last["pss"] - first["pss"]) / (last["hosts"] - first["hosts"])


def title(step):
    how = {"poll": "long polls", "stream": "streams"}[step["transport"]]
    return f"{step['hosts']:,}", f"{step['viewers']:,}, {how}"


def waiting_row(step):
    waiting = step["waiting"]
    renewed = step["transport"] == "poll" and waiting["poll_us"]
    return (*title(step), f"{sum(step['connections']):,}",
            f"{step['pss'] / 1024:.1f}", f"{step['pss_waiting'] / 1024:.1f}",
            f"{per_viewer(step):.1f}", f"{waiting['percent']:.2f}",
            f"{waiting['polls_per_s']:.1f}",
            f"{waiting['poll_us']:.0f}" if renewed else "")


def key_ratio(kind):
    return lambda r: (r[f"{kind}-gateway"]["p50_ms"]
                      / r[f"{kind}-host"]["p50_ms"])


def key_added(kind):
    return lambda r: ((r[f"{kind}-gateway"]["p50_ms"]
                       - r[f"{kind}-host"]["p50_ms"]) / r["floor"]["p50_ms"])


def key_row(step):
    rounds, cost = step["keys"], step["key_us"]

    def of(figure):
        return report.shown(report.over(rounds, figure), 2)
    return (*title(step),
            *(of(figure(kind)) for kind in ("echo", "stream")
              for figure in (key_ratio, key_added)),
            f"{cost['echo']:.0f}", f"{cost['stream']:.0f}")


def rate_row(step):
    rounds = step["rates"]

    def of(figure, digits):
        return report.shown(report.over(rounds, figure), digits)
    return (*title(step),
            *(of(lambda r, k=kind: r[f"{k}-gateway"] / r[f"{k}-host"], 2)
              for kind in ("poll", "input")),
            *(of(lambda r, k=kind: r[f"{k}-gateway-us"], 0)
              for kind in ("poll", "input")))


def tables(result):
    machine, found = result["machine"], result["steps"]
    yield (f"{machine['date']}, `{result['command']}`: {machine['cores']} cores "
           f"({machine['cpu']}), load {machine['load']} at the start; nginx "
           f"{machine['nginx']}, OpenSSL {machine['openssl']}.")
    yield ""
    yield from report.table(
        ("hosts", "waiting viewers", "connections", "PSS without them, MiB",
         "with them", "KiB for a viewer", "% of a core while they wait",
         "polls renewed a second", "µs of a core for a poll"),
        *(waiting_row(step) for step in found))
    yield from report.table(
        ("hosts", "beside them", "echo in the reply : straight at the host",
         "added, in floors B", "stream : straight at the host",
         "added, in floors B", "µs of a core for a key (nobody beside it), "
         "echo in the reply", "stream"), *(key_row(step) for step in found))
    yield from report.table(
        ("hosts", f"requests a second beside them; {CONNECTIONS} connections",
         "polls : straight at the host", "keys : straight at the host",
         "µs of a core for a poll", "for a key"),
        *(rate_row(step) for step in found if "rates" in step))
    if result["host_kib"] is not None:
        yield (f"A host's line and upstream{{}}: {result['host_kib']:.1f} KiB "
               "of all nginx processes together.")
    yield from sorted({warning for step in found
                       for warning in step["warnings"]})


# --- The program ----------------------------------------------------------------

def parse_arguments():
    environment = os.environ.get

    def numbers(text):
        return sorted({int(word) for word in text.split(",")})
    model = capacity.plan(1000, guests=50, watched=0.05, viewers=1.5,
                          keys=0.05)["viewers"] / 1000
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="HOSTS, EACH, WAIT, ROUNDS, KEYS and TURN "
        "in the environment (`make bench-gateway HOSTS=10,50`) are defaults.")
    parser.add_argument("--build", default=".", help="the build tree (.)")
    parser.add_argument("--hosts", type=numbers,
                        default=numbers(environment("HOSTS", "10,100,1000")),
                        help="how many, with commas (10,100,1000)")
    parser.add_argument("--each", type=float,
                        default=float(environment("EACH", model)),
                        help=f"waiting viewers for each host ({model})")
    parser.add_argument("--wait", type=int, default=int(environment(
        "WAIT", int(capacity.POLL))), help="seconds of a poll, and for which "
        f"they are looked at ({capacity.POLL:.0f})")
    parser.add_argument("--rounds", type=int,
                        default=int(environment("ROUNDS", 5)))
    parser.add_argument("--keys", type=int,
                        default=int(environment("KEYS", 20)),
                        help="of each row, in a round (20)")
    parser.add_argument("--turn", type=int,
                        default=int(environment("TURN", 300)),
                        help="milliseconds of asking (300)")
    parser.add_argument("--json", default=None,
                        help="where to (bench-gateway.json in the build tree)")
    options = parser.parse_args()
    most = len(CROWD_USERS) * CROWD_USER_SESSIONS
    if options.hosts[0] < 1 or options.hosts[-1] > HOSTS_MAX or \
            not 1 <= viewers_of(options.hosts[-1], options) <= most or \
            not 1 <= options.wait <= 60 or options.rounds < 1 or \
            options.keys < 10 or options.turn < 100:
        parser.error(f"1 to {HOSTS_MAX} hosts, {most} viewers at most, polls "
                     "of 1 to 60 s, at least 1 round, 10 keys, turns of 100 ms")
    return options


def command(options):
    return (f"make bench-gateway HOSTS={','.join(map(str, options.hosts))} "
            f"EACH={options.each:g} WAIT={options.wait} "
            f"ROUNDS={options.rounds} KEYS={options.keys} TURN={options.turn}")


def most_seconds(options):
    """When those are over the bench gives up."""
    each = STEP_SECONDS + options.wait + 5 * KEY_SECONDS * (
        options.rounds * options.keys + 2 * COST_KEYS) \
        + 8 * options.rounds * options.turn / 1000
    return math.ceil(START_SECONDS + sum(
        each + VIEWER_SECONDS * viewers_of(hosts, options)
        for hosts, _ in steps(options)))


def give_up(*_):
    raise RuntimeError("it takes too long; is the machine very busy?")


def leave_the_network():
    """Everything that is started from here on has a loopback of its own, with
    all its ports, and no other network."""
    network.checked(network.libc.unshare(network.CLONE_NEWNET))
    network.ip("link", "set", "lo", "up")


def run(options):
    with work_dir() as folder:
        stack = WholeHost(options.build, folder)
        machine = report.machine(stack.build)
        stack.start()
        found = measure(stack, options)
    result = {"machine": machine, "command": command(options), "steps": found,
              "host_kib": per_host(found)}
    path = options.json or pathlib.Path(options.build) / "bench-gateway.json"
    pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")
    for line in tables(result):
        print(line)


def main():
    options = parse_arguments()
    os.environ["STANDIN_BIN"] = f"{options.build}/tests/standin"
    missing = standin.missing()
    if missing:
        sys.exit(f"bench: {missing}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(most_seconds(options))
    leave_the_network()
    try:
        run(options)
    except (RuntimeError, AssertionError, OSError,
            subprocess.SubprocessError) as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
