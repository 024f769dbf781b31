"""Medians, ratios, and how they are shown."""

import datetime
import math
import os
import platform
import re
import shutil
import statistics
import subprocess

# The rows of key to echo. The guest's tty is xenconsoled's, or the pump's.
KEY_ROWS = {
    "pty": "floor A",
    "tty": "a guest's tty, no xenterm",
    "floor": "floor B",
    "chain": "both floors in one",
    "echo": "echo in the reply",
    "poll": "long poll alone",
    "stream": "stream",
}
OURS = ("echo", "poll", "stream")

# Where keys are typed and floods run: pump.py has xenconsoled's place, or not.
AT_PTY, AT_GUEST = "at the pty", "through xenconsoled"

# Those of the peers, where they were measured.
PEER_ROWS = {"siab": "shellinabox", "ttyd": "ttyd", "wetty": "wetty"}

# What is known of them when they were not asked for.
NO_PEERS = {"running": {}, "missing": {}}

FLOW_ROWS = {
    "pty": "floor A: a pty pair",
    "tty": "a guest's tty, no xenterm",
    "unwatched": "drained, nobody watches",
    "stalled": "drained, a viewer that does not read",
    "stream": "delivered by the stream",
    "poll": "delivered by long polls",
}


def percentile(samples, p):
    """The smallest sample that p percent are not above."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)]


def summary(samples_ns):
    return {"p50_ms": percentile(samples_ns, 50) / 1e6,
            "p99_ms": percentile(samples_ns, 99) / 1e6,
            "max_ms": max(samples_ns) / 1e6,
            "count": len(samples_ns)}


def key_summary(samples):
    """Of (ns, bytes down, bytes up)."""
    return summary([ns for ns, _, _ in samples]) | {
        "wire_down": statistics.median(down for _, down, _ in samples),
        "wire_up": statistics.median(up for _, _, up in samples)}


def spread(values):
    return {"median": statistics.median(values),
            "lowest": min(values), "highest": max(values)}


def over(rounds, figure):
    """What the rounds say together of one figure of each."""
    return spread([figure(r) for r in rounds])


def to_floors(row, a="pty"):
    """Its p50 by the sum of those of the floors."""
    return lambda r: r[row]["p50_ms"] / (r[a]["p50_ms"]
                                         + r["floor"]["p50_ms"])


def to_chain(row, figure="p50_ms"):
    """By that of the way that a key has at the least, in one piece."""
    return lambda r: r[row][figure] / r["chain"][figure]


def p99_to_b(row):
    return lambda r: r[row]["p99_ms"] / r["floor"]["p99_ms"]


def output_of(*command):
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False).stdout


def version(text):
    found = re.search(r"\d+(\.\d+)+\S*", text)
    return found.group() if found else "unknown"


def machine(build):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    package = ("dpkg-query", "-W", "-f", "${Version}")
    return {
        "date": datetime.datetime.now().astimezone().isoformat(
            timespec="seconds"),
        "cores": os.cpu_count(),
        "cpu": model.group(1) if model else platform.machine(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
        "xenterm": version(output_of(f"{build}/xenterm-fcgi", "-V")),
        "nginx": version(output_of("nginx", "-v")),
        "openssl": version(output_of("openssl", "version")),
        "libfcgi": version(output_of(*package, "libfcgi0ldbl")),
        "xen": version(output_of(*package, "xen-utils-4.17")),
    }


# --- The tables ---------------------------------------------------------------

def shown(values, digits):
    return (f"{values['median']:.{digits}f} "
            f"[{values['lowest']:.{digits}f}..{values['highest']:.{digits}f}]")


def table(*rows):
    """Markdown; the first row is the head."""
    head, *body = ([str(cell) for cell in row] for row in rows)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in body:
        yield "| " + " | ".join(row) + " |"
    yield ""


def complete(rows, rounds):
    """Those of the rows that all rounds have: a peer may have failed."""
    return {row: title for row, title in rows.items()
            if all(row in r for r in rounds)}


def missing_rows(peers, shown_rows, width):
    """Of the peers that could not run here, or have failed on the way."""
    reasons = peers["missing"] | {
        name: "it has failed" for name in peers["running"]
        if name not in shown_rows}
    for name, why in reasons.items():
        yield (PEER_ROWS[name], f"not measured: {why}", *[""] * (width - 2))


def key_lines(rounds, count, where, peers):
    rows = complete(KEY_ROWS | PEER_ROWS, rounds)

    def column(row, figure, digits):
        return shown(over(rounds, lambda r: r[row][figure]), digits)
    yield from table(
        (f"key to echo {where}, ms; {len(rounds)} rounds of {count} keys",
         "p50", "p99", "bytes on the wire, down", "up"),
        *((title, column(row, "p50_ms", 3), column(row, "p99_ms", 2),
           f"{rounds[0][row]['wire_down']:.0f}",
           f"{rounds[0][row]['wire_up']:.0f}")
          for row, title in rows.items()), *missing_rows(peers, rows, 5))
    yield from table(
        (f"ratio, {where}", "p50 : A + B", "p50 : that tty + B",
         "p50 : both in one", "p99 : p99 of B", "p99 : that of both in one"),
        *((title, shown(over(rounds, to_floors(row)), 2),
           shown(over(rounds, to_floors(row, "tty")), 2),
           shown(over(rounds, to_chain(row)), 2),
           shown(over(rounds, p99_to_b(row)), 2),
           shown(over(rounds, to_chain(row, "p99_ms")), 2))
          for row, title in rows.items() if row in ("chain", *OURS) or row in PEER_ROWS))


def cost_lines(keys):
    """What the programs do for a key; the rest of it is waking them."""
    programs = ("client", "nginx", "floor", "worker", "screen")

    def row(name):
        cost = keys["cost_us"][name]
        p50 = over(keys["pty"], lambda r: r[name]["p50_ms"])["median"]
        return (KEY_ROWS[name], *(f"{cost[p]:.0f}" for p in programs),
                f"{sum(cost.values()):.0f}", f"{1e3 * p50:.0f}")
    yield from table(
        (f"processor time of a key {AT_PTY}, µs", "client", "nginx",
         "floor B's program", "worker", "screen", "all of these",
         "from key to echo, p50"),
        *(row(name) for name in keys["cost_us"]))


def memory_lines(memory):
    yield from table(
        (f"PSS, KiB; {memory['viewers']:,} viewers, "
         f"{memory['consoles']} consoles", "worker and spawner", "broker",
         "nginx"),
        *((title, *(memory[figures][p] for p in ("worker", "broker", "nginx")))
          for title, figures in (("at the start", "start"),
                                 ("consoles held", "held"),
                                 ("sessions", "sessions"),
                                 ("a waiting poll for each", "parked"))))
    yield from table(
        ("KiB for each", ""),
        ("held, unwatched console", f"{memory['per_console_kib']:.1f}"),
        ("waiting viewer", f"{memory['per_viewer_kib']:.1f}"),
        ("of which the poll", f"{memory['per_poll_kib']:.1f}"),
        ("connection in nginx", f"{memory['nginx_per_viewer_kib']:.1f}"))
    yield (f"Threads: worker {memory['threads']['worker']}, broker "
           f"{memory['threads']['broker']}.")
    yield ""


def screen_lines(screens):
    quiet, watched = screens["quiet"], screens["watched"]
    opening = screens["opening"]
    yield (f"{quiet['consoles']} consoles held, quiet and unwatched: "
           f"{quiet['processes']} screen processes, "
           f"{quiet['cpu_percent']:.2f} % of a core, "
           f"{quiet['console_kib']:.1f} KiB each. A watched one has a process "
           f"of {watched['process_kib'] / watched['watched']:.0f} KiB while "
           "its screen is blank.")
    yield ""
    yield from table(
        (f"from `POST sessions` to the whole screen, ms; {opening['times']} "
         "times", "p50", "p99", "p50 : two requests", "bytes"),
        ("floor: two requests to B", f"{opening['floor_ms']:.2f}", "", "", ""),
        *((title, f"{opening[name]['p50_ms']:.2f}",
           f"{opening[name]['p99_ms']:.2f}",
           f"{opening[name]['p50_ms'] / opening['floor_ms']:.2f}",
           opening[name]["bytes"])
          for name, title in (("held-blank", "a blank screen"),
                              ("held-full", "2,000 lines above the screen"))))


def first_screen_lines(found):
    if "missing" in found:
        yield f"The first screen in a browser: not measured, {found['missing']}."
        yield ""
        return

    def row(cache):
        times = found[cache]
        kib = statistics.median(t["bytes"] for t in times) / 1024
        return (shown(over(times, lambda t: t["ms"]), 0), f"{kib:.0f}",
                times[0]["requests"], times[0]["calls"])
    yield from table(
        ("the first screen in Chromium, from the click; "
         f"{len(found['empty'])} times", "ms", "KiB that came", "requests",
         "of them xenterm's"),
        ("two requests to floor B", f"{found['floor_ms']:.2f}", "", 2, ""),
        ("empty cache", *row("empty")), ("filled cache", *row("filled")))


def crowd_lines(crowd, what, where):
    def ratio(size, row, a):
        return shown(over(size[what], to_floors(row, a)), 2)

    def p50(size, row):
        return f"{over(size[what], lambda r: r[row]['p50_ms'])['median']:.3f}"
    yield from table(
        (f"key to echo {where} beside waiting viewers, p50", "A, ms",
         "that tty, ms", "B, ms", "both in one, ms",
         *(f"{KEY_ROWS[row]} : {floor}"
           for floor in ("A + B", "that tty + B", "both in one")
           for row in OURS)),
        *((f"{size['viewers']:,} on {size['consoles']} consoles",
           *(p50(size, row) for row in ("pty", "tty", "floor", "chain")),
           *(ratio(size, row, a) for a in ("pty", "tty") for row in OURS),
           *(shown(over(size[what], to_chain(row)), 2) for row in OURS))
          for size in crowd))


def idle_lines(idle):
    yield from table(
        ("viewers who are told nothing", "all of ours, % of a core",
         "of it screen processes", "nginx", "polls renewed a second"),
        (f"{idle['viewers']:,} on {idle['consoles']} consoles",
         *(f"{idle[what]:.2f}" for what in ("percent", "screens_percent",
                                            "nginx_percent")),
         f"{idle['requests'] / idle['seconds']:.1f}"))


def rate_lines(rates):
    rounds = rates["rounds"]
    yield from table(
        (f"requests a second; {rates['connections']} connections", "",
         "to floor B"),
        *((title, shown(over(rounds, lambda r, n=name: r[n]), 0),
           shown(over(rounds, lambda r, n=name: r[n] / r["floor"]), 2))
          for name, title in (("floor", "floor B"),
                              ("poll", "polls that are answered at once"),
                              ("input", "keys that are acknowledged"))))


def flow_lines(rounds, title, peers=NO_PEERS):
    rows = complete(FLOW_ROWS | PEER_ROWS, rounds)

    def row(name, what):
        viewer = name in OURS or name in PEER_ROWS
        return (what,
                shown(over(rounds, lambda r: r[name]["mb_per_s"]), 1),
                shown(over(rounds, lambda r: r[name]["mb_per_s"]
                           / r["pty"]["mb_per_s"]), 2),
                shown(over(rounds, lambda r: r[name]["mb_per_s"]
                           / r["tty"]["mb_per_s"]), 2),
                shown(over(rounds, lambda r: r[name]["wire_down"]), 3)
                if viewer else "",
                f"{sum(r[name]['skipped'] for r in rounds)}"
                if name in OURS else "")
    yield from table(
        (title, "MB/s", "to A", "to that tty", "bytes on the wire for one",
         "skipped"),
        *(row(name, what) for name, what in rows.items()),
        *missing_rows(peers, rows, 6))


def interrupt_lines(rounds, keys, title, peers=NO_PEERS):
    rows = complete(complete(KEY_ROWS | PEER_ROWS, keys), rounds)

    def row(name):
        quiet = over(keys, lambda r: r[name]["p50_ms"])["median"]
        p50 = over(rounds, lambda r: r[name]["p50_ms"])
        worst = max(r[name]["max_ms"] for r in rounds)
        return (rows[name], shown(p50, 2), f"{worst:.1f}",
                f"{p50['median'] / quiet:.1f}", f"{worst / quiet:.1f}")
    yield from table(
        (title, "p50", "max", "p50 : quiet key", "max : quiet key"),
        *(row(name) for name in rows), *missing_rows(peers, rows, 5))


def flood_lines(floods, keys, peers):
    yield from flow_lines(floods["flow"], f"flood {AT_PTY}", peers)
    yield from flow_lines(floods["xen_flow"], f"flood {AT_GUEST}")
    yield from interrupt_lines(floods["interrupt"], keys["pty"],
                               f"Ctrl-C in a flood {AT_PTY}, ms", peers)
    yield from interrupt_lines(floods["xen_interrupt"], keys["xen"],
                               f"Ctrl-C in a flood {AT_GUEST}, ms")


def peer_memory_lines(result):
    """Sessions at a console of their own each, idle. Empty without peers."""
    peers, taken = result["peers"], result["peers_memory"]
    memory, quiet = result["memory"], result["screens"]
    if not peers["running"] and not peers["missing"]:
        return
    screen = quiet["watched"]["process_kib"] / quiet["watched"]["watched"]
    base = memory["start"]["worker"] + memory["start"]["broker"]
    yield from table(
        (f"PSS, KiB; {taken['sessions']} idle sessions", "version",
         "server without sessions", "each session",
         "of it a process of its own"),
        ("xenterm, one more viewer of a console", "", base,
         f"{memory['per_viewer_kib']:.0f}", 0),
        ("xenterm, a console's only viewer", "", base,
         f"{memory['per_console_kib'] + memory['per_viewer_kib'] + screen:.0f}",
         f"{screen:.0f}"),
        *((PEER_ROWS[name], known["version"], known["server_kib"],
           *(f"{taken['each'][name][what]:.0f}"
             for what in ("all", "helpers")))
          for name, known in peers["running"].items()
          if name in taken["each"]),
        *missing_rows(peers, taken["each"], 5))


def kill_lines(kills):
    answered = [k["ms"] for k in kills if k["ms"] is not None]
    times = (f"{statistics.median(answered):.0f} "
             f"[{min(answered):.0f}..{max(answered):.0f}]"
             if answered else "never")
    yield from table(
        ("worker killed under load", "to the first answer to an old token, ms",
         "sessions lost", "bytes lost"),
        (f"{len(kills)} times", times,
         f"{sum(k['sessions_lost'] for k in kills)} of "
         f"{sum(k['sessions'] for k in kills)}",
         sum(k["bytes_lost"] for k in kills)))


def goal_lines(result):
    """DESIGN's numbers, and what was seen."""
    keys = result["keys"]["pty"]
    flow = result["floods"]["flow"]
    stops = result["floods"]["interrupt"]
    largest = result["crowd"][-1]
    kills = result["kills"]

    def best(rounds, figure):
        return min(over(rounds, figure(row))["median"] for row in OURS)

    def stop(figure, pick):
        return min(pick(r[row][figure] for r in stops) / over(
            keys, lambda r: r[row]["p50_ms"])["median"]
            for row in ("stream", "poll"))

    def drained(row, floor):
        return over(flow, lambda r: r[row]["mb_per_s"]
                    / r[floor]["mb_per_s"])["median"]
    answered = [k["ms"] for k in kills]
    worst = None if None in answered else max(answered)
    yield "what", "goal", "now", None

    def beside(value, chain, rounds, figure):
        """And what a machine makes of that way: both floors in one."""
        floor = over(rounds, figure("chain"))["median"]
        return f"{value:.2f}; both in one {floor:.2f}, {chain:.2f} x that"
    value = best(keys, to_floors)
    yield ("key to echo, p50, one viewer, best transport", "<= 1.2 x (A + B)",
           beside(value, best(keys, to_chain), keys, to_floors), value <= 1.2)
    value = over(keys, to_floors("poll"))["median"]
    yield ("long poll alone", "<= 1.4 x",
           beside(value, over(keys, to_chain("poll"))["median"], keys,
                  to_floors), value <= 1.4)
    value = best(keys, p99_to_b)
    yield ("the same, p99", "<= 1.5 x the p99 of B",
           beside(value, best(keys, lambda row: to_chain(row, "p99_ms")),
                  keys, p99_to_b), value <= 1.5)
    value = best(largest["pty"], to_floors)
    yield (f"p50 beside {largest['viewers']:,} waiting viewers",
           "<= 1.3 x (A + B)", beside(value, best(largest["pty"], to_chain),
                                      largest["pty"], to_floors),
           value <= 1.3)
    value = result["memory"]["per_viewer_kib"]
    yield "memory of a waiting viewer", "<= 24 KiB", f"{value:.1f}", \
        value <= 24
    value = result["screens"]["quiet"]["console_kib"]
    yield "memory of a held, unwatched console", "<= 64 KiB", \
        f"{value:.1f}", value <= 64
    value = result["idle"]["percent"]
    yield (f"CPU of {result['idle']['viewers']:,} idle viewers on "
           f"{result['idle']['consoles']} consoles", "< 0.5 % of a core",
           f"{value:.2f} %", value < 0.5)
    value = stop("p50_ms", statistics.median)
    yield "Ctrl-C in a flood, p50", "<= 4 x a quiet key", f"{value:.1f}", \
        value <= 4
    value = stop("max_ms", max)
    yield "Ctrl-C in a flood, max", "<= 30 x", f"{value:.1f}", value <= 30
    running = complete(PEER_ROWS, flow)
    if running:
        def most(r, rows):
            return max(r[row]["mb_per_s"] for row in rows)
        value = over(flow, lambda r: most(r, ("stream", "poll"))
                     / most(r, running))["median"]
        # A tty gives no more than it gives.
        tty = over(flow, lambda r: most(r, ("stream", "poll"))
                   / r["tty"]["mb_per_s"])["median"]
        yield ("flood delivered to a viewer that keeps up",
               ">= 2 x the best peer", f"{value:.2f}; {tty:.2f} x its tty",
               value >= 2)
    for row in ("unwatched", "stalled"):
        value = drained(row, "pty")
        yield (FLOW_ROWS[row], ">= 0.8 x floor A", f"{value:.2f}; "
               f"{drained(row, 'tty'):.2f} x its tty", value >= 0.8)
    yield ("worker killed, to the first answer", "<= 250 ms",
           "never" if worst is None else f"{worst:.0f} ms",
           worst is not None and worst <= 250)
    for what in ("sessions", "bytes"):
        value = sum(k[f"{what}_lost"] for k in kills)
        yield f"{what} lost by it", "0", value, value == 0
    value = over(result["rates"]["rounds"],
                 lambda r: r["poll"] / r["floor"])["median"]
    yield "requests a second", ">= 0.8 x floor B", f"{value:.2f}", value >= 0.8


