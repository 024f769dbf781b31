"""At one guest: a full-screen program and its size, Ctrl-O and SysRq, another name, a pause, a panic."""
import re

import pytest

from guest import PROMPT

STORY = True

CTRL_O = '\x0f'
CTRL_X = '\x18'
CTRL_C = '\x03'


@pytest.fixture(scope='module')
def guest(guests):
    guest, = guests('edit1')
    guest.login()
    return guest


@pytest.fixture
def viewer(guest):
    """At the shell's prompt, with all that was printed taken."""
    guest.viewer.drain()
    return guest.viewer


def test_full_screen_program_has_the_size_that_was_told(viewer):
    """nano draws its help on the last two lines, wherever they are; it is left and the shell goes on."""
    for rows, cols in (40, 100), (24, 80):
        viewer.drain()
        begin = len(viewer.output)
        viewer.resize(rows, cols, tell_guest=True)
        viewer.wait_for(rb'stty rows %d cols %d\r\n' % (rows, cols), begin)
        viewer.ask('stty size', rb'\r\n%d %d\r\n' % (rows, cols))

        begin = viewer.ask('nano /tmp/note', rb'GNU nano')
        viewer.wait_for(rb'\^X', begin)
        viewer.drain()
        assert last_row(viewer.output[begin:]) == rows
        left = len(viewer.output)
        viewer.type(CTRL_X)
        viewer.wait_for(PROMPT, left)
    viewer.ask('echo back', rb'\r\nback\r\n')


def last_row(output):
    """The lowest row that the cursor came to since the screen was cleared, by the sequences of a vt100's terminfo."""
    row = lowest = 1
    for n, letter in re.findall(rb'\x1b\[(\d*)(?:;\d*)?([ABH])', output[output.index(b'\x1b[H\x1b[J'):]):
        n = int(n or 1)
        row = {b'A': row - n, b'B': row + n, b'H': n}[letter]
        lowest = max(lowest, row)
    return lowest


def test_ctrl_o_saves_in_the_editor_and_is_no_sysrq(viewer):
    """nano writes the file with Ctrl-O; unguarded the guest's kernel takes it, and the key after it."""
    begin = viewer.ask('nano /tmp/note', rb'\^X')
    viewer.type('kept')
    viewer.wait_for(rb'kept', begin)
    viewer.type(CTRL_O)
    viewer.wait_for(rb'Write: .*/tmp/note', begin)
    viewer.type('\r')
    viewer.wait_for(rb'Wrote 1 line', begin)
    left = len(viewer.output)
    viewer.type(CTRL_X)
    viewer.wait_for(PROMPT, left)
    viewer.ask('cat /tmp/note', rb'\r\nkept\r\n')
    assert b'sysrq' not in viewer.output[begin:].lower()


def test_typed_ctrl_o_reaches_the_program_with_the_key_after_it(viewer):
    begin = viewer.ask('cat -v', rb'cat -v\r\n')
    viewer.type(CTRL_O + 'h' + CTRL_O + CTRL_O)
    viewer.type('b' + CTRL_O)               # apart: the kernel would wait for its key
    viewer.type('s\n')
    viewer.wait_for(rb'\^Oh\^O\^Ob\^Os\r\n\^Oh\^O\^Ob\^Os\r\n', begin)
    assert viewer.press(key='ctrl-o').json['typed'] is True
    viewer.type('h\n')
    viewer.wait_for(rb'\^Oh\r\n\^Oh\r\n', begin)
    viewer.type(CTRL_C)
    viewer.wait_for(PROMPT, begin)
    assert b'sysrq' not in viewer.output[begin:].lower()


def test_sysrq_when_it_is_asked_for(viewer):
    begin = len(viewer.output)
    assert viewer.press(key='sysrq', arg='h').json['typed'] is True
    viewer.wait_for(rb'sysrq: HELP : ', begin)
    again = viewer.call('POST', f'api/v1/keys?seq={viewer.seq}', '{"key":"sysrq","arg":"h"}',
                        Content_Type='application/json')
    assert again.json == {'seq': viewer.seq, 'typed': False}
    viewer.press(key='sysrq', arg='s')
    viewer.wait_for(rb'sysrq: Emergency Sync', begin)
    viewer.drain()
    assert viewer.output.count(b'sysrq: HELP', begin) == 1
    viewer.ask('echo still here', rb'\r\nstill here\r\n')


