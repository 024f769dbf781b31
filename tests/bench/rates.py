"""Requests per second, beside floor B's."""

import contextlib

from programs import Driver

CONNECTIONS = 16
ROWS = ("floor", "poll", "input")


def measure(stack, rounds, ms):
    taken = []
    with contextlib.ExitStack() as running:
        everybody = {}
        for row in ROWS:
            names = [f"rate-{row}{n}" for n in range(CONNECTIONS)]
            tokens = ["-"] * CONNECTIONS
            if row != "floor":
                stack.create_guests(names)
                tokens = stack.open_sessions(names)
            everybody[row] = running.enter_context(Driver(
                stack, "rate", row, stack.port,
                login=stack.login([str(CONNECTIONS), *tokens])))
        for _ in range(rounds):
            round_ = {}
            for row, driver in everybody.items():
                (ns, answers), = driver.ask(ms)
                round_[row] = answers / ns * 1e9
            taken.append(round_)
    return {"connections": CONNECTIONS, "rounds": taken}
