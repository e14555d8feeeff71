from __future__ import annotations

import clusterjobs
import pytest
from clients import Open
from plane import Plane

from crossad.control.jobs import SeenJob, look, newest
from crossad.kube.cluster import Cluster
from crossad.kube.resources import EVENTS, JOBS
from crossad.kube.verdicts import Cause, State
from crossad.manifests import words
from crossad.manifests.names import run_hash

READER = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]


def create(plane: Plane, namespace: str, name: str, run: str = "night", **more: object) -> None:
    """A trainer Job of a run; `ending`, `conditions` (JSON), `generation`, `training`, and fields of the pod's spec."""
    annotations = more.pop("ending", clusterjobs.ending("runs"))
    conditions = more.pop("conditions", f'[{{"experiment": 0, "id": "{name}", "name": "any"}}]')
    labels = {words.RUN: run_hash(run), words.COMPONENT: words.TRAINER, words.CONDITION: name}
    labels[words.GENERATION] = str(more.pop("generation", 1))
    if training := more.pop("training", ""):
        labels[words.TRAINING] = str(training)
    job = clusterjobs.job(name, annotations, **more)  # type: ignore[arg-type]
    job["metadata"] |= {"labels": labels, "annotations": {words.CONDITIONS: conditions, words.SPEC: "abc"}}
    told = (words.RUN, words.COMPONENT, words.TRAINING)
    job["spec"]["template"]["metadata"]["labels"] = {one: labels[one] for one in told if one in labels}
    plane.request("POST", JOBS.path(namespace), job)


def until(plane: Plane, namespace: str, name: str, kind: str) -> None:
    def over(job: dict[str, object]) -> bool:
        conditions = job.get("status", {}).get("conditions", [])  # type: ignore[attr-defined]
        return any(one["type"] == kind and one["status"] == "True" for one in conditions)

    plane.until(JOBS.path(namespace, name), over, f"{name} {kind}")


def test_each_job_of_the_run_is_told_with_its_own_pod(
    plane: Plane, namespace: str, gpu_node: str, cluster: Cluster
) -> None:
    create(plane, namespace, "works")
    create(plane, namespace, "bad", ending=clusterjobs.ending(code=65))
    create(plane, namespace, "homeless", nodeSelector={"gpu": "none-such"})
    create(plane, namespace, "other", run="another")
    plane.running_pod(namespace, "works")
    until(plane, namespace, "bad", "Failed")
    plane.until(
        f"/api/v1/namespaces/{namespace}/pods?labelSelector=batch.kubernetes.io/job-name=homeless",
        lambda found: any("conditions" in pod["status"] for pod in found["items"]),
        "the scheduler's word",
    )

    found = {job.name: job for job in look(cluster, "night")}

    assert sorted(found) == ["bad", "homeless", "works"]
    assert found["works"].verdict.state is State.RUNNING
    assert found["works"].pod is not None
    assert found["works"].pod.startswith("works-")
    assert (found["bad"].verdict.state, found["bad"].verdict.exit_code) == (State.FAILED, 65)
    assert found["homeless"].verdict.cause is Cause.LABEL
    assert found["homeless"].conditions == ("homeless",)
    assert not found["homeless"].leaving


def test_a_pod_that_ended_well_is_looked_at_only_for_its_log(
    plane: Plane, namespace: str, gpu_node: str, cluster: Cluster
) -> None:
    create(plane, namespace, "done", ending=clusterjobs.ending(code=0), training="t1")
    until(plane, namespace, "done", "Complete")

    (seen,) = look(cluster, "night")
    (closely,) = look(cluster, "night", training="t1")

    assert (seen.verdict, seen.pod) == (closely.verdict, None)
    assert seen.verdict.state is State.COMPLETE
    assert closely.pod is not None


def test_an_event_that_names_nobody_is_passed_over(plane: Plane, namespace: str, cluster: Cluster) -> None:
    create(plane, namespace, "homeless", nodeSelector={"gpu": "none-such"})
    about = {"kind": "Job", "namespace": namespace, "name": "homeless"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "reason": "FailedCreate", "message": "of nobody"}
    plane.request("POST", EVENTS.path(namespace), {**event, "type": "Warning"})

    (seen,) = look(cluster, "night")

    assert "of nobody" not in seen.verdict.sentence


def test_who_may_list_jobs_and_pods_alone_gets_the_same_states(
    plane: Plane, namespace: str, gpu_node: str, open_as: Open
) -> None:
    create(plane, namespace, "works")
    plane.running_pod(namespace, "works")
    reader = open_as(plane.account(namespace, "reader", READER))

    (seen,) = look(reader, "night")

    assert seen.verdict.state is State.RUNNING


def test_credentials_that_are_no_good_are_an_error_and_no_empty_run(open_as: Open) -> None:
    with pytest.raises(Exception, match="refuse"):
        look(open_as("nobody's token"), "night")


def test_a_refusal_by_a_quota_is_told_with_its_event(plane: Plane, namespace: str, cluster: Cluster) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    create(plane, namespace, "over")
    plane.until(
        f"/api/v1/namespaces/{namespace}/events",
        lambda found: any(event["reason"] == "FailedCreate" for event in found["items"]),
        "the Job controller's word",
    )

    (seen,) = look(cluster, "night")
    (silent,) = look(cluster, "night", why=False)

    assert seen.verdict.cause is Cause.QUOTA
    assert silent.verdict.state is State.PENDING
    assert silent.pod is None


@pytest.mark.parametrize("broken", ["no JSON", "{}", '[{"name": "no id"}]', "7"])
def test_a_job_with_a_broken_annotation_speaks_for_the_condition_of_its_label(
    plane: Plane, namespace: str, cluster: Cluster, broken: str
) -> None:
    create(plane, namespace, "job", conditions=broken)

    assert look(cluster, "night")[0].conditions == ("job",)


def seen(name: str, conditions: tuple[str, ...], generation: int) -> SeenJob:
    from datetime import UTC, datetime

    from crossad.kube.verdicts import Verdict

    verdict = Verdict(State.RUNNING, Cause.NONE, "it runs")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return SeenJob(name, name, "t", generation, conditions, "", at, False, 0, None, verdict)


def test_of_two_generations_the_higher_speaks_for_a_condition() -> None:
    jobs = [seen("retry", ("a",), 2), seen("first", ("a", "b"), 1)]

    assert {one: job.name for one, job in newest(jobs).items()} == {"a": "retry", "b": "first"}
