"""One session of work on a run: hold it, pin its plan, work its queue off."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from crossad.launch.command import CommandBuilder, Job, trainer_command
from crossad.launch.runner import Runner
from crossad.launch.screen import Screen, screen
from crossad.launch.signals import StopRequest
from crossad.launch.state import RunState
from crossad.launch.summary import Summary
from crossad.results.plan import PlanEntry, pin_plan


def work(
    job: Job,
    entries: Sequence[PlanEntry],
    *,
    retry: bool = False,
    show: Screen | None = None,
    command: CommandBuilder = trainer_command,
) -> Summary:
    """Hold the run, pin its plan and work on some of its conditions.

    Args:
        job: a plan, pinned or not yet, and the surroundings.
        entries: the conditions to work on.
        retry: also those that failed for good or were cancelled.
        show: where the run shows itself; standard error by default.
        command: builds a trainer's command line.

    Raises:
        UsageError: another process holds this run, or it pinned other content.
    """
    state = RunState(job.home, job.plan.run)
    with state.hold(), StopRequest() as stop:
        pinned = pin_plan(job.home, job.plan)
        entries = pinned.own(entries)
        if retry:
            for entry in entries:
                state.reopen(entry.condition_id)
        with show or screen(sys.stderr) as shown:
            return Runner(replace(job, plan=pinned), entries, shown, command).run(stop)
