"""Builds a results folder from simulated scores: plausible records, predictions and pictures, by a seed."""

from __future__ import annotations

import base64
import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossad.analysis.report import write_report
from crossad.files import write_json
from crossad.metrics.evaluate import Pass, evaluate_domain
from crossad.metrics.threshold import threshold_at
from crossad.metrics.transfer import summarise
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.plan import Plan, PlanEntry
from crossad.results.record import Record
from crossad.seeds import generator

# the smallest JPEG: one grey pixel
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////"
    "////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN//Z"
)


@dataclass(frozen=True)
class Sim:
    """One simulated condition: how far faults lie above normals, in standard deviations, by domain."""

    name: str
    model: str = "patchcore"
    source: str = "domain_A"
    shifts: dict[str, float] = field(
        default_factory=lambda: {"domain_A": 2.5, "domain_B": 1.6, "domain_C": 0.8, "domain_D": 1.2}
    )
    images: int = 60  # a class
    seed: int = 42
    synthetic: bool = True
    failed: tuple[str, ...] = ()  # targets
    change: dict[str, Any] = field(default_factory=dict)  # fields of the record

    @property
    def config(self) -> dict[str, Any]:
        targets = [domain for domain in self.shifts if domain != self.source]
        return {
            "model_type": self.model,
            "source_domain": self.source,
            "target_domains": targets,
            "seed": self.seed,
            "image_size": [32, 96],
        }

    @property
    def entry(self) -> PlanEntry:
        key = f"{self.name}-{self.source}"
        return PlanEntry(experiment_id=0, name=self.name, config=self.config, condition_id=key, training_key=key)


def scores_of(sim: Sim, domain: str) -> dict[str, Any]:
    draw = generator(sim.seed, f"{sim.name}/{domain}")
    n = sim.images
    severities = np.concatenate([np.full(n, np.nan), draw.uniform(0.2, 1.0, n)])
    labels = np.repeat([0, 1], n)
    offset = 0.0 if domain == sim.source else 0.6
    values = draw.normal(offset, 1, 2 * n) + np.where(labels, sim.shifts[domain] * (0.6 + 0.4 * severities), 0)
    values = np.where(labels == 1, values, draw.normal(offset, 1, 2 * n))
    return {
        "scores": values,
        "labels": labels,
        "severities": severities,
        "strata": ["cold" if index % 2 else "warm" for index in range(2 * n)],
        "floors": {
            name: draw.normal(0, 1, 2 * n) + 0.2 * labels for name in ("mean_intensity", "max_intensity", "pca")
        },
    }


def simulate(sim: Sim, run: str) -> tuple[Record, list[dict[str, Any]]]:
    """The record and the rows of its predictions."""
    passes = {domain: scores_of(sim, domain) for domain in sim.shifts if domain not in sim.failed}
    source = passes[sim.source]
    normals = source["scores"][source["labels"] == 0]
    threshold = threshold_at(normals)
    results, rows = {}, []
    for domain, one in passes.items():
        found = evaluate_domain(
            Pass(
                **one,
                threshold=threshold,
                by_construction=domain == sim.source,
                source_normals=normals,
                source_range=(float(source["scores"].min()), float(source["scores"].max())),
            )
        )
        results[domain] = {"status": "ok", "synthetic": sim.synthetic, "images_per_second": 41.5, **found}
        rows += [_row(domain, index, one, threshold) for index in range(2 * sim.images)]
    for domain in sim.failed:
        error = {
            "kind": "missing input",
            "message": f"no such domain: {domain}",
            "hint": "crossad data check",
        }
        results[domain] = {"status": "failed", "error": {**error, "exit_code": 66}}
    pairs = {domain: (one["scores"], one["labels"]) for domain, one in passes.items()}
    summary = summarise(pairs.pop(sim.source), pairs, seed=sim.seed)
    at_source = results.pop(sim.source)
    body: dict[str, Any] = {
        "condition": {"name": sim.name, "description": "", "config": sim.config},
        "condition_id": sim.entry.condition_id,
        "training_key": sim.entry.training_key,
        "run": run,
        "attempt": "a" * 32,
        "status": "partial" if sim.failed else "success",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "val_image_AUROC": at_source["test_image_AUROC"],
        "source_results": at_source,
        "target_results": results,
        "training_info": _training(),
        "selection": "selected on test",
        "synthetic_data": sim.synthetic,
        "timings_seconds": {"fit": 31.2, "score": 8.4, "total": 41.0},
        "peak_memory_bytes": 900 * 2**20,
        "provenance": {
            "crossad_version": "0.1.0",
            "device": "cpu",
            "threads": 2,
            "seed": sim.seed,
            "data_lock": "c0ffee" * 10,
            "libraries": {"numpy": "2.0"},
            "command": ["crossad", "run", "suite.json"],
        },
        **summary,
        **sim.change,
    }
    return Record.model_validate(body), rows


