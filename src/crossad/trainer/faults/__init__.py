"""Synthetic faults for training: seeded, offline, never clamped, and bit-identical outside their mask."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Faulted:
    """A batch with synthetic faults on some of its images."""

    images: Tensor  # (B, C, H, W)
    mask: Tensor  # (B, 1, H, W), 1 where a fault was put
    severity: Tensor  # (B,), as the generator defines it; 0 where there is no fault
