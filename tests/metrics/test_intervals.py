from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.metrics.auroc import Undefined, auroc_of
from crossad.metrics.intervals import (
    BOTH,
    NEWCOMBE,
    Estimate,
    auroc_interval,
    delong_logit,
    delong_variance,
    difference_interval,
    mean_interval,
    newcombe,
    ratio_interval,
)


def by_definition(normals: np.ndarray, faults: np.ndarray) -> float:
    """DeLong et al. 1988, eq. 2 to 5, pair by pair."""
    wins = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in normals] for x in faults])
    area = wins.mean()
    of_faults, of_normals = wins.mean(axis=1), wins.mean(axis=0)
    s10 = ((of_faults - area) ** 2).sum() / (len(faults) - 1)
    s01 = ((of_normals - area) ** 2).sum() / (len(normals) - 1)
    return float(s10 / len(faults) + s01 / len(normals))


@given(st.lists(st.integers(0, 6), min_size=2, max_size=15), st.lists(st.integers(0, 6), min_size=2, max_size=15))
def test_fast_variance_is_delongs_definition(normals: list[int], faults: list[int]) -> None:
    low, high = np.array(normals, dtype=float), np.array(faults, dtype=float)
    assert delong_variance(low, high) == pytest.approx(by_definition(low, high), abs=1e-14)


def test_variance_equals_the_published_implementations() -> None:
    # pROC 1.18, tests/testthat/test-var.R: var(roc(outcome ~ wfns)) of aSAH; counts by grade 1..5
    good, poor = [37, 20, 3, 8, 4], [2, 12, 1, 8, 18]
    normals = np.repeat(np.arange(1.0, 6.0), good)
    faults = np.repeat(np.arange(1.0, 6.0), poor)
    assert auroc_of(normals, faults) == pytest.approx(0.8236789, abs=5e-8)
    assert delong_variance(normals, faults) == pytest.approx(0.00146991470882363, abs=1e-16)


def scores(normals: list[float], faults: list[float]) -> tuple[list[float], list[int]]:
    return normals + faults, [0] * len(normals) + [1] * len(faults)


def test_newcombe_solves_its_own_equation() -> None:
    for area, n, m in ((0.85, 40, 60), (0.5, 20, 20), (0.97, 200, 100), (1.0, 30, 30)):
        found = newcombe(area, n, m)
        star = (n + m) / 2 - 1
        for edge in (found.low, found.high if area < 1 else None):
            if edge is not None:
                spread = 1 + star * (1 - edge) / (2 - edge) + star * edge / (1 + edge)
                error = sqrt(edge * (1 - edge) * spread / (n * m))
                assert abs(area - edge) == pytest.approx(NormalDist().inv_cdf(0.975) * error, abs=1e-9)


@pytest.mark.parametrize(("n", "expected"), [(20, 0.12), (50, 0.08), (200, 0.038), (2000, 0.012)])
def test_half_width_shrinks_with_images_as_documented(n: int, expected: float) -> None:
    # equal normals and faults whose area is .85, laid out at quantiles
    at = [NormalDist().inv_cdf((index + 0.5) / n) for index in range(n)]
    found = auroc_interval(*scores(at, [value + 1.466 for value in at]))
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("n", [1, 2, 5, 30, 1000])
def test_a_perfect_area_is_not_certain(n: int) -> None:
    found = auroc_interval(*scores([0.0] * n, [1.0] * n))
    assert found.method == NEWCOMBE
    assert found.high == 1.0
    assert 0.0 <= found.low < 1.0
    inverted = auroc_interval(*scores([1.0] * n, [0.0] * n))
    assert inverted.low == 0.0
    assert inverted.high == pytest.approx(1 - found.low, abs=1e-9)


def test_constant_scores_have_an_interval_around_chance() -> None:
    found = auroc_interval(*scores([3.0] * 40, [3.0] * 40))
    assert found.low < 0.4
    assert found.high > 0.6


