"""The Python call that does what one command line does (the guide's `MultiDomainAnomalyTrainer`, as a function).

import crossad

record = crossad.run_experiment(
    {
        "model_type": "patchcore",
        "backbone": "tf_efficientnet_lite0",
        "source_domain": "domain_A",
        "target_domains": ["domain_B", "domain_C", "domain_D"],
    },
    data="data/hdmap",
)
print(record.val_image_AUROC, record.avg_target_auroc, record.transfer_ratio)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossad.data.places import Images
    from crossad.results.record import Record
    from crossad.supplies.place import Shelf


def run_experiment(
    config: Mapping[str, Any],
    *,
    data: Images | Path | str,
    results: Path | str = "results",
    name: str | None = None,
    run: str | None = None,
    gpu_id: str = "cpu",
    weights_dir: Shelf | Path | str | None = None,
) -> Record:
    """Fit on the source, evaluate source and targets, leave the same tree as `crossad train`, return the record.

    Args:
        config: The `config` of a condition (docs/keys.md).
        data: Folder with the domains, "s3://bucket/prefix", or what `data.places.open_images` opened.
        results: Folder where runs live.
        name: The condition's name; default: model and source.
        run: The run's name; default: a timestamp.
        gpu_id: "cpu" or a CUDA device number.
        weights_dir: Folder with pretrained weights, or "s3://bucket/prefix" (docs/store.md); looked at before the hub
            cache and the built-in asset.

    Raises:
        ConditionError: a key or value is wrong; every fault is named.
        CrossadError: the condition failed; its record says why.
    """
    from crossad.conditions.identity import resolve  # noqa: PLC0415 - torch loads when a model is needed
    from crossad.conditions.suite import parse_config  # noqa: PLC0415
    from crossad.data.places import as_images  # noqa: PLC0415
    from crossad.results.layout import run_name  # noqa: PLC0415
    from crossad.supplies.place import as_shelf  # noqa: PLC0415
    from crossad.trainer.context import Task  # noqa: PLC0415
    from crossad.trainer.run import run_condition  # noqa: PLC0415

    images, shelf = as_images(data), as_shelf(weights_dir) if weights_dir else None
    parsed = resolve(parse_config(config), images.domains())
    task = Task(
        name or f"{parsed.model_type}_{parsed.source_domain}",
        parsed,
        images.root,
        Path(results),
        run or run_name(datetime.now(UTC)),
        images=images,
        gpu_id=gpu_id,
        weights_dir=shelf.folder if shelf else None,
        weights_store=shelf.store() if shelf else None,
    )
    return run_condition(task)
