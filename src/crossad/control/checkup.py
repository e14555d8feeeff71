"""Which checks `crossad doctor` makes of what it is given, and what it leaves out for want of an option."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossad.control.checks import machine, named, reach, room, storage
from crossad.control.checks.admission import admission
from crossad.control.checks.ground import Ground, kinds, sample_plan
from crossad.control.doctor import SECONDS, Check, Told, refused, skipped
from crossad.data.places import Images
from crossad.errors import CrossadError
from crossad.kube.cluster import Cluster
from crossad.manifests.job import groups
from crossad.manifests.settings import Settings
from crossad.results.plan import Plan, PlanEntry
from crossad.store.base import Store

CLUSTER, STORE, DATA, WEIGHTS, MACHINE = "cluster", "store", "data", "weights", "machine"
IMAGES_SHARE = 0.8  # of the time: a check of images that is too long ends by itself, and says so


@dataclass(frozen=True)
class Asked:
    """What a user gave."""

    plan: Plan | None = None  # of his suite, by the settings
    entries: Sequence[PlanEntry] = ()  # of his suite
    settings: Settings | None = None
    cluster: Cluster | CrossadError | None = None  # an error: why it cannot be asked
    said: list[str] = field(default_factory=list)  # by the cluster's client
    stores: dict[str, Callable[[], Store]] = field(default_factory=dict)  # by address
    shelves: Sequence[Callable[[], Store]] = ()  # stores that trainers ask for weights, the run's own last
    images: Images | None = None
    weights: Path | None = None
    gpus: str | None = None
    seconds: float = SECONDS


def checks(asked: Asked) -> list[Check]:
    """All checks, in the order in which they are told."""
    return [*_cluster(asked), *_stores(asked), *_data(asked), *_weights(asked), *_machine(asked)]


def _cluster(asked: Asked) -> list[Check]:
    cluster, settings = asked.cluster, asked.settings
    if cluster is None:
        return [skipped(CLUSTER, "cluster", "no cluster is asked", "add --cluster, --context NAME or --settings FILE")]
    if isinstance(cluster, CrossadError):
        error = cluster
        return [Check(CLUSTER, "API server", lambda: [refused(error)])]
    first = Check(CLUSTER, "API server", lambda: reach.version(cluster))
    space = Check(CLUSTER, "namespace", lambda: reach.namespace(cluster), after=first)
    found = [first, space, Check(CLUSTER, "rights", lambda: reach.rights(cluster), after=first)]
    if settings is None:
        return [*found, skipped(CLUSTER, "Jobs", "no settings: what Jobs ask for is not known", "add --settings FILE")]
    plan = asked.plan or sample_plan(settings)
    ground = Ground(cluster, settings, kinds(plan, settings), len(groups(plan.conditions)), asked.said)
    return [
        *found,
        Check(CLUSTER, "admission", lambda: admission(ground), after=space),
        Check(CLUSTER, "nodes", lambda: room.nodes(ground), after=first),
        Check(CLUSTER, "quota", lambda: room.quota(ground), after=space),
        Check(CLUSTER, "objects", lambda: named.objects(ground), after=space),
    ]


def _stores(asked: Asked) -> list[Check]:
    if not asked.stores:
        return [skipped(STORE, "store", "no store is given", "add --store STORE, or --settings FILE")]
    return [Check(STORE, "store", _probing(one)) for one in asked.stores.values()]


def _probing(one: Callable[[], Store]) -> Callable[[], Sequence[Told]]:
    return lambda: list(storage.store(one))


def _data(asked: Asked) -> list[Check]:
    images, settings = asked.images, asked.settings
    if images is None:
        claim = settings.data.claim if settings else None
        if claim is not None:
            step = "run crossad data check in a pod that mounts it, or name a copy here: --data FOLDER"
            return [skipped(DATA, "images", f"the images are on the claim {claim}, out of reach from here", step)]
        return [skipped(DATA, "images", "no data are given", "add --data DATA")]
    first = Check(DATA, "domains", lambda: storage.domains(images, asked.entries))
    seconds = asked.seconds * IMAGES_SHARE
    return [
        first,
        Check(DATA, "lock", lambda: storage.locked(images), after=first),
        Check(DATA, "images", lambda: storage.contents(images, seconds), after=first),
    ]


def _weights(asked: Asked) -> list[Check]:
    claim = asked.settings.weights.claim if asked.settings else None
    if asked.weights is None and asked.settings is not None and claim is None:
        return [Check(WEIGHTS, "weights", lambda: storage.weights_of_jobs(asked.entries, asked.shelves))]
    if asked.weights is None and claim is not None:
        step = "run crossad assets verify in a pod that mounts it, or name a copy here: --weights FOLDER"
        return [skipped(WEIGHTS, "weights", f"the weights are on the claim {claim}, out of reach from here", step)]
    return [Check(WEIGHTS, "weights", lambda: storage.weights(asked.weights, asked.entries, asked.shelves))]


def _machine(asked: Asked) -> list[Check]:
    found = [Check(MACHINE, "packages", machine.packages)]
    gpus = asked.gpus
    if gpus is None:
        return [*found, skipped(MACHINE, "GPUs", "no GPU of this machine is asked for", "add --gpus 0,1 or auto")]
    return [*found, Check(MACHINE, "GPUs", lambda: machine.gpus(gpus, os.environ))]
