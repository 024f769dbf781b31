"""expect: programs that take control of a console."""

import json
import threading
import time

import pytest

from standin import wait_for
from whole_site import Answer

# Says what it is told and asks again, as getty and a shell do.
LOGIN = ("/bin/sh", "-c", """
while printf 'web login: ' && read -r user; do
    [ -n "$user" ] || continue
    printf 'Password: '; stty -echo; read -r password; stty echo; echo
    if [ "$user:$password" = root:secret ]; then PS1='root# ' sh -i
    else echo 'Login incorrect'; fi
done""")


def expect(site, name, *steps, **query):
    more = "".join(f"&{key}={value}" for key, value in query.items())
    answer = site.admin("POST", f"/expect?console={name}{more}",
                        {"steps": list(steps)})
    assert answer.status == 200, answer
    return answer.json()


def quiet(site, name):
    """Until nobody is at the console any more."""
    wait_for(lambda: all(c["viewers"] == [] for c in
                         site.admin("GET", "/consoles").json()["consoles"]
                         if c["name"] == name))


def test_an_answer_and_what_came_around_it(site, guest):
    name = guest("--echo")
    done = expect(site, name, {"send": "one two three", "until": "t(w)o"})
    assert done["result"] == "done" and done["step"] == 0
    step, = done["steps"]
    assert step == {"step": 0, "pattern": 0, "skipped": 0, "before": "one ",
                    "match": "two", "groups": ["w"]}
    # What came later may be there already, or not yet.
    assert " three".startswith(done["after"])
    rest = expect(site, name, {"until": "three"}, **{"from": done["next"]})
    assert rest["steps"][0]["before"] == " "
    quiet(site, name)


def test_the_first_of_several_patterns(site, guest):
    name = guest("--echo")
    done = expect(site, name, {
        "name": "which", "send": "an apple, a pear",
        "until": ["pear", "ap+le", "apple"]})
    assert done["steps"][0]["pattern"] == 1
    assert done["steps"][0]["name"] == "which"


def test_nothing_comes_in_time(site, guest):
    name = guest("--echo")
    begin = time.monotonic()
    done = expect(site, name,
                  {"send": "abc", "until": "never", "timeout": 0.3})
    assert time.monotonic() - begin >= 0.29     # its clock is not ours
    assert (done["result"], done["step"]) == ("timeout", 0)
    assert done["after"] == "abc" and done["steps"] == []


def test_else_and_then(site, guest):
    name = guest("--echo")
    done = expect(
        site, name,
        {"until": "never", "timeout": 0.05, "else": "ask"},
        {"send": "skipped"},
        {"name": "ask", "send": "q1", "until": [
            {"match": "q2", "then": "fail"}, {"match": "q1", "then": "end"}]},
        {"send": "skipped"},
        {"name": "end", "send": "bye", "until": "bye"})
    assert done["result"] == "done"
    assert [step["step"] for step in done["steps"]] == [2, 4]
    failed = expect(site, name, {
        "send": "x", "until": {"match": "x", "then": "fail"}})
    assert failed["result"] == "fail"


def test_circles_end(site, guest):
    name = guest("--echo")
    done = expect(site, name, {"name": "again", "send": "x", "until": [
        {"match": "x", "then": "again"}]})
    assert done["result"] == "limit" and len(done["steps"]) == 256


def test_bytes_that_are_no_text(site, guest):
    name = guest("--echo")
    site.admin("POST", f"/send?console={name}", b"x")
    at = expect(site, name, {"send": "y", "until": "y"})["next"]
    site.admin("POST", f"/send?console={name}", b"\xff\x00\x1b[m!")
    done = expect(site, name, {"until": "\\xff\\x00\\e\\[m(.)"},
                  **{"from": at})
    assert done["steps"][0]["match"] == "\ufffd\0\x1b[m!"


def test_on_the_screen(site, guest):
    """Drawn in pieces, with what moves the cursor in between."""
    name = guest("--echo")
    done = expect(site, name, {
        "send": "\x1b[2J\x1b[5;7Hworld\x1b[5;1H\x1b[31mhello\x1b[0m",
        "until": "^hello (world)$", "on": "screen"})
    assert done["result"] == "done"
    assert done["steps"][0]["groups"] == ["world"]
    assert done["steps"][0]["before"] == "\n" * 4
    # A step that sends nothing looks at what is there already.
    done = expect(site, name, {"until": "hello", "on": "screen"})
    assert done["result"] == "done"


def test_log_in_run_and_read(site, guest):
    """What expect is there for."""
    name = guest(*LOGIN)
    steps = [
        {"send": "\r", "until": [
            {"match": "login: $", "then": "user"},
            {"match": "# $", "then": "run"}]},
        {"name": "user", "send": "root\r", "until": "Password: $"},
        {"send": "secret\r", "until": ["# $", {
            "match": "incorrect", "then": "fail"}]},
        {"name": "run", "send": "echo to be; (exit 7); echo \"<$?>\"\r",
         "until": "<(\\d+)>\r?\n"},
    ]
    done = expect(site, name, *steps)
    assert done["result"] == "done", done
    last = done["steps"][-1]
    assert last["groups"] == ["7"] and "to be\r\n" in last["before"]
    # Now it is logged in: the first pattern that fits is another one.
    done = expect(site, name, *steps)
    assert [step["step"] for step in done["steps"]] == [0, 3]
    site.admin("POST", f"/send?console={name}", b"exit\r")
    wrong = [dict(step) for step in steps]
    wrong[2]["send"] = "public\r"
    assert expect(site, name, {"until": "login: $"}, *wrong)["result"] in (
        "fail", "timeout")


