"""Who uses the consoles while things break: viewers that poll or stream, and
typists; all of them do what docs/protocol.md tells a client to do."""

import asyncio
import base64
import json
import struct
import time

import lines

# Between two tries, as the browser's client does at first.
BACK_OFF = 0.03


def login(user):
    return base64.b64encode(f"{user}:no secret".encode()).decode()


AUTH = login("admin")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def code(self):
        try:
            return json.loads(self.body).get("code")
        except ValueError:
            return None


class Broken(Exception):
    """No answer, or not all of one."""


async def send(port, method, path, body, headers, user="admin"):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise Broken(str(error)) from None
    head = [f"{method} /xenterm/api/v1/{path} HTTP/1.1", "Host: 127.0.0.1",
            "Connection: close", f"Authorization: Basic {login(user)}",
            *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        head.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join(head + ["", ""]).encode() + body)
    return reader, writer


async def read_head(reader):
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = text.split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest if ": " in line)
    return int(first.split()[1]), {k.lower(): v for k, v in headers.items()}


async def chunks(reader):
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)


async def ask(port, method, path, body=b"", timeout=10, user="admin",
              **headers):
    """One request and its answer, whole; or Broken."""
    headers = {name.replace("_", "-"): value
               for name, value in headers.items()}

    async def whole():
        reader, writer = await send(port, method, path, body, headers,
                                    user)
        try:
            status, got = await read_head(reader)
            if "chunked" in got.get("transfer-encoding", ""):
                data = b"".join([piece async for piece in chunks(reader)])
            elif status == 204:
                data = b""
            else:
                data = await reader.readexactly(int(got["content-length"]))
            return Answer(status, got, data)
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(whole(), timeout)
    except (OSError, EOFError, asyncio.TimeoutError, ValueError,
            asyncio.LimitOverrunError) as error:
        raise Broken(repr(error)) from None


async def end(tasks):
    """Cancels them, again where that was lost: wait_for() of Python 3.11
    forgets it when what it waits for is there at the same time."""
    tasks = set(tasks)
    for task in tasks:
        task.cancel()
    while left := {task for task in tasks if not task.done()}:
        await asyncio.wait(left, timeout=0.5)
        for task in left:
            task.cancel()
    return [task.exception() for task in tasks if not task.cancelled()]


class Person:
    """A session at a guest's console, kept through everything."""

    def __init__(self, run, name, guest, mode):
        self.run, self.name, self.guest, self.mode = run, name, guest, mode
        self.token = None
        self.from_ = None
        self.dropped = 0

    async def open(self):
        body = json.dumps({"console": self.guest.name,
                           "mode": self.mode}).encode()
        while True:
            try:
                answer = await ask(self.run.port, "POST", "sessions", body,
                                   Content_Type="application/json")
                if answer.status == 201:
                    made = json.loads(answer.body)
                    self.token, self.from_ = made["token"], made["from"]
                    return
            except Broken:
                pass
            await asyncio.sleep(BACK_OFF * 4)

    async def ask(self, *args, **kwargs):
        return await ask(self.run.port, *args, Xenterm_Token=self.token,
                         **kwargs)

    async def is_dropped(self, answer):
        """Whether the session is gone; then there is a new one."""
        if answer.status not in (401, 403):
            return False
        self.dropped += 1
        self.run.tell(f"{self.name}: session dropped: {answer.body!r}")
        await self.open()
        return True


