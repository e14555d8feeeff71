"""`crossad gc`: what a run that is over leaves in the cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.operate import json_option

if TYPE_CHECKING:
    from crossad.control.gc import Leftover

_HELP = """Remove what a run that is over leaves in the cluster.

\b
crossad gc night1 -n team           show what would go
crossad gc night1 -n team --yes     remove it

That is its Jobs, its anchor and the plan of a rendered run: labels decide what belongs to it. Nothing in the store is
touched: results, logs and reports stay, and so do accounts and roles (they serve all runs of the namespace), claims and
secrets. A run with a Job that is not over is left alone, unless --force says otherwise: crossad cancel is the way to
stop one.
"""
SHOWN = 20


@click.command(help=_HELP)
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Remove; without it nothing happens.")
@click.option("--force", is_flag=True, help="Also of a run that is not over: its trainers are stopped.")
@cluster_options()
@json_option
def command(run: str, yes: bool, force: bool, reach: Reach, as_json: bool) -> None:
    """Look, tell, remove."""
    from crossad.control.gc import collect, leftovers, runs
    from crossad.errors import MissingInputError, UsageError

    with bad_input():
        cluster = reach.open()
        try:
            where, found = cluster.place.namespace, leftovers(cluster, run)
            if not found:
                there = ", ".join(runs(cluster)) or "none"
                raise MissingInputError(f"nothing of run {run} in namespace {where}", hint=f"runs there: {there}")
            if as_json:
                facts = {"run": run, "namespace": where, "removed": yes, "objects": [one.facts for one in found]}
                click.echo(json.dumps(facts, indent=2))
            else:
                _print(found)
            alive = [one.name for one in found if one.alive]
            if alive and not force:
                raise UsageError(
                    f"run {run} is not over: {len(alive)} of its Jobs are at work or wait, such as {alive[0]}",
                    hint=f"crossad cancel {run} {reach.words}, then again; --force removes it as it is",
                )
            others = collect(cluster, found) if yes else []
        finally:
            cluster.close()
    for name in others:
        click.echo(f"kept: {name} is another object by now", err=True)
    if yes:
        click.echo(f"removed: {len(found) - len(others)} objects of run {run} in namespace {where}", err=True)
        click.echo("kept: the store, and accounts, roles, claims and secrets of the namespace", err=True)
    else:
        click.echo(f"nothing was removed; next: crossad gc {run} {reach.words} --yes", err=True)


def _print(found: Sequence[Leftover]) -> None:
    for one in found[:SHOWN]:
        click.echo(f"{one.component:<10} {one.resource} {one.name}{' (not over)' if one.alive else ''}")
    if len(found) > SHOWN:
        click.echo(f"and {len(found) - SHOWN} more; --json names them all")
