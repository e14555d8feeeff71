"""The guide's advice for poor transfer."""

from __future__ import annotations

import pytest

from crossad.results.advice import poor_transfer


@pytest.mark.parametrize(
    ("ratio", "skill", "poor"),
    [(0.95, 0.9, False), (0.79, 0.9, True), (0.95, 0.49, True), (0.95, None, False), (None, None, False)],
)
def test_poor_is_a_low_ratio_or_a_lost_skill(ratio: float | None, skill: float | None, poor: bool) -> None:
    assert bool(poor_transfer("draem", ratio, skill)) is poor


@pytest.mark.parametrize(
    ("model", "key"),
    [("draem", "early_stopping_patience"), ("patchcore", "coreset_sampling_ratio"), ("dinomaly", "bottleneck_dropout")],
)
def test_the_advice_names_keys_that_the_model_has(model: str, key: str) -> None:
    (line,) = poor_transfer(model, 0.5, 0.1)
    assert key in line
    assert "AUROC" in line  # a run's log and screen carry the lines with this word
