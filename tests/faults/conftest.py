"""What a fixture of these tests must find: root, Xen's programs, a build."""

import pytest

import world


@pytest.fixture
def need_site():
    reason = world.whole_site.missing()
    if reason:
        pytest.skip(reason)