def test_no_break_on_a_pv_console(viewer):
    refused = viewer.press(key='break')
    assert (refused.status, refused.json['code']) == (409, 'no-such-key')


def test_rename_is_told_and_changes_nothing_else(dom0, web, guest, viewer):
    old, states = guest.name, len(viewer.states)
    viewer.type('i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "across $i"; sleep 0.1; done; echo al""l\n')
    begin = len(viewer.output)
    viewer.wait_for(rb'across 3\r\n', begin)
    dom0.run(f'xl rename {old} plain1')
    guest.name = 'plain1'
    told = viewer.wait('the name', lambda: next((s for s in viewer.states[states:] if s['name'] == 'plain1'), None))
    assert told == {'type': 'state', 'state': 'up', 'domid': guest.domid, 'name': 'plain1'}
    viewer.wait_for(rb'\r\nall\r\n', begin)
    assert {s['state'] for s in viewer.states[states:]} == {'up'}
    printed = viewer.output[begin:]
    assert re.findall(rb'across (\d+)\r\n', printed) == [b'%d' % n for n in range(1, 41)]
    assert web.open('plain1', 'watch').console == guest.id
    gone = web.call('POST', 'api/v1/sessions', f'{{"console":"{old}","mode":"watch"}}', Content_Type='application/json')
    assert (gone.status, gone.json['code']) == (404, 'no-such-console')


def test_old_name_means_who_has_it_now(dom0, web, guest):
    other = type(guest)(dom0, web, 'edit1')
    try:
        other.create()
        other.wait_up()
        assert other.id != guest.id
        assert web.open('edit1', 'watch').console == other.id
        assert web.open('plain1', 'watch').console == guest.id
    finally:
        other.destroy()


def test_ctrl_o_of_a_guest_that_takes_it_plainly(viewer):
    """keys "plain*" { ctrl_o = plain }: no guard, which a Linux guest notices, and no SysRq to ask for."""
    begin = len(viewer.output)
    viewer.type(CTRL_O + 'h')
    viewer.wait_for(rb'sysrq: HELP : ', begin)
    refused = viewer.press(key='sysrq', arg='h')
    assert (refused.status, refused.json['code']) == (409, 'no-such-key')


def test_paused_guest_is_silent_and_then_goes_on(dom0, guest, viewer):
    states, begin = len(viewer.states), len(viewer.output)
    dom0.run(f'xl pause {guest.name}')
    viewer.type('echo typed-$((6 * 7))\n')
    viewer.poll(wait=2)
    assert len(viewer.output) == begin
    assert guest.console()['state'] == 'up'
    dom0.run(f'xl unpause {guest.name}')
    viewer.wait_for(rb'\r\ntyped-42\r\n', begin)
    assert viewer.output.count(b'typed-42', begin) == 1
    assert viewer.states[states:] == []


def test_panic_is_readable_afterwards(dom0, web, guest, viewer):
    """By the viewer that was there, and by who comes when the guest has gone."""
    states, begin = len(viewer.states), len(viewer.output)
    viewer.type('echo c > /proc/sysrq-trigger\n')
    viewer.wait_for_state('waiting', states)
    viewer.drain()
    assert re.search(rb'sysrq: Trigger a crash\r\n', viewer.output[begin:])
    assert re.search(rb'Kernel panic - not syncing: sysrq triggered crash\r\n', viewer.output[begin:])
    assert re.search(rb'Call Trace:', viewer.output[begin:])
    dom0.wait_for('xl to clear it away', f'! xl domid {guest.name}')
    late = web.open(guest.id, 'watch')
    assert late.history() == viewer.output
    # Its last bytes may go with the tty; what came is what xenconsoled has seen.
    assert guest.log().endswith(viewer.output[-200:]) or viewer.output in guest.log()
