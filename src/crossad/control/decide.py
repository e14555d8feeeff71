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
from functools import cached_property

from crossad.control.facts import Told
from crossad.control.jobs import SeenJob
from crossad.control.judgement import OVER, Judge, Judgement, Stand
from crossad.kube.verdicts import Cause, State, overdue
from crossad.results.plan import PlanEntry

GONE = "its Job is gone and left no commit (by its TTL, or by hand)"
CORRECT = "correct what the sentence names in the settings (crossad retry takes them by --settings FILE)"
# it merely queues behind others, or was just made: no start deadline is for that
QUEUES = frozenset((Cause.NEW, Cause.BUSY, Cause.QUOTA, Cause.QUEUE))
Known = tuple[int, tuple[str, ...]]  # a Job, as it is remembered: its generation, ids of its conditions


@dataclass(frozen=True)
class Piece:
    """The work of one Job: conditions that share a training, and how often that was tried before."""

    entries: tuple[PlanEntry, ...]
    generation: int

    @property
    def training(self) -> str:
        """The training that they share."""
        return self.entries[0].training_key

    @cached_property
    def known(self) -> Known:
        """What the Job is remembered by."""
        return self.generation, tuple(entry.condition_id for entry in self.entries)


@dataclass(frozen=True)
class Facts:
    """What was seen of a run; the store was read after the Jobs, so a Job that is over has told its commits."""

    groups: Sequence[tuple[PlanEntry, ...]]  # the plan's conditions by training, in its order
    told: Told
    known: Collection[Known]  # Jobs that were there once, noted before the Jobs were listed
    jobs: Sequence[SeenJob]
    now: datetime
    max_active: int
    start_deadline: timedelta | None = None
    others: Mapping[str, str] = field(default_factory=dict)  # training -> a living Job of another run
    refused: Mapping[Known, str] = field(default_factory=dict)  # Jobs that the server does not take, and why


@dataclass(frozen=True)
class Closing:
    """A condition that is over without a commit, and why."""

    condition: str
    reason: str
    hint: str | None = None  # what to do before a retry
    exit_code: int | None = None
    lost: bool = False  # nothing says why


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
    doubtful: set[str] = field(default_factory=set)  # those whose trainers should be asked before anything is closed

    @property
    def over(self) -> bool:
        """Whether nothing more can come of this run without somebody's help."""
        return self.open == self.refused


def decide(facts: Facts, spec_of: Callable[[Piece], str]) -> Decision:
    """What is to be done now.

    Args:
        facts: what was seen.
        spec_of: the hash that a Job of ours would carry, by which ours are told from others.
    """
    ours = [entry for group in facts.groups for entry in group]
    found = Decision(at_work=sum(not job.verdict.over for job in facts.jobs))
    run = _Run(facts, Judge(ours, facts.told.view, facts.jobs, facts.told.locks), spec_of, found)
    ready = [piece for group in facts.groups if (piece := _Group(group, run).decide()) is not None]
    slots = max(0, facts.max_active - found.at_work)
    found.create, found.held_back = ready[:slots], len(ready[slots:])
    return found


class _Run:
    """What the groups of a run have in common."""

    def __init__(self, facts: Facts, judge: Judge, spec_of: Callable[[Piece], str], found: Decision) -> None:
        self.facts, self.judge, self.spec_of, self.found = facts, judge, spec_of, found
        self.jobs: dict[str, list[SeenJob]] = defaultdict(list)
        for job in facts.jobs:
            self.jobs[job.training].append(job)
        self.known: dict[str, list[Known]] = defaultdict(list)
        for known in facts.known:
            for one in known[1]:
                self.known[one].append(known)
        told, ours = facts.told, judge.generations
        # a server that takes some of its Jobs refuses one for what it is; one that takes none may have been misled
        self.begun = bool(facts.jobs or facts.known) or any(one in told.committed or one in told.closed for one in ours)


