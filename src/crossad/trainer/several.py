"""The conditions of one process, one after another: what a pod does whose conditions share a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from crossad.errors import CrossadError, InterruptedRun
from crossad.trainer.cancelled import OwnStop
from crossad.trainer.context import Task
from crossad.trainer.finish import exit_code
from crossad.trainer.run import run_condition

# the same attempt would end in the same way; every other code ends the process at once, because a new one may do better
_STANDS = (64, 65, 66, 70, 78)


def run_conditions(
    tasks: Sequence[Task], tell: Callable[[str], None], cancelled: Callable[[Task], bool] | None = None
) -> int:
    """Run all conditions; one that fails for good or was cancelled holds up no other.

    Args:
        tasks: the conditions.
        tell: hears how each ended.
        cancelled: whether somebody cancelled a condition; asked before and while it is worked on.

    Returns:
        0, or the gravest exit code among the conditions; a cancelled one owes nothing any more.

    Raises:
        CrossadError: a single condition failed as a whole, or one of several in a way that another process may mend.
    """
    codes = [0]
    for task in tasks:
        task.interrupt.check()  # between two conditions: what is left is for the next process
        with OwnStop(task.interrupt, partial(cancelled or _never, task), task.ship_seconds, tell) as stop:
            codes.append(_one(task, stop, only=len(tasks) == 1, tell=tell))
    return max(codes)


def _one(task: Task, stop: OwnStop, *, only: bool, tell: Callable[[str], None]) -> int:
    """Run a condition; its exit code, where the process is to go on."""
    try:
        stop.check()
        record = run_condition(replace(task, interrupt=stop))
    except InterruptedRun:
        if not stop.alone:
            raise
        tell(f"cancelled: {task.name}")
        return 0
    except CrossadError as error:
        if only or error.exit_code not in _STANDS:
            raise
        tell(f"error: {task.name}: {error}")
        return error.exit_code
    tell(f"record: {task.results / record.run} ({record.status})")
    return exit_code(record)


def _never(task: Task) -> bool:
    return False
