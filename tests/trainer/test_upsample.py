"""The gradient of upsampling by products is that of PyTorch's own, and the networks use it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from crossad.conditions.suite import parse_config
from crossad.trainer.detectors import build
from crossad.trainer.upsample import ByProducts, Upsample


def pytorchs(images: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=True)


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 1, 1, 1), (1, 2, 1, 4), (1, 2, 32, 16)])
def test_values_and_gradient_are_pytorchs(shape):
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=draw, dtype=torch.float64)
    height, width = shape[-2:]
    incoming = torch.randn(*shape[:2], 2 * height, 2 * width, generator=draw, dtype=torch.float64)
    mine, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    made = ByProducts.apply(mine)
    expected = pytorchs(theirs)
    made.backward(incoming)
    expected.backward(incoming)
    assert torch.equal(made, expected)
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-13, atol=1e-13)


def test_single_precision_loses_no_more_than_rounding():
    images = torch.rand(2, 8, 28, 28, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (gradient,) = torch.autograd.grad(ByProducts.apply(images).square().sum(), images)
    (expected,) = torch.autograd.grad(pytorchs(images.double()).square().sum(), images)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", ["draem", "draem_sevnet"])
def test_no_draem_is_left_with_the_upsampling_that_determinism_makes_slow(model):
    detector = build(parse_config({"model_type": model, "source_domain": "domain_A", "base_width": 4}))
    kinds = [type(part) for part in detector.modules()]
    assert nn.Upsample not in kinds
    assert kinds.count(Upsample) == 9  # five in the discriminator's decoder, four in the reconstruction's
