"""A night on a real node: pods deleted and killed at work, a bad condition, one that fits nowhere; it ends by itself.

A suite by `helm install`, every process in a real container. What can be done is done, equal to a local run; what
cannot is explained in the report.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from nodeworld import PATIENCE, World, assert_equal

RUN = "night3"
LONG = {"max_epochs": 60}  # long enough to be disturbed
VALUES = """
control: {startDeadlineSeconds: 120}
job: {device: cpu, checkpointSeconds: 1, graceSeconds: 20}
"""


@pytest.mark.timeout(2400)  # the images are brought to the node first
def test_a_disturbed_run_ends_by_itself_with_all_that_can_be_done(world: World):
    long = {"killed": {"seed": 1, **LONG}, "deleted": {"seed": 2, **LONG}}
    suite = world.suite("night.json", **long, bad={"seed": 3}, nowhere={"seed": 4})
    told = json.loads(suite.read_text())
    bad, nowhere = told["experiment_conditions"][2:]
    bad["config"]["target_domains"] = ["domain_Z"]
    nowhere["resources"] = {"node_selector": {"gpu": "of-nobody"}}
    suite.write_text(json.dumps(told))
    settings = world.settings()
    settings.write_text(settings.read_text().replace("job: {device: cpu}", VALUES.strip()))
    world.images()
    here = {name: world.local(suite, RUN, name) for name in ("killed", "deleted")}

    world.helm("install", RUN, suite=suite)
    kill(running(world, "trainer", "killed"))
    delete(world, running(world, "trainer", "deleted"))
    delete(world, running(world, "controller"))

    ended = world.ended("controller", "report", "trainer/killed", "trainer/deleted", "trainer/bad")
    assert ended["trainer/killed"] == ended["trainer/deleted"] == "Complete", world.node.told(world.namespace)
    assert ended["trainer/bad"] == "Failed"
    assert ended["controller"] == "Failed"  # partial: a report, and something that is missing
    there = world.fetched(RUN)
    for name, tree in here.items():
        assert_equal(there, tree, name)
    summary = json.dumps(json.loads((there.root / "report/summary.json").read_text()))
    assert "domain_Z" in summary
    assert "nowhere" in summary


def at_work(world: World, pod: dict[str, Any]) -> bool:
    """Whether a trainer has told the store that it works: from there on its end is counted, and it has work to lose."""
    labels = pod["metadata"]["labels"]
    if labels["app.kubernetes.io/component"] != "trainer":
        return True
    condition = labels["crossad.github.io/condition"]
    return any(world.node.bucket.files.glob(f"runs/runs/{RUN}/live/{condition}/*.json"))


def kill(pod: dict[str, Any]) -> None:
    """End a pod's own processes as the kernel would, out of memory."""
    uid = pod["metadata"]["uid"]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if uid in (process / "cgroup").read_text() and b"crossad" in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def delete(world: World, pod: dict[str, Any]) -> None:
    """Delete a pod, as whoever drains a node does."""
    words = ("delete", "pod", pod["metadata"]["name"], "--wait=false")
    world.node.plane.kubectl(*words, namespace=world.namespace)


def running(world: World, component: str, condition: str = "") -> dict[str, Any]:
    """A component's pod, once it is at work."""
    until = time.monotonic() + PATIENCE
    path = f"/api/v1/namespaces/{world.namespace}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3D{component}"
    while time.monotonic() < until:
        pods: list[dict[str, Any]] = world.node.plane.request("GET", path)["items"]
        for pod in pods:
            named = pod["metadata"]["name"].startswith(condition)
            if named and pod["status"]["phase"] == "Running" and at_work(world, pod):
                return pod
        time.sleep(0.2)
    raise AssertionError(world.node.told(world.namespace))
