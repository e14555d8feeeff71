"""Which conditions may be compared and ranked, over which targets, and what the order is worth.

A model's best condition is chosen by its source alone, because a choice by targets would know the answer.
Models are compared on common targets only, and a rank is refused where intervals overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from crossad.analysis.collect import Entry
from crossad.analysis.scores import read_scores
from crossad.analysis.wording import listed, model_name
from crossad.metrics.transfer import summarise
from crossad.results.record import Interval, Record


@dataclass(frozen=True)
class Transfer:
    """One condition's transfer over a given set of targets."""

    entry: Entry
    targets: tuple[str, ...]
    average: float | None = None
    average_interval: Interval | None = None
    ratio: float | None = None
    ratio_interval: Interval | None = None
    skill: float | None = None
    skill_interval: Interval | None = None
    why_not: str = ""  # why the ratio has no value
    unranked: str = ""  # why it takes no part in the ranking
    rank: str = ""  # "1", or "1–3" where intervals overlap


@dataclass(frozen=True)
class Group:
    """Everything learnt on one source: all its conditions, and the best one a model."""

    source: str
    entries: tuple[Entry, ...]
    best: tuple[Transfer, ...]  # one a model, best average first, unranked last
    common: tuple[str, ...]
    ranking: str  # in words


def group(entries: Sequence[Entry]) -> list[Group]:
    """One group a source, in name order."""
    sources = sorted({entry.source for entry in entries})
    return [_group(source, [entry for entry in entries if entry.source == source]) for source in sources]


def _group(source: str, entries: list[Entry]) -> Group:
    models = dict.fromkeys(entry.model for entry in entries)
    chosen = [best_of([entry for entry in entries if entry.model == model]) for model in models]
    ranked = [entry for entry in chosen if not unranked(entry)]
    common = common_targets(ranked)
    rows = [transfer(entry, common if not unranked(entry) else scored(entry)) for entry in chosen]
    rows = [*_rank([row for row in rows if not row.unranked]), *(row for row in rows if row.unranked)]
    return Group(source, tuple(entries), tuple(rows), common, _ranking_words(rows, common))


def best_of(entries: Sequence[Entry]) -> Entry:
    """The condition with the highest source AUROC, rankable ones before others, the first among equals."""

    def worth(entry: Entry) -> tuple[bool, float]:
        found = entry.record.val_image_AUROC if entry.record else None
        return not unranked(entry), -1.0 if found is None else found

    return max(entries, key=worth)


def unranked(entry: Entry) -> str:
    """Why a condition takes no part in a ranking, or nothing."""
    record = entry.record
    if record is None:
        return entry.state
    if record.status == "failed":
        return "failed"
    if record.random_weights:
        return "random weights"
    if changed := [text for text in record.deviations if text.startswith("override ")]:
        return "; ".join(changed)
    if record.val_image_AUROC is None:
        return "no source AUROC"
    return "" if scored(entry) else "no target has an AUROC"


def scored(entry: Entry) -> tuple[str, ...]:
    """The targets that have an AUROC."""
    found = entry.record.target_results if entry.record else {}
    return tuple(sorted(name for name, result in found.items() if result.test_image_AUROC is not None))


def common_targets(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The targets that every one of these has an AUROC on."""
    sets = [set(scored(entry)) for entry in entries]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def transfer(entry: Entry, targets: tuple[str, ...]) -> Transfer:
    """A condition's numbers over some of its targets: the record's own where these are all of them."""
    record = entry.record
    why = unranked(entry)
    if record is None or not targets:
        return Transfer(entry, targets, unranked=why or "no common target")
    average, interval = average_of(record, targets)
    basis = record if targets == scored(entry) else _over(entry, record, targets)
    return Transfer(
        entry,
        targets,
        average,
        interval,
        basis.transfer_ratio,
        basis.transfer_ratio_interval,
        basis.skill_ratio,
        basis.skill_ratio_interval,
        basis.undefined.get("transfer_ratio", ""),
        why,
    )


def average_of(record: Record, targets: Sequence[str]) -> tuple[float | None, Interval | None]:
    """Mean target AUROC and its interval: the targets are other images, so their variances add."""
    found = [record.target_results[name] for name in targets]
    values = [result.test_image_AUROC for result in found if result.test_image_AUROC is not None]
    if not values:
        return None, None
    mean = sum(values) / len(values)
    widths = [result.interval.high - result.interval.low for result in found if result.interval]
    if len(widths) < len(values):
        return mean, None
    half = sum((width / 2) ** 2 for width in widths) ** 0.5 / len(values)
    return mean, Interval(low=max(0.0, mean - half), high=min(1.0, mean + half), method="of the domains' own")


def _over(entry: Entry, record: Record, targets: tuple[str, ...]) -> Record:
    """The record's transfer over fewer targets, from per-image scores; without those no intervals."""
    keys = ("transfer_ratio", "skill_ratio")
    cleared = {name: None for key in keys for name in (key, f"{key}_interval")}
    scores = read_scores(entry)
    if record.transfer_ratio is None:
        return record
    if {entry.source, *targets} <= scores.keys():
        pairs = {name: (scores[name].values, scores[name].labels) for name in (entry.source, *targets)}
        found = summarise(pairs.pop(entry.source), pairs, seed=int(entry.config.get("seed", 0)))
        measured = {key: found[key] for key in cleared if key in found}
        return Record.model_validate(record.model_dump() | cleared | measured)
    average, at_source = average_of(record, targets)[0], record.val_image_AUROC
    if average is None or not at_source:
        return record.model_copy(update=cleared)
    values = {"transfer_ratio": average / at_source, "skill_ratio": (2 * average - 1) / (2 * at_source - 1)}
    return record.model_copy(update=cleared | values)


def _rank(rows: list[Transfer]) -> list[Transfer]:
    """Best average first; each row's rank is the range that the intervals allow."""
    ordered = sorted(rows, key=lambda row: -(row.average or 0.0))
    ranked = []
    for row in ordered:
        others = [other for other in ordered if other is not row]
        first = 1 + sum(_above(other, row) for other in others)
        last = len(ordered) - sum(_above(row, other) for other in others)
        ranked.append(replace(row, rank=str(first) if first == last else f"{first}–{last}"))
    return ranked


def _above(one: Transfer, other: Transfer) -> bool:
    """True where one interval lies wholly above the other."""
    return bool(
        one.average_interval and other.average_interval and one.average_interval.low > other.average_interval.high
    )


def _ranking_words(rows: Sequence[Transfer], common: Sequence[str]) -> str:
    ranked = [row for row in rows if not row.unranked]
    if len(ranked) < 2:
        return ""
    if not common:
        return "No ranking: the models have no target in common."
    names = [model_name(row.entry.model) for row in ranked]
    absent = sorted({name for row in ranked for name in row.entry.targets} - set(common))
    without = f" ({listed(absent)} left out: not every model has it)" if absent else ""
    on = f"average AUROC from {ranked[0].entry.source} to {listed(tuple(common))}{without}"
    if not any(_above(one, other) for one in ranked for other in ranked):
        return f"No ranking: {listed(names)} are not distinguishable by {on} (their intervals overlap)."
    ties = [
        f"{model_name(one.entry.model)} and {model_name(other.entry.model)}"
        for one, other in pairwise(ranked)
        if not _above(one, other)
    ]
    tied = f" Not distinguishable (intervals overlap): {'; '.join(ties)}." if ties else ""
    return f"By {on}: {', '.join(names)}.{tied}"
