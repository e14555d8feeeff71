"""What tests of several verbs need."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


@pytest.fixture
def make_root(tmp_path):
    """A data root of two domains, so many images a set."""

    def make(each):
        parts = [f"domain_{x}/{y}" for x in "AB" for y in ("train/good", "test/good", "test/fault")]
        for number, part in enumerate(parts):
            (tmp_path / "data" / part).mkdir(parents=True)
            for index in range(each):
                pixels = np.random.default_rng(100 * number + index).random((31, 95), dtype=np.float32)
                assert cv2.imwrite(str(tmp_path / "data" / part / f"{index:06d}.tiff"), 0.2 + 0.3 * pixels)
        return tmp_path / "data"

    return make
