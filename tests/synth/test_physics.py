"""The physics keeps its promises: no fault at severity 0, faults where the mask says, scales of real maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossad.synth.gearbox import PLANET_TEETH, RING_TEETH, SHAPE, contacts, to_map
from crossad.synth.images import healthy
from crossad.synth.physics import masks, simulate
from crossad.synth.presets import DOMAINS

FAULT_NUMBER = 12  # of an image of a fault where train=4, test=8
TEST = {"train": 4, "test": 8, "size": None}

# domain.md 3.2: mean and standard deviation of training pixels in raw units, as measured on a prototype
SCALES = {"A": (0.075, 0.025), "B": (0.31, 0.12), "C": (0.023, 0.007), "D": (0.095, 0.028)}


def raw(state, severity=None, letter="A", fault="planet"):
    changed = state if severity is None else replace(state, severity=severity)
    return simulate(DOMAINS[letter].rig(fault), [changed])[0]


def test_severity_zero_is_exactly_the_normal_image(state):
    address = {"number": FAULT_NUMBER, **TEST}
    assert state(**address).severity > 0
    zero, normal = raw(state(**address), 0.0), simulate(DOMAINS["A"].rig("planet"), [healthy(state(**address))])[0]
    assert np.array_equal(zero, normal)
    assert not np.array_equal(raw(state(**address)), normal)


def test_the_null_preset_is_the_normal_image_of_the_easy_one(state):
    null = state(number=FAULT_NUMBER, preset="null_v1", **TEST)
    easy = state(number=FAULT_NUMBER, preset="easy_v1", **TEST)
    assert null.severity == 0
    assert (null.tau, null.tooth, null.start_row) == (easy.tau, easy.tooth, easy.start_row)
    assert np.array_equal(raw(null), raw(easy, 0.0))


@pytest.mark.parametrize("fault", ["planet", "ring", "sun"])
@pytest.mark.parametrize("letter", [*DOMAINS])
def test_a_fault_changes_the_map_where_the_mask_says(state, letter, fault):
    where = {"number": FAULT_NUMBER, "fault": fault, **TEST}
    damaged = masks(fault, [replace(state(letter, **where), severity=1.0)])[0]
    added = raw(state(letter, **where), 1.0, letter, fault) - raw(state(letter, **where), 0.0, letter, fault)
    share = np.abs(added[damaged]).sum() / np.abs(added).sum()
    assert share > 3 * damaged.mean()
    assert added[damaged].mean() > 5 * np.abs(added[~damaged]).mean()


def test_masks_are_rows_columns_and_oblique_lines(state):
    one = replace(state(number=FAULT_NUMBER, **TEST), severity=1.0, tooth=3, start_row=5)
    planet, ring, sun = (masks(fault, [one])[0] for fault in ("planet", "ring", "sun"))
    assert np.array_equal(np.flatnonzero(planet.all(axis=1)), [(3 + 5) % PLANET_TEETH])
    assert planet.sum() == RING_TEETH
    assert np.array_equal(np.flatnonzero(ring.all(axis=0)), [3])
    assert ring.sum() == PLANET_TEETH
    assert sun.sum(axis=1).max() < 6  # an oblique line stays in no row and in no column
    assert sun.sum(axis=0).max() < 6
    assert sun.sum() == RING_TEETH
    assert not masks("planet", [replace(one, severity=0.0)]).any()


def test_every_mesh_event_is_one_pixel():
    laid = to_map(np.arange(PLANET_TEETH * RING_TEETH)[None], np.array([0]))[0]
    assert laid.shape == SHAPE
    assert np.array_equal(np.sort(laid.ravel()), np.arange(PLANET_TEETH * RING_TEETH))
    assert np.bincount(contacts("sun")).tolist() == [RING_TEETH] * PLANET_TEETH


def test_a_batch_gives_each_image_what_it_gets_alone(state):
    alone = [raw(state(number=number, **TEST)) for number in range(5)]
    together = simulate(DOMAINS["A"].rig("planet"), [state(number=number, **TEST) for number in range(5)])
    assert np.array_equal(together, np.stack(alone))


def test_added_brightness_rises_with_severity(state):
    where = {"number": FAULT_NUMBER, **TEST}
    damaged = masks("planet", [state(**where)])[0]
    means = [raw(state(**where), severity)[damaged].mean() for severity in (0.0, 0.3, 0.6, 1.0)]
    assert means == sorted(means)
    assert means[-1] > 1.2 * means[0]


@pytest.mark.parametrize("letter", [*DOMAINS])
def test_scales_are_those_of_the_domain_notes(rendered, letter):
    from crossad.synth.images import full_scale

    images = rendered(letter, train=60, test=2)[:60]
    pixels = np.stack([image.pixels for image in images]).astype(np.float64) * full_scale(letter)
    mean, deviation = SCALES[letter]
    assert pixels.mean() == pytest.approx(mean, rel=0.1)
    assert pixels.std() == pytest.approx(deviation, rel=0.2)


def test_a_warm_gearbox_is_brighter_than_a_cold_one(rendered):
    images = rendered(train=1, test=24)
    means = {
        stratum: np.mean([image.pixels.mean() for image in images if image.address.stratum == stratum])
        for stratum in ("cold", "warm")
    }
    assert means["warm"] > 1.1 * means["cold"]
