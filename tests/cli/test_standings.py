"""Which of many conditions a table shows, and in which order."""

from __future__ import annotations

import pytest

from crossad.cli.sight import Sight
from crossad.cli.standings import ALIKE, MANY, by_need, shown
from crossad.control.observe import Placed
from crossad.launch.standing import Standing, StandingState


def rows(count: int, state: StandingState, **more: object) -> list[Standing]:
    return [Placed(index, f"{state}-{index}", state, "why", "", "", **more) for index in range(count)]  # type: ignore[arg-type]


def test_few_conditions_are_all_shown_in_the_plans_order() -> None:
    few = rows(MANY - 1, "done") + rows(1, "failed")
    assert shown(few, everything=False) == (few, [])


def test_of_many_the_ones_that_need_somebody_are_shown_the_worst_first_and_the_rest_is_counted() -> None:
    many = [
        *rows(60, "done"),
        *rows(9, "pending", cause="quota"),
        *rows(2, "pending", cause="image"),
        *rows(400, "pending", cause="new"),
        *rows(1, "failed", cause="exit-code"),
        *rows(30, "running"),
    ]
    kept, lines = shown(many, everything=False)
    assert [row.state for row in kept] == ["failed"] + ["pending"] * (ALIKE + 2)
    assert lines == ["and 4 more pending (quota)", "490 conditions need nobody; --all shows them"]
    assert shown(many, everything=True) == (many, [])


def test_a_happy_run_of_many_shows_no_row() -> None:
    kept, lines = shown(rows(60, "done"), everything=False)
    assert (kept, lines) == ([], ["60 conditions need nobody; --all shows them"])


def test_what_needs_somebody_comes_in_the_order_of_need() -> None:
    states: tuple[StandingState, ...] = ("done", "suspended", "pending", "lost", "running", "failed")
    order = [row.state for row in by_need([row for state in states for row in rows(1, state)])]
    assert order == ["failed", "lost", "suspended", "pending", "done", "running"]


@pytest.mark.parametrize(
    ("states", "settled"),
    [(("done", "failed"), True), (("done", "running"), False), (("pending",), False), (("cancelled", "lost"), True)],
)
def test_watching_ends_when_nothing_more_happens_by_itself(states: tuple[StandingState, ...], settled: bool) -> None:
    assert Sight([row for state in states for row in rows(1, state)]).settled is settled


@pytest.mark.parametrize(
    ("sight", "told"),
    [
        (Sight([]), "nobody works on it now"),
        (Sight([], namespace="lab"), "no controller works on it in namespace lab"),
        (Sight([], namespace="lab", controller="control-1"), "controller control-1 works on it in namespace lab"),
    ],
)
def test_who_works_on_it_is_told(sight: Sight, told: str) -> None:
    assert sight.worker == told
