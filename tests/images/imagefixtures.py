"""Fixtures of both images: a pytest plugin, which tests/conftest.py names.

Building needs root and Debian's buildah and runc (`make images` installs them and builds both); where they are not,
the tests that ask for an image are left out, but with CI=true they run, and fail where something is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import imagebuild
import pytest

if TYPE_CHECKING:
    from containers import Image

FIXTURES = {"controller_image", "trainer_image"}
MISSING = [] if os.environ.get("CI") == "true" else imagebuild.lacking()


def pytest_report_header() -> list[str]:
    """Say what is not tested, and what would change that."""
    return [f"left out: tests of the images, missing: {', '.join(MISSING)} (make images, as root)"] if MISSING else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs an image where none can be built."""
    lacking = [item for item in items if MISSING and FIXTURES & set(getattr(item, "fixturenames", ()))]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


@pytest.fixture(scope="session")
def controller_image() -> Iterator[Image]:
    """The image without torch, mounted."""
    import containers

    with containers.mounted("controller") as image:
        yield image


@pytest.fixture(scope="session")
def trainer_image() -> Iterator[Image]:
    """The image with torch, mounted."""
    import containers

    with containers.mounted("trainer") as image:
        yield image


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder for a container."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    return folder
