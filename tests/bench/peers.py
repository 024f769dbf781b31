"""Other programs on the same work: each runs, for its one viewer, what xl
console runs, at a guest that echoes."""

import shutil

from programs import Driver
from stack import standin

# What each is called in the rows, and the program that must be there.
PROGRAMS = {"siab": "shellinaboxd"}


def available():
    return [name for name, program in PROGRAMS.items()
            if shutil.which(program)]


def write_attach(stack, guest):
    """What a peer starts: xenconsole at this guest. A file, since shellinabox
    splits its command at colons and blanks."""
    path = stack.dir / "run" / f"attach-{guest}"
    path.write_text(
        "#!/bin/sh\n"
        f"LD_PRELOAD={stack.build}/tests/standin/hypervisor.so exec "
        f"{standin.XEN_BIN}/xenconsole {stack.host.domid(guest)}\n")
    path.chmod(0o755)
    return path


def start_siab(stack, attach):
    stack.start_peer(
        "siab", "shellinaboxd", "--disable-ssl", "--localhost-only", "--quiet",
        f"--port={stack.peer_ports['siab']}", f"--service=/:0:0:/:{attach}")


def typists(stack):
    """{row: driver} of those that are installed."""
    rows = {}
    for name in stack.peer_ports:
        guest = f"peer-{name}"
        stack.create_guests([guest])
        start_siab(stack, write_attach(stack, guest))
        rows[name] = Driver(stack, "keys", name, stack.port,
                            login=stack.login(["-"]))
    return rows
