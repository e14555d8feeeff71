"""What `crossad assets verify` says of a folder's weights and of a store's pins alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Verdict:
    """What is wrong with one asset, "ok" where nothing is, and what brings it back."""

    facts: Mapping[str, str | None]  # its hash and where it lies, for machines
    name: str
    verdict: str
    place: str  # what is to be deleted
    fetch: str  # the command that comes then


def tell(found: Sequence[Verdict], as_json: bool, nothing: str) -> None:
    """Print a verdict an asset; damage ends with 1.

    Args:
        found: the verdicts.
        as_json: facts for machines.
        nothing: what is said where there is no asset.
    """
    if as_json:
        click.echo(json.dumps([{"name": one.name, **one.facts, "verdict": one.verdict} for one in found], indent=2))
    else:
        for one in found:
            click.echo(f"{one.name:30} {one.verdict}")
    if not found:
        click.echo(nothing, err=True)
    bad = next((one for one in found if one.verdict != "ok"), None)
    if bad:
        click.echo(f"next: delete {bad.place}, then: {bad.fetch}", err=True)
        raise SystemExit(1)
