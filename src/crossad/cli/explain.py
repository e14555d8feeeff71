"""`crossad explain`: one sentence a condition."""

from __future__ import annotations

import json

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option, words_argument
from crossad.cli.place import Place, place_options

_HELP = """Say in one sentence why a condition is pending or failed, and the next step.

\b
crossad explain                       what is not done in the newest run
crossad explain night1 domainA_draem
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@place_options
@json_option
def command(words: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Look and say why."""
    from crossad.launch.afar import observe
    from crossad.launch.control import choose, split_words
    from crossad.launch.prepare import current_locks

    with bad_input():
        home = place.home()
        plan, names = split_words(home, words)
        wanted = {entry.experiment_id for entry in choose(plan, names)}
        found = [row for row in observe(home, plan, current_locks(plan)).all() if row.experiment_id in wanted]
    rows = found if names else [row for row in found if row.state != "done"]
    if as_json:
        keys = ("experiment_id", "name", "state", "reason", "next_step")
        facts = [{key: getattr(row, key) for key in keys} for row in rows]
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(row.sentence)
    if not rows:
        click.echo(f"every condition of run {plan.run} is done")
        click.echo(f"next: crossad report {plan.run}", err=True)
