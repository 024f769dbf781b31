"""The fixture `dom0`: one real Xen host for the whole test session.

XENTERM_OVERLAY    a tree made by `make install DESTDIR=`, laid over dom0's root (default: none)
XENTERM_XEN_WORK   where image and logs go, and stay (default: pytest's temporary folder)
XENTERM_XENSTORED  ocaml (Debian's default) or c
"""
import os
from pathlib import Path

import pytest

from dom0 import Dom0, Unavailable, build_image


def unavailable(reason):
    """Elsewhere these tests are optional; in the project's own CI they are not."""
    if os.environ.get('CI') == 'true':
        pytest.fail(f'needed for the tests on a real Xen: {reason}', pytrace=False)
    pytest.skip(f'no real Xen here: {reason}')


@pytest.fixture(scope='session')
def xen_image(tmp_path_factory):
    """A folder with everything that QEMU boots."""
    own = os.environ.get('XENTERM_XEN_WORK')
    work = Path(own) if own else tmp_path_factory.mktemp('xen')
    try:
        build_image(work, os.environ.get('XENTERM_OVERLAY') or None)
    except Unavailable as e:
        unavailable(str(e))
    yield work
    if not own:
        for big in ('dom0.cpio', 'vmlinux'):    # pytest keeps the folders of the last three runs
            (work / big).unlink()


@pytest.fixture(scope='session')
def dom0(xen_image, request):
    """The host, booted once; its logs are brought home when any test has failed."""
    machine = Dom0(xen_image, xenstored=os.environ.get('XENTERM_XENSTORED', 'ocaml'))
    failed_before = request.session.testsfailed
    try:
        machine.start()
    except Unavailable as e:
        unavailable(str(e))
    try:
        yield machine
        if request.session.testsfailed > failed_before:
            print(f'\ndom0: the console is in {machine.console}, the logs are in {machine.collect()}')
    finally:
        machine.stop()
