from __future__ import annotations

from typing import Any

import pytest

from crossad.analysis.cautions import cautions
from crossad.analysis.collect import Entry, collect


def entry_of(lab: Any, sim: Any) -> Entry:
    lab.run("night1", [sim])
    return collect(lab.results).entries[0]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"shifts": {"domain_A": 2.0, "domain_B": -2.0}}, "inverted scores on domain_B"),
        ({"shifts": {"domain_A": 2.0, "domain_B": -2.0}, "model": "draem"}, "early_stopping_patience"),
        ({"shifts": {"domain_A": 1.0, "domain_B": 3.0}}, "transfer ratio above 1"),
        ({"shifts": {"domain_A": 2.0, "domain_B": -2.0}}, "does not beat a simple floor on domain_B"),
        ({"images": 30}, "indicative: fewer than 50"),
    ],
)
def test_what_a_reader_must_know_is_said(lab: Any, facts: dict[str, Any], said: str) -> None:
    entry = entry_of(lab, lab.sim("p", **facts))
    assert any(said in text for text in cautions(entry)), cautions(entry)


def test_a_sound_result_needs_no_warning(lab: Any) -> None:
    entry = entry_of(lab, lab.sim("p", shifts={"domain_A": 3.0, "domain_B": 2.6}))
    assert cautions(entry) == []
