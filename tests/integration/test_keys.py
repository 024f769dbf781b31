"""Keys that are more than bytes: Ctrl-O, which Linux' hvc0 takes for SysRq,
reaches the kernel when it is asked for, and only then."""

import pytest

CTRL_O = b"\x0f"
HELP = b"sysrq: HELP"


@pytest.fixture
def session(site, guest):
    """At a guest that says back what its kernel leaves to programs."""
    return site.session(guest("--echo"))


def test_sysrq_reaches_the_kernel(session):
    assert session.press(key="sysrq", arg="h").json() == \
        {"seq": 1, "typed": True}
    session.read_until(HELP)
    session.type(b"end")
    session.read_until(b"end")
    assert CTRL_O not in session.output


def test_a_typed_ctrl_o_reaches_the_program(session):
    for typed in (CTRL_O + b"h", CTRL_O, b"h", CTRL_O + CTRL_O, b"b",
                  CTRL_O * 3 + b"c"):
        session.type(typed)
    session.type(b"end")
    assert session.read_until(b"end") == \
        CTRL_O + b"h" + CTRL_O + b"h" + CTRL_O * 2 + b"b" + CTRL_O * 3 + b"cend"


def test_the_key_ctrl_o_is_a_literal_one(session):
    assert session.press(key="ctrl-o").status == 200
    session.type(b"hend")
    assert session.read_until(b"end") == CTRL_O + b"hend"


def test_a_paste_full_of_ctrl_o_arrives_whole(session):
    data = (CTRL_O * 3 + b"hb" + CTRL_O) * 2730
    assert session.type(data).status == 200
    session.wait(lambda: session.end >= len(data), "the paste")
    assert bytes(session.output) == data


def test_what_does_not_fit_twice_is_refused_whole(site, guest):
    """A body is measured as it goes to the guest."""
    session = site.session(guest("--deaf"))
    while session.type(b"x" * 16384).status == 200:
        assert session.seq < 64
    while session.type(b"x" * 512).status == 200:
        pass
    seq = session.seq
    session.type(CTRL_O * 512).problem(503, "queue-full")
    session.type(CTRL_O * 300).problem(503, "queue-full")
    assert session.current().json()["seq"] == seq


def test_keys_and_input_have_one_count(session):
    session.type(b"a")
    assert session.press(key="sysrq", arg="h").json()["seq"] == 2
    session.type(b"b")
    assert session.read_until(b"b").count(HELP) == 1
    problem = session.press(seq=5, key="ctrl-o").problem(409, "seq-gap")
    assert problem["expected"] == 4
    # An older one: nobody knows any more what it was.
    session.press(seq=2, key="sysrq", arg="h").problem(409, "seq-gap")


def test_a_repeated_number_presses_nothing_again(session):
    assert session.press(key="sysrq", arg="h").json()["typed"] is True
    for again in ({"key": "sysrq", "arg": "h"}, {"key": "ctrl-o"},
                  {"key": "sysrq", "arg": "b"}):
        assert session.press(seq=1, **again).json() == \
            {"seq": 1, "typed": False}
    assert session.type(b"no", seq=1).json()["typed"] is False
    session.type(b"end")
    assert session.read_until(b"end").count(HELP) == 1
    assert session.output.endswith(b")\r\nend")


def test_a_lost_answer_is_asked_for_again(session):
    for n in range(1, 11):
        headers = [("Xenterm-Token", session.token),
                   ("Content-Type", "application/json")]
        session.typist.send("POST", f"api/v1/keys?seq={n}",
                            b'{"key":"ctrl-o"}', headers)
        session.typist.close()
        assert session.press(seq=n, key="ctrl-o").status == 200
    session.type(b"end")
    assert session.read_until(b"end") == CTRL_O * 10 + b"end"


def test_sysrq_restarts_the_guest(site, guest):
    name = guest("--echo")
    session = site.session(name)
    domid = session.last("state")["domid"] if session.poll() else None
    session.press(key="sysrq", arg="b")
    session.read_until(b"sysrq: Resetting")
    session.wait(lambda: session.state == "up"
                 and session.last("state")["domid"] != domid, "the next life")


def test_a_watching_session_presses_nothing(site, guest):
    watcher = site.session(guest("--echo"), "watch")
    watcher.press(key="sysrq", arg="h").problem(403, "read-only")
    watcher.press(key="ctrl-o").problem(403, "read-only")


def test_no_console_has_a_break(session):
    session.press(key="break").problem(409, "no-such-key")
    assert session.press(key="ctrl-o").json()["seq"] == 1


def test_a_console_that_is_not_up(site, guest):
    name = guest("--deaf")
    session = site.session(name)
    site.host.destroy(name)
    session.wait_state("waiting")
    session.press(key="sysrq", arg="h").problem(409, "not-up")
    session.press(key="ctrl-o").problem(409, "not-up")
    assert session.current().json()["seq"] == 0


def test_a_guest_whose_ctrl_o_is_plain(own_site):
    """No guard, and no SysRq: what is typed is what arrives."""
    site = own_site(conf='keys "bsd*" { ctrl_o = plain }\n'
                         'keys "bsd-linux*" { ctrl_o = sysrq }\n')
    plain = site.session(site.guest("--echo", name="bsd1"))
    plain.type(CTRL_O * 2 + b"end")     # the stand-in's kernel is Linux'
    assert plain.read_until(b"end") == CTRL_O + b"end"
    plain.press(key="sysrq", arg="b").problem(409, "no-such-key")
    for _ in range(2):
        assert plain.press(key="ctrl-o").status == 200
    plain.type(b"end2")
    plain.read_until(b"end2")
    assert plain.output == CTRL_O + b"end" + CTRL_O + b"end2"

    linux = site.session(site.guest("--echo", name="bsd-linux1"))
    linux.type(CTRL_O + b"hend")
    assert linux.read_until(b"end") == CTRL_O + b"hend"
    linux.press(key="sysrq", arg="h")
    linux.read_until(HELP)


def test_a_serial_port_has_no_sysrq(site, guest):
    session = site.session(guest("--echo", hvm_serial=True))
    session.type(CTRL_O + b"hend")
    assert session.read_until(b"end") == CTRL_O + b"hend"
    session.press(key="ctrl-o")
    session.press(key="sysrq", arg="h").problem(409, "no-such-key")
    session.type(b"END")
    assert session.read_until(b"END").endswith(CTRL_O + b"END")
