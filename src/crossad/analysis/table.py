"""The guide's table: Source → Targets × conditions, a column a condition, floors beside the models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from crossad.analysis.collect import Entry
from crossad.analysis.judge import Group, average_of, scored, unranked
from crossad.analysis.wording import NONE, bounds, model_name, number
from crossad.metrics.transfer import harmonic_mean
from crossad.results.record import DomainResult, Interval

MAX_COLUMNS = 24  # conditions side by side; of more, the best of each model, and all of them in summary.csv
FLOORS = {"mean_intensity": "mean intensity", "max_intensity": "maximum intensity", "pca": "PCA residual"}


@dataclass(frozen=True)
class Cell:
    """One number as people read it; a number that does not exist has a reason instead."""

    text: str
    interval: str = ""
    reason: str = ""
    note: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.text, self.interval, f"({self.note})" if self.note else "") if part)


@dataclass(frozen=True)
class Column:
    """One condition, or one floor."""

    model: str
    name: str
    cells: tuple[Cell, ...]
    marks: tuple[str, ...] = ()
    floor: bool = False
    hole: bool = False  # no record at all: its head says why, once


@dataclass(frozen=True)
class Table:
    """All conditions of one source."""

    source: str
    targets: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    chosen_from: int = 0  # conditions behind it, where it shows only the best of each model

    @property
    def title(self) -> str:
        """As the guide writes it: A → B, C, D."""
        chosen = f" (the best of each model, of {self.chosen_from} conditions)" if self.chosen_from else ""
        return f"{self.source} → {', '.join(self.targets) or 'no target'}{chosen}"


def guide_table(group: Group) -> Table:
    """The table of one source: all its conditions, or where these are too many the best of each model."""
    many = len(group.entries) > MAX_COLUMNS
    shown = tuple(row.entry for row in group.best) if many else group.entries
    targets = tuple(sorted({name for entry in shown for name in entry.targets}))
    labels = (
        f"Source ({group.source}) AUROC",
        *(f"Target {name} AUROC" for name in targets),
        "Average target AUROC",
        "Worst target AUROC",
        "Harmonic mean AUROC",
        "Transfer ratio",
        "Skill ratio",
    )
    columns = [_column(entry, targets) for entry in shown]
    every = (*columns, *floor_columns(group, targets))
    return Table(group.source, targets, labels, every, len(group.entries) if many else 0)


def _column(entry: Entry, targets: tuple[str, ...]) -> Column:
    record = entry.record
    name, model = entry.name, model_name(entry.model)
    if record is None:
        why = entry.failure.message if entry.failure else entry.detail
        hole = Cell(NONE, reason=f"{entry.state}: {why}" if why else entry.state)
        return Column(
            model,
            name,
            (hole,) * (len(targets) + 6),
            (f"{entry.state}: {why}" if why else entry.state,),
            hole=True,
        )
    undefined = record.undefined
    gone = entry.failure.message if entry.failure else "not measured"
    interval = average_of(record, scored(entry))[1]
    average = _cell(record.avg_target_auroc, interval, undefined.get("avg_target_auroc", gone))
    if record.avg_target_auroc is not None and record.n_targets < len(targets):
        average = replace(average, note=f"of {record.n_targets} targets")
    cells = (
        _area(record.source_results, gone),
        *(_target(entry, name, gone) for name in targets),
        average,
        _cell(record.worst_target_auroc, None, gone),
        _cell(record.harmonic_mean_auroc, None, gone),
        _cell(record.transfer_ratio, record.transfer_ratio_interval, undefined.get("transfer_ratio", gone)),
        _cell(record.skill_ratio, record.skill_ratio_interval, undefined.get("skill_ratio", gone)),
    )
    return Column(model, name, cells, marks(entry))


def marks(entry: Entry) -> tuple[str, ...]:
    """What stands at the head of a column: its state where not done, unranked and why."""
    state = () if entry.state == "done" else (entry.state,)
    why = unranked(entry)
    return state if not why or why == entry.state else (*state, f"unranked: {why}")


def _target(entry: Entry, name: str, gone: str) -> Cell:
    if name not in entry.targets:
        return Cell(NONE, reason="not a target of this condition")
    return _area(entry.domain(name), gone)


def _area(result: DomainResult | None, gone: str) -> Cell:
    if result is None:
        return Cell(NONE, reason=gone)
    why = result.error.message if result.error else result.undefined.get("test_image_AUROC", gone)
    return _cell(result.test_image_AUROC, result.interval, why)


def _cell(value: float | None, interval: Interval | None, reason: str) -> Cell:
    return Cell(NONE, reason=reason) if value is None else Cell(number(value), bounds(interval))


def floor_columns(group: Group, targets: tuple[str, ...]) -> list[Column]:
    """What simple statistics reach on the same images, from the first of the best conditions with them."""
    for row in group.best:
        record = row.entry.record
        if record is None or record.source_results is None or not record.source_results.floors:
            continue
        results = {name: record.target_results.get(name) for name in targets}
        return [_floor(name, record.source_results, results) for name in FLOORS if name in record.source_results.floors]
    return []


def _floor(name: str, source: DomainResult, targets: dict[str, DomainResult | None]) -> Column:
    at_source = source.floors.get(name)
    at = {domain: result.floors.get(name) if result else None for domain, result in targets.items()}
    values = [value for value in at.values() if value is not None]
    none = "no such floor here"
    average = sum(values) / len(values) if values else None
    harmonic = harmonic_mean([at_source, *values]) if values and at_source is not None else None
    cells = (
        _cell(at_source, None, none),
        *(_cell(value, None, none) for value in at.values()),
        _cell(average, None, none),
        _cell(min(values, default=None), None, none),
        _cell(harmonic, None, none),
        Cell(NONE, reason="a floor learns nothing that could transfer"),
        Cell(NONE, reason="a floor learns nothing that could transfer"),
    )
    return Column("floor", FLOORS[name], cells, floor=True)
