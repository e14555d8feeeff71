from __future__ import annotations

from collections.abc import Iterator

import faultproxy
import pytest
from clients import Open, Time
from plane import Plane

from crossad.kube.cluster import Cluster
from crossad.kube.connection import Connection
from crossad.kube.target import Target


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def said() -> list[str]:
    """What was said to the user."""
    return []


@pytest.fixture
def proxy(plane: Plane) -> Iterator[faultproxy.Proxy]:
    """A proxy before the API server, plain on this side."""
    with faultproxy.serving(plane.url, context=plane.context) as serving:
        yield serving


@pytest.fixture
def open_as(plane: Plane, namespace: str, time: Time, said: list[str]) -> Iterator[Open]:
    """A client of the namespace, an administrator's and straight to the server unless told otherwise."""
    opened: list[Cluster] = []

    def make(token: str | None = None, server: str = "", seconds: float = 60.0) -> Cluster:
        target = Target(kubeconfig=str(plane.kubeconfig(token, namespace, server)))
        opened.append(Cluster(Connection(target, {}), said.append, time.patience(seconds)))
        return opened[-1]

    yield make
    for cluster in opened:
        cluster.close()


@pytest.fixture
def cluster(open_as: Open) -> Cluster:
    return open_as()


@pytest.fixture
def behind(open_as: Open, proxy: faultproxy.Proxy) -> Cluster:
    """A client whose requests all pass the proxy."""
    return open_as(server=proxy.endpoint)
