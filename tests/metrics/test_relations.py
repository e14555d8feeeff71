from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossad.metrics.auroc import Undefined
from crossad.metrics.relations import score_shift, share_outside, spearman


def test_rank_correlation_equals_scipys_with_ties() -> None:
    draw = np.random.default_rng(0)
    x = draw.integers(0, 6, 80).astype(float)
    y = np.round(x + draw.normal(0, 2, 80))
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1.0, 2.0], [1.0, 2.0], "2 pairs"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "all values are equal"),
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "not finite"),
    ],
)
def test_a_correlation_that_does_not_exist_says_why(x: list[float], y: list[float], reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        spearman(x, y)


def test_shift_is_in_units_of_the_sources_spread() -> None:
    source = np.array([0.0, 2.0, 4.0])
    assert score_shift(source + 5, source) == pytest.approx(5 / source.std())
    for here, there in (
        (np.empty(0), source),
        (source, np.empty(0)),
        (source, np.ones(3) * 0.1),
        (source * np.nan, source),
    ):
        with pytest.raises(Undefined):
            score_shift(here, there)


def test_share_outside_the_sources_range() -> None:
    assert share_outside(np.array([0.0, 1.0, 2.0, np.nan]), 0.0, 1.0) == 0.5
    with pytest.raises(Undefined):
        share_outside(np.empty(0), 0.0, 1.0)
