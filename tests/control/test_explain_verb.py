"""`crossad explain` on a real control plane: every reason as its user reads it, and the next step."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from clusterjobs import ending
from clusternight import Night
from plane import Plane

from crossad.control.jobs import look
from crossad.kube.cluster import Cluster
from crossad.kube.resources import JOBS, PODS
from crossad.kube.verdicts import overdue
from crossad.launch.state import RunState

MakeNight = Callable[..., Night]
POLICY = "admissionregistration.k8s.io/v1"
ONCE = {"backoffLimit": 0}
CLAIM = [{"name": "extra", "persistentVolumeClaim": {"claimName": "images"}}]
HUNGRY = {"cpu": "1", "memory": "1Gi", "gpuResource": "nvidia.com/mig-7g.80gb", "gpuCount": 2}

# condition -> settings, and what is said of it
CASES: dict[str, tuple[dict[str, object], str]] = {
    "label": (
        {"placement": {"nodeSelector": {"gpu": "h900"}}},
        r"label is pending: none of the \d+ nodes has the labels it asks for, gpu=h900 \(gpu is .*fake.*\); "
        r"next: correct nodeSelector in the settings",
    ),
    "resource": (
        {"resources": HUNGRY},
        r"resource is pending: no node can ever offer what it asks for: nvidia.com/mig-7g.80gb 2 .*; next: correct ",
    ),
    "image": (
        {"how": ending("image")},
        r"image is pending: its image reg.invalid/trainer@sha256:0{64} cannot be pulled: .*; next: check the im",
    ),
    "secret": (
        {"how": ending("config")},
        r'secret is pending: its container trainer cannot be made: secret "store-keys" not found; next: create what is',
    ),
    "claim": (
        {"spec": {"volumes": CLAIM}},
        r"claim is pending: the claim images is not there; next: create it in this namespace, or name another",
    ),
    "security": (
        {"security": {}, "spec": {"securityContext": {"runAsNonRoot": False}}},
        r"security is pending: its pod is refused: .*violates PodSecurity \"restricted:latest\".*; next: correct what",
    ),
    "account": (
        {"serviceAccount": "nobody"},
        r'account is pending: its pod is refused: .*serviceaccount "nobody" not found; next: create the service',
    ),
    "memory": (
        {"how": ending("oom"), "job": {"backoffLimit": 0}},
        r"memory is failed: all its attempts failed, the last one: out of memory: it was killed at its limit of 1Gi; "
        r"next: raise memory .*; then crossad retry night memory",
    ),
    "data": (
        {"how": ending(code=65)},
        r"data is failed: exit code 65: its condition or its data cannot be used; "
        r"next: read its log \(crossad logs night data\), remove the cause; then crossad retry night data",
    ),
    "crash": (
        {"how": ending(code=1)},
        r"crash is retrying: its last attempt ended: exit code 1: it crashed; the next one follows; next: read its log",
    ),
    "zero": (
        {"how": ending(code=0)},
        r"zero is lost: its Job zero-\w+ ended with 0 and left no commit; "
        r"next: read its log \(crossad logs night zero\); then crossad retry night zero",
    ),
    "runs": ({}, r"runs is running: it runs on node node-\w+; its trainer has not told of it yet; next: crossad logs"),
}


def test_every_reason_is_told_as_its_user_reads_it(night: MakeNight) -> None:
    found = night(*CASES, "absent")
    for name, (changes, _) in CASES.items():
        found.apply(name, settings=found.settings(**changes))  # type: ignore[arg-type]
    told = until_told(found, {name: words for name, (_, words) in CASES.items()})
    assert told["absent"].startswith("absent is pending: its Job is not in namespace t-")
    assert "no controller works on this run there; next: crossad retry night --failed" in told["absent"]


def until_told(night: Night, wanted: dict[str, str]) -> dict[str, str]:
    """The sentences, a condition each, once they are the wanted ones."""
    end = time.monotonic() + 90
    while True:
        done = night.type("explain", "night")
        assert done.exit_code == 0, done.output + repr(done.exception)
        told = {line.split(" is ")[0]: line for line in done.stdout.splitlines()}
        wrong = {name: told.get(name) for name, words in wanted.items() if not re.match(words, told.get(name, ""))}
        if not wrong:
            return told
        assert time.monotonic() < end, wrong
        time.sleep(0.3)


def test_a_taint_is_named(night: MakeNight, plane: Plane) -> None:
    with plane.node(1, {"gpu": "guarded"}, [{"key": "team", "value": "x", "effect": "NoSchedule"}]):
        found = night("a")
        found.apply(settings=found.settings(placement={"nodeSelector": {"gpu": "guarded"}}))
        words = r"a is pending: every node with its labels has a taint that it does not tolerate: team=x:NoSchedule; "
        until_told(found, {"a": f"{words}next: add tolerations for these nodes"})


def test_a_quota_is_told_with_its_numbers_and_a_full_node_is_waited_for(night: MakeNight, plane: Plane) -> None:
    found = night("a")
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    path = f"/api/v1/namespaces/{found.namespace}/resourcequotas"
    plane.request("POST", path, quota)
    plane.until(f"{path}/gpus", lambda seen: "used" in seen.get("status", {}))
    found.apply()
    words = r"a is pending: the namespace's quota is used up: gpus, requested: requests.nvidia.com/gpu=1, .*"
    until_told(found, {"a": f"{words}; next: wait for running work to end, lower --max-active"})


@pytest.fixture
def policy(plane: Plane, namespace: str) -> Iterator[None]:
    """A rule of the cluster's owner: no pods in this namespace."""
    base = f"/apis/{POLICY}"
    rule = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [{"expression": "false", "message": "GPUs are for the night"}],
    }
    binding = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
    }
    kinds = {"validatingadmissionpolicies": rule, "validatingadmissionpolicybindings": binding}
    for plural, spec in kinds.items():
        plane.request("POST", f"{base}/{plural}", {"metadata": {"name": namespace}, "spec": spec})
    yield
    for plural in kinds:
        plane.request("DELETE", f"{base}/{plural}/{namespace}")


