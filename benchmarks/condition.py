"""One condition, end to end, beside plain anomalib on the same files, the same size, the same number of steps (P2).

    python benchmarks/condition.py                                     all three models on the CPU
    python benchmarks/condition.py --device 0 --train 400 --test 200   on a GPU

Both sides are processes that start, fit on the source, score source and three targets, draw pictures, save weights:
ours is the guide's line (`crossad train`), theirs is plain_anomalib.py. Both get the malloc settings of our image and
random weights (no hub is asked): the AUROCs compare code, not models. Sides take turns; the ratio is of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from certificate import RESULTS, certificate

from crossad.files import write_json

DOMAINS = ("domain_A", "domain_B", "domain_C", "domain_D")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
MODELS: dict[str, dict[str, Any]] = {
    "patchcore": {"backbone": "wide_resnet50_2", "pre_trained": False, "coreset_sampling_ratio": 0.1},
    # all defaults of anomalib, spelled out: lr 2e-3, StableAdamW, 8 layers
    "dinomaly": {"encoder_name": "dinov2reg_vit_small_14", "pre_trained": False, "target_layers": list(range(2, 10))},
    "draem": {"optimizer": "adam", "learning_rate": 1e-4, "in_channels": 3},
}
ENCODER = "vit_small_patch14_reg4_dinov2"
BARS = {"cpu": {"patchcore": 2.0, "dinomaly": 1.5, "draem": 1.25}, "gpu": dict.fromkeys(MODELS, 3.0)}


def child(words: list[str], log: Path) -> tuple[float, Any]:
    """Run to the end; wall seconds and resource usage of the process and its children."""
    started = time.time()
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **MALLOC})
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}:\n{log.read_text()[-3000:]}")
    return time.time() - started, usage


def ours(model: str, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One condition by `crossad train`."""
    trained = {} if model == "patchcore" else {"max_epochs": job["epochs"], "validation": "source_test"}
    config = {
        "model_type": model,
        "source_domain": DOMAINS[0],
        "target_domains": list(DOMAINS[1:]),
        "image_size": job["size"],
        "batch_size": job["batch_size"],
        "num_workers": job["workers"],
        **MODELS[model],
        **trained,
    }
    suite = folder / "suite.json"
    write_json(suite, {"experiment_conditions": [{"name": model, "config": config}]})
    words = ["train", "--config", str(suite), "--experiment-id", "0", "--gpu-id", job["device"], "--data", job["data"]]
    seconds, usage = child(
        [sys.executable, "-m", "crossad", *words, "--results-dir", str(folder / "results")], folder / "log"
    )
    record = json.loads(next(folder.glob("results/*/*/tensorboard_logs/result_*.json")).read_bytes())
    domains = {DOMAINS[0]: record["source_results"], **record["target_results"]}
    return {
        "seconds": seconds,
        "phases": record["timings_seconds"],
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "auroc": {name: found["test_image_AUROC"] for name, found in domains.items()},
    }


def theirs(model: str, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same by plain anomalib; its own clock stops before the raw scores are taken."""
    words = {"model": model, "folder": str(folder), "encoder": ENCODER}
    write_json(folder / "job.json", {**job, **words, "started": time.time()})
    script = Path(__file__).with_name("plain_anomalib.py")
    _, usage = child([sys.executable, str(script), str(folder / "job.json")], folder / "log")
    told: dict[str, Any] = json.loads((folder / "log").read_text().splitlines()[-1])
    return {**told, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024}


def compare(model: str, job: dict[str, Any], runs: int, folder: Path) -> dict[str, Any]:
    """Both sides in turns, and their ratio."""
    sides: dict[str, list[dict[str, Any]]] = {"crossad": [], "anomalib": []}
    for number in range(runs):
        for name, run in (("anomalib", theirs), ("crossad", ours)):
            place = folder / f"{model}-{name}-{number}"
            place.mkdir()
            sides[name].append(run(model, job, place))
            print(model, name, json.dumps(sides[name][-1]), flush=True)
    middle = {name: median(one["seconds"] for one in found) for name, found in sides.items()}
    return {"ratio": round(middle["anomalib"] / middle["crossad"], 2), **sides}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, or a CUDA device number")
    parser.add_argument("--models", default="patchcore,dinomaly,draem")
    parser.add_argument("--train", type=int, default=64, help="normal images of the source")
    parser.add_argument("--test", type=int, default=16, help="good and faulty test images a domain, each")
    parser.add_argument("--epochs", type=int, default=1, help="of the trained models")
    parser.add_argument("--size", type=int, nargs=2, default=(112, 112), metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="loader threads or processes")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="result file (default: benchmarks/results/condition_<cpu|gpu>.json)")
    asked = parser.parse_args()
    kind = "cpu" if asked.device == "cpu" else "gpu"
    head = certificate("one condition beside plain anomalib", ("torch", "anomalib", "timm", "lightning"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = "x".join(map(str, asked.size))
        words = ["synth", str(folder / "data"), "--preset", "easy", "--size", size, "--format", "png8"]
        words += ["--train", str(asked.train), "--test", str(asked.test)]
        subprocess.run([sys.executable, "-m", "crossad", *words], check=True, stdout=subprocess.DEVNULL)
        job = {
            "data": str(folder / "data"),
            "domains": DOMAINS,
            "device": asked.device,
            "size": list(asked.size),
            "batch_size": asked.batch_size,
            "workers": asked.workers,
            "epochs": asked.epochs,
        }
        found: dict[str, Any] = {}
        images = {"train": asked.train, "test_per_label": asked.test, "size": list(asked.size), "domains": len(DOMAINS)}
        for model in asked.models.split(","):
            found[model] = compare(model, job, asked.runs, folder)
            out = asked.out or RESULTS / f"condition_{kind}.json"
            write_json(out, {**head, "images": images, "epochs": asked.epochs, "bars": BARS[kind], "models": found})
    for model, result in found.items():
        print(f"{model}: {result['ratio']} times as fast as plain anomalib (bar: {BARS[kind][model]})")


if __name__ == "__main__":
    main()
