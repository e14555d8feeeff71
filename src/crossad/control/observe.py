"""Where the conditions of a run stand: what the store tells of them, joined with what the cluster does about them.

The store has the last word on what is over; the Job API says why something is not. So the cluster is looked at first:
a Job that completes in between is then seen at work, never as one without a commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from crossad.control.decide import generation_of
from crossad.control.jobs import SeenJob, completed, controller, look, newest
from crossad.kube.cluster import Cluster
from crossad.kube.verdicts import Cause, State
from crossad.launch.afar import FarObserver, Sighting, view
from crossad.launch.standing import Standing, StandingState
from crossad.launch.state import Trainer
from crossad.launch.words import clock
from crossad.manifests.job import groups
from crossad.results.beacons import ENDED
from crossad.results.home import Home
from crossad.results.ledger import fault_of
from crossad.results.plan import Plan, PlanEntry

STUCK = timedelta(minutes=5)  # of a pod that is being stopped: a grace is over by then, so its node is not there
CALM = frozenset(map(str, (Cause.NEW, Cause.BUSY, Cause.QUEUE, Cause.REMOVED, Cause.EVICTED)))  # these mend themselves
_OPEN: Mapping[State, StandingState] = {  # of a Job that neither works nor is over
    State.PENDING: "pending",
    State.SUSPENDED: "suspended",
    State.STARTING: "starting",
    State.RETRYING: "retrying",
    State.ENDING: "ending",
}
Told = tuple[StandingState, str, str]  # state, reason, next step


@dataclass(frozen=True)
class Placed(Standing):
    """One condition of a run in a cluster; `device` is its node."""

    job: str = ""
    pod: str = ""
    cause: str = ""  # of what the reason says, as one word that programs compare
    generation: int = 1

    @property
    def needy(self) -> bool:
        """Whether somebody should look at it; what only waits for its turn is not."""
        return super().needy and self.cause not in CALM


@dataclass(frozen=True)
class Surroundings:
    """What the cluster showed of a run."""

    namespace: str
    jobs: Mapping[str, SeenJob] = field(default_factory=dict)  # condition id -> the Job that speaks for it
    controller: str = ""  # the Job of a controller that is not over
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def surroundings(cluster: Cluster, run: str, *, why: bool = True) -> Surroundings:
    """Look at a run's Jobs; `why` as for `look`."""
    jobs = newest(look(cluster, run, why=why))
    return Surroundings(cluster.place.namespace, jobs, controller(cluster, run) or "")


