"""Objects that a pod names: claims, Secrets, ConfigMaps, classes, accounts, queues; only that they are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from crossad.control.checks.ground import Ground, Object
from crossad.control.doctor import Told, left_out, ok, warning, wrong
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterBroken, ClusterDenied
from crossad.kube.resources import (
    CLAIMS,
    CONFIG_MAPS,
    LOCAL_QUEUES,
    PRIORITY_CLASSES,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)
from crossad.manifests import words

_KINDS = {
    CLAIMS: "claim",
    SECRETS: "Secret",
    CONFIG_MAPS: "ConfigMap",
    PRIORITY_CLASSES: "PriorityClass",
    RUNTIME_CLASSES: "RuntimeClass",
    SERVICE_ACCOUNTS: "ServiceAccount",
    LOCAL_QUEUES: "LocalQueue",
}
_BUILT_IN = ("system-cluster-critical", "system-node-critical")


@dataclass
class Use:
    """What pods want of an object."""

    keys: set[str] = field(default_factory=set)  # that a Secret or ConfigMap must have
    written: bool = False  # a claim that is mounted to write


Uses = dict[tuple[Resource, str], Use]


def objects(ground: Ground) -> Iterator[Told]:
    """Whether everything is there that the pods name, and is of use to them."""
    uses: Uses = {}
    for kind in ground.kinds:
        _of_pod(kind.pod, uses)
        if queue := kind.job["metadata"]["labels"].get(words.QUEUE):
            uses[LOCAL_QUEUES, queue] = Use()
    if not uses:
        yield ok("pods name no further object")
    for (resource, name), use in uses.items():
        yield _look(ground, resource, name, use)
    yield _account_of_report(ground.cluster)


def _of_pod(pod: Object, uses: Uses) -> None:
    read_only = {
        mount["name"]
        for container in pod["containers"]
        for mount in container.get("volumeMounts") or []
        if mount.get("readOnly")
    }
    for volume in pod.get("volumes") or []:
        _of_volume(volume, uses, written=volume["name"] not in read_only)
    for secret in pod.get("imagePullSecrets") or []:
        uses.setdefault((SECRETS, secret["name"]), Use())
    for container in pod["containers"]:
        for variable in container.get("env") or []:
            source = variable.get("valueFrom") or {}
            for key, resource in (("secretKeyRef", SECRETS), ("configMapKeyRef", CONFIG_MAPS)):
                if (found := source.get(key)) and not found.get("optional"):
                    uses.setdefault((resource, found["name"]), Use()).keys.add(found["key"])
    for key, resource in (
        ("priorityClassName", PRIORITY_CLASSES),
        ("runtimeClassName", RUNTIME_CLASSES),
        ("serviceAccountName", SERVICE_ACCOUNTS),
    ):
        if (name := pod.get(key)) and name not in _BUILT_IN:
            uses.setdefault((resource, name), Use())


def _of_volume(volume: Object, uses: Uses, *, written: bool) -> None:
    if claim := volume.get("persistentVolumeClaim"):
        use = uses.setdefault((CLAIMS, claim["claimName"]), Use())
        use.written |= written and not claim.get("readOnly")
    for key, resource, name in (("secret", SECRETS, "secretName"), ("configMap", CONFIG_MAPS, "name")):
        if (source := volume.get(key)) and not source.get("optional"):
            items = {item["key"] for item in source.get("items") or []}
            uses.setdefault((resource, source[name]), Use()).keys.update(items)


def _look(ground: Ground, resource: Resource, name: str, use: Use) -> Told:
    called = f"{_KINDS[resource]} {name}"
    try:
        found = ground.cluster.find(resource, name)
    except ClusterDenied as error:
        if error.right is None:
            raise
        return left_out(f"{called} may not be read: whether it is there shows when the first pod starts")
    except ClusterBroken:
        return wrong(
            f"{called}: this cluster knows no such kind", f"install what brings it, or take {name} out of the settings"
        )
    if found is None:
        return wrong(f"{called} is not there", _create(resource, name, ground.cluster.place.namespace))
    if resource is CLAIMS:
        return _claim(ground, called, found, use)
    if resource in (SECRETS, CONFIG_MAPS):
        there = {*(found.get("data") or {}), *(found.get("binaryData") or {})}  # names of keys; values go nowhere
        if missing := sorted(use.keys - there):
            has = ", ".join(sorted(there)) or "none"
            return wrong(
                f"{called} has no key {', '.join(missing)}; its keys: {has}", "correct the key in the settings"
            )
    return ok(f"{called} is there{' with ' + ', '.join(sorted(use.keys)) if use.keys else ''}")


def _create(resource: Resource, name: str, namespace: str) -> str:
    if resource is SECRETS:
        return f"kubectl -n {namespace} create secret generic {name} --from-file=…, or name another in the settings"
    if resource.namespaced:
        return f"create it in namespace {namespace}, or name another in the settings"
    return "ask who runs the cluster, or name another in the settings"


def _claim(ground: Ground, called: str, found: Object, use: Use) -> Told:
    modes = set(found.get("status", {}).get("accessModes") or found["spec"].get("accessModes") or [])
    phase, spelled = found.get("status", {}).get("phase"), ", ".join(sorted(modes))
    if phase == "Lost":
        return wrong(f"{called} has lost its volume", "create claim and volume anew")
    if use.written and modes <= {"ReadOnlyMany"}:
        return wrong(f"{called} is to be written, and is {spelled}", "name a ReadWriteMany claim in the settings")
    if ground.jobs > 1 and modes == {"ReadWriteOncePod"}:
        step = "use a ReadOnlyMany claim, or data.uri with `crossad data pack`"
        return wrong(f"{called} is for one pod (ReadWriteOncePod), and there are {ground.jobs} Jobs", step)
    if ground.jobs > 1 and not modes & {"ReadOnlyMany", "ReadWriteMany"}:
        step = "use a ReadOnlyMany claim, or data.uri with `crossad data pack`"
        return warning(f"{called} is for one node at a time ({spelled}): {ground.jobs} Jobs run on that one only", step)
    if phase != "Bound":
        step = "fine where its storage class waits for the first pod; else: kubectl describe pvc"
        return warning(f"{called} is there, and has no volume yet ({phase})", step)
    return ok(f"{called} is there and bound ({spelled})")


def _account_of_report(cluster: Cluster) -> Told:
    name = words.ACCOUNTS[words.REPORT]
    try:
        found = cluster.find(SERVICE_ACCOUNTS, name)
    except ClusterDenied as error:
        if error.right is None:
            raise
        return left_out(f"ServiceAccount {name} may not be read: the report's Job needs it")
    if found is None:
        step = "kubectl apply -f k8s/10-accounts.yaml; a folder of crossad render holds it, too"
        return warning(f"ServiceAccount {name} is not there: the report's Job would get no pod", step)
    return ok(f"ServiceAccount {name} is there")
