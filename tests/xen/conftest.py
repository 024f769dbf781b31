"""The fixture `dom0`: a real Xen host with the product. One is up at a time; test files that want the same share it.

A file says what it wants by HOST = {...}: xenstored='ocaml' or 'c', hvm=True for PVH and HVM guests.

XENTERM_BUILD      the build tree that the product is installed from (default: build at the top)
XENTERM_DEB        a Debian package that it is installed from in place of it
XENTERM_XEN_WORK   where image and logs go, and stay (default: pytest's temporary folder)
XENTERM_XENSTORED  for files that do not say: ocaml (Debian's default) or c
"""
import os
import secrets
from pathlib import Path

import pytest

from dom0 import HERE, Dom0, Unavailable, build_image, build_overlay
from guest import Guest
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
        for big in ('dom0.cpio', 'dom0-hvm.cpio', 'vmlinux'):   # pytest keeps the folders of the last three runs
            (work / big).unlink(missing_ok=True)


class Machines:
    """The one that is up; another kind takes its place, since two would want 3 GB."""

    def __init__(self, work):
        self.work, self.up, self.kind = work, None, None

    def get(self, **kind):
        if kind != self.kind:
            self.stop()
            machine = Dom0(self.work, **kind)
            machine.start()
            self.up, self.kind = machine, kind
        return self.up

    def stop(self):
        up, self.up, self.kind = self.up, None, None
        if up:
            up.stop()


@pytest.fixture(scope='session')
def machines(xen_image, request):
    machines = request.config.xen_machines = Machines(xen_image)
    try:
        yield machines
    finally:
        machines.stop()


@pytest.fixture(scope='module')
def dom0(machines, request):
    """The host; its logs are brought home when a test of this file has failed."""
    wanted = {'xenstored': os.environ.get('XENTERM_XENSTORED', 'ocaml')} | getattr(request.module, 'HOST', {})
    failed_before = request.session.testsfailed
    try:
        machine = machines.get(**wanted)
    except Unavailable as e:
        unavailable(str(e))
    yield machine
    # dom0 has our AppArmor profiles in force.
    denied = [line for line in machine.run('dmesg').stdout.splitlines()
              if 'apparmor="DENIED"' in line and 'xenterm' in line]
    assert not denied, '\n'.join(denied)
    if request.session.testsfailed > failed_before:
        print(f'\ndom0: the console is in {machine.console}, the logs are in {machine.collect()}')


@pytest.fixture(scope='module')
def web(dom0, password):
    """The HTTP interface as a browser has it, through QEMU's forwarded port."""
    certificate = dom0.work / 'overlay/etc/ssl/certs/dom0.example.org.pem'
    web = Web(dom0.https_port, certificate, 'demo', password, dom0.note)
    yield web
    web.close()


@pytest.fixture(scope='module')
def guests(dom0, web):
    """guests('web1', ...) makes guests, one after the other, which then boot side by side; they end with the file."""
    made = []

    def make(*names, **settings):
        for name in names:
            made.append(Guest(dom0, web, name, **settings))
            made[-1].create()
        return made[-len(names):]

    yield make
    for guest in made:
        guest.destroy()


@pytest.fixture(autouse=True)
def chapter(request):
    """A file with STORY = True tells one story: what follows a failure would only fail, too, and take its time."""
    if getattr(request.module, 'STORY', False) and getattr(request.node.parent, 'broken_off', False):
        pytest.fail('an earlier chapter has failed', pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure prints the transcript that explains it."""
    report = (yield).get_result()
    if report.failed:
        item.parent.broken_off = True
    machines = getattr(item.config, 'xen_machines', None)
    if not machines or not machines.up:
        return
    if report.failed:
        report.sections.append(('what was done on the real Xen', machines.up.transcript()))
    if report.when == 'teardown':
        machines.up.forget_notes()
