"""`crossad cancel`: stop a run, or conditions of it."""

from __future__ import annotations

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import words_argument
from crossad.cli.place import Place, place_options

_HELP = """Stop a run or one of its conditions.

\b
crossad cancel night1                     all of it
crossad cancel night1 domainA_draem

Trainers save and end. A later 'crossad run' leaves cancelled conditions alone until 'crossad retry'.
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]...")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=35.0,
    show_default=True,
    metavar="SECONDS",
    help="How long trainers may take to save.",
)
@place_options
def command(words: tuple[str, ...], grace: float, place: Place) -> None:
    """Give the verdicts, wait for the trainers."""
    from crossad.launch.control import cancel, choose, split_words, stop_trainers

    with bad_input():
        home = place.home()
        plan, names = split_words(home, words)
        entries = choose(plan, names)
        cancelled = cancel(home, plan, entries)
        stopped = stop_trainers(home, plan, cancelled, grace)
    for entry in cancelled:
        click.echo(f"cancelled: {entry.name}")
    if not cancelled:
        click.echo(f"nothing to cancel in run {plan.run}: all of it is over")
    else:
        click.echo(f"{stopped} trainer(s) stopped; next: crossad retry {plan.run} NAME takes it up again", err=True)
