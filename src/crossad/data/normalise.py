"""The scale of the pixels that a network sees (`normalisation` in a condition). Never clips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossad.data.layout import ImageFile
from crossad.data.reader import read
from crossad.errors import DataError

Mode = Literal["as_stored", "source_stats", "domain_stats", "per_image"]


@dataclass(frozen=True)
class Statistics:
    """Of all pixels of a set of images, on the reader's scale."""

    minimum: float
    maximum: float
    mean: float
    std: float
    images: int


def statistics(files: Iterable[ImageFile]) -> Statistics:
    """One pass in float64.

    Raises:
        DataError: there is no image, or one cannot be read.
    """
    low, high, total, squares, pixels, images = np.inf, -np.inf, 0.0, 0.0, 0, 0
    for file in files:
        values = read(file.path).pixels.astype(np.float64)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        total, squares = total + float(values.sum()), squares + float((values**2).sum())
        pixels, images = pixels + values.size, images + 1
    if not images:
        raise DataError("statistics of no images", hint="the training split is empty; run 'crossad data check'")
    mean = total / pixels
    return Statistics(low, high, mean, float(np.sqrt(max(0.0, squares / pixels - mean**2))), images)


def normalise(pixels: NDArray[np.float32], mode: str, known: Statistics | None) -> NDArray[np.float32]:
    """Pixels (C, H, W) on the scale of `mode`.

    `source_stats` and `domain_stats` map the training normals' range of the source, or of the image's own domain, to
    [0, 1]; a test image may lie outside. `per_image` maps each image's own range to [0, 1], which destroys amplitude.
    """
    if mode == "as_stored":
        return pixels
    if mode == "per_image":
        low, high = float(pixels.min()), float(pixels.max())
    elif known is None:
        raise ValueError(f"normalisation {mode} needs statistics")
    else:
        low, high = known.minimum, known.maximum
    if high <= low:
        return np.zeros_like(pixels)
    return ((pixels.astype(np.float64) - low) / (high - low)).astype(np.float32)
