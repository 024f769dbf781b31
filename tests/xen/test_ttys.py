"""Hangups and numbers: nobody ever sees another guest's bytes.

Every guest prints lines with its name. A pts number goes to the next guest at once, and between guests when
xenconsoled is started anew.
"""
import re
import subprocess

import pytest

from dom0 import quote
from guest import FIRST_LINE, PROMPT

STORY = True

XENCONSOLED = ('/usr/lib/xen-4.17/bin/xenconsoled --pid-file /run/xenconsoled.pid '
               '--log=guest --log-dir=/var/log/xen/console')
NAMES = (b'red1', b'blue1', b'green1')


def stop_xenconsoled(dom0):
    dom0.run('pid=$(cat /run/xenconsoled.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done')


def start_xenconsoled(dom0):
    dom0.run(f'{XENCONSOLED} < /dev/null > /dev/null 2>&1')


def only_of(name, output):
    """Nothing in this output is another guest's."""
    others = [n for n in NAMES if n != name.encode() and n in output]
    assert not others, f'{name} has bytes of {others}'


class Occupied:
    """The pts numbers below one are held by somebody else in dom0, so that it is the next to be given out."""

    def __init__(self, dom0, tty):
        number = int(tty.removeprefix('/dev/pts/'))
        script = ('import os, pty, sys\n'
                  f'while (pair := pty.openpty()) and int(os.ttyname(pair[1])[9:]) < {number}: pass\n'
                  'for fd in pair: os.close(fd)\n'
                  'print("ready"); sys.stdin.read()')
        self.process = subprocess.Popen(dom0.ssh_command() + [f'exec python3 -uc {quote(script)}'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'ready\n'

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope='module')
def pair(dom0, guests):
    """Two guests; the one with the lower domid has the higher number."""
    occupied = Occupied(dom0, '/dev/pts/1')
    try:
        red, = guests('red1')
        red.wait_up()
    finally:
        occupied.end()
    blue, = guests('blue1')
    blue.wait_up()
    assert (red.tty(), blue.tty()) == ('/dev/pts/1', '/dev/pts/0')
    red.login()
    blue.login()
    return red, blue


def test_numbers_swapped_by_a_restart_of_xenconsoled(dom0, web, pair):
    """While the broker and its keeper are away, too, so that no descriptor keeps the old numbers reserved."""
    red, blue = before = pair
    old = {g.name: g.tty() for g in before}
    dom0.run('kill -STOP $(pgrep -f "[s]upervise keeper");'
             'kill -9 $(pgrep -x xenterm-keeper) $(pgrep -x xenterm-broker)')
    try:
        stop_xenconsoled(dom0)
        # The worker reads to the end, and closes: then nobody has the old ones open
        dom0.wait_for('the old ttys to go', 'test -z "$(ls /dev/pts | grep -v ptmx)"'
                      ' && ! ls -l /proc/$(pgrep -x xenterm-fcgi)/fd | grep -q /dev/pts/')
        start_xenconsoled(dom0)
    finally:
        dom0.run('kill -CONT $(pgrep -f "[s]upervise keeper")')
    for guest in pair:
        dom0.wait_for('its new tty', lambda guest=guest: guest.tty())
    assert (red.tty(), blue.tty()) == (old['blue1'], old['red1'])
    for guest in pair:
        dom0.wait_for('the broker to hold it', lambda guest=guest: f'holds {guest.tty()} of domain {guest.domid}' in
                      dom0.run('tail -n 20 /var/log/xenterm/broker.log').stdout)
        guest.wait_up()
    for guest in pair:
        viewer = guest.viewer
        viewer.ask(f'echo {guest.name} is""here', rf'\r\n{guest.name} ishere\r\n'.encode())
        only_of(guest.name, viewer.output)
        for earlier in viewer.earlier:
            only_of(guest.name, earlier)
        only_of(guest.name, web.open(guest.id, 'watch').history())


def test_xenconsoled_restarted_under_output(dom0, pair):
    """The sessions go on. What the dying tty still held may be lost, in one piece; nothing comes twice."""
    runs, begins, sizes, states = [], [], [], [len(g.viewer.states) for g in pair]
    for guest in pair:
        guest.viewer.drain()
        runs.append(guest.viewer.run)
        sizes.append(guest.log_size())
        begins.append(guest.count(6000))
        guest.viewer.wait_for(rf'{guest.name} line 50\r\n'.encode(), begins[-1])
    stop_xenconsoled(dom0)
    for guest, seen in zip(pair, states):
        guest.viewer.wait_for_state('waiting', seen)
    start_xenconsoled(dom0)
    for guest, seen, run, begin, size in zip(pair, states, runs, begins, sizes):
        viewer = guest.viewer
        viewer.wait_for_state('up', seen)
        viewer.wait_for(rf'{guest.name} line 6000\r\ndone\r\n'.encode(), begin, seconds=60)
        viewer.drain()
        assert viewer.run == run, 'the history was broken off'
        only_of(guest.name, viewer.output)
        printed, recorded = viewer.output[begin:], guest.log(size)
        lost = one_gap(printed, recorded)
        print(f'{guest.name}: {lost} of {len(recorded)} bytes went with the old tty')
        assert lost <= 16 * 1024
        guest.viewer.ask('echo go""es on', rb'\r\ngoes on\r\n')


def one_gap(part, whole):
    """How many bytes of the whole are not in the part, which lacks one stretch of it at most."""
    head = common(part, whole)
    tail = common(part[::-1], whole[::-1])
    assert head + tail >= len(part), f'neither whole nor with one gap: {part[head - 80:head + 200]!r}'
    return len(whole) - len(part)


def common(a, b):
    """The length of what both begin with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[:middle] == b[:middle] else (low, middle - 1)
    return low


def test_released_number_goes_to_another_guest(dom0, web, pair):
    """One console is released when xenconsoled starts anew: its number is free, and the other's new tty has it."""
    red, blue = pair
    # blue's is released; red has the lower domid, so xenconsoled makes red's tty first
    admin(dom0, 'release', blue)
    number, states = blue.tty(), len(red.viewer.states)
    stop_xenconsoled(dom0)
    red.viewer.wait_for_state('waiting', states)
    occupied = Occupied(dom0, number)
    try:
        start_xenconsoled(dom0)
        red.viewer.wait_for_state('up', states)
    finally:
        occupied.end()
    assert red.tty() == number
    red.viewer.ask('echo red1 is""here', rb'\r\nred1 ishere\r\n')
    states = len(blue.viewer.states)
    assert blue.console()['state'] == 'released'
    admin(dom0, 'hold', blue)
    blue.viewer.wait_for_state('up', states)
    blue.viewer.ask('echo blue1 is""here', rb'\r\nblue1 ishere\r\n')
    for guest in pair:
        only_of(guest.name, guest.viewer.output)
        only_of(guest.name, web.open(guest.id, 'watch').history())


def admin(dom0, verb, guest):
    dom0.run('curl --silent --fail --request POST --unix-socket /run/xenterm/admin.sock '
             f'"http://localhost/{verb}?console={guest.id}"')


def test_number_goes_to_the_next_guest_at_once(dom0, web, pair, guests):
    red, _ = pair
    number, states = red.tty(), len(red.viewer.states)
    red.destroy()
    red.viewer.wait_for_state('waiting', states)
    red.viewer.drain()
    seen = red.viewer.output
    occupied = Occupied(dom0, number)
    try:
        green, = guests('green1')
        green.wait_up()
    finally:
        occupied.end()
    assert green.tty() == number, 'somebody keeps the number: nothing is shown by this'
    green.open()
    green.viewer.wait_for(rb'green1 login: ')
    assert re.match(FIRST_LINE, green.viewer.output)
    only_of('green1', green.viewer.output)
    red.viewer.drain()
    assert red.viewer.output == seen
    typed = red.viewer.call('POST', f'api/v1/input?seq={red.viewer.seq + 1}', 'root\n',
                            Content_Type='application/octet-stream')
    assert (typed.status, typed.json['code']) == (409, 'not-up')
    assert web.open(red.id, 'watch').history() == seen
    green.login()


class Traced:
    """The worker's reads of one tty, by strace in dom0. `*options` of strace choose what more is done to them."""

    def __init__(self, dom0, tty, *options):
        self.dom0, self.tty = dom0, tty
        pid = dom0.run('cat /run/xenterm-test/worker.pid').stdout.strip()
        self.process = subprocess.Popen(
            dom0.ssh_command() + [f'exec strace -f -y -qq -e signal=none -e trace=read {" ".join(options)} -p {pid}'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        dom0.wait_for('strace', f'grep -q "^TracerPid:.[1-9]" /proc/{pid}/status')

    def end(self):
        self.dom0.run('kill $(pgrep -x strace)')
        said = self.process.communicate(timeout=30)[1]
        # When it has hung up, its name has gone: "</dev/pts/0 (deleted)>"
        return re.findall(rf'read\(\d+<{self.tty}\b[^>]*>.*\) = (-?\d+)(?: (E\w+))?', said)


def test_hangup_seen_as_end_of_file_or_eio(dom0, pair):
    """Which of the two it is, is luck: a guest reboots, and strace tells what the worker's last read was."""
    _, blue = pair
    follow_reboot(dom0, blue, Traced(dom0, blue.tty()), ('0', ''), ('-1', 'EIO'))


def test_hangup_as_eio_while_writes_are_still_accepted(dom0, pair):
    """The rare form, made certain: the read fails, and the tty is not hung up yet when the worker closes it."""
    _, blue = pair
    tty = blue.tty()
    follow_reboot(dom0, blue, Traced(dom0, tty, '-P', tty, '-e inject=read:error=EIO:when=1+'), ('-1', 'EIO'))


def follow_reboot(dom0, guest, traced, *forms):
    viewer = guest.viewer
    viewer.drain()
    states, begin = len(viewer.states), len(viewer.output)
    try:
        viewer.type('reboot\n')
        viewer.wait_for_state('waiting', states)
    finally:
        reads = traced.end()
    ends = [read for read in reads if read != ('-1', 'EAGAIN') and int(read[0]) <= 0]
    print(f'{guest.name}: {len(reads)} reads, the end as {ends}')
    assert len(ends) == 1 and ends[0] in forms
    up = viewer.wait_for_state('up', states, seconds=60)
    assert up['domid'] > guest.domid
    guest.learn()
    first = viewer.wait_for(FIRST_LINE, begin)
    viewer.wait_for(rf'{guest.name} login: '.encode(), first, seconds=60)
    only_of(guest.name, viewer.output)
    viewer.type('root\n')
    viewer.wait_for(PROMPT, len(viewer.output))
