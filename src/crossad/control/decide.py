"""What to do about a run now: from what was seen to what is to be done, each with its reason. Pure.

Everything is judged anew from the facts, so it does not matter what a controller did before, or in which order, or
whether it was killed in between. A Job speaks for its conditions until a retry raises their generation; a Job that
lives is never joined by a second one for the same training, and one that was there once is not made again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crossad.control.jobs import SeenJob
from crossad.kube.endings import RETRY
from crossad.kube.verdicts import State, overdue
from crossad.results.plan import PlanEntry

GONE = "its Job is gone and left no commit (by its TTL, or by hand)"
Known = tuple[int, tuple[str, ...]]  # a Job that was there once: its generation, ids of its conditions


@dataclass(frozen=True)
class Piece:
    """The work of one Job: conditions that share a training, and how often that was tried before."""

    entries: tuple[PlanEntry, ...]
    generation: int

    @property
    def training(self) -> str:
        """The training that they share."""
        return self.entries[0].training_key

    @property
    def known(self) -> Known:
        """What the Job is remembered by."""
        return self.generation, tuple(entry.condition_id for entry in self.entries)


@dataclass(frozen=True)
class Facts:
    """What was seen of a run; the store was read after the Jobs, so a Job that is over has told its commits."""

    groups: Sequence[tuple[PlanEntry, ...]]  # the plan's conditions by training, in its order
    committed: Collection[str]  # condition ids
    closed: Mapping[str, str]  # condition id -> "failed" or "cancelled", of its present generation
    retries: Mapping[str, int]  # condition id -> how many
    known: Collection[Known]  # Jobs that were there once, noted before the Jobs were listed
    jobs: Sequence[SeenJob]
    now: datetime
    max_active: int
    start_deadline: timedelta | None = None
    others: Mapping[str, str] = field(default_factory=dict)  # training -> a living Job of another run
    refused: Mapping[str, str] = field(default_factory=dict)  # training -> why the server does not take its Job
    begun: Collection[str] = ()  # uids of late Jobs of which a trainer has worked: their pods were taken away


@dataclass(frozen=True)
class Closing:
    """A condition that is over without a commit, and why."""

    condition: str
    reason: str
    hint: str | None = None  # what to do before a retry
    exit_code: int | None = None
    job: SeenJob | None = None


@dataclass(frozen=True)
class Stop:
    """A living Job that is to be removed."""

    job: SeenJob
    why: str


@dataclass(frozen=True)
class Blocked:
    """Conditions that cannot start now, and the way out."""

    entries: tuple[PlanEntry, ...]
    why: str
    way_out: str


@dataclass
class Decision:
    """What is to be done, in this order: close, stop, create."""

    close: list[Closing] = field(default_factory=list)
    stop: list[Stop] = field(default_factory=list)
    create: list[Piece] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    held_back: int = 0  # Jobs that wait for others to end
    at_work: int = 0  # living Jobs
    open: set[str] = field(default_factory=set)  # conditions that are not over
    refused: set[str] = field(default_factory=set)  # those of them whose Job the server does not take
    late: list[SeenJob] = field(default_factory=list)  # Jobs that are closed because they did not start in time

    @property
    def over(self) -> bool:
        """Whether nothing more can come of this run without somebody's help."""
        return self.open == self.refused


def generation_of(group: Sequence[PlanEntry], retries: Mapping[str, int]) -> int:
    """1, and one more for each retry of any of the conditions: a new one whenever one of them is tried again."""
    return 1 + sum(retries.get(entry.condition_id, 0) for entry in group)


def decide(facts: Facts, spec_of: Callable[[Piece], str]) -> Decision:
    """What is to be done now.

    Args:
        facts: what was seen.
        spec_of: the hash that a Job of ours would carry, by which ours are told from others.
    """
    found = Decision(at_work=sum(not job.verdict.over for job in facts.jobs))
    jobs: dict[str, list[SeenJob]] = defaultdict(list)
    for job in facts.jobs:
        jobs[job.training].append(job)
    known: dict[str, list[Known]] = defaultdict(list)
    for job_known in facts.known:
        for one in job_known[1]:
            known[one].append(job_known)
    ready: list[Piece] = []
    for group in facts.groups:
        piece = _Group(group, jobs.get(group[0].training_key, []), known, facts, spec_of, found).judge()
        if piece is not None:
            ready.append(piece)
    slots = max(0, facts.max_active - found.at_work)
    found.create, found.held_back = ready[:slots], len(ready[slots:])
    return found


