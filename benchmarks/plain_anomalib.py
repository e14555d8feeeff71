"""The peer of condition.py, a process of its own: one condition by plain anomalib, as its documentation shows it.

`Engine.fit` on the source, one `Engine.test` a domain, all else as installed: its loader, evaluator, pictures and
checkpoint. Not as documented is only what makes the work equal or possible: the same input size without a crop, and
random weights where its constructor would ask a hub. After the clock has stopped, raw scores of its weights give the
AUROC that its own normalisation hides. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Dinomaly, Draem, Patchcore
from anomalib.models.components import AnomalibModule
from anomalib.pre_processing import PreProcessor
from torchvision.transforms.v2 import Compose, Normalize, Resize

from crossad.metrics.auroc import auroc

IMPORTED = time.time()
IMAGE_NET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
Job = dict[str, Any]


def random_weights(create: Any, name: str, **arguments: Any) -> Any:  # noqa: ANN401 - timm's own signature
    """timm's constructor without a download."""  # noqa: D403
    return create(name, **{**arguments, "pretrained": False, "pretrained_cfg": None})


def module_of(job: Job) -> AnomalibModule:
    """The Lightning module, its networks at random where they would be downloaded."""
    size = tuple(job["size"])
    if job["model"] == "draem":
        textures = Path(job["folder"]) / "no_textures"  # there, and empty: noise instead of textures, no download
        textures.mkdir(exist_ok=True)
        return Draem(dtd_dir=textures, pre_processor=Draem.configure_pre_processor(size))
    pre_processor = PreProcessor(Compose([Resize(size, antialias=True), Normalize(*IMAGE_NET)]))
    if job["model"] == "patchcore":
        return Patchcore(pre_trained=False, pre_processor=pre_processor)
    timm.create_model = partial(random_weights, timm.create_model)
    return Dinomaly(encoder_name=job["encoder"], pre_processor=pre_processor)


def folder_of(job: Job, domain: str) -> Folder:
    """The data module of one domain; the validation split is its test split, as the guide has it for the source."""
    return Folder(
        name=domain,
        root=Path(job["data"]) / domain,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir="test/fault",
        val_split_mode="same_as_test",
        train_batch_size=job["batch_size"],
        eval_batch_size=job["batch_size"],
        num_workers=job["workers"],
    )


def true_auroc(module: AnomalibModule, data: Folder, device: str) -> float | None:
    """AUROC of raw scores: the network in eval mode, no normalisation, no clamp."""
    module.eval().to(device)
    scores: list[float] = []
    labels: list[int] = []
    with torch.inference_mode():
        for batch in data.test_dataloader():
            images = module.pre_processor(batch.image.to(device))
            scores += module.model(images).pred_score.double().flatten().tolist()
            labels += batch.gt_label.int().tolist()
    return auroc(np.array(scores), np.array(labels))


def main() -> None:
    warnings.simplefilter("ignore")
    job: Job = json.loads(Path(sys.argv[1]).read_text())
    module = module_of(job)
    epochs = {} if job["model"] == "patchcore" else {"max_epochs": job["epochs"]}
    gpu = job["device"] != "cpu"
    place: Job = {"accelerator": "gpu", "devices": [int(job["device"])]} if gpu else {"accelerator": "cpu"}
    engine = Engine(default_root_dir=job["folder"], logger=False, enable_progress_bar=False, **place, **epochs)
    domains = {domain: folder_of(job, domain) for domain in job["domains"]}
    built = time.time()
    engine.fit(model=module, datamodule=next(iter(domains.values())))
    fitted = time.time()
    said = {name: engine.test(model=module, datamodule=data, verbose=False)[0] for name, data in domains.items()}
    ended = time.time()
    device = f"cuda:{job['device']}" if gpu else "cpu"
    told = {
        "seconds": ended - job["started"],
        "phases": {
            "start": IMPORTED - job["started"],
            "build": built - IMPORTED,
            "fit": fitted - built,
            "score": ended - fitted,
        },
        "auroc_as_reported": {name: value.get("image_AUROC") for name, value in said.items()},
        "auroc": {name: true_auroc(module, data, device) for name, data in domains.items()},
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
