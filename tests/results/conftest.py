from __future__ import annotations

import pytest
from s3servers import Place
from storeworld import World


@pytest.fixture
def world(place: Place) -> World:
    return World(place)
