"""How cost grows: with viewers, with consoles, with output."""

import os
import pathlib
import subprocess

import plot

# Bytes of output that one viewer is sent.
OUTPUTS = [10 ** n for n in range(10)]

# The turns for which that is so.
TURN_MS = 1000


def measure_output(stack, ms):
    """Processor time of the worker's own parts (tests/bench/paths.c); without
    the largest when turns are short."""
    taken = []
    for size in OUTPUTS:
        if size > OUTPUTS[-1] * ms / TURN_MS:
            break
        before = os.times()
        subprocess.run([stack.bench("paths"), "bytes", str(size)], check=True,
                       stderr=subprocess.DEVNULL, timeout=120,
                       stdout=subprocess.PIPE)
        after = os.times()
        taken.append({"bytes": size, "ms": 1e3 * (
            after.children_user - before.children_user
            + after.children_system - before.children_system)})
    return taken


def of_viewers(crowd):
    return plot.svg(
        "Memory and latency beside waiting viewers", "waiting viewers",
        "KiB, microseconds", {
            "worker and broker, KiB": [
                (c["viewers"], c["pss_kib"]["worker"] + c["pss_kib"]["broker"])
                for c in crowd],
            "nginx, KiB": [(c["viewers"], c["pss_kib"]["nginx"])
                           for c in crowd],
            "key to echo at the pty, stream, µs": [
                (c["viewers"], 1e3 * c["pty"][0]["stream"]["p50_ms"])
                for c in crowd],
            "floor B, µs": [
                (c["viewers"], 1e3 * c["pty"][0]["floor"]["p50_ms"])
                for c in crowd]})


def of_consoles(growth):
    return plot.svg(
        "Held, quiet consoles", "consoles", "KiB, microseconds", {
            "worker and broker, KiB": [(g["consoles"], g["kib"])
                                       for g in growth],
            "the list of all, µs": [(g["consoles"], 1e3 * g["list_ms"])
                                    for g in growth]})


def of_output(output):
    return plot.svg(
        "Output to one viewer", "bytes",
        "the worker's processor time, ms",
        {"start and output": [(o["bytes"], o["ms"]) for o in output]})


def write(result, folder):
    folder = pathlib.Path(folder)
    for name, text in (
            ("viewers", of_viewers(result["crowd"])),
            ("consoles", of_consoles(result["screens"]["quiet"]["growth"])),
            ("output", of_output(result["output"]))):
        (folder / f"bench-{name}.svg").write_text(text, encoding="utf-8")
