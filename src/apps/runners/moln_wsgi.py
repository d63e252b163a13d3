"""A WSGI server (PEP 3333): one thread a connection, HTTP/1.1 with keep-alive."""

import io
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import traceback
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from moln_http import HEAD_BYTES_MAX, Head, Refused, date_header, has_body, refusal

# Longer than the gateway keeps a connection that it does not use.
IDLE_TIMEOUT_S = 120
# How much of a body that the app did not read is read for it, to keep the connection.
UNREAD_BYTES_MAX = 1024 * 1024
# How long the rest of a body is thrown away after the last response.
LINGER_S = 2
STOP_TIMEOUT_S = 30
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
              "transfer-encoding", "upgrade"}


class Body(io.RawIOBase):
    """The body of one request; ends where it ends, and says 100 Continue when it is first wanted."""

    def __init__(self, source, sink, head):
        self.source = source
        self.sink = sink
        self.chunked = head.chunked
        self.left = head.length
        self.ended = not head.chunked and head.length == 0
        self.expected = head.get(b"expect").lower() == b"100-continue"

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.ended or len(buffer) == 0:
            return 0
        if self.expected:
            self.expected = False
            self.sink.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.chunked and self.left == 0 and not self._next_chunk():
            return 0
        data = self.source.read1(min(len(buffer), self.left))
        if not data:
            raise ConnectionError("The client went away in the middle of the body")
        buffer[: len(data)] = data
        self.left -= len(data)
        if self.left == 0:
            if self.chunked:
                self._line()
            else:
                self.ended = True
        return len(data)

    def _next_chunk(self):
        size = self._line().split(b";")[0].strip()
        try:
            self.left = int(size, 16)
        except ValueError:
            raise Refused(400, "A chunk is malformed") from None
        if self.left == 0:
            while self._line():
                pass
            self.ended = True
        return self.left > 0

    def _line(self):
        line = self.source.readline(HEAD_BYTES_MAX)
        if not line.endswith(b"\n"):
            raise Refused(400, "A chunk is malformed")
        return line.rstrip(b"\r\n")

    @property
    def keeps_alive(self):
        """Whether what is left is known to be little enough to be read for the app: the response has to say so before."""
        return self.ended or not (self.chunked or self.expected or self.left > UNREAD_BYTES_MAX)

    def drain(self):
        buffer = bytearray(65536)
        while not self.ended:
            self.readinto(buffer)


