"""Floods: how fast a guest is drained, how fast its output is delivered, and
Ctrl-C."""

import contextlib
import socket
import time

import peers
import report
from programs import Driver, on_site, on_tty
from pump import pumped

# Until a flood runs.
BEGIN_SECONDS = 0.2

# Milliseconds of a turn for which Ctrl-C is pressed once.
INTERRUPT_MS = 200

# A guest for each.
ROWS = ("tty", "unwatched", "stalled", "stream", "poll", "stop-tty",
        "stop-stream", "stop-poll")
HELD = ("unwatched", "stalled")


class Drained:
    """A guest whose flood nobody reads but the worker."""

    def __init__(self, stack, guest):
        self.stack, self.guest = stack, guest
        stack.admin_type(guest, b"\x03")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, ms):
        self.stack.admin_type(self.guest, b"\r")
        time.sleep(BEGIN_SECONDS)
        end, then = self.stack.ring_end(self.guest)
        time.sleep(ms / 1000)
        last, now = self.stack.ring_end(self.guest)
        self.stack.admin_type(self.guest, b"\x03")
        return [[int((now - then) * 1e9), last - end, 0, 0, 0]]


class Stalled(Drained):
    """The same, beside a viewer whose stream is open and who reads nothing."""

    def __init__(self, stack, guest):
        super().__init__(stack, guest)
        token, = stack.open_sessions([guest])
        self.connection = stack.connection()
        self.connection.connect()
        self.connection.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.request("GET", "/xenterm/api/v1/stream", headers={
            "Xenterm-Token": token, "Authorization": stack.authorization()})

    def __exit__(self, *_):
        self.connection.close()


def summary(answer):
    ns, count, down, up, skipped = answer
    return {"mb_per_s": count / ns * 1e3, "bytes": count, "skipped": skipped,
            "wire_down": down / count if count else 0,
            "wire_up": up / count if count else 0}


def flow_rows(stack, guests):
    yield "pty", Driver(stack, "flow", "pty")
    yield "tty", on_tty(stack, "flow", guests["tty"])
    yield "unwatched", Drained(stack, guests["unwatched"])
    yield "stalled", Stalled(stack, guests["stalled"])
    for row in ("stream", "poll"):
        yield row, on_site(stack, "flow", row, guests[row])


def peer_guests(stack, prefix):
    return {name: f"{prefix}-{name}" for name in stack.peers}


def measure_flow(stack, guests, rounds, ms, others=None):
    """others: the peers' guests."""
    taken = []
    with contextlib.ExitStack() as running:
        rows = dict(flow_rows(stack, guests))
        if others:
            rows |= peers.drivers(stack, "flow", others)
        everybody = {row: running.enter_context(reader)
                     for row, reader in rows.items()}
        for _ in range(rounds):
            taken.append({row: summary(answer)
                          for row, (answer,) in peers.ask_all(
                              everybody, lambda reader: reader.ask(ms))})
    return taken


def measure_interrupt(stack, guests, rounds, ms, others=None):
    times = max(1, ms // INTERRUPT_MS)
    taken = []
    with contextlib.ExitStack() as running:
        everybody = {"tty": running.enter_context(
            on_tty(stack, "interrupt", guests["stop-tty"]))}
        for row in ("stream", "poll"):
            everybody[row] = running.enter_context(
                on_site(stack, "interrupt", row, guests[f"stop-{row}"]))
        if others:
            for row, driver in peers.drivers(
                    stack, "interrupt", others).items():
                everybody[row] = running.enter_context(driver)
        for _ in range(rounds):
            taken.append({
                row: report.summary([ns for ns, in answers])
                for row, answers in peers.ask_all(
                    everybody, lambda program: program.ask(times, times))})
    return taken


def make_guests(stack, prefix, *behaviour):
    """{row: name}; those nobody watches are held from their start."""
    guests = {row: f"held-{prefix}-{row}" if row in HELD
              else f"{prefix}-{row}" for row in ROWS}
    stack.create_guests(guests.values(), *behaviour)
    return guests


def measure(stack, rounds, ms):
    """Each guest floods only while it is its turn. Through xenconsoled, which
    gives each guest so much and no more, and at the pty."""
    slow = make_guests(stack, "slow", "--flood")
    fast = make_guests(stack, "fast", "--echo")
    others, stops = (peer_guests(stack, f"fast-{what}")
                     for what in ("peer", "stop-peer"))
    pumped_guests = [*fast.values(), *others.values(), *stops.values()]
    stack.create_guests(pumped_guests[len(fast):])
    # xenterm opens a tty only while xenconsoled lives.
    stack.open_sessions(
        [name for row, name in fast.items() if not row.endswith("tty")])
    result = {"xen_flow": measure_flow(stack, slow, 1, ms),
              "xen_interrupt": measure_interrupt(stack, slow, 1, ms)}
    with pumped(stack, pumped_guests):
        result["flow"] = measure_flow(stack, fast, rounds, ms, others)
        result["interrupt"] = measure_interrupt(stack, fast, rounds, ms, stops)
    return result
