"""The severity head of DRAEM-SevNet: how strong is the fault, from the discriminator's encoder maps.

Four forms: averaged over the whole map or over a small grid of cells, from the deepest map or from five.
Attention and feature convolution are separate modules and the gate is a residual, x (1 + a), so a gate that
knows nothing yet scales features instead of halving them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

DROPOUT = 0.1
MULTIPLES = (2, 4, 8, 8, 8)  # channels of act2..act6, in widths of the discriminator
BRANCH_WIDTHS = (32, 64, 128, 128, 128)  # of act2..act6 with a grid


@dataclass(frozen=True)
class Grid:
    """Pooling over cells x cells of a map instead of all of it."""

    cells: int
    attention: bool


class Gate(nn.Module):
    """Spatial attention: x (1 + sigmoid(conv1x1(x)))."""

    def __init__(self, channels: int) -> None:
        """Draw the weights of the 1 x 1 convolution."""
        super().__init__()
        self.attention = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Gate features (B, C, H, W)."""
        gated: Tensor = features * (1 + torch.sigmoid(self.attention(features)))
        return gated


class GridBranch(nn.Module):
    """Gate, 3 x 3 convolution, ReLU, and an average over each cell."""

    def __init__(self, channels: int, width: int, grid: Grid) -> None:
        """From `channels` to `width` a cell."""
        super().__init__()
        self.gate = Gate(channels) if grid.attention else nn.Identity()
        self.features = nn.Conv2d(channels, width, kernel_size=3, padding=1)
        self.cells = grid.cells

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) to (B, width * cells * cells)."""
        active = functional.relu(self.features(self.gate(features)))
        return functional.adaptive_avg_pool2d(active, self.cells).flatten(1)


class SeverityHead(nn.Module):
    """Severity / severity_max, unbounded, from act1..act6 of the discriminator's encoder."""

    def __init__(self, width: int, *, hidden: int, multi_scale: bool, grid: Grid | None) -> None:
        """Build the head.

        Args:
            width: The discriminator's width; act6 has 8 times as many channels.
            hidden: Width of the head.
            multi_scale: Whether act2..act6 are seen, or act6 only.
            grid: None for global averages.
        """
        super().__init__()
        channels = [width * multiple for multiple in (MULTIPLES if multi_scale else MULTIPLES[-1:])]
        self.maps = len(channels)
        self.branches = nn.ModuleList()
        if grid is None:
            self.head = _mlp(sum(channels), hidden, hidden // 2, 1)
            return
        widths = BRANCH_WIDTHS if multi_scale else (hidden,)
        for inputs, outputs in zip(channels, widths, strict=True):
            self.branches.append(GridBranch(inputs, outputs, grid))
        first = 2 * hidden if multi_scale else hidden
        self.head = _mlp(sum(widths) * grid.cells**2, first, first // 2, 1)

    def forward(self, activations: Sequence[Tensor]) -> Tensor:
        """Activations act1..act6, each (B, C_i, H_i, W_i), to predicted severity / severity_max (B,)."""
        maps = activations[-self.maps :]
        if self.branches:
            pooled = [branch(features) for branch, features in zip(self.branches, maps, strict=True)]
        else:
            pooled = [features.mean((2, 3)) for features in maps]
        severity: Tensor = self.head(torch.cat(pooled, dim=1))[:, 0]
        return severity


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers, ReLU and dropout between them; Xavier weights, zero biases."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers[:-2])
