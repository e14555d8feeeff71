"""A real DRAEM that learns in seconds on a CPU, for tests of what is around a real network."""

from __future__ import annotations

from typing import Any

TINY_DRAEM: dict[str, Any] = {
    "model_type": "draem",
    "source_domain": "domain_A",
    "image_size": [32, 96],
    "batch_size": 6,
    "base_width": 4,
    "discriminator_width": 4,
    "in_channels": 1,
}
