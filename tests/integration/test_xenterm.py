"""The command xenterm: every subcommand, and attach in a terminal."""

import json
import os
import re
import signal
import subprocess
import termios

import pytest

import whole_site
from standin import wait_for
from xenterm import PROGRAM, Terminal, command, xenterm

DONE, REFUSED, USAGE, UNREACHABLE, NO_CONSOLE, UNMET, ENDED = range(7)


def history(site, name):
    answer = site.admin("GET", f"/history?console={name}&format=raw")
    return answer.body if answer.status == 200 else b""


# --- For people and scripts ------------------------------------------------------

def test_list(site, guest):
    name = guest("--echo")
    lines = xenterm(site, "list").splitlines()
    assert lines[0].split() == ["STATE", "HELD", "DOMID", "VIEWERS", "NAME"]
    row = next(line for line in lines if line.split()[-1] == name)
    assert row.split()[:4] == ["up", "no", str(site.host.domid(name)), "0"]
    told = json.loads(xenterm(site, "--json", "list"))
    assert name in [c["name"] for c in told["consoles"]]


def test_send_screen_and_history(site, guest):
    name = guest("--echo")
    assert xenterm(site, "send", "-e", name, "one", "two") == ""
    wait_for(lambda: history(site, name) == b"one two\r")
    xenterm(site, "send", name, input="three\n")
    wait_for(lambda: history(site, name) == b"one two\rthree\n")
    assert xenterm(site, "screen", name).startswith("threewo")
    assert "<span" in xenterm(site, "screen", "-F", "html", "-n", 5, name) \
        or "three" in xenterm(site, "screen", "-F", "html", name)
    assert json.loads(xenterm(site, "screen", "--json", name))
    assert "three" in xenterm(site, "history", name)
    # Text mode of Python makes a line's end of the CR.
    assert xenterm(site, "history", "-F", "raw", name) == "one two\nthree\n"
    assert "three" in json.loads(xenterm(site, "history", "-j", name))["text"]
    xenterm(site, "send", name, "x" * 20000, status=USAGE)


def test_who_and_kick(site, guest):
    name = guest("--echo")
    viewer = site.session(name, "watch")
    session = viewer.made["session"]
    rows = [line.split() for line in xenterm(site, "who").splitlines()]
    assert [session, "watch", "admin", name] in rows
    assert session in xenterm(site, "who", "--json")
    assert xenterm(site, "kick", session) == ""
    viewer.request("GET", "api/v1/output").problem(401, "unknown-token")
    xenterm(site, "kick", session, status=NO_CONSOLE)


def test_hold_and_release(site, guest):
    name = guest("--echo")
    viewer = site.session(name, "watch")
    xenterm(site, "release", name)
    viewer.wait_state("released")
    xenterm(site, "send", name, "x", status=REFUSED)
    assert json.loads(xenterm(site, "hold", "-j", name)) == {}
    viewer.wait_state("up")


def test_expect(site, guest):
    name = guest("--echo")
    shown = xenterm(site, "expect", name, "-s", "abc def", "-u", "(d)ef")
    assert shown == "abc def\n"
    told = json.loads(xenterm(site, "expect", "-j", name, "-f", "-", input=(
        '{"steps": [{"send": "ghi", "until": ["x", "h"]}]}')))
    assert told["steps"][0]["pattern"] == 1
    xenterm(site, "expect", name, "-u", "never", "-t", "0.1", status=UNMET)
    xenterm(site, "expect", name, "-u", "(", status=REFUSED)
    xenterm(site, "expect", name, status=USAGE)


@pytest.mark.parametrize("args, status", (
    ((), USAGE), (("nothing",), USAGE), (("list", "more"), USAGE),
    (("attach",), USAGE), (("--what",), USAGE),
    (("attach", "nobody"), NO_CONSOLE), (("watch", "nobody"), NO_CONSOLE),
    (("screen", "nobody"), NO_CONSOLE), (("hold", "nobody"), NO_CONSOLE),
    (("screen", "-F", "a&b", "web1"), USAGE),
    (("screen", "-F", "pdf", "web1"), REFUSED),
    (("expect", "web1", "-f", "/nonexistent"), USAGE)))
def test_mistakes(site, args, status):
    assert xenterm(site, *args, status=status) == ""


