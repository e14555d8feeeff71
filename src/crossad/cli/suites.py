"""A suite and the settings of a cluster as options, the same for every verb that makes Jobs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.words import split_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossad.manifests.settings import Settings
    from crossad.results.plan import Plan

SETTINGS = {"namespace": "namespace", "image": "images.trainer", "store": "store.uri", "data_claim": "data.claim"}
"""Option -> path in the settings."""

_OPTIONS = (
    click.option(
        "--settings",
        "settings_file",
        type=click.Path(path_type=Path),
        help="Of the cluster, YAML or JSON: docs/settings.md.",
    ),
    click.option("--run", "run_name", help="Name of the run.  [default: suite and hash of its conditions]"),
    click.option("--ids", default="all", show_default=True, help='Conditions: all, 2, "0,5,10", 3-6, names.'),
    click.option("--image", help="Instead of the settings' images.trainer."),
    click.option("--data", metavar="DATA", help="Instead of the settings' data: s3://bucket/prefix."),
    click.option("--data-claim", help="Instead of the settings' data: a claim."),
    click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE...", help="Override keys, as crossad run would."),
    click.option("--limit-images", type=click.IntRange(min=1), help="Override limit_images, as crossad run would."),
)


def suite_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options; the verb takes them by their names and hands them on as they are."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings_of(options: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Settings:
    """The settings of the file, with the options that win over it.

    Args:
        options: as the verb has them; those that are None say nothing.
        changes: path ("control.maxActive") -> value, of further options.
    """
    from crossad.manifests.load import load_settings

    found = {path: options[name] for name, path in SETTINGS.items() if options.get(name) is not None}
    if options["data"] is not None:
        found |= {"data.uri": options["data"]}
    for given, other, path in (("data", "data_claim", "data.claim"), ("data_claim", "data", "data.uri")):
        if options[given] is not None and options[other] is None:
            found[path] = None
    if options["data_claim"] is not None:
        found["data.options"] = None
    return load_settings(options["settings_file"], {**found, **(changes or {})})


def plan_of(words: tuple[str, ...], verb: str, settings: Settings, options: Mapping[str, Any]) -> Plan:
    """The plan of the suite that the words name."""
    from crossad.conditions.select import select
    from crossad.conditions.suite import load_suite, parse_overrides
    from crossad.manifests.planning import make_plan

    (file,), more = split_words(words, verb=verb)
    overrides = parse_overrides((*options["pairs"], *more))
    suite = load_suite(file, overrides=overrides, limit_images=options["limit_images"])
    for warning in suite.warnings:
        click.echo(f"warning: {warning}", err=True)
    chosen: Sequence[Any] = select(suite.conditions, options["ids"])
    return make_plan(suite.name, chosen, settings, options["run_name"])
