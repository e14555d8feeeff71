"""Every verdict on JSON of a real control plane: what a user is told is what the cluster did."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from clusterjobs import ending, job
from plane import Plane

from crossad.kube.classify import QUEUE, classify
from crossad.kube.forms import EventForm, JobForm, NodeForm, PodForm
from crossad.kube.parsing import parse_page
from crossad.kube.reading import Object, created
from crossad.kube.resources import EVENTS, JOBS, PODS
from crossad.kube.verdicts import Cause, State, Verdict, overdue

Look = Callable[..., Verdict]
Objects = list[Object]


@pytest.fixture
def look(plane: Plane, namespace: str) -> Look:
    """Create a Job and judge it until a cause is seen."""

    def judge(made: dict[str, Any] | None, cause: Cause, state: State, *, nodes: bool = False) -> Verdict:
        if made is not None:
            plane.request("POST", JOBS.path(namespace), made)
        last: list[Verdict] = []

        def seen(_: Any) -> bool:
            found = plane.request("GET", JOBS.path(namespace, "a"))
            pods, events = (plane.request("GET", kind.path(namespace))["items"] for kind in (PODS, EVENTS))
            there = plane.request("GET", "/api/v1/nodes")["items"] if nodes else []
            last[:] = [classify(found, pods, events, there)]
            assert classify(*listed([found], pods, events, there)) == last[0]
            return (last[0].cause, last[0].state) == (cause, state)

        try:
            plane.until("/version", seen)
        except AssertionError as error:
            raise AssertionError(f"not {cause} {state}, but {last}") from error
        told = last[0]
        assert "\n" not in told.sentence
        assert not told.sentence.endswith(".")
        assert told.since is not None
        return told

    return judge


def listed(jobs: Objects, pods: Objects, events: Objects, nodes: Objects) -> tuple[Object, Objects, Objects, Objects]:
    """The same objects as a list gives them that is read down to their forms."""

    def read(items: Objects, form: type[Any]) -> Objects:
        return parse_page(json.dumps({"items": items}).encode(), form)["items"] or []

    (job_,) = read(jobs, JobForm)
    return job_, read(pods, PodForm), read(events, EventForm), read(nodes, NodeForm)


def on(pool: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Job for the nodes of one test."""
    return job("a", ending("runs") if annotations is None else annotations, nodeSelector={"pool": pool}, **spec)


def test_a_job_that_runs(look: Look, gpu_node: str) -> None:
    told = look(job("a", ending("runs")), Cause.NONE, State.RUNNING)
    assert told.node == gpu_node
    assert told.sentence == f"it runs on node {gpu_node}"
    assert not told.over


def test_a_job_that_is_complete(look: Look, gpu_node: str) -> None:
    told = look(job("a"), Cause.NONE, State.COMPLETE)
    assert told.exit_code == 0
    assert told.over


@pytest.mark.parametrize(
    ("code", "words"),
    [(64, "command line"), (65, "condition or its data"), (66, "input"), (70, "same way"), (78, "environment")],
)
def test_an_exit_code_that_fails_the_job_at_once(look: Look, gpu_node: str, code: int, words: str) -> None:
    told = look(job("a", ending(code=code)), Cause.EXIT, State.FAILED)
    assert told.exit_code == code
    assert told.sentence.startswith(f"exit code {code}: ")
    assert words in told.sentence
    assert "crossad retry" in told.step


@pytest.mark.parametrize(("code", "words"), [(1, "it crashed"), (75, "progress is saved"), (139, "native code")])
def test_an_attempt_that_will_be_followed_by_another(look: Look, gpu_node: str, code: int, words: str) -> None:
    told = look(job("a", ending(code=code)), Cause.EXIT, State.RETRYING)
    assert told.exit_code == code
    assert words in told.sentence


def test_all_attempts_failed(look: Look, gpu_node: str) -> None:
    made = job("a", ending(code=1))
    made["spec"]["backoffLimit"] = 0
    told = look(made, Cause.EXIT, State.FAILED)
    assert told.sentence == "all its attempts failed, the last one: exit code 1: it crashed"


def test_out_of_memory_names_the_limit(look: Look, gpu_node: str) -> None:
    made = job("a", ending("oom"))
    told = look(made, Cause.OOM, State.RETRYING)
    assert "limit of 1Gi" in told.sentence
    assert told.exit_code == 137
    assert "raise memory" in told.step


def test_an_attempt_that_the_cluster_took_is_followed_by_another(
    look: Look, gpu_node: str, plane: Plane, namespace: str
) -> None:
    look(job("a", ending("runs")), Cause.NONE, State.RUNNING)
    plane.evict(namespace, plane.running_pod(namespace, "a"))
    told = look(None, Cause.REMOVED, State.RETRYING)
    assert told.sentence == "its last pod was taken away; the next one follows"


