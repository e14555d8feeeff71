"""From files to batches: the size, the scale, the order, and a cache that keeps its bound."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from crossad.data.layout import ImageFile
from crossad.data.normalise import statistics
from crossad.errors import DataError
from crossad.trainer import loader
from crossad.trainer.loader import ImageSource, Preprocessing, in_order, load_image, resize

NATIVE = (31, 95)


def written(folder, count=6, channels=1, dtype=np.float32, seed=0):
    """Files of random images, numbered."""
    draw = np.random.default_rng(seed)
    files = []
    for number in range(count):
        pixels = draw.random((*NATIVE, channels)).astype(np.float32)
        stored = pixels if dtype == np.float32 else np.rint(pixels * 255).astype(dtype)
        path = folder / f"{channels}{number:03}.{'tiff' if dtype == np.float32 else 'png'}"
        cv2.imwrite(str(path), stored)
        files.append(ImageFile("domain_A", "test", number % 2, path, path.name))
    return files


@pytest.mark.parametrize("size", [(62, 190), (15, 47), (224, 224), (31, 40), (14, 190)], ids=str)
def test_resize_is_torchvisions_antialiased_one(size):
    images = torch.rand(2, 3, *NATIVE, generator=torch.Generator().manual_seed(0))
    expected = v2.Resize(size, interpolation=v2.InterpolationMode.BILINEAR, antialias=True)(images)
    torch.testing.assert_close(resize(images, size), expected, rtol=0, atol=1e-6)


def test_the_native_size_is_left_as_it_is():
    images = torch.rand(1, 1, *NATIVE)
    assert resize(images, NATIVE) is images


@pytest.mark.parametrize("size", [(28, 56), (112, 224)], ids=["smaller", "larger"])
@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_nothing_is_cropped(size, edge):
    """A fault on an edge tooth must reach the network (a centre crop would lose it)."""
    images = torch.zeros(1, 1, *NATIVE)
    where = {"top": np.s_[:2], "bottom": np.s_[-2:], "left": np.s_[:, :4], "right": np.s_[:, -4:]}[edge]
    images[0, 0][where] = 1
    line = {"top": np.s_[0], "bottom": np.s_[-1], "left": np.s_[:, 0], "right": np.s_[:, -1]}[edge]
    resized = resize(images, size)
    assert resized.shape[-2:] == size
    assert float(resized[0, 0][line].min()) > 0.6


def test_antialias_keeps_the_mean_where_a_point_sample_would_not():
    stripes = torch.zeros(1, 1, 32, 96)
    stripes[..., ::4] = 4
    small = resize(stripes, (8, 24))
    torch.testing.assert_close(small[..., 2:-2, 2:-2], torch.ones(1, 1, 4, 20), rtol=0, atol=0.15)


@pytest.mark.parametrize("mode", ["as_stored", "source_stats", "domain_stats", "per_image"])
def test_the_scale_is_applied_before_the_size_and_never_clips(tmp_path, mode):
    files = written(tmp_path)
    known = statistics(files[:2])
    found = load_image(files[3], Preprocessing((16, 48), mode, known if mode.endswith("stats") else None))
    stored = cv2.imread(str(files[3].path), cv2.IMREAD_UNCHANGED).astype(np.float64)
    low, high = {
        "as_stored": (0.0, 1.0),
        "per_image": (stored.min(), stored.max()),
    }.get(mode, (known.minimum, known.maximum))
    scaled = torch.from_numpy((stored - low) / (high - low)).float()[None, None]
    torch.testing.assert_close(found[None], resize(scaled, (16, 48)), rtol=0, atol=1e-5)
    assert found.dtype == torch.float32


def test_values_beyond_one_stay(tmp_path):
    path = tmp_path / "bright.tiff"
    cv2.imwrite(str(path), np.full(NATIVE, 2.94, np.float32))
    image = load_image(ImageFile("d", "test", 0, path, "bright.tiff"), Preprocessing((8, 8)))
    torch.testing.assert_close(image, torch.full((1, 8, 8), 2.94))


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_batches_come_in_the_order_asked_for_whatever_the_threads(tmp_path, workers):
    files = written(tmp_path, 7)
    source = ImageSource(files, Preprocessing((16, 32)), workers=workers)
    order = [[3, 1], [6], [0, 2, 5], [4]]
    batches = list(source.batches(order))
    again = list(source.batches(order))  # from the cache
    source.close()
    for indices, batch, cached in zip(order, batches, again, strict=True):
        expected = torch.stack([load_image(files[index], source.preprocessing) for index in indices])
        assert torch.equal(batch, expected)
        assert torch.equal(cached, expected)
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_no_order_is_no_batch(tmp_path):
    source = ImageSource(written(tmp_path, 1), Preprocessing((8, 8)))
    assert list(source.batches([])) == []
    source.close()


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (3.5, 3), (100, 7)])
def test_the_cache_keeps_as_many_images_as_fit_and_no_more(tmp_path, monkeypatch, room, kept):
    files, size = written(tmp_path, 7), (16, 32)
    reads = []
    lock = threading.Lock()

    def counted(file, preprocessing):
        with lock:
            reads.append(file.path.name)
        return load_image(file, preprocessing)

    monkeypatch.setattr(loader, "load_image", counted)
    source = ImageSource(files, Preprocessing(size), workers=4, cache_bytes=int(room * 16 * 32 * 4))
    for _ in range(3):
        list(source.batches(in_order(7, 4)))
    source.close()
    assert len(reads) == 7 + 2 * (7 - kept)


def test_the_cache_is_not_charged_twice_for_one_image(tmp_path):
    files, bytes_each = written(tmp_path, 2), 8 * 8 * 4
    source = ImageSource(files, Preprocessing((8, 8)), workers=8, cache_bytes=2 * bytes_each)
    source.batch([0] * 16)
    source.batch([1] * 16)
    assert sorted(source._cache) == [0, 1]
    assert source._room == 0
    source.close()


def test_grey_is_repeated_where_a_batch_also_holds_colour(tmp_path):
    files = [*written(tmp_path, 1), *written(tmp_path, 1, channels=3, seed=1)]
    source = ImageSource(files, Preprocessing((8, 16)))
    batch = source.batch([0, 1])
    source.close()
    assert batch.shape == (2, 3, 8, 16)
    assert torch.equal(batch[0, 0], batch[0, 2])
    assert not torch.equal(batch[1, 0], batch[1, 2])


def test_eight_bits_and_float_of_the_same_values_are_the_same_image(tmp_path):
    (eight,) = written(tmp_path, 1, dtype=np.uint8)
    stored = cv2.imread(str(eight.path), cv2.IMREAD_UNCHANGED)
    path = tmp_path / "same.tiff"
    cv2.imwrite(str(path), (stored / np.float64(255)).astype(np.float32))
    same = ImageFile("d", "test", 0, path, "same.tiff")
    assert torch.equal(load_image(eight, Preprocessing((20, 30))), load_image(same, Preprocessing((20, 30))))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    files = written(tmp_path, 3)
    files[1].path.write_bytes(b"not an image")
    source = ImageSource(files, Preprocessing((8, 8)), workers=2)
    with pytest.raises(DataError, match=files[1].path.name):
        list(source.batches(in_order(3, 2)))
    source.close()


@pytest.mark.parametrize(("count", "size", "expected"), [(5, 2, [[0, 1], [2, 3], [4]]), (2, 9, [[0, 1]]), (0, 3, [])])
def test_in_order_leaves_nothing_out(count, size, expected):
    assert in_order(count, size) == expected
