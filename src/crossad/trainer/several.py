"""The conditions of one process, one after another: what a pod does whose conditions share a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossad.errors import CrossadError, InterruptedRun
from crossad.trainer.context import Task
from crossad.trainer.finish import exit_code
from crossad.trainer.run import run_condition

# the same attempt would end in the same way; every other code ends the process at once, because a new one may do better
_STANDS = (64, 65, 66, 70, 78)


def run_conditions(tasks: Sequence[Task], tell: Callable[[str], None]) -> int:
    """Run all conditions; one that fails for good holds up no other.

    Returns:
        0, or the gravest exit code among the conditions.

    Raises:
        CrossadError: a single condition failed as a whole, or one of several in a way that another process may mend.
    """
    codes = [0]
    for task in tasks:
        task.interrupt.check()  # between two conditions: what is left is for the next process
        try:
            record = run_condition(task)
        except CrossadError as error:
            if len(tasks) == 1 or isinstance(error, InterruptedRun) or error.exit_code not in _STANDS:
                raise
            tell(f"error: {task.name}: {error}")
            codes.append(error.exit_code)
        else:
            tell(f"record: {task.results / record.run} ({record.status})")
            codes.append(exit_code(record))
    return max(codes)
