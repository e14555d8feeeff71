"""Working on a run in a cluster until it ends or somebody stops it: what `submit` and `control` have in common."""

from __future__ import annotations

import shlex
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossad.cli.cluster import Reach
    from crossad.control.aggregation import Ended
    from crossad.kube.cluster import Cluster


@contextmanager
def stoppable(command: str) -> Iterator[None]:
    """One signal ends a pass in good order; every fault of what the user gave ends with 2."""
    from crossad.errors import CrossadError, InterruptedRun
    from crossad.launch.signals import STOPPED, StopRequest

    with ExitStack() as stack:
        stack.enter_context(bad_input())
        stack.enter_context(StopRequest())
        try:
            yield
        except CrossadError as error:
            if not STOPPED.is_set() or isinstance(error, InterruptedRun):
                raise
            raise InterruptedRun(f"stopped; on the way out: {error.message}", hint=f"continue: {command}") from error


def open_cluster(reach: Reach, namespace: str) -> Cluster:
    """The cluster, in the namespace of the settings; waited for until somebody stops us."""
    from crossad.kube.patience import Patience
    from crossad.launch.signals import STOPPED

    return replace(reach, namespace=namespace).open(Patience().until(STOPPED))


def once_each() -> Callable[[str], None]:
    """Says a line on stderr, and nothing twice in a row."""
    last: list[str] = []

    def say(text: str) -> None:
        if [text] != last:
            last[:] = [text]
            click.echo(text, err=True)

    return say


def finish(ended: Ended, run: str, options: str) -> None:
    """Say how the run ended and what is next; end with its exit code."""
    click.echo(f"{run}: {ended.sentence}")
    name = shlex.quote(run)
    click.echo(f"next: crossad report {name} {options}; crossad fetch {name} DIR {options}", err=True)
    if ended.exit_code:
        click.echo(f"      crossad explain {name} {options}; crossad retry {name} --failed {options}", err=True)
    raise SystemExit(ended.exit_code)
