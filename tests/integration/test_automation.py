"""docs/automation.md: its examples do what it says, as they stand there."""

import json
import os
import re
import subprocess

import pytest

import whole_site
from standin import wait_for
from whole_site import BUILD

TEXT = (whole_site.TOP / "docs/automation.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S)

# As getty, login and a shell.
# A stand-in guest may not set up a network; tests/xen has one that may.
GUEST = ("/bin/sh", "-c", """
cat >/tmp/tools <<'END'
ip() { case "$*" in *"addr add"*) address=$3;;
       *"addr show"*) echo "    inet $address scope global lo";; esac; }
END
while printf 'web1 login: ' && read -r user; do
    [ -n "$user" ] || continue
    printf 'Password: '; stty -echo; read -r password; stty echo; echo
    if [ "$user:$password" = root:secret ]; then ENV=/tmp/tools PS1='# ' sh -i
    else echo 'Login incorrect'; fi
done""")


def block(kind, mark):
    """The one block of this kind that has the mark."""
    found, = [text for k, text in BLOCKS if k == kind and mark in text]
    return found


@pytest.fixture
def run(own_site, tmp_path):
    """run(script): in a folder with steps.json; its status and output. The
    socket's path is the site's."""
    site = own_site(conf='hold "web*" { mode = always }')
    site.guest(*GUEST, name="web1", prefix="")
    folder = site.admin_socket.parent
    (folder / "steps.json").write_text(block("json", '"wake"'))
    # A namespace of its own has no eth0.
    (folder / "network.json").write_text(
        block("json", '"boot"').replace("eth0", "lo"))

    def start(script):
        script = script.replace("/run/xenterm/admin.sock", "admin.sock")
        tools = (f"xenterm() {{ {BUILD}/xenterm -S admin.sock \"$@\"; }}\n")
        done = subprocess.run(
            ["bash", "-c", tools + script], cwd=folder, text=True,
            capture_output=True, timeout=60, env=dict(os.environ))
        return done.returncode, done.stdout, done.stderr
    start.site = site
    return start


@pytest.mark.parametrize("mark", ("xenterm expect --json web1", "expect?console=web1' >"))
def test_log_in_run_and_read(run, mark):
    """Twice: the second time somebody is logged in already."""
    for _ in range(2):
        status, out, err = run(block("sh", mark))
        assert (status, out.strip(), err) == (3, "Linux", "")
    assert run("jq -r '.steps[0].match' answer.json")[1].strip() == "#"


def test_a_wrong_password_is_told(run):
    steps = run.site.admin_socket.parent / "steps.json"
    steps.write_text(steps.read_text().replace("secret", "public"))
    status, out, err = run("xenterm expect --json web1 -f steps.json")
    assert status == 5
    assert json.loads(out)["result"] == "fail"
    assert err.startswith("xenterm: step 2: ")


def test_one_command(run):
    assert run(block("sh", "xenterm expect --json web1"))[0] == 3
    status, out, err = run(block("sh", "id -un"))
    assert (status, err) == (0, "")
    assert re.fullmatch(r"id -un\n[a-z]+\n\n", out)


def test_from_the_first_byte(run):
    assert run(block("sh", "xenterm expect --json web1"))[0] == 3
    assert run(block("sh", "from=$run.0")) == (0, "done\n", "")


def test_on_the_screen(own_site):
    site = own_site()
    name = site.guest("--echo")
    steps = json.loads(block("json", '"on": "screen"'))
    # The guest echoes the keys; a menu would draw this.
    site.admin("POST", f"/send?console={name}",
               b"\x1b[2J\x1b[3;13Hthe network\x1b[3;3HConfigure\x1b[9;1H")
    wait_for(lambda: b"the network" in site.admin(
        "GET", f"/screen?console={name}").body)
    answer = site.admin("POST", f"/expect?console={name}", steps)
    assert answer.json()["result"] == "done"


@pytest.mark.parametrize("mark", ("--from begin", "ring.begin"))
def test_from_boot_to_a_network(run, mark):
    """Also when the guest has been waiting at its prompt for long."""
    site = run.site
    wait_for(lambda: b"login: " in site.admin(
        "GET", "/history?console=web1&format=raw").body)
    status, out, err = run(block("sh", mark))
    assert (status, out.strip(), err) == (0, "192.0.2.7/24", ""), run("cat answer.json")
    assert run("jq -r .result answer.json")[1].strip() == "done"
