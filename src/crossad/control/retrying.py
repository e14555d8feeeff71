"""Opens the next try of conditions whose Jobs came to nothing; what went wrong before stays on record."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crossad.control.observe import Placed
from crossad.launch.standing import Standing
from crossad.launch.state import RunState
from crossad.results.home import Home
from crossad.results.plan import Plan, PlanEntry

THREADS = 16
FAILED, CANCELLED = ("failed", "partial", "lost", "stale"), "cancelled"


@dataclass(frozen=True)
class Candidates:
    """What a retry may take up."""

    over: list[tuple[PlanEntry, Standing]]  # they need a new try
    idle: list[PlanEntry]  # their try is open, and nobody makes a Job of it


def candidates(plan: Plan, rows: Sequence[Standing], chosen: Sequence[PlanEntry], *, cancelled: bool) -> Candidates:
    """Sort conditions by what they need.

    Args:
        plan: the run's.
        rows: where all of its conditions stand.
        chosen: the conditions that were asked for.
        cancelled: take cancelled ones up, too.
    """
    wanted = {entry.experiment_id for entry in chosen}
    entries = {entry.experiment_id: entry for entry in plan.conditions}
    kinds = (*FAILED, CANCELLED) if cancelled else FAILED
    mine = [row for row in rows if row.experiment_id in wanted]
    over = [(entries[row.experiment_id], row) for row in mine if row.state in kinds]
    idle = [
        entries[row.experiment_id] for row in mine if row.state == "pending" and isinstance(row, Placed) and not row.job
    ]
    return Candidates(over, idle)


def reopen(home: Home, run: str, found: Sequence[tuple[PlanEntry, Standing]]) -> list[PlanEntry]:
    """Open the next try of each; one without a verdict gets it first, because Jobs applied as files have no controller.

    Returns:
        Those that this call opened; another retry may have been first.
    """
    state = RunState(home, run)

    def one(pair: tuple[PlanEntry, Standing]) -> bool:
        entry, row = pair
        if state.verdict(entry.condition_id) is None:
            state.close(entry.condition_id, "failed", row.reason, hint=row.next_step or None)
        return state.reopen(entry.condition_id)

    with ThreadPoolExecutor(THREADS) as pool:
        return [entry for (entry, _), opened in zip(found, pool.map(one, found), strict=True) if opened]
