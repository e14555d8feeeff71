"""`crossad logs`: print or follow."""

from __future__ import annotations

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import words_argument
from crossad.cli.place import Place, place_options

_HELP = """Print or follow the log of a condition.

\b
crossad logs night1                        the run: starts, ends, failures, every AUROC
crossad logs night1 domainA_draem -f       one condition, live
crossad logs night1 domainA_draem --detail with its progress bar and library messages
"""


@click.command(help=_HELP)
@words_argument("[RUN] [CONDITION]")
@click.option("-f", "--follow", is_flag=True, help="Keep printing until nobody works on it any more.")
@click.option("--detail", is_flag=True, help="training_detail.log: bars, warnings, errors.")
@place_options
def command(words: tuple[str, ...], follow: bool, detail: bool, place: Place) -> None:
    """Find the file, print it, follow it."""
    from crossad.errors import MissingInputError, UsageError
    from crossad.launch.afar import observe
    from crossad.launch.control import choose, split_words
    from crossad.launch.follow import far_lines, lines, log_file

    with bad_input():
        home = place.home()
        plan, names = split_words(home, words)
        if len(names) > 1:
            raise UsageError(f"got {len(names)} conditions, allowed: one, or none for the run's own log")
        entry = choose(plan, names)[0] if names else None
        observer = observe(home, plan)
        path = log_file(observer, entry, detail=detail)
        if path is None and home.remote and entry is not None:
            found = far_lines(observer, entry, detail=detail, follow=follow)
        elif path is None and home.remote:
            raise UsageError("the run's own log lies where its queue works", hint=f"crossad logs {plan.run} CONDITION")
        elif path is None and not follow:
            raise MissingInputError("no log yet: it was never started", hint=f"crossad explain {plan.run}")
        else:
            found = lines(observer, entry, detail=detail, follow=follow)
    for line in found:
        click.echo(line)
