"""`crossad cancel`: stop a run, or conditions of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.operate import words_argument
from crossad.cli.place import Place, place_options
from crossad.cli.sight import typed

if TYPE_CHECKING:
    from crossad.kube.cluster import Cluster
    from crossad.results.home import Home
    from crossad.results.plan import Plan, PlanEntry

_HELP = """Stop a run or one of its conditions.

\b
crossad cancel night1                     all of it
crossad cancel night1 domainA_draem
crossad cancel night1 --store s3://lab/runs -n team        its Jobs in a namespace, too

Trainers save and end. A later 'crossad run', 'submit' or a controller leaves cancelled conditions alone until
'crossad retry'. A Job that other conditions need, too, goes on: its trainer leaves out what was cancelled.
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=35.0,
    show_default=True,
    metavar="SECONDS",
    help="How long trainers of this machine may take to save; a Job has its own grace.",
)
@place_options
@cluster_options(optional=True)
def command(words: tuple[str, ...], grace: float, place: Place, reach: Reach) -> None:
    """Give the verdicts, then stop the trainers."""
    from crossad.control.planned import find
    from crossad.launch.control import cancel, choose, stop_trainers

    with bad_input():
        home = place.home()
        cluster = reach.open() if reach.asked else None
        try:
            plan, names = find(home, cluster, words)
            entries = choose(plan, names)
            cancelled = cancel(home, plan, entries)
            for entry in cancelled:
                click.echo(f"cancelled: {entry.name}")
            stopped = stop_trainers(home, plan, cancelled, grace)
            # also those of a cancel that was cut off after its verdicts
            if cluster is not None:
                stopped += _stop_jobs(cluster, home, plan, entries)
        finally:
            if cluster is not None:
                cluster.close()
    if not cancelled and not stopped:
        click.echo(f"nothing to cancel in run {plan.run}: all of it is over")
        return
    what = "trainer(s)" if cluster is None else "trainer(s) and Job(s)"
    next_ = f"crossad retry {plan.run} NAME{typed(place, reach)}"
    click.echo(f"{stopped} {what} stopped; next: {next_} takes it up again", err=True)


def _stop_jobs(cluster: Cluster, home: Home, plan: Plan, entries: Sequence[PlanEntry]) -> int:
    """Remove the Jobs that owe nothing any more; say which go on, and for whom."""
    from crossad.control.cancelling import remove_jobs, sort_out
    from crossad.control.facts import Teller
    from crossad.control.jobs import look
    from crossad.control.pinned import pinned_locks

    jobs = look(cluster, plan.run, why=False)
    names = {entry.condition_id: entry.name for entry in plan.conditions}
    told = Teller(home, plan.run).look(locks=pinned_locks(home.state, plan.run))
    found = sort_out(jobs, told, {entry.condition_id for entry in entries})
    for job, owed in found.shared:
        others = ", ".join(names.get(one, one) for one in owed)
        click.echo(f"Job {job.name} goes on for {others}; its trainer leaves out what was cancelled", err=True)
    remove_jobs(cluster, found.going)
    return len(found.going)
