"""HTTP/1.1 request heads (RFC 9112) as both servers need them. The gateway in front has checked them before; this
refuses what it would have to guess about."""

import re
from email.utils import formatdate

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 200
REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
           501: "Not Implemented"}


class Refused(Exception):
    """The request cannot be answered by the app; `status` says why."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Head:
    """method, target, version and headers: a list of (lower-case name, value) in bytes."""

    def __init__(self, data):
        lines = data.split(b"\r\n")
        parts = lines[0].split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise Refused(400, "The request line is not HTTP/1")
        self.method = parts[0].decode("latin-1")
        self.target = parts[1]
        self.version = parts[2].decode("latin-1")
        self.headers = []
        for line in lines[1:]:
            if not line:
                continue
            name, colon, value = line.partition(b":")
            # A fold, a space before the colon or a bare line feed could be read in two ways.
            if not colon or not TOKEN.fullmatch(name) or re.search(rb"[\r\n\0]", value):
                raise Refused(400, "A header is malformed")
            self.headers.append((name.lower(), value.strip(b" \t")))
        if len(self.headers) > HEADERS_MAX:
            raise Refused(431, "Too many headers")
        self._frame()

    def _frame(self):
        lengths = set(self.all(b"content-length"))
        codings = b",".join(self.all(b"transfer-encoding")).lower()
        if codings and (lengths or codings.strip() != b"chunked"):
            raise Refused(400, "The length of the body is ambiguous")
        if len(lengths) > 1 or not all(each.isdigit() for each in lengths):
            raise Refused(400, "Content-Length is not a number")
        self.chunked = bool(codings)
        self.length = int(lengths.pop()) if lengths else 0

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def get(self, name, default=b""):
        values = self.all(name)
        return b",".join(values) if values else default

    @property
    def keep_alive(self):
        tokens = [each.strip() for each in self.get(b"connection").lower().split(b",")]
        return self.version == "HTTP/1.1" and b"close" not in tokens

    @property
    def path(self):
        """Path and query as bytes, also of an absolute target."""
        target = self.target
        if b"://" in target.split(b"?")[0]:
            target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
        path, _, query = target.partition(b"?")
        return path, query

    @property
    def scheme(self):
        return "https" if self.get(b"x-forwarded-proto").split(b",")[-1].strip() == b"https" else "http"

    @property
    def client(self):
        """Address of the client as the gateway saw it: the last entry is the one that it added."""
        return self.get(b"x-forwarded-for").split(b",")[-1].strip().decode("latin-1")

    @property
    def server(self):
        """Host name and port that the client asked for."""
        host = self.get(b"host", b"localhost").decode("latin-1")
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit():
            return name, int(port)
        return host, 443 if self.scheme == "https" else 80


def date_header():
    return b"date: " + formatdate(usegmt=True).encode() + b"\r\n"


def refusal(refused):
    body = f"{refused}\n".encode()
    reason = REASONS.get(refused.status, "Error")
    head = (f"HTTP/1.1 {refused.status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n").encode()
    return head + date_header() + b"\r\n" + body


def has_body(method, status):
    return method != "HEAD" and status >= 200 and status not in (204, 304)
