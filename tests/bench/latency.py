"""Key to echo: the rows, by turns, alone and with others who wait; at guests
of xenconsoled's, and at the pty (pump.py)."""

import contextlib
import time

import peers
import report
import screens
from programs import Crowd, Driver, on_site, on_tty
from pump import pumped

# Keys of one row before it is the next one's turn.
TURN_KEYS = 30

# For the processor time of a key; and those that a driver types before it begins
# (WARM_UP in keys.c).
COST_KEYS, WARM_UP = 100, 3

# The rows that have a guest of their own.
AT_GUESTS = ("tty", "chain", "echo", "poll", "stream")


def make_guests(stack, prefix):
    """{row: name}."""
    guests = {row: f"{prefix}-{row}" for row in AT_GUESTS}
    stack.create_guests(guests.values())
    return guests


def typists(stack, guests, what):
    """One for each row of the table; what: "xen" or "pty"."""
    stack.start_chain(what, guests["chain"])
    return {"pty": Driver(stack, "keys", "pty"),
            "tty": on_tty(stack, "keys", guests["tty"]),
            "floor": Driver(stack, "keys", "floor", stack.port,
                            login=stack.login(["-"])),
            "chain": Driver(stack, "keys", "floor",
                            f"{stack.port}/chain-{what}",
                            login=stack.login(["-"])),
            **{row: on_site(stack, "keys", row, guests[row])
               for row in report.OURS}}


def one_round(everybody, keys):
    """They take turns, so that what else the machine does meets them all."""
    samples = {row: [] for row in everybody}
    for begin in range(0, keys, TURN_KEYS):
        count = min(TURN_KEYS, keys - begin)
        for row, taken in peers.ask_all(
                everybody, lambda typist, n=count: typist.ask(n, n)):
            samples[row] += taken
    return {row: report.key_summary(samples[row]) for row in everybody}


def peer_typists(stack, prefix):
    """Their guests, {row: name}, and drivers."""
    guests = {name: f"{prefix}-{name}" for name in stack.peers}
    if guests:
        stack.create_guests(guests.values())
    return guests, peers.drivers(stack, "keys", guests)


@contextlib.contextmanager
def at_work(everybody):
    with contextlib.ExitStack() as running:
        yield {row: running.enter_context(typist)
               for row, typist in everybody.items()}


def several_rounds(everybody, rounds, keys, seconds, say):
    """No round begins when that many seconds are over: that is a busy
    machine."""
    end = time.monotonic() + seconds
    taken = []
    for number in range(1, rounds + 1):
        if taken and time.monotonic() > end:
            say(f"the machine is slow: {len(taken)} rounds only")
            break
        say(f"keys, round {number} of {rounds}")
        taken.append(one_round(everybody, keys))
    return taken


def measure_cost(stack, everybody):
    """Microseconds of the processor for a key, of each program on its way:
    {row: {program: us}}. Who wakes it is not in it."""
    cost = {}
    for row in ("floor", "chain", *report.OURS):
        typist = everybody[row]
        programs = {"client": [typist.process.pid],
                    "nginx": stack.pids("nginx"),
                    "floor": stack.pids("floor") + stack.pids("chain-pty"),
                    "worker": stack.pids("worker"),
                    "screen": screens.screen_pids(stack)}
        before = {name: screens.cpu_times(pids)
                  for name, pids in programs.items()}
        typist.ask(COST_KEYS, COST_KEYS)
        cost[row] = {name: 1e6 * screens.cpu_since(times)
                     / (COST_KEYS + WARM_UP)
                     for name, times in before.items()}
    return cost


def measure(stack, rounds, keys, seconds, say):
    result = {"keys": keys}
    for what in ("xen", "pty"):
        guests = make_guests(stack, f"keys-{what}")
        others, drivers = peer_typists(stack, f"keys-{what}")
        everybody = typists(stack, guests, what) | drivers
        at_pty = pumped(stack, [*guests.values(), *others.values()]) \
            if what == "pty" else contextlib.nullcontext()
        with at_work(everybody) as working, at_pty:
            result[what] = several_rounds(working, rounds, keys, seconds, say)
            if what == "pty":
                result["cost_us"] = measure_cost(stack, working)
    return result


def idle(stack, seconds):
    """What a waiting crowd costs by itself: percent of a core, requests, and
    the screen processes apart."""
    requests = stack.metric("requests_total")
    begin = time.monotonic()
    before = [screens.cpu_times(pids) for pids in (
        screens.our_pids(stack), screens.screen_pids(stack),
        stack.pids("nginx"))]
    time.sleep(seconds)
    spent = [screens.cpu_since(times) for times in before]
    elapsed = time.monotonic() - begin
    ours, screen, web = (100 * s / elapsed for s in spent)
    return {"percent": ours + screen, "screens_percent": screen,
            "nginx_percent": web, "seconds": elapsed,
            "requests": stack.metric("requests_total") - requests - 1}


def measure_crowd(stack, consoles, sizes, rounds, keys, say):
    """The same rows while others wait."""
    result = []
    memory = stack.pss()
    xen, pty = (make_guests(stack, f"crowd-{what}") for what in ("xen", "pty"))
    with at_work(typists(stack, xen, "xen")) as at_guests, \
            at_work(typists(stack, pty, "pty")) as at_pty, \
            Crowd(stack, consoles) as crowd:
        for size in sizes:
            say(f"keys beside {size} waiting viewers")
            crowd.grow(size)
            found = {"viewers": size, "consoles": len(consoles),
                     "pss_kib": {name: kib - memory[name]
                                 for name, kib in stack.pss().items()},
                     "xen": [one_round(at_guests, keys)
                             for _ in range(rounds)]}
            with pumped(stack, pty.values()):
                found["pty"] = [one_round(at_pty, keys)
                                for _ in range(rounds)]
            result.append(found)
    stack.close_sessions()
    return result


def measure_idle(stack, consoles, size, seconds):
    """What viewers cost who wait and are told nothing."""
    with Crowd(stack, consoles) as crowd:
        crowd.grow(size)
        screens.wait_for_rest(stack)
        return {"viewers": size, "consoles": len(consoles),
                **idle(stack, seconds)}
