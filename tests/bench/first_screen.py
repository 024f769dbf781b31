"""From the click on a guest in the list to its screen, in Chromium: what
tests/browser/first_screen.mjs measures, at the bench's own site."""

import contextlib
import json
import os
import subprocess

import report
import screens
from stack import TOP, USER

PROGRAM = TOP / "tests" / "browser" / "first_screen.mjs"
SECONDS = 10        # each time, at most

# That of a test which cannot run here.
SKIPPED = 77


def floor(stack, times):
    """A page's two calls of xenterm cannot take less."""
    with contextlib.closing(stack.connection()) as connection:
        taken = [screens.two_requests(stack, connection)
                 for _ in range(times)]
    return report.percentile(taken, 50)


def measure(stack, guest, times):
    """By cache, "empty" and "filled": [{ms, bytes, requests, calls}] each; or
    "missing": why there are none."""
    environment = os.environ | {
        "SITE_URL": f"https://127.0.0.1:{stack.port}/xenterm/",
        "SITE_USER": USER, "SITE_PASSWORD": stack.password,
        "SITE_GUEST": guest}
    try:
        done = subprocess.run(
            ["node", PROGRAM, "--json", str(times)], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            timeout=60 + times * SECONDS, check=False)
    except FileNotFoundError:
        return {"missing": "no node"}
    if done.returncode == SKIPPED:
        return {"missing": done.stdout.strip().removeprefix("skipped: ")}
    if done.returncode != 0:
        raise RuntimeError(f"first_screen.mjs: status {done.returncode}")
    return json.loads(done.stdout) | {"floor_ms": floor(stack, times)}
