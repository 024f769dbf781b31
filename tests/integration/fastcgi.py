"""FastCGI 1.0 as nginx speaks it to the worker: one request a connection."""

import os
import socket
import struct

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
GET_VALUES = 9
RESPONDER = 1
KEEP = 1


def record(kind, content=b"", request=1, padding=0, length=None):
    """length: what the header claims, where that is to be wrong."""
    size = len(content) if length is None else length
    return struct.pack("!BBHHBx", 1, kind, request, size, padding) \
        + content + bytes(padding)


def begin(role=RESPONDER, flags=0):
    return record(BEGIN, struct.pack("!HB5x", role, flags))


def pair(name, value):
    def length(n):
        return struct.pack("!B", n) if n < 128 \
            else struct.pack("!I", n | 0x80000000)
    return length(len(name)) + length(len(value)) + name + value


def stream(kind, data):
    """data in records of at most 32 KiB, and the empty one that ends it."""
    step = 32768
    return b"".join(record(kind, data[i:i + step])
                    for i in range(0, len(data), step)) + record(kind)


def request(method, path, query="", user="", token="", body=b"", keep=False,
            **params):
    """The bytes of one request, with the parameters of conf/nginx. keep:
    another one is to come on this connection."""
    given = {"REQUEST_METHOD": method, "PATH_INFO": path,
             "QUERY_STRING": query, "REMOTE_USER": user,
             "HTTP_XENTERM_TOKEN": token,
             "CONTENT_LENGTH": str(len(body)) if body else "", **params}
    pairs = b"".join(pair(name.encode(), value.encode("latin-1"))
                     for name, value in given.items())
    return begin(flags=KEEP if keep else 0) + stream(PARAMS, pairs) \
        + stream(STDIN, body)


def connect(path, timeout=20):
    """The path may be longer than a socket's address can be."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(timeout)
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        peer.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        peer.close()
        raise
    finally:
        os.close(folder)
    return peer


def read_to_end(peer):
    """All until the other side closes; b"" also for a reset."""
    data = b""
    while True:
        try:
            piece = peer.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def read_answer(peer):
    """One answer, of a connection that is kept; less when it is closed."""
    data, at = b"", 0
    while True:
        piece = peer.recv(65536)
        if not piece:
            return data
        data += piece
        while at + 8 <= len(data):
            _, kind, _, size, padding = struct.unpack_from("!BBHHB", data, at)
            at += 8 + size + padding
            if kind == END and at <= len(data):
                return data


def read_request(peer):
    """The other side: what a web server asks; parameters and body."""
    data, at, values, body = b"", 0, b"", b""
    while True:
        while at + 8 <= len(data):
            _, kind, _, size, padding = struct.unpack_from("!BBHHB", data, at)
            if at + 8 + size + padding > len(data):
                break
            content = data[at + 8:at + 8 + size]
            at += 8 + size + padding
            if kind == PARAMS:
                values += content
            elif kind == STDIN and content:
                body += content
            elif kind == STDIN:
                return dict(pairs(values)), body
        piece = peer.recv(65536)
        if not piece:
            raise EOFError("the web server has left")
        data += piece


def pairs(values):
    """What pair() made, apart again."""
    at = 0

    def length():
        nonlocal at
        size = 1 if values[at] < 128 else 4
        at += size
        return int.from_bytes(values[at - size:at], "big") & 0x7fffffff

    while at < len(values):
        name, value = length(), length()
        at += name + value
        yield (values[at - value - name:at - value].decode(),
               values[at - value:at].decode("latin-1"))


def stdout_of(data):
    """What the worker said to its standard output: headers and body."""
    at, out = 0, b""
    while at + 8 <= len(data):
        _, kind, _, size, padding = struct.unpack_from("!BBHHB", data, at)
        if kind == STDOUT:
            out += data[at + 8:at + 8 + size]
        at += 8 + size + padding
    return out


def status_of(data):
    """The status of an answer; None when there is none."""
    out = stdout_of(data)
    if not out.startswith(b"Status: "):
        return None
    return int(out.split(b" ", 2)[1])
