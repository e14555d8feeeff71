"""Create-once: an object is created under its own name, or one of that name is there already and is looked at.

A name that holds a hash of what it names makes every answer repeatable: a lost response, two submitters and a
restarted controller all meet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crossad.kube.cluster import Cluster
from crossad.kube.faults import AlreadyExists, ClusterUnreachable
from crossad.kube.reading import Object
from crossad.kube.resources import Resource

ROUNDS = 5  # of an object that is there when it is created and gone when it is read


class Outcome(StrEnum):
    """How a create-once ended."""

    CREATED = "created"
    SAME = "there already"  # the same object: adopt it
    OTHER = "another object"  # its name, another content: refuse
    LEAVING = "being removed"  # the same object, on its way out: create again when it is gone


@dataclass(frozen=True)
class Creation:
    """The outcome and its reason, and the object as the server has it."""

    outcome: Outcome
    why: str
    found: Object


def create_once(
    cluster: Cluster, resource: Resource, body: Object, annotation: str, *, brief: bool = False
) -> Creation:
    """Create an object, or say what is there in its place.

    Args:
        cluster: where.
        resource: the kind.
        body: the object; its annotation holds the hash of its content.
        annotation: that annotation's name.
        brief: nobody looks at a new object, so it is not parsed: `found` may be empty.

    Raises:
        ClusterUnreachable: no answer within the patience.
        ObjectRefused, QuotaExceeded, ClusterDenied, NamespaceMissing: the server refuses.
    """
    name, lost = body["metadata"]["name"], False

    def attempt() -> Object:
        nonlocal lost
        try:
            return cluster.post(resource, body, brief=brief)
        except ClusterUnreachable as error:
            lost = lost or error.sent
            raise

    for _ in range(ROUNDS):
        try:
            return Creation(Outcome.CREATED, "created", cluster.patience.run(attempt))
        except AlreadyExists:
            found = cluster.find(resource, name)
        if found is not None:
            return _compared(body, found, annotation, lost=lost)
    raise ClusterUnreachable(
        f"create {resource} {name} at {cluster.place}: it comes and goes, {ROUNDS} times",
        hint="does something else create and remove objects of this name?",
    )


def _compared(body: Object, found: Object, annotation: str, *, lost: bool) -> Creation:
    name = body["metadata"]["name"]
    ours, theirs = _noted(body, annotation), _noted(found, annotation)
    if ours is None or ours != theirs:
        why = f"{name} is there with another content ({annotation} is {theirs or 'not set'}, not {ours})"
        return Creation(Outcome.OTHER, why, found)
    if found["metadata"].get("deletionTimestamp"):
        return Creation(Outcome.LEAVING, f"{name} is being removed", found)
    if lost:
        return Creation(Outcome.CREATED, "created; the server's answer was lost", found)
    return Creation(Outcome.SAME, "there already", found)


def _noted(found: Object, annotation: str) -> str | None:
    return (found["metadata"].get("annotations") or {}).get(annotation)
