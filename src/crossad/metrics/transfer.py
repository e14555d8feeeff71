"""How well a model transfers: ratio, chance-corrected skill ratio, gap, worst target, harmonic mean.

Chance is 0.5, not 0: a coin has ratio 1. So ratios are undefined where the source's interval reaches 0.5, and
the skill ratio mean_t(2 A_t - 1) / (2 A_s - 1) stands beside the guide's mean_t(A_t) / A_s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossad.metrics.auroc import Floats, Undefined, auroc_of, split
from crossad.metrics.bootstrap import RESAMPLES, bootstrap_aurocs, percentile_interval
from crossad.metrics.intervals import Bounds, Estimate, auroc_interval, mean_interval, ratio_interval

Scored = tuple[ArrayLike, ArrayLike]  # scores, labels
RATIO_METHOD = "outer limits of the stratified bootstrap (percentile) and MOVER"
RATIOS = ("transfer_ratio", "skill_ratio")


@dataclass(frozen=True)
class Area:
    """One AUROC with its interval and its bootstrap draws (resamples,)."""

    estimate: Estimate
    draws: Floats

    @property
    def value(self) -> float:
        """The AUROC."""
        return self.estimate.value


def area(scored: Scored, purpose: str, *, seed: int = 0, resamples: int = RESAMPLES) -> Area:
    """The AUROC of one test split; each purpose draws its own resamples, as other images must.

    Raises:
        Undefined: there are no images, a class is missing, or a score is not finite.
    """
    classes, bounds = split(*scored), auroc_interval(*scored)
    draws = bootstrap_aurocs([classes], seed=seed, purpose=purpose, resamples=resamples)[:, 0]
    return Area(Estimate(auroc_of(*classes), bounds.low, bounds.high), draws)


def harmonic_mean(values: Sequence[float]) -> float:
    """The mean that one dead domain pulls down: count / sum(1 / value), 0 where a value is 0."""
    return 0.0 if min(values) <= 0 else len(values) / sum(1 / value for value in values)


def not_learned(source: Estimate) -> str | None:
    """Why a ratio to this source would mean nothing, or None where it means something."""
    if source.low > 0.5:
        return None
    return f"source not learned: the interval of its AUROC [{source.low:.3f}, {source.high:.3f}] reaches 0.5"


def ratio(source: Area, targets: Sequence[Area], *, skill: bool) -> tuple[float, Bounds]:
    """The transfer ratio (or the skill ratio) and its interval: all domains are resampled independently.

    Near an AUROC of 1 the bootstrap is too narrow (at 1 it has no width): MOVER's limits stand where wider.
    """
    estimates = [target.estimate.skill if skill else target.estimate for target in targets]
    below = source.estimate.skill if skill else source.estimate
    mean, limits = float(np.mean([one.value for one in estimates])), mean_interval(estimates)
    wide = ratio_interval(Estimate(mean, limits.low, limits.high), below)
    above_draws, below_draws = np.mean([target.draws for target in targets], axis=0), source.draws
    if skill:
        above_draws, below_draws = 2 * above_draws - 1, 2 * below_draws - 1
    sound = below_draws > 0  # a resample without skill has nothing to divide by
    narrow = percentile_interval(above_draws[sound] / below_draws[sound])
    return mean / below.value, narrow.outer(wide, RATIO_METHOD)


def summarise(source: Scored, targets: Mapping[str, Scored], *, seed: int = 0) -> dict[str, Any]:
    """Everything a record says about transfer, by the record's field names; what has no value has a reason.

    Args:
        source: scores (N,) and labels (N,) of the source's test split.
        targets: the same by target domain; those that could not be scored are left out by the caller.
        seed: of the condition; the same seed gives the same intervals.
    """
    undefined: dict[str, str] = {}
    reached: dict[str, Area] = {}
    for domain, scored in sorted(targets.items()):
        try:
            reached[domain] = area(scored, f"target/{domain}", seed=seed)
        except Undefined as reason:
            undefined[f"domain_gap.{domain}"] = str(reason)
    try:
        at_source = area(source, "source", seed=seed)
    except Undefined as reason:
        at_source = None
        missing = f"the source has no AUROC: {reason}"
        names = ("harmonic_mean_auroc", *RATIOS, *(f"domain_gap.{domain}" for domain in reached))
        undefined |= dict.fromkeys(names, missing)
    values = [found.value for found in reached.values()]
    if not values:
        names = ("avg_target_auroc", "worst_target_auroc", "harmonic_mean_auroc", *RATIOS)
        undefined |= dict.fromkeys(names, "no target has an AUROC" if targets else "no target was scored")
    gaps = {
        domain: at_source.value - reached[domain].value if at_source and domain in reached else None
        for domain in targets
    }
    return {
        "n_targets": len(values),
        "avg_target_auroc": float(np.mean(values)) if values else None,
        "worst_target_auroc": min(values, default=None),
        "harmonic_mean_auroc": harmonic_mean([at_source.value, *values]) if at_source and values else None,
        "domain_gap": gaps,
        **(_ratios(at_source, list(reached.values()), undefined) if at_source and values else {}),
        "undefined": undefined,
    }


def _ratios(source: Area, targets: Sequence[Area], undefined: dict[str, str]) -> dict[str, Any]:
    """Both ratios with their intervals, or the reason added to `undefined`."""
    if (reason := not_learned(source.estimate)) is not None:
        undefined |= dict.fromkeys(RATIOS, reason)
        return {}
    found: dict[str, Any] = {}
    for name in RATIOS:
        value, bounds = ratio(source, targets, skill=name == "skill_ratio")
        found |= {name: value, f"{name}_interval": vars(bounds)}
    return found
