"""The one thing of a kubelet that the fake nodes lack: a server of container logs, which the API server asks."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from plane import Plane

Line = tuple[str, str]  # when it was printed, such as 2026-11-25T05:32:00.12Z; what


class Kubelet:
    """Logs of pods, to be written by a test; they go with their pods."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Line]] = {}  # pod -> what its container printed
        self.unfinished: dict[str, str] = {}  # pod -> a last line without an end
        self.asked: list[dict[str, list[str]]] = []

    def answer(self, path: str) -> bytes | None:
        """As /containerLogs/NAMESPACE/POD/CONTAINER of a kubelet; None for a 404."""
        url = urlsplit(path)
        options = parse_qs(url.query)
        self.asked.append(options)
        pod = url.path.split("/")[3]
        if pod not in self.logs:
            return None
        lines = self.logs[pod]
        if since := options.get("sinceTime"):
            lines = [line for line in lines if _time(line[0]) >= _time(since[0])]
        if tail := options.get("tailLines"):
            lines = lines[max(0, len(lines) - int(tail[0])) :]
        stamped = "timestamps" in options
        text = "".join(f"{at} {what}\n" if stamped else f"{what}\n" for at, what in lines)
        return (text + self.unfinished.get(pod, "")).encode()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextlib.contextmanager
def serving(plane: Plane, node: str) -> Iterator[Kubelet]:
    """The kubelet of a node."""
    kubelet = Kubelet()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = kubelet.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    folder = plane.folder / "certificates"
    context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    reach = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}},
    }
    try:
        plane.request("PATCH", f"/api/v1/nodes/{node}/status", {"status": reach}, "application/merge-patch+json")
        yield kubelet
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
