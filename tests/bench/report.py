"""Medians, ratios, and how they are shown."""

import datetime
import math
import os
import platform
import re
import shutil
import statistics
import subprocess

# Key to echo at the client, p50, in units of A + B (A: the pty pair).
GOAL = 1.5

ROWS = {
    "pty": "floor A: pty pair",
    "tty": "floor A(xen): a guest's tty",
    "floor": "floor B: HTTPS request",
    "echo": "key: echo in the reply",
    "poll": "key: long poll alone",
}


def percentile(samples, p):
    """The smallest sample that p percent are not above."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)]


def summary(samples_ns):
    return {"p50_ms": percentile(samples_ns, 50) / 1e6,
            "p99_ms": percentile(samples_ns, 99) / 1e6,
            "max_ms": max(samples_ns) / 1e6,
            "keys": len(samples_ns)}


def spread(values):
    return {"median": statistics.median(values),
            "lowest": min(values), "highest": max(values)}


def ratios(rounds, row):
    """Of one row to the floors of the same round, over all rounds."""
    def p50(name, r):
        return r[name]["p50_ms"]
    return {
        "p50_to_a_b": spread([p50(row, r) / (p50("pty", r) + p50("floor", r))
                              for r in rounds]),
        "p50_to_axen_b": spread([p50(row, r) / (p50("tty", r)
                                                + p50("floor", r))
                                 for r in rounds]),
        "p99_to_b": spread([r[row]["p99_ms"] / r["floor"]["p99_ms"]
                            for r in rounds]),
    }


def latency(rounds):
    """What the rounds say together."""
    table = {}
    for row in ROWS:
        table[row] = {figure: spread([r[row][figure] for r in rounds])
                      for figure in ("p50_ms", "p99_ms")}
        if row in ("echo", "poll"):
            table[row] |= ratios(rounds, row)
    return table


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


# --- The table ----------------------------------------------------------------

def shown(values, digits):
    return (f"{values['median']:.{digits}f} "
            f"[{values['lowest']:.{digits}f}..{values['highest']:.{digits}f}]")


def latency_lines(table, rounds, keys):
    yield (f"Key to echo, ms; {rounds} rounds of {keys} keys, "
           "median of the rounds [lowest..highest]")
    yield f"  {'':30} {'p50':20} p99"
    for row, title in ROWS.items():
        yield (f"  {title:30} {shown(table[row]['p50_ms'], 3):20} "
               f"{shown(table[row]['p99_ms'], 2)}")
    yield ""
    yield "Ratios within each round"
    yield (f"  {'':30} {'p50 : A + B':20} {'p50 : A(xen) + B':20} "
           "p99 : p99 of B")
    for row in ("echo", "poll"):
        yield (f"  {ROWS[row]:30} {shown(table[row]['p50_to_a_b'], 2):20} "
               f"{shown(table[row]['p50_to_axen_b'], 2):20} "
               f"{shown(table[row]['p99_to_b'], 2)}")
    for row in ("echo", "poll"):
        ratio = table[row]["p50_to_a_b"]["median"]
        yield (f"  goal p50 <= {GOAL} x (A + B), {ROWS[row]}: "
               f"{'reached' if ratio <= GOAL else 'missed'}, {ratio:.2f}")


def memory_lines(memory):
    yield (f"Memory (PSS): {memory['viewers']} waiting viewers on "
           f"{memory['consoles']} quiet consoles; "
           f"threads: worker {memory['threads']['worker']}, "
           f"broker {memory['threads']['broker']}")
    yield f"  {'KiB':30} {'worker':>9} {'broker':>9} {'both':>9} {'nginx':>9}"
    for title, figures in (
            ("at the start", memory["start"]),
            ("consoles held, nobody there", memory["held"]),
            ("sessions, no polls", memory["sessions"]),
            ("a parked poll each", memory["parked"])):
        yield (f"  {title:30} {figures['worker']:9} {figures['broker']:9} "
               f"{figures['worker'] + figures['broker']:9} "
               f"{figures['nginx']:9}")
    for title, figure in (
            ("per held console", "per_console_kib"),
            ("per viewer: session + poll", "per_viewer_kib"),
            ("of which the poll", "per_poll_kib"),
            ("nginx apart, per connection", "nginx_per_viewer_kib")):
        yield f"  {title:30} {memory[figure]:9.1f}"


def text(result):
    facts = result["machine"]
    lines = [
        f"xenterm {facts['xenterm']}, {facts['date']}",
        f"{facts['cores']} cores {facts['cpu']}, Linux {facts['kernel']}, "
        f"load {facts['load']}; nginx {facts['nginx']}, "
        f"OpenSSL {facts['openssl']}, libfcgi {facts['libfcgi']}, "
        f"Xen {facts['xen']}",
        ""]
    lines += latency_lines(result["latency"], len(result["rounds"]),
                           result["keys"])
    lines.append("")
    lines += memory_lines(result["memory"])
    return "\n".join(lines)
