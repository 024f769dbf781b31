#!/usr/bin/python3
"""What 10, 100 and 1,000 hosts behind one gateway take: a small model, fed with
what docs/performance.md and `make bench-gateway` have measured. Prints the
table of docs/scale.md.

    capacity.py [--guests 50] [--watched 0.05] [--viewers 1.5] [--keys 0.05]
"""

import argparse

# Measured (docs/performance.md, "Results"); KiB.
VIEWER = 11.7           # worker and broker, a waiting viewer
CONSOLE = 13.2          # held, and not watched: 10.4 where there are 500
SCREEN = 1504.0         # a screen process with its scrollback full, 24x80
NGINX = 25.9            # of the host's, a connection of a waiting viewer
IDLE_CORE = 0.0016 / 500    # of a core, a held and quiet console

# Measured at a gateway (docs/scale.md, "Seen at a gateway"); KiB.
GATEWAY = 33064.0       # two processes that may have 32,768 connections each
GATEWAY_HOST = 11.8     # a line in xenterm.hosts, and an upstream{}
GATEWAY_VIEWER = 59.3   # a poll's two connections; a stream's: 79.6
# Seconds of a core, the most that was seen; less when there is much to do.
GATEWAY_POLL = 265e-6
GATEWAY_KEY = 410e-6

# From the configuration and the client, not measured.
RING = 1024.0           # ring_size, when the guest has filled it
POLL = 25.0             # seconds a poll waits; a stream makes no such requests
GATEWAY_CONNS = 2       # of a viewer: from the browser, and to the host


def plan(hosts, guests, watched, viewers, keys):
    """One row. watched: part of the guests that somebody watches; viewers: of
    each of those; keys: a second, of each viewer."""
    consoles = hosts * guests
    open_consoles = consoles * watched
    people = open_consoles * viewers
    host_kib = (guests * (CONSOLE + RING) + guests * watched * SCREEN +
                guests * watched * viewers * (VIEWER + NGINX))
    return {
        "hosts": hosts, "consoles": consoles, "viewers": round(people),
        "host MiB": host_kib / 1024,
        "gateway MiB": (GATEWAY + hosts * GATEWAY_HOST +
                        people * GATEWAY_VIEWER) / 1024,
        "gateway core %": 100 * people * (GATEWAY_POLL / POLL +
                                          GATEWAY_KEY * keys),
        "gateway connections": round(people * GATEWAY_CONNS),
        "requests/s": people / POLL + people * keys,
        "idle core %": guests * IDLE_CORE * 100,
    }


def table(**options):
    rows = [plan(hosts, **options) for hosts in (10, 100, 1000)]
    lines = ["| hosts | guests | viewers | MiB on each host | MiB at the gateway "
             "| its connections | its requests a second "
             "| % of a core for them |",
             "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append("| {hosts:,} | {consoles:,} | {viewers:,} | {host MiB:.0f} "
                     "| {gateway MiB:,.0f} | {gateway connections:,} "
                     "| {requests/s:,.0f} | {gateway core %:.1f} |".format(**row))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--guests", type=int, default=50)
    parser.add_argument("--watched", type=float, default=0.05)
    parser.add_argument("--viewers", type=float, default=1.5)
    parser.add_argument("--keys", type=float, default=0.05)
    print(table(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
