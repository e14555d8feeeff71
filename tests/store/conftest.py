from __future__ import annotations

from pathlib import Path

import pytest
from faultproxy import Proxy
from s3servers import DATA, Place

from crossad.store.s3 import S3Store


@pytest.fixture(autouse=True)
def _credentials(identity: None) -> None:
    """Every test of this room has the servers' credentials."""


@pytest.fixture
def store(place: Place, proxy: Proxy) -> S3Store:
    """A store behind the proxy."""
    return place.behind(proxy)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of three parts."""
    path = tmp_path / "large"
    path.write_bytes(DATA)
    return path
