from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.analysis.svg import Drawing, Scale, spread, ticks


def test_a_scale_carries_its_ends_and_clamps_what_lies_beyond() -> None:
    scale = Scale(0.4, 1.0, 300, 30)
    assert [scale(0.4), scale(1.0), scale(0.7)] == [300, 30, pytest.approx(165)]
    assert [scale(0.0), scale(2.0)] == [300, 30]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_ordered_and_inside(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    assert len(found) <= 12
    assert found == sorted(found)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - slack <= value <= high + slack for value in found)


def test_ticks_are_round() -> None:
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@given(st.lists(st.floats(0, 300), max_size=8))
def test_labels_never_overlap_and_keep_their_order(wanted: list[float]) -> None:
    placed = spread(wanted, 17)
    for first, one in enumerate(wanted):
        for second, other in enumerate(wanted):
            if first != second:
                assert abs(placed[first] - placed[second]) >= 17 - 1e-6
                assert (one < other) <= (placed[first] < placed[second])


def test_a_drawing_speaks_to_those_who_cannot_see_it() -> None:
    drawing = Drawing("a b", 10, 20, title="T <1>", description="D & E")
    drawing.text((1, 2), "<b>")
    text = drawing.render()
    assert 'role="img"' in text
    assert "T &lt;1&gt;" in text
    assert "D &amp; E" in text
    assert "<b>" not in text
    name = text.split('aria-labelledby="')[1].split()[0]
    assert f'id="{name}"' in text
    assert "<style>" in drawing.render(standalone=True)
