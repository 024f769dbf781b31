"""Screens: what a console costs that nobody watches, what one costs that
somebody does, and how soon who opens one sees it."""

import contextlib
import json
import pathlib
import statistics
import time

import report
from stack import pss_kib, standin

# Consoles that are watched at once, for the memory.
WATCHED = 20

# Consoles after which it is looked how much they are.
STEPS = (1, 10, 100, 1000)

# Times that the list of all is asked for; the median counts.
LISTS = 9

# Lines of the console that has much to show: more than the screen keeps.
LINES = 3000


def cpu_times(pids):
    """{pid: seconds of the processor}, of all its threads; without those that
    have ended."""
    times = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            times[pid] = sum(
                int((task / "schedstat").read_text().split()[0])
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9
    return times


def cpu_since(before):
    """What those processes have taken since cpu_times() was asked."""
    now = cpu_times(before)
    return sum(seconds - before[pid] for pid, seconds in now.items())


def screen_pids(stack):
    """The screen processes: the children of the worker's child."""
    return [pid for spawner in stack.children(stack.pids("worker")[0])
            for pid in stack.children(spawner)]


def our_pids(stack):
    return [*stack.pids("worker"), *stack.pids("broker")]


def wait_for_rest(stack):
    """What has just been done is over: the worker does nothing for a second.
    (The broker looks through xenstore now and then.)"""
    def rests():
        before = cpu_times(stack.pids("worker"))
        time.sleep(1)
        return before == cpu_times(before)
    standin.wait_for(rests, 30, "a worker at rest")


def list_ms(stack):
    begin = time.perf_counter()
    stack.admin("GET", "/consoles")
    return (time.perf_counter() - begin) * 1e3


def grow(stack, names, before):
    """Creates them, with a look at 1, 10, 100, ... of them and at all."""
    growth, made = [], 0
    for size in sorted({*(n for n in STEPS if n < len(names)), len(names)}):
        stack.create_guests(names[made:size])
        made = size
        after = stack.pss()
        growth.append({
            "consoles": size,
            "list_ms": statistics.median(list_ms(stack) for _ in range(LISTS)),
            "kib": sum(after[p] - before[p] for p in ("worker", "broker"))})
    return growth


def measure_quiet(stack, names, seconds):
    """Held, unwatched, quiet."""
    growth = grow(stack, names, stack.pss())
    wait_for_rest(stack)
    begin, before_cpu = time.monotonic(), cpu_times(our_pids(stack))
    time.sleep(seconds)
    spent = cpu_since(before_cpu)
    return {
        "consoles": len(names),
        "growth": growth,
        "processes": len(screen_pids(stack)),
        "cpu_percent": 100 * spent / (time.monotonic() - begin),
        "console_kib": growth[-1]["kib"] / len(names),
    }


def measure_watched(stack, names):
    """The same consoles with a viewer each; their processes by themselves."""
    before = stack.pss()
    tokens = stack.open_sessions(names, "watch")
    for token in tokens:
        status, _ = stack.request("GET", "/xenterm/api/v1/screen",
                                  token=token)
        if status != 200:
            raise RuntimeError("no screen")
    pids = screen_pids(stack)
    process_kib = pss_kib(pids) if pids else 0
    after = stack.pss()
    stack.close_sessions()
    standin.wait_for(lambda: not screen_pids(stack), what="no screens")
    return {
        "watched": len(names),
        "processes": len(pids),
        "process_kib": process_kib,
        "rest_kib": sum(after[p] - before[p] for p in ("worker", "broker")),
    }


def open_once(stack, connection, name):
    """Milliseconds from the click to the whole screen; bytes of it."""
    begin = time.perf_counter()
    status, body = stack.request(
        "POST", "/xenterm/api/v1/sessions",
        json.dumps({"console": name, "mode": "watch"}), connection=connection)
    if status != 201:
        raise RuntimeError(f"session at {name}: {body.decode()}")
    token = json.loads(body)["token"]
    status, body = stack.request("GET", "/xenterm/api/v1/output?wait=0",
                                 token=token, connection=connection)
    elapsed = (time.perf_counter() - begin) * 1e3
    if status != 200 or b"no-screen" in body:
        raise RuntimeError(f"no screen of {name}")
    stack.request("DELETE", "/xenterm/api/v1/sessions/current", token=token,
                  connection=connection)
    standin.wait_for(lambda: not screen_pids(stack), what="no screens")
    return elapsed, len(body)


def two_requests(stack, connection):
    """The floor: twice a request that is answered at once."""
    begin = time.perf_counter()
    for _ in range(2):
        if stack.request("POST", "/floor", b"x", connection=connection)[0] \
                != 200:
            raise RuntimeError("floor B")
    return (time.perf_counter() - begin) * 1e3


def measure_opening(stack, names, times):
    """By turns with the floor; each begins without a process."""
    samples = {name: [] for name in names}
    floor, size = [], {}
    with contextlib.closing(stack.connection()) as connection:
        for _ in range(times):
            floor.append(two_requests(stack, connection))
            for name in names:
                elapsed, size[name] = open_once(stack, connection, name)
                samples[name].append(elapsed)
    return {"floor_ms": report.percentile(floor, 50), "times": times} | {
        name: {"p50_ms": report.percentile(taken, 50),
               "p99_ms": report.percentile(taken, 99),
               "bytes": size[name]} for name, taken in samples.items()}


def measure(stack, consoles, times, seconds):
    stack.close_sessions()
    standin.wait_for(lambda: not screen_pids(stack), what="no screens")
    book = stack.dir / "run" / "book"
    book.write_bytes(b"".join(
        b"\x1b[3%dm%06d\x1b[0m %s\r\n" % (n % 8, n, b"a line of text " * 4)
        for n in range(LINES)))
    names = [f"held-quiet{n}" for n in range(consoles)]
    result = {"quiet": measure_quiet(stack, names, seconds)}
    result["watched"] = measure_watched(stack, names[:WATCHED])
    stack.create_guests(["held-full"], "--file", book)
    stack.create_guests(["held-blank"])
    result["opening"] = measure_opening(stack, ["held-blank", "held-full"],
                                        times)
    return result
