"""The report of one run or several: one self-contained page, and the same facts as CSV, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossad.analysis.collect import Collection, collect
from crossad.analysis.exports import as_csv, as_json, as_markdown
from crossad.analysis.html import render
from crossad.analysis.judge import Group, group
from crossad.analysis.page import Page
from crossad.files import write_atomic, write_pieces
from crossad.results.layout import RunPaths


@dataclass(frozen=True)
class Report:
    """What was written, and what it says."""

    collection: Collection
    folder: Path
    groups: Sequence[Group] = field(repr=False)
    said: Sequence[str] = ()  # what must be said beside any number

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"

    @property
    def facts(self) -> Path:
        """The same for machines."""
        return self.folder / "summary.json"


def write_report(results: Path, runs: Sequence[str], out: Path | None = None) -> Path:
    """Write the report of some runs, at any moment: partial or final.

    Args:
        results: the results folder.
        runs: names of runs; none means all of the folder.
        out: where to write; by default `results/<run>/report` of one run, `results/report` of several.

    Returns:
        The page, `index.html`; beside it summary.csv, summary.json, summary.md and figures/.

    Raises:
        MissingInputError: there is no such run, or nothing in the folder.
    """
    return write_collection(collect(results, list(runs) or None), out)


def write_collection(collection: Collection, out: Path | None = None) -> Path:
    """Write the report of what was collected; the page."""
    return make_report(collection, out).page


def make_report(collection: Collection, out: Path | None = None) -> Report:
    """The same, for whoever tells more of it."""
    groups = group(collection.entries)
    page = Page(collection, groups)
    report = Report(collection, out or default_folder(collection), groups, page.said())
    folder = report.folder
    for name, svg in page.figures().items():
        write_atomic(folder / "figures" / f"{name}.svg", svg)
    write_pieces(folder / "summary.csv", (piece.encode() for piece in as_csv(collection)))
    write_pieces(report.facts, (piece.encode() for piece in as_json(collection, groups)))
    write_atomic(folder / "summary.md", as_markdown(collection, groups, report.said))
    write_atomic(report.page, render(page))
    return report


def default_folder(collection: Collection) -> Path:
    """Where a report goes that nobody placed."""
    if len(collection.runs) == 1:
        return RunPaths(collection.results, collection.runs[0]).report
    return collection.results / "report"