def test_one_error_more_does_not_narrow_the_interval_by_a_jump() -> None:
    n = 30
    perfect = auroc_interval(*scores([float(i) for i in range(n)], [n + float(i) for i in range(n)]))
    one_off = auroc_interval(*scores([*(float(i) for i in range(n - 1)), n + 0.5], [n + float(i) for i in range(n)]))
    assert one_off.method == BOTH
    assert one_off.low < perfect.low


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_interval_holds_its_area_and_has_width(n: int, m: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    normals, faults = draw.integers(0, 8, n).astype(float), draw.integers(2, 10, m).astype(float)
    found = auroc_interval(*scores(normals.tolist(), faults.tolist()))
    area = auroc_of(normals, faults)
    assert 0 <= found.low <= area + 1e-12
    assert area - 1e-12 <= found.high <= 1
    assert found.high - found.low > 1e-3


def test_a_single_fault_near_the_edge_does_not_overflow() -> None:
    found = auroc_interval(*scores([float(i) for i in range(1000)], [998.5]))
    assert (found.low, found.high) == (pytest.approx(0.0, abs=0.2), pytest.approx(1.0))


def test_coverage_where_delong_alone_fails() -> None:
    # faults spread twice as wide, true area .99, 50 + 50 images: DeLong on the logit scale covers 90 %
    draw, hits, alone, repeats = np.random.default_rng(3), 0, 0, 400
    shift = NormalDist().inv_cdf(0.99) * sqrt(5)
    for _repeat in range(repeats):
        normals, faults = draw.normal(0, 1, 50), draw.normal(shift, 2, 50)
        found = auroc_interval(np.concatenate([normals, faults]), np.repeat([0, 1], 50))
        hits += found.low <= 0.99 <= found.high
        area, variance = auroc_of(normals, faults), delong_variance(normals, faults)
        if variance and area < 1:
            logit = delong_logit(area, variance)
            alone += logit.low <= 0.99 <= logit.high
    assert hits / repeats >= 0.94
    assert hits > alone


def test_one_class_has_no_interval() -> None:
    with pytest.raises(Undefined, match="one class only"):
        auroc_interval([1.0, 2.0], [1, 1])


def test_mean_of_independent_estimates() -> None:
    found = mean_interval([Estimate(0.8, 0.7, 0.85), Estimate(0.6, 0.5, 0.65)])
    assert found.low == pytest.approx(0.7 - sqrt(0.1**2 + 0.1**2) / 2)
    assert found.high == pytest.approx(0.7 + sqrt(0.05**2 + 0.05**2) / 2)
    one = mean_interval([Estimate(0.8, 0.7, 0.85)])
    assert (one.low, one.high) == (pytest.approx(0.7), pytest.approx(0.85))


def test_difference_of_independent_estimates() -> None:
    found = difference_interval(Estimate(0.8, 0.7, 0.9), Estimate(0.6, 0.5, 0.7))
    assert (found.low, found.high) == (pytest.approx(0.2 - sqrt(0.02)), pytest.approx(0.2 + sqrt(0.02)))


def test_ratio_matches_the_closed_form_of_donner_and_zou() -> None:
    (a, la, ua), (b, lb, ub) = (0.7, 0.6, 0.78), (0.9, 0.8, 0.95)
    found = ratio_interval(Estimate(a, la, ua), Estimate(b, lb, ub))
    low = (a * b - sqrt((a * b) ** 2 - la * ub * (2 * a - la) * (2 * b - ub))) / (ub * (2 * b - ub))
    high = (a * b + sqrt((a * b) ** 2 - ua * lb * (2 * a - ua) * (2 * b - lb))) / (lb * (2 * b - lb))
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


def test_ratio_may_reach_below_zero_for_an_inverted_target() -> None:
    found = ratio_interval(Estimate(0.4, 0.3, 0.6).skill, Estimate(0.9, 0.8, 0.95).skill)
    assert found.low < -0.2 / 0.8 < found.high
    assert found.high > 0
