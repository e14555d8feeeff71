"""A run whose trainers' Jobs are real and end as told; what they would commit, the test commits."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import clusterjobs
import yaml
from clients import ended
from fetchworld import RUN, World, entry
from plane import Plane

from crossad.control.census import Fate
from crossad.control.waiting import Terms, Waiter
from crossad.fetch.found import find_plan
from crossad.kube.cluster import Cluster
from crossad.kube.resources import JOBS, PODS
from crossad.manifests import words
from crossad.manifests.aggregation import plan_shards, report_job
from crossad.manifests.job import trainer_job
from crossad.manifests.load import parse_settings
from crossad.manifests.settings import Settings
from crossad.results.plan import Plan
from crossad.results.record import Failure

DIGEST = f"sha256:{'0' * 64}"


def settings(namespace: str, **more: Any) -> Settings:
    """The least that makes Jobs a fake node takes; a crash is not tried again."""
    told = {
        "images": {"trainer": f"reg.example/trainer@{DIGEST}", "controller": f"reg.example/slim@{DIGEST}"},
        "store": {"uri": "s3://bucket/prefix"},
        "data": {"uri": "s3://images/hdmap"},
        "resources": {"cpu": 1, "memory": "1Gi", "ephemeralStorage": "1Gi"},
        "report": {"cpu": "100m", "memory": "128Mi", "deadlineSeconds": 600, "graceSeconds": 0},
        "job": {"backoffLimit": 0},
        **more,
    }
    return parse_settings("night.yaml", yaml.safe_dump(told), {"namespace": namespace})


class Night:
    """One run in one namespace and one store."""

    def __init__(self, plane: Plane, world: World, settings: Settings) -> None:
        self.plane, self.world, self.settings = plane, world, settings
        self.said: list[str] = []
        self.plan = Plan(run=RUN, suite="s", created="2026-01-01T00:00:00+00:00", data="d", conditions=())

    def owes(self, *names: str, **trainings: str) -> None:
        """Plan conditions; each has a training of its own unless another is named."""
        entries = (entry(i, name, training_key=trainings.get(name, f"t-{name}")) for i, name in enumerate(names))
        self.plan = self.world.plan(*entries)

    def job(self, *names: str, **changes: Any) -> dict[str, Any]:
        """A Job as `crossad render` makes it for some conditions."""
        entries = [one for one in self.plan.conditions if one.name in names]
        job = trainer_job(self.plan, entries, self.settings)
        job["spec"] |= changes
        return job

    def apply(self, *names: str, ending: dict[str, str] | None = None, pod: Any = None, **changes: Any) -> str:
        """Create that Job; how its pods end, fields of their spec, fields of the Job's spec. Its name."""
        job = self.job(*names, **changes)
        template = job["spec"]["template"]
        template["metadata"]["annotations"] = clusterjobs.ending() if ending is None else ending
        template["spec"] |= pod or {}
        self.plane.request("POST", JOBS.path(self.settings.namespace), job)
        return str(job["metadata"]["name"])

    def over(self, job: str) -> None:
        """Wait for the end of a Job."""
        self.plane.until(JOBS.path(self.settings.namespace, job), ended, f"the end of {job}")

    def gone(self, job: str) -> None:
        """Wait until there is no such Job any more."""
        self.plane.until(JOBS.path(self.settings.namespace, job), lambda found: found is None, f"{job} gone")

    def pods(self, job: str, fits: Any, what: str) -> None:
        """Wait until a Job's pods fit."""
        path = f"{PODS.path(self.settings.namespace)}?labelSelector=batch.kubernetes.io/job-name={job}"
        self.plane.until(path, lambda found: bool(found["items"]) and all(map(fits, found["items"])), what)

    def failed(self, name: str, code: int, message: str, hint: str | None = None) -> None:
        """What a trainer leaves that fails for good."""
        failure = Failure(kind="DataError", message=message, hint=hint, exit_code=code)
        payload = {"run": RUN, "name": name, "failures": [failure.model_dump()], "record": None}
        self.world.home.ledger.record_failure(f"id-{name}", f"att-{name}", payload)

    def wait(
        self, cluster: Cluster | None, *, deadline: float = 300, grace: float = 0, meanwhile: Any = None
    ) -> dict[str, Fate]:
        """Wait as the aggregation does, looking often; `meanwhile` happens once, after the first look."""
        left = [meanwhile] if meanwhile else []

        def sleep(seconds: float) -> None:
            left.pop()() if left else time.sleep(min(seconds, 0.2))

        terms = Terms(timedelta(seconds=deadline), timedelta(seconds=grace), 0.2)
        waiter = Waiter(
            self.world.home, cluster, terms, lambda: find_plan(self.world.home, RUN), self.said.append, sleep
        )
        return {fate.entry.name: fate for fate in waiter.wait()}

    def aggregation(self, folder: Path) -> list[str]:
        """The command line of the rendered aggregation Job, its mounts being folders of this machine."""
        shards = plan_shards(self.plan, self.settings)
        job = report_job(RUN, self.settings, [one["metadata"]["name"] for one in shards])
        mounted = folder / "plan"
        mounted.mkdir(parents=True, exist_ok=True)
        for shard in shards:
            for name, text in shard["binaryData"].items():
                (mounted / name).write_bytes(base64.b64decode(text))
        places = {words.SHARDS: str(mounted), words.RESULTS: str(folder / "results")}
        (container,) = job["spec"]["template"]["spec"]["containers"]
        return [places.get(word, word) for word in container["args"]]


def report_of(folder: Path) -> Path:
    """Where an aggregation leaves its report on its own machine."""
    return folder / "results" / RUN / "report"


def conditions(report: Path) -> dict[str, dict[str, Any]]:
    """The conditions of a written report, by name."""
    return {one["name"]: one for one in json.loads((report / "summary.json").read_bytes())["conditions"]}


@contextlib.contextmanager
def quota(plane: Plane, namespace: str) -> Any:
    """No pod fits any more."""
    told = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    plane.request("POST", path, told)
    plane.until(f"{path}/none", lambda found: "hard" in found.get("status", {}), "the quota")
    yield
