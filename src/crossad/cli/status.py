"""`crossad status`: where every condition of a run stands."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.images import Address, data_options
from crossad.cli.operate import json_option, words_argument
from crossad.cli.place import Place, place_options
from crossad.cli.sight import Looker, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossad.cli.sight import Sight
    from crossad.launch.standing import Standing
    from crossad.results.plan import Plan

_HELP = """Show where every condition of a run stands.

\b
crossad status                                        the newest run
crossad status night1 --json
crossad status night1 --store s3://lab/runs -n team -w    with its Jobs in a namespace, live
crossad status night1 --store s3://lab/runs --cluster     in the kubeconfig's own namespace
crossad status night1 --store s3://lab/runs --data s3://lab/hdmap    what was done with other data is stale

Of more than 50 conditions only those are shown that somebody should look at, the worst first; --all shows all.

\b
done       committed                        waiting      for a device, or for a shared training
partial    some targets are missing         interrupted  stopped from outside, progress saved
failed     for good; see 'crossad explain'  lost         its process or Job ended without a record
cancelled  by 'crossad cancel'              pending      not started: see 'crossad explain'
stale      done, but with other data
in a cluster also
starting   its pod has a node               retrying     an attempt ended, the next one is due
suspended  held back, as by Kueue           ending       its pod is being stopped
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@click.option("-w", "--watch", is_flag=True, help="Look again and again until nothing is left to do.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=5.0, show_default=True, metavar="SECONDS", help="With --watch."
)
@click.option("--all", "everything", is_flag=True, help="Show all conditions, however many.")
@place_options
@data_options("the run's own, if they are in a folder here")
@cluster_options(optional=True)
@json_option
def command(
    words: tuple[str, ...],
    watch: bool,
    every: float,
    everything: bool,
    place: Place,
    data: Address,
    reach: Reach,
    as_json: bool,
) -> None:
    """Look and tell."""
    if watch:
        # Ctrl-C is the usual end of looking
        with bad_input(), suppress(KeyboardInterrupt), _once_begun(place, reach, words, data, every) as looker:
            _watch(looker, every, everything=everything, as_json=as_json)
        return
    with bad_input(), Looker(place, reach, words, data) as looker:
        sight = looker.look()
    if as_json:
        click.echo(json.dumps(_facts(looker.plan, sight), indent=2, ensure_ascii=False))
        return
    from crossad.cli.standings import print_standings

    print_standings(looker.plan, sight, everything=everything)
    click.echo(f"next: {_next(sight.rows, looker.plan.run, data.words)}{typed(place, reach)}", err=True)


def _once_begun(place: Place, reach: Reach, words: tuple[str, ...], data: Address, every: float) -> Looker:
    """A run that was just given to a controller is waited for."""
    from crossad.control.planned import NotBegun

    while True:
        try:
            return Looker(place, reach, words, data)
        except NotBegun as error:
            click.echo(f"{error.message}; looking again in {every:g} s", err=True)
            time.sleep(every)


def _watch(looker: Looker, every: float, *, everything: bool, as_json: bool) -> None:
    if as_json:
        for sight in looker.looks(every):
            click.echo(json.dumps(_facts(looker.plan, sight), ensure_ascii=False))
        return
    from crossad.cli.standings import show_live

    show_live(looker.plan, looker.looks(every), everything=everything)


def _facts(plan: Plan, sight: Sight) -> dict[str, object]:
    from crossad.launch.standing import counts

    return {
        "run": plan.run,
        "suite": plan.suite,
        "repeat": plan.repeat,
        "runner": sight.holder.mark.pid if sight.holder else None,
        "namespace": sight.namespace,
        "controller": sight.controller or None,
        "counts": counts(sight.rows),
        "conditions": [asdict(row) for row in sight.rows],
    }


def _next(rows: Sequence[Standing], run: str, data: str) -> str:
    from crossad.cli.standings import by_need

    unhappy = next((row for row in by_need(rows) if row.needy), None)
    if unhappy is not None:
        return f"crossad explain {run} {unhappy.experiment_id} {data}".rstrip()
    if all(row.state == "done" for row in rows):
        return f"crossad report {run}"
    return f"crossad status {run} -w {data}".rstrip()
