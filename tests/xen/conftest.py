"""The fixture `dom0`: one real Xen host with the product, for the whole test session.

XENTERM_BUILD      the build tree that the product is installed from (default: build at the top)
XENTERM_XEN_WORK   where image and logs go, and stay (default: pytest's temporary folder)
XENTERM_XENSTORED  ocaml (Debian's default) or c
"""
import os
import secrets
from pathlib import Path

import pytest

from dom0 import HERE, Dom0, Unavailable, build_image, build_overlay
from web import Web


def unavailable(reason):
    """Elsewhere these tests are optional; in the project's own CI they are not."""
    if os.environ.get('CI') == 'true':
        pytest.fail(f'needed for the tests on a real Xen: {reason}', pytrace=False)
    pytest.skip(f'no real Xen here: {reason}')


@pytest.fixture(scope='session')
def password():
    """What nginx in dom0 knows the user demo by."""
    return secrets.token_hex(8)


@pytest.fixture(scope='session')
def xen_image(tmp_path_factory, password):
    """A folder with everything that QEMU boots."""
    own = os.environ.get('XENTERM_XEN_WORK')
    work = Path(own) if own else tmp_path_factory.mktemp('xen')
    try:
        build_overlay(os.environ.get('XENTERM_BUILD') or HERE.parents[1] / 'build', work / 'overlay', password)
        build_image(work, work / 'overlay')
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


@pytest.fixture
def web(dom0, password):
    """The HTTP interface as a browser has it, through QEMU's forwarded port."""
    return Web(dom0.https_port, dom0.work / 'overlay/etc/ssl/certs/dom0.example.org.pem', 'demo', password)
