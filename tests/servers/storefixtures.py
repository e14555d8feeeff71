"""Fixtures of all rooms that talk to a store: a pytest plugin, which tests/conftest.py names.

    @pytest.mark.parametrize("place", ["folder", "versitygw"], indirect=True)
    def test_something(place: Place) -> None:
        store = place.open()            # place.uri and place.endpoint for verbs; the environment has the credentials

Nothing is imported or started before a test asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from faultproxy import Proxy
    from s3servers import Place, Servers


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """All servers of this test process, each started when it is first asked for."""
    from s3servers import Servers

    with contextlib.ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers' credentials in this process's environment, and none of the machine's."""
    from s3servers import credentials

    credentials(monkeypatch)


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Servers, identity: None, tmp_path: Path) -> Place:
    """An empty store's address, on versitygw; another kind by `parametrize("place", PLACES, indirect=True)`."""
    from s3servers import Place

    return Place(getattr(request, "param", "versitygw"), servers, tmp_path)


@pytest.fixture
def versitygw(servers: Servers, identity: None, tmp_path: Path) -> Place:
    """An empty store's address on a real S3 server."""
    from s3servers import Place

    return Place("versitygw", servers, tmp_path)


@pytest.fixture
def moto(servers: Servers, identity: None, tmp_path: Path) -> Place:
    """An empty store's address on moto's server."""
    from s3servers import Place

    return Place("moto", servers, tmp_path)


@pytest.fixture
def proxy(servers: Servers) -> Iterator[Proxy]:
    """A proxy before versitygw that does to chosen requests what networks and servers do; see `place.behind(proxy)`."""
    import faultproxy

    with faultproxy.serving(servers.versitygw) as serving:
        yield serving
