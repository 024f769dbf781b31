"""The AppArmor profiles: that they can be read, and name each program once.
That nothing which a program needs is missing, tests/xen sees, where a kernel
has them in force."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PROFILES = sorted((TOP / "conf/apparmor").iterdir())
PARSER = shutil.which("apparmor_parser", path=os.environ["PATH"]
                      + ":/usr/sbin:/sbin")

needs_parser = pytest.mark.skipif(not PARSER, reason="no apparmor_parser")


def parse(path, *options):
    """Without a kernel that would take it."""
    return subprocess.run(
        [PARSER, "-QKT", "--kernel-features",
         "/etc/apparmor.d/abi/kernel-5.4-vanilla", *options, path],
        capture_output=True, text=True, timeout=60, check=False)


@needs_parser
@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_can_be_read(path):
    done = parse(path)
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines()
              if "ache read/write disabled" not in line]
    assert not errors


@needs_parser
def test_a_mistake_is_seen(tmp_path):
    for old, new in (("capability chown,", "capability chwon,"),
                     ("include <abstractions/base>", "include <nothing/at>"),
                     ("network unix,", "network unix")):
        text = PROFILES[0].read_text()
        assert old in text
        path = tmp_path / "profile"
        path.write_text(text.replace(old, new))
        assert parse(path).returncode != 0, new


@needs_parser
def test_all_programs_have_one():
    names = []
    for path in PROFILES:
        done = parse(path, "-N")
        assert done.returncode == 0, done.stderr
        names += done.stdout.split()
    assert sorted(names) == ["xenterm-broker", "xenterm-fcgi",
                             "xenterm-keeper", "xenterm-logger",
                             "xenterm-screen"]
    makefile = (TOP / "Makefile.am").read_text()
    rules = (TOP / "debian/rules").read_text()
    for path in PROFILES:
        assert f"conf/apparmor/{path.name}" in makefile
        assert f"--profile-name={path.name}\n" in rules
        assert f"include if exists <local/{path.name}>" in path.read_text()


def test_what_none_may():
    """What would undo the rest."""
    for path in PROFILES:
        text = re.sub(r"(?m)#.*", "", path.read_text())
        for forbidden in ("capability sys_admin", "capability,", "ux,", "Ux,",
                          "change_profile", "mount", "/mem", "@{PROC}/**",
                          "flags=(complain", " /** ", "file,"):
            assert forbidden not in text, (path.name, forbidden)
