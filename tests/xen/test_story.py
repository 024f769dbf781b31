"""The main story, on a real Xen: a guest's console from outside the host, over https, from its first line on.

The tests tell it in order, about one guest. Its independent witness is xenconsoled's own record of
what the guest has printed, /var/log/xen/console/guest-web1.log.
"""
import json
import re
import subprocess

import pytest

from guest import FIRST_LINE, PROMPT

STORY = True

LOGIN = rb'web1 login: '
LOG = '/var/log/xen/console/guest-web1.log'
DETACH = b'\x1d'            # Ctrl-], xl console's


def log_size(dom0):
    return int(dom0.run(f'stat -c %s {LOG} 2>/dev/null || echo 0').stdout)


def log(dom0, begin=0):
    return dom0.run(f'tail -c +{begin + 1} {LOG}', text=False).stdout


def admin(dom0, verb, story):
    done = dom0.run("curl --silent --output /dev/null --write-out '%{http_code}' --request POST "
                    f'--unix-socket /run/xenterm/admin.sock "http://localhost/{verb}?console={story["id"]}"')
    assert done.stdout == '204'


def domid_of_web1(dom0):
    return int(dom0.run('xl domid web1').stdout)


def uuid_of_web1(dom0):
    return dom0.run('xenstore-read /local/domain/$(xl domid web1)/vm').stdout.strip().removeprefix('/vm/')


def worker_pid(dom0):
    return int(dom0.run('pgrep -x xenterm-fcgi').stdout)


@pytest.fixture(scope='module')
def log_begin(dom0):
    """Where in xenconsoled's record the story's guest begins: others of that name may have been before."""
    begin = log_size(dom0)
    dom0.run('xl create -q /etc/xen/web1.cfg')
    yield begin
    dom0.run('xl destroy web1', check=False)


@pytest.fixture(scope='module')
def story():
    """What one chapter leaves to the next."""
    return {}


@pytest.fixture
def viewer(story):
    return story['viewer']


def test_worker_has_no_privileges(dom0):
    status = dict(line.split(':\t', 1) for line in
                  dom0.run(f'cat /proc/{worker_pid(dom0)}/status').stdout.splitlines())
    xenterm = dom0.run('id -u xenterm; id -g xenterm').stdout.split()
    assert status['Uid'].split() == [xenterm[0]] * 4
    assert status['Gid'].split() == [xenterm[1]] * 4
    assert status['Groups'].split() == []
    for capabilities in 'CapInh', 'CapPrm', 'CapEff', 'CapAmb':
        assert int(status[capabilities], 16) == 0, capabilities
    assert status['NoNewPrivs'] == '1'


def test_all_are_confined(dom0):
    """AppArmor: the screen process has its profile on top of the worker's."""
    for pid, profile in ((dom0.run('pgrep -x xenterm-broker').stdout.strip(), 'xenterm-broker'),
                         (worker_pid(dom0), 'xenterm-fcgi')):
        assert dom0.run(f'cat /proc/{pid}/attr/current').stdout.strip('\0\n') == f'{profile} (enforce)'
    screens = dom0.run('pgrep -x xenterm-screen').stdout.split()
    assert screens
    for pid in screens:
        label = dom0.run(f'cat /proc/{pid}/attr/current').stdout.strip('\0\n')
        assert label == 'xenterm-fcgi//&xenterm-screen (enforce)'


def test_sockets_are_for_whom_they_should_be(dom0):
    seen = dom0.run("stat -c '%n %U:%G %a' /run/xenterm/*").stdout.splitlines()
    assert seen == ['/run/xenterm/admin.sock root:root 600',
                    '/run/xenterm/broker.sock root:xenterm 660',
                    '/run/xenterm/fcgi.sock xenterm:www-data 660',
                    '/run/xenterm/feed.sock xenterm:xenterm 600']


def test_libraries_are_all_there(dom0):
    wanted = dom0.run('for program in /usr/sbin/xenterm-*; do LD_TRACE_LOADED_OBJECTS=1 $program; done').stdout
    assert 'libc.so.6' in wanted
    assert 'not found' not in wanted


