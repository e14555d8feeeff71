"""P4: how long `crossad validate`, `plan` and `render` take for a suite of 10,000 conditions.

    python benchmarks/render.py
    python benchmarks/render.py --conditions 1000 --runs 3

Each command is a process of its own, as a user starts it, timed from the outside, in turn with the others; `render`
writes into a new folder, and once more into the same one. Wall time and CPU time are told: on a busy machine the second
says what the work costs. Exit code 1: slower than the bars.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from certificate import RESULTS, certificate

from crossad.files import write_json

RESULT = RESULTS / "render.json"
SETTINGS = Path(__file__).parents[1] / "k8s/sample/settings.yaml"
BARS = {"validate + plan": 5.0, "render": 10.0}  # seconds, for 10,000 conditions
DOMAINS = ("domain_A", "domain_B", "domain_C", "domain_D")


def suite(conditions: int) -> dict[str, Any]:
    """Models x sources x seeds, as a matrix makes them, so that no two conditions are the same work."""
    each = -(-conditions // (2 * len(DOMAINS)))
    configs = [
        {"model_type": model, "source_domain": source, "target_domains": [name for name in DOMAINS if name != source]}
        for model in ("patchcore", "draem")
        for source in DOMAINS
    ]
    left = [min(each, conditions - each * index) for index in range(len(configs))]
    return {
        "suite": {"name": "many"},
        "experiment_conditions": [
            {
                "name": f"{config['model_type']} from {config['source_domain']}",
                "description": "one of many",
                "config": config,
                "matrix": {"seed": list(range(count))},
            }
            for config, count in zip(configs, left, strict=True)
            if count > 0
        ],
    }


def timed(*words: str) -> dict[str, float]:
    """Wall and CPU seconds of one command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("crossad")), *words], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)  # fmt: skip
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": wall, "cpu": cpu}


def measure(folder: Path, conditions: int, runs: int) -> dict[str, list[dict[str, float]]]:
    """All commands, so many times each."""
    file, settings = folder / "many.json", str(SETTINGS)
    file.write_text(json.dumps(suite(conditions)))
    found: dict[str, list[dict[str, float]]] = {}
    for run in range(runs):
        out = str(folder / f"out-{run}")
        for name, words in (
            ("validate", ("validate", str(file))),
            ("plan", ("plan", str(file), "--results-dir", str(folder / "results"), "--json")),
            ("render", ("render", str(file), "-o", out, "--settings", settings)),
            ("render again", ("render", str(file), "-o", out, "--settings", settings)),
        ):
            found.setdefault(name, []).append(timed(*words))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    head = certificate("P4 validate, plan, render", ("crossad", "pydantic", "pyyaml"))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.conditions, arguments.runs)
    medians = {
        name: {kind: statistics.median(one[kind] for one in runs) for kind in ("wall", "cpu")}
        for name, runs in found.items()
    }
    bars = {
        "validate + plan": medians["validate"]["wall"] + medians["plan"]["wall"],
        "render": medians["render"]["wall"],
    }
    write_json(
        arguments.out,
        {
            **head,
            "conditions": arguments.conditions,
            "load_after": os.getloadavg(),
            "bars_seconds": BARS,
            "against_bars_seconds": bars,
            "median_seconds": medians,
            "seconds": found,
        },
    )
    for name, median in medians.items():
        print(f"{name:<12}  median {median['wall']:6.2f} s, CPU {median['cpu']:6.2f} s")
    for name, seconds in bars.items():
        print(f"{name}: {seconds:.2f} s, bar {BARS[name]:.0f} s")
    print(f"wrote {arguments.out}")
    if arguments.conditions >= 10_000 and any(seconds >= BARS[name] for name, seconds in bars.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
