"""The very Job and the very pod, offered to the API server as a dry run: all admission, and nothing is left behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from crossad.control.checks.ground import Ground, Kind, Object
from crossad.control.doctor import Told, left_out, ok, refused, warning, wrong
from crossad.kube.faults import ClusterDenied, ObjectRefused, QuotaExceeded
from crossad.kube.resources import JOBS, PODS, Resource

WARNS = "the server warns: "  # how the cluster's client begins what it passes on


def admission(ground: Ground) -> Iterator[Told]:
    """Whether the server would take the Jobs, and their pods: a Job is taken whose pods never are."""
    for kind in ground.kinds:
        name = f"doctor-{uuid.uuid4().hex[:12]}"  # the real one's would only tell whether it is there already
        job = {**kind.job, "metadata": {**kind.job["metadata"], "name": name, "namespace": _namespace(ground)}}
        template = kind.job["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": name, "namespace": _namespace(ground)},
            "spec": template["spec"],
        }
        for resource, body in ((JOBS, job), (PODS, pod)):
            yield _tried(ground, kind, resource, body)
    for text in dict.fromkeys(ground.said):
        if text.startswith(WARNS):
            yield warning(text, "correct what it names in the settings")


def _tried(ground: Ground, kind: Kind, resource: Resource, body: Object) -> Told:
    cluster, what = ground.cluster, f"{body['kind']} of {kind.models}"
    where = f"create {body['kind']} {body['metadata']['name']} at {cluster.place}"
    try:
        cluster.patience.run(lambda: cluster.post(resource, body, dry_run=True))
    except ClusterDenied as error:
        if error.right is None:
            raise
        if resource is PODS:
            return left_out("these credentials may not create pods, so the cluster's word on the pod is not known")
        return refused(error, where)
    except QuotaExceeded as error:
        told = refused(error, where)
        return warning(f"{what}{told.sentence}", told.step)
    except ObjectRefused as error:
        told = refused(error, where)
        return wrong(f"{what}{told.sentence}", told.step)
    return ok(f"{what}: the server would take it")


def _namespace(ground: Ground) -> str:
    return ground.cluster.place.namespace
