"""Where every condition of a run stands, why, and the next step; read from files, from any terminal."""

from __future__ import annotations

import fcntl
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from crossad.launch.ending import newest_record
from crossad.launch.process import Mark, mark
from crossad.launch.state import RunState, Trainer, Verdict
from crossad.launch.words import describe
from crossad.results.home import Home
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.plan import Plan, PlanEntry
from crossad.results.progress import Progress, read_progress

StandingState = Literal[
    "done", "stale", "partial", "failed", "cancelled", "interrupted", "lost",
    "ending", "retrying", "running", "starting", "waiting", "suspended", "pending",
]  # fmt: skip
# where somebody should look first; the others need nobody
NEEDY: tuple[StandingState, ...] = (
    "failed", "lost", "partial", "stale", "interrupted", "ending", "retrying", "suspended", "pending",
)  # fmt: skip
INTERRUPTED = 75


@dataclass(frozen=True)
class Standing:
    """One condition of a run now."""

    experiment_id: int
    name: str
    state: StandingState
    reason: str  # one clause: why it stands there
    next_step: str  # a command or an advice; empty where nothing is to do
    folder: str
    device: str = ""
    attempt: int = 0
    phase: str = ""
    eta_seconds: float | None = None
    auroc: dict[str, float | None] = field(default_factory=dict)

    @property
    def needy(self) -> bool:
        """Whether somebody should look at it, where there are too many to look at all."""
        return self.state in NEEDY

    @property
    def sentence(self) -> str:
        """What `crossad explain` says."""
        step = f"; next: {self.next_step}" if self.next_step else ""
        return f"{self.name} is {self.state}: {self.reason}{step}"


