"""Rectangles on a whole batch at once: one per image, without a loop and without waiting for the device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Boxes:
    """One rectangle an image, in pixels; every field is (B,)."""

    top: Ints
    left: Ints
    tall: Ints
    wide: Ints


def draw_boxes(draw: np.random.Generator, size: tuple[int, int], tall: Ints, wide: Ints) -> Boxes:
    """Rectangles of given sides at uniformly random places inside an image of `size` (H, W)."""
    top = draw.integers(0, size[0] - tall, endpoint=True)
    left = draw.integers(0, size[1] - wide, endpoint=True)
    return Boxes(top, left, tall, wide)


def inside(boxes: Boxes, images: Tensor) -> Tensor:
    """True within the rectangles, (B, 1, H, W) bool, for images (B, C, H, W)."""
    top, left, tall, wide = (
        torch.from_numpy(np.stack([boxes.top, boxes.left, boxes.tall, boxes.wide]))
        .to(images.device)[:, :, None]
        .unbind()
    )
    rows = torch.arange(images.shape[-2], device=images.device)
    columns = torch.arange(images.shape[-1], device=images.device)
    in_rows = (rows >= top) & (rows < top + tall)
    in_columns = (columns >= left) & (columns < left + wide)
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def moved(images: Tensor, source: Boxes, target: Boxes) -> Tensor:
    """Images (B, C, H, W) shifted so that each one's source rectangle lies on its target rectangle."""
    count, channels, height, width = images.shape
    shift = torch.from_numpy(np.stack([source.top - target.top, source.left - target.left])).to(images.device)
    rows = (torch.arange(height, device=images.device) + shift[0, :, None]) % height
    columns = (torch.arange(width, device=images.device) + shift[1, :, None]) % width
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
