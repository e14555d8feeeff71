"""`crossad explain`: one sentence a condition."""

from __future__ import annotations

import json

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.images import Address, data_options
from crossad.cli.operate import json_option, words_argument
from crossad.cli.place import Place, place_options
from crossad.cli.sight import Looker, typed

_HELP = """Say in one sentence why a condition is pending or failed, and the next step.

\b
crossad explain                       what is not done in the newest run
crossad explain night1 domainA_draem
crossad explain night1 --store s3://lab/runs -n team       what its Jobs wait for in a namespace

In a cluster it knows: labels, taints and GPUs that no node offers, quota, policies that refuse a pod, images, claims,
secrets and accounts that are not there, Kueue, memory, exit codes, deadlines, and nodes that went away.
"""
KEYS = ("experiment_id", "name", "state", "cause", "reason", "next_step", "job", "pod")


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@place_options
@data_options("the run's own, if they are in a folder here")
@cluster_options(optional=True)
@json_option
def command(words: tuple[str, ...], place: Place, data: Address, reach: Reach, as_json: bool) -> None:
    """Look and say why."""
    with bad_input(), Looker(place, reach, words, data) as looker:
        found = looker.look().rows
    rows = found if looker.names else [row for row in found if row.state != "done"]
    if as_json:
        facts = [{key: getattr(row, key) for key in KEYS if hasattr(row, key)} for row in rows]
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(row.sentence)
    if not rows:
        click.echo(f"every condition of run {looker.plan.run} is done")
        click.echo(f"next: crossad report {looker.plan.run}{typed(place, reach)}", err=True)
