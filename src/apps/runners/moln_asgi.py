"""An ASGI server (3.0): HTTP/1.1 with keep-alive and lifespan, without WebSockets."""

import asyncio
import os
import signal
import sys
import traceback
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from moln_http import HEAD_BYTES_MAX, Head, Refused, date_header, has_body, refusal

# Longer than the gateway keeps a connection that it does not use.
IDLE_TIMEOUT_S = 120
READ_BYTES = 65536
UNREAD_BYTES_MAX = 1024 * 1024
# How long the rest of a body is thrown away after the last response.
LINGER_S = 2
STOP_TIMEOUT_S = 30
REASONS = {each.value: each.phrase for each in HTTPStatus}


class Connection(asyncio.StreamReaderProtocol):
    """Knows at once when the client goes away, so that an app that streams can be told."""

    def __init__(self, server):
        super().__init__(asyncio.StreamReader(limit=HEAD_BYTES_MAX), self.run)
        self.server = server
        self.gone = asyncio.Event()

    def connection_lost(self, error):
        self.gone.set()
        super().connection_lost(error)

    def eof_received(self):
        self.gone.set()
        return super().eof_received()

    async def run(self, reader, writer):
        try:
            while not self.server.stopping and await self.one(reader, writer):
                pass
            if not self.server.stopping:
                await asyncio.wait_for(self.linger(reader, writer), LINGER_S)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()

    async def linger(self, reader, writer):
        """Whoever still sends would lose the response when the connection is closed on them (RFC 9112 9.6)."""
        writer.write_eof()
        while await reader.read(READ_BYTES):
            pass

    async def one(self, reader, writer):
        try:
            waiting = reader.readuntil(b"\r\n\r\n")
            data = await self.server.unless_stopping(asyncio.wait_for(waiting, IDLE_TIMEOUT_S))
        except asyncio.LimitOverrunError:
            writer.write(refusal(Refused(431, "The head of the request is too large")))
            return False
        if data is None:
            return False
        self.server.running += 1
        try:
            head = Head(data)
            if head.get(b"upgrade").lower() == b"websocket":
                raise Refused(501, "This server has no WebSockets; install uvicorn on the node")
            return await Exchange(self, reader, writer, head).run()
        except Refused as refused:
            writer.write(refusal(refused))
            await writer.drain()
            return False
        finally:
            self.server.running -= 1


