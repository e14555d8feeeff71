"""Where the conditions of a run stand, in the words of `status`, live: a judgement, and what only a look now can add.

What stands where is judged elsewhere (`judgement`); here come node, pod and phase, for how long it has been silent, and
who would create a Job. The cluster is looked at first: a Job that completes in between is then seen at work, never as
one without a commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from crossad.control.jobs import SeenJob, completed, controller, look
from crossad.control.judgement import Judge, Judgement, Stand
from crossad.kube.cluster import Cluster
from crossad.kube.verdicts import Cause, State
from crossad.launch.afar import FarObserver, Sighting, view
from crossad.launch.standing import Standing, StandingState
from crossad.launch.state import Trainer
from crossad.launch.words import clock, describe
from crossad.results.beacons import ENDED
from crossad.results.home import Home
from crossad.results.plan import Plan, PlanEntry

STUCK = timedelta(minutes=5)  # of a pod that is being stopped: a grace is over by then, so its node is not there
CALM = frozenset(map(str, (Cause.NEW, Cause.BUSY, Cause.QUEUE, Cause.REMOVED, Cause.EVICTED)))  # these mend themselves
_STATES: Mapping[Stand, StandingState] = {
    Stand.COMMITTED: "done",
    Stand.STALE: "stale",
    Stand.CANCELLED: "cancelled",
    Stand.FAILED: "failed",
    Stand.LOST: "lost",
    Stand.AT_WORK: "running",
    Stand.HELD: "pending",
    Stand.ABSENT: "pending",
}
_OPEN: Mapping[State, StandingState] = {  # the same, closer, of a Job that is not over
    State.PENDING: "pending",
    State.SUSPENDED: "suspended",
    State.STARTING: "starting",
    State.RUNNING: "running",
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
    jobs: Sequence[SeenJob] = ()
    controller: str = ""  # the Job of a controller that is not over
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def surroundings(cluster: Cluster, run: str, *, why: bool = True) -> Surroundings:
    """Look at a run's Jobs; `why` as for `look`."""
    return Surroundings(cluster.place.namespace, look(cluster, run, why=why), controller(cluster, run) or "")


class ClusterObserver(FarObserver):
    """Looks at a run whose conditions are Jobs."""

    _judge: Judge

    def __init__(
        self, home: Home, plan: Plan, around: Surroundings, locks: Mapping[str, str | None] | None = None
    ) -> None:
        """Take what the cluster showed; `all` looks at the store afterwards."""
        super().__init__(home, plan, locks)
        self._around = around
        self._names = {entry.condition_id: entry.name for entry in plan.conditions}

    def all(self) -> list[Standing]:
        """Every condition, in the plan's order."""
        self._view = view(self.home, self.plan.run, list(self._names), completed(self._around.jobs))
        self._judge = Judge(self.plan.conditions, self._view, self._around.jobs, self.locks)
        return super(FarObserver, self).all()

    @property
    def again(self) -> str:
        """The command that gives what failed another try."""
        return f"crossad retry {self.plan.run} --failed"

    def _one(self, entry: PlanEntry, trainer: Trainer | None, busy: Any) -> Standing:  # noqa: ANN401 - as in Observer
        told = super()._one(entry, trainer, busy)
        one = entry.condition_id
        job, generation = self._judge.speakers.get(one), self._judge.generations[one]
        if job is None or told.device:
            cause = str(Cause.NEW) if told.state == "pending" and self._around.controller else ""
            return Placed(**{**vars(told), "cause": cause, "generation": generation})
        verdict = job.verdict
        stuck = told.state == "ending" and self._since(job) > STUCK
        joined = {
            "device": verdict.node or "",
            "attempt": max(told.attempt, job.failed + (job.pod is not None or verdict.state is State.COMPLETE)),
            "job": job.name,
            "pod": job.pod or "",
            "cause": "" if told.state in ("done", "cancelled") else str(Cause.NODE if stuck else verdict.cause),
            "generation": generation,
        }
        return Placed(**{**vars(told), **joined})

    def _far(self, entry: PlanEntry, seen: Sighting | None) -> Told:
        found = self._judge.of(entry, self._gone(entry))
        job = found.job if found.job is not None and not found.job.verdict.over else None
        if found.stand is Stand.ABSENT:
            return self._absent(entry)
        if found.stand in (Stand.AT_WORK, Stand.HELD):
            return self._alive(found, job, seen)
        state, reason = _STATES[found.stand], found.reason
        if found.stand is Stand.FAILED and found.failure is not None:
            state = self._failed(self._view.failures[entry.condition_id])[0]
        closed = entry.condition_id in self._view.verdicts
        if closed and job is not None:
            reason += f"; its Job {job.name} is still there: {job.verdict.sentence}"
        if found.stand is Stand.LOST and found.job is None and seen is not None and not closed:
            silent = f"its trainer at {seen.beacon.progress.phase} has not been heard of for {clock(seen.silence)}"
            reason = f"{silent}, and {self._gone(entry)}"
        return state, reason, found.step(self.plan.run)

    def _gone(self, entry: PlanEntry) -> str:
        """Why no Job is to be expected where there is none: this try was worked on, or the work is done."""
        one = entry.condition_id
        failed = one in self._view.failures and one not in self._view.retries  # a failure does not tell of which try
        if failed or self._judge.begun(one) or self._judge.stale(one):
            return f"its Job is gone from namespace {self._around.namespace}"
        return ""

    def _absent(self, entry: PlanEntry) -> Told:
        """An open condition that has no Job of its present try: whether somebody will make it."""
        number = 1 + self._view.retries.get(entry.condition_id, 0)
        which = "its Job" if number == 1 else f"the Job of its try number {number}"
        if self._around.controller:
            return "pending", f"{which} is not created yet; the controller {self._around.controller} does that", ""
        command = super().again if self.plan.command else self.again
        where = f"is not in namespace {self._around.namespace}, and no controller works on this run there"
        return "pending", f"{which} {where}", command

    def _alive(self, found: Judgement, job: SeenJob | None, seen: Sighting | None) -> Told:
        """An open condition of which a Job or a trainer lives."""
        logs = f"crossad logs {self._quoted(found.entry)} -f"
        if seen is not None and seen.working and (job is None or job.verdict.state is State.RUNNING):
            where = "" if job is not None else ", by a trainer that is no Job here"
            return "running", f"{describe(seen.beacon.progress)}, heard of {clock(seen.silence)} ago{where}", logs
        if job is None:
            return "running", found.reason, logs
        if job.verdict.state is State.RUNNING:
            return self._silent(found.entry, job, seen, logs)
        reason = found.reason
        if job.verdict.state is State.ENDING and job.verdict.since is not None:
            reason += f", for {clock(self._since(job).total_seconds())} now"
        return _OPEN[job.verdict.state], reason, found.step(self.plan.run)

    def _silent(self, entry: PlanEntry, job: SeenJob, seen: Sighting | None, logs: str) -> Told:
        """A condition whose Job runs, and whose trainer tells nothing now."""
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
