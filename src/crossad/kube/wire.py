"""Requests as bytes over kept connections, by libcurl.

Whoever creates thousands of Jobs on the API server's own machine takes the time that he uses from the server: libcurl
sends a request in a third of the processor time of the client library's own way (benchmarks/cluster.py).
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crossad.kube.credentials import is_near

if TYPE_CHECKING:
    from kubernetes.client import Configuration

CONNECT_SECONDS, READ_SECONDS = 5, 60  # the latter without a byte of an answer


class WireError(Exception):
    """No whole answer.

    Attributes:
        sent: whether the request may have arrived.
        untrusted: the server's certificate is not one that is trusted.
        tls: there is no TLS with this server.
    """

    def __init__(self, message: str, *, sent: bool, untrusted: bool, tls: bool) -> None:
        super().__init__(message)
        self.sent, self.untrusted, self.tls = sent, untrusted, tls


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes


class Wire:
    """The connections to one server with one set of credentials; a thread that sends borrows one."""

    def __init__(self, configuration: Configuration) -> None:
        """Nothing is sent yet."""
        address = urlsplit(configuration.host)
        self._base, self._host = configuration.host.rstrip("/"), ""
        self._options = _options(configuration)
        if name := configuration.tls_server_name:  # another name in the certificate than in the address
            import pycurl  # noqa: PLC0415 - an extra

            port = address.port or 443
            self._base = f"{address.scheme}://{name}:{port}{address.path.rstrip('/')}"
            self._host = f"Host: {address.netloc}"
            host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
            self._options.append((pycurl.CONNECT_TO, [f"{name}:{port}:{host}:{port}"]))
        self._idle: deque[Any] = deque()

    def send(self, method: str, url: str, headers: Sequence[str], body: bytes | None) -> Answer:
        """One request, sent once.

        Args:
            method: GET, POST or DELETE.
            url: path and query, below the server's address.
            headers: lines such as `Accept: application/json`.
            body: what to send.

        Raises:
            WireError: no whole answer.
        """
        import pycurl  # noqa: PLC0415 - an extra

        curl = self._borrow()
        head: list[bytes] = []
        got: list[bytes] = []
        curl.setopt(pycurl.URL, self._base + url)
        curl.setopt(pycurl.HTTPHEADER, [*headers, self._host] if self._host else list(headers))
        curl.setopt(pycurl.WRITEFUNCTION, got.append)
        curl.setopt(pycurl.HEADERFUNCTION, head.append)
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            # read, not handed over: libcurl sends what it holds a second time where a kept connection ends meanwhile
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDSIZE, len(body))
            curl.setopt(pycurl.READFUNCTION, BytesIO(body).read)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        try:
            curl.perform()
            answer = Answer(curl.getinfo(pycurl.RESPONSE_CODE), _headers(head), b"".join(got))
        except pycurl.error as error:
            sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
            curl.close()
            raise _fault(error, sent=sent) from error
        except BaseException:  # Ctrl-C
            curl.close()
            raise
        self._idle.append(curl)
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _borrow(self) -> Any:  # noqa: ANN401 - of an extra without types
        import pycurl  # noqa: PLC0415 - an extra

        try:
            return self._idle.pop()  # the last one used: the others may rest
        except IndexError:
            curl = pycurl.Curl()
        for option, value in self._options:
            curl.setopt(option, value)
        return curl


def _options(configuration: Configuration) -> list[tuple[int, Any]]:
    """What stays the same for all requests."""
    import pycurl  # noqa: PLC0415 - an extra
    from kubernetes.client.rest import should_bypass_proxies  # noqa: PLC0415 - an extra

    host = configuration.host
    proxy = "" if should_bypass_proxies(host, configuration.no_proxy or "") else configuration.proxy or ""
    found: list[tuple[int, Any]] = [
        (pycurl.NOSIGNAL, 1),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.CONNECTTIMEOUT, CONNECT_SECONDS),
        (pycurl.LOW_SPEED_LIMIT, 1),
        (pycurl.LOW_SPEED_TIME, READ_SECONDS),
        # asked once a second, which is when Python hears Ctrl-C
        (pycurl.NOPROGRESS, 0),
        (pycurl.XFERINFOFUNCTION, lambda *_: 0),
        (pycurl.PROXY, proxy),  # the empty one: whatever the surroundings say, which were read before
        (pycurl.NOPROXY, ""),
        (pycurl.SSL_VERIFYPEER, int(configuration.verify_ssl)),
        (pycurl.SSL_VERIFYHOST, 2 * (configuration.verify_ssl and configuration.assert_hostname is not False)),
    ]
    if proxy and configuration.proxy_headers:
        lines = [f"{name}: {value}" for name, value in configuration.proxy_headers.items()]
        found.append((pycurl.PROXYHEADER, lines))
    own = ssl.get_default_verify_paths()  # of the machine; those of a wheel are its builder's
    authority = configuration.ssl_ca_cert or own.cafile
    found += [(pycurl.CAINFO, authority)] if authority else []
    found += [(pycurl.CAPATH, own.capath)] if own.capath and not configuration.ssl_ca_cert else []
    found += [(pycurl.SSLCERT, configuration.cert_file)] if configuration.cert_file else []
    found += [(pycurl.SSLKEY, configuration.key_file)] if configuration.key_file else []
    # packed, a list is a twentieth of its bytes; near, packing takes longer than sending
    found += [] if is_near(urlsplit(host).hostname or "") else [(pycurl.ACCEPT_ENCODING, "gzip")]
    return found


def _headers(lines: Sequence[bytes]) -> Message:
    """Those of the answer itself: a proxy's and interim ones come before."""
    found = Message()
    for line in lines:
        if line.startswith(b"HTTP/"):
            found = Message()
        elif b":" in line:
            name, _, value = line.decode("latin-1").partition(":")
            found[name] = value.strip()
    return found


def _fault(error: Exception, *, sent: bool) -> WireError:
    import pycurl  # noqa: PLC0415 - an extra

    code, told = error.args[0], str(error.args[1] if len(error.args) > 1 else "")
    untrusted = code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT)
    return WireError(told, sent=sent, untrusted=untrusted, tls=untrusted or code == pycurl.E_SSL_CONNECT_ERROR)
