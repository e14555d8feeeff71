from __future__ import annotations

from collections.abc import Iterator

import faultproxy
import pytest
from clients import Open
from plane import Plane

from crossad.kube.cluster import Cluster


@pytest.fixture(autouse=True)
def _no_surroundings(alone: None) -> None:
    """No test of this room reads the surroundings."""


@pytest.fixture
def proxy(plane: Plane) -> Iterator[faultproxy.Proxy]:
    """A proxy before the API server, plain on this side."""
    with faultproxy.serving(plane.url, context=plane.context) as serving:
        yield serving


@pytest.fixture
def behind(open_as: Open, proxy: faultproxy.Proxy) -> Cluster:
    """A client whose requests all pass the proxy."""
    return open_as(server=proxy.endpoint)
