"""What tests on a real node share: a tiny suite, its settings, the program on this machine, and how results compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clusterbuild
import yaml
from clients import ended
from realnode import BUCKET, RealNode
from tinydraem import TINY_DRAEM

from crossad.manifests import words
from crossad.results.layout import RunPaths
from crossad.results.record import Record

CHART = Path(__file__).parents[2] / "charts/crossad"
PATIENCE = 900.0  # seconds for pods on a busy machine; nothing is measured by it
CONFIG = {**TINY_DRAEM, "target_domains": ["domain_B"], "max_epochs": 2, "max_visualizations": 1, "num_workers": 1}


@dataclass(frozen=True)
class World:
    """A namespace of the node, and a folder on this machine."""

    node: RealNode
    namespace: str
    folder: Path
    prefix: str = "runs"  # of the bucket: where runs live

    @property
    def store(self) -> str:
        """Where runs live."""
        return f"s3://{BUCKET}/{self.prefix}"

    def crossad(self, *words: str | Path) -> str:
        """The program on this machine, with the store's credentials and one thread; what it prints."""
        environment = {**os.environ, **self.node.bucket.environment, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "crossad", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def suite(self, name: str, **conditions: dict[str, Any]) -> Path:
        """A suite of tiny conditions: a name, and the keys in which it differs."""
        found = [{"name": one, "description": "", "config": {**CONFIG, **keys}} for one, keys in conditions.items()]
        path = self.folder / name
        path.write_text(json.dumps({"experiment_conditions": found}))
        return path

    def settings(self, name: str = "settings.yaml", **changes: Any) -> Path:
        """Settings of the node's cluster, which are values of the chart but for the namespace; images by digest."""
        told = {
            "images": self.node.images,
            "store": {"uri": self.store, "options": self.reach, "secret": "s3-credentials"},
            "data": {"uri": f"s3://{BUCKET}/images", "options": self.reach},
            "volumes": {"cache": "1Gi", "scratch": "1Gi", "tmp": "1Gi", "shm": "256Mi"},
            "resources": {"gpuCount": 1, "cpu": "0.6", "memory": "4Gi", "ephemeralStorage": "1Gi"},
            "job": {"device": "cpu"},
            "report": {"cpu": "0.1", "memory": "512Mi", "graceSeconds": 30},
            **changes,
        }
        path = self.folder / name
        path.write_text(yaml.safe_dump(told))
        return path

    @property
    def reach(self) -> dict[str, str]:
        """How pods reach the store."""
        return {"endpoint": self.node.bucket.endpoint, "region": "us-east-1"}

    def images(self, domains: str = "A,B") -> None:
        """Domains on this machine, and the same in the store."""
        shape = ("--domains", domains, "--train", "12", "--test", "6", "--size", "32x96")
        self.crossad("synth", "data", *shape)
        self.crossad("data", "check", "data")  # writes the lock that both then work under
        self.crossad("data", "pack", "data", f"s3://{BUCKET}/images")

    def local(self, suite: Path, run: str, condition: str) -> RunPaths:
        """The same condition, trained on this machine without a cluster or a store."""
        where = ("--data", "data", "--results-dir", "local", "--run", run, "--gpu-id", "cpu")
        self.crossad("train", "--config", suite, "--experiment-id", condition, *where)
        return RunPaths(self.folder / "local", run)

    def fetched(self, run: str) -> RunPaths:
        """The run as `crossad fetch` brings it."""
        self.crossad("fetch", run, "fetched", "--store", self.store)
        return RunPaths(self.folder / "fetched", run)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The namespace's Jobs, by name."""
        found = self.node.plane.request("GET", f"/apis/batch/v1/namespaces/{self.namespace}/jobs")["items"]
        return {job["metadata"]["name"]: job for job in found}

    def ended(self, *wanted: str) -> dict[str, str]:
        """Component, condition -> Complete or Failed, once those that are named are there and all have ended."""
        until = time.monotonic() + PATIENCE
        while True:
            found = {_called(job): ended(job) for job in self.jobs().values()}
            if set(wanted) <= set(found) and all(found.values()):
                return found
            if time.monotonic() > until:
                raise AssertionError(f"{found}\n{self.node.told(self.namespace)}")
            time.sleep(1)

    def helm(self, verb: str, run: str, *words: str | Path, suite: Path | None = None) -> str:
        """What helm prints, asked for a release of the chart."""
        given = [CHART, "-f", self.folder / "settings.yaml", "--set-file", f"suite={suite}"] if suite else []
        homes = {f"HELM_{kind}_HOME": str(self.folder / "helm" / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **homes, "KUBECONFIG": str(self.node.plane.kubeconfig())}
        command = [clusterbuild.HELM.build() / "helm", verb, run, *given, "-n", self.namespace, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{self.node.told(self.namespace)}"
        return done.stdout


def carried(job: dict[str, Any]) -> list[str]:
    """The names of the conditions that a Job works on."""
    return [str(one["name"]) for one in json.loads(job["metadata"]["annotations"].get(words.CONDITIONS, "[]"))]


def _called(job: dict[str, Any]) -> str:
    """trainer/<condition>, report or controller."""
    return "/".join([str(job["metadata"]["labels"][words.COMPONENT]), *carried(job)])


def assert_equal(there: RunPaths, here: RunPaths, condition: str) -> None:
    """Predictions, weights and every field declared stable, of one condition in two trees."""
    one, other = there.condition(condition), here.condition(condition)
    for pattern in ("predictions.csv", "tensorboard_logs/checkpoints/*.safetensors"):
        found = [{path.name: path.read_bytes() for path in tree.root.glob(pattern)} for tree in (one, other)]
        assert found[0] == found[1] != {}
    fetched, local = (Record.model_validate_json(tree.records()[-1].read_bytes()) for tree in (one, other))
    assert fetched.provenance is not None
    assert local.provenance is not None
    assert (fetched.provenance.threads, fetched.provenance.device) == (1, local.provenance.device)
    assert fetched.provenance.image_digest is not None
    stable = [
        {key: value for key, value in record.stable().items() if key != "provenance"} for record in (fetched, local)
    ]
    assert stable[0] == stable[1]
