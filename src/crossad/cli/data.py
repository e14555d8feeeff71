"""`crossad data`: check a data root before the first GPU, import raw `.mat` arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossad.cli import VERBS
from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option

if TYPE_CHECKING:
    from crossad.data.preflight import Report

LINES = 100  # findings that a person is shown; JSON has all

_HELP = f"""{VERBS["data"]}

\b
crossad data check data/hdmap
crossad data check data/hdmap --verify
"""
_CHECK_HELP = """Look at every image of a data root, say all that is wrong, write data.lock.json.

\b
crossad data check data/hdmap
crossad data check data/hdmap --no-lock --json
crossad data check data/hdmap --verify

Looks for missing and empty sets, unreadable files, file kinds, sizes and ways of resizing that differ between splits
or domains, and images that are there twice or nearly. The lock holds a hash of every split; results remember it.
--verify only compares the images with the lock that is there.
Exit codes: 0 no errors (warnings allowed), 2 errors (no lock is written) or, with --verify, changes.
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check and import data."""


@command.command("check", help=_CHECK_HELP, short_help="Check every image of a data root, write its lock.")
@click.argument("root", metavar="ROOT", type=click.Path(path_type=Path))
@click.option("--no-lock", is_flag=True, help="Do not write data.lock.json.")
@click.option("--verify", is_flag=True, help="Only compare with the lock that is there.")
@json_option
def check(root: Path, no_lock: bool, verify: bool, as_json: bool) -> None:
    """Check, or compare with the lock."""
    if verify:
        _verify(root, as_json)
        return
    with bad_input():
        from crossad.cli.progress import progress
        from crossad.data.lock import NAME, write_lock
        from crossad.data.preflight import check as preflight

        with progress() as advance:
            report = preflight(root, advance)
        locked = not report.errors and not no_lock
        if locked:
            try:
                write_lock(root, report.sha256)
            except OSError as error:
                _refuse_lock(root / NAME, error)
    if as_json:
        click.echo(json.dumps(report.record() | {"lock": str(root / NAME) if locked else None}, indent=2))
    else:
        _say(report)
    _end(report, root, locked)


def _refuse_lock(path: Path, error: OSError) -> None:
    from crossad.errors import DataError

    raise DataError(f"cannot write {path}: {error.strerror}", hint="add --no-lock where the folder is read-only")


def _say(report: Report) -> None:
    """Sets as a table, then the findings."""
    width = max([3, *map(len, report.sets)])
    click.echo(f"{'set':<{width}}  {'images':>7}  {'size':<11}  {'range':<14}  kind")
    for name, facts in report.sets.items():
        low, high = facts["range"]
        sizes, kinds = " ".join(facts["sizes"]), " + ".join(facts["kinds"])
        click.echo(f"{name:<{width}}  {facts['images']:>7}  {sizes:<11}  {f'{low:.3g} to {high:.3g}':<14}  {kinds}")
    synthetic = [name for name, facts in report.domains.items() if facts.synthetic]
    if synthetic:
        click.echo(f"SYNTHETIC: {', '.join(synthetic)}")
    for finding in report.findings[:LINES]:
        click.echo(finding.sentence())
        if finding.hint:
            click.echo(f"  hint: {finding.hint}")
    if len(report.findings) > LINES:
        click.echo(f"and {len(report.findings) - LINES} more; --json names all")


def _end(report: Report, root: Path, locked: bool) -> None:
    errors, warnings = len(report.errors), len(report.findings) - len(report.errors)
    click.echo(f"{root}: errors: {errors}, warnings: {warnings}", err=True)
    if errors:
        click.echo(f"no lock was written\nnext: mend the errors, then: crossad data check {root}", err=True)
        raise SystemExit(2)
    if locked:
        click.echo(f"lock written: {root / 'data.lock.json'}", err=True)
    click.echo(f"next: crossad run SUITE --data {root}", err=True)


def _verify(root: Path, as_json: bool) -> None:
    """Compare with the lock and say what changed."""
    with bad_input():
        from crossad.data.layout import list_domains
        from crossad.data.lock import NAME, changes, read_lock
        from crossad.errors import MissingInputError

        list_domains(root)
        if read_lock(root) is None:
            raise MissingInputError(f"no lock: {root / NAME}", hint=f"write one: crossad data check {root}")
        found = changes(root)
    if as_json:
        click.echo(json.dumps({"root": str(root), "ok": not found, "changes": found}, indent=2))
    else:
        click.echo("\n".join(found) or f"{root} is what its lock says")
    if found:
        click.echo(f"results made from the old images will count as stale\nnext: crossad data check {root}", err=True)
        raise SystemExit(2)
