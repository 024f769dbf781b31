"""Every call, asked wrongly in every way: a defined answer with a sentence,
and nothing has changed."""

import json

import pytest

JSON = "application/json"
BYTES = "application/octet-stream"
HUGE = "9" * 400


class Call:
    """One row of the table in docs/protocol.md 1, and a good request."""

    def __init__(self, method, path, query="", body=b"", type=None,
                 token=True):
        self.method, self.path, self.query = method, path, query
        self.body, self.type, self.token = body, type, token

    def __repr__(self):
        return f"{self.method} {self.path}"

    def but(self, **changes):
        """The good request with something changed."""
        return {"method": self.method, "path": self.path, "query": self.query,
                "body": self.body, "type": self.type, **changes}


CALLS = {
    "consoles": Call("GET", "consoles", token=False),
    "new": Call("POST", "sessions", "", b'{"console":"web1","mode":"watch"}',
                JSON, token=False),
    "current": Call("GET", "sessions/current"),
    "delete": Call("DELETE", "sessions/current"),
    "output": Call("GET", "output", "wait=0"),
    "input": Call("POST", "input", "seq=1", b"x", BYTES),
    "keys": Call("POST", "keys", "seq=1", b'{"key":"sysrq","arg":"h"}', JSON),
    "size": Call("POST", "size", "", b'{"rows":24,"cols":80}', JSON),
}

# Not a value of any parameter that is a number.
NO_NUMBERS = ("", "x", "-1", "+1", "1.0", "1e1", "0x1", "1+", "01",
              "%31%00", "%00", "%FF", "%E9", "1;2", "1,2", "NaN", "null",
              "true", "[]", "%F0%9F%98%80", HUGE, "18446744073709551616",
              "-9223372036854775808", "1%0A", "%20")
# Not a value of any JSON member that is a number.
NO_JSON_NUMBERS = ('"24"', "24.5", "24.0", "-24", "0", "1e400", "-0", "null",
                   "true", "false", '""', "[]", "[24]", "{}", '{"a":1}', HUGE,
                   "9223372036854775808", "-9223372036854775809",
                   "18446744073709551615", "18446744073709551616", "4294967320")
NO_JSON_TEXTS = ("1", "1.5", "null", "true", "[]", '["web1"]', "{}",
                 '{"a":"web1"}', '""', '"\\u0000"', '"web1\\u0000"',
                 '"web1\\n"', '"\\u001b[2J"', '"%s"' % ("x" * 257))
# Not one JSON object, or not of these members.
NO_OBJECTS = (b"", b" ", b"null", b"1", b'"text"', b"[]", b"true", b"{",
              b"}", b"{}{}", b"{} x", b"{'a':1}", b"{a:1}", b'{"a"}',
              b'{"a":}', b'{"a":1,}', b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}",
              b"\0", b"{}\0", b'{"\xff":1}', b'{"a":"\xc0\xaf"}',
              b'{"a":"\xed\xa0\x80"}', b"[" * 16384, b'{"a":' * 3000,
              b"/**/{}", b"{}//", b'{"a":"\t"}', b"NaN", b'{"a":NaN}',
              b'{"a":Infinity}', b'{"a":1' + b" " * 16000)


def queries(call, name):
    """What is wrong with a query, whatever the call."""
    base = call.query + "&" if call.query else ""
    yield "unknown", call.but(query=base + "colour=red")
    yield "unknown, empty", call.but(query=base + "colour=")
    yield "no value", call.but(query=base + "colour")
    yield "no name", call.but(query=base + "=1")
    yield "zero byte in a name", call.but(query=base + "a%00b=1")
    yield "zero byte in a value", call.but(query=base + "a=%00")
    yield "not UTF-8", call.but(query=base + "%FF=1")
    yield "escapes", call.but(query=base + "%1B%5B2J=1")
    yield "half an escape", call.but(query=base + "a=%4")
    yield "oversized", call.but(query=base + "x=" + "y" * 2000)
    yield "many", call.but(query=base + "&".join(f"p{n}=1"
                                                 for n in range(180)))
    if call.query:
        yield "repeated", call.but(query=f"{call.query}&{call.query}")
        yield "an array", call.but(query=call.query.replace("=", "[]="))
        yield "upper case", call.but(query=call.query.upper())


