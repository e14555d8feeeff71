"""Random streams are functions of (seed, purpose, step)."""

from __future__ import annotations

import itertools

import numpy as np

from crossad.seeds import derive, generator


def test_equal_arguments_give_equal_draws() -> None:
    assert np.array_equal(generator(1, "order", 5).random(8), generator(1, "order", 5).random(8))


def test_seed_purpose_and_step_each_give_another_stream() -> None:
    keys = itertools.product((0, 1), ("order", "faults"), (0, 1))
    assert len({derive(*key) for key in keys}) == 8


def test_derived_seeds_fit_what_torch_and_numpy_accept() -> None:
    assert all(0 <= derive(seed, "init") < 2**63 for seed in range(1000))
