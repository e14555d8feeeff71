"""`crossad run`: the local queue, then the report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.images import Address, data_options
from crossad.cli.operate import Machine, finish, machine_options
from crossad.cli.place import Place, place_options

_HELP = """Run a suite on this machine: a queue fills the GPUs (or the CPU), then the report.

\b
crossad run conditions/base.json --ids all --gpus 0,1 --data data/hdmap
crossad run conditions/smoke.json --gpus cpu --data data/hdmap
crossad run conditions/base.json --ids 0,5-7 --set max_epochs=1 batch_size=2 --limit-images 20
nohup crossad run conditions/base.json --data data/hdmap > multi_domain_training.log 2>&1 &

The same command later does only what is missing. Exit codes: 0 all done, 3 some, 1 none, 75 interrupted.
"""


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE", type=click.Path())
@click.option("--ids", default="all", show_default=True, help='Conditions: all, 2, "0,5,10", 3-6, names.')
@data_options("data")
@click.option("--run", help="Name of the run.  [default: the suite's newest run, or a timestamp]")
@place_options
@machine_options
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE...",
    help="Override keys: other work than the full one.",
)
@click.option("--limit-images", type=click.IntRange(min=1), help="At most so many images per domain, split and label.")
@click.option("--fresh", is_flag=True, help="Repeat finished work, as a new run.")
@click.option("--retry", is_flag=True, help="Also what failed for good or was cancelled.")
@click.option("--no-report", is_flag=True, help="Leave the report for later.")
def command(
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    machine: Machine,
    place: Place,
    data: Address,
    no_report: bool,
    **options: Any,  # noqa: ANN401 - RunRequest's own fields, under their names
) -> None:
    """Prepare, work, report."""
    from crossad.conditions.suite import parse_overrides
    from crossad.launch.local import RunRequest, run_suite
    from crossad.launch.signals import STOPPED

    with bad_input():
        file, more = _split(words)
        request = RunRequest(
            suite=file,
            overrides=parse_overrides((*pairs, *more)),
            gpus=machine.gpus,
            jobs=machine.jobs,
            weights=machine.weights.shelf(),
            grace_seconds=machine.grace,
            command=("crossad", *sys.argv[1:]),
            data=data.open("data"),
            results=place.results,
            home=place.waiting_home(STOPPED),
            **options,
        )
        summary = run_suite(request)
    finish(summary, place, report=not no_report, command=shlex.join(request.command))


def _split(words: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """The suite file, and the pairs that follow the first one of `--set a=1 b=2`."""
    from crossad.errors import UsageError

    files = [word for word in words if "=" not in word or Path(word).exists()]
    if len(files) != 1:
        raise UsageError(f"got {len(files)} suite files, allowed: one", hint="crossad run FILE --set KEY=VALUE ...")
    return Path(files[0]), tuple(word for word in words if word != files[0])
