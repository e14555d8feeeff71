"""Shows finished work of another run in this one, by link: commits are store-wide, runs only name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossad.launch.ending import newest_record
from crossad.launch.journal import Journal, link
from crossad.results.layout import RunPaths
from crossad.results.plan import PlanEntry


def adopt(paths: RunPaths, entry: PlanEntry, commit: dict[str, Any], journal: Journal) -> str:
    """Link what a commit names into this run, unless it was done here.

    Returns:
        One clause that says where it was done.
    """
    condition = paths.condition(entry.name)
    other = committed_folder(paths.results, commit)
    where = f"done in run {commit['run']}"
    if other == condition.root or not other.is_dir() or condition.root.exists():
        journal.fact(entry.name, f"nothing to do: {where}")
    else:
        link(condition.root, other)
        journal.fact(entry.name, f"nothing to do: {where}, linked")
        record = newest_record(condition, entry.condition_id)
        for line in record.summary if record else ():
            journal.fact(entry.name, line)
    journal.link(condition)
    return where


def committed_folder(results: Path, commit: dict[str, Any]) -> Path:
    """The condition's folder behind a commit, which names the record two levels below it; not there for a bucket's."""
    return (results / str(commit["record"]["ref"])).parent.parent
