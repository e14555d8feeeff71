"""The API server, and what these credentials may do there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossad.control.doctor import Told, left_out, ok, warning, wrong
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterDenied, NamespaceMissing, ObjectMissing
from crossad.kube.resources import NAMESPACES, PODS, Resource
from crossad.manifests import words
from crossad.manifests.access import RULES, Rule

OLDEST = (1, 31)  # podFailurePolicy and podReplacementPolicy are stable from there on
LEVEL = "pod-security.kubernetes.io/enforce"
_LOOK, _CONTROL = "status, explain, report --wait", "submit, control, retry, cancel, gc"
_EXTRA = ("get", PODS, "log")
Right = tuple[str, Resource, str]


def version(cluster: Cluster) -> Iterator[Told]:
    """Whether the API server answers, and is new enough."""
    found = cluster.version()
    number = re.match(r"v?(\d+)\.(\d+)", found)
    if number is None or (int(number[1]), int(number[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield wrong(f"{found} at {cluster.place}: too old, at least {oldest} is needed", "ask who runs the cluster")
        return
    yield ok(f"{found} at {cluster.place}")


def namespace(cluster: Cluster) -> Iterator[Told]:
    """Whether the namespace is there, and what it says of pods."""
    name = cluster.place.namespace
    try:
        found = cluster.get(NAMESPACES, name)
    except (NamespaceMissing, ObjectMissing):
        step = f"kubectl create namespace {name} (k8s/ holds one with its labels), or name another: --namespace NAME"
        yield wrong(f"namespace {name} is not there", step)
        return
    except ClusterDenied as error:
        if error.right is None:
            raise
        yield left_out(f"namespace {name} may not be read: its Pod Security label is not known")
        return
    if "deletionTimestamp" in found["metadata"]:
        yield wrong(f"namespace {name} is being removed", "wait until it is gone and create it anew, or name another")
        return
    level = (found["metadata"].get("labels") or {}).get(LEVEL)
    if level is None:
        step = f"kubectl label namespace {name} {LEVEL}=restricted"
        yield warning(f"namespace {name} has no Pod Security label: whoever may create Jobs may ask for more", step)
        return
    yield ok(f"namespace {name}, Pod Security {level}")


def rights(cluster: Cluster) -> Iterator[Told]:
    """What these credentials may do, asked of the server; one line for each group of verbs."""
    known: dict[Right, bool] = {}
    for verbs, wanted in (
        (_LOOK, _expanded(RULES[words.REPORT])),
        ("logs", [_EXTRA]),
        (_CONTROL, _expanded(RULES[words.CONTROLLER])),
    ):
        for right in wanted:
            if right not in known:
                verb, resource, sub = right
                known[right] = cluster.may(verb, resource, sub)
        if missing := [_spelled(right) for right in wanted if not known[right]]:
            step = "the roles in k8s/10-accounts.yaml hold them; ask who runs the cluster to bind one to you"
            yield wrong(f"{verbs}: these credentials may not {', '.join(missing)}", step)
        else:
            yield ok(f"{verbs}: every right is there ({len(wanted)})")


def _expanded(rules: tuple[Rule, ...]) -> list[Right]:
    """Each right of some rules once; of a resource in two groups its first group is what crossad asks."""
    found = [
        (verb, Resource(plural, groups[0]), "")
        for groups, plurals, verbs in rules
        for plural in plurals
        for verb in verbs
    ]
    return list(dict.fromkeys(right for right in found if right[0] != "watch"))  # of a role, and not needed


def _spelled(right: Right) -> str:
    verb, resource, sub = right
    return f"{verb} {resource}{'/' + sub if sub else ''}"
