"""`crossad retry` in a cluster: the next try of a condition is a new Job."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossad.cli.cluster import Reach
from crossad.cli.place import Place
from crossad.cli.sight import typed
from crossad.cli.working import finish, once_each, open_cluster, stoppable

if TYPE_CHECKING:
    from crossad.control.aggregation import Ended
    from crossad.kube.cluster import Cluster
    from crossad.manifests.settings import Settings
    from crossad.results.home import Home
    from crossad.results.plan import Plan


def retry_jobs(
    words: tuple[str, ...], *, failed: bool, settings_file: Path | None, detach: bool, place: Place, reach: Reach
) -> None:
    """Open the next try of what failed, then see to its Jobs, unless a controller does."""
    from crossad.launch.signals import STOPPED

    with stoppable(shlex.join(("crossad", *sys.argv[1:]))):
        home = place.waiting_home(STOPPED)
        settings = _settings(home, words, settings_file, reach)
        cluster = open_cluster(reach, settings.namespace)
        try:
            plan = _reopened(home, cluster, words, failed=failed, settings=settings if settings_file else None)
            ended = None if plan is None else _work(home, cluster, plan, settings, detach=detach)
        finally:
            cluster.close()
    if plan is None:
        return
    if isinstance(ended, str):
        click.echo(f"{plan.run}: the controller {ended} takes it up")
        options = f"{typed(place, reach)} -n {settings.namespace}" if not reach.namespace else typed(place, reach)
        click.echo(f"next: crossad status {shlex.quote(plan.run)}{options} -w", err=True)
    elif ended is not None:
        finish(ended, plan.run, place.words)


def _settings(home: Home, words: Sequence[str], file: Path | None, reach: Reach) -> Settings:
    """Those of the file, else those that the run was submitted with.

    Raises:
        UsageError: the run was applied as files, or its Jobs are in another namespace.
    """
    from crossad.control.pinned import pinned_settings
    from crossad.errors import MissingInputError, UsageError
    from crossad.launch.control import split_words
    from crossad.manifests.load import load_settings

    if file is not None:
        return load_settings(file, {"namespace": reach.namespace} if reach.namespace else {})
    try:
        run = split_words(home, words)[0].run
    except MissingInputError as error:  # the cluster may have it, but nobody has what its new Jobs are to be like
        hint = f"of one that was applied as files: crossad retry {' '.join(words)} --settings FILE"
        raise MissingInputError(error.message, hint=f"{error.hint}; {hint}" if error.hint else hint) from error
    try:
        found = pinned_settings(home.state, run)
    except MissingInputError as error:
        raise UsageError(
            f"run {run} was not submitted but applied as files: the store has no settings for new Jobs",
            hint=f"name them again: crossad retry {run} --settings FILE",
        ) from error
    if reach.namespace not in (None, found.namespace):
        raise UsageError(f"--namespace {reach.namespace}: the Jobs of run {run} are in namespace {found.namespace}")
    return found


def _reopened(
    home: Home, cluster: Cluster, words: Sequence[str], *, failed: bool, settings: Settings | None
) -> Plan | None:
    """The plan of the run, once its conditions are open again; None where there was nothing to do."""
    from crossad.control.observe import ClusterObserver, surroundings
    from crossad.control.pinned import pinned_locks
    from crossad.control.planned import find
    from crossad.control.retrying import candidates, reopen
    from crossad.control.submission import pin
    from crossad.errors import UsageError
    from crossad.launch.control import choose

    plan, names = find(home, cluster, words)
    if not names and not failed:
        raise UsageError("nothing named", hint=f"crossad retry {plan.run} --failed, or name conditions")
    around = surroundings(cluster, plan.run)
    rows = ClusterObserver(home, plan, around, pinned_locks(home.state, plan.run)).all()
    found = candidates(plan, rows, choose(plan, names), cancelled=not failed)
    if not found.over and (not found.idle or around.controller):
        click.echo(f"nothing to retry in run {plan.run}: no such condition has failed or was cancelled")
        return None
    if settings is not None:
        pin(home, plan, settings, plan.command)
    for entry in reopen(home, plan.run, found.over):
        click.echo(f"retried: {entry.name}")
    for entry in () if around.controller else found.idle:
        click.echo(f"taken up: {entry.name}")
    return plan


def _work(home: Home, cluster: Cluster, plan: Plan, settings: Settings, *, detach: bool) -> Ended | str | None:
    """How the run ended, or the name of the controller that works on it."""
    from crossad.control import submission
    from crossad.control.jobs import controller
    from crossad.control.reconcile import Reconciler
    from crossad.launch.signals import STOPPED

    if name := controller(cluster, plan.run):
        return name
    worker = Reconciler(cluster, home, plan.run, once_each(), stopped=STOPPED.is_set)
    if detach:
        return submission.detach(cluster, worker, plan.run, settings)
    return worker.work(STOPPED.wait)