def bodies(call, name):
    if call.type is None:
        for what, body in (("a byte", b"x"), ("JSON", b"{}"),
                           ("the largest", b"x" * 16384)):
            yield f"{what} where no body belongs", \
                call.but(body=body, type=JSON)
        yield "too much where no body belongs", \
            call.but(body=b"x" * 16385, type=JSON, status=413)
        return
    for type_ in (None, "", "text/plain", "application/x-www-form-urlencoded",
                  "multipart/form-data; boundary=x", "application/jsonp",
                  "application", "/", "*/*", JSON if call.type == BYTES
                  else BYTES, "x" * 300):
        yield f"content type {type_!s:.40}", call.but(type=type_, status=415)
    yield "one byte too many", call.but(body=b" " * 16385, status=413)
    yield "all that nginx passes on", call.but(body=b" " * 65536, status=413)
    yield "more than nginx passes on", call.but(body=b" " * 65537, status=413)
    yield "empty", call.but(body=b"")


def members(call, name):
    """What is wrong with a JSON body."""
    good = json.loads(call.body)
    for number, text in enumerate(NO_OBJECTS):
        yield f"no object {number}", call.but(body=text)
    yield "unknown member", call.but(body=json.dumps(
        {**good, "colour": "red"}).encode())
    yield "upper case", call.but(body=call.body.upper())
    yield "largest", call.but(body=b'{"a":"' + b"x" * 16376 + b'"}')
    for member in good:
        others = {key: value for key, value in good.items() if key != member}
        yield f"without {member}", call.but(body=json.dumps(others).encode())
        rest = json.dumps(others)[1:-1]
        for again in (json.dumps(good[member]), "1", "null"):
            yield f"{member} twice, {again}", call.but(
                body=call.body[:-1]
                + f',"{member}":{again}}}'.encode())
        yield f"{member} twice, once escaped", call.but(
            body=call.body[:-1] + b',"\\u%04x%s":%s}' % (
                ord(member[0]), member[1:].encode(),
                json.dumps(good[member]).encode()))
        wrong = NO_JSON_NUMBERS if isinstance(good[member], int) \
            else NO_JSON_TEXTS
        for value in wrong:
            yield f"{member} = {value:.30}", call.but(
                body=f'{{{rest},"{member}":{value}}}'.encode())


def methods(call, name):
    taken = {"sessions/current": {"GET", "DELETE"},
             "input": {"POST", "DELETE"}}.get(call.path, {call.method})
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
                   "PROPFIND", "FOO"):
        if method not in taken:
            yield f"method {method}", call.but(
                method=method, body=b"", type=None, status=405)


def paths(call, name):
    for path in (call.path + "/", call.path + "/x", call.path.upper(),
                 call.path + "%2F", "x" + call.path,
                 call.path + ".json", call.path + ";x=1",
                 call.path + "x" * 3000, "%FF", call.path + "%20"):
        yield f"path {path:.40}", call.but(path=path, status=404)


