"""Shared by all rooms: nothing here imports torch."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
import units

if TYPE_CHECKING:
    from xdist.remote import Producer

# for every room: stores on real servers, a real control plane, both images, a real node
pytest_plugins = ["storefixtures", "clusterfixtures", "imagefixtures", "nodefixtures"]
BROWSER_TESTS = "test_page_in_browser.py"
NO_BROWSER = shutil.which("chromium") is None and os.environ.get("CI") != "true"


def pytest_configure() -> None:
    """Take Ctrl-C as from a terminal: a shell that starts tests in the background lets all they start ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which tiers this machine lacks; with CI=true every tier runs, and fails where something is missing."""
    return f"left out: {BROWSER_TESTS}, no chromium here (CI=true makes that an error)" if NO_BROWSER else "all tiers"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what this machine cannot run; put first what takes longest."""
    lacking = [item for item in items if NO_BROWSER and item.path.name == BROWSER_TESTS]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]
    items.sort(key=lambda item: units.rank(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> units.Units:
    """Share the work among the processes of `-n`."""
    return units.Units(config, log)
