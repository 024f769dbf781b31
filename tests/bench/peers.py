"""Other programs on the same work: each runs, for each of its viewers, what xl
console runs, at a guest of its own. One that cannot run here is named with the
reason, and nothing is said of it."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

import report
from programs import Driver, parked
from stack import TOP, pss_kib, standin

# What npm installs, and where from: wetty with a ready-built node-pty.
PACKAGE = TOP / "tests" / "bench" / "peers"
LOCK = "package-lock.json"
INSTALL_SECONDS = 180

# A session of shellinabox is given up 45 s after its page's last request.
LEAVE_SECONDS = 90

# Until a new session's memory is what it stays.
SETTLE_SECONDS = 1

# The process of each session that is at the guest's tty.
HELPER = "xenconsole"


class Missing(Exception):
    """Why a program cannot be measured."""


def program(name, given=None):
    """The path of a program, or of the one that was given instead."""
    path = shutil.which(given or name)
    if path is None:
        raise Missing(f"no program {given}" if given else f"no {name} here")
    return path


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def npm_error(text):
    """The first line of npm's that says what is wrong."""
    lines = [line.strip() for line in text.splitlines()
             if line.startswith("npm ") and "error" in line.lower()]
    return lines[0] if lines else last_line(text)


def npm_ci(folder):
    try:
        install = subprocess.run(
            [program("npm"), "ci", "--ignore-scripts", "--loglevel=error"],
            cwd=folder, stdin=subprocess.DEVNULL, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm ci took {INSTALL_SECONDS} s") from None
    if install.returncode != 0:
        raise Missing(npm_error(install.stdout))


def install_wetty(build):
    """Its main.js, installed in the build tree unless it is there already."""
    folder = build / "tests" / "bench" / "wetty"
    folder.mkdir(parents=True, exist_ok=True)
    lock = PACKAGE / LOCK
    installed = folder / "installed.json"       # by this lock file
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        for name in (".npmrc", "package.json", LOCK):
            shutil.copyfile(PACKAGE / name, folder / name)
        npm_ci(folder)
        shutil.copyfile(lock, installed)
    return folder / "node_modules" / "wetty" / "build" / "main.js"


def siab_command(_build, port, attach):
    return [program("shellinaboxd"), "--disable-ssl", "--localhost-only",
            "--quiet", f"--port={port}", f"--service=/:0:0:/:{attach}"]


def ttyd_command(_build, port, attach):
    return [program("ttyd", os.environ.get("TTYD")), "--debug", "1",
            "--interface", "lo", "--port", port, "--writable", attach]


def wetty_command(build, port, attach):
    return ["env", "NODE_ENV=production", program("node"),
            install_wetty(build), "--host", "127.0.0.1", "--port", port,
            "--base", "/", "--log-level", "error", "--command", attach]


# By the name of their rows; shellinabox last, since its sessions outlive their
# viewers.
COMMANDS = {"ttyd": ttyd_command, "wetty": wetty_command,
            "siab": siab_command}


def version(command):
    """What a server says of itself: its command with all options replaced."""
    end = next(n for n, word in enumerate(command)
               if str(word).startswith("--"))
    return report.version(report.output_of(*command[:end], "--version"))


def write_attach(stack, name):
    """What a peer runs for a viewer: xenconsole at one of the guests whose
    numbers are in the peer's pool. It says something when it is there, and
    nothing is echoed before. A file, since shellinabox splits its command at
    colons and blanks."""
    pool = stack.dir / "run" / f"pool-{name}"
    pool.mkdir()
    path = stack.dir / "run" / f"attach-{name}"
    path.write_text(
        "#!/bin/sh\n"
        "stty raw -echo\n"
        f"for guest in {pool}/*; do\n"
        "\trm \"$guest\" 2>/dev/null || continue\n"
        "\techo ready\n"
        f"\tLD_PRELOAD={stack.build}/tests/standin/hypervisor.so exec "
        f"{standin.XEN_BIN}/{HELPER} \"${{guest##*/}}\"\n"
        "done\n")
    path.chmod(0o755)
    return path


def offer(stack, name, guests):
    """The next sessions of this peer are at these guests."""
    for guest in guests:
        (stack.dir / "run" / f"pool-{name}" /
         str(stack.host.domid(guest))).touch()


def drivers(stack, program_name, guests):
    """{row: driver} of the peers, each at its guest."""
    for name in stack.peers:
        offer(stack, name, [guests[name]])
    return {name: Driver(stack, program_name, name, stack.port,
                         login=stack.login(["-"])) for name in stack.peers}


def ask_all(everybody, ask):
    """(row, what ask(driver) returns) of each. A peer that fails is not asked
    again; the others' figures are not lost for it."""
    for row, driver in list(everybody.items()):
        try:
            yield row, ask(driver)
        except (RuntimeError, OSError):
            if row not in COMMANDS:
                raise
            del everybody[row]


def start_one(stack, name):
    """Starts one and tries it; its version, and its memory without sessions."""
    command = COMMANDS[name](stack.build, stack.peer_ports[name],
                             write_attach(stack, name))
    try:
        stack.start_peer(name, *command)
    except (RuntimeError, AssertionError) as e:
        raise Missing(last_line(str(e))) from None
    time.sleep(SETTLE_SECONDS)
    kib = living_pss_kib(tree(stack, name))
    guest = f"peer-try-{name}"
    stack.create_guests([guest])
    offer(stack, name, [guest])
    try:
        with parked(stack, ["-"], transport=(name,)):
            pass
    except RuntimeError:
        raise Missing("a session of it does not start") from None
    return {"server_kib": kib, "version": version(command)}


def start(stack, wanted, say):
    """Those that can run here are stack.peers from now on. What is known of all:
    {"missing": {name: why}, "running": {name: {...}}}."""
    known = {"missing": {}, "running": {}}
    for name in wanted:
        try:
            known["running"][name] = start_one(stack, name)
            stack.peers.append(name)
        except Missing as e:
            say(f"{name}: not measured: {e}")
            known["missing"][name] = str(e)
            gone = stack.programs.pop(name, None)
            if gone:
                gone.kill()
    return known


# --- Memory -------------------------------------------------------------------

def tree(stack, name):
    """Its processes and all below them; some may just have ended."""
    pids = [stack.programs[name].inside()]
    for pid in pids:
        with contextlib.suppress(OSError):
            pids += stack.children(pid)
    return pids


def helpers(stack, name):
    found = []
    for pid in tree(stack, name):
        with contextlib.suppress(OSError):
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            if comm == HELPER:
                found.append(pid)
    return found


def wait_for_helpers(stack, name, count):
    standin.wait_for(lambda: len(helpers(stack, name)) == count,
                     LEAVE_SECONDS, f"{count} sessions of {name}")


def living_pss_kib(pids):
    """Of those that have not just ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += pss_kib([pid])
    return total


def look(stack, name):
    return {"all": living_pss_kib(tree(stack, name)),
            "helpers": living_pss_kib(helpers(stack, name))}


def measure_sessions(stack, name, guests):
    wait_for_helpers(stack, name, 0)
    before = look(stack, name)
    offer(stack, name, guests)
    with parked(stack, ["-"] * len(guests), transport=(name,)):
        wait_for_helpers(stack, name, len(guests))
        time.sleep(SETTLE_SECONDS)
        after = look(stack, name)
    if name != "siab":
        wait_for_helpers(stack, name, 0)
    return {what: (after[what] - before[what]) / len(guests)
            for what in after}


def measure_memory(stack, sessions, say):
    """{row: KiB for each session}, while they are idle; without those that
    fail."""
    guests = [f"peer-idle{n}" for n in range(sessions)]
    if stack.peers:
        stack.create_guests(guests)
    taken = {}
    for name in stack.peers:
        try:
            taken[name] = measure_sessions(stack, name, guests)
        except (RuntimeError, AssertionError, OSError) as e:
            say(f"{name}: no memory of idle sessions: {e}")
    return {"sessions": sessions, "each": taken}
