"""A laboratory: a namespace of a real control plane, a bucket, and somebody who plays the trainers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plane import Plane
from trainers import RUNS, Trainers

from crossad.control.aggregation import Ended
from crossad.control.reconcile import Reconciler
from crossad.control.submission import pin
from crossad.kube.cluster import Cluster
from crossad.kube.connection import Connection
from crossad.kube.patience import Patience
from crossad.kube.resources import JOBS
from crossad.kube.target import Target
from crossad.launch.state import RunState, Verdict
from crossad.manifests import words
from crossad.manifests.access import access
from crossad.manifests.load import parse_settings
from crossad.manifests.settings import Settings
from crossad.results.home import BucketHome
from crossad.results.plan import Plan, PlanEntry
from crossad.store.folder import FolderStore

DIGEST = "sha256:" + "0123456789abcdef" * 4
SETTINGS = {
    "images": {"trainer": f"reg.example/trainer@{DIGEST}", "controller": f"reg.example/slim@{DIGEST}"},
    "store": {"uri": "s3://bucket/prefix"},
    "data": {"uri": "s3://images/hdmap", "domains": ["domain_A", "domain_B"]},
    "resources": {"cpu": 1, "memory": "1Gi", "ephemeralStorage": "1Gi"},
    "report": {"cpu": "100m", "memory": "128Mi"},
    "annotations": RUNS,
}
RUN = "night1"
PASSES = 400  # far more than any of these runs needs


class Store(FolderStore):
    """A folder whose clock may be ahead."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def make_plan(*names: str, run: str = RUN) -> Plan:
    """Conditions by name; "a/t" has the training t, which others may share."""
    entries = []
    for number, text in enumerate(names):
        name, _, training = text.partition("/")
        told = {"model_type": "patchcore", "source_domain": "domain_A"}
        key = training or f"t-{name}"
        entries.append(
            PlanEntry(experiment_id=number, name=f"condition {name}", config=told, condition_id=name, training_key=key)
        )
    told = {"run": run, "suite": "suite", "created": "1970-01-01T00:00:00+00:00", "data": "s3://images/hdmap"}
    return Plan(**told, conditions=tuple(entries))


@dataclass
class Lab:
    """One namespace and one bucket."""

    plane: Plane
    namespace: str
    folder: Path
    said: list[str] = field(default_factory=list)
    opened: list[Cluster] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "bucket")
        self.home = BucketHome(self.store, self.folder / "work")
        self.trainers = Trainers(self.plane, self.namespace, self.home)

    def settings(self, **changes: Any) -> Settings:
        """Changed by path, such as `**{"control.maxActive": 2}`."""
        return parse_settings("test", json.dumps(SETTINGS), {"namespace": self.namespace, **changes})

    def cluster(self, token: str | None = None, server: str = "", patience: Patience | None = None) -> Cluster:
        target = Target(kubeconfig=str(self.plane.kubeconfig(token, self.namespace, server)))
        self.opened.append(Cluster(Connection(target, {}), self.said.append, patience or Patience()))
        return self.opened[-1]

    def pin(self, plan: Plan, **changes: Any) -> Plan:
        return pin(self.home, plan, self.settings(**changes), ("crossad", "submit"))

    def reconciler(self, run: str = RUN, cluster: Cluster | None = None, **more: Any) -> Reconciler:
        return Reconciler(cluster or self.cluster(), self.home, run, self.said.append, **more)

    def work(self, run: str = RUN, cluster: Cluster | None = None, **more: Any) -> Ended:
        """To the end, the trainers working in between."""
        left = iter(range(PASSES))

        def wait(seconds: float) -> bool:
            self.trainers.step()
            return next(left, None) is None

        return self.reconciler(run, cluster, **more).work(wait)

    def jobs(self, component: str = words.TRAINER) -> list[dict[str, Any]]:
        path = f"{JOBS.path(self.namespace)}?labelSelector={words.COMPONENT}={component}"
        return list(self.plane.request("GET", path)["items"])

    def names(self, component: str = words.TRAINER) -> list[str]:
        return sorted(job["metadata"]["name"] for job in self.jobs(component))

    def verdict(self, condition: str, run: str = RUN) -> Verdict | None:
        return RunState(self.home, run).verdict(condition)

    def allow(self, *components: str) -> None:
        """Make the accounts, as an operator does by applying k8s/."""
        for found in (one for component in components for one in access(component, self.settings())):
            group = "api/v1" if found["kind"] == "ServiceAccount" else f"apis/{found['apiVersion']}"
            self.plane.request("POST", f"/{group}/namespaces/{self.namespace}/{found['kind'].lower()}s", found)

    def token(self, component: str) -> str:
        """A token of such an account."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{words.ACCOUNTS[component]}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.plane.request("POST", path, asked)["status"]["token"])


@pytest.fixture
def lab(plane: Plane, namespace: str, gpu_node: str, tmp_path: Path) -> Iterator[Lab]:
    """An empty one, with a node that takes everything."""
    made = Lab(plane, namespace, tmp_path)
    made.allow(words.REPORT, words.CONTROLLER)
    yield made
    for cluster in made.opened:
        cluster.close()


def ids(jobs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Condition ids of Jobs."""
    return sorted([one["id"] for one in json.loads(job["metadata"]["annotations"][words.CONDITIONS])] for job in jobs)
