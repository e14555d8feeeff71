"""Runs as trainers leave them, without a trainer: in a bucket or in a results folder, followed to the letter."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from crossad.results.home import FolderHome, Home, Kept
from crossad.results.layout import RunPaths
from crossad.results.manifest import Archive, Artifact, Log, Manifest, local_artifacts, write_manifest
from crossad.results.pictures import pack_pictures
from crossad.results.plan import Plan, PlanEntry
from crossad.results.record import DomainResult, Record

RUN, LOCK, STAMP = "night1", "ab" * 32, "20260101_000000"
CONFIG = {"model_type": "draem", "source_domain": "A", "target_domains": ["B"]}
WEIGHTS = "tensorboard_logs/checkpoints/weights-t.safetensors"
PICTURES = "tensorboard_logs/visualizations/targets/B"
RECORD = f"tensorboard_logs/result_{STAMP}.json"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(number: int, name: str, **changes: Any) -> PlanEntry:
    found = {"experiment_id": number, "name": name, "config": CONFIG, "condition_id": f"id-{name}", "training_key": "t"}
    return PlanEntry(**{**found, **changes})


def result(area: float) -> DomainResult:
    interval = {"low": area - 0.05, "high": area + 0.05, "method": "m"}
    counts = {"good": 80, "fault": 80}
    return DomainResult.model_validate(
        {"status": "ok", "test_image_AUROC": area, "interval": interval, "counts": counts}
    )


def record(name: str, attempt: str, status: str = "success") -> bytes:
    found = Record.model_validate(
        {
            "condition": {"name": name, "config": CONFIG}, "condition_id": f"id-{name}", "training_key": "t",
            "run": RUN, "attempt": attempt, "status": status, "timestamp": "2026-01-01T00:00:00+00:00",
            "val_image_AUROC": 0.9, "source_results": result(0.9), "target_results": {"B": result(0.8)},
            "avg_target_auroc": 0.8, "n_targets": 1, "transfer_ratio": 0.8 / 0.9,
            "best_checkpoint": f"{RUN}/{name}_{RUN}/{WEIGHTS}",
        }
    )  # fmt: skip
    return found.model_dump_json().encode()


def lines(name: str, attempt: str, *texts: str) -> bytes:
    return "".join(f"2026-01-01 00:00:0{i} | INFO | {text} {attempt}\n" for i, text in enumerate(texts)).encode()


def predictions(name: str) -> bytes:
    dice = random.Random(name)
    rows = [
        f"{domain},test,{label}/{index}.png,{label},{dice.random() + label},0,,"
        for domain in "AB"
        for label in (0, 1)
        for index in range(60)
    ]
    return ("domain,split,path,label,score,predicted,severity,stratum\n" + "\n".join(rows) + "\n").encode()


class World:
    """A store in which one builds a run condition by condition."""

    def __init__(self, home: Home, scratch: Path) -> None:
        self.home, self.store, self.scratch = home, home.state, scratch
        self.entries: list[PlanEntry] = []

    def kept(self, key: str, data: bytes) -> Kept:
        self.store.put(key, data)
        return Kept(ref=key, bytes=len(data), sha256=sha(data))

    def plan(self, *entries: PlanEntry, run: str = RUN) -> Plan:
        self.entries += entries
        plan = Plan(run=run, suite="s", created="2026-01-01T00:00:00+00:00", data="d", conditions=tuple(self.entries))
        self.store.put(f"runs/{RUN}/plans/0001.json", plan.model_dump_json().encode())
        return plan

    def archive(self, attempt: str, path: str = PICTURES, count: int = 3) -> Archive:
        folder = self.scratch / attempt / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / f"{index}_B.jpg").write_bytes(random.Random(f"{attempt}{index}").randbytes(3000))
        packed = pack_pictures(folder, self.scratch / attempt / "pictures.zip")
        assert packed is not None
        kept = self.kept(f"attempts/{attempt}/evaluations/B/pictures.zip", packed.read_bytes())
        return Archive(path=path, key=kept.ref, bytes=kept.bytes, sha256=kept.sha256)

    def parts(self, name: str, attempt: str, weights: Kept | None = None) -> dict[str, Any]:
        """What a condition's manifest has, as its fields; the objects are in the store."""
        files = {
            RECORD: record(name, attempt),
            "predictions.csv": predictions(name),
            "tensorboard_logs/events.out.tfevents.1": attempt.encode(),
        }
        if weights is None:
            files[WEIGHTS] = random.Random(attempt).randbytes(100_000)
        artifacts = [self.artifact(attempt, path, body) for path, body in files.items()]
        if weights is not None:
            artifacts.append(Artifact(path=WEIGHTS, key=weights.ref, bytes=weights.bytes, sha256=weights.sha256))
        facts = lines(name, attempt, f"Started: {name}", "domain B | AUROC 0.8", f"Finished: {name}")
        chunks = [self.kept(f"attempts/{attempt}/logs/facts-{i:06d}.log", part) for i, part in enumerate(halves(facts))]
        details = [self.kept(f"attempts/{attempt}/logs/details-000001.log", b"step 1\n")]
        return {
            "attempt": attempt,
            "condition_id": f"id-{name}",
            "condition": name,
            "run": RUN,
            "artifacts": tuple(artifacts),
            "archives": (self.archive(attempt),),
            "logs": (
                Log(path=f"multi_domain_{name}.log", chunks=tuple(chunks)),
                Log(path="training_detail.log", chunks=tuple(details)),
            ),
        }

    def artifact(self, attempt: str, path: str, body: bytes) -> Artifact:
        kept = self.kept(f"attempts/{attempt}/{path}", body)
        return Artifact(path=path, key=kept.ref, bytes=kept.bytes, sha256=kept.sha256)

    def done(self, name: str, attempt: str, weights: Kept | None = None, **changes: Any) -> Manifest:
        """A committed condition; fields of its manifest may be replaced."""
        manifest = Manifest.model_validate({**self.parts(name, attempt, weights), **changes})
        self.commit(name, manifest)
        return manifest

    def commit(self, name: str, manifest: Manifest | bytes, attempt: str = "") -> None:
        body = manifest if isinstance(manifest, bytes) else manifest.model_dump_json().encode()
        attempt = attempt or (manifest.attempt if isinstance(manifest, Manifest) else "a")
        kept = self.kept(f"attempts/{attempt}/manifest.json", body)
        there = None if isinstance(manifest, bytes) else next((a for a in manifest.artifacts if a.path == RECORD), None)
        about = kept if there is None else Kept(ref=there.key or "", bytes=there.bytes or 0, sha256=there.sha256 or "")
        payload = {"attempt": attempt, "run": RUN, "record": about.model_dump(), "manifest": kept.model_dump()}
        self.home.ledger.commit("condition", f"id-{name}", {**payload, "summary": {}}, LOCK)

    def failed(self, name: str, attempt: str) -> Manifest:
        manifest = Manifest.model_validate(self.parts(name, attempt))
        kept = self.kept(f"attempts/{attempt}/manifest.json", manifest.model_dump_json().encode())
        payload = {"run": RUN, "name": name, "failures": [], "record": None, "manifest": kept.model_dump()}
        self.home.ledger.record_failure(f"id-{name}", attempt, payload)
        return manifest

    def report(self, number: str = "00aa") -> None:
        for path, body in {"index.html": b"<p>page", "figures/one.svg": b"<svg/>"}.items():
            self.store.put(f"runs/{RUN}/reports/{number}/{path}", body)

    def night(self) -> None:
        """Five conditions: two of one training, a partial one, a resumed one, one that has not begun."""
        names = ("one", "shared", "partial", "resumed", "late")
        self.plan(*(entry(number, name) for number, name in enumerate(names)))
        first = self.done("one", "att-one")
        weights = next(one for one in first.artifacts if one.path == WEIGHTS)
        assert weights.key
        assert weights.bytes
        assert weights.sha256
        self.done("shared", "att-shared", Kept(ref=weights.key, bytes=weights.bytes, sha256=weights.sha256))
        self.failed("partial", "att-partial")
        parts = self.parts("resumed", "att-resumed")
        before = self.kept(
            "attempts/att-before/logs/facts-000001.log", lines("resumed", "att-before", "Started: resumed")
        )
        facts, details = parts["logs"]
        facts = facts.model_copy(update={"chunks": (before, *facts.chunks)})
        manifest = Manifest.model_validate({**parts, "parents": ("att-before",), "logs": (facts, details)})
        self.commit("resumed", manifest)
        self.report()


