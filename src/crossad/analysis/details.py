"""The tables below the first one: models, thresholds, strata and severity, cost, provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from crossad.analysis.collect import Entry
from crossad.analysis.judge import Group, unranked
from crossad.analysis.wording import NONE, bounds, duration, model_name, number, percent, size
from crossad.files import canonical_json
from crossad.results.record import Record


@dataclass(frozen=True)
class Detail:
    """A plain table: the first cell of a row names it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: str = ""  # a sentence about rows that are not here


def models(groups: Sequence[Group]) -> Detail:
    """The best condition a model, chosen by source AUROC only."""
    rows = []
    for group in groups:
        for row in group.best:
            record = row.entry.record
            reached = f"{number(row.average)} {bounds(row.average_interval)}"
            rows.append(
                (
                    model_name(row.entry.model),
                    group.source,
                    row.entry.name,
                    number(record.val_image_AUROC if record else None),
                    reached.strip(),
                    f"{number(row.ratio)} {bounds(row.ratio_interval)}".strip(),
                    f"{number(row.skill)} {bounds(row.skill_interval)}".strip(),
                    row.rank or f"unranked: {row.unranked}",
                )
            )
    heads = (
        "Model",
        "Source",
        "Best condition",
        "Source AUROC",
        "Average target AUROC",
        "Transfer ratio",
        "Skill ratio",
        "Rank",
    )
    return Detail("Best condition of each model, chosen by source AUROC, over common targets", heads, tuple(rows))


def seeds(entries: Sequence[Entry], at_most: int) -> Detail:
    """Conditions that differ in nothing but their seed: mean and standard deviation over seeds.

    Of too many such groups those with the best mean source AUROC are shown: a choice by targets would know the answer.
    """
    names = ("val_image_AUROC", "avg_target_auroc", "transfer_ratio", "skill_ratio")
    alike: dict[str, list[tuple[Entry, list[float | None]]]] = {}
    for entry in entries:
        if (record := entry.record) and record.val_image_AUROC is not None and not unranked(entry):
            rest = canonical_json({key: value for key, value in entry.config.items() if key != "seed"})
            values = [getattr(record, name) for name in names]
            alike.setdefault(hashlib.sha256(rest.encode()).hexdigest(), []).append((entry, values))
    groups = [one for one in alike.values() if len({entry.config.get("seed") for entry, _ in one}) > 1]
    shown = groups
    if len(groups) > at_most:
        shown = sorted(groups, key=lambda one: -mean(values[0] or 0.0 for _, values in one))[:at_most]
    rows = []
    for several in shown:
        first = several[0][0]
        spreads = [_spread(column) for column in zip(*(values for _, values in several), strict=True)]
        rows.append((f"{model_name(first.model)} from {first.source}", str(len(several)), *spreads))
    heads = ("Model", "Seeds", "Source AUROC", "Average target AUROC", "Transfer ratio", "Skill ratio")
    left_out = f"The best by source AUROC; {len(groups) - at_most} more." if len(groups) > at_most else ""
    return Detail("Over seeds: mean ± standard deviation", heads, tuple(rows), left_out)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return NONE
    missing = f" (of {len(known)})" if len(known) < len(values) else ""
    return f"{mean(known):.3f} ± {stdev(known):.3f}{missing}"


def thresholds(entries: Sequence[Entry]) -> Detail:
    """What the source's threshold does in each domain, beside the best that could be done there."""
    rows = []
    for entry in entries:
        for name in (entry.source, *entry.targets):
            result = entry.domain(name)
            found = result.threshold if result else None
            if result is None or found is None:
                continue
            rows.append(
                (
                    f"{model_name(entry.model)} on {name}",
                    percent(found.fpr) + (" (by construction)" if found.by_construction else ""),
                    percent(found.tpr),
                    number(found.f1),
                    number(found.oracle_f1),
                    percent(result.tpr_at_fpr.get("0.01")),
                    percent(result.tpr_at_fpr.get("0.05")),
                    number(result.score_shift, 2),
                    percent(result.outside_source_range),
                )
            )
    heads = (
        "Model and domain",
        "False alarms",
        "Faults found",
        "F1",
        "Best possible F1",
        "Found at 1 % false alarms",
        "Found at 5 % false alarms",
        "Shift of normal scores (source SD)",
        "Scores outside the source's range",
    )
    return Detail("The threshold set on the source (95 % of its normals), applied to each domain", heads, tuple(rows))


