"""The stratified bootstrap of AUROCs: images are drawn with replacement within each class, by a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossad.metrics.auroc import Floats
from crossad.metrics.intervals import LEVEL, Bounds
from crossad.seeds import generator

RESAMPLES = 2000
BOOTSTRAP = "stratified bootstrap, percentile"


def bootstrap_aurocs(
    columns: Sequence[tuple[Floats, Floats]], *, seed: int, purpose: str, resamples: int = RESAMPLES
) -> Floats:
    """AUROCs of resampled images, (resamples, columns).

    Nothing is sorted twice: how many normals lie below each fault is looked up once, a resample only changes
    how often each image counts: O(normals + faults) time each, and memory does not grow with them.

    Args:
        columns: (normals, faults) of each scorer on the same images; all columns see the same draws.
        seed: of the condition.
        purpose: another text, another independent stream: other images must not share their draws.
        resamples: how many.
    """
    normals, faults = columns[0][0].size, columns[0][1].size
    looked_up = []
    for of_normals, of_faults in columns:
        order = np.argsort(of_normals, kind="stable")
        ends = [np.searchsorted(of_normals[order], of_faults, side=side) for side in ("left", "right")]
        looked_up.append((order, *ends))
    draw, areas = generator(seed, f"bootstrap/{purpose}"), np.empty((resamples, len(columns)))
    below = np.zeros(normals + 1)
    for index in range(resamples):
        times_normal = np.bincount(draw.integers(0, normals, normals), minlength=normals)
        times_fault = np.bincount(draw.integers(0, faults, faults), minlength=faults)
        for column, (order, left, right) in enumerate(looked_up):
            np.cumsum(times_normal[order], out=below[1:])
            wins = times_fault @ (below[left] + below[right])  # twice the wins: ties count half
            areas[index, column] = wins / (2 * normals * faults)
    return areas


def percentile_interval(draws: Floats, level: float = LEVEL) -> Bounds:
    """Percentile interval of bootstrap draws, (resamples,)."""
    low, high = np.quantile(draws, [(1 - level) / 2, 0.5 + level / 2])
    return Bounds(float(low), float(high), BOOTSTRAP)
