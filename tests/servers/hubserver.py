"""A model hub of one file, as far as its client asks: what the file is (HEAD), and its bytes from anywhere on (GET)."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from background import answering

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Has one file under one path."""

    daemon_threads = True

    def __init__(self, repository: str, file: str, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.place, self.body = f"/{repository}/resolve/main/{file}", body

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def _serve(self) -> None:
        if self.path not in (self.server.place, self.server.place.replace("main", COMMIT)):
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            return
        body, named = self.server.body, {"ETag": f'"{hashlib.sha256(self.server.body).hexdigest()}"'}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked:
            start = int(asked[1])
            named["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        self._answer(206 if asked else 200, body, {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes", **named})

    do_GET = do_HEAD = _serve  # noqa: N815 - the library's names

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextlib.contextmanager
def serving(repository: str, file: str, body: bytes) -> Iterator[Hub]:
    """A running hub."""
    hub = Hub(repository, file, body)
    with answering(hub):
        yield hub
