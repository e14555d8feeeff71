"""Stands in for `crossad train`: simulated scores of the condition's own domains, the true tree, a true commit."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from crossad.launch.prepare import current_locks
from crossad.results.home import FolderHome
from crossad.results.layout import RunPaths
from crossad.results.plan import load_plan

SHIFTS = (2.5, 1.6, 0.8, 1.2)  # of the source, then of the targets in their order


def simulation() -> ModuleType:
    """The results folders of the report's tests."""
    path = Path(__file__).parents[1] / "analysis/conftest.py"
    spec = importlib.util.spec_from_file_location("simulation", path)
    assert spec is not None and spec.loader is not None
    sys.modules["simulation"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("config", "experiment-id", "run", "results-dir", "data", "gpu-id", "weights"):
        parser.add_argument(f"--{option}")
    arguments = parser.parse_args()
    results = Path(arguments.results_dir)
    plan = load_plan(RunPaths(results, arguments.run))
    entry = next(one for one in plan.conditions if str(one.experiment_id) == arguments.experiment_id)
    domains = [entry.config["source_domain"], *entry.config["target_domains"]]
    simulated = simulation()
    sim = simulated.Sim(
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
            "summary": [f"Target {name} AUROC: 0.7500" for name in domains[1:]],
        },
    )
    paths = simulated.write_condition(results, plan.run, sim, pictures=True)
    lines = [f"2026-01-02 03:04:05 | INFO | Target {name} AUROC: 0.7500" for name in domains[1:]]
    paths.log.write_text("\n".join([*lines, ""]))
    home = FolderHome(results)
    record = home.keep(paths.records()[-1], "").model_dump()
    lock = current_locks(plan).get(entry.condition_id)
    home.ledger.commit("condition", entry.condition_id, {"run": plan.run, "record": record}, lock)


main()