def own(name):
    """What is wrong only with this call."""
    call = CALLS[name]
    if name == "output":
        for value in NO_NUMBERS + ("61",):
            yield f"wait={value:.20}", call.but(query=f"wait={value}")
        yield "wait twice", call.but(query="wait=0&wait=0")
        yield "from twice", call.but(query="from=1.1&wait=0&from=1.2")
    elif name == "input":
        for value in NO_NUMBERS + ("0", "9223372036854775808"):
            yield f"seq={value:.20}", call.but(query=f"seq={value}")
        for value in NO_NUMBERS + ("0", "1001"):
            yield f"echo={value:.20}", call.but(query=f"seq=1&echo={value}")
        for value in ("", "x", "1", "1.-1", "%00", HUGE):
            yield f"from={value:.20}", call.but(
                query=f"seq=1&echo=10&from={value}")
        yield "no seq", call.but(query="")
        yield "no seq, echo", call.but(query="echo=10")
        yield "from without echo", call.but(query="seq=1&from=1.1")
        yield "from twice", call.but(query="seq=1&echo=10&from=1.1&from=1.1")
    elif name == "keys":
        for value in NO_NUMBERS + ("0", "9223372036854775808"):
            yield f"seq={value:.20}", call.but(query=f"seq={value}")
        yield "no seq", call.but(query="")
        yield "echo", call.but(query="seq=1&echo=10")
        for arg in ("hh", "\\u000f", "-", "?", " ", "\u00e4", "h "):
            yield f"arg {arg}", call.but(
                body=f'{{"key":"sysrq","arg":"{arg}"}}'.encode())
        for key in ("SysRq", "sysrq ", "ctrl-p", "\\u000f", "ctrl-o,break"):
            yield f"key {key}", call.but(body=f'{{"key":"{key}"}}'.encode())
        for key in ("ctrl-o", "break", "sysrq"):
            for arg in ('null', '1', '""', '"hh"'):
                yield f"{key} with arg {arg}", call.but(
                    body=f'{{"key":"{key}","arg":{arg}}}'.encode())
        yield "break with a good arg", call.but(
            body=b'{"key":"break","arg":"h"}')
    elif name == "size":
        for rows, cols in ((0, 80), (201, 80), (24, 1), (24, 401), (-1, -1),
                           (2 ** 31, 80), (24, 2 ** 32 + 80)):
            yield f"{rows} x {cols}", call.but(
                body=b'{"rows":%d,"cols":%d}' % (rows, cols))
        for value in ('"true"', "1", "0", "null", '""', "[]", "{}", '"yes"'):
            yield f"tell_guest = {value}", call.but(
                body=b'{"rows":24,"cols":80,"tell_guest":%s}' % value.encode())
    elif name == "new":
        for mode in ("WATCH", "watch ", "read", "type,watch", "both"):
            yield f"mode {mode}", call.but(
                body=b'{"console":"web1","mode":"%s"}' % mode.encode())


def table():
    for name, call in CALLS.items():
        cases = [queries, bodies, methods, paths]
        if call.type == JSON:
            cases.append(members)
        for kind in cases:
            for what, request in kind(call, name):
                yield pytest.param(call, request, id=f"{call}: {what}")
        for what, request in own(name):
            yield pytest.param(call, request, id=f"{call}: {what}")


@pytest.fixture(scope="module")
def session(shared_site):
    """One for the whole table; it must come out as it went in."""
    session = shared_site.session("web1")
    shared_site.sessions.remove(session)
    yield session
    shown = session.current().json()
    assert shown["seq"] == 0
    assert shown["size"] == {"rows": 24, "cols": 80}
    session.delete()
    session.close()


def ask(site, session, call, method, path, query, body, type, status=None):
    headers = [("Xenterm-Token", session.token)] if call.token else []
    if type is not None:
        headers.append(("Content-Type", type))
    return site.request(method, f"api/v1/{path}?{query}" if query
                        else f"api/v1/{path}", body, headers)


def state(site):
    """All that a refused request must leave alone."""
    health = site.healthz()
    del health["connections"]   # nginx' own affair
    return health


@pytest.mark.parametrize(("call", "request_"), table())
def test_asked_wrongly(site, session, call, request_):
    before = state(site)
    answer = ask(site, session, call, **request_)
    status = request_.get("status", 400)
    # An empty body has no type, or the wrong one.
    problem = answer.problem()
    if answer.status != status:
        assert (answer.status, status) in ((415, 400), (400, 404), (414, 404))
    if answer.status == 405:
        assert call.method in answer.headers["Allow"]
    assert "\x1b" not in problem["detail"]
    assert state(site) == before


