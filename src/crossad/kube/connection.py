"""The connection to an API server: JSON bytes out and in, every error one of `faults`.

The client library does what it is good at (kubeconfig, certificates, tokens); its typed models are not used: they
refuse fields that they do not know, cost ten times the time, and a Job here is a plain dict anyway. Nor is its way of
sending: `wire.py` does that.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from crossad.errors import CrossadError
from crossad.kube.answers import fault, read
from crossad.kube.credentials import configure
from crossad.kube.faults import ClusterBroken, ClusterDenied, ClusterUnreachable
from crossad.kube.target import Place, Target
from crossad.kube.wire import Wire, WireError
from crossad.version import __version__

if TYPE_CHECKING:
    from kubernetes.client import Configuration

WHOLE = "application/json"
METADATA = f"{WHOLE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{WHOLE}"  # a third of the bytes, and of the work
TOKEN_SECONDS = 2.0  # between two looks at whether the token is another one now


@dataclass(frozen=True)
class Reply:
    """A successful answer."""

    body: bytes
    warnings: tuple[str, ...] = ()  # what the server says about an object that it took


@dataclass(frozen=True)
class _Client:
    """Credentials, and the connections that were made with them."""

    configuration: Configuration
    wire: Wire


class Connection:
    """One client for all threads of a process, made anew when the server refuses its token."""

    def __init__(self, target: Target, environ: Mapping[str, str] | None = None) -> None:
        """Read the kubeconfig or the service account; nothing is sent yet."""
        self._target, self._environ = target, os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._worked = False
        self._known: tuple[_Client | None, str | None, float] = None, None, 0.0
        self._client, self.place = self._connect()

    def request(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: dict[str, Any] | None = None,
        what: str = "",
        accept: str = WHOLE,
    ) -> Reply:
        """One request, sent once; only a refused token is read again and tried again.

        Args:
            method: GET, POST or DELETE.
            path: as `Resource.path` gives it.
            query: parameters of the URL.
            body: JSON to send.
            what: the request in a user's words, such as "create Job x".
            accept: the form of the answer.
        """
        client, url = self._client, f"{path}?{_encoded(tuple(query))}" if query else path
        data = None if body is None else _bytes(body)
        try:
            return self._once(client, method, url, data, what, accept)
        except ClusterDenied as error:
            if error.right is not None or not self._renewed(client):
                raise
        try:
            return self._once(self._client, method, url, data, what, accept)
        except ClusterDenied as error:
            if error.right is None and self._worked:  # its new token may not have arrived yet
                raise ClusterUnreachable(error.message, hint=error.hint, sent=False) from error
            raise

    def close(self) -> None:
        """Close the connections."""
        self._client.wire.close()

    def _once(self, client: _Client, method: str, url: str, body: bytes | None, what: str, accept: str) -> Reply:
        headers = [f"Accept: {accept}", f"User-Agent: crossad/{__version__}"]
        if token := self._token(client):
            headers.append(f"Authorization: {token}")
        if body is not None:
            headers += ["Content-Type: application/json", "Expect:"]
        what = what or f"{method} {url}"
        try:
            answer = client.wire.send(method, url, headers, body)
        except WireError as error:
            if error.tls:
                raise self._untrusted(error, what) from error
            raise self._silent(error, what) from error
        if 200 <= answer.status < 300:
            self._worked = True
            return Reply(answer.body, tuple(_warnings(answer.headers.get_all("Warning", []))))
        raise fault(read(what, str(self.place), answer.status, answer.headers, answer.body))

    def _token(self, client: _Client) -> str | None:
        """The token, which the library reads from where it came; that costs more than sending a request."""
        owner, token, until = self._known
        if owner is not client or time.monotonic() > until:
            token = client.configuration.get_api_key_with_prefix("BearerToken")
            self._known = client, token, time.monotonic() + TOKEN_SECONDS
        return token

    def _renewed(self, old: _Client) -> bool:
        """Read the credentials again; threads that met the same refusal share the new client."""
        with self._lock:
            if self._client is old:
                self._client, _ = self._connect()
            return self._client is not old

    def _connect(self) -> tuple[_Client, Place]:
        configuration, place = configure(self._target, self._environ)
        return _Client(configuration, Wire(configuration)), place

    def _untrusted(self, error: WireError, what: str) -> CrossadError:
        if error.untrusted:
            return ClusterBroken(
                f"{what} at {self.place}: the server's certificate is not trusted: {_reason(str(error))}",
                hint="certificate-authority of this cluster in the kubeconfig must be the server's own",
            )
        return ClusterUnreachable(
            f"{what} at {self.place}: no TLS with this server: {_reason(str(error))}",
            hint="is something else listening there, or a proxy in between?",
        )

    def _silent(self, error: WireError, what: str) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"{what} at {self.place}: no whole answer ({_reason(str(error))})",
            hint="is the API server running, and reachable from here? Run again: nothing was lost",
            sent=error.sent,
        )


def _bytes(body: dict[str, Any]) -> bytes:
    from msgspec.json import encode  # noqa: PLC0415 - an extra

    return encode(body)


@lru_cache(maxsize=64)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)


def _warnings(headers: Sequence[str]) -> list[str]:
    """`299 - "text"` as text."""
    found = (re.match(r'\d+ \S+ "(.*)"', header) for header in headers)
    return [match[1].replace('\\"', '"') for match in found if match]


def _reason(text: str) -> str:
    return " ".join(text.split())[-200:]
