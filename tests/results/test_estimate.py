"""Estimates are scaled from records, say what they rest on, and are absent where there is nothing to rest on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossad.conditions.outlook import Outlook
from crossad.results.estimate import Basis, costs
from crossad.results.past import Past

PIXELS = 10.0 * 10.0
DRAEM: dict[str, Any] = {"model_type": "draem", "image_size": [10, 10], "batch_size": 4}
PATCHCORE: dict[str, Any] = {"model_type": "patchcore", "image_size": [10, 10], "batch_size": 4}
# 100 passes in 50 s, 40 images scored in 8 s, 5 s for the rest
PAST = Past("draem", "H100", 50.0, 100 * PIXELS, 8.0, 40 * PIXELS, 5.0, 4 * PIXELS, 1000, 2000, 70)


def row(number: int = 0, steps: int = 50, images: int = 20, state: str = "new") -> Outlook:
    return Outlook(number, f"c{number}", f"id{number}", state, "t", "to do", None, ("A",), steps, images)  # type: ignore[arg-type]


def test_time_grows_with_steps_batches_images_and_pixels() -> None:
    (one,) = costs([row()], {0: DRAEM}, [PAST]).estimates.values()
    assert one.seconds == pytest.approx(50 * 4 * 0.5 + 20 * 0.2 + 5)
    (large,) = costs([row()], {0: {**DRAEM, "image_size": [20, 10]}}, [PAST]).estimates.values()
    assert large.seconds == pytest.approx(2 * (50 * 4 * 0.5 + 20 * 0.2) + 5)
    assert one.bytes == 70


def test_what_is_trained_already_costs_its_scores_alone() -> None:
    (one,) = costs([row(steps=0)], {0: DRAEM}, [replace(PAST, fit_seconds=None)]).estimates.values()
    assert one.seconds == pytest.approx(20 * 0.2 + 5)


def test_nothing_is_invented() -> None:
    found = costs([row(), row(1), row(2, state="done")], {0: DRAEM, 1: PATCHCORE, 2: PATCHCORE}, [PAST])
    assert set(found.estimates) == {0}
    assert dict(found.unknown) == {"patchcore": 1}
    assert found.bases == (Basis("draem", "H100", 1),)
    # a record of a resumed training does not tell how long a whole one takes
    assert costs([row()], {0: DRAEM}, [replace(PAST, fit_seconds=None)]).unknown == {"draem": 1}
    assert costs([row()], {0: DRAEM}, []).estimates == {}


def test_the_device_of_the_newest_record_counts() -> None:
    old = replace(PAST, device="cpu", fit_seconds=5000.0)
    found = costs([row()], {0: DRAEM}, [PAST, old, replace(PAST, fit_seconds=60.0), replace(PAST, fit_seconds=70.0)])
    assert found.bases == (Basis("draem", "H100", 3),)
    assert found.estimates[0].seconds == pytest.approx(50 * 4 * 0.6 + 20 * 0.2 + 5)


@pytest.mark.parametrize(
    ("batch", "peaks", "peak"),
    [
        (4, [(4, 2000)], 2000),
        (2, [(4, 2000)], 2000),  # never less
        (8, [(4, 2000)], 4000),  # one size: all of it is taken to grow
        (8, [(4, 2000), (2, 1500)], 3000),  # two: 250 an image, and 1000 that stay
        (8, [(4, 2000), (2, 2100)], 2100),
    ],
)
def test_memory_grows_with_what_is_in_it_at_once(batch: int, peaks: list[tuple[int, int]], peak: int) -> None:
    pasts = [replace(PAST, batch_work=images * PIXELS, device_memory=bytes_) for images, bytes_ in peaks]
    found = costs([row()], {0: {**DRAEM, "batch_size": batch}}, pasts)
    assert found.device_memory == peak


def test_a_memory_bank_grows_with_the_images() -> None:
    past = replace(PAST, model="patchcore", batch_work=100 * PIXELS)
    assert costs([row(steps=50)], {0: PATCHCORE}, [past]).device_memory == 4000


def test_wall_time_is_that_of_devices_that_take_the_next_condition() -> None:
    rows = [row(0, steps=300, images=0), row(1, steps=100, images=0), row(2, steps=100, images=0)]
    found = costs(rows, dict.fromkeys(range(3), DRAEM), [replace(PAST, other_seconds=0.0)])
    assert found.seconds == pytest.approx(1000)
    assert [found.wall_seconds(devices) for devices in (1, 2, 3, 9)] == pytest.approx([1000, 600, 600, 600])
    assert costs([], {}, []).wall_seconds(2) == 0
