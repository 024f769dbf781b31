"""Key to echo: the rows, by turns, alone and with others who wait."""

import contextlib
import time

import peers
import report
import screens
from programs import Crowd, Driver, on_site, on_tty

# Keys of one row before it is the next one's turn.
TURN_KEYS = 30

# Which row is at which guest.
GUESTS = {"echo": "typed", "poll": "polled", "stream": "streamed"}


def typists(stack):
    """One for each row of the table."""
    return {"pty": Driver(stack, "keys", "pty"),
            "tty": on_tty(stack, "keys", "plain"),
            "floor": Driver(stack, "keys", "floor", stack.port,
                            login=stack.login(["-"])),
            **{row: on_site(stack, "keys", row, guest)
               for row, guest in GUESTS.items()}}


def one_round(everybody, keys):
    """They take turns, so that what else the machine does meets them all."""
    samples = {row: [] for row in everybody}
    for begin in range(0, keys, TURN_KEYS):
        count = min(TURN_KEYS, keys - begin)
        for row, taken in peers.ask_all(
                everybody, lambda typist, n=count: typist.ask(n, n)):
            samples[row] += taken
    return {row: report.key_summary(samples[row]) for row in everybody}


@contextlib.contextmanager
def at_work(stack, others=None):
    with contextlib.ExitStack() as running:
        yield {row: running.enter_context(typist)
               for row, typist in (typists(stack) | (others or {})).items()}


def measure(stack, rounds, keys, seconds, say, others=None):
    """No round begins when that many seconds are over: that is a busy
    machine. others: further rows, with their drivers."""
    end = time.monotonic() + seconds
    taken = []
    with at_work(stack, others) as everybody:
        for number in range(1, rounds + 1):
            if taken and time.monotonic() > end:
                say(f"the machine is slow: {len(taken)} rounds only")
                break
            say(f"keys, round {number} of {rounds}")
            taken.append(one_round(everybody, keys))
    return taken


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
    with at_work(stack) as everybody, Crowd(stack, consoles) as crowd:
        for size in sizes:
            say(f"keys beside {size} waiting viewers")
            crowd.grow(size)
            result.append({
                "viewers": size, "consoles": len(consoles),
                "pss_kib": {name: kib - memory[name]
                            for name, kib in stack.pss().items()},
                "rounds": [one_round(everybody, keys)
                           for _ in range(rounds)]})
    stack.close_sessions()
    return result


def measure_idle(stack, consoles, size, seconds):
    """What viewers cost who wait and are told nothing."""
    with Crowd(stack, consoles) as crowd:
        crowd.grow(size)
        return {"viewers": size, "consoles": len(consoles),
                **idle(stack, seconds)}
