"""The report of one run or several: one self-contained page, and the same facts as CSV, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossad.analysis.collect import Collection, collect
from crossad.analysis.exports import as_csv, as_json, as_markdown
from crossad.analysis.judge import group
from crossad.analysis.page import Page, render
from crossad.files import write_atomic
from crossad.results.layout import RunPaths


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
    """Write the report of what was collected."""
    folder = out or default_folder(collection)
    groups = group(collection.entries)
    page = Page(collection, groups)
    for name, svg in page.figures().items():
        write_atomic(folder / "figures" / f"{name}.svg", svg)
    write_atomic(folder / "summary.csv", as_csv(collection))
    write_atomic(folder / "summary.json", as_json(collection, groups))
    write_atomic(folder / "summary.md", as_markdown(collection, groups, page.said()))
    index = folder / "index.html"
    write_atomic(index, render(page))
    return index


def default_folder(collection: Collection) -> Path:
    """Where a report goes that nobody placed."""
    if len(collection.runs) == 1:
        return RunPaths(collection.results, collection.runs[0]).report
    return collection.results / "report"