def test_a_pod_that_carries_the_clusters_reason_is_told_with_it(
    look: Look, gpu_node: str, plane: Plane, namespace: str
) -> None:
    look(job("a", ending("runs")), Cause.NONE, State.RUNNING)
    pod = plane.running_pod(namespace, "a")
    held = {"metadata": {"finalizers": ["test.invalid/hold"]}}
    plane.request("PATCH", PODS.path(namespace, pod), held, "application/strategic-merge-patch+json")
    plane.evict(namespace, pod)
    told = look(None, Cause.EVICTED, State.RETRYING)
    assert "the cluster took its pod (EvictionByEvictionAPI: " in told.sentence
    assert told.exit_code == 75
    free = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test.invalid/hold"]}}
    plane.request("PATCH", PODS.path(namespace, pod), free, "application/strategic-merge-patch+json")


def test_an_image_that_cannot_be_pulled(look: Look, gpu_node: str) -> None:
    told = look(job("a", ending("image")), Cause.IMAGE, State.PENDING)
    assert "crossad.invalid/trainer@sha256:000" in told.sentence
    assert told.node == gpu_node


def test_a_secret_that_is_not_there(look: Look, gpu_node: str) -> None:
    assert 'secret "store-keys" not found' in look(job("a", ending("config")), Cause.CONFIG, State.PENDING).sentence


def test_a_container_that_is_slow_to_start(look: Look, gpu_node: str) -> None:
    look(job("a", ending("never")), Cause.NONE, State.STARTING)


def test_labels_that_no_node_has_are_named(look: Look, plane: Plane) -> None:
    with plane.node(1, {"pool": "a"}), plane.node(1, {"pool": "b"}, [{"key": "team", "effect": "NoSchedule"}]):
        told = look(on("h100"), Cause.LABEL, State.PENDING)
        assert "pool=h100" in told.sentence
        told = look(None, Cause.LABEL, State.PENDING, nodes=True)
        assert "pool is a or b" in told.sentence


def test_a_taint_is_named_where_nodes_may_be_read(look: Look, plane: Plane) -> None:
    taint = {"key": "team", "value": "x", "effect": "NoSchedule"}
    with plane.node(1, {"pool": "tainted"}, [taint]):
        told = look(on("tainted"), Cause.TAINT, State.PENDING, nodes=True)
        assert "team=x:NoSchedule" in told.sentence
        assert "tolerations" in told.step


def test_a_taint_on_the_only_node_with_gpus_is_the_cause(look: Look, plane: Plane) -> None:
    with plane.node(1, taints=[{"key": "gpu", "effect": "NoSchedule"}]), plane.node():
        made = job("a", ending("runs"))
        made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "3999999"
        told = look(made, Cause.TAINT, State.PENDING)
        assert "1 node has a taint that it does not tolerate" in told.sentence
        assert "nvidia.com/gpu" in told.sentence


def test_a_full_node_is_told_from_one_that_is_too_small(look: Look, plane: Plane, namespace: str) -> None:
    with plane.node(1, {"pool": "small"}):
        first = on("small")
        first["metadata"]["name"] = "first"
        plane.request("POST", JOBS.path(namespace), first)
        plane.running_pod(namespace, "first")
        told = look(on("small"), Cause.BUSY, State.PENDING)
        assert "every node that it may use is full: nvidia.com/gpu" in told.sentence


def test_more_than_any_node_has(look: Look, gpu_node: str) -> None:
    told = look(job("a", ending("runs"), gpus=999999), Cause.CAPACITY, State.PENDING)
    assert "no node can ever offer what it asks for: nvidia.com/gpu 999999" in told.sentence


def test_a_claim_that_is_not_there(look: Look, gpu_node: str) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "images"}}]
    told = look(job("a", volumes=volumes), Cause.CLAIM, State.PENDING)
    assert told.sentence == "the claim images is not there"


def test_a_claim_without_a_volume(look: Look, plane: Plane, namespace: str, gpu_node: str) -> None:
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    plane.request("POST", path, {"metadata": {"name": "images"}, "spec": claim})
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "images"}}]
    told = look(job("a", volumes=volumes), Cause.CLAIM, State.PENDING)
    assert "no node can mount images" in told.sentence


