"""What the cluster holds of a run: its trainer Jobs, each cut down to what is said of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossad.kube.classify import classify
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ClusterDenied
from crossad.kube.forms import EventForm, JobForm, NodeForm, PodForm
from crossad.kube.reading import Object, created, over, owners
from crossad.kube.resources import EVENTS, JOBS, NODES, PODS, Resource
from crossad.kube.verdicts import State, Verdict
from crossad.manifests import words
from crossad.manifests.names import run_hash

TELLING = ("FailedCreate", "SuccessfulCreate", "FailedMount", "FailedAttachVolume")  # reasons of events read here
UNPLACED = ("nodeSelector", "affinity", "tolerations", "volumes")  # of a pod: why it has no node
CONDITIONS = ("PodScheduled", "DisruptionTarget")  # of a pod


@dataclass(frozen=True, slots=True)
class SeenJob:
    """A trainer Job, as the cluster showed it."""

    name: str
    uid: str
    training: str  # training key
    generation: int
    conditions: tuple[str, ...]  # condition ids
    spec: str  # hash of what decides the Job
    created: datetime  # by the cluster's clock
    leaving: bool  # it is being removed
    failed: int  # attempts that counted as failures
    pod: str | None  # the newest pod that was looked at
    verdict: Verdict


def look(cluster: Cluster, run: str, *, why: bool = True, training: str = "") -> list[SeenJob]:
    """All trainer Jobs of a run, oldest first; memory holds no more than what is said of each.

    Args:
        cluster: where.
        run: the run's name.
        why: read events and nodes as well, which tell why a Job has no pod and a pod no node; whoever may not read
            them gets the same states with less to say.
        training: look only at the Jobs of this one, and at their pods that ended well, too: their log may be wanted.

    Raises:
        ClusterDenied: these credentials may not list Jobs or pods.
        ClusterUnreachable: the API server could not be asked.
    """
    ours = f"{words.RUN}={run_hash(run)},{words.COMPONENT}={words.TRAINER}"
    ours += f",{words.TRAINING}={training}" if training else ""
    # of a pod that ended well its Job says as much, and by the end of a run nearly all are such
    which = "" if training else "status.phase!=Succeeded"
    # pods first: a Job that ends in between is then judged by fewer pods than it has, never by none of a finished one
    pods = _by_owner(cluster.gather(PODS, _Alike().pod, labels=ours, fields=which, form=PodForm))
    told = [_if_allowed(cluster, EVENTS, EventForm, f"reason={reason}") for reason in TELLING] if why else []
    events = _by_subject(event for some in told for event in some)
    nodes = _if_allowed(cluster, NODES, NodeForm) if why and _waits_for_node(pods) else []

    def keep(job: Object) -> SeenJob:
        mine = pods.get(job["metadata"]["uid"], [])
        subjects = [job["metadata"]["uid"], *(pod["metadata"]["uid"] for pod in mine)]
        about = [event for uid in subjects for event in events.get(uid, ())]
        return _seen(job, mine, classify(job, mine, about, nodes))

    found = cluster.gather(JOBS, keep, labels=ours, form=JobForm)
    return sorted(found, key=lambda seen: (seen.created, seen.name))


def newest(seen: Iterable[SeenJob]) -> dict[str, SeenJob]:
    """Per condition id the Job that speaks for it: of the highest generation, and of those the newest."""
    found: dict[str, SeenJob] = {}
    for job in sorted(seen, key=lambda one: (one.generation, one.created)):
        found |= dict.fromkeys(job.conditions, job)
    return found


def completed(seen: Iterable[SeenJob]) -> set[str]:
    """Ids of the conditions whose Job ended with 0."""
    return {one for job in seen if job.verdict.state is State.COMPLETE for one in job.conditions}


def controller(cluster: Cluster, run: str) -> str | None:
    """The name of a controller's Job that works on a run: it is neither over nor on its way out."""

    def keep(job: Object) -> str | None:
        return None if "deletionTimestamp" in job["metadata"] or over(job) else str(job["metadata"]["name"])

    labels = f"{words.RUN}={run_hash(run)},{words.COMPONENT}={words.CONTROLLER}"
    return next(filter(None, cluster.gather(JOBS, keep, labels=labels, form=JobForm)), None)


def _seen(job: Object, pods: Sequence[Object], verdict: Verdict) -> SeenJob:
    metadata = job["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    newest_pod = max(pods, key=created, default=None)
    return SeenJob(
        name=metadata["name"],
        uid=metadata["uid"],
        training=labels.get(words.TRAINING, ""),
        generation=int(labels.get(words.GENERATION, "1")),
        conditions=_conditions(labels, annotations),
        spec=annotations.get(words.SPEC, ""),
        created=created(job),
        leaving="deletionTimestamp" in metadata,
        failed=job.get("status", {}).get("failed") or 0,
        pod=newest_pod["metadata"]["name"] if newest_pod else None,
        verdict=verdict,
    )


def _conditions(labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of a Job's conditions; a Job whose annotation somebody broke still speaks for the one in its label."""
    try:
        told = tuple(str(one["id"]) for one in json.loads(annotations[words.CONDITIONS]))
    except (KeyError, TypeError, ValueError):
        told = ()
    return told or ((labels[words.CONDITION],) if words.CONDITION in labels else ())


def _if_allowed(cluster: Cluster, resource: Resource, form: type[Any], fields: str = "") -> list[Object]:
    try:
        return cluster.gather(resource, dict, fields=fields, form=form)
    except ClusterDenied as error:
        if error.right is None:  # not this right is missing: the credentials are no good
            raise
        return []


class _Alike:
    """Keeps once what thousands of pods have in common."""

    def __init__(self) -> None:
        self._kept: dict[str, Object] = {}

    def pod(self, found: Object) -> Object:
        """A pod without what says nothing here: how it ended if it ended badly, where it may run if it has no node."""
        spec, status = found["spec"], found.get("status", {})
        if status.get("phase") == "Succeeded":
            spec, status = {"containers": []}, {"phase": "Succeeded"}
        elif "nodeName" in spec:
            spec = {name: spec[name] for name in spec if name not in UNPLACED}
        if told := status.get("conditions"):
            status["conditions"] = [one for one in told if one["type"] in CONDITIONS]
        return {"metadata": found["metadata"], "spec": self._once(spec), "status": self._once(status)}

    def _once(self, part: Object) -> Object:
        return self._kept.setdefault(repr(part), part)


def _by_owner(pods: Iterable[Object]) -> dict[str, list[Object]]:
    grouped: dict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        for uid in owners(pod):
            grouped[uid].append(pod)
    return grouped


def _by_subject(events: Iterable[Object]) -> dict[str, list[Object]]:
    grouped: dict[str, list[Object]] = defaultdict(list)
    for event in events:
        grouped[event.get("involvedObject", {}).get("uid", "")].append(event)
    return grouped


def _waits_for_node(pods: Mapping[str, Sequence[Object]]) -> bool:
    return any(
        pod["spec"].get("nodeName") is None and pod.get("status", {}).get("phase") == "Pending"
        for mine in pods.values()
        for pod in mine
    )
