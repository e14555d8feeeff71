"""Scales never clip and say what they need."""

from __future__ import annotations

import numpy as np
import pytest

from crossad.data.layout import list_images
from crossad.data.normalise import Statistics, normalise, statistics
from crossad.errors import DataError

PIXELS = np.array([[[0.5, 1.0], [2.0, 5.0]]], dtype=np.float32)


def test_statistics_are_those_of_all_pixels(tmp_path, make_domain, save):
    make_domain(tmp_path, each=3)
    save(tmp_path / "domain_A/train/good/9.tiff", np.array([[-1.0, 4.0]], np.float32))
    from crossad.data.reader import read

    files = list_images(tmp_path, "domain_A", "train")
    every = np.concatenate([read(file.path).pixels.ravel() for file in files]).astype(np.float64)
    found = statistics(files)
    assert (found.minimum, found.maximum, found.images) == (-1.0, 4.0, 4)
    assert found.mean == pytest.approx(every.mean(), rel=1e-12)
    assert found.std == pytest.approx(every.std(), rel=1e-9)
    with pytest.raises(DataError, match="no images"):
        statistics(())


def test_known_statistics_map_their_range_and_never_clip():
    known = Statistics(1.0, 3.0, 2.0, 1.0, 10)
    for mode in ("source_stats", "domain_stats"):
        assert np.array_equal(normalise(PIXELS, mode, known), (PIXELS - 1) / 2)
        with pytest.raises(ValueError, match="needs statistics"):
            normalise(PIXELS, mode, None)


def test_as_stored_and_per_image_need_none():
    assert normalise(PIXELS, "as_stored", None) is PIXELS
    scaled = normalise(PIXELS, "per_image", None)
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    assert not normalise(np.full((1, 2, 2), 7.0, np.float32), "per_image", None).any()
