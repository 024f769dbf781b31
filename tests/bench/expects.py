#!/usr/bin/env python3
"""`make bench-expects`: key to echo of one viewer while as many calls of
`expect` as there are guests wait, and while they all type and match four lines a second. Beside
its floors, in turns, as `make bench` measures it (docs/performance.md)."""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import socket
import sys
import threading

sys.dont_write_bytecode = True
import latency  # noqa: E402
import report  # noqa: E402
from stack import Stack, standin, work_dir  # noqa: E402


# What does not come, and a little work for each byte that does.
WAITING = {"steps": [{"until": ["never", "(?i)log(in|out): $"],
                      "timeout": 3600}]}

# A line is typed, echoed by its guest, and matched; and so on after a pause.
PAUSE = 0.25
LINES = 32
WORKING = {"steps": [step for n in range(LINES) for step in (
    {"name": f"line{n}", "send": f"line {n}\r", "until": [f"line {n}\r", "never"]},
    {"until": "never", "timeout": PAUSE,
     "else": f"line{n + 1}" if n + 1 < LINES else "done"})]}


class Unix(http.client.HTTPConnection):
    """To the admin socket, whose path may be longer than an address can be."""

    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        folder = os.open(self.path.parent, os.O_PATH)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(f"/proc/self/fd/{folder}/{self.path.name}")
        os.close(folder)


class Callers:
    """A call at each of the guests, again and again until the end."""

    def __init__(self, stack, names, body):
        self.path = stack.dir / "run/xenterm/admin.sock"
        self.body = json.dumps(body)
        self.ends = False
        self.failed = []
        self.connections = [Unix(self.path) for _ in names]
        self.threads = [
            threading.Thread(target=self.call, args=pair, daemon=True)
            for pair in zip(self.connections, names)]

    def call(self, connection, name):
        try:
            while not self.ends:
                connection.request("POST", f"/expect?console={name}",
                                   self.body,
                                   {"Content-Type": "application/json"})
                answer = json.loads(connection.getresponse().read())
                if answer.get("result") != "done" and not self.ends:
                    self.failed.append(answer)
                    return
        except (OSError, ValueError, http.client.HTTPException) as error:
            if not self.ends:
                self.failed.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()


def wait_for_sessions(stack, count):
    """A call is a session while it lasts."""
    def there():
        connection = Unix(stack.dir / "run/xenterm/admin.sock")
        connection.request("GET", "/healthz")
        sessions = json.loads(connection.getresponse().read())["sessions"]
        connection.close()
        return sessions >= count
    standin.wait_for(there, 60, f"{count} sessions")


def measure(stack, options):
    names = [f"held{n}" for n in range(options.guests)]
    stack.create_guests(names)
    result = {"guests": len(names), "rounds": {}}
    states = {"quiet": None, "waiting": WAITING, "working": WORKING}
    taken = {state: [] for state in states}
    typists = latency.typists(stack, latency.make_guests(stack, "typed"),
                               "xen")
    with latency.at_work(typists) as everybody:
        for _ in range(options.rounds):
            for state, body in states.items():
                with contextlib.ExitStack() as busy:
                    if body:
                        callers = busy.enter_context(
                            Callers(stack, names, body))
                        wait_for_sessions(stack, len(names))
                    taken[state].append(
                        latency.one_round(everybody, options.keys))
                    if body and callers.failed:
                        raise RuntimeError(f"expect: {callers.failed[0]}")
    for state, rounds in taken.items():
        result["rounds"][state] = rounds
    return result


def show(result):
    print(f"{result['guests']} guests with a call of expect each:")
    for state, rounds in result["rounds"].items():
        def median(figure):
            return report.over(rounds, figure)["median"]
        print(f"  {state:8} key to echo "
              f"p50 {median(lambda r: r['echo']['p50_ms']):6.3f} ms, "
              f"p99 {median(lambda r: r['echo']['p99_ms']):6.3f} ms; "
              f"{median(report.to_floors('echo')):.2f} x (A + B), "
              f"{median(report.to_floors('echo', 'tty')):.2f} x (that tty + B)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--guests", type=int, default=200)
    parser.add_argument("--keys", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["STANDIN_BIN"] = f"{options.build}/tests/standin"
    missing = standin.missing()
    if missing:
        sys.exit(f"bench: {missing}")
    with work_dir() as folder:
        stack = Stack(options.build, folder)
        stack.start()
        show(measure(stack, options))


if __name__ == "__main__":
    main()
