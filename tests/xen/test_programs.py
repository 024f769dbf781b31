"""For programs: a fresh guest from its boot to a configured network through the console alone, by the command and by
curl in dom0; and what the command says of a real host."""
import json
import pathlib
import re

import pytest

STORY = True

TEXT = (pathlib.Path(__file__).resolve().parents[2] / 'docs/automation.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```$', TEXT, re.M | re.S)


def block(kind, mark):
    """The one block of docs/automation.md of this kind that has the mark; these guests have no eth0."""
    found, = [text for k, text in BLOCKS if k == kind and mark in text]
    return found.replace('eth0', 'lo')


@pytest.fixture(scope='module')
def two(guests):
    """Each is held from its first byte on."""
    made = guests('prog1', 'prog2')
    for guest in made:
        guest.wait_up()
    return made


@pytest.mark.parametrize('which, mark', [(0, '--from begin'), (1, 'ring.begin')])
def test_from_boot_to_a_network(dom0, two, which, mark):
    """As docs/automation.md has it, by the command and by curl."""
    guest = two[which]
    console, = [c for c in json.loads(dom0.run('xenterm list --json').stdout)['consoles'] if c['name'] == guest.name]
    assert console['held'] and console['ring']['begin'] == 0
    dom0.write('/root/network.json', block('json', '"boot"'))
    script = block('sh', mark).replace('web1', guest.name)
    # No jq in there: what it would take out is looked at here.
    lines = [line for line in script.splitlines() if not line.startswith('jq ')]
    script = '\n'.join(lines).replace(
        """jq -r '.consoles[] | select(.name == "%s") | "\\(.ring.run).\\(.ring.begin)"'""" % guest.name,
        f"cat >/dev/null; echo {console['ring']['run']}.0")
    assert 'jq' not in script
    dom0.run(f'cd /root\n{script}', timeout=200)
    answer = json.loads(dom0.run('cat /root/answer.json').stdout)
    assert answer['result'] == 'done', answer
    assert answer['steps'][-1]['groups'] == ['192.0.2.7/24']
    # xenconsoled has seen the same.
    assert b'192.0.2.7/24' in guest.log()


def test_the_command(dom0, two):
    name = two[0].name
    said = dom0.run(f"""xenterm expect {name} -s "$(printf 'ip addr show lo\\r')" -u '192\\.0\\.2\\.7/24' -t 20""")
    assert '192.0.2.7/24' in said.stdout
    dom0.run(f'xenterm send -e {name} echo the end')
    dom0.wait_for('the echo', f"xenterm history {name} | grep -qx 'the end'")
    assert 'the end' in dom0.run(f'xenterm screen {name}').stdout
    assert dom0.run('xenterm screen nobody', check=False).returncode == 4


def test_doctor_finds_all_well(dom0, two):
    said = dom0.run('xenterm doctor', check=False)
    assert said.returncode == 0, said.stdout
    parts = {line.split()[1]: line.split()[0] for line in said.stdout.splitlines()}
    assert set(parts) == {'config', 'xenstore', 'worker', 'broker', 'consoles', 'fcgi.sock', 'nginx'}
    assert set(parts.values()) == {'ok'}
