"""For programs: a fresh guest from its boot to a configured network through the console alone, by the command and by
curl in dom0; and what the command says of a real host."""
import json

import pytest

STORY = True

# busybox' shell asks for the cursor behind its prompt (guest.py), so that is not the end of what has come.
STEPS = r'''{"steps": [
  {"name": "wake", "until": [{"match": "login: $", "then": "user"}], "timeout": 90},
  {"name": "user", "send": "root\r", "until": "/root # ", "timeout": 30},
  {"send": "ip link set lo up && ip addr add 192.0.2.7/32 dev lo\r", "until": "/root # "},
  {"send": "ping -c 1 -W 5 192.0.2.7; echo \"<$?>\"\r", "until": "<(\\d+)>\\r?\\n", "timeout": 30}
]}'''

CURL = ("curl -sS --unix-socket /run/xenterm/admin.sock -H 'Content-Type: application/json' "
        "--data-binary @/root/steps.json")


@pytest.fixture(scope='module')
def two(guests):
    """Each is held from its first byte on."""
    made = guests('prog1', 'prog2')
    for guest in made:
        guest.wait_up()
    return made


def run_of(dom0, name):
    consoles = json.loads(dom0.run('xenterm list --json').stdout)['consoles']
    console, = [c for c in consoles if c['name'] == name]
    assert console['held'] and console['ring']['begin'] == 0
    return console['ring']['run']


def test_from_boot_to_a_network(dom0, two):
    json.loads(STEPS)
    dom0.write('/root/steps.json', STEPS)
    for guest in two:
        run = run_of(dom0, guest.name)
        done = dom0.run(f"{CURL} 'http://localhost/expect?console={guest.name}&from={run}.0'", timeout=200)
        answer = json.loads(done.stdout)
        assert answer['result'] == 'done', answer
        last = answer['steps'][-1]
        assert last['groups'] == ['0'] and '1 packets received' in last['before']
        # xenconsoled has seen the same.
        assert b'1 packets received' in guest.log()


def test_the_command(dom0, two):
    name = two[0].name
    said = dom0.run(f"""xenterm expect {name} -s "$(printf 'ip addr show lo\\r')" -u '192\\.0\\.2\\.7/32' -t 20""")
    assert '192.0.2.7/32' in said.stdout
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
