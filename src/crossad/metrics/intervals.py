"""Confidence intervals that never have zero width: of an AUROC, and of means, ratios, differences of AUROCs.

Every method is known to be too narrow somewhere: DeLong's variance vanishes where all faults score above all
normals, Newcombe's assumes scores of equal spread. So an AUROC gets the outer limits of both (their coverage:
docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import hypot, log, sqrt, tanh
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from crossad.metrics.auroc import Floats, auroc_of, midranks, split

LEVEL = 0.95
DELONG, NEWCOMBE = "DeLong, logit scale", "Newcombe score interval"
BOTH = "outer limits of DeLong (logit scale) and Newcombe (score)"
MOVER = "MOVER of the domains' own intervals"
_HALVINGS = 100  # bisections: below the spacing of float64 for anything computed here


@dataclass(frozen=True)
class Bounds:
    """An interval and how it was made."""

    low: float
    high: float
    method: str

    def outer(self, other: Bounds, method: str) -> Bounds:
        """The smallest interval that holds both."""
        return Bounds(min(self.low, other.low), max(self.high, other.high), method)


@dataclass(frozen=True)
class Estimate:
    """A number and its limits."""

    value: float
    low: float
    high: float

    @property
    def skill(self) -> Estimate:
        """2 A - 1: what is left of an AUROC when chance is taken out."""
        return Estimate(2 * self.value - 1, 2 * self.low - 1, 2 * self.high - 1)


def normal_quantile(level: float) -> float:
    """The standard normal quantile of a two-sided level."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def placements(normals: Floats, faults: Floats) -> tuple[Floats, Floats]:
    """Structural components of DeLong et al. (Biometrics 1988), by ranks (Sun & Xu, IEEE SPL 2014).

    Returns:
        For each fault the share of normals below it (m,); for each normal the share of faults above it (n,);
        ties count half.
    """
    together = midranks(np.concatenate([faults, normals]))
    of_faults = (together[: faults.size] - midranks(faults)) / normals.size
    of_normals = 1 - (together[faults.size :] - midranks(normals)) / faults.size
    return of_faults, of_normals


def mean_variance(components: Floats) -> float:
    """Variance of the mean of structural components; of a single one, the largest that a share can have."""
    return float(components.var(ddof=1)) / components.size if components.size > 1 else 0.25


def delong_variance(normals: Floats, faults: Floats) -> float:
    """Variance of the AUROC (DeLong et al. 1988, eq. 5)."""
    of_faults, of_normals = placements(normals, faults)
    return mean_variance(of_faults) + mean_variance(of_normals)


def delong_logit(area: float, variance: float, level: float = LEVEL) -> Bounds:
    """DeLong's interval carried to the logit scale, which keeps it inside (0, 1); so must `area` be."""
    half = normal_quantile(level) * sqrt(variance) / (area * (1 - area))
    centre = log(area / (1 - area))
    low, high = (0.5 + 0.5 * tanh((centre + side * half) / 2) for side in (-1, 1))  # logistic, no overflow
    return Bounds(low, high, DELONG)


def newcombe(area: float, normals: int, faults: int, level: float = LEVEL) -> Bounds:
    """Newcombe's method 5 (Stat. Med. 2006): the areas whose own standard error reaches the one seen.

    The variance is Hanley and McNeil's with their exponential model and both counts replaced by their mean.
    """
    balance, z = (normals + faults) / 2 - 1, normal_quantile(level)

    def error(true: float) -> float:
        spread = 1 + balance * (1 - true) / (2 - true) + balance * true / (1 + true)
        return z * sqrt(true * (1 - true) * spread / (normals * faults))

    low = _root(lambda true: area - true - error(true), 0.0, area)
    high = _root(lambda true: area - true + error(true), area, 1.0)
    return Bounds(low, high, NEWCOMBE)


def auroc_interval(scores: ArrayLike, labels: ArrayLike, level: float = LEVEL) -> Bounds:
    """Interval of one AUROC: the outer limits of DeLong's and Newcombe's.

    Where DeLong's has no width (AUROC 0 or 1, all scores tied), Newcombe's alone.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    normals, faults = split(scores, labels)
    area, variance = auroc_of(normals, faults), delong_variance(normals, faults)
    wide = newcombe(area, normals.size, faults.size, level)
    if variance == 0 or area in (0.0, 1.0):
        return wide
    return delong_logit(area, variance, level).outer(wide, BOTH)


def mean_interval(parts: Sequence[Estimate]) -> Bounds:
    """Interval of a mean of independent numbers from their limits (MOVER: Zou & Donner, Stat. Med. 2008)."""
    mean = sum(part.value for part in parts) / len(parts)
    down = hypot(*(part.value - part.low for part in parts)) / len(parts)
    up = hypot(*(part.high - part.value for part in parts)) / len(parts)
    return Bounds(mean - down, mean + up, MOVER)


def difference_interval(first: Estimate, second: Estimate) -> Bounds:
    """Interval of first - second from their limits, as if independent (MOVER): too wide for paired images."""
    difference = first.value - second.value
    down = hypot(first.value - first.low, second.high - second.value)
    up = hypot(first.high - first.value, second.value - second.low)
    return Bounds(difference - down, difference + up, MOVER)


def ratio_interval(above: Estimate, below: Estimate) -> Bounds:
    """Interval of above / below from their own limits (MOVER-R: Donner & Zou, Stat. Methods Med. Res. 2012).

    A ratio R is inside where MOVER's interval of above - R below holds 0; `below.low` must be positive.
    """

    def excess(ratio: float, side: int) -> float:
        rising = (ratio > 0) == (side < 0)
        away = below.high - below.value if rising else below.value - below.low
        own = above.value - above.low if side < 0 else above.high - above.value
        return above.value - ratio * below.value + side * hypot(own, ratio * away)

    reach = (abs(above.value) + abs(above.high - above.low)) / below.low  # |R| cannot be larger
    low, high = (_root(partial(excess, side=side), -reach, reach) for side in (-1, 1))
    return Bounds(low, high, MOVER)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero between two points (at an end where it does not cross)."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
