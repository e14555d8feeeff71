"""`crossad submit`: the Jobs of a suite, created in the cluster."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.images import Address
from crossad.cli.place import Place, place_options
from crossad.cli.suites import plan_of, settings_of, suite_options
from crossad.cli.working import finish, once_each, open_cluster, stoppable

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossad.control.aggregation import Ended
    from crossad.control.decide import Decision, Facts
    from crossad.control.judgement import Locks
    from crossad.kube.cluster import Cluster
    from crossad.manifests.settings import Settings
    from crossad.results.home import Home
    from crossad.results.plan import Plan

_HELP = """Create the Jobs of a suite in a cluster and bring the run to its end.

\b
crossad submit conditions/base.json --settings cluster.yaml --dry-run
crossad submit conditions/base.json --settings cluster.yaml --run night1
crossad submit conditions/base.json --settings cluster.yaml --run night1 --detach
crossad submit conditions/base.json --settings cluster.yaml --run night1 --data-lock data/hdmap

Namespace and store are the settings', where no option names others. The Jobs are those of crossad render. Committed
conditions are skipped, Jobs that are there are adopted, failed and cancelled conditions stay closed until crossad
retry; a living Job of the same training is never joined by another one. With the lock of the data root given, results
of other images do not count, for whoever looks at the run from then on: what is in a claim no controller can see. It
stays until the aggregation has ended: Ctrl-C at any moment loses nothing, and the same command continues. With --detach
a controller in the cluster does it instead.

Exit codes: 0 all committed, 3 something failed or is missing (the report is written), 2 bad input, 75 interrupted.
"""


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE", type=click.Path())
@suite_options
@click.option("--max-active", type=click.IntRange(min=1), help="Instead of the settings' control.maxActive.")
@click.option(
    "--data-lock", metavar="DATA", help="A data root with its lock, or s3://…: results of other images do not count."
)
@click.option("--detach", is_flag=True, help="Let a controller in the cluster work on it.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; nothing is written.")
@cluster_options()
@place_options
def command(
    words: tuple[str, ...],
    reach: Reach,
    place: Place,
    max_active: int | None,
    data_lock: str | None,
    detach: bool,
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - those of suite_options
) -> None:
    """Check, pin, work."""
    from crossad.control import submission
    from crossad.launch.signals import STOPPED

    typed = ("crossad", *sys.argv[1:])
    with stoppable(shlex.join(typed)):
        changes = {} if max_active is None else {"control.maxActive": max_active}
        named = {"namespace": reach.namespace, "store": place.store}
        settings = settings_of({**options, **named}, changes)
        plan = plan_of(words, "submit", settings, options)
        place = _as_pods_see_it(place, settings)
        home, cluster = place.waiting_home(STOPPED), open_cluster(reach, settings.namespace)
        try:
            _announce(plan, settings, home, cluster)
            locks_of = _locks_of(data_lock, plan, settings)
            if dry_run:
                _preview(plan, settings, home, cluster, locks_of(plan) if locks_of else {})
                return
            submission.pin(home, plan, settings, typed, locks_of)
            ended = _work(plan, settings, home, cluster, detach=detach)
        finally:
            cluster.close()
    if isinstance(ended, str):
        name = shlex.quote(plan.run)
        click.echo(f"{plan.run}: the controller {ended} works on it")
        click.echo(f"next: crossad status {name} {place.words} -n {settings.namespace}", err=True)
        return
    finish(ended, plan.run, place.words)


def _as_pods_see_it(place: Place, settings: Settings) -> Place:
    """The store of the settings; an option of the command line says how it is reached from here."""
    pairs = tuple(f"{name}={value}" for name, value in settings.store.options.items())
    return replace(place, store=settings.store.uri, options=(*pairs, *place.options))


def _announce(plan: Plan, settings: Settings, home: Home, cluster: Cluster) -> None:
    from crossad.manifests.folder import check_claim
    from crossad.manifests.job import groups, trainer_job

    found = groups(plan.conditions)
    jobs = len(found)
    check_claim(settings, jobs)
    for group in found:
        if len(group) > 1:  # whether they can share a Job is told before anything is pinned
            trainer_job(plan, group, settings)
    for warning in settings.warnings(jobs):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"run {plan.run}: {len(plan.conditions)} conditions in {jobs} Jobs", err=True)
    click.echo(f"store: {home.uri}", err=True)
    click.echo(f"cluster: {cluster.place}", err=True)


def _preview(plan: Plan, settings: Settings, home: Home, cluster: Cluster, locks: Locks) -> None:
    from crossad.control.submission import Unpinned, preview

    for line in _outlook(*preview(cluster, home, Unpinned(plan, settings, locks))):
        click.echo(line)
    click.echo("nothing was written; next: the same without --dry-run", err=True)


def _outlook(facts: Facts, decision: Decision) -> list[str]:
    """What would happen, a line a kind."""
    ours = [entry.condition_id for group in facts.groups for entry in group]
    told = facts.told
    kinds = [told.closed.get(one) for one in ours]
    counts = (
        (sum(one in told.committed for one in ours), "conditions committed: nothing to do"),
        (kinds.count("failed"), "conditions failed: crossad retry opens them again"),
        (kinds.count("cancelled"), "conditions cancelled: crossad retry opens them again"),
        (len(decision.close), "conditions without a result, whose Job is over, late or refused: they become failed"),
        (decision.at_work, "Jobs there and not over: adopted"),
        (len(decision.stop), "Jobs to remove"),
        (len(decision.create), "Jobs to create now; the server admits the first of them"),
        (decision.held_back, "Jobs to create when others have ended (control.maxActive)"),
    )
    blocked = [
        f"refused: {', '.join(one.name for one in found.entries)}: {found.why}; {found.way_out}"
        for found in decision.blocked
    ]
    return [f"{count:>6}  {what}" for count, what in counts if count] + blocked


def _locks_of(data: str | None, plan: Plan, settings: Settings) -> Callable[[Plan], Locks] | None:
    """The locks of the images as they can be seen from here.

    Raises:
        MissingInputError: there is no lock.
    """
    from crossad.errors import MissingInputError
    from crossad.launch.prepare import data_locks
    from crossad.store.opening import on_s3

    if data is None:
        return None
    options = tuple(f"{name}={value}" for name, value in settings.data.options.items()) if on_s3(data) else ()
    images = Address(data, None, options).open(data)

    if None in data_locks(plan.conditions[:1], images).values():
        raise MissingInputError(f"--data-lock {data}: no data.lock.json there", hint=f"crossad data check {data}")
    return lambda found: data_locks(found.conditions, images)


def _work(plan: Plan, settings: Settings, home: Home, cluster: Cluster, *, detach: bool) -> Ended | str:
    """How the run ended; or the controller that works on it."""
    from crossad.control import submission
    from crossad.control.reconcile import Reconciler
    from crossad.launch.signals import STOPPED

    worker = Reconciler(cluster, home, plan.run, once_each(), stopped=STOPPED.is_set)
    if detach:
        return submission.detach(cluster, worker, plan.run, settings)
    return worker.work(STOPPED.wait)
