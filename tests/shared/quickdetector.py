"""A detector that fits in milliseconds, for tests of what is around models; `DETECTORS` may name this module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossad.trainer.detector import GradientDetector, Randomness, Scores


class QuickDetector(GradientDetector):
    """Learns one number; scores an image by its brightness times that number."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(1) + 1)

    def loss(self, images: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        noise = torch.randn(1, generator=randomness.torch("noise"))
        return {"loss": ((self.gain * images.mean() - noise) ** 2).sum()}

    def score(self, images: Tensor) -> Scores:
        return Scores(self.gain * images.mean((1, 2, 3)), images[:, 0])

    def trained_state(self) -> dict[str, Tensor]:
        return {"gain": self.gain}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.gain.copy_(state["gain"])


def build(config: Any, *, weights_dir: Path | None = None) -> QuickDetector:
    """As every model's module has it."""
    return QuickDetector()