def test_programs_do_not_disturb_each_other(site, guest):
    """They and a viewer see the same output, each from where it stands."""
    name = guest("--echo")
    viewer = site.session(name, "watch")
    results = {}

    def run(n):
        results[n] = expect(site, name, *({
            "send": f"<{n}:{k}>", "until": f"<{n}:{k}>"} for k in range(20)))
    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[n]["result"] for n in range(8)] == ["done"] * 8
    viewer.wait(lambda: viewer.output.count(b">") == 160, "all of it")
    for n in range(8):
        for k in range(20):
            assert viewer.output.count(b"<%d:%d>" % (n, k)) == 1


def test_a_guest_that_prints_for_ever(site, guest):
    name = guest("--flood")
    viewer = site.session(name)
    done = expect(site, name, {"until": "never there", "timeout": 1})
    assert done["result"] == "timeout"
    assert 0 < len(done["after"]) <= 64 * 1024
    done = expect(site, name, {"until": "never", "timeout": 1,
                               "on": "screen"})
    assert done["result"] == "timeout"
    viewer.type(b"\x03")


def test_what_is_told_of_much_output(site, guest, tmp_path):
    """The last 64 KiB of what was not matched, and no more."""
    text = b"".join(b"%07d " % n for n in range(20000))
    path = tmp_path / "numbers"
    path.write_bytes(text)
    name = guest("--file", path, prefix="always")
    wait_for(lambda: site.admin(
        "GET", f"/history?console={name}&format=raw").body == text)
    made = site.admin("POST", f"/sessions?console={name}&mode=watch").json()
    begin = {"from": f"{made['from'].split('.')[0]}.0"}
    done = expect(site, name, {"until": "never", "timeout": 0.1}, **begin)
    assert done["result"] == "timeout"
    assert done["after"].encode() == text[-64 * 1024:]


@pytest.mark.parametrize("pattern", ("(a+)+$x", "[^b]*[^b]*[^b]*b"))
def test_a_hostile_pattern_ends(site, guest, tmp_path, pattern):
    path = tmp_path / "as"
    path.write_bytes(b"a" * 65536)
    name = guest("--file", path, prefix="always")
    wait_for(lambda: site.admin(
        "GET", f"/history?console={name}&format=raw").body == b"a" * 65536)
    made = site.admin("POST", f"/sessions?console={name}&mode=watch").json()
    run = made["from"].split(".")[0]
    begin = time.monotonic()
    done = expect(site, name, {"until": pattern}, **{"from": f"{run}.0"})
    assert done["result"] == "limit" and done["steps"] == []
    assert time.monotonic() - begin < 5


def test_over_a_reboot(site, guest):
    name = guest("--echo")
    results = []

    def run():
        results.append(expect(site, name, {"until": "back", "timeout": 20}))
    viewer = site.session(name)
    thread = threading.Thread(target=run)
    thread.start()
    viewer.wait(lambda: viewer.last("viewers").get("count") == 2, "two")
    site.host.reboot(name)
    domid = viewer.last("state")["domid"]
    viewer.wait(lambda: viewer.state == "up" and
                viewer.last("state").get("domid") != domid, "a new domain")
    assert viewer.type(b"back").status == 200
    thread.join()
    assert results[0]["result"] == "done"


def test_who_is_sent_away(site, guest):
    name = guest("--echo")
    connection = site.admin_connection()
    connection.request("POST", f"/expect?console={name}", json.dumps(
        {"steps": [{"until": "never", "timeout": 60}]}),
        {"Content-Type": "application/json"})
    session = wait_for(lambda: next(
        (s["session"] for s in site.admin("GET", "/sessions").json()
         ["sessions"] if s["name"] == name), None))
    assert site.admin("DELETE", f"/sessions/{session}").status == 204
    answer = Answer(connection.getresponse())
    assert answer.json()["result"] == "ended"
    connection.close()


def test_who_leaves_is_forgotten(site, guest):
    name = guest("--echo")
    for on in ("output", "screen"):
        connection = site.admin_connection()
        connection.request("POST", f"/expect?console={name}", json.dumps(
            {"steps": [{"until": "never", "timeout": 60, "on": on}]}),
            {"Content-Type": "application/json"})
        wait_for(lambda: name in [s["name"] for s in site.admin(
            "GET", "/sessions").json()["sessions"]])
        connection.close()
        quiet(site, name)


def test_a_released_console_is_refused(site, guest):
    name = guest("--echo")
    viewer = site.session(name)
    site.admin("POST", f"/release?console={name}")
    viewer.wait_state("released")
    assert expect(site, name, {"send": "x"})["result"] == "refused"
    site.admin("POST", f"/hold?console={name}")


@pytest.mark.parametrize("body", (
    {}, {"steps": []}, {"steps": [{"until": "("}]},
    {"steps": [{"until": "x", "else": "nowhere"}]}))
def test_bad_bodies(site, body):
    answer = site.admin("POST", "/expect?console=web1", body)
    answer.problem(400, "bad-body")


def test_bad_positions(site, guest):
    name = guest("--echo")
    done = expect(site, name, {"send": "x", "until": "x"})
    run = done["next"].split(".")[0]
    for text in ("x", f"{run}.99999"):
        site.admin("POST", f"/expect?console={name}&from={text}",
                   {"steps": [{"until": "x"}]}).problem(400, "bad-parameter")
