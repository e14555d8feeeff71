from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossad.metrics.auroc import auroc_of
from crossad.metrics.bootstrap import bootstrap_aurocs, percentile_interval
from crossad.seeds import generator


def test_each_resample_is_the_area_of_the_images_drawn() -> None:
    draw = np.random.default_rng(0)
    first = draw.integers(0, 9, 13).astype(float), draw.integers(3, 12, 17).astype(float)
    second = draw.normal(0, 1, 13), draw.normal(1, 1, 17)
    found = bootstrap_aurocs([first, second], seed=5, purpose="x", resamples=40)
    again = generator(5, "bootstrap/x")
    for row in found:
        normals, faults = again.integers(0, 13, 13), again.integers(0, 17, 17)
        assert row[0] == pytest.approx(auroc_of(first[0][normals], first[1][faults]), abs=1e-12)
        assert row[1] == pytest.approx(auroc_of(second[0][normals], second[1][faults]), abs=1e-12)


def test_seed_and_purpose_make_the_stream() -> None:
    columns = [(np.arange(20.0), np.arange(10.0, 30.0))]
    same = bootstrap_aurocs(columns, seed=1, purpose="a", resamples=50)
    np.testing.assert_array_equal(same, bootstrap_aurocs(columns, seed=1, purpose="a", resamples=50))
    assert not np.array_equal(same, bootstrap_aurocs(columns, seed=2, purpose="a", resamples=50))
    assert not np.array_equal(same, bootstrap_aurocs(columns, seed=1, purpose="b", resamples=50))


def test_agrees_with_scipys_percentile_bootstrap() -> None:
    draw = np.random.default_rng(2)
    normals, faults = draw.normal(0, 1, 60), draw.normal(1.2, 1, 50)
    ours = percentile_interval(bootstrap_aurocs([(normals, faults)], seed=0, purpose="s", resamples=4000)[:, 0])

    def area(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        del axis
        return np.asarray((x[..., :, None] < y[..., None, :]).mean(axis=(-2, -1)))

    theirs = stats.bootstrap(
        (normals, faults),
        area,
        n_resamples=4000,
        method="percentile",
        batch=200,
        rng=np.random.default_rng(7),
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)
