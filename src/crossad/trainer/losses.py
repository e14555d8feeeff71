"""Losses of the DRAEM family, with every weight explicit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2  # Wang et al. 2004, for a data range of 1


def focal_loss(
    logits: Tensor, mask: Tensor, *, gamma: float = 2.0, weights: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Mean of w_c (1 - p_c)^gamma (-log p_c) over pixels (Lin et al., ICCV 2017, eq. 5).

    kornia's `alpha=1`, which anomalib asks for, has come to mean weight 1 - alpha = 0 for normal pixels: they
    then give no gradient and the map saturates. Here both classes have an explicit weight.

    Args:
        logits: (B, 2, H, W), class 1 is the fault.
        mask: (B, 1, H, W), 1 on the fault.
        gamma: How much easy pixels are discounted.
        weights: Of normal and of faulty pixels.
    """
    log_p = functional.log_softmax(logits.float(), dim=1)
    faulty = mask[:, 0] > 0
    log_p_target = torch.where(faulty, log_p[:, 1], log_p[:, 0])
    per_pixel = -((1 - log_p_target.exp()) ** gamma) * log_p_target
    return torch.where(faulty, weights[1] * per_pixel, weights[0] * per_pixel).mean()


def ssim_loss(first: Tensor, second: Tensor) -> Tensor:
    """(1 - mean SSIM) / 2 of two batches (B, C, H, W); 11 x 11 Gaussian window (Wang et al., IEEE TIP 2004).

    In float32 also under autocast: variances are small differences of squares, which half precision loses.
    """
    with torch.autocast(first.device.type, enabled=False):
        first, second = first.float(), second.float()
        maps = torch.cat([first, second, first * first, second * second, first * second], dim=1)
        mean_1, mean_2, square_1, square_2, product = _gaussian(maps).chunk(5, dim=1)
        variances = square_1 - mean_1**2 + square_2 - mean_2**2
        covariance = product - mean_1 * mean_2
        numerator = (2 * mean_1 * mean_2 + C1) * (2 * covariance + C2)
        denominator = (mean_1**2 + mean_2**2 + C1) * (variances + C2)
        loss: Tensor = ((1 - numerator / denominator) / 2).clamp(0, 1).mean()
        return loss


def _gaussian(maps: Tensor) -> Tensor:
    """Local means of maps (B, C, H, W), borders reflected; the window is separable, so two lines do."""
    positions = torch.arange(SSIM_WINDOW, device=maps.device, dtype=torch.float32) - SSIM_WINDOW // 2
    line = torch.exp(-(positions**2) / (2 * SSIM_SIGMA**2))
    line = (line / line.sum()).expand(maps.shape[1], 1, 1, -1)
    padded = functional.pad(maps, [SSIM_WINDOW // 2] * 4, mode="reflect")
    rows = functional.conv2d(padded, line, groups=maps.shape[1])
    return functional.conv2d(rows, line.transpose(2, 3), groups=maps.shape[1])
