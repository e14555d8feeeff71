"""A bucket with a run in it, and the homes that look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fetchworld import World
from s3servers import Place

from crossad.results.home import BucketHome


@pytest.fixture
def home(place: Place, tmp_path: Path) -> BucketHome:
    """An empty bucket's home."""
    return BucketHome(place.open(), tmp_path / "work")


@pytest.fixture
def world(home: BucketHome, tmp_path: Path) -> World:
    """The same, to build in."""
    return World(home, tmp_path / "scratch")


@pytest.fixture
def night(world: World) -> World:
    """A whole run: shared weights, a partial condition, a resumed one, one that has not begun, a report."""
    world.night()
    return world
