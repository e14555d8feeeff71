"""What became of every condition of a run, in the words of a report: one of seven lots, and why. Pure.

Where it stands is judged elsewhere (`judgement`); a report adds patience: a condition without a Job is waited for, a
while, because somebody may still be creating them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crossad.control.jobs import SeenJob
from crossad.control.judgement import Judge, Judgement, Locks, Stand
from crossad.launch.afar import View
from crossad.results.plan import Plan, PlanEntry

NEVER = "it has no Job, and left no result"
CREATE = "create its Job again: kubectl apply -f DIR/, or crossad submit"


class Lot(StrEnum):
    """Where a condition ends up, or that it has not ended."""

    COMMITTED = "committed"
    STALE = "stale"  # committed with other data than those that are there now
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # nobody works on it, nobody will, and nothing says why
    RUNNING = "running"
    WAITING = "waiting"


OPEN = (Lot.RUNNING, Lot.WAITING)
_LOTS = {
    Stand.COMMITTED: Lot.COMMITTED,
    Stand.STALE: Lot.STALE,
    Stand.CANCELLED: Lot.CANCELLED,
    Stand.FAILED: Lot.FAILED,
    Stand.LOST: Lot.LOST,
    Stand.AT_WORK: Lot.RUNNING,
    Stand.HELD: Lot.WAITING,
    Stand.ABSENT: Lot.WAITING,
}


@dataclass(frozen=True)
class Fate:
    """What became of one condition."""

    entry: PlanEntry
    lot: Lot
    reason: str  # one clause that stays the same while nothing changes
    next_step: str = ""  # a command or an advice; empty where nothing is to do
    job: SeenJob | None = None  # the one that speaks for it

    @property
    def open(self) -> bool:
        """Whether something may still come of it."""
        return self.lot in OPEN


@dataclass(frozen=True)
class Grace:
    """How long a condition may be without a Job before it counts as lost."""

    since: datetime  # when the waiting for Jobs began
    span: timedelta

    def over(self, jobs: Sequence[SeenJob], now: datetime) -> bool:
        """Whether it has passed, counted from the newest Job: whoever creates many of them may still be at it."""
        newest = max((job.created for job in jobs), default=self.since)
        return now - max(newest, self.since) >= self.span


def census(
    plan: Plan,
    view: View,
    jobs: Sequence[SeenJob] | None,
    now: datetime,
    grace: Grace,
    locks: Locks | None = None,
) -> list[Fate]:
    """The fate of every condition of a plan, in its order.

    Args:
        plan: what the run owes.
        view: what its store holds; looked at after the Jobs.
        jobs: its trainer Jobs; None where they could not be read.
        now: the time.
        grace: for conditions without a Job.
        locks: of the data as they are now, where that is known.
    """
    judge = Judge(plan.conditions, view, jobs, locks)
    gone = NEVER if jobs is not None and grace.over(jobs, now) else ""
    return [_fate(judge.of(entry, gone), plan.run) for entry in plan.conditions]


def counts(fates: Sequence[Fate]) -> dict[Lot, int]:
    """How many have which lot; lots that nobody has are left out."""
    found = Counter(fate.lot for fate in fates)
    return {lot: found[lot] for lot in Lot if found[lot]}


def _fate(found: Judgement, run: str) -> Fate:
    step = CREATE if found.reason == NEVER else found.step(run)
    return Fate(found.entry, _LOTS[found.stand], found.reason, step, found.job)