def strata(entries: Sequence[Entry]) -> Detail:
    """AUROC by stratum, of sub-scores, and how scores follow severity."""
    results = [
        (entry, name, result)
        for entry in entries
        for name in (entry.source, *entry.targets)
        if (result := entry.domain(name)) and (result.strata or result.parts or result.severity_spearman is not None)
    ]
    names = sorted({stratum for _, _, result in results for stratum in result.strata})
    parts = sorted({part for _, _, result in results for part in result.parts})
    rows = [
        (
            f"{model_name(entry.model)} on {name}",
            *(number(result.strata.get(stratum)) for stratum in names),
            *(number(result.parts.get(part)) for part in parts),
            number(result.severity_spearman, 2),
        )
        for entry, name, result in results
    ]
    heads = (
        "Model and domain",
        *(f"AUROC, {stratum}" for stratum in names),
        *(f"AUROC of {part}" for part in parts),
        "Rank correlation with severity",
    )
    return Detail("AUROC by stratum and of sub-scores; how scores follow severity", heads, tuple(rows))


def costs(entries: Sequence[Entry], at_most: int) -> Detail:
    """What each condition took, of the first ones."""
    rows = []
    for entry in entries[:at_most]:
        record = entry.record
        if record is None:
            continue
        info, timings = record.training_info, record.timings_seconds
        phases = ", ".join(f"{name} {duration(spent)}" for name, spent in timings.items() if name != "total")
        rows.append(
            (
                f"{model_name(entry.model)} ({entry.name})",
                duration(timings.get("total")),
                phases or NONE,
                number(record.source_results.images_per_second if record.source_results else None, 1),
                size(record.peak_memory_bytes),
                size(record.peak_device_memory_bytes),
                f"{info.parameters:,}" if info else NONE,
                record.provenance.device if record.provenance else NONE,
            )
        )
    heads = (
        "Condition",
        "Total",
        "Phases",
        "Images/s",
        "Peak memory",
        "Peak device memory",
        "Parameters",
        "Device",
    )
    return Detail("What each condition took", heads, tuple(rows), _more(entries, at_most))


def _more(entries: Sequence[Entry], at_most: int) -> str:
    return f"{len(entries) - at_most} more: in their records." if len(entries) > at_most else ""


def provenance(entries: Sequence[Entry], at_most: int) -> Detail:
    """Where the numbers come from, of the first ones."""
    rows = [_birth(entry, entry.record) for entry in entries[:at_most] if entry.record]
    heads = (
        "Condition",
        "Run",
        "Seed",
        "Selection",
        "Normalisation",
        "crossad",
        "Data lock",
        "Ended",
        "Attempt",
    )
    return Detail("Where the numbers come from", heads, tuple(rows), _more(entries, at_most))


def _birth(entry: Entry, record: Record) -> tuple[str, ...]:
    found = record.provenance
    version = NONE if found is None else found.crossad_version
    if found and found.crossad_commit:
        version = f"{version} ({found.crossad_commit[:12]})"
    return (
        f"{model_name(entry.model)} ({entry.name})",
        entry.run,
        str(entry.config.get("seed", NONE)),
        record.selection or NONE,
        record.normalisation,
        version,
        found.data_lock[:12] if found and found.data_lock else NONE,
        record.timestamp,
        record.attempt[:12],
    )
