"""Synthetic faults: where they are, how strong, and that nothing else changes."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from crossad.errors import MissingInputError
from crossad.trainer.detector import Randomness
from crossad.trainer.faults.bands import add_bands
from crossad.trainer.faults.patches import Patches, add_patches
from crossad.trainer.faults.procedural import masks, textures
from crossad.trainer.faults.textures import add_textures, folder, source_of_textures


def maps(count=12, size=(64, 96), channels=1, seed=0, scale=0.3):
    """Positive and far from constant, like an HDMAP."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, *size, generator=generator).pow(2) * scale + 0.02


def bands(images, randomness, **keys):
    return add_bands(images, randomness, **keys)


def patches(images, randomness, *, probability=0.5, severity_max=1.0, **keys):
    small = {"width_range": (8, 20), "ratio_range": (1.0, 2.0)} | keys
    settings = Patches(probability=probability, severity_max=severity_max, **small)
    return add_patches(images, randomness, settings)


def blends(images, randomness, *, probability=0.5):
    return add_textures(images, randomness, textures, probability=probability)


GENERATORS = pytest.mark.parametrize("add", [bands, patches, blends])


@GENERATORS
def test_pixels_away_from_the_fault_are_bit_identical(add):
    """A band's edges are as soft as those of a resized map: half of each lies outside of the mask."""
    images = maps()
    faulted = add(images, Randomness(1, 0), probability=1.0)
    reach = 1 + 2 * math.ceil(images.shape[-2] / 31) if add is bands else 1
    near = functional.max_pool2d(faulted.mask, reach, stride=1, padding=reach // 2) > 0
    untouched = ~near.expand_as(images)
    assert float(untouched.float().mean()) > 0.4
    assert torch.equal(faulted.images[untouched], images[untouched])
    assert (faulted.images != images).any(dim=1, keepdim=True)[faulted.mask > 0].float().mean() > 0.99


@GENERATORS
def test_the_clean_batch_is_left_alone(add):
    images = maps()
    before = images.clone()
    add(images, Randomness(1, 0), probability=1.0)
    assert torch.equal(images, before)


@GENERATORS
def test_nothing_is_clamped(add):
    """Float maps reach past 1; a clamp would give faulted images away."""
    images = maps(scale=5.0)
    faulted = add(images, Randomness(1, 0), probability=1.0)
    assert float(faulted.images.max()) > 1
    assert (faulted.images[faulted.mask.expand_as(images) > 0] > 1).any()


@GENERATORS
def test_same_seed_and_step_give_the_same_bits_and_others_do_not(add):
    images = maps()
    first, again = add(images, Randomness(1, 3)), add(images, Randomness(1, 3))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.mask, again.mask)
    assert torch.equal(first.severity, again.severity)
    for other in (Randomness(2, 3), Randomness(1, 4)):
        assert not torch.equal(first.images, add(images, other).images)


@GENERATORS
def test_the_global_generators_play_no_part(add):
    images = maps()
    torch.manual_seed(0)
    first = add(images, Randomness(1, 0))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert torch.equal(first.images, add(images, Randomness(1, 0)).images)
    assert torch.equal(state, torch.get_rng_state())


@GENERATORS
def test_probability_decides_how_many_images_are_faulted(add):
    images = maps(count=200, size=(32, 32))
    for probability in (0.0, 0.3, 1.0):
        faulted = add(images, Randomness(1, 0), probability=probability)
        with_fault = faulted.mask.flatten(1).any(1)
        assert torch.equal(with_fault, faulted.severity > 0)
        assert float(with_fault.float().mean()) == pytest.approx(probability, abs=0.1)


@GENERATORS
def test_images_of_one_intensity_give_finite_faults(add):
    for constant in (0.0, 0.2):
        images = torch.full((4, 1, 32, 96), constant)
        faulted = add(images, Randomness(1, 0), probability=1.0)
        assert torch.isfinite(faulted.images).all()
        assert torch.isfinite(faulted.severity).all()
        changed = (faulted.images != images).flatten(1).any(1)
        assert torch.equal(changed, faulted.mask.flatten(1).any(1))
        assert torch.equal(changed, faulted.severity > 0)


