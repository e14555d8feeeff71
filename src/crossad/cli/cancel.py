"""`crossad cancel`: stop a run, or conditions of it."""

from __future__ import annotations

from pathlib import Path

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import results_option, words_argument

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
@results_option
def command(words: tuple[str, ...], grace: float, results: Path) -> None:
    """Give the verdicts, wait for the trainers."""
    from crossad.launch.control import cancel, choose, split_words, stop_trainers

    with bad_input():
        plan, names = split_words(results, words)
        entries = choose(plan, names)
        cancelled = cancel(results, plan, entries)
        stopped = stop_trainers(results, plan, cancelled, grace)
    for entry in cancelled:
        click.echo(f"cancelled: {entry.name}")
    if not cancelled:
        click.echo(f"nothing to cancel in run {plan.run}: all of it is over")
    else:
        click.echo(f"{stopped} trainer(s) stopped; next: crossad retry {plan.run} NAME takes it up again", err=True)
