"""Which condition runs where, next: a scheduler without processes, files or a clock.

Order is the plan's. A freed slot takes the next condition that may start. A condition waits only for a
running one with the same training key, because it will reuse that training; it blocks no slot meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from crossad.launch.slots import Slot
from crossad.results.plan import PlanEntry

State = Literal["waiting", "running", "done", "failed", "interrupted", "cancelled"]
FOR_GOOD = frozenset({64, 65, 66, 70, 78})  # contracts, "Exit codes": trying again gives the same
INTERRUPTED = 75
CRASH_RETRIES = 2


@dataclass
class Task:
    """One condition on its way through the queue."""

    entry: PlanEntry
    state: State = "waiting"
    slot: Slot | None = None
    attempts: int = 0
    exit_code: int | None = None
    reasons: list[str] = field(default_factory=list)  # one per attempt that ended badly

    @property
    def over(self) -> bool:
        """True once nothing more will happen to it."""
        return self.state not in ("waiting", "running")


class Queue:
    """Conditions on slots."""

    def __init__(self, entries: Sequence[PlanEntry], slots: Sequence[Slot], retries: int = CRASH_RETRIES) -> None:
        """Take the conditions in their order and the slots that they may use."""
        self.tasks = [Task(entry) for entry in entries]
        self._line = list(self.tasks)  # waiting tasks, next first
        self._free = list(slots)  # the longest free first
        self._retries = retries
        self._stopping = False

    @property
    def finished(self) -> bool:
        """True where nothing runs and nothing will start."""
        return all(task.over for task in self.tasks)

    @property
    def running(self) -> list[Task]:
        """Tasks on a slot, in the plan's order."""
        return [task for task in self.tasks if task.state == "running"]

    def start_next(self) -> Task | None:
        """Put the next startable condition on a free slot; None where nothing can start now."""
        if self._stopping or not self._free:
            return None
        busy = {task.entry.training_key for task in self.running}
        for task in self._line:
            if task.entry.training_key not in busy:
                self._line.remove(task)
                task.state, task.slot = "running", self._free.pop(0)
                task.attempts += 1
                return task
        return None

    def waits_for(self, task: Task) -> Task | None:
        """The running condition whose training a waiting one will reuse, if that is what it waits for."""
        same = (other for other in self.running if other.entry.training_key == task.entry.training_key)
        return next(same, None) if task.state == "waiting" else None

    def ended(self, task: Task, exit_code: int, reason: str = "") -> State:
        """Free the slot of a running condition and decide what its exit code means.

        0 is done; 64, 65, 66, 70, 78 fail for good; 75 is interrupted, which is no failure; anything else is
        a crash and goes to the end of the line until its retries are used up. A crash while stopping is an
        interruption: we may have caused it.
        """
        self._release(task)
        task.exit_code = exit_code
        if exit_code == 0:
            task.state = "done"
            return task.state
        task.reasons.append(reason)
        if exit_code == INTERRUPTED or (self._stopping and exit_code not in FOR_GOOD):
            task.state = "interrupted"
        elif exit_code in FOR_GOOD or task.attempts > self._retries:
            task.state = "failed"
        else:
            task.state = "waiting"
            self._line.append(task)
        return task.state

    def settle(self, task: Task, state: Literal["done", "failed", "cancelled"], reason: str = "") -> None:
        """Take a condition out of the queue for a reason from outside: an earlier commit, a verdict."""
        if task.state == "running":
            self._release(task)
        elif task in self._line:
            self._line.remove(task)
        task.state = state
        if reason:
            task.reasons.append(reason)

    def stop(self) -> None:
        """Start nothing more; what still waits is interrupted."""
        self._stopping = True
        for task in self._line:
            task.state = "interrupted"
        self._line.clear()

    def _release(self, task: Task) -> None:
        if task.slot is not None:
            self._free.insert(0, task.slot)  # the slot freed last is taken next
            task.slot = None
