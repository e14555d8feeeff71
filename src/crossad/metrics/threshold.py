"""What one threshold does: the conformal quantile of the source's normals, applied to every domain."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from crossad.metrics.auroc import Floats, Undefined, roc, split

QUANTILE = 0.95
_ROUNDING = 1e-9  # (n + 1) q is meant exactly: 0.95 is not a binary fraction


def threshold_at(normals: ArrayLike, quantile: float = QUANTILE) -> float:
    """The conformal quantile: the k-th smallest normal score, k = ceil((n + 1) q) (Vovk et al. 2005).

    A new normal image of the same domain exceeds it with probability at most 1 - q. Of fewer than q / (1 - q)
    scores (19 for 95 %) none is high enough for that, and the largest is taken.

    Raises:
        Undefined: there is no normal score, or one is not finite.
    """
    ordered = np.sort(np.asarray(normals, dtype=np.float64))
    if not ordered.size:
        raise Undefined("no good images to set a threshold on")
    if not np.isfinite(ordered).all():
        raise Undefined("a normal score is not finite")
    rank = math.ceil((ordered.size + 1) * quantile - _ROUNDING)
    return float(ordered[min(rank, ordered.size) - 1])


def rates(normals: Floats, faults: Floats, threshold: float) -> tuple[float, float, float]:
    """(FPR, TPR, F1) of calling every score above `threshold` a fault; F1 of no call at all is 0."""
    false, true = int((normals > threshold).sum()), int((faults > threshold).sum())
    f1 = 2 * true / (true + false + faults.size)
    return false / normals.size, true / faults.size, f1


def oracle_f1(scores: ArrayLike, labels: ArrayLike) -> float:
    """The best F1 over all thresholds of this very test set: what a perfectly chosen threshold would give.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    normals, faults = split(scores, labels)
    fpr, tpr, _ = roc(scores, labels)
    true, false = tpr * faults.size, fpr * normals.size
    return float((2 * true / (true + false + faults.size)).max())


def tpr_at_fpr(scores: ArrayLike, labels: ArrayLike, fpr: float) -> float:
    """Share of faults found where at most a share `fpr` of this domain's own normals is flagged.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    false, true, _ = roc(scores, labels)
    return float(true[false <= fpr + _ROUNDING].max())
