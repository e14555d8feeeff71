"""`crossad doctor`: cluster, store, data, weights and this machine, looked at before a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.cluster import Reach, cluster_options
from crossad.cli.images import Address, data_options
from crossad.cli.operate import json_option
from crossad.cli.place import Place, parse_options, place_options
from crossad.errors import CrossadError

if TYPE_CHECKING:
    from crossad.conditions.suite import Condition
    from crossad.control.checkup import Asked
    from crossad.control.doctor import Finding
    from crossad.data.places import Images
    from crossad.kube.cluster import Cluster
    from crossad.manifests.settings import Settings
    from crossad.results.plan import Plan, PlanEntry
    from crossad.store.base import Store

_HELP = """Check cluster, store, data, weights and this machine before a run: a sentence each, and the next step.

\b
crossad doctor conditions/base.json --data data/hdmap --gpus 0
crossad doctor conditions/base.json --settings cluster.yaml --context lab -n vision
crossad doctor --store s3://bucket/experiments --store-option profile=team
crossad doctor --settings cluster.yaml --json

Only what is given is looked at, all of it at once. In a cluster: the API server, each right, the namespace, the very
Jobs of the suite as a dry run, nodes, quotas, and every object that their pods name; nothing is created, no Secret is
shown. The store is written to in a corner of its own (probe/...), which is cleared, with the credentials of this
machine; a pod may have others. Settings bring their store and, where they are packed, their data.

\b
ok       as it should be               wrong     a run would fail, or wait for ever
warning  worth a word                  left out  not looked at, and why

Exit codes: 0 nothing is wrong, 1 something is, 2 bad input.
"""
PATIENCE = 10.0  # seconds for servers that do not answer


@click.command(help=_HELP)
@click.argument("suite", required=False, metavar="[SUITE]", type=click.Path(path_type=Path))
@click.option("--ids", default="all", show_default=True, help='Conditions: all, 2, "0,5,10", 3-6, names.')
@click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="Of the cluster: docs/settings.md.")
@cluster_options(optional=True)
@place_options
@data_options("the settings' data.uri")
@click.option("--weights", type=click.Path(path_type=Path, file_okay=False), help="Folder with pretrained weights.")
@click.option("--gpus", help="Of this machine: 0,1 or cpu or auto.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="When to give up on what has not ended.",
)
@json_option
def command(
    suite: Path | None,
    ids: str,
    settings_file: Path | None,
    reach: Reach,
    place: Place,
    data: Address,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - declared above
) -> None:
    """Gather what is given, look at all of it, tell."""
    from crossad.control.checkup import checks
    from crossad.control.doctor import count, examine

    with bad_input():
        settings = _settings(settings_file, reach.namespace)
        chosen = _conditions(suite, ids)
        images = _images(data, settings)
        asked = _asked(chosen, settings, images, reach, place, options)
        made = checks(asked)
    findings = examine(made, options["seconds"])
    counts = count(findings)
    if as_json:
        facts = {"ok": not counts["wrong"], "counts": counts, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _print(findings)
        click.echo(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    if counts["wrong"]:
        raise SystemExit(1)
    if suite is not None:
        verb = (
            f"render {suite} --settings {settings_file} -o out/" if settings else f"run {suite} {data.words}".rstrip()
        )
        click.echo(f"next: crossad {verb}", err=True)


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(f"{finding.area}: {finding.check}") for finding in findings)
    for finding in findings:
        where = f"{finding.area}: {finding.check}"
        click.echo(f"{finding.verdict:<8}  {where:<{width}}  {finding.sentence}")
        if finding.next_step:
            click.echo(f"{'':<8}  {'':<{width}}  next: {finding.next_step}")


def _settings(file: Path | None, namespace: str | None) -> Settings | None:
    from crossad.manifests.load import load_settings

    return None if file is None else load_settings(file, {"namespace": namespace} if namespace else {})


def _conditions(suite: Path | None, ids: str) -> Sequence[Condition]:
    from crossad.conditions.select import select
    from crossad.conditions.suite import load_suite

    return () if suite is None else select(load_suite(suite).conditions, ids)


def _images(data: Address, settings: Settings | None) -> Images | None:
    """Those of --data, else those that the settings have in a bucket."""
    if data.text is None and settings is not None and settings.data.uri is not None:
        pairs = tuple(f"{name}={value}" for name, value in settings.data.options.items())
        data = Address(settings.data.uri, data.cache, (*pairs, *data.options))
    return data.open("") if data.text else None


def _asked(
    chosen: Sequence[Condition],
    settings: Settings | None,
    images: Images | None,
    reach: Reach,
    place: Place,
    options: Mapping[str, Any],
) -> Asked:
    from crossad.control.checkup import Asked

    said: list[str] = []
    plan = _plan(chosen, settings, images) if settings and chosen else None
    return Asked(
        plan=plan,
        entries=plan.conditions if plan else _entries(chosen, images),
        settings=settings,
        cluster=_cluster(reach, settings, said) if settings or reach.asked else None,
        said=said,
        stores=_stores(place, settings),
        shelves=_shelves(place, settings),
        images=images,
        weights=options["weights"],
        gpus=options["gpus"],
        seconds=options["seconds"],
    )


def _plan(chosen: Sequence[Condition], settings: Settings, images: Images | None) -> Plan:
    """What would be rendered; domains that the settings do not tell are the data's."""
    from crossad.conditions.plan import needs_domains
    from crossad.manifests.planning import make_plan

    if not settings.data.domains and needs_domains(chosen) and images is not None:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"domains": images.domains()})})
    return make_plan("doctor", chosen, settings)


