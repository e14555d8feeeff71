"""What a run leaves in the cluster once it is over: its Jobs, its anchor, the plan of a rendered run.

Labels decide. Accounts and roles serve all runs of a namespace, and claims, secrets and the store belong to others:
they stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossad.control.removal import remove
from crossad.kube.cluster import Cluster
from crossad.kube.forms import JobForm
from crossad.kube.reading import Object, over
from crossad.kube.resources import CONFIG_MAPS, JOBS, Resource
from crossad.manifests import words
from crossad.manifests.names import run_hash

# in the order of removal: first who would make others anew, last what owns them
ORDER = (words.CONTROLLER, words.TRAINER, words.REPORT, words.PLAN, words.ANCHOR)


@dataclass(frozen=True)
class Leftover:
    """An object of a run."""

    resource: Resource
    name: str
    uid: str
    component: str
    alive: bool  # a Job that is not over

    @property
    def facts(self) -> dict[str, Any]:
        """For machines."""
        return {"kind": str(self.resource), "name": self.name, "component": self.component, "alive": self.alive}


def leftovers(cluster: Cluster, run: str) -> list[Leftover]:
    """All objects of a run, in the order of removal; what is on its way out is left out.

    Raises:
        ClusterDenied: these credentials may not list Jobs or ConfigMaps.
    """
    labels = f"{words.RUN}={run_hash(run)},{words.COMPONENT} in ({','.join(ORDER)})"
    found: list[Leftover] = []
    for resource in (JOBS, CONFIG_MAPS):

        def keep(one: Object, resource: Resource = resource) -> Leftover | None:
            metadata = one["metadata"]
            if metadata.get("deletionTimestamp"):
                return None
            component = metadata["labels"][words.COMPONENT]
            return Leftover(resource, metadata["name"], metadata["uid"], component, resource is JOBS and not over(one))

        found += [one for one in cluster.gather(resource, keep, labels=labels) if one is not None]
    return sorted(found, key=lambda one: (ORDER.index(one.component), one.name))


def runs(cluster: Cluster) -> list[str]:
    """The names of all runs that have Jobs in the namespace."""

    def keep(job: Object) -> str | None:
        return (job["metadata"].get("annotations") or {}).get(words.RUN_NAME)

    labels = ",".join(f"{name}={value}" for name, value in words.COMMON.items())
    return sorted({name for name in cluster.gather(JOBS, keep, labels=labels, form=JobForm) if name})


def collect(cluster: Cluster, found: Sequence[Leftover]) -> list[str]:
    """Remove them, each as its very self, component by component.

    Returns:
        Names of those that are other objects by now: they stay.

    Raises:
        ClusterDenied: these credentials may not remove them; what was removed before is gone.
    """
    others: list[str] = []
    for component in ORDER:
        mine = [one for one in found if one.component == component]
        for resource in (JOBS, CONFIG_MAPS):
            others += remove(cluster, resource, [(one.name, one.uid) for one in mine if one.resource is resource])
    return others
