"""Stands in for `crossad train`: simulated scores of the condition's own domains, the true tree, a true commit."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from crossad.launch.prepare import current_locks
from crossad.results.home import FolderHome
from crossad.results.layout import RunPaths
from crossad.results.plan import load_plan

sys.path.append(str(Path(__file__).parents[1] / "shared"))  # a process of its own knows this folder alone
from simulatedtrainer import simulate


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("config", "experiment-id", "run", "results-dir", "data", "gpu-id", "weights"):
        parser.add_argument(f"--{option}")
    arguments = parser.parse_args()
    results = Path(arguments.results_dir)
    plan = load_plan(RunPaths(results, arguments.run))
    entry = next(one for one in plan.conditions if str(one.experiment_id) == arguments.experiment_id)
    targets = entry.config["target_domains"]
    summary = [f"Target {name} AUROC: 0.7500" for name in targets]
    paths = simulate(entry, results, plan.run, summary=summary)
    lines = [f"2026-01-02 03:04:05 | INFO | Target {name} AUROC: 0.7500" for name in targets]
    paths.log.write_text("\n".join([*lines, ""]))
    home = FolderHome(results)
    record = home.keep(paths.records()[-1], "").model_dump()
    lock = current_locks(plan).get(entry.condition_id)
    home.ledger.commit("condition", entry.condition_id, {"run": plan.run, "record": record}, lock)


main()
