"""`crossad validate`: check suite files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.images import Address, data_options
from crossad.cli.words import split_words

if TYPE_CHECKING:
    from crossad.conditions.faults import Fault
    from crossad.conditions.suite import Suite

_HELP = """Check suite files: every fault at once, with line and column.

\b
crossad validate conditions/*.json
crossad validate night.json --set max_epochs=1 --json
crossad validate night.json --data data/hdmap      also: are the domains there?

Exit code 0: all files are good; 2: some are not.
"""


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE...", help="Override keys, as crossad run would.")
@click.option("--limit-images", type=click.IntRange(min=1), help="Override limit_images, as crossad run would.")
@data_options("the domains are not looked for")
@click.option("--json", "as_json", is_flag=True, help="Facts for machines.")
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    limit_images: int | None,
    data: Address,
    as_json: bool,
) -> None:
    """Check every file, print all faults of all of them."""
    from crossad.conditions.suite import parse_overrides

    with bad_input():
        files, more = split_words(words, verb="validate", many=True)
        overrides = parse_overrides((*pairs, *more))
        domains = data.open(data.text).domains() if data.text else None
    results = [_check(file, overrides, limit_images, domains) for file in files]
    bad = sum(1 for result in results if result["faults"])
    if as_json:
        click.echo(json.dumps(results, indent=2))
    if bad:
        click.echo(f"next: correct {'the file' if bad == 1 else f'{bad} files'}, then validate again", err=True)
        ctx.exit(2)
    click.echo(f"next: crossad plan {files[0]}", err=True)


def _check(
    file: Path, overrides: dict[str, Any], limit_images: int | None, domains: tuple[str, ...] | None
) -> dict[str, Any]:
    """One file's result, told to people as it comes."""
    from crossad.conditions.faults import Fault, SuiteError
    from crossad.conditions.suite import load_suite
    from crossad.errors import MissingInputError

    result: dict[str, Any] = {"file": str(file), "conditions": 0, "faults": [], "warnings": []}
    try:
        suite = load_suite(file, overrides=overrides, limit_images=limit_images)
        faults = _missing_domains(file, suite, domains) if domains is not None else []
        result.update(conditions=len(suite.conditions), warnings=list(suite.warnings))
    except SuiteError as error:
        faults = error.faults
    except MissingInputError as error:
        faults = [Fault(str(file), None, None, "", error.message, hint=error.hint)]
    result["faults"] = [fault.facts() for fault in faults]
    if faults:
        click.echo(str(SuiteError(faults)), err=True)
    for warning in result["warnings"]:
        click.echo(f"warning: {file}: {warning}", err=True)
    verdict = "bad" if faults else f"good, {result['conditions']} conditions"
    click.echo(f"{file}: {verdict}", err=True)
    return result


def _missing_domains(file: Path, suite: Suite, domains: tuple[str, ...]) -> list[Fault]:
    from crossad.conditions.faults import Fault, near

    faults = {}
    for condition in suite.conditions:
        targets = condition.config.target_domains
        for domain in (condition.config.source_domain, *(targets if isinstance(targets, tuple) else ())):
            if domain not in domains:
                faults[domain] = Fault(
                    str(file),
                    None,
                    None,
                    f"condition {condition.index} {condition.name}",
                    f"no such domain in the data: {domain}",
                    domain,
                    ", ".join(domains) or "no domain is there",
                    near(domain, domains),
                )
    return list(faults.values())
