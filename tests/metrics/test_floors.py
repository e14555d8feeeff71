from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from crossad.metrics.auroc import auroc
from crossad.metrics.floors import Subspace, floor_scores, reduced


def images(count: int, seed: int, shape: tuple[int, int, int] = (1, 31, 95)) -> np.ndarray:
    draw = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(5, *shape))
    noise = 0.1 * draw.normal(size=(count, *shape))
    return (np.tensordot(draw.normal(size=(count, 5)), directions, 1) + noise).astype(np.float32)


def test_intensity_floors_are_plain_statistics() -> None:
    test = images(6, 1)
    found = floor_scores(images(10, 0), test)
    np.testing.assert_allclose(found["mean_intensity"], test.astype(np.float64).mean(axis=(1, 2, 3)), atol=1e-12)
    np.testing.assert_array_equal(found["max_intensity"], test.max(axis=(1, 2, 3)))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float64)}


def test_the_residual_is_what_twenty_components_leave() -> None:
    train, test = images(60, 0, (1, 17, 33)), images(8, 1, (1, 17, 33))
    flat, asked = train.reshape(60, -1).astype(np.float64), test.reshape(8, -1).astype(np.float64)
    centre = flat.mean(axis=0)
    vectors = np.linalg.eigh(np.cov(flat.T))[1][:, -20:]
    away = asked - centre
    expected = np.linalg.norm(away - away @ vectors @ vectors.T, axis=1)
    np.testing.assert_allclose(floor_scores(train, test)["pca"], expected, rtol=1e-8)


def test_it_finds_what_leaves_the_subspace() -> None:
    test = images(40, 1)
    test[20:, :, 12, :] += 0.3  # a row brighter than any normal image has it
    labels = np.repeat([0, 1], 20)
    found = floor_scores(images(60, 0), test)
    assert auroc(found["pca"], labels) > 0.95
    assert auroc(found["max_intensity"], labels) < 0.9


def test_large_images_are_averaged_in_blocks() -> None:
    image = np.arange(3 * 224 * 224, dtype=np.float32).reshape(3, 224, 224)
    found = reduced(image).reshape(32, 74)
    assert found[0, 0] == pytest.approx(image[:, :7, :3].astype(np.float64).mean())
    assert found[-1, -1] == pytest.approx(image[:, 217:224, 219:222].astype(np.float64).mean())


@pytest.mark.parametrize("count", [1, 2, 30])
def test_few_or_equal_training_images_are_no_accident(count: int) -> None:
    same = np.repeat(images(1, 0), count, axis=0)
    subspace = Subspace(same)
    assert len(subspace.basis) == 0
    assert subspace.residual(same[0]) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(floor_scores(images(count, 0), images(3, 1))["pca"]).all()


def test_the_same_images_give_the_same_bits() -> None:
    first, again = (floor_scores(images(30, 0), images(5, 1)) for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)


def test_memory_does_not_grow_with_test_images() -> None:
    def stream(count: int) -> Iterator[np.ndarray]:
        for index in range(count):
            yield np.full((1, 224, 224), index, dtype=np.float32)

    train = images(30, 0, (1, 224, 224))
    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        floor_scores(train, stream(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
