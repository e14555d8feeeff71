"""What may be said about conditions, and what may not: ranks, verdicts, warnings.

A model's best condition is chosen by its source alone, because a choice by targets would know the answer.
Models are compared on common targets only, and a rank is refused where intervals overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from crossad.analysis.collect import Entry
from crossad.analysis.scores import read_scores
from crossad.analysis.wording import bounds, listed, model_name, number
from crossad.metrics.transfer import summarise
from crossad.results.record import Interval, Record

INDICATIVE = 50  # images of a class below which an AUROC's half-width exceeds about 0.08
POOR_SKILL = 0.5  # a transfer that loses half of the skill above chance
POOR_RATIO = 0.8
_TRAINED = "early_stopping_patience (higher) or learning_rate (lower)"
_KEYS = {
    "patchcore": "layers, backbone or coreset_sampling_ratio",
    "dinomaly": f"{_TRAINED}, or bottleneck_dropout",
}


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
        one.average_interval
        and other.average_interval
        and one.average_interval.low > other.average_interval.high
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


def verdict(row: Transfer) -> str:
    """One sentence: how well does this model transfer?"""
    said, basis = claim(row)
    return f"{said}: {basis}." if basis else f"{said}."


def claim(row: Transfer) -> tuple[str, str]:
    """The verdict in two parts: what is claimed, and the numbers it stands on."""
    entry, name, record = row.entry, model_name(row.entry.model), row.entry.record
    if record is None or record.status == "failed":
        return f"From {entry.source}, {name} has no result", "; ".join([entry.state, *_reasons(entry)])
    if row.average is None:
        return f"From {entry.source}, {name} says nothing about transfer", row.unranked
    basis = [
        f"source AUROC {number(record.val_image_AUROC)}",
        f"average target AUROC {number(row.average)} {bounds(row.average_interval)}".strip(),
    ]
    if row.unranked:
        basis.append(f"unranked: {row.unranked}")
    if row.ratio is None:
        return f"From {entry.source}, {name} has no transfer ratio", ", ".join(
            [row.why_not or "undefined", *basis]
        )
    basis.insert(2, f"transfer ratio {number(row.ratio)} {bounds(row.ratio_interval)}".strip())
    way = f"From {entry.source} to {listed(row.targets)}"
    kept = f"{way}, {name} keeps {100 * row.ratio:.0f} % of its AUROC"
    skill = "" if row.skill is None else f" and {100 * max(0.0, row.skill):.0f} % of its skill above chance"
    return f"{kept}{skill}", ", ".join(basis)


def overall(rows: Sequence[Transfer]) -> tuple[str, str]:
    """One model over several sources: its best condition on each; in the two parts of a claim."""
    name = model_name(rows[0].entry.model)
    told = [row for row in rows if row.ratio is not None and not row.unranked]
    if not told:
        return f"{name} has no transfer ratio from any source", f"{len(rows)} sources"
    kept = sorted(100 * row.ratio for row in told if row.ratio is not None)
    reached = [row.average for row in told if row.average is not None]
    span = f"{kept[0]:.0f} %" if len(told) == 1 else f"{kept[0]:.0f} to {kept[-1]:.0f} %"
    missing = f", {len(rows) - len(told)} without a ratio" if len(told) < len(rows) else ""
    return (
        f"{name} keeps {span} of its source AUROC, over {len(told)} of {len(rows)} sources",
        f"average target AUROC {number(sum(reached) / len(reached))} as the mean over sources{missing}",
    )


def _reasons(entry: Entry) -> list[str]:
    return [failure.message for failure in entry.problems] or [entry.detail] * bool(entry.detail)


def warnings(entry: Entry) -> list[str]:
    """What a reader must know before believing this condition's numbers."""
    record = entry.record
    if record is None:
        return []
    results = {entry.source: record.source_results, **record.target_results}
    small = [
        name
        for name, result in results.items()
        if result and result.counts and min(result.counts.values()) < INDICATIVE
    ]
    found = []
    if small:
        found.append(f"indicative: fewer than {INDICATIVE} images of a class in {listed(sorted(small))}")
    if record.transfer_ratio is not None and record.transfer_ratio > 1:
        found.append("transfer ratio above 1: the targets are easier than the source, not a gain by transfer")
    for name, result in sorted(record.target_results.items()):
        if result.test_image_AUROC is not None and result.test_image_AUROC < 0.5:
            found.append(f"inverted scores on {name}: faults score lower than normals; not flipped")
    if record.random_weights:
        found.append("random weights: no pretrained backbone; unranked")
    found += [text for text in record.deviations if not text.startswith("random weights")]
    return [*found, *poor_transfer(entry.model, record)]


def poor_transfer(model: str, record: Record) -> list[str]:
    """The guide's troubleshooting, where it applies: which key to change."""
    skill, ratio = record.skill_ratio, record.transfer_ratio
    if ratio is None or not (ratio < POOR_RATIO or (skill is not None and skill < POOR_SKILL)):
        return []
    keys = _KEYS.get(model, _TRAINED)
    return [f"poor transfer: it may be fitted too closely to the source; change {keys}"]
