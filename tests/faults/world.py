"""The site that faults are injected into: whole_site's, with what an init
system does (programs that end are started again), its run directory on a
small disk of its own, and a door in plain HTTP beside nginx' TLS."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "integration"))
import standin  # noqa: E402
import whole_site  # noqa: E402
from standin import wait_for  # noqa: E402
from standin import is_alive  # noqa: E402, F401

os.environ.setdefault("STANDIN_BIN", str(whole_site.BUILD / "tests/standin"))

CONF = """
audit_file = "/run/xenterm/audit.log"
"""
# The guests, their rings and sockets have no part in it.
DISK = "size=512k,nr_inodes=64"


def open_plain_door(site):
    """Without TLS, and with passwords that cost nothing to check: who reads
    what passes, or comes ten thousand times, needs it so."""
    path = site.dir / "nginx/nginx.conf"
    listen = f"listen 127.0.0.1:{site.port} ssl http2;"
    path.write_text(path.read_text().replace(
        listen,
        f"{listen} listen 127.0.0.1:{site.plain_port} backlog=4096;"))
    (site.dir / "run/htpasswd").write_text("".join(
        f"{user}:{{PLAIN}}{whole_site.PASSWORD}\n" for user in site.users))


class PlainSite(whole_site.Site):
    """The usual site, with that door."""

    def start_nginx(self):
        self.plain_port = whole_site.free_port()
        open_plain_door(self)
        super().start_nginx()


class World(whole_site.Site):
    def __init__(self, dir):
        super().__init__(dir, conf=CONF, users=("admin",))
        self.ending = False
        self.starts = {"broker": 0, "worker": 0}
        self.keepers = []
        self.trouble = []

    # Beginning.

    def start(self):
        whole_site.more_descriptors()
        self.host.start()
        self.host.run("mkdir", "-p", "/run/xenterm")
        self.host.run("mount", "-t", "tmpfs", "-o", DISK, "disk",
                      "/run/xenterm")
        (self.dir / "xenterm.conf").write_text(self.conf)
        self.port = whole_site.free_port()
        self.plain_port = whole_site.free_port()
        subprocess.run([whole_site.SITE_CONFIG, self.dir, str(self.port)],
                       check=True, input="admin:x\n", text=True)
        open_plain_door(self)
        self.tls = self.tls_context()
        self.start_nginx()
        for name in ("broker", "worker"):
            keeper = threading.Thread(target=self.keep, args=(name,),
                                      daemon=True)
            keeper.start()
            self.keepers.append(keeper)
        wait_for(lambda: self.worker is not None and self.is_connected(),
                 30, "worker and broker")

    @property
    def admin_socket(self):
        """Through the host's own mounts, where the small disk is."""
        return self.host.root / "run/xenterm/admin.sock"

    def is_connected(self):
        """Programs may be away: that is what is tested."""
        try:
            return self.healthz()["broker"] == "connected"
        except (OSError, ValueError, whole_site.http.client.HTTPException):
            return False

    # What init does.

    def keep(self, name):
        program = {"broker": whole_site.BROKER,
                   "worker": whole_site.WORKER}[name]
        while not self.ending:
            began = time.monotonic()
            process = self.start_program(name, program)
            setattr(self, name, process)
            self.starts[name] += 1
            status = process.wait()
            if status not in (0, -signal.SIGKILL, 128 + signal.SIGKILL,
                              -signal.SIGSEGV, 128 + signal.SIGSEGV):
                self.trouble.append(f"{name} ended with status {status}")
            if time.monotonic() - began < 0.3:
                time.sleep(0.1)

    def broker_starts(self):
        """Of the program; its keeper, which keep() starts, starts it."""
        return self.starts["broker"] + \
            self.log("broker").count(" started again")

    def pid_of(self, name):
        """None while it is away."""
        process = getattr(self, name)
        return process.inside() if process is not None else None

    def kill_program(self, name, sig=signal.SIGKILL):
        pid = self.pid_of(name)
        if pid is None:
            return False
        os.kill(pid, sig)
        return True

    def nginx_workers(self):
        master = self.nginx.inside()
        return standin.living_children(master) if master else []

    def spawners(self):
        worker = self.pid_of("worker")
        return standin.living_children(worker) if worker else []

    def screen_processes(self):
        return [pid for spawner in self.spawners()
                for pid in standin.living_children(spawner)]

    def daemon(self, name):
        """xenstored's or xenconsoled's pid; None when it is away."""
        for pid, command in self.host.processes().items():
            if command and command[0].endswith(b"/" + name.encode()):
                return outside_pid(self.host, pid)
        return None

    # The end.

    def stop(self, strict=True):
        self.ending = True
        for client in self.clients.values():
            client.close()
        found = []
        try:
            for name in ("worker", "broker"):
                process = getattr(self, name)
                process.terminate()
                try:
                    if process.wait(20) != 0:
                        found.append(f"{name} ended with "
                                     f"{process.returncode} at SIGTERM")
                except subprocess.TimeoutExpired:
                    found.append(f"{name} does not end on SIGTERM")
                report = whole_site.REPORTS.search(self.log(name))
                if report:
                    found.append(self.log(name)[report.start():][:4000])
        finally:
            self.clear_away()
        if strict:
            assert not found, "\n".join(found)
        return found


def outside_pid(host, inside):
    """The number by which we know the host's process."""
    space = os.readlink(f"/proc/{host.init_pid}/ns/pid")
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if os.readlink(entry / "ns/pid") != space:
                continue
            found = re.search(r"^NSpid:.*\s(\d+)$",
                              (entry / "status").read_text(), re.M)
        except OSError:
            continue
        if found and int(found[1]) == inside:
            return int(entry.name)
    return None


def remove(dir):
    """A round's folder; its host has ended."""
    shutil.rmtree(dir)
