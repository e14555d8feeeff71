from __future__ import annotations

import pytest
from clients import Time

from crossad.kube.faults import ClusterUnreachable, ObjectMissing
from crossad.kube.patience import LONGEST, Patience


def failing(times: int, after: float = 0.0) -> tuple[list[int], object]:
    calls: list[int] = []

    def action() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise ClusterUnreachable("no answer", hint="run again", after=after)
        return "answer"

    return calls, action


def test_pauses_double_up_to_the_longest(time: Time) -> None:
    pauses = [time.patience().pause(round_) for round_ in range(9)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert Patience(dice=lambda: 1.0).pause(50) == LONGEST


def test_the_servers_time_is_the_least_and_spread(time: Time) -> None:
    assert time.patience().pause(0, after=40) == 40
    assert Patience(dice=lambda: 1.0).pause(0, after=40) == 50


def test_an_answer_ends_the_waiting(time: Time) -> None:
    calls, action = failing(2)
    assert time.patience().run(action) == "answer"  # type: ignore[arg-type]
    assert len(calls) == 3
    assert time.slept == [0.25, 0.5]


def test_a_wait_that_would_outlast_the_patience_is_not_begun(time: Time) -> None:
    _, action = failing(9, after=50)
    with pytest.raises(ClusterUnreachable, match=r"no answer \(waited 50 s\)") as caught:
        time.patience(60).run(action)  # type: ignore[arg-type]
    assert time.slept == [50]
    assert caught.value.after == 50
    assert caught.value.hint == "run again"


def test_other_errors_are_not_waited_for(time: Time) -> None:
    def action() -> None:
        raise ObjectMissing("gone")

    with pytest.raises(ObjectMissing):
        time.patience().run(action)
    assert time.slept == []
