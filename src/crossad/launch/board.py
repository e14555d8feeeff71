"""What a display shows of a run: one row a condition, counts, and when it will be over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

from crossad.launch.queue import Queue, State, Task
from crossad.launch.words import describe
from crossad.results.layout import RunPaths
from crossad.results.progress import Progress, read_progress


@dataclass(frozen=True)
class Row:
    """One condition now."""

    name: str
    state: State
    device: str = ""
    progress: Progress | None = None
    note: str = ""
    auroc: dict[str, float | None] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """What the trainer does, with its count: "fitting 120/400 step"."""
        if self.progress is not None:
            return describe(self.progress)
        return "starting" if self.state == "running" else ""


@dataclass(frozen=True)
class Board:
    """All conditions now."""

    rows: tuple[Row, ...]
    eta_seconds: float | None

    @property
    def counts(self) -> str:
        """How many stand where: 3 done, 2 running, 11 waiting."""
        found = Counter(row.state for row in self.rows)
        order: tuple[State, ...] = ("done", "running", "waiting", "failed", "interrupted", "cancelled")
        return ", ".join(f"{found[state]} {state}" for state in order if found[state])


def board(queue: Queue, paths: RunPaths, durations: Sequence[float], slot_count: int) -> Board:
    """Read what the trainers say and lay it out.

    Args:
        queue: the conditions and their states.
        paths: the run's files.
        durations: seconds that finished conditions of this session took.
        slot_count: conditions that can run at once.
    """
    rows = tuple(_row(task, queue, paths) for task in queue.tasks)
    running = [row.progress for row in rows if row.state == "running"]
    waiting = sum(row.state == "waiting" for row in rows)
    return Board(rows, estimate(running, waiting, durations, slot_count))


def _row(task: Task, queue: Queue, paths: RunPaths) -> Row:
    name = task.entry.name
    running = task.state == "running"
    seen = read_progress(paths.condition(name).progress) if running or task.state == "done" else None
    first = queue.waits_for(task)
    note = f"shares a training with {first.entry.name}" if first else (task.reasons[-1] if task.reasons else "")
    return Row(
        name=name,
        state=task.state,
        device=str(task.slot) if task.slot else "",
        progress=seen if running else None,
        note=note,
        auroc=seen.auroc if seen else {},
    )


def estimate(
    running: Sequence[Progress | None], waiting: int, durations: Sequence[float], slot_count: int
) -> float | None:
    """Seconds until the queue is empty, or None while nothing is known.

    A condition takes as long as those before it did; before the first has ended, as the running ones will.
    """
    left = [one.eta_seconds for one in running if one is not None and one.eta_seconds is not None]
    whole = [
        one.updated - one.started + one.eta_seconds
        for one in running
        if one is not None and one.eta_seconds is not None
    ]
    known = list(durations) or whole
    if not known:
        return None
    typical = mean(known)
    longest = max(left, default=typical if running else 0.0)
    return longest + waiting * typical / max(1, slot_count)
