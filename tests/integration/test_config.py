"""xenterm.conf, read by both programs: what is wrong is said with file, line
and reason, and nothing is started."""

import re
import subprocess

import pytest
import whole_site

PROGRAMS = {"broker": whole_site.BROKER, "worker": whole_site.WORKER}

pytestmark = pytest.mark.skipif(
    not all(program.exists() for program in PROGRAMS.values()),
    reason="the programs are not built")

# 13 lines.
GOOD = """\
socket_group = "daemon"
user = "daemon"
verify_owner = true
ring_size = 131072
session_idle = 60
hold "web*" { mode = always }
hold "db*" { mode = on-demand }
keys "bsd*" { ctrl_o = plain }
access "admins" {
    users = {"alice", "@ops"}
    consoles = {"*"}
    rights = {"list", "watch", "type"}
}
"""

# (what follows the good lines, the line that is named, what is said)
BROKEN = (
    ("colour = red", 14, "colour"),
    ("colour {", 14, "not closed"),
    ("ring_size = 1", 14, "65536"),
    ("ring_size = -1", 14, "65536"),
    ("ring_size = 1e6", 14, ""),
    ("ring_size = many", 14, ""),
    ("ring_size = 99999999999999999999999", 14, ""),
    ("session_idle = 0", 14, "from 5 to 86400"),
    ("\n\nsession_max = 4", 16, "from 5"),
    ("gone_after = 0", 14, "from 1"),
    ("forget_after = x", 14, ""),
    ("rescan = 3601", 14, "3600"),
    ('run_dir = "run"', 14, "absolute"),
    ('run_dir = ""', 14, "absolute"),
    ('lock_dir = "../lock"', 14, "absolute"),
    ('xenstore = "socket"', 14, "absolute"),
    ("verify_owner = maybe", 14, ""),
    ('hold "x" { mode = sometimes }', 14, "always or on-demand"),
    ('hold "x" {\n mode = "sometimes"\n}', 15, "always or on-demand"),
    ('hold "x" { colour = red }', 14, "colour"),
    ("hold { mode = always }", 14, ""),
    ('hold "web*" { mode = always }', 14, ""),
    ('keys "x" { ctrl_o = off }', 14, "sysrq or plain"),
    ('keys "x" {\n ctrl_o = 1\n}', 15, "sysrq or plain"),
    ('keys "x" { mode = always }', 14, "mode"),
    ("keys { ctrl_o = plain }", 14, ""),
    ('keys "bsd*" { ctrl_o = plain }', 14, ""),
    ('access "b" { rights = {"list", "root"} }', 14, '"root"'),
    ('access "b" {\n\n rights = {""}\n}', 16, ""),
    ('access "b" { users = {"a",, }', 14, ""),
    ('access "b" { users = "a', 14, ""),
    ("user =", 14, ""),
    ("'", 14, ""),
    ("= 1", 14, ""),
    ("}", 14, ""),
    ("\x01\x02", 14, ""),
    ('ticket_key "p" { algorithm = HS512 }', 14, "HS256 or EdDSA"),
    ('ticket_key "p" { algorithm = none }', 14, "HS256 or EdDSA"),
    ('ticket_key "p" { file = "panel.key" }', 14, "absolute"),
    ('ticket_key "p" {\n rights = {"root"}\n}', 15, '"root"'),
    ('ticket_key "p" { file = "/k"\naudience = "a" }', 15, "algorithm"),
    ('ticket_key "p" { algorithm = HS256  audience = "a" }', 14, "file"),
    ('ticket_key "p" { algorithm = HS256  file = "/k" }', 14, "audience"),
    ('ticket_key { algorithm = HS256 }', 14, ""),
)


def run(program, *args):
    return subprocess.run([PROGRAMS[program], *map(str, args)], timeout=10,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


@pytest.fixture
def conf(tmp_path):
    def write(text):
        path = tmp_path / "xenterm.conf"
        path.write_text(text)
        return path

    return write


def test_a_good_file(program, conf):
    done = run(program, "-t", "-c", conf(GOOD))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_shipped_file(program):
    done = run(program, "-t", "-c", whole_site.TOP / "conf/xenterm.conf")
    assert (done.returncode, done.stderr) == (0, "")


def test_all_that_the_shipped_file_shows(program, conf):
    """Each line that is commented out there is good, and the default."""
    text = (whole_site.TOP / "conf/xenterm.conf").read_text()
    shown = re.sub(
        r"(?m)^# (?=\w+ = |hold |keys |access |ticket_key |log |hook |    |\})", "", text)
    assert "\nuser = " in shown and "\naccess " in shown
    done = run(program, "-t", "-c", conf(shown))
    assert (done.returncode, done.stderr) == (0, "")


def test_an_empty_file(program, conf):
    assert run(program, "-t", "-c", conf("")).returncode == 0


@pytest.mark.parametrize(("lines", "number", "reason"), BROKEN)
@pytest.mark.parametrize("how", ["-t", "-f"])
def test_a_broken_line(program, conf, lines, number, reason, how):
    path = conf(GOOD + lines + "\n")
    said, first = complaint(program, path, how)
    # What is not ended is noticed at the end.
    assert said in (number, number + 1), first
    assert reason in first and len(first) > 5


def complaint(program, path, how="-t"):
    """It must say FILE:LINE: REASON; line and reason."""
    done = run(program, how, "-c", path)
    assert done.returncode == 2, done
    assert done.stdout == ""
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"{path}:"), first
    line, reason = first.removeprefix(f"{path}:").split(":", 1)
    return int(line), reason


