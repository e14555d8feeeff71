"""Standings as a table in a terminal: once, or live; a pipe gets plain text and whole lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from crossad.launch.standing import NEEDY, Standing, counts
from crossad.launch.words import aurocs, clock

if TYPE_CHECKING:
    from crossad.cli.sight import Sight
    from crossad.results.plan import Plan

MANY = 50  # conditions up to which all are shown
ALIKE = 5  # of many, so many with the same state and cause
UNBOUNDED = 10_000  # width of a pipe: its reader wants whole lines


def by_need(rows: Iterable[Standing]) -> list[Standing]:
    """What somebody should look at first comes first; else the plan's order."""
    order = {state: rank for rank, state in enumerate(NEEDY)}
    return sorted(rows, key=lambda row: (not row.needy, order.get(row.state, len(order))))


def shown(rows: Sequence[Standing], *, everything: bool) -> tuple[list[Standing], list[str]]:
    """The rows to show, and a line about each kind of row of which there are more."""
    if everything or len(rows) <= MANY:
        return list(rows), []
    needy = [row for row in by_need(rows) if row.needy]
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in needy:
        kind = (row.state, getattr(row, "cause", ""))
        seen[kind] += 1
        if seen[kind] <= ALIKE:
            kept.append(row)
    more = [
        f"and {count - ALIKE} more {state}{f' ({cause})' if cause else ''}"
        for (state, cause), count in seen.items()
        if count > ALIKE
    ]
    rest = len(rows) - len(needy)
    return kept, [*more, f"{rest} conditions need nobody; --all shows them"] if rest else more


def print_standings(plan: Plan, sight: Sight, *, everything: bool) -> None:
    """The table, then a line that sums up."""
    table, lines = _table(sight, everything=everything)
    _console().print(table, crop=False)
    for line in (*lines, _summary(plan, sight)):
        click.echo(line)


def show_live(plan: Plan, looks: Iterator[Sight], *, everything: bool) -> None:
    """One table that changes; a pipe gets one after the other."""
    if not sys.stdout.isatty():
        for sight in looks:
            print_standings(plan, sight, everything=everything)
            sys.stdout.flush()
        return
    from rich.live import Live

    with Live(console=_console(), auto_refresh=False, vertical_overflow="ellipsis") as live:
        for sight in looks:
            table, lines = _table(sight, everything=everything)
            live.update(Group(table, *map(Text, lines), Text(_summary(plan, sight))), refresh=True)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED, highlight=False)


def _summary(plan: Plan, sight: Sight) -> str:
    totals = ", ".join(f"{number} {state}" for state, number in counts(sight.rows).items())
    return f"{plan.run} ({plan.suite}): {totals}; {sight.worker}"


def _table(sight: Sight, *, everything: bool) -> tuple[Table, list[str]]:
    rows, lines = shown(sight.rows, everything=everything)
    make = _of_machine if sight.namespace is None else _of_cluster
    cells = [make(row) for row in rows]
    titles = ("device", "phase") if sight.namespace is None else ("try", "node", "pod", "what")
    table = Table(box=None, pad_edge=False)
    for title in ("id", "condition", "state", *titles, "ETA", "AUROC"):
        table.add_column(title, overflow="fold")
    for row, middle in zip(rows, cells, strict=True):
        eta = clock(row.eta_seconds) if row.eta_seconds is not None else ""
        told = (str(row.experiment_id), row.name, row.state, *middle, eta, aurocs(row.auroc))
        table.add_row(*map(Text, told))
    return table, lines


def _of_machine(row: Standing) -> tuple[str, ...]:
    return row.device, row.phase


def _of_cluster(row: Standing) -> tuple[str, ...]:
    what = "" if row.state == "done" else row.phase or row.reason
    return str(row.attempt or ""), row.device, getattr(row, "pod", ""), what
