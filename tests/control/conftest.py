from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clusternight import Night, entry
from plane import Plane

from crossad.results.plan import Plan

MakeNight = Callable[..., Night]


@pytest.fixture
def night(plane: Plane, namespace: str, gpu_node: str, alone: None, tmp_path: Path) -> MakeNight:
    """Makes a run of conditions of these names in a namespace of its own; `shared` ones have one training."""

    def make(*names: str, shared: tuple[str, ...] = (), pinned: bool = True) -> Night:
        entries = tuple(entry(index, name, "t" if name in shared else "") for index, name in enumerate(names))
        plan = Plan(run="night", suite="suite", created="2026-01-01T00:00:00Z", data="/data", conditions=entries)
        found = Night(plane, namespace, tmp_path / "results", plan)
        if pinned:
            found.pin()
        return found

    return make
