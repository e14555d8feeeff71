"""Find a run, choose among its conditions, cancel them, give them another try."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from crossad.conditions.faults import near
from crossad.errors import MissingInputError, UsageError
from crossad.launch.standing import trainer_by_hand
from crossad.launch.state import RunState
from crossad.results.layout import RunPaths
from crossad.results.ledger import Ledger
from crossad.results.plan import Plan, PlanEntry, load_plan, load_plans

POLL_SECONDS = 0.1


def find_run(results: Path, run: str | None) -> Plan:
    """The plan of a run; the newest run where none is named.

    Raises:
        MissingInputError: no such run, or none at all.
    """
    if run is not None and RunPaths(results, run).plan.exists():
        return load_plan(RunPaths(results, run))
    plans = load_plans(results)
    if not plans:
        raise MissingInputError(
            f"no runs in {results}",
            hint="start one with 'crossad run', or name the folder with --results-dir",
        )
    if run is None:
        return plans[-1]
    names = [plan.run for plan in plans]
    hint = near(run, names) or f"runs here, newest last: {', '.join(names[-5:])}"
    raise MissingInputError(f"no such run in {results}: {run}", hint=hint)


def split_words(results: Path, words: Sequence[str]) -> tuple[Plan, tuple[str, ...]]:
    """`[RUN] [CONDITION...]`: a first word that names no run names a condition of the newest run."""
    if words and RunPaths(results, words[0]).plan.exists():
        return find_run(results, words[0]), tuple(words[1:])
    if not words:
        return find_run(results, None), ()
    plan = find_run(results, None)
    if words[0] in _names(plan):
        return plan, tuple(words)
    return find_run(results, words[0]), tuple(words[1:])


def choose(plan: Plan, words: Sequence[str]) -> tuple[PlanEntry, ...]:
    """Conditions of a plan by name or experiment id; all where none is named.

    Raises:
        UsageError: one of them is not in the plan.
    """
    if not words:
        return plan.conditions
    known = _names(plan)
    if unknown := [word for word in words if word not in known]:
        hint = near(unknown[0], known) or f"it has: {', '.join(entry.name for entry in plan.conditions)}"
        raise UsageError(f"no such condition in run {plan.run}: {', '.join(unknown)}", hint=hint)
    chosen = {known[word].experiment_id for word in words}
    return tuple(entry for entry in plan.conditions if entry.experiment_id in chosen)


def _names(plan: Plan) -> dict[str, PlanEntry]:
    by_id = {str(entry.experiment_id): entry for entry in plan.conditions}
    return by_id | {entry.name: entry for entry in plan.conditions}


def closed(results: Path, plan: Plan, entries: Sequence[PlanEntry], kinds: Sequence[str]) -> tuple[PlanEntry, ...]:
    """Those of the entries whose verdict is one of `kinds` ("failed", "cancelled")."""
    state = RunState(results, plan.run)
    verdicts = {entry.experiment_id: state.verdict(entry.condition_id) for entry in entries}
    return tuple(
        entry for entry in entries if (found := verdicts[entry.experiment_id]) is not None and found.kind in kinds
    )


def cancel(results: Path, plan: Plan, entries: Sequence[PlanEntry]) -> tuple[PlanEntry, ...]:
    """Close conditions that are not over yet as cancelled; later runs respect that until a retry.

    The runner obeys within a second, giving its trainers their grace. Where no runner lives, `stop_trainers`
    ends what is left.

    Returns:
        The conditions that were cancelled by this call.
    """
    state, ledger = RunState(results, plan.run), Ledger(results)
    cancelled = []
    for entry in entries:
        done = ledger.committed("condition", entry.condition_id) is not None
        if not done and state.verdict(entry.condition_id) is None:
            state.close(entry.condition_id, "cancelled", "cancelled by 'crossad cancel'")
            cancelled.append(entry)
    return tuple(cancelled)


def stop_trainers(results: Path, plan: Plan, entries: Sequence[PlanEntry], grace_seconds: float) -> int:
    """Wait until no trainer of these conditions lives; end them ourselves where no runner does.

    Returns:
        Trainers that were alive at the start.
    """
    state = RunState(results, plan.run)
    marks = []
    for entry in entries:
        noted = state.trainer(entry.condition_id)
        by_hand = trainer_by_hand(RunPaths(results, plan.run).condition(entry.name))
        marks += [found for found in (noted.mark if noted else None, by_hand) if found is not None and found.alive]
    alive = set(marks)
    deadline = time.monotonic() + grace_seconds
    while state.holder() is not None and any(one.alive for one in alive) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for one in alive:
        one.terminate(grace_seconds)
    return len(alive)
