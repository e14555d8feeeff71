"""What a report of runs in a bucket is made of: their records on this machine, and where the rest stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from crossad.analysis.collect import Collection, Entry, Known, assemble
from crossad.analysis.holes import Hole, State
from crossad.analysis.records import Packed, Unreadable
from crossad.errors import MissingInputError
from crossad.fetch.found import find_plan
from crossad.fetch.records import read_records
from crossad.fetch.reports import report_folder
from crossad.fetch.session import Advance, fetch
from crossad.fetch.wanted import Kind
from crossad.launch.afar import FarObserver
from crossad.launch.standing import StandingState
from crossad.results.home import Home
from crossad.results.layout import STATE
from crossad.results.plan import Plan, load_plans

MIRROR = "mirror"  # below results/.crossad/: a results folder of its own, so that no live tree is touched
PICTURED = 200  # conditions up to which a report has pictures and per-image scores
_FULL: tuple[Kind, ...] = ("records", "predictions", "visualizations")
_SCORES: tuple[Kind, ...] = ("predictions",)
_STATES: dict[StandingState, State] = {
    "running": "running", "waiting": "not started", "pending": "not started", "interrupted": "interrupted",
    "lost": "lost", "failed": "failed", "partial": "partial", "cancelled": "cancelled",
}  # fmt: skip


def gather(home: Home, runs: Sequence[str], advance: Advance, told: Known | None = None) -> Collection:
    """Bring what a report of some runs shows, and look where the rest stands.

    Args:
        home: a bucket.
        runs: names; all runs of the store where none is given.
        advance: told of progress.
        told: where conditions without a record of these data stand, if somebody who sees more has looked already.

    Raises:
        MissingInputError: there is no such run, or none at all.
    """
    mirror = home.results / STATE / MIRROR
    known: dict[str, Hole] = {}
    brought: dict[str, Packed | Unreadable] = {}
    names = dict.fromkeys(runs) or [plan.run for plan in load_plans(home)]
    plans = [find_plan(home, run) for run in names]
    if not plans:
        raise MissingInputError(f"no run in {home.uri}", hint="start one: crossad run FILE --store s3://bucket/prefix")
    for plan in plans:
        if len(plan.conditions) <= PICTURED:
            damaged = _damaged(plan, fetch(home, plan.run, mirror, only=_FULL, advance=advance).damaged)
        else:
            records = read_records(home, plan, mirror, advance)
            brought |= records.found
            damaged = records.damaged
        if told is not None:
            known |= told
        elif any(entry.condition_id not in brought for entry in plan.conditions):
            known |= _seen(FarObserver(home, plan))
        known |= {one: Hole("lost", detail=f"damaged in the store: {why}") for one, why in damaged.items()}
    ordered = sorted(plans, key=lambda plan: (plan.created, plan.run))
    return assemble(mirror, {plan.run: plan for plan in ordered}, home.ledger, known, brought)


def bring_scores(home: Home, entries: Sequence[Entry], advance: Advance) -> None:
    """Bring the per-image scores of a few conditions of what was gathered, as far as they are not here."""
    missing: dict[str, list[str]] = {}
    for entry in entries:
        if entry.record and not entry.paths.predictions.with_suffix(".csv").exists():
            missing.setdefault(entry.run, []).append(entry.name)
    for run, names in missing.items():
        fetch(home, run, home.results / STATE / MIRROR, names=names, only=_SCORES, advance=advance)


def publish(home: Home, collection: Collection, page: Path) -> str:
    """Put a report of one run into its store; equal records give the same place, so two at once do no harm.

    Returns:
        Where it is.
    """
    (run,) = collection.runs
    seen = [
        (one.condition_id, one.state, one.packed.attempt if one.packed else one.detail) for one in collection.entries
    ]
    facts = sorted(" ".join(words) for words in seen)
    name = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    below = f"{report_folder(run)}{name}/"
    files = [path for path in sorted(page.parent.rglob("*")) if path.is_file() and path != page]
    for path in (*files, page):  # the page last: a report without one is not whole
        kind = "text/html; charset=utf-8" if path == page else None
        home.state.put(f"{below}{path.relative_to(page.parent).as_posix()}", path, content_type=kind)
    return f"{home.uri}/{below}index.html"


def _seen(observer: FarObserver) -> dict[str, Hole]:
    by_name = {entry.name: entry.condition_id for entry in observer.plan.conditions}
    return {
        by_name[row.name]: Hole(state, detail=row.reason)
        for row in observer.all()
        if (state := _STATES.get(row.state)) is not None
    }


def _damaged(plan: Plan, damaged: dict[str, list[str]]) -> dict[str, str]:
    return {entry.condition_id: damaged[entry.name][0] for entry in plan.conditions if entry.name in damaged}
