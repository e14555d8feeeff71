"""Two scorers on the same images: is the difference of their AUROCs more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from numpy.typing import ArrayLike

from crossad.metrics.auroc import Floats, auroc_of, split
from crossad.metrics.bootstrap import RESAMPLES, bootstrap_aurocs, percentile_interval
from crossad.metrics.intervals import (
    LEVEL,
    MOVER,
    Bounds,
    Estimate,
    difference_interval,
    mean_variance,
    newcombe,
    normal_quantile,
    placements,
)

PAIRED = "DeLong, paired"


@dataclass(frozen=True)
class Difference:
    """AUROC(first) - AUROC(second), its 95 % interval, and the chance of one as large where there is none."""

    difference: float
    low: float
    high: float
    p_value: float
    method: str


def delong_paired(first: ArrayLike, second: ArrayLike, labels: ArrayLike, level: float = LEVEL) -> Difference:
    """DeLong's test of two AUROCs on the same images (Biometrics 1988, eq. 6).

    Where the variance vanishes (two perfect scorers; a perfect and a constant one) the test would be sure of
    anything; then the two intervals are combined as if independent, which is too wide and never certain.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    one, other = split(first, labels), split(second, labels)
    (up_1, down_1), (up_2, down_2) = placements(*one), placements(*other)
    difference = auroc_of(*one) - auroc_of(*other)
    variance = mean_variance(up_1 - up_2) + mean_variance(down_1 - down_2)
    if variance <= 1e-24:  # what rounding leaves of zero
        return _degenerate(_estimate(one, level), _estimate(other, level), level)
    error = sqrt(variance)
    half = normal_quantile(level) * error
    p_value = _two_sided(difference / error)
    return Difference(difference, difference - half, difference + half, p_value, PAIRED)


def _degenerate(first: Estimate, second: Estimate, level: float) -> Difference:
    bounds, difference = difference_interval(first, second), first.value - second.value
    towards_zero = difference - bounds.low if difference > 0 else bounds.high - difference
    p_value = _two_sided(difference / (towards_zero / normal_quantile(level)))
    return Difference(difference, bounds.low, bounds.high, p_value, MOVER)


def _estimate(scorer: tuple[Floats, Floats], level: float) -> Estimate:
    area = auroc_of(*scorer)
    bounds = newcombe(area, scorer[0].size, scorer[1].size, level)
    return Estimate(area, bounds.low, bounds.high)


def _two_sided(z: float) -> float:
    return 2 * NormalDist().cdf(-abs(z))


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    *,
    seed: int = 0,
    purpose: str = "paired",
    resamples: int = RESAMPLES,
) -> Bounds:
    """Interval of AUROC(first) - AUROC(second): both see the same resampled images.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    columns = (split(first, labels), split(second, labels))
    draws = bootstrap_aurocs(columns, seed=seed, purpose=purpose, resamples=resamples)
    return percentile_interval(draws[:, 0] - draws[:, 1])


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scand. J. Statist. 1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return corrected