def test_the_same_calls_asked_rightly(site, guest):
    """What the table changes is good before it is changed."""
    name = guest("--echo")
    session = site.session(name)
    for key in ("consoles", "current", "output", "keys", "size", "delete"):
        call = CALLS[key]
        answer = ask(site, session, call, **call.but())
        assert answer.status in (200, 204), call
    answer = ask(site, session, CALLS["new"], **CALLS["new"].but())
    assert answer.status == 201
    assert site.request("DELETE", "api/v1/sessions/current", headers={
        "Xenterm-Token": answer.json()["token"]}).status == 204


@pytest.mark.parametrize("type_", [
    "application/json", "application/json; charset=utf-8",
    "Application/JSON", "application/json;charset=UTF-8"])
def test_content_types_as_clients_write_them(site, session, type_):
    call = CALLS["size"]
    assert ask(site, session, call, **call.but(type=type_)).status == 200


def test_json_as_clients_write_it(site, session):
    call = CALLS["size"]
    for body in (b' {"rows": 24, "cols": 80} \r\n',
                 b'{"cols":80,"rows":24,"tell_guest":false}',
                 b'{"\\u0072ows":24,"cols":80}', b'{"rows":24,\n"cols":80}'):
        assert ask(site, session, call, **call.but(body=body)).status == 200


def test_parameters_as_clients_write_them(site, session):
    call = CALLS["output"]
    for query in ("wait=%30", "from=&wait=0", "wait=0&from=%31.1", "wait=0&",
                  "w%61it=0"):
        answer = ask(site, session, call, **call.but(query=query))
        assert answer.status == 200 or answer.problem(400)


def test_no_body_at_all(site, session):
    """Without Content-Length, and with one that is not true."""
    for head in ("POST /xenterm/api/v1/size HTTP/1.1",
                 "POST /xenterm/api/v1/sessions HTTP/1.1"):
        client = site.client()
        client.method = "POST"
        client.open().sendall(
            client.head("GET", "/", b"", [("Xenterm-Token", session.token),
                                          ("Content-Type", JSON)])
            .replace(b"GET / HTTP/1.1", head.encode()))
        client.receive().problem(400, "bad-body")
        client.close()


def test_a_body_in_chunks(site, session):
    """nginx collects it and says how long it is."""
    client = site.client()
    client.method = "POST"
    client.open().sendall(
        client.head("GET", "/", b"", [
            ("Xenterm-Token", session.token), ("Content-Type", JSON),
            ("Transfer-Encoding", "chunked")])
        .replace(b"GET / ", b"POST /xenterm/api/v1/size ")
        + b'5\r\n{"row\r\n10\r\ns":24,"cols":80}\r\n0\r\n\r\n')
    assert client.receive().status == 200
    client.close()


def test_what_the_web_server_refuses_by_itself(site):
    """Such a request does not reach the worker."""
    before = site.log("worker")
    for line, status in (
            ("get /xenterm/api/v1/consoles HTTP/1.1", 400),
            ("GET /xenterm/api/v1/consoles%00 HTTP/1.1", 400),
            ("GET /xenterm/api/v1/conso\0les HTTP/1.1", 400),
            ("GET /xenterm/api/v1/output?wait= 1 HTTP/1.1", 400),
            ("TRACE /xenterm/api/v1/consoles HTTP/1.1", 405),
            ("GET /xenterm/api/v1/consoles?x=" + "y" * 9000 + " HTTP/1.1",
             414)):
        client = site.client()
        client.method = "GET"
        client.open().sendall(client.head("GET", "/", b"", [])
                              .replace(b"GET / HTTP/1.1", line.encode()))
        answer = client.receive()
        client.close()
        assert answer.status == status, line
        assert b"guest" not in answer.body and b"web1" not in answer.body
    # The guest of the test before may only now have hung up.
    said = site.log("worker")[len(before):].splitlines()
    assert [line for line in said if "hung up" not in line] == []
