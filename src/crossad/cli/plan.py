"""`crossad plan`: what would happen, before anything does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.images import Address, data_options
from crossad.cli.place import Place, place_options
from crossad.cli.words import split_words

if TYPE_CHECKING:
    from crossad.conditions.outlook import Count, Look, Outlook, State
    from crossad.conditions.plan import Part
    from crossad.conditions.suite import Condition
    from crossad.data.places import Images
    from crossad.results.estimate import Costs
    from crossad.results.home import Home

_HELP = """Show what would happen: new, done, stale, failed, shared trainings, cost.

\b
crossad plan conditions/base.json
crossad plan conditions/matrix.json --data data/hdmap --ids 0-3 --json
crossad plan conditions/base.json --data data/hdmap --devices 4 --gpu-memory 80

\b
new      never done                    failed   tried; `crossad retry` tries again
done     finished, will be reused      stale    done, but with other data: will be done again

With --data, time, memory and storage are estimated from the newest records of the same models in the store: scaled by
images, passes and image size, an upper bound, because a training may stop early. A model without a record has none.
"""


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE", type=click.Path())
@click.option("--ids", default="all", show_default=True, help='Conditions: all, 2, "0,5,10", 3-6, names.')
@data_options("data, if it is there")
@place_options
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE...", help="Override keys, as crossad run would.")
@click.option("--limit-images", type=click.IntRange(min=1), help="Override limit_images, as crossad run would.")
@click.option(
    "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="How many at once, for the wall time."
)
@click.option(
    "--gpu-memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="Of a card: does the peak fit?"
)
@click.option("--json", "as_json", is_flag=True, help="Facts for machines.")
def command(
    words: tuple[str, ...],
    ids: str,
    data: Address,
    place: Place,
    pairs: tuple[str, ...],
    limit_images: int | None,
    as_json: bool,
    **cards: Any,  # noqa: ANN401 - how many there are, and how large
) -> None:
    """Load, select, look at what is committed, estimate, tell."""
    from crossad.cli.costs import cost_facts, cost_lines, estimated
    from crossad.conditions.outlook import outlook, summary
    from crossad.conditions.plan import plan_entry
    from crossad.conditions.select import select
    from crossad.conditions.suite import load_suite, parse_overrides

    with bad_input():
        images = data.open("data") if data.text or Path("data").is_dir() else None
        (file,), more = split_words(words, verb="plan")
        overrides = parse_overrides((*pairs, *more))
        suite = load_suite(file, overrides=overrides, limit_images=limit_images)
        chosen = select(suite.conditions, ids)
        domains = _domains(chosen, images)
        entries = [plan_entry(condition, domains) for condition in chosen]
        home = place.home()
        rows = outlook(entries, _look(home, images), _count(images))
        costs = estimated(home, rows, entries)
    for warning in suite.warnings:
        click.echo(f"warning: {warning}", err=True)
    totals = summary(rows)
    if as_json:
        told = cost_facts(costs, **cards)
        plan = [{**asdict(row), "estimate": told.of(row.experiment_id)} for row in rows]
        facts = {"suite": suite.name, **totals, "costs": told.totals, "plan": plan}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_table(rows, costs)))
        click.echo(_sentence(totals))
        for line in cost_lines(costs, **cards):
            click.echo(line)
    where = f" {data.words}" if data.text else " --data data" if images else ""
    click.echo(f"next: crossad run {file} --ids {ids} --gpus 0{where}", err=True)


def _domains(conditions: Sequence[Condition], data: Images | None) -> tuple[str, ...]:
    from crossad.conditions.plan import needs_domains
    from crossad.errors import UsageError

    if not needs_domains(conditions):
        return ()
    if data is None:
        raise UsageError('target_domains "auto" means all other domains of the data', hint="add --data FOLDER")
    return data.domains()


def _look(home: Home, data: Images | None) -> Look:
    """A look at the ledger that lists its folders once, whatever the number of conditions."""
    ledger = home.ledger
    commits = {kind: ledger.commits(kind) for kind in ("training", "evaluation", "condition")}
    failed = ledger.failed_conditions()

    @cache
    def lock(parts: tuple[Part, ...]) -> str | None:
        return None if data is None else data.lock_part(parts)

    def look(kind: str, key: str, parts: Sequence[Part]) -> State:
        there = commits[kind].get(key)
        if there is not None:
            wanted = lock(tuple(parts))
            return "done" if wanted is None or ledger.short(wanted) in there else "stale"
        return "failed" if kind == "condition" and key in failed else "new"

    return look


def _count(data: Images | None) -> Count | None:
    return None if data is None else cache(data.count)


def _table(rows: Sequence[Outlook], costs: Costs) -> list[str]:
    from crossad.cli.costs import column

    width = min(60, max([4, *(len(row.name) for row in rows)]))
    times = column(costs, [row.experiment_id for row in rows])
    lines = [f"{'id':>5}  {'name':<{width}}  {'state':<6}  {'training':<16}  {times.head}to score"]
    for row in rows:
        training = f"shared with {row.shared_with}" if row.training == "shared" else row.training
        left = ", ".join(row.to_score) or "-"
        time = times.of(row.experiment_id)
        lines.append(f"{row.experiment_id:>5}  {row.name:<{width}}  {row.state:<6}  {training:<16}  {time}{left}")
    return lines


def _sentence(totals: dict[str, Any]) -> str:
    states = ", ".join(f"{totals[state]} {state}" for state in ("new", "done", "failed", "stale"))
    text = (
        f"{totals['conditions']} conditions: {states}; {totals['trainings_to_do']} trainings to do, "
        f"{totals['trainings_shared']} shared, {totals['evaluations_to_do']} evaluations to do"
    )
    steps, images = totals["training_steps"], totals["images_to_score"]
    if steps is None:
        return f"{text} (with --data: steps and images)"
    return f"{text}; at most {steps} training steps, {images} images to score"