def test_no_worker(own_site):
    site = own_site()
    site.guest("--echo", name="web1")
    site.end("worker")
    for args in (("list",), ("attach", "web1"), ("send", "web1", "x")):
        xenterm(site, *args, status=UNREACHABLE)


def test_usage_and_version(site):
    assert "attach CONSOLE" in xenterm(site, "--help")
    assert re.fullmatch(r"xenterm \d+\.\d+\.\d+\n", xenterm(site, "-V"))


# --- watch ------------------------------------------------------------------------

def test_watch_in_a_pipe_is_what_the_guest_prints(site, guest):
    name = guest("--echo")
    typist = site.session(name)
    for args, wanted in (((), "now\x1b[c"), (("--json",), '"type":"viewers"')):
        with subprocess.Popen(
                command(site, "watch", name, *args), text=True, bufsize=0,
                cwd=site.admin_socket.parent, stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL) as watch:
            typist.wait(lambda: typist.last("viewers").get("count") == 2, "2")
            typist.type(b"now\x1b[c")
            seen = ""
            while wanted not in seen:
                seen += os.read(watch.stdout.fileno(), 4096).decode()
            watch.terminate()
            assert watch.wait(10) == DONE
        typist.wait(lambda: typist.last("viewers").get("count") == 1, "1")


def test_record_ends_when_the_disk_is_full(site, guest):
    name = guest("--echo")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(site, "record", name, "-"), stdout=full, text=True,
            stderr=subprocess.PIPE, cwd=site.admin_socket.parent, timeout=60,
            check=False)
    assert done.returncode == REFUSED
    assert "not all could be written" in done.stderr


# --- attach ------------------------------------------------------------------------

def test_attach_shares_the_console(site, guest):
    """A browser watches meanwhile."""
    name = guest("--echo")
    before = site.session(name)
    before.type(b"\x1b[2J\x1b[1;1H\x1b[31mred words", echo=1000)
    before.read_until(b"red words")
    with Terminal(site, "attach", name) as terminal:
        # The screen as it is, in its colours.
        shown = terminal.until(b"red words")
        assert b"\x1b[H\x1b[2J" in shown
        assert terminal.is_raw()
        before.wait(lambda: before.last("viewers").get("count") == 2, "two")
        assert {v["user"] for v in before.last("viewers")["viewers"]} == \
            {"admin", "root"}
        terminal.type(b"typed here")
        terminal.until(b"typed here")
        before.read_until(b"typed here")
        before.type(b" and there")
        terminal.until(b" and there")
        # Ctrl-C is the guest's, as all other keys are.
        terminal.type(b"\x03\x04")
        before.read_until(b"\x03\x04")
        terminal.type(b"\r~.")
        assert terminal.end() == DONE
        assert not terminal.is_raw()
    before.wait(lambda: before.last("viewers").get("count") == 1, "one")
    assert before.current().json()["size"] == {"rows": 24, "cols": 80}
    assert history(site, name).endswith(b"\x03\x04\r")


def test_attach_ends_at_once_with_ctrl_bracket(site, guest):
    with Terminal(site, "attach", guest("--echo")) as terminal:
        terminal.until(b"attached to")
        terminal.type(b"~?")
        terminal.until(b"shows this")
        terminal.type(b"a\x1db")
        assert terminal.end() == DONE


def test_attach_says_when_the_terminal_is_too_small(site, guest):
    with Terminal(site, "attach", guest("--echo"), rows=10, cols=20) as \
            terminal:
        terminal.until(b"80 columns and 24 rows")
        terminal.type(b"\x1d")
        assert terminal.end() == DONE


def test_what_a_guest_asks_is_answered_once(site, guest):
    """By the screen process; the terminal at hand does not learn of it."""
    name = guest("--echo")
    with Terminal(site, "attach", name) as terminal:
        terminal.until(b"attached to")
        terminal.type(b"a\x1b[6nb")
        terminal.until(b"b")
        wait_for(lambda: history(site, name).count(b"R") == 1)
        terminal.type(b"\x1b]52;c;eA==\x07end")
        assert b"52;c" not in terminal.until(b"end")
        assert history(site, name).count(b"R") == 1
        terminal.type(b"\x1d")
        assert terminal.end() == DONE


HOSTILE = b"\x1b]52;c;cm0=\x07\x1b[6n\x1b[2h\x1b%@\x1b[132$|"