class _Group:
    """The conditions that share a training, and the Jobs that there are of it."""

    def __init__(
        self,
        group: tuple[PlanEntry, ...],
        jobs: Sequence[SeenJob],
        known: Mapping[str, Sequence[Known]],
        facts: Facts,
        spec_of: Callable[[Piece], str],
        found: Decision,
    ) -> None:
        self.facts, self.spec_of, self.found, self.jobs, self.known = facts, spec_of, found, jobs, known
        self.group = {entry.condition_id: entry for entry in group}
        self.generation = generation_of(group, facts.retries)
        self.open = [one for one in self.group if one not in facts.committed and one not in facts.closed]
        found.open.update(self.open)

    def judge(self) -> Piece | None:
        """Add to the decision what is to be closed and stopped; a Job that could be created is returned."""
        alive = [job for job in self.jobs if not job.verdict.over]
        closing = [*self._ended(alive), *self._late(alive)]
        self.found.close += closing
        over = {one.condition for one in closing}
        stopped = [stop for job in alive if not job.leaving and (stop := self._stop(job, over)) is not None]
        self.found.stop += stopped
        left = [one for one in self.open if one not in over]
        if not left:
            return None
        if alive:
            self._beside(alive, {stop.job.uid for stop in stopped}, over, left)
            return None
        gone = [one for one in left if self._gone(one)]
        self.found.close += [Closing(one, GONE) for one in gone]
        return self._new({*over, *gone}, [one for one in left if one not in gone])

    def _gone(self, one: str) -> bool:
        """Whether a condition's Job of this generation was there once; one that a cancel removed leaves the others."""
        return any(
            generation == self.generation and not any(self.facts.closed.get(other) == "cancelled" for other in carried)
            for generation, carried in self.known.get(one, ())
        )

    def _ended(self, alive: Sequence[SeenJob]) -> list[Closing]:
        """Open conditions whose Job of this generation is over, and that no living Job carries."""
        carried = {one for job in alive for one in job.conditions}
        found: dict[str, Closing] = {}
        for job in self.jobs:
            if not job.verdict.over or job.generation != self.generation:
                continue
            for one in job.conditions:
                if one in self.open and one not in carried:
                    found[one] = _closing(one, job)
        return list(found.values())

    def _late(self, alive: Sequence[SeenJob]) -> list[Closing]:
        """Open conditions whose Job of this generation did not start in time."""
        deadline, found = self.facts.start_deadline, []
        for job in alive if deadline else ():
            late = overdue(job.verdict, job.created, self.facts.now, deadline)  # type: ignore[arg-type] # not None here
            if late is None or job.generation != self.generation or job.leaving or job.uid in self.facts.begun:
                continue
            mine = [one for one in job.conditions if one in self.open]
            self.found.late += [job] if mine else []
            found += [Closing(one, late.sentence, late.step or None, job=job) for one in mine]
        return found

    def _stop(self, job: SeenJob, over: Collection[str]) -> Stop | None:
        """Whether a living Job is to go: it owes only what was cancelled, or waits for what is over or outdated."""
        mine = [one for one in job.conditions if one in self.group and one not in self.facts.committed]
        # one that owes others, too, goes on: its trainer leaves out what was cancelled
        kinds = {self.facts.closed.get(one) for one in mine}
        if "cancelled" in kinds and None not in kinds:
            return Stop(job, "cancelled")
        if job.verdict.state not in (State.PENDING, State.SUSPENDED):
            return None
        if mine and all(one in over or one in self.facts.closed for one in mine):
            return Stop(job, "its conditions are over")
        return Stop(job, "a retry takes its place") if job.generation < self.generation else None

    def _beside(
        self, alive: Sequence[SeenJob], stopped: Collection[str], over: Collection[str], left: list[str]
    ) -> None:
        """Say what holds conditions up where a Job of their training lives that is neither theirs nor about to go."""
        wanted = Piece(self._wanted(over), self.generation)
        for job in alive:
            if job.leaving or job.uid in stopped or self._ours(job, wanted):
                continue
            entries = tuple(self.group[one] for one in left)
            why = f"Job {job.name} of this run works on it, made with other settings"
            self.found.blocked.append(Blocked(entries, why, "wait until it ends, or crossad cancel and crossad retry"))

    def _ours(self, job: SeenJob, wanted: Piece) -> bool:
        """Whether it is the Job that we would make, or would have made before the plan grew or a retry came."""
        if job.spec == self.spec_of(wanted):
            return True
        carried = tuple(self.group[one] for one in job.conditions if one in self.group)
        return bool(carried) and job.spec == self.spec_of(Piece(carried, job.generation))

    def _new(self, over: Collection[str], left: Sequence[str]) -> Piece | None:
        if not left:
            return None
        piece, entries = Piece(self._wanted(over), self.generation), tuple(self.group[one] for one in left)
        if (why := self.facts.refused.get(piece.training)) is not None:
            self.found.refused.update(left)
            self.found.blocked.append(Blocked(entries, why, "correct the settings, then submit again"))
        elif (other := self.facts.others.get(piece.training)) is not None:
            way_out = "wait until it ends: what it commits counts here, too"
            self.found.blocked.append(Blocked(entries, f"{other} works on the same training", way_out))
        else:
            return piece
        return None

    def _wanted(self, over: Collection[str]) -> tuple[PlanEntry, ...]:
        """What a Job carries: all that is not closed; what is committed costs its trainer a look."""
        return tuple(entry for one, entry in self.group.items() if one not in self.facts.closed and one not in over)


def _closing(one: str, job: SeenJob) -> Closing:
    verdict = job.verdict
    if verdict.state is State.COMPLETE:
        return Closing(one, "its Job ended with 0 and left no commit", exit_code=0, job=job)
    return Closing(one, verdict.sentence, None if verdict.step == RETRY else verdict.step, verdict.exit_code, job)
