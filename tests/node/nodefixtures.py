"""The real node's fixture: a pytest plugin, which tests/conftest.py names.

It needs root and what `make images cluster` installs and builds; where that is not there, the tests that ask for a node
are left out, but with CI=true they run, and fail where something is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import clusterbuild
import pytest
import runtime

if TYPE_CHECKING:
    from nodeworld import World
    from realnode import RealNode


def _missing() -> list[str]:
    if os.environ.get("CI") == "true":
        return []
    return [*runtime.lacking(), *clusterbuild.missing(), *([] if clusterbuild.KUBELET.built else ["kubelet"])]


MISSING = _missing()


def pytest_report_header() -> list[str]:
    """Say what is not tested, and what would change that."""
    told = f"left out: tests on a real node, missing: {', '.join(MISSING)} (make images cluster, as root)"
    return [told] if MISSING else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs a node where there can be none."""
    lacking = [item for item in items if MISSING and "real_node" in getattr(item, "fixturenames", ())]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


@pytest.fixture(scope="module")  # not the session: there is one on a machine, and other processes wait for it
def real_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    """A cluster of one real node, with a store; pods get nowhere else."""
    import realnode

    with realnode.serving(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def world(real_node: RealNode, tmp_path: Path) -> World:
    """A new namespace of the node under `restricted`, with the store's Secret, and a folder on this machine."""
    import nodeworld

    return nodeworld.World(real_node, real_node.namespace(), tmp_path)
