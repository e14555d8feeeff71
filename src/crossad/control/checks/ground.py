"""What the checks of a cluster stand on: the cluster, the settings, and the very Jobs that a suite would become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crossad.conditions.suite import parse_suite
from crossad.files import canonical_json
from crossad.kube.cluster import Cluster
from crossad.manifests.job import Group, groups, trainer_job
from crossad.manifests.planning import make_plan
from crossad.manifests.settings import Settings
from crossad.results.plan import Plan

Object = dict[str, Any]
KINDS = 8  # Jobs that are tried: a suite has few kinds of them


@dataclass(frozen=True)
class Kind:
    """A Job that stands for all that ask the same of the cluster."""

    models: str  # for people
    job: Object

    @property
    def pod(self) -> Object:
        """Its pod's spec."""
        found: Object = self.job["spec"]["template"]["spec"]
        return found


@dataclass(frozen=True)
class Ground:
    """A cluster, and what is to run there."""

    cluster: Cluster
    settings: Settings | None = None
    kinds: tuple[Kind, ...] = ()
    jobs: int = 1  # of the whole suite
    said: list[str] = field(default_factory=list)  # what the cluster's client says: its server's warnings


def sample_plan(settings: Settings) -> Plan:
    """A plan of one condition, where no suite is given."""
    source, target = (*settings.data.domains, "domain_A", "domain_B")[:2]
    config = {"model_type": "patchcore", "source_domain": source, "target_domains": [target]}
    suite = parse_suite("doctor", canonical_json({"experiment_conditions": [_condition(config)]}).encode())
    return make_plan("doctor", suite.conditions, settings)


def _condition(config: Object) -> Object:
    return {"name": "doctor", "description": "stands for a suite", "config": config}


def kinds(plan: Plan, settings: Settings) -> tuple[Kind, ...]:
    """A Job of each kind: those that differ in what they ask of nodes and quotas."""
    first: dict[str, Group] = {}
    for group in groups(plan.conditions):
        first.setdefault(canonical_json([group[0].config["model_type"], group[0].resources]), group)
    found: dict[str, tuple[list[str], Object]] = {}
    for group in first.values():
        job = trainer_job(plan, group, settings)
        names, _ = found.setdefault(_asks(job), ([], job))
        names.append(group[0].config["model_type"])
    return tuple(Kind(", ".join(dict.fromkeys(names)), job) for names, job in list(found.values())[:KINDS])


def _asks(job: Object) -> str:
    pod = job["spec"]["template"]["spec"]
    resources = [container.get("resources") for container in pod["containers"]]
    return canonical_json([resources, pod.get("nodeSelector"), pod.get("tolerations")])