def test_a_quota_that_lets_no_pod_in(look: Look, plane: Plane, namespace: str) -> None:
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "1"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    plane.request("POST", path, quota)
    plane.until(f"{path}/gpus", lambda found: "used" in found.get("status", {}))
    told = look(job("a", gpus=2), Cause.QUOTA, State.PENDING)
    assert "gpus, requested: requests.nvidia.com/gpu=2" in told.sentence
    assert "--max-active" in told.step


def test_pod_security_that_lets_no_pod_in(look: Look) -> None:
    assert "runAsNonRoot" in look(job("a", securityContext={}), Cause.ADMISSION, State.PENDING).sentence


def test_a_priority_class_that_is_not_there(look: Look) -> None:
    told = look(job("a", priorityClassName="urgent"), Cause.ADMISSION, State.PENDING)
    assert "no PriorityClass with name urgent" in told.sentence


def test_a_service_account_that_is_not_there(look: Look) -> None:
    assert '"nobody" not found' in look(job("a", serviceAccountName="nobody"), Cause.ACCOUNT, State.PENDING).sentence


def test_a_job_that_kueue_holds(look: Look) -> None:
    made = job("a")
    made["metadata"]["labels"][QUEUE] = "team-a"
    made["spec"]["suspend"] = True
    told = look(made, Cause.QUEUE, State.SUSPENDED)
    assert "queue team-a, and Kueue starts it" in told.sentence


def test_a_job_that_somebody_suspended(look: Look) -> None:
    made = job("a")
    made["spec"]["suspend"] = True
    assert "suspend" in look(made, Cause.HELD, State.SUSPENDED).step


def test_a_jobs_own_deadline(look: Look, gpu_node: str) -> None:
    made = job("a", ending("runs"))
    made["spec"]["activeDeadlineSeconds"] = 1
    look(made, Cause.DEADLINE, State.FAILED)


def test_a_volume_that_cannot_be_mounted_is_read_from_the_pods_events(
    look: Look, plane: Plane, namespace: str, gpu_node: str
) -> None:
    look(job("a", ending("never")), Cause.NONE, State.STARTING)
    pod = plane.request("GET", PODS.path(namespace))["items"][0]["metadata"]
    about = {"kind": "Pod", "namespace": namespace, "name": pod["name"], "uid": pod["uid"]}
    message = 'MountVolume.SetUp failed for volume "ca" : configmap "site-ca" not found'
    event = {"metadata": {"name": "e"}, "involvedObject": about, "reason": "FailedMount", "message": message}
    plane.request("POST", EVENTS.path(namespace), {**event, "type": "Warning"})
    assert 'configmap "site-ca" not found' in look(None, Cause.MOUNT, State.PENDING).sentence


def test_a_start_deadline_keeps_the_reason(look: Look, plane: Plane, namespace: str, gpu_node: str) -> None:
    told = look(job("a", ending("runs"), gpus=999999), Cause.CAPACITY, State.PENDING)
    began = created(plane.request("GET", JOBS.path(namespace, "a")))
    limit = timedelta(minutes=90)
    assert overdue(told, began, began + timedelta(minutes=89), limit) is None
    late = overdue(told, began, began + limit, limit)
    assert late is not None
    assert (late.state, late.cause) == (State.FAILED, Cause.START_DEADLINE)
    assert late.sentence == f"it did not start within 1 h 30 min: {told.sentence}"


def test_a_start_deadline_spares_what_runs_or_waits_in_a_queue(look: Look, gpu_node: str) -> None:
    told = look(job("a", ending("runs")), Cause.NONE, State.RUNNING)
    assert told.since is not None
    assert overdue(told, told.since, told.since + timedelta(days=9), timedelta(minutes=1)) is None


def test_objects_with_nothing_but_a_name_are_judged() -> None:
    bare = {"metadata": {"name": "a"}, "spec": {}}
    assert classify(bare).state is State.PENDING
    assert classify({**bare, "status": {"conditions": None}}).cause is Cause.NEW


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        ({"active": 1, "ready": 1}, State.RUNNING, "runs, or has just ended"),
        ({"active": 1, "ready": 0}, State.STARTING, "just been created, or has just ended"),
        ({"active": 0, "uncountedTerminatedPods": {"succeeded": ["u"]}}, State.ENDING, "is being counted"),
        ({"succeeded": 1}, State.ENDING, "is being counted"),
        ({"active": 0, "uncountedTerminatedPods": {"failed": ["u"]}}, State.PENDING, "no pod yet"),
    ],
)
def test_of_a_pod_that_was_not_listed_its_job_tells(status: Object, state: State, words: str) -> None:
    told = classify({"metadata": {"name": "a"}, "spec": {}, "status": {"startTime": "2026-11-26T09:00:00Z", **status}})
    assert told.state is state
    assert words in told.sentence
