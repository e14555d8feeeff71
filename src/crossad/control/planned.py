"""The plan of a run that is in the cluster and not in the store yet.

Of one that was applied as files the cluster alone has it until its aggregation has started; of one that was just given
to a controller, that one is about to make it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from crossad.errors import MissingInputError
from crossad.kube.classify import classify
from crossad.kube.cluster import Cluster
from crossad.kube.reading import Object, created
from crossad.kube.resources import CONFIG_MAPS, JOBS, PODS
from crossad.launch.control import split_words
from crossad.manifests import words
from crossad.manifests.names import run_hash
from crossad.results.home import Home
from crossad.results.payload import unpack
from crossad.results.plan import Plan, Read, whole


class NotBegun(MissingInputError):  # noqa: N818 - it is about to be there
    """A run whose controller is in the cluster and has not made its plan durable yet."""


def find(home: Home, cluster: Cluster | None, typed: Sequence[str], read: Read = whole) -> tuple[Plan, tuple[str, ...]]:
    """The run and the words that follow its name: from the store, else from the run's ConfigMaps.

    Raises:
        NotBegun: neither has it, and a controller is about to begin.
        MissingInputError: neither has such a run; where a controller ended before it began, that is told.
    """
    try:
        return split_words(home, typed, read)
    except MissingInputError as error:
        if cluster is None or not typed:
            raise
        if (plan := carried(cluster, typed[0])) is not None:
            return plan, tuple(typed[1:])
        if (told := _of_controller(cluster, typed[0])) is not None:
            raise told from error
        raise


def _of_controller(cluster: Cluster, run: str) -> MissingInputError | None:
    """What there is to say of the newest controller of a run that has no plan."""
    labels = f"{words.RUN}={run_hash(run)},{words.COMPONENT}={words.CONTROLLER}"
    job = max(cluster.gather(JOBS, dict, labels=labels), key=created, default=None)
    if job is None:
        return None
    name = job["metadata"]["name"]
    verdict = classify(job, cluster.gather(PODS, dict, labels=f"batch.kubernetes.io/job-name={name}"))
    hint = f"its own words: kubectl -n {cluster.place.namespace} logs job/{name}"
    if verdict.over:
        return MissingInputError(
            f"run {run}: its controller {name} ended before it began: {verdict.sentence}", hint=hint
        )
    return NotBegun(f"run {run}: its controller {name} has not begun yet: {verdict.sentence}", hint=hint)


def carried(cluster: Cluster, run: str) -> Plan | None:
    """The plan in the ConfigMaps of `crossad render`, None where there are none.

    Raises:
        DataError: they are damaged, or some of them are missing.
    """

    def keep(found: Object) -> tuple[str, str, dict[str, str]]:
        name = str(found["metadata"]["name"])
        return str(found["metadata"].get("creationTimestamp")), name, found.get("binaryData") or {}

    labels = f"{words.RUN}={run_hash(run)},{words.COMPONENT}={words.PLAN}"
    found = cluster.gather(CONFIG_MAPS, keep, labels=labels)
    if not found:
        return None
    plan = max(found)[1].rpartition("-")[0]  # of several plans the one that was applied last
    shards = {key: value for _, name, data in found if name.rpartition("-")[0] == plan for key, value in data.items()}
    return unpack(b"".join(base64.b64decode(shards[key]) for key in sorted(shards)), f"config maps {plan}-*")
