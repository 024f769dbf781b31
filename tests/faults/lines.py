"""What must come out: the numbered lines of guests and of typists, and what
explains that some of them did not.

Xen loses by itself what is on its way when a guest ends or xenconsoled is
killed: the console ring, xenconsoled's memory, the pty (docs/xen-notes.md). A
gap is Xen's only where it lies at such an incident; any other is ours.
"""

import pathlib
import re
import struct
import time
from dataclasses import dataclass, field

LINE = 48
LETTERS = b"abcdefghijklmnopqrstuvwxyzABC"
FULL = re.compile(rb"(\d{5}) (\d{10}) " + LETTERS + rb"\r\n")

# What xenconsoled keeps at most for a reader that is late, and the pty's and
# the ring's bytes with it.
XEN_HOLDS = (5 * 1048576) // 4 + 64 * 1024
RING = 2048

# Seconds from a guest's end until xenconsoled notices and hangs up its pty,
# which takes input until then.
NOTICED = 0.5

# A guest that is killed may have said one line that it had not counted yet.
UNCOUNTED = LINE


def numbered(domid, start, size):
    """Bytes start to start + size of what a guest of this domid says."""
    first, last = start // LINE, (start + size) // LINE
    text = b"".join(b"%05d %010d %s\r\n" % (domid, n, LETTERS)
                    for n in range(first, last + 1))
    return text[start - first * LINE:][:size]


def agree(one, other):
    """How many bytes they have in common at their beginnings."""
    if one == other:
        return len(one)
    n = min(len(one), len(other))
    return next((i for i in range(n) if one[i] != other[i]), n)


@dataclass
class Incident:
    """Xen's own loss: a guest's end, or xenconsoled's. said: what the guest
    had said when it was over."""
    kind: str
    domid: int
    said: int
    at: float = field(default_factory=time.monotonic)


@dataclass
class Gap:
    """Bytes of a guest that nobody has seen."""
    guest: str
    domid: int
    start: int
    end: int
    why: str | None = None      # None: nothing explains it

    @property
    def size(self):
        return self.end - self.start

    def __str__(self):
        return (f"{self.guest}, domain {self.domid}: bytes {self.start} to "
                f"{self.end} ({self.why or 'NOT EXPLAINED'})")


class Guest:
    """One guest over all its lives, as its files and its incidents tell."""

    def __init__(self, name, folder):
        self.name = name
        self.file = pathlib.Path(folder) / name
        self.incidents = []

    def said(self, domid):
        path = self.file.with_name(f"{self.name}.{domid}.out")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return 0
        return struct.unpack("=Q", data)[0] if len(data) == 8 else 0

    def lives(self):
        """Its domids, in order."""
        return sorted(int(path.name.split(".")[-2]) for path in
                      self.file.parent.glob(f"{self.name}.*.out"))

    def typed(self, domid):
        path = self.file.with_name(f"{self.name}.{domid}.in")
        return path.read_bytes() if path.exists() else b""

    def note(self, kind):
        """Something has just ended that had bytes of this guest."""
        domid = (self.lives() or [0])[-1]
        self.incidents.append(Incident(kind, domid, self.said(domid)))