def test_a_policy_of_the_clusters_owner_is_quoted(night: MakeNight, policy: None, plane: Plane) -> None:
    found = night("a")
    pod = found.jobs()[0]["spec"]["template"]
    pod["metadata"]["generateName"] = "try-"

    def in_force() -> bool:
        try:
            plane.request("POST", f"{PODS.path(found.namespace)}?dryRun=All", pod)
        except Exception as refused:  # noqa: BLE001 - the refusal is what is waited for
            return "GPUs are for the night" in str(refused)
        return False

    found.until("the policy is in force", in_force)
    found.apply()
    until_told(found, {"a": r"a is pending: its pod is refused: .*GPUs are for the night; next: correct what"})


def test_a_webhook_that_does_not_answer_is_named(night: MakeNight, plane: Plane) -> None:
    found = night("a")
    hook = {
        "name": "gate.test.invalid",
        "clientConfig": {"url": "https://127.0.0.1:9/gate"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": found.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    path = f"/apis/{POLICY}/validatingwebhookconfigurations"
    plane.request("POST", path, {"metadata": {"name": found.namespace}, "webhooks": [hook]})
    try:
        found.apply()
        words = r'a is (pending|running): .*failed calling webhook "gate.test.invalid".*; next: correct what'
        until_told(found, {"a": words})
    finally:
        plane.request("DELETE", f"{path}/{found.namespace}")


def test_kueue_and_who_suspended_it(night: MakeNight) -> None:
    found = night("queued", "held")
    queued, held = found.jobs("queued", settings=found.settings(queue={"name": "team-a"})) + found.jobs("held")
    name = held["metadata"]["name"]
    for job in (queued, held):  # as Kueue's webhook does
        job["spec"]["suspend"] = True
        found.plane.request("POST", JOBS.path(found.namespace), job)
    told = until_told(
        found,
        {
            "queued": r"queued is suspended: it waits in the queue team-a, and Kueue starts it when there is room; n",
            "held": rf"held is suspended: somebody suspended it; next: let it go: kubectl patch job {name} ",
        },
    )
    assert "kubectl describe localqueue team-a" in told["queued"]
    assert found.row("queued")["cause"] != found.row("held")["cause"]


def test_a_start_deadline_keeps_its_reason_after_the_job_is_gone(night: MakeNight, cluster: Cluster) -> None:
    found = night("a")
    (name,) = found.apply(settings=found.settings(placement={"nodeSelector": {"gpu": "h900"}}))
    until_told(found, {"a": "a is pending: none of"})
    (seen,) = look(cluster, "night")
    limit = timedelta(hours=1)
    late = overdue(seen.verdict, seen.created, seen.created + limit, limit)
    assert late is not None
    RunState(found.home, "night").close("c-a", "failed", late.sentence, hint=late.step)  # as the controller does
    found.plane.request("DELETE", f"{JOBS.path(found.namespace, name)}?propagationPolicy=Background")
    found.gone(name)
    until_told(found, {"a": r"a is failed: it did not start within 1 h: none of the .*; then crossad retry night a"})


def test_a_pod_on_a_node_that_went_away_is_told_with_the_node_and_for_how_long(night: MakeNight, plane: Plane) -> None:
    found = night("a")
    with plane.node(1, {"gpu": "leaving"}) as node:
        (job,) = found.apply(settings=found.settings(placement={"nodeSelector": {"gpu": "leaving"}}))
        pod = plane.running_pod(found.namespace, job)
    plane.evict(found.namespace, pod)
    words = rf"a is ending: its pod is being stopped on node {node} \(EvictionByEvictionAPI: .*\), "
    words += r"for \d+:\d\d now; next: if this lasts, its node is gone"
    until_told(found, {"a": words})
    assert found.row("a")["pod"] == pod
