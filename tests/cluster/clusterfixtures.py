"""Fixtures of all rooms that talk to a cluster: a pytest plugin, which tests/conftest.py names.

    def test_something(plane: Plane, namespace: str, gpu_node: str) -> None:
        plane.request("POST", JOBS.path(namespace), clusterjobs.job("a", clusterjobs.ending(code=64)))

One control plane a test process, started when it is first asked for, ready in seconds. Its programs are built by
`make cluster`; where they are not, the tests that ask for a plane are left out, but with CI=true they are built then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import clusterbuild
import pytest
from clients import Open, Time

from crossad.kube.cluster import Cluster
from crossad.kube.connection import Connection
from crossad.kube.target import Target

if TYPE_CHECKING:
    from plane import Plane

MISSING = [] if os.environ.get("CI") == "true" else clusterbuild.missing()


def pytest_report_header() -> list[str]:
    """Say what is not tested, and what would change that."""
    return [f"left out: tests on a control plane, not built: {', '.join(MISSING)} (make cluster)"] if MISSING else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs a control plane where its programs are not built."""
    lacking = [item for item in items if MISSING and "plane" in getattr(item, "fixturenames", ())]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A running control plane, without nodes."""
    import planeserver

    with planeserver.serving(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture
def namespace(plane: Plane) -> Iterator[str]:
    """A new namespace under Pod Security `restricted`."""
    name = plane.namespace()
    yield name
    plane.drop(name)


@pytest.fixture(scope="session")
def gpu_node(plane: Plane) -> Iterator[str]:
    """A fake node with 4,000 GPUs and the label gpu=fake, for every test of the process."""
    with plane.node(4000, {"gpu": "fake"}) as name:
        yield name


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the surroundings names a cluster, or a proxy on the way to one."""
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
def open_as(plane: Plane, namespace: str, alone: None, time: Time, said: list[str]) -> Iterator[Open]:
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
