"""The same image is found whatever was done to it; images that merely look alike are not."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from crossad.data import duplicates
from crossad.data.layout import ImageFile
from crossad.data.preflight import check
from crossad.data.reader import read
from crossad.data.scan import look, thumbnail


def found(root, code):
    return [item for item in check(root).findings if item.code == code]


@pytest.mark.parametrize("one", ["train/good", "test/good"])
def test_an_image_in_two_sets_of_a_domain_is_a_fault(tmp_path, make_domain, one):
    folder = make_domain(tmp_path)
    shutil.copy(folder / one / "000003.tiff", folder / "test/fault/900000.tiff")
    (finding,) = found(tmp_path, "shared")
    assert (finding.severity, finding.where) == ("error", f"domain_A/test/fault and domain_A/{one}")
    assert finding.files == (f"domain_A/test/fault/900000.tiff = domain_A/{one}/000003.tiff",)


def test_identity_is_of_pixels_not_of_bytes(tmp_path, make_domain, save):
    folder = make_domain(tmp_path)
    pixels = (read(folder / "train/good/000000.tiff").pixels[0] * 255).astype(np.uint8)
    cv2.imwrite(str(folder / "train/good/a.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    cv2.imwrite(str(folder / "test/good/b.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert (folder / "train/good/a.png").read_bytes() != (folder / "test/good/b.png").read_bytes()
    assert len(found(tmp_path, "shared")) == 1


def test_between_domains_and_within_a_set_it_is_a_warning(tmp_path, make_domain):
    one, other = make_domain(tmp_path, "domain_A"), make_domain(tmp_path, "domain_B", seed=2)
    shutil.copy(one / "test/good/000000.tiff", other / "test/good/900000.tiff")
    shutil.copy(one / "test/good/000001.tiff", one / "test/good/900000.tiff")
    (shared,), (twice,) = found(tmp_path, "shared"), found(tmp_path, "duplicate")
    assert (shared.severity, shared.where) == ("warning", "domain_A/test/good and domain_B/test/good")
    assert twice.files == ("domain_A/test/good/000001.tiff (2 times)",)


def jpeg(pixels):
    ok, data = cv2.imencode(".jpg", (cv2.resize(pixels, (224, 224)) * 255).astype(np.uint8))
    assert ok
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


CHANGED = {
    "8-bit": lambda pixels: np.rint(pixels * 255).astype(np.uint8),
    "scaled": lambda pixels: pixels * 3 + 0.1,
    "nearest": lambda pixels: cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_NEAREST),
    "bilinear": lambda pixels: cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_LINEAR),
    "jpeg": jpeg,
    "noisy": lambda pixels: pixels + np.float32(0.1 * pixels.std()) * thumbnail_noise(pixels.shape),
}


def thumbnail_noise(shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("how", CHANGED)
@pytest.mark.parametrize("there", ["domain_A/test/good", "domain_B/test/good"])
def test_a_changed_copy_is_found(tmp_path, make_domain, save, how, there):
    make_domain(tmp_path, "domain_A")
    make_domain(tmp_path, "domain_B", seed=2)
    pixels = read(tmp_path / "domain_A/train/good/000005.tiff").pixels[0]
    save(tmp_path / there / f"copy.{'png' if how in ('8-bit', 'jpeg') else 'tiff'}", CHANGED[how](pixels))
    (finding,) = found(tmp_path, "near-duplicate")
    assert finding.severity == "warning"
    (pair,) = finding.files
    assert "domain_A/train/good/000005.tiff" in pair
    assert f"{there}/copy" in pair


def test_pictures_of_one_machine_are_no_duplicates(tmp_path, make_domain):
    scene = 10 * np.outer(np.hanning(31), np.hanning(95)).astype(np.float32)  # what all share outweighs the rest
    make_domain(tmp_path, "domain_A", change=lambda pixels, part: pixels + scene)
    make_domain(tmp_path, "domain_B", seed=2, change=lambda pixels, part: pixels + scene)
    assert check(tmp_path).errors == []
    assert found(tmp_path, "near-duplicate") == []


def seen(tmp_path, save, number, pixels, domain="A"):
    path = save(tmp_path / domain / f"test/good/{number}.tiff", pixels)
    return look(ImageFile(domain, "test", 0, path, f"test/good/{number}.tiff"))


def test_blocks_change_nothing(tmp_path, save, monkeypatch):
    images = [np.random.default_rng(number % 30).random((31, 95), dtype=np.float32) for number in range(60)]
    every = [seen(tmp_path, save, number, pixels * (1 + number)) for number, pixels in enumerate(images)]
    whole = [(pair.first.name, pair.second.name) for pair in duplicates.near(every)]
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    assert [(pair.first.name, pair.second.name) for pair in duplicates.near(every)] == whole
    assert len(whole) == 30


def test_flat_images_and_few_images_have_no_near_duplicates(tmp_path, save):
    few = [seen(tmp_path, save, number, np.eye(31, 95, number, dtype=np.float32)) for number in range(5)]
    assert duplicates.near(few) == []
    flat = [seen(tmp_path, save, number, np.full((31, 95), 0.1 * number, np.float32)) for number in range(30)]
    assert duplicates.near(flat) == []
    assert not thumbnail(np.full((224, 224), 0.3, np.float32)).any()
