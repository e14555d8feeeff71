"""The hold-out: normals that were not fitted, against themselves with seeded faults."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from crossad.data.layout import ImageFile
from crossad.trainer import holdout
from crossad.trainer.detector import Randomness
from crossad.trainer.faults.bands import add_bands
from crossad.trainer.holdout import HoldoutSource
from crossad.trainer.loader import ImageSource, Preprocessing, in_order


@pytest.fixture
def normals(tmp_path):
    draw = np.random.default_rng(0)
    files = []
    for number in range(5):
        path = tmp_path / f"{number}.tiff"
        cv2.imwrite(str(path), draw.gamma(4, 0.02, (31, 95)).astype(np.float32))
        files.append(ImageFile("domain_A", "train", 0, path, path.name))
    return ImageSource(files, Preprocessing((32, 64)), workers=2)


@pytest.fixture
def source(normals):
    made = HoldoutSource(normals, seed=7)
    yield made
    made.close()


def all_of(source, batch_size):
    return torch.cat(list(source.batches(in_order(len(source), batch_size))))


def test_every_normal_comes_twice_and_the_second_is_labelled_a_fault(source, normals):
    """The files are all normals: the labels are those of the images as they are scored."""
    assert len(source) == 10
    assert source.labels.tolist() == [0] * 5 + [1] * 5
    assert source.files == normals.files * 2
    images = all_of(source, 10)
    assert torch.equal(images[:5], normals.batch(range(5)))
    changed = (images[5:] != images[:5]).flatten(1).any(1)
    assert changed.all()


def test_faults_are_local(source):
    images = all_of(source, 10)
    share = (images[5:] != images[:5]).float().mean((1, 2, 3))
    assert float(share.max()) < 0.25


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10])
def test_batches_do_not_change_an_image(source, batch_size):
    assert torch.equal(all_of(source, batch_size), torch.stack([source.image(index) for index in range(10)]))


def test_faults_come_from_the_seed_and_not_from_history(normals):
    first, again, other = (HoldoutSource(normals, seed) for seed in (7, 7, 8))
    later = torch.stack([first.image(9), first.image(6)])
    assert torch.equal(all_of(again, 4)[[9, 6]], later)
    assert not torch.equal(other.image(9), first.image(9))
    assert torch.equal(other.image(4), first.image(4))


def test_the_faults_are_of_the_version_that_is_said(source, normals):
    """`bands_v1` under a stream of its own; another generator needs another version."""
    assert holdout.VERSION == "bands_v1"
    expected = add_bands(normals.image(2)[None], Randomness(7, 2), probability=1.0, purpose="holdout").images[0]
    assert torch.equal(source.image(7), expected)
    training = add_bands(normals.image(2)[None], Randomness(7, 2), probability=1.0).images[0]
    assert not torch.equal(source.image(7), training)


def test_bands_v1_is_frozen():
    """A change of these numbers is a new version of the generator, and raises the protocol of what uses it."""
    ramp = torch.linspace(0.05, 0.15, 31 * 95).view(1, 1, 31, 95)
    faulted = add_bands(ramp.expand(4, -1, -1, -1), Randomness(7, 0), probability=1.0, purpose="holdout")
    assert faulted.mask.sum((1, 2, 3)).tolist() == [44, 77, 36, 186]
    assert faulted.severity.tolist() == pytest.approx([0.842996, 0.343407, 0.595057, 0.227699], abs=1e-5)
