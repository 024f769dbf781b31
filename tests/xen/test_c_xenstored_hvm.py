"""The other xenstored, in C, and the other kinds of guests: PVH and HVM, on an emulated AMD processor with SVM."""
import re

from guest import FIRST_LINE

HOST = {'xenstored': 'c', 'hvm': True}


def test_this_is_the_one_in_c(dom0):
    assert dom0.run('pgrep -x xenstored').stdout
    assert dom0.run('pgrep -x oxenstored', check=False).returncode == 1


def test_pv_guest_from_its_first_line_to_a_reboot(dom0, web, guests):
    guest, = guests('pv1')
    dom0.wait_for('its login prompt', f'grep -q "pv1 login: " {guest.log_path()}')
    viewer = guest.open()
    assert re.match(FIRST_LINE, viewer.history())
    assert viewer.history() == guest.log()
    guest.login()
    states, begin = len(viewer.states), len(viewer.output)
    viewer.type('reboot\n')
    viewer.wait_for_state('waiting', states)
    assert viewer.wait_for_state('up', states)['domid'] > guest.domid
    guest.learn()
    viewer.wait_for(rb'pv1 login: ', viewer.wait_for(FIRST_LINE, begin), seconds=60)
    states = len(viewer.states)
    guest.destroy()
    viewer.wait_for_state('waiting', states)
    dom0.wait_for('its nodes to go', f'! xenstore-read /local/domain/{guest.domid}/name')


def test_pvh_guest_has_a_pv_console(dom0, web, guests):
    guest, = guests('pvh1', config='pvh1')
    viewer = guest.open()
    guest.login()
    assert re.match(FIRST_LINE, viewer.output)
    assert guest.console()['kind'] == 'pv'
    assert dom0.run(f'xenstore-read /libxl/{guest.domid}/type').stdout == 'pvh\n'
    viewer.ask('uname -n', rb'uname -n\r\npvh1\r\n')
    begin = len(viewer.output)
    viewer.press(key='sysrq', arg='h')
    viewer.wait_for(rb'sysrq: HELP : ', begin)
    guest.destroy()


def test_hvm_guest_has_serial_0_first_and_a_pv_console(dom0, web, guests):
    """Its serial port is a real qemu's: nothing is kept of what it prints while nobody has it open."""
    guest, = guests('hvm1', config='hvm1')
    qemu = dom0.run(f'xenstore-read /local/domain/{guest.domid}/image/device-model-pid').stdout.strip()
    assert 'qemu' in dom0.run(f'cat /proc/{qemu}/comm').stdout
    guest.id = guest.id.replace('/pv0', '/serial0')
    guest.wait_up()
    entries = {c['name']: c for c in web.consoles() if c['domid'] == guest.domid}
    assert {name: c['kind'] for name, c in entries.items()} == {'hvm1': 'serial', 'hvm1/pv0': 'pv'}
    viewer = web.open('hvm1')
    assert viewer.console == guest.id
    viewer.wait_for(rb'hvm guest on serial 0\r\n')
    typed = bytes(range(256)) * 2
    begin = len(viewer.output)
    viewer.type(typed)
    viewer.wait('the echo', lambda: len(viewer.output) >= begin + len(typed))
    assert viewer.output[begin:] == typed           # Ctrl-O, too: only hvc0 takes it for SysRq
    for key in {'key': 'sysrq', 'arg': 'h'}, {'key': 'break'}:
        refused = viewer.press(**key)
        assert (refused.status, refused.json['code']) == (409, 'no-such-key')
    assert viewer.press(key='ctrl-o').status == 200
    viewer.wait('it', lambda: viewer.output.endswith(b'\x0f'))

    states = len(viewer.states)
    dom0.run('xl destroy hvm1')
    viewer.wait_for_state('waiting', states)
    refused = viewer.call('POST', f'api/v1/input?seq={viewer.seq + 1}', 'x', Content_Type='application/octet-stream')
    assert (refused.status, refused.json['code']) == (409, 'not-up')
