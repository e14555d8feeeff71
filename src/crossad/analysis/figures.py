"""Figures of AUROCs: slopes from source to targets, source x target matrices."""

from __future__ import annotations

from collections.abc import Sequence

from crossad.analysis.collect import Entry
from crossad.analysis.judge import Group
from crossad.analysis.svg import SERIES, Drawing, Point, Scale, spread, ticks
from crossad.analysis.wording import bounds, model_name, number

WIDTH = 560.0


def stamp(drawing: Drawing, synthetic: bool) -> None:
    """Say on the figure itself what its data are: figures travel without their page."""
    if synthetic:
        drawing.text((drawing.width - 4, 14), "synthetic data", "quiet small", anchor="end")


def slope(group: Group, *, synthetic: bool) -> Drawing | None:
    """AUROC of the best condition a model, from the source to each target, with intervals."""
    rows = [row for row in group.best if row.entry.record and row.entry.record.val_image_AUROC is not None]
    if not rows:
        return None
    domains = [group.source, *sorted({name for row in rows for name in row.entry.targets})]
    words = [in_words(row.entry, domains) for row in rows]
    drawing = Drawing(
        f"slope-{group.source}",
        WIDTH,
        360,
        title=f"AUROC from source {group.source} to each target",
        description=f"Best condition a model, chosen by source AUROC. {' '.join(words)}",
    )
    values = [low for row in rows for name in domains for low in _lows(row.entry, name)]
    bottom = min(0.45, *values) if values else 0.45
    across, up = (
        Scale(0, max(1, len(domains) - 1), 70, WIDTH - 180),
        Scale(max(0.0, bottom - 0.02), 1, 316, 30),
    )
    for value in ticks(up.low, 1.0):
        drawing.line((50, up(value)), (WIDTH - 160, up(value)), "grid")
        drawing.text((44, up(value) + 4), f"{value:.1f}", "quiet", anchor="end")
    drawing.line((50, up(0.5)), (WIDTH - 160, up(0.5)), "chance")
    drawing.text((54, up(0.5) - 5), "chance", "quiet small")
    for index, name in enumerate(domains):
        drawing.text((across(index), 338), name, "strong" if index == 0 else "", anchor="middle")
        drawing.text((across(index), 354), "source" if index == 0 else "target", "quiet small", anchor="middle")
    ends = []
    for series, row in enumerate(rows):
        offset = (series - (len(rows) - 1) / 2) * 7  # side by side, or whiskers would hide each other
        ends.append(_slope_line(drawing, row.entry, domains, (across, up), (series, offset)))
    for series, (row, place) in enumerate(zip(rows, spread(ends, 17), strict=True)):
        drawing.marker((WIDTH - 150, place), series)
        mark = " (unranked)" if row.unranked else ""
        drawing.text((WIDTH - 140, place + 4), f"{model_name(row.entry.model)}{mark}")
    stamp(drawing, synthetic)
    return drawing


def _lows(entry: Entry, name: str) -> list[float]:
    result = entry.domain(name)
    if result is None or result.test_image_AUROC is None:
        return []
    return [result.interval.low if result.interval else result.test_image_AUROC]


def _slope_line(
    drawing: Drawing,
    entry: Entry,
    domains: Sequence[str],
    scales: tuple[Scale, Scale],
    place: tuple[int, float],
) -> float:
    """Draw one condition; returns the height of its last point, for its label."""
    (across, up), (series, offset) = scales, place
    pieces: list[list[Point]] = [[]]  # a line is broken where a domain has no number: nothing is bridged
    for index, name in enumerate(domains):
        result = entry.domain(name)
        if result is None or result.test_image_AUROC is None:
            pieces.append([])
            continue
        at = (across(index) + offset, up(result.test_image_AUROC))
        pieces[-1].append(at)
        if result.interval:
            low, high = up(result.interval.low), up(result.interval.high)
            drawing.line((at[0], low), (at[0], high), f"whisker s{series % SERIES}")
    for points in filter(None, pieces):
        drawing.path(points, f"series s{series % SERIES}")
        for at in points:
            drawing.marker(at, series)
    return [at for points in pieces for at in points][-1][1]


def in_words(entry: Entry, domains: Sequence[str]) -> str:
    """A condition's AUROCs as a sentence, for those who cannot see the figure."""
    parts = []
    for name in domains:
        result = entry.domain(name)
        value = result.test_image_AUROC if result else None
        parts.append(f"{name} {number(value)} {bounds(result.interval if result else None)}".strip())
    return f"{model_name(entry.model)} ({entry.name}): {', '.join(parts)}."


def matrix(model: str, entries: Sequence[Entry], *, synthetic: bool) -> Drawing | None:
    """Source x target AUROCs of one model; the diagonal is the source's own test split."""
    sources = sorted({entry.source for entry in entries})
    if len(sources) < 2:
        return None
    domains = sorted({name for entry in entries for name in (entry.source, *entry.targets)})
    cell, left, top = min(96.0, (WIDTH - 140) / len(domains)), 130.0, 56.0
    by_source = {entry.source: entry for entry in entries}
    rows = "; ".join(in_words(by_source[source], domains) for source in sources)
    drawing = Drawing(
        f"matrix-{model}",
        left + cell * len(domains) + 10,
        top + 44 * len(sources) + 10,
        title=f"{model_name(model)}: AUROC by source and tested domain",
        description=f"Rows are sources, columns are tested domains, the source itself is outlined. {rows}",
    )
    for column, name in enumerate(domains):
        drawing.text((left + cell * (column + 0.5), top - 8), name, "small", anchor="middle")
    for row, source in enumerate(sources):
        y = top + 44 * row
        drawing.text((left - 8, y + 26), source, anchor="end")
        for column, name in enumerate(domains):
            x = left + cell * column
            result = by_source[source].domain(name)
            value = result.test_image_AUROC if result else None
            if value is None:
                drawing.box((x + 2, y + 2), (cell - 4, 40), "hole")
            else:  # from chance to perfect, pale enough for the number to be read
                drawing.box((x, y), (cell, 44), "heat", strength=0.04 + 0.5 * max(0.0, 2 * value - 1))
            drawing.text((x + cell / 2, y + 27), number(value, 2), anchor="middle")
            if name == source:
                drawing.box((x + 3, y + 3), (cell - 6, 38), "own")
    drawing.text((left - 8, top - 8), "source", "quiet small", anchor="end")
    stamp(drawing, synthetic)
    return drawing
