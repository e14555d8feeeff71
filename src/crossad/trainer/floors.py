"""Floor rows: what mean intensity, maximum intensity and a PCA residual reach on the very images a model scored.

A model that does not beat them has learnt nothing that brightness or a linear subspace does not already tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossad.metrics.floors import floor_scores as scores_of
from crossad.trainer.domains import Domains
from crossad.trainer.loader import ImageSource

PCA_IMAGES = 300  # training images the subspace is fitted on: enough for 20 components, and bounded


def floor_scores(domains: Domains, images: ImageSource, domain: str) -> dict[str, NDArray[np.float64]]:
    """Scores (N,) by floor name, fitted on the source's normals, in file order of `images`."""
    train_files, _ = domains.training_files()
    step = max(1, len(train_files) // PCA_IMAGES)
    source = domains.open(train_files[::step][:PCA_IMAGES], domains.config.source_domain)
    train = np.stack([source.image(index).mean(0, keepdim=True).numpy() for index in range(len(source))])
    source.close()
    test = np.stack([images.image(index).mean(0, keepdim=True).numpy() for index in range(len(images))])
    return scores_of(train, test)