@GENERATORS
def test_equal_channels_stay_equal(add):
    """A grey image stored as colour gets a grey fault: colour would give it away."""
    images = maps().expand(-1, 3, -1, -1)
    faulted = add(images, Randomness(1, 0), probability=1.0).images
    assert torch.equal(faulted[:, 0], faulted[:, 1])
    assert torch.equal(faulted[:, 0], faulted[:, 2])


@pytest.mark.parametrize(
    ("size", "heights"),
    [((31, 95), {1, 2}), ((224, 224), {7, 8, 14, 15}), ((62, 190), {2, 4}), ((32, 96), {1, 2, 3})],
)
def test_bands_are_one_or_two_native_rows_high_and_a_tenth_to_all_of_the_width(size, heights):
    mask = add_bands(maps(count=60, size=size), Randomness(1, 0), probability=1.0).mask[:, 0]
    tall, wide = mask.amax(2).sum(1), mask.amax(1).sum(1)
    assert set(tall.int().tolist()) <= heights
    assert tall.min() < 1.2 * size[0] / 31
    assert tall.max() > 1.8 * size[0] / 31
    assert torch.equal(tall * wide, mask.sum((1, 2)))
    assert 0.09 * size[1] <= float(wide.min()) < 0.25 * size[1]
    assert float(wide.max()) > 0.85 * size[1]


def test_a_band_in_a_resized_map_is_the_resized_band():
    """Sharper edges than the resized map's own would be a shortcut."""
    native = maps(size=(31, 95))
    large = functional.interpolate(native, size=(31 * 7, 95 * 3), mode="bilinear")
    small, big = (add_bands(images, Randomness(1, 0), probability=1.0) for images in (native, large))
    grown = functional.interpolate(small.images - native, size=large.shape[-2:], mode="bilinear")
    added = big.images - large
    share = (added.sum((1, 2, 3)) / grown.sum((1, 2, 3)))[:, None, None, None]
    torch.testing.assert_close(added, share * grown, rtol=0, atol=1e-5)
    assert 0.9 < float(share.min()) <= float(share.max()) < 2  # the mask leaves half of the soft edges out