class Observer:
    """Looks at one run."""

    def __init__(self, home: Home, plan: Plan, locks: Mapping[str, str | None] | None = None) -> None:
        """Take the run's newest plan; every look reads the other files afresh.

        Args:
            home: where the run lives.
            plan: the run's newest plan.
            locks: per condition id the hash of its data now; work done with other data is stale.
        """
        self.home, self.plan = home, plan
        self.locks = locks or {}
        self.paths = RunPaths(home.results, plan.run)
        self.state = RunState(home, plan.run)
        self.ledger = home.ledger

    def all(self) -> list[Standing]:
        """Every condition, in the plan's order."""
        held = self.state.holder() is not None
        # a machine that only looks has neither notes nor folders of conditions: one question instead of thousands
        folders = self.paths.root.iterdir() if self.paths.root.is_dir() else ()
        here = self.state.trainers.exists() or any(path.is_dir() for path in folders)
        seen = {entry.condition_id: self._trainer(entry) if here else None for entry in self.plan.conditions}
        busy = [entry for entry in self.plan.conditions if _alive(seen[entry.condition_id])]
        return [self._one(entry, seen[entry.condition_id], busy if held else None) for entry in self.plan.conditions]

    @staticmethod
    def works(trainer: Trainer | None) -> bool:
        """True while a trainer of this machine lives."""
        return _alive(trainer)

    def _trainer(self, entry: PlanEntry) -> Trainer | None:
        """The newest trainer: the queue's, or one that somebody started by hand."""
        noted = self.state.trainer(entry.condition_id)
        if _alive(noted):
            return noted
        by_hand = trainer_by_hand(self.paths.condition(entry.name))
        if by_hand is None:
            return noted
        return Trainer(mark=by_hand, device="", attempt=1, output="", started="")

    def _one(self, entry: PlanEntry, trainer: Trainer | None, busy: Sequence[PlanEntry] | None) -> Standing:
        """`busy` are the running conditions while a runner holds the run, else None."""
        condition = self.paths.condition(entry.name)
        seen = read_progress(condition.progress)
        commit = self.ledger.committed("condition", entry.condition_id)
        verdict = self.state.verdict(entry.condition_id)
        running = _alive(trainer)
        state: StandingState
        if running:
            state, reason, step = self._running(entry, trainer, seen)
        elif commit is not None:
            state, reason, step = self._committed(entry, commit)
        elif verdict is not None:
            state, reason, step = self._closed(entry, verdict)
        elif busy is not None:
            state, reason, step = self._waiting(entry, busy)
        else:
            state, reason, step = self._left(trainer, seen)
        return Standing(
            experiment_id=entry.experiment_id,
            name=entry.name,
            state=state,
            reason=reason,
            next_step=step,
            folder=str(condition.root),
            device=trainer.device if trainer and running else "",
            attempt=trainer.attempt if trainer else 0,
            phase=describe(seen) if seen and running else "",
            eta_seconds=seen.eta_seconds if seen and running else None,
            auroc=seen.auroc if seen else self._recorded(entry, state),
        )

    def _recorded(self, entry: PlanEntry, state: StandingState) -> dict[str, float | None]:
        """The AUROCs of finished work that was not watched here, such as a fetched run."""
        record = newest_record(self.paths.condition(entry.name), entry.condition_id) if state == "done" else None
        if record is None or record.source_results is None:
            return {}
        source = str(record.condition["config"]["source_domain"])
        targets = {name: one.test_image_AUROC for name, one in record.target_results.items()}
        return {source: record.source_results.test_image_AUROC, **targets}

    def _committed(self, entry: PlanEntry, commit: dict[str, Any]) -> tuple[StandingState, str, str]:
        lock = self.locks.get(entry.condition_id)
        if lock is not None and self.ledger.stale("condition", entry.condition_id, lock):
            return "stale", f"done in run {commit['run']}, but the data are others now", self.again
        return "done", f"committed in run {commit['run']}", ""

    def _running(
        self, entry: PlanEntry, trainer: Trainer | None, seen: Progress | None
    ) -> tuple[StandingState, str, str]:
        where = f" on {trainer.device}" if trainer and trainer.device else ""
        what = describe(seen) if seen else "starting"
        return "running", f"{what}{where}", f"crossad logs {self._quoted(entry)} -f"

    def _closed(self, entry: PlanEntry, verdict: Verdict) -> tuple[StandingState, str, str]:
        retry = f"crossad retry {self._quoted(entry)}"
        step = f"{verdict.hint}; then {retry}" if verdict.hint else retry
        if verdict.kind == "cancelled" or verdict.lost:
            return "lost" if verdict.lost else "cancelled", verdict.reason, step
        record = newest_record(self.paths.condition(entry.name), entry.condition_id)
        return "partial" if record is not None and record.status == "partial" else "failed", verdict.reason, step

    def _waiting(self, entry: PlanEntry, busy: Sequence[PlanEntry]) -> tuple[StandingState, str, str]:
        for other in busy:
            if other.training_key == entry.training_key:
                return "waiting", f"it will reuse the training of {other.name}, which runs now", ""
        return "waiting", f"no device is free, {len(busy)} condition(s) run now", ""

    def _left(self, trainer: Trainer | None, seen: Progress | None) -> tuple[StandingState, str, str]:
        """Not done, and nobody works on it."""
        again = self.again
        if trainer is None:
            return "pending", "it was never started, and nobody works on this run now", again
        if trainer.exit_code == INTERRUPTED or (seen is not None and seen.phase == "interrupted"):
            return "interrupted", "it was stopped from outside; its progress is saved", again
        if trainer.exit_code is None:
            return "lost", f"process {trainer.mark.pid} ended without a record", again
        return "lost", f"its runner ended before it could retry (exit code {trainer.exit_code})", again

    @property
    def again(self) -> str:
        """The command that continues the run."""
        return shlex.join(self.plan.command) if self.plan.command else "the same 'crossad run' command"

    def _quoted(self, entry: PlanEntry) -> str:
        return f"{self.plan.run} {shlex.quote(entry.name)}"


def counts(standings: Sequence[Standing]) -> dict[str, int]:
    """How many stand where, the most wanted first."""
    found = Counter(one.state for one in standings)
    return {state: found[state] for state in get_args(StandingState) if found[state]}


def trainer_by_hand(condition: ConditionPaths) -> Mark | None:
    """A living process that holds the condition's folder, as its progress file names it."""
    if not _locked(condition.lock):
        return None
    seen = read_progress(condition.progress)
    found = mark(seen.pid) if seen is not None else None
    return found if found is not None and found.alive else None


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _alive(trainer: Trainer | None) -> bool:
    return trainer is not None and trainer.exit_code is None and trainer.mark.alive
