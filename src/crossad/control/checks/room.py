"""Room for the Jobs: nodes that fit, and what the namespace's quotas leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from crossad.control.checks.ground import Ground, Kind, Object
from crossad.control.checks.quantities import Amounts, amounts, asked, limits, shown
from crossad.control.doctor import Told, left_out, ok, warning, wrong
from crossad.kube.faults import ClusterDenied
from crossad.kube.forms import NodeForm
from crossad.kube.placement import untolerated
from crossad.kube.resources import NODES, QUOTAS

_PLAIN = {"cpu", "memory", "ephemeral-storage", "pods"}


@dataclass(frozen=True)
class Node:
    """What is looked at of a node."""

    found: Object  # labels and taints
    offers: Amounts

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        labels: dict[str, str] = self.found["metadata"].get("labels") or {}
        return labels


def nodes(ground: Ground) -> Iterator[Told]:
    """Whether some node can take each kind of Job once it is empty, and how many at once."""
    try:
        there = ground.cluster.gather(NODES, _node, form=NodeForm)
    except ClusterDenied as error:
        if error.right is None:
            raise
        yield left_out(
            "nodes may not be listed: whether one offers what a Job asks for shows when its pod is scheduled"
        )
        return
    for kind in ground.kinds:
        yield _fitting(kind, there)


def _node(found: Object) -> Node:
    kept = {"metadata": {"labels": found["metadata"].get("labels")}, "spec": {"taints": found["spec"].get("taints")}}
    return Node(kept, amounts(found.get("status", {}).get("allocatable")))


def _fitting(kind: Kind, there: Sequence[Node]) -> Told:
    """Nodes are asked for one thing after another; the first that leaves none is what is wrong."""
    pod, wants = kind.pod, asked(kind.pod)
    special = [name for name in wants if name not in _PLAIN and wants[name]]
    selector, tolerations = pod.get("nodeSelector") or {}, pod.get("tolerations") or []
    left, told = list(there), f"{len(there)} node{'' if len(there) == 1 else 's'}"
    steps: list[tuple[Callable[[Node], bool], Callable[[Sequence[Node]], tuple[str, str]]]] = [
        (
            lambda node: all(name in node.offers and node.offers[name] for name in special),
            lambda _: _no_gpu(special, there),
        ),
        (lambda node: selector.items() <= node.labels.items(), lambda _: _no_label(selector)),
        (lambda node: not untolerated(node.found, tolerations), lambda some: _tainted(some, tolerations)),
        (lambda node: _holds(node, wants) > 0, lambda some: _small(some, wants)),
    ]
    for fits, explain in steps:
        fitting = [node for node in left if fits(node)]
        if not fitting:
            sentence, step = explain(left)
            return wrong(f"{kind.models}: of {told}, {sentence}", step)
        left = fitting
    once = sum(_holds(node, wants) for node in left)
    besides = "; node affinity was not looked at" if pod.get("affinity") else ""
    what = ", ".join(f"{name} {shown(name, wants[name])}" for name in special) or "the CPU"
    return ok(
        f"{kind.models} ({what}): {len(left)} of {told} would do, {once} Jobs at once when they are empty{besides}"
    )


def _holds(node: Node, wants: Amounts) -> int:
    """How many such pods an empty node takes."""
    each = [int(node.offers.get(name, Fraction(0)) // value) for name, value in wants.items() if value]
    return min([*each, int(node.offers.get("pods", Fraction(0)))])


def _no_gpu(special: Sequence[str], there: Sequence[Node]) -> tuple[str, str]:
    others = sorted({name for node in there for name in node.offers if "/" in name and node.offers[name]})
    offered = f"; offered: {', '.join(others)}" if others else ""
    step = "correct resources.gpuResource in the settings, or ask for the vendor's device plugin on the nodes"
    return f"none offers {' and '.join(special)} now{offered}", f"{step}; a pool that scales from zero shows none"


def _no_label(selector: dict[str, str]) -> tuple[str, str]:
    wanted = ", ".join(f"{name}={value}" for name, value in sorted(selector.items()))
    return (
        f"none that offers what it asks for has the labels {wanted}",
        "compare nodeSelector in the settings with kubectl get nodes --show-labels",
    )


def _tainted(left: Sequence[Node], tolerations: Sequence[Object]) -> tuple[str, str]:
    named = sorted({taint for node in left for taint in untolerated(node.found, tolerations)})
    return (
        f"each that fits otherwise has a taint that it does not tolerate: {', '.join(named)}",
        "add placement.tolerations in the settings, if the nodes' owner agrees",
    )


def _small(left: Sequence[Node], wants: Amounts) -> tuple[str, str]:
    short = [
        f"{name} {shown(name, value)} (the most is {shown(name, most)})"
        for name, value in sorted(wants.items())
        if (most := max(node.offers.get(name, Fraction(0)) for node in left)) < value
    ]
    told = ", ".join(short) or "all that it asks for on one node"
    return f"none is large enough, even empty: {told}", "lower resources in the settings, or ask for larger nodes"


def quota(ground: Ground) -> Iterator[Told]:
    """Whether each quota of the namespace leaves room for one Job of each kind."""
    try:
        found = ground.cluster.gather(QUOTAS, lambda one: one)
    except ClusterDenied as error:
        if error.right is None:
            raise
        yield left_out("quotas may not be listed: what they leave shows when a Job is created")
        return
    if not found:
        yield ok("no quota in the namespace")
    for one in found:
        name = one["metadata"]["name"]
        if one["spec"].get("scopes") or one["spec"].get("scopeSelector"):
            yield left_out(f"quota {name} is for some pods only: kubectl describe quota {name} shows it")
            continue
        for kind in ground.kinds:
            yield _left(name, one, kind)


def _left(name: str, one: Object, kind: Kind) -> Told:
    status = one.get("status") or {}
    hard = amounts(status.get("hard") or one["spec"].get("hard"))
    used, wants = amounts(status.get("used")), _counted(kind.pod)
    mine = {key: hard[key] for key in wants if key in hard}
    if never := [key for key in mine if mine[key] < wants[key]]:
        told = ", ".join(f"{key} {shown(key, wants[key])} of {shown(key, hard[key])}" for key in never)
        return wrong(f"quota {name} never has room for a Job of {kind.models}: {told}", "ask for a larger quota")
    left = {key: value - used.get(key, Fraction(0)) for key, value in mine.items()}
    if spent := [key for key in left if left[key] < wants[key]]:
        told = ", ".join(
            f"{key} {shown(key, max(left[key], Fraction(0)))} left, {shown(key, wants[key])} asked" for key in spent
        )
        step = "wait for running work to end, or ask for a larger quota; kubectl describe quota shows who counts"
        return warning(f"quota {name} is spent for {kind.models}: {told}", step)
    once = min((int(left[key] // wants[key]) for key in mine if wants[key]), default=None)
    room = "counts nothing that a Job asks for" if once is None else f"has room for {once} Jobs now"
    return ok(f"quota {name} {room} ({kind.models})")


def _counted(pod: Object) -> Amounts:
    """What quotas count of a Job with one pod, under every name that they have for it."""
    requests, most = asked(pod), limits(pod)
    found = {"pods": Fraction(1), "count/pods": Fraction(1), "count/jobs.batch": Fraction(1)}
    for name, value in requests.items():
        found[f"requests.{name}"] = value
        if name in _PLAIN:
            found[name] = value
    return found | {f"limits.{name}": value for name, value in most.items() if name in _PLAIN}