def _entries(chosen: Sequence[Condition], images: Images | None) -> tuple[PlanEntry, ...]:
    from crossad.conditions.plan import needs_domains, plan_entry
    from crossad.errors import UsageError
    from crossad.results.plan import PlanEntry

    if images is None and needs_domains(chosen):
        raise UsageError('target_domains "auto" means all other domains of the data', hint="add --data DATA")
    domains = images.domains() if images is not None and needs_domains(chosen) else ()
    return tuple(PlanEntry.model_validate(plan_entry(condition, domains)) for condition in chosen)


def _cluster(reach: Reach, settings: Settings | None, said: list[str]) -> Cluster | CrossadError:
    """The cluster; without -n in the settings' namespace; its server's warnings are findings, and so is no cluster."""
    from dataclasses import replace

    from crossad.kube.cluster import open_cluster
    from crossad.kube.patience import Patience

    namespace = reach.namespace or (settings.namespace if settings else None)
    try:
        return open_cluster(replace(reach.target, namespace=namespace), said.append, Patience(PATIENCE))
    except CrossadError as error:
        return error


def _shelves(place: Place, settings: Settings | None) -> list[Callable[[], Store]]:
    """How to open the stores that trainers ask for weights: the settings' shelf, then the one where runs live."""
    from functools import partial

    from crossad.store.opening import open_store
    from crossad.store.options import S3Options

    if settings is None:
        return [lambda: place.home().state] if place.store or place.results_dir else []
    named = [(one.uri, one.options) for one in (settings.weights, settings.store) if one.uri is not None]
    brief = {"attempts": 3, "patience_seconds": PATIENCE}
    return [partial(open_store, uri, S3Options.of(brief | options)) for uri, options in named]


def _stores(place: Place, settings: Settings | None) -> dict[str, Callable[[], Store]]:
    """How to open the store of the options and that of the settings, which are one where nothing else is said."""
    from functools import partial

    from crossad.store.opening import on_s3, open_store
    from crossad.store.options import S3Options

    brief = {"attempts": 3, "patience_seconds": PATIENCE}
    found: dict[str, Callable[[], Store]] = {}
    place.home()  # opens nothing yet, and refuses options that contradict each other
    if place.store or place.results_dir:
        uri = place.store or str(place.results)
        given = parse_options(place.options, brief=True)
        found[uri] = partial(open_store, uri, given if on_s3(uri) else None)
    if settings is not None and settings.store.uri not in found:
        found[settings.store.uri] = partial(
            open_store, settings.store.uri, S3Options.of(brief | settings.store.options)
        )
    return found
