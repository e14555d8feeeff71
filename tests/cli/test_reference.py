from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossad.cli import VERBS

PAGE = Path(__file__).parents[2] / "docs/cli.md"


@pytest.fixture(scope="module")
def page() -> str:
    """As `make golden` writes it: in a process of its own, because click keeps a command's first help option."""
    command = [sys.executable, "-m", "crossad.cli.reference"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


def test_the_page_in_docs_is_the_generated_one(page: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page, "the verbs' help has changed: run make golden"


def test_every_verb_and_those_below_have_a_section(page: str) -> None:
    for verb in VERBS:
        assert f"\n## crossad {verb}\n" in page
    for below in ("data check", "assets list", "assets fetch", "assets verify"):
        assert f"\n### crossad {below}\n" in page


def test_examples_keep_their_lines(page: str) -> None:
    assert "\n  crossad run conditions/smoke.json --data data/hdmap --gpus cpu\n" in page
    assert "\\b" not in page
