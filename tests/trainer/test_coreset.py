"""The fast selection against the greedy reference, index by index."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import crossad.trainer.networks  # noqa: F401 - imports anomalib with its own warnings silenced
from crossad.errors import DataError
from crossad.trainer.coreset import (
    CPU,
    Sizes,
    distances,
    johnson_lindenstrauss,
    k_center_greedy,
    projection,
    select,
)
from crossad.trainer.detector import Randomness
from crossad.trainer.rows import Rows

# isort: split
from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy

TINY = Sizes(pool=16, block=64, rows=32, centres=8, pairs=16, burst=3)  # every loop runs more than once
ROWS, WIDTH = 700, 40


def reference(features, count, first):
    """anomalib's own loop from a given start."""
    sampler = KCenterGreedy(embedding=features, sampling_ratio=1.0)
    sampler.features, picks = features, [torch.tensor(first)]
    for _ in range(count - 1):
        sampler.update_distances(cluster_center=picks[-1])
        picks.append(sampler.get_new_idx())
        sampler.min_distances.scatter_(0, picks[-1].view(1, 1), 0.0)
    return torch.stack(picks)


def iid(draw):
    return torch.randn(ROWS, WIDTH, generator=draw)


def power_law(draw):
    """Clusters of unequal spread, variances falling with the dimension, as patch features have them."""
    scale = torch.arange(1, WIDTH + 1) ** -0.7
    centres = 3 * torch.randn(20, WIDTH, generator=draw)
    noise = torch.randn(ROWS, WIDTH, generator=draw) * 2 * torch.rand(ROWS, 1, generator=draw)
    return (centres[torch.randint(20, (ROWS,), generator=draw)] + noise) * scale


def with_duplicates(draw):
    rows = power_law(draw)
    copies = torch.randperm(ROWS, generator=draw)[: ROWS // 4]
    rows[copies] = rows[torch.randint(ROWS, (len(copies),), generator=draw)]
    return rows


def all_equal(draw):
    return torch.randn(1, WIDTH, generator=draw).repeat(ROWS, 1)


def integers(draw):
    """Many exact ties between different rows."""
    return torch.randint(0, 2, (ROWS, WIDTH), generator=draw).float()


def corners(draw):
    """More exact ties at the top than a pool, or a block, holds."""
    return torch.eye(WIDTH)[torch.randint(WIDTH, (ROWS,), generator=draw)]


def far_from_origin(draw):
    """Distances that |x|^2 - 2xy + |y|^2 cannot resolve in float32: the margin has to."""
    return 1e-3 * power_law(draw) + 100 * torch.rand(WIDTH, generator=draw) * (torch.arange(ROWS)[:, None] % 2)


def near_duplicates(draw):
    return power_law(draw)[torch.arange(ROWS) // 7] * (1 + 1e-7 * torch.randn(ROWS, WIDTH, generator=draw))


def underflowing(draw):
    return 1e-22 * iid(draw)


KINDS = [
    iid, power_law, with_duplicates, all_equal, integers, corners, far_from_origin, near_duplicates,
    underflowing,
]  # fmt: skip


@pytest.mark.parametrize("sizes", [TINY, CPU], ids=["tiny", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_are_the_references_in_its_order(kind, sizes):
    for seed in (0, 1, 2):
        features = kind(torch.Generator().manual_seed(seed))
        first = (seed * 331) % ROWS
        assert torch.equal(k_center_greedy(features, 150, first, sizes), reference(features, 150, first))


@pytest.mark.parametrize("count", [1, 2, ROWS - 1, ROWS])
@pytest.mark.parametrize("kind", [iid, with_duplicates, corners])
def test_picks_are_the_references_from_one_row_to_all(kind, count):
    features = kind(torch.Generator().manual_seed(3))
    assert torch.equal(k_center_greedy(features, count, 5, TINY), reference(features, count, 5))


@pytest.mark.parametrize("width", [1, 2, 17, 300])
def test_any_width_and_a_layout_with_strides(width):
    features = torch.randn(width, 200, generator=torch.Generator().manual_seed(0)).T
    assert torch.equal(k_center_greedy(features, 60, 0, TINY), reference(features.contiguous(), 60, 0))


def test_one_row_is_its_own_coreset():
    assert k_center_greedy(torch.ones(1, 4), 1, 0).tolist() == [0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_anomalibs_sampler_with_its_projection_picks_the_same(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)  # scikit-learn, inside anomalib, draws from it
    embedding = torch.relu(torch.randn(1500, 400)) @ torch.diag(torch.arange(1, 401) ** -0.5)
    sampler = KCenterGreedy(embedding=embedding, sampling_ratio=0.1)
    theirs = sampler.select_coreset_idxs()
    assert k_center_greedy(sampler.features, len(theirs), theirs[0], TINY).tolist() == theirs


@pytest.mark.parametrize("width", [1, 3, 40, 267, 1536])
def test_a_rows_distance_has_the_same_bits_among_any_other_rows(width):
    draw = torch.Generator().manual_seed(width)
    features = torch.randn(5000, width, generator=draw) + 1
    everything = torch.linalg.norm(features - features[7], ord=2, dim=1, keepdim=True)[:, 0]
    for count in (1, 2, 5, 64, 512, 4096):
        some = torch.randint(5000, (count,), generator=draw)
        assert torch.equal(distances(features[some], features[7]), everything[some])
        assert torch.equal(distances(features[some], features[[7] * count]), everything[some])


def filled(features, *batches):
    rows, start = Rows(), 0
    for size in batches:
        rows.append(features[start : start + size])
        start += size
    assert start == len(features)
    return rows


def test_select_depends_on_the_seed_and_not_on_the_batches():
    features = torch.randn(9000, 64, generator=torch.Generator().manual_seed(0))
    one, two = filled(features, 9000), filled(features, 5, 8187, 808)
    picks = select(one, 40, Randomness(1, 0))
    assert torch.equal(picks, select(two, 40, Randomness(1, 0)))
    assert not torch.equal(picks, select(one, 40, Randomness(2, 0)))
    assert torch.equal(one.take(picks), features[picks])


def test_projection_keeps_distances_and_is_left_out_where_it_would_lengthen_rows():
    count, width = 2000, 1536
    components = johnson_lindenstrauss(count)
    assert components == int(4 * np.log(count) / (0.9**2 / 2 - 0.9**3 / 3)) == 187
    matrix = projection(components, width, np.random.default_rng(0))
    assert math.isclose(float((matrix != 0).float().mean()), width**-0.5, rel_tol=0.05)
    features = torch.randn(count, width, generator=torch.Generator().manual_seed(1))
    ratio = distances((features @ matrix.T)[1:], (features @ matrix.T)[:1]) / distances(features[1:], features[:1])
    assert 1 - 0.9 < float(ratio.min()) < float(ratio.mean()) < float(ratio.max()) < 1 + 0.9
    assert math.isclose(float(ratio.mean()), 1, rel_tol=0.05)
    short = features[:, :50].contiguous()
    picks = select(filled(short, count), 30, Randomness(0, 0))
    assert torch.equal(picks, reference(short, 30, int(picks[0])))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_features_that_cannot_be_compared_are_refused(bad):
    features = torch.zeros(10, 4)
    features[3, 2] = bad
    with pytest.raises(DataError, match="not finite"):
        k_center_greedy(features, 2, 0)


@pytest.mark.parametrize(("count", "first"), [(0, 0), (11, 0), (2, 10), (2, -1)])
def test_counts_that_do_not_fit_are_refused(count, first):
    with pytest.raises(ValueError, match="allowed"):
        k_center_greedy(torch.zeros(10, 4), count, first)