class _Group:
    """The conditions that share a training, and the Jobs that there are of it."""

    def __init__(self, group: tuple[PlanEntry, ...], run: _Run) -> None:
        self.run, self.facts, self.found = run, run.facts, run.found
        self.group = {entry.condition_id: entry for entry in group}
        self.generation = run.judge.generations[group[0].condition_id]
        self.alive = [job for job in run.jobs.get(group[0].training_key, ()) if not job.verdict.over]
        told = self.facts.told
        self.open = [one for one in self.group if one not in told.committed and one not in told.closed]

    def decide(self) -> Piece | None:
        """Add to the decision what is to be closed and stopped; a Job that could be created is returned."""
        stands = {one: self.run.judge.of(self.group[one], self._gone(one)) for one in self.open}
        # its Job did its work, with other data: a retry makes another one, nothing happens by itself
        self.open = [one for one in self.open if stands[one].stand is not Stand.STALE]
        self.found.open.update(self.open)
        over = self._close([stands[one] for one in self.open])
        stopped = [stop for job in self.alive if not job.leaving and (stop := self._stop(job, over)) is not None]
        self.found.stop += stopped
        left = [one for one in self.open if one not in over]
        if left and self.alive:
            self._beside({stop.job.uid for stop in stopped}, over, left)
        elif left and not any(stands[one].stand is Stand.AT_WORK for one in left):
            return self._new(over, left)
        return None

    def _close(self, stands: Collection[Judgement]) -> set[str]:
        """Close what is over; ids."""
        closing = [found for one in stands if (found := _closing(one) or self._late(one)) is not None]
        self.found.close += closing
        self.found.doubtful.update(self.group if closing else ())
        return {one.condition for one in closing}

    def _gone(self, one: str) -> str:
        """Why no Job is to be expected, if one of this generation was there; after a cancel the others get another."""
        closed = self.facts.told.closed
        gone = not self.alive and any(
            generation == self.generation and not any(closed.get(other) == "cancelled" for other in carried)
            for generation, carried in self.run.known.get(one, ())
        )
        return GONE if gone else ""

    def _late(self, found: Judgement) -> Closing | None:
        """A condition whose Job did not start in time, for a reason that does not pass by itself."""
        job, deadline = found.job, self.facts.start_deadline
        if deadline is None or job is None or found.stand is not Stand.HELD or job.verdict.cause in QUEUES:
            return None
        late = overdue(job.verdict, job.created, self.facts.now, deadline)
        # what has worked was taken from its node: its next pod may wait for hours, and its work is in the store
        begun = any(self.run.judge.begun(one) for one in job.conditions)
        if late is None or begun or job.leaving or job.generation < self.generation:
            return None
        return Closing(found.entry.condition_id, late.sentence, late.step or None)

    def _stop(self, job: SeenJob, over: Collection[str]) -> Stop | None:
        """Whether a living Job is to go: it owes only what was cancelled, or waits for what is over or outdated."""
        told = self.facts.told
        mine = [one for one in job.conditions if one in self.group and one not in told.committed]
        # one that owes others, too, goes on: its trainer leaves out what was cancelled
        kinds = {told.closed.get(one) for one in mine}
        if "cancelled" in kinds and None not in kinds:
            return Stop(job, "cancelled")
        if job.verdict.state not in (State.PENDING, State.SUSPENDED):
            return None
        if mine and all(one in over or one in told.closed for one in mine):
            return Stop(job, "its conditions are over")
        return Stop(job, "a retry takes its place") if job.generation < self.generation else None

    def _beside(self, stopped: Collection[str], over: Collection[str], left: Sequence[str]) -> None:
        """Say what holds conditions up where a Job of their training lives that is neither theirs nor about to go."""
        wanted = Piece(self._wanted(over), self.generation)
        for job in self.alive:
            if job.leaving or job.uid in stopped or self._ours(job, wanted):
                continue
            entries = tuple(self.group[one] for one in left)
            why = f"Job {job.name} of this run works on it, made with other settings"
            self.found.blocked.append(Blocked(entries, why, "wait until it ends, or crossad cancel and crossad retry"))

    def _ours(self, job: SeenJob, wanted: Piece) -> bool:
        """Whether it is the Job that we would make, or would have made before the plan grew or a retry came."""
        if job.spec == self.run.spec_of(wanted):
            return True
        carried = tuple(self.group[one] for one in job.conditions if one in self.group)
        return bool(carried) and job.spec == self.run.spec_of(Piece(carried, job.generation))

    def _new(self, over: Collection[str], left: Sequence[str]) -> Piece | None:
        piece, entries = Piece(self._wanted(over), self.generation), tuple(self.group[one] for one in left)
        if (why := self.facts.refused.get(piece.known)) is not None:
            self._refused(why, entries)
        elif (other := self.facts.others.get(piece.training)) is not None:
            way_out = "wait until it ends: what it commits counts here, too"
            self.found.blocked.append(Blocked(entries, f"{other} works on the same training", way_out))
        else:
            return piece
        return None

    def _refused(self, why: str, entries: tuple[PlanEntry, ...]) -> None:
        """The server does not take their Job, and would not take it again."""
        if self.run.begun:
            self.found.close += [Closing(one.condition_id, f"its Job is refused: {why}", CORRECT) for one in entries]
            return
        self.found.refused.update(one.condition_id for one in entries)
        self.found.blocked.append(Blocked(entries, why, "correct the settings, then submit again"))

    def _wanted(self, over: Collection[str]) -> tuple[PlanEntry, ...]:
        """What a Job carries: all that is not closed; what is committed costs its trainer a look."""
        closed = self.facts.told.closed
        return tuple(entry for one, entry in self.group.items() if one not in closed and one not in over)


def _closing(found: Judgement) -> Closing | None:
    """What is over by its Job, or by the want of one."""
    if found.stand not in OVER:
        return None
    code = found.job.verdict.exit_code if found.job is not None else (found.failure or {}).get("exit_code")
    lost = found.stand is Stand.LOST
    return Closing(found.entry.condition_id, found.reason, found.hint or None, code, lost)
