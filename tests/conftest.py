"""Shared by all rooms: nothing here imports torch."""

from __future__ import annotations

import os
import shutil

import pytest

# for every room: stores on real servers, a real control plane, both images, a real node
pytest_plugins = ["storefixtures", "clusterfixtures", "imagefixtures", "nodefixtures"]
BROWSER_TESTS = "test_page_in_browser.py"
NO_BROWSER = shutil.which("chromium") is None and os.environ.get("CI") != "true"


def pytest_report_header() -> str:
    """Say which tiers this machine lacks; with CI=true every tier runs, and fails where something is missing."""
    return f"left out: {BROWSER_TESTS}, no chromium here (CI=true makes that an error)" if NO_BROWSER else "all tiers"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what this machine cannot run."""
    lacking = [item for item in items if NO_BROWSER and item.path.name == BROWSER_TESTS]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]
