"""How scores relate: to severity within a domain, and to the source's scores across domains."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crossad.metrics.auroc import Floats, Undefined, midranks


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation with mid-ranks of two vectors (n,).

    Raises:
        Undefined: fewer than three pairs, a value that is not finite, or one side is constant.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.size < 3:
        raise Undefined(f"{x.size} pairs, at least 3 are needed")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise Undefined("a value is not finite")
    ranks_x, ranks_y = midranks(x), midranks(y)
    if np.ptp(ranks_x) == 0 or np.ptp(ranks_y) == 0:
        raise Undefined("all values are equal")
    return float(np.corrcoef(ranks_x, ranks_y)[0, 1])


def score_shift(normals: Floats, source_normals: Floats) -> float:
    """(mean normal score here - mean at the source) / standard deviation at the source.

    Raises:
        Undefined: no normals here or there, the source's all score the same, or a score is not finite.
    """
    if not normals.size or not source_normals.size:
        raise Undefined("no good images here" if source_normals.size else "no good images at the source")
    if np.ptp(source_normals) == 0:
        raise Undefined("the source's normal scores do not vary")
    shift = float((normals.mean() - source_normals.mean()) / source_normals.std())
    if not np.isfinite(shift):
        raise Undefined("a normal score is not finite")
    return shift


def share_outside(scores: Floats, low: float, high: float) -> float:
    """Share of scores outside [low, high], the range seen at the source; a non-finite score is outside.

    Raises:
        Undefined: there are no scores.
    """
    if not scores.size:
        raise Undefined("no images")
    return float((~((scores >= low) & (scores <= high))).mean())