@pytest.mark.parametrize("comment", ["# one", "// one", "/* one */",
                                     "/* two\n   lines */", "# a\n\n# b"])
def test_a_broken_line_after_a_comment(program, conf, comment):
    text = f"{comment}\n{GOOD}"
    path = conf(text + "colour = red\n")
    assert complaint(program, path)[0] == text.count("\n") + 1


@pytest.mark.parametrize("lines", [
    'access "b" { users = {"a"}', 'access "b" {\n users = {"a" }',
    'hold "x" { mode = always', '"'])
def test_a_file_that_ends_too_early(program, conf, lines):
    complaint(program, conf(GOOD + lines + "\n"))


def test_parts(program, conf, tmp_path):
    """Files of conf.d are read after it, in the order of their names."""
    path, folder = conf(GOOD), tmp_path / "conf.d"
    folder.mkdir()
    for name, text in (
            ("10-one.conf", 'access "one" { users = {"bob"} }\n'),
            ("20-two.conf", "session_idle = 50\n"), ("empty.conf", ""),
            # None of these is one.
            ("20-two.conf~", "colour = red"), (".conf", "colour = red"),
            ("README", "colour = red"), ("x.conf.dpkg-old", "}")):
        (folder / name).write_text(text)
    done = run(program, "-t", "-c", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # A mistake is reported with the part's name, and one at a time.
    for name, text, said in (
            ("15.conf", "\nsession_idle = 1\n", ":2: session_idle = 1"),
            ("15.conf", 'access "admins" { }\n', ":1: "),
            ("30.conf", 'access "one" {\n}\n', ":"),
            ("30.conf", "access {", ":1: this brace is not closed")):
        (folder / name).write_text(text)
        done = run(program, "-t", "-c", path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"{folder / name}{said}"), done.stderr
        (folder / name).unlink()
    (folder / "40.conf").symlink_to("nowhere")
    done = run(program, "-t", "-c", path)
    assert done.returncode == 2 and "40.conf: No such file" in done.stderr
    (folder / "40.conf").unlink()
    (folder / "40.conf").mkdir()
    assert run(program, "-t", "-c", path).returncode == 2


def test_parts_that_cannot_be_read(program, conf, tmp_path):
    path = conf(GOOD)
    (tmp_path / "conf.d").write_text("colour = red")
    done = run(program, "-t", "-c", path)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/conf.d: Not a directory\n"


def test_too_many_rules(program, conf):
    rules = "".join(f'hold "g{n}" {{ mode = always }}\n' for n in range(1025))
    done = run(program, "-t", "-c", conf(rules))
    assert done.returncode == 2 and "1024" in done.stderr


def test_a_file_that_cannot_be_read(program, tmp_path):
    for path in (tmp_path / "none", tmp_path, tmp_path / "a/b"):
        done = run(program, "-t", "-c", path)
        assert done.returncode == 2
        assert str(path) in done.stderr and len(done.stderr) > len(str(path))


def test_a_user_that_is_not_there(program, conf):
    done = run(program, "-f", "-c", conf(
        'user = "no-such-user"\nrun_dir = "/nonexistent/xenterm"\n'))
    assert done.returncode == 1
    assert "no-such-user" in done.stderr or "/nonexistent" in done.stderr


def test_usage(program):
    for wrong in (("-x",), ("-c",), ("extra",), ("-t", "extra")):
        done = run(program, *wrong)
        assert done.returncode == 2 and "usage:" in done.stderr
    done = run(program, "-h")
    assert done.returncode == 0 and "usage:" in done.stdout
    done = run(program, "-V")
    assert done.returncode == 0
    assert re.fullmatch(r"xenterm\S* \d+\.\d+\.\d+\n", done.stdout)
