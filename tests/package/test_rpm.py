"""The RPM brings the same files as the Debian package, as far as it can be
looked at on Debian: it is built (make rpm), not installed."""

import re

from machine import BUILD, checked

OWN = re.compile(r"/usr/lib/\.build-id|/usr/share/licenses"
                 r"|/usr/share/doc/xenterm/(changelog|copyright)$")


def files(names):
    found = set()
    for name in names:
        name = re.sub(r"^/lib/", "/usr/lib/", name.rstrip("/"))
        name = re.sub(r"\.gz$", "", name)
        if "xenterm" in name and not OWN.match(name):
            found.add(name)
    return found


def test_the_same_files_as_in_the_debian_package():
    deb, = (BUILD / "deb").glob("xenterm_*_*.deb")
    rpm, = (path for path in (BUILD / "rpm-build/RPMS").rglob("xenterm-*.rpm")
            if "debug" not in path.name)
    ours = [line.split()[-1].lstrip(".") for line in
            checked(["dpkg-deb", "-c", deb]).splitlines()]
    theirs = checked(["rpm", "-qlp", rpm]).splitlines()
    assert files(ours) == files(theirs)
    kept = files(checked(["rpm", "-qp", "--configfiles", rpm]).splitlines())
    assert kept == files(checked(
        ["dpkg-deb", "-I", deb, "conffiles"]).splitlines())
