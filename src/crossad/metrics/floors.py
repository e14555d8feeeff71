"""Floor rows: scorers so simple that a model which does not beat them has learnt nothing of use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crossad.metrics.auroc import Floats

COMPONENTS = 20
GRID = (
    32,
    96,
)  # rows, columns: images are averaged down to at most this before PCA; a native HDMAP is 31 x 95
Images = Iterable[NDArray[np.float32]]


def floor_scores(train: Images, test: Images) -> dict[str, Floats]:
    """Scores (M,) of test images by floor name; PCA is fitted on normal train images.

    Both are arrays (N, C, H, W) or iterables of images (C, H, W), of one size. Test images are taken one at a
    time: with an iterable of them, memory holds one image and the averaged train images.
    """
    return scores_above(Subspace(train), test)


def scores_above(subspace: Subspace, test: Images) -> dict[str, Floats]:
    """The same for a subspace fitted before: one fit serves every test split."""
    rows = [(image.mean(dtype=np.float64), image.max(), subspace.residual(image)) for image in test]
    mean, largest, pca = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return {"mean_intensity": mean, "max_intensity": largest, "pca": pca}


class Subspace:
    """The mean and the first 20 principal directions of normal images."""

    def __init__(self, train: Images) -> None:
        """Fit on images (C, H, W) of one size."""
        known = np.stack([reduced(image) for image in train])  # (N, rows * columns)
        self.centre = known.mean(axis=0)
        _, values, directions = np.linalg.svd(known - self.centre, full_matrices=False)
        rank = int((values > values.max(initial=0.0) * 1e-10).sum())  # N images have at most N - 1 directions
        self.basis = directions[: min(COMPONENTS, rank)]

    def residual(self, image: NDArray[np.float32]) -> float:
        """Distance of an image (C, H, W) to the subspace."""
        away = reduced(image) - self.centre
        return float(np.linalg.norm(away - (self.basis @ away) @ self.basis))


def reduced(image: NDArray[np.float32]) -> Floats:
    """An image (C, H, W) averaged over channels and blocks, as a vector; edges that fill no block are cut."""
    grey = image.mean(axis=0, dtype=np.float64)
    (rows, high), (columns, wide) = (_blocks(side, most) for side, most in zip(grey.shape, GRID, strict=True))
    blocks = grey[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    return np.asarray(blocks.mean(axis=(1, 3)).ravel(), dtype=np.float64)


def _blocks(side: int, most: int) -> tuple[int, int]:
    """(number of blocks, pixels of a block) of a side."""
    size = -(-side // most)
    return side // size, size
