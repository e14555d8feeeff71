"""`crossad store janitor`: what nobody needs any more in a store; first told, then removed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.durations import duration
from crossad.cli.operate import json_option
from crossad.cli.place import parse_options

if TYPE_CHECKING:
    from crossad.results.leads import Trouble
    from crossad.results.survey import Item, Survey
    from crossad.store.base import Store

_SINGLE = ("upload", "checkpoint", "claim", "failure", "beacon", "probe", "withdrawn")
_HELP = """Show what nobody needs any more in a store; remove it with --apply.

\b
crossad store janitor s3://bucket/experiments
crossad store janitor s3://bucket/experiments --older-than 30d --apply
crossad store janitor results --json

\b
upload      a large write that was begun and never ended: invisible, and paid for
attempt     what an attempt wrote, and no commit, failure, checkpoint or manifest leads to
failure     of a condition that was done after it, or failed again
beacon      of an attempt of which nothing is kept, where the condition is done
checkpoint  a pointer at the state of a training that is committed
states      the states themselves
claim       a claim (stores without conditional writes) whose commit is settled
probe       left by a probe that was killed
withdrawn   with --withdrawn: commits that were set aside, and what only they lead to

Only what is older than --older-than by the store's own clock goes, and an attempt with any younger object is left
alone: a trainer may be at work. What is damaged, unreadable or unknown is named and never removed. Runs and commits
stay, and of an open condition its beacons and its newest failure. Safe beside trainers and other janitors; killed at
any moment, it continues when it is run again.

Exit codes: 0 all told or removed, 2 bad input, 3 something could not be read or removed.
"""


@click.command("janitor", help=_HELP, short_help="Show or remove what nobody needs any more in a store.")
@click.argument("uri", metavar="URI")
@click.option("--apply", "applied", is_flag=True, help="Remove what was found.")
@click.option(
    "--older-than", callback=duration, default="7d", show_default=True, metavar="AGE", help="What counts as old."
)
@click.option("--withdrawn", is_flag=True, help="Also commits that were set aside.")
@click.option(
    "--store-option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="How to reach a bucket: endpoint, region, profile, addressing, ca_bundle, sse, …",
)
@json_option
def janitor(
    uri: str, applied: bool, older_than: timedelta, withdrawn: bool, options: tuple[str, ...], as_json: bool
) -> None:
    """Look; tell; with --apply remove and tell."""
    with bad_input():
        from crossad.results.janitor import clear
        from crossad.results.survey import Rules, survey

        store = _open(uri, options)
        found = survey(store, Rules(older_than, withdrawn))
    page = _Page(store.uri, found, applied, say=not as_json)
    for item in found.items if not applied else ():
        page.tell(item, item.objects, item.bytes)
    for done in clear(store, found) if applied else ():
        page.tell(done.item, done.objects, done.bytes, done.stays)
        page.troubles += done.troubles
    if as_json:
        click.echo(json.dumps(page.facts(), indent=2, ensure_ascii=False))
    else:
        page.end()
    if page.troubles:
        raise SystemExit(3)


class _Page:
    """What is told: lines as things happen, or all facts at the end."""

    def __init__(self, uri: str, found: Survey, applied: bool, *, say: bool) -> None:
        self._uri, self._found, self._applied, self._say = uri, found, applied, say
        self._rows: list[dict[str, Any]] = []
        self.troubles: list[Trouble] = found.leads.troubles

    def tell(self, item: Item, objects: int, size: int, stays: str | None = None) -> None:
        """One thing that goes, went, or stays after all."""
        row = {"kind": item.kind, "key": item.key, "objects": objects, "bytes": size, "why": item.why, "stays": stays}
        self._rows.append(row)
        if self._say:
            verb = "left" if stays else "removed" if self._applied else "would remove"
            many = "" if item.kind in _SINGLE else f", {objects} objects"
            click.echo(f"{verb:<12} {item.kind:<10} {item.key}{many}, {_size(size)}: {stays or item.why}")

    def facts(self) -> dict[str, Any]:
        """All of it, for machines."""
        found = self._found
        return {
            "store": self._uri,
            "applied": self._applied,
            "now": found.began.isoformat(),
            "written_before": found.before.isoformat(),
            "objects": found.objects,
            "bytes": found.bytes,
            "counts": self._counts(),
            "found": self._rows,
            "unknown": {"objects": found.unknown, "names": found.unknown_names},
            "troubles": [{"key": trouble.key, "told": trouble.told} for trouble in self.troubles],
        }

    def end(self) -> None:
        """The sums, what is left alone, and the next step."""
        found, counts = self._found, self._counts()
        for trouble in self.troubles:
            click.echo(f"trouble: {trouble.key + ': ' if trouble.key else ''}{trouble.told}", err=True)
        if found.hidden:
            click.echo("no attempt is removed before that is mended: something may lead to it", err=True)
        for name in found.unknown_names:
            click.echo(f"unknown, left alone: {name}", err=True)
        if found.unknown > len(found.unknown_names):
            click.echo(f"unknown, left alone: {found.unknown - len(found.unknown_names)} more", err=True)
        held = f"{self._uri}: {found.objects} objects, {_size(found.bytes)}"
        gone = f"{counts['objects']} objects, {_size(counts['bytes'])}"
        click.echo(f"{held}; {'removed' if self._applied else 'would remove'} {gone}")
        if not self._applied and self._rows:
            click.echo("next: the same with --apply", err=True)

    def _counts(self) -> dict[str, Any]:
        """Things by kind, and the sums of their objects and bytes."""
        went = [row for row in self._rows if not row["stays"]]
        return {
            "objects": sum(row["objects"] for row in went),
            "bytes": sum(row["bytes"] for row in went),
            "kinds": dict(sorted(Counter(row["kind"] for row in went).items())),
            "stays": len(self._rows) - len(went),
            "troubles": len(self.troubles),
        }


def _size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _open(uri: str, options: tuple[str, ...]) -> Store:
    """A bucket; a results folder's state; or any other folder."""
    from crossad.errors import MissingInputError, UsageError
    from crossad.results.home import open_home
    from crossad.results.layout import STATE
    from crossad.store.opening import on_s3, open_store

    if on_s3(uri):
        return open_store(uri, parse_options(options, brief=True))
    if options:
        raise UsageError(f"--store-option: only for s3://bucket/prefix, got {uri}")
    home = open_home(uri)
    if not home.results.is_dir():
        raise MissingInputError(f"no such folder: {home.results}")
    return home.state if (home.results / STATE).is_dir() else open_store(uri)
