"""`patches_v0`: the seed's tall patches, for comparison; without its clamp, which gave faults away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossad.trainer.detector import Randomness
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.bands import draw_severities
from crossad.trainer.faults.boxes import Boxes, Ints, draw_boxes, inside, moved

OVERLAP = 0.3  # most overlap of source and target box, as a share of the patch
TRIES = 10


@dataclass(frozen=True)
class Patches:
    """How patches are drawn; pixels of the network's input."""

    width_range: tuple[int, int] = (20, 80)
    ratio_range: tuple[float, float] = (2.0, 4.0)  # height / width
    count: int = 1
    severity_max: float = 1.0
    probability: float = 0.5


def add_patches(images: Tensor, randomness: Randomness, settings: Patches) -> Faulted:
    """Add `count` patches of one size and severity s to some images of a batch (B, C, H, W).

    What is added is s * P / max |P|, P from the clean image, so a second patch never copies the first one's
    fault. The severity is s as drawn, like the seed's.
    """
    draw, count, size = randomness.numpy("faults"), len(images), (images.shape[-2], images.shape[-1])
    chosen = torch.from_numpy(draw.random(count) < settings.probability).to(images.device)
    severity = draw_severities(draw, count, settings.severity_max).to(images.device)
    drawn = draw.integers(*settings.width_range, count, endpoint=True)
    tall = (drawn * draw.uniform(*settings.ratio_range, count)).astype(np.int64).clip(1, max(1, size[0] - 1))
    wide = drawn.clip(1, max(1, size[1] - 1))
    added, mask = torch.zeros_like(images), torch.zeros_like(images[:, :1], dtype=torch.bool)
    for _ in range(settings.count):
        source = draw_boxes(draw, size, tall, wide)
        target = _away_from(draw, size, source)
        box = inside(target, images) & chosen[:, None, None, None]
        pattern = torch.where(box, moved(images, source, target), 0)
        peak = pattern.abs().amax((1, 2, 3), keepdim=True)
        added = added + torch.where(peak > 0, severity[:, None, None, None] * pattern / peak, 0)
        mask = mask | (box & (peak > 0))
    faulted = torch.where(mask, images + added, images)
    return Faulted(faulted, mask.to(images.dtype), torch.where(mask.flatten(1).any(1), severity, 0))


def _away_from(draw: np.random.Generator, size: tuple[int, int], source: Boxes) -> Boxes:
    """Target boxes that overlap their source by at most 30 %; the last of ten tries stands."""
    target = draw_boxes(draw, size, source.tall, source.wide)
    for _ in range(TRIES - 1):
        again = draw_boxes(draw, size, source.tall, source.wide)
        close = _overlap(source, target) > OVERLAP * source.tall * source.wide
        target = Boxes(
            np.where(close, again.top, target.top),
            np.where(close, again.left, target.left),
            source.tall,
            source.wide,
        )
    return target


def _overlap(one: Boxes, other: Boxes) -> Ints:
    """Common area of two boxes of equal size, pixels."""
    rows: Ints = (one.tall - np.abs(one.top - other.top)).clip(0)
    columns: Ints = (one.wide - np.abs(one.left - other.left)).clip(0)
    return rows * columns
