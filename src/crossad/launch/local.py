"""The Python call behind `crossad run`: the same plan, queue and tree as the command.

from crossad.launch.local import RunRequest, run_suite

summary = run_suite(RunRequest(Path("conditions/smoke.json"), data=Path("data/hdmap"), gpus="cpu"))
summary.exit_code, summary.done, summary.failed
"""

from __future__ import annotations

from crossad.launch.command import CommandBuilder, trainer_command
from crossad.launch.prepare import RunRequest, prepare
from crossad.launch.screen import Screen
from crossad.launch.session import work
from crossad.launch.summary import Summary

__all__ = ["RunRequest", "run_suite"]


def run_suite(request: RunRequest, *, show: Screen | None = None, command: CommandBuilder = trainer_command) -> Summary:
    """Plan, pin and work on a suite until nothing is left; the same call later does only what is missing.

    Args:
        request: what to run and where.
        show: where the run shows itself; standard error by default.
        command: builds a trainer's command line.

    Raises:
        CrossadError: the suite, the data or the devices do not fit; nothing was started.
    """
    job, entries = prepare(request)
    return work(job, entries, retry=request.retry, show=show, command=command)
