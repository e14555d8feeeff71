"""`crossad migrate`: older condition files as multi-domain suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input

if TYPE_CHECKING:
    from crossad.conditions.migrate import Migration, Targets

_HELP = """Convert single-domain conditions to multi-domain ones.

\b
crossad migrate single.json -o multi.json                     targets: all other domains
crossad migrate single.json -o multi.json --targets domain_B,domain_C
crossad migrate single.json | jq .                            look first

Every change is told on standard error. An existing file is never overwritten.
Exit code 3: converted, but something is left for you to correct.
"""


@click.command(help=_HELP)
@click.argument("old", type=click.Path(path_type=Path))
@click.option("-o", "--output", "new", type=click.Path(path_type=Path), help="The new file; absent: print it.")
@click.option("--targets", default="auto", show_default=True, help='Target domains with commas between, or "auto".')
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON instead of the suite.")
@click.pass_context
def command(ctx: click.Context, old: Path, new: Path | None, targets: str, as_json: bool) -> None:
    """Convert, tell what changed, and check the result."""
    from crossad.conditions.faults import SuiteError
    from crossad.conditions.suite import parse_suite

    with bad_input():
        result = _converted(old, _targets(targets))
        text = json.dumps(result.document, indent=2, ensure_ascii=False) + "\n"
        _write(text, new, as_json)
    for change in result.changes:
        click.echo(change, err=True)
    if as_json:
        click.echo(json.dumps({"changes": result.changes, "output": str(new) if new else None}, ensure_ascii=False))
    try:
        parse_suite(str(new or "result"), text.encode())
    except SuiteError as error:
        click.echo(f"left to correct: {error}", err=True)
        ctx.exit(3)
    click.echo(f"next: crossad validate {new or 'NEW'}", err=True)


def _converted(old: Path, targets: Targets) -> Migration:
    from crossad.conditions import jsonc
    from crossad.conditions.faults import SuiteError
    from crossad.conditions.migrate import migrate
    from crossad.errors import MissingInputError

    try:
        document = jsonc.read(str(old), old.read_bytes())
    except OSError as error:
        raise MissingInputError(f"cannot read {old}: {error.strerror}") from error
    if document.faults:
        raise SuiteError(document.faults)
    return migrate(document.value, targets)


def _targets(text: str) -> Targets:
    if text == "auto":
        return "auto"
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _write(text: str, new: Path | None, as_json: bool) -> None:
    from crossad.errors import UsageError
    from crossad.files import create_once

    if new is None:
        if not as_json:
            click.echo(text, nl=False)
    elif not create_once(new, text):
        raise UsageError(f"{new} is already there", hint="choose another name; nothing is ever overwritten")
