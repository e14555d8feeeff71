from __future__ import annotations

import threading

import pytest

from crossad.store.faults import StoreDenied, StoreUnreachable
from crossad.store.patience import LONGEST, Patience


class Time:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, clock=lambda: self.now, sleep=self.sleep, dice=lambda: 1.0)


def test_a_store_down_for_half_an_hour_is_waited_for_ever_less_often() -> None:
    time = Time()

    def ask() -> str:
        if time.now < 1800:
            raise StoreUnreachable("down")
        return "up"

    assert time.patience(4 * 3600).run(ask) == "up"
    assert time.slept[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert max(time.slept) == LONGEST
    assert len(time.slept) < 40


def test_spent_patience_ends_with_75_the_time_waited_and_the_last_answer() -> None:
    time = Time()

    def ask() -> None:
        raise StoreUnreachable(f"down at {time.now:.0f}", hint="look")

    with pytest.raises(StoreUnreachable, match=r"down at 63 \(waited 63 s\)") as caught:
        time.patience(100).run(ask)
    assert caught.value.exit_code == 75
    assert caught.value.hint == "look"
    assert isinstance(caught.value.__cause__, StoreUnreachable)
    assert time.now <= 100


def test_what_waiting_does_not_help_is_told_at_once() -> None:
    time = Time()

    def ask() -> None:
        raise StoreDenied("no")

    with pytest.raises(StoreDenied):
        time.patience(100).run(ask)
    assert time.slept == []


def test_no_patience_asks_once() -> None:
    time, asked = Time(), []

    def ask() -> None:
        asked.append(1)
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        time.patience(0).run(ask)
    assert asked == [1]


def test_jitter_takes_at_most_half() -> None:
    assert [Patience(0, dice=lambda: 0.0).pause(round_) for round_ in (0, 1, 20)] == [0.5, 1.0, 30.0]


def test_a_patience_that_somebody_gives_up_ends_within_a_second() -> None:
    time, gave_up = Time(), threading.Event()

    def ask() -> None:
        if time.now >= 3:
            gave_up.set()
        raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable, match="given up"):
        time.patience(4 * 3600).until(gave_up).run(ask)
    assert time.now <= 8
    assert max(time.slept) <= 1