@pytest.mark.parametrize("args", (
    ("history", "-F", "raw"), ("screen", "-F", "ansi"), ("attach",),
    ("expect", "-o", "begin", "-u", "over")))
def test_what_a_guest_prints_does_nothing_to_the_terminal(site, guest, args):
    """Only its screen: no clipboard, no question, no key, no window."""
    name = guest("--echo")
    typist = site.session(name)
    typist.type(HOSTILE + b"\x1b[1mover")
    typist.read_until(b"over")
    with Terminal(site, *args, name) as terminal:
        shown = terminal.until(b"over")
        if args == ("attach",):
            terminal.type(b"\x1d")
        assert terminal.end() == DONE
        shown += terminal.seen
    for piece in (b"]52", b"[6n", b"[2h", b"%@", b"[132$|"):
        assert b"\x1b" + piece not in shown
    if args[0] == "history":
        assert b"\x1b[1m" in shown


def test_attach_leaves_the_terminal_as_it_was(site, guest):
    """What the guest has turned on is off."""
    name = guest("--echo")
    modes = 9, 1000, 1004, 1006, 2004, 2026
    with Terminal(site, "attach", name) as terminal:
        terminal.until(b"attached to")
        terminal.type(b"".join(b"\x1b[?%dh" % mode for mode in modes) + b"!")
        terminal.until(b"\x1b[?2026h")
        terminal.type(b"\x1d")
        assert terminal.end() == DONE
        for mode in modes:
            assert b"\x1b[?%dl" % mode in terminal.seen


