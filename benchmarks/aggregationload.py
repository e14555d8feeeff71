"""What benchmarks/aggregation.py reads: committed conditions as trainers leave them, by the writers of the project.

    python benchmarks/aggregationload.py URI ENDPOINT CONDITIONS FIRST STEP

pins the plan and writes every STEP-th condition from FIRST on: several such processes fill a store in parallel.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import parse_suite
from crossad.crew import spread
from crossad.results.beacons import Lamp, beacon_key
from crossad.results.home import BucketHome, Kept
from crossad.results.layout import attempt_key
from crossad.results.manifest import Artifact, Manifest
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.progress import Progress
from crossad.results.record import Record
from crossad.store.opening import open_store
from crossad.store.options import S3Options

RUN, LOCK, THREADS = "night", "ab" * 32, 8
DOMAINS = ("domain_A", "domain_B", "domain_C", "domain_D")
MODELS = ("patchcore", "draem", "dinomaly", "draem_sevnet")
SEEDS = 5
RECORD = "tensorboard_logs/result_20260101_000000.json"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def suite(conditions: int) -> bytes:
    """Models x sources x settings x seeds, as matrices make them."""
    each = -(-conditions // (len(MODELS) * len(DOMAINS)))
    settings = -(-each // SEEDS)

    def config(model: str) -> dict[str, Any]:
        return {"model_type": model, "target_domains": "auto", "image_size": "224x224"}

    def swept(model: str) -> dict[str, list[float]]:
        if model == "patchcore":
            return {"coreset_sampling_ratio": [round(0.1 + 0.001 * i, 4) for i in range(settings)]}
        return {"learning_rate": [round(1e-4 + 1e-6 * i, 8) for i in range(settings)]}

    body = {
        "suite": {"name": "aggregation"},
        "experiment_conditions": [
            {
                "name": f"{model} from {source}",
                "description": "every other domain as target, swept settings, five seeds",
                "config": config(model) | {"source_domain": source},
                "matrix": {**swept(model), "seed": [42 + i for i in range(SEEDS)]},
            }
            for model in MODELS
            for source in DOMAINS
        ],
    }
    return json.dumps(body).encode()


def plan_of(conditions: int) -> Plan:
    """The plan of a run, as a submitter makes it."""
    chosen = parse_suite("suite.json", suite(conditions)).conditions[:conditions]
    entries = tuple(PlanEntry.model_validate(plan_entry(condition, DOMAINS)) for condition in chosen)
    command = ("crossad", "submit", "suite.json", "--run", RUN)
    return Plan(
        run=RUN,
        suite="suite.json",
        created=BEGAN.isoformat(),
        data="s3://lab/data",
        command=command,
        overrides={},
        conditions=entries,
    )


def record(entry: PlanEntry, attempt: str) -> bytes:
    """A condition's record, as large as a trainer's own, with scores that no other condition has."""
    dice, number = random.Random(entry.condition_id), entry.experiment_id
    model, source = str(entry.config["model_type"]), str(entry.config["source_domain"])
    targets = [name for name in DOMAINS if name != source]
    results = {name: _result(dice, 0.93 if name == source else 0.8) for name in (source, *targets)}
    areas = [results[name]["test_image_AUROC"] for name in targets]
    at_source, mean = results[source]["test_image_AUROC"], sum(areas) / len(areas)
    epochs = 1 if model == "patchcore" else 50
    found = Record.model_validate(
        {
            "condition": {"name": entry.name, "description": entry.description, "config": entry.config},
            "condition_id": entry.condition_id, "training_key": entry.training_key, "run": RUN, "attempt": attempt,
            "status": "success", "timestamp": f"2026-01-02T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:00+00:00",
            "val_image_AUROC": at_source, "source_results": results.pop(source), "target_results": results,
            "avg_target_auroc": mean, "n_targets": len(areas), "transfer_ratio": mean / at_source,
            "transfer_ratio_interval": _interval(mean / at_source, "bootstrap"),
            "skill_ratio": (2 * mean - 1) / (2 * at_source - 1),
            "skill_ratio_interval": _interval((2 * mean - 1) / (2 * at_source - 1), "bootstrap"),
            "worst_target_auroc": min(areas), "harmonic_mean_auroc": mean,
            "domain_gap": {name: at_source - area for name, area in zip(targets, areas, strict=True)},
            "training_info": {
                "max_epochs_configured": epochs, "last_trained_epoch": epochs - 1, "total_steps": 63 * epochs,
                "best_val_auroc": at_source, "best_epoch": epochs - 1, "best_minus_last": 0.0,
                "curve": [
                    {"epoch": float(i), "step": 63.0 * i, "loss": dice.random(), "val_auroc": dice.random()}
                    for i in range(epochs)
                ],
                "parameters": 24_870_000, "trainable_parameters": 24_870_000, "training_images": 1000,
                "weights_sha256": dice.randbytes(32).hex(),
            },
            "best_checkpoint": f"tensorboard_logs/checkpoints/{dice.randbytes(8).hex()}.safetensors",
            "selection": "selected on test", "synthetic_data": True,
            "timings_seconds": {
                name: dice.uniform(1, 500) for name in ("build", "fit", "validate", "score", "pictures", "total")
            },
            "peak_memory_bytes": 4 * 2**30, "peak_device_memory_bytes": 12 * 2**30,
            "provenance": {
                "crossad_version": "0.1.0", "crossad_commit": "c" * 40, "python": "3.11.7", "device": "NVIDIA H200",
                "libraries": dict.fromkeys(("torch", "torchvision", "timm", "lightning", "anomalib"), "2.7.1"),
                "threads": 8, "cpu": "a processor", "seed": entry.config["seed"], "data_lock": LOCK,
                "weights": {"wide_resnet50_2.tv_in1k": "d" * 64}, "image_digest": f"sha256:{'e' * 64}",
                "command": ["crossad", "train", "--plan", "0001", "--experiment-id", str(number), "--gpu-id", "0"],
            },
            "summary": [
                f"Source {source} AUROC: {at_source:.4f}",
                *(f"Target {name} AUROC: {area:.4f}" for name, area in zip(targets, areas, strict=True)),
            ],
        }
    )  # fmt: skip
    return (json.dumps(found.model_dump(mode="json"), indent=2) + "\n").encode()


def _result(dice: random.Random, about: float) -> dict[str, Any]:
    area = min(0.999, max(0.4, dice.gauss(about, 0.05)))
    return {
        "status": "ok", "test_image_AUROC": area, "counts": {"good": 1000, "fault": 1000},
        "interval": _interval(area, "DeLong, logit"), "synthetic": True, "sensor": "vibration",
        "threshold": {
            "threshold": dice.random(), "fpr": dice.uniform(0, 0.2), "tpr": dice.random(), "f1": dice.random(),
            "oracle_f1": dice.random(),
        },
        "tpr_at_fpr": {"0.01": dice.random(), "0.05": dice.random()}, "outside_source_range": dice.random(),
        "score_shift": dice.gauss(0, 1), "severity_spearman": dice.random(), "images_per_second": 100 * dice.random(),
        "floors": {"mean_intensity": 0.52, "max_intensity": 0.55, "pca": 0.61},
        "strata": {"cold": dice.random(), "warm": dice.random()},
        "parts": {"classification": dice.random(), "segmentation": dice.random()},
    }  # fmt: skip


def _interval(value: float, method: str) -> dict[str, Any]:
    return {"low": value - 0.02, "high": value + 0.02, "method": method}


def leave(home: BucketHome, entry: PlanEntry) -> None:
    """What a trainer leaves of one condition: its last word, its record, its manifest, its commit."""
    attempt = hashlib.sha256(entry.condition_id.encode()).hexdigest()[:32]

    def kept(name: str, body: bytes) -> Kept:
        home.state.put(key := attempt_key(attempt, name), body)
        return Kept(ref=key, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())

    lamp = Lamp(home.state, beacon_key(RUN, entry.condition_id, attempt), attempt, 30.0, 1, BEGAN)
    lamp.light(Progress(phase="done", started=BEGAN.timestamp(), updated=BEGAN.timestamp() + 600, pid=7))
    body = record(entry, attempt)
    told = kept(RECORD, body)
    artifact = Artifact(path=RECORD, key=told.ref, bytes=told.bytes, sha256=told.sha256)
    manifest = Manifest(
        attempt=attempt, condition_id=entry.condition_id, condition=entry.name, run=RUN, artifacts=(artifact,)
    )
    whole = kept("manifest.json", manifest.model_dump_json(indent=2).encode())
    payload = {
        "attempt": attempt, "run": RUN, "record": told.model_dump(), "manifest": whole.model_dump(),
        "summary": json.loads(body)["summary"],
    }  # fmt: skip
    home.ledger.commit("condition", entry.condition_id, payload, LOCK)


def main() -> None:
    uri, endpoint, conditions, first, step = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    options = S3Options(endpoint=endpoint, commit="conditional", threads=THREADS)
    with tempfile.TemporaryDirectory() as folder:
        home = BucketHome(open_store(uri, options), Path(folder), options)
        plan = pin_plan(home, plan_of(conditions))
        with spread(lambda entry: leave(home, entry), plan.conditions[first::step], THREADS) as left:
            for _ in left:
                pass


if __name__ == "__main__":
    main()
