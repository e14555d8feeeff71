"""Find a run, choose among its conditions, cancel them, give them another try."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from crossad.conditions.faults import near
from crossad.errors import MissingInputError, UsageError
from crossad.launch.standing import trainer_by_hand
from crossad.launch.state import RunState
from crossad.results.home import Home
from crossad.results.layout import RunPaths, slug
from crossad.results.plan import Plan, PlanEntry, Read, load_plan, load_plans, newest_plan, whole

POLL_SECONDS = 0.1
THREADS = 16  # questions to a store at once


def find_run(home: Home, run: str | None, read: Read = whole) -> Plan:
    """The plan of a run; the newest run where none is named.

    Raises:
        MissingInputError: no such run, or none at all.
    """
    if run is not None and (found := _named(home, run, read)) is not None:
        return found
    plans = load_plans(home, read)
    if not plans:
        raise MissingInputError(
            f"no runs in {home.uri}",
            hint="start one with 'crossad run', or name the folder with --results-dir",
        )
    if run is None:
        return plans[-1]
    names = [plan.run for plan in plans]
    hint = near(run, names) or f"runs here, newest last: {', '.join(names[-5:])}"
    raise MissingInputError(f"no such run in {home.uri}: {run}", hint=hint)


def _named(home: Home, run: str, read: Read) -> Plan | None:
    """The plan of a run of this name, if there is one; a condition's name need not be one that a run can have."""
    if slug(run) != run:
        return None
    if home.remote:
        return newest_plan(home.state, run, read)
    paths = RunPaths(home.results, run)
    return load_plan(paths, read) if paths.plan.exists() else None


def split_words(home: Home, words: Sequence[str], read: Read = whole) -> tuple[Plan, tuple[str, ...]]:
    """`[RUN] [CONDITION...]`: a first word that names no run names a condition of the newest run."""
    if words and (named := _named(home, words[0], read)) is not None:
        return named, tuple(words[1:])
    if not words:
        return find_run(home, None, read), ()
    plan = find_run(home, None, read)
    if words[0] in _names(plan):
        return plan, tuple(words)
    return find_run(home, words[0], read), tuple(words[1:])


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


def closed(home: Home, plan: Plan, entries: Sequence[PlanEntry], kinds: Sequence[str]) -> tuple[PlanEntry, ...]:
    """Those of the entries whose verdict is one of `kinds` ("failed", "cancelled")."""
    state = RunState(home, plan.run)
    verdicts = {entry.experiment_id: state.verdict(entry.condition_id) for entry in entries}
    return tuple(
        entry for entry in entries if (found := verdicts[entry.experiment_id]) is not None and found.kind in kinds
    )


def cancel(home: Home, plan: Plan, entries: Sequence[PlanEntry]) -> tuple[PlanEntry, ...]:
    """Close conditions that are not over yet as cancelled; later runs respect that until a retry.

    The runner obeys within a second, giving its trainers their grace. Where no runner lives, `stop_trainers`
    ends what is left.

    Returns:
        The conditions that were cancelled by this call.
    """
    state = RunState(home, plan.run)
    done = home.ledger.newest("condition", [entry.condition_id for entry in entries])

    def close(entry: PlanEntry) -> bool:
        given = state.verdict(entry.condition_id) is None
        if given:
            state.close(entry.condition_id, "cancelled", "cancelled by 'crossad cancel'")
        return given

    left = [entry for entry in entries if entry.condition_id not in done]
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(entry for entry, given in zip(left, pool.map(close, left), strict=True) if given)


def stop_trainers(home: Home, plan: Plan, entries: Sequence[PlanEntry], grace_seconds: float) -> int:
    """Wait until no trainer of these conditions lives; end them ourselves where no runner does.

    Returns:
        Trainers that were alive at the start.
    """
    state = RunState(home, plan.run)
    marks = []
    for entry in entries:
        noted = state.trainer(entry.condition_id)
        by_hand = trainer_by_hand(RunPaths(home.results, plan.run).condition(entry.name))
        marks += [found for found in (noted.mark if noted else None, by_hand) if found is not None and found.alive]
    alive = set(marks)
    deadline = time.monotonic() + grace_seconds
    while state.holder() is not None and any(one.alive for one in alive) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for one in alive:
        one.terminate(grace_seconds)
    return len(alive)
