"""Data roots made for a test."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def save():
    """Write an image, making its folders."""
    return _save


@pytest.fixture
def make_domain():
    """Independent float maps in every set; `change(pixels, "test/fault")` may alter them."""

    def make(root, name="domain_A", *, each=12, seed=0, change=lambda pixels, part: pixels, suffix=".tiff"):
        for number, part in enumerate(("train/good", "test/good", "test/fault")):
            for index in range(each):
                draw = np.random.default_rng(10_000 * seed + 1000 * number + index)
                pixels = 0.2 + 0.3 * draw.random((31, 95), dtype=np.float32)
                _save(root / name / part / f"{index:06d}{suffix}", change(pixels, part))
        return root / name

    return make
