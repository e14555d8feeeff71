from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.metrics.auroc import Undefined, auroc
from crossad.metrics.intervals import MOVER
from crossad.metrics.paired import PAIRED, bootstrap_difference, delong_paired, holm


def by_definition(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Difference and p value by DeLong et al. 1988, eq. 4 to 6, with the whole covariance, pair by pair."""
    components = []
    for scores in (first, second):
        x, y = scores[labels == 1], scores[labels == 0]
        components.append(np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x]))
    m, n = components[0].shape
    s10 = np.cov([one.mean(axis=1) for one in components])
    s01 = np.cov([one.mean(axis=0) for one in components])
    s = s10 / m + s01 / n
    difference = components[0].mean() - components[1].mean()
    z = difference / sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    return float(difference), 2 * NormalDist().cdf(-abs(z))


@given(st.integers(0, 2**32 - 1), st.integers(6, 20), st.integers(6, 20))
def test_equals_the_papers_definition(seed: int, n: int, m: int) -> None:
    draw = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [n, m])
    shared = draw.normal(0, 1, n + m) + 0.7 * labels
    first, second = shared + draw.normal(0, 0.5, n + m), np.round(shared + draw.normal(0, 1.5, n + m))
    found = delong_paired(first, second, labels)
    if found.method == PAIRED:
        difference, p_value = by_definition(first, second, labels)
        assert found.difference == pytest.approx(difference, abs=1e-12)
        assert found.p_value == pytest.approx(p_value, abs=1e-9)


def test_pairing_finds_what_independent_intervals_hide() -> None:
    draw = np.random.default_rng(4)
    labels = np.repeat([0, 1], 200)
    hard = draw.normal(0, 1, 400)  # what makes an image hard is common to both
    first = 1.3 * labels + hard + draw.normal(0, 0.2, 400)
    second = 1.0 * labels + hard + draw.normal(0, 0.2, 400)
    found = delong_paired(first, second, labels)
    assert found.p_value < 0.001
    assert 0 < found.low < found.high
    resampled = bootstrap_difference(first, second, labels)
    assert resampled.low == pytest.approx(found.low, abs=0.005)
    assert resampled.high == pytest.approx(found.high, abs=0.005)


def test_false_alarms_of_the_test_itself_are_five_percent() -> None:
    draw, hits, repeats = np.random.default_rng(0), 0, 600
    labels = np.repeat([0, 1], 60)
    for _ in range(repeats):
        shared = labels + draw.normal(0, 1, 120)
        pair = [shared + draw.normal(0, 0.7, 120) for _scorer in range(2)]
        hits += delong_paired(*pair, labels).p_value < 0.05
    assert 0.025 < hits / repeats < 0.08


def test_a_scorer_is_not_distinguishable_from_itself() -> None:
    labels, scores = np.repeat([0, 1], 10), np.arange(20.0)[::-1] % 7
    found = delong_paired(scores, 2 * scores + 1, labels)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low < 0 < found.high


def test_certainty_needs_images() -> None:
    for n, sure in ((2, False), (40, True)):
        labels = np.repeat([0, 1], n)
        found = delong_paired(labels, np.zeros(2 * n), labels)  # perfect against constant: DeLong's variance is 0
        assert found.method == MOVER
        assert found.difference == 0.5
        assert found.p_value > 0
        assert (found.p_value < 0.05) is sure
        assert (found.low > 0) is sure


def test_one_class_cannot_be_compared() -> None:
    with pytest.raises(Undefined, match="one class only"):
        delong_paired([1.0, 2.0], [2.0, 1.0], [0, 0])


def test_the_difference_is_first_minus_second() -> None:
    draw = np.random.default_rng(8)
    labels = np.repeat([0, 1], 30)
    good, bad = labels + draw.normal(0, 0.5, 60), labels + draw.normal(0, 2, 60)
    assert delong_paired(good, bad, labels).difference == pytest.approx(auroc(good, labels) - auroc(bad, labels))
    assert delong_paired(bad, good, labels).difference < 0


def test_holm_steps_down_and_keeps_the_order() -> None:
    # R: p.adjust(c(.01, .04, .03, .005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
