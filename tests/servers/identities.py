"""The services that hand out credentials in clusters, small: container credentials, and STS for web identities."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from background import answering


class Identities(ThreadingHTTPServer):
    """Gives its present keys to whoever brings the present token."""

    daemon_threads = True

    def __init__(self, access: str, secret: str, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.access, self.secret, self.token = access, secret, token
        self.session = ""  # a session's token; versitygw has no sessions and refuses any

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keys(self) -> dict[str, str]:
        """The present keys, valid for an hour, as the services spell them."""
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"AccessKeyId": self.access, "SecretAccessKey": self.secret, "Expiration": until}


class _Handler(BaseHTTPRequestHandler):
    server: Identities

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        """Container credentials: the token is in a header."""
        body = json.dumps({**self.server.keys(), "Token": self.server.session}).encode()
        self._give(self.headers.get("Authorization") == self.server.token, body)

    def do_POST(self) -> None:
        """STS: the token is in the form."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        given = {**self.server.keys(), "SessionToken": self.server.session}
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleWithWebIdentityResult><Credentials>{fields}</Credentials></AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        ).encode()
        self._give(asked.get("WebIdentityToken") == [self.server.token], body)

    def _give(self, allowed: bool, body: bytes) -> None:
        self.send_response(200 if allowed else 403)
        body = body if allowed else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def handing_out(access: str, secret: str, token: str) -> Iterator[Identities]:
    """A running service."""
    service = Identities(access, secret, token)
    with answering(service):
        yield service
