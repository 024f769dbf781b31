"""The measuring programs: they are there for all rounds, and take turns."""

import contextlib
import math
import subprocess

import stack as stacks


class Driver:
    """A program that is told numbers and answers each with lines."""

    def __init__(self, stack, program, *args, login=""):
        self.what = " ".join([program, *map(str, args)])
        self.process = subprocess.Popen(
            [stack.bench(program), *map(str, args)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(login)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, number, lines=1):
        """Its lines, as lists of whole numbers."""
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        answers = [self.process.stdout.readline() for _ in range(lines)]
        if not answers[-1]:
            raise RuntimeError(f"{self.what}: not measured")
        return [[int(word) for word in line.split()] for line in answers]


def on_site(stack, program, row, guest):
    """A driver that is a viewer of this guest."""
    tokens = stack.open_sessions([guest])
    return Driver(stack, program, row, stack.port, login=stack.login(tokens))


def on_tty(stack, program, guest):
    """A driver at the guest's tty, without xenterm."""
    tty = stack.host.root / stack.host.tty(guest).lstrip("/")
    return Driver(stack, program, "tty", tty)


@contextlib.contextmanager
def parked(stack, tokens, user=stacks.USER, transport=(), stderr=None):
    """While a poll, or a stream, waits for each session."""
    with subprocess.Popen([stack.bench("park"), str(stack.port), *transport],
                          text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=stderr) as park:
        try:
            park.stdin.write(stack.login(tokens, user))
            park.stdin.close()
            if park.stdout.readline().strip() != str(len(tokens)):
                raise RuntimeError("park: the viewers do not wait")
            yield
        finally:
            park.kill()


class Crowd:
    """Waiting viewers, more and more of them, spread over these consoles: one
    after the other, since those who are there are told who comes."""

    def __init__(self, stack, consoles, transport=()):
        self.stack = stack
        self.consoles = consoles
        self.transport = transport
        self.users = {user: 0 for user in stacks.CROWD_USERS}
        self.running = contextlib.ExitStack()
        self.size = 0

    def __enter__(self):
        return self

    def __exit__(self, *how):
        return self.running.__exit__(*how)

    def grow(self, size):
        more = size - self.size
        each = math.ceil(more / len(self.consoles))
        names = [self.consoles[n // each] for n in range(more)]
        for user, used in self.users.items():
            now = names[:stacks.CROWD_USER_SESSIONS - used]
            if not now:
                continue
            tokens = self.stack.open_sessions(now, "watch", user)
            self.running.enter_context(
                parked(self.stack, tokens, user, self.transport))
            self.users[user] += len(now)
            names = names[len(now):]
        self.size = size
