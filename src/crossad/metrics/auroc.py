"""Exact area under the ROC curve, by ranks in float64; no binning, no sigmoid, no clamp."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Undefined(ValueError):  # noqa: N818 - not an error: a number that does not exist, with its reason
    """A metric that has no value here; the text says why."""


def split(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """(normals, faults), each (n,) float64, from scores (N,) and labels (N,), 0 good and 1 fault.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
        ValueError: the vectors do not match, or a label is neither 0 nor 1.
    """
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.shape != classes.shape or values.ndim != 1:
        raise ValueError(f"scores {values.shape} and labels {classes.shape} must be equally long vectors")
    if not values.size:
        raise Undefined("no images")
    normal, fault = classes == 0, classes == 1
    if not (normal | fault).all():
        raise ValueError(f"labels must be 0 (good) or 1 (fault), got {np.unique(classes).tolist()}")
    if not np.isfinite(values).all():
        raise Undefined(f"{int((~np.isfinite(values)).sum())} of {values.size} scores are not finite")
    if normal.all() or fault.all():
        raise Undefined(f"one class only: {int(normal.sum())} good, {int(fault.sum())} fault")
    return values[normal], values[fault]


def midranks(values: Floats) -> Floats:
    """Ranks from 1, tied values sharing the mean of their ranks; (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, ordered.size))
    ranks = np.empty(values.size, dtype=np.float64)
    ranks[order] = np.repeat(starts + (lengths + 1) / 2, lengths)
    return ranks


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """P(score of a fault > score of a normal) + P(tie) / 2 (Hanley & McNeil, Radiology 1982).

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    return auroc_of(*split(scores, labels))


def auroc_of(normals: Floats, faults: Floats) -> float:
    """The same from scores already split by class."""
    ranks = midranks(np.concatenate([faults, normals]))
    # sums of half-integers far below 2^53: exact, so neither order nor shift of the scores moves a bit
    wins = ranks[: faults.size].sum() - faults.size * (faults.size + 1) / 2
    return float(wins / (faults.size * normals.size))


def roc(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """(false positive rate, true positive rate, threshold) from the strictest threshold to the loosest.

    A point counts the scores at or above its threshold; the first point is (0, 0) at infinity.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    normals, faults = split(scores, labels)
    thresholds = np.unique(np.concatenate([normals, faults]))[::-1]
    fpr = 1 - np.searchsorted(np.sort(normals), thresholds, side="left") / normals.size
    tpr = 1 - np.searchsorted(np.sort(faults), thresholds, side="left") / faults.size
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, thresholds)
