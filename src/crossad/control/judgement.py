"""Where a condition stands, and why: the one judgement behind what a controller does, a report says and status shows.

What the store holds decides: a commit first, then a verdict. The Jobs come after that, because they are removed some
time after their end and by anyone's hand; they tell who is alive, and why somebody failed. A Job that is over speaks
for its conditions until one of their training is retried; one that lives speaks for them always: it may yet commit.
Pure: asks nobody, reads no clock.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crossad.control.jobs import SeenJob
from crossad.kube.verdicts import Cause, State
from crossad.launch.afar import Sighting, View
from crossad.launch.state import Verdict
from crossad.manifests.job import HOPELESS, groups
from crossad.results.ledger import Ledger, fault_of, faults_of
from crossad.results.plan import PlanEntry

Locks = Mapping[str, str | None]  # condition id -> hash of the data that it reads; None where they have no lock
_WORKS = (State.STARTING, State.RUNNING, State.ENDING)  # it has a pod, as far as the cluster tells
_THEN_RETRY = re.compile(r"[;,] then crossad retry$")
_COMMAND = re.compile(r"(crossad (?:logs|retry))( -f)?(?=[),;]|$)")  # of any condition: named where it is shown


class Stand(StrEnum):
    """Where a condition stands; what is to be done, reported and shown is read off this."""

    COMMITTED = "committed"
    STALE = "stale"  # committed with other data than those that are there now, and nobody works on it
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST = "lost"  # nobody works on it, nobody will, and nothing says why
    AT_WORK = "at work"  # its Job has a pod, or a trainer is heard of
    HELD = "held"  # its Job lives, and has no pod that works
    ABSENT = "absent"  # it has no Job, and no word of it is known


OVER = (Stand.COMMITTED, Stand.STALE, Stand.CANCELLED, Stand.FAILED, Stand.LOST)


@dataclass(frozen=True)
class Judgement:
    """Where one condition stands."""

    entry: PlanEntry
    stand: Stand
    reason: str  # one clause that stays the same while nothing changes
    hint: str = ""  # what to do; before a retry, where it is over
    job: SeenJob | None = None  # the one that speaks for it
    failure: Mapping[str, Any] | None = None  # what its trainer left, where that explains it

    def step(self, run: str) -> str:
        """The next step: a command, an advice, or both; empty where there is nothing to do."""
        name = f"{shlex.quote(run)} {shlex.quote(self.entry.name)}"
        hint = _COMMAND.sub(lambda found: f"{found[1]} {name}{found[2] or ''}", self.hint)
        if self.stand not in OVER or self.stand is Stand.COMMITTED:
            return hint
        return f"{hint}; then crossad retry {name}" if hint else f"crossad retry {name}"


class Judge:
    """Judges the conditions of one run."""

    def __init__(
        self,
        entries: Iterable[PlanEntry],
        view: View,
        jobs: Iterable[SeenJob] | None,
        locks: Locks | None = None,
    ) -> None:
        """Take what was seen.

        Args:
            entries: the conditions of the run's plan.
            view: what its store holds; looked at after the Jobs, else one that ended in between looks as if it had left
                nothing.
            jobs: its trainer Jobs; None where they could not be read.
            locks: of the data as they are now, where that is known: only work done with these counts.
        """
        self._view, self._asked, self._locks = view, jobs is not None, locks or {}
        self.generations: dict[str, int] = {}  # condition id -> of its Job now
        for group in groups(entries):
            number = generation_of(group, view.retries)
            self.generations |= dict.fromkeys((entry.condition_id for entry in group), number)
        self.speakers = self._speakers(jobs or ())

    def of(self, entry: PlanEntry, gone: str = "") -> Judgement:
        """Where a condition of the plan stands.

        Args:
            entry: the condition.
            gone: if it has no Job: why none is to be expected any more; empty where one may still come.
        """
        one = entry.condition_id
        if committed(self._view, self._locks, one):
            return Judgement(entry, Stand.COMMITTED, "committed", job=self.speakers.get(one))
        if (verdict := self._view.verdicts.get(one)) is not None:
            return self._closed(entry, verdict)
        if (job := self.speakers.get(one)) is None:
            return self._without_job(entry, gone)
        if job.verdict.state is State.FAILED:
            return self._failed(entry, job)
        if job.verdict.state is State.COMPLETE:
            return self._complete(entry, job)
        stand = Stand.AT_WORK if job.verdict.state in _WORKS else Stand.HELD
        return Judgement(entry, stand, job.verdict.sentence, job.verdict.step, job)

    def stale(self, one: str) -> bool:
        """Whether a condition is committed, but only with other data than those that are there now."""
        return one in self._view.committed and not committed(self._view, self._locks, one)

    def begun(self, one: str) -> Sighting | None:
        """The newest word of a trainer of the condition's present try."""
        seen = self._view.sightings.get(one)
        mine = 1 + self._view.retries.get(one, 0)
        return seen if seen is not None and seen.beacon.generation >= mine else None

    def _speakers(self, jobs: Iterable[SeenJob]) -> dict[str, SeenJob]:
        """Per condition the Job that speaks for it; of several one that lives, then the newest."""
        found: dict[str, SeenJob] = {}
        for job in sorted(jobs, key=lambda one: (not one.verdict.over, one.generation, one.created, one.name)):
            for one in job.conditions:
                if not job.verdict.over or job.generation >= self.generations.get(one, 1):
                    found[one] = job
        return found

    def _closed(self, entry: PlanEntry, verdict: Verdict) -> Judgement:
        stand = Stand.CANCELLED if verdict.kind == "cancelled" else Stand.LOST if verdict.lost else Stand.FAILED
        job = self.speakers.get(entry.condition_id)
        return Judgement(entry, stand, verdict.reason, verdict.hint or "", job, self._failure(entry, verdict.exit_code))

    def _failed(self, entry: PlanEntry, job: SeenJob) -> Judgement:
        """By its Job; in the trainer's words, where it left some that go with the exit code: that names no domain."""
        seen = job.verdict
        failure = self._failure(entry, seen.exit_code)
        if failure is None and len(job.conditions) > 1 and seen.cause is Cause.EXIT:
            # a Job ends with the gravest of its conditions' codes
            failure = next(iter(self._faults(entry)), None)
        reason, hint = seen.sentence, _THEN_RETRY.sub("", seen.step)
        if failure is not None:
            reason, hint = f"{reason}: {failure.get('message')}", failure.get("hint") or hint
        return Judgement(entry, Stand.FAILED, reason, hint, job, failure)

    def _complete(self, entry: PlanEntry, job: SeenJob) -> Judgement:
        if self._heard_of(entry):
            reason = "its Job has ended, and another trainer tells of it"
            return Judgement(entry, Stand.AT_WORK, reason, "crossad logs -f", job)
        if self.stale(entry.condition_id):
            return self._stale(entry, job)
        reason = f"its Job {job.name} ended with 0 and left no commit"
        return Judgement(entry, Stand.LOST, reason, "read its log (crossad logs)", job)

    def _without_job(self, entry: PlanEntry, gone: str) -> Judgement:
        one = entry.condition_id
        if self._heard_of(entry):
            told = "its Job is gone, and its trainer still tells of it" if self._asked else "a trainer tells of it"
            return Judgement(entry, Stand.AT_WORK, told, "crossad logs -f")
        if (gone or not self._asked) and (failure := self._hopeless(entry)) is not None:
            before = "its Job is gone; " if self._asked else ""
            hint = failure.get("hint") or ""
            return Judgement(entry, Stand.FAILED, f"{before}{failure.get('message')}", hint, failure=failure)
        if not self._asked:
            return Judgement(entry, Stand.ABSENT, "nothing is committed yet, and its Job cannot be read")
        if not gone:
            return Judgement(entry, Stand.ABSENT, "it has no Job yet")
        if self.stale(one):
            return self._stale(entry, None)
        if one in self._view.sightings:
            gone = "its Job is gone, and its trainer is not heard of any more"
        return Judgement(entry, Stand.LOST, gone)

    def _stale(self, entry: PlanEntry, job: SeenJob | None) -> Judgement:
        return Judgement(entry, Stand.STALE, "done, but the data are others now", job=job)

    def _heard_of(self, entry: PlanEntry) -> bool:
        seen = self._view.sightings.get(entry.condition_id)
        return seen is not None and seen.working

    def _faults(self, entry: PlanEntry) -> Sequence[Mapping[str, Any]]:
        return faults_of(self._view.failures.get(entry.condition_id, {}))

    def _failure(self, entry: PlanEntry, code: int | None) -> Mapping[str, Any] | None:
        return fault_of(self._view.failures.get(entry.condition_id, {}), code)

    def _hopeless(self, entry: PlanEntry) -> Mapping[str, Any] | None:
        """A failure that another attempt would meet again; after a retry it may be an older generation's."""
        told = () if entry.condition_id in self._view.retries else self._faults(entry)
        return next((one for one in told if one.get("exit_code") in HOPELESS), None)


def committed(view: View, locks: Locks, one: str) -> bool:
    """Whether a condition is committed: under the lock of its data, where they have one."""
    found, lock = view.committed.get(one), locks.get(one)
    return found is not None and (lock is None or Ledger.short(lock) in found)


def generation_of(group: Sequence[PlanEntry], retries: Mapping[str, int]) -> int:
    """Of a Job: 1, and one more for each retry of any of its conditions, so a new one whenever one is tried again."""
    return 1 + sum(retries.get(entry.condition_id, 0) for entry in group)
