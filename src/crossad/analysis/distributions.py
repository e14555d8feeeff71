"""Figures of per-image scores: histograms by domain and label, ROC curves with a log axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crossad.analysis.collect import Entry
from crossad.analysis.figures import WIDTH, in_words, stamp
from crossad.analysis.scores import Scores
from crossad.analysis.svg import SERIES, Drawing, Scale, ticks
from crossad.analysis.wording import model_name
from crossad.metrics.auroc import Undefined, roc

BINS = 48


def histograms(entry: Entry, scores: Mapping[str, Scores], *, synthetic: bool) -> Drawing | None:
    """Scores by domain and label on one axis, with the source's threshold."""
    domains = [name for name in (entry.source, *entry.targets) if name in scores]
    source = entry.domain(entry.source)
    threshold = source.threshold.threshold if source and source.threshold else None
    every = np.concatenate([scores[name].values for name in domains]) if domains else np.empty(0)
    every = every[np.isfinite(every)]
    if not every.size:
        return None
    low, high = (float(edge) for edge in np.quantile(every, [0.002, 0.998]))
    if threshold is not None:
        low, high = min(low, threshold), max(high, threshold)
    height = 62.0
    bottom = 44 + height * len(domains)
    drawing = Drawing(
        f"scores-{entry.condition_id}",
        WIDTH,
        bottom + 40,
        title=f"{model_name(entry.model)} ({entry.name}): scores by domain and label",
        description=_shift_words(entry, scores, domains, threshold),
    )
    across = Scale(low, high, 120, WIDTH - 20)
    for index, name in enumerate(domains):
        base = 44 + height * (index + 1)
        drawing.text((112, base - 22), name, "strong" if name == entry.source else "", anchor="end")
        drawing.text((112, base - 7), "source" if name == entry.source else "target", "quiet small", anchor="end")
        _two_shapes(drawing, scores[name], across, base)
        drawing.line((120, base), (WIDTH - 20, base), "axis")
    for value in ticks(low, high):
        drawing.text((across(value), bottom + 16), f"{value:g}", "quiet small", anchor="middle")
    drawing.text((120, bottom + 34), "anomaly score; the outermost bins hold what lies beyond", "quiet small")
    if threshold is not None:
        drawing.line((across(threshold), 34), (across(threshold), bottom), "threshold")
        anchor = "end" if across(threshold) > WIDTH * 0.7 else "start"
        shift = -6 if anchor == "end" else 6
        drawing.text((across(threshold) + shift, 40), "source threshold", "small", anchor=anchor)
    _legend(drawing)
    stamp(drawing, synthetic)
    return drawing


def _legend(drawing: Drawing) -> None:
    drawing.box((120, 6), (18, 10), "good")
    drawing.text((144, 15), "good", "small")
    drawing.box((196, 6), (18, 10), "fault")
    drawing.text((220, 15), "fault", "small")


def _two_shapes(drawing: Drawing, scores: Scores, across: Scale, base: float) -> None:
    edges = np.linspace(across.low, across.high, BINS + 1)
    shares = [_shares(scores.normals, edges), _shares(scores.faults, edges)]
    tallest = max(0.001, *(float(share.max()) for share in shares))
    for share, style in zip(shares, ("good", "fault"), strict=True):
        if not share.any():
            continue
        points = [(across(float(edges[0])), base)]
        for index, value in enumerate(share):
            y = base - 48 * float(value) / tallest
            points += [(across(float(edges[index])), y), (across(float(edges[index + 1])), y)]
        drawing.path([*points, (across(float(edges[-1])), base)], style)


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a class a bin, (BINS,): classes of unequal size stay comparable."""
    finite = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
    return np.histogram(finite, edges)[0] / max(1, finite.size)


def _shift_words(entry: Entry, scores: Mapping[str, Scores], domains: Sequence[str], threshold: float | None) -> str:
    parts = []
    for name in domains:
        one = scores[name]
        if one.normals.size and one.faults.size:
            parts.append(
                f"{name}: median of good images {np.median(one.normals):.4g}, of faults {np.median(one.faults):.4g}."
            )
    limit = "" if threshold is None else f"The threshold of {entry.source} is {threshold:.4g}. "
    return f"{limit}{' '.join(parts)}"


def roc_curves(entry: Entry, scores: Mapping[str, Scores], *, synthetic: bool) -> Drawing | None:
    """ROC curves of one condition; the axis is logarithmic, because machines are watched at low rates."""
    curves = {}
    for name in (entry.source, *entry.targets):
        if name in scores:
            try:
                curves[name] = roc(scores[name].values, scores[name].labels)[:2]
            except Undefined:
                continue
    if not curves:
        return None
    normals = max(scores[name].normals.size for name in curves)
    least = min(0.01, 1 / normals)
    drawing = Drawing(
        f"roc-{entry.condition_id}",
        WIDTH,
        330,
        title=f"{model_name(entry.model)} ({entry.name}): ROC, false positive rate on a log axis",
        description=f"{in_words(entry, list(curves))} At most {normals} good images:"
        f" rates below {least:.2g} are not seen.",
    )
    across, up = Scale(float(np.log10(least)), 0, 60, WIDTH - 190), Scale(0, 1, 280, 24)
    for value in ticks(0, 1):
        drawing.line((60, up(value)), (WIDTH - 190, up(value)), "grid")
        drawing.text((54, up(value) + 4), f"{value:.1f}", "quiet", anchor="end")
    for power in range(int(np.ceil(across.low)), 1):
        drawing.line((across(power), 24), (across(power), 280), "grid")
        drawing.text((across(power), 298), f"{10.0**power:g}", "quiet small", anchor="middle")
    drawing.text(((across(0) + 60) / 2, 318), "false positive rate", "quiet small", anchor="middle")
    drawing.text((6, 14), "true positive rate", "quiet small")
    _curves(drawing, curves, (across, up), (least, entry.source))
    stamp(drawing, synthetic)
    return drawing


def _curves(
    drawing: Drawing,
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    scales: tuple[Scale, Scale],
    facts: tuple[float, str],
) -> None:
    (across, up), (least, source) = scales, facts
    for series, (name, (fpr, tpr)) in enumerate(curves.items()):
        step = max(1, fpr.size // 400)
        kept = np.unique(np.append(np.arange(0, fpr.size, step), fpr.size - 1))
        points = [(across(float(np.log10(max(least, fpr[index])))), up(float(tpr[index]))) for index in kept]
        drawing.path(points, f"series s{series % SERIES}")
        y = 40.0 + 22 * series
        drawing.line((WIDTH - 176, y - 4), (WIDTH - 144, y - 4), f"series s{series % SERIES}")
        drawing.text((WIDTH - 138, y), f"{name}{' (source)' if name == source else ''}")
