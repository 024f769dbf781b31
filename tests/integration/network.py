"""A network in namespaces: one for who stands in the middle, with a switch in
it, and a cable from there to each host (`host start --network`) that joins.
Nothing of it is in the machine's own namespace, and nothing has a name that
two runs could share; it is gone with the last process and descriptor in it.
The addresses are those of the documents (RFC 5737).

    with Network() as network:
        network.join("dom0-1", host.init_pid)       # is at 192.0.2.11
        with network.cut("dom0-1"):
            ...
"""

import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
ESTABLISHED = "01"              # include/net/tcp_states.h

libc = ctypes.CDLL(None, use_errno=True)


def checked(status):
    if status == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def open_namespace(of="thread-self"):
    return os.open(f"/proc/{of}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def entered(namespace):
    """What this thread opens or starts meanwhile is in that namespace, a
    descriptor."""
    home = open_namespace()
    try:
        checked(libc.setns(namespace, CLONE_NEWNET))
        try:
            yield
        finally:
            checked(libc.setns(home, CLONE_NEWNET))
    finally:
        os.close(home)


def make_namespace():
    """A new one; its descriptor keeps it."""
    made = []

    def make():
        checked(libc.unshare(CLONE_NEWNET))
        made.append(open_namespace())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise RuntimeError("no network namespace can be made here: that needs "
                           "CAP_SYS_ADMIN and CAP_NET_ADMIN, as root has them")
    return made[0]


def ip(*args):
    done = subprocess.run(["ip", *map(str, args)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, \
        f"ip {' '.join(map(str, args))}: {done.stderr}"


class Network:
    def __init__(self):
        self.addresses = {}

    def __enter__(self):
        self.namespace = make_namespace()
        with self.entered():
            ip("link", "set", "lo", "up")
            ip("link", "add", "switch", "type", "bridge")
            ip("address", "add", "192.0.2.1/24", "dev", "switch")
            ip("link", "set", "switch", "up")
        return self

    def __exit__(self, *_):
        os.close(self.namespace)

    def entered(self):
        """In the middle."""
        return entered(self.namespace)

    def join(self, name, pid):
        """Connects the namespace of process pid; its address. A host that
        comes again has its address again, and its card; its cable is new."""
        number = self.addresses.setdefault(name, len(self.addresses) + 11)
        address = f"192.0.2.{number}"
        with self.entered():
            # It goes with its host, but not at once.
            with contextlib.suppress(AssertionError):
                ip("link", "delete", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0",
               "address", f"02:00:00:00:00:{number:02x}", "netns", pid)
            ip("link", "set", name, "master", "switch", "up")
        namespace = open_namespace(pid)
        try:
            with entered(namespace):
                ip("address", "add", f"{address}/24", "dev", "eth0")
                ip("link", "set", "eth0", "up")
        finally:
            os.close(namespace)
        return address

    @contextlib.contextmanager
    def cut(self, name):
        """Its cable is out: nothing passes, and nobody is told."""
        with self.entered():
            ip("link", "set", name, "down")
        try:
            yield
        finally:
            with self.entered():
                ip("link", "set", name, "up")

    @contextlib.contextmanager
    def unreachable(self, name):
        """Who connects to it is told at once that there is no way."""
        route = f"192.0.2.{self.addresses[name]}/32"
        with self.entered():
            ip("route", "add", "unreachable", route)
        try:
            yield
        finally:
            with self.entered():
                ip("route", "delete", "unreachable", route)

    def connections(self, name):
        """How many are open from the middle to that host."""
        packed = socket.inet_aton(f"192.0.2.{self.addresses[name]}")
        remote = f"{struct.unpack('=I', packed)[0]:08X}"
        with self.entered():
            table = pathlib.Path("/proc/thread-self/net/tcp").read_text()
        rows = (line.split() for line in table.splitlines()[1:])
        return sum(row[2].startswith(remote) and row[3] == ESTABLISHED
                   for row in rows)
