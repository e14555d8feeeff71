"""`crossad fetch`: bring a run from the store, verified."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.fetch.session import Fetched
    from crossad.fetch.wanted import Kind

_HELP = """Bring a run from the store, verified: the same tree as a local run leaves.

\b
crossad fetch night1 here --store s3://lab/experiments
crossad fetch night1 here --store s3://lab/experiments --only reports,records
crossad fetch night1 here --store s3://lab/experiments --condition domainA_draem

DIR becomes a results folder with DIR/night1 in it; several runs may share one. Without --store, runs are looked for in
./results. The same command later brings only what is missing or was changed here, and continues files that were cut. A
condition counts in DIR (status, run) once all that was asked for of it is there and verified.

Exit codes: 0 done, 3 some objects are damaged, gone or refused (they are named, the rest is there), 1 nothing could be
brought, 2 bad input, 75 the store does not answer, 130 interrupted.
"""


@click.command(help=_HELP)
@click.argument("run", metavar="RUN")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@place_options
@click.option(
    "--only",
    metavar="KINDS",
    help="records, predictions, checkpoints, visualizations, tensorboard, logs, reports.  [default: all]",
)
@click.option("--condition", "names", multiple=True, metavar="NAME", help="Only this one, by name or number.")
@click.option("--threads", type=click.IntRange(1, 128), default=16, show_default=True, help="Transfers at once.")
@json_option
def command(
    run: str, folder: Path, place: Place, only: str | None, names: tuple[str, ...], threads: int, as_json: bool
) -> None:
    """Bring, tell."""
    from crossad.cli.progress import progress, stoppable
    from crossad.errors import UsageError
    from crossad.fetch.session import fetch

    with bad_input():
        home = place.home()
        if not home.remote and home.results.resolve() == folder.resolve():
            raise UsageError(f"{folder} is where the run lives", hint="name another folder, or --store s3://…")
        kinds = _kinds(only)
        with stoppable(), progress() as advance:
            fetched = fetch(home, run, folder, names=names, only=kinds, threads=threads, advance=advance)
    if as_json:
        click.echo(json.dumps(asdict(fetched) | {"folder": str(fetched.folder)}, indent=2, ensure_ascii=False))
    else:
        _print(fetched)
    if fetched.damaged:
        raise SystemExit(3 if fetched.done or fetched.failed else 1)
    click.echo(f"next: crossad report {run} --results-dir {folder}", err=True)


def _kinds(only: str | None) -> tuple[Kind, ...]:
    """`records,reports` as kinds; all where nothing is said."""
    from crossad.conditions.faults import near
    from crossad.errors import UsageError
    from crossad.fetch.wanted import KINDS

    if only is None:
        return KINDS
    words = [word.strip() for word in only.split(",") if word.strip()]
    for word in words or [""]:
        if word not in KINDS:
            allowed = f"allowed: {', '.join(KINDS)}"
            raise UsageError(f"--only: got {word!r}, {allowed}", hint=near(word, KINDS) or "--only records,reports")
    return cast("tuple[Kind, ...]", tuple(words))


def _print(fetched: Fetched) -> None:
    for name, objects in fetched.damaged.items():
        for one in objects:
            click.echo(f"damaged: {name}: {one}", err=True)
    if fetched.files:
        click.echo(
            f"brought {fetched.files} file(s), {fetched.bytes / 2**20:.1f} MiB; {fetched.kept} were here already"
        )
    else:
        click.echo(f"nothing to do: {fetched.kept} file(s) were here already")
    told = {
        "done": fetched.done,
        "failed or partial, with what they left": fetched.failed,
        "not there yet": fetched.open,
        "damaged": fetched.damaged,
    }
    click.echo(f"{fetched.run}: " + (", ".join(f"{len(names)} {what}" for what, names in told.items() if names) or "-"))
    click.echo(f"results: {fetched.folder}")
