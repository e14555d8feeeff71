"""DRAEM's faults: a foreign texture blended in where noise is high (Zavrtanik et al., ICCV 2021, sec. 3.3).

`procedural_v1` draws its textures from noise; `dtd:<folder>` takes images, such as the Describable Textures.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from crossad.data.reader import read
from crossad.errors import MissingInputError
from crossad.supplies.textures import PREFIX, texture_files
from crossad.trainer.detector import Randomness
from crossad.trainer.faults import Faulted
from crossad.trainer.faults.procedural import masks, textures, unit_range

OPACITY = (0.1, 1.0)  # the paper's beta

# images (B, C, H, W), generator -> textures (B, 1 or C, H, W) in [0, 1] where the images are
Textures = Callable[[Tensor, torch.Generator], Tensor]


def source_of_textures(anomaly_source: str) -> Textures:
    """What a condition's `anomaly_source` names: "procedural_v1" or "dtd:<folder>".

    Raises:
        MissingInputError: the folder is not there or has no image.
    """
    if anomaly_source == "procedural_v1":
        return textures
    return folder(Path(anomaly_source.removeprefix(PREFIX)))


def folder(path: Path) -> Textures:
    """Textures from the images of a folder and the folders in it, each decoded once and kept at 8 bits.

    Raises:
        MissingInputError: the folder is not there or has no image; never a silent switch to another source.
    """
    files = texture_files(path)
    if not files:
        what = "no texture image in" if path.is_dir() else "no such texture folder:"
        raise MissingInputError(
            f"{what} {path} (config.anomaly_source dtd:{path})",
            hint="put the Describable Textures Dataset there, or set anomaly_source to procedural_v1",
        )

    @functools.cache
    def texture(index: int, shape: tuple[int, int, int]) -> Tensor:
        pixels = torch.from_numpy(read(files[index]).pixels)
        if pixels.shape[0] != shape[0]:
            pixels = pixels.mean(0, keepdim=True)
        sized = functional.interpolate(pixels[None], size=shape[1:], mode="bilinear", antialias=True)
        return (unit_range(sized)[0] * 255).round().to(torch.uint8)

    def draw(images: Tensor, generator: torch.Generator) -> Tensor:
        channels, height, width = images.shape[1:]
        chosen = torch.randint(0, len(files), (len(images),), generator=generator).tolist()
        stack = [texture(index, (channels, height, width)).expand(channels, -1, -1) for index in chosen]
        return torch.stack(stack).to(images.device).float() / 255

    return draw


def add_textures(images: Tensor, randomness: Randomness, draw: Textures, *, probability: float = 0.5) -> Faulted:
    """Blend a texture into some images of a batch (B, C, H, W); returns new tensors.

    A texture spans the range of intensities that the batch has in each channel. The mask is where pixels
    changed, so images that leave no room (a batch of one intensity) have none. The severity is the opacity.
    """
    generator = randomness.torch("faults")
    chosen = (torch.rand(len(images), generator=generator) < probability).to(images.device)
    opacity = torch.empty(len(images)).uniform_(*OPACITY, generator=generator).to(images.device)
    low, high = images.amin((0, 2, 3), keepdim=True), images.amax((0, 2, 3), keepdim=True)
    foreign = low + (high - low) * draw(images, generator)
    blended = torch.lerp(images, foreign, opacity[:, None, None, None])
    blobs = masks(images, generator) & chosen[:, None, None, None]
    faulted = torch.where(blobs, blended, images)
    mask = (faulted != images).any(dim=1, keepdim=True)
    severity = torch.where(mask.flatten(1).any(1), opacity, 0)
    return Faulted(faulted, mask.to(images.dtype), severity)
