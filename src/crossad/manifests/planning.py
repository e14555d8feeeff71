"""The plan of a run that is rendered: made of the suite and the settings alone, so the same twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossad.conditions.faults import near
from crossad.conditions.identity import evaluation_domains
from crossad.conditions.plan import needs_domains, plan_entry
from crossad.conditions.suite import Condition
from crossad.errors import MissingInputError, UsageError
from crossad.manifests.names import digest
from crossad.manifests.settings import Settings
from crossad.manifests.words import DATA
from crossad.results.layout import slug
from crossad.results.payload import UNDATED
from crossad.results.plan import Plan, PlanEntry

HASH = 8


def make_plan(suite: str, chosen: Sequence[Condition], settings: Settings, run: str | None = None) -> Plan:
    """What a run of these conditions owes.

    Args:
        suite: the suite's name.
        chosen: conditions of the suite.
        settings: say which domains there are, and where.
        run: the run's name; by default the suite's, and a hash of what the conditions are.

    Raises:
        UsageError: "auto" targets without a word about the domains, or a name that no folder can have.
        MissingInputError: conditions name domains that the settings do not.
    """
    domains = settings.data.domains
    if not domains and needs_domains(chosen):
        raise UsageError(
            'target_domains "auto" means all other domains of the data, and nothing says which there are',
            hint="settings: data: {domains: [domain_A, domain_B]}",
        )
    entries = tuple(PlanEntry.model_validate(plan_entry(condition, domains)) for condition in chosen)
    if missing := [line for condition in chosen for line in _missing(condition, domains)]:
        told = "\n".join(missing)
        raise MissingInputError(
            f"{len(missing)} domain(s) missing in the settings' data.domains\n{told}",
            hint=f"there: {', '.join(domains)}",
        )
    if run is None:
        known = [[entry.experiment_id, entry.name, entry.condition_id] for entry in entries]
        run = f"{slug(suite)}-{digest(known)[:HASH]}"
    if slug(run) != run:
        raise UsageError(f"--run: got {run!r}, allowed: letters, digits and _ . + -", hint=f"--run {slug(run)}")
    return Plan(
        run=run,
        repeat=1,
        command=(),
        suite=suite,
        created=UNDATED,
        data=settings.data.uri or DATA,
        overrides={key: value for entry in entries for key, value in entry.overrides.items()},
        conditions=entries,
    )


def _missing(condition: Condition, domains: Sequence[str]) -> Iterator[str]:
    if not domains:
        return  # nothing is said: the trainer will see
    for name in evaluation_domains(condition.config):
        if name not in domains:
            meant = near(name, domains)
            fault = f"condition {condition.index} {condition.name}: no domain {name}"
            yield f"{fault}, {meant}" if meant else fault
