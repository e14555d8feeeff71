"""Why the scheduler finds no node: its sentence, read.

It is the same list of counts in all versions ("0/3 nodes are available: 1 node(s) had untolerated taint(s), 2
Insufficient nvidia.com/gpu. preemption: ..."), but newer ones no longer name the taint, and a tainted node is not
tried for labels. Where the nodes themselves may be read, they decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crossad.kube.reading import Object, one_line
from crossad.kube.verdicts import Cause

_PART = re.compile(r"(?P<count>\d+) (?P<what>[^,]+)")
_CLAIM = re.compile(r'persistentvolumeclaims? "(?P<name>[^"]+)" not found', re.IGNORECASE)
_BUSY = "No preemption victims found"  # such a node would do, were it empty


@dataclass(frozen=True)
class Found:
    """A cause, a sentence about it, and the next step."""

    cause: Cause
    sentence: str
    step: str


@dataclass(frozen=True)
class _Counts:
    """Nodes by what speaks against them; `busy`: those that would do if they were empty."""

    taint: int
    label: int
    lacking: tuple[str, ...]
    busy: bool
    summary: str


def explain(message: str, pod: Object, nodes: Sequence[Object]) -> Found:
    """What the scheduler's message means for a pod.

    Args:
        message: of the condition PodScheduled.
        pod: the pod.
        nodes: the cluster's nodes, or nothing where they may not be read.
    """
    if "no nodes available" in message:
        return Found(Cause.NO_NODES, "the cluster has no node", "ask who runs the cluster; kubectl get nodes")
    if (claim := _claim(message, pod)) is not None:
        return claim
    counts = _counted(message)
    if nodes and (seen := _by_nodes(pod, nodes)) is not None:
        return seen
    return _by_counts(counts, message, pod)


def _counted(message: str) -> _Counts:
    reasons, _, preemption = message.partition("preemption:")
    _, _, listed = reasons.partition(":")
    taint = label = 0
    lacking: list[str] = []
    for part in _PART.finditer(listed):
        count, what = int(part["count"]), part["what"]
        if "taint" in what:
            taint += count
        elif "affinity/selector" in what:
            label += count
        elif what.startswith("Insufficient "):
            lacking.append(what.removeprefix("Insufficient ").split(". ")[0].rstrip("."))
    busy = bool(lacking) and (_BUSY in preemption or not preemption)
    return _Counts(taint, label, tuple(lacking), busy, one_line(reasons.partition(". ")[0]))


def _by_counts(counts: _Counts, message: str, pod: Object) -> Found:
    if counts.busy:
        sentence = f"every node that it may use is full: {', '.join(counts.lacking)} ({counts.summary})"
        return Found(Cause.BUSY, sentence, "wait until running work ends, or lower what it asks for in the settings")
    if counts.label:
        besides = f"; {_nodes(counts.taint)} a taint that it does not tolerate" if counts.taint else ""
        sentence = f"{_nodes(counts.label, lack=True)} the labels it asks for, {_wanted(pod)}{besides}"
        return Found(Cause.LABEL, sentence, "compare nodeSelector in the settings with kubectl get nodes --show-labels")
    if counts.taint:
        besides = f", and the others lack {', '.join(counts.lacking)}" if counts.lacking else ""
        sentence = f"{_nodes(counts.taint)} a taint that it does not tolerate{besides}"
        return Found(Cause.TAINT, sentence, _TOLERATE)
    if counts.lacking:
        sentence = f"no node can ever offer what it asks for: {_asked(pod, counts.lacking)} ({counts.summary})"
        return Found(
            Cause.CAPACITY, sentence, "correct resources in the settings; kubectl describe nodes shows what there is"
        )
    return Found(Cause.UNSCHEDULABLE, f"no node takes it: {one_line(message)}", "kubectl describe pod shows more")


_TOLERATE = (
    "add tolerations for these nodes in the settings, if their owner agrees; kubectl describe nodes shows the taints"
)


def _claim(message: str, pod: Object) -> Found | None:
    if (missing := _CLAIM.search(message)) is not None:
        sentence = f"the claim {missing['name']} is not there"
        return Found(
            Cause.CLAIM, sentence, "create it in this namespace, or name another in the settings; kubectl get pvc"
        )
    if "PersistentVolumeClaim" in message or "persistent volume" in message or "volume node affinity" in message:
        names = ", ".join(_claims(pod)) or "its claim"
        sentence = f"no node can mount {names}: {one_line(message)}"
        return Found(Cause.CLAIM, sentence, "kubectl describe pvc says why: storage class, access mode, zone or size")
    return None


def _claims(pod: Object) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]


def _by_nodes(pod: Object, nodes: Sequence[Object]) -> Found | None:
    """The cause that the nodes themselves show; None where labels and taints are not it."""
    spec = pod["spec"]
    if (spec.get("affinity") or {}).get("nodeAffinity"):
        return None
    wanted = spec.get("nodeSelector") or {}
    fitting = [node for node in nodes if wanted.items() <= (node["metadata"].get("labels") or {}).items()]
    if not fitting:
        seen = {name: _values(nodes, name) for name in wanted}
        there = "; ".join(f"{name} is {' or '.join(found) if found else 'on no node'}" for name, found in seen.items())
        sentence = f"none of the {len(nodes)} nodes has the labels it asks for, {_wanted(pod)} ({there})"
        return Found(Cause.LABEL, sentence, "correct nodeSelector in the settings")
    taints = [untolerated(node, spec.get("tolerations") or []) for node in fitting]
    if all(taints):
        named = ", ".join(sorted({name for found in taints for name in found}))
        return Found(
            Cause.TAINT, f"every node with its labels has a taint that it does not tolerate: {named}", _TOLERATE
        )
    return None


def _values(nodes: Sequence[Object], name: str) -> list[str]:
    return sorted({value for node in nodes if (value := (node["metadata"].get("labels") or {}).get(name)) is not None})


def untolerated(node: Object, tolerations: Sequence[Object]) -> list[str]:
    """The taints of a node that keep a pod with these tolerations away."""
    taints = [taint for taint in node.get("spec", {}).get("taints") or [] if taint["effect"] != "PreferNoSchedule"]
    left = [taint for taint in taints if not any(_tolerates(one, taint) for one in tolerations)]
    return [
        f"{taint['key']}{'=' if taint.get('value') else ''}{taint.get('value', '')}:{taint['effect']}" for taint in left
    ]


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if not toleration.get("key"):
        return bool(toleration.get("operator") == "Exists")
    same = toleration["key"] == taint["key"]
    return same and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))


def _nodes(count: int, *, lack: bool = False) -> str:
    verb = ("lacks", "lack") if lack else ("has", "have")
    return f"{count} node{'' if count == 1 else 's'} {verb[count != 1]}"


def _wanted(pod: Object) -> str:
    wanted = pod["spec"].get("nodeSelector") or {}
    return ", ".join(f"{name}={value}" for name, value in sorted(wanted.items())) or "those of its node affinity"


def _asked(pod: Object, names: Sequence[str]) -> str:
    """The resources that lack, with what the pod's containers ask of them."""
    amounts: list[str] = []
    for name in names:
        asked = [_request(container, name) for container in pod["spec"]["containers"]]
        amounts.append(f"{name} {' + '.join(amount for amount in asked if amount)}".rstrip())
    return ", ".join(amounts)


def _request(container: Object, name: str) -> str:
    resources = container.get("resources") or {}
    return str((resources.get("requests") or {}).get(name) or (resources.get("limits") or {}).get(name) or "")
