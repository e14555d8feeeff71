"""The ground of the tests: a real control plane whose pods end as told, and processes that outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import clusterjobs
import processes
import pytest
from clients import ended
from plane import GPU, Plane, Refused

from crossad.kube.resources import JOBS, PODS


@pytest.mark.parametrize(
    ("code", "kind"), [(0, "Complete"), (64, "Failed"), (65, "Failed"), (66, "Failed"), (70, "Failed"), (78, "Failed")]
)
def test_a_pod_ends_with_the_code_it_is_told_and_the_policy_acts(
    plane: Plane, namespace: str, gpu_node: str, code: int, kind: str
) -> None:
    plane.request("POST", JOBS.path(namespace), clusterjobs.job("a", clusterjobs.ending(code=code)))
    job = plane.until(JOBS.path(namespace, "a"), ended)
    assert ended(job) == kind
    if code:
        assert f"exit code {code}" in job["status"]["conditions"][-1]["message"]


def test_an_evicted_pod_is_not_counted_as_a_failure(plane: Plane, namespace: str, gpu_node: str) -> None:
    plane.request("POST", JOBS.path(namespace), clusterjobs.job("a", clusterjobs.ending("runs")))
    pod = plane.running_pod(namespace, "a")
    plane.evict(namespace, pod)
    job = plane.until(JOBS.path(namespace, "a"), lambda found: not found["status"].get("active"))
    assert "failed" not in job["status"]
    assert not ended(job)


def test_a_pod_that_pod_security_refuses_is_refused(plane: Plane, namespace: str) -> None:
    job = clusterjobs.job("a", securityContext={})
    pod = {"metadata": {"name": "a"}, "spec": job["spec"]["template"]["spec"]}
    with pytest.raises(Refused, match="violates PodSecurity"):
        plane.request("POST", PODS.path(namespace), pod)


def test_an_account_has_its_rights_and_no_other(plane: Plane, namespace: str) -> None:
    token = plane.account(namespace, "reader", [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}])
    assert plane.kubectl("get", "jobs", "-o", "name", namespace=namespace, token=token) == ""
    with pytest.raises(Refused, match="cannot list resource"):
        plane.kubectl("get", "secrets", namespace=namespace, token=token)


def test_a_fake_node_offers_the_gpus_it_is_told(plane: Plane) -> None:
    with plane.node(3, {"pool": "small"}) as name:
        assert plane.request("GET", f"/api/v1/nodes/{name}")["status"]["allocatable"][GPU] == "3"
    with pytest.raises(Refused, match="not found"):
        plane.request("GET", f"/api/v1/nodes/{name}")


def test_a_process_dies_with_the_one_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; import processes\n"
        "with processes.running(['sleep', '600'], Path(sys.argv[2])) as child:\n"
        "    print(child.pid, flush=True); time.sleep(600)\n"
    )
    words = [sys.executable, "-c", program, str(Path(processes.__file__).parent), str(tmp_path / "log")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    for _ in range(200):
        if not alive(child):
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the child outlived its parent")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
