"""All four models on one CUDA device, at the guide's size: do they run, agree with the CPU and repeat themselves?

    python benchmarks/gpu_check.py                  device 0
    python benchmarks/gpu_check.py --device cpu     a rehearsal of this script; its figures say nothing of a GPU

One condition a model (conditions/quick.json, random backbones, two epochs, few images) is run twice by `crossad run`.
Checked: every condition is done; both runs end with the same weights (said, not demanded: some CUDA kernels add in any
order); the weights score images on the CPU as on the device; the coreset's picks on the device are the greedy picks
(each is checked against the definition, see `greedy_gap`). Exit code 1: a check failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from certificate import RESULTS, certificate

from crossad.conditions.suite import parse_config
from crossad.data.layout import list_images
from crossad.files import write_json
from crossad.trainer.checkpoint import load_state
from crossad.trainer.coreset import distances, k_center_greedy
from crossad.trainer.detectors import build
from crossad.trainer.device import describe, set_up
from crossad.trainer.loader import Preprocessing, load_batch

SUITE = Path(__file__).parents[1] / "conditions" / "quick.json"
OVERRIDES = ("max_epochs=2", "pre_trained=false", "batch_size=4")
SMALL = ("base_width=8", "discriminator_width=8", "encoder_name=dinov2reg_vit_small_14")  # for a rehearsal
TOLERANCE = 1e-3  # of raw scores, relative to their spread over the images: float32 sums in another order
CORESET = (20_000, 256, 2_000)  # rows, width, picks
LARGE = (1_000_000, 320, 100_000)


def crossad(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "crossad", *words], check=True)


def records(results: Path) -> dict[str, dict[str, Any]]:
    """The newest record of each model."""
    found = (json.loads(path.read_bytes()) for path in results.glob("*/*/tensorboard_logs/result_*.json"))
    return {record["condition"]["config"]["model_type"]: record for record in found}


def agreement(record: dict[str, Any], results: Path, data: Path, device: torch.device) -> float:
    """Largest difference of raw scores, CPU to device, over their spread on the CPU."""
    config = parse_config(record["condition"]["config"])
    files = list_images(data, config.source_domain, "test")[::8]
    images = load_batch(files, Preprocessing(config.image_size))
    weights = results / record["best_checkpoint"]
    scores = []
    for place in (torch.device("cpu"), device):
        detector = build(config)
        detector.load_trained_state(load_state(weights)[0])
        detector.to(place).eval()
        with torch.inference_mode():
            scores.append(detector.score(images.to(place)).image.double().cpu())
    here, there = scores
    return float((here - there).abs().max() / here.std().clamp_min(1e-12))


def greedy_gap(features: torch.Tensor, picks: torch.Tensor) -> float:
    """How far, relatively, any pick falls short of the row that was farthest when it was picked; 0 is greedy."""
    nearest = distances(features, features[picks[0]])
    worst = 0.0
    for pick in picks[1:]:
        farthest = float(nearest.max())
        worst = max(worst, (farthest - float(nearest[pick])) / max(farthest, 1e-30))
        nearest = torch.minimum(nearest, distances(features, features[pick]))
    return worst


def coreset(device: torch.device, shape: tuple[int, int, int], *, verify: bool) -> dict[str, Any]:
    """Time of a selection, and how greedy it is."""
    rows, width, count = shape
    draw = torch.Generator(device=device).manual_seed(0)
    features = (
        torch.randn(rows, width, generator=draw, device=device) * torch.arange(1, width + 1, device=device) ** -0.5
    )
    k_center_greedy(features[:3000], 300, 0)  # kernels are loaded before the clock starts
    started = time.perf_counter()
    picks = k_center_greedy(features, count, 0).cpu()  # .cpu() waits for the device
    found = {"rows": rows, "width": width, "picks": count, "seconds": time.perf_counter() - started}
    return found | ({"greedy_gap": greedy_gap(features, picks.to(device))} if verify else {})


def measure(device_id: str, folder: Path) -> dict[str, Any]:
    """Everything, on one device."""
    device = set_up(device_id).device
    data, results = folder / "data", folder / "results"
    rehearsal = device.type == "cpu"
    train, test = ("8", "8") if rehearsal else ("24", "16")
    overrides = (*OVERRIDES, *SMALL) if rehearsal else OVERRIDES
    crossad("synth", str(data), "--preset", "easy", "--size", "224x224", "--train", train, "--test", test)
    run = ["run", str(SUITE), "--data", str(data), "--results-dir", str(results), "--gpus", device_id, "--no-report"]
    crossad(*run, "--set", *overrides)
    first = records(results)
    crossad(*run, "--fresh", "--set", *overrides)
    second = records(results)
    models = {}
    for model, record in sorted(first.items()):
        training = record["training_info"]
        models[model] = {
            "status": record["status"],
            "device": record["provenance"]["device"],
            "timings_seconds": record["timings_seconds"],
            "images_per_second": record["source_results"]["images_per_second"],
            "peak_device_memory_bytes": record["peak_device_memory_bytes"],
            "same_weights_twice": training["weights_sha256"] == second[model]["training_info"]["weights_sha256"],
            "cpu_difference": agreement(record, results, data, device),
        }
        print(f"{model}: {models[model]}", flush=True)
    selections = [coreset(device, CORESET, verify=True)] + ([] if rehearsal else [coreset(device, LARGE, verify=False)])
    return {"device": describe(device), "torch_cuda": torch.version.cuda, "models": models, "coreset": selections}


def faults(found: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    models = found["models"]
    wrong = [f"{name}: {one['status']}" for name, one in models.items() if one["status"] != "success"]
    wrong += [f"{name}: differs from the CPU" for name, one in models.items() if one["cpu_difference"] > TOLERANCE]
    wrong += [f"{4 - len(models)} model(s) left no record"] * (len(models) != 4)
    return wrong + ["coreset: not greedy"] * (found["coreset"][0]["greedy_gap"] > 1e-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="0", help="a CUDA device number, or cpu")
    parser.add_argument(
        "--out", type=Path, help="result file (default: benchmarks/results/gpu_check.json; none on cpu)"
    )
    arguments = parser.parse_args()
    head = certificate("one GPU, four models", ("torch", "anomalib", "timm", "lightning"))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.device, Path(folder))
    wrong = faults(found)
    out = arguments.out or (None if arguments.device == "cpu" else RESULTS / "gpu_check.json")
    if out is not None:
        write_json(out, {**head, "tolerance": TOLERANCE, **found, "faults": wrong})
    print("\n".join(wrong) or "all checks passed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