class Viewer(Person):
    def __init__(self, run, name, guest, streams):
        super().__init__(run, name, guest, "watch")
        self.streams = streams
        self.at = None          # where to go on
        self.history = self.offset = None
        self.bytes = self.overlap = self.answers = 0
        self.snapshots, self.wrong = [], []
        self.last = time.monotonic()
        self.longest, self.longest_at = 0.0, None

    async def live(self):
        await self.open()
        self.at = self.from_
        history, offset, _ = self.at.split(".")
        self.history, self.offset = history, int(offset)
        self.last = time.monotonic()
        while True:
            try:
                await (self.stream() if self.streams else self.poll())
            except (Broken, OSError, EOFError, ValueError,
                    asyncio.TimeoutError, asyncio.LimitOverrunError):
                await asyncio.sleep(BACK_OFF)

    async def poll(self):
        answer = await self.ask(
            "GET", f"output?wait=5&from={self.at}", timeout=8)
        if answer.status == 200:
            self.take(answer.body, answer.headers["xenterm-next"])
        elif answer.status == 204:
            self.at = answer.headers["xenterm-next"]
        elif not await self.is_dropped(answer):
            await asyncio.sleep(BACK_OFF)

    async def stream(self):
        reader, writer = await send(
            self.run.port, "GET", f"stream?from={self.at}", b"",
            {"Xenterm-Token": self.token})
        try:
            status, headers = await asyncio.wait_for(read_head(reader), 8)
            if status != 200:
                body = await reader.read(4096)
                await self.is_dropped(Answer(status, headers, body))
                raise Broken("no stream")
            data, pieces = b"", chunks(reader)
            while True:
                piece = await asyncio.wait_for(pieces.__anext__(), 20)
                data = self.frames(data + piece)
        except StopAsyncIteration:
            raise Broken("the stream has ended") from None
        finally:
            writer.close()

    def frames(self, data):
        """Takes whole batches: up to a frame that says where it stands."""
        at = batch = 0
        while at + 5 <= len(data):
            kind, size = struct.unpack_from("!cI", data, at)
            if at + 5 + size > len(data):
                break
            at += 5 + size
            if kind == b"p":
                self.take(data[batch:at - 5 - size],
                          data[at - size:at].decode())
                batch = at
        return data[batch:]

    def take(self, body, next_):
        self.answers += 1
        at, history = 0, next_.split(".")[0]
        while at < len(body):
            kind, size = struct.unpack_from("!cI", body, at)
            payload = body[at + 5:at + 5 + size]
            at += 5 + size
            if kind in b"os":
                end = struct.unpack("!Q", payload[:8])[0]
                if kind == b"s":
                    self.snapshot(history, end)
                else:
                    self.output(history, end, payload[8:])
        self.at = next_

    def snapshot(self, history, end):
        self.snapshots.append((time.monotonic(), self.history, self.offset,
                               history, end))
        self.run.tell(f"{self.name}: a gap is marked: {self.history}."
                      f"{self.offset} to {history}.{end}")
        self.history, self.offset = history, end

    def output(self, history, end, data):
        start = end - len(data)
        if history != self.history:
            self.wrong.append(f"{self.name}: run {history} without a mark")
        elif start > self.offset:
            self.wrong.append(f"{self.name}: bytes {self.offset} to {start} "
                              "are skipped without a mark")
        elif start < self.offset:
            self.overlap += self.offset - start
        self.history, self.offset = history, max(end, self.offset)
        self.bytes += len(data)
        self.progress()
        self.guest.tape.put(history, end, data)

    def progress(self):
        now = time.monotonic()
        if now - self.last > self.longest:
            self.longest, self.longest_at = now - self.last, self.last
        self.last = now


class Typist(Person):
    def __init__(self, run, number, guest):
        super().__init__(run, f"typist {number}", guest, "type")
        self.number = number
        self.typed = lines.Typed(number, guest)
        self.seq = self.next = 0
        self.tries = self.acknowledged_again = 0
        self.stopping = False
        self.wrong = []

    async def live(self):
        await self.open()
        while not self.stopping:
            await self.type_some(1 + self.next % 3)
            await asyncio.sleep(self.run.typing_pause)

    async def type_some(self, count):
        """One request of some lines, repeated until it is acknowledged."""
        numbers = range(self.next + 1, self.next + 1 + count)
        body = b"".join(lines.typed_line(self.number, n) for n in numbers)
        first, seq, token = time.monotonic(), self.seq + 1, self.token
        while True:
            self.tries += 1
            try:
                answer = await self.ask(
                    "POST", f"input?seq={seq}"
                    + ("&echo=20" if seq % 5 == 0 else ""), body, timeout=2,
                    Content_Type="application/octet-stream")
            except Broken:
                await asyncio.sleep(BACK_OFF)
                continue
            if answer.status in (200, 204):
                break
            if await self.is_dropped(answer):
                seq = 1
            elif answer.status == 409 and answer.code() == "seq-gap":
                # The worker knows more, or less, of this session than we do.
                self.wrong.append(f"{self.name}: at {seq}: {answer.body!r}")
                seq = json.loads(answer.body)["expected"]
            await asyncio.sleep(BACK_OFF)
        if b"false" in answer.body[:64]:
            self.acknowledged_again += 1
        told = time.monotonic()
        assert token == self.token or self.dropped
        self.seq, self.next = seq, numbers[-1]
        self.typed.bytes += len(body)
        self.typed.sent += [lines.Sent(n, first, told) for n in numbers]