class ClusterObserver(FarObserver):
    """Looks at a run whose conditions are Jobs."""

    def __init__(
        self, home: Home, plan: Plan, around: Surroundings, locks: Mapping[str, str | None] | None = None
    ) -> None:
        """Take what the cluster showed; `all` looks at the store afterwards."""
        super().__init__(home, plan, locks)
        self._around = around
        self._names = {entry.condition_id: entry.name for entry in plan.conditions}
        self._generations: dict[str, int] = {}

    def all(self) -> list[Standing]:
        """Every condition, in the plan's order."""
        self._view = view(self.home, self.plan.run, list(self._names), completed(self._around.jobs.values()))
        for group in groups(self.plan.conditions):
            number = generation_of(group, self._view.retries)
            self._generations |= dict.fromkeys((entry.condition_id for entry in group), number)
        return super(FarObserver, self).all()

    @property
    def again(self) -> str:
        """The command that gives what failed another try."""
        return f"crossad retry {self.plan.run} --failed"

    def _one(self, entry: PlanEntry, trainer: Trainer | None, busy: Any) -> Standing:  # noqa: ANN401 - as in Observer
        told = super()._one(entry, trainer, busy)
        job, generation = self._job(entry), self._generations[entry.condition_id]
        if job is None or told.device:
            cause = str(Cause.NEW) if told.state == "pending" and self._around.controller else ""
            return Placed(**{**vars(told), "cause": cause, "generation": generation})
        verdict = job.verdict
        stuck = told.state == "ending" and self._since(job) > STUCK
        joined = {
            "device": verdict.node or "",
            "attempt": max(told.attempt, job.failed + (job.pod is not None)),
            "job": job.name,
            "pod": job.pod or "",
            "cause": "" if told.state in ("done", "cancelled") else str(Cause.NODE if stuck else verdict.cause),
            "generation": generation,
        }
        return Placed(**{**vars(told), **joined})

    def _job(self, entry: PlanEntry) -> SeenJob | None:
        """The Job that speaks for a condition: of its present try, or an earlier one that is not over."""
        job = self._around.jobs.get(entry.condition_id)
        old = job is not None and job.generation < self._generations[entry.condition_id]
        return None if job is None or (old and job.verdict.over) else job

    def _far(self, entry: PlanEntry, seen: Sighting | None) -> Told:
        found = super()._far(entry, seen)
        if found[0] in ("done", "stale"):
            return found
        job = self._job(entry)
        if (verdict := self._view.verdicts.get(entry.condition_id)) is not None:
            state, reason, step = self._closed(entry, verdict)
            if job is not None and not job.verdict.over:
                reason += f"; its Job {job.name} is still there: {job.verdict.sentence}"
            return state, reason, step
        return self._without(entry, found) if job is None else self._with(entry, found, seen, job)

    def _without(self, entry: PlanEntry, found: Told) -> Told:
        """An open condition that has no Job of its present generation."""
        state, reason, _ = found
        generation = 1 + self._view.retries.get(entry.condition_id, 0)
        retry = f"crossad retry {self._quoted(entry)}"
        if state == "running":
            return "running", f"{reason}, by a trainer that is no Job here", found[2]
        if generation == 1 and state in ("failed", "partial"):
            return found
        if generation == 1 and state in ("lost", "interrupted"):
            return "lost", f"{reason}, and its Job is gone from namespace {self._around.namespace}", retry
        which = "its Job" if generation == 1 else f"the Job of its try number {generation}"
        if self._around.controller:
            return "pending", f"{which} is not created yet; the controller {self._around.controller} does that", ""
        command = super().again if self.plan.command else self.again
        where = f"is not in namespace {self._around.namespace}, and no controller works on this run there"
        return "pending", f"{which} {where}", command

    def _with(self, entry: PlanEntry, found: Told, seen: Sighting | None, job: SeenJob) -> Told:
        """An open condition as its Job has it."""
        verdict = job.verdict
        step = self._named(verdict.step, entry)
        if verdict.state is State.COMPLETE:
            retry = f"crossad retry {self._quoted(entry)}"
            return "lost", f"its Job {job.name} is complete, and the store has no commit of it", retry
        if verdict.state is State.FAILED:
            failure = self._view.failures.get(entry.condition_id)
            return self._failed(failure) if failure and _tells(failure, job) else ("failed", verdict.sentence, step)
        if verdict.state is State.RUNNING:
            return self._at_work(entry, found, seen, job)
        sentence = verdict.sentence
        if verdict.state is State.ENDING and verdict.since is not None:
            sentence += f", for {clock(self._since(job).total_seconds())} now"
        return _OPEN[verdict.state], sentence, step

    def _at_work(self, entry: PlanEntry, found: Told, seen: Sighting | None, job: SeenJob) -> Told:
        logs = f"crossad logs {self._quoted(entry)} -f"
        if found[0] == "running":
            return found
        before = job.conditions[: job.conditions.index(entry.condition_id)]
        if first := next((one for one in before if self._open_yet(one)), None):
            return "waiting", f"its Job works on {self._names.get(first, first)} first, whose training it shares", ""
        if seen is None or seen.beacon.progress.phase in ENDED or seen.sent < job.created:
            return "running", f"{job.verdict.sentence}; its trainer has not told of it yet", logs
        silence, phase = clock(seen.silence), seen.beacon.progress.phase
        return "running", f"{job.verdict.sentence}; its trainer at {phase} has not been heard of for {silence}", logs

    def _open_yet(self, one: str) -> bool:
        seen = self._view.sightings.get(one)
        ended = seen is not None and not seen.working
        return not (one in self._view.committed or one in self._view.verdicts or ended)

    def _since(self, job: SeenJob) -> timedelta:
        return max(timedelta(0), self._around.now - (job.verdict.since or self._around.now))

    def _named(self, step: str, entry: PlanEntry) -> str:
        """A step whose commands name this condition."""
        for verb in ("crossad logs", "crossad retry"):
            step = step.replace(verb, f"{verb} {self._quoted(entry)}")
        return step


def _tells(failure: Mapping[str, Any], job: SeenJob) -> bool:
    """Whether a failure in the store is the one that a Job ended with: it says more than an exit code."""
    shared = len(job.conditions) > 1  # the Job ends with the gravest of its conditions
    return job.verdict.cause is Cause.EXIT and (shared or fault_of(failure, job.verdict.exit_code) is not None)
