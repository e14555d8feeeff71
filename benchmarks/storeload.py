"""What benchmarks/store.py carries: a run of 16 conditions as trainers leave it, and the commits of a large one."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

from crossad.results.home import BucketHome, Kept
from crossad.results.layout import RunPaths
from crossad.results.pictures import pack_pictures
from crossad.results.plan import Plan, PlanEntry
from crossad.results.record import Record
from crossad.store.base import Once
from crossad.store.folder import FolderStore

MIB = 2**20
RUN, DOMAINS, LOCK = "night", ("A", "B", "C", "D"), "ab" * 32
WEIGHTS_MIB = (100, 60, 60, 24, 24, 24, 24, 8, 8, 8, 8, 8, 4, 4, 4, 4)  # of 16 conditions: 372 MiB
PREDICTIONS = {"predictions.parquet": 300_000, "predictions.csv": 500_000}
EVENTS, FACTS, DETAILS = 200_000, 20_000, 300_000  # bytes
PICTURES = 16  # a domain, of 100 kB
STAMP = "2026-01-01T00:00:00+00:00"
RECORD = "tensorboard_logs/result_20260101_000000.json"


def config(number: int) -> dict[str, Any]:
    return {"model_type": "draem", "source_domain": DOMAINS[0], "target_domains": [*DOMAINS[1:]], "seed": number}


def name_of(number: int) -> str:
    return f"condition {number:05d}"


def id_of(number: int) -> str:
    return f"{number:064x}"


def plan_of(count: int) -> Plan:
    entries = tuple(
        PlanEntry(experiment_id=i, name=name_of(i), config=config(i), condition_id=id_of(i), training_key=f"{i:064x}")
        for i in range(count)
    )
    return Plan(run=RUN, suite="benchmark", created=STAMP, data="data", conditions=entries)


def record(number: int) -> bytes:
    """A record of about 9 kB, as real ones are."""
    dice = random.Random(number)

    def result() -> dict[str, Any]:
        area = dice.uniform(0.6, 0.95)
        return {
            "status": "ok", "test_image_AUROC": area, "counts": {"good": 1000, "fault": 1000},
            "interval": {"low": area - 0.04, "high": area + 0.04, "method": "DeLong"},
            "threshold": {"threshold": 0.5, "fpr": 0.05, "tpr": 0.6, "f1": 0.7, "oracle_f1": 0.8},
            "tpr_at_fpr": {"0.01": 0.3, "0.05": 0.6}, "severity_spearman": 0.5, "images_per_second": 100.0,
            "floors": {"mean_intensity": 0.6, "max_intensity": 0.6, "pca": 0.7},
            "strata": {"cold": 0.8, "warm": 0.7}, "parts": {"classification": 0.8, "segmentation": 0.7},
        }  # fmt: skip

    targets = {domain: result() for domain in DOMAINS[1:]}
    mean = sum(one["test_image_AUROC"] for one in targets.values()) / len(targets)
    found = Record.model_validate(
        {
            "condition": {"name": name_of(number), "config": config(number)}, "condition_id": id_of(number),
            "training_key": f"{number:064x}", "run": RUN, "attempt": attempt_of(number), "status": "success",
            "timestamp": STAMP, "val_image_AUROC": 0.9, "source_results": result(), "target_results": targets,
            "avg_target_auroc": mean, "n_targets": len(targets), "transfer_ratio": mean / 0.9,
            "training_info": {
                "max_epochs_configured": 40, "last_trained_epoch": 40, "total_steps": 4000,
                "curve": [{"step": 100.0 * i, "loss": dice.random(), "val_auroc": dice.random()} for i in range(40)],
            },
            "provenance": {"crossad_version": "0.1.0", "device": "cuda", "seed": number},
            "summary": [f"Target domain_{domain} AUROC: 0.8231" for domain in DOMAINS],
        }
    )  # fmt: skip
    return found.model_dump_json().encode()


def attempt_of(number: int) -> str:
    return f"{number:032x}"


def make_run(results: Path) -> None:
    """The visible folders of a run of 16, pictures beside their archives in `packed/`."""
    for number, size in enumerate(WEIGHTS_MIB):
        paths, dice = RunPaths(results, RUN).condition(name_of(number)), random.Random(number)
        files = {f"tensorboard_logs/checkpoints/weights-{number}.safetensors": size * MIB, **PREDICTIONS}
        files["tensorboard_logs/events.out.tfevents.1"] = EVENTS
        for path, count in files.items():
            target = paths.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(dice.randbytes(count))
        (paths.root / RECORD).write_bytes(record(number))
        for domain in DOMAINS:
            folder = picture_folder(paths.root, domain)
            folder.mkdir(parents=True)
            for index in range(PICTURES):
                (folder / f"{index:02d}.jpg").write_bytes(dice.randbytes(100_000))
            packed = results.parent / "packed" / f"{number}-{domain}.zip"
            packed.parent.mkdir(exist_ok=True)
            pack_pictures(folder, packed)


def picture_folder(root: Path, domain: str) -> Path:
    kind = "source" if domain == DOMAINS[0] else "targets"
    return root / "tensorboard_logs" / "visualizations" / kind / domain


def log(number: int, size: int) -> bytes:
    line = f"2026-01-01 00:00:00 | INFO | step of {name_of(number)}: loss 0.123456, learning rate 0.0001\n".encode()
    return line * (size // len(line))


class Seeds(FolderStore):
    """Objects put behind a versitygw, as its `posix` backend keeps them: the benchmark is not about making them."""

    def put(self, key: str, source: bytes | Path, *, content_type: str | None = None) -> str:
        """Write a file, with its etag where that server looks for it."""
        body, path = source if isinstance(source, bytes) else source.read_bytes(), self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.setxattr(path, "user.etag", hashlib.md5(body, usedforsecurity=False).hexdigest().encode())
        return hashlib.sha256(body).hexdigest()

    def create_once(self, key: str, data: bytes) -> Once:
        """The same: nobody else writes."""
        self.put(key, data)
        return "created"


def make_commits(folder: Path, count: int) -> None:
    """The commits of a run of many conditions, in a store's folder behind a server."""
    home = BucketHome(Seeds(folder), folder / "none")
    for number in range(count):
        told, manifest = (
            Kept(ref=f"attempts/{attempt_of(number)}/{name}", bytes=9000, sha256=f"{number:064x}")
            for name in (RECORD, "manifest.json")
        )
        commit(home, number, told, manifest)


def commit(home: BucketHome, number: int, told: Kept, manifest: Kept) -> None:
    payload = {
        "attempt": attempt_of(number), "run": RUN, "record": told.model_dump(), "manifest": manifest.model_dump(),
        "summary": {"val_image_AUROC": 0.9, "avg_target_auroc": 0.8, "targets": dict.fromkeys(DOMAINS[1:], 0.8)},
    }  # fmt: skip
    home.ledger.commit("condition", id_of(number), payload, LOCK)
