"""Removes many objects, a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from crossad.kube.cluster import Cluster
from crossad.kube.faults import ObjectConflict
from crossad.kube.resources import Resource

THREADS = 8


def remove(cluster: Cluster, resource: Resource, found: Sequence[tuple[str, str]]) -> list[str]:
    """Remove objects by name and uid, and in the background what they own; those that are gone are fine.

    Returns:
        Names that are another object's by now: those objects stay.

    Raises:
        ClusterDenied: these credentials may not remove them.
    """

    def one(name_and_uid: tuple[str, str]) -> str | None:
        name, uid = name_and_uid
        try:
            cluster.delete(resource, name, uid=uid)
        except ObjectConflict:
            return name
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        return [name for name in pool.map(one, found) if name is not None]
