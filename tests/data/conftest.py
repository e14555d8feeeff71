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
def make_root(tmp_path, make_domain):
    """Two domains, so many images a set; domain_A has labels and the facts that are given."""

    def make(each, facts):
        for seed, name in enumerate(("domain_A", "domain_B")):
            make_domain(tmp_path / "data", name, each=each, seed=seed)
        (tmp_path / "data/domain_A/metadata.csv").write_text("path,severity\ntest/fault/000000.tiff,0.5\n")
        (tmp_path / "data/domain_A/domain.json").write_text(facts)
        return tmp_path / "data"

    return make


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
