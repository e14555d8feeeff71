"""Bilinear upsampling by two whose gradient is deterministic on a GPU without costing more than the network.

PyTorch adds up the gradient with atomics there. Asked for determinism, it takes the whole operation apart into gathers,
whose gradient sorts every index: several times the time and the memory of DRAEM's convolutions. The gradient is two
small matrix products instead. On a CPU PyTorch's own is deterministic, and stays: no number changes there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Upsample(nn.Module):
    """Images (B, C, H, W) to (B, C, 2H, 2W); corner pixels lie on corner pixels, as in DRAEM's decoders."""

    def forward(self, images: Tensor) -> Tensor:
        """Upsample, deterministic on every device."""
        if images.is_cuda:
            upsampled: Tensor = ByProducts.apply(images)
            return upsampled
        return functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=True)


class ByProducts(torch.autograd.Function):
    """PyTorch's own forward pass; the gradient as products with the interpolation's weights along W and H."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:  # noqa: ANN401 - autograd's context has no public type
        """Images (B, C, H, W) to (B, C, 2H, 2W), by the kernel itself: `interpolate` would take it apart."""
        height, width = images.shape[-2:]
        ctx.size = (height, width)
        upsampled: Tensor = torch.ops.aten.upsample_bilinear2d(images, [2 * height, 2 * width], True, None, None)
        return upsampled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        """Gradient (B, C, 2H, 2W) to (B, C, H, W)."""
        height, width = ctx.size
        along = gradient @ _weights(width, gradient.dtype, gradient.device)
        return _weights(height, gradient.dtype, gradient.device).T @ along


@lru_cache(maxsize=64)
def _weights(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What each of 2n samples takes from each of n, (2n, n)."""
    unit = torch.eye(length, dtype=torch.float64)[None]
    taken = functional.interpolate(unit, scale_factor=2, mode="linear", align_corners=True)
    return taken[0].T.to(device, dtype)


def replace_upsamples(network: nn.Module) -> None:
    """Put `Upsample` where a network has PyTorch's, bilinear by two with aligned corners; nothing else is touched."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Upsample) and (child.scale_factor, child.mode, child.align_corners) == (
                2.0,
                "bilinear",
                True,
            ):
                setattr(parent, name, Upsample())
