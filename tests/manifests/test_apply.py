"""What is rendered, applied by kubectl to a real API server, with real admission and real controllers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from clients import ended
from plane import Plane, Refused

from crossad.kube.resources import JOBS
from crossad.manifests.folder import run_objects
from crossad.manifests.load import parse_settings
from crossad.manifests.text import to_yaml

from .conftest import FULL, MINIMAL, ROOT

QUICK = """
data: {uri: "s3://images/hdmap"}
resources: {cpu: 1, memory: 1Gi, ephemeralStorage: 1Gi}
annotations: {kwok.test/ending: exit, kwok.test/code: "0"}
report: {cpu: 100m, memory: 128Mi}
"""


@pytest.fixture
def folder(plan, namespace, tmp_path) -> Path:
    """Three conditions as files, whose pods the fake node ends with 0."""
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith("data:")) + QUICK
    settings = parse_settings("quick.yaml", text, {"namespace": namespace})
    few = plan.model_copy(update={"conditions": plan.conditions[:3]})
    for name, found in run_objects(few, settings):
        (tmp_path / name).write_text(to_yaml(found))
    return tmp_path


def job_names(folder: Path) -> list[str]:
    return [yaml.safe_load(path.read_text())["metadata"]["name"] for path in sorted(folder.glob("[23]0-job-*"))]


def test_a_folder_is_applied_once_and_again_changes_nothing(
    plane: Plane, namespace: str, gpu_node: str, folder: Path
) -> None:
    said = plane.kubectl("apply", "-f", str(folder)).splitlines()
    assert len(said) == 8
    assert all(line.endswith(" created") for line in said), said
    for name in job_names(folder):
        assert ended(plane.until(JOBS.path(namespace, name), ended)) == "Complete"
    again = plane.kubectl("apply", "-f", str(folder)).splitlines()
    assert all(line.endswith(" unchanged") for line in again), again


@pytest.mark.parametrize(("code", "reason"), [(65, "PodFailurePolicy"), (1, None)])
def test_a_trainers_exit_code_ends_its_job_or_does_not(
    plane: Plane, namespace: str, gpu_node: str, folder: Path, code: int, reason: str | None
) -> None:
    file = sorted(folder.glob("30-job-*"))[0]
    found = yaml.safe_load(file.read_text())
    found["spec"]["template"]["metadata"]["annotations"]["kwok.test/code"] = str(code)
    plane.kubectl("apply", "-f", "-", told=to_yaml(found))
    path = JOBS.path(namespace, found["metadata"]["name"])
    job = plane.until(path, lambda one: one["status"].get("failed"))
    if reason is not None:
        job = plane.until(path, ended)
        assert job["status"]["conditions"][-1]["reason"] == reason
    else:
        assert not ended(job), "a crash is tried again"


def test_what_a_queue_changes_survives_another_apply(plane: Plane, namespace: str, folder: Path) -> None:
    """As Kueue does: suspended on creation, a node selector injected, then released; nothing of it is ours."""
    file = sorted(folder.glob("30-job-*"))[0]
    found = yaml.safe_load(file.read_text())
    name = found["metadata"]["name"]
    plane.kubectl("create", "-f", "-", told=to_yaml({**found, "spec": {**found["spec"], "suspend": True}}))
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"flavor": "a"}}}}}
    plane.kubectl("patch", "job", name, "--type=merge", "-p", json.dumps(selector), namespace=namespace)
    for _ in range(2):
        plane.kubectl("apply", "-f", str(file))
    job = plane.request("GET", JOBS.path(namespace, name))
    assert job["spec"]["suspend"] is True
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"flavor": "a"}


def test_every_setting_makes_an_object_that_the_server_takes(plane: Plane, namespace: str, plan) -> None:
    settings = parse_settings("full.yaml", FULL, {"namespace": namespace})
    told = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "low"}, "value": 1}
    plane.kubectl("apply", "-f", "-", told=to_yaml(told))
    text = "---\n".join(to_yaml(found) for _, found in run_objects(plan, settings))
    said = plane.kubectl("apply", "--dry-run=server", "-f", "-", told=text).splitlines()
    assert len(said) == 5 + len(plan.conditions)


def test_what_an_operator_applies_first_gives_least_rights(plane: Plane) -> None:
    try:
        plane.kubectl("apply", "-f", str(ROOT / "k8s"))
        plane.kubectl("apply", "--dry-run=server", "-f", str(ROOT / "k8s/sample/job.yaml"))
        assert can(plane, "crossad-report", "list", "jobs")
        assert can(plane, "crossad-report", "list", "events")
        assert not can(plane, "crossad-report", "create", "jobs")
        assert can(plane, "crossad-controller", "create", "jobs")
        assert can(plane, "crossad-controller", "delete", "jobs")
        for account in ("crossad-report", "crossad-controller"):
            for verb, what in (("get", "secrets"), ("create", "pods"), ("create", "pods/exec"), ("list", "nodes")):
                assert not can(plane, account, verb, what), (account, verb, what)
            assert not can(plane, account, "list", "jobs", namespace="default")
    finally:
        plane.drop("crossad")


def can(plane: Plane, account: str, verb: str, what: str, namespace: str = "crossad") -> bool:
    try:
        who = f"--as=system:serviceaccount:crossad:{account}"
        return plane.kubectl("auth", "can-i", verb, what, who, namespace=namespace).strip() == "yes"
    except Refused:
        return False  # "no" is kubectl's failure
