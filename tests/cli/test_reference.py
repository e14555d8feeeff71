from __future__ import annotations

from pathlib import Path

from crossad.cli import VERBS
from crossad.cli.reference import markdown

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_in_docs_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "the verbs' help has changed: run make golden"


def test_every_verb_and_those_below_have_a_section() -> None:
    page = markdown()
    for verb in VERBS:
        assert f"\n## crossad {verb}\n" in page
    for below in ("data check", "assets list", "assets fetch", "assets verify"):
        assert f"\n### crossad {below}\n" in page


def test_examples_keep_their_lines() -> None:
    assert "\n  crossad run conditions/smoke.json --data data/hdmap --gpus cpu\n" in markdown()
    assert "\\b" not in markdown()
