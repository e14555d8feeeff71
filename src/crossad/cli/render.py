"""`crossad render`: the Jobs of a suite as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.words import split_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossad.manifests.settings import Settings
    from crossad.results.plan import Plan

_HELP = """Write the Kubernetes objects of a suite as files, for kubectl apply.

\b
crossad render conditions/base.json -o out/ --settings k8s/sample/settings.yaml
kubectl apply -f out/
crossad render night.json -o out/ --settings cluster.yaml --run night1 --ids 0-3
crossad render night.json --stdout --settings cluster.yaml | kubectl diff -f -

One Job per condition (conditions that share a training share it), one Job that waits for them and writes the report,
and what that one needs. Nothing is asked of any cluster or store, and nothing is sent. The same input gives the same
bytes, so a second apply changes nothing.

The run is called as --run says, else after the suite and a hash of its conditions: the same suite keeps its run, a
changed one gets another.
"""
_OPTIONS = {  # option -> path in the settings
    "namespace": "namespace",
    "image": "images.trainer",
    "store": "store.uri",
    "data_claim": "data.claim",
}


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE", type=click.Path())
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the objects instead.")
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    help="Of the cluster, YAML or JSON: docs/settings.md.",
)
@click.option("--run", "run_name", help="Name of the run.  [default: suite and hash of its conditions]")
@click.option("--ids", default="all", show_default=True, help='Conditions: all, 2, "0,5,10", 3-6, names.')
@click.option("--namespace", help="Instead of the settings' namespace.")
@click.option("--image", help="Instead of the settings' images.trainer.")
@click.option("--store", metavar="STORE", help="Instead of the settings' store.uri.")
@click.option("--data", metavar="DATA", help="Instead of the settings' data: s3://bucket/prefix.")
@click.option("--data-claim", help="Instead of the settings' data: a claim.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE...", help="Override keys, as crossad run would.")
@click.option("--limit-images", type=click.IntRange(min=1), help="Override limit_images, as crossad run would.")
@click.option("--json", "as_json", is_flag=True, help="Facts for machines.")
def command(words: tuple[str, ...], out: Path | None, to_stdout: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - declared above
    """Load, plan, make, write."""
    from crossad.errors import UsageError
    from crossad.manifests.folder import run_objects, warnings
    from crossad.manifests.job import groups
    from crossad.manifests.text import to_yaml

    with bad_input():
        if (out is None) != to_stdout:
            raise UsageError("say where to: -o FOLDER, or --stdout", hint="crossad render FILE -o out/")
        settings = _settings(options.pop("settings_file"), options)
        plan = _plan(words, settings, options)
        files = {name: to_yaml(found) for name, found in run_objects(plan, settings)}
        jobs = len(groups(plan.conditions))
        if out is not None:
            from crossad.cli.rendered import write_folder

            removed = write_folder(out, plan.run, files)
    for warning in warnings(settings, jobs):
        click.echo(f"warning: {warning}", err=True)
    if out is None:
        for text in files.values():
            sys.stdout.write(f"---\n{text}")
        return
    if as_json:
        facts = {"run": plan.run, "folder": str(out), "files": sorted(files), "jobs": jobs, "removed": removed}
        click.echo(json.dumps(facts, indent=2))
    count = f"{len(plan.conditions)} conditions in {jobs} Jobs"
    click.echo(f"run {plan.run}: {count}, {len(files)} files in {out}", err=True)
    if removed:
        click.echo(f"{len(removed)} files of an earlier render removed; what was applied of them stays", err=True)
    click.echo(f"next: kubectl apply -f {out}", err=True)


def _settings(file: Path | None, options: Mapping[str, Any]) -> Settings:
    """The settings of the file, with the options that win over it."""
    from crossad.manifests.load import load_settings

    changes = {path: options[name] for name, path in _OPTIONS.items() if options[name] is not None}
    if options["data"] is not None:
        changes |= {"data.uri": options["data"]}
    for given, other in (("data", "data.claim"), ("data_claim", "data.uri")):
        if options[given] is not None and options["data" if given == "data_claim" else "data_claim"] is None:
            changes[other] = None
    if options["data_claim"] is not None:
        changes["data.options"] = None
    return load_settings(file, changes)


def _plan(words: tuple[str, ...], settings: Settings, options: Mapping[str, Any]) -> Plan:
    from crossad.conditions.select import select
    from crossad.conditions.suite import load_suite, parse_overrides
    from crossad.manifests.planning import make_plan

    (file,), more = split_words(words, verb="render")
    overrides = parse_overrides((*options["pairs"], *more))
    suite = load_suite(file, overrides=overrides, limit_images=options["limit_images"])
    for warning in suite.warnings:
        click.echo(f"warning: {warning}", err=True)
    chosen: Sequence[Any] = select(suite.conditions, options["ids"])
    return make_plan(suite.name, chosen, settings, options["run_name"])