def test_attach_whose_output_nobody_reads_any_more(site, guest):
    """It ends, and the terminal that the keys come from is as it was."""
    name = guest("--echo")
    typist = site.session(name)
    keys, here = os.openpty()
    with subprocess.Popen(command(site, "attach", name), stdin=here,
                          cwd=site.admin_socket.parent,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as attach:
        def is_raw():
            return not termios.tcgetattr(keys)[3] & termios.ICANON
        assert b"attached to" in attach.stderr.readline()
        assert is_raw()
        attach.stdout.close()
        typist.type(b"printed")
        assert attach.wait(30) == REFUSED
        assert not is_raw()
    os.close(keys)
    os.close(here)


def test_attach_that_was_stopped(site, guest):
    """Whoever did that has made the terminal its own meanwhile."""
    with Terminal(site, "attach", guest("--echo")) as terminal:
        terminal.until(b"attached to")
        before = termios.tcgetattr(terminal.fd)
        os.kill(terminal.pid, signal.SIGSTOP)
        wait_for(lambda: os.waitpid(terminal.pid, os.WUNTRACED | os.WNOHANG)
                 != (0, 0), 30, "it stops")
        before[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(terminal.fd, termios.TCSANOW, before)
        os.kill(terminal.pid, signal.SIGCONT)
        wait_for(terminal.is_raw, 30, "raw again")
        terminal.type(b"typed\x03")
        terminal.until(b"typed\x03")
        terminal.type(b"\x1d")
        assert terminal.end() == DONE


def test_attach_from_a_pipe(site, guest):
    """For scripts: types what comes, tildes and all, and ends."""
    name = guest("--echo")
    xenterm(site, "attach", name, input="~.\x1d piped")
    wait_for(lambda: history(site, name) == b"~.\x1d piped")


def test_attach_is_closed_by_somebody(site, guest):
    name = guest("--echo")
    with Terminal(site, "attach", name) as terminal:
        terminal.until(b"attached to")
        session = wait_for(lambda: next(
            (s["session"] for s in site.admin("GET", "/sessions").json()
             ["sessions"] if s["name"] == name), None))
        xenterm(site, "kick", session)
        terminal.until(b"this session was closed")
        assert terminal.end() == ENDED


def test_attach_follows_a_reboot(site, guest):
    name = guest("--echo")
    with Terminal(site, "attach", name) as terminal:
        terminal.until(b"attached to")
        site.host.reboot(name)
        terminal.until(b": waiting]")
        terminal.until(b": up]")
        terminal.type(b"again")
        terminal.until(b"again")
        terminal.type(b"\x1d")
        assert terminal.end() == DONE


@pytest.mark.parametrize("how", ("end", "kill"))
def test_attach_goes_on_after_a_restart_of_the_worker(own_site, how):
    """With all that was printed meanwhile, once."""
    site = own_site()
    name = site.guest("--echo")
    with Terminal(site, "attach", name) as terminal:
        terminal.until(b"attached to")
        terminal.type(b"before")
        terminal.until(b"before")
        getattr(site, how)("worker")
        terminal.until(b"the worker is away")
        site.start_worker()
        site.wait_connected()
        xenterm(site, "send", name, "meanwhile")
        shown = terminal.until(b"meanwhile")
        assert b"before" not in shown
        wait_for(lambda: name in xenterm(site, "who"))
        terminal.type(b"after")
        terminal.until(b"after")
        terminal.type(b"\x1d")
        assert terminal.end() == DONE
    assert history(site, name) == b"beforemeanwhileafter"


def test_watch_in_a_terminal(site, guest):
    name = guest("--echo")
    typist = site.session(name)
    with Terminal(site, "watch", name) as terminal:
        typist.wait(lambda: typist.last("viewers").get("count") == 2, "two")
        terminal.type(b"not typed\r")
        typist.type(b"hello")
        terminal.until(b"hello")
        assert history(site, name) == b"hello"
        terminal.type(b"\x03")
        assert terminal.end() == DONE


# --- doctor --------------------------------------------------------------------------

def doctor(site, tmp_path, *args, nginx=True):
    """Inside the host, with its nginx."""
    bin = tmp_path / "bin"
    bin.mkdir(exist_ok=True)
    conf = site.dir / "nginx/nginx.conf" if nginx else "/dev/null"
    (bin / "nginx").write_text(
        f"#!/bin/sh\nPATH=$PATH:/usr/sbin\nPATH=${{PATH#*:}}\n"
        f"exec nginx -c {conf} \"$@\"\n")
    (bin / "nginx").chmod(0o755)
    done = site.host.popen(
        "env", f"PATH={bin}:{os.environ['PATH']}", PROGRAM, "-c",
        site.dir / "xenterm.conf", "doctor", "-j", *args,
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    out, _ = done.communicate(timeout=60)
    return done.returncode, {c["part"]: c for c in json.loads(out)}


def test_doctor(own_site, tmp_path):
    site = own_site()
    site.guest("--echo", name="web1")
    status, parts = doctor(site, tmp_path)
    assert status == DONE, parts
    assert all(part["ok"] for part in parts.values())
    assert set(parts) == {"config", "xenstore", "worker", "broker",
                          "consoles", "fcgi.sock", "nginx"}
    status, parts = doctor(site, tmp_path, nginx=False)
    assert status == REFUSED and not parts["nginx"]["ok"]
    site.kill_broker()
    wait_for(lambda: site.admin("GET", "/healthz").status == 503)
    status, parts = doctor(site, tmp_path)
    assert status == REFUSED and not parts["broker"]["ok"]
    assert parts["worker"]["ok"] and "journalctl" in parts["broker"]["advice"]
    site.end("worker")
    status, parts = doctor(site, tmp_path)
    assert not parts["worker"]["ok"] and "advice" in parts["worker"]
    assert parts["config"]["ok"] and parts["xenstore"]["ok"]


def test_doctor_for_people(site):
    """Outside the host: no xenstored, and it says so."""
    done = subprocess.run(
        command(site, "doctor"), cwd=site.admin_socket.parent, text=True,
        capture_output=True, timeout=60)
    assert done.returncode == REFUSED
    assert re.search(r"^ok   worker", done.stdout, re.M)
    assert re.search(r"^BAD  xenstore .*\n +-> is this a Xen dom0",
                     done.stdout, re.M)


# --- Completion -------------------------------------------------------------------------

def complete(site, *words):
    script = (
        f"source {whole_site.TOP}/cli/xenterm.bash; "
        f"xenterm() {{ {PROGRAM} -S admin.sock \"$@\"; }}; "
        "COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "_xenterm; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(
        ["bash", "-c", script, "bash", "xenterm", *words], text=True,
        cwd=site.admin_socket.parent, capture_output=True, check=True)
    return done.stdout.split()


def test_completion(site):
    commands = complete(site, "")
    help = xenterm(site, "--help")
    assert commands == re.findall(r"^  (\w+)", help, re.M)
    assert complete(site, "at") == ["attach"]
    assert complete(site, "attach", "we") == ["web1"]
    assert complete(site, "list", "") == []
    assert "--json" in complete(site, "--j")
    assert complete(site, "screen", "-F", "ht") == ["html"]
