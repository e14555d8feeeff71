from __future__ import annotations

from pathlib import Path

import pytest
from s3servers import Place, Servers, credentials, servers

__all__ = ["servers"]


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Place:
    return Place(getattr(request, "param", "versitygw"), servers, tmp_path)