def head_lines(result):
    facts = result["machine"]
    yield (f"{facts['date']}, `{result['command']}`: xenterm "
           f"{facts['xenterm']}; {facts['cores']} cores ({facts['cpu']}), "
           f"Linux {facts['kernel']}, load {facts['load']} at the start; nginx "
           f"{facts['nginx']}, OpenSSL {facts['openssl']}, libfcgi "
           f"{facts['libfcgi']}, Xen {facts['xen']}. Median of the rounds "
           "[lowest..highest].")
    yield ""


def tables(result):
    (*head, _), *goals = goal_lines(result)
    keys = result["keys"]
    lines = [
        *head_lines(result),
        *table((*head, ""), *((*goal, "reached" if reached else "missed")
                              for *goal, reached in goals)),
        *(line for what, where in (("pty", AT_PTY), ("xen", AT_GUEST))
          for line in key_lines(keys[what], keys["keys"], where,
                                result["peers"])),
        *cost_lines(keys),
        *(line for what, where in (("pty", AT_PTY), ("xen", AT_GUEST))
          for line in crowd_lines(result["crowd"], what, where)),
        *idle_lines(result["idle"]),
        *flood_lines(result["floods"], keys, result["peers"]),
        *kill_lines(result["kills"]), *rate_lines(result["rates"]),
        *memory_lines(result["memory"]), *peer_memory_lines(result),
        *screen_lines(result["screens"]),
        *first_screen_lines(result["first_screen"])]
    return "\n".join(lines)
