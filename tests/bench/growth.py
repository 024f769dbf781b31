#!/usr/bin/env python3
"""`make bench-growth`: what one more guest costs beside more and more of them
(docs/scale.md). All consoles are held, and quiet. --svg draws their curve."""

import argparse
import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
import curves  # noqa: E402
import screens  # noqa: E402
from report import table  # noqa: E402
from stack import Stack, work_dir  # noqa: E402

# Guests between two rows.
STEP = 100

PROGRAMS = {"xenstored": "xenstored", "xenconsoled": "xenconsoled",
            "broker": "xenterm-broker", "worker": "xenterm-fcgi"}


def cpu_ms(stack):
    """{program: ms of the processor so far}, of the host's processes."""
    spent = dict.fromkeys(PROGRAMS, 0)
    space = os.readlink(f"/proc/{stack.host.init_pid}/ns/mnt")
    names = {comm: name for name, comm in PROGRAMS.items()}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            comm = (entry / "comm").read_text().strip()
            ours = comm in names and os.readlink(entry / "ns/mnt") == space
        except OSError:
            continue
        if ours:
            spent[names[comm]] += 1e3 * sum(
                screens.cpu_times([entry.name]).values())
    return spent


class Counted:
    """A stack whose guests are created in steps, with a row for each."""

    def __init__(self, stack):
        self.stack, self.rows = stack, []

    def __getattr__(self, name):
        return getattr(self.stack, name)

    def create_guests(self, names):
        for at in range(0, len(names), STEP):
            some = names[at:at + STEP]
            before, begin = cpu_ms(self.stack), time.monotonic()
            self.stack.create_guests(some)
            seconds, after = time.monotonic() - begin, cpu_ms(self.stack)
            count = len(some) + (self.rows[-1]["guests"] if self.rows else 0)
            self.rows.append(
                {"guests": count, "ms": 1e3 * seconds / len(some),
                 **{name: (after[name] - before[name]) / len(some)
                    for name in PROGRAMS}})


def show(rows, growth):
    for line in (*table(
            ("guests", "ms for one more",
             *(f"{name}, ms of a core" for name in PROGRAMS)),
            *((row["guests"], f"{row['ms']:.0f}",
               *(f"{row[name]:.1f}" for name in PROGRAMS)) for row in rows)),
            *table(
            ("consoles", "worker and broker, KiB", "the list of all, ms"),
            *((g["consoles"], g["kib"], f"{g['list_ms']:.1f}")
              for g in growth))):
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".", help="the build tree (.)")
    parser.add_argument("--guests", type=int,
                        default=int(os.environ.get("CONSOLES", 1000)),
                        help="CONSOLES in the environment (1000)")
    parser.add_argument("--svg", help="where to draw the curve (nowhere)")
    options = parser.parse_args()
    with work_dir() as folder:
        stack = Stack(options.build, folder)
        stack.start()
        counted = Counted(stack)
        growth = screens.grow(
            counted, [f"held-quiet{n}" for n in range(options.guests)],
            stack.pss())
    show(counted.rows, growth)
    if options.svg:
        pathlib.Path(options.svg).write_text(
            curves.of_consoles(growth), encoding="utf-8")


if __name__ == "__main__":
    main()
