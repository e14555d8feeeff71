"""`crossad compare`: two conditions on the same images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.analysis.compare import Comparison

_HELP = """Compare two conditions on the same images.

\b
crossad compare patchcore_base draem_base --results-dir results
crossad compare night1/draem_base night2/draem_base --json

A and B are names, RUN/NAME, or condition ids. Per domain: DeLong's paired test of the two AUROCs, corrected
for the number of domains (Holm). Exit codes: 0 compared, 2 bad input, 3 a domain could not be compared.
"""


@click.command(help=_HELP)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@place_options
@json_option
def command(first: str, second: str, place: Place, as_json: bool) -> None:
    """Find, compare, tell."""
    from crossad.analysis.collect import collect
    from crossad.analysis.compare import compare, find

    with bad_input():
        home = place.home()
        if home.remote:
            from crossad.cli.progress import progress
            from crossad.fetch.gather import bring_scores, gather

            with progress() as advance:
                collection = gather(home, (), advance)
                pair = find(collection, first), find(collection, second)
                bring_scores(home, pair, advance)
        else:
            collection = collect(place.results)
            pair = find(collection, first), find(collection, second)
        comparison = compare(*pair)
    if as_json:
        click.echo(json.dumps(comparison.facts(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(comparison)
    click.echo(f"next: crossad report {comparison.first.run} {place.words}", err=True)
    if any(pair.difference is None for pair in comparison.pairs):
        raise SystemExit(3)


def _print(comparison: Comparison) -> None:
    from crossad.analysis.wording import model_name, number

    for letter, entry in (("A", comparison.first), ("B", comparison.second)):
        click.echo(f"{letter}: {model_name(entry.model)}, {entry.name} (run {entry.run}, source {entry.source})")
    width = max(len(pair.domain) for pair in comparison.pairs)
    click.echo(f"\n{'domain':{width}}  images  AUROC A  AUROC B")
    for pair in comparison.pairs:
        areas = f"{number(pair.first):>7}  {number(pair.second):>7}"
        click.echo(f"{pair.domain:{width}}  {pair.images:>6}  {areas}")
    click.echo("")
    for pair in comparison.pairs:
        click.echo(pair.words)
