"""`crossad control`: the controller of a run, in a pod."""

from __future__ import annotations

import click

from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.place import Place, place_options
from crossad.cli.working import finish, once_each, open_cluster, stoppable

_HELP = """Work on a submitted run until its aggregation has ended: the controller, in a pod.

\b
crossad control night1 --store s3://experiments/crossad

What crossad submit --detach starts. Plan and settings are read from the store, again whenever they grow. Every pass
judges anew what is there, so it may be killed and started again anywhere, and two of them do what one does. SIGTERM
ends it with 75; a new one continues.

Exit codes: 0 all committed, 3 something failed or is missing (the report is written), 2 bad input, 75 interrupted.
"""


@click.command(help=_HELP)
@click.argument("run", metavar="RUN")
@place_options
@cluster_options()
def command(run: str, place: Place, reach: Reach) -> None:
    """Read what was pinned, work."""
    from crossad.control.pinned import pinned_settings
    from crossad.control.reconcile import Reconciler
    from crossad.errors import UsageError
    from crossad.launch.signals import STOPPED

    with stoppable(f"crossad control {run} {place.words}"):
        home = place.waiting_home(STOPPED)
        if not home.remote:
            raise UsageError("a run in a cluster lives in a bucket", hint="--store s3://bucket/prefix")
        namespace = pinned_settings(home.state, run).namespace
        if reach.namespace not in (None, namespace):
            raise UsageError(f"--namespace {reach.namespace}: run {run} is in namespace {namespace}")
        cluster = open_cluster(reach, namespace)
        try:
            click.echo(f"run {run}, store {home.uri}, cluster {cluster.place}", err=True)
            ended = Reconciler(cluster, home, run, once_each(), stopped=STOPPED.is_set).work(STOPPED.wait)
        finally:
            cluster.close()
    finish(ended, run, place.words)
