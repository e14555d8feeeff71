"""A proxy before a server (S3, or the API of a cluster) that does to chosen requests what networks and servers do."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from background import answering

# an answer instead of the server's; a connection cut before, or in the middle of, the request; an answer that is lost,
# never comes, comes cut, damaged, half and then nothing, or in small pieces
Kind = Literal["refuse", "cut", "cut-request", "lose", "mute", "truncate", "corrupt", "stall", "trickle"]
PIECES, PAUSE = 4, 0.02  # of "trickle": pieces of a body, and seconds before each


@dataclass
class Fault:
    """What happens to the next `times` requests that fit; with `every`, only to the first of each so many."""

    kind: Kind
    fits: Callable[[str, str], bool]  # (method, path with query)
    times: int = 1
    every: int = 1
    met: int = 0  # requests that fit
    status: int = 503  # of "refuse"
    code: str = "SlowDown"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""  # of "refuse"; an S3 server's error where it is empty


class Proxy(ThreadingHTTPServer):
    """Forwards everything as it is, but for its faults and the request headers that it drops."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, ignore: tuple[str, ...], context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.context = context  # of an upstream with TLS; this side is plain
        self.ignore = ignore
        self.ignore_in: dict[str, str] = {}  # header -> text: dropped where the path holds the text
        self.forward_body: Callable[[str, bytes], bytes] = lambda method, body: body
        self.ended = threading.Event()  # lets what stalls go
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, kind: Kind, method: str = "", path: str = "", **more: object) -> Fault:
        """A fault for the next requests of a method whose path holds a text."""
        fault = Fault(kind, lambda m, p: m.startswith(method) and path in p, **more)  # type: ignore[arg-type]
        self._faults.append(fault)
        return fault

    def hold(self, method: str, path: str, seen: int) -> tuple[threading.Event, threading.Event]:
        """Keep such requests waiting, from the one of that number on.

        Returns:
            What is set once one waits, and what lets all of them go (after a minute they go by themselves).
        """
        reached, released = threading.Event(), threading.Event()

        def wait(asked: str, body: bytes) -> bytes:
            if asked == method and self.count(method, path) >= seen:
                reached.set()
                released.wait(60)
            return body

        self.forward_body = wait
        return reached, released

    def take(self, method: str, path: str, headers: dict[str, str]) -> Fault | None:
        """The fault that this request meets, one time less."""
        with self._lock:
            self.seen.append((method, path, headers))
            for fault in self._faults:
                if fault.times > 0 and fault.fits(method, path):
                    fault.met += 1
                    if (fault.met - 1) % fault.every == 0:
                        fault.times -= 1
                        return fault
        return None

    def count(self, method: str, path: str = "") -> int:
        return len(self.headers_of(method, path))

    def headers_of(self, method: str, path: str = "") -> list[dict[str, str]]:
        """Headers, names in lower case, of every request seen."""
        return [headers for m, p, headers in self.seen if m == method and path in p]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        fault = self.server.take(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        kind = fault.kind if fault else None
        body = self.rfile.read(length // 2 if kind == "cut-request" else length)
        if kind in ("cut", "cut-request"):
            self._hang_up()
            return
        if fault and kind == "refuse":
            told = f"<Error><Code>{fault.code}</Code><Message>said by the proxy</Message></Error>".encode()
            kind_of_body = "application/json" if fault.body else "application/xml"
            self._answer(fault.status, {"Content-Type": kind_of_body, **fault.headers}, fault.body or told)
            return
        if kind == "trickle":
            time.sleep(PIECES * PAUSE)
        status, headers, data = self._forward(self.server.forward_body(self.command, body))
        if kind == "lose":
            self._hang_up()
        elif kind == "mute":
            self.server.ended.wait()
            self._hang_up()
        elif kind == "trickle":
            self._answer(status, headers, data, pause=PAUSE)
        elif kind == "truncate":
            self._answer(status, headers, data[: len(data) // 2], length=len(data))
            self._hang_up()
        elif kind == "stall":  # half of it, then silence
            self._answer(status, headers, data[: len(data) // 2], length=len(data))
            self.wfile.flush()
            self.server.ended.wait()
            self._hang_up()
        elif kind == "corrupt":
            self._answer(status, headers, bytes([data[0] ^ 1]) + data[1:])
        else:
            self._answer(status, headers, data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the library's names

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream, context = self.server.upstream, self.server.context
        plain = http.client.HTTPConnection(upstream, timeout=60)
        connection = http.client.HTTPSConnection(upstream, timeout=60, context=context) if context else plain
        with contextlib.closing(connection):
            dropped = {name for name, text in self.server.ignore_in.items() if text in self.path}
            dropped |= {*self.server.ignore, "expect", "connection"}
            kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
            kept |= {"Content-Length": str(len(body))} if "Content-Length" in kept else {}  # it may have been changed
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, length: int | None = None, pause: float = 0.0
    ) -> None:
        self.send_response_only(status)
        told = headers.get("Content-Length", str(len(data))) if self.command == "HEAD" else str(length or len(data))
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", told)
        self.end_headers()
        if self.command != "HEAD":
            size = -(-len(data) // PIECES) or 1 if pause else len(data) or 1
            for start in range(0, len(data), size):
                time.sleep(pause)
                self.wfile.write(data[start : start + size])

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(upstream: str, ignore: tuple[str, ...] = (), context: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A running proxy."""
    proxy = Proxy(upstream, ignore, context)
    with answering(proxy):
        try:
            yield proxy
        finally:
            proxy.ended.set()
