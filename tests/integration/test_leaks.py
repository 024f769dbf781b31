"""What is secret is nowhere when it has been used: not in a log, not in a
command line, and not in the worker's memory after the session's end."""

import base64
import itertools
import os
import pathlib
import re
import secrets

import conftest
import pytest
import test_tickets
import whole_site
from standin import living_children, wait_for

TOKEN = "Xenterm-Token"
CONF = """
audit_file = "{dir}/audit.log"
""" + test_tickets.CONF


def spellings(secret):
    """As it is, in hexadecimal, in base64 at each offset, percent-encoded, in
    UTF-16, backwards; of what is hexadecimal also the bytes it stands for."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(),
             "".join(f"%{byte:02X}" for byte in raw).encode(),
             raw.decode().encode("utf-16-le"), raw[::-1]}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        found.add(text[4 if shift else 0:-4])       # what its middle gives
    if re.fullmatch(rb"([0-9a-f]{2}){16,}", raw):
        found.add(bytes.fromhex(raw.decode()))
    return found


def occurrences(data, wanted):
    """The names of the secrets that are in data."""
    return {name for name, secret in wanted.items()
            if any(spelling in data for spelling in spellings(secret))}


def memory(pid):
    """What a process has written, mapping by mapping, without the rings of
    the consoles, which hold what guests have printed."""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            fields = line.split(maxsplit=5)
            name = fields[5] if len(fields) > 5 else ""
            if not fields[1].startswith("rw") or "xenterm-ring" in name or \
                    "xenterm-checkpoint" in name:
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            try:
                mem.seek(start)
                yield name, mem.read(end - start)
            except (OSError, ValueError):
                continue


def tree(pid):
    yield pid
    for child in living_children(pid):
        yield from tree(child)


def test_what_is_looked_for_is_found():
    """The search itself."""
    secret = secrets.token_hex(32)
    for form in (secret.encode(), bytes.fromhex(secret),
                 base64.b64encode(secret.encode()),
                 base64.b64encode(b"x" + secret.encode() + b"y"),
                 secret.encode().hex().encode()):
        assert occurrences(b"before" + form + b"after", {"it": secret})
    assert not occurrences(secrets.token_bytes(4096), {"it": secret})


def plain_build():
    """A sanitizer keeps what is freed, and maps terabytes: where the tests run
    with one, the programs are those of the build around it (./check makes
    both)."""
    for folder in (whole_site.BUILD, whole_site.BUILD.parent):
        worker = folder / "xenterm-fcgi"
        if worker.exists() and b"__asan_init" not in worker.read_bytes():
            return folder
    pytest.skip("no build without a sanitizer")


@pytest.fixture
def site(tmp_path, monkeypatch):
    conftest.need_site()
    folder = plain_build()
    for program, name in (("BROKER", "xenterm-broker"),
                          ("WORKER", "xenterm-fcgi"),
                          ("SCREEN", "xenterm-screen")):
        monkeypatch.setattr(whole_site, program, folder / name)
    keys = tmp_path / "keys"
    test_tickets.make_keys(keys)
    conf = CONF.format(dir=keys)
    with whole_site.Site(tmp_path / "site", conf=conf) as site:
        site.audit = keys / "audit.log"
        yield site


def used_up(site):
    """Each kind of secret in use, and then not any more; by their names."""
    name = site.guest("--deaf")
    # As a whole: the word alone is also the beginning of the tickets' key.
    found = {"password": f"admin:{whole_site.PASSWORD}"}
    typed = "typed-" + secrets.token_hex(16)
    ajax = "ajax-" + secrets.token_hex(16)
    session = site.session(name)
    found |= {"token": session.token, "typed": typed, "ajaxterm": ajax}
    for _ in range(3):
        assert session.type(typed.encode()).status == 200
    session.poll(at="", wait=0)
    made = test_tickets.made(site, name, user="viewer")
    answer = test_tickets.redeem(site, made["ticket"], name, user="viewer")
    assert answer.status == 201, answer
    found |= {"ticket": made["ticket"], "its token": answer.json()["token"]}
    test_tickets.close(site, answer, "viewer")
    refused = secrets.token_hex(32)
    found["refused token"] = refused
    site.request("GET", "api/v1/output", headers={TOKEN: refused}) \
        .problem(401)
    jwt = test_tickets.signed(sub="admin", console="no-such-guest")
    found["signed ticket"] = jwt.split(".")[2]
    test_tickets.redeem(site, jwt, "no-such-guest", user="admin")
    form = {"Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin"}
    answer = site.request("POST", f"ajaxterm/{name}/u",
                          f"s=1&w=80&h=24&c=1&k={ajax}".encode(), form)
    assert answer.status == 200, answer
    assert session.delete().status == 204
    for one in site.admin("GET", "/sessions").json()["sessions"]:
        site.admin("DELETE", f"/sessions/{one['session']}")
    assert site.healthz()["sessions"] == 0
    return found


def overwrite(site):
    """A few requests more, as there are in any worker that runs."""
    for _, path in itertools.product(range(20), (
            "api/v1/consoles", "api/v1/none")):
        site.request("GET", path)


def test_logs_and_command_lines(site):
    found = used_up(site)
    logs = [path for path in (site.dir / "log").rglob("*") if path.is_file()]
    names = {path.name for path in logs}
    assert {"worker.log", "broker.log", "xenterm.log"} <= names, names
    assert b'"opened"' in site.audit.read_bytes()
    for path in (*logs, site.audit):
        assert not occurrences(path.read_bytes(), found), path
    for name in ("broker", "worker", "nginx"):
        for pid in tree(site.pid(name)):
            for file in ("cmdline", "environ"):
                data = pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
                assert not occurrences(data, found), (name, file)
    # Nothing was put aside in a file, either.
    for path in (site.dir / "nginx").rglob("*"):
        if path.is_file() and os.path.getsize(path) < 1 << 20:
            assert not occurrences(path.read_bytes(), found), path


def test_memory_after_the_end(site):
    found = used_up(site)
    overwrite(site)
    wait_for(lambda: site.healthz()["requests"] == 0, what="quiet")
    pid = site.pid("worker")
    seen = {}
    for name, data in memory(pid):
        for secret in occurrences(data, found):
            seen.setdefault(secret, set()).add(name or "anonymous")
    assert not seen
    for pid in tree(site.pid("broker")):
        for _, data in memory(pid):
            assert not occurrences(data, found)