def _training() -> dict[str, Any]:
    curve = [{"epoch": float(n), "train_loss": 1 / (n + 1), "val_image_AUROC": 0.7 + 0.02 * n} for n in range(8)]
    return {
        "max_epochs_configured": 8,
        "last_trained_epoch": 7,
        "total_steps": 80,
        "parameters": 1_250_000,
        "training_images": 120,
        "curve": curve,
    }


def _row(domain: str, index: int, one: dict[str, Any], threshold: float) -> dict[str, Any]:
    label, score = int(one["labels"][index]), float(one["scores"][index])
    severity = one["severities"][index]
    return {
        "domain": domain,
        "split": "test",
        "path": f"test/{'fault' if label else 'good'}/{index:06d}.png",
        "label": label,
        "score": repr(score),
        "predicted": int(score > threshold),
        "severity": repr(float(severity)) if label else "",
        "stratum": one["strata"][index],
    }


def write_condition(results: Path, run: str, sim: Sim, *, pictures: bool = False) -> ConditionPaths:
    """Write what a trainer leaves."""
    record, rows = simulate(sim, run)
    paths = RunPaths(results, run).condition(sim.name)
    write_json(paths.record("20260102_030405"), record.model_dump(mode="json"))
    with paths.predictions.with_suffix(".csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if pictures:
        for domain in sim.shifts:
            folder = paths.visualizations("source" if domain == sim.source else "targets", domain)
            folder.mkdir(parents=True)
            for kind in ("worst_false_alarm", "worst_miss", "median_normal", "median_fault"):
                (folder / f"{kind}_01_000003.jpg").write_bytes(JPEG)
    return paths


def write_run(results: Path, run: str, sims: list[Sim], holes: list[Sim] | None = None) -> None:
    """A run with a plan: these conditions done, and those never started."""
    entries = [
        sim.entry.model_copy(update={"experiment_id": index}) for index, sim in enumerate([*sims, *(holes or [])])
    ]
    plan = Plan(run=run, suite="suite", created="2026-01-02T00:00:00+00:00", data="data", conditions=tuple(entries))
    write_json(RunPaths(results, run).plan, plan.model_dump(mode="json"))
    for sim in sims:
        write_condition(results, run, sim, pictures=True)


@dataclass(frozen=True)
class Lab:
    """A results folder under construction."""

    results: Path

    def sim(self, name: str, **facts: Any) -> Sim:
        return Sim(name, **facts)

    def run(self, run: str, sims: list[Sim], holes: list[Sim] | None = None) -> RunPaths:
        write_run(self.results, run, sims, holes)
        return RunPaths(self.results, run)

    def by_hand(self, run: str, sim: Sim) -> ConditionPaths:
        return write_condition(self.results, run, sim)

    def paths(self, run: str, name: str) -> ConditionPaths:
        return RunPaths(self.results, run).condition(name)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "results")


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with something of everything: four models, a failed target, one never started, pictures, a long name."""
    lab = Lab(tmp_path_factory.mktemp("page") / "results")
    failed = lab.sim("domainA_to_BCD_dinomaly_optimized_with_a_long_name", model="dinomaly", failed=("domain_C",))
    sims = [lab.sim(model, model=model) for model in ("patchcore", "draem", "draem_sevnet")]
    lab.run("night1", [*sims, failed], holes=[lab.sim("late", model="draem")])
    return write_report(lab.results, ["night1"])
