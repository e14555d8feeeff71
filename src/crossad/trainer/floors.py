"""Floor rows: what mean intensity, maximum intensity and a PCA residual reach on the very images a model scored.

A model that does not beat them has learnt nothing that brightness or a linear subspace does not already tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from crossad.metrics.floors import Subspace, scores_above
from crossad.trainer.domains import Domains
from crossad.trainer.loader import ImageSource

PCA_IMAGES = 300  # training images the subspace is fitted on: enough for 20 components, and bounded


class Floors:
    """The floor scorers of one source domain; the subspace is fitted once, whatever the number of targets."""

    def __init__(self, domains: Domains) -> None:
        """Name the images; nothing is read before the first `scores`."""
        self._domains = domains
        self._subspace: Subspace | None = None

    def scores(self, images: ImageSource) -> dict[str, NDArray[np.float64]]:
        """Scores (N,) by floor name, in file order of `images`."""
        if self._subspace is None:
            self._subspace = self._fit()
        return scores_above(self._subspace, _grey(images))

    def _fit(self) -> Subspace:
        files, _ = self._domains.training_files()
        chosen = np.linspace(0, len(files) - 1, min(len(files), PCA_IMAGES)).round().astype(int)  # the whole order
        source = self._domains.open(tuple(files[index] for index in chosen), self._domains.config.source_domain)
        with closing(source):
            return Subspace(_grey(source))


def _grey(images: ImageSource) -> Iterator[NDArray[np.float32]]:
    """Image after image, (1, H, W)."""
    for index in range(len(images)):
        yield images.image(index).mean(0, keepdim=True).numpy()