def local_night(results: Path) -> FolderHome:
    """A run in a results folder: one condition that is done."""
    home = FolderHome(results)
    plan = Plan(
        run=RUN,
        suite="s",
        created="2026-01-01T00:00:00+00:00",
        data="d",
        conditions=(entry(0, "one"), entry(1, "late")),
    )
    paths = RunPaths(results, RUN)
    home.state.put(f"runs/{RUN}/plans/0001.json", plan.model_dump_json().encode())
    condition = paths.condition("one")
    for path, body in {
        RECORD: record("one", "att"),
        WEIGHTS: b"weights",
        f"{PICTURES}/0.jpg": b"picture",
        "multi_domain_one.log": lines("one", "att", "Started: one", "Finished: one"),
    }.items():
        target = condition.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
    paths.plan.write_text(plan.model_dump_json())
    (paths.report / "figures").mkdir(parents=True)
    (paths.report / "index.html").write_text("page")
    artifacts = local_artifacts(condition)
    manifest = Manifest(attempt="att", condition_id="id-one", condition="one", run=RUN, artifacts=artifacts)
    write_manifest(condition, manifest)
    kept = {"record": condition.root / RECORD, "manifest": condition.manifest}
    payload = {key: home.keep(path, "").model_dump() for key, path in kept.items()}
    home.ledger.commit("condition", "id-one", {"attempt": "att", "run": RUN, "summary": {}, **payload}, LOCK)
    return home


def halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash, links and the lock left out."""
    return {
        path.relative_to(folder).as_posix(): sha(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != ".fetch.lock"
        if not any(parent.is_symlink() for parent in path.relative_to(folder).parents)
    }


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if path.name.endswith((".part", ".tmp", ".zip"))]
