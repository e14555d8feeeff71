"""Presets are frozen, hide nothing that brightness tells, and are known by name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from crossad.data.deposit import store
from crossad.errors import UsageError
from crossad.metrics.auroc import auroc
from crossad.metrics.floors import floor_scores
from crossad.synth.presets import DOMAINS, GENERATOR, PRESETS, find_domain, find_preset

# Pixels of the first image of each set, rounded to 1e-4 of full scale so that no library's last bit matters. Changing
# one is changing the data of everybody: give the preset (or GENERATOR) a new name instead, and add its hash here.
FROZEN = {
    ("hdmap_v1", "easy_v1"): "3363cf6090375077",
    ("hdmap_v1", "default_v1"): "d9bedc90955882a5",
    ("hdmap_v1", "hard_v1"): "f6eac2a18ed3c124",
    ("hdmap_v1", "null_v1"): "0425d27dccf68805",
    ("hdmap_v1", "trap_v1"): "3b2a0589f5f49319",
}


def fingerprint(rendered, preset):
    digest = hashlib.sha256()
    for letter in DOMAINS:
        for image in rendered(letter, preset=preset, train=1, test=2):
            digest.update(np.rint(image.pixels[::5, ::9].astype(np.float64) * 1e4).astype("<i4").tobytes())
    return digest.hexdigest()[:16]


def test_every_preset_of_this_generator_is_frozen():
    assert {key for key in FROZEN if key[0] == GENERATOR} == {(GENERATOR, name) for name in PRESETS}


@pytest.mark.parametrize("preset", [*PRESETS])
def test_a_preset_keeps_its_pixels_or_changes_its_name(rendered, preset):
    assert fingerprint(rendered, preset) == FROZEN[GENERATOR, preset]


def test_names_may_be_short_and_wrong_ones_get_a_suggestion():
    assert find_preset("easy") is find_preset("easy_v1") is PRESETS["easy_v1"]
    with pytest.raises(UsageError, match="no such preset: esy") as caught:
        find_preset("esy")
    assert caught.value.hint == "did you mean easy?"
    assert [find_domain(name) for name in ("A", "a", "domain_A")] == ["A"] * 3
    with pytest.raises(UsageError, match="no such synthetic domain: 'E'"):
        find_domain("E")


def floors(rendered, letter, preset, *, train=60, test=50):
    """AUROC by floor name; the normals of all presets but the trap are the same, so they are made once."""
    normals = rendered(letter, preset="trap_v1" if preset == "trap_v1" else "easy_v1", train=train, test=test, part=0)
    faults = rendered(letter, preset=preset, train=train, test=test, part=1)
    fitted, scored = (
        np.stack([image.pixels[None] for image in images]) for images in (normals[:train], normals[train:] + faults)
    )
    labels = np.array([0] * test + [1] * test)
    return {name: auroc(scores, labels) for name, scores in floor_scores(fitted, scored).items()}


@pytest.mark.parametrize("letter", [*DOMAINS])
def test_intensity_tells_little_on_the_default_preset(rendered, letter):
    found = floors(rendered, letter, "default_v1")
    assert found["mean_intensity"] < 0.75
    assert found["max_intensity"] < 0.75
    assert found["pca"] > 0.6  # what is there can be found


def test_severer_presets_are_easier_and_the_null_one_is_chance(rendered):
    pca = [floors(rendered, "A", f"{name}_v1")["pca"] for name in ("null", "hard", "default", "easy")]
    assert pca == sorted(pca)
    assert abs(pca[0] - 0.5) < 0.15
    assert pca[-1] > 0.8


def test_the_trap_lets_brightness_alone_give_faults_away(rendered):
    found = floors(rendered, "A", "trap_v1", train=20)
    assert min(found["mean_intensity"], 1 - found["mean_intensity"]) < 0.2
    assert all(image.pixels.min() == 0 and image.pixels.max() == 1 for image in rendered(preset="trap_v1", train=2))


def test_png_and_tiff_of_the_same_data_give_a_fixed_scorer_the_same_auroc(rendered):
    normals, faults = (rendered("C", preset="default_v1", train=60, test=50, part=part) for part in (0, 1))
    found = {}
    for kind, levels in (("tiff", 1), ("png8", 255), ("png16", 65535)):
        held = [store(image.pixels, kind)[0][None] for image in (*normals, *faults)]
        stored = [pixels.astype(np.float32) / np.float32(levels) for pixels in held]
        scores = floor_scores(np.stack(stored[:60]), np.stack(stored[60:]))["pca"]
        found[kind] = auroc(scores, np.array([0] * 50 + [1] * 50))
    assert max(found.values()) - min(found.values()) < 0.02
