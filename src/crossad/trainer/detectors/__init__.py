"""The models by name. Each module has `build(config, *, weights_dir)`; it loads when its model is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from crossad.conditions.model import Config
from crossad.trainer.detector import Detector

DETECTORS = {
    "draem": "crossad.trainer.detectors.draem",
    "draem_sevnet": "crossad.trainer.detectors.draem_sevnet",
    "dinomaly": "crossad.trainer.detectors.dinomaly",
    "patchcore": "crossad.trainer.detectors.patchcore",
}


def build(config: Config, *, weights_dir: Path | None = None) -> Detector:
    """A fresh model; the caller seeds torch before, because new weights are drawn here.

    Raises:
        MissingInputError: pretrained weights or a texture folder are not there.
    """
    maker: Callable[..., Detector] = importlib.import_module(DETECTORS[config.model_type]).build
    return maker(config, weights_dir=weights_dir)
