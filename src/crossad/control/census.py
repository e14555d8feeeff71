"""What became of every condition of a run: one of six lots, and why. Pure: asks nobody, reads no clock.

What the store holds decides: a commit first, then a verdict. The Jobs come after that, because they are removed some
time after their end and by anyone's hand; they tell who is alive, and why somebody failed. A Job that is over speaks
for its conditions until one of their training is retried; one that lives speaks for them always: it may yet commit.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from crossad.control.jobs import SeenJob
from crossad.kube.verdicts import State
from crossad.launch.afar import View
from crossad.launch.state import Verdict
from crossad.manifests.job import HOPELESS
from crossad.results.ledger import fault_of, faults_of
from crossad.results.plan import Plan, PlanEntry

_AT_WORK = (State.STARTING, State.RUNNING, State.ENDING)  # it has a pod, as far as the cluster tells


class Lot(StrEnum):
    """Where a condition ends up, or that it has not ended."""

    COMMITTED = "committed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # nobody works on it, nobody will, and nothing says why
    RUNNING = "running"
    WAITING = "waiting"


OPEN = (Lot.RUNNING, Lot.WAITING)


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


def census(plan: Plan, view: View, jobs: Sequence[SeenJob] | None, now: datetime, grace: Grace) -> list[Fate]:
    """The fate of every condition of a plan, in its order.

    Args:
        plan: what the run owes.
        view: what its store holds; looked at after the Jobs, else one that ended in between looks as if it had left
            nothing.
        jobs: its trainer Jobs; None where they could not be read.
        now: the time.
        grace: for conditions without a Job.
    """
    late = jobs is not None and grace.over(jobs, now)
    speakers = _speakers(plan, view, jobs or ())
    return [
        _Case(plan.run, entry, view, speakers.get(entry.condition_id)).fate(jobs, late) for entry in plan.conditions
    ]


def counts(fates: Sequence[Fate]) -> dict[Lot, int]:
    """How many have which lot; lots that nobody has are left out."""
    found = Counter(fate.lot for fate in fates)
    return {lot: found[lot] for lot in Lot if found[lot]}


def _speakers(plan: Plan, view: View, jobs: Sequence[SeenJob]) -> dict[str, SeenJob]:
    """Per condition the Job that speaks for it; of several one that lives, then the newest."""
    retried = Counter[str]()
    for entry in plan.conditions:
        retried[entry.training_key] += view.retries.get(entry.condition_id, 0)
    present = {entry.condition_id: 1 + retried[entry.training_key] for entry in plan.conditions}
    found: dict[str, SeenJob] = {}
    for job in sorted(jobs, key=lambda one: (not one.verdict.over, one.generation, one.created, one.name)):
        for one in job.conditions:
            if not job.verdict.over or job.generation >= present.get(one, 1):
                found[one] = job
    return found


@dataclass(frozen=True)
class _Case:
    """One condition, and all that is known of it."""

    run: str
    entry: PlanEntry
    view: View
    job: SeenJob | None

    def fate(self, jobs: Sequence[SeenJob] | None, late: bool) -> Fate:
        """Commits, verdicts, Jobs, trainers that are heard of; in this order."""
        if self.entry.condition_id in self.view.committed:
            return self._is(Lot.COMMITTED, "committed")
        if (verdict := self.view.verdicts.get(self.entry.condition_id)) is not None:
            return self._closed(verdict)
        if self.job is not None:
            return self._by_job(self.job)
        return self._without_job(jobs, late)

    def _closed(self, verdict: Verdict) -> Fate:
        again = self._command("retry")
        if verdict.kind == "cancelled":
            return self._is(Lot.CANCELLED, verdict.reason, again)
        return self._is(Lot.FAILED, verdict.reason, f"{verdict.hint}; then {again}" if verdict.hint else again)

    def _by_job(self, job: SeenJob) -> Fate:
        seen = job.verdict
        if seen.state is State.FAILED:
            return self._failed(job)
        if seen.state is not State.COMPLETE:
            lot = Lot.RUNNING if seen.state in _AT_WORK else Lot.WAITING
            return self._is(lot, seen.sentence, seen.step)
        if self._heard_of:
            return self._is(
                Lot.RUNNING, "its Job has ended, and another trainer tells of it", self._command("logs", "-f")
            )
        reason = f"its Job {job.name} ended with 0, but nothing was committed"
        return self._is(Lot.LOST, reason, f"{self._command('logs')} shows what it did; then {self._command('retry')}")

    def _failed(self, job: SeenJob) -> Fate:
        """By its Job; in the trainer's words, where it left some that go with the exit code."""
        seen = job.verdict
        failure = fault_of(self.view.failures.get(self.entry.condition_id, {}), seen.exit_code)
        if failure is None:
            return self._is(Lot.FAILED, seen.sentence, seen.step)
        hint = failure.get("hint")
        step = f"{hint}; then {self._command('retry')}" if hint else seen.step
        return self._is(Lot.FAILED, f"{seen.sentence}: {failure.get('message')}", step)

    def _without_job(self, jobs: Sequence[SeenJob] | None, late: bool) -> Fate:
        if self._heard_of:
            told = "a trainer tells of it" if jobs is None else "its Job is gone, and its trainer still tells of it"
            return self._is(Lot.RUNNING, told, self._command("logs", "-f"))
        if jobs is None:
            return self._unasked()
        return self._gone() if late else self._is(Lot.WAITING, "it has no Job yet")

    def _unasked(self) -> Fate:
        if (failure := self._hopeless) is not None:
            return self._by_failure(failure, "")
        return self._is(Lot.WAITING, "nothing is committed yet, and its Job cannot be read")

    def _gone(self) -> Fate:
        """Without a Job for too long."""
        if (failure := self._hopeless) is not None:
            return self._by_failure(failure, "its Job is gone; ")
        seen = self.entry.condition_id in self.view.sightings
        told = (
            "its Job is gone, and its trainer is not heard of any more" if seen else "it has no Job, and left no result"
        )
        return self._is(Lot.LOST, told, "create its Job again: kubectl apply -f DIR/, or crossad submit")

    def _by_failure(self, failure: Mapping[str, Any], before: str) -> Fate:
        again, hint = self._command("retry"), failure.get("hint")
        return self._is(Lot.FAILED, f"{before}{failure.get('message')}", f"{hint}; then {again}" if hint else again)

    @property
    def _heard_of(self) -> bool:
        seen = self.view.sightings.get(self.entry.condition_id)
        return seen is not None and seen.working

    @property
    def _hopeless(self) -> Mapping[str, Any] | None:
        """A failure that another attempt would meet again; after a retry it may be an older generation's."""
        first = self.entry.condition_id not in self.view.retries
        told = faults_of(self.view.failures.get(self.entry.condition_id, {})) if first else []
        return next((one for one in told if one.get("exit_code") in HOPELESS), None)

    def _is(self, lot: Lot, reason: str, next_step: str = "") -> Fate:
        return Fate(self.entry, lot, reason, next_step, self.job)

    def _command(self, verb: str, *more: str) -> str:
        return " ".join(["crossad", verb, shlex.quote(self.run), shlex.quote(self.entry.name), *more])
