"""`crossad store`: what a store really does, before results depend on it; tidying it is in `store_janitor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli import VERBS
from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option
from crossad.cli.store_janitor import janitor

if TYPE_CHECKING:
    from crossad.store.probe import Report

_HELP = f"""{VERBS["store"]}

\b
crossad store probe results
crossad store probe s3://bucket/experiments --endpoint https://s3.example.org
crossad store janitor s3://bucket/experiments
"""
_PROBE_HELP = """Try everything that crossad needs of a store, and say how commits will be made there.

\b
crossad store probe results
crossad store probe s3://bucket/experiments --endpoint https://s3.example.org
crossad store probe s3://bucket/experiments --profile team --ca-bundle ca.pem --json

Writes, reads, lists, overwrites and deletes in a corner of its own (probe/...), lets many writers race for one object,
tries multipart uploads and checksums, compares clocks, and clears the corner. Credentials come from the standard chain
(AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, the environment, a cluster's identity), never from an option.

\b
ok       works                    failed   crossad needs it
no       crossad does without     skipped  there was no point in trying

Exit codes: 0 usable, 1 not usable, 2 bad input.
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Look into stores."""


command.add_command(janitor)

_OPTIONS = (
    click.option("--endpoint", help="Of an S3-compatible server: https://HOST:PORT; http:// is never assumed."),
    click.option("--region", help="Of the bucket.  [default: AWS_REGION, the profile's, us-east-1]"),
    click.option("--profile", help="Of the shared AWS configuration files."),
    click.option("--addressing", type=click.Choice(["auto", "path", "virtual"]), help="Of the bucket in URLs."),
    click.option("--ca-bundle", help="File of trusted certificates.  [default: AWS_CA_BUNDLE, the system's]"),
    click.option("--checksums", type=click.Choice(["auto", "when_required", "when_supported"]), help="Of transfers."),
    click.option("--sse", type=click.Choice(["AES256", "aws:kms"]), help="Server-side encryption header of writes."),
    click.option("--sse-kms-key-id", help="Key of --sse aws:kms."),
)


def s3_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How to reach a store on S3; what is not given keeps its default."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@command.command("probe", help=_PROBE_HELP, short_help="Try everything that crossad needs of a store.")
@click.argument("uri", metavar="URI")
@s3_options
@click.option("--threads", type=click.IntRange(2, 64), default=16, show_default=True, help="Writers in a race.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Races.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="To wait for a store that does not answer.",
)
@click.option("--remember", is_flag=True, help="Write the commit mode into the store, for all who use it.")
@json_option
def probe(uri: str, threads: int, rounds: int, patience: float, remember: bool, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Open, probe, tell."""
    with bad_input():
        from crossad.errors import UsageError
        from crossad.store.opening import on_s3
        from crossad.store.probe import Bench, scratch
        from crossad.store.probe import probe as try_all

        if remember and not on_s3(uri):
            raise UsageError("--remember: a folder has one way to commit, nothing to remember")
        store = _open(uri, {name: value for name, value in given.items() if value is not None}, patience)
        say = (lambda _: None) if as_json else (lambda check: click.echo(f"trying: {check}", err=True))
        with scratch() as folder:
            report = try_all(Bench(store, Path(folder), threads, rounds, say))
        remembered = remember and report.usable
        if remembered:
            from crossad.store.once import MARK, mark

            store.put(MARK, mark(str(report.commit)), content_type="application/json")
    if as_json:
        facts = asdict(report) | {"usable": report.usable, "remembered": remembered}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _print(report)
    if not report.usable:
        click.echo("next: mend what failed; docs/store.md has the policy that an identity needs", err=True)
        raise SystemExit(1)


def _open(uri: str, given: dict[str, Any], patience: float) -> Any:  # noqa: ANN401 - a Store, whose module loads here
    from crossad.errors import UsageError
    from crossad.store.opening import on_s3, open_store
    from crossad.store.options import S3Options

    if not on_s3(uri):
        if given:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise UsageError(f"{names}: only for s3://bucket/prefix, got {uri}")
        return open_store(uri)
    return open_store(uri, S3Options(**given, attempts=3, patience_seconds=patience))


def _print(report: Report) -> None:
    width = max(len(finding.check) for finding in report.findings)
    for finding in report.findings:
        click.echo(f"{finding.verdict:<7}  {finding.check:<{width}}  {finding.told}")
    click.echo(f"{report.uri} ({report.server}): {'usable' if report.usable else 'not usable'}")
    click.echo(f"commit: {report.commit or 'none'}: {report.why}")
