"""The plan of a run that was applied as files: until its aggregation has started, the cluster alone has it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from crossad.errors import MissingInputError
from crossad.kube.cluster import Cluster
from crossad.kube.reading import Object
from crossad.kube.resources import CONFIG_MAPS
from crossad.launch.control import split_words
from crossad.manifests import words
from crossad.manifests.names import run_hash
from crossad.results.home import Home
from crossad.results.payload import unpack
from crossad.results.plan import Plan, Read, whole


def find(home: Home, cluster: Cluster | None, typed: Sequence[str], read: Read = whole) -> tuple[Plan, tuple[str, ...]]:
    """The run and the words that follow its name: from the store, else from the run's ConfigMaps.

    Raises:
        MissingInputError: neither has such a run.
    """
    try:
        return split_words(home, typed, read)
    except MissingInputError:
        if cluster is None or not typed or (plan := carried(cluster, typed[0])) is None:
            raise
    return plan, tuple(typed[1:])


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
