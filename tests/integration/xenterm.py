"""The command xenterm in tests: at once, and in a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from whole_site import BUILD, PATIENCE

PROGRAM = BUILD / "xenterm"
ENV = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1"}


def command(site, *args):
    """The socket's whole path may be longer than an address can be."""
    return [PROGRAM, "-c", site.dir / "xenterm.conf", "-S", "admin.sock",
            *map(str, args)]


def xenterm(site, *args, input="", status=0):
    """Runs it; what it prints."""
    done = subprocess.run(
        command(site, *args), cwd=site.admin_socket.parent, env=ENV,
        input=input, text=True, capture_output=True, timeout=60)
    assert done.returncode == status, (done.returncode, done.stderr)
    if status == 0:
        assert done.stderr == "", done.stderr
    else:
        assert done.stderr.startswith("xenterm: ") or "usage:" in done.stderr
    return done.stdout


class Terminal:
    """xenterm on a pty of its own."""

    def __init__(self, site, *args, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(site.admin_socket.parent)
            os.execve(PROGRAM, list(map(str, command(site, *args))), ENV)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, cols, 0, 0))
        self.seen = b""
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until(self, wanted, timeout=PATIENCE):
        """What was shown up to there, which is then forgotten."""
        end = time.monotonic() + timeout
        while wanted not in self.seen:
            assert self.read(0.1) and time.monotonic() < end, \
                f"no {wanted!r} in {self.seen!r}"
        at = self.seen.index(wanted) + len(wanted)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown

    def type(self, data):
        os.write(self.fd, data)

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def end(self, timeout=PATIENCE):
        """Its exit status."""
        end = time.monotonic() + timeout
        while True:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
            assert time.monotonic() < end, f"does not end: {self.seen!r}"