def test_boot_is_kept_though_nobody_looked(dom0, web, log_begin, story):
    dom0.wait_for('the login prompt', f"tail -c +{log_begin + 1} {LOG} | grep -q 'web1 login: '")
    domid = domid_of_web1(dom0)
    console = web.console(domid)
    assert console.pop('end') > 0
    assert console == {
        'id': f'{uuid_of_web1(dom0)}/pv0', 'name': 'web1', 'domid': domid, 'kind': 'pv', 'state': 'up', 'viewers': 0,
        'rights': ['list', 'watch', 'type', 'power']}

    viewer = web.open(console['id'])
    assert viewer.poll()
    assert viewer.states[-1] == {'type': 'state', 'state': 'up', 'domid': domid, 'name': 'web1'}
    assert re.match(FIRST_LINE, viewer.output)
    assert LOGIN in viewer.output   # and what a busy machine makes a kernel say
    story.update(viewer=viewer, id=console['id'], domid=domid)


def test_login_and_a_command(viewer):
    viewer.type('root\n')
    viewer.wait_for(PROMPT, len(viewer.output))
    begin = viewer.ask('uname -a', rb'GNU/Linux\r\n')
    assert re.search(rb'uname -a\r\nLinux web1 6\.[^\r\n]* x86_64 GNU/Linux\r\n', viewer.output[begin:])


def test_every_byte_as_xenconsoled_has_it(dom0, viewer, log_begin):
    viewer.ask('seq 1 4000; echo do""ne', rb'\r\n4000\r\ndone\r\n')
    viewer.drain()
    assert viewer.output == log(dom0, log_begin)


def test_reboot_is_followed(dom0, web, viewer, story):
    states, begin = len(viewer.states), len(viewer.output)
    viewer.type('reboot\n')
    viewer.wait_for_state('waiting', states)
    up = viewer.wait_for_state('up', states)
    assert up['domid'] > story['domid']
    assert up['domid'] == domid_of_web1(dom0)
    boot = viewer.wait_for(FIRST_LINE, begin)
    viewer.wait_for(LOGIN, boot)
    viewer.drain()
    # What the old guest printed last may be lost with its tty, but nothing of the new one
    start = list(re.finditer(FIRST_LINE, viewer.output))[-1].start()
    recorded = log(dom0)
    assert viewer.output[start:] == recorded[list(re.finditer(FIRST_LINE, recorded))[-1].start():]
    assert web.console(up['domid'])['id'] == story['id']
    story['domid'] = up['domid']

    viewer.type('root\n')
    viewer.wait_for(PROMPT, len(viewer.output))
    viewer.ask('uname -n', rb'uname -n\r\nweb1\r\n')


def test_asked_to_reboot(dom0, web, viewer, story):
    """By control/shutdown, which a real kernel acts on; it is the guest's own reboot from then on."""
    def ask(domid):
        return web.call('POST', 'api/v1/power', json.dumps({'console': story['id'], 'action': 'reboot', 'domid': domid}),
                        Content_Type='application/json')

    node = f'/local/domain/{story["domid"]}/control'
    assert dom0.run(f'xenstore-read {node}/feature-reboot').stdout == '1\n'
    states, begin = len(viewer.states), len(viewer.output)
    answer = ask(story['domid'])
    assert (answer.status, answer.json) == (200, {'action': 'reboot', 'domid': story['domid']}), answer.body
    viewer.wait_for_state('waiting', states)
    up = viewer.wait_for_state('up', states)
    assert up['domid'] == domid_of_web1(dom0) > story['domid']
    viewer.wait_for(LOGIN, viewer.wait_for(FIRST_LINE, begin))
    # Once: who asks again means a domain that has gone.
    assert ask(story['domid']).json['code'] == 'guest-changed'
    story['domid'] = up['domid']
    viewer.type('root\n')
    viewer.wait_for(PROMPT, len(viewer.output))


