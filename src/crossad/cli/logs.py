"""`crossad logs`: print or follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.operate import words_argument
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.kube.cluster import Cluster
    from crossad.launch.standing import Observer
    from crossad.results.plan import PlanEntry

_HELP = """Print or follow the log of a condition.

\b
crossad logs night1                        the run: starts, ends, failures, every AUROC
crossad logs night1 domainA_draem -f       one condition, live
crossad logs night1 domainA_draem --detail with its progress bar and library messages
crossad logs night1 domainA_draem --store s3://lab/runs -n team -f      its pod, and the pod that replaces it

In a cluster it prints what the pod says while there is one; what all attempts wrote lies in the store, and is printed
where no pod works, and with --detail.
"""
BRIEF = 15.0  # seconds to wait for a cluster, or for the node of a pod


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]")
@click.option("-f", "--follow", is_flag=True, help="Keep printing until nobody works on it any more.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Of what there is, only the last N lines.")
@click.option("--detail", is_flag=True, help="training_detail.log: bars, warnings, errors.")
@place_options
@cluster_options(optional=True)
def command(words: tuple[str, ...], follow: bool, tail: int | None, detail: bool, place: Place, reach: Reach) -> None:
    """Find who has the log, print it, follow it."""
    from crossad.control.planned import find
    from crossad.errors import UsageError
    from crossad.kube.patience import Patience
    from crossad.launch.afar import observe
    from crossad.launch.control import choose

    cluster = reach.open(Patience(BRIEF)) if reach.asked else None
    try:
        with bad_input():
            home = place.home()
            plan, names = find(home, cluster, words)
            if len(names) > 1:
                raise UsageError(f"got {len(names)} conditions, allowed: one, or none for the run's own log")
            entry = choose(plan, names)[0] if names else None
            observer, found = observe(home, plan), None
            if cluster is not None and entry is not None and not detail:
                found = _of_pod(cluster, observer, entry, follow=follow, tail=tail)
            if found is None:
                found = _kept(observer, entry, detail=detail, follow=follow, tail=tail)
            for line in found:
                click.echo(line)
    finally:
        if cluster is not None:
            cluster.close()


def _of_pod(
    cluster: Cluster, observer: Observer, entry: PlanEntry, *, follow: bool, tail: int | None
) -> Iterator[str] | None:
    """What its pod prints; None where the store has more to say: no pod works on it, and none is to come."""
    import time

    from crossad.control.podlogs import POLL_SECONDS, Follower
    from crossad.launch.afar import attempts_of

    follower = Follower(cluster, observer.plan.run, entry, lambda text: click.echo(text, err=True), tail)
    job = follower.job()
    if job is None or (job.verdict.over and attempts_of(observer.home.state, observer.plan.run, entry.condition_id)):
        return None
    return follower.lines(lambda: time.sleep(POLL_SECONDS)) if follow else iter(follower.now(job))


def _kept(
    observer: Observer, entry: PlanEntry | None, *, detail: bool, follow: bool, tail: int | None
) -> Iterator[str]:
    """What was written: here, or by other machines into the store.

    Raises:
        MissingInputError: nothing was written yet.
        UsageError: it lies on another machine.
    """
    from crossad.errors import MissingInputError, UsageError
    from crossad.launch.afar import attempts_of
    from crossad.launch.follow import far_lines, lines, log_file

    home, run = observer.home, observer.plan.run
    path = log_file(observer, entry, detail=detail)
    if path is None and home.remote and entry is None:
        raise UsageError("the run's own log lies where its queue works", hint=f"crossad logs {run} CONDITION")
    if (
        path is None
        and home.remote
        and entry is not None
        and (follow or attempts_of(home.state, run, entry.condition_id))
    ):
        return far_lines(observer, entry, detail=detail, follow=follow, tail=tail)
    if path is None and not follow:
        raise MissingInputError("no log yet: it was never started", hint=f"crossad explain {run}")
    return lines(observer, entry, detail=detail, follow=follow, tail=tail)
