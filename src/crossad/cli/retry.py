"""`crossad retry`: another try for what failed or was cancelled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.images import Address, data_options
from crossad.cli.operate import Machine, finish, machine_options, words_argument
from crossad.cli.place import Place, place_options

_HELP = """Give failed conditions of a run another try.

\b
crossad retry night1 --failed             everything that failed for good
crossad retry night1 domainA_draem        this one, failed or cancelled
crossad retry night1 --failed --store s3://lab/runs -n team     as new Jobs in a cluster
crossad retry night1 --failed --store s3://lab/runs -n team --settings cluster.yaml     of a rendered run

What went wrong before stays on record; finished trainings and evaluations are reused. In a cluster it stays until the
run is aggregated again, as crossad submit does, or leaves it to the run's controller: the one that is there, or with
--detach a new one.
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@click.option("--failed", is_flag=True, help="All (or the named) conditions that failed; cancelled ones stay so.")
@data_options("the run's")
@place_options
@machine_options
@click.option("--no-report", is_flag=True, help="Leave the report for later.")
@cluster_options(optional=True)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    help="Of the cluster, for new Jobs.  [default: those of crossad submit]",
)
@click.option("--detach", is_flag=True, help="Let a controller in the cluster work on it.")
def command(
    words: tuple[str, ...],
    failed: bool,
    data: Address,
    place: Place,
    machine: Machine,
    no_report: bool,
    reach: Reach,
    **of_cluster: Any,  # noqa: ANN401 - --settings and --detach, for retry_jobs
) -> None:
    """Choose, reopen, work."""
    if reach.asked or any(of_cluster.values()):
        from crossad.cli.retry_jobs import retry_jobs

        retry_jobs(words, failed=failed, place=place, reach=reach, **of_cluster)
        return
    from crossad.errors import UsageError
    from crossad.launch.command import Job
    from crossad.launch.control import choose, closed, split_words
    from crossad.launch.prepare import data_locks
    from crossad.launch.session import work
    from crossad.launch.signals import STOPPED
    from crossad.launch.slots import count_gpus, slots

    with bad_input():
        home = place.waiting_home(STOPPED)
        plan, names = split_words(home, words)
        if not names and not failed:
            raise UsageError("nothing named", hint=f"crossad retry {plan.run} --failed, or name conditions")
        kinds = ("failed",) if failed else ("failed", "cancelled")
        entries = closed(home, plan, choose(plan, names), kinds)
        if not entries:
            click.echo(f"nothing to retry in run {plan.run}: no such condition has failed or was cancelled")
            return
        images = data.open(plan.data)
        job = Job(
            plan=plan,
            home=home,
            data=images,
            slots=slots(machine.gpus, machine.jobs, count_gpus(os.environ)),
            weights=machine.weights.shelf(),
            data_locks=data_locks(entries, images),
            grace_seconds=machine.grace,
        )
        summary = work(job, entries, retry=True)
    finish(summary, place, report=not no_report, command=f"crossad retry {plan.run} --failed")
