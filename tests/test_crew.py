"""Threads for transfers: all that is asked for is done once, and nobody waits for one that hangs."""

from __future__ import annotations

import threading

import pytest

from crossad.crew import begin, spread


@pytest.mark.parametrize("threads", [1, 3, 50])
def test_each_thing_is_done_once(threads: int) -> None:
    with spread(lambda thing: thing * 2, range(20), threads) as ended:
        assert sorted(ended) == [(thing, thing * 2) for thing in range(20)]


def test_nothing_to_do_ends_at_once() -> None:
    with spread(lambda thing: thing, [], 4) as ended:
        assert list(ended) == []


def test_an_error_is_raised_though_another_call_hangs_and_nothing_new_begins() -> None:
    hang, begun = threading.Event(), list[int]()

    def call(thing: int) -> None:
        begun.append(thing)
        if thing == 0:
            hang.wait(30)
        else:
            raise ValueError("second")

    with pytest.raises(ValueError, match="second"), spread(call, range(100), 2) as ended:
        list(ended)
    assert not hang.is_set()
    assert sorted(begun) == [0, 1]
    hang.set()


def test_a_call_that_was_begun_gives_its_value_once_it_has_one() -> None:
    go = threading.Event()
    waited = begin(lambda: go.wait(30))
    go.set()
    assert waited() is True


def test_the_error_of_a_call_that_was_begun_is_raised_where_it_is_waited_for() -> None:
    waited = begin(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        waited()
