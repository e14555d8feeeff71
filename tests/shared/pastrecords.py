"""Finished conditions with their costs, committed without a trainer."""

from __future__ import annotations

import hashlib
from typing import Any

from crossad.results.home import Home
from crossad.results.manifest import Artifact, Manifest
from crossad.results.record import Record


def record(name: str, model: str = "draem", **changes: Any) -> Record:
    result = {"status": "ok", "counts": {"good": 30, "fault": 10}, "images_per_second": 20.0}
    found: dict[str, Any] = {
        "condition": {"name": name, "config": {"model_type": model, "image_size": [10, 20], "batch_size": 4}},
        "condition_id": name, "training_key": "t", "run": "r", "attempt": f"a-{name}", "status": "success",
        "timestamp": "2026-01-01T00:00:00+00:00", "source_results": result, "target_results": {"B": result},
        "training_info": {
            "max_epochs_configured": 2, "last_trained_epoch": 1, "total_steps": 50, "training_images": 100
        },
        "timings_seconds": {"build": 1.0, "fit": 30.0, "score": 9.0, "total": 45.0},
        "peak_memory_bytes": 7, "provenance": {"crossad_version": "0", "device": "H100"},
    }  # fmt: skip
    return Record.model_validate({**found, **changes})


def commit(home: Home, made: Record) -> None:
    """As a trainer does, without one."""
    name = made.condition["name"]
    manifest = Manifest(
        attempt=made.attempt, condition_id=name, condition=name, run="r", artifacts=(Artifact(path="w", bytes=1000),)
    )
    payload: dict[str, Any] = {"attempt": made.attempt, "run": "r", "summary": []}
    for part, body in (("record", made.model_dump_json()), ("manifest", manifest.model_dump_json())):
        key = f"attempts/{made.attempt}/{part}.json"
        if home.remote:
            home.state.put(key, body.encode())
        else:
            (home.results / key).parent.mkdir(parents=True, exist_ok=True)
            (home.results / key).write_text(body)
        payload[part] = {"ref": key, "bytes": len(body.encode()), "sha256": hashlib.sha256(body.encode()).hexdigest()}
    assert home.ledger.commit("condition", name, payload)
