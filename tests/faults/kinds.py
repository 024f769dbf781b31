"""The faults, one function each. They run in a thread of their own and return
once the fault has been done and, where it lasts, is over; what init restarts,
World restarts. False: it did not apply just now (the process was away)."""

import os
import pathlib
import re
import signal
import subprocess
import time

import proxy
from world import is_alive

# kind: how often, relative to the others.
WEIGHTS = {
    "kill-worker": 6, "segv-worker": 2, "restart-worker": 2,
    "kill-broker": 4, "restart-broker": 1,
    "kill-screen": 4, "kill-spawner": 2,
    "kill-nginx-worker": 4, "kill-xenconsoled": 3,
    "reboot-guest": 4, "recreate-guest": 2,
    "stop-worker": 4, "stop-broker": 3, "stop-screen": 3, "stop-nginx": 3,
    "stop-xenconsoled": 3, "stop-xenstored": 2,
    "fill-disk": 3, "exhaust-worker": 3, "exhaust-broker": 2,
    **{f"http-{kind}": 7 for kind in proxy.KINDS},
}

# Ends each round, as there is no way back from it; some more faults follow
# that need no xenstore.
LAST = "kill-xenstored"
WITHOUT_XENSTORE = (
    "kill-worker", "kill-broker", "kill-screen", "kill-nginx-worker",
    "stop-worker",
    *(f"http-{kind}" for kind in proxy.KINDS))


class Fault:
    """One of the plan: made from the seed alone, so the same again."""

    def __init__(self, number, kind, dice):
        self.number, self.kind = number, kind
        self.pick = dice.random()           # which of several
        self.seconds = dice.choice((0.05, 0.2, 0.5, 1.0, 1.5))
        self.pause = dice.expovariate(1 / 0.15)
        self.on_input = dice.random() < 0.6
        self.when = None

    def __str__(self):
        return f"{self.number}:{self.kind}({self.pick:.3f},{self.seconds})"


def plan(dice, count, rounds):
    """[[Fault]], a list for each round."""
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    result, number = [], 0
    for n in range(rounds):
        size = count * (n + 1) // rounds - count * n // rounds
        after = min(8, size // 4)
        chosen = dice.choices(kinds, weights, k=size - after - 1) + [LAST] \
            + dice.choices(WITHOUT_XENSTORE, k=after)
        result.append([])
        for kind in chosen:
            number += 1
            result[-1].append(Fault(number, kind, dice))
    return result


def pick(fault, some):
    return some[int(fault.pick * len(some))] if some else None


# --- Ends --------------------------------------------------------------------

def kill_worker(run, fault):
    return run.killed_worker(signal.SIGKILL)


def segv_worker(run, fault):
    return run.killed_worker(signal.SIGSEGV)


def restart_worker(run, fault):
    return run.killed_worker(signal.SIGTERM)


def kill_broker(run, fault):
    return run.world.kill_program("broker")


def restart_broker(run, fault):
    """As an upgrade does: the keeper is told to."""
    keeper = run.world.broker.keeper()
    if keeper is None:
        return False
    os.kill(keeper, signal.SIGUSR1)
    return True


def kill_one(fault, pids):
    pid = pick(fault, pids)
    if pid is None:
        return False
    os.kill(pid, signal.SIGKILL)
    return True


def kill_screen(run, fault):
    return kill_one(fault, run.world.screen_processes())


def kill_spawner(run, fault):
    return kill_one(fault, run.world.spawners())


def kill_nginx_worker(run, fault):
    return kill_one(fault, run.world.nginx_workers())


def kill_xenconsoled(run, fault):
    run.world.host.kill_xenconsoled()
    for guest in run.guests:
        guest.note("xenconsoled was killed")
    time.sleep(fault.seconds)
    run.world.host.restart_xenconsoled()
    return True


def kill_xenstored(run, fault):
    run.world.host.kill_xenstored()
    return True


# --- Guests ------------------------------------------------------------------

def reboot_guest(run, fault):
    guest = pick(fault, run.guests)
    before = run.world.host.domid(guest.name)
    if before is None:
        return False
    run.world.host.reboot(guest.name)
    run.wait(lambda: run.world.host.domid(guest.name) != before,
             f"the end of {guest.name}")
    guest.note("the guest has ended")
    run.wait(lambda: run.world.host.domid(guest.name) is not None,
             f"the reboot of {guest.name}")
    return True


def recreate_guest(run, fault):
    """Destroyed and created again as the same machine."""
    guest = pick(fault, run.guests)
    if run.world.host.domid(guest.name) is None:
        return False
    uuid = run.world.host.uuid(guest.name)
    run.world.host.destroy(guest.name)
    guest.note("the guest has ended")
    time.sleep(fault.seconds)
    run.create(guest, uuid)
    return True


# --- Stops -------------------------------------------------------------------

def stop(fault, pids):
    pids = [pid for pid in pids if pid is not None]
    if not pids:
        return False
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(fault.seconds)
    finally:
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
    return True


def stop_worker(run, fault):
    return stop(fault, [run.world.pid_of("worker")])


def stop_broker(run, fault):
    return stop(fault, [run.world.pid_of("broker")])


def stop_screen(run, fault):
    return stop(fault, run.world.screen_processes())


def stop_nginx(run, fault):
    return stop(fault, run.world.nginx_workers())


def stop_xenconsoled(run, fault):
    return stop(fault, [run.world.daemon("xenconsoled")])


def stop_xenstored(run, fault):
    return stop(fault, [run.world.daemon("xenstored")])


# --- What runs out -----------------------------------------------------------

def fill_disk(run, fault):
    """The run directory's; then something wants to write there."""
    file = run.world.host.root / "run/xenterm/filler"
    try:
        with open(file, "wb", buffering=0) as out:
            try:
                while out.write(bytes(4096)):
                    pass
            except OSError:
                pass
        time.sleep(fault.seconds)
    finally:
        file.unlink(missing_ok=True)
    return True


def set_soft_limit(pid, files):
    """As the user of the process: root in a container may not."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    user, group = (int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1])
                   for name in ("Uid", "Gid"))
    done = subprocess.run(
        ["prlimit", f"--pid={pid}", f"--nofile={files}:"], user=user,
        group=group, extra_groups=[], capture_output=True, text=True,
        check=False)
    if done.returncode != 0 and is_alive(pid):
        raise RuntimeError(f"prlimit: {done.stderr}")


def soft_limit(pid):
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return int(re.search(r"^Max open files\s+(\d+)", limits, re.M)[1])


def exhaust(run, fault, name):
    """No descriptor more than it has."""
    pid = run.world.pid_of(name)
    if pid is None:
        return False
    try:
        used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
        before = soft_limit(pid)
        set_soft_limit(pid, used)
        time.sleep(fault.seconds)
        set_soft_limit(pid, before)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return True


def exhaust_worker(run, fault):
    return exhaust(run, fault, "worker")


def exhaust_broker(run, fault):
    return exhaust(run, fault, "broker")


# --- The network -------------------------------------------------------------

def http(run, fault):
    """Done once a request has met it; run counts those."""
    run.proxy.inject(fault.kind.removeprefix("http-"),
                     "input" if fault.on_input else "output", fault.seconds)
    return True


def inject(run, fault):
    if fault.kind.startswith("http-"):
        return http(run, fault)
    return globals()[fault.kind.replace("-", "_")](run, fault)


