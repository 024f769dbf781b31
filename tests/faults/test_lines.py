"""The harness' own eyes: each thing that can go wrong is seen, and Xen's part
of it is told from ours."""

import struct

import pytest

import lines
from lines import LINE, numbered


@pytest.fixture
def guest(tmp_path):
    """Domain 5 has said 4,800 bytes, and ended; domain 6 has said 960."""
    guest = lines.Guest("g", tmp_path)

    def says(domid, size):
        (tmp_path / f"g.{domid}.out").write_bytes(struct.pack("=Q", size))
        (tmp_path / f"g.{domid}.in").touch()

    says(5, 4800)
    guest.note("the guest has ended")
    says(6, 960)
    return guest


@pytest.fixture(params=[7, LINE, 100, 5000])
def see(request, guest):
    """What a tape makes of these bytes, in pieces of several sizes."""
    def feed(data):
        tape, end = lines.Tape(guest), 0
        for at in range(0, len(data), request.param):
            piece = data[at:at + request.param]
            end += len(piece)
            tape.put("run", end, piece)
        tape.explain()
        return tape
    return feed


def gaps(tape):
    return [(gap.domid, gap.start, gap.end, gap.why) for gap in tape.gaps]


def test_all_of_it(see):
    tape = see(numbered(5, 0, 4800) + numbered(6, 0, 960))
    assert not tape.gaps and not tape.wrong
    assert tape.has(6, 960) and not tape.has(6, 961)


def test_the_end_of_a_guest_is_xens(see):
    tape = see(numbered(5, 0, 4700) + numbered(6, 0, 960))
    assert gaps(tape) == [(5, 4700, 4800, "Xen: the guest has ended")]


def test_a_hole_in_the_middle_is_not(see):
    tape = see(numbered(5, 0, 1000) + numbered(5, 1100, 3700)
               + numbered(6, 0, 960))
    assert gaps(tape) == [(5, 1000, 1100, None)]


def test_nor_is_the_beginning_of_the_next(see):
    tape = see(numbered(5, 0, 4800) + numbered(6, 100, 860))
    assert gaps(tape) == [(6, 0, 100, None)]


@pytest.mark.parametrize("start", [900, 960])
def test_twice(see, start):
    tape = see(numbered(5, 0, 1000) + numbered(5, start, 3000))
    assert tape.repeated == 1 and tape.wrong


def test_what_no_guest_has_said(see):
    tape = see(numbered(5, 0, 1000) + b"hello" + numbered(5, 1000, 3000))
    assert tape.garbage and tape.wrong


def test_two_viewers_see_the_same_or_it_is_told(guest):
    tape = lines.Tape(guest)
    tape.put("run", 96, numbered(5, 0, 96))
    tape.put("run", 48, numbered(5, 0, 48))
    assert not tape.wrong
    tape.put("run", 48, numbered(6, 0, 48))
    assert tape.wrong


def typed(guest, text, sent):
    guest.file.with_name("g.6.in").write_bytes(text)
    typist = lines.Typed(1, guest)
    typist.sent = [lines.Sent(n, when, when) for n, when in sent]
    numbers, torn = lines.arrived(guest)
    typist.check(numbers.get(1, []), 3)
    return typist, torn


def test_typed_lines(guest):
    one, two, three = (lines.typed_line(1, n) for n in (1, 2, 3))
    # Long before and long after the guest's end, which is Xen's.
    now = guest.incidents[0].at
    all_ = [(1, now - 100), (2, now - 100), (3, now - 100)]
    typist, torn = typed(guest, one + two + three, all_)
    assert not typist.wrong and typist.got == 3 and torn == 0
    assert typed(guest, one + three, all_)[0].lost == 1
    assert typed(guest, one + two + two + three, all_)[0].repeated == 1
    assert typed(guest, one + three + two, all_)[0].reordered == 1
    typist, torn = typed(guest, one + two[:5] + three, all_)
    assert typist.lost == 1 and torn == 5
    typist, _ = typed(guest, one + three,
                      [(1, now - 100), (2, now - 1), (3, now + 9)])
    assert typist.lost == 0 and typist.lost_of_xen == 1
