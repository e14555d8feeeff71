"""`bands_v1`: wide horizontal bands, one or two planet teeth high, as real HDMAP faults look.

A patch of the clean map is added elsewhere in it, scaled so that the mean of what is added is s times the
mean of what was there. The severity is thus a relative energy, measured on the pixels of the mask: equal
severities look alike whatever the brightness of patch and map.

Bands are made on the native grid of 31 x 95 teeth and resized like the map itself. Resizing is linear, so this
is as good as a fault in the file. A band cut out at the network's size would have edges that no resized map
has, and a network would learn those.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossad.trainer.detector import Randomness
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.boxes import draw_boxes, inside, moved

NATIVE = (31, 95)  # planet teeth, ring teeth: one pixel of a native HDMAP for each pair
TEETH = (1, 2)  # height of a band
WIDTH = (0.1, 1.0)  # of the map
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
    """Add at most one band to each map of a batch (B, C, H, W); returns new tensors.

    A map without any intensity where the band would come from or go to stays as it is.

    Args:
        images: Normal maps, at any size.
        randomness: Draws of this step.
        probability: Of a map to get a fault.
        severity_max: Severities are drawn from U(0.05, severity_max).
        purpose: The random stream.
    """
    draw, count = randomness.numpy(purpose), len(images)
    chosen = torch.from_numpy(draw.random(count) < probability).to(images.device)
    wanted = draw_severities(draw, count, severity_max).to(images.device)
    tall = draw.integers(*TEETH, count, endpoint=True)
    wide = np.rint(draw.uniform(*WIDTH, count) * NATIVE[1]).astype(np.int64)
    native = _resized(images.abs(), NATIVE)
    source, target = draw_boxes(draw, NATIVE, tall, wide), draw_boxes(draw, NATIVE, tall, wide)
    box = inside(target, native)
    size = (images.shape[-2], images.shape[-1])
    pattern = _resized(torch.where(box, moved(native, source, target), 0), size)
    mask = functional.interpolate(box.to(images.dtype), size=size, mode="nearest-exact") > 0  # a rectangle again

    # means over the mask, up to the number of pixels that both have in common
    original, unit = (torch.where(mask, values, 0).sum((1, 2, 3)) for values in (images.abs(), pattern))
    possible = chosen & (original > 0) & (unit > 0)
    strength = torch.where(possible, wanted * original / unit, 0)
    faulted = images + strength[:, None, None, None] * pattern
    measured = torch.where(mask, faulted - images, 0).sum((1, 2, 3)) / original
    mask = mask & possible[:, None, None, None]
    return Faulted(faulted, mask.to(images.dtype), torch.where(possible, measured, 0))


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, H, W) at another size, as the loader enlarges them."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