class XlConsole:
    """`xl console web1` in dom0. -tt: it types only what comes from a terminal."""

    def __init__(self, dom0):
        self.process = subprocess.Popen(dom0.ssh_command() + ['-tt', 'exec timeout --foreground 60 xl console web1'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def type_and_read_until(self, text, pattern):
        """The 60 s of the command end this read, too."""
        self.process.stdin.write(text)
        self.process.stdin.flush()
        seen = b''
        while not re.search(pattern, seen):
            piece = self.process.stdout.read1(4096)
            assert piece, f'xl console has ended after {seen!r}'
            seen += piece

    def end(self):
        self.process.stdin.write(DETACH)
        self.process.stdin.flush()
        status = self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()
        return status


def test_xl_console_is_locked_out(dom0):
    refused = dom0.run('xl console web1 < /dev/null', check=False)
    assert refused.returncode == 11
    assert 'Could not lock' in refused.stderr


def test_released_to_xl_console_and_held_again(dom0, viewer, story):
    states = len(viewer.states)
    admin(dom0, 'release', story)
    viewer.wait_for_state('released', states)
    answer = viewer.call('POST', f'api/v1/input?seq={viewer.seq + 1}', 'x', Content_Type='application/octet-stream')
    assert (answer.status, answer.json['code']) == (409, 'not-up')

    xl = XlConsole(dom0)
    xl.type_and_read_until(b'echo by-$((6 * 7))\n', rb'by-42\r\n')
    assert xl.end() == 0
    assert viewer.states[-1]['state'] == 'released'
    assert not viewer.poll(wait=2)                      # not taken back by itself
    admin(dom0, 'hold', story)
    viewer.wait_for_state('up', states + 1)
    viewer.ask('echo again-$((6 * 7))', rb'again-42\r\n')


def test_held_again_as_soon_as_xl_console_ends(dom0, viewer, story):
    states = len(viewer.states)
    admin(dom0, 'release', story)
    viewer.wait_for_state('released', states)
    xl = XlConsole(dom0)
    xl.type_and_read_until(b'echo by-$((6 * 7))\n', rb'by-42\r\n')
    admin(dom0, 'hold', story)
    busy = viewer.wait_for_state('busy', states)
    assert re.fullmatch(r'xenconsole \(pid \d+\)', busy['holder'])
    assert xl.end() == 0
    viewer.wait_for_state('up', states + 1)
    viewer.ask('echo again-$((6 * 7))', rb'again-42\r\n')


def test_name_means_the_guest_that_has_it_now(dom0, web, viewer):
    """Without uuid= in its file, a guest that is made anew is another one, though the old one has just been there."""
    old = uuid_of_web1(dom0)
    dom0.run('xl destroy web1')
    dom0.run('xl create -q /etc/xen/web1.cfg')
    new = uuid_of_web1(dom0)
    assert new != old
    domid = domid_of_web1(dom0)
    dom0.wait_for('the new one', lambda: (c := web.console(domid)) and c['state'] == 'up')
    session = web.open('web1')
    assert session.console == f'{new}/pv0'
    session.wait_for(LOGIN)
    assert re.match(FIRST_LINE, session.output)


def test_logger_and_its_hook(dom0):
    """The logger with its AppArmor profile, and a command of a hook, which cannot have more."""
    conf = '/etc/xenterm/conf.d/logged.conf'
    told = '/var/log/xenterm/consoles/told'
    dom0.run(f"""mkdir -p /etc/xenterm/conf.d; cat > {conf} <<'END'
log "*" {{ text = true }}
hook "tell" {{
    lines = {{"^told-[0-9]+$"}}
    command = {{"/bin/sh", "-c", "cat >> {told}; cat /etc/xenterm-test/start >> {told}"}}
}}
END
pkill -HUP -x xenterm-fcgi
setsid xenterm-logger -f < /dev/null >> /var/log/xenterm/logger.log 2>&1 &""")
    try:
        pid = dom0.wait_for('the logger', 'pgrep -x xenterm-logger').strip()
        dom0.wait_for('its connection', 'curl -s --unix-socket /run/xenterm/admin.sock http://localhost/metrics '
                                        "| grep -qx 'xenterm_logger_connected 1'")
        assert dom0.run(f'cat /proc/{pid}/attr/current').stdout.strip('\0\n') == 'xenterm-logger (enforce)'
        dom0.run("printf 'root\r' | xenterm send web1")
        dom0.run("printf 'echo told-$((6 * 7))\r' | xenterm send web1")
        dom0.wait_for('the line', "grep -q 'told-42$' /var/log/xenterm/consoles/by-name/web1/console.log")
        dom0.wait_for('what the hook was told', f"grep -q '\"line\":\"told-42\"' {told}")
        missed = [line for line in dom0.run('dmesg').stdout.splitlines()
                  if 'apparmor="DENIED"' in line and 'xenterm-test' not in line]
        assert not missed
        # A file that is no business of either.
        assert 'supervise' not in dom0.run(f'cat {told}').stdout
        dom0.wait_for('the denial', "dmesg | grep -q 'DENIED.*profile=\"xenterm-logger\" name=\"/etc/xenterm-test/start'")
    finally:
        dom0.run(f'pkill -x xenterm-logger; rm -f {conf}; dmesg -c')


def test_nothing_amiss_in_the_logs(dom0):
    for program in 'broker', 'worker':
        said = dom0.run(f'cat /var/log/xenterm/{program}.log').stdout
        print(said)
        # What the audit tells of is somebody's doing, not a fault.
        amiss = re.compile(r'refused|fatal|assert|Sanitizer')
        assert not [line for line in said.splitlines() if ': audit: ' not in line and amiss.search(line)]
