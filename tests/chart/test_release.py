"""Releases on a real API server: what install, upgrade, rollback and uninstall make, keep and take away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plane import Plane

from .conftest import CHART, SMOKE, Helm

Release = Callable[..., str]
ACCOUNTS = {"crossad-controller", "crossad-report"}


@pytest.fixture
def release(helm: Helm, plane: Plane, namespace: str) -> Release:
    """Runs helm on the test's namespace; what it prints."""

    def run(verb: str, name: str, *words: str | Path, suite: Path | None = None, fails: str = "") -> str:
        chart = [CHART, "-f", CHART / "ci/s3.yaml", "--set-file", f"suite={suite or SMOKE}"]
        given = chart if verb in ("install", "upgrade") else []
        done = helm(verb, name, *given, "-n", namespace, *words, KUBECONFIG=str(plane.kubeconfig()))
        assert (fails in done.stderr) if fails else (done.returncode == 0), done.stderr
        return done.stdout

    return run


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The smoke suite with one condition less."""
    suite = json.loads(SMOKE.read_text())
    suite["experiment_conditions"].pop()
    path = tmp_path / "other.json"
    path.write_text(json.dumps(suite))
    return path


@pytest.fixture
def names(plane: Plane, namespace: str) -> Callable[[str], set[str]]:
    """The names of a namespace's objects of a kind."""
    paths = {
        "jobs": f"/apis/batch/v1/namespaces/{namespace}/jobs",
        "accounts": f"/api/v1/namespaces/{namespace}/serviceaccounts",
        "suites": f"/api/v1/namespaces/{namespace}/configmaps",
    }

    def found(kind: str) -> set[str]:
        items: list[dict[str, Any]] = plane.request("GET", paths[kind])["items"]
        return {item["metadata"]["name"] for item in items} - {"kube-root-ca.crt", "default"}

    return found


def test_an_upgrade_replaces_the_controller_only_where_it_has_other_work(
    release: Release, names: Callable[[str], set[str]], other: Path
):
    told = release("install", "night1")
    first = names("jobs")
    assert len(first) == 1
    assert "crossad status night1 --store s3://experiments/crossad" in told
    assert names("suites") == first
    release("upgrade", "night1")
    assert names("jobs") == first
    release("upgrade", "night1", suite=other)
    second = names("jobs")
    assert len(second) == 1
    assert second != first
    release("upgrade", "night1", "--set", "control.maxActive=7", suite=other)
    third = names("jobs")
    assert len({*first, *second, *third}) == 3
    release("rollback", "night1", "1")
    assert names("jobs") == names("suites") == first


def test_uninstall_takes_the_controller_and_leaves_accounts_to_others(
    release: Release, names: Callable[[str], set[str]], plane: Plane, namespace: str
):
    release("install", "night1")
    release("install", "night2", "--set", "report.cpu=2")
    assert len(names("jobs")) == 2
    release("uninstall", "night1")
    assert {name.rpartition("-")[0] for name in names("jobs")} == {"controller-night2"}
    assert names("accounts") == ACCOUNTS
    release("upgrade", "night2")  # not their owner
    release("uninstall", "night2")
    assert names("jobs") == names("suites") == set()
    assert names("accounts") == ACCOUNTS
    release("install", "night3")
    allowed = plane.kubectl(
        "auth", "can-i", "create", "jobs", f"--as=system:serviceaccount:{namespace}:crossad-controller",
        namespace=namespace,
    )  # fmt: skip
    assert allowed.strip() == "yes"


def test_what_is_made_is_admitted_under_restricted(release: Release, plane: Plane, namespace: str):
    """A Job is taken as it is; its pod is what admission looks at."""
    release("install", "night1", "--set", "store.secret=null")
    (job,) = plane.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    pod = {"metadata": {"name": "as-told"}, "spec": job["spec"]["template"]["spec"]}
    made = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    assert made["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
