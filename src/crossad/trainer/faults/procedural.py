"""`procedural_v1`: oriented multi-octave noise, for textures and for the places where they go.

Zavrtanik et al. (ICCV 2021, sec. 3.3) take textures from a downloaded data set and masks from Perlin noise;
here both come from lattices of normal numbers, interpolated smoothly. The numbers are drawn on the CPU, so
that equal seeds give equal faults on every device; interpolation happens where the images are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LATTICE = 64  # points a side; more than the finest octave spans on a diagonal
OCTAVES = 3  # of a texture; masks have one
CELLS = (1.0, 3.0)  # exponents of 2: cells of the coarsest octave along a side
MASK_LEVEL = 0.5  # of the noise's peak


def textures(images: Tensor, generator: torch.Generator) -> Tensor:
    """Textures (B, 1, H, W) in [0, 1] for images (B, C, H, W).

    One channel for all: on grey images stored as colour, a coloured texture would give itself away.
    """
    return unit_range(noise(images, generator, octaves=OCTAVES))


def masks(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blobs (B, 1, H, W) bool where single-octave noise exceeds half its peak; never empty."""
    field = noise(images, generator, octaves=1)
    return field >= MASK_LEVEL * field.amax((1, 2, 3), keepdim=True)


def noise(images: Tensor, generator: torch.Generator, *, octaves: int) -> Tensor:
    """Smooth noise (B, 1, H, W), each image with its own direction and scales along and across it."""
    count, size, device = len(images), (images.shape[-2], images.shape[-1]), images.device
    lattice = torch.randn((count, octaves, LATTICE, LATTICE), generator=generator)
    cells = 2 ** torch.empty((count, 2)).uniform_(*CELLS, generator=generator)
    angle = torch.empty(count).uniform_(0, math.pi, generator=generator)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    scale = turn @ torch.diag_embed(cells / (LATTICE - 1))
    transform = torch.cat([scale, torch.zeros(count, 2, 1)], dim=2).to(device)
    grid = functional.affine_grid(transform, [count, 1, *size], align_corners=True)
    total = torch.zeros(count, 1, *size, device=device)
    for octave, layer in enumerate(lattice.to(device).chunk(octaves, dim=1)):
        sampled = functional.grid_sample(layer, grid * 2**octave, mode="bicubic", align_corners=True)
        total += sampled / 2**octave
    return total


def unit_range(fields: Tensor) -> Tensor:
    """Each field (B, C, H, W) on its own range [0, 1]."""
    low, high = fields.amin((1, 2, 3), keepdim=True), fields.amax((1, 2, 3), keepdim=True)
    return (fields - low) / (high - low).clamp(min=1e-6)
