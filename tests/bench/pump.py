"""A program at xenconsoled's ends of the ptys, and xenconsoled stopped: what
xenterm itself does, without its limit for each guest and the guests' ring."""

import contextlib
import subprocess


def pty_index(stack, guest):
    return stack.host.tty(guest).rsplit("/", 1)[1]


@contextlib.contextmanager
def pumped(stack, guests):
    """The program, tests/bench/pump.c, plays these guests; afterwards
    xenconsoled goes on. xenterm opens no tty while it is stopped."""
    pid = next(pid for pid, command in stack.host.processes().items()
               if command and command[0].endswith(b"xenconsoled"))
    with stack.host.popen(
            stack.bench("pump"), pid, *(pty_index(stack, g) for g in guests),
            text=True, stdout=subprocess.PIPE) as pump:
        try:
            if pump.stdout.readline() != f"{len(guests)}\n":
                raise RuntimeError("pump: it has not got the ptys")
            yield
        finally:
            pump.kill()
            pump.wait()
            stack.host.run("kill", "-CONT", str(pid))
