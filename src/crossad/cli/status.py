"""`crossad status`: where every condition of a run stands."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option, words_argument
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.launch.standing import Standing

_HELP = """Show where every condition of a run stands.

\b
crossad status                    the newest run
crossad status night1 --json

\b
done       committed                        waiting      for a device, or for a shared training
partial    some targets are missing         interrupted  stopped from outside, progress saved
failed     for good; see 'crossad explain'  lost         its process ended without a record
cancelled  by 'crossad cancel'              pending      not started, and nobody works on the run
stale      done, but with other data
"""


@click.command(help=_HELP)
@words_argument("[RUN]")
@place_options
@json_option
def command(words: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Look and tell."""
    from crossad.launch.afar import observe
    from crossad.launch.control import choose, split_words
    from crossad.launch.prepare import current_locks
    from crossad.launch.standing import counts

    with bad_input():
        home = place.home()
        plan, names = split_words(home, words)
        wanted = {entry.experiment_id for entry in choose(plan, names)}
        observer = observe(home, plan, current_locks(plan))
        rows = [row for row in observer.all() if row.experiment_id in wanted]
    holder = observer.state.holder()
    if as_json:
        facts = {
            "run": plan.run,
            "suite": plan.suite,
            "repeat": plan.repeat,
            "runner": holder.mark.pid if holder else None,
            "counts": counts(rows),
            "conditions": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    _print(rows)
    totals = ", ".join(f"{number} {state}" for state, number in counts(rows).items())
    who = f"process {holder.mark.pid} on {holder.host} works on it" if holder else "nobody works on it now"
    click.echo(f"{plan.run} ({plan.suite}): {totals}; {who}")
    click.echo(f"next: {_next(rows, plan.run)}", err=True)


def _print(rows: Sequence[Standing]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from crossad.launch.words import aurocs, clock

    # a pipe has no width: its reader wants whole lines
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    table = Table(box=None, pad_edge=False)
    for title in ("id", "condition", "state", "device", "phase", "ETA", "AUROC"):
        table.add_column(title, overflow="fold")
    for row in rows:
        eta = clock(row.eta_seconds) if row.eta_seconds is not None else ""
        cells = (str(row.experiment_id), row.name, row.state, row.device, row.phase, eta, aurocs(row.auroc))
        table.add_row(*map(Text, cells))
    console.print(table, crop=False)


def _next(rows: Sequence[Standing], run: str) -> str:
    unhappy = next((row for row in rows if row.state not in ("done", "running", "waiting")), None)
    if unhappy is not None:
        return f"crossad explain {run} {unhappy.experiment_id}"
    if all(row.state == "done" for row in rows):
        return f"crossad report {run}"
    return f"crossad logs {run} -f"