class Tape:
    """A guest's output as all its viewers together have seen it, each byte
    once, with what is wrong in it."""

    def __init__(self, guest):
        self.guest = guest
        self.run = None
        self.begin = self.end = 0
        self.bytes = bytearray()        # from begin on: to compare with
        self.open = b""                 # not known yet what it is
        self.domid = self.at = None     # where the numbering stands
        self.tail = b""                 # the last line's bytes before that
        self.sync = False               # domid and at hold for what comes
        self.marked = None              # the viewers were told of a gap here
        self.gaps, self.repeated, self.garbage = [], 0, 0
        self.wrong = []

    def put(self, run, end, data):
        """As a viewer got it. The same bytes at the same place, or else."""
        start = end - len(data)
        if run != self.run:
            self.cut(f"a new history {run}" if self.run else None)
            self.run, self.begin, self.end = run, start, start
            self.bytes.clear()
        if start > self.end:
            self.cut("all viewers were told of a gap")
            self.begin = self.end = start
            self.bytes.clear()
        known = data[:max(0, self.end - start)]
        if start >= self.begin and \
                known != self.bytes[start - self.begin:][:len(known)]:
            self.wrong.append(f"{self.guest.name}: two viewers saw other "
                              f"bytes at {run}.{start}")
        fresh = data[len(known):]
        self.bytes += fresh
        self.end += len(fresh)
        if len(self.bytes) > 8 << 20:
            del self.bytes[:4 << 20]
            self.begin += 4 << 20
        self.read(fresh)

    def cut(self, why):
        self.open = b""
        self.sync = False
        self.marked = why

    def read(self, data):
        data = self.open + data
        self.open = b""
        while data:
            if self.sync:
                n = agree(data, numbered(self.domid, self.at, len(data)))
                self.at += n
                self.tail = (self.tail + data[:n])[-LINE:]
                data = data[n:]
                if not data:
                    return
            found = FULL.search(data)
            if not found and len(data) < 64 * LINE:
                self.sync, self.open = False, data
                return
            if not found:
                self.garbage += len(data) - LINE
                self.sync, self.open = False, data[-LINE:]
                return
            data = self.resume(data, found)

    def resume(self, data, found):
        """The numbering goes on at a full line; what is before it belongs to
        that line's predecessor as far as it looks like it."""
        domid, number = int(found[1]), int(found[2])
        at, before = number * LINE, data[:found.start()]
        while before and at > 0 and \
                before[-1:] == numbered(domid, at - 1, 1):
            before, at = before[:-1], at - 1
        self.garbage += len(before)
        if before:
            self.wrong.append(f"{self.guest.name}: {before[:80]!r} is none of "
                              f"its bytes (before {domid}, {at})")
        self.judge(domid, at if before else self.take_back(domid, at))
        self.domid, self.at, self.sync = domid, at, True
        self.marked = None
        return data[len(before):]

    def take_back(self, domid, at):
        """What looked like the old numbering's, and is the new one's as
        well: a gap may begin and end in the same letters."""
        while self.tail and at > 0 and \
                self.tail[-1:] == numbered(domid, at - 1, 1):
            self.tail, at, self.at = self.tail[:-1], at - 1, self.at - 1
        self.tail = b""
        return at

    def judge(self, domid, at):
        if self.domid is None:
            return
        if domid == self.domid and at < self.at or domid < self.domid:
            self.repeated += 1
            self.wrong.append(
                f"{self.guest.name}: domain {domid} byte {at} came after "
                f"domain {self.domid} byte {self.at}")
        elif domid == self.domid:
            self.miss(domid, self.at, at)
        else:
            self.ended(domid)
            self.miss(domid, 0, at)

    def ended(self, until):
        """The rest of this life, and lives of which nothing was seen."""
        self.miss(self.domid, self.at, self.guest.said(self.domid))
        for domid in self.guest.lives():
            if self.domid < domid < until:
                self.miss(domid, 0, self.guest.said(domid))

    def miss(self, domid, start, end):
        if end > start:
            gap = Gap(self.guest.name, domid, start, end)
            gap.why = self.why(gap)
            self.gaps.append(gap)

    def why(self, gap):
        for incident in self.guest.incidents:
            if incident.domid != gap.domid:
                continue
            # What is in the ring survives xenconsoled, and comes then.
            if incident.said - RING - UNCOUNTED <= gap.end <= \
                    incident.said + UNCOUNTED and gap.size <= XEN_HOLDS:
                return f"Xen: {incident.kind}"
        return f"marked: {self.marked}" if self.marked else None

    def explain(self):
        """Incidents may be noted after the gap was seen."""
        for gap in self.gaps:
            gap.why = gap.why or self.why(gap)

    def has(self, domid, said):
        """Has it been seen up to there?"""
        return self.sync and self.domid == domid and self.at >= said


# --- What is typed -----------------------------------------------------------

TYPED = re.compile(rb"<(\d{3}):(\d{8}):([a-z]*)>\r")


def typed_line(typist, number):
    """Of a length that varies with its number."""
    return b"<%03d:%08d:%s>\r" % (typist, number,
                                 LETTERS[:number * 7 % 27].lower())


@dataclass
class Sent:
    """One line that a typist was told is typed."""
    number: int
    first: float    # when it was first tried
    told: float


class Typed:
    """One typist's lines, and what the guest got of them."""

    def __init__(self, typist, guest):
        self.typist, self.guest = typist, guest
        self.sent = []
        self.bytes = 0
        self.got = self.lost = self.repeated = self.reordered = 0
        self.lost_of_xen = 0
        self.wrong = []

    def check(self, arrived, grace):
        """arrived: the numbers of this typist, in the guest's order."""
        self.got = len(arrived)
        last = 0
        seen = set()
        for number in arrived:
            if number in seen:
                self.repeated += 1
                self.wrong.append(f"typist {self.typist}: line {number} "
                                  f"arrived twice at {self.guest.name}")
            elif number < last:
                self.reordered += 1
                self.wrong.append(f"typist {self.typist}: line {number} "
                                  f"arrived after {last}")
            seen.add(number)
            last = max(last, number)
        for line in self.sent:
            if line.number in seen:
                continue
            incident = self.incident(line, grace)
            if incident:
                self.lost_of_xen += 1
            else:
                self.lost += 1
                self.wrong.append(
                    f"typist {self.typist}: line {line.number} was typed, as "
                    f"it was told, and never came to {self.guest.name}")

    def incident(self, line, grace):
        """Xen's own, while the line was on its way."""
        return next((i for i in self.guest.incidents if
                     line.first - NOTICED <= i.at <= line.told + grace), None)


def arrived(guest):
    """{typist: [numbers]}, and the bytes that are in no whole line."""
    numbers, torn = {}, 0
    for domid in guest.lives():
        data, end = guest.typed(domid), 0
        for found in TYPED.finditer(data):
            torn += found.start() - end
            end = found.end()
            typist, number = int(found[1]), int(found[2])
            if found[0] != typed_line(typist, number):
                torn += len(found[0])
                continue
            numbers.setdefault(typist, []).append(number)
        torn += len(data) - end
    return numbers, torn
