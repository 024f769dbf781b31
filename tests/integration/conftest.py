"""The sites that the stories of this folder run on."""

import os

import pytest

import whole_site

# For the tests of the parts: they look where the whole site looks.
if whole_site.BUILD.exists():
    os.environ.setdefault("STANDIN_BIN",
                          str(whole_site.BUILD / "tests/standin"))
    os.environ.setdefault("XENTERM_BIN", str(whole_site.BUILD))


def need_site():
    reason = whole_site.missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory):
    need_site()
    with whole_site.Site(tmp_path_factory.mktemp("site")) as site:
        site.guest("--echo", name="web1")
        yield site


@pytest.fixture
def site(shared_site):
    """One site for all stories that leave it as it was."""
    before = dict(shared_site.pids)
    opened = len(shared_site.sessions)
    yield shared_site
    for session in shared_site.sessions[opened:]:
        session.delete()
        session.close()
    del shared_site.sessions[opened:]
    assert shared_site.pids == before, "a program was restarted"


@pytest.fixture
def guest(site):
    """guest("--echo"): a new guest, for one story; its name."""
    names = []

    def start(*args, **options):
        names.append(site.guest(*args, **options))
        return names[-1]

    yield start
    for name in names:
        if site.host.domid(name) is not None:
            site.host.destroy(name)


@pytest.fixture
def own_site(tmp_path):
    """own_site(conf=…): a site for one story, which may break it."""
    need_site()
    sites = []

    def start(**options):
        sites.append(whole_site.Site(tmp_path / f"site{len(sites)}",
                                     **options))
        return sites[-1].__enter__()

    yield start
    for site in sites:
        site.stop()
