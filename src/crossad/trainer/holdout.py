"""The `holdout` validation: held-out source normals against the same normals with seeded, versioned synthetic faults.

It never looks at a test image, so a model chosen by it has an unbiased source AUROC; what it measures is how well a
model sees synthetic faults, which is why `val_image_AUROC` in the record is always the source test set's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from crossad.trainer.detector import Randomness
from crossad.trainer.faults.bands import add_bands
from crossad.trainer.loader import ImageSource

VERSION = "bands_v1"


class HoldoutSource:
    """Twice the held-out normals: as they are (label 0), then each with a synthetic fault (label 1)."""

    def __init__(self, normals: ImageSource, seed: int) -> None:
        """Take the held-out normals; each one's fault depends on seed and index only."""
        self._normals = normals
        self._seed = seed
        self.files = normals.files + normals.files
        self.labels = np.repeat(np.array([0, 1], dtype=np.int64), len(normals))

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """One image (C, H, W)."""
        count = len(self._normals)
        image = self._normals.image(index % count)
        return image if index < count else self._with_fault(image, index - count)

    def batches(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Batch after batch, (B, C, H, W)."""
        count = len(self._normals)
        for indices in order:
            clean = self._normals.batch([index % count for index in indices])
            yield torch.stack(
                [
                    image if index < count else self._with_fault(image, index - count)
                    for index, image in zip(indices, clean, strict=True)
                ]
            )

    def close(self) -> None:
        """Drop the cache and stop the threads."""
        self._normals.close()

    def _with_fault(self, image: Tensor, index: int) -> Tensor:
        return add_bands(image[None], Randomness(self._seed, index), probability=1.0, purpose="holdout").images[0]
