"""Files hold exactly what the reader gives."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from crossad.data.reader import read
from crossad.errors import DataError, MissingInputError

RNG = np.random.default_rng(7)


def values(dtype, shape):
    if dtype == np.float32:
        return (RNG.normal(size=shape) * 3).astype(np.float32)
    return RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def save(path, stored):
    assert cv2.imwrite(str(path), stored)
    return path


CASES = [
    ("a.png", np.uint8, (5, 7), 255.0, 8),
    ("a.png", np.uint16, (5, 7), 65535.0, 16),
    ("a.png", np.uint8, (5, 7, 3), 255.0, 8),
    ("a.png", np.uint16, (5, 7, 3), 65535.0, 16),
    ("a.tiff", np.uint16, (5, 7), 65535.0, 16),
    ("a.tiff", np.float32, (5, 7), 1.0, 32),
    ("a.tif", np.float32, (5, 7, 3), 1.0, 32),
    ("a.bmp", np.uint8, (5, 7), 255.0, 8),
]


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "scale", "depth"), CASES, ids=[f"{c[0]}-{np.dtype(c[1])}-{len(c[2])}d" for c in CASES]
)
def test_stored_values_are_exact(tmp_path, name, dtype, shape, scale, depth):
    stored = values(dtype, shape)
    image = read(save(tmp_path / name, stored))
    back = image.pixels.astype(np.float64) * scale
    expected = stored[None] if stored.ndim == 2 else stored[:, :, ::-1].transpose(2, 0, 1)  # BGR file order to RGB
    assert np.array_equal(np.rint(back) if scale > 1 else back, expected)
    assert (image.native, image.bit_depth, image.scale) == ((5, 7), depth, scale)
    assert image.pixels.dtype == np.float32
    assert image.format == name.split(".")[1]


def test_float_tiff_keeps_values_outside_of_zero_and_one(tmp_path):
    stored = np.array([[-2.5, 0.0, 2.94]], dtype=np.float32)
    assert np.array_equal(read(save(tmp_path / "a.tiff", stored)).pixels[0], stored)


def test_opaque_alpha_is_dropped_and_see_through_pixels_are_refused(tmp_path):
    stored = np.dstack([values(np.uint8, (4, 4, 3)), np.full((4, 4), 255, np.uint8)])
    assert read(save(tmp_path / "opaque.png", stored)).pixels.shape == (3, 4, 4)
    stored[0, 0, 3] = 254
    with pytest.raises(DataError, match="see-through pixels"):
        read(save(tmp_path / "alpha.png", stored))


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "inf"])
def test_values_that_are_not_finite_are_refused_and_counted(tmp_path, bad):
    stored = np.ones((4, 4), np.float32)
    stored[1, :2] = bad
    with pytest.raises(DataError, match="2 pixels are not finite"):
        read(save(tmp_path / "a.tiff", stored))


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.jpg", "a.bmp"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    path = save(tmp_path / name, values(np.uint8, (40, 50)))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match="not an image that can be decoded"):
        read(path)


def test_empty_foreign_missing_and_folder_are_told_apart(tmp_path):
    empty, text, folder = tmp_path / "e.png", tmp_path / "t.png", tmp_path / "d.png"
    empty.write_bytes(b"")
    text.write_text("no image")
    folder.mkdir()
    for path in (empty, text):
        with pytest.raises(DataError, match="not an image") as caught:
            read(path)
        assert path.name in caught.value.message
        assert caught.value.hint
    with pytest.raises(DataError, match="cannot read image"):
        read(folder)
    with pytest.raises(MissingInputError, match="no such image"):
        read(tmp_path / "none.png")


def test_file_names_may_hold_any_letters(tmp_path):
    path = save(tmp_path / "a.png", values(np.uint8, (3, 3))).rename(tmp_path / "기어 상자.png")
    assert read(path).native == (3, 3)


def test_readers_in_threads_print_nothing(tmp_path, capfd):
    path = save(tmp_path / "a.png", values(np.uint8, (40, 50)))
    tiff = tmp_path / "a.tiff"
    tiff.write_bytes(b"II*\0" + b"\xff" * 40)

    def work():
        for _ in range(20):
            read(path)
            with pytest.raises(DataError):
                read(tiff)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().out == ""
