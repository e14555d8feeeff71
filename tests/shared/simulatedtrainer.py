"""What a trainer leaves in a bucket, without training: simulated scores of the conditions that its pod carries.

Record, predictions, pictures, manifest and commit are true ones, so that they are reported, fetched and verified.
"""

from __future__ import annotations

import base64
import importlib.util
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from crossad.launch.state import RunState
from crossad.manifests import words
from crossad.results.home import Home
from crossad.results.layout import ConditionPaths
from crossad.results.manifest import Artifact, Manifest, finished_files, write_manifest
from crossad.results.payload import unpack
from crossad.results.plan import PlanEntry

SHIFTS = (2.5, 1.6, 0.8, 1.2)  # of the source, then of the targets in their order


def _simulation() -> ModuleType:
    """The results folders of the report's tests."""
    path = Path(__file__).parents[1] / "analysis/conftest.py"
    spec = importlib.util.spec_from_file_location("simulation", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["simulation"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def simulate(entry: PlanEntry, results: Path, run: str, **changes: Any) -> ConditionPaths:
    """Write the tree of a condition of a plan: scores of its own domains, fields of the record changed as given."""
    domains = [entry.config["source_domain"], *entry.config["target_domains"]]
    simulation = _simulation()
    sim = simulation.Sim(
        entry.name,
        model=entry.config["model_type"],
        source=domains[0],
        shifts=dict(zip(domains, SHIFTS * len(domains), strict=False)),
        images=8,
        seed=entry.config["seed"],
        change={
            "condition": {"name": entry.name, "description": entry.description, "config": entry.config},
            "condition_id": entry.condition_id,
            "training_key": entry.training_key,
            **changes,
        },
    )
    written: ConditionPaths = simulation.write_condition(results, run, sim, pictures=True)
    return written


@dataclass
class SimulatedTrainer:
    """A trainer's container: it commits what its plan holds, and ends with 0."""

    home: Home
    folder: Path
    ran: list[str] = field(default_factory=list)  # names of the conditions that were committed

    def __call__(self, pod: dict[str, Any]) -> int:
        (container,) = pod["spec"]["containers"]
        (packed,) = [one["value"] for one in container["env"] if one["name"] == words.PLAN_VARIABLE]
        plan = unpack(base64.b64decode(packed), "the pod's plan")
        for entry in plan.conditions:
            if RunState(self.home, plan.run).verdict(entry.condition_id) is None:
                self._commit(plan.run, entry)
                self.ran.append(entry.name)
        return 0

    def _commit(self, run: str, entry: PlanEntry) -> None:
        attempt = uuid.uuid4().hex
        paths = simulate(entry, self.folder / attempt, run, attempt=attempt)
        kept = {
            path.relative_to(paths.root).as_posix(): self.home.keep(
                path, f"attempts/{attempt}/{path.relative_to(paths.root)}"
            )
            for path in finished_files(paths)
        }
        artifacts = tuple(
            Artifact(path=path, key=one.ref, bytes=one.bytes, sha256=one.sha256) for path, one in kept.items()
        )
        manifest = Manifest(
            attempt=attempt, condition_id=entry.condition_id, condition=entry.name, run=run, artifacts=artifacts
        )
        write_manifest(paths, manifest)
        told = {
            "record": self.home.keep(paths.records()[-1], f"attempts/{attempt}/record.json").model_dump(),
            "manifest": self.home.keep(paths.manifest, f"attempts/{attempt}/manifest.json").model_dump(),
        }
        payload = {"attempt": attempt, "run": run, "summary": {}, **told}
        self.home.ledger.commit("condition", entry.condition_id, payload)
