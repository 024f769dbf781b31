"""Who gets which answer: the tables of docs/security.md, which
test_matrix.py tries row by row.

    python3 tests/integration/matrix.py     writes them into the document

A cell is the status; where programs and browsers are told different ones (a
browser would answer 401 by forgetting its password), that of a program stands
first: "401 / 403".
"""

import pathlib

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/security.md"
BEGIN = "<!-- begin: tests/integration/matrix.py writes this -->\n"
END = "<!-- end -->\n"

# --- Identity x right --------------------------------------------------------

CALLS = ("list", "open watch", "open type", "type beside another user",
         "`take: force`", "ajaxterm: look", "ajaxterm: keys", "preview",
         "logs", "power, at a domid that has gone")

# The rights of each user of the test are in test_matrix.py.
WHO = (
    ("nobody logged in", (401,) * 10),
    ("wrong password", (401,) * 10),
    ("nobody logged in, forged headers", (401,) * 10),
    ("no right", ("200, not shown", *(404,) * 9)),
    ("no right, forged headers", ("200, not shown", *(404,) * 9)),
    ("all rights, at another console", ("200, not shown", *(404,) * 9)),
    ("`list`", ("200: list", *(403,) * 9)),
    ("`watch`",
     ("200: watch", 201, 403, 403, 403, 200, 403, 200, 403, 403)),
    ("`type`", ("200: type", 201, 201, 409, 403, 200, 200, 200, 403, 403)),
    ("`type`, by a group",
     ("200: type", 201, 201, 409, 403, 200, 200, 200, 403, 403)),
    ("`join`", ("200: join", 201, 201, 201, 403, 200, 200, 200, 403, 403)),
    ("`force`", ("200: force", 201, 201, 201, 201, 200, 200, 200, 403, 403)),
    ("`log`", ("200: log", *(403,) * 7, 200, 403)),
    ("`power`", ("200: power", *(403,) * 8, 409)),
)

# --- Token x identity --------------------------------------------------------

READ = (("GET", "sessions/current"), ("GET", "output?wait=0"),
        ("GET", "screen?format=text"), ("GET", "history?format=raw"),
        ("GET", "stream"))
TYPE = (("POST", "input"), ("DELETE", "input"), ("POST", "keys"),
        ("POST", "size"))
CLOSE = (("DELETE", "sessions/current"),)
ROUTES = {"current, output, screen, history, stream": READ,
          "input, keys, size": TYPE, "close": CLOSE}

NO = "401 / 403"
IDENTITIES = {
    "logged in as its user": {"good": True},
    "logged in as another with all rights": {"good": 403},
    "nobody logged in, on a site for tickets": {"good": True},
    "nobody logged in, on a site with a login": {"good": 401, "bad": 401},
    "wrong password, on a site with a login": {"good": 401, "bad": 401},
}
GOOD_TOKENS = {"of a session that types": (200, 200, 204),
               "of a session that watches": (200, 403, 204),
               "another console's": ("200, of that console",
                                     "200, at that console", 204)}
BAD_TOKENS = ("none", "that nobody was given", "of another form",
              "expired", "closed", "closed by the administrator",
              "public name of a session", "a ticket", "a good one in the URL",
              "a good one as Bearer", "a good one in a cookie")


def tokens():
    """(identity, token, cells)"""
    for identity, kind in IDENTITIES.items():
        for token, cells in GOOD_TOKENS.items():
            good = kind["good"]
            yield identity, token, \
                cells if good is True else (good,) * len(ROUTES)
        for token in BAD_TOKENS:
            yield identity, token, (kind.get("bad", NO),) * len(ROUTES)


# --- Tickets -----------------------------------------------------------------

