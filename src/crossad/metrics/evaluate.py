"""All numbers of one scoring pass, by the field names of the record's DomainResult."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossad.metrics.auroc import Floats, Undefined, auroc, split
from crossad.metrics.intervals import auroc_interval
from crossad.metrics.relations import score_shift, share_outside, spearman
from crossad.metrics.threshold import oracle_f1, rates, tpr_at_fpr
from crossad.metrics.transfer import summarise

__all__ = ["Pass", "evaluate_domain", "summarise"]
FPRS = ("0.01", "0.05")


@dataclass(frozen=True)
class Pass:
    """One scoring pass over the test split of a domain; every vector is (N,)."""

    scores: Floats
    labels: NDArray[np.int64]
    threshold: float | None = None  # of the source
    by_construction: bool = False  # the threshold comes from these very normals
    source_normals: Floats = field(default_factory=lambda: np.empty(0))
    source_range: tuple[float, float] | None = None
    parts: Mapping[str, Floats] = field(default_factory=dict)
    floors: Mapping[str, Floats] = field(default_factory=dict)
    strata: Sequence[str | None] | None = None
    severities: Floats | None = None  # NaN where unknown


class _Measured:
    """Collects the reasons of what has no value."""

    def __init__(self) -> None:
        self.undefined: dict[str, str] = {}

    def take(self, name: str, metric: Callable[..., float], *inputs: Any) -> float | None:  # noqa: ANN401
        try:
            return metric(*inputs)
        except Undefined as reason:
            self.undefined[name] = str(reason)
            return None


def evaluate_domain(done: Pass) -> dict[str, Any]:
    """Every number of a domain; one that has no value is None, with its reason under `undefined`."""
    scores, labels, measured = done.scores, done.labels, _Measured()
    normals, faults = scores[labels == 0], scores[labels == 1]
    value = measured.take("test_image_AUROC", auroc, scores, labels)
    outside = None
    if done.source_range is not None:
        outside = measured.take("outside_source_range", share_outside, scores, *done.source_range)
    return {
        "test_image_AUROC": value,
        "interval": vars(auroc_interval(scores, labels)) if value is not None else None,
        "counts": {"good": int(normals.size), "fault": int(faults.size)},
        "threshold": _threshold(done, measured),
        "tpr_at_fpr": {
            text: measured.take(f"tpr_at_fpr.{text}", tpr_at_fpr, scores, labels, float(text)) for text in FPRS
        },
        "outside_source_range": outside,
        "score_shift": measured.take("score_shift", score_shift, normals, done.source_normals),
        "parts": _areas(done.parts, labels, "parts", measured),
        "floors": _areas(done.floors, labels, "floors", measured),
        "strata": _strata(done, measured),
        "severity_spearman": _severity(done, measured),
        "undefined": measured.undefined,
    }


def _areas(
    columns: Mapping[str, Floats], labels: NDArray[np.int64], group: str, measured: _Measured
) -> dict[str, float | None]:
    return {name: measured.take(f"{group}.{name}", auroc, values, labels) for name, values in columns.items()}


def _strata(done: Pass, measured: _Measured) -> dict[str, float | None]:
    names = np.array([name or "" for name in done.strata or ()])
    return {
        str(name): measured.take(f"strata.{name}", auroc, done.scores[names == name], done.labels[names == name])
        for name in np.unique(names)
        if name
    }


def _threshold(done: Pass, measured: _Measured) -> dict[str, Any] | None:
    """What the source's threshold does here; where a class is missing, the rate of the other stands."""
    if done.threshold is None:
        measured.undefined["threshold"] = "the source has no good image to set it on"
        return None
    try:
        fpr, tpr, f1 = rates(*split(done.scores, done.labels), done.threshold)
        known: tuple[float | None, ...] = (fpr, tpr, f1, oracle_f1(done.scores, done.labels))
    except Undefined as reason:
        measured.undefined["threshold"] = str(reason)
        known = (_share_above(done, 0), _share_above(done, 1), None, None)
    names = ("fpr", "tpr", "f1", "oracle_f1")
    fixed = {"threshold": done.threshold, "by_construction": done.by_construction}
    return fixed | dict(zip(names, known, strict=True))


def _share_above(done: Pass, label: int) -> float | None:
    chosen = done.scores[done.labels == label]
    return float((chosen > done.threshold).mean()) if chosen.size and np.isfinite(chosen).all() else None


def _severity(done: Pass, measured: _Measured) -> float | None:
    """Rank correlation of score and true severity over the faulted images; None without severities."""
    if done.severities is None:
        return None
    known = (done.labels == 1) & np.isfinite(done.severities)
    return measured.take("severity_spearman", spearman, done.scores[known], done.severities[known])