class Response:
    """What the app says, on its way out."""

    def __init__(self, sink, head, body):
        self.sink = sink
        self.head = head
        self.body = body
        self.status = None
        self.headers = []
        self.sent = False
        self.chunked = False
        # Bytes that Content-Length still promises; None when it does not.
        self.promised = None
        self.keep_alive = head.keep_alive

    def start(self, status, headers, exc_info=None):
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("start_response was called twice")
        for name, value in [("status", status), *headers]:
            if "\r" in name + value or "\n" in name + value:
                raise ValueError(f"A line break in the header {name!r}")
        self.status = status
        self.headers = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
        return self.write

    @property
    def code(self):
        return int(self.status.split(" ", 1)[0])

    def send_head(self, length=None):
        if self.status is None:
            raise AssertionError("The app did not call start_response")
        names = {name.lower() for name, _ in self.headers}
        body = has_body(self.head.method, self.code)
        if body and "content-length" in names:
            self.promised = int(dict((name.lower(), value) for name, value in self.headers)["content-length"])
        elif body:
            if length is not None:
                self.headers.append(("Content-Length", str(length)))
            elif self.head.version == "HTTP/1.1":
                self.chunked = True
                self.headers.append(("Transfer-Encoding", "chunked"))
            else:
                self.keep_alive = False
        self.keep_alive = self.keep_alive and self.body.keeps_alive
        if not self.keep_alive:
            self.headers.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {self.status}"] + [f"{name}: {value}" for name, value in self.headers]
        data = ("\r\n".join(lines) + "\r\n").encode("latin-1")
        if "date" not in names:
            data += date_header()
        self.sent = True
        return data + b"\r\n"

    def write(self, data):
        self.push(data)

    def push(self, data, length=None):
        out = b"" if self.sent else self.send_head(length)
        if data and has_body(self.head.method, self.code):
            if self.promised is not None:
                # One byte more would be the beginning of the next response.
                data = data[: self.promised]
                self.promised -= len(data)
            out += b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data
        if out:
            self.sink.sendall(out)

    def finish(self):
        if not self.sent:
            self.push(b"", 0)
        if self.chunked:
            self.sink.sendall(b"0\r\n\r\n")
        if self.promised:
            self.keep_alive = False


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(IDLE_TIMEOUT_S)
        source = self.request.makefile("rb", 65536)
        try:
            while self.server.accepting and self.one(source):
                pass
            self.linger()
        except (ConnectionError, TimeoutError, socket.timeout):
            pass

    def linger(self):
        """Whoever still sends would lose the response when the connection is closed on them (RFC 9112 9.6)."""
        until = time.monotonic() + LINGER_S
        try:
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(LINGER_S)
            while time.monotonic() < until and self.request.recv(65536):
                pass
        except OSError:
            # The client is gone, or has said nothing more in time.
            pass

    def one(self, source):
        data = self.read_head(source)
        if not data:
            return False
        with self.server.busy():
            try:
                head = Head(data)
                body = Body(source, self.request, head)
                return self.answer(head, body)
            except Refused as refused:
                self.request.sendall(refusal(refused))
                return False

    def read_head(self, source):
        lines = []
        size = 0
        while True:
            line = source.readline(HEAD_BYTES_MAX)
            size += len(line)
            if not line.endswith(b"\n") or size > HEAD_BYTES_MAX:
                return b""
            if line in (b"\r\n", b"\n"):
                if lines:
                    return b"".join(lines)
                continue
            lines.append(line)

    def answer(self, head, body):
        response = Response(self.request, head, body)
        result = None
        try:
            result = self.server.app(self.environ(head, body), response.start)
            if response.status is not None and isinstance(result, (list, tuple)) and len(result) == 1:
                response.push(result[0], len(result[0]))
            else:
                for data in result:
                    if data:
                        response.push(data)
            response.finish()
        except (ConnectionError, TimeoutError, socket.timeout, Refused):
            raise
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            if response.sent:
                return False
            raise Refused(500, "The app failed; its log says why") from None
        finally:
            if hasattr(result, "close"):
                result.close()
        if response.keep_alive:
            body.drain()
        return response.keep_alive

    def environ(self, head, body):
        path, query = head.path
        name, port = head.server
        environ = {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "REQUEST_URI": head.target.decode("latin-1"),
            "SERVER_NAME": name,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": head.version,
            "REMOTE_ADDR": head.client,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": head.scheme,
            "wsgi.input": io.BufferedReader(body, 65536),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        if head.scheme == "https":
            environ["HTTPS"] = "on"
        for header, value in head.headers:
            # A name with "_" would be taken for the one with "-" that the gateway sets.
            if b"_" in header:
                continue
            key = header.decode("latin-1").upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = "HTTP_" + key
            text = value.decode("latin-1")
            joiner = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{joiner}{text}" if key in environ and key != "CONTENT_LENGTH" else text
        return environ


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, where, app):
        self.address_family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.app = app
        self.accepting = True
        self.running = 0
        self.idle = threading.Condition()
        super().__init__(where, Handler)

    def get_request(self):
        request, where = super().get_request()
        return request, where or ("", 0)

    def busy(self):
        return Busy(self)

    def handle_error(self, request, client_address):
        traceback.print_exc()
        sys.stderr.flush()


class Busy:
    def __init__(self, server):
        self.server = server

    def __enter__(self):
        with self.server.idle:
            self.server.running += 1

    def __exit__(self, *_):
        with self.server.idle:
            self.server.running -= 1
            self.server.idle.notify_all()


def serve(app, where):
    server = Server(where, app)

    def stop(*_):
        server.accepting = False
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.2)
    server.server_close()
    if isinstance(where, str) and os.path.exists(where):
        os.unlink(where)
    with server.idle:
        server.idle.wait_for(lambda: server.running == 0, STOP_TIMEOUT_S)
    return 0
