"""The systemd units: how far they shut the programs in, and that
docs/security.md says it. Writes nothing and needs no systemd that runs.

    python3 tests/integration/test_units.py     writes it into the document
"""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = TOP / "docs/security.md"
MARKS = "<!-- begin: units -->\n", "<!-- end: units -->"
# The worst figure that is taken.
CEILING = {"xenterm-fcgi": 1.5, "xenterm-broker": 2.1}

# What keeps the figure up, and why it has to be so.
BOTH = {
    "RestrictAddressFamilies=~AF_UNIX": "unix sockets are what it speaks",
    "RootDirectory=/RootImage=": "a root of its own would have to have "
    "libraries and xenconsole's locks in it",
}
REASONS = {
    "xenterm-fcgi": {
        **BOTH,
        "User=/DynamicUser=": "it makes its sockets as root, then is "
        "`xenterm`, verified, without a capability",
        "CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP)": "to become `xenterm`",
        "CapabilityBoundingSet=~CAP_(CHOWN|FSETID|SETFCAP)":
            "to give its socket to nginx' group",
        "SystemCallFilter=~@privileged": "the same calls; once it runs, its "
        "own filter leaves 50",
        "SystemCallFilter=~@resources": "a screen process makes itself less "
        "important (`setpriority`)",
        "PrivateUsers=": "`xenterm` and nginx' group are the host's",
        "DeviceAllow=": "what `ProtectClock=` itself names, to read",
    },
    "xenterm-broker": {
        **BOTH,
        "User=/DynamicUser=": "ptys, xenstored's socket and xenconsole's "
        "locks are root's",
        "CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)":
            "lock files and run directories that others own",
        "CapabilityBoundingSet=~CAP_(CHOWN|FSETID|SETFCAP)":
            "to give its socket to the worker's group",
        "CapabilityBoundingSet=~CAP_SYS_PTRACE": "to see who holds a pty's "
        "other end",
        "ProtectProc=": "the same",
        "ProcSubset=": "the same, and `/proc/locks`",
        "SystemCallFilter=~@privileged": "`chown`, for its socket",
        "PrivateDevices=": "it opens ptys",
        "DeviceAllow=": "the same",
        "ProtectClock=": "it would bring a list of devices without them",
        "PrivateUsers=": "users and groups are the host's",
    },
}


def analyze(name):
    """The figure and the settings that are held against it."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager",
         "--json=short", TOP / f"conf/systemd/{name}.service"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    against = [row["name"] for row in rows
               if row["set"] is False and float(row["exposure"] or 0) > 0]
    shown = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager",
         TOP / f"conf/systemd/{name}.service"],
        capture_output=True, text=True, timeout=60).stdout
    return float(re.search(r"Overall exposure level .*: ([\d.]+)",
                           shown)[1]), against


def text():
    lines = []
    for name in REASONS:
        figure, against = analyze(name)
        lines += [f"`{name}`: **{figure}**", "", "| kept up by | why |",
                  "|---|---|"]
        lines += [f"| `{setting}` | {REASONS[name][setting]} |".replace(
            "(UID|GID|PCAP)", "(UID\\|GID\\|PCAP)").replace(
            "(CHOWN|FSETID|SETFCAP)", "(CHOWN\\|FSETID\\|SETFCAP)").replace(
            "(DAC_*|FOWNER|IPC_OWNER)", "(DAC_*\\|FOWNER\\|IPC_OWNER)")
            for setting in against]
        lines += [""]
    return "\n".join(lines)


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="no systemd-analyze")


@needs_systemd
@pytest.mark.parametrize("name", REASONS)
def test_exposure(name):
    figure, against = analyze(name)
    assert figure <= CEILING[name]
    assert set(against) == set(REASONS[name])


@needs_systemd
def test_the_document():
    document = DOCUMENT.read_text()
    assert document.split(MARKS[0])[1].split(MARKS[1])[0] == text()


@pytest.mark.parametrize("name", REASONS)
def test_every_restriction_is_explained(name):
    """Each stands below a comment, with others of its kind at most."""
    lines = (TOP / f"conf/systemd/{name}.service").read_text().split(
        "[Service]")[1].split("[Install]")[0].splitlines()
    explained = False
    for line in lines:
        explained = line.startswith("#") or (explained and line != "")
        if re.match(r"(Protect|Private|Restrict|Cap|NoNew|Lock|Memory|System|"
                    r"IPAddr|UMask|Proc)", line):
            assert explained, line


@pytest.mark.parametrize("path", sorted((TOP / "conf/systemd").glob(
    "*.service")), ids=lambda path: path.stem)
def test_each_may_confine_itself(path):
    """All programs do so by seccomp(), which is in none of the sets that
    units of services allow."""
    allowed = " ".join(re.findall(r"(?m)^SystemCallFilter=([^~].*)$",
                                  path.read_text())).split()
    assert "seccomp" in allowed


if __name__ == "__main__":
    before, rest = DOCUMENT.read_text().split(MARKS[0])
    DOCUMENT.write_text(before + MARKS[0] + text() + MARKS[1] +
                        rest.split(MARKS[1])[1])
