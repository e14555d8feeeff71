"""Losses of the DRAEM family against kornia's, and where anomalib's own loss is blind."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.trainer.losses import focal_loss, ssim_loss

# isort: split
from anomalib.models.image.draem.loss import DraemLoss
from kornia.losses import FocalLoss, SSIMLoss


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def background_gradient(loss, mask):
    """Sum of |gradient| of the logits on normal pixels."""
    logits = drawn(2, 2, 32, 32, seed=1).requires_grad_()
    loss(logits).backward()
    return float((logits.grad.abs() * (mask == 0)).sum())


def square(size=32):
    mask = torch.zeros(2, 1, size, size)
    mask[:, :, 8:16, 8:16] = 1
    return mask


def test_normal_pixels_give_a_gradient():
    mask = square()
    assert background_gradient(lambda logits: focal_loss(logits, mask), mask) > 0


def test_anomalibs_loss_gives_none_there():
    """The fault that ours repairs: kornia's alpha=1 weighs normal pixels with 1 - alpha = 0."""
    mask, image = square(), drawn(2, 3, 32, 32)
    assert background_gradient(lambda logits: DraemLoss()(image, image, mask, logits), mask) == 0


def test_weights_are_those_of_the_two_classes():
    logits, mask = drawn(2, 2, 32, 32, seed=1), square()
    only_normal, only_faulty = (focal_loss(logits, mask, weights=pair) for pair in ((1.0, 0.0), (0.0, 1.0)))
    both = focal_loss(logits, mask, weights=(1.0, 3.0))
    torch.testing.assert_close(both, only_normal + 3 * only_faulty)


def test_focal_without_discount_is_cross_entropy():
    logits, mask = drawn(2, 2, 32, 32, seed=1), square()
    expected = functional.cross_entropy(logits, mask[:, 0].long())
    torch.testing.assert_close(focal_loss(logits, mask, gamma=0.0), expected)


def test_focal_on_faulty_pixels_equals_kornias():
    logits, mask = drawn(2, 2, 32, 32, seed=1), square()
    both_classes = FocalLoss(alpha=1, reduction="mean")(logits, mask[:, 0].long())  # a mean over 2 H W
    torch.testing.assert_close(focal_loss(logits, mask, weights=(0.0, 1.0)), 2 * both_classes)


@pytest.mark.parametrize("shape", [(2, 1, 32, 96), (2, 3, 40, 33)])
def test_ssim_equals_kornias(shape):
    first, second = drawn(*shape), drawn(*shape, seed=1)
    expected = SSIMLoss(window_size=11)(first, second)
    torch.testing.assert_close(ssim_loss(first, second), expected, rtol=1e-5, atol=1e-6)


def test_ssim_of_equal_images_is_zero_and_has_a_finite_gradient():
    image = torch.full((1, 1, 32, 32), 0.2, requires_grad=True)
    loss = ssim_loss(image, torch.full((1, 1, 32, 32), 0.2))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(image.grad).all()


def test_ssim_is_computed_in_float32_under_autocast():
    first, second = drawn(2, 1, 32, 96) * 0.01, drawn(2, 1, 32, 96, seed=1) * 0.01
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = ssim_loss(first, second)
    assert torch.equal(under_autocast, ssim_loss(first, second))
