"""`bands_v1`: wide horizontal bands, one or two planet teeth high, as real HDMAP faults look.

A patch of the clean image is added elsewhere in it, scaled so that the mean of what is added is s times the
mean of what was there. The severity is thus a relative energy: equal severities look alike whatever the
brightness of patch and image, and it is measured on the pixels, not taken from the draw.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from crossad.trainer.detector import Randomness
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.boxes import draw_boxes, inside, moved

ROWS = 31  # planet teeth: rows of a native HDMAP
TEETH = (1, 2)  # height of a band
WIDTH = (0.1, 1.0)  # of the image
SEVERITY_MIN = 0.05  # fainter than that, a mask of ones would contradict the label


def draw_severities(draw: np.random.Generator, count: int, severity_max: float) -> torch.Tensor:
    """Severities (B,) from U(0.05, severity_max)."""
    drawn = draw.uniform(min(SEVERITY_MIN, severity_max), severity_max, count)
    return torch.from_numpy(drawn.astype(np.float32))


def add_bands(
    images: Tensor,
    randomness: Randomness,
    *,
    probability: float = 0.5,
    severity_max: float = 1.0,
    purpose: str = "faults",
) -> Faulted:
    """Add at most one band to each image of a batch (B, C, H, W); returns new tensors.

    An image without any intensity where the band would come from or go to stays as it is.

    Args:
        images: Normal images.
        randomness: Draws of this step.
        probability: Of an image to get a fault.
        severity_max: Severities are drawn from U(0.05, severity_max).
        purpose: The random stream.
    """
    draw, count, (height, width) = randomness.numpy(purpose), len(images), images.shape[-2:]
    chosen = torch.from_numpy(draw.random(count) < probability).to(images.device)
    wanted = draw_severities(draw, count, severity_max).to(images.device)
    tall = (
        np.rint(draw.integers(*TEETH, count, endpoint=True) * height / ROWS).astype(np.int64).clip(1, height)
    )
    wide = np.rint(draw.uniform(*WIDTH, count) * width).astype(np.int64).clip(1, width)
    source = draw_boxes(draw, (height, width), tall, wide)
    target = draw_boxes(draw, (height, width), tall, wide)
    box = inside(target, images)

    # the mean over channels and pixels of the box, up to the factor that both have in common
    pattern = torch.where(box, moved(images.abs(), source, target), 0)
    original = torch.where(box, images.abs(), 0).sum((1, 2, 3))
    possible = chosen & (original > 0) & (pattern.sum((1, 2, 3)) > 0)
    strength = torch.where(possible, wanted * original / pattern.sum((1, 2, 3)), 0)
    mask = box & possible[:, None, None, None]
    faulted = torch.where(mask, images + strength[:, None, None, None] * pattern, images)
    measured = (faulted - images).sum((1, 2, 3)) / original
    return Faulted(faulted, mask.to(images.dtype), torch.where(possible, measured, 0))
