"""The report for machines and for pasting: summary.csv (a row a condition and domain), .json and .md."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from crossad.analysis.cautions import cautions
from crossad.analysis.collect import Collection, Entry
from crossad.analysis.judge import Group, Transfer, unranked
from crossad.analysis.table import Table, guide_table
from crossad.analysis.verdict import verdict
from crossad.analysis.wording import model_name
from crossad.results.record import DomainResult, Interval

_MARKDOWN = frozenset("\\|`*_[]")
_NUMBERS = (
    "avg_target_auroc",
    "worst_target_auroc",
    "harmonic_mean_auroc",
    "transfer_ratio",
    "skill_ratio",
    "domain_gap",
    "selection",
    "normalisation",
    "synthetic_data",
    "random_weights",
)
_COLUMNS = (
    "run",
    "condition",
    "model",
    "source",
    "state",
    "role",
    "domain",
    "AUROC",
    "AUROC_low",
    "AUROC_high",
    "good",
    "fault",
    "threshold_fpr",
    "threshold_tpr",
    "threshold_f1",
    "oracle_f1",
    "transfer_ratio",
    "skill_ratio",
    "seed",
    "normalisation",
    "selection",
    "synthetic",
    "unranked",
    "reason",
)


def as_csv(collection: Collection) -> Iterator[str]:
    """A row a condition and domain; what has no value is empty, its reason in the last column.

    Yields:
        The rows of one condition after the other, so that nobody has to hold all.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in collection.entries:
        for role, domain in [("source", entry.source), *(("target", name) for name in entry.targets)]:
            writer.writerow({key: _safe(value) for key, value in _row(entry, role, domain).items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()  # the head, where nothing is below it


def _row(entry: Entry, role: str, domain: str) -> dict[str, Any]:
    record, result = entry.record, entry.domain(domain) or DomainResult.model_validate({"status": "failed"})
    interval, threshold = result.interval, result.threshold
    return {
        "run": entry.run,
        "condition": entry.name,
        "model": entry.model,
        "source": entry.source,
        "state": entry.state,
        "role": role,
        "domain": domain,
        "AUROC": result.test_image_AUROC,
        "AUROC_low": interval.low if interval else None,
        "AUROC_high": interval.high if interval else None,
        "good": result.counts.get("good"),
        "fault": result.counts.get("fault"),
        "threshold_fpr": threshold.fpr if threshold else None,
        "threshold_tpr": threshold.tpr if threshold else None,
        "threshold_f1": threshold.f1 if threshold else None,
        "oracle_f1": threshold.oracle_f1 if threshold else None,
        "transfer_ratio": record.transfer_ratio if record else None,
        "skill_ratio": record.skill_ratio if record else None,
        "seed": entry.config.get("seed"),
        "normalisation": record.normalisation if record else None,
        "selection": record.selection if record else None,
        "synthetic": result.synthetic if entry.domain(domain) else None,
        "unranked": unranked(entry),
        "reason": _reason(entry, result),
    }


def _reason(entry: Entry, result: DomainResult) -> str:
    if result.test_image_AUROC is not None:
        return ""
    if result.error:
        return result.error.message
    if "test_image_AUROC" in result.undefined:
        return result.undefined["test_image_AUROC"]
    return entry.failure.message if entry.failure else entry.detail or entry.state


def _safe(value: Any) -> Any:  # noqa: ANN401 - any cell
    """Names come from outside: a spreadsheet must not run one that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def as_json(collection: Collection, groups: Sequence[Group]) -> Iterator[str]:
    """Everything the page says, for machines: indented, a line a condition, without NaN; in pieces, as the CSV."""
    head = {
        "kind": "crossad-report",
        "format": 1,
        "runs": list(collection.runs),
        "complete": collection.complete,
        "models": [_model(row, group) for group in groups for row in group.best],
        "rankings": {group.source: group.ranking for group in groups if group.ranking},
        "unreadable": [
            {"file": path_in(collection, item.path), "reason": item.reason} for item in collection.unreadable
        ],
    }
    opening = json.dumps(head, indent=2, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    yield f'{opening},\n  "conditions": ['
    comma = ""
    for entry in collection.entries:
        yield f"{comma}\n    {json.dumps(_condition(entry), ensure_ascii=False, allow_nan=False)}"
        comma = ","
    yield "\n  ]\n}\n"


def path_in(collection: Collection, path: Any) -> str:  # noqa: ANN401 - a Path below the results folder
    """A path as it reads from inside the results folder, wherever that lies."""
    return str(path.relative_to(collection.results).as_posix())


def _model(row: Transfer, group: Group) -> dict[str, Any]:
    record = row.entry.record
    return {
        "source": group.source,
        "model": row.entry.model,
        "condition": row.entry.name,
        "run": row.entry.run,
        "source_auroc": record.val_image_AUROC if record else None,
        "targets": list(row.targets),
        "avg_target_auroc": row.average,
        "avg_target_auroc_interval": _interval(row.average_interval),
        "transfer_ratio": row.ratio,
        "transfer_ratio_interval": _interval(row.ratio_interval),
        "skill_ratio": row.skill,
        "skill_ratio_interval": _interval(row.skill_interval),
        "rank": row.rank or None,
        "unranked": row.unranked or None,
        "verdict": verdict(row),
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    return interval.model_dump() if interval else None


def _condition(entry: Entry) -> dict[str, Any]:
    record = entry.record
    return {
        "run": entry.run,
        "name": entry.name,
        "condition_id": entry.condition_id,
        "model": entry.model,
        "source": entry.source,
        "targets": list(entry.targets),
        "state": entry.state,
        "detail": entry.detail or None,
        "next_step": entry.next_step or None,
        "problems": [failure.model_dump() for failure in entry.problems],
        "unranked": unranked(entry) or None,
        "warnings": cautions(entry),
        "domains": {name: _domain(entry, name) for name in (entry.source, *entry.targets)},
        **{key: getattr(record, key) if record else None for key in _NUMBERS},
    }


def _domain(entry: Entry, name: str) -> dict[str, Any]:
    result = entry.domain(name) or DomainResult.model_validate({"status": "failed"})
    return {
        "AUROC": result.test_image_AUROC,
        "interval": _interval(result.interval),
        "counts": result.counts,
        "reason": _reason(entry, result) or None,
    }


def as_markdown(collection: Collection, groups: Sequence[Group], said: Sequence[str]) -> str:
    """The verdicts and the guide's tables, for a merge request or a wiki."""
    lines = ["# How well do models transfer?", "", *(f"> {_text(text)}\n" for text in said)]
    for group in groups:
        table = guide_table(group)
        lines += [f"## {_text(table.title)}", "", *(f"- {_text(verdict(row))}" for row in group.best), ""]
        lines += [f"{_text(group.ranking)}\n"] if group.ranking else []
        lines += [*_markdown_table(table), ""]
    holes = [entry for entry in collection.entries if entry.state != "done"]
    if holes or collection.unreadable:
        lines += ["## Not done", ""]
        lines += [f"- {_text(_hole(entry))}" for entry in holes]
        lines += [f"- {_text(path_in(collection, item.path))}: {_text(item.reason)}" for item in collection.unreadable]
    return "\n".join(lines).rstrip() + "\n"


def _hole(entry: Entry) -> str:
    reasons = [f"{failure.message}{f' (next: {failure.hint})' if failure.hint else ''}" for failure in entry.problems]
    next_step = f" (next: {entry.next_step})" if entry.next_step else ""
    why = "; ".join([f"{entry.detail}{next_step}", *reasons] if entry.detail else reasons)
    return f"{entry.name} ({model_name(entry.model)}, run {entry.run}): {entry.state}{f': {why}' if why else ''}"


def _markdown_table(table: Table) -> list[str]:
    heads = [f"{column.model}<br>{_text(column.name)}" for column in table.columns]
    lines = [f"| {_text(table.title)} | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    if any(column.marks for column in table.columns):
        marks = [_text("; ".join(column.marks)) for column in table.columns]
        lines.append(f"| | {' | '.join(marks)} |")
    for index, label in enumerate(table.labels):
        cells = [column.cells[index] for column in table.columns]
        lines.append(f"| {_text(label)} | {' | '.join(map(str, cells))} |")
    return lines


def _text(text: str) -> str:
    """One line that no name from outside can break out of."""
    escaped = "".join(f"\\{sign}" if sign in _MARKDOWN else sign for sign in text)
    return " ".join(escaped.replace("<", "&lt;").replace(">", "&gt;").split())
