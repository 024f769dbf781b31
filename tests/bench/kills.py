"""The worker killed under load: how long nobody is answered, and what is lost.

Who starts it again here is a shell, at once; on a real host it is systemd, after
its RestartSec."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time

import programs
from stack import standin

# Others who wait, and have sessions to lose.
VIEWERS = 200
CONSOLES = 10

# A guest that counts, some 80 KB a second: much less than a ring holds.
LINE = "%012d a guest that counts its lines goes on while nobody reads them\\r\\n"
COUNT = f"""
import sys, time
n = 0
while True:
    sys.stdout.write("{LINE}" % n)
    sys.stdout.flush()
    n += 1
    time.sleep(0.001)
"""
LINE_BYTES = len(LINE % 0) - 2

# An old token that is not answered for so long is lost.
PATIENCE_SECONDS = 3
RETRY_SECONDS = 0.005

# Reading before the worker is killed, and after.
BEFORE_SECONDS = 0.5

SUPERVISOR = 'trap "kill \\$!; exit" TERM; while :; do "$@" & wait; done'


class Reader:
    """A viewer by long polls that comes again whatever happens."""

    def __init__(self, stack, guest):
        self.stack, self.guest = stack, guest
        self.token, = stack.open_sessions([guest], "watch")
        self.next, self.text = None, b""
        self.connection = stack.connection()

    def ask(self):
        """The status; None: nobody answered."""
        query = f"?wait=5&from={self.next}" if self.next else ""
        try:
            self.connection.request(
                "GET", f"/xenterm/api/v1/output{query}",
                headers={"Xenterm-Token": self.token,
                         "Accept": "application/json",
                         "Authorization": self.stack.authorization()})
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException, ssl.SSLError):
            self.connection.close()
            return None
        if answer.status == 200:
            self.take(json.loads(body))
        return answer.status

    def take(self, answer):
        self.next = answer["next"]
        for event in answer["events"]:
            if "data" in event:
                self.text += base64.b64decode(event["data"])

    def read_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ask() not in (200, 204):
                raise RuntimeError("the reader is not answered")

    def recover(self):
        """(seconds to the first answer to the old token, or None if it is
        worth nothing any more)"""
        begin = time.monotonic()
        while time.monotonic() - begin < PATIENCE_SECONDS:
            if self.ask() in (200, 204):
                return time.monotonic() - begin
            time.sleep(RETRY_SECONDS)
        standin.wait_for(lambda: self.stack.states().get(self.guest) == "up",
                         what="the console after the worker's death")
        self.token, = self.stack.open_sessions([self.guest], "watch")
        return None

    def lines_lost(self):
        """Those between the first and the last that were never shown."""
        seen = {int(n) for n in re.findall(rb"(\d{12}) a guest that", self.text)}
        self.text = b""
        return max(seen) - min(seen) + 1 - len(seen)


def supervise(stack):
    """From now on the worker is started again whenever it ends."""
    stack.programs["worker"].terminate()
    stack.programs["worker"].wait()
    stack.restart("worker", "bash", "-c", SUPERVISOR, "worker",
                  stack.build / "xenterm-fcgi", "-f", "-c",
                  stack.dir / "xenterm.conf")


def sessions_lost(stack, tokens):
    lost = 0
    with contextlib.closing(stack.connection()) as connection:
        for token in tokens:
            status, _ = stack.request(
                "GET", "/xenterm/api/v1/sessions/current", token=token,
                connection=connection)
            lost += status != 200
    return lost


def kill_once(stack, names):
    reader = Reader(stack, "counting")
    tokens = stack.open_sessions(
        [names[n % len(names)] for n in range(VIEWERS)], "watch")
    reader.ask()
    # Those complain of the 502 and end.
    with programs.parked(stack, tokens, stderr=subprocess.DEVNULL):
        reader.read_for(BEFORE_SECONDS)
        os.kill(stack.pids("worker")[-1], signal.SIGKILL)
        seconds = reader.recover()
    reader.read_for(BEFORE_SECONDS)
    result = {"ms": None if seconds is None else seconds * 1e3,
              "sessions": VIEWERS + 1,
              "sessions_lost": sessions_lost(stack, tokens)
              + (seconds is None),
              "bytes_lost": reader.lines_lost() * LINE_BYTES}
    reader.connection.close()
    stack.close_sessions()
    return result


def measure(stack, rounds):
    stack.close_sessions()
    supervise(stack)
    names = [f"spared{n}" for n in range(CONSOLES)]
    stack.create_guests(names)
    stack.create_guests(["counting"], "python3", "-c", COUNT)
    return [kill_once(stack, names) for _ in range(rounds)]