class Exchange:
    """One request and its response."""

    def __init__(self, connection, reader, writer, head):
        self.connection = connection
        self.reader = reader
        self.writer = writer
        self.head = head
        self.left = head.length
        self.body_ended = not head.chunked and head.length == 0
        self.body_given = False
        self.expected = head.get(b"expect").lower() == b"100-continue"
        self.started = None
        self.sent = False
        self.chunked = False
        # Bytes that Content-Length still promises; None when it does not.
        self.promised = None
        self.complete = asyncio.Event()
        self.keep_alive = head.keep_alive

    async def run(self):
        try:
            await self.connection.server.app(self.scope(), self.receive, self.send)
            if not self.complete.is_set():
                raise RuntimeError("The app returned before its response was complete")
        except (ConnectionError, Refused):
            raise
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            if self.sent:
                return False
            raise Refused(500, "The app failed; its log says why") from None
        while self.keep_alive and not self.body_ended:
            await self.read_body()
        return self.keep_alive

    def scope(self):
        path, query = self.head.path
        client = self.head.client
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self.head.version[5:],
            "method": self.head.method,
            "scheme": self.head.scheme,
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.head.headers,
            "client": [client, 0] if client else None,
            "server": list(self.head.server),
            "state": dict(self.connection.server.state),
        }

    async def receive(self):
        if not self.body_given:
            data = await self.read_body()
            self.body_given = self.body_ended
            return {"type": "http.request", "body": data, "more_body": not self.body_ended}
        gone = asyncio.ensure_future(self.connection.gone.wait())
        done = asyncio.ensure_future(self.complete.wait())
        try:
            await asyncio.wait({gone, done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            done.cancel()
        return {"type": "http.disconnect"}

    async def read_body(self):
        if self.body_ended:
            return b""
        if self.expected:
            self.expected = False
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.head.chunked and self.left == 0:
            line = (await self.reader.readuntil(b"\r\n")).split(b";")[0].strip()
            try:
                self.left = int(line, 16)
            except ValueError:
                raise Refused(400, "A chunk is malformed") from None
            if self.left == 0:
                while await self.reader.readuntil(b"\r\n") != b"\r\n":
                    pass
                self.body_ended = True
                return b""
        data = await self.reader.read(min(self.left, READ_BYTES))
        if not data:
            raise ConnectionError("The client went away in the middle of the body")
        self.left -= len(data)
        if self.left == 0:
            if self.head.chunked:
                await self.reader.readexactly(2)
            else:
                self.body_ended = True
        return data

    @property
    def body_keeps_alive(self):
        """Whether what is left is known to be little enough to be read for the app: the response has to say so before."""
        return self.body_ended or not (self.head.chunked or self.expected or self.left > UNREAD_BYTES_MAX)

    async def send(self, message):
        if self.connection.gone.is_set() and self.writer.is_closing():
            return
        if message["type"] == "http.response.start":
            if self.started is not None:
                raise RuntimeError("The response was started twice")
            self.started = message
        elif message["type"] == "http.response.body":
            if self.started is None or self.complete.is_set():
                raise RuntimeError("A body outside of a response")
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"Unknown message {message['type']!r}")

    async def send_body(self, data, more):
        out = b"" if self.sent else self.head_bytes(None if more else len(data))
        if data and has_body(self.head.method, self.started["status"]):
            if self.promised is not None:
                # One byte more would be the beginning of the next response.
                data = data[: self.promised]
                self.promised -= len(data)
            out += b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data
        if not more:
            out += b"0\r\n\r\n" if self.chunked else b""
            if self.promised:
                self.keep_alive = False
            self.complete.set()
        self.writer.write(out)
        await self.writer.drain()

    def head_bytes(self, length):
        status = self.started["status"]
        lines = [b"HTTP/1.1 %d %b" % (status, REASONS.get(status, "").encode())]
        names = set()
        for name, value in self.started.get("headers", []):
            name, value = bytes(name).lower(), bytes(value)
            if b"\n" in name + value or b"\r" in name + value:
                raise ValueError(f"A line break in the header {name!r}")
            if name in (b"connection", b"transfer-encoding", b"keep-alive"):
                continue
            names.add(name)
            if name == b"content-length" and has_body(self.head.method, status):
                self.promised = int(value)
            lines.append(name + b": " + value)
        if has_body(self.head.method, status) and b"content-length" not in names:
            if length is not None:
                lines.append(b"content-length: %d" % length)
            elif self.head.version == "HTTP/1.1":
                self.chunked = True
                lines.append(b"transfer-encoding: chunked")
            else:
                self.keep_alive = False
        self.keep_alive = self.keep_alive and self.body_keeps_alive
        if not self.keep_alive:
            lines.append(b"connection: close")
        self.sent = True
        return b"\r\n".join(lines) + b"\r\n" + (b"" if b"date" in names else date_header()) + b"\r\n"


class Server:
    def __init__(self, app):
        self.app = app
        self.running = 0
        self.stopping = False
        self.stop_asked = asyncio.Event()
        self.state = {}
        self.lifespan_in = asyncio.Queue()
        self.started = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    async def unless_stopping(self, waiting):
        """The result, or None when the server stops first."""
        task = asyncio.ensure_future(waiting)
        stop = asyncio.ensure_future(self.stop_asked.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            stop.cancel()
            task.cancel()

    async def lifespan(self):
        """Runs beside the requests; an app that does not know lifespan raises, and that is fine."""

        async def send(message):
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                self.started.set_result(None)
            elif kind == "lifespan.startup.failed":
                self.started.set_result(message.get("message", "") or "no reason given")
            elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                self.ended.set_result(None)

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.lifespan_in.get, send)
        except Exception:
            if self.started.done():
                traceback.print_exc()
        finally:
            for future in (self.started, self.ended):
                if not future.done():
                    future.set_result(None)


async def run(app, where):
    loop = asyncio.get_running_loop()
    server = Server(app)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop_asked.set)
    lifespan = asyncio.ensure_future(server.lifespan())
    await server.lifespan_in.put({"type": "lifespan.startup"})
    failure = await server.started
    if failure is not None:
        print(f"moln: The app refused to start: {failure}", file=sys.stderr, flush=True)
        return 1

    def connect():
        return Connection(server)

    if isinstance(where, str):
        listener = await loop.create_unix_server(connect, where, backlog=512)
    else:
        listener = await loop.create_server(connect, *where, backlog=512)
    await server.stop_asked.wait()
    server.stopping = True
    listener.close()
    deadline = loop.time() + STOP_TIMEOUT_S
    while server.running > 0 and loop.time() < deadline:
        await asyncio.sleep(0.02)
    await server.lifespan_in.put({"type": "lifespan.shutdown"})
    await asyncio.wait({server.ended}, timeout=5)
    lifespan.cancel()
    if isinstance(where, str) and os.path.exists(where):
        os.unlink(where)
    return 0


def serve(app, where):
    return asyncio.run(run(app, where))
