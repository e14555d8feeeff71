"""The way of resizing leaves traces that do not depend on what is shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from crossad.data.texture import texture

MAP = np.random.default_rng(0).random((31, 95), dtype=np.float32)


def resized(how, levels=None):
    pixels = cv2.resize(MAP, (224, 224), interpolation=how)
    return pixels if levels is None else (np.rint(pixels * levels) / levels).astype(np.float32)


@pytest.mark.parametrize("levels", [None, 255], ids=["float", "8-bit"])
def test_nearest_repeats_and_other_ways_do_not(levels):
    assert texture(resized(cv2.INTER_NEAREST, levels)).repeats
    for how in (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4):
        assert not texture(resized(how, levels)).repeats
    assert not texture(MAP).repeats


@pytest.mark.parametrize("levels", [None, 255], ids=["float", "8-bit"])
def test_smoother_ways_leave_less_curvature(levels):
    native, nearest, linear, cubic = (
        texture(pixels).curvature
        for pixels in (MAP, *(resized(how, levels) for how in (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
    )
    assert native > 2.5
    assert native > nearest > 1.7 * linear > 1.7 * 1.7 * cubic


def test_padding_is_no_repetition():
    padded = np.pad(MAP, ((60, 60), (0, 0)))
    assert not texture(padded).repeats


def test_tiny_and_flat_images_have_no_texture():
    for pixels in (np.ones((1, 1)), np.ones((2, 2)), np.ones((9, 9))):
        found = texture(pixels.astype(np.float32))
        assert (found.repeated, found.curvature) == (0.0, np.inf)
