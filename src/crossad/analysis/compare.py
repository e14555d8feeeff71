"""Two conditions on the same images: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from crossad.analysis.cautions import INDICATIVE
from crossad.analysis.collect import Collection, Entry
from crossad.analysis.scores import Scores, read_scores
from crossad.errors import MissingInputError, UsageError
from crossad.metrics.auroc import Undefined, auroc
from crossad.metrics.paired import Difference, delong_paired, holm

LEVEL = 0.05  # after Holm's correction over the domains compared


@dataclass(frozen=True)
class Pair:
    """One domain, scored by both."""

    domain: str
    images: int
    first: float | None = None
    second: float | None = None
    difference: Difference | None = None
    p_holm: float | None = None
    why_not: str = ""
    indicative: bool = False

    @property
    def words(self) -> str:
        """The outcome in words."""
        if self.difference is None or self.p_holm is None:
            return f"{self.domain}: not compared ({self.why_not})"
        found = self.difference
        interval = f"difference {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        chance = f"p {self.p_holm:.3g} (Holm)" + (", indicative: few images" if self.indicative else "")
        if self.p_holm >= LEVEL:
            return f"{self.domain}: not distinguishable; {interval}, {chance}"
        return f"{self.domain}: {'A' if found.difference > 0 else 'B'} is better; {interval}, {chance}"


@dataclass(frozen=True)
class Comparison:
    """A against B in every domain that both scored."""

    first: Entry
    second: Entry
    pairs: tuple[Pair, ...]

    def facts(self) -> dict[str, Any]:
        """For machines."""
        names = {
            key: {"run": entry.run, "condition": entry.name} for key, entry in (("A", self.first), ("B", self.second))
        }
        return {
            **names,
            "level": LEVEL,
            "domains": [asdict(pair) | {"words": pair.words} for pair in self.pairs],
        }


def find(collection: Collection, name: str) -> Entry:
    """The condition of a name, RUN/NAME, or condition id; the newest run's where several have the name.

    Raises:
        MissingInputError: there is none, or it has no scores.
    """
    matching = [
        entry for entry in collection.entries if name in (entry.name, f"{entry.run}/{entry.name}", entry.condition_id)
    ]
    if not matching:
        there = ", ".join(dict.fromkeys(entry.name for entry in collection.entries))
        raise MissingInputError(
            f"no condition of this name: {name}; there are: {there}",
            hint="crossad compare A B --results-dir DIR",
        )
    return matching[-1]


def compare(first: Entry, second: Entry) -> Comparison:
    """Compare two conditions by DeLong's paired test in every common domain, corrected by Holm.

    Raises:
        UsageError: they are the same condition, or have no domain in common.
        MissingInputError: one has no per-image scores.
    """
    if first is second:
        raise UsageError(f"A and B are the same condition: {first.name}", hint="name two: crossad compare A B")
    scores = [_scores(entry) for entry in (first, second)]
    domains = [name for name in scores[0] if name in scores[1]]
    if not domains:
        raise UsageError(
            f"no domain in common: {first.name} has {', '.join(scores[0])}; {second.name} has {', '.join(scores[1])}"
        )
    if _lock(first) != _lock(second) and (first.source, first.targets) == (second.source, second.targets):
        raise UsageError(
            f"{first.name} and {second.name} were scored on different data: locks {_lock(first)} and {_lock(second)}",
            hint="run both on the same data",
        )
    pairs = [_pair(domain, scores[0][domain], scores[1][domain]) for domain in domains]
    return Comparison(first, second, tuple(_corrected(pairs)))


def _lock(entry: Entry) -> str | None:
    """The state of the data behind its numbers, shortened."""
    found = entry.record.provenance if entry.record else None
    return found.data_lock[:12] if found and found.data_lock else None


def _scores(entry: Entry) -> dict[str, Scores]:
    found = read_scores(entry)
    if not found:
        raise MissingInputError(
            f"no per-image scores of {entry.name} ({entry.state}): {entry.paths.predictions.with_suffix('.csv')}",
            hint=f"run it first; crossad status {entry.run}",
        )
    return found


def _pair(domain: str, one: Scores, other: Scores) -> Pair:
    """Both conditions on the images that both scored; their labels must agree."""
    places = {path: index for index, path in enumerate(other.paths)}
    shared = [(index, places[path]) for index, path in enumerate(one.paths) if path in places]
    if not shared:
        return Pair(domain, 0, why_not="no image in common")
    left, right = (np.array(column) for column in zip(*shared, strict=True))
    labels = one.labels[left]
    if not np.array_equal(labels, other.labels[right]):
        return Pair(domain, len(shared), why_not="the same images have different labels: not the same data")
    values = one.values[left], other.values[right]
    try:
        areas = auroc(values[0], labels), auroc(values[1], labels)
        difference = delong_paired(*values, labels)
    except Undefined as reason:
        return Pair(domain, len(shared), why_not=str(reason))
    few = min(int((labels == 0).sum()), int((labels == 1).sum())) < INDICATIVE
    return Pair(domain, len(shared), *areas, difference, indicative=few)


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    tested = [pair.difference.p_value for pair in pairs if pair.difference]
    corrected = iter(holm(tested))
    return [replace(pair, p_holm=next(corrected)) if pair.difference else pair for pair in pairs]
