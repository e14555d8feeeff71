"""A release of the chart on the real control plane: helm, a controller that is a real process, simulated trainers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clusterbuild
from clients import ended
from plane import Plane
from podprocesses import PROGRAM, PodProcesses
from s3servers import ACCESS, SECRET, Place
from simulatedtrainer import SimulatedTrainer

from crossad.kube.resources import JOBS
from crossad.manifests import words
from crossad.results.home import BucketHome

CHART = Path(__file__).parents[2] / "charts/crossad"
RUN = "night1"
CREDENTIALS = f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
DIGEST = "sha256:" + "0123456789abcdef" * 4
CONFIG = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_B"]}


def programs(plane: Plane, folder: Path) -> Path:
    """A folder for PATH with what a user types: crossad, kubectl, helm."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"crossad": PROGRAM, "kubectl": plane.programs["kubectl"], "helm": clusterbuild.HELM.build() / "helm"}
    for name, program in found.items():
        (folder / name).symlink_to(program)
    return folder


def surroundings(plane: Plane, folder: Path) -> dict[str, str]:
    """The variables of a user at a laptop: programs, a kubeconfig, the store's credentials in the usual file."""
    home = folder / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(CREDENTIALS)
    usual = {key: text for key, text in os.environ.items() if not key.startswith("AWS_")}
    homes = {f"HELM_{kind}_HOME": str(home / "helm" / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    path = f"{programs(plane, folder / 'programs')}{os.pathsep}{usual['PATH']}"
    more = {"PATH": path, "HOME": str(home), "KUBECONFIG": str(plane.kubeconfig()), "AWS_REGION": "us-east-1"}
    return {**usual, **homes, **more, "AWS_EC2_METADATA_DISABLED": "true", "COLUMNS": "200", "LC_ALL": "C.UTF-8"}


@dataclass
class Life:
    """A release in one namespace, and a folder on somebody's laptop."""

    plane: Plane
    namespace: str
    folder: Path
    place: Place
    pods: PodProcesses = field(init=False)
    trainer: SimulatedTrainer = field(init=False)
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.home = BucketHome(self.place.open(), self.folder / "work")
        self.trainer = SimulatedTrainer(self.home, self.folder / "trained")
        self.pods = PodProcesses(self.plane, self.namespace, self.folder / "pods", self.home, self.trainer)
        self.environment = surroundings(self.plane, self.folder)
        told = {"metadata": {"name": "s3-credentials"}, "stringData": {"credentials": CREDENTIALS}}
        self.plane.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", told)

    @property
    def values(self) -> dict[str, Any]:
        """The least that a release needs; pods do as a test says."""
        options = {"endpoint": self.place.endpoint, "region": "us-east-1"}
        return {
            "images": {"trainer": f"reg.example/t@{DIGEST}", "controller": f"reg.example/c@{DIGEST}"},
            "store": {"uri": self.place.uri, "options": options, "secret": "s3-credentials"},
            "data": {"uri": "s3://images/hdmap", "domains": ["domain_A", "domain_B"]},
            "annotations": {"kwok.test/ending": "runs"},
            "resources": {"cpu": 1, "memory": "1Gi", "ephemeralStorage": "1Gi"},
            "report": {"cpu": "100m", "memory": "128Mi", "graceSeconds": 0},
            "placement": {"nodeSelector": {"gpu": "fake"}},
        }

    def suite(self, **seeds: int) -> Path:
        """A suite of conditions: name and seed."""
        found = [{"name": name, "config": {**CONFIG, "seed": seed}} for name, seed in seeds.items()]
        path = self.folder / "suite.json"
        path.write_text(json.dumps({"experiment_conditions": found}))
        return path

    def release(self, verb: str, *more: str, **seeds: int) -> str:
        """What helm says; a suite of these seeds, and `more` for values, where it installs or upgrades."""
        file = self.folder / "values.json"
        file.write_text(json.dumps(self.values))
        given = f" {CHART} -f {file} --set-file suite={self.suite(**seeds)}" if seeds else ""
        return self.type(" ".join([f"helm {verb} {RUN}{given} -n {self.namespace}", *more]))

    def type(self, line: str, code: int = 0) -> str:
        """What a line of a shell prints, on both outputs."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == code, f"{line}\n{told}"
        assert "Traceback" not in told
        return told

    def jobs(self, component: str = words.TRAINER) -> dict[str, dict[str, Any]]:
        """Jobs that are there and not on their way out: condition (or name) -> Job."""
        path = f"{JOBS.path(self.namespace)}?labelSelector={words.COMPONENT}={component}"
        found = [job for job in self.plane.request("GET", path)["items"] if "deletionTimestamp" not in job["metadata"]]
        return {_called(job): job for job in found}

    def over(self) -> bool:
        """Whether all trainers' Jobs have ended."""
        return all(map(ended, self.jobs().values()))

    def controllers(self, count: int) -> Any:
        """The controllers that have ended, once there are so many, in the order of their starts."""
        self.pods.until(f"{count} ended controllers", lambda: len(self.pods.ended.get(words.CONTROLLER, [])) >= count)
        return sorted(self.pods.ended[words.CONTROLLER], key=lambda one: one.number)


def _called(job: dict[str, Any]) -> str:
    carried = json.loads(job["metadata"]["annotations"].get(words.CONDITIONS, "[]"))
    return ",".join(one["name"] for one in carried) or str(job["metadata"]["name"])


def commands(notes: str) -> dict[str, str]:
    """What NOTES.txt says to type: verb (`crossad status`) -> line."""
    lines = [line.strip() for line in notes.splitlines() if line.startswith("  ")]
    return {" ".join(line.split()[:2]): line for line in lines if line.split()[0] in ("crossad", "kubectl", "helm")}
