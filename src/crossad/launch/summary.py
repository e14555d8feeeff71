"""How a session of work on a run ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from crossad.errors import InterruptedRun
from crossad.launch.queue import Queue

PARTIAL = 3
NOTHING_DONE = 1


@dataclass(frozen=True)
class Summary:
    """Names of conditions by how they ended."""

    run: str
    done: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()  # failed, but some of their evaluations stand
    failed: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all done, 3 some of it, 1 nothing, 75 interrupted."""
        if self.interrupted:
            return InterruptedRun.exit_code
        if not (self.partial or self.failed or self.cancelled):
            return 0
        return PARTIAL if self.done or self.partial else NOTHING_DONE

    @property
    def counts(self) -> str:
        """How many ended how: 3 done, 1 failed."""
        groups = {name: names for name, names in asdict(self).items() if name != "run" and names}
        return ", ".join(f"{len(names)} {name}" for name, names in groups.items()) or "nothing to do"


def summarise(run: str, queue: Queue, partial: set[str]) -> Summary:
    """Sort a finished queue's conditions; `partial` names failed ones whose record holds something."""

    def names(state: str) -> tuple[str, ...]:
        return tuple(task.entry.name for task in queue.tasks if task.state == state)

    failed = names("failed")
    return Summary(
        run=run,
        done=names("done"),
        partial=tuple(name for name in failed if name in partial),
        failed=tuple(name for name in failed if name not in partial),
        cancelled=names("cancelled"),
        interrupted=names("interrupted"),
    )
