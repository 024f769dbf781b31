"""The ground the product's tests on a real Xen stand on: image, boot, a guest's console, https."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RELEASE = ('curl --silent --fail --request POST --unix-socket /run/xenterm/admin.sock '
           '"http://localhost/release?console=$(xenstore-read /local/domain/$(xl domid web1)/vm | cut -c5-)/pv0"')


def chat(dom0, guest, *words):
    """Waits for a pattern on the guest's console, types a text, waits ...; returns what it said."""
    words = ' '.join(f"'{w}'" for w in (guest, *words))
    return dom0.run(f'python3 - {words}', input=(HERE / 'guest_tty.py').read_text(), timeout=90).stdout


@pytest.fixture
def web1(dom0):
    """Without xenterm, which is told so before the guest begins to run."""
    dom0.run('xl create -q -p /etc/xen/web1.cfg')
    try:
        dom0.wait_for('xenterm to let it go', RELEASE)
        dom0.run('xl unpause web1')
        yield 'web1'
    finally:
        dom0.run('xl destroy web1', check=False)


def test_boots_in_bounded_time(dom0):
    print(f'ready after {dom0.boot_seconds:.1f} s')
    assert dom0.boot_seconds < dom0.boot_timeout
    assert 'Domain-0' in dom0.run('xl list').stdout


def test_https_answers_from_outside(web):
    assert web.call('GET', '').status == 200


def test_guest_shows_its_login_and_takes_one(dom0, web1):
    # a step at a time: login and the shell throw away what was typed before they asked
    said = chat(dom0, web1, 'login: ', 'root\n', '# ', 'uname -a\n', 'GNU/Linux')
    assert 'web1 login:' in said
    assert 'Linux web1 6.' in said


def test_destroyed_guest_leaves_nothing(dom0, web1):
    domid = dom0.run(f'xl domid {web1}').stdout.strip()
    dom0.run(f'xl destroy {web1}')
    dom0.wait_for('its xenstore nodes to go', f'! xenstore-read /local/domain/{domid}/name')
    assert web1 not in dom0.run('xl list').stdout


def test_files_travel_whole(dom0, tmp_path):
    sent, got = tmp_path / 'sent', tmp_path / 'got'
    sent.write_bytes(os.urandom(3 << 20))
    dom0.put(sent, '/tmp/travelled', 0o600)
    dom0.get('/tmp/travelled', got)
    assert got.read_bytes() == sent.read_bytes()


def test_command_that_hangs_is_ended_in_dom0(dom0):
    with pytest.raises(subprocess.TimeoutExpired):
        dom0.run('sleep 4321; true', timeout=2)
    dom0.wait_for('the sleep to be gone', "! pgrep -f '[s]leep 4321'")


def test_qemu_does_not_outlive_its_parent(xen_image, tmp_path):
    for name in ('xen', 'vmlinux', 'dom0.cpio'):
        (tmp_path / name).symlink_to(xen_image / name)
    parent = subprocess.Popen(
        [sys.executable, '-c', 'import sys, time; from dom0 import Dom0; Dom0(sys.argv[1]).launch(); '
                               'print("up", flush=True); time.sleep(600)', tmp_path],
        stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=str(HERE)))
    try:
        assert parent.stdout.readline() == 'up\n'
        qemu = int((tmp_path / 'qemu.pid').read_text())
        assert Path(f'/proc/{qemu}').exists()
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while is_running(qemu) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(qemu)


def is_running(pid):
    """A zombie is not: whoever inherited it may be slow to reap."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False
