"""`crossad report`: the page, the files, and the guide's table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.operate import json_option
from crossad.cli.place import Place, place_options
from crossad.cli.report_wait import Wait, after_waiting, check_alone, wait_options
from crossad.cli.sight import typed

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from crossad.analysis.collect import Known
    from crossad.analysis.judge import Group
    from crossad.analysis.report import Report
    from crossad.analysis.table import Table
    from crossad.results.home import Home

_HELP = """Compare all conditions: one HTML page, CSV, JSON, Markdown.

\b
crossad report                                        the newest run
crossad report --results-dir results --all-models     all runs of the folder
crossad report night1 night2 --out report --json
crossad report night1 --wait --cluster --store s3://bucket/prefix

Works at any moment, partial or final. Exit codes: 0 all done, 3 something failed or is missing (the report is
written), 2 bad input. With --wait this is the aggregation Job: it waits until every condition of the run is committed,
failed, cancelled or lost, or the deadline has passed, and ends with a report in any case; stopped from outside, it ends
with 75, and the same command goes on.
"""
LABEL, CELL = 28, 22  # characters of a terminal that a label and a condition take
UNBOUNDED = 10_000  # width of a pipe
MAX_COLUMNS = 9  # six conditions and three floors
EMPHASISED = ("Average target AUROC", "Transfer ratio")


@click.command(help=_HELP)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@place_options
@click.option("--all-models", is_flag=True, help="All runs of the folder.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder.  [default: RUN/report]")
@wait_options
@cluster_options(optional=True)
@json_option
def command(
    runs: tuple[str, ...], place: Place, reach: Reach, wait: Wait, all_models: bool, out: Path | None, as_json: bool
) -> None:
    """Wait if told so, collect, write, tell."""
    if wait.asked:
        report = after_waiting(wait, place, reach, runs, lambda home, run, told: _written(home, (run,), out, told=told))
    else:
        with bad_input():
            check_alone(wait, reach)
            report = _written(place.home(), runs, out, all_models=all_models)
    if as_json:
        click.echo(report.facts.read_text(encoding="utf-8"), nl=False)
    else:
        _print(report.groups, report.said)
    click.echo(f"report: {report.page}", err=True)
    if report.collection.complete:
        click.echo(f"next: crossad compare A B{typed(place, Reach())}", err=True)
        return
    next_ = f"crossad status {report.collection.runs[-1]}{typed(place, reach)}"
    click.echo(f"partial: not everything is done, see {report.page}; next: {next_}", err=True)
    raise SystemExit(3)


def _written(
    home: Home, runs: tuple[str, ...], out: Path | None, *, all_models: bool = False, told: Known | None = None
) -> Report:
    from crossad.analysis.collect import collect, newest_run
    from crossad.analysis.report import make_report

    if home.remote:
        return from_store(home, runs, all_models, out, told)
    chosen = None if all_models and not runs else runs or (newest_run(home.results),)
    return make_report(collect(home.results, chosen, known=told), out)


def from_store(
    home: Home, runs: tuple[str, ...], all_models: bool, out: Path | None, told: Known | None = None
) -> Report:
    """The same from a bucket: what a report shows is brought, and a report of one run is kept there, too.

    Args:
        home: a bucket.
        runs: names; the newest where none is given.
        all_models: all runs instead.
        out: where to write; the working folder has a place for it.
        told: where conditions without a record stand, if somebody has looked already.
    """
    from crossad.analysis.report import make_report
    from crossad.cli.progress import progress
    from crossad.fetch.gather import gather, publish
    from crossad.launch.control import find_run
    from crossad.results.layout import RunPaths

    chosen = runs if runs or all_models else (find_run(home, None).run,)
    with progress() as advance:
        collection = gather(home, chosen, advance, told)
    one = len(collection.runs) == 1
    folder = RunPaths(home.results, collection.runs[0]).report if one else home.results / "report"
    report = make_report(collection, out or folder)
    if one:
        click.echo(f"kept: {publish(home, collection, report.page)}", err=True)
    return report


def _print(groups: Sequence[Group], said: Sequence[str]) -> None:
    """The guide's table and the verdicts; a pipe gets plain text and whole lines.

    Many conditions are a row each, without intervals: those are in the files.
    """
    from rich.console import Console

    from crossad.analysis.table import guide_table
    from crossad.analysis.verdict import verdict

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width: its reader wants whole lines
        console = Console(highlight=False, width=UNBOUNDED)
    for text in said:
        console.print(text, markup=False)
    console.print()
    for group in groups:
        table = guide_table(group)
        if len(table.columns) > MAX_COLUMNS:
            console.print(_rows(table), end="\n\n")
        else:
            step = max(1, (console.width - LABEL) // CELL)
            for start in range(0, len(table.columns), step):
                console.print(_columns(table, start, start + step), end="\n\n")
        for row in group.best:
            console.print(verdict(row), markup=False)
        if group.ranking:
            console.print(group.ranking, markup=False)
        console.print()


def _columns(table: Table, start: int, stop: int) -> RichTable:
    """A column a condition, as the guide has it."""
    from rich.text import Text

    shown = table.columns[start:stop]
    rich = _empty(table)
    rich.add_column("", no_wrap=True)
    for column in shown:
        marks = "".join(f"\n({mark})" for mark in column.marks)
        rich.add_column(Text(f"{column.model}\n{column.name}{marks}"), overflow="fold")
    for index, label in enumerate(table.labels):
        style = "bold" if label in EMPHASISED else ""
        rich.add_row(Text(label), *(Text(str(column.cells[index])) for column in shown), style=style)
    return rich


def _rows(table: Table) -> RichTable:
    """A row a condition, numbers alone."""
    from rich.text import Text

    rich = _empty(table)
    rich.add_column(Text("condition"), overflow="fold")
    for label in table.labels:
        rich.add_column(Text(label.removeprefix("Target ").removesuffix(" AUROC")), justify="right")
    rich.add_column(Text("remark"), overflow="fold")
    for column in table.columns:
        name = f"floor: {column.name}" if column.floor else column.name
        numbers = (Text(cell.text) for cell in column.cells)
        rich.add_row(Text(name), *numbers, Text("; ".join(column.marks)))
    return rich


def _empty(table: Table) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    return RichTable(box=None, pad_edge=False, title=Text(table.title), title_justify="left")
