"""The way to an API server: through a site's proxy, and below a path as behind a gateway of many clusters."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import faultproxy
import pytest
from clients import name_of
from plane import Plane

from crossad.kube.cluster import Cluster, open_cluster
from crossad.kube.faults import ClusterBroken
from crossad.kube.resources import CONFIG_MAPS
from crossad.kube.target import Target

BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


class _Forward(BaseHTTPRequestHandler):
    """A forward proxy: tunnels, and for plain HTTP whole addresses."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self._note()
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pipe, args=(upstream, self.connection), daemon=True)
            back.start()
            _pipe(self.connection, upstream)
            back.join(10)
        self.close_connection = True

    def do_GET(self) -> None:
        self._note()
        self.send_response(200)
        answer = json.dumps({"items": [{"metadata": {"name": "from the proxy"}}]}).encode()
        if self.headers["Accept-Encoding"] == "gzip":
            answer = gzip.compress(answer)
            self.send_header("Content-Encoding", "gzip")
            self.server.packed += 1  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _note(self) -> None:
        self.server.seen.append((self.command, self.path))  # type: ignore[attr-defined]

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may have left
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def forward() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Forward) as server:
        server.daemon_threads = True
        server.seen, server.packed = [], 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def through(file: Path, namespace: str, **changes: str) -> Iterator[Cluster]:
    """A client of a kubeconfig whose cluster is changed."""
    config = json.loads(file.read_text())
    config["clusters"][0]["cluster"].update(changes)
    file.write_text(json.dumps(config))
    cluster = open_cluster(Target(str(file), namespace=namespace), lambda text: None)
    try:
        yield cluster
    finally:
        cluster.close()


def test_tls_passes_a_proxy_in_a_tunnel(plane: Plane, namespace: str, forward: ThreadingHTTPServer) -> None:
    address = f"http://127.0.0.1:{forward.server_port}"
    with through(plane.kubeconfig(None, namespace), namespace, **{"proxy-url": address}) as cluster:
        cluster.post(CONFIG_MAPS, BODY)
        assert "a" in cluster.gather(CONFIG_MAPS, name_of)
    assert forward.seen == [("CONNECT", plane.url.removeprefix("https://"))]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("host", "packed"), [("localhost:9", 0), ("far.example", 1)])
def test_a_proxy_of_plain_http_hears_the_whole_address_and_what_is_far_is_packed(
    plane: Plane, namespace: str, forward: ThreadingHTTPServer, host: str, packed: int
) -> None:
    address = f"http://127.0.0.1:{forward.server_port}"
    file, changes = plane.kubeconfig(None, namespace), {"proxy-url": address, "server": f"http://{host}/below"}
    config = json.loads(file.read_text())
    config["users"][0]["user"] = {}  # no token goes to a server that is far in the clear
    file.write_text(json.dumps(config))
    with through(file, namespace, **changes) as cluster:
        assert cluster.gather(CONFIG_MAPS, name_of) == ["from the proxy"]
    assert forward.packed == packed  # type: ignore[attr-defined]
    ((method, path),) = forward.seen  # type: ignore[attr-defined]
    assert (method, path.partition("?")[0]) == (
        "GET",
        f"http://{host}/below/api/v1/namespaces/{namespace}/configmaps",
    )


def test_a_server_below_a_path_is_asked_there(plane: Plane, namespace: str, proxy: faultproxy.Proxy) -> None:
    proxy.add("refuse", "GET", path="/k8s/clusters/c-1/api/v1/", status=200, body=b'{"items": []}')
    server = f"{proxy.endpoint}/k8s/clusters/c-1"
    with through(plane.kubeconfig(None, namespace), namespace, server=server) as cluster:
        assert cluster.gather(CONFIG_MAPS, name_of) == []
    assert proxy.count("GET") == 1


def test_a_server_is_known_by_the_name_that_the_kubeconfig_gives_it(plane: Plane, namespace: str) -> None:
    with through(plane.kubeconfig(None, namespace), namespace, **{"tls-server-name": "kubernetes.default"}) as cluster:
        cluster.post(CONFIG_MAPS, BODY)
        assert "a" in cluster.gather(CONFIG_MAPS, name_of)


def test_a_server_of_another_name_is_not_talked_to(plane: Plane, namespace: str) -> None:
    changes = {"tls-server-name": "elsewhere.example"}
    with (
        through(plane.kubeconfig(None, namespace), namespace, **changes) as cluster,
        pytest.raises(ClusterBroken, match="certificate is not trusted"),
    ):
        cluster.gather(CONFIG_MAPS, name_of)
