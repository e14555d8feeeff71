"""What a model is to the trainer: it can be fitted on normal images and can score any image.

Two ways of fitting exist: by gradient (DRAEM, DRAEM-SevNet, Dinomaly) and by filling a memory bank (PatchCore). The
loop, the reader, the metrics, the pictures and the checkpoints are the trainer's, never the model's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from crossad.seeds import derive, generator


@dataclass(frozen=True)
class Scores:
    """Raw, unbounded, higher = more anomalous; never clamped, squashed or pooled over domains."""

    image: Tensor  # (B,) float32 on any device
    map: Tensor  # (B, h, w) float32, any resolution; pictures resize it
    parts: Mapping[str, Tensor] = field(default_factory=dict)  # sub-scores by name, each (B,)


@dataclass(frozen=True)
class Backbone:
    """Frozen weights a model stands on."""

    name: str
    sha256: str | None  # None: random weights
    source: str  # "hub cache", "local-dir:...", "package ...", "random"

    @property
    def random(self) -> bool:
        """True where nothing pretrained was loaded; then no figure may hide it."""
        return self.sha256 is None


@dataclass(frozen=True)
class Randomness:
    """The random streams of one step; each purpose has its own, and none needs history."""

    seed: int
    step: int

    def torch(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """A torch generator for `purpose` at this step."""
        return torch.Generator(device=device).manual_seed(derive(self.seed, purpose, self.step))

    def numpy(self, purpose: str) -> np.random.Generator:
        """A numpy generator for `purpose` at this step."""
        return generator(self.seed, purpose, self.step)


class Detector(nn.Module, ABC):
    """A model.

    Images come as (B, C, H, W) float32, C = 1 or 3, in the reader's scale; a model that wants three channels repeats
    grey itself, and a model that wants ImageNet statistics applies them itself.
    """

    backbone: Backbone | None = None

    @abstractmethod
    def score(self, images: Tensor) -> Scores:
        """Scores of a batch (B, C, H, W), in eval mode and without gradient; each image's own, batch-independent."""

    @abstractmethod
    def trained_state(self) -> dict[str, Tensor]:
        """What fitting made (weights, BatchNorm buffers, memory bank), plus a random backbone; no frozen download."""

    @abstractmethod
    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `trained_state`, strict: a missing or extra tensor raises KeyError."""


class GradientDetector(Detector):
    """Fitted by the trainer's loop."""

    @abstractmethod
    def loss(self, images: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        """Scalar losses of one batch (B, C, H, W) of normal images; key "loss" is the one to minimise."""


class BankDetector(Detector):
    """Fitted in one pass over the source's normal images."""

    @abstractmethod
    def collect(self, images: Tensor) -> None:
        """Take in one batch (B, C, H, W) of normal images."""

    @abstractmethod
    def build(self, randomness: Randomness) -> None:
        """Turn all that was collected into the memory bank; afterwards `score` works."""
