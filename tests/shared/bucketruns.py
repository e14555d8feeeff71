"""What a condition's run leaves in a bucket, as a reader finds it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import parse_suite
from crossad.fetch.session import fetch
from crossad.files import sha256_file
from crossad.results.home import BucketHome, Home
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.manifest import Manifest, parse_manifest
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.record import Record
from crossad.store.base import Store
from crossad.trainer.context import Task

KINDS = ("commits/training-", "commits/evaluation-", "commits/condition-")


def keys(store: Store, prefix: str = "") -> list[str]:
    return [entry.key for entry in store.list(prefix)]


def manifest_of(store: Store, record: Record) -> Manifest:
    """The manifest that the condition's commit names, verified."""
    found = BucketHome(store, Path("nowhere")).ledger.committed("condition", record.condition_id)
    assert found is not None
    body = store.get(found["manifest"]["ref"])
    assert hashlib.sha256(body).hexdigest() == found["manifest"]["sha256"]
    return parse_manifest(body, "the bucket")


def log_of(store: Store, manifest: Manifest, name: str = "multi_domain_tiny.log") -> str:
    (log,) = (log for log in manifest.logs if log.path == name)
    return b"".join(store.get(chunk.ref) for chunk in log.chunks).decode()


def pinned(home: Home, task: Task) -> PlanEntry:
    """Pin a plan of this one condition, as a submitter does."""
    config = task.config.model_dump(mode="json", exclude_unset=True)
    text = json.dumps({"experiment_conditions": [{"name": task.name, "config": config}]})
    (condition,) = parse_suite("suite", text.encode()).conditions
    entry = PlanEntry.model_validate(plan_entry(condition, ()))
    created = "2026-11-25T00:00:00+00:00"
    pin_plan(home, Plan(run=task.run, suite="suite", created=created, data=str(task.data), conditions=(entry,)))
    return entry


def fetched(home: Home, run: str, name: str, folder: Path) -> dict[str, Any]:
    """What `crossad fetch` brings of a condition, as far as it must be equal however often the work was disturbed."""
    found = fetch(home, run, folder, threads=2)
    assert (found.damaged, found.failed, found.done) == ({}, [], [name])
    return kept(RunPaths(folder, run).condition(name))


def kept(paths: ConditionPaths) -> dict[str, Any]:
    """The same of what lies in a condition's folder."""
    record = Record.model_validate_json(paths.records()[-1].read_bytes())
    assert record.best_checkpoint
    assert record.training_info
    weights = paths.checkpoints / Path(record.best_checkpoint).name
    pictures = sorted((paths.tensorboard / "visualizations").rglob("*.jpg"))
    assert pictures
    return {
        "weights": sha256_file(weights) if weights.exists() else None,
        "hash of the weights": record.training_info.weights_sha256,
        "predictions": sha256_file(paths.predictions),
        "predictions.csv": paths.predictions.with_suffix(".csv").read_text(),
        "pictures": {path.relative_to(paths.root).as_posix(): sha256_file(path) for path in pictures},
        "record": record.stable(),
    }