TICKETS = (
    # (which, to watch with it, to type with it)
    ("none", 401, 401),
    ("made here, to type", NO, 201),
    ("made here, to watch", 201, NO),
    ("made here, used", NO, NO),
    ("made here, revoked", NO, NO),
    ("made here, expired", NO, NO),
    ("made here, for another console", NO, NO),
    ("its public name", NO, NO),
    ("signed (HS256), to type", NO, 201),
    ("signed (HS256), to watch", 201, NO),
    ("signed (EdDSA), to watch", 201, NO),
    ("signed by a key that may only watch, to type", NO, 403),
    ("signed by a key for other consoles", 403, 403),
    ("signed, for another console", NO, NO),
    ("signed, for a console that is not there", 404, 404),
    ("replayed", NO, NO),
    ("replayed with other claims", NO, NO),
    ("`alg: none`", NO, NO),
    ("`alg: none`, without a `kid`", NO, NO),
    ("`alg: nOnE`, signed", NO, NO),
    ("`alg: HS384`", NO, NO),
    ("signature cut off", NO, NO),
    ("claims changed", NO, NO),
    ("another key", NO, NO),
    ("empty key", NO, NO),
    ("unknown `kid`", NO, NO),
    ("`kid` is a path", NO, NO),
    ("key in the header (`jwk`)", NO, NO),
    ("`crit`", NO, NO),
    ("public key used as a secret (HS256 with the EdDSA `kid`)", NO, NO),
    ("the same, header says EdDSA", NO, NO),
    ("`exp` has passed", NO, NO),
    ("`exp` too far away", NO, NO),
    ("no `exp`", NO, NO),
    ("`nbf` to come", NO, NO),
    ("`iat` to come", NO, NO),
    ("issued before the worker started", NO, NO),
    ("`aud` of another host", NO, NO),
    ("`aud` is a list", NO, NO),
    ("no `aud`", NO, NO),
    ("no `jti`", NO, NO),
    ("no `sub`", NO, NO),
)

# --- Where a call comes from -------------------------------------------------

FROM_CALLS = ("list", "open", "ajaxterm: keys, POST", "ajaxterm: keys, GET",
              "power", "session: read", "session: type")
HERE, ELSEWHERE = (200, 201, 200, 200, 409, 200, 200), \
    (200, 403, 403, 403, 403, 200, 200)
WHENCE = (
    ("a program (says nothing)", (200, 201, 403, 403, 409, 200, 200)),
    ("a page of this site", HERE),
    ("a page of this site, old browser (`Origin`)", HERE),
    ("a page of this site, older (`Referer`)", HERE),
    ("typed into the address bar", (200, 201, 403, 403, 409, 200, 200)),
    ("another site's page", ELSEWHERE),
    ("a page of a neighbour (same site)", ELSEWHERE),
    ("another site's page, old browser (`Origin`)", ELSEWHERE),
    ("a page with `Origin: null`", ELSEWHERE),
    ("this host on another port (`Origin`)", ELSEWHERE),
)


# --- The document ------------------------------------------------------------

def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def text():
    """What stands between the two marks."""
    lines = ["What somebody who has logged in gets, by his right at the "
             "console:", ""]
    lines += table(("who", *CALLS), ((who, *cells) for who, cells in WHO))
    lines += ["What a token opens, by who else is known to ask:", ""]
    lines += table(("asked by", "token", *ROUTES), (
        (identity, token, *cells) for identity, token, cells in tokens()))
    lines += ["What a ticket opens (nobody logged in):", ""]
    lines += table(("ticket", "a session to watch", "to type"), TICKETS)
    lines += ["Where a call comes from, by somebody who has the right "
              "`type`, and for power that one; what a session's calls need is its token, which no "
              "other site's page has:", ""]
    lines += table(("from", *FROM_CALLS),
                   ((whence, *cells) for whence, cells in WHENCE))
    return "\n".join(lines)


def split(document):
    """Before, between and behind the marks."""
    before, rest = document.split(BEGIN)
    between, behind = rest.split(END)
    return before + BEGIN, between, END + behind


def write():
    before, _, behind = split(DOCUMENT.read_text())
    DOCUMENT.write_text(before + text() + behind)


if __name__ == "__main__":
    write()
