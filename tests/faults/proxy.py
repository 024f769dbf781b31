"""A proxy between viewers and nginx that loses, repeats, delays and reorders
requests and answers, one for each fault that is asked for."""

import asyncio
import collections

KINDS = ("drop-request", "drop-answer", "cut-answer", "delay", "duplicate",
         "reorder")


async def read_request(reader):
    """A whole request; None when there is no more."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    size = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return head + await reader.readexactly(size)


class Proxy:
    """One request a connection; its users say "Connection: close"."""

    def __init__(self, port_of_nginx):
        self.to = port_of_nginx
        self.pending = {"input": collections.deque(),
                        "output": collections.deque()}
        self.done = collections.Counter()
        self.tasks = set()
        self.server = None

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0,
                                                 backlog=512)
        self.port = self.server.sockets[0].getsockname()[1]

    def inject(self, kind, what, seconds):
        """For the next request of that sort: "input" or "output"."""
        self.pending[what].append((kind, seconds))

    def fault_for(self, request):
        what = "input" if b"/api/v1/input" in request[:200] else "output"
        if b"/api/v1/sessions" in request[:200] or not self.pending[what]:
            return None, 0
        kind, seconds = self.pending[what].popleft()
        self.done[kind] += 1
        return kind, seconds

    def serve(self, reader, writer):
        task = asyncio.ensure_future(self.handle(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def handle(self, reader, writer):
        try:
            request = await read_request(reader)
            if request is not None:
                await self.pass_on(request, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def pass_on(self, request, reader, writer):
        kind, seconds = self.fault_for(request)
        if kind == "drop-request":
            return
        if kind == "reorder":
            # It comes later, when its sender has long asked again.
            writer.close()
            await asyncio.sleep(seconds)
            await self.forward(request, None)
            return
        if kind == "delay":
            await asyncio.sleep(seconds)
        if kind == "duplicate":
            twice = asyncio.ensure_future(self.forward(request, None))
            self.tasks.add(twice)
            twice.add_done_callback(self.tasks.discard)
        if kind == "drop-answer":
            writer.close()
            await self.forward(request, None)
            return
        left = asyncio.ensure_future(reader.read(1))
        passing = asyncio.ensure_future(
            self.forward(request, writer, kind == "cut-answer"))
        try:
            await asyncio.wait({left, passing},
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (left, passing):
                task.cancel()
            await asyncio.gather(left, passing, return_exceptions=True)

    async def forward(self, request, writer, cut=False):
        """writer None: nobody hears the answer."""
        up_reader, up = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            up.write(request)
            while True:
                data = await asyncio.wait_for(up_reader.read(65536), 75)
                if not data:
                    return
                if cut:
                    writer.write(data[:len(data) // 2])
                    return
                if writer is None:
                    return
                writer.write(data)
                await writer.drain()
        except asyncio.TimeoutError:
            pass
        finally:
            up.close()