@pytest.mark.parametrize("severity_max", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("scale", [0.3, 100.0])
def test_severity_of_a_band_is_mean_added_over_mean_original(severity_max, scale):
    images = maps(count=100, scale=scale)
    faulted = add_bands(images, Randomness(1, 0), probability=1.0, severity_max=severity_max)
    added, original = ((values * faulted.mask).sum((1, 2, 3)) for values in (faulted.images - images, images))
    torch.testing.assert_close(faulted.severity, added / original, rtol=1e-4, atol=0)
    assert 0.0499 < float(faulted.severity.min()) < 0.2 * severity_max + 0.05
    assert 0.9 * severity_max < float(faulted.severity.max()) < 1.001 * severity_max


def test_a_bands_look_follows_the_image_it_is_copied_from():
    images = maps(count=1, size=(31, 95))
    faulted = add_bands(images, Randomness(5, 0), probability=1.0)
    top, left = (int(axis.min()) for axis in torch.nonzero(faulted.mask[0, 0], as_tuple=True))
    tall, wide = int(faulted.mask[0, 0].amax(1).sum()), int(faulted.mask[0, 0].amax(0).sum())
    added = (faulted.images - images)[0, 0, top : top + tall, left : left + wide]
    windows = images[0, 0].unfold(0, tall, 1).unfold(1, wide, 1).flatten(0, 1)
    shape = added / added.amax()
    gaps = (windows / windows.amax((1, 2), keepdim=True) - shape).abs().amax((1, 2))
    assert float(gaps.min()) < 1e-4


def test_bands_of_the_hold_out_have_a_stream_of_their_own():
    images = maps()
    training = add_bands(images, Randomness(1, 0)).images
    assert not torch.equal(training, add_bands(images, Randomness(1, 0), purpose="holdout").images)


@pytest.mark.parametrize(
    "keys",
    [{"width_range": (20, 24)}, {"ratio_range": (2.5, 3.0)}, {"count": 3}, {"severity_max": 4.0}],
)
def test_every_setting_of_patches_changes_them(keys):
    images = maps()
    plain = patches(images, Randomness(1, 0), probability=1.0)
    assert not torch.equal(plain.images, patches(images, Randomness(1, 0), probability=1.0, **keys).images)


def test_patches_have_the_width_and_ratio_asked_for():
    found = add_patches(
        maps(count=60, size=(128, 128)), Randomness(1, 0), Patches((10, 20), (2.0, 4.0), probability=1.0)
    )
    tall, wide = found.mask[:, 0].amax(2).sum(1), found.mask[:, 0].amax(1).sum(1)
    assert 10 <= wide.min() <= 11
    assert 19 <= wide.max() <= 20
    assert float((tall / wide).min()) >= 1.9
    assert float((tall / wide).max()) <= 4.0


def test_patches_wider_than_the_image_are_cut_to_it():
    found = add_patches(maps(size=(32, 48)), Randomness(1, 0), Patches((80, 80), probability=1.0))
    assert float(found.mask.mean()) == pytest.approx(31 * 47 / (32 * 48))


def test_patch_severity_is_what_its_brightest_pixel_gains():
    images = maps()
    found = patches(images, Randomness(1, 0), probability=1.0)
    torch.testing.assert_close((found.images - images).amax((1, 2, 3)), found.severity)


def test_textures_stay_within_the_batchs_intensities():
    images = maps(scale=0.05)
    faulted = blends(images, Randomness(1, 0), probability=1.0).images
    assert float(faulted.min()) >= float(images.min()) - 1e-6
    assert float(faulted.max()) <= float(images.max()) + 1e-6


def test_textures_are_smooth_and_of_many_kinds():
    generator = torch.Generator().manual_seed(0)
    drawn = textures(maps(count=16, size=(64, 64)), generator)[:, 0]
    assert drawn.shape == (16, 64, 64)
    assert float(drawn.min()) == 0
    assert float(drawn.max()) == 1
    along, across = (drawn.diff(dim=axis).abs().mean((1, 2)) for axis in (1, 2))
    assert float(along.max()) < 0.2  # noise without smoothing: .33
    assert float((along / across).max() / (along / across).min()) > 2  # directions differ


def test_noise_masks_are_blobs_and_never_empty():
    found = masks(maps(count=64, size=(64, 64)), torch.Generator().manual_seed(0))
    share = found.float().mean((1, 2, 3))
    assert float(share.min()) > 0
    assert 0.03 < float(share.mean()) < 0.4


def test_real_textures_are_read_once_and_blended(tmp_path):
    for number, value in enumerate((40, 200)):
        pixels = np.full((50, 70, 3), value, np.uint8)
        pixels[10:40, 10:60] = (value // 2, 0, 255)
        (tmp_path / f"kind{number}").mkdir()
        cv2.imwrite(str(tmp_path / f"kind{number}" / "texture.png"), pixels)
    draw = folder(tmp_path)
    grey, colour = maps(size=(32, 32)), maps(size=(32, 32), channels=3)
    assert draw(grey, torch.Generator().manual_seed(0)).shape == (12, 1, 32, 32)
    assert draw(colour, torch.Generator().manual_seed(0)).shape == (12, 3, 32, 32)
    first = add_textures(grey, Randomness(1, 0), draw, probability=1.0)
    for file in tmp_path.rglob("*.png"):
        file.unlink()
    assert torch.equal(first.images, add_textures(grey, Randomness(1, 0), draw, probability=1.0).images)
    assert not torch.equal(first.images, blends(grey, Randomness(1, 0), probability=1.0).images)


@pytest.mark.parametrize("there", [False, True])
def test_a_missing_or_empty_texture_folder_is_missing_input(tmp_path, there):
    path = tmp_path / "dtd"
    if there:
        path.mkdir()
        (path / "notes.txt").write_text("no image")
    with pytest.raises(MissingInputError, match="anomaly_source") as caught:
        source_of_textures(f"dtd:{path}")
    assert caught.value.exit_code == 66
    assert path.exists() is there
