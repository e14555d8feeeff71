"""`crossad render`: the Jobs of a suite as files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.suites import plan_of, settings_of, suite_options

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


@click.command(help=_HELP)
@click.argument("words", nargs=-1, required=True, metavar="FILE", type=click.Path())
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the objects instead.")
@suite_options
@click.option("--namespace", help="Instead of the settings' namespace.")
@click.option("--store", metavar="STORE", help="Instead of the settings' store.uri.")
@click.option("--json", "as_json", is_flag=True, help="Facts for machines.")
def command(words: tuple[str, ...], out: Path | None, to_stdout: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - declared above
    """Load, plan, make, write."""
    from crossad.errors import UsageError
    from crossad.manifests.folder import run_objects, warnings
    from crossad.manifests.job import groups
    from crossad.manifests.text import Writer

    with bad_input():
        if (out is None) != to_stdout:
            raise UsageError("say where to: -o FOLDER, or --stdout", hint="crossad render FILE -o out/")
        settings = settings_of(options)
        plan = plan_of(words, "render", settings, options)
        writer = Writer()
        files = {name: writer.text(found) for name, found in run_objects(plan, settings)}
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
